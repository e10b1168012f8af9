/* Two streams that are connected with each other inside of the process. */
#include "tests/unit/io_world.h"

enum { MUCH = 8 * 1024 * 1024 };

struct pair {
    struct end one;
    struct end other;
};

static void make(struct world *world, struct pair *pair)
{
    struct io_stream *ends[2];
    assert_int_equal(io_pair(world->loop, ends), 0);
    pair->one.stream = ends[0];
    pair->other.stream = ends[1];
    io_stream_set_handler(ends[0], &end_handler, &pair->one);
    io_stream_set_handler(ends[1], &end_handler, &pair->other);
}

static bool both_have_a_byte(const void *arg)
{
    const struct pair *pair = arg;
    return pair->one.received == 1 && pair->other.received == 1;
}

static void bytes_go_both_ways(void **state)
{
    struct world *world = *state;
    struct pair pair = {0};
    make(world, &pair);
    assert_int_equal(io_send(pair.one.stream, "a", 1), 0);
    assert_int_equal(io_send(pair.other.stream, "b", 1), 0);
    world_run(world, both_have_a_byte, &pair);
    assert_int_equal(pair.other.first[0], 'a');
    assert_int_equal(pair.one.first[0], 'b');
    io_close(pair.one.stream);
    io_close(pair.other.stream);
}

static bool other_has_all(const void *arg)
{
    const struct pair *pair = arg;
    return pair->other.received == MUCH && pair->other.ended;
}

static bool one_has_called(const void *arg)
{
    const struct pair *pair = arg;
    return pair->other.calls > 0;
}

static void an_end_that_does_not_read_slows_the_other_down(void **state)
{
    struct world *world = *state;
    struct pair pair = {0};
    uint8_t *bytes = malloc(MUCH);
    assert_non_null(bytes);
    pattern_fill(bytes, 0, MUCH);
    make(world, &pair);
    pair.other.paused = true;
    pair.other.check = true;
    assert_int_equal(io_send(pair.one.stream, bytes, MUCH), 0);
    free(bytes);
    world_run(world, one_has_called, &pair);
    assert_true(io_queued(pair.one.stream) > MUCH / 2);
    pair.other.paused = false;
    io_shutdown(pair.one.stream);
    io_again(pair.other.stream);
    world_run(world, other_has_all, &pair);
    assert_int_equal(pair.other.error, 0);
    io_close(pair.one.stream);
    io_close(pair.other.stream);
}

static bool other_has_ended(const void *arg)
{
    const struct pair *pair = arg;
    return pair->other.ended;
}

static void what_was_sent_before_the_close_arrives(void **state)
{
    struct world *world = *state;
    struct pair pair = {0};
    make(world, &pair);
    assert_int_equal(io_send(pair.one.stream, "last", 4), 0);
    io_close(pair.one.stream);
    world_run(world, other_has_ended, &pair);
    assert_int_equal(pair.other.received, 4);
    io_close(pair.other.stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_go_both_ways, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(an_end_that_does_not_read_slows_the_other_down, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(what_was_sent_before_the_close_arrives, world_setup,
                                        world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
