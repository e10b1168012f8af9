#include "cli/host.h"

static const struct option_spec specs[] = {
    {.name = "name",
     .value = "NAME",
     .kind = OPTION_HOST_NAME,
     .traits = OPTION_NEEDED | OPTION_ARGUMENT | OPTION_NOT_IN_FILE,
     .help = "The name of a host, or an alias of it, or a server's name."},
    {.name = NULL},
};

static const struct option_spec list_specs[] = {
    {.name = NULL},
};

/* ---- Looking ---- */

static void add_text(void *list, const char *txt)
{
    json_array_append_new(list, json_string(txt));
}

static void print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
}

static int show(struct host_work *work, const struct store_host *host)
{
    json_t *challenges = json_array();
    int status =
        host_check(work, store_each_challenge(work->store, host->id, add_text, challenges));
    if (status == EXIT_FINE && options_switched_on(work->options, "json")) {
        json_t *json = host_json(host);
        json_object_set(json, "dns_challenge", challenges);
        print_json(json);
        json_decref(json);
    } else if (status == EXIT_FINE) {
        host_print(host);
        for (size_t i = 0; i < json_array_size(challenges); i++) {
            printf("  %-12s_acme-challenge.%s TXT \"%s\"\n", "dns", host->name,
                   json_string_value(json_array_get(challenges, i)));
        }
    }
    json_decref(challenges);
    return status;
}

static int work_show(struct host_work *work)
{
    struct store_host host;
    int status = host_check(work, store_find_name(work->store, host_name(work), &host));
    if (status == EXIT_FINE)
        status = show(work, &host);
    store_host_clear(&host);
    return status;
}

static int run_show(const struct command *command, struct options *options)
{
    return host_run(command, options, false, work_show);
}

static void list_one(void *list, const struct store_host *host)
{
    if (list != NULL) {
        json_array_append_new(list, host_json(host));
    } else {
        printf("%s%s%s\n", host->name, host->kind == STORE_SERVER ? " (server)" : "",
               host->enabled ? "" : " (disabled)");
    }
}

static int work_list(struct host_work *work)
{
    json_t *list = options_switched_on(work->options, "json") ? json_array() : NULL;
    int error = store_each(work->store, list_one, list);
    if (error == STORE_OK && list != NULL)
        print_json(list);
    json_decref(list);
    return error == STORE_OK
               ? EXIT_FINE
               : command_failed(work->command, "%s: %s", options_text(work->options, "store"),
                                store_error_text(error));
}

static int run_list(const struct command *command, struct options *options)
{
    return host_run(command, options, false, work_list);
}

/* ---- Changing ---- */

static int changed(struct host_work *work, int error, const char *what)
{
    int status = host_check(work, error);
    if (status == EXIT_FINE && options_switched_on(work->options, "json")) {
        json_t *json = json_pack("{ss, sb}", "name", host_name(work), what, 1);
        print_json(json);
        json_decref(json);
    } else if (status == EXIT_FINE) {
        printf("%s: %s\n", host_name(work), what);
    }
    return status;
}

static int64_t now_s(const struct host_work *work)
{
    return (int64_t)io_wall_s(work->loop);
}

static int work_enable(struct host_work *work)
{
    return changed(work, store_enable(work->store, host_name(work), true, now_s(work)), "enabled");
}

static int work_disable(struct host_work *work)
{
    return changed(work, store_enable(work->store, host_name(work), false, now_s(work)),
                   "disabled");
}

static int work_remove(struct host_work *work)
{
    return changed(work, store_remove(work->store, host_name(work), now_s(work)), "removed");
}

static int run_enable(const struct command *command, struct options *options)
{
    return host_run(command, options, false, work_enable);
}

static int run_disable(const struct command *command, struct options *options)
{
    return host_run(command, options, false, work_disable);
}

static int run_remove(const struct command *command, struct options *options)
{
    return host_run(command, options, false, work_remove);
}

const struct command command_host_list = {
    .name = "host list",
    .group = "Give tokens to publishers",
    .summary = "lists the hosts of a store",
    .usage = "--store FILE [--json]",
    .about = "Lists hosts and servers by name.",
    .example = "  adit host list --store hosts.db\n",
    .table = {list_specs, host_options},
    .run = run_list,
};

const struct command command_host_show = {
    .name = "host show",
    .group = "Give tokens to publishers",
    .summary = "shows a host",
    .usage = "NAME --store FILE [--json]",
    .about = "Shows a host: aliases, ciphers, who may call, when and from where it got its last "
             "token, and the TXT values that it wants in the DNS (ACME dns-01).",
    .example = "  adit host show home.example.org --store hosts.db\n",
    .table = {specs, host_options},
    .run = run_show,
};

const struct command command_host_enable = {
    .name = "host enable",
    .group = "Give tokens to publishers",
    .summary = "lets a disabled host in again",
    .usage = "NAME --store FILE [--json]",
    .about = "Lets a disabled host get tokens again. The tokens that it had before are not good "
             "any more.",
    .example = "  adit host enable home.example.org --store hosts.db\n",
    .table = {specs, host_options},
    .run = run_enable,
};

const struct command command_host_disable = {
    .name = "host disable",
    .group = "Give tokens to publishers",
    .summary = "revokes the tokens of a host and gives it none",
    .usage = "NAME --store FILE [--json]",
    .about = "The host gets no token from now on. A server that asks the session master ends its "
             "tunnel within a minute.",
    .example = "  adit host disable home.example.org --store hosts.db\n",
    .table = {specs, host_options},
    .run = run_disable,
};

const struct command command_host_remove = {
    .name = "host remove",
    .group = "Give tokens to publishers",
    .summary = "removes a host; its names are free again",
    .usage = "NAME --store FILE [--json]",
    .about = "Removes a host or a server with its key. The tokens of a host are revoked as with "
             "adit host disable, and stay revoked when its names are added again.",
    .example = "  adit host remove home.example.org --store hosts.db\n",
    .table = {specs, host_options},
    .run = run_remove,
};
