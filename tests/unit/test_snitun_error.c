/*
 * Each value of snitun_error by the name of what leads to it, and what a session does after one.
 * Linked with --wrap, so that memory and OpenSSL fail when a test says so.
 */
#include "tests/unit/snitun_side.h"

#include <gcrypt.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static bool memory_fails;
static unsigned allocations_left; /* before memory fails, when not 0 */
static bool crypto_fails;
static bool keys_fail; /* crypto fails to take one */

/* The names that ld --wrap asks for. */
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
int __real_EVP_CipherInit_ex2(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher,
                              const unsigned char *key, const unsigned char *iv, int enc,
                              const OSSL_PARAM params[]);
int __wrap_EVP_CipherInit_ex2(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher,
                              const unsigned char *key, const unsigned char *iv, int enc,
                              const OSSL_PARAM params[]);
int __real_EVP_CipherUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *out_len,
                            const unsigned char *in, int len);
int __wrap_EVP_CipherUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *out_len,
                            const unsigned char *in, int len);
int __real_EVP_Digest(const void *bytes, size_t len, unsigned char *digest, unsigned *digest_len,
                      const EVP_MD *type, ENGINE *engine);
int __wrap_EVP_Digest(const void *bytes, size_t len, unsigned char *digest, unsigned *digest_len,
                      const EVP_MD *type, ENGINE *engine);
gcry_error_t __real_gcry_cipher_setkey(gcry_cipher_hd_t handle, const void *key, size_t len);
gcry_error_t __wrap_gcry_cipher_setkey(gcry_cipher_hd_t handle, const void *key, size_t len);
gcry_error_t __real_gcry_cipher_setiv(gcry_cipher_hd_t handle, const void *iv, size_t len);
gcry_error_t __wrap_gcry_cipher_setiv(gcry_cipher_hd_t handle, const void *iv, size_t len);

static bool out_of_memory(void)
{
    if (allocations_left > 0 && --allocations_left == 0)
        memory_fails = true;
    return memory_fails;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return out_of_memory() ? NULL : __real_calloc(count, size);
}

void *__wrap_malloc(size_t size)
{
    return out_of_memory() ? NULL : __real_malloc(size);
}

int __wrap_EVP_CipherInit_ex2(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher,
                              const unsigned char *key, const unsigned char *iv, int enc,
                              const OSSL_PARAM params[])
{
    return keys_fail ? 0 : __real_EVP_CipherInit_ex2(ctx, cipher, key, iv, enc, params);
}

int __wrap_EVP_CipherUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *out_len,
                            const unsigned char *in, int len)
{
    return crypto_fails ? 0 : __real_EVP_CipherUpdate(ctx, out, out_len, in, len);
}

int __wrap_EVP_Digest(const void *bytes, size_t len, unsigned char *digest, unsigned *digest_len,
                      const EVP_MD *type, ENGINE *engine)
{
    return crypto_fails ? 0 : __real_EVP_Digest(bytes, len, digest, digest_len, type, engine);
}

gcry_error_t __wrap_gcry_cipher_setkey(gcry_cipher_hd_t handle, const void *key, size_t len)
{
    return keys_fail ? GPG_ERR_INV_KEYLEN : __real_gcry_cipher_setkey(handle, key, len);
}

gcry_error_t __wrap_gcry_cipher_setiv(gcry_cipher_hd_t handle, const void *iv, size_t len)
{
    return crypto_fails ? GPG_ERR_INV_LENGTH : __real_gcry_cipher_setiv(handle, iv, len);
}

/* ---- What a session does after an error ---- */

static bool all_zero(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++)
        if (at[i] != 0)
            return false;
    return true;
}

/* The session only answers with its error, and holds no secret. Stops the side. */
static void is_over(struct side *side, int error)
{
    uint8_t bytes[SNITUN_CONTROL_MAX] = {0};
    struct snitun_event event;
    size_t consumed;
    size_t limit;
    const struct adit_ip caller = {.family = 4};
    struct snitun_session *session = side->session;
    memory_fails = crypto_fails = keys_fail = side->random_fails = false;
    assert_int_equal(snitun_session_error(session), error);
    assert_int_equal(snitun_receive(session, side->now_ms, bytes, 1, &consumed, &event), error);
    assert_int_equal(consumed, 0);
    assert_int_equal(snitun_control(session, side->now_ms, bytes, sizeof bytes), error);
    assert_int_equal(snitun_tick(session, side->now_ms), error);
    assert_int_equal(snitun_data(session, NULL, 1, bytes), error);
    assert_null(snitun_turn(session, &limit));
    assert_null(snitun_channel_open(session, &caller));
    assert_false(snitun_wants_to_send(session));
    assert_true(all_zero(&session->units, sizeof session->units));
    assert_true(all_zero(session->challenge, sizeof session->challenge));
    assert_true(strlen(snitun_error_text(error)) > 0);
    assert_string_not_equal(snitun_error_text(error), snitun_error_text(-100));
    side_stop(side);
}

static void start(struct side *side, enum snitun_role role, enum snitun_cipher cipher,
                  uint8_t version)
{
    *side = (struct side){.now_ms = 1};
    side_start(side, role, cipher, version);
}

static void established(struct side *side, enum snitun_role role, enum snitun_cipher cipher,
                        uint8_t version)
{
    start(side, role, cipher, version);
    side_establish(side);
}

/* ---- Each error ---- */

static void no_memory_for_a_channel(void **state)
{
    (void)state;
    struct side side;
    uint8_t wire[SNITUN_CONTROL_MAX];
    established(&side, SNITUN_CLIENT, SNITUN_AES_CBC, 2);
    size_t len = side_new(&side, side_id(1), "203.0.113.7", wire);
    memory_fails = true;
    side_fails(&side, wire, len, SNITUN_E_NO_MEMORY);
    is_over(&side, SNITUN_E_NO_MEMORY);
}

static void random_for_a_control_frame(void **state)
{
    (void)state;
    for (int cipher = SNITUN_AES_CBC; cipher <= SNITUN_AES_GCM_SIV; cipher++) {
        struct side side;
        uint8_t wire[SNITUN_CONTROL_MAX];
        established(&side, SNITUN_CLIENT, (enum snitun_cipher)cipher, 2);
        snitun_ping(side.session);
        side.random_fails = true;
        assert_int_equal(snitun_control(side.session, 0, wire, sizeof wire), SNITUN_E_RANDOM);
        is_over(&side, SNITUN_E_RANDOM);
    }
}

static void random_for_a_pong_a_new_and_a_data_header(void **state)
{
    (void)state;
    struct side side;
    uint8_t wire[SNITUN_CONTROL_MAX];
    size_t limit;
    established(&side, SNITUN_SERVER, SNITUN_AES_CBC, 2);
    side_frame_in(&side, SNITUN_FLAG_PING, side_id(1), "ping", SNITUN_NEED_MORE);
    side.random_fails = true;
    assert_int_equal(snitun_control(side.session, 0, wire, sizeof wire), SNITUN_E_RANDOM);
    is_over(&side, SNITUN_E_RANDOM);

    const struct adit_ip caller = {.family = 4};
    established(&side, SNITUN_SERVER, SNITUN_AES_CBC, 2);
    assert_non_null(snitun_channel_open(side.session, &caller));
    side.random_fails = true;
    assert_int_equal(snitun_control(side.session, 0, wire, sizeof wire), SNITUN_E_RANDOM);
    is_over(&side, SNITUN_E_RANDOM);

    established(&side, SNITUN_CLIENT, SNITUN_AES_CBC, 2);
    snitun_channel_ready(side_opened(&side, 1));
    struct snitun_channel *channel = snitun_turn(side.session, &limit);
    side.random_fails = true;
    assert_int_equal(snitun_data(side.session, channel, 1, wire), SNITUN_E_RANDOM);
    is_over(&side, SNITUN_E_RANDOM);
}

static void random_for_a_nonce_of_the_challenge(void **state)
{
    (void)state;
    struct side side;
    uint8_t wire[SNITUN_CONTROL_MAX];
    start(&side, SNITUN_SERVER, SNITUN_AES_GCM_SIV, 2);
    side.random_fails = true;
    assert_int_equal(snitun_control(side.session, 0, wire, sizeof wire), SNITUN_E_RANDOM);
    is_over(&side, SNITUN_E_RANDOM);
}

static void crypto_that_fails_to_encrypt(void **state)
{
    (void)state;
    for (int cipher = SNITUN_AES_CBC; cipher <= SNITUN_AES_GCM_SIV; cipher++) {
        struct side side;
        uint8_t wire[SNITUN_CONTROL_MAX];
        established(&side, SNITUN_CLIENT, (enum snitun_cipher)cipher, 2);
        snitun_ping(side.session);
        crypto_fails = true;
        assert_int_equal(snitun_control(side.session, 0, wire, sizeof wire), SNITUN_E_CRYPTO);
        is_over(&side, SNITUN_E_CRYPTO);
    }
}

/* OpenSSL's AEADs do not tell whether they failed or the tag is wrong. */
static void crypto_that_fails_to_decrypt(void **state)
{
    (void)state;
    for (int cipher = SNITUN_AES_CBC; cipher <= SNITUN_AES_GCM_SIV; cipher++) {
        struct side side;
        struct snitun_event event;
        size_t consumed;
        uint8_t wire[SNITUN_CONTROL_MAX];
        established(&side, SNITUN_CLIENT, (enum snitun_cipher)cipher, 2);
        size_t len = side_header(&side, SNITUN_FLAG_PING, side_id(1), 0, "ping", wire);
        crypto_fails = true;
        int error = snitun_receive(side.session, 1, wire, len, &consumed, &event);
        assert_true(error == SNITUN_E_CRYPTO ||
                    (cipher != SNITUN_AES_CBC && error == SNITUN_E_AUTHENTICATION));
        is_over(&side, error);
    }
}

static void crypto_that_fails_to_take_the_key(void **state)
{
    (void)state;
    for (int cipher = SNITUN_AES_CBC; cipher <= SNITUN_AES_GCM_SIV; cipher++) {
        struct side side;
        uint8_t wire[SNITUN_CONTROL_MAX];
        start(&side, SNITUN_SERVER, (enum snitun_cipher)cipher, 2);
        keys_fail = true;
        assert_int_equal(snitun_control(side.session, 0, wire, sizeof wire), SNITUN_E_CRYPTO);
        is_over(&side, SNITUN_E_CRYPTO);

        start(&side, SNITUN_CLIENT, (enum snitun_cipher)cipher, 2);
        size_t len = side_seal(&side, side.keys.aes_key, SNITUN_CHALLENGE_LEN, wire);
        keys_fail = true;
        side_fails(&side, wire, len, SNITUN_E_CRYPTO);
        is_over(&side, SNITUN_E_CRYPTO);
    }
}

static void crypto_that_fails_to_hash(void **state)
{
    (void)state;
    static const uint8_t unit[SNITUN_CHALLENGE_LEN];
    for (int role = SNITUN_CLIENT; role <= SNITUN_SERVER; role++) {
        struct side side;
        uint8_t wire[SNITUN_CONTROL_MAX];
        start(&side, (enum snitun_role)role, SNITUN_AES_GCM_SIV, 2);
        size_t len = side_seal(&side, unit, sizeof unit, wire);
        crypto_fails = true;
        side_fails(&side, wire, len, SNITUN_E_CRYPTO);
        is_over(&side, SNITUN_E_CRYPTO);
    }
}

static void authentication_of_any_unit(void **state)
{
    (void)state;
    for (int cipher = SNITUN_AES_GCM; cipher <= SNITUN_AES_GCM_SIV; cipher++) {
        struct side side;
        uint8_t wire[2 * SNITUN_CONTROL_MAX];
        established(&side, SNITUN_CLIENT, (enum snitun_cipher)cipher, 2);
        size_t len = side_header(&side, SNITUN_FLAG_PING, side_id(1), 0, "ping", wire);
        wire[len - 1] ^= 1;
        side_fails(&side, wire, len, SNITUN_E_AUTHENTICATION);
        is_over(&side, SNITUN_E_AUTHENTICATION);

        established(&side, SNITUN_CLIENT, (enum snitun_cipher)cipher, 2);
        len = side_new(&side, side_id(1), "203.0.113.7", wire);
        wire[len - 1] ^= 1;
        side_fails(&side, wire, len, SNITUN_E_AUTHENTICATION);
        is_over(&side, SNITUN_E_AUTHENTICATION);

        start(&side, SNITUN_CLIENT, (enum snitun_cipher)cipher, 2);
        len = side_seal(&side, side.keys.aes_key, 32, wire);
        wire[20] ^= 1;
        side_fails(&side, wire, len, SNITUN_E_AUTHENTICATION);
        is_over(&side, SNITUN_E_AUTHENTICATION);
    }
}

static void nonce_repeated_left_out_or_reflected(void **state)
{
    (void)state;
    struct side side;
    uint8_t wire[SNITUN_CONTROL_MAX];
    established(&side, SNITUN_CLIENT, SNITUN_AES_GCM, 2);
    size_t len = side_header(&side, SNITUN_FLAG_PING, side_id(1), 0, "pong", wire);
    side_feed(&side, wire, len, SNITUN_NEED_MORE);
    side_fails(&side, wire, len, SNITUN_E_NONCE);
    is_over(&side, SNITUN_E_NONCE);

    established(&side, SNITUN_CLIENT, SNITUN_AES_GCM, 2);
    side_header(&side, SNITUN_FLAG_PING, side_id(1), 0, "pong", wire);
    len = side_header(&side, SNITUN_FLAG_PING, side_id(1), 0, "pong", wire);
    side_fails(&side, wire, len, SNITUN_E_NONCE);
    is_over(&side, SNITUN_E_NONCE);

    established(&side, SNITUN_CLIENT, SNITUN_AES_GCM, 2);
    snitun_ping(side.session);
    assert_int_equal(snitun_control(side.session, 0, wire, sizeof wire), 60);
    side_fails(&side, wire, 60, SNITUN_E_NONCE);
    is_over(&side, SNITUN_E_NONCE);
}

static void challenge_answered_wrongly(void **state)
{
    (void)state;
    static const uint8_t wrong[SNITUN_CHALLENGE_LEN];
    for (int cipher = SNITUN_AES_CBC; cipher <= SNITUN_AES_GCM_SIV; cipher++) {
        struct side side;
        uint8_t wire[SNITUN_CONTROL_MAX];
        start(&side, SNITUN_SERVER, (enum snitun_cipher)cipher, 2);
        assert_true(snitun_control(side.session, 0, wire, sizeof wire) > 0);
        size_t len = side_seal(&side, wrong, sizeof wrong, wire);
        side_fails(&side, wire, len, SNITUN_E_CHALLENGE);
        is_over(&side, SNITUN_E_CHALLENGE);
    }
}

static void new_size_other_than_16_or_32(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 15, 17, 31, 33, 48, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int role = SNITUN_CLIENT; role <= SNITUN_SERVER; role++) {
            struct side side;
            uint8_t wire[SNITUN_CONTROL_MAX];
            established(&side, (enum snitun_role)role, SNITUN_AES_GCM_SIV, 2);
            size_t len = side_header(&side, SNITUN_FLAG_NEW, side_id(1), sizes[i], "4abcd", wire);
            side_fails(&side, wire, len, SNITUN_E_NEW_SIZE);
            is_over(&side, SNITUN_E_NEW_SIZE);
        }
    }
}

static void new_address_of_no_known_type(void **state)
{
    (void)state;
    static const char *const payloads[] = {"5abcd", "", "x", "6 in 16 bytes"};
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        struct side side;
        uint8_t wire[SNITUN_CONTROL_MAX];
        uint8_t payload[SNITUN_NEW_IPV4_LEN] = {0};
        memcpy(payload, payloads[i], strlen(payloads[i]));
        established(&side, SNITUN_CLIENT, SNITUN_AES_CBC, 2);
        size_t len = side_header(&side, SNITUN_FLAG_NEW, side_id(1), sizeof payload, NULL, wire);
        len += side_seal(&side, payload, sizeof payload, wire + len);
        side_fails(&side, wire, len, SNITUN_E_NEW_ADDRESS);
        is_over(&side, SNITUN_E_NEW_ADDRESS);
    }
}

static void channel_live_at_every_version(void **state)
{
    (void)state;
    for (uint8_t version = 0; version <= 2; version++) {
        struct side side;
        uint8_t wire[SNITUN_CONTROL_MAX];
        established(&side, SNITUN_CLIENT, SNITUN_AES_CBC, version);
        side_opened(&side, 1);
        size_t len = side_new(&side, side_id(1), "203.0.113.7", wire);
        side_fails(&side, wire, len, SNITUN_E_CHANNEL_LIVE);
        is_over(&side, SNITUN_E_CHANNEL_LIVE);
    }
}

static void handshake_timeout(void **state)
{
    (void)state;
    struct side side;
    start(&side, SNITUN_SERVER, SNITUN_AES_CBC, 2);
    side.now_ms = snitun_deadline(side.session);
    assert_int_equal(snitun_tick(side.session, side.now_ms), SNITUN_E_HANDSHAKE_TIMEOUT);
    is_over(&side, SNITUN_E_HANDSHAKE_TIMEOUT);
}

static void dead(void **state)
{
    (void)state;
    struct side side;
    established(&side, SNITUN_SERVER, SNITUN_AES_CBC, 2);
    for (int expected = 0, i = 0; i < 2; i++, expected = SNITUN_E_DEAD) {
        side.now_ms = snitun_deadline(side.session);
        assert_int_equal(snitun_tick(side.session, side.now_ms), expected);
    }
    is_over(&side, SNITUN_E_DEAD);
}

static void counter_exhausted(void **state)
{
    (void)state;
    struct side side;
    uint8_t wire[SNITUN_CONTROL_MAX];
    established(&side, SNITUN_CLIENT, SNITUN_AES_GCM, 2);
    side.session->units.sent.counter = UINT64_MAX;
    snitun_ping(side.session);
    assert_int_equal(snitun_control(side.session, 0, wire, sizeof wire), SNITUN_E_COUNTER);
    is_over(&side, SNITUN_E_COUNTER);

    established(&side, SNITUN_CLIENT, SNITUN_AES_GCM, 2);
    side.session->units.received.counter = UINT64_MAX;
    size_t len = side_header(&side, SNITUN_FLAG_PING, side_id(1), 0, "ping", wire);
    side_fails(&side, wire, len, SNITUN_E_COUNTER);
    is_over(&side, SNITUN_E_COUNTER);
}

/* ---- Errors that end nothing ---- */

static void channels_of_an_ended_session_are_ended_as_always(void **state)
{
    (void)state;
    struct side side;
    established(&side, SNITUN_CLIENT, SNITUN_AES_CBC, 2);
    struct snitun_channel *open = side_opened(&side, 1);
    struct snitun_channel *closed = side_opened(&side, 2);
    snitun_channel_close(side_opened(&side, 3)); /* its CLOSE is never sent */
    side_opened(&side, 4);                       /* left to snitun_session_free() */
    side_frame_in(&side, SNITUN_FLAG_CLOSE, side_id(2), NULL, SNITUN_CLOSED);
    snitun_channel_ready(open);
    uint8_t wire[SNITUN_CONTROL_MAX];
    size_t len = side_header(&side, SNITUN_FLAG_NEW, side_id(5), 5, NULL, wire);
    side_fails(&side, wire, len, SNITUN_E_NEW_SIZE);
    assert_true(snitun_channel_backlog(open, SNITUN_PAUSE_AT));
    snitun_channel_close(open);
    snitun_channel_close(closed);
    assert_int_equal(snitun_session_channels(side.session), 1);
    assert_int_equal(side.session->closing, 1);
    assert_true(snitun_session_established(side.session));
    is_over(&side, SNITUN_E_NEW_SIZE);
}

static void a_server_without_memory_opens_no_channel(void **state)
{
    (void)state;
    const struct adit_ip caller = {.family = 4};
    struct side side;
    established(&side, SNITUN_SERVER, SNITUN_AES_CBC, 2);
    memory_fails = true;
    assert_null(snitun_channel_open(side.session, &caller));
    memory_fails = false;
    assert_int_equal(snitun_session_error(side.session), SNITUN_OK);
    side_stop(&side);
}

static void answers_without_memory_are_dropped_and_counted(void **state)
{
    (void)state;
    struct side side;
    struct snitun_counters counters;
    uint8_t wire[SNITUN_CONTROL_MAX];
    start(&side, SNITUN_CLIENT, SNITUN_AES_CBC, 2);
    side_establish(&side);
    side.session->channels_max = 0;
    size_t len = side_header(&side, SNITUN_FLAG_PING, side_id(1), 0, "ping", wire);
    memory_fails = true;
    side_feed(&side, wire, len, SNITUN_NEED_MORE);
    len = side_new(&side, side_id(1), "203.0.113.7", wire);
    side_feed(&side, wire, len, SNITUN_NEED_MORE);
    memory_fails = false;
    snitun_session_counters(side.session, &counters);
    assert_int_equal(counters.pings_dropped, 1);
    assert_int_equal(counters.channels_refused, 1);
    side_silent(&side);
    side_stop(&side);
}

static int no_random(void *arg, void *buf, size_t len)
{
    (void)arg;
    (void)buf;
    (void)len;
    return -1;
}

static void nothing_is_made_without_memory_or_randomness(void **state)
{
    (void)state;
    struct side side;
    assert_null(snitun_context_new(no_random, NULL));
    keys_fail = true;
    assert_null(snitun_context_new(no_random, NULL));
    keys_fail = false;
    start(&side, SNITUN_SERVER, SNITUN_AES_CBC, 2);
    for (int role = SNITUN_CLIENT; role <= SNITUN_SERVER; role++) {
        side.random_fails = true;
        assert_null(snitun_session_new(side.context, (enum snitun_role)role, &side.keys, NULL, 0));
        side.random_fails = false;
        memory_fails = true;
        assert_null(snitun_session_new(side.context, (enum snitun_role)role, &side.keys, NULL, 0));
        memory_fails = false;
    }
    side_stop(&side);
}

static int zero_random(void *arg, void *buf, size_t len)
{
    (void)arg;
    memset(buf, 0, len);
    return 0;
}

/* Whichever allocation fails, the others are freed. */
static void a_context_is_made_whole_or_not_at_all(void **state)
{
    (void)state;
    unsigned failed = 0;
    for (struct snitun_context *context = NULL; !context; failed++) {
        allocations_left = failed + 1;
        context = snitun_context_new(zero_random, NULL);
        allocations_left = 0;
        memory_fails = false;
        snitun_context_free(context);
    }
    assert_in_range(failed, 6, 20);
}

static void a_channel_is_made_whole_or_not_at_all(void **state)
{
    (void)state;
    const struct adit_ip caller = {.family = 4};
    struct side side;
    established(&side, SNITUN_SERVER, SNITUN_AES_CBC, 2);
    allocations_left = 2; /* the channel itself, then its place in the map */
    assert_null(snitun_channel_open(side.session, &caller));
    memory_fails = false;
    assert_int_equal(snitun_session_channels(side.session), 0);
    assert_non_null(snitun_channel_open(side.session, &caller));
    side_stop(&side);
}

static void every_error_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (int a = SNITUN_E_COUNTER; a <= SNITUN_OK; a++)
        for (int b = SNITUN_E_COUNTER - 1; b < a; b++)
            assert_string_not_equal(snitun_error_text(a), snitun_error_text(b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_for_a_channel),
        cmocka_unit_test(random_for_a_control_frame),
        cmocka_unit_test(random_for_a_pong_a_new_and_a_data_header),
        cmocka_unit_test(random_for_a_nonce_of_the_challenge),
        cmocka_unit_test(crypto_that_fails_to_encrypt),
        cmocka_unit_test(crypto_that_fails_to_decrypt),
        cmocka_unit_test(crypto_that_fails_to_take_the_key),
        cmocka_unit_test(crypto_that_fails_to_hash),
        cmocka_unit_test(authentication_of_any_unit),
        cmocka_unit_test(nonce_repeated_left_out_or_reflected),
        cmocka_unit_test(challenge_answered_wrongly),
        cmocka_unit_test(new_size_other_than_16_or_32),
        cmocka_unit_test(new_address_of_no_known_type),
        cmocka_unit_test(channel_live_at_every_version),
        cmocka_unit_test(handshake_timeout),
        cmocka_unit_test(dead),
        cmocka_unit_test(counter_exhausted),
        cmocka_unit_test(channels_of_an_ended_session_are_ended_as_always),
        cmocka_unit_test(a_server_without_memory_opens_no_channel),
        cmocka_unit_test(answers_without_memory_are_dropped_and_counted),
        cmocka_unit_test(nothing_is_made_without_memory_or_randomness),
        cmocka_unit_test(a_context_is_made_whole_or_not_at_all),
        cmocka_unit_test(a_channel_is_made_whole_or_not_at_all),
        cmocka_unit_test(every_error_has_a_text_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
