#include "cli/host.h"

#include <stdlib.h>
#include <string.h>

static const char *const ciphers[] = {"aes-gcm", "aes-gcm-siv", "aes-cbc", NULL};

static const char out_help[] =
    "Writes the API key to this file, mode 0600, instead of printing it.";

static const struct option_spec add_specs[] = {
    {.name = "name",
     .value = "NAME",
     .kind = OPTION_HOST_NAME,
     .traits = OPTION_NEEDED | OPTION_ARGUMENT | OPTION_NOT_IN_FILE,
     .help = "The host name that is published: the first one, where there are several."},
    {.name = "alias",
     .value = "NAME",
     .kind = OPTION_HOST_NAME,
     .traits = OPTION_MANY | OPTION_NOT_IN_FILE,
     .help = "A further host name."},
    {.name = "cipher",
     .value = "CIPHER",
     .kind = OPTION_CHOICE,
     .traits = OPTION_MANY | OPTION_NOT_IN_FILE,
     .choices = ciphers,
     .help = "A cipher that the host may use: aes-gcm, aes-gcm-siv or aes-cbc (no integrity; the "
             "only one that older clients know). Default: all of them."},
    {.name = "allow",
     .value = "CIDR",
     .kind = OPTION_CIDR,
     .traits = OPTION_MANY | OPTION_NOT_IN_FILE,
     .help = "Only callers from this address block reach the service; without it everyone does."},
    {.name = "out",
     .value = "FILE",
     .kind = OPTION_FILE,
     .traits = OPTION_NOT_IN_FILE,
     .help = out_help},
    {.name = "force",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Replaces a file that exists."},
    {.name = NULL},
};

static const struct option_spec server_specs[] = {
    {.name = "name",
     .value = "NAME",
     .kind = OPTION_HOST_NAME,
     .traits = OPTION_NEEDED | OPTION_ARGUMENT | OPTION_NOT_IN_FILE,
     .help = "What the server is called here; no host has that name."},
    {.name = "out",
     .value = "FILE",
     .kind = OPTION_FILE,
     .traits = OPTION_NOT_IN_FILE,
     .help = out_help},
    {.name = "force",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Replaces a file that exists."},
    {.name = NULL},
};

/* The lists of a host from the flags. False with a complaint in *status. */
static bool describe(const struct host_work *work, struct store_host *host, int *status)
{
    const struct options *options = work->options;
    size_t aliases = options_count(options, "alias");
    size_t blocks = options_count(options, "allow");
    if (aliases > STORE_ALIASES_MAX || blocks > STORE_ALLOW_MAX) {
        *status = command_unusable(work->command, "at most %d aliases and %d address blocks",
                                   STORE_ALIASES_MAX, STORE_ALLOW_MAX);
        return false;
    }
    host->aliases = calloc(aliases + 1, sizeof *host->aliases);
    host->allow = calloc(blocks + 1, sizeof *host->allow);
    if (host->aliases == NULL || host->allow == NULL) {
        *status = command_failed(work->command, "out of memory");
        return false;
    }
    for (; host->alias_count < aliases; host->alias_count++) {
        strcpy(host->aliases[host->alias_count],
               options_value(options, "alias", host->alias_count)->to.name);
    }
    for (; host->allow_count < blocks; host->allow_count++)
        host->allow[host->allow_count] = options_value(options, "allow", host->allow_count)->cidr;
    host->ciphers = options_count(options, "cipher") == 0 ? MASTER_CIPHERS_ALL : 0;
    for (size_t i = 0; i < options_count(options, "cipher"); i++)
        host->ciphers |= 1U << snitun_cipher_by_name(options_value(options, "cipher", i)->text);
    return true;
}

static int add(struct host_work *work, struct store_host *host)
{
    char key[MASTER_KEY_TEXT_MAX];
    char taken[HOSTNAME_MAX + 1];
    uint8_t digest[SHA256_LEN];
    snprintf(host->name, sizeof host->name, "%s", host_name(work));
    host->created_s = (int64_t)io_wall_s(work->loop);
    if (!master_host_fits(host, io_random_fn, work->loop)) {
        return command_unusable(work->command,
                                "the names and address blocks are too many for one token");
    }
    if (!master_key_new(io_random_fn, work->loop, key, digest))
        return command_failed(work->command, "cannot make a key");
    int error = store_add(work->store, host, digest, taken);
    if (error == STORE_E_TAKEN) {
        return command_failed(work->command, "%s belongs to a host already, as its name or alias",
                              taken[0] == '\0' ? host->name : taken);
    }
    int status = host_check(work, error);
    return status == EXIT_FINE ? host_give_key(work, key) : status;
}

static int work_add(struct host_work *work)
{
    struct store_host host = {.kind = STORE_HOST};
    int status = EXIT_FAILED;
    if (describe(work, &host, &status))
        status = add(work, &host);
    store_host_clear(&host);
    return status;
}

static int work_add_server(struct host_work *work)
{
    struct store_host host = {.kind = STORE_SERVER};
    return add(work, &host);
}

static int run_add(const struct command *command, struct options *options)
{
    return host_run(command, options, true, work_add);
}

static int run_add_server(const struct command *command, struct options *options)
{
    return host_run(command, options, true, work_add_server);
}

static int work_rotate(struct host_work *work)
{
    char key[MASTER_KEY_TEXT_MAX];
    uint8_t digest[SHA256_LEN];
    if (!master_key_new(io_random_fn, work->loop, key, digest))
        return command_failed(work->command, "cannot make a key");
    int status = host_check(work, store_rotate(work->store, host_name(work), digest));
    return status == EXIT_FINE ? host_give_key(work, key) : status;
}

static int run_rotate(const struct command *command, struct options *options)
{
    return host_run(command, options, false, work_rotate);
}

const struct command command_host_add = {
    .name = "host add",
    .group = "Give tokens to publishers",
    .summary = "adds a host and prints its API key",
    .usage = "NAME --store FILE [--alias NAME]... [--allow CIDR]... [--json]",
    .about = "Adds a host to the store, which is made when it is not there, and prints its API "
             "key: once, because the store has only its SHA-256. A name or alias belongs to one "
             "host.",
    .example = "  adit host add home.example.org --store hosts.db --alias cam.example.org "
               "--out home.key\n",
    .table = {add_specs, host_options},
    .run = run_add,
};

const struct command command_host_add_server = {
    .name = "host add-server",
    .group = "Give tokens to publishers",
    .summary = "adds a server, which may ask what was revoked",
    .usage = "NAME --store FILE [--json]",
    .about = "Adds a public server to the store and prints its API key, once. With it adit serve "
             "learns which hosts were disabled or removed; it gets no tokens.",
    .example = "  adit host add-server relay --store hosts.db --out relay.key\n",
    .table = {server_specs, host_options},
    .run = run_add_server,
};

const struct command command_host_rotate = {
    .name = "host rotate",
    .group = "Give tokens to publishers",
    .summary = "replaces the API key of a host",
    .usage = "NAME --store FILE [--json]",
    .about = "Prints a new API key for a host or a server; the former one is refused from now on. "
             "Tunnels that are open stay open, and tokens stay good until they expire: disable "
             "the host and enable it again to end those too.",
    .example = "  adit host rotate home.example.org --store hosts.db --out home.key --force\n",
    .table = {server_specs, host_options},
    .run = run_rotate,
};
