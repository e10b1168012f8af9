#include "io/real/ask.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_ROOM = 64 * 1024 };

static int connect_to(const char *path, char *why, size_t why_len)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const struct timeval timeout = {.tv_sec = IO_ASK_TIMEOUT_S};
    if (strlen(path) >= sizeof(to.sun_path)) {
        snprintf(why, why_len, "longer than the %zu characters of a socket's path",
                 sizeof(to.sun_path) - 1);
        return -1;
    }
    memcpy(to.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
        connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        snprintf(why, why_len, "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, const char *text, char *why, size_t why_len)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            snprintf(why, why_len, "%s", strerror(errno));
            return false;
        }
        text += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

/* Room for more, twice as much each time. */
static bool grow(char **text, size_t *room, size_t max)
{
    if (*room == max)
        return false;
    size_t more = *room == 0 ? FIRST_ROOM : *room * 2;
    more = more < max ? more : max;
    char *grown = realloc(*text, more);
    if (grown == NULL)
        return false;
    *text = grown;
    *room = more;
    return true;
}

static char *read_line(int fd, size_t max, size_t *line_len, char *why, size_t why_len)
{
    char *text = NULL;
    size_t room = 0;
    size_t len = 0;
    for (;;) {
        if (len == room && !grow(&text, &room, max)) {
            snprintf(why, why_len, "the answer is too long");
            break;
        }
        ssize_t got = recv(fd, text + len, room - len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            snprintf(why, why_len, "it closed the connection without an answer");
        else if (got < 0 && errno == EAGAIN)
            snprintf(why, why_len, "no answer within %d seconds", IO_ASK_TIMEOUT_S);
        else if (got < 0)
            snprintf(why, why_len, "%s", strerror(errno));
        if (got <= 0)
            break;
        const char *newline = memchr(text + len, '\n', (size_t)got);
        len += (size_t)got;
        if (newline != NULL) {
            *line_len = (size_t)(newline - text);
            return text;
        }
    }
    free(text);
    return NULL;
}

char *io_ask(const char *path, const char *question, size_t answer_max, size_t *len, char *why,
             size_t why_len)
{
    int fd = connect_to(path, why, why_len);
    if (fd < 0)
        return NULL;
    char *line = NULL;
    if (send_all(fd, question, why, why_len))
        line = read_line(fd, answer_max, len, why, why_len);
    close(fd);
    return line;
}
