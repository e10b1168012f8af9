#include "lib/crypto/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants those above first */
#include <cmocka.h>

enum { PLAIN = 32, WIRE_MAX = PLAIN + UNITS_NONCE_LEN + UNITS_TAG_LEN };

static const enum units_cipher ciphers[] = {UNITS_AES_CBC, UNITS_AES_GCM, UNITS_AES_GCM_SIV};

enum { CIPHERS = sizeof ciphers / sizeof *ciphers };

static bool no_randomness;

static int count_up(void *arg, void *buf, size_t len)
{
    uint8_t *next = arg;
    memset(buf, (*next)++, len);
    return no_randomness ? -1 : 0;
}

/* Two ends of a connection, whose contexts are shared with whoever else is in the test. */
struct ends {
    struct units client;
    struct units server;
};

static uint8_t next_random;
static struct units_context *context;

static int setup(void **state)
{
    (void)state;
    context = units_context_new(count_up, &next_random);
    return context ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    units_context_free(context);
    return 0;
}

static struct ends connect_ends(enum units_cipher cipher, uint8_t seed)
{
    uint8_t key[32];
    uint8_t iv[16];
    memset(key, seed, sizeof key);
    memset(iv, seed + 1, sizeof iv);
    struct ends ends;
    units_init(&ends.client, context, cipher, key, iv, true);
    units_init(&ends.server, context, cipher, key, iv, false);
    return ends;
}

/* A unit that says n goes from one end to the other. */
static void pass(struct units *from, struct units *to, uint8_t n)
{
    uint8_t plain[PLAIN];
    uint8_t wire[WIRE_MAX];
    uint8_t out[PLAIN];
    memset(plain, n, sizeof plain);
    assert_int_equal(units_seal(from, context, plain, sizeof plain, wire), UNITS_OK);
    assert_int_equal(units_open(to, context, wire, sizeof out, out), UNITS_OK);
    assert_memory_equal(out, plain, sizeof plain);
}

static void units_arrive_in_both_directions(void **state)
{
    (void)state;
    for (size_t i = 0; i < CIPHERS; i++) {
        struct ends ends = connect_ends(ciphers[i], 1);
        for (uint8_t n = 0; n < 20; n++) {
            pass(&ends.client, &ends.server, n);
            pass(&ends.server, &ends.client, n);
            pass(&ends.server, &ends.client, n);
        }
    }
}

static void connections_take_turns_on_one_context(void **state)
{
    (void)state;
    struct ends ends[2 * CIPHERS];
    for (size_t i = 0; i < 2 * CIPHERS; i++)
        ends[i] = connect_ends(ciphers[i % CIPHERS], (uint8_t)i);
    for (unsigned n = 0; n < 200; n++) {
        struct ends *pair = &ends[n * 7 % (2 * CIPHERS)];
        pass(&pair->client, &pair->server, (uint8_t)n);
        pass(&pair->server, &pair->client, (uint8_t)n);
    }
}

static void equal_keys_are_still_two_connections(void **state)
{
    (void)state;
    struct ends first = connect_ends(UNITS_AES_CBC, 1);
    struct ends second = connect_ends(UNITS_AES_CBC, 1);
    uint8_t plain[PLAIN] = {0};
    uint8_t wire[2][WIRE_MAX];
    assert_int_equal(units_seal(&first.client, context, plain, sizeof plain, wire[0]), UNITS_OK);
    assert_int_equal(units_seal(&second.client, context, plain, sizeof plain, wire[1]), UNITS_OK);
    assert_memory_equal(wire[0], wire[1], PLAIN);
}

static void aes_cbc_is_one_chain_and_adds_nothing(void **state)
{
    (void)state;
    struct ends ends = connect_ends(UNITS_AES_CBC, 1);
    struct ends whole = connect_ends(UNITS_AES_CBC, 1);
    uint8_t plain[64] = {0};
    uint8_t pieces[64];
    uint8_t wire[64];
    assert_int_equal(units_overhead(&ends.client), 0);
    assert_int_equal(units_seal(&ends.client, context, plain, 16, pieces), UNITS_OK);
    assert_int_equal(units_seal(&ends.client, context, plain + 16, 48, pieces + 16), UNITS_OK);
    assert_int_equal(units_seal(&whole.client, context, plain, 64, wire), UNITS_OK);
    assert_memory_equal(pieces, wire, sizeof wire);
    assert_memory_not_equal(wire, wire + 32, 32);
}

static void aes_gcm_nonces_are_prefix_and_counter(void **state)
{
    (void)state;
    struct ends ends = connect_ends(UNITS_AES_GCM, 1);
    uint8_t plain[PLAIN] = {0};
    uint8_t wire[WIRE_MAX];
    assert_int_equal(units_overhead(&ends.client), 28);
    for (uint8_t n = 0; n < 3; n++) {
        const uint8_t from_client[UNITS_NONCE_LEN] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n};
        const uint8_t from_server[UNITS_NONCE_LEN] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, n};
        assert_int_equal(units_seal(&ends.client, context, plain, sizeof plain, wire), UNITS_OK);
        assert_memory_equal(wire, from_client, sizeof from_client);
        assert_int_equal(units_seal(&ends.server, context, plain, sizeof plain, wire), UNITS_OK);
        assert_memory_equal(wire, from_server, sizeof from_server);
    }
}

static void aes_gcm_refuses_a_unit_repeated(void **state)
{
    (void)state;
    struct ends ends = connect_ends(UNITS_AES_GCM, 1);
    uint8_t plain[PLAIN] = {0};
    uint8_t wire[WIRE_MAX];
    assert_int_equal(units_seal(&ends.client, context, plain, sizeof plain, wire), UNITS_OK);
    assert_int_equal(units_open(&ends.server, context, wire, sizeof plain, plain), UNITS_OK);
    assert_int_equal(units_open(&ends.server, context, wire, sizeof plain, plain), UNITS_E_NONCE);
}

static void aes_gcm_refuses_a_unit_left_out(void **state)
{
    (void)state;
    struct ends ends = connect_ends(UNITS_AES_GCM, 1);
    uint8_t plain[PLAIN] = {0};
    uint8_t wire[WIRE_MAX];
    assert_int_equal(units_seal(&ends.client, context, plain, sizeof plain, wire), UNITS_OK);
    assert_int_equal(units_seal(&ends.client, context, plain, sizeof plain, wire), UNITS_OK);
    assert_int_equal(units_open(&ends.server, context, wire, sizeof plain, plain), UNITS_E_NONCE);
}

static void aes_gcm_refuses_a_unit_reflected(void **state)
{
    (void)state;
    struct ends ends = connect_ends(UNITS_AES_GCM, 1);
    uint8_t plain[PLAIN] = {0};
    uint8_t wire[WIRE_MAX];
    assert_int_equal(units_seal(&ends.client, context, plain, sizeof plain, wire), UNITS_OK);
    assert_int_equal(units_open(&ends.client, context, wire, sizeof plain, plain), UNITS_E_NONCE);
}

static void aes_gcm_never_uses_the_last_counter(void **state)
{
    (void)state;
    struct ends ends = connect_ends(UNITS_AES_GCM, 1);
    uint8_t plain[PLAIN] = {0};
    uint8_t wire[WIRE_MAX];
    ends.client.sent.counter = ends.server.received.counter = UINT64_MAX - 1;
    pass(&ends.client, &ends.server, 1);
    assert_int_equal(units_seal(&ends.client, context, plain, sizeof plain, wire), UNITS_E_COUNTER);
    memset(wire, 0xff, sizeof wire);
    assert_int_equal(units_open(&ends.server, context, wire, sizeof plain, plain), UNITS_E_COUNTER);
}

static void aes_gcm_siv_draws_a_nonce_for_each_unit(void **state)
{
    (void)state;
    struct ends ends = connect_ends(UNITS_AES_GCM_SIV, 1);
    uint8_t plain[PLAIN] = {0};
    uint8_t wire[WIRE_MAX];
    assert_int_equal(units_overhead(&ends.client), 28);
    next_random = 0;
    for (uint8_t n = 0; n < 3; n++) {
        uint8_t nonce[UNITS_NONCE_LEN];
        memset(nonce, n, sizeof nonce);
        assert_int_equal(units_seal(&ends.client, context, plain, sizeof plain, wire), UNITS_OK);
        assert_memory_equal(wire, nonce, sizeof nonce);
    }
}

static void aes_gcm_siv_seals_nothing_without_randomness(void **state)
{
    (void)state;
    struct ends ends = connect_ends(UNITS_AES_GCM_SIV, 1);
    uint8_t plain[PLAIN] = {0};
    uint8_t wire[WIRE_MAX];
    no_randomness = true;
    assert_int_equal(units_seal(&ends.client, context, plain, sizeof plain, wire), UNITS_E_RANDOM);
    no_randomness = false;
}

static void a_unit_changed_on_the_way_is_refused(void **state)
{
    (void)state;
    for (size_t i = 1; i < CIPHERS; i++) {
        for (size_t at = UNITS_NONCE_LEN; at < WIRE_MAX; at++) {
            struct ends ends = connect_ends(ciphers[i], 1);
            uint8_t plain[PLAIN] = {0};
            uint8_t wire[WIRE_MAX];
            assert_int_equal(units_seal(&ends.client, context, plain, sizeof plain, wire),
                             UNITS_OK);
            wire[at] ^= 0x10;
            assert_int_equal(units_open(&ends.server, context, wire, sizeof plain, plain),
                             UNITS_E_AUTHENTICATION);
        }
    }
}

static void wiping_leaves_no_key_and_disturbs_nobody(void **state)
{
    (void)state;
    static const struct units nothing;
    for (size_t i = 0; i < CIPHERS; i++) {
        struct ends ends = connect_ends(ciphers[i], 1);
        struct ends others = connect_ends(ciphers[i], 2);
        pass(&others.client, &others.server, 1);
        pass(&ends.client, &ends.server, 1);
        pass(&ends.server, &ends.client, 1);
        units_wipe(&ends.client, context);
        units_wipe(&ends.server, context);
        assert_memory_equal(&ends.client, &nothing, sizeof nothing);
        assert_memory_equal(&ends.server, &nothing, sizeof nothing);
        units_wipe(&ends.server, context); /* a second time does no harm */
        pass(&others.client, &others.server, 2);
        pass(&others.server, &others.client, 3);
    }
    units_context_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_arrive_in_both_directions),
        cmocka_unit_test(connections_take_turns_on_one_context),
        cmocka_unit_test(equal_keys_are_still_two_connections),
        cmocka_unit_test(aes_cbc_is_one_chain_and_adds_nothing),
        cmocka_unit_test(aes_gcm_nonces_are_prefix_and_counter),
        cmocka_unit_test(aes_gcm_refuses_a_unit_repeated),
        cmocka_unit_test(aes_gcm_refuses_a_unit_left_out),
        cmocka_unit_test(aes_gcm_refuses_a_unit_reflected),
        cmocka_unit_test(aes_gcm_never_uses_the_last_counter),
        cmocka_unit_test(aes_gcm_siv_draws_a_nonce_for_each_unit),
        cmocka_unit_test(aes_gcm_siv_seals_nothing_without_randomness),
        cmocka_unit_test(a_unit_changed_on_the_way_is_refused),
        cmocka_unit_test(wiping_leaves_no_key_and_disturbs_nobody),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
