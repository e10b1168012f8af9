#include "io/real/kernel_error.h"

#include "io/io.h"

#include <errno.h>

int kernel_error(int number)
{
    switch (number) {
    case 0:
        return IO_OK;
    case EAGAIN:
        return IO_AGAIN;
    case ECONNREFUSED:
        return IO_E_REFUSED;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENOTCONN:
        return IO_E_RESET;
    case ETIMEDOUT:
        return IO_E_TIMEOUT;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
        return IO_E_UNREACHABLE;
    case ENOMEM:
    case ENOBUFS:
        return IO_E_NO_MEMORY;
    case EMFILE:
    case ENFILE:
        return IO_E_NO_FILES;
    case EACCES:
    case EPERM:
        return IO_E_DENIED;
    case EADDRINUSE:
        return IO_E_IN_USE;
    case ENOENT:
    case ENOTDIR:
        return IO_E_NOT_FOUND;
    case EEXIST:
        return IO_E_EXISTS;
    case ENAMETOOLONG:
    case EFBIG:
    case EMSGSIZE:
        return IO_E_TOO_LARGE;
    case ENOSPC:
    case EDQUOT:
        return IO_E_NO_SPACE;
    case EROFS:
        return IO_E_READ_ONLY;
    case EADDRNOTAVAIL:
        return IO_E_ADDRESS;
    default:
        return IO_E_OTHER;
    }
}
