#include "roles/master/internal.h"

#include <stdlib.h>
#include <string.h>

/* "since=NUMBER" or nothing. */
static bool read_since(const char *query, int64_t *since)
{
    static const char name[] = "since=";
    char *end;
    unsigned long long number;

    *since = 0;
    if (*query == '\0')
        return true;
    if (strncmp(query, name, sizeof(name) - 1) != 0)
        return false;
    query += sizeof(name) - 1;
    if (*query < '0' || *query > '9' || strlen(query) > 18)
        return false;
    number = strtoull(query, &end, 10);
    *since = (int64_t)number;
    return *end == '\0';
}

static json_t *list_of(const struct store_change *changes, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        json_t *until = changes[i].valid_after_s >= STORE_FOR_EVER
                            ? json_null()
                            : json_integer(changes[i].valid_after_s);
        json_array_append_new(list, json_pack("{s:I, s:s, s:o}", "seq", (json_int_t)changes[i].seq,
                                              "hostname", changes[i].name, "valid_after", until));
    }
    return list;
}

/*
 * `seq` is what to ask from the next time: that of the last change answered, or of the store where
 * that is all. A store that was put back from a copy has a smaller one than who asks.
 */
void changes_show(struct call *call)
{
    struct store_change *changes;
    size_t count = 0;
    int64_t since;
    int64_t last = 0;
    int error;

    if (!read_since(call->query, &since)) {
        call_refuse(call, 400, "the query is not since=NUMBER");
        return;
    }
    changes = calloc(STORE_CHANGES_MAX, sizeof(*changes));
    if (changes == NULL) {
        call_refuse(call, 500, "out of memory");
        return;
    }
    error = store_changes(call->master->store, since, changes, &count, &last);
    if (error != STORE_OK)
        call_store_failed(call, error);
    else
        call_answer(call,
                    json_pack("{s:I, s:b, s:o}", "seq",
                              (json_int_t)(count > 0 ? changes[count - 1].seq : last), "more",
                              count == STORE_CHANGES_MAX, "changes", list_of(changes, count)));
    free(changes);
}
