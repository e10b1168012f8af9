#include "cli/masterset.h"
#include "cli/process.h"
#include "cli/service.h"
#include "cli/storefile.h"

static const struct option_spec specs[] = {
    {.name = "listen",
     .value = "ADDR:PORT",
     .kind = OPTION_ADDRESS,
     .traits = OPTION_NEEDED,
     .help = "Where publishers and servers ask. Port 0 picks one; the line `ready` says which."},
    {.name = "store",
     .value = "FILE",
     .kind = OPTION_FILE,
     .traits = OPTION_NEEDED | OPTION_WRITTEN,
     .help = "The hosts, an SQLite database that adit host changes. Made when it is not there."},
    {.name = "fernet-key-file",
     .value = "FILE",
     .kind = OPTION_SECRET,
     .traits = OPTION_NEEDED,
     .help = "The server's Fernet keys, one a line; the first one mints."},
    {.name = "server",
     .value = "HOST:PORT",
     .kind = OPTION_HOST_PORT,
     .traits = OPTION_NEEDED,
     .help = "The public server that publishers are sent to. Clients that are not ours use port "
             "443 of that host, whatever the port here."},
    MASTERSET_OPTIONS,
    {.name = NULL},
};

static void *start(struct io_loop *loop, const struct options *options, void (*stopped)(void *arg),
                   void *arg, char *why, size_t why_len)
{
    struct master_config config;
    masterset_config(options, "listen", &config);
    if (!storefile_make(loop, config.store_file, options_text(options, "user"), why, why_len))
        return NULL;
    return master_start(loop, &config, stopped, arg, why, why_len);
}

static int reload(void *running, const struct options *options, char *why, size_t why_len)
{
    (void)options;
    return master_reload(running, why, why_len);
}

static void stop(void *running)
{
    master_stop(running);
}

static void free_master(void *running)
{
    master_free(running);
}

static void status(void *running, void (*answer)(void *arg, json_t *status), void *arg)
{
    master_status(running, answer, arg);
}

static const struct service_role role = {start,  reload,           stop, free_master,
                                         status, IO_SANDBOX_WRITE, false};

static int run(const struct command *command, struct options *options)
{
    return service_run(command, &role, options);
}

const struct command command_master = {
    .name = "master",
    .group = "Give tokens to publishers",
    .summary = "gives tokens to publishers that show an API key",
    .usage = "--listen ADDR:PORT --store FILE --fernet-key-file FILE --server HOST:PORT [options]",
    .about =
        "Answers publishers over HTTPS: with the API key that adit host add printed they get a "
        "token for their names and the server to go to. A host can be disabled, and its key be "
        "replaced, while everything runs. It answers Home Assistant's cloud client as well.\n"
        "SIGHUP reads the Fernet keys and the certificate again. SIGTERM and SIGINT end it with "
        "status 0.",
    .example = "  adit master --listen 0.0.0.0:8444 --store /var/lib/adit/hosts.db \\\n"
               "      --fernet-key-file /etc/adit/fernet.key --server relay.example.org:443 \\\n"
               "      --tls-cert /etc/adit/tls/cert.pem --tls-key /etc/adit/tls/key.pem\n",
    .table = {specs, service_options},
    .contradiction = masterset_contradiction,
    .run = run,
};
