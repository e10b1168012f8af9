#include "tests/sim/wiretap.h"

#include "base/cursor.h"
#include "base/map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LEN = 32, FLAG_AT = 16, SIZE_AT = 17, NEW = 0x01 };

/* One direction of a connection. */
struct way {
    uint64_t skip; /* bytes that are no unit: the token, payload */
    size_t want;   /* plain bytes of the next unit */
    size_t have;
    bool greeted; /* the handshake's unit has passed */
    bool in_new;
    uint8_t unit[SNITUN_HEADER_MAX];
};

struct wire {
    struct list node;
    uint64_t conn;
    struct snitun_keys keys;
    struct units units[2]; /* that open what each way carries */
    struct way ways[2];    /* up, down */
};

static const struct outlet *outlet_at(const struct town *town, const struct adit_ip *ip)
{
    for (size_t i = 0; i < town->household_count; i++) {
        const struct household *household = &town->households[i];
        const struct outlet *outlets[] = {&household->publisher, &household->twin};
        for (int j = 0; j < (household->has_twin ? 2 : 1); j++) {
            struct adit_ip home;
            if (ip_parse(outlets[j]->address, &home) && ip_equal(&home, ip))
                return outlets[j];
        }
    }
    return NULL;
}

static struct wire *wire_of(struct wiretap *tap, uint64_t conn, const struct outlet *outlet)
{
    for (struct list *at = tap->wires.next; at != &tap->wires; at = at->next) {
        struct wire *wire = container_of(at, struct wire, node);
        if (wire->conn == conn)
            return wire;
    }
    struct wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL)
        abort();
    wire->conn = conn;
    wire->keys = outlet->keys;
    for (int way = 0; way < 2; way++) {
        units_init(&wire->units[way], tap->units, (enum units_cipher)wire->keys.cipher,
                   wire->keys.aes_key, wire->keys.aes_iv, way == 1);
        wire->ways[way].want = HEADER_LEN;
    }
    wire->ways[0].skip = outlet->token_len;
    list_append(&tap->wires, &wire->node);
    return wire;
}

static void read_unit(struct wiretap *tap, struct wire *wire, int which)
{
    struct way *way = &wire->ways[which];
    uint8_t plain[HEADER_LEN];
    if (wire->keys.cipher != SNITUN_AES_CBC)
        nonces_add(&tap->nonces, wire->keys.aes_key, way->unit, UNITS_NONCE_LEN);
    if (units_open(&wire->units[which], tap->units, way->unit, way->want, plain) != UNITS_OK) {
        sim_fail(tap->town->world, "connection %" PRIu64 ": a unit does not open", wire->conn);
        return;
    }
    struct cursor cursor = cursor_over(plain + SIZE_AT, 4);
    uint32_t size = cursor_u32(&cursor);
    bool header = way->greeted && !way->in_new;
    way->have = 0;
    way->greeted = true;
    way->in_new = header && plain[FLAG_AT] == NEW && wire->keys.protocol_version == 2;
    way->want = way->in_new ? size : HEADER_LEN;
    way->skip = header && !way->in_new ? size : 0;
}

static void watch(void *arg, const struct sim_sight *sight)
{
    struct wiretap *tap = arg;
    int which = addr_equal(&sight->to, &tap->town->server_at) ? 0 : 1;
    const struct addr *home = which == 0 ? &sight->from : &sight->to;
    const struct addr *server = which == 0 ? &sight->to : &sight->from;
    const struct outlet *outlet = outlet_at(tap->town, &home->ip);
    if (outlet == NULL || !addr_equal(server, &tap->town->server_at))
        return;
    struct wire *wire = wire_of(tap, sight->conn, outlet);
    struct way *way = &wire->ways[which];
    const uint8_t *at = sight->bytes;
    size_t left = sight->len;
    while (left > 0 && sim_failure(tap->town->world) == NULL) {
        size_t need = way->want + units_overhead(&wire->units[which]) - way->have;
        size_t part = way->skip > 0 ? way->skip : need;
        if (part > left)
            part = left;
        if (way->skip > 0) {
            way->skip -= part;
        } else {
            memcpy(way->unit + way->have, at, part);
            way->have += part;
            if (part == need)
                read_unit(tap, wire, which);
        }
        at += part;
        left -= part;
    }
}

void wiretap_init(struct wiretap *tap, const struct town *town)
{
    *tap = (struct wiretap){.town = town};
    list_init(&tap->wires);
    tap->units = units_context_new(outlet_random, town->world);
    if (tap->units == NULL)
        abort();
    sim_watch(town->world, watch, tap);
}

void wiretap_end(struct wiretap *tap)
{
    sim_watch(tap->town->world, NULL, NULL);
    nonces_end(&tap->nonces, tap->town->world);
    units_context_free(tap->units);
    while (!list_empty(&tap->wires)) {
        struct wire *wire = container_of(tap->wires.next, struct wire, node);
        list_remove(&wire->node);
        free(wire);
    }
}
