/*
 * What a receiver says is there stays there without power, whoever put it there and was killed
 * before its name was on stable storage; and what it offers to go on with is what it goes on with,
 * whoever else has it.
 */
#include "roles/transfer/hashing.h"
#include "roles/transfer/inbox.h"
#include "sim_pair.h"

enum { SEEDS = 40 };

static const char contents[] = "what is in it";

/* What the second connection announces. */
struct again {
    enum sodiumtcp_kind kind;
    enum sodiumtcp_exists exists;
    enum sodiumtcp_verdict verdict; /* what it is offered */
    bool settled;
};

/* name: of the one file that is taken, or NULL. */
static struct inbox *open_named_inbox(struct io_loop *loop, const char *name)
{
    int error = 0;
    struct inbox_config config = {.directory = io_dir_open(io_disk(loop), "/in", &error),
                                  .name = name};
    struct inbox *inbox = inbox_new(io_disk(loop), &config);
    assert_non_null(config.directory);
    assert_non_null(inbox);
    return inbox;
}

static struct inbox *open_inbox(struct io_loop *loop)
{
    return open_named_inbox(loop, NULL);
}

static struct inbox_step *step_new(enum inbox_type type)
{
    struct inbox_step *step = inbox_step_new(type, 0, NULL);
    assert_non_null(step);
    return step;
}

/* Returns the verdict. */
static uint8_t begin(struct inbox *inbox, enum sodiumtcp_kind kind, enum sodiumtcp_exists exists)
{
    uint8_t name[SODIUMTCP_NAME_MAX];
    struct inbox_failure failure;
    long len = sodiumtcp_name_from_path("it", name);
    assert_true(len > 0);
    const struct sodiumtcp_item item = {.kind = kind,
                                        .exists = exists,
                                        .size = kind == SODIUMTCP_FILE ? sizeof contents : 0,
                                        .name = {name, (size_t)len}};
    struct inbox_step *step = inbox_step_new(INBOX_BEGIN, 0, &item);
    assert_non_null(step);
    assert_int_equal(inbox_do(inbox, step, &failure), INBOX_DONE);
    uint8_t verdict = step->verdict;
    inbox_step_free(step);
    return verdict;
}

static void fill(struct inbox *inbox, size_t offset)
{
    struct inbox_failure failure;
    struct inbox_step *step = step_new(INBOX_START);
    step->length = offset;
    assert_int_equal(inbox_do(inbox, step, &failure), INBOX_DONE);
    inbox_step_free(step);
    if (offset < sizeof contents) {
        step = step_new(INBOX_WRITE);
        step->len = sizeof contents - offset;
        step->bytes = malloc(step->len);
        assert_non_null(step->bytes);
        memcpy(step->bytes, contents + offset, step->len);
        assert_int_equal(inbox_do(inbox, step, &failure), INBOX_DONE);
        inbox_step_free(step);
    }
    step = step_new(INBOX_END);
    step->length = sizeof contents;
    assert_int_equal(inbox_do(inbox, step, &failure), INBOX_DONE);
    assert_int_equal(step->status, SODIUMTCP_KEPT);
    inbox_step_free(step);
}

/* The connection of a receiver that is killed before it settles. */
static void finish_without_settling(struct io_loop *loop, void *arg)
{
    (void)arg;
    struct inbox *inbox = open_inbox(loop);
    begin(inbox, SODIUMTCP_FILE, SODIUMTCP_REPLACE);
    fill(inbox, 0);
    inbox_free(inbox);
}

static void make_without_settling(struct io_loop *loop, void *arg)
{
    (void)arg;
    int error = 0;
    struct io_dir *dir = io_dir_open(io_disk(loop), "/in", &error);
    assert_non_null(dir);
    assert_int_equal(io_dir_make(dir, "it", 0700), 0);
    io_dir_close(dir);
}

static void come_again(struct io_loop *loop, void *arg)
{
    const struct again *again = arg;
    struct inbox_failure failure;
    struct inbox *inbox = open_inbox(loop);
    assert_int_equal(begin(inbox, again->kind, again->exists), again->verdict);
    if (again->verdict == SODIUMTCP_PART_THERE)
        fill(inbox, sizeof contents);
    if (again->settled)
        assert_true(inbox_settle(inbox, &failure));
    inbox_free(inbox);
}

/* How often the name is still there, whole, when the power has failed. */
static unsigned lose_power_often(struct again *again)
{
    unsigned there = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct pair pair;
        pair_open(&pair, seed);
        sim_tree_put(pair.hosts[0], "/in", NULL, 0);
        bool file = again->kind == SODIUMTCP_FILE;
        pair_on(&pair, 0, file ? finish_without_settling : make_without_settling, NULL);
        pair_on(&pair, 0, come_again, again);
        sim_process_kill(pair.processes[0], SIM_KILL_POWER);
        const char *name = sim_tree_next(pair.hosts[0], "/in", NULL);
        bool named = name != NULL && strcmp(name, "it") == 0;
        size_t len = 0;
        const void *bytes = sim_tree_get(pair.hosts[0], "/in/it", &len);
        if (named && file) {
            assert_int_equal(len, sizeof contents);
            assert_memory_equal(bytes, contents, len);
        }
        there += named;
        pair_close(&pair);
    }
    return there;
}

/* A connection that ends behind START, or behind some bytes. */
static void break_off(struct io_loop *loop, void *arg)
{
    const size_t *len = arg;
    struct inbox_failure failure;
    struct inbox *inbox = open_inbox(loop);
    begin(inbox, SODIUMTCP_FILE, SODIUMTCP_REPLACE);
    struct inbox_step *step = step_new(INBOX_START);
    assert_int_equal(inbox_do(inbox, step, &failure), INBOX_DONE);
    inbox_step_free(step);
    if (*len > 0) {
        step = step_new(INBOX_WRITE);
        step->len = *len;
        step->bytes = calloc(1, *len);
        assert_non_null(step->bytes);
        assert_int_equal(inbox_do(inbox, step, &failure), INBOX_DONE);
        inbox_step_free(step);
    }
    inbox_free(inbox);
}

static void a_part_stays_when_bytes_have_come_of_it_alone(void **state)
{
    (void)state;
    for (size_t len = 0; len < 2; len++) {
        struct pair pair;
        pair_open(&pair, 1);
        sim_tree_put(pair.hosts[0], "/in", NULL, 0);
        pair_on(&pair, 0, break_off, &len);
        const char *name = sim_tree_next(pair.hosts[0], "/in", NULL);
        assert_int_equal(name != NULL, len > 0);
        pair_close(&pair);
    }
}

static void a_name_that_was_not_settled_may_be_gone(void **state)
{
    (void)state;
    struct again again = {
        .kind = SODIUMTCP_FILE, .exists = SODIUMTCP_SKIP, .verdict = SODIUMTCP_LEAVE_IT};
    assert_in_range(lose_power_often(&again), 1, SEEDS - 1);
}

static void a_file_that_is_left_as_it_is_survives_the_power(void **state)
{
    (void)state;
    struct again again = {.kind = SODIUMTCP_FILE,
                          .exists = SODIUMTCP_SKIP,
                          .verdict = SODIUMTCP_LEAVE_IT,
                          .settled = true};
    assert_int_equal(lose_power_often(&again), SEEDS);
}

static void a_whole_file_that_is_not_sent_again_survives_the_power(void **state)
{
    (void)state;
    struct again again = {.kind = SODIUMTCP_FILE,
                          .exists = SODIUMTCP_RESUME,
                          .verdict = SODIUMTCP_PART_THERE,
                          .settled = true};
    assert_int_equal(lose_power_often(&again), SEEDS);
}

static void a_directory_that_was_there_survives_the_power(void **state)
{
    (void)state;
    struct again again = {.kind = SODIUMTCP_DIRECTORY, .settled = true};
    assert_int_equal(lose_power_often(&again), SEEDS);
}

/* ---- Two connections with the same file ---- */

static void start(struct inbox *inbox, size_t offset, bool works)
{
    struct inbox_failure failure;
    struct inbox_step *step = step_new(INBOX_START);
    step->length = offset;
    assert_int_equal(inbox_do(inbox, step, &failure), works);
    if (!works)
        assert_int_equal(failure.code, SODIUMTCP_CODE_IN_THE_WAY);
    inbox_step_free(step);
}

static void put(struct inbox *inbox, const char *bytes, size_t len)
{
    struct inbox_failure failure;
    struct inbox_step *step = step_new(INBOX_WRITE);
    step->len = len;
    step->bytes = malloc(len);
    assert_non_null(step->bytes);
    memcpy(step->bytes, bytes, len);
    assert_int_equal(inbox_do(inbox, step, &failure), INBOX_DONE);
    inbox_step_free(step);
}

static void finish(struct inbox *inbox)
{
    struct inbox_failure failure;
    struct inbox_step *step = step_new(INBOX_END);
    step->length = sizeof contents;
    assert_int_equal(inbox_do(inbox, step, &failure), INBOX_DONE);
    inbox_step_free(step);
}

static void on_one_host(void (*fn)(struct io_loop *loop, void *arg))
{
    struct pair pair;
    pair_open(&pair, 1);
    sim_tree_put(pair.hosts[0], "/in", NULL, 0);
    pair_on(&pair, 0, fn, NULL);
    size_t len = 0;
    const void *bytes = sim_tree_get(pair.hosts[0], "/in/it", &len);
    assert_non_null(bytes);
    assert_int_equal(len, sizeof contents);
    assert_memory_equal(bytes, contents, len);
    assert_string_equal(sim_tree_next(pair.hosts[0], "/in", NULL), "it");
    assert_null(sim_tree_next(pair.hosts[0], "/in", "it"));
    pair_close(&pair);
}

static void finish_what_was_offered(struct io_loop *loop, void *arg)
{
    (void)arg;
    struct inbox *first = open_inbox(loop);
    struct inbox *second = open_inbox(loop);
    begin(first, SODIUMTCP_FILE, SODIUMTCP_RESUME);
    start(first, 0, true);
    put(first, contents, sizeof contents);
    assert_int_equal(begin(second, SODIUMTCP_FILE, SODIUMTCP_RESUME), SODIUMTCP_PART_THERE);
    finish(first);
    start(second, sizeof contents, false);
    inbox_free(second);
    inbox_free(first);
}

static void a_part_that_another_connection_finished_is_not_gone_on_with(void **state)
{
    (void)state;
    on_one_host(finish_what_was_offered);
}

static void rewrite_what_was_offered(struct io_loop *loop, void *arg)
{
    (void)arg;
    enum { HALF = sizeof contents / 2 };
    struct inbox *first = open_inbox(loop);
    struct inbox *second = open_inbox(loop);
    begin(first, SODIUMTCP_FILE, SODIUMTCP_RESUME);
    start(first, 0, true);
    put(first, "another", HALF);
    assert_int_equal(begin(second, SODIUMTCP_FILE, SODIUMTCP_RESUME), SODIUMTCP_PART_THERE);
    inbox_free(first);
    first = open_inbox(loop);
    begin(first, SODIUMTCP_FILE, SODIUMTCP_REPLACE);
    start(first, 0, true);
    put(first, contents, HALF);
    inbox_free(first);
    start(second, HALF, false);
    inbox_free(second);
    second = open_inbox(loop);
    assert_int_equal(begin(second, SODIUMTCP_FILE, SODIUMTCP_RESUME), SODIUMTCP_PART_THERE);
    fill(second, HALF);
    inbox_free(second);
}

static void a_part_that_another_connection_rewrote_is_not_gone_on_with(void **state)
{
    (void)state;
    on_one_host(rewrite_what_was_offered);
}

static void add_to_what_was_offered(struct io_loop *loop, void *arg)
{
    (void)arg;
    enum { HALF = sizeof contents / 2 };
    struct inbox *first = open_inbox(loop);
    struct inbox *second = open_inbox(loop);
    begin(first, SODIUMTCP_FILE, SODIUMTCP_RESUME);
    start(first, 0, true);
    put(first, contents, HALF);
    assert_int_equal(begin(second, SODIUMTCP_FILE, SODIUMTCP_RESUME), SODIUMTCP_PART_THERE);
    put(first, contents + HALF, 1);
    inbox_free(first);
    fill(second, HALF);
    inbox_free(second);
}

static void a_part_that_another_connection_added_to_is_gone_on_with(void **state)
{
    (void)state;
    on_one_host(add_to_what_was_offered);
}

/* ---- Files that are not hashed in one turn ---- */

enum { LARGE = HASHING_TURN + 1 };

static void large_on_one_host(void (*fn)(struct io_loop *loop, void *arg))
{
    struct pair pair;
    uint8_t *bytes = calloc(1, LARGE);
    assert_non_null(bytes);
    pair_open(&pair, 1);
    sim_tree_put(pair.hosts[0], "/in/it", bytes, LARGE);
    uint8_t hash[SODIUMTCP_HASH_LEN];
    crypto_generichash(hash, sizeof hash, bytes, LARGE, NULL, 0);
    pair_on(&pair, 0, fn, hash);
    pair_close(&pair);
    free(bytes);
}

/* Announced as the file that is there already: the first turn of it is over. */
static struct inbox_step *begin_large(struct inbox *inbox)
{
    uint8_t name[SODIUMTCP_NAME_MAX];
    struct inbox_failure failure;
    long len = sodiumtcp_name_from_path("it", name);
    const struct sodiumtcp_item item = {.kind = SODIUMTCP_FILE,
                                        .exists = SODIUMTCP_RESUME,
                                        .size = LARGE,
                                        .name = {name, (size_t)len}};
    struct inbox_step *step = inbox_step_new(INBOX_BEGIN, 0, &item);
    assert_non_null(step);
    assert_int_equal(inbox_do(inbox, step, &failure), INBOX_UNFINISHED);
    assert_int_equal(inbox_do(inbox, step, &failure), INBOX_UNFINISHED);
    assert_true(inbox_settle(inbox, &failure));
    return step;
}

static void offer_and_verify_large(struct io_loop *loop, void *arg)
{
    const uint8_t *hash = arg;
    struct inbox_failure failure;
    struct inbox *inbox = open_inbox(loop);
    struct inbox_step *step = begin_large(inbox);
    assert_int_equal(inbox_do(inbox, step, &failure), INBOX_DONE);
    assert_int_equal(step->verdict, SODIUMTCP_PART_THERE);
    assert_int_equal(step->length, LARGE);
    assert_memory_equal(step->hash, hash, SODIUMTCP_HASH_LEN);
    inbox_step_free(step);
    assert_true(inbox_settle(inbox, &failure));
    start(inbox, LARGE, true);
    step = step_new(INBOX_END);
    step->length = LARGE;
    step->status = SODIUMTCP_COMPLETE_HASHED;
    memcpy(step->hash, hash, SODIUMTCP_HASH_LEN);
    assert_int_equal(inbox_do(inbox, step, &failure), INBOX_UNFINISHED);
    assert_true(inbox_settle(inbox, &failure));
    assert_int_equal(inbox_do(inbox, step, &failure), INBOX_DONE);
    assert_int_equal(step->status, SODIUMTCP_KEPT_VERIFIED);
    inbox_step_free(step);
    inbox_free(inbox);
}

static void a_large_file_is_hashed_in_turns(void **state)
{
    (void)state;
    large_on_one_host(offer_and_verify_large);
}

static void leave_while_it_is_hashed(struct io_loop *loop, void *arg)
{
    (void)arg;
    struct inbox_failure failure;
    struct inbox *inbox = open_named_inbox(loop, "it");
    struct inbox_step *step = begin_large(inbox);
    inbox_leave(inbox);
    assert_int_equal(inbox_do(inbox, step, &failure), INBOX_DONE);
    assert_int_equal(step->verdict, SODIUMTCP_NOTHING_THERE);
    inbox_step_free(step);
    inbox_free(inbox);
}

static void nothing_is_hashed_for_a_client_that_is_gone(void **state)
{
    (void)state;
    large_on_one_host(leave_while_it_is_hashed);
}

/* A receiver says so between all turns, while there is work left. */
static void leave_while_it_is_verified(struct io_loop *loop, void *arg)
{
    struct inbox_failure failure;
    struct inbox *inbox = open_named_inbox(loop, "it");
    char *bytes = calloc(1, LARGE);
    assert_non_null(bytes);
    begin(inbox, SODIUMTCP_FILE, SODIUMTCP_REPLACE);
    start(inbox, 0, true);
    put(inbox, bytes, LARGE);
    free(bytes);
    struct inbox_step *step = step_new(INBOX_END);
    step->length = LARGE;
    step->status = SODIUMTCP_COMPLETE_HASHED;
    memcpy(step->hash, arg, SODIUMTCP_HASH_LEN);
    enum inbox_outcome outcome = INBOX_UNFINISHED;
    for (int turn = 0; turn < 3 && outcome == INBOX_UNFINISHED; turn++) {
        outcome = inbox_do(inbox, step, &failure);
        assert_true(inbox_settle(inbox, &failure));
        inbox_leave(inbox);
    }
    assert_int_equal(outcome, INBOX_DONE);
    assert_int_equal(step->status, SODIUMTCP_KEPT_VERIFIED);
    inbox_step_free(step);
    inbox_free(inbox);
}

static void what_a_client_sent_that_is_gone_is_verified_to_its_end(void **state)
{
    (void)state;
    large_on_one_host(leave_while_it_is_verified);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_client_sent_that_is_gone_is_verified_to_its_end),
        cmocka_unit_test(a_part_stays_when_bytes_have_come_of_it_alone),
        cmocka_unit_test(a_name_that_was_not_settled_may_be_gone),
        cmocka_unit_test(a_file_that_is_left_as_it_is_survives_the_power),
        cmocka_unit_test(a_whole_file_that_is_not_sent_again_survives_the_power),
        cmocka_unit_test(a_directory_that_was_there_survives_the_power),
        cmocka_unit_test(a_part_that_another_connection_finished_is_not_gone_on_with),
        cmocka_unit_test(a_part_that_another_connection_rewrote_is_not_gone_on_with),
        cmocka_unit_test(a_part_that_another_connection_added_to_is_gone_on_with),
        cmocka_unit_test(a_large_file_is_hashed_in_turns),
        cmocka_unit_test(nothing_is_hashed_for_a_client_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
