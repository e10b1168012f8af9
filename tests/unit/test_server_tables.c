/* The tables that the server's workers share, and the slots of one worker. */
#include "roles/quota.h"
#include "roles/server/hosts.h"
#include "roles/server/replay.h"
#include "roles/server/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t seed[16] = {7};

static const struct peer_ref first = {0, 1, 10};
static const struct peer_ref second = {1, 2, 20};

/* ---- hosts ---- */

struct watched {
    struct hosts *hosts;
    unsigned calls;
    struct peer_ref winner;
    struct peer_ref loser;
    char name[64];
};

static void watch(void *arg, const char *name, struct peer_ref winner, struct peer_ref loser)
{
    struct watched *watched = arg;
    struct peer_ref found;

    watched->calls++;
    watched->winner = winner;
    watched->loser = loser;
    strcpy(watched->name, name);
    assert_true(hosts_look_up(watched->hosts, name, &found)); /* nothing is locked */
}

static struct watched *make_hosts(void)
{
    static struct watched watched;

    memset(&watched, 0, sizeof(watched));
    watched.hosts = hosts_new(seed, watch, &watched);
    assert_non_null(watched.hosts);
    return &watched;
}

static void a_claimed_name_is_found(void **state)
{
    struct watched *watched = make_hosts();
    struct peer_ref found;

    (void)state;
    assert_false(hosts_look_up(watched->hosts, "a.example", &found));
    assert_true(hosts_claim(watched->hosts, "a.example", second));
    assert_true(hosts_look_up(watched->hosts, "a.example", &found));
    assert_memory_equal(&found, &second, sizeof(found));
    assert_false(hosts_look_up(watched->hosts, "b.example", &found));
    hosts_free(watched->hosts);
}

static void the_newest_claim_wins_and_the_loser_is_named(void **state)
{
    struct watched *watched = make_hosts();
    struct peer_ref found;

    (void)state;
    assert_true(hosts_claim(watched->hosts, "a.example", first));
    assert_true(hosts_claim(watched->hosts, "a.example", second));
    assert_true(hosts_look_up(watched->hosts, "a.example", &found));
    assert_memory_equal(&found, &second, sizeof(found));
    assert_int_equal(watched->calls, 1);
    assert_memory_equal(&watched->winner, &second, sizeof(second));
    assert_memory_equal(&watched->loser, &first, sizeof(first));
    assert_string_equal(watched->name, "a.example");
    hosts_free(watched->hosts);
}

static void claiming_again_what_one_has_is_no_loss(void **state)
{
    struct watched *watched = make_hosts();

    (void)state;
    assert_true(hosts_claim(watched->hosts, "a.example", first));
    assert_true(hosts_claim(watched->hosts, "a.example", first));
    assert_int_equal(watched->calls, 0);
    assert_int_equal(hosts_count(watched->hosts), 1);
    hosts_free(watched->hosts);
}

static void a_name_that_was_left_can_be_taken_back(void **state)
{
    struct watched *watched = make_hosts();
    struct adit_ip from = {.family = 4, .bytes = {192, 0, 2, 1}};
    struct peer_ref found;
    double since_s;
    bool anew;

    (void)state;
    assert_true(hosts_claim(watched->hosts, "a.example", first));
    assert_true(hosts_claim(watched->hosts, "a.example", second));
    assert_false(hosts_reclaim(watched->hosts, "a.example", first, &anew));
    assert_false(anew);
    hosts_note(watched->hosts, "a.example", second, 5, &from);
    hosts_release(watched->hosts, "a.example", second);
    assert_true(hosts_reclaim(watched->hosts, "a.example", first, &anew));
    assert_true(anew);
    assert_true(hosts_reclaim(watched->hosts, "a.example", first, &anew));
    assert_false(anew);
    assert_true(hosts_look_up(watched->hosts, "a.example", &found));
    assert_memory_equal(&found, &first, sizeof(first));
    assert_false(hosts_noted(watched->hosts, "a.example", &since_s, &from));
    assert_int_equal(watched->calls, 1);
    hosts_free(watched->hosts);
}

static void a_loser_cannot_release_the_winners_name(void **state)
{
    struct watched *watched = make_hosts();
    struct peer_ref found;

    (void)state;
    assert_true(hosts_claim(watched->hosts, "a.example", first));
    assert_true(hosts_claim(watched->hosts, "a.example", second));
    hosts_release(watched->hosts, "a.example", first);
    assert_true(hosts_look_up(watched->hosts, "a.example", &found));
    hosts_release(watched->hosts, "a.example", second);
    assert_false(hosts_look_up(watched->hosts, "a.example", &found));
    assert_int_equal(hosts_count(watched->hosts), 0);
    hosts_free(watched->hosts);
}

static void what_was_noted_is_of_the_peer_that_has_the_name(void **state)
{
    static const struct adit_ip here = {.family = 4, .bytes = {192, 0, 2, 1}};
    struct watched *watched = make_hosts();
    struct adit_ip from;
    double since_s;

    (void)state;
    assert_true(hosts_claim(watched->hosts, "a.example", first));
    assert_false(hosts_noted(watched->hosts, "a.example", &since_s, &from));
    hosts_note(watched->hosts, "a.example", second, 5, &here);
    hosts_note(watched->hosts, "b.example", first, 5, &here);
    assert_false(hosts_noted(watched->hosts, "a.example", &since_s, &from));
    hosts_note(watched->hosts, "a.example", first, 7, &here);
    assert_true(hosts_noted(watched->hosts, "a.example", &since_s, &from));
    assert_true(since_s == 7 && ip_equal(&from, &here));
    assert_true(hosts_claim(watched->hosts, "a.example", second));
    assert_false(hosts_noted(watched->hosts, "a.example", &since_s, &from));
    hosts_free(watched->hosts);
}

static void a_slot_used_again_is_another_peer(void **state)
{
    struct watched *watched = make_hosts();
    struct peer_ref again = first;
    struct peer_ref found;

    (void)state;
    again.generation++;
    assert_true(hosts_claim(watched->hosts, "a.example", again));
    hosts_release(watched->hosts, "a.example", first);
    assert_true(hosts_look_up(watched->hosts, "a.example", &found));
    hosts_free(watched->hosts);
}

/* ---- quota ---- */

static struct adit_ip ip(const char *text)
{
    struct adit_ip parsed;

    assert_true(ip_parse(text, &parsed));
    return parsed;
}

static void an_address_holds_no_more_than_its_quota(void **state)
{
    struct quota *quota = quota_new(seed);
    struct adit_ip a = ip("192.0.2.1");
    struct adit_ip b = ip("192.0.2.2");

    (void)state;
    assert_true(quota_take(quota, &a, 2));
    assert_true(quota_take(quota, &a, 2));
    assert_false(quota_take(quota, &a, 2));
    assert_true(quota_take(quota, &b, 2));
    quota_give_back(quota, &a);
    assert_true(quota_take(quota, &a, 2));
    quota_free(quota);
}

static void an_ipv6_network_of_64_bits_counts_as_one_address(void **state)
{
    struct quota *quota = quota_new(seed);
    struct adit_ip a = ip("2001:db8:1:2::1");
    struct adit_ip same = ip("2001:db8:1:2:ffff::9");
    struct adit_ip other = ip("2001:db8:1:3::1");

    (void)state;
    assert_true(quota_take(quota, &a, 1));
    assert_false(quota_take(quota, &same, 1));
    assert_true(quota_take(quota, &other, 1));
    quota_give_back(quota, &same);
    assert_true(quota_take(quota, &a, 1));
    quota_free(quota);
}

static void a_quota_of_nothing_admits_nobody(void **state)
{
    struct quota *quota = quota_new(seed);
    struct adit_ip a = ip("192.0.2.1");

    (void)state;
    assert_false(quota_take(quota, &a, 0));
    quota_free(quota);
}

/* ---- replay ---- */

static void a_key_is_used_once(void **state)
{
    struct replay *replay = replay_new(seed);
    uint8_t key[32] = {1};
    uint8_t other[32] = {2};

    (void)state;
    assert_true(replay_first_use(replay, key, 2000, 1000));
    assert_false(replay_first_use(replay, key, 2000, 1000));
    assert_true(replay_first_use(replay, other, 2000, 1000));
    assert_int_equal(replay_count(replay), 2);
    replay_free(replay);
}

static void expired_keys_are_forgotten_and_others_are_not(void **state)
{
    struct replay *replay = replay_new(seed);
    uint8_t lasting[32] = {[31] = 1};
    uint8_t key[32] = {0};

    (void)state;
    assert_true(replay_first_use(replay, lasting, 1e9, 1000));
    for (unsigned i = 0; i < 1000; i++) {
        double now_s = 1000 * (double)i;
        memcpy(key, &i, sizeof(i));
        assert_true(replay_first_use(replay, key, now_s, now_s + 1));
    }
    assert_true(replay_count(replay) < 600);
    assert_false(replay_first_use(replay, lasting, 1e9, 1e6));
    replay_free(replay);
}

static void a_clock_set_forth_and_back_makes_no_key_new(void **state)
{
    struct replay *replay = replay_new(seed);
    uint8_t key[32] = {[31] = 1};
    uint8_t other[32] = {0};

    (void)state;
    assert_true(replay_first_use(replay, key, 1000, 500));
    for (unsigned i = 0; i < 1000; i++) {
        memcpy(other, &i, sizeof(i));
        assert_true(replay_first_use(replay, other, 1e6, 1000 + 3600));
    }
    assert_false(replay_first_use(replay, key, 1000, 500));
    replay_free(replay);
}

/* ---- slots ---- */

static struct server_peer *peer(uintptr_t number)
{
    return (struct server_peer *)(number * 16);
}

static void a_peer_is_found_by_its_slot_until_it_leaves(void **state)
{
    struct slots slots;
    struct peer_ref a;
    struct peer_ref b;

    (void)state;
    slots_init(&slots, 3);
    assert_true(slots_take(&slots, peer(1), &a));
    assert_true(slots_take(&slots, peer(2), &b));
    assert_int_equal(a.worker, 3);
    assert_ptr_equal(slots_look_up(&slots, a), peer(1));
    assert_ptr_equal(slots_look_up(&slots, b), peer(2));
    slots_give_back(&slots, a);
    assert_null(slots_look_up(&slots, a));
    assert_ptr_equal(slots_look_up(&slots, b), peer(2));
    slots_clear(&slots);
}

static void an_old_reference_does_not_find_the_slots_next_peer(void **state)
{
    struct slots slots;
    struct peer_ref old;
    struct peer_ref now;

    (void)state;
    slots_init(&slots, 0);
    assert_true(slots_take(&slots, peer(1), &old));
    slots_give_back(&slots, old);
    assert_true(slots_take(&slots, peer(2), &now));
    assert_int_equal(old.slot, now.slot);
    assert_null(slots_look_up(&slots, old));
    assert_ptr_equal(slots_look_up(&slots, now), peer(2));
    slots_clear(&slots);
}

static void many_peers_have_slots_of_their_own(void **state)
{
    enum { MANY = 1000 };
    static struct peer_ref refs[MANY];
    struct slots slots;

    (void)state;
    slots_init(&slots, 0);
    for (unsigned round = 0; round < 3; round++) {
        for (uintptr_t i = 0; i < MANY; i++)
            assert_true(slots_take(&slots, peer(i + 1), &refs[i]));
        for (uintptr_t i = 0; i < MANY; i++)
            assert_ptr_equal(slots_look_up(&slots, refs[i]), peer(i + 1));
        for (uintptr_t i = 0; i < MANY; i++)
            slots_give_back(&slots, refs[(i * 7) % MANY]);
    }
    assert_true(slots.count < 2 * MANY);
    slots_clear(&slots);
}

static void a_reference_out_of_range_finds_nobody(void **state)
{
    struct slots slots;

    (void)state;
    slots_init(&slots, 0);
    assert_null(slots_look_up(&slots, (struct peer_ref){0, 5, 0}));
    slots_clear(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claimed_name_is_found),
        cmocka_unit_test(the_newest_claim_wins_and_the_loser_is_named),
        cmocka_unit_test(claiming_again_what_one_has_is_no_loss),
        cmocka_unit_test(a_name_that_was_left_can_be_taken_back),
        cmocka_unit_test(a_loser_cannot_release_the_winners_name),
        cmocka_unit_test(what_was_noted_is_of_the_peer_that_has_the_name),
        cmocka_unit_test(a_slot_used_again_is_another_peer),
        cmocka_unit_test(an_address_holds_no_more_than_its_quota),
        cmocka_unit_test(an_ipv6_network_of_64_bits_counts_as_one_address),
        cmocka_unit_test(a_quota_of_nothing_admits_nobody),
        cmocka_unit_test(a_key_is_used_once),
        cmocka_unit_test(expired_keys_are_forgotten_and_others_are_not),
        cmocka_unit_test(a_clock_set_forth_and_back_makes_no_key_new),
        cmocka_unit_test(a_peer_is_found_by_its_slot_until_it_leaves),
        cmocka_unit_test(an_old_reference_does_not_find_the_slots_next_peer),
        cmocka_unit_test(many_peers_have_slots_of_their_own),
        cmocka_unit_test(a_reference_out_of_range_finds_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
