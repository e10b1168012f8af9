#include "io/real/terminal.h"

#include "base/encode.h"
#include "io/io.h"
#include "io/real/kernel_error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { COLUMNS_UNKNOWN = 80 };

/* The line itself; more than fits is read too, so that it is not left for the shell. */
static long read_line(int fd, char *line, size_t room)
{
    size_t len = 0;
    for (;;) {
        char c;
        ssize_t got = read(fd, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kernel_error(errno);
        if (got == 0)
            return IO_E_STOPPED;
        if (c == '\n')
            break;
        if (len < room)
            line[len] = c;
        len++;
    }
    if (len >= room)
        return IO_E_TOO_LARGE;
    line[len] = '\0';
    return (long)len;
}

long io_terminal_ask(const char *prompt, char *line, size_t room)
{
    struct termios before;
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || tcgetattr(fd, &before) != 0) {
        if (fd >= 0)
            close(fd);
        return IO_E_NOT_FOUND;
    }
    struct termios quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL | ISIG);
    quiet.c_lflag |= ICANON;
    long result = IO_E_OTHER;
    if (tcsetattr(fd, TCSAFLUSH, &quiet) == 0 && write(fd, prompt, strlen(prompt)) >= 0)
        result = read_line(fd, line, room);
    tcsetattr(fd, TCSAFLUSH, &before);
    if (write(fd, "\n", 1) < 0 && result >= 0)
        result = IO_E_OTHER;
    close(fd);
    if (result < 0)
        wipe(line, room);
    return result;
}

bool io_terminal_shows_errors(void)
{
    return isatty(STDERR_FILENO) == 1;
}

unsigned io_terminal_columns(void)
{
    struct winsize size;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : COLUMNS_UNKNOWN;
}
