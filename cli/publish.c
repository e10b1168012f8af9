#include "cli/publishers.h"
#include "cli/publishset.h"
#include "cli/service.h"

static void *start(struct io_loop *loop, const struct options *options, void (*stopped)(void *arg),
                   void *arg, char *why, size_t why_len)
{
    return publishers_start(loop, options, stopped, arg, why, why_len);
}

static int reload(void *running, const struct options *options, char *why, size_t why_len)
{
    return publishers_reload(running, options, why, why_len);
}

static void stop(void *running)
{
    publishers_stop(running);
}

static void free_publishers(void *running)
{
    publishers_free(running);
}

static void status(void *running, void (*answer)(void *arg, json_t *status), void *arg)
{
    answer(arg, publishers_status(running));
}

static const struct service_role role = {
    start, reload, stop, free_publishers, status, IO_SANDBOX_CONNECT | IO_SANDBOX_WRITE, false};

static int run(const struct command *command, struct options *options)
{
    return service_run(command, &role, options);
}

const struct command command_publish = {
    .name = "publish",
    .group = "Publish a service under a host name",
    .summary = "is next to the service and keeps the tunnel to the server",
    .usage = "--server HOST:PORT --credential FILE|- --to HOST:PORT [options]\n"
             "       adit publish --master URL --api-key-file FILE --to HOST:PORT [options]",
    .about =
        "Keeps one encrypted connection to the server and joins each caller that it announces to "
        "a TCP connection of its own to the service. It comes back for ever: first after up to 3 "
        "seconds, then less and less often, once a minute at last.\n"
        "A configuration file may list several services, each with a token of its own.\n"
        "SIGHUP reads the credential again, for the next connection, and --config: a service that "
        "has changed begins anew, the others go on. SIGTERM and SIGINT end it with status 0. A "
        "credential with aes-gcm is good for one connection: it is marked as used before it is "
        "sent.",
    .example = "  adit publish --server home.example.org:443 --credential home.json \\\n"
               "      --to 127.0.0.1:8443 --proxy-protocol v2\n",
    .table = {publishset_options, service_options},
    .contradiction = publishset_contradiction,
    .examine = publishset_examine,
    .run = run,
};
