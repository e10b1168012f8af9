#include "io/real/process.h"

#include "io/real/capability.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void io_process_begin(void)
{
    umask(077);
    signal(SIGPIPE, SIG_IGN);
}

bool io_process_no_dumps(void)
{
    struct rlimit none = {0, 0};
    bool limited = setrlimit(RLIMIT_CORE, &none) == 0;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && limited;
}

uint64_t io_process_raise_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

void io_process_no_new_privileges(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* ---- Users ---- */

bool io_process_is_root(void)
{
    return geteuid() == 0;
}

bool io_process_find_user(const char *name, struct io_process_user *user)
{
    const struct passwd *entry = getpwnam(name);
    if (entry == NULL)
        return false;
    user->uid = entry->pw_uid;
    user->gid = entry->pw_gid;
    snprintf(user->name, sizeof(user->name), "%s", entry->pw_name);
    return true;
}

bool io_process_may_become(const struct io_process_user *user)
{
    return geteuid() == 0 || geteuid() == user->uid;
}

bool io_process_become(const struct io_process_user *user, char *why, size_t why_len)
{
    /* Who is not root is the user already, and may not even put its groups down. */
    if (geteuid() != 0)
        return true;
    if (setgroups(0, NULL) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0) {
        snprintf(why, why_len, "cannot become user %s: %s", user->name, strerror(errno));
        return false;
    }
    /* A user id that root could take back would protect nothing. */
    if (user->uid != 0 && setuid(0) == 0) {
        snprintf(why, why_len, "became root again after becoming %s", user->name);
        return false;
    }
    /* A change of user makes a process as dumpable as fs.suid_dumpable says. */
    if (!io_process_no_dumps()) {
        snprintf(why, why_len, "cannot forbid dumps of its memory: %s", strerror(errno));
        return false;
    }
    return true;
}

bool io_process_drop_capabilities(void)
{
    return geteuid() == 0 || capability_drop_all();
}

/* ---- Files ---- */

bool io_process_program(char *path, size_t path_len)
{
    ssize_t len = readlink("/proc/self/exe", path, path_len - 1);
    if (len < 0)
        return false;
    path[len] = '\0';
    return true;
}

bool io_process_can_read(const char *path)
{
    return access(path, R_OK) == 0;
}

/* Landlock holds for open(2), and not for access(2). */
bool io_process_is_kept_from(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool denied = fd < 0 && errno == EACCES;
    if (fd >= 0)
        close(fd);
    return denied && io_process_can_read(path);
}

bool io_process_look(const char *path, unsigned *mode, char *why, size_t why_len)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        snprintf(why, why_len, "%s", strerror(errno));
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(why, why_len, "is no regular file");
        return false;
    }
    *mode = status.st_mode & 07777;
    return true;
}

bool io_process_give(const char *path, const struct io_process_user *user, char *why,
                     size_t why_len)
{
    if (lchown(path, user->uid, user->gid) == 0)
        return true;
    snprintf(why, why_len, "cannot give it to user %s: %s", user->name, strerror(errno));
    return false;
}

static bool make_directory(const char *path, const struct io_process_user *owner)
{
    struct stat status;
    if (mkdir(path, 0700) == 0)
        return owner == NULL || lchown(path, owner->uid, owner->gid) == 0;
    if (errno != EEXIST || stat(path, &status) != 0)
        return false;
    errno = ENOTDIR;
    return S_ISDIR(status.st_mode);
}

bool io_process_make_directories(const char *file, const struct io_process_user *owner, char *why,
                                 size_t why_len)
{
    char path[PATH_MAX];
    if (strlen(file) >= sizeof(path)) {
        snprintf(why, why_len, "the path is too long");
        return false;
    }
    strcpy(path, file);
    for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (path[0] != '\0' && !make_directory(path, owner)) {
            snprintf(why, why_len, "%.200s: %s", path, strerror(errno));
            return false;
        }
        *slash = '/';
    }
    return true;
}

/* ---- The supervisor ---- */

/* The supervisor's socket, '@' first for an abstract one. Returns its length, 0 without one. */
static socklen_t supervisor(struct sockaddr_un *to)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(to->sun_path))
        return 0;
    to->sun_family = AF_UNIX;
    memcpy(to->sun_path, path, strlen(path));
    if (path[0] == '@')
        to->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

void io_process_notify(const char *state)
{
    struct sockaddr_un to = {0};
    char text[128];
    struct timespec now;
    socklen_t to_len = supervisor(&to);
    int fd = to_len == 0 ? -1 : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    /* A reload is told apart from an earlier one by its time. */
    snprintf(text, sizeof(text), "%s\nMONOTONIC_USEC=%lld\n", state,
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    /* Who is not heard by the supervisor is ended by it: nothing else can be done here. */
    ssize_t sent =
        sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to, to_len);
    (void)sent;
    close(fd);
}
