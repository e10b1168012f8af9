#include "roles/master/internal.h"

#include <stdio.h>
#include <string.h>

enum {
    PING_TIMEOUT_MS = 1000,
    PING_COUNT = 3,
    DAY_S = 24 * 60 * 60,
    TIME_TEXT_MAX = 64,
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

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Unix seconds as ISO 8601 has them, UTC. */
static void format_time(int64_t at_s, char out[TIME_TEXT_MAX])
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day = at_s / DAY_S;
    int second = (int)(at_s % DAY_S);
    int64_t year = 1970;
    int month = 0;

    for (; day >= 365 + is_leap(year); year++)
        day -= 365 + is_leap(year);
    for (; day >= lengths[month] + (month == 1 && is_leap(year)); month++)
        day -= lengths[month] + (month == 1 && is_leap(year));
    snprintf(out, TIME_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d+00:00", (int)year, month + 1,
             (int)day + 1, second / 3600, second / 60 % 60, second % 60);
}

/*
 * Whether an instance is connected with this account, which a client asks before it logs in. It is
 * known where the public server is in this process. What the instance runs is never known.
 */
void instance_connection(struct call *call)
{
    const struct master *master = call->master;
    char since[TIME_TEXT_MAX];
    char from[IP_TEXT_MAX];
    struct adit_ip ip;
    double since_s;

    if (master->serves == NULL ||
        !master->serves(master->serves_arg, call->host.name, &since_s, &ip)) {
        call_answer(call, json_pack("{s:b}", "connected", 0));
        return;
    }
    format_time((int64_t)since_s, since);
    ip_format(&ip, from);
    call_answer(call, json_pack("{s:b, s:{s:s, s:s, s:s, s:s}}", "connected", 1, "details",
                                "connected_at", since, "name", call->host.name, "remote_ip_address",
                                from, "version", "unknown"));
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
