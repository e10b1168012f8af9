#include "tests/unit/sodiumtcp_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const struct sodiumtcp_options pair_public = {.public_only = true};
const struct sodiumtcp_options pair_extension = {.zstd = true};

uint64_t pair_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static int draw(void *arg, void *buf, size_t len)
{
    struct side *side = arg;
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i++)
        out[i] = side->counting ? side->counting : (uint8_t)pair_random(&side->random);
    side->counting = (uint8_t)(side->counting + (side->counting > 0));
    return side->random_fails ? -1 : 0;
}

static void side_init(struct side *side, uint64_t seed)
{
    side->random = seed;
    side->context = sodiumtcp_context_new(draw, side);
    side->out = malloc(PAIR_WIRE_MAX);
    side->in = malloc(PAIR_WIRE_MAX);
    assert_non_null(side->context);
    assert_non_null(side->out);
    assert_non_null(side->in);
}

static struct pair *make(const struct sodiumtcp_options *client,
                         const struct sodiumtcp_options *server, bool counting)
{
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    side_init(&pair->client, 1);
    side_init(&pair->server, 2);
    pair->client.counting = counting ? 0x01 : 0;
    pair->server.counting = counting ? 0x81 : 0;
    pair->now_ms = 1000000;
    memset(pair->keys.secret_key, 7, sizeof pair->keys.secret_key);
    assert_int_equal(crypto_scalarmult_base(pair->keys.public_key, pair->keys.secret_key), 0);
    assert_int_equal(sodiumtcp_client_new(pair->client.context, pair->keys.public_key, "me",
                                          "secret", client, pair->now_ms, &pair->client.session),
                     0);
    assert_int_equal(sodiumtcp_server_new(pair->server.context, &pair->keys, server, pair->now_ms,
                                          &pair->server.session),
                     0);
    return pair;
}

struct pair *pair_new(const struct sodiumtcp_options *client,
                      const struct sodiumtcp_options *server)
{
    return make(client, server, false);
}

struct pair *pair_counting(const struct sodiumtcp_options *client,
                           const struct sodiumtcp_options *server)
{
    return make(client, server, true);
}

static void log_in(struct pair *pair)
{
    pair_control(pair, &pair->client);
    pair_deliver(pair, &pair->client);
    pair_expect(pair, &pair->server, SODIUMTCP_LOGIN);
    assert_int_equal(sodiumtcp_accept(pair->server.session, "Welcome.", pair->now_ms), 0);
    pair_control(pair, &pair->server);
    pair_deliver(pair, &pair->server);
}

void pair_begin_exchange(struct pair *pair)
{
    log_in(pair);
    pair_expect(pair, &pair->client, SODIUMTCP_NEED_MORE);
    pair_control(pair, &pair->client);
    pair_deliver(pair, &pair->client);
}

void pair_begin(struct pair *pair, bool public_mode)
{
    if (public_mode) {
        log_in(pair);
        assert_false(pair_expect(pair, &pair->client, SODIUMTCP_READY).extension);
        return;
    }
    pair_begin_exchange(pair);
    assert_true(pair_expect(pair, &pair->server, SODIUMTCP_READY).extension);
    pair_control(pair, &pair->server);
    pair_deliver(pair, &pair->server);
    assert_true(pair_expect(pair, &pair->client, SODIUMTCP_READY).extension);
}

struct pair *pair_open(const struct sodiumtcp_options *client,
                       const struct sodiumtcp_options *server)
{
    struct pair *pair = pair_new(client, server);
    pair_begin(pair, (client && client->public_only) || (server && server->public_only));
    return pair;
}

static void side_free(struct side *side)
{
    sodiumtcp_session_free(side->session);
    sodiumtcp_context_free(side->context);
    free(side->out);
    free(side->in);
}

void pair_free(struct pair *pair)
{
    side_free(&pair->client);
    side_free(&pair->server);
    free(pair);
}

struct side *pair_other(struct pair *pair, struct side *side)
{
    return side == &pair->client ? &pair->server : &pair->client;
}

uint8_t *pair_out(struct side *side)
{
    return side->out + side->out_len;
}

void pair_wrote(struct side *side, long len)
{
    if (len < 0)
        fail_msg("%s", sodiumtcp_error_text((int)len));
    side->out_len += (size_t)len;
}

void pair_control(struct pair *pair, struct side *side)
{
    struct sodiumtcp_wall wall = {pair->now_ms / 1000, 5};
    pair_wrote(side, sodiumtcp_control(side->session, pair->now_ms, wall, pair_out(side),
                                       PAIR_WIRE_MAX - side->out_len));
    assert_false(sodiumtcp_wants_to_send(side->session));
}

void pair_forge(struct side *side, uint32_t type, const void *body, size_t len)
{
    pair_wrote(side, (long)sodiumtcp_pdu_seal(side->session, type, body, len, pair_out(side)));
}

void pair_deliver(struct pair *pair, struct side *side)
{
    struct side *other = pair_other(pair, side);
    assert_true(side->out_len <= PAIR_WIRE_MAX - other->in_len);
    memcpy(other->in + other->in_len, side->out, side->out_len);
    other->in_len += side->out_len;
    side->out_len = 0;
}

int pair_receive(struct pair *pair, struct side *side, struct sodiumtcp_event *event)
{
    size_t consumed = 0;
    /* A buffer of its own, so that what the event points to stays. */
    static uint8_t lent[2][PAIR_WIRE_MAX];
    uint8_t *in = lent[side == &pair->client];
    memcpy(in, side->in, side->in_len);
    int error =
        sodiumtcp_receive(side->session, pair->now_ms, in, side->in_len, NULL, 0, &consumed, event);
    side->in_len -= consumed;
    memmove(side->in, side->in + consumed, side->in_len);
    return error;
}

struct sodiumtcp_event pair_expect(struct pair *pair, struct side *side,
                                   enum sodiumtcp_event_type type)
{
    struct sodiumtcp_event event;
    int error = pair_receive(pair, side, &event);
    if (error || event.type != type)
        fail_msg("event %d, %s", (int)event.type, sodiumtcp_error_text(error));
    return event;
}

void pair_expect_error(struct pair *pair, struct side *side, int error)
{
    struct sodiumtcp_event event;
    int got = 0;
    do {
        got = pair_receive(pair, side, &event);
    } while (!got && event.type != SODIUMTCP_NEED_MORE && event.type != SODIUMTCP_WAIT);
    if (got != error) {
        fail_msg("\"%s\" instead of \"%s\"", sodiumtcp_error_text(got),
                 sodiumtcp_error_text(error));
    }
    assert_int_equal(pair_receive(pair, side, &event), error);
    assert_int_equal(sodiumtcp_session_error(side->session), error);
    const struct sodiumtcp_session *session = side->session;
    assert_null(session->opening);
    assert_true(sodium_is_zero((const uint8_t *)&session->push, sizeof session->push));
    assert_true(sodium_is_zero((const uint8_t *)&session->pull, sizeof session->pull));
    assert_false(sodiumtcp_wants_to_send(side->session));
    assert_int_equal(sodiumtcp_control(side->session, pair->now_ms, (struct sodiumtcp_wall){0},
                                       pair_out(side), SODIUMTCP_CONTROL_ROOM),
                     error);
    assert_int_equal(sodiumtcp_tick(side->session, pair->now_ms), error);
    assert_int_equal(sodiumtcp_end_of_input(side->session, 0), error);
}

void pair_breach(struct pair *pair, struct side *side, uint32_t type, const void *body, size_t len,
                 int error)
{
    pair_forge(side, type, body, len);
    pair_deliver(pair, side);
    pair_expect_error(pair, pair_other(pair, side), error);
}

void pair_settle(struct pair *pair)
{
    do {
        pair_control(pair, &pair->client);
        pair_control(pair, &pair->server);
        pair_deliver(pair, &pair->client);
        pair_deliver(pair, &pair->server);
        pair_expect(pair, &pair->client, SODIUMTCP_NEED_MORE);
        pair_expect(pair, &pair->server, SODIUMTCP_NEED_MORE);
    } while (sodiumtcp_wants_to_send(pair->client.session) ||
             sodiumtcp_wants_to_send(pair->server.session));
}

struct sodiumtcp_item pair_file(uint64_t size)
{
    static const uint8_t name[] = "\4name";
    return (struct sodiumtcp_item){.kind = SODIUMTCP_FILE, .size = size, .name = {name, 5}};
}
