/* Messages sealed by the context's cipher are those of libsodium, byte for byte. */
#include "lib/crypto/chacha.h"
#include "lib/sodiumtcp/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef crypto_secretstream_xchacha20poly1305_state state_type;

static struct chacha *chacha;
static unsigned sealed;
static unsigned opened;

static bool seal(void *arg, const uint8_t key[32], const uint8_t nonce[12],
                 uint8_t head[SODIUMTCP_AEAD_HEAD_LEN], const uint8_t *plain, size_t len,
                 uint8_t *out, uint8_t mac[16])
{
    sealed++;
    return chacha_seal(arg, key, nonce, head, SODIUMTCP_AEAD_HEAD_LEN, plain, len, out, mac);
}

static bool unseal(void *arg, const uint8_t key[32], const uint8_t nonce[12],
                   uint8_t head[SODIUMTCP_AEAD_HEAD_LEN], const uint8_t *in, size_t len,
                   const uint8_t mac[16], uint8_t *plain)
{
    opened++;
    return chacha_open(arg, key, nonce, head, SODIUMTCP_AEAD_HEAD_LEN, in, len, mac, plain);
}

static bool fails(void *arg, const uint8_t key[32], const uint8_t nonce[12],
                  uint8_t head[SODIUMTCP_AEAD_HEAD_LEN], const uint8_t *plain, size_t len,
                  uint8_t *out, uint8_t mac[16])
{
    (void)arg, (void)key, (void)nonce, (void)head, (void)plain, (void)len, (void)out, (void)mac;
    return false;
}

enum { ROOM = 64 * 1024 };

struct fixture {
    struct sodiumtcp_aead aead;
    state_type ours;
    state_type theirs;
    uint8_t plain[ROOM];
    uint8_t wire[ROOM + SODIUMTCP_MESSAGE_OVERHEAD];
    uint8_t expected[ROOM + SODIUMTCP_MESSAGE_OVERHEAD];
    uint8_t back[ROOM];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    uint8_t header[SODIUMTCP_STREAM_HEADER_LEN] = {3};
    uint8_t key[SODIUMTCP_KEY_LEN] = {5};
    assert_non_null(fixture);
    chacha = chacha_new();
    assert_non_null(chacha);
    fixture->aead = (struct sodiumtcp_aead){.arg = chacha, .seal = seal, .open = unseal};
    crypto_secretstream_xchacha20poly1305_init_pull(&fixture->ours, header, key);
    fixture->theirs = fixture->ours;
    for (size_t i = 0; i < ROOM; i++)
        fixture->plain[i] = (uint8_t)(i * 31 + i / 251);
    sealed = opened = 0;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    chacha_free(chacha);
    free(*state);
    return 0;
}

/* Both seal; theirs is libsodium's own. */
static void seal_both(struct fixture *fixture, size_t len)
{
    assert_true(
        sodiumtcp_stream_push(&fixture->ours, &fixture->aead, fixture->plain, len, fixture->wire));
    crypto_secretstream_xchacha20poly1305_push(&fixture->theirs, fixture->expected, NULL,
                                               fixture->plain, len, NULL, 0, 0);
    assert_memory_equal(fixture->wire, fixture->expected, len + SODIUMTCP_MESSAGE_OVERHEAD);
    assert_memory_equal(&fixture->ours, &fixture->theirs, sizeof fixture->ours);
}

static void every_length_gives_the_bytes_of_libsodium(void **state)
{
    struct fixture *fixture = *state;
    for (size_t len = SODIUMTCP_STREAM_LONG - 40; len < SODIUMTCP_STREAM_LONG + 600; len++)
        seal_both(fixture, len);
    seal_both(fixture, 0);
    seal_both(fixture, ROOM);
    assert_int_equal(sealed, 76); /* multiples of 8, from the limit on */
}

static void the_key_changes_when_the_counter_wraps(void **state)
{
    struct fixture *fixture = *state;
    memset(fixture->ours.nonce, 0xff, 4);
    fixture->theirs = fixture->ours;
    uint8_t before[SODIUMTCP_KEY_LEN];
    memcpy(before, fixture->ours.k, sizeof before);
    seal_both(fixture, ROOM);
    assert_memory_not_equal(fixture->ours.k, before, sizeof before);
    seal_both(fixture, ROOM);
}

static void what_libsodium_sealed_is_opened_in_place_and_elsewhere(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 2; i++) {
        crypto_secretstream_xchacha20poly1305_push(&fixture->theirs, fixture->wire, NULL,
                                                   fixture->plain, ROOM, NULL, 0, 0);
        uint8_t *to = i == 0 ? fixture->back : fixture->wire + 1;
        assert_int_equal(sodiumtcp_stream_pull(&fixture->ours, &fixture->aead, fixture->wire,
                                               ROOM + SODIUMTCP_MESSAGE_OVERHEAD, to),
                         0);
        assert_memory_equal(to, fixture->plain, ROOM);
    }
    assert_int_equal(opened, 2);
}

static void sealing_may_be_in_place(void **state)
{
    struct fixture *fixture = *state;
    memcpy(fixture->wire + 1, fixture->plain, ROOM);
    assert_true(sodiumtcp_stream_push(&fixture->ours, &fixture->aead, fixture->wire + 1, ROOM,
                                      fixture->wire));
    crypto_secretstream_xchacha20poly1305_push(&fixture->theirs, fixture->expected, NULL,
                                               fixture->plain, ROOM, NULL, 0, 0);
    assert_memory_equal(fixture->wire, fixture->expected, ROOM + SODIUMTCP_MESSAGE_OVERHEAD);
}

static void a_changed_byte_anywhere_is_refused_and_leaves_nothing(void **state)
{
    static const size_t places[] = {0,    1,        100,
                                    ROOM, ROOM + 1, ROOM + SODIUMTCP_MESSAGE_OVERHEAD - 1};
    static const uint8_t zeros[ROOM];
    struct fixture *fixture = *state;
    crypto_secretstream_xchacha20poly1305_push(&fixture->theirs, fixture->expected, NULL,
                                               fixture->plain, ROOM, NULL, 0, 0);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        state_type stream = fixture->ours;
        memcpy(fixture->wire, fixture->expected, sizeof fixture->wire);
        fixture->wire[places[i]] ^= 1;
        assert_int_equal(sodiumtcp_stream_pull(&stream, &fixture->aead, fixture->wire,
                                               sizeof fixture->wire, fixture->back),
                         SODIUMTCP_E_AUTHENTICATION);
        assert_memory_equal(fixture->back, zeros, ROOM);
    }
}

static void another_tag_is_refused(void **state)
{
    struct fixture *fixture = *state;
    crypto_secretstream_xchacha20poly1305_push(&fixture->theirs, fixture->wire, NULL,
                                               fixture->plain, ROOM, NULL, 0,
                                               crypto_secretstream_xchacha20poly1305_TAG_FINAL);
    assert_int_equal(sodiumtcp_stream_pull(&fixture->ours, &fixture->aead, fixture->wire,
                                           sizeof fixture->wire, fixture->back),
                     SODIUMTCP_E_TAG);
}

static void a_cipher_that_fails_is_told(void **state)
{
    struct fixture *fixture = *state;
    fixture->aead.seal = fails;
    assert_false(
        sodiumtcp_stream_push(&fixture->ours, &fixture->aead, fixture->plain, ROOM, fixture->wire));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_length_gives_the_bytes_of_libsodium, setup, teardown),
        cmocka_unit_test_setup_teardown(the_key_changes_when_the_counter_wraps, setup, teardown),
        cmocka_unit_test_setup_teardown(what_libsodium_sealed_is_opened_in_place_and_elsewhere,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(sealing_may_be_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_byte_anywhere_is_refused_and_leaves_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(another_tag_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cipher_that_fails_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
