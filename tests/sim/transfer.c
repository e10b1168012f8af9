#include "tests/sim/transfer.h"

#include "base/cursor.h"
#include "base/map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const direction_names[] = {"up", "down"};

/* ---- Bytes ---- */

static uint64_t scramble(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* Eight bytes of a direction; no other place has the same. */
static uint64_t word_at(uint64_t key, uint64_t number)
{
    uint64_t z = key + number * 0x9e3779b97f4a7c15;
    return (z ^ (z >> 32)) * 0xbf58476d1ce4e5b9;
}

void transfer_bytes(const struct transfer *transfer, enum transfer_direction direction, uint64_t at,
                    uint8_t *out, size_t len)
{
    uint64_t key = scramble(transfer->transfers->salt + transfer->id * 2 + (uint64_t)direction);
    while (len > 0) {
        uint64_t word = word_at(key, at / sizeof word);
        size_t first = at % sizeof word;
        size_t part = sizeof word - first < len ? sizeof word - first : len;
        if (part == sizeof word)
            memcpy(out, &word, sizeof word);
        else
            memcpy(out, (const uint8_t *)&word + first, part);
        out += part;
        at += part;
        len -= part;
    }
}

static bool goes_on(const struct transfer *transfer, const uint8_t *refusal, const uint8_t *bytes,
                    size_t len)
{
    return refusal != NULL && len <= transfer->service->refusal_len - transfer->refusal_got &&
           memcmp(bytes, refusal + transfer->refusal_got, len) == 0;
}

/* Bytes for a caller whom no answerer knows of yet. */
static void got_refusal(struct transfer *transfer, const uint8_t *bytes, size_t len)
{
    const struct service *service = transfer->service;
    if (!goes_on(transfer, service->refusal, bytes, len) &&
        !goes_on(transfer, service->other_refusal, bytes, len))
        sim_fail(transfer->transfers->world, "transfer %" PRIu64 ": bytes came from nowhere",
                 transfer->id);
    else
        transfer->refusal_got += len;
}

void transfer_got(struct transfer *transfer, enum transfer_direction direction,
                  const uint8_t *bytes, size_t len)
{
    enum { CHECK_LEN = 4096 };
    uint64_t *got = direction == TRANSFER_UP ? &transfer->up_got : &transfer->down_got;
    uint64_t sent = direction == TRANSFER_UP ? transfer->up_sent : transfer->down_sent;
    struct sim_world *world = transfer->transfers->world;
    if (transfer->service->lies)
        return;
    if (!transfer->answered) {
        got_refusal(transfer, bytes, len);
        return;
    }
    while (len > 0) {
        uint8_t expected[CHECK_LEN];
        size_t part = len < CHECK_LEN ? len : CHECK_LEN;
        if (*got + part > sent) {
            sim_fail(world, "transfer %" PRIu64 " %s: more arrived than was sent (%" PRIu64 ")",
                     transfer->id, direction_names[direction], sent);
            return;
        }
        transfer_bytes(transfer, direction, *got, expected, part);
        if (memcmp(expected, bytes, part) != 0) {
            sim_fail(world, "transfer %" PRIu64 " %s: wrong bytes at %" PRIu64, transfer->id,
                     direction_names[direction], *got);
            return;
        }
        *got += part;
        bytes += part;
        len -= part;
    }
}

/* ---- The list ---- */

void transfers_init(struct transfers *transfers, struct sim_world *world)
{
    *transfers = (struct transfers){.world = world, .next_id = 1};
    transfers->salt = sim_random_below(world, UINT64_MAX);
    list_init(&transfers->all);
}

void transfers_free(struct transfers *transfers)
{
    while (!list_empty(&transfers->all)) {
        struct transfer *transfer = container_of(transfers->all.next, struct transfer, node);
        list_remove(&transfer->node);
        free(transfer);
    }
}

struct transfer *transfers_find(const struct transfers *transfers, uint64_t id)
{
    for (const struct list *at = transfers->all.next; at != &transfers->all; at = at->next) {
        struct transfer *transfer = container_of(at, struct transfer, node);
        if (transfer->id == id)
            return transfer;
    }
    return NULL;
}

struct transfer *transfer_new(struct transfers *transfers, const struct service *service,
                              uint64_t up_max, uint64_t down_max)
{
    struct sim_world *world = transfers->world;
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (transfer == NULL)
        abort();
    transfer->transfers = transfers;
    transfer->id = transfers->next_id++;
    transfer->service = service;
    transfer->end = (enum transfer_end)sim_random_below(world, TRANSFER_ENDS);
    transfer->up_len = sim_random_below(world, up_max + 1);
    transfer->down_len = sim_random_below(world, down_max + 1);
    if (transfer->end == TRANSFER_UPLOAD)
        transfer->down_len = 0;
    transfer->slow = sim_chance(world, 2000);
    list_append(&transfers->all, &transfer->node);
    return transfer;
}

struct transfer *transfer_new_slow(struct transfers *transfers, const struct service *service,
                                   uint64_t down_len)
{
    struct transfer *transfer = transfer_new(transfers, service, 0, 0);
    transfer->end =
        sim_chance(transfers->world, 5000) ? TRANSFER_CALLER_CLOSES : TRANSFER_ANSWERER_CLOSES;
    transfer->down_len = down_len;
    transfer->slow = true;
    return transfer;
}

bool transfer_naps(struct transfer *transfer, struct io_timer *timer)
{
    if (transfer->nap_ms == 0 || sim_now_us(transfer->transfers->world) < transfer->nap_from_us)
        return false;
    io_timer_set_in(timer, transfer->nap_ms);
    transfer->nap_ms = 0;
    return true;
}

static void must_be_refused(const struct transfer *transfer)
{
    if (transfer->refusal_got != transfer->service->refusal_len)
        sim_fail(transfer->transfers->world, "transfer %" PRIu64 " (%s): %zu bytes of refusal",
                 transfer->id, transfer->service->name, transfer->refusal_got);
}

void transfer_must_be_complete(const struct transfer *transfer)
{
    static const char *const states[] = {"running", "done", "failed"};
    if (transfer->service->lies)
        return;
    if (transfer->service->unknown) {
        must_be_refused(transfer);
        return;
    }
    if (transfer->end == TRANSFER_CALLER_RESETS ||
        (transfer->caller == TRANSFER_DONE && transfer->answerer == TRANSFER_DONE))
        return;
    sim_fail(transfer->transfers->world,
             "transfer %" PRIu64 " (%s, end %d%s): caller %s, answerer %s, up %" PRIu64
             " of %" PRIu64 ", down %" PRIu64 " of %" PRIu64,
             transfer->id, transfer->service->name, transfer->end, transfer->slow ? ", slow" : "",
             states[transfer->caller], states[transfer->answerer], transfer->up_got,
             transfer->up_len, transfer->down_got, transfer->down_len);
}
