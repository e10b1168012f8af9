/* Who is let in, when, and who makes room for whom: roles/transfer/gate.h on a simulated host. */
#include "roles/transfer/gate.h"
#include "sim_pair.h"

#include <sodium.h>
#include <stdio.h>

enum { LOGINS_MAX = GATE_QUEUE_MAX + 8, AT_ONCE_MS = 400, ALL_MS = 60 * 1000 };

struct login {
    struct gate_request *request;
    bool answered;
    bool in;
};

static struct pair pair;
static struct gate *gate;
static struct io_task idle;
static struct login logins[LOGINS_MAX];
static size_t login_count;
static unsigned last_bytes[LOGINS_MAX]; /* of the addresses that ask, in order */
static const char *user;
static const char *passphrase;

static void on_idle(void *arg)
{
    (void)arg;
}

static void open_gate(struct io_loop *loop, void *arg)
{
    char why[256];
    (void)arg;
    io_task_init(&idle, loop, on_idle, NULL);
    gate = gate_new(loop, "/etc/users", "/var/seen", "/in", &idle, why, sizeof why);
    assert_non_null(gate);
}

static void close_gate(struct io_loop *loop, void *arg)
{
    (void)loop, (void)arg;
    assert_false(gate_is_busy(gate));
    for (size_t i = 0; i < login_count; i++)
        if (logins[i].request != NULL)
            gate_cancel(logins[i].request);
    io_task_cancel(&idle);
    gate_free(gate);
}

static int setup(void **state)
{
    char hash[crypto_pwhash_STRBYTES];
    char lines[2 * (crypto_pwhash_STRBYTES + 16)];
    (void)state;
    assert_true(sodium_init() >= 0);
    pair_open(&pair, 1);
    assert_int_equal(crypto_pwhash_str_alg(hash, "secret", strlen("secret"),
                                           crypto_pwhash_OPSLIMIT_MIN, crypto_pwhash_MEMLIMIT_MIN,
                                           crypto_pwhash_ALG_ARGON2ID13),
                     0);
    int len = snprintf(lines, sizeof lines, "alice:%s::\nmallory:%s::\n", hash, hash);
    sim_disk_put(pair.hosts[0], "/etc/users", lines, (size_t)len, 0600);
    sim_tree_put(pair.hosts[0], "/var", NULL, 0);
    sim_tree_put(pair.hosts[0], "/in", NULL, 0);
    memset(logins, 0, sizeof logins);
    login_count = 0;
    pair_on(&pair, 0, open_gate, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pair_run_ms(&pair, ALL_MS);
    pair_on(&pair, 0, close_gate, NULL);
    pair_close(&pair);
    return 0;
}

static void answered(void *arg, const struct user *of, struct io_dir *directory)
{
    struct login *login = arg;
    login->request = NULL;
    login->answered = true;
    login->in = of != NULL;
    io_dir_close(directory);
}

static void ask_all(struct io_loop *loop, void *arg)
{
    size_t count = *(size_t *)arg;
    for (size_t i = 0; i < count; i++) {
        struct adit_ip from = {.family = 4, .bytes = {192, 0, 2, (uint8_t)last_bytes[i]}};
        struct sodiumtcp_login login = {0};
        struct login *at = &logins[login_count++];
        io_random(loop, login.client_public_key, sizeof login.client_public_key);
        snprintf(login.login, sizeof login.login, "%s", user);
        snprintf(login.passphrase, sizeof login.passphrase, "%s", passphrase);
        at->request = gate_ask(gate, &from, &login, answered, at);
    }
}

/* All at once, from 192.0.2.FIRST and on, so many of each address; answers the first of them. */
static struct login *ask(unsigned first, size_t addresses, size_t of_each, const char *as,
                         const char *with)
{
    struct login *asked = &logins[login_count];
    size_t count = addresses * of_each;
    assert_true(login_count + count <= LOGINS_MAX);
    for (size_t i = 0; i < count; i++)
        last_bytes[i] = first + (unsigned)(i / of_each);
    user = as;
    passphrase = with;
    pair_on(&pair, 0, ask_all, &count);
    return asked;
}

static size_t count_answered(const struct login *from, size_t count)
{
    size_t all = 0;
    for (size_t i = 0; i < count; i++)
        all += from[i].answered;
    return all;
}

static struct gate_counters counters(void)
{
    struct gate_counters now;
    gate_counters(gate, &now);
    return now;
}

/* Milliseconds until a login is answered. */
static unsigned wait_of(const struct login *login)
{
    unsigned ms = 0;
    assert_non_null(login->request);
    for (; !login->answered && ms < ALL_MS; ms++)
        pair_run_ms(&pair, 1);
    assert_true(login->answered);
    return ms;
}

/* Five addresses have guessed once; those of the first four fill all places with further guesses.
 */
static struct login *fill(void)
{
    struct login *first = ask(1, 5, 1, "alice", "wrong");
    for (size_t i = 0; i < 5; i++)
        if (!first[i].answered)
            (void)wait_of(&first[i]);
    return ask(1, 4, GATE_ADDRESS_QUEUE_MAX, "alice", "wrong");
}

static void guesses_that_are_held_back_keep_nobody_out(void **state)
{
    (void)state;
    struct login *held_back = fill();
    struct login *honest = ask(9, 1, 1, "alice", "secret");
    assert_non_null(honest->request);
    assert_int_equal(count_answered(held_back, GATE_QUEUE_MAX), 1);
    assert_int_equal(counters().full, 1);
    pair_run_ms(&pair, AT_ONCE_MS);
    assert_true(honest->in);
}

static void who_is_held_back_takes_nobodys_place(void **state)
{
    (void)state;
    struct login *held_back = fill();
    struct login *another = ask(5, 1, 1, "alice", "secret");
    assert_null(another->request);
    assert_int_equal(count_answered(held_back, GATE_QUEUE_MAX), 0);
}

static void whose_turn_it_is_gives_way_to_nobody(void **state)
{
    (void)state;
    struct login *waiting = ask(1, GATE_QUEUE_MAX + 1, 1, "alice", "secret");
    assert_null(waiting[GATE_QUEUE_MAX].request);
    assert_int_equal(counters().full, 1);
    pair_run_ms(&pair, ALL_MS);
    for (size_t i = 0; i < GATE_QUEUE_MAX; i++)
        assert_true(waiting[i].in);
}

static void a_login_forgives_no_guesses_for_others(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        (void)wait_of(ask(1, 1, 1, "alice", "wrong"));
        struct login *own = ask(1, 1, 1, "mallory", "secret");
        (void)wait_of(own);
        assert_true(own->in);
    }
    (void)wait_of(ask(1, 1, 1, "alice", "wrong"));
    assert_true(wait_of(ask(1, 1, 1, "alice", "wrong")) >= GATE_LAST_BACKOFF_MS - 1);
}

static void a_login_forgives_its_own_guesses(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        (void)wait_of(ask(1, 1, 1, "alice", "wrong"));
    (void)wait_of(ask(1, 1, 1, "alice", "secret"));
    assert_in_range(wait_of(ask(1, 1, 1, "alice", "wrong")), 0, AT_ONCE_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(guesses_that_are_held_back_keep_nobody_out, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_is_held_back_takes_nobodys_place, setup, teardown),
        cmocka_unit_test_setup_teardown(whose_turn_it_is_gives_way_to_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_login_forgives_no_guesses_for_others, setup, teardown),
        cmocka_unit_test_setup_teardown(a_login_forgives_its_own_guesses, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
