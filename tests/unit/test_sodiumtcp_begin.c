#include "base/cursor.h"
#include "lib/sodiumtcp/name.h"
#include "tests/unit/sodiumtcp_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Bodies that may and may not be ---- */

static void expect_begin(size_t at, const void *bytes, size_t bytes_len, size_t len, int error)
{
    struct pair *pair = pair_open(&pair_extension, &pair_extension);
    uint8_t body[SODIUMTCP_BEGIN_LEN + SODIUMTCP_NAME_MAX + 1] = {0};
    store_u64(body + 8, 10);
    body[30] = 1;
    memcpy(body + SODIUMTCP_BEGIN_LEN, "\4name", 5);
    memcpy(body + at, bytes, bytes_len);
    if (error) {
        pair_breach(pair, &pair->client, SODIUMTCP_PDU_BEGIN, body, len, error);
    } else {
        pair_forge(&pair->client, SODIUMTCP_PDU_BEGIN, body, len);
        pair_deliver(pair, &pair->client);
        pair_expect(pair, &pair->server, SODIUMTCP_BEGIN);
    }
    pair_free(pair);
}

#define EXPECT_BEGIN(at, bytes, error) expect_begin(at, bytes, sizeof(bytes) - 1, 37, error)

static void fields_of_begin_have_their_values(void **state)
{
    (void)state;
    EXPECT_BEGIN(0, "\0\0\0\0", SODIUMTCP_OK);
    EXPECT_BEGIN(0, "\0\0\0\1", SODIUMTCP_E_ORDER);
    EXPECT_BEGIN(4, "\3", SODIUMTCP_E_FIELD);
    EXPECT_BEGIN(4, "\1", SODIUMTCP_E_FIELD); /* a directory of 10 bytes */
    EXPECT_BEGIN(5, "\3", SODIUMTCP_E_FIELD);
    EXPECT_BEGIN(4, "\2\1", SODIUMTCP_E_FIELD); /* a stream that asks */
    EXPECT_BEGIN(6, "\4", SODIUMTCP_E_FIELD);
    EXPECT_BEGIN(7, "\1", SODIUMTCP_E_FIELD);
    EXPECT_BEGIN(8, "\x7f\xff\xff\xff\xff\xff\xff\xff", SODIUMTCP_OK);
    EXPECT_BEGIN(8, "\x80\0\0\0\0\0\0\0", SODIUMTCP_E_FIELD);
    EXPECT_BEGIN(8, "\xff\xff\xff\xff\xff\xff\xff\xff", SODIUMTCP_E_FIELD);
    EXPECT_BEGIN(4, "\2\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", SODIUMTCP_OK);
    EXPECT_BEGIN(4, "\2\0\0\0\x80\0\0\0\0\0\0\0", SODIUMTCP_E_FIELD);
    EXPECT_BEGIN(23, "\1", SODIUMTCP_E_FIELD); /* a time that is not meant */
    EXPECT_BEGIN(27, "\1", SODIUMTCP_E_FIELD);
    EXPECT_BEGIN(29, "\1", SODIUMTCP_E_FIELD); /* a mode that is not meant */
    EXPECT_BEGIN(31, "\1", SODIUMTCP_E_FIELD);
    expect_begin(6, "\2\0\0\0\0\0\0\0\0\12\0\0\0\0\0\0\0\0\x3b\x9a\xc9\xff", 22, 37, SODIUMTCP_OK);
    expect_begin(6, "\2\0\0\0\0\0\0\0\0\12\0\0\0\0\0\0\0\0\x3b\x9a\xca\0", 22, 37,
                 SODIUMTCP_E_FIELD);
    expect_begin(6, "\1\0\0\0\0\0\0\0\0\12\0\0\0\0\0\0\0\0\0\0\0\0\1\xff", 24, 37, SODIUMTCP_OK);
    expect_begin(6, "\1\0\0\0\0\0\0\0\0\12\0\0\0\0\0\0\0\0\0\0\0\0\2\0", 24, 37, SODIUMTCP_E_FIELD);
}

static void names_of_begin_are_names(void **state)
{
    (void)state;
    EXPECT_BEGIN(30, "\0", SODIUMTCP_E_NAME);
    EXPECT_BEGIN(30, "\2", SODIUMTCP_E_NAME);
    EXPECT_BEGIN(32, "\5", SODIUMTCP_E_NAME);
    EXPECT_BEGIN(32, "\3", SODIUMTCP_E_NAME);
    EXPECT_BEGIN(30, "\2\0\3nam\0", SODIUMTCP_E_NAME);
    EXPECT_BEGIN(33, "na/e", SODIUMTCP_E_NAME);
    EXPECT_BEGIN(33, "na\0e", SODIUMTCP_E_NAME);
    EXPECT_BEGIN(33, "\xff\n..", SODIUMTCP_OK);
    EXPECT_BEGIN(30, "\2\0\1.\2na", SODIUMTCP_E_NAME);
    EXPECT_BEGIN(30, "\2\0\1a\2..", SODIUMTCP_E_NAME);
    EXPECT_BEGIN(30, "\2\0\1a\2.a", SODIUMTCP_OK);
    expect_begin(30, "\0", 1, 32, SODIUMTCP_E_NAME);
    expect_begin(30, "\0", 1, 31, SODIUMTCP_E_SIZE);
    expect_begin(30, "\1", 1, SODIUMTCP_BEGIN_LEN + SODIUMTCP_NAME_MAX + 1, SODIUMTCP_E_SIZE);
}

/* ---- Names ---- */

static void path_becomes_a_name_and_back(void **state)
{
    (void)state;
    uint8_t name[SODIUMTCP_NAME_MAX];
    char component[SODIUMTCP_COMPONENT_MAX + 1];
    long len = sodiumtcp_name_from_path("photos/2024/a b.jpg", name);
    struct sodiumtcp_name left = {name, (size_t)len};
    assert_int_equal(sodiumtcp_name_count(&left), 3);
    assert_int_equal(sodiumtcp_name_next(&left, component), 6);
    assert_string_equal(component, "photos");
    assert_int_equal(sodiumtcp_name_next(&left, component), 4);
    assert_string_equal(component, "2024");
    assert_int_equal(sodiumtcp_name_next(&left, component), 7);
    assert_string_equal(component, "a b.jpg");
    assert_int_equal(sodiumtcp_name_next(&left, component), 0);
    assert_string_equal(component, "");
    assert_int_equal(sodiumtcp_name_from_path("", name), 0);
}

static void path_that_leads_elsewhere_is_no_name(void **state)
{
    (void)state;
    static const char *const paths[] = {"/",    "/a",  "a/",   "a//b",  ".",     "..",
                                        "a/..", "./a", "../a", "a/./b", "a/../b"};
    uint8_t name[SODIUMTCP_NAME_MAX];
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(sodiumtcp_name_from_path(paths[i], name), SODIUMTCP_E_NAME);
}

static void name_has_its_limits(void **state)
{
    (void)state;
    uint8_t name[SODIUMTCP_NAME_MAX];
    char path[5000];
    memset(path, 'x', sizeof path);
    path[SODIUMTCP_COMPONENT_MAX + 1] = '\0';
    assert_int_equal(sodiumtcp_name_from_path(path, name), SODIUMTCP_E_NAME);
    assert_int_equal(sodiumtcp_name_from_path(path + 1, name), SODIUMTCP_COMPONENT_MAX + 1);
    path[SODIUMTCP_COMPONENT_MAX + 1] = 'x';
    for (size_t i = 1; i < sizeof path; i += 2)
        path[i] = '/';
    path[2 * SODIUMTCP_NAME_DEPTH_MAX - 1] = '\0';
    assert_int_equal(sodiumtcp_name_from_path(path, name), 2 * SODIUMTCP_NAME_DEPTH_MAX);
    path[2 * SODIUMTCP_NAME_DEPTH_MAX - 1] = '/';
    path[2 * SODIUMTCP_NAME_DEPTH_MAX + 1] = '\0';
    assert_int_equal(sodiumtcp_name_from_path(path, name), SODIUMTCP_E_NAME);
    memset(path, 'x', sizeof path);
    for (size_t i = 255; i < sizeof path; i += 256)
        path[i] = '/';
    path[SODIUMTCP_NAME_MAX - 1] = '\0';
    assert_int_equal(sodiumtcp_name_from_path(path, name), SODIUMTCP_NAME_MAX);
    path[SODIUMTCP_NAME_MAX - 1] = '/';
    path[SODIUMTCP_NAME_MAX + 1] = '\0';
    assert_int_equal(sodiumtcp_name_from_path(path, name), SODIUMTCP_E_NAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_begin_have_their_values),
        cmocka_unit_test(names_of_begin_are_names),
        cmocka_unit_test(path_becomes_a_name_and_back),
        cmocka_unit_test(path_that_leads_elsewhere_is_no_name),
        cmocka_unit_test(name_has_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
