#include "tests/unit/quicktun_pair.h"

#include "base/cursor.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* ---- Nonces ---- */

enum { SEEN_MAX = 1 << 14, USE_LEN = QUICKTUN_SHARED_LEN + QUICKTUN_NONCE_LEN };

struct seen {
    uint8_t uses[SEEN_MAX][USE_LEN];
    bool used[SEEN_MAX];
    size_t count;
};

static struct seen sealed;
static struct seen opened;
static struct pair *running;

/* False when this key has been used with this nonce. */
static bool remember(struct seen *seen, const uint8_t *shared, const uint8_t *nonce)
{
    uint8_t use[USE_LEN];
    memcpy(use, shared, QUICKTUN_SHARED_LEN);
    memcpy(use + QUICKTUN_SHARED_LEN, nonce, QUICKTUN_NONCE_LEN);
    size_t slot = 0;
    for (size_t i = 0; i < USE_LEN; i++)
        slot = slot * 131 + use[i];
    while (seen->used[slot %= SEEN_MAX]) {
        if (memcmp(seen->uses[slot], use, sizeof use) == 0)
            return false;
        slot++;
    }
    if (seen->count == SEEN_MAX / 2)
        abort(); /* the conversations are longer than thought */
    seen->used[slot] = true;
    seen->count++;
    memcpy(seen->uses[slot], use, sizeof use);
    return true;
}

static void forget(struct seen *seen)
{
    memset(seen->used, 0, sizeof seen->used);
    seen->count = 0;
}

void __real_quicktun_box_seal(struct quicktun_box_key *key, const uint8_t *nonce, uint8_t *box,
                              size_t len);
bool __real_quicktun_box_open(struct quicktun_box_key *key, const uint8_t *nonce, uint8_t *box,
                              size_t len);
void __wrap_quicktun_box_seal(struct quicktun_box_key *key, const uint8_t *nonce, uint8_t *box,
                              size_t len);
bool __wrap_quicktun_box_open(struct quicktun_box_key *key, const uint8_t *nonce, uint8_t *box,
                              size_t len);

void __wrap_quicktun_box_seal(struct quicktun_box_key *key, const uint8_t *nonce, uint8_t *box,
                              size_t len)
{
    if (running && !remember(&sealed, key->shared, nonce))
        running->nonces_repeated++;
    __real_quicktun_box_seal(key, nonce, box, len);
}

bool __wrap_quicktun_box_open(struct quicktun_box_key *key, const uint8_t *nonce, uint8_t *box,
                              size_t len)
{
    bool right = __real_quicktun_box_open(key, nonce, box, len);
    if (right && running && !remember(&opened, key->shared, nonce))
        running->plaintexts_repeated++;
    return right;
}

/* ---- Two ends ---- */

uint64_t pair_random(struct pair *pair)
{
    uint64_t z = pair->random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

size_t pair_below(struct pair *pair, size_t n)
{
    return (size_t)(pair_random(pair) % n);
}

static int draw(void *arg, void *buf, size_t len)
{
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)pair_random(arg);
    return 0;
}

void pair_defaults(struct pair_end *end)
{
    *end = (struct pair_end){.keyed = true, .pinned = true};
}

struct pair_end *pair_other(struct pair_end *end)
{
    return &end->pair->ends[end == end->pair->ends];
}

static struct quicktun_password *held(const char *text)
{
    return text ? quicktun_password_new(text, strlen(text)) : NULL;
}

static void start_end(struct pair *pair, struct pair_end *end)
{
    uint8_t secret[QUICKTUN_KEY_LEN];
    draw(pair, secret, sizeof secret);
    end->pair = pair;
    end->wire = (struct quicktun_wire){malloc(PAIR_BYTES_MAX), 0, PAIR_BYTES_MAX};
    end->in = malloc(PAIR_BYTES_MAX);
    end->context = quicktun_context_new(end->keyed ? secret : NULL, draw, pair);
    end->options.password = end->password_held = held(end->password);
    end->options.ask = end->ask_held = held(end->ask);
    if (!end->wire.bytes || !end->in || !end->context)
        abort();
}

void pair_start(struct pair *pair)
{
    running = pair;
    forget(&sealed);
    forget(&opened);
    for (size_t i = 0; i < 2; i++)
        start_end(pair, &pair->ends[i]);
    for (size_t i = 0; i < 2; i++) {
        struct pair_end *end = &pair->ends[i];
        if (end->pinned)
            end->options.peer_key = quicktun_context_public(pair_other(end)->context);
        end->session = quicktun_session_new(end->context, &end->options, pair->now_ms);
        if (!end->session)
            abort();
    }
}

void pair_stop(struct pair *pair)
{
    for (size_t i = 0; i < 2; i++) {
        struct pair_end *end = &pair->ends[i];
        quicktun_session_free(end->session);
        quicktun_context_free(end->context);
        quicktun_password_free(end->password_held);
        quicktun_password_free(end->ask_held);
        free(end->wire.bytes);
        free(end->in);
    }
    running = NULL;
}

bool pair_up(const struct pair *pair)
{
    return quicktun_session_up(pair->ends[0].session) && quicktun_session_up(pair->ends[1].session);
}

void pair_tick(struct pair_end *end)
{
    if (!end->error)
        end->error = quicktun_tick(end->session, end->pair->now_ms, &end->wire);
}

/* ---- Bytes ---- */

size_t pair_underway(const struct pair_end *end)
{
    return end->wire.len - end->gone;
}

size_t pair_next_packet(const struct pair_end *end)
{
    const uint8_t *bytes = end->wire.bytes + end->gone;
    return pair_underway(end) < 2 ? 0 : 2 + ((size_t)(bytes[0] << 8 | bytes[1]) & 0x7fff);
}

/* Packets carry their number behind the first byte, which says that they are IPv4. */
static void hear_packet(struct pair_end *end, const struct quicktun_event *event)
{
    struct cursor cursor = cursor_over(event->data, event->len);
    bool version = cursor_u8(&cursor) == 0x45;
    uint64_t number = cursor_u64(&cursor);
    uint16_t gso_size = cursor_u16(&cursor);
    bool same = !cursor.failed && version && number == end->packets_heard &&
                number < pair_other(end)->packets_sent && gso_size == event->gso_size;
    for (size_t i = 11; same && i < event->len; i++)
        same = event->data[i] == (uint8_t)(number + i);
    end->packets_heard++;
    end->wrong += !same;
}

static void hear(struct pair_end *end, const struct quicktun_event *event)
{
    switch (event->type) {
    case QUICKTUN_PACKET:
        hear_packet(end, event);
        break;
    case QUICKTUN_ROUTE:
        end->routes_heard++;
        end->wrong += event->route.id_count != 2 || event->route.ids[7] != 7;
        break;
    case QUICKTUN_NETWORK:
        end->networks_heard++;
        end->wrong += event->network.ipv4.dns[0] != 10;
        break;
    default:
        break;
    }
}

/* What was written and is gone makes room. */
static void compact(struct pair_end *end)
{
    memmove(end->wire.bytes, end->wire.bytes + end->gone, pair_underway(end));
    end->wire.len -= end->gone;
    end->gone = 0;
}

void pair_feed(struct pair_end *end, const uint8_t *bytes, size_t len)
{
    memcpy(end->in + end->in_len, bytes, len);
    end->in_len += len;
    while (!end->error) {
        struct quicktun_event event;
        size_t consumed = 0;
        compact(end);
        end->error = quicktun_receive(end->session, end->pair->now_ms, &end->wire, end->in,
                                      end->in_len, &consumed, &event);
        if (end->error || event.type == QUICKTUN_NEED_MORE || event.type == QUICKTUN_WRITE_FIRST)
            break;
        hear(end, &event);
        memmove(end->in, end->in + consumed, end->in_len - consumed);
        end->in_len -= consumed;
    }
}

void pair_deliver(struct pair_end *end, size_t len)
{
    const uint8_t *bytes = end->wire.bytes + end->gone;
    end->gone += len;
    pair_feed(pair_other(end), bytes, len);
    compact(end);
}

void pair_settle(struct pair *pair)
{
    size_t moved = 1;
    while (moved > 0) {
        moved = 0;
        for (size_t i = 0; i < 2; i++) {
            struct pair_end *end = &pair->ends[i];
            pair_feed(end, end->in, 0); /* what had no room for its answers */
            pair_tick(end);
            moved += pair_underway(end);
            pair_deliver(end, pair_underway(end));
            pair_tick(pair_other(end));
        }
    }
}

void pair_run(struct pair *pair, uint64_t ms)
{
    uint64_t end_ms = pair->now_ms + ms;
    pair_settle(pair);
    while (pair->now_ms < end_ms && !pair->ends[0].error && !pair->ends[1].error) {
        uint64_t next_ms = end_ms;
        for (size_t i = 0; i < 2; i++) {
            uint64_t deadline_ms = quicktun_deadline(pair->ends[i].session);
            next_ms = deadline_ms < next_ms ? deadline_ms : next_ms;
        }
        pair->now_ms = next_ms > pair->now_ms ? next_ms : pair->now_ms;
        pair_settle(pair);
    }
}

/* ---- Packets ---- */

static void write_packet(struct pair_end *end, uint8_t *place, size_t len, uint16_t gso_size)
{
    uint64_t number = end->packets_sent++;
    place[0] = 0x45;
    store_u64(place + 1, number);
    store_u16(place + 9, gso_size);
    for (size_t i = 11; i < len; i++)
        place[i] = (uint8_t)(number + i);
}

bool pair_send(struct pair_end *end, size_t len, uint16_t gso_size)
{
    size_t max = 0;
    uint8_t *place = quicktun_place(end->session, &end->wire, &max);
    if (!place || len > max)
        return false;
    gso_size = quicktun_session_segmented(end->session) ? gso_size : 0;
    write_packet(end, place, len, gso_size);
    if (quicktun_packet(end->session, &end->wire, len, gso_size) != 1)
        abort();
    return true;
}

bool pair_send_batch(struct pair_end *end, size_t count, size_t len)
{
    struct quicktun_batch batch = {0};
    for (size_t i = 0; i < count; i++) {
        size_t max = 0;
        uint8_t *place = quicktun_batch_place(end->session, &end->wire, &batch, &max);
        if (!place || len > max)
            break;
        write_packet(end, place, len, 0);
        if (quicktun_batch_add(end->session, &end->wire, &batch, len) != 1)
            abort();
    }
    bool some = batch.packets > 0;
    quicktun_batch_end(end->session, &end->wire, &batch);
    return some;
}
