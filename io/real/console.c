#include "io/real/console.h"

#include "base/encode.h"
#include "io/io.h"
#include "io/real/kernel_error.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

int io_console_read(size_t max, char **text, size_t *len)
{
    /* One byte more than allowed shows that there is more. */
    char *bytes = malloc(max + 2);
    size_t used = 0;
    int error = bytes == NULL ? IO_E_NO_MEMORY : 0;
    while (error == 0) {
        ssize_t got = read(STDIN_FILENO, bytes + used, max + 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            break;
        if (got < 0)
            error = kernel_error(errno);
        else
            used += (size_t)got;
        if (used > max)
            error = IO_E_TOO_LARGE;
    }
    if (error == 0) {
        bytes[used] = '\0';
        *text = bytes;
        *len = used;
        return 0;
    }
    if (bytes != NULL)
        wipe(bytes, max + 2);
    free(bytes);
    return error;
}

/* ---- A terminal ---- */

static volatile sig_atomic_t interrupted;
static struct termios as_before;
static bool has_keys;

bool io_console_is_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

unsigned io_console_lines(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

static void on_interrupt(int signo)
{
    (void)signo;
    interrupted = 1;
}

void io_console_begin(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    interrupted = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    has_keys = tcgetattr(STDIN_FILENO, &as_before) == 0;
    if (has_keys) {
        struct termios direct = as_before;
        direct.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &direct);
    }
}

void io_console_end(void)
{
    if (has_keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &as_before);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
}

double io_console_clock_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

enum io_console_event io_console_wait(unsigned timeout_ms, char *key)
{
    struct pollfd input = {.fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN};
    struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                               .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
    sigset_t ends;
    sigset_t before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    /* Blocked until the wait itself, so that one that comes just before it is not slept over. */
    sigprocmask(SIG_BLOCK, &ends, &before);
    int ready = interrupted ? -1 : ppoll(&input, 1, &timeout, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (ready == 0)
        return IO_CONSOLE_TIME;
    return ready > 0 && read(STDIN_FILENO, key, 1) == 1 ? IO_CONSOLE_KEY : IO_CONSOLE_STOP;
}
