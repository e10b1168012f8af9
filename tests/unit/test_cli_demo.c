/* What the demo is made of: its certificates, and the commands that it shows. */
#include "cli/democa.h"
#include "cli/demotext.h"
#include "io/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cmocka.h>

static X509 *parse(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(cert);
    return cert;
}

/* 1 when OpenSSL trusts the site's certificate for a name, given this authority. */
static int verify(const struct democa *authority, const struct democa *site, const char *name)
{
    X509 *ca = parse(authority->ca);
    X509 *cert = parse(site->cert);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_add_cert(store, ca), 1);
    assert_int_equal(X509_STORE_CTX_init(context, store, cert, NULL), 1);
    X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(context), name, 0);
    int verdict = X509_verify_cert(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(cert);
    X509_free(ca);
    return verdict;
}

static void the_certificate_is_good_for_its_name_alone(void **state)
{
    (void)state;
    char why[OPTION_WHY_MAX];
    struct democa ca;
    struct democa other;
    assert_true(democa_make(&ca, "demo.localhost", why));
    assert_true(democa_make(&other, "demo.localhost", why));
    assert_int_equal(verify(&ca, &ca, "demo.localhost"), 1);
    assert_int_not_equal(verify(&ca, &ca, "other.localhost"), 1);
    assert_int_not_equal(verify(&other, &ca, "demo.localhost"), 1);
    democa_clear(&other);
    democa_clear(&ca);
}

static void the_key_is_that_of_the_certificate(void **state)
{
    (void)state;
    char why[OPTION_WHY_MAX];
    struct democa ca;
    assert_true(democa_make(&ca, "demo.localhost", why));
    struct io_tls *tls = io_tls_server_new(ca.cert, ca.key, why, sizeof why);
    assert_non_null(tls);
    io_tls_unref(tls);
    assert_null(io_tls_server_new(ca.ca, ca.key, why, sizeof why));
    democa_clear(&ca);
}

static void words_are_quoted_where_a_shell_needs_it(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"/usr/bin/adit", "/usr/bin/adit"},
        {"", "''"},
        {"a b", "'a b'"},
        {"it's", "'it'\\''s'"},
        {"'", "''\\'''"},
        {"$(reboot)", "'$(reboot)'"},
        {"~/x", "'~/x'"},
        {"a\nb", "'a\nb'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *quoted = demotext_quote(cases[i][0]);
        assert_string_equal(quoted, cases[i][1]);
        free(quoted);
    }
}

static char *commands_of(bool mine_is_there)
{
    struct demofiles files = {.directory = "/a b",
                              .store = "/a b/hosts.db",
                              .mine = "/a b/mine.key",
                              .ca = "/a b/ca.pem",
                              .mine_is_there = mine_is_there};
    struct demotext where = {"demo.localhost", "mine.localhost", "http://127.0.0.1:4712", 4711};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    demotext_commands(out, &files, &where);
    fclose(out);
    return text;
}

static void the_commands_name_real_places(void **state)
{
    (void)state;
    char *text = commands_of(false);
    assert_non_null(strstr(text, "test_cli_demo host add mine.localhost --store '/a b/hosts.db' "
                                 "--out '/a b/mine.key' --force\n"));
    assert_non_null(strstr(text, "publish --master http://127.0.0.1:4712 --api-key-file "
                                 "'/a b/mine.key' --to 127.0.0.1:8443\n"));
    assert_non_null(strstr(text, "host disable mine.localhost --store '/a b/hosts.db'\n"));
    assert_non_null(strstr(text, "curl --cacert '/a b/ca.pem' --resolve "
                                 "demo.localhost:4711:127.0.0.1 https://demo.localhost:4711/\n"));
    free(text);
}

static void a_host_that_was_added_is_not_added_again(void **state)
{
    (void)state;
    char *text = commands_of(true);
    assert_null(strstr(text, "host add"));
    assert_non_null(strstr(text, "publish --master"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_certificate_is_good_for_its_name_alone),
        cmocka_unit_test(the_key_is_that_of_the_certificate),
        cmocka_unit_test(words_are_quoted_where_a_shell_needs_it),
        cmocka_unit_test(the_commands_name_real_places),
        cmocka_unit_test(a_host_that_was_added_is_not_added_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
