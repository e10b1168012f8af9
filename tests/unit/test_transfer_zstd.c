/* The frames of BLOCK_ZSTD: docs/protocols/sodiumtcp.md, START, BLOCK, BLOCK_ZSTD, END. */
#include "roles/transfer/zstd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

enum { PIECE = 256 * 1024, MIB = 1024 * 1024 };

static struct zstd_packer *packer;
static struct zstd_unpacker *unpacker;
static uint8_t plain[PIECE];
static uint8_t frame[PIECE];
static uint8_t back[PIECE + 1];

static int setup(void **state)
{
    (void)state;
    packer = zstd_packer_new();
    unpacker = zstd_unpacker_new();
    memset(plain, 'x', sizeof plain);
    memset(back, 0xee, sizeof back);
    return packer == NULL || unpacker == NULL;
}

static int teardown(void **state)
{
    (void)state;
    zstd_packer_free(packer);
    zstd_unpacker_free(unpacker);
    return 0;
}

static void fill_with_noise(uint8_t *bytes, size_t len)
{
    uint64_t value = 88172645463325252;
    for (size_t i = 0; i < len; i++) {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
        bytes[i] = (uint8_t)value;
    }
}

static bool opens(const uint8_t *bytes, size_t len, size_t plain_len)
{
    return zstd_unpack(unpacker, bytes, len, back, plain_len);
}

static void what_was_packed_is_unpacked(void **state)
{
    (void)state;
    size_t len = zstd_pack(packer, plain, PIECE, frame, sizeof frame);
    assert_in_range(len, 1, 1000);
    assert_true(opens(frame, len, PIECE));
    assert_memory_equal(back, plain, PIECE);
}

static void the_documented_frame_is_unpacked(void **state)
{
    static const uint8_t documented[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x48, 0x65,
                                         0x00, 0x00, 0x28, 0x61, 0x64, 0x69, 0x74,
                                         0x20, 0x01, 0x00, 0xe0, 0x51, 0x15, 0x2d};
    (void)state;
    assert_true(opens(documented, sizeof documented, 1000));
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(back[i], "adit "[i % 5]);
}

static void noise_is_not_packed_and_tried_more_and_more_rarely(void **state)
{
    (void)state;
    fill_with_noise(plain, sizeof plain);
    for (size_t skipped = 1; skipped <= 64; skipped *= 2) {
        assert_int_equal(zstd_pack(packer, plain, PIECE, frame, sizeof frame), 0);
        memset(plain, 0, sizeof plain); /* would shrink, if it were tried */
        for (size_t i = 0; i < skipped; i++)
            assert_int_equal(zstd_pack(packer, plain, PIECE, frame, sizeof frame), 0);
        fill_with_noise(plain, sizeof plain);
    }
    assert_int_equal(zstd_pack(packer, plain, PIECE, frame, sizeof frame), 0);
    zstd_packer_restart(packer);
    memset(plain, 0, sizeof plain);
    assert_true(zstd_pack(packer, plain, PIECE, frame, sizeof frame) > 0);
}

static void what_is_too_short_for_a_frame_is_not_packed(void **state)
{
    (void)state;
    assert_int_equal(zstd_pack(packer, plain, 511, frame, sizeof frame), 0);
    assert_true(zstd_pack(packer, plain, 512, frame, sizeof frame) > 0);
}

static void a_frame_that_gives_more_or_fewer_bytes_is_refused(void **state)
{
    (void)state;
    size_t len = zstd_pack(packer, plain, PIECE, frame, sizeof frame);
    assert_false(opens(frame, len, PIECE - 1));
    assert_false(opens(frame, len, PIECE + 1));
    assert_false(opens(frame, len, 1));
}

static void a_bomb_writes_nothing_behind_what_was_announced(void **state)
{
    enum { BOMB = 64 * MIB };
    (void)state;
    uint8_t *zeros = calloc(1, BOMB);
    assert_non_null(zeros);
    size_t len = ZSTD_compress(frame, sizeof frame, zeros, BOMB, 19);
    free(zeros);
    assert_false(ZSTD_isError(len));
    assert_false(opens(frame, len, 1000));
    for (size_t i = 1000; i < sizeof back; i++)
        assert_int_equal(back[i], 0xee);
}

static void two_frames_are_refused(void **state)
{
    (void)state;
    size_t first = ZSTD_compress(frame, sizeof frame, plain, 1000, 1);
    size_t second = ZSTD_compress(frame + first, sizeof frame - first, plain, 1000, 1);
    assert_true(opens(frame, first, 1000));
    assert_false(opens(frame, first + second, 2000));
    assert_false(opens(frame, first + 1, 1000));
}

static void a_skippable_frame_is_refused(void **state)
{
    static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7};
    (void)state;
    assert_false(opens(skippable, sizeof skippable, 1));
    memcpy(frame, skippable, sizeof skippable);
    size_t len =
        ZSTD_compress(frame + sizeof skippable, sizeof frame - sizeof skippable, plain, 1000, 1);
    assert_false(opens(frame, sizeof skippable + len, 1000));
}

/* The same bytes with another window, by hand: 2^(10 + n/8) and n mod 8 eighths of that. */
static void a_window_of_more_than_eight_mebibytes_is_refused(void **state)
{
    uint8_t documented[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x48, 0x65, 0x00, 0x00, 0x28, 0x61,
                            0x64, 0x69, 0x74, 0x20, 0x01, 0x00, 0xe0, 0x51, 0x15, 0x2d};
    (void)state;
    documented[5] = 13 << 3;
    assert_true(opens(documented, sizeof documented, 1000));
    documented[5] = 13 << 3 | 1;
    assert_false(opens(documented, sizeof documented, 1000));
    documented[5] = 0xff;
    assert_false(opens(documented, sizeof documented, 1000));
}

static void a_dictionary_is_refused(void **state)
{
    uint8_t with_id[] = {0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x48, 0x00, 0x65, 0x00, 0x00, 0x28,
                         0x61, 0x64, 0x69, 0x74, 0x20, 0x01, 0x00, 0xe0, 0x51, 0x15, 0x2d};
    (void)state;
    assert_false(opens(with_id, sizeof with_id, 1000));
}

static void no_cut_and_no_changed_byte_does_harm(void **state)
{
    (void)state;
    fill_with_noise(plain, 500);
    size_t len = zstd_pack(packer, plain, 20000, frame, sizeof frame);
    assert_true(len > 0);
    for (size_t cut = 0; cut < len; cut++)
        assert_false(opens(frame, cut, 20000));
    for (size_t at = 0; at < len; at++) {
        frame[at] ^= 0x55;
        opens(frame, len, 20000);
        assert_int_equal(back[20000], 0xee);
        frame[at] ^= 0x55;
    }
    assert_true(opens(frame, len, 20000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_packed_is_unpacked, setup, teardown),
        cmocka_unit_test_setup_teardown(the_documented_frame_is_unpacked, setup, teardown),
        cmocka_unit_test_setup_teardown(noise_is_not_packed_and_tried_more_and_more_rarely, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_too_short_for_a_frame_is_not_packed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_frame_that_gives_more_or_fewer_bytes_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_bomb_writes_nothing_behind_what_was_announced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(two_frames_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_skippable_frame_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_window_of_more_than_eight_mebibytes_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_dictionary_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(no_cut_and_no_changed_byte_does_harm, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
