/*
 * lib/quicktun/box.h, and each implementation that this processor can run, beside libsodium.
 */
#include "lib/quicktun/box.h"

#ifdef QUICKTUN_BOX_WIDE
#include "lib/quicktun/box_wide.h"
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <sodium.h>

#include <cmocka.h>

enum {
    PLAIN_MAX = 32767,
    GUARD = 64, /* bytes around a box that nobody may touch */
    TAG = QUICKTUN_TAG_LEN,
    PREFIX = QUICKTUN_PREFIX_LEN,
};

static uint8_t plain[PLAIN_MAX];
static uint8_t expected[GUARD + TAG + PLAIN_MAX + GUARD];
static uint8_t area[GUARD + TAG + PLAIN_MAX + GUARD];
static uint8_t *const box = area + GUARD;
static uint8_t nonce[QUICKTUN_NONCE_LEN];
static struct quicktun_box_key key;

/* The same numbers in each run. */
static void draw(void *bytes, size_t len, uint32_t which)
{
    uint8_t seed[randombytes_SEEDBYTES] = {(uint8_t)which, (uint8_t)(which >> 8),
                                           (uint8_t)(which >> 16), (uint8_t)(which >> 24)};
    randombytes_buf_deterministic(bytes, len, seed);
}

static void new_key(uint32_t which)
{
    memset(&key, 0, sizeof key);
    draw(key.shared, sizeof key.shared, which);
    draw(nonce, sizeof nonce, which + 1);
}

/* What libsodium makes of the plaintext, guards around it. */
static void expect(size_t len)
{
    memset(expected, 0xa5, sizeof expected);
    assert_int_equal(crypto_box_easy_afternm(expected + GUARD, plain, len, nonce, key.shared), 0);
}

static void put_plain(size_t len)
{
    memset(area, 0xa5, sizeof area);
    memcpy(box + TAG, plain, len);
}

static void assert_as_expected(size_t len)
{
    if (memcmp(area, expected, len + TAG + (size_t)2 * GUARD) != 0)
        fail_msg("wrong with %zu bytes", len);
}

static void assert_plain(size_t len)
{
    memcpy(expected + GUARD + TAG, plain, len); /* the tag stays */
    assert_as_expected(len);
}

/* ---- box.h ---- */

static void there_and_back(size_t len)
{
    expect(len);
    put_plain(len);
    quicktun_box_seal(&key, nonce, box, len);
    assert_as_expected(len);
    assert_true(quicktun_box_open(&key, nonce, box, len));
    assert_plain(len);
}

static void packets_are_those_of_libsodium(void **state)
{
    (void)state;
    draw(plain, sizeof plain, 1);
    for (size_t len = 0; len < 3000; len += 7) {
        new_key((uint32_t)len);
        there_and_back(len);
    }
    there_and_back(PLAIN_MAX - TAG);
}

/* "Cryptography in NaCl", 8 to 10: the key, nonce and message of its examples. */
static void the_example_of_nacl_comes_out(void **state)
{
    (void)state;
    static const char firstkey[] =
        "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389";
    static const char example_nonce[] = "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37";
    static const char message[] =
        "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d4"
        "5e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a"
        "024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705";
    static const char sealed[] =
        "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c5"
        "31a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8a"
        "b932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622"
        "a43d14a6599b1f654cb45a74e355a5";
    uint8_t wanted[TAG + 131];
    memset(&key, 0, sizeof key);
    sodium_hex2bin(key.shared, sizeof key.shared, firstkey, sizeof firstkey, NULL, NULL, NULL);
    sodium_hex2bin(nonce, sizeof nonce, example_nonce, sizeof example_nonce, NULL, NULL, NULL);
    sodium_hex2bin(box + TAG, 131, message, sizeof message, NULL, NULL, NULL);
    sodium_hex2bin(wanted, sizeof wanted, sealed, sizeof sealed, NULL, NULL, NULL);
    quicktun_box_seal(&key, nonce, box, 131);
    assert_memory_equal(box, wanted, sizeof wanted);
}

/* Counting up at the end leaves the beginning alone, for 2^64 packets; then it does not. */
static void the_subkey_follows_nonce_and_key(void **state)
{
    (void)state;
    draw(plain, sizeof plain, 2);
    new_key(10);
    memset(nonce + PREFIX, 0xff, sizeof nonce - PREFIX);
    there_and_back(100);
    sodium_increment(nonce, sizeof nonce); /* another beginning: the order does not matter here */
    there_and_back(100);
    for (size_t i = 0; i < sizeof nonce; i++) {
        nonce[i] ^= 1;
        there_and_back(100);
    }
    uint8_t public_key[32];
    uint8_t secret[32];
    for (uint32_t i = 0; i < 3; i++) {
        draw(secret, sizeof secret, 20 + i);
        assert_int_equal(crypto_scalarmult_base(public_key, secret), 0);
        assert_true(quicktun_box_key_init(&key, public_key, secret));
        there_and_back(100);
    }
    memset(public_key, 0, sizeof public_key);
    assert_false(quicktun_box_key_init(&key, public_key, secret));
}

static void assert_refused_unchanged(const uint8_t *was, size_t len)
{
    assert_false(quicktun_box_open(&key, nonce, box, len));
    assert_memory_equal(area, was, sizeof area);
}

static void a_wrong_box_is_not_opened_and_stays_as_it_is(void **state)
{
    (void)state;
    static uint8_t was[sizeof area];
    static const size_t lens[] = {0, 1, 31, 32, 33, 480, 481, 992, 993, 1400, 9000};
    draw(plain, sizeof plain, 3);
    for (size_t n = 0; n < sizeof lens / sizeof *lens; n++) {
        size_t len = lens[n];
        new_key((uint32_t)len);
        put_plain(len);
        quicktun_box_seal(&key, nonce, box, len);
        for (size_t bit = 0; bit < 8 * (TAG + len); bit += bit < 8 * TAG ? 1 : 8 * len / 40 + 5) {
            box[bit / 8] ^= (uint8_t)(1 << bit % 8);
            memcpy(was, area, sizeof area);
            assert_refused_unchanged(was, len);
            box[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        memcpy(was, area, sizeof area);
        if (len > 0)
            assert_refused_unchanged(was, len - 1);
        nonce[23]++;
        assert_refused_unchanged(was, len);
        nonce[23]--;
        assert_true(quicktun_box_open(&key, nonce, box, len));
    }
}

/* ---- Each implementation ---- */

#ifdef QUICKTUN_BOX_WIDE

static const struct quicktun_box_wide *const implementations[] = {&quicktun_box_avx512,
                                                                  &quicktun_box_ifma};

enum { IMPLEMENTATIONS = sizeof implementations / sizeof *implementations };

static void compare(const struct quicktun_box_wide *wide, size_t len)
{
    uint8_t subkey[32];
    const uint8_t *rest = nonce + PREFIX;
    assert_int_equal(crypto_core_hsalsa20(subkey, nonce, key.shared, NULL), 0);
    expect(len);
    put_plain(len);
    quicktun_box_wide_seal(wide, subkey, rest, box, box + TAG, len);
    assert_as_expected(len);
    box[len % TAG] ^= 0x80;
    assert_false(quicktun_box_wide_open(wide, subkey, rest, box, box + TAG, len));
    box[len % TAG] ^= 0x80;
    assert_as_expected(len);
    assert_true(quicktun_box_wide_open(wide, subkey, rest, box, box + TAG, len));
    assert_plain(len);
}

static void every_length_is_that_of_libsodium(void **state)
{
    (void)state;
    draw(plain, sizeof plain, 4);
    for (size_t n = 0; n < IMPLEMENTATIONS; n++) {
        if (!quicktun_box_wide_can(implementations[n]))
            continue;
        for (size_t len = 0; len <= 4200; len++) {
            new_key((uint32_t)(len << 8));
            compare(implementations[n], len);
        }
        for (uint32_t i = 0; i < 150; i++) {
            uint16_t len;
            new_key(i << 20);
            draw(&len, sizeof len, i);
            compare(implementations[n], len % (PLAIN_MAX + 1));
        }
        compare(implementations[n], PLAIN_MAX);
    }
}

/* Keys and blocks with which numbers come close to 2^130 - 5, and limbs close to their ends. */
static void fill(uint8_t *bytes, size_t len, unsigned kind, uint32_t which)
{
    static const uint8_t near_p[16] = {0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    draw(bytes, len, which);
    for (size_t i = 0; i < len && kind < 4; i++)
        bytes[i] = kind == 0 ? 0 : kind == 1 ? 0xff : kind == 2 ? near_p[i % 16] : i % 16 == 0;
    if (kind == 4 && len > 0)
        memset(bytes, 0xff, len - len / 3);
}

/* Block by block, then as the implementations do. */
static quicktun_poly1305_blocks_fn *blocks_of(size_t n)
{
    return n == 0 ? quicktun_poly1305_blocks : implementations[n - 1]->mac_blocks;
}

static void assert_tag(quicktun_poly1305_blocks_fn *blocks, const uint8_t *poly_key, size_t len)
{
    uint8_t right[16];
    uint8_t tag[16];
    struct quicktun_poly1305 poly;
    size_t first = len / 16 / 3 * 16; /* in two pieces */
    size_t second = len / 16 * 16 - first;
    quicktun_poly1305_start(&poly, poly_key);
    blocks(&poly, plain, first / 16);
    blocks(&poly, plain + first, second / 16);
    quicktun_poly1305_finish(&poly, plain + first + second, len % 16, tag);
    crypto_onetimeauth(right, plain, len, poly_key);
    if (memcmp(tag, right, sizeof tag) != 0)
        fail_msg("wrong with %zu bytes", len);
}

static void tags_at_the_edges_of_the_field_are_right(void **state)
{
    (void)state;
    for (size_t n = 0; n <= IMPLEMENTATIONS; n++) {
        if (n > 0 && !quicktun_box_wide_can(implementations[n - 1]))
            continue;
        for (unsigned kind = 0; kind < 6 * 6; kind++) {
            for (size_t len = 0; len < 1000; len += len < 64 ? 1 : 13) {
                uint8_t poly_key[32];
                fill(poly_key, sizeof poly_key, kind % 6, (uint32_t)len + 5);
                fill(plain, len, kind / 6, (uint32_t)len + 6);
                assert_tag(blocks_of(n), poly_key, len);
            }
        }
    }
}

static void put_limbs(uint64_t limbs[3], uint64_t a, uint64_t b, uint64_t c)
{
    limbs[0] = a;
    limbs[1] = b;
    limbs[2] = c;
}

static void tag_of_state(const struct quicktun_poly1305 *start, size_t n, size_t blocks,
                         uint8_t tag[16])
{
    struct quicktun_poly1305 poly = *start;
    blocks_of(n)(&poly, plain, blocks);
    quicktun_poly1305_finish(&poly, plain, 0, tag);
}

/* Limbs that were not carried to the end, as once in many billion packets. */
static void loose_limbs_count_as_the_number_that_they_are(void **state)
{
    (void)state;
    static const uint64_t two44 = (uint64_t)1 << 44;
    uint8_t poly_key[32];
    draw(plain, sizeof plain, 7);
    draw(poly_key, sizeof poly_key, 8);
    struct quicktun_poly1305 tight[3];
    struct quicktun_poly1305 loose[3];
    for (size_t i = 0; i < 3; i++) {
        quicktun_poly1305_start(&tight[i], poly_key);
        loose[i] = tight[i];
    }
    put_limbs(tight[0].h, two44 - 1, 9, two44 / 4 - 2);
    put_limbs(loose[0].h, two44 - 1, 9 + two44, two44 / 4 - 3);
    put_limbs(tight[1].h, 4, 0, 2);
    put_limbs(loose[1].h, two44 - 1, two44 - 1, two44 / 4 + 1);
    for (size_t i = 0; i < 3; i++)
        tight[2].powers[i][0] = loose[2].powers[i][0] = 0;
    tight[2].powers[0][0] = loose[2].powers[0][0] = 5;
    tight[2].powers[2][0] = 4;
    loose[2].powers[2][0] = 3;
    loose[2].powers[1][0] = two44;
    for (size_t n = 0; n <= IMPLEMENTATIONS; n++) {
        if (n > 0 && !quicktun_box_wide_can(implementations[n - 1]))
            continue;
        for (size_t i = 0; i < 3 * 60; i++) {
            uint8_t right[16];
            uint8_t tag[16];
            tag_of_state(&tight[i % 3], 0, i / 3, right);
            tag_of_state(&loose[i % 3], n, i / 3, tag);
            assert_memory_equal(tag, right, sizeof tag);
        }
    }
}

/* RFC 8439, A.3, 7 to 11: sums and products that pass 2^128 and 2^130 - 5 in all ways. */
static void the_edges_of_the_rfc_come_out(void **state)
{
    (void)state;
    static const struct {
        const char *key, *text, *tag;
    } cases[] = {
        {"01",
         "ffffffffffffffffffffffffffffffff"
         "f0ffffffffffffffffffffffffffffff"
         "11000000000000000000000000000000",
         "05"},
        {"01",
         "ffffffffffffffffffffffffffffffff"
         "fbfefefefefefefefefefefefefefefe"
         "01010101010101010101010101010101",
         "00"},
        {"02", "fdffffffffffffffffffffffffffffff", "faffffffffffffffffffffffffffffff"},
        {"010000000000000004",
         "e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000"
         "00000000000000000000000000000000100000000000000"
         "0000000000000000",
         "14000000000000005500000000000000"},
        {"0100000000000000040000000000000000",
         "e33594d7505e43b900000000000000003394d7505e4379cd0100000000000000"
         "00000000000000000000000000000000",
         "13"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t poly_key[32] = {0};
        uint8_t text[80];
        uint8_t wanted[16] = {0};
        uint8_t tag[16];
        size_t len = 0;
        struct quicktun_poly1305 poly;
        sodium_hex2bin(poly_key, 32, cases[i].key, strlen(cases[i].key), NULL, NULL, NULL);
        sodium_hex2bin(text, 80, cases[i].text, strlen(cases[i].text), NULL, &len, NULL);
        sodium_hex2bin(wanted, 16, cases[i].tag, strlen(cases[i].tag), NULL, NULL, NULL);
        assert_int_equal(len % 16, 0);
        quicktun_poly1305_start(&poly, poly_key);
        quicktun_poly1305_blocks(&poly, text, len / 16);
        quicktun_poly1305_finish(&poly, text, 0, tag);
        assert_memory_equal(tag, wanted, sizeof wanted);
    }
}

/* The counter of blocks goes on where it was, and a stream is a stream however it is cut. */
static void key_stream_is_that_of_libsodium_from_any_block_on(void **state)
{
    (void)state;
    static const uint32_t firsts[] = {0, 1, 7, 16, 500, 0x10000, 0xfffffff0 - 40};
    for (size_t n = 0; n < IMPLEMENTATIONS; n++) {
        if (!quicktun_box_wide_can(implementations[n]))
            continue;
        for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
            struct quicktun_salsa20 salsa20;
            new_key(firsts[i]);
            memset(area, 0, 40 * 64);
            quicktun_salsa20_init(&salsa20, key.shared, nonce);
            implementations[n]->xor_blocks(&salsa20, firsts[i], area, 40);
            memset(expected, 0, 40 * 64);
            crypto_stream_salsa20_xor_ic(expected, expected, 40 * 64, nonce, firsts[i], key.shared);
            assert_memory_equal(area, expected, 40 * 64);
        }
    }
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_those_of_libsodium),
        cmocka_unit_test(the_example_of_nacl_comes_out),
        cmocka_unit_test(the_subkey_follows_nonce_and_key),
        cmocka_unit_test(a_wrong_box_is_not_opened_and_stays_as_it_is),
#ifdef QUICKTUN_BOX_WIDE
        cmocka_unit_test(every_length_is_that_of_libsodium),
        cmocka_unit_test(tags_at_the_edges_of_the_field_are_right),
        cmocka_unit_test(loose_limbs_count_as_the_number_that_they_are),
        cmocka_unit_test(the_edges_of_the_rfc_come_out),
        cmocka_unit_test(key_stream_is_that_of_libsodium_from_any_block_on),
#endif
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
