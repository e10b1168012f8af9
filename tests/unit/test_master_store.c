/* The session master's store: names that are somebody's, revocation, faults. */
#include "roles/master/database.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOW = 1000000, LIFETIME = 3600 };

static int open_store(void **state)
{
    int error = STORE_OK;

    *state = store_open(":memory:", true, &error);
    return *state == NULL || store_promise(*state, LIFETIME) != STORE_OK ? -1 : 0;
}

static int close_store(void **state)
{
    store_close(*state);
    return 0;
}

static void digest_of(unsigned number, uint8_t digest[SHA256_LEN])
{
    memset(digest, 0, SHA256_LEN);
    memcpy(digest, &number, sizeof(number));
}

static unsigned next_key;

/* Adds a host with an alias, or none. */
static int add(struct master_store *store, const char *name, const char *alias)
{
    char aliases[1][HOSTNAME_MAX + 1];
    char taken[HOSTNAME_MAX + 1];
    uint8_t digest[SHA256_LEN];
    struct store_host host = {.ciphers = 1, .created_s = NOW};

    snprintf(host.name, sizeof(host.name), "%s", name);
    snprintf(aliases[0], sizeof(aliases[0]), "%s", alias == NULL ? "" : alias);
    host.aliases = aliases;
    host.alias_count = alias != NULL;
    digest_of(++next_key, digest);
    return store_add(store, &host, digest, taken);
}

/* The newest change of a name; false where it has none. */
static bool change_of(struct master_store *store, const char *name, struct store_change *found)
{
    static struct store_change changes[STORE_CHANGES_MAX];
    size_t count;
    int64_t last;

    assert_int_equal(store_changes(store, 0, changes, &count, &last), STORE_OK);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(changes[i].name, name) == 0) {
            *found = changes[i];
            return true;
        }
    }
    return false;
}

static void a_host_is_found_by_key_name_and_alias(void **state)
{
    struct cidr allow[2];
    char aliases[2][HOSTNAME_MAX + 1] = {"b.example", "c.example"};
    char taken[HOSTNAME_MAX + 1];
    uint8_t digest[SHA256_LEN];
    struct store_host found;
    struct store_host host = {.name = "a.example",
                              .aliases = aliases,
                              .alias_count = 2,
                              .allow = allow,
                              .allow_count = 2,
                              .ciphers = 6,
                              .created_s = NOW};
    assert_true(cidr_parse("10.0.0.0/8", &allow[0]) && cidr_parse("2001:db8::/32", &allow[1]));
    digest_of(77, digest);
    assert_int_equal(store_add(*state, &host, digest, taken), STORE_OK);

    assert_int_equal(store_find_key(*state, digest, &found), STORE_OK);
    assert_string_equal(found.name, "a.example");
    assert_int_equal(found.alias_count, 2);
    assert_string_equal(found.aliases[1], "c.example");
    assert_int_equal(found.allow_count, 2);
    assert_int_equal(found.allow[1].prefix_len, 32);
    assert_int_equal(found.ciphers, 6);
    assert_true(found.enabled);
    assert_int_equal(found.created_s, NOW);
    store_host_clear(&found);
    assert_int_equal(store_find_name(*state, "c.example", &found), STORE_OK);
    assert_string_equal(found.name, "a.example");
    store_host_clear(&found);
    assert_int_equal(store_find_name(*state, "d.example", &found), STORE_E_NOT_FOUND);
    digest_of(78, digest);
    assert_int_equal(store_find_key(*state, digest, &found), STORE_E_NOT_FOUND);
}

static void a_name_or_alias_belongs_to_one_host(void **state)
{
    struct store_host found;

    assert_int_equal(add(*state, "a.example", "b.example"), STORE_OK);
    assert_int_equal(add(*state, "a.example", NULL), STORE_E_TAKEN);
    assert_int_equal(add(*state, "b.example", NULL), STORE_E_TAKEN);
    assert_int_equal(add(*state, "c.example", "a.example"), STORE_E_TAKEN);
    assert_int_equal(add(*state, "c.example", "b.example"), STORE_E_TAKEN);
    assert_int_equal(add(*state, "c.example", "c.example"), STORE_E_TAKEN);
    /* and a refused one leaves nothing behind */
    assert_int_equal(store_find_name(*state, "c.example", &found), STORE_E_NOT_FOUND);
    assert_int_equal(add(*state, "c.example", NULL), STORE_OK);
}

static void disabling_revokes_every_name_for_ever(void **state)
{
    struct store_change change;

    add(*state, "a.example", "b.example");
    assert_false(change_of(*state, "a.example", &change));
    assert_int_equal(store_enable(*state, "b.example", false, NOW), STORE_OK);
    assert_true(change_of(*state, "a.example", &change));
    assert_true(change.valid_after_s == STORE_FOR_EVER);
    assert_true(change_of(*state, "b.example", &change));
    assert_true(change.valid_after_s == STORE_FOR_EVER);
}

static void enabling_leaves_older_tokens_revoked(void **state)
{
    struct store_change change;
    struct store_host host;

    add(*state, "a.example", NULL);
    store_enable(*state, "a.example", false, NOW);
    assert_int_equal(store_enable(*state, "a.example", true, NOW + 100), STORE_OK);
    assert_true(change_of(*state, "a.example", &change));
    assert_int_equal(change.valid_after_s, NOW + LIFETIME);
    store_find_name(*state, "a.example", &host);
    assert_true(host.enabled);
    assert_int_equal(host.floor_s, NOW + LIFETIME);
    store_host_clear(&host);
}

static void what_is_so_already_is_no_change(void **state)
{
    struct store_change change;

    add(*state, "a.example", NULL);
    assert_int_equal(store_enable(*state, "a.example", true, NOW), STORE_OK);
    assert_false(change_of(*state, "a.example", &change));
}

static void a_name_that_is_added_again_does_not_get_its_old_tokens_back(void **state)
{
    struct store_change change;
    struct store_host host;

    add(*state, "a.example", "b.example");
    assert_int_equal(store_remove(*state, "a.example", NOW), STORE_OK);
    assert_true(change_of(*state, "b.example", &change));
    assert_true(change.valid_after_s == STORE_FOR_EVER);
    /* the former alias as another's name */
    assert_int_equal(add(*state, "b.example", NULL), STORE_OK);
    assert_true(change_of(*state, "b.example", &change));
    assert_int_equal(change.valid_after_s, NOW + LIFETIME);
    store_find_name(*state, "b.example", &host);
    assert_int_equal(host.floor_s, NOW + LIFETIME);
    store_host_clear(&host);
    assert_true(change_of(*state, "a.example", &change));
    assert_true(change.valid_after_s == STORE_FOR_EVER);
}

static void a_clock_set_back_revokes_no_less(void **state)
{
    struct store_change change;

    add(*state, "a.example", NULL);
    store_enable(*state, "a.example", false, NOW);
    store_enable(*state, "a.example", true, NOW);
    store_enable(*state, "a.example", false, NOW - 50000);
    store_enable(*state, "a.example", true, NOW - 50000);
    assert_true(change_of(*state, "a.example", &change));
    assert_int_equal(change.valid_after_s, NOW + LIFETIME);
}

static void a_token_of_a_clock_that_was_ahead_is_revoked_as_well(void **state)
{
    struct store_change change;
    struct store_host host;
    struct adit_ip from;

    ip_parse("192.0.2.7", &from);
    add(*state, "a.example", NULL);
    store_find_name(*state, "a.example", &host);
    store_saw_token(*state, host.id, NOW + 5000, &from);
    store_host_clear(&host);
    assert_int_equal(store_flush(*state), STORE_OK);
    store_enable(*state, "a.example", false, NOW);
    store_enable(*state, "a.example", true, NOW);
    assert_true(change_of(*state, "a.example", &change));
    assert_int_equal(change.valid_after_s, NOW + 5000 + LIFETIME);
}

static void a_shorter_lifetime_does_not_shorten_what_was_promised(void **state)
{
    struct store_change change;

    assert_int_equal(store_promise(*state, 60), STORE_OK);
    add(*state, "a.example", NULL);
    store_enable(*state, "a.example", false, NOW);
    store_enable(*state, "a.example", true, NOW);
    change_of(*state, "a.example", &change);
    assert_int_equal(change.valid_after_s, NOW + LIFETIME);
}

static void changes_come_oldest_first_and_each_name_once(void **state)
{
    static struct store_change changes[STORE_CHANGES_MAX];
    size_t count;
    int64_t last;

    add(*state, "a.example", NULL);
    add(*state, "b.example", NULL);
    store_enable(*state, "a.example", false, NOW);
    store_enable(*state, "b.example", false, NOW);
    store_enable(*state, "a.example", true, NOW);
    assert_int_equal(store_changes(*state, 0, changes, &count, &last), STORE_OK);
    assert_int_equal(count, 2);
    assert_string_equal(changes[0].name, "b.example");
    assert_string_equal(changes[1].name, "a.example");
    assert_int_equal(last, changes[1].seq);
    assert_int_equal(store_changes(*state, changes[0].seq, changes, &count, &last), STORE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(store_changes(*state, last, changes, &count, &last), STORE_OK);
    assert_int_equal(count, 0);
}

static void a_rotated_key_replaces_the_former_one(void **state)
{
    uint8_t former[SHA256_LEN];
    uint8_t digest[SHA256_LEN];
    struct store_host host;

    add(*state, "a.example", NULL);
    digest_of(next_key, former);
    digest_of(++next_key, digest);
    assert_int_equal(store_rotate(*state, "a.example", digest), STORE_OK);
    assert_int_equal(store_find_key(*state, former, &host), STORE_E_NOT_FOUND);
    assert_int_equal(store_find_key(*state, digest, &host), STORE_OK);
    store_host_clear(&host);
    assert_int_equal(store_rotate(*state, "nobody.example", digest), STORE_E_NOT_FOUND);
}

static void what_was_seen_is_written_by_flush(void **state)
{
    struct adit_ip from;
    struct store_host host;

    ip_parse("192.0.2.7", &from);
    add(*state, "a.example", NULL);
    store_find_name(*state, "a.example", &host);
    store_saw_token(*state, host.id, NOW, &from);
    store_saw_token(*state, host.id, NOW + 5, &from);
    store_host_clear(&host);
    assert_int_equal(store_flush(*state), STORE_OK);
    store_find_name(*state, "a.example", &host);
    assert_int_equal(host.token_s, NOW + 5);
    assert_true(ip_equal(&host.from, &from));
    store_host_clear(&host);
}

static void count_challenge(void *arg, const char *txt)
{
    snprintf(arg, 64, "%s", txt);
}

static void a_host_has_some_challenges_and_the_oldest_goes(void **state)
{
    struct store_host host;
    char first[64] = "";

    add(*state, "a.example", NULL);
    store_find_name(*state, "a.example", &host);
    for (int i = 0; i < STORE_CHALLENGES_MAX + 3; i++) {
        char txt[16];

        snprintf(txt, sizeof(txt), "txt %d", i);
        assert_int_equal(store_add_challenge(*state, host.id, txt, NOW), STORE_OK);
    }
    assert_int_equal(store_each_challenge(*state, host.id, count_challenge, first), STORE_OK);
    assert_string_equal(first, "txt 10"); /* the last one visited */
    store_remove_challenge(*state, host.id, "txt 10");
    store_each_challenge(*state, host.id, count_challenge, first);
    assert_string_equal(first, "txt 9");
    store_host_clear(&host);
}

static void a_full_store_says_so_and_goes_on(void **state)
{
    struct master_store *store = *state;
    struct store_host host;
    int error = STORE_OK;

    add(store, "a.example", NULL);
    sqlite3_exec(store->database, "PRAGMA max_page_count = 1", NULL, NULL, NULL);
    for (int i = 0; i < 1000 && error == STORE_OK; i++) {
        char name[32];

        snprintf(name, sizeof(name), "host%d.example", i);
        error = add(store, name, NULL);
    }
    assert_int_equal(error, STORE_E_FULL);
    assert_int_equal(store_find_name(store, "a.example", &host), STORE_OK);
    store_host_clear(&host);
    sqlite3_exec(store->database, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL);
    assert_int_equal(add(store, "later.example", NULL), STORE_OK);
}

static void a_store_that_may_not_be_written_says_so(void **state)
{
    struct master_store *store = *state;

    add(store, "a.example", NULL);
    sqlite3_exec(store->database, "PRAGMA query_only = 1", NULL, NULL, NULL);
    assert_int_equal(add(store, "b.example", NULL), STORE_E_READ_ONLY);
    assert_int_equal(store_enable(store, "a.example", false, NOW), STORE_E_READ_ONLY);
}

/* ---- Files ---- */

static char *new_path(void)
{
    static char path[64];

    snprintf(path, sizeof(path), "/tmp/test_master_store.%d", (int)getpid());
    unlink(path);
    return path;
}

static void remove_file(const char *path)
{
    char beside[80];

    unlink(path);
    snprintf(beside, sizeof(beside), "%s-wal", path);
    unlink(beside);
    snprintf(beside, sizeof(beside), "%s-shm", path);
    unlink(beside);
}

static void two_processes_share_a_store(void **state)
{
    const char *path = new_path();
    struct store_host host;
    int error;
    struct master_store *one = store_open(path, true, &error);
    struct master_store *two = store_open(path, false, &error);

    (void)state;
    assert_non_null(one);
    assert_non_null(two);
    assert_int_equal(add(one, "a.example", NULL), STORE_OK);
    assert_int_equal(add(two, "a.example", NULL), STORE_E_TAKEN);
    assert_int_equal(store_enable(two, "a.example", false, NOW), STORE_OK);
    assert_int_equal(store_find_name(one, "a.example", &host), STORE_OK);
    assert_false(host.enabled);
    store_host_clear(&host);
    store_close(one);
    store_close(two);
    remove_file(path);
}

static void what_was_written_is_there_after_opening_again(void **state)
{
    const char *path = new_path();
    struct store_host host;
    int error;
    struct master_store *store = store_open(path, true, &error);

    (void)state;
    assert_int_equal(add(store, "a.example", NULL), STORE_OK);
    store_close(store);
    store = store_open(path, false, &error);
    assert_non_null(store);
    assert_int_equal(store_find_name(store, "a.example", &host), STORE_OK);
    store_host_clear(&host);
    store_close(store);
    remove_file(path);
}

static void a_missing_file_is_made_only_when_asked(void **state)
{
    int error = STORE_OK;

    (void)state;
    assert_null(store_open(new_path(), false, &error));
    assert_int_equal(error, STORE_E_CANNOT_OPEN);
}

static void garbage_is_no_store(void **state)
{
    const char *path = new_path();
    FILE *file = fopen(path, "w");
    int error = STORE_OK;

    (void)state;
    for (int i = 0; i < 1000; i++)
        fputs("this is no store\n", file);
    fclose(file);
    assert_null(store_open(path, true, &error));
    assert_int_equal(error, STORE_E_CORRUPT);
    remove_file(path);
}

static void another_programs_database_is_no_store(void **state)
{
    const char *path = new_path();
    sqlite3 *other = NULL;
    int error = STORE_OK;

    (void)state;
    sqlite3_open(path, &other);
    sqlite3_exec(other, "CREATE TABLE t (a)", NULL, NULL, NULL);
    sqlite3_close(other);
    assert_null(store_open(path, true, &error));
    assert_int_equal(error, STORE_E_CORRUPT);
    remove_file(path);
}

/* The first schema, as it was written by the first version, with a host in it. Never changed. */
static const char schema_1[] =
    "CREATE TABLE host (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, key BLOB NOT NULL UNIQUE,"
    " ciphers INTEGER NOT NULL, enabled INTEGER NOT NULL, created INTEGER NOT NULL,"
    " floor INTEGER NOT NULL, token INTEGER NOT NULL DEFAULT 0, address TEXT NOT NULL DEFAULT '')"
    " STRICT;"
    "CREATE TABLE name (name TEXT PRIMARY KEY,"
    " host INTEGER NOT NULL REFERENCES host ON DELETE CASCADE, place INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX name_host ON name (host, place);"
    "CREATE TABLE allow (host INTEGER NOT NULL REFERENCES host ON DELETE CASCADE,"
    " place INTEGER NOT NULL, cidr TEXT NOT NULL, PRIMARY KEY (host, place)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE change (name TEXT PRIMARY KEY, seq INTEGER NOT NULL UNIQUE,"
    " valid_after INTEGER NOT NULL, floor INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE challenge (id INTEGER PRIMARY KEY,"
    " host INTEGER NOT NULL REFERENCES host ON DELETE CASCADE, txt TEXT NOT NULL,"
    " at INTEGER NOT NULL, UNIQUE (host, txt)) STRICT;"
    "CREATE TABLE setting (name TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO host VALUES (1, 0, zeroblob(32), 7, 1, 5, 9, 8, '192.0.2.1');"
    "INSERT INTO name VALUES ('a.example', 1, 0), ('b.example', 1, 1);"
    "INSERT INTO allow VALUES (1, 0, '10.0.0.0/8');"
    "INSERT INTO change VALUES ('gone.example', 4, 9007199254740992, 77);"
    "INSERT INTO setting VALUES ('token_valid', 3600);"
    "PRAGMA user_version = 1; PRAGMA application_id = 1633970548;";

static void a_store_of_the_first_schema_is_brought_up_to_date(void **state)
{
    const char *path = new_path();
    sqlite3 *former = NULL;
    int error = STORE_OK;
    struct master_store *store;
    struct store_host host;
    struct store_change change;

    (void)state;
    sqlite3_open(path, &former);
    assert_int_equal(sqlite3_exec(former, schema_1, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(former);
    store = store_open(path, false, &error);
    assert_non_null(store);
    assert_int_equal(store_find_name(store, "b.example", &host), STORE_OK);
    assert_string_equal(host.name, "a.example");
    assert_int_equal(host.allow_count, 1);
    assert_int_equal(host.floor_s, 9);
    assert_int_equal(host.token_s, 8);
    store_host_clear(&host);
    assert_true(change_of(store, "gone.example", &change));
    assert_int_equal(change.seq, 4);
    assert_int_equal(add(store, "gone.example", NULL), STORE_OK);
    assert_int_equal(store_find_name(store, "gone.example", &host), STORE_OK);
    assert_int_equal(host.floor_s, 77);
    store_host_clear(&host);
    store_close(store);
    remove_file(path);
}

/* An empty file, as storefile_make() leaves it: schema 0. */
static void an_empty_file_becomes_a_store(void **state)
{
    const char *path = new_path();
    FILE *file = fopen(path, "w");
    int error = STORE_OK;
    struct master_store *store;

    (void)state;
    fclose(file);
    store = store_open(path, false, &error);
    assert_non_null(store);
    assert_int_equal(add(store, "a.example", NULL), STORE_OK);
    store_close(store);
    remove_file(path);
}

static void a_newer_schema_is_refused(void **state)
{
    const char *path = new_path();
    int error = STORE_OK;
    struct master_store *store = store_open(path, true, &error);

    (void)state;
    sqlite3_exec(store->database, "PRAGMA user_version = 1000", NULL, NULL, NULL);
    store_close(store);
    assert_null(store_open(path, true, &error));
    assert_int_equal(error, STORE_E_NEWER);
    remove_file(path);
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_host_is_found_by_key_name_and_alias),
        WITH_STORE(a_name_or_alias_belongs_to_one_host),
        WITH_STORE(disabling_revokes_every_name_for_ever),
        WITH_STORE(enabling_leaves_older_tokens_revoked),
        WITH_STORE(what_is_so_already_is_no_change),
        WITH_STORE(a_name_that_is_added_again_does_not_get_its_old_tokens_back),
        WITH_STORE(a_clock_set_back_revokes_no_less),
        WITH_STORE(a_token_of_a_clock_that_was_ahead_is_revoked_as_well),
        WITH_STORE(a_shorter_lifetime_does_not_shorten_what_was_promised),
        WITH_STORE(changes_come_oldest_first_and_each_name_once),
        WITH_STORE(a_rotated_key_replaces_the_former_one),
        WITH_STORE(what_was_seen_is_written_by_flush),
        WITH_STORE(a_host_has_some_challenges_and_the_oldest_goes),
        WITH_STORE(a_full_store_says_so_and_goes_on),
        WITH_STORE(a_store_that_may_not_be_written_says_so),
        cmocka_unit_test(two_processes_share_a_store),
        cmocka_unit_test(what_was_written_is_there_after_opening_again),
        cmocka_unit_test(a_missing_file_is_made_only_when_asked),
        cmocka_unit_test(garbage_is_no_store),
        cmocka_unit_test(another_programs_database_is_no_store),
        cmocka_unit_test(a_store_of_the_first_schema_is_brought_up_to_date),
        cmocka_unit_test(an_empty_file_becomes_a_store),
        cmocka_unit_test(a_newer_schema_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
