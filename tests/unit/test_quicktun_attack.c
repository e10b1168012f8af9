/*
 * An attacker on the path, who knows key 0 and no other: at each packet of each flow it strips,
 * repeats, reflects, reorders, changes and forges. What an end that asks for proof then does was
 * said by the end that has the key, or the connection closes.
 */
#include "tests/unit/quicktun_hostile.h"

#include "base/cursor.h"

#include <sodium.h>
#include <string.h>

enum { POSITIONS_MAX = 64 };

enum trick {
    STRIP,
    REPEAT,
    REFLECT,
    REFLECT_INSTEAD,
    SWAP,
    FLIP_TYPE,
    FLIP_BIT,
    FLIP_TAG,
    SHORTEN,
    SWALLOW_REST, /* and whatever else this end says */
    FORGE,        /* and from here on one for each of forgeries */
};

enum { FORGERIES = 23, TRICKS = FORGE + 2 * FORGERIES };

/* ---- Flows ---- */

static struct pair conversation;
static unsigned answers; /* to password requests, by both ends */

void __real_quicktun_send_password(struct quicktun_session *session, struct quicktun_wire *wire,
                                   const uint8_t *salt, size_t salt_len);
void __wrap_quicktun_send_password(struct quicktun_session *session, struct quicktun_wire *wire,
                                   const uint8_t *salt, size_t salt_len);

void __wrap_quicktun_send_password(struct quicktun_session *session, struct quicktun_wire *wire,
                                   const uint8_t *salt, size_t salt_len)
{
    answers++;
    __real_quicktun_send_password(session, wire, salt, salt_len);
}

static void authenticated(struct pair_end *a, struct pair_end *b)
{
    a->password = b->password = "secret";
}

static void with_passwords(struct pair_end *a, struct pair_end *b)
{
    a->password = b->password = "secret";
    a->ask = b->ask = "secret";
}

static void public_pinned(struct pair_end *a, struct pair_end *b)
{
    a->keyed = false;
    b->pinned = false;
    b->options.weak_unproven_peer = true;
    a->password = "secret";
    b->ask = "secret";
}

static void then_unencrypted(struct pair_end *a, struct pair_end *b)
{
    a->options.weak_long_term_keys = b->options.weak_long_term_keys = true;
    a->options.weak_disable = b->options.weak_disable = true;
    a->options.disable_encryption = true;
    a->password = "secret";
    b->ask = "secret";
}

static void crossing_disables(struct pair_end *a, struct pair_end *b)
{
    then_unencrypted(a, b);
    b->options.disable_encryption = true;
}

/* No end asks for proof: only nonces and plaintexts are looked at. */
static void public_unpinned(struct pair_end *a, struct pair_end *b)
{
    a->keyed = false;
    a->pinned = b->pinned = false;
    a->options.weak_anyone = true;
    a->options.weak_unproven_peer = b->options.weak_unproven_peer = true;
    a->options.weak_unencrypted = a->options.weak_long_term_keys = true;
}

static void raw(struct pair_end *a, struct pair_end *b)
{
    hostile_weaken(a);
    hostile_weaken(b);
    a->keyed = b->keyed = false;
}

/* ---- Forgeries ---- */

static const uint8_t attackers_secret[QUICKTUN_KEY_LEN] = "thirty-two bytes of an attacker";

/* A payload that the attacker would like the victim to believe. Returns its length; *control is
 * false for a packet outside the control stream. */
static size_t forge(struct pair_end *victim, unsigned which, uint8_t *payload, bool *control)
{
    static const uint8_t codes[] = {0, 2, 4, 7, 8};
    static const struct {
        uint8_t code;
        size_t len;
    } fixed[] = {{5, 32},  {6, 64},  {9, 4},   {10, 8}, {11, 101},
                 {12, 14}, {13, 20}, {18, 20}, {17, 1}, {81, 7}};
    memset(payload, 0x45, 128);
    *control = true;
    if (which < 5) {
        payload[0] = codes[which];
        return 1;
    }
    if (which < 15) {
        payload[0] = fixed[which - 5].code;
        return 1 + fixed[which - 5].len;
    }
    switch (which) {
    case 15: /* a key of the attacker's */
        payload[0] = 3;
        assert_int_equal(crypto_scalarmult_base(payload + 1, attackers_secret), 0);
        return 33;
    case 16:
        payload[0] = 3;
        payload[32] = 9;
        return 33;
    case 17: /* Starts: the peer's key, zeros, one of the attacker's; the victim's input */
        payload[0] = 1;
        memcpy(payload + 1, quicktun_context_public(pair_other(victim)->context), 32);
        return 57;
    case 18:
        payload[0] = 1;
        memset(payload + 1, 0, 32);
        return 57;
    case 19:
        payload[0] = 1;
        return 57;
    case 20:
        payload[0] = 1;
        memset(payload + 1, 0, 32);
        memcpy(payload + 33, victim->session->local, QUICKTUN_INPUT_LEN);
        return 57;
    case 21:
        payload[0] = 17;
        payload[1] = 0;
        return 2;
    default:
        *control = false;
        return 20;
    }
}

/* Sends it as well as the attacker can: it encrypts where key 0 is in use. */
static void feed_forgery(struct pair_end *victim, unsigned which)
{
    uint8_t payload[128];
    uint8_t wire[2 + QUICKTUN_TAG_LEN + sizeof payload];
    uint8_t shared[QUICKTUN_SHARED_LEN] = {1};
    const struct quicktun_direction *in = &victim->session->in;
    bool control = true;
    size_t len = forge(victim, which, payload, &control);
    size_t tag = in->on ? QUICKTUN_TAG_LEN : 0;
    store_u16(wire, (uint16_t)((control ? 0x8000 : 0) | (len + tag)));
    if (!in->on) {
        memcpy(wire + 2, payload, len);
    } else {
        if (!quicktun_direction_clean(in))
            assert_int_equal(crypto_box_beforenm(shared, in->theirs, in->mine), 0);
        assert_int_equal(crypto_box_easy_afternm(wire + 2, payload, len, in->nonce, shared), 0);
    }
    pair_feed(victim, wire, 2 + tag + len);
}

/* ---- Tricks ---- */

static void feed(struct pair_end *end, const uint8_t *bytes, size_t len)
{
    uint8_t copy[4096]; /* the engine decrypts in place */
    assert_true(len <= sizeof copy);
    memcpy(copy, bytes, len);
    pair_feed(end, copy, len);
}

static void change(struct pair_end *from, uint8_t *packet, size_t len, enum trick trick)
{
    switch (trick) {
    case FLIP_TYPE:
        packet[0] ^= 0x80;
        break;
    case FLIP_BIT:
        packet[len - 1] ^= 1;
        break;
    case FLIP_TAG:
        packet[2] ^= 1;
        break;
    case SHORTEN:
        store_u16(packet, (uint16_t)((packet[0] << 8 | packet[1]) - 1));
        len--;
        break;
    default:
        break;
    }
    feed(pair_other(from), packet, len);
}

/* The next packet of `from` is at its position; the attacker does its trick with it. */
static void attack(struct pair_end *from, enum trick trick)
{
    struct pair_end *to = pair_other(from);
    uint8_t packet[4096];
    size_t len = pair_next_packet(from);
    assert_true(len <= sizeof packet);
    memcpy(packet, from->wire.bytes + from->gone, len);
    from->gone += len;
    if (trick >= FORGE) {
        unsigned which = (unsigned)trick - FORGE;
        feed_forgery(to, which % FORGERIES);
        if (which < FORGERIES)
            feed(to, packet, len); /* beside the right one, else instead of it */
        return;
    }
    switch (trick) {
    case STRIP:
        break;
    case SWALLOW_REST:
        from->gone = from->wire.len;
        break;
    case REPEAT:
        feed(to, packet, len);
        feed(to, packet, len);
        break;
    case REFLECT:
        feed(to, packet, len);
        feed(from, packet, len);
        break;
    case REFLECT_INSTEAD:
        feed(from, packet, len);
        break;
    case SWAP:
        if (pair_next_packet(from) > 0)
            pair_deliver(from, pair_next_packet(from));
        feed(to, packet, len);
        break;
    default:
        change(from, packet, len, trick);
        break;
    }
}

/* ---- Conversations ---- */

/* The next packet on its way, of either end in turn. */
static struct pair_end *next_sender(struct pair *pair, size_t turn)
{
    for (size_t i = 0; i < 2; i++) {
        struct pair_end *end = &pair->ends[(turn + i) % 2];
        if (pair_next_packet(end) > 0)
            return end;
    }
    return NULL;
}

static void talk(struct pair *pair, bool *talked)
{
    if (!*talked && pair_up(pair)) {
        *talked = true;
        for (size_t i = 0; i < 2; i++) {
            struct pair_end *end = &pair->ends[i];
            end->session->update_at_ms = 0;
            pair_send(end, 60, 0);
            pair_send(end, 40, 0);
        }
    }
}

/* One packet at a time; the attacker acts on the one at its position. Returns how many there were.
 */
static size_t converse(struct pair *pair, size_t position, enum trick trick)
{
    bool talked = false;
    size_t count = 0;
    for (;;) {
        pair_tick(&pair->ends[0]);
        pair_tick(&pair->ends[1]);
        talk(pair, &talked);
        struct pair_end *from = next_sender(pair, count);
        if (!from || pair->ends[0].error || pair->ends[1].error)
            return count;
        if (count == position)
            attack(from, trick);
        else
            pair_deliver(from, pair_next_packet(from));
        count++;
        assert_true(count < 1000);
    }
}

static const char *judge_end(struct pair_end *end)
{
    const struct quicktun_session *session = end->session;
    const struct quicktun_session *other = pair_other(end)->session;
    if (session->start_received && end->pinned &&
        memcmp(session->peer, other->context->public_key, QUICKTUN_KEY_LEN) != 0)
        return "another peer";
    if (session->disabled && !session->disable_sent && !other->disable_sent)
        return "encryption disabled by nobody";
    if (session->zero_received && !other->zero_sent)
        return "tunnel started by nobody";
    if (!session->disabled && end->wrong > 0)
        return "a forged packet tunnelled";
    if (!session->disabled && session->was_up && !session->error &&
        quicktun_session_protection(session) == QUICKTUN_CLEAR)
        return "up without protection";
    return NULL;
}

static const char *judge(struct pair *pair)
{
    unsigned asked = (pair->ends[0].ask != NULL) + (pair->ends[1].ask != NULL);
    if (pair->nonces_repeated > 0)
        return "a nonce used twice with one key";
    if (pair->plaintexts_repeated > 0)
        return "a plaintext accepted twice";
    if (answers > asked)
        return "a password answered that nobody asked for";
    for (size_t i = 0; i < 2; i++) {
        struct pair_end *end = &pair->ends[i];
        const char *wrong = end->pinned ? judge_end(end) : NULL;
        if (wrong)
            return wrong;
    }
    return NULL;
}

typedef void flow_fn(struct pair_end *a, struct pair_end *b);

/* Plays a flow under an attack. Returns the number of packets up to its end. */
static size_t play(flow_fn *flow, size_t position, enum trick trick, bool *came_up)
{
    conversation = (struct pair){.random_state = 11, .now_ms = 1000};
    struct pair *pair = &conversation;
    pair_defaults(&pair->ends[0]);
    pair_defaults(&pair->ends[1]);
    flow(&pair->ends[0], &pair->ends[1]);
    answers = 0;
    pair_start(pair);
    size_t count = converse(pair, position, trick);
    *came_up = pair_up(pair) && !pair->ends[0].error && !pair->ends[1].error;
    const char *wrong = judge(pair);
    if (wrong) {
        print_error("packet %zu, trick %d: %s\n", position, (int)trick, wrong);
        fail();
    }
    pair_stop(pair);
    return count;
}

static void besiege(flow_fn *flow)
{
    bool up = false;
    size_t closed = 0;
    size_t count = play(flow, POSITIONS_MAX, STRIP, &up);
    assert_true(up); /* left alone */
    assert_in_range(count, 6, POSITIONS_MAX - 1);
    for (size_t position = 0; position < count; position++) {
        for (int trick = 0; trick < TRICKS; trick++) {
            play(flow, position, (enum trick)trick, &up);
            closed += !up;
        }
    }
    assert_true(closed > 0);
}

#define BESIEGED(flow)                                                                             \
    static void attacker_gains_nothing_from_##flow(void **state)                                   \
    {                                                                                              \
        (void)state;                                                                               \
        besiege(flow);                                                                             \
    }

BESIEGED(authenticated)
BESIEGED(with_passwords)
BESIEGED(public_pinned)
BESIEGED(then_unencrypted)
BESIEGED(crossing_disables)
BESIEGED(public_unpinned)
BESIEGED(raw)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attacker_gains_nothing_from_authenticated),
        cmocka_unit_test(attacker_gains_nothing_from_with_passwords),
        cmocka_unit_test(attacker_gains_nothing_from_public_pinned),
        cmocka_unit_test(attacker_gains_nothing_from_then_unencrypted),
        cmocka_unit_test(attacker_gains_nothing_from_crossing_disables),
        cmocka_unit_test(attacker_gains_nothing_from_public_unpinned),
        cmocka_unit_test(attacker_gains_nothing_from_raw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
