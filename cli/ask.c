#include "cli/ask.h"

#include "base/encode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_ROOM = 64 * 1024 };

static int connect_to(const char *path, char why[OPTION_WHY_MAX])
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const struct timeval timeout = {.tv_sec = ASK_TIMEOUT_S};
    if (strlen(path) >= sizeof to.sun_path) {
        snprintf(why, OPTION_WHY_MAX, "longer than the %zu characters of a socket's path",
                 sizeof to.sun_path - 1);
        return -1;
    }
    memcpy(to.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0 ||
        connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        snprintf(why, OPTION_WHY_MAX, "%s", strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static bool send_all(int fd, const char *text, char why[OPTION_WHY_MAX])
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            snprintf(why, OPTION_WHY_MAX, "%s", strerror(errno));
            return false;
        }
        text += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

/* Room for more, twice as much each time. */
static bool grow(char **text, size_t *room)
{
    size_t more = *room == 0 ? FIRST_ROOM : *room * 2;
    char *grown = more > ASK_ANSWER_MAX ? NULL : realloc(*text, more);
    if (grown == NULL) {
        return false;
    }
    *text = grown;
    *room = more;
    return true;
}

/* One line without its newline, from malloc(); NULL with why. */
static char *read_line(int fd, size_t *line_len, char why[OPTION_WHY_MAX])
{
    char *text = NULL;
    size_t room = 0;
    size_t len = 0;
    for (;;) {
        if (len == room && !grow(&text, &room)) {
            snprintf(why, OPTION_WHY_MAX, "the answer is too long");
            break;
        }
        ssize_t got = recv(fd, text + len, room - len, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            snprintf(why, OPTION_WHY_MAX, "%s",
                     got == 0          ? "it closed the connection without an answer"
                     : errno == EAGAIN ? "no answer within 5 seconds"
                                       : strerror(errno));
            break;
        }
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

static json_t *understand(const char *line, size_t len, char why[OPTION_WHY_MAX])
{
    json_error_t error;
    json_t *answer = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(answer)) {
        snprintf(why, OPTION_WHY_MAX, "the answer is no JSON object");
        json_decref(answer);
        return NULL;
    }
    const char *complaint = json_string_value(json_object_get(answer, "error"));
    if (complaint != NULL) {
        char shown[OPTION_WHY_MAX];
        snprintf(why, OPTION_WHY_MAX, "%s",
                 text_escape(complaint, strlen(complaint), shown, sizeof shown));
        json_decref(answer);
        return NULL;
    }
    return answer;
}

json_t *ask(const char *path, const char *command, char why[OPTION_WHY_MAX])
{
    int fd = connect_to(path, why);
    if (fd < 0) {
        return NULL;
    }
    char request[128];
    snprintf(request, sizeof request, "{\"command\":\"%s\"}\n", command);
    json_t *answer = NULL;
    size_t len = 0;
    char *line = send_all(fd, request, why) ? read_line(fd, &len, why) : NULL;
    if (line != NULL) {
        answer = understand(line, len, why);
    }
    free(line);
    close(fd);
    return answer;
}
