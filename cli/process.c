#include "cli/process.h"

#include "io/real/real.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char default_user[] = "adit";

struct io_loop *process_loop(const struct command *command)
{
    int error = 0;
    struct io_loop *loop = io_real_new(NULL, &error);
    if (loop == NULL) {
        command_failed(command, "%s", io_error_text(error));
    }
    return loop;
}

int process_user_find(const struct command *command, const char *name, struct process_user *user)
{
    memset(user, 0, sizeof *user);
    if (name == NULL && geteuid() != 0) {
        return EXIT_FINE;
    }
    const struct passwd *entry = getpwnam(name == NULL ? default_user : name);
    if (entry == NULL) {
        return name == NULL ? EXIT_FINE
                            : command_unusable(command, "--user: there is no user \"%s\"", name);
    }
    if (geteuid() != 0 && entry->pw_uid != geteuid()) {
        return command_unusable(command, "--user: only root can become \"%s\"", name);
    }
    user->found = geteuid() == 0;
    user->uid = entry->pw_uid;
    user->gid = entry->pw_gid;
    snprintf(user->name, sizeof user->name, "%s", entry->pw_name);
    return EXIT_FINE;
}

bool process_user_become(const struct process_user *user, char why[OPTION_WHY_MAX])
{
    if (!user->found) {
        return true;
    }
    if (setgroups(0, NULL) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0) {
        snprintf(why, OPTION_WHY_MAX, "cannot become user %s: %s", user->name, strerror(errno));
        return false;
    }
    /* A user id that root could take back would protect nothing. */
    if (user->uid != 0 && setuid(0) == 0) {
        snprintf(why, OPTION_WHY_MAX, "became root again after becoming %s", user->name);
        return false;
    }
    return true;
}

bool process_is_root(void)
{
    return geteuid() == 0;
}

void process_give(const char *path, const struct process_user *user)
{
    /* Of no use to others: when it fails, root alone can ask. */
    if (user->found && lchown(path, user->uid, user->gid) != 0) {
        fprintf(stderr, "adit: %s: %s\n", path, strerror(errno));
    }
}

bool process_can_read(const char *path)
{
    return access(path, R_OK) == 0;
}

void process_no_new_privileges(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void process_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof to.sun_path) {
        return;
    }
    memcpy(to.sun_path, path, strlen(path));
    if (path[0] == '@') {
        to.sun_path[0] = '\0';
    }
    char text[128];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    /* A reload is told apart from an earlier one by its time. */
    snprintf(text, sizeof text, "%s\nMONOTONIC_USEC=%lld\n", state,
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    /* Who is not heard by the supervisor is ended by it: nothing else can be done here. */
    ssize_t sent =
        sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to, to_len);
    (void)sent;
    close(fd);
}

bool process_control_path(const char *role, char *out, size_t out_len)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int len;
    if (geteuid() == 0) {
        len = snprintf(out, out_len, "/run/adit/%s.sock", role);
    } else if (runtime != NULL && runtime[0] == '/') {
        len = snprintf(out, out_len, "%s/adit/%s.sock", runtime, role);
    } else {
        return false;
    }
    return (size_t)len < out_len;
}

static bool make_one(const char *path, const struct process_user *owner)
{
    if (mkdir(path, 0700) != 0) {
        return errno == EEXIST;
    }
    return owner == NULL || !owner->found || chown(path, owner->uid, owner->gid) == 0;
}

bool process_make_directory(const char *file, const struct process_user *owner,
                            char why[OPTION_WHY_MAX])
{
    char path[4096];
    if (strlen(file) >= sizeof path) {
        snprintf(why, OPTION_WHY_MAX, "the path is too long");
        return false;
    }
    memcpy(path, file, strlen(file) + 1);
    char *end = strrchr(path, '/');
    for (char *slash = strchr(path + 1, '/'); end != NULL && slash != NULL && slash <= end;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!make_one(path, owner)) {
            snprintf(why, OPTION_WHY_MAX, "%.200s: %s", path, strerror(errno));
            return false;
        }
        *slash = '/';
    }
    return true;
}
