#include "base/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LEN = POOL_BUFFER_LEN };

struct fixture {
    struct pool pool;
    struct chain chain;
    uint8_t bytes[5 * LEN];
};

static int setup(void **state)
{
    struct fixture *fixture = malloc(sizeof(*fixture));
    if (fixture == NULL)
        return -1;
    pool_init(&fixture->pool);
    chain_init(&fixture->chain);
    for (size_t i = 0; i < sizeof(fixture->bytes); i++)
        fixture->bytes[i] = (uint8_t)(i * 7 + i / 251);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    chain_clear(&fixture->chain, &fixture->pool);
    assert_int_equal(fixture->pool.lent, 0);
    pool_clear(&fixture->pool);
    free(fixture);
    return 0;
}

static void append(struct fixture *fixture, size_t at, size_t len)
{
    assert_true(chain_append(&fixture->chain, &fixture->pool, fixture->bytes + at, len));
}

/* The chain holds bytes[at..at + chain->len), as peeked at in order. */
static void assert_holds_from(struct fixture *fixture, size_t at, size_t len)
{
    struct iovec pieces[16];
    assert_int_equal(fixture->chain.len, len);
    int count = chain_peek(&fixture->chain, pieces, 16);
    for (int i = 0; i < count; i++) {
        assert_true(pieces[i].iov_len > 0);
        assert_memory_equal(pieces[i].iov_base, fixture->bytes + at, pieces[i].iov_len);
        at += pieces[i].iov_len;
        len -= pieces[i].iov_len;
    }
    assert_int_equal(len, 0);
}

static void an_empty_chain_holds_no_buffer(void **state)
{
    struct fixture *fixture = *state;
    struct iovec piece;
    uint8_t out;
    append(fixture, 0, 0);
    assert_int_equal(fixture->pool.lent, 0);
    assert_int_equal(chain_peek(&fixture->chain, &piece, 1), 0);
    assert_int_equal(chain_take(&fixture->chain, &fixture->pool, &out, 1), 0);
    append(fixture, 0, 10);
    chain_consume(&fixture->chain, &fixture->pool, 10);
    assert_int_equal(fixture->pool.lent, 0);
}

static void bytes_come_out_in_order(void **state)
{
    struct fixture *fixture = *state;
    size_t at = 0;
    for (size_t len = 1; at + len <= sizeof(fixture->bytes); len += 37) {
        append(fixture, at, len);
        at += len;
    }
    assert_holds_from(fixture, 0, at);
    uint8_t out[1000];
    size_t from = 0;
    size_t taken;
    while ((taken = chain_take(&fixture->chain, &fixture->pool, out, sizeof(out))) > 0) {
        assert_memory_equal(out, fixture->bytes + from, taken);
        from += taken;
    }
    assert_int_equal(from, at);
    assert_int_equal(fixture->chain.len, 0);
}

static void buffers_are_filled_to_the_end(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 0, LEN);
    assert_int_equal(fixture->pool.lent, 1);
    append(fixture, LEN, 1);
    assert_int_equal(fixture->pool.lent, 2);
    append(fixture, LEN + 1, 2 * LEN - 1);
    assert_int_equal(fixture->pool.lent, 3);
    assert_holds_from(fixture, 0, 3 * LEN);
}

static void consuming_gives_back_each_emptied_buffer(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 0, 3 * LEN);
    chain_consume(&fixture->chain, &fixture->pool, LEN - 1);
    assert_int_equal(fixture->pool.lent, 3);
    chain_consume(&fixture->chain, &fixture->pool, 1);
    assert_int_equal(fixture->pool.lent, 2);
    assert_holds_from(fixture, LEN, 2 * LEN);
    chain_consume(&fixture->chain, &fixture->pool, LEN + 5);
    assert_int_equal(fixture->pool.lent, 1);
    assert_holds_from(fixture, 2 * LEN + 5, LEN - 5);
}

static void appending_goes_on_after_consuming(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 0, 100);
    chain_consume(&fixture->chain, &fixture->pool, 60);
    append(fixture, 100, LEN);
    assert_holds_from(fixture, 60, LEN + 40);
    chain_consume(&fixture->chain, &fixture->pool, LEN + 40);
    append(fixture, 0, 7);
    assert_holds_from(fixture, 0, 7);
}

static void peeking_stores_no_more_pieces_than_asked_for(void **state)
{
    struct fixture *fixture = *state;
    struct iovec pieces[2];
    append(fixture, 0, 3 * LEN);
    assert_int_equal(chain_peek(&fixture->chain, pieces, 2), 2);
    assert_int_equal(chain_peek(&fixture->chain, pieces, 0), 0);
}

static void taking_less_leaves_the_rest(void **state)
{
    struct fixture *fixture = *state;
    uint8_t out[LEN + 3];
    append(fixture, 0, LEN + 10);
    assert_int_equal(chain_take(&fixture->chain, &fixture->pool, out, sizeof(out)), LEN + 3);
    assert_memory_equal(out, fixture->bytes, LEN + 3);
    assert_holds_from(fixture, LEN + 3, 7);
}

static void a_given_back_buffer_serves_the_next_chain(void **state)
{
    struct fixture *fixture = *state;
    struct chain other;
    chain_init(&other);
    append(fixture, 0, 1);
    chain_clear(&fixture->chain, &fixture->pool);
    assert_int_equal(fixture->pool.spare_count, 1);
    assert_true(chain_append(&other, &fixture->pool, fixture->bytes, LEN));
    assert_int_equal(fixture->pool.spare_count, 0);
    assert_int_equal(fixture->pool.lent, 1);
    chain_clear(&other, &fixture->pool);
}

static void a_pool_keeps_no_more_spare_buffers_than_its_limit(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < POOL_SPARE_MAX / 5 + 2; i++)
        append(fixture, 0, 5 * LEN);
    assert_true(fixture->pool.lent > POOL_SPARE_MAX);
    chain_clear(&fixture->chain, &fixture->pool);
    assert_int_equal(fixture->pool.spare_count, POOL_SPARE_MAX);
    assert_int_equal(fixture->pool.lent, 0);
}

#define chain_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        chain_test(an_empty_chain_holds_no_buffer),
        chain_test(bytes_come_out_in_order),
        chain_test(buffers_are_filled_to_the_end),
        chain_test(consuming_gives_back_each_emptied_buffer),
        chain_test(appending_goes_on_after_consuming),
        chain_test(peeking_stores_no_more_pieces_than_asked_for),
        chain_test(taking_less_leaves_the_rest),
        chain_test(a_given_back_buffer_serves_the_next_chain),
        chain_test(a_pool_keeps_no_more_spare_buffers_than_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
