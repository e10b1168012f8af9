#include "cli/host.h"

#include "base/encode.h"
#include "cli/keyfile.h"
#include "cli/process.h"
#include "cli/storefile.h"
#include "io/real/real.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WHEN_MAX = 32 };

const struct option_spec host_options[] = {
    {.name = "store",
     .value = "FILE",
     .kind = OPTION_FILE,
     .traits = OPTION_NEEDED | OPTION_NOT_IN_FILE,
     .help = "The store of adit master; it may be running."},
    {.name = "json", .kind = OPTION_SWITCH, .traits = OPTION_NOT_IN_FILE, .help = "Prints JSON."},
    {.name = NULL},
};

int host_run(const struct command *command, const struct options *options, bool create,
             int (*work)(struct host_work *work))
{
    struct io_loop *loop = process_loop(command);
    if (loop == NULL)
        return EXIT_FAILED;
    struct host_work one = {.command = command, .options = options, .loop = loop};
    const char *path = options_text(options, "store");
    char why[OPTION_WHY_MAX];
    int status = EXIT_FINE;
    if (create && !storefile_make(loop, path, NULL, why, sizeof why))
        status = command_failed(command, "%s", why);
    if (status == EXIT_FINE) {
        int error = STORE_OK;
        one.store = store_open(path, false, &error);
        status = one.store == NULL
                     ? command_failed(command, "%s: %s", path, store_error_text(error))
                     : work(&one);
    }
    store_close(one.store);
    io_real_free(loop);
    return status;
}

int host_check(const struct host_work *work, int error)
{
    if (error == STORE_OK)
        return EXIT_FINE;
    const char *path = options_text(work->options, "store");
    if (error == STORE_E_NOT_FOUND)
        return command_failed(work->command, "there is no host %s in %s", host_name(work), path);
    return command_failed(work->command, "%s: %s", path, store_error_text(error));
}

const char *host_name(const struct host_work *work)
{
    return options_value(work->options, "name", 0)->to.name;
}

/* ---- Showing ---- */

static json_t *ciphers_of(const struct store_host *host)
{
    json_t *list = json_array();
    for (int cipher = SNITUN_AES_CBC; cipher <= SNITUN_AES_GCM_SIV; cipher++) {
        if ((host->ciphers & 1U << cipher) != 0) {
            json_array_append_new(list,
                                  json_string(snitun_cipher_name((enum snitun_cipher)cipher)));
        }
    }
    return list;
}

json_t *host_json(const struct store_host *host)
{
    json_t *aliases = json_array();
    json_t *allow = json_array();
    for (size_t i = 0; i < host->alias_count; i++)
        json_array_append_new(aliases, json_string(host->aliases[i]));
    for (size_t i = 0; i < host->allow_count; i++) {
        char text[CIDR_TEXT_MAX];
        cidr_format(&host->allow[i], text);
        json_array_append_new(allow, json_string(text));
    }
    char from[IP_TEXT_MAX];
    ip_format(&host->from, from);
    return json_pack("{ss, ss, so, so, so, sb, sI, so, so}", "name", host->name, "role",
                     host->kind == STORE_SERVER ? "server" : "host", "alias", aliases, "cipher",
                     ciphers_of(host), "allow", allow, "enabled", (int)host->enabled, "created",
                     (json_int_t)host->created_s, "last_token",
                     host->token_s == 0 ? json_null() : json_integer(host->token_s), "last_address",
                     host->from.family == 0 ? json_null() : json_string(from));
}

static void print_list(const char *title, const json_t *list, const char *none)
{
    printf("%-14s", title);
    for (size_t i = 0; i < json_array_size(list); i++)
        printf("%s%s", i == 0 ? "" : ", ", json_string_value(json_array_get(list, i)));
    printf("%s\n", json_array_size(list) == 0 ? none : "");
}

static void print_time(const char *title, int64_t at_s)
{
    char text[WHEN_MAX] = "never";
    time_t at = (time_t)at_s;
    struct tm parts;
    if (at_s != 0 && gmtime_r(&at, &parts) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
    printf("%-14s%s\n", title, text);
}

void host_print(const struct store_host *host)
{
    json_t *json = host_json(host);
    printf("%s%s\n", host->name, host->enabled ? "" : " (disabled)");
    print_time("  created", host->created_s);
    if (host->kind == STORE_SERVER) {
        printf("  %-12s%s\n", "role", "server");
    } else {
        char from[IP_TEXT_MAX];
        ip_format(&host->from, from);
        print_list("  aliases", json_object_get(json, "alias"), "none");
        print_list("  ciphers", json_object_get(json, "cipher"), "none");
        print_list("  callers", json_object_get(json, "allow"), "everybody");
        print_time("  last token", host->token_s);
        printf("  %-12s%s\n", "from", host->from.family == 0 ? "nowhere yet" : from);
    }
    json_decref(json);
}

/* ---- Keys ---- */

static int print_key(struct host_work *work, const char *key)
{
    if (!options_switched_on(work->options, "json")) {
        puts(key);
        return EXIT_FINE;
    }
    struct store_host host;
    int status = host_check(work, store_find_name(work->store, host_name(work), &host));
    if (status != EXIT_FINE)
        return status;
    json_t *json = host_json(&host);
    json_object_set_new(json, "api_key", json_string(key));
    char *text = json_dumps(json, JSON_INDENT(2));
    if (text != NULL) {
        puts(text);
        wipe(text, strlen(text));
    }
    free(text);
    json_decref(json);
    store_host_clear(&host);
    return EXIT_FINE;
}

int host_give_key(struct host_work *work, char key[MASTER_KEY_TEXT_MAX])
{
    const char *path = options_text(work->options, "out");
    int status = path == NULL ? print_key(work, key)
                              : keyfile_write(work->command, io_disk(work->loop), path, key,
                                              options_switched_on(work->options, "force"));
    wipe(key, MASTER_KEY_TEXT_MAX);
    return status;
}
