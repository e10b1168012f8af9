/*
 * vectors_quicktun FILE: 0 when every flow of the file holds in both roles and every refusal closes
 * where it should.
 *
 * In a flow one end is the engine and the other is the file: the engine, told the steps, has to
 * write the recorded bytes; given the other end's, it has to understand what was recorded. Then the
 * ends change places.
 */
#include "tests/vectors/vectors_quicktun_end.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHERE_MAX = 256 };

/* The operation that sent what this one delivers: the n-th of that end. */
static const json_t *sender_of(const json_t *ops, size_t delivery)
{
    char from = recorded_from(json_array_get(ops, delivery));
    size_t ahead = 0;
    for (size_t i = 0; i < delivery; i++) {
        const json_t *op = json_array_get(ops, i);
        ahead += recorded_is_op(op, "deliver") && recorded_from(op) == from;
    }
    for (size_t i = 0; i < delivery; i++) {
        const json_t *op = json_array_get(ops, i);
        if (recorded_is_op(op, "send") && recorded_from(op) == from && ahead-- == 0)
            return op;
    }
    return NULL;
}

/* ---- Operations ---- */

static bool same_heard(const struct heard *heard, const json_t *op, const char *where)
{
    static struct recorded_bytes payload;
    if (!recorded_hex(op, "payload", where, false, &payload))
        return false;
    if (heard->payload.len != payload.len ||
        memcmp(heard->payload.bytes, payload.bytes, payload.len) != 0)
        return vectors_fail(where, "another payload than recorded");
    if (!json_equal(heard->commands, json_object_get(op, "commands")))
        return vectors_fail(where, "other commands than recorded");
    return json_equal(heard->tunnelled, json_object_get(op, "tunnelled"))
               ? true
               : vectors_fail(where, "other tunnelled packets than recorded");
}

static bool deliver(struct end *end, const json_t *ops, size_t index, const char *where)
{
    static struct recorded_bytes wire;
    static struct heard heard;
    const json_t *sent = sender_of(ops, index);
    if (!sent)
        return vectors_fail(where, "delivers what nobody sent");
    if (!recorded_hex(sent, "wire", where, false, &wire))
        return false;
    heard.commands = json_array();
    heard.tunnelled = json_array();
    heard.payload.len = 0;
    const struct moment moment = {ops, index};
    int error = end_hears(end, wire.bytes, wire.len, &moment, &heard);
    bool right =
        error ? vectors_fail(where, "%c's engine closes: %s", end->name, quicktun_error_text(error))
              : same_heard(&heard, json_array_get(ops, index), where);
    json_decref(heard.commands);
    json_decref(heard.tunnelled);
    return right;
}

static bool hostile(struct end *end, const json_t *ops, size_t index, const char *where)
{
    static struct recorded_bytes wire;
    const json_t *op = json_array_get(ops, index);
    const char *expect = json_string_value(json_object_get(op, "expect"));
    const char *why = json_string_value(json_object_get(op, "why"));
    if (!expect || (strcmp(expect, "accept") != 0 && strcmp(expect, "close") != 0))
        return vectors_fail(where, "neither to be accepted nor to close");
    if (!recorded_hex(op, "wire", where, false, &wire))
        return false;
    bool close = strcmp(expect, "close") == 0;
    const struct moment moment = {ops, index};
    int error = end_hears(end, wire.bytes, wire.len, &moment, NULL);
    if (!close && error)
        return vectors_fail(where, "closes: %s", quicktun_error_text(error));
    if (close && !error)
        return vectors_fail(where, "does not close: %s", why ? why : "(no reason given)");
    if (close)
        printf("%s: \"%s\" is refused as %s\n", where, why ? why : "", quicktun_error_text(error));
    return close == (index + 1 == json_array_size(ops))
               ? true
               : vectors_fail(where, "the last packet, and no other, closes");
}

static bool do_op(struct end *end, const json_t *ops, size_t index, const char *where)
{
    const json_t *op = json_array_get(ops, index);
    if (recorded_is_op(op, "hostile")) {
        return end->name == 'A' ? hostile(end, ops, index, where)
                                : vectors_fail(where, "hostile bytes are for A");
    }
    char from = recorded_from(op);
    if (from == '\0' || !(recorded_is_op(op, "send") || recorded_is_op(op, "deliver")))
        return vectors_fail(where, "an unknown operation, or of nobody");
    if (recorded_is_op(op, "send"))
        return from != end->name || end_says(end, op, where);
    return from == end->name || deliver(end, ops, index, where);
}

/* ---- Records ---- */

static bool replay(const json_t *record, const char *name, char role, bool is_flow)
{
    static struct end end;
    char where[WHERE_MAX];
    const json_t *ops = json_object_get(record, "ops");
    snprintf(where, sizeof where, "%s, %c", name, role);
    bool right = end_start(&end, role, record, where);
    if (right && json_array_size(ops) == 0)
        right = vectors_fail(where, "no operations");
    for (size_t i = 0; right && i < json_array_size(ops); i++) {
        snprintf(where, sizeof where, "%s, %c, operation %zu", name, role, i);
        right = do_op(&end, ops, i, where);
    }
    if (right && is_flow && end.wire.len > end.taken)
        right = vectors_fail(where, "%c's engine says more than was recorded", role);
    if (right && !is_flow && !quicktun_session_error(end.session))
        right = vectors_fail(where, "nothing was refused");
    end_stop(&end);
    return right;
}

static size_t replay_all(const json_t *file, const char *list, const char *kind, const char *roles,
                         size_t *wrong)
{
    size_t index;
    json_t *record;
    const json_t *records = json_object_get(file, list);
    json_array_foreach(records, index, record)
    {
        const char *name = json_string_value(json_object_get(record, kind));
        for (const char *role = roles; *role; role++) {
            bool is_flow = strcmp(kind, "flow") == 0;
            *wrong += !replay(record, name ? name : "(no name)", *role, is_flow);
        }
    }
    return json_array_size(records);
}

int main(int argc, char **argv)
{
    json_error_t error;
    if (argc != 2) {
        fprintf(stderr, "usage: vectors_quicktun FILE\n");
        return 2;
    }
    json_t *file = json_load_file(argv[1], 0, &error);
    if (!file || sodium_init() < 0) {
        fprintf(stderr, "%s:%d: %s\n", argv[1], error.line, error.text);
        return 2;
    }
    size_t wrong = 0;
    size_t flows = replay_all(file, "flows", "flow", "AB", &wrong);
    size_t refusals = replay_all(file, "refusals", "refusal", "A", &wrong);
    printf("%zu flows in both roles, %zu refusals, %zu wrong\n", flows, refusals, wrong);
    json_decref(file);
    return wrong > 0 || flows + refusals == 0;
}
