/* Addresses to which a secret may be sent. */
#include "io/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool takes(const char *url)
{
    char why[200] = "";
    bool taken = io_http_url_check(url, why, sizeof why);
    assert_true(taken == (why[0] == '\0'));
    return taken;
}

static void https_goes_anywhere(void **state)
{
    (void)state;
    assert_true(takes("https://master.example"));
    assert_true(takes("https://master.example:8444"));
    assert_true(takes("https://192.0.2.1:8444/adit"));
    assert_true(takes("https://[2001:db8::1]:8444"));
    assert_true(takes("https://[2001:db8::1]/"));
}

static void http_stays_on_this_machine(void **state)
{
    (void)state;
    assert_true(takes("http://127.0.0.1:1"));
    assert_true(takes("http://127.9.9.9"));
    assert_true(takes("http://[::1]:80/x"));
    assert_true(takes("http://localhost:80"));
    assert_false(takes("http://192.0.2.1:80"));
    assert_false(takes("http://[::2]:80"));
    assert_false(takes("http://localhost.example"));
    assert_false(takes("http://127.0.0.1.example:80"));
}

static void other_forms_are_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",
        "https",
        "https:/a",
        "https://",
        "ftp://127.0.0.1",
        "https://a@b",
        "https://a?b",
        "https://a#b",
        "https://a b",
        "https://a:0",
        "https://a:65536",
        "https://a:x",
        "https://[::1",
        "https://a\\b",
        "file:///etc/passwd",
        "HTTPS://a",
        "http://@127.0.0.1",
        "//a",
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
        assert_false(takes(urls[i]));
}

static void an_address_without_end_is_refused(void **state)
{
    (void)state;
    char url[2 * IO_HTTP_URL_MAX];
    memset(url, 'a', sizeof url);
    memcpy(url, "https://a/", 10);
    url[IO_HTTP_URL_MAX] = '\0';
    assert_true(takes(url));
    url[IO_HTTP_URL_MAX] = 'a';
    url[IO_HTTP_URL_MAX + 1] = '\0';
    assert_false(takes(url));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(https_goes_anywhere),
        cmocka_unit_test(http_stays_on_this_machine),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(an_address_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
