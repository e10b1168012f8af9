#include "cli/process.h"

#include "io/real/real.h"

#include <stdlib.h>

static const char default_user[] = "adit";

struct io_loop *process_loop(const struct command *command)
{
    int error = 0;
    struct io_loop *loop = io_real_new(NULL, &error);
    if (loop == NULL)
        command_failed(command, "%s", io_error_text(error));
    return loop;
}

int process_find_user(const struct command *command, const char *name, struct io_process_user *user,
                      bool *change)
{
    *change = false;
    if (name == NULL) {
        *change = io_process_is_root() && io_process_find_user(default_user, user);
        return EXIT_FINE;
    }
    if (!io_process_find_user(name, user))
        return command_unusable(command, "--user: there is no user \"%s\"", name);
    if (!io_process_may_become(user))
        return command_unusable(command, "--user: only root can become \"%s\"", name);
    *change = io_process_is_root();
    return EXIT_FINE;
}

bool process_control_path(const char *role, char *out, size_t out_len)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int len;
    if (io_process_is_root())
        len = snprintf(out, out_len, "/run/adit/%s.sock", role);
    else if (runtime != NULL && runtime[0] == '/')
        len = snprintf(out, out_len, "%s/adit/%s.sock", runtime, role);
    else
        return false;
    return (size_t)len < out_len;
}
