#include "cli/sandbox.h"

#include "io/log.h"

#include <string.h>

struct walk {
    struct io_sandbox sandbox;
    unsigned work;
    bool any_port;
};

/* Others than the options name may come while it runs. */
static void find_any_port(void *arg, const struct option_spec *spec,
                          const struct option_value *value)
{
    (void)value;
    struct walk *walk = arg;
    if (strcmp(spec->name, "config") == 0 || strcmp(spec->name, "master") == 0)
        walk->any_port = true;
}

static void allow_file(struct walk *walk, const struct option_spec *spec, const char *path)
{
    /* The control socket is no file, and standard input is open. */
    if (strcmp(path, "-") == 0 || strcmp(spec->name, "control") == 0)
        return;
    if ((spec->traits & OPTION_WRITTEN) != 0)
        io_sandbox_write_beside(&walk->sandbox, path);
    else if ((spec->traits & OPTION_ARGUMENT) != 0)
        io_sandbox_read(&walk->sandbox, path);
    else
        io_sandbox_read_beside(&walk->sandbox, path);
}

static void allow(void *arg, const struct option_spec *spec, const struct option_value *value)
{
    struct walk *walk = arg;
    switch (spec->kind) {
    case OPTION_FILE:
    case OPTION_SECRET:
        allow_file(walk, spec, value->text);
        break;
    case OPTION_ADDRESS:
        io_sandbox_listen(&walk->sandbox, value->addr.port);
        break;
    case OPTION_HOST_PORT:
    case OPTION_ENDPOINT:
    case OPTION_ROUTE:
        if ((walk->work & IO_SANDBOX_CONNECT) != 0)
            io_sandbox_connect(&walk->sandbox, value->to.port);
        break;
    default:
        break;
    }
}

bool sandbox_paths(struct io_loop *loop, const struct options *options, unsigned work,
                   const char *control, char *why, size_t why_len)
{
    struct walk walk = {.work = work};
    options_each(options, find_any_port, &walk);
    io_sandbox_begin(&walk.sandbox, (work & IO_SANDBOX_CONNECT) != 0, walk.any_port);
    options_each(options, allow, &walk);
    if (control != NULL)
        io_sandbox_socket(&walk.sandbox, control);
    if (walk.sandbox.missing != NULL)
        log_event(loop, LOG_WARN, "sandbox", "cannot limit %s", walk.sandbox.missing);
    return io_sandbox_enter(&walk.sandbox, why, why_len);
}

bool sandbox_is_off(struct io_loop *loop, const struct options *options)
{
    bool off = options_switched_on(options, "no-sandbox");
    if (off)
        log_event(loop, LOG_WARN, "sandbox",
                  "--no-sandbox: every system call, path and port stays open to this process");
    return off;
}
