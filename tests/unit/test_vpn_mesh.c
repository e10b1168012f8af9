/* Path-vector routing between peers (roles/vpn/mesh.h): one router, told what others say. */
#include "roles/vpn/mesh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PEERS = 9, LAST = PEERS - 1, US = 'U' };

static const uint8_t seed[16] = {3};
static const uint8_t our_id[MESH_ID_LEN] = {US, US, US, US};

struct router {
    struct mesh *mesh;
    unsigned calls;
    struct cidr to; /* of the last call */
    unsigned peer;
    unsigned length;
    struct cidr everything[2];
};

static void note(void *arg, const struct cidr *to, unsigned peer, unsigned length)
{
    struct router *router = arg;

    router->calls++;
    router->to = *to;
    router->peer = peer;
    router->length = length;
}

static struct cidr prefix_of(const char *text)
{
    struct cidr prefix;

    assert_true(cidr_parse(text, &prefix));
    return prefix;
}

static int make(void **state)
{
    struct router *router = calloc(1, sizeof(*router));

    router->mesh = mesh_new(our_id, PEERS, seed, note, router);
    router->everything[0] = prefix_of("0.0.0.0/0");
    router->everything[1] = prefix_of("::/0");
    *state = router;
    return router->mesh == NULL;
}

static int end(void **state)
{
    struct router *router = *state;

    mesh_free(router->mesh);
    free(router);
    return 0;
}

static void up(struct router *router, unsigned peer)
{
    mesh_up(router->mesh, peer, router->everything, 2);
}

/* An update as it comes: a path is a letter for each router, its id four times that letter. */
static enum mesh_heard hear(struct router *router, unsigned peer, const char *prefix, bool valid,
                            const char *path)
{
    struct cidr cidr = prefix_of(prefix);
    struct quicktun_route update = {
        .family = cidr.ip.family, .valid = valid, .id_count = strlen(path)};
    uint8_t ids[64 * MESH_ID_LEN];

    for (unsigned bit = 0; bit < cidr.prefix_len; bit++)
        update.mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    memcpy(update.network, cidr.ip.bytes, sizeof(update.network));
    for (size_t i = 0; i < update.id_count; i++)
        memset(ids + i * MESH_ID_LEN, path[i], MESH_ID_LEN);
    update.ids = ids;
    return mesh_hear(router->mesh, peer, &update, 0);
}

static enum mesh_heard announce(struct router *router, unsigned peer, const char *prefix,
                                const char *path)
{
    return hear(router, peer, prefix, true, path);
}

static void withdraw(struct router *router, unsigned peer, const char *prefix)
{
    assert_int_equal(hear(router, peer, prefix, false, ""), MESH_TAKEN);
}

/* What a peer is told next, as "+10.0.0.0/8 UA" or "-10.0.0.0/8"; "" = nothing. */
static const char *told(struct router *router, unsigned peer)
{
    static char text[128];
    struct quicktun_route update;
    struct cidr to = {0};
    size_t len;

    if (!mesh_next(router->mesh, peer, &update, 0))
        return "";
    to.ip.family = update.family;
    memcpy(to.ip.bytes, update.network, update.family == 4 ? 4 : 16);
    while (to.prefix_len < 128 && (update.mask[to.prefix_len / 8] & 0x80 >> to.prefix_len % 8) != 0)
        to.prefix_len++;
    text[0] = update.valid ? '+' : '-';
    cidr_format(&to, text + 1);
    len = strlen(text);
    if (update.valid) {
        text[len++] = ' ';
        for (size_t i = 0; i < update.id_count; i++)
            text[len++] = (char)update.ids[i * MESH_ID_LEN];
        text[len] = '\0';
    }
    mesh_told(router->mesh, peer, 0);
    return text;
}

static void own(struct router *router, const char *text)
{
    struct cidr prefix = prefix_of(text);

    assert_true(mesh_own(router->mesh, &prefix));
}

static void disown(struct router *router, const char *text)
{
    struct cidr prefix = prefix_of(text);

    mesh_disown(router->mesh, &prefix);
}

static uint64_t refused_of(struct router *router, unsigned peer)
{
    struct mesh_counters counters;

    mesh_counters(router->mesh, peer, &counters);
    return counters.refused;
}

static size_t learned_of(struct router *router, unsigned peer)
{
    struct mesh_counters counters;

    mesh_counters(router->mesh, peer, &counters);
    return counters.learned;
}

/* ---- What is taken ---- */

static void a_path_is_learned_and_withdrawn(void **state)
{
    struct router *router = *state;
    struct cidr want = prefix_of("10.20.0.0/16");

    up(router, 1);
    assert_int_equal(announce(router, 1, "10.20.0.0/16", "AB"), MESH_TAKEN);
    assert_int_equal(router->calls, 1);
    assert_memory_equal(&router->to, &want, sizeof(want));
    assert_int_equal(router->peer, 1);
    assert_int_equal(router->length, 2);
    withdraw(router, 1, "10.20.0.0/16");
    assert_int_equal(router->calls, 2);
    assert_int_equal(router->length, 0);
    assert_int_equal(mesh_networks(router->mesh), 0);
}

static void an_ipv6_network_is_learned(void **state)
{
    struct router *router = *state;
    struct cidr want = prefix_of("fd00:9:8000::/33");

    up(router, 1);
    assert_int_equal(announce(router, 1, "fd00:9:8000::/33", "A"), MESH_TAKEN);
    assert_memory_equal(&router->to, &want, sizeof(want));
}

static void a_repeated_path_changes_nothing(void **state)
{
    struct router *router = *state;

    up(router, 1);
    up(router, 2);
    announce(router, 1, "10.20.0.0/16", "AB");
    assert_string_equal(told(router, 2), "+10.20.0.0/16 UAB");
    announce(router, 1, "10.20.0.0/16", "AB");
    assert_int_equal(router->calls, 1);
    assert_string_equal(told(router, 2), "");
}

static void what_is_outside_of_accept_routes_is_counted_and_ignored(void **state)
{
    struct router *router = *state;
    struct cidr accept[] = {prefix_of("10.20.0.0/16"), prefix_of("fd00:20::/32")};

    mesh_up(router->mesh, 1, accept, 2);
    assert_int_equal(announce(router, 1, "10.9.0.2/32", "A"), MESH_NOT_ACCEPTED);
    assert_int_equal(announce(router, 1, "10.0.0.0/8", "A"), MESH_NOT_ACCEPTED);
    assert_int_equal(announce(router, 1, "fd00:21::/64", "A"), MESH_NOT_ACCEPTED);
    assert_int_equal(router->calls, 0);
    assert_int_equal(refused_of(router, 1), 3);
    assert_int_equal(mesh_networks(router->mesh), 0);
    assert_int_equal(announce(router, 1, "10.20.0.0/16", "A"), MESH_TAKEN);
    assert_int_equal(announce(router, 1, "10.20.7.0/24", "A"), MESH_TAKEN);
    assert_int_equal(announce(router, 1, "fd00:20:1::/48", "A"), MESH_TAKEN);
    assert_int_equal(learned_of(router, 1), 3);
    assert_int_equal(refused_of(router, 1), 3);
}

static void nobody_announces_our_own_networks_to_us(void **state)
{
    struct router *router = *state;

    up(router, 1);
    own(router, "10.1.0.0/16");
    assert_int_equal(announce(router, 1, "10.1.0.0/16", "A"), MESH_OURS);
    assert_int_equal(announce(router, 1, "10.1.2.0/24", "A"), MESH_OURS);
    assert_int_equal(announce(router, 1, "10.0.0.0/8", "A"), MESH_TAKEN);
}

static void a_network_that_becomes_ours_is_learned_of_nobody(void **state)
{
    struct router *router = *state;

    up(router, 1);
    up(router, 2);
    announce(router, 1, "10.1.2.0/24", "A");
    announce(router, 1, "10.1.0.0/16", "A");
    announce(router, 1, "10.2.0.0/16", "A");
    own(router, "10.1.0.0/16");
    assert_int_equal(router->calls, 5);
    assert_int_equal(learned_of(router, 1), 1);
    assert_string_equal(told(router, 2), "+10.2.0.0/16 UA");
    assert_string_equal(told(router, 2), "+10.1.0.0/16 U");
    assert_string_equal(told(router, 2), "");
}

static void no_path_leads_through_us(void **state)
{
    struct router *router = *state;

    up(router, 1);
    assert_int_equal(announce(router, 1, "10.20.0.0/16", "ABUC"), MESH_LOOP);
    assert_int_equal(announce(router, 1, "10.20.0.0/16", "U"), MESH_LOOP);
    assert_int_equal(router->calls, 0);
    assert_int_equal(refused_of(router, 1), 0); /* it does not know our id yet */
}

static void a_path_through_us_withdraws_the_former_one(void **state)
{
    struct router *router = *state;

    up(router, 1);
    announce(router, 1, "10.20.0.0/16", "AB");
    assert_int_equal(announce(router, 1, "10.20.0.0/16", "AUB"), MESH_LOOP);
    assert_int_equal(router->length, 0);
    assert_int_equal(learned_of(router, 1), 0);
}

static void a_router_comes_once_in_a_path(void **state)
{
    struct router *router = *state;

    up(router, 1);
    assert_int_equal(announce(router, 1, "10.20.0.0/16", "ABA"), MESH_MALFORMED);
}

static void a_sender_keeps_its_id(void **state)
{
    struct router *router = *state;

    up(router, 1);
    assert_int_equal(announce(router, 1, "10.20.0.0/16", "AB"), MESH_TAKEN);
    assert_int_equal(announce(router, 1, "10.21.0.0/16", "B"), MESH_MALFORMED);
    up(router, 1);
    assert_int_equal(announce(router, 1, "10.21.0.0/16", "B"), MESH_TAKEN);
}

static void a_path_has_an_end(void **state)
{
    struct router *router = *state;
    char path[MESH_PATH_MAX + 2];

    for (size_t i = 0; i <= MESH_PATH_MAX; i++)
        path[i] = (char)('a' + i);
    path[MESH_PATH_MAX + 1] = '\0';
    up(router, 1);
    up(router, 2);
    assert_int_equal(announce(router, 1, "10.20.0.0/16", path), MESH_TOO_LONG);
    path[MESH_PATH_MAX] = '\0';
    assert_int_equal(announce(router, 1, "10.20.0.0/16", path), MESH_TAKEN);
    assert_string_equal(told(router, 2), ""); /* it would be too long with us in front */
    path[MESH_PATH_MAX - 1] = '\0';
    assert_int_equal(announce(router, 1, "10.20.0.0/16", path), MESH_TAKEN);
    assert_memory_equal(told(router, 2), "+10.20.0.0/16 Uabc", 18);
}

static enum mesh_heard raw(struct router *router, uint8_t family, const uint8_t network[16],
                           const uint8_t mask[16])
{
    struct quicktun_route update = {
        .family = family, .valid = true, .ids = (const uint8_t *)"AAAA", .id_count = 1};

    memcpy(update.network, network, 16);
    memcpy(update.mask, mask, 16);
    return mesh_hear(router->mesh, 1, &update, 0);
}

static void a_network_that_makes_no_sense_is_refused(void **state)
{
    struct router *router = *state;
    static const uint8_t ten[16] = {10};
    static const uint8_t eight[16] = {0xff};
    static const uint8_t hole[16] = {0xff, 0x0f};
    static const uint8_t past[16] = {10, 1};
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 10};
    static const uint8_t mapped_mask[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t zeros[16];

    up(router, 1);
    assert_int_equal(raw(router, 4, ten, hole), MESH_MALFORMED);
    assert_int_equal(raw(router, 4, past, eight), MESH_MALFORMED);
    assert_int_equal(raw(router, 4, zeros, zeros), MESH_MALFORMED);
    assert_int_equal(raw(router, 6, zeros, zeros), MESH_MALFORMED);
    assert_int_equal(raw(router, 6, mapped, mapped_mask), MESH_MALFORMED);
    assert_int_equal(raw(router, 0, ten, eight), MESH_NO_ROUTER);
    assert_int_equal(raw(router, 4, ten, eight), MESH_TAKEN);
    assert_int_equal(refused_of(router, 1), 6);
}

/* ---- Which path is the best ---- */

static void the_shortest_path_is_announced(void **state)
{
    struct router *router = *state;

    for (unsigned peer = 1; peer <= 3; peer++)
        up(router, peer);
    announce(router, 1, "10.20.0.0/16", "ABC");
    assert_string_equal(told(router, 3), "+10.20.0.0/16 UABC");
    announce(router, 2, "10.20.0.0/16", "DC");
    assert_string_equal(told(router, 3), "+10.20.0.0/16 UDC");
    withdraw(router, 2, "10.20.0.0/16");
    assert_string_equal(told(router, 3), "+10.20.0.0/16 UABC");
}

static void of_two_as_short_the_lower_number_wins_in_either_order(void **state)
{
    struct router *router = *state;

    for (unsigned peer = 1; peer <= 3; peer++)
        up(router, peer);
    announce(router, 2, "10.20.0.0/16", "BC");
    announce(router, 1, "10.20.0.0/16", "AC");
    assert_string_equal(told(router, 3), "+10.20.0.0/16 UAC");
    announce(router, 1, "10.21.0.0/16", "AC");
    announce(router, 2, "10.21.0.0/16", "BC");
    assert_string_equal(told(router, 3), "+10.21.0.0/16 UAC");
    assert_string_equal(told(router, 3), "");
}

static void a_path_that_is_not_the_best_is_told_to_nobody(void **state)
{
    struct router *router = *state;

    for (unsigned peer = 1; peer <= 3; peer++)
        up(router, peer);
    announce(router, 1, "10.20.0.0/16", "AC");
    assert_string_equal(told(router, 3), "+10.20.0.0/16 UAC");
    announce(router, 2, "10.20.0.0/16", "BDC");
    assert_string_equal(told(router, 3), "");
    withdraw(router, 2, "10.20.0.0/16");
    assert_string_equal(told(router, 3), "");
    assert_int_equal(router->calls, 3); /* but packets may come from there */
}

/* ---- Whom is told ---- */

static void our_own_networks_are_announced_to_everybody(void **state)
{
    struct router *router = *state;

    own(router, "10.1.0.0/16");
    up(router, 1);
    assert_string_equal(told(router, 1), "+10.1.0.0/16 U");
    own(router, "fd00:1::/64");
    assert_string_equal(told(router, 1), "+fd00:1::/64 U");
    assert_string_equal(told(router, 1), "");
    disown(router, "10.1.0.0/16");
    assert_string_equal(told(router, 1), "-10.1.0.0/16");
    assert_int_equal(mesh_networks(router->mesh), 1);
}

static void a_path_is_not_told_to_whom_it_leads_through(void **state)
{
    struct router *router = *state;

    for (unsigned peer = 1; peer <= 3; peer++)
        up(router, peer);
    announce(router, 2, "10.30.0.0/16", "B");
    assert_string_equal(told(router, 3), "+10.30.0.0/16 UB");
    announce(router, 1, "10.20.0.0/16", "ABC");
    assert_string_equal(told(router, 1), "+10.30.0.0/16 UB");
    assert_string_equal(told(router, 1), "");
    assert_string_equal(told(router, 2), "");
    assert_string_equal(told(router, 3), "+10.20.0.0/16 UABC");
}

static void who_becomes_part_of_the_path_hears_a_withdrawal(void **state)
{
    struct router *router = *state;

    up(router, 1);
    up(router, 2);
    announce(router, 1, "10.20.0.0/16", "ABC");
    assert_string_equal(told(router, 2), "+10.20.0.0/16 UABC");
    announce(router, 2, "10.20.0.0/16", "DC");
    assert_string_equal(told(router, 2), "-10.20.0.0/16");
    assert_string_equal(told(router, 1), "+10.20.0.0/16 UDC");
}

static void a_peer_that_goes_takes_its_paths_along(void **state)
{
    struct router *router = *state;

    for (unsigned peer = 1; peer <= 3; peer++)
        up(router, peer);
    announce(router, 1, "10.20.0.0/16", "AC");
    announce(router, 1, "10.21.0.0/16", "A");
    announce(router, 2, "10.20.0.0/16", "BDC");
    assert_string_equal(told(router, 3), "+10.20.0.0/16 UAC");
    assert_string_equal(told(router, 3), "+10.21.0.0/16 UA");
    mesh_down(router->mesh, 1);
    assert_int_equal(router->calls, 5);
    assert_string_equal(told(router, 3), "+10.20.0.0/16 UBDC");
    assert_string_equal(told(router, 3), "-10.21.0.0/16");
    assert_string_equal(told(router, 3), "");
    assert_int_equal(mesh_networks(router->mesh), 1);
}

static void who_comes_again_hears_everything_again(void **state)
{
    struct router *router = *state;

    own(router, "10.1.0.0/16");
    up(router, 1);
    up(router, 2);
    announce(router, 2, "10.20.0.0/16", "B");
    for (unsigned round = 0; round < 3; round++) {
        assert_string_equal(told(router, 1), "+10.1.0.0/16 U");
        assert_string_equal(told(router, 1), "+10.20.0.0/16 UB");
        assert_string_equal(told(router, 1), "");
        mesh_down(router->mesh, 1);
        up(router, 1);
    }
}

static void a_slow_peer_hears_of_the_last_state_alone(void **state)
{
    struct router *router = *state;

    up(router, 1);
    up(router, 2);
    for (unsigned i = 0; i < 1000; i++) {
        announce(router, 1, "10.20.0.0/16", i % 2 == 0 ? "AC" : "ADC");
        announce(router, 1, "10.21.0.0/16", "A");
        withdraw(router, 1, "10.21.0.0/16");
    }
    assert_string_equal(told(router, 2), "+10.20.0.0/16 UADC");
    assert_string_equal(told(router, 2), "");
    assert_int_equal(mesh_networks(router->mesh), 1);
}

static void an_update_that_had_no_room_comes_again(void **state)
{
    struct router *router = *state;
    struct quicktun_route update;

    own(router, "10.1.0.0/16");
    up(router, 1);
    assert_true(mesh_next(router->mesh, 1, &update, 0));
    assert_true(mesh_next(router->mesh, 1, &update, 0));
    assert_string_equal(told(router, 1), "+10.1.0.0/16 U");
    assert_string_equal(told(router, 1), "");
}

/* ---- Limits ---- */

static const char *numbered(unsigned number)
{
    static char text[CIDR_TEXT_MAX];

    snprintf(text, sizeof(text), "10.%u.%u.%u/32", number >> 16, number >> 8 & 0xff, number & 0xff);
    return text;
}

static void a_peer_announces_so_many_networks_and_no_more(void **state)
{
    struct router *router = *state;

    up(router, 1);
    up(router, 2);
    for (unsigned i = 0; i < MESH_ROUTES_MAX; i++)
        assert_int_equal(announce(router, 1, numbered(i), "A"), MESH_TAKEN);
    assert_int_equal(announce(router, 1, numbered(MESH_ROUTES_MAX), "A"), MESH_FULL);
    assert_int_equal(announce(router, 1, numbered(7), "AB"), MESH_TAKEN);
    assert_int_equal(announce(router, 2, numbered(MESH_ROUTES_MAX), "B"), MESH_TAKEN);
    assert_int_equal(mesh_networks(router->mesh), MESH_ROUTES_MAX + 1);
    withdraw(router, 1, numbered(7));
    assert_int_equal(announce(router, 1, numbered(8000), "A"), MESH_TAKEN);
}

static void what_was_told_and_is_gone_is_charged_until_all_know(void **state)
{
    struct router *router = *state;

    up(router, 1);
    up(router, 2);
    for (unsigned i = 0; i < MESH_ROUTES_MAX; i++)
        announce(router, 1, numbered(i), "A");
    for (unsigned i = 0; i < MESH_ROUTES_MAX; i++)
        assert_int_not_equal(told(router, 2)[0], '\0');
    withdraw(router, 1, numbered(7));
    assert_int_equal(announce(router, 1, numbered(8000), "A"), MESH_FULL);
    assert_int_equal(announce(router, 1, numbered(7), "A"), MESH_TAKEN); /* the same again */
    withdraw(router, 1, numbered(7));
    assert_string_equal(told(router, 2), "-10.0.0.7/32");
    assert_int_equal(announce(router, 1, numbered(8000), "A"), MESH_TAKEN);
}

static void a_flood_of_updates_is_told(void **state)
{
    struct router *router = *state;
    struct quicktun_route update = {.family = 0, .valid = true, .id_count = 1};

    up(router, 1);
    for (unsigned i = 0; i < MESH_HEAR_BURST; i++)
        assert_int_equal(mesh_hear(router->mesh, 1, &update, 1000), MESH_NO_ROUTER);
    assert_int_equal(mesh_hear(router->mesh, 1, &update, 1000), MESH_FLOOD);
    unsigned taken = 0;
    while (mesh_hear(router->mesh, 1, &update, 2000) != MESH_FLOOD)
        taken++;
    assert_int_equal(taken, MESH_HEAR_PER_S);
}

static void updates_are_sent_at_a_rate_that_is_taken(void **state)
{
    struct router *router = *state;
    struct quicktun_route update;
    unsigned sent = 0;

    up(router, 1);
    for (unsigned i = 0; i < 3 * MESH_ROUTES_MAX; i++)
        own(router, numbered(i));
    for (; mesh_next(router->mesh, 1, &update, 1000); sent++)
        mesh_told(router->mesh, 1, 1000);
    assert_int_equal(sent, MESH_TELL_BURST);
    uint64_t wait_ms = mesh_wait_ms(router->mesh, 1, 1000);
    assert_in_range(wait_ms, 1, 1000);
    assert_false(mesh_next(router->mesh, 1, &update, 1000 + wait_ms - 1));
    assert_true(mesh_next(router->mesh, 1, &update, 1000 + wait_ms));
    for (sent = 0; mesh_next(router->mesh, 1, &update, 2000); sent++)
        mesh_told(router->mesh, 1, 2000);
    assert_int_equal(sent, MESH_TELL_PER_S);
}

static void nothing_waits_where_nothing_is_to_be_told(void **state)
{
    struct router *router = *state;

    up(router, 1);
    assert_true(mesh_wait_ms(router->mesh, 1, 0) == UINT64_MAX);
    own(router, "10.1.0.0/16");
    assert_true(mesh_wait_ms(router->mesh, 1, 0) == 0);
}

static void a_bit_is_kept_for_each_peer(void **state)
{
    struct router *router = *state;

    own(router, "10.1.0.0/16");
    up(router, LAST);
    assert_string_equal(told(router, LAST), "+10.1.0.0/16 U");
    disown(router, "10.1.0.0/16");
    assert_string_equal(told(router, LAST), "-10.1.0.0/16");
    assert_int_equal(mesh_networks(router->mesh), 0);
}

static void every_answer_has_a_text(void **state)
{
    (void)state;
    for (int heard = MESH_TAKEN; heard <= MESH_FLOOD; heard++)
        assert_non_null(mesh_heard_text((enum mesh_heard)heard));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_path_is_learned_and_withdrawn, make, end),
        cmocka_unit_test_setup_teardown(an_ipv6_network_is_learned, make, end),
        cmocka_unit_test_setup_teardown(a_repeated_path_changes_nothing, make, end),
        cmocka_unit_test_setup_teardown(what_is_outside_of_accept_routes_is_counted_and_ignored,
                                        make, end),
        cmocka_unit_test_setup_teardown(nobody_announces_our_own_networks_to_us, make, end),
        cmocka_unit_test_setup_teardown(a_network_that_becomes_ours_is_learned_of_nobody, make,
                                        end),
        cmocka_unit_test_setup_teardown(no_path_leads_through_us, make, end),
        cmocka_unit_test_setup_teardown(a_path_through_us_withdraws_the_former_one, make, end),
        cmocka_unit_test_setup_teardown(a_router_comes_once_in_a_path, make, end),
        cmocka_unit_test_setup_teardown(a_sender_keeps_its_id, make, end),
        cmocka_unit_test_setup_teardown(a_path_has_an_end, make, end),
        cmocka_unit_test_setup_teardown(a_network_that_makes_no_sense_is_refused, make, end),
        cmocka_unit_test_setup_teardown(the_shortest_path_is_announced, make, end),
        cmocka_unit_test_setup_teardown(of_two_as_short_the_lower_number_wins_in_either_order, make,
                                        end),
        cmocka_unit_test_setup_teardown(a_path_that_is_not_the_best_is_told_to_nobody, make, end),
        cmocka_unit_test_setup_teardown(our_own_networks_are_announced_to_everybody, make, end),
        cmocka_unit_test_setup_teardown(a_path_is_not_told_to_whom_it_leads_through, make, end),
        cmocka_unit_test_setup_teardown(who_becomes_part_of_the_path_hears_a_withdrawal, make, end),
        cmocka_unit_test_setup_teardown(a_peer_that_goes_takes_its_paths_along, make, end),
        cmocka_unit_test_setup_teardown(who_comes_again_hears_everything_again, make, end),
        cmocka_unit_test_setup_teardown(a_slow_peer_hears_of_the_last_state_alone, make, end),
        cmocka_unit_test_setup_teardown(an_update_that_had_no_room_comes_again, make, end),
        cmocka_unit_test_setup_teardown(a_peer_announces_so_many_networks_and_no_more, make, end),
        cmocka_unit_test_setup_teardown(what_was_told_and_is_gone_is_charged_until_all_know, make,
                                        end),
        cmocka_unit_test_setup_teardown(a_flood_of_updates_is_told, make, end),
        cmocka_unit_test_setup_teardown(updates_are_sent_at_a_rate_that_is_taken, make, end),
        cmocka_unit_test_setup_teardown(nothing_waits_where_nothing_is_to_be_told, make, end),
        cmocka_unit_test_setup_teardown(a_bit_is_kept_for_each_peer, make, end),
        cmocka_unit_test_setup_teardown(every_answer_has_a_text, make, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
