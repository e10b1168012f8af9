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

bool process_find_user(const char *name, struct io_process_user *user, bool *change, char *why,
                       size_t why_len)
{
    *change = false;
    if (name == NULL) {
        *change = io_process_is_root() && io_process_find_user(default_user, user);
        return true;
    }
    *change = io_process_is_root();
    if (!io_process_find_user(name, user))
        snprintf(why, why_len, "--user: there is no user \"%s\"", name);
    else if (!io_process_may_become(user))
        snprintf(why, why_len, "--user: only root can become \"%s\"", name);
    else
        return true;
    return false;
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
