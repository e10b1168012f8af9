/* The prefixes of peers (roles/vpn/allowed.h). */
#include "roles/vpn/allowed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cidr prefix_of(const char *text)
{
    struct cidr prefix;

    assert_true(cidr_parse(text, &prefix));
    return prefix;
}

/* True when the prefix had no owner before. */
static bool add(struct allowed *allowed, const char *text, unsigned peer, unsigned rank)
{
    struct cidr prefix = prefix_of(text);
    size_t before = allowed_count(allowed);

    assert_true(allowed_add(allowed, &prefix, peer, rank));
    return allowed_count(allowed) > before;
}

/* True when the prefix has lost its last owner. */
static bool drop(struct allowed *allowed, const char *text, unsigned peer)
{
    struct cidr prefix = prefix_of(text);
    size_t before = allowed_count(allowed);

    allowed_remove(allowed, &prefix, peer);
    return allowed_count(allowed) < before;
}

/* The peer for an address; -1 = nobody. */
static int to(const struct allowed *allowed, const char *text)
{
    struct adit_ip ip;

    assert_true(ip_parse(text, &ip));
    const struct allowed_owner *owner = allowed_find(allowed, &ip);
    return owner == NULL ? -1 : (int)owner->peer;
}

static bool from(const struct allowed *allowed, const char *text, unsigned peer)
{
    struct adit_ip ip;

    assert_true(ip_parse(text, &ip));
    return allowed_from(allowed, &ip, peer);
}

static int make(void **state)
{
    *state = allowed_new();
    return *state == NULL;
}

static int end(void **state)
{
    allowed_free(*state);
    return 0;
}

static void an_empty_table_knows_nobody(void **state)
{
    assert_int_equal(to(*state, "10.0.0.1"), -1);
    assert_int_equal(to(*state, "fd00::1"), -1);
    assert_int_equal(allowed_count(*state), 0);
    assert_false(drop(*state, "10.0.0.0/8", 0));
}

static void the_longest_prefix_wins(void **state)
{
    add(*state, "0.0.0.0/0", 1, 0);
    add(*state, "10.0.0.0/8", 2, 0);
    add(*state, "10.9.0.0/16", 3, 0);
    add(*state, "10.9.0.2/32", 4, 0);
    assert_int_equal(to(*state, "192.0.2.1"), 1);
    assert_int_equal(to(*state, "10.1.2.3"), 2);
    assert_int_equal(to(*state, "10.9.1.1"), 3);
    assert_int_equal(to(*state, "10.9.0.2"), 4);
    assert_int_equal(to(*state, "10.9.0.3"), 3);
}

static void families_are_apart(void **state)
{
    add(*state, "0.0.0.0/0", 1, 0);
    assert_int_equal(to(*state, "::1"), -1);
    add(*state, "::/0", 2, 0);
    assert_int_equal(to(*state, "::1"), 2);
    assert_int_equal(to(*state, "0.0.0.1"), 1);
    assert_int_equal(allowed_count(*state), 2);
}

static void an_ipv6_prefix_ends_at_any_bit(void **state)
{
    add(*state, "fd00:9::/64", 1, 0);
    add(*state, "fd00:9:0:0:8000::/65", 2, 0);
    add(*state, "fd00:9::1/128", 3, 0);
    assert_int_equal(to(*state, "fd00:9::2"), 1);
    assert_int_equal(to(*state, "fd00:9::8000:0:0:1"), 2);
    assert_int_equal(to(*state, "fd00:9::1"), 3);
    assert_int_equal(to(*state, "fd00:8::1"), -1);
}

static void a_source_counts_for_the_owner_of_its_longest_prefix_alone(void **state)
{
    add(*state, "10.0.0.0/8", 1, 0);
    add(*state, "10.1.0.0/16", 2, 0);
    assert_true(from(*state, "10.2.0.1", 1));
    assert_false(from(*state, "10.2.0.1", 2));
    assert_false(from(*state, "10.1.0.1", 1));
    assert_true(from(*state, "10.1.0.1", 2));
    assert_false(from(*state, "192.0.2.1", 1));
}

static void every_owner_may_send_and_the_best_one_receives(void **state)
{
    assert_true(add(*state, "10.20.0.0/16", 7, 2));
    assert_false(add(*state, "10.20.0.0/16", 5, 3));
    assert_false(add(*state, "10.20.0.0/16", 9, 2));
    assert_int_equal(to(*state, "10.20.0.1"), 7);
    assert_true(from(*state, "10.20.0.1", 5));
    assert_true(from(*state, "10.20.0.1", 9));
    assert_false(from(*state, "10.20.0.1", 6));
    assert_int_equal(allowed_count(*state), 1);
}

static void a_configured_owner_comes_before_learned_ones(void **state)
{
    struct adit_ip ip;

    add(*state, "10.20.0.0/16", 1, 1);
    add(*state, "10.20.0.0/16", 8, ALLOWED_CONFIGURED);
    assert_true(ip_parse("10.20.3.4", &ip));
    const struct allowed_owner *owner = allowed_find(*state, &ip);
    assert_int_equal(owner->peer, 8);
    assert_int_equal(owner->next->peer, 1);
    assert_null(owner->next->next);
}

static void a_new_rank_moves_an_owner(void **state)
{
    add(*state, "10.20.0.0/16", 1, 1);
    add(*state, "10.20.0.0/16", 2, 2);
    assert_false(add(*state, "10.20.0.0/16", 1, 3));
    assert_int_equal(to(*state, "10.20.0.1"), 2);
    assert_false(drop(*state, "10.20.0.0/16", 1));
    assert_true(drop(*state, "10.20.0.0/16", 2)); /* it was there once */
}

static void the_last_owner_takes_the_prefix_along(void **state)
{
    add(*state, "10.0.0.0/8", 1, 0);
    add(*state, "10.1.0.0/16", 2, 0);
    add(*state, "10.1.0.0/16", 3, 1);
    assert_false(drop(*state, "10.1.0.0/16", 2));
    assert_int_equal(to(*state, "10.1.0.1"), 3);
    assert_true(drop(*state, "10.1.0.0/16", 3));
    assert_int_equal(to(*state, "10.1.0.1"), 1);
    assert_int_equal(allowed_count(*state), 1);
}

static void what_was_not_owned_is_not_removed(void **state)
{
    add(*state, "10.0.0.0/8", 1, 0);
    assert_false(drop(*state, "10.0.0.0/8", 2));
    assert_false(drop(*state, "10.0.0.0/9", 1));
    assert_false(drop(*state, "0.0.0.0/0", 1));
    assert_int_equal(to(*state, "10.0.0.1"), 1);
}

static void a_fork_owns_nothing(void **state)
{
    add(*state, "10.0.0.0/16", 1, 0);
    add(*state, "10.1.0.0/16", 2, 0);
    assert_int_equal(to(*state, "10.2.0.1"), -1);
    assert_false(drop(*state, "10.0.0.0/15", 1));
    assert_true(add(*state, "10.0.0.0/15", 3, 0));
    assert_true(drop(*state, "10.0.0.0/15", 3));
    assert_int_equal(to(*state, "10.0.0.1"), 1);
    assert_int_equal(to(*state, "10.1.0.1"), 2);
}

/* ---- Against a list that is searched from end to end ---- */

enum { MODEL = 600, PEERS = 5, ROUNDS = 20000 };

struct modelled {
    struct cidr prefix;
    unsigned peer;
    unsigned rank;
    bool there;
};

static struct modelled model[MODEL];
static uint64_t random_state = 88172645463325252ULL;

static unsigned below(unsigned bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 20) % bound);
}

/* Bytes of few kinds, so that addresses meet. */
static struct adit_ip random_ip(uint8_t family)
{
    static const uint8_t kinds[] = {0, 1, 0x80, 0xff, 0x55};
    struct adit_ip ip = {.family = family};

    for (size_t i = 0; i < (family == 4 ? 4U : 16U); i++)
        ip.bytes[i] = i < 14 && family == 6 ? (uint8_t)below(2) : kinds[below(sizeof(kinds))];
    return ip;
}

static struct cidr random_prefix(void)
{
    struct cidr prefix = {.ip = random_ip(below(2) == 0 ? 4 : 6)};
    unsigned bits = prefix.ip.family == 4 ? 32 : 128;

    prefix.prefix_len = (uint8_t)below(bits + 1);
    for (unsigned bit = prefix.prefix_len; bit < bits; bit++)
        prefix.ip.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    return prefix;
}

/* The best of the longest prefix, or of all of them the one of that peer. */
static const struct modelled *expected(const struct adit_ip *ip)
{
    const struct modelled *best = NULL;

    for (const struct modelled *m = model; m < model + MODEL; m++) {
        if (!m->there || !cidr_contains(&m->prefix, ip))
            continue;
        if (best == NULL || m->prefix.prefix_len > best->prefix.prefix_len ||
            (m->prefix.prefix_len == best->prefix.prefix_len &&
             (m->rank < best->rank || (m->rank == best->rank && m->peer < best->peer))))
            best = m;
    }
    return best;
}

static bool expected_from(const struct adit_ip *ip, unsigned peer)
{
    const struct modelled *best = expected(ip);

    for (const struct modelled *m = model; best != NULL && m < model + MODEL; m++)
        if (m->there && m->peer == peer && m->prefix.prefix_len == best->prefix.prefix_len &&
            cidr_contains(&m->prefix, ip))
            return true;
    return false;
}

static struct modelled *slot_of(const struct cidr *prefix, unsigned peer)
{
    struct modelled *free_slot = NULL;

    for (struct modelled *m = model; m < model + MODEL; m++)
        if (!m->there)
            free_slot = m;
        else if (m->peer == peer && m->prefix.prefix_len == prefix->prefix_len &&
                 ip_equal(&m->prefix.ip, &prefix->ip))
            return m;
    return free_slot;
}

static void change(struct allowed *allowed)
{
    if (below(5) < 3) {
        struct modelled new = {random_prefix(), below(PEERS), below(3), true};
        struct modelled *slot = slot_of(&new.prefix, new.peer);
        if (slot == NULL)
            return;
        assert_true(allowed_add(allowed, &new.prefix, new.peer, new.rank));
        *slot = new;
    } else {
        struct modelled *slot = &model[below(MODEL)];
        if (slot->there)
            allowed_remove(allowed, &slot->prefix, slot->peer);
        slot->there = false;
    }
}

static void it_answers_as_a_list_does(void **state)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        change(*state);
        struct adit_ip ip = random_ip(below(2) == 0 ? 4 : 6);
        unsigned peer = below(PEERS);
        const struct modelled *want = expected(&ip);
        const struct allowed_owner *got = allowed_find(*state, &ip);
        assert_true((want == NULL) == (got == NULL));
        assert_true(got == NULL || (got->peer == want->peer && got->rank == want->rank));
        assert_true(allowed_from(*state, &ip, peer) == expected_from(&ip, peer));
    }
    for (struct modelled *m = model; m < model + MODEL; m++)
        if (m->there)
            allowed_remove(*state, &m->prefix, m->peer);
    assert_int_equal(allowed_count(*state), 0);
    assert_int_equal(to(*state, "0.0.0.0"), -1);
}

/* ---- The kernel's routes ---- */

static struct cidr kernel[MODEL];
static size_t kernel_count;
static unsigned refuses_one_in; /* 0 = takes all */

static size_t in_kernel(const struct cidr *prefix)
{
    size_t i = 0;

    while (i < kernel_count &&
           (kernel[i].prefix_len != prefix->prefix_len || !ip_equal(&kernel[i].ip, &prefix->ip)))
        i++;
    return i;
}

static bool ask(void *arg, const struct cidr *prefix, bool put)
{
    size_t at = in_kernel(prefix);

    (void)arg;
    assert_true((at == kernel_count) == put);
    if (refuses_one_in > 0 && below(refuses_one_in) == 0)
        return false;
    if (put)
        kernel[kernel_count++] = *prefix;
    else
        kernel[at] = kernel[--kernel_count];
    return true;
}

static void the_kernel_is_asked_for_what_differs(void **state)
{
    struct cidr prefix = prefix_of("10.1.0.0/16");

    kernel_count = refuses_one_in = 0;
    add(*state, "10.1.0.0/16", 1, 0);
    add(*state, "10.1.0.0/16", 2, 0);
    add(*state, "10.2.0.0/16", 1, 0);
    drop(*state, "10.2.0.0/16", 1);
    assert_true(allowed_unsettled(*state));
    allowed_settle(*state, ask, NULL);
    assert_int_equal(kernel_count, 1);
    assert_int_equal(in_kernel(&prefix), 0);
    assert_false(allowed_unsettled(*state));
    drop(*state, "10.1.0.0/16", 1);
    assert_false(allowed_unsettled(*state));
    drop(*state, "10.1.0.0/16", 2);
    assert_int_equal(to(*state, "10.1.0.1"), -1);
    allowed_settle(*state, ask, NULL);
    assert_int_equal(kernel_count, 0);
}

static void what_changes_hands_is_not_asked(void **state)
{
    kernel_count = refuses_one_in = 0;
    add(*state, "0.0.0.0/0", 1, 0);
    allowed_settle(*state, ask, NULL);
    drop(*state, "0.0.0.0/0", 1);
    add(*state, "0.0.0.0/0", 2, 0);
    assert_false(allowed_unsettled(*state));
    assert_int_equal(to(*state, "192.0.2.1"), 2);
}

static void what_is_refused_is_asked_again(void **state)
{
    kernel_count = 0;
    refuses_one_in = 1;
    add(*state, "10.1.0.0/16", 1, 0);
    allowed_settle(*state, ask, NULL);
    assert_true(allowed_unsettled(*state));
    refuses_one_in = 0;
    allowed_settle(*state, ask, NULL);
    assert_int_equal(kernel_count, 1);
    assert_false(allowed_unsettled(*state));
}

static void the_kernel_agrees_in_the_end_whatever_it_refuses(void **state)
{
    memset(model, 0, sizeof model);
    kernel_count = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        change(*state);
        refuses_one_in = 2;
        if (below(8) == 0)
            allowed_settle(*state, ask, NULL);
    }
    refuses_one_in = 0;
    allowed_settle(*state, ask, NULL);
    assert_int_equal(kernel_count, allowed_count(*state));
    for (struct modelled *m = model; m < model + MODEL; m++) {
        if (m->there)
            assert_true(in_kernel(&m->prefix) < kernel_count);
        if (m->there)
            allowed_remove(*state, &m->prefix, m->peer);
    }
    allowed_settle(*state, ask, NULL);
    assert_int_equal(kernel_count, 0);
}

static void it_holds_ten_thousand_prefixes(void **state)
{
    struct cidr prefix = {.ip = {.family = 4, .bytes = {10}}, .prefix_len = 24};

    for (unsigned i = 0; i < 10000; i++) {
        prefix.ip.bytes[1] = (uint8_t)(i >> 8);
        prefix.ip.bytes[2] = (uint8_t)i;
        assert_true(allowed_add(*state, &prefix, i, 0));
    }
    assert_int_equal(to(*state, "10.3.232.9"), 1000);
    assert_int_equal(to(*state, "10.39.15.255"), 9999);
    assert_int_equal(to(*state, "10.39.16.0"), -1);
    assert_int_equal(allowed_count(*state), 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_table_knows_nobody, make, end),
        cmocka_unit_test_setup_teardown(the_longest_prefix_wins, make, end),
        cmocka_unit_test_setup_teardown(families_are_apart, make, end),
        cmocka_unit_test_setup_teardown(an_ipv6_prefix_ends_at_any_bit, make, end),
        cmocka_unit_test_setup_teardown(a_source_counts_for_the_owner_of_its_longest_prefix_alone,
                                        make, end),
        cmocka_unit_test_setup_teardown(every_owner_may_send_and_the_best_one_receives, make, end),
        cmocka_unit_test_setup_teardown(a_configured_owner_comes_before_learned_ones, make, end),
        cmocka_unit_test_setup_teardown(a_new_rank_moves_an_owner, make, end),
        cmocka_unit_test_setup_teardown(the_last_owner_takes_the_prefix_along, make, end),
        cmocka_unit_test_setup_teardown(what_was_not_owned_is_not_removed, make, end),
        cmocka_unit_test_setup_teardown(a_fork_owns_nothing, make, end),
        cmocka_unit_test_setup_teardown(it_answers_as_a_list_does, make, end),
        cmocka_unit_test_setup_teardown(the_kernel_is_asked_for_what_differs, make, end),
        cmocka_unit_test_setup_teardown(what_changes_hands_is_not_asked, make, end),
        cmocka_unit_test_setup_teardown(what_is_refused_is_asked_again, make, end),
        cmocka_unit_test_setup_teardown(the_kernel_agrees_in_the_end_whatever_it_refuses, make,
                                        end),
        cmocka_unit_test_setup_teardown(it_holds_ten_thousand_prefixes, make, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
