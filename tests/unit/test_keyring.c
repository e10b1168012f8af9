/* The file of Fernet keys, as servers, masters and commands read it. */
#include "io_world.h"
#include "roles/keyring.h"

#include <sys/stat.h>
#include <unistd.h>

#define KEY_A "BS9KyROEr6PzSSoSnRQd0JVTa1S-vM1nW282IS1VtSc="
#define KEY_B "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="

static char path[] = "/tmp/test-keyring-XXXXXX";
static struct snitun_keyring keyring;
static char why[512];

static int read_text(const char *text)
{
    assert_int_equal(io_file_write(NULL, path, text, strlen(text), 0600, false), 0);
    memset(&keyring, 0xff, sizeof(keyring));
    return keyring_read(NULL, path, &keyring, why, sizeof(why));
}

/* The error, and what it says: `before` and the path and `after`. */
static void assert_refused(int error, int expected, const char *before, const char *after)
{
    static const struct snitun_keyring empty;
    char said[512];
    assert_int_equal(error, expected);
    snprintf(said, sizeof(said), "%s%s%s", before, path, after);
    assert_string_equal(why, said);
    assert_memory_equal(&keyring, &empty, sizeof(empty));
}

static void all_keys_of_the_file_are_read_in_their_order(void **state)
{
    (void)state;
    char first[SNITUN_FERNET_KEY_TEXT + 1];
    char second[SNITUN_FERNET_KEY_TEXT + 1];
    assert_int_equal(read_text("# new\n" KEY_A "\n\n# old\n" KEY_B), IO_OK);
    assert_int_equal(keyring.count, 2);
    snitun_fernet_key_format(keyring.keys[0], first);
    snitun_fernet_key_format(keyring.keys[1], second);
    assert_string_equal(first, KEY_A);
    assert_string_equal(second, KEY_B);
}

static void what_is_no_key_is_named_with_file_and_line(void **state)
{
    (void)state;
    assert_refused(read_text(KEY_A "\nsecret\n"), IO_E_OTHER, "",
                   ", line 2: a Fernet key is not 32 bytes of base64url");
}

static void an_empty_file_says_how_to_make_a_key(void **state)
{
    (void)state;
    char hint[256];
    snprintf(hint, sizeof(hint),
             " holds no Fernet key; make one with: "
             "adit keygen fernet --force --out %s",
             path);
    assert_refused(read_text(""), IO_E_OTHER, "", hint);
}

static void a_file_that_cannot_be_read_is_named_with_the_reason(void **state)
{
    (void)state;
    memset(&keyring, 0xff, sizeof(keyring));
    assert_int_equal(unlink(path), 0);
    assert_refused(keyring_read(NULL, path, &keyring, why, sizeof(why)), IO_E_NOT_FOUND,
                   "cannot read the Fernet key file ", ": not found");
    assert_int_equal(io_file_write(NULL, path, KEY_A, strlen(KEY_A), 0600, false), 0);
    assert_int_equal(chmod(path, 0644), 0);
    memset(&keyring, 0xff, sizeof(keyring));
    assert_int_equal(keyring_read(NULL, path, &keyring, why, sizeof(why)), IO_E_EXPOSED);
    assert_int_equal(keyring.count, 0);
}

static void a_file_of_no_reasonable_size_is_refused(void **state)
{
    (void)state;
    static char text[KEYRING_FILE_MAX + 2];
    memset(text, '#', sizeof(text) - 1);
    assert_int_equal(read_text(text), IO_E_TOO_LARGE);
    text[KEYRING_FILE_MAX] = '\0';
    memcpy(text, KEY_A "\n", strlen(KEY_A "\n"));
    assert_int_equal(read_text(text), IO_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys_of_the_file_are_read_in_their_order),
        cmocka_unit_test(what_is_no_key_is_named_with_file_and_line),
        cmocka_unit_test(an_empty_file_says_how_to_make_a_key),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named_with_the_reason),
        cmocka_unit_test(a_file_of_no_reasonable_size_is_refused),
    };
    close(mkstemp(path));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
