/* The users file of adit receive, read and changed. */
#include "io_world.h"
#include "roles/transfer/users.h"

#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/test-users-XXXXXX";
static char hash[USERS_HASH_MAX];

/* Reads a users file of this text; -1 with why. */
static int read_text(const char *text, struct users *users, char why[256])
{
    assert_int_equal(io_file_write(NULL, path, text, strlen(text), 0600, false), 0);
    return users_read(users, NULL, path, why, 256);
}

static void assert_refused(const char *text, const char *expected)
{
    struct users users;
    char why[256] = "";
    assert_int_equal(read_text(text, &users, why), -1);
    if (strstr(why, expected) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, expected);
}

static void a_line_is_a_user(void **state)
{
    (void)state;
    struct users users;
    char why[256];
    char text[1024];
    snprintf(text, sizeof(text), "# all\n\nalice:%s:hers:size=4096\nbob:%s::", hash, hash);
    assert_int_equal(read_text(text, &users, why), 0);
    assert_int_equal(users.count, 2);
    const struct user *alice = users_find(&users, "alice");
    assert_string_equal(alice->directory, "hers");
    assert_int_equal(alice->size_max, 4096);
    assert_int_equal(users_find(&users, "bob")->size_max, 0);
    assert_null(users_find(&users, "ali"));
    assert_true(users_verify(alice->hash, "right"));
    assert_false(users_verify(alice->hash, "wrong"));
    users_clear(&users);
}

static void each_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    char text[1024];
    assert_refused("# x\nalice\n", "line 2: it is not name:hash:directory:limits");
    assert_refused("alice:plain::\n", "not Argon2id");
    snprintf(text, sizeof(text), ":%s::\n", hash);
    assert_refused(text, "its name");
    snprintf(text, sizeof(text), "a:%s:::\n", hash);
    assert_refused(text, "is not name:hash:directory:limits");
    snprintf(text, sizeof(text), "a:%s::size=1k\n", hash);
    assert_refused(text, "limits");
    snprintf(text, sizeof(text), "a:%s::size=0\n", hash);
    assert_refused(text, "lets nothing in");
    snprintf(text, sizeof(text), "a:%s::\na:%s::\n", hash, hash);
    assert_refused(text, "line 2: the name stands twice");
}

/* Fuzzing found it: what stood behind the NUL was left out, and lost when a user was set. */
static void a_file_with_a_nul_is_refused_and_left_as_it_is(void **state)
{
    (void)state;
    static const char text[] = "# x\0\nalice";
    struct users users;
    char why[256] = "";
    char *now = NULL;
    size_t len = 0;
    assert_int_equal(io_file_write(NULL, path, text, sizeof(text), 0600, false), 0);
    assert_int_equal(users_read(&users, NULL, path, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "it has a NUL"));
    why[0] = '\0';
    assert_int_equal(users_set(NULL, path, "bob", hash, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "it has a NUL"));
    assert_int_equal(io_file_read(NULL, path, USERS_FILE_MAX, &now, &len), 0);
    assert_int_equal(len, sizeof(text));
    assert_memory_equal(now, text, sizeof(text));
    free(now);
}

static void a_file_that_others_may_read_is_refused(void **state)
{
    (void)state;
    struct users users;
    char why[256];
    assert_int_equal(io_file_write(NULL, path, "", 0, 0600, false), 0);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(users_read(&users, NULL, path, why, sizeof(why)), -1);
}

static void a_new_hash_leaves_the_rest_of_the_file(void **state)
{
    (void)state;
    char why[256];
    char *text = NULL;
    size_t len = 0;
    static const char before[] = "# c\nali:h:d:size=1\nalice:old:e:size=2\nz:h::";
    assert_int_equal(io_file_write(NULL, path, before, strlen(before), 0600, false), 0);
    assert_int_equal(users_set(NULL, path, "alice", "new", why, sizeof(why)), 0);
    assert_int_equal(users_set(NULL, path, "bob", "b", why, sizeof(why)), 0);
    assert_int_equal(io_file_read(NULL, path, 1000, &text, &len), 0);
    assert_string_equal(text, "# c\nali:h:d:size=1\nalice:new:e:size=2\nz:h::\nbob:b::\n");
    free(text);
}

static void names_that_break_a_line_are_no_names(void **state)
{
    (void)state;
    char long_name[SODIUMTCP_CREDENTIAL_MAX + 2];
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    assert_false(users_name_valid(long_name));
    long_name[SODIUMTCP_CREDENTIAL_MAX] = '\0';
    assert_true(users_name_valid(long_name));
    assert_false(users_name_valid(""));
    assert_false(users_name_valid("a:b"));
    assert_false(users_name_valid("a\nb"));
    assert_false(users_name_valid("#a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_user),
        cmocka_unit_test(each_mistake_is_named_with_its_line),
        cmocka_unit_test(a_file_with_a_nul_is_refused_and_left_as_it_is),
        cmocka_unit_test(a_file_that_others_may_read_is_refused),
        cmocka_unit_test(a_new_hash_leaves_the_rest_of_the_file),
        cmocka_unit_test(names_that_break_a_line_are_no_names),
    };
    int fd = mkstemp(path);
    if (fd < 0 || !users_hash("right", hash))
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
