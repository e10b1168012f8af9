#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { ENTRIES = 1000 };

struct entry {
    unsigned key;
    bool seen;
    struct map_node node;
};

static struct entry entries[ENTRIES];
static const uint8_t seed[16] = {1, 2, 3};

static bool match(const struct map_node *node, const void *key)
{
    const struct entry *entry = container_of(node, const struct entry, node);
    return entry->key == *(const unsigned *)key;
}

static uint64_t hash_of(unsigned key)
{
    return map_hash(seed, &key, sizeof(key));
}

static struct entry *find(const struct map *map, unsigned key)
{
    struct map_node *node = map_find(map, hash_of(key), match, &key);
    return node == NULL ? NULL : container_of(node, struct entry, node);
}

static struct map full_map(void)
{
    struct map map;
    map_init(&map);
    for (unsigned i = 0; i < ENTRIES; i++) {
        entries[i] = (struct entry){.key = i * 3};
        assert_true(map_insert(&map, &entries[i].node, hash_of(entries[i].key)));
    }
    return map;
}

/* Appendix A of the SipHash paper and two of its authors' vectors: key and input count up from 0.
 */
static void the_hash_is_siphash_2_4(void **state)
{
    (void)state;
    uint8_t key[16];
    uint8_t input[15];
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 15; i++)
        input[i] = i;
    assert_true(map_hash(key, input, 0) == 0x726fdb47dd0e0e31);
    assert_true(map_hash(key, input, 8) == 0x93f5f5799a932462);
    assert_true(map_hash(key, input, 15) == 0xa129ca6149be45e5);
}

static void another_seed_gives_another_hash(void **state)
{
    (void)state;
    static const uint8_t other[16] = {1, 2, 4};
    assert_true(map_hash(seed, "name", 4) != map_hash(other, "name", 4));
}

static void an_empty_map_holds_no_memory(void **state)
{
    (void)state;
    struct map map = full_map();
    assert_null(find(&map, 1));
    for (unsigned i = 0; i < ENTRIES; i++)
        map_remove(&map, &entries[i].node);
    assert_int_equal(map.count, 0);
    assert_null(map.buckets);
    assert_null(find(&map, 0));
}

static void every_entry_is_found_and_nothing_else(void **state)
{
    (void)state;
    struct map map = full_map();
    assert_int_equal(map.count, ENTRIES);
    for (unsigned key = 0; key < 3 * ENTRIES; key++)
        assert_ptr_equal(find(&map, key), key % 3 == 0 ? &entries[key / 3] : NULL);
    map_clear(&map);
}

static void entries_of_one_hash_are_told_apart(void **state)
{
    (void)state;
    struct map map;
    map_init(&map);
    for (unsigned i = 0; i < 20; i++) {
        entries[i] = (struct entry){.key = i};
        assert_true(map_insert(&map, &entries[i].node, 42));
    }
    map_remove(&map, &entries[7].node);
    for (unsigned i = 0; i < 20; i++) {
        struct map_node *expected = i == 7 ? NULL : &entries[i].node;
        assert_ptr_equal(map_find(&map, 42, match, &i), expected);
    }
    map_clear(&map);
}

static void a_removed_entry_is_gone_and_can_come_back(void **state)
{
    (void)state;
    struct map map = full_map();
    map_remove(&map, &entries[5].node);
    assert_null(find(&map, 15));
    assert_int_equal(map.count, ENTRIES - 1);
    assert_true(map_insert(&map, &entries[5].node, hash_of(15)));
    assert_ptr_equal(find(&map, 15), &entries[5]);
    map_clear(&map);
}

static void a_walk_meets_every_entry_once(void **state)
{
    (void)state;
    struct map map = full_map();
    struct map_walk walk = map_walk_start(&map);
    struct map_node *node;
    size_t met = 0;
    while ((node = map_walk_next(&map, &walk)) != NULL) {
        struct entry *entry = container_of(node, struct entry, node);
        assert_false(entry->seen);
        entry->seen = true;
        met++;
    }
    assert_int_equal(met, ENTRIES);
    assert_null(map_walk_next(&map, &walk));
    map_clear(&map);
}

static void a_walk_may_remove_what_it_meets(void **state)
{
    (void)state;
    struct map map = full_map();
    struct map_walk walk = map_walk_start(&map);
    struct map_node *node;
    size_t met = 0;
    while ((node = map_walk_next(&map, &walk)) != NULL) {
        map_remove(&map, node);
        met++;
    }
    assert_int_equal(met, ENTRIES);
    assert_int_equal(map.count, 0);
    walk = map_walk_start(&map);
    assert_null(map_walk_next(&map, &walk));
}

static void buckets_stay_short(void **state)
{
    (void)state;
    struct map map = full_map();
    size_t longest = 0;
    for (size_t i = 0; i < map.bucket_count; i++) {
        size_t len = 0;
        for (const struct map_node *node = map.buckets[i]; node != NULL; node = node->next)
            len++;
        longest = len > longest ? len : longest;
    }
    assert_true(map.bucket_count >= ENTRIES);
    assert_true(longest < 10);
    map_clear(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_siphash_2_4),
        cmocka_unit_test(another_seed_gives_another_hash),
        cmocka_unit_test(an_empty_map_holds_no_memory),
        cmocka_unit_test(every_entry_is_found_and_nothing_else),
        cmocka_unit_test(entries_of_one_hash_are_told_apart),
        cmocka_unit_test(a_removed_entry_is_gone_and_can_come_back),
        cmocka_unit_test(a_walk_meets_every_entry_once),
        cmocka_unit_test(a_walk_may_remove_what_it_meets),
        cmocka_unit_test(buckets_stay_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
