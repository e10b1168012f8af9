#include "roles/master/internal.h"

#include <string.h>

enum {
    PING_TIMEOUT_MS = 1000,
    PING_COUNT = 3,
};

/* One server, so there is nothing to choose by its distance. */
void instance_ping_targets(struct call *call)
{
    call_answer(call, json_pack("{s:[], s:i, s:i}", "targets", "timeout", PING_TIMEOUT_MS, "count",
                                PING_COUNT));
}

void instance_register(struct call *call)
{
    const struct store_host *host = &call->host;
    json_t *body = call_body(call);
    json_t *result;
    json_t *aliases;

    if (body == NULL)
        return;
    result = json_object_get(body, "ping_result");
    if (result != NULL && !json_is_array(result)) {
        call_refuse(call, 400, "\"ping_result\" is no list");
        json_decref(body);
        return;
    }
    json_decref(body);
    aliases = json_array();
    for (size_t i = 0; i < host->alias_count; i++)
        json_array_append_new(aliases, json_string(host->aliases[i]));
    call_answer(call, json_pack("{s:s, s:o, s:s, s:o}", "domain", host->name, "email",
                                json_sprintf("hostmaster@%s", host->name), "server",
                                call->master->server_host, "alias", aliases));
}

/* Of other instances that hold the account; a host has one key and one instance. */
void instance_connection(struct call *call)
{
    call_answer(call, json_pack("{s:b}", "connected", 0));
}

/* ---- ACME dns-01: the operator's DNS takes the values from `adit host show` ---- */

/* What RFC 8555, 8.4 puts into the record, and any other text that one string of a TXT holds. */
static bool is_txt(const json_t *txt)
{
    const char *text = json_string_value(txt);

    if (text == NULL || json_string_length(txt) == 0 || json_string_length(txt) > STORE_TXT_MAX)
        return false;
    for (size_t i = 0; i < json_string_length(txt); i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    return true;
}

static void change_challenge(struct call *call, bool add)
{
    struct master_store *store = call->master->store;
    json_t *body = call_body(call);
    const json_t *txt;
    int error;

    if (body == NULL)
        return;
    txt = json_object_get(body, "txt");
    if (!is_txt(txt)) {
        call_refuse(call, 400, "\"txt\" is missing or no printable text of 1 to %d characters",
                    STORE_TXT_MAX);
        json_decref(body);
        return;
    }
    error = add ? store_add_challenge(store, call->host.id, json_string_value(txt),
                                      (int64_t)call->now_s)
                : store_remove_challenge(store, call->host.id, json_string_value(txt));
    if (error == STORE_OK)
        call_answer(call, json_object());
    else
        call_store_failed(call, error);
    json_decref(body);
}

void instance_challenge_set(struct call *call)
{
    change_challenge(call, true);
}

void instance_challenge_remove(struct call *call)
{
    change_challenge(call, false);
}
