#include "tests/sim/villain.h"

#include "base/cursor.h"
#include "base/map.h"
#include "lib/crypto/sha256.h"
#include "tests/sim/outlet.h"

#include <stdlib.h>
#include <string.h>

enum {
    ID_LEN = 16,
    HEADER_LEN = 32,
    EXTRA_LEN = HEADER_LEN - ID_LEN - 5,
    IDS_MAX = 8,
    TOKEN_MAX = SNITUN_TOKEN_TEXT_MAX,
    NOISE_LEN = 64 * 1024,
    QUEUE_MAX = 512 * 1024,
    DEEDS_MAX = 60,
    DEED_WAIT_MS = 400,
    BURST_MAX = 200,
    ENOUGH = 3 * 1024 * 1024, /* bytes of noise in a frame without end */
    THROWN_OUT_MS = 20000,    /* after what cannot be forgiven has arrived */
    PATIENCE = 20,
    SILENCE_MS = 20000,
};

/* As on the wire: docs/protocols/snitun.md, Frames. */
enum { NEW = 0x01, DATA = 0x02, CLOSE = 0x04, PING = 0x08, PAUSE = 0x16, RESUME = 0x32 };

enum state { AWAITS_TOKEN, HANDSHAKE, RUNNING };

struct villain {
    struct list node;
    struct villains *villains;
    struct sim_world *world;
    struct io_stream *stream;
    struct io_timer timer;
    struct units units;
    struct snitun_keys keys;
    enum snitun_role role;
    enum state state;
    unsigned deeds_left;
    unsigned patience; /* how often it waits for what it said to arrive */
    bool deaf;         /* does not read any more */
    bool broken;       /* could not send */
    bool in_new;       /* the next unit is the payload of a NEW */
    bool garbled;      /* by aes-cbc, which does not notice: nobody knows what it says now */
    bool doomed;       /* has done what must be answered with the end */
    uint64_t endless;  /* bytes of noise still to come in a frame without end; then it leaves */
    uint64_t skip;     /* bytes of payload to skip */
    size_t want;       /* plain bytes of the next unit */
    size_t have;
    uint8_t in[TOKEN_MAX];
    uint8_t ids[IDS_MAX][ID_LEN]; /* of channels that it has heard of */
    size_t id_count;
};

static const uint8_t noise[NOISE_LEN];

static uint64_t below(struct villain *villain, uint64_t bound)
{
    return sim_random_below(villain->world, bound);
}

static void finish(struct villain *villain, bool abort_it)
{
    if (abort_it)
        io_abort(villain->stream);
    else
        io_close(villain->stream);
    io_timer_stop(&villain->timer);
    list_remove(&villain->node);
    free(villain);
}

static void ended(struct villain *villain)
{
    villain->villains->thrown_out += villain->doomed ? 1 : 0;
    finish(villain, true);
}

static void put(struct villain *villain, const void *bytes, size_t len)
{
    if (io_send(villain->stream, bytes, len) != 0)
        villain->broken = true;
}

/* ---- Frames ---- */

static size_t seal(struct villain *villain, const uint8_t *plain, size_t len, uint8_t *out)
{
    if (units_seal(&villain->units, villain->villains->units, plain, len, out) != UNITS_OK)
        sim_fail(villain->world, "a villain cannot seal");
    return len + units_overhead(&villain->units);
}

static size_t seal_header(struct villain *villain, uint8_t flag, const uint8_t id[ID_LEN],
                          uint32_t size, uint8_t out[SNITUN_HEADER_MAX])
{
    uint8_t plain[HEADER_LEN];
    memcpy(plain, id, ID_LEN);
    plain[ID_LEN] = flag;
    store_u32(plain + ID_LEN + 1, size);
    outlet_random(villain->world, plain + HEADER_LEN - EXTRA_LEN, EXTRA_LEN);
    if (flag == PING && below(villain, 4) > 0)
        memcpy(plain + HEADER_LEN - EXTRA_LEN, below(villain, 2) > 0 ? "ping" : "pong", 4);
    return seal(villain, plain, sizeof plain, out);
}

/* A frame of `size` that carries payload_len bytes of it. */
static void frame(struct villain *villain, uint8_t flag, const uint8_t id[ID_LEN], uint32_t size,
                  size_t payload_len)
{
    uint8_t header[SNITUN_HEADER_MAX];
    put(villain, header, seal_header(villain, flag, id, size, header));
    if (payload_len > 0)
        put(villain, noise, payload_len);
}

static void learn_id(struct villain *villain, const uint8_t id[ID_LEN])
{
    size_t at = villain->id_count < IDS_MAX ? villain->id_count++ : below(villain, IDS_MAX);
    memcpy(villain->ids[at], id, ID_LEN);
}

/* A channel that there is, or was; or one that there never was. */
static void draw_id(struct villain *villain, uint8_t id[ID_LEN], bool known)
{
    outlet_random(villain->world, id, ID_LEN);
    if (known && villain->id_count > 0)
        memcpy(id, villain->ids[below(villain, villain->id_count)], ID_LEN);
}

/* ---- Deeds that an honest end survives ---- */

static void say_unknown_flag(struct villain *villain)
{
    static const uint8_t flags[] = {0x00, 0x03, 0x10, 0x20, 0x7f, 0x80, 0xff};
    uint8_t id[ID_LEN];
    size_t len = below(villain, 3000);
    draw_id(villain, id, below(villain, 2) > 0);
    frame(villain, flags[below(villain, sizeof flags)], id, (uint32_t)len, len);
}

static void say_known_flag(struct villain *villain)
{
    static const uint8_t flags[] = {CLOSE, PING, PAUSE, RESUME};
    uint8_t id[ID_LEN];
    uint8_t flag = flags[below(villain, sizeof flags)];
    uint64_t count = below(villain, 4) > 0 ? 1 : below(villain, BURST_MAX);
    draw_id(villain, id, below(villain, 2) > 0);
    for (uint64_t i = 0; i <= count; i++) {
        size_t len = below(villain, 20) > 0 ? 0 : below(villain, 100);
        frame(villain, flag, id, (uint32_t)len, len);
    }
}

static void say_data(struct villain *villain)
{
    uint8_t id[ID_LEN];
    uint64_t count = below(villain, 4) > 0 ? 1 : 1 + below(villain, 16);
    draw_id(villain, id, below(villain, 4) > 0);
    for (uint64_t i = 0; i < count && io_queued(villain->stream) < QUEUE_MAX; i++) {
        size_t len = below(villain, NOISE_LEN + 1);
        frame(villain, DATA, id, (uint32_t)len, len);
    }
}

/* The payload unit of a NEW at version 2, whoever calls. */
static void say_caller(struct villain *villain, size_t size, bool honest_family)
{
    uint8_t plain[2 * ID_LEN];
    uint8_t unit[sizeof plain + SNITUN_UNIT_OVERHEAD_MAX];
    outlet_random(villain->world, plain, sizeof plain);
    if (honest_family)
        plain[0] = size == ID_LEN ? '4' : '6';
    put(villain, unit, seal(villain, plain, size, unit));
}

/* Many channels; from a client, NEW is to be skipped. */
static void say_new(struct villain *villain)
{
    uint64_t count = below(villain, 4) > 0 ? 1 : below(villain, BURST_MAX);
    for (uint64_t i = 0; i <= count; i++) {
        uint8_t id[ID_LEN];
        bool v2 = villain->keys.protocol_version == 2;
        size_t size = v2 ? ID_LEN * (1 + below(villain, 2)) : 0;
        outlet_random(villain->world, id, sizeof id);
        frame(villain, NEW, id, (uint32_t)size, 0);
        if (v2)
            say_caller(villain, size, true);
        if (villain->role == SNITUN_SERVER)
            learn_id(villain, id);
    }
}

const char *const villain_deed_names[VILLAIN_DEEDS + 1] = {
    "flipped", "repeated", "left-out", "reordered", "raved", "endless", NULL};

static void say_nothing_more(struct villain *villain)
{
    villain->deaf = below(villain, 2) > 0;
    villain->deeds_left = below(villain, 2) > 0 ? 0 : villain->deeds_left;
}

static void begin_endless(struct villain *villain)
{
    uint8_t id[ID_LEN];
    sim_tally(villain->world, VILLAIN_ENDLESS);
    draw_id(villain, id, below(villain, 2) > 0);
    frame(villain, below(villain, 3) > 0 ? DATA : PAUSE, id, UINT32_MAX, 0);
    villain->endless = 1 + below(villain, ENOUGH);
}

/* ---- Deeds that end the connection ---- */

static void doom(struct villain *villain)
{
    if (villain->garbled)
        return;
    villain->doomed = true;
    villain->patience = PATIENCE;
    villain->deaf = false;
    io_again(villain->stream);
    io_timer_set_in(&villain->timer, THROWN_OUT_MS);
}

/* An AEAD authenticates what it gets. */
static void garble(struct villain *villain)
{
    villain->garbled = villain->keys.cipher == SNITUN_AES_CBC;
    doom(villain);
}

static void flip(struct villain *villain)
{
    uint8_t unit[SNITUN_HEADER_MAX];
    uint8_t id[ID_LEN];
    draw_id(villain, id, true);
    size_t len = seal_header(villain, CLOSE, id, 0, unit);
    sim_tally(villain->world, VILLAIN_FLIPPED);
    unit[below(villain, len)] ^= (uint8_t)(1 << below(villain, 8));
    put(villain, unit, len);
    garble(villain);
}

/* Twice, not at all, or in the wrong order: only aes-gcm notices. */
static void shuffle(struct villain *villain)
{
    uint8_t units[2][SNITUN_HEADER_MAX];
    uint8_t id[ID_LEN];
    draw_id(villain, id, false);
    size_t len = seal_header(villain, PING, id, 0, units[0]);
    (void)seal_header(villain, PAUSE, id, 0, units[1]);
    switch (below(villain, 3)) {
    case 0:
        sim_tally(villain->world, VILLAIN_REPEATED);
        put(villain, units[0], len);
        put(villain, units[0], len);
        break;
    case 1:
        sim_tally(villain->world, VILLAIN_LEFT_OUT);
        put(villain, units[1], len);
        break;
    default:
        sim_tally(villain->world, VILLAIN_REORDERED);
        put(villain, units[1], len);
        put(villain, units[0], len);
    }
    if (villain->keys.cipher != SNITUN_AES_GCM_SIV)
        garble(villain);
}

static void rave(struct villain *villain)
{
    uint8_t bytes[4 * SNITUN_HEADER_MAX];
    size_t len = 1 + below(villain, sizeof bytes);
    sim_tally(villain->world, VILLAIN_RAVED);
    outlet_random(villain->world, bytes, len);
    put(villain, bytes, len);
    if (len >= SNITUN_HEADER_MAX || villain->keys.cipher == SNITUN_AES_CBC)
        garble(villain);
}

/* For a live channel, of an odd size, from nobody. A client may not say NEW at all. */
static void say_bad_new(struct villain *villain)
{
    uint8_t id[ID_LEN];
    size_t size = ID_LEN;
    bool v2 = villain->keys.protocol_version == 2;
    if (villain->role == SNITUN_CLIENT)
        return;
    outlet_random(villain->world, id, sizeof id);
    switch (below(villain, 3)) {
    case 0:
        frame(villain, NEW, id, v2 ? (uint32_t)size : 0, 0);
        if (v2)
            say_caller(villain, size, true);
        frame(villain, NEW, id, v2 ? (uint32_t)size : 0, 0);
        if (v2)
            say_caller(villain, size, true);
        break;
    case 1:
        size = below(villain, 100);
        frame(villain, NEW, id, (uint32_t)size, size);
        if (!v2 || size == ID_LEN || size == 2 * ID_LEN)
            return;
        break;
    default:
        if (!v2)
            return;
        frame(villain, NEW, id, (uint32_t)size, 0);
        say_caller(villain, size, false);
        return;
    }
    doom(villain);
}

/* ---- Time ---- */

static void do_deed(struct villain *villain)
{
    static void (*const deeds[])(struct villain *) = {
        say_unknown_flag, say_known_flag, say_data, say_new,  say_unknown_flag,
        say_known_flag,   say_data,       say_new,  say_data, say_new,
        say_nothing_more, begin_endless,  flip,     shuffle,  rave,
        say_bad_new,
    };
    /* The deeds at the end of the table come late, or the others would hardly come. */
    size_t count = below(villain, 20) > 0 ? 10 : sizeof deeds / sizeof deeds[0];
    deeds[below(villain, count)](villain);
}

static void go_on(struct villain *villain)
{
    if (villain->doomed)
        return;
    if (villain->endless > 0) {
        uint64_t len =
            1 + below(villain, villain->endless < NOISE_LEN ? villain->endless : NOISE_LEN);
        put(villain, noise, len);
        villain->endless -= len;
        if (villain->endless == 0)
            villain->deeds_left = 0;
    } else {
        do_deed(villain);
        villain->deeds_left -= villain->deeds_left > 0 ? 1 : 0;
    }
}

static void tick(void *arg)
{
    struct villain *villain = arg;
    if (villain->broken) {
        ended(villain);
        return;
    }
    if (villain->doomed && io_unacked(villain->stream) > 0 && villain->patience-- > 0) {
        io_timer_set_in(&villain->timer, THROWN_OUT_MS);
        return;
    }
    if (villain->doomed && !villain->villains->unsettled) {
        sim_fail(villain->world, "a villain that did what cannot be forgiven is still there");
        return;
    }
    if (villain->doomed || villain->state != RUNNING ||
        (villain->deeds_left == 0 && villain->endless == 0)) {
        finish(villain, below(villain, 2) > 0);
        return;
    }
    if (io_queued(villain->stream) < QUEUE_MAX)
        go_on(villain);
    if (!villain->doomed)
        io_timer_set_in(&villain->timer, villain->deeds_left == 0 && villain->endless == 0
                                             ? below(villain, SILENCE_MS)
                                             : below(villain, DEED_WAIT_MS));
}

/* ---- What the other side says ---- */

static void begin_deeds(struct villain *villain)
{
    villain->state = RUNNING;
    villain->want = HEADER_LEN;
    villain->deeds_left = 1 + (unsigned)below(villain, DEEDS_MAX);
    villain->villains->established++;
    io_timer_set_in(&villain->timer, below(villain, DEED_WAIT_MS));
}

/* A client answers the challenge, rightly in most cases; a server takes any answer. */
static void take_handshake(struct villain *villain, const uint8_t plain[HEADER_LEN])
{
    uint8_t answer[SNITUN_CHALLENGE_LEN];
    uint8_t unit[SNITUN_HEADER_MAX];
    if (villain->role == SNITUN_SERVER) {
        begin_deeds(villain);
        return;
    }
    if (sha256(plain, SNITUN_CHALLENGE_LEN, answer) != 0)
        sim_fail(villain->world, "a villain cannot hash");
    if (villain->villains->impostors || below(villain, 20) == 0) {
        answer[below(villain, sizeof answer)] ^= 1;
        put(villain, unit, seal(villain, answer, sizeof answer, unit));
        doom(villain);
        return;
    }
    if (below(villain, 20) == 0)
        return; /* never answers */
    put(villain, unit, seal(villain, answer, sizeof answer, unit));
    begin_deeds(villain);
}

static void take_header(struct villain *villain, const uint8_t plain[HEADER_LEN])
{
    struct cursor cursor = cursor_over(plain + ID_LEN + 1, 4);
    uint32_t size = cursor_u32(&cursor);
    uint8_t flag = plain[ID_LEN];
    villain->want = HEADER_LEN;
    if (flag == NEW)
        learn_id(villain, plain);
    villain->in_new = flag == NEW && villain->keys.protocol_version == 2;
    if (villain->in_new)
        villain->want = size;
    else
        villain->skip = size;
}

static void take_caller(struct villain *villain)
{
    villain->in_new = false;
    villain->want = HEADER_LEN;
}

static void take_unit(struct villain *villain)
{
    uint8_t plain[2 * HEADER_LEN];
    size_t want = villain->want;
    if (villain->keys.cipher != SNITUN_AES_CBC)
        nonces_add(&villain->villains->nonces, villain->keys.aes_key, villain->in, UNITS_NONCE_LEN);
    if (units_open(&villain->units, villain->villains->units, villain->in, want, plain) !=
        UNITS_OK) {
        sim_fail(villain->world, "an honest end sent what a villain cannot open");
        return;
    }
    villain->have = 0;
    if (villain->state == HANDSHAKE)
        take_handshake(villain, plain);
    else if (villain->in_new)
        take_caller(villain);
    else
        take_header(villain, plain);
}

static void take_token(struct villain *villain)
{
    struct snitun_token token;
    unsigned trials = 0;
    uint8_t unit[SNITUN_HEADER_MAX];
    uint8_t challenge[SNITUN_CHALLENGE_LEN];
    int verdict = snitun_token_read(villain->villains->keyring, 0, (const char *)villain->in,
                                    villain->have, &trials, &token);
    if (verdict == SNITUN_TOKEN_INCOMPLETE)
        return;
    if (verdict != SNITUN_TOKEN_OK) {
        sim_fail(villain->world, "a publisher's token: %s", snitun_token_error_text(verdict));
        return;
    }
    villain->keys = token.keys;
    snitun_token_clear(&token);
    units_init(&villain->units, villain->villains->units, (enum units_cipher)villain->keys.cipher,
               villain->keys.aes_key, villain->keys.aes_iv, false);
    villain->state = HANDSHAKE;
    villain->have = 0;
    outlet_random(villain->world, challenge, sizeof challenge);
    put(villain, unit, seal(villain, challenge, sizeof challenge, unit));
}

/* How many bytes may be read now, into `in`. */
static size_t wanted(const struct villain *villain)
{
    if (villain->state == AWAITS_TOKEN)
        return sizeof villain->in - villain->have;
    return villain->want + units_overhead(&villain->units) - villain->have;
}

static void take(struct villain *villain, size_t len)
{
    villain->have += len;
    if (villain->state == AWAITS_TOKEN)
        take_token(villain);
    else if (wanted(villain) == 0)
        take_unit(villain);
}

static void readable(void *arg)
{
    struct villain *villain = arg;
    uint8_t drop[NOISE_LEN];
    while (!villain->deaf && sim_failure(villain->world) == NULL) {
        bool skips = villain->skip > 0;
        size_t most = villain->skip < sizeof drop ? villain->skip : sizeof drop;
        ssize_t got = skips
                          ? io_read(villain->stream, drop, most)
                          : io_read(villain->stream, villain->in + villain->have, wanted(villain));
        if (got == IO_AGAIN)
            return;
        if (got <= 0) {
            ended(villain);
            return;
        }
        if (skips)
            villain->skip -= (uint64_t)got;
        else
            take(villain, (size_t)got);
    }
}

static void sent(void *arg)
{
    (void)arg;
}

static void failed(void *arg, int error)
{
    (void)error;
    ended(arg);
}

static const struct io_stream_handler handler = {
    .readable = readable, .sent = sent, .failed = failed};

/* ---- From start to end ---- */

static struct villain *villain_new(struct villains *villains, struct io_stream *stream,
                                   enum snitun_role role)
{
    struct villain *villain = calloc(1, sizeof *villain);
    if (villain == NULL)
        abort();
    villain->villains = villains;
    villain->world = villains->world;
    villain->stream = stream;
    villain->role = role;
    villain->want = HEADER_LEN;
    list_append(&villains->open, &villain->node);
    io_timer_init(&villain->timer, io_stream_loop(stream), tick, villain);
    io_timer_set_in(&villain->timer, SILENCE_MS);
    io_stream_set_handler(stream, &handler, villain);
    return villain;
}

void villain_serve(struct villains *villains, struct io_stream *stream)
{
    (void)villain_new(villains, stream, SNITUN_SERVER);
}

void villain_claim(struct villains *villains, struct io_stream *stream, const char *token,
                   const struct snitun_keys *keys)
{
    struct villain *villain = villain_new(villains, stream, SNITUN_CLIENT);
    size_t len = strlen(token);
    villain->keys = *keys;
    villain->state = HANDSHAKE;
    units_init(&villain->units, villains->units, (enum units_cipher)keys->cipher, keys->aes_key,
               keys->aes_iv, true);
    put(villain, token, below(villain, 20) > 0 ? len : below(villain, len));
}

void villains_init(struct villains *villains, struct sim_world *world,
                   const struct snitun_keyring *keyring)
{
    *villains = (struct villains){.world = world, .keyring = keyring};
    list_init(&villains->open);
    villains->units = units_context_new(outlet_random, world);
    if (villains->units == NULL)
        abort();
}

void villains_end(struct villains *villains)
{
    nonces_end(&villains->nonces, villains->world);
    units_context_free(villains->units);
}

void villains_abort(struct villains *villains, const struct io_loop *loop)
{
    struct list *next;
    for (struct list *at = villains->open.next; at != &villains->open; at = next) {
        struct villain *villain = container_of(at, struct villain, node);
        next = at->next;
        if (io_stream_loop(villain->stream) == loop)
            finish(villain, true);
    }
}
