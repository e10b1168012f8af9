#include "io/io.h"

const char *io_error_text(int error)
{
    switch (error) {
    case IO_OK:
        return "no error";
    case IO_AGAIN:
        return "nothing to read now";
    case IO_E_REFUSED:
        return "connection refused";
    case IO_E_RESET:
        return "connection reset by the other side";
    case IO_E_TIMEOUT:
        return "timed out";
    case IO_E_UNREACHABLE:
        return "network or host unreachable";
    case IO_E_NO_MEMORY:
        return "out of memory";
    case IO_E_NO_FILES:
        return "out of file descriptors";
    case IO_E_DENIED:
        return "permission denied";
    case IO_E_IN_USE:
        return "address already in use";
    case IO_E_NOT_FOUND:
        return "not found";
    case IO_E_EXISTS:
        return "exists already";
    case IO_E_TOO_LARGE:
        return "too large";
    case IO_E_EXPOSED:
        return "no place for a secret: its owner must be root or the user that adit runs as, its "
               "mode 0640 or less (chown, chmod 600)";
    case IO_E_NO_SPACE:
        return "no space left on the device";
    case IO_E_READ_ONLY:
        return "read-only file system";
    case IO_E_ADDRESS:
        return "not an address of this machine";
    case IO_E_NAME_AGAIN:
        return "the name could not be looked up now";
    case IO_E_FULL:
        return "too much waits already";
    case IO_E_TLS:
        return "TLS failed";
    case IO_E_KIND:
        return "another kind of file, or a symbolic link, stands there";
    case IO_E_STOPPED:
        return "interrupted";
    default:
        return "input/output error";
    }
}

const char *io_listen_error_text(int error)
{
    switch (error) {
    case IO_E_DENIED:
        return "permission denied: ports below 1024 need root or CAP_NET_BIND_SERVICE";
    case IO_E_IN_USE:
        return "address already in use, by another program: ss -ltnp names it";
    case IO_E_ADDRESS:
        return "not an address of this machine: ip address lists those, 0.0.0.0 and [::] are all";
    default:
        return io_error_text(error);
    }
}
