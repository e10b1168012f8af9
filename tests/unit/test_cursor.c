#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};

static void numbers_are_read_big_endian_and_in_order(void **state)
{
    (void)state;
    struct cursor cursor = cursor_over(bytes, sizeof(bytes));
    assert_int_equal(cursor_u8(&cursor), 0x01);
    assert_int_equal(cursor_u16(&cursor), 0x0203);
    assert_int_equal(cursor_u24(&cursor), 0x040506);
    assert_int_equal(cursor_u32(&cursor), 0x0708090a);
    assert_true(cursor_u64(&cursor) == 0x0b0c0d0e0f101112);
    assert_int_equal(cursor_left(&cursor), 0);
    assert_false(cursor.failed);
}

static void a_read_past_the_end_fails_and_so_does_every_later_one(void **state)
{
    (void)state;
    struct cursor cursor = cursor_over(bytes, 3);
    assert_int_equal(cursor_u32(&cursor), 0);
    assert_true(cursor.failed);
    assert_int_equal(cursor_left(&cursor), 0);
    assert_int_equal(cursor_u8(&cursor), 0);
    assert_null(cursor_take(&cursor, 0));
    assert_true(cursor_sub(&cursor, 0).failed);
}

static void every_length_of_number_stops_at_the_end(void **state)
{
    (void)state;
    for (size_t len = 0; len < 8; len++) {
        struct cursor cursor = cursor_over(bytes, len);
        assert_true(cursor_u64(&cursor) == 0);
        assert_true(cursor.failed);
    }
    struct cursor cursor = cursor_over(bytes, 8);
    assert_true(cursor_u64(&cursor) == 0x0102030405060708);
    assert_false(cursor.failed);
}

static void taken_bytes_stay_in_the_buffer(void **state)
{
    (void)state;
    struct cursor cursor = cursor_over(bytes, 5);
    assert_ptr_equal(cursor_take(&cursor, 2), bytes);
    assert_ptr_equal(cursor_take(&cursor, 3), bytes + 2);
    assert_non_null(cursor_take(&cursor, 0));
    assert_false(cursor.failed);
    assert_null(cursor_take(&cursor, 1));
    assert_true(cursor.failed);
}

static void a_length_near_the_limit_of_size_t_is_too_long(void **state)
{
    (void)state;
    struct cursor cursor = cursor_over(bytes, 5);
    cursor_u8(&cursor);
    assert_null(cursor_take(&cursor, SIZE_MAX));
    assert_true(cursor.failed);
}

static void a_sub_cursor_ends_where_its_bytes_end(void **state)
{
    (void)state;
    struct cursor cursor = cursor_over(bytes, 5);
    struct cursor sub = cursor_sub(&cursor, 3);
    assert_int_equal(cursor_left(&sub), 3);
    assert_int_equal(cursor_u32(&sub), 0);
    assert_true(sub.failed);
    assert_false(cursor.failed);
    assert_int_equal(cursor_u16(&cursor), 0x0405);
    assert_true(cursor_sub(&cursor, 1).failed);
    assert_true(cursor.failed);
}

static void nothing_can_be_read_over(void **state)
{
    (void)state;
    struct cursor cursor = cursor_over(NULL, 0);
    assert_int_equal(cursor_left(&cursor), 0);
    assert_false(cursor.failed);
    assert_int_equal(cursor_u8(&cursor), 0);
    assert_true(cursor.failed);
}

static void stores_are_big_endian(void **state)
{
    (void)state;
    uint8_t out[14];
    store_u16(out, 0x0102);
    store_u32(out + 2, 0x03040506);
    store_u64(out + 6, 0x0708090a0b0c0d0e);
    assert_memory_equal(out, bytes, sizeof(out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_big_endian_and_in_order),
        cmocka_unit_test(a_read_past_the_end_fails_and_so_does_every_later_one),
        cmocka_unit_test(every_length_of_number_stops_at_the_end),
        cmocka_unit_test(taken_bytes_stay_in_the_buffer),
        cmocka_unit_test(a_length_near_the_limit_of_size_t_is_too_long),
        cmocka_unit_test(a_sub_cursor_ends_where_its_bytes_end),
        cmocka_unit_test(nothing_can_be_read_over),
        cmocka_unit_test(stores_are_big_endian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
