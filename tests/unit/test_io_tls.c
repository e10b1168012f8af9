#include "io_ends.h"

#include "io/real/stream.h"
#include "io/tls.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

enum { PEM_MAX = 8192 };

/* ---- A throw-away authority ---- */

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
    char cert_pem[PEM_MAX];
    char key_pem[PEM_MAX];
};

static struct identity authority;
static struct identity stranger; /* another authority */
static struct identity site;     /* a.example and 127.0.0.1, by the authority */
static struct identity expired;  /* the same, but its time is over */

static void to_pem(struct identity *identity)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, identity->certificate);
    int len = BIO_read(bio, identity->cert_pem, PEM_MAX - 1);
    identity->cert_pem[len] = '\0';
    PEM_write_bio_PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL);
    len = BIO_read(bio, identity->key_pem, PEM_MAX - 1);
    identity->key_pem[len] = '\0';
    BIO_free(bio);
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static void identity_make(struct identity *identity, const struct identity *issuer,
                          const char *name, const char *subject_alt, long valid_s)
{
    identity->key = EVP_EC_gen("P-256");
    identity->certificate = X509_new();
    X509 *certificate = identity->certificate;
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1 + (long)strlen(name));
    X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
    X509_gmtime_adj(X509_getm_notAfter(certificate), valid_s);
    X509_set_pubkey(certificate, identity->key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer->certificate));
    if (subject_alt == NULL)
        add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    else
        add_extension(certificate, NID_subject_alt_name, subject_alt);
    X509_sign(certificate, issuer->key, EVP_sha256());
    to_pem(identity);
}

/* The site's key under a password. */
static void lock_key(char pem[PEM_MAX])
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, site.key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6,
                             NULL, NULL);
    int len = BIO_read(bio, pem, PEM_MAX - 1);
    pem[len] = '\0';
    BIO_free(bio);
}

static void identity_clear(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

static int group_setup(void **state)
{
    (void)state;
    identity_make(&authority, &authority, "authority", NULL, 3600);
    identity_make(&stranger, &stranger, "stranger", NULL, 3600);
    identity_make(&site, &authority, "site", "DNS:a.example,IP:127.0.0.1", 3600);
    identity_make(&expired, &authority, "expired", "DNS:a.example", -3600);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    identity_clear(&authority);
    identity_clear(&stranger);
    identity_clear(&site);
    identity_clear(&expired);
    return 0;
}

/* ---- Two ends: near is the client, far the server ---- */

static struct io_tls *server_of(const struct identity *identity)
{
    char why[200] = "";
    struct io_tls *tls = io_tls_server_new(identity->cert_pem, identity->key_pem, why, sizeof(why));
    if (tls == NULL)
        fail_msg("%s", why);
    return tls;
}

static struct io_tls *client_of(const struct identity *trusted)
{
    char why[200] = "";
    struct io_tls *tls = io_tls_client_new(trusted->cert_pem, why, sizeof(why));
    if (tls == NULL)
        fail_msg("%s", why);
    return tls;
}

/* Connects the pair and starts TLS at both ends; takes over the references. */
static void start(struct io_tls *server, struct io_tls *client, const char *name)
{
    pair_connect(world, &door, &near, &far);
    near.connected = false;
    assert_int_equal(io_stream_start_tls(far.stream, server, NULL), 0);
    assert_int_equal(io_stream_start_tls(near.stream, client, name), 0);
    io_tls_unref(server);
    io_tls_unref(client);
}

static bool is_over(const struct end *end)
{
    return end->connected || end->error != 0;
}

static bool both_are_over(const void *arg)
{
    (void)arg;
    return is_over(&near) && is_over(&far);
}

static void shake_hands(void)
{
    world_run(world, both_are_over, NULL);
}

static void open_pair(void)
{
    start(server_of(&site), client_of(&authority), "a.example");
    shake_hands();
    assert_int_equal(near.error, 0);
    assert_int_equal(far.error, 0);
}

/* ---- Tests ---- */

static void both_ends_agree(void **state)
{
    (void)state;
    open_pair();
    assert_string_equal(io_stream_tls_version(near.stream), "TLSv1.3");
    assert_string_equal(io_stream_tls_version(far.stream), "TLSv1.3");
    assert_string_equal(io_stream_tls_cipher(near.stream), io_stream_tls_cipher(far.stream));
    assert_string_equal(io_stream_tls_alpn(near.stream), "http/1.1");
    assert_string_equal(io_stream_tls_alpn(far.stream), "http/1.1");
    assert_string_equal(io_stream_tls_error(near.stream), "");
    ends_abort();
}

static void an_address_is_verified_as_one(void **state)
{
    (void)state;
    start(server_of(&site), client_of(&authority), "127.0.0.1");
    shake_hands();
    assert_true(near.connected);
    ends_abort();
    near = (struct end){0};
    far = (struct end){0};
    start(server_of(&site), client_of(&authority), "127.0.0.2");
    shake_hands();
    assert_int_equal(near.error, IO_E_TLS);
    assert_non_null(strstr(io_stream_tls_error(near.stream), "IP address mismatch"));
    ends_abort();
}

static void what_is_sent_before_the_handshake_follows_it(void **state)
{
    (void)state;
    far.check = true;
    near.check = true;
    start(server_of(&site), client_of(&authority), "a.example");
    ends_send(near.stream, 0, 200000);
    assert_int_equal(io_queued(near.stream), 200000);
    io_shutdown(near.stream);
    ends_send(far.stream, 0, 100000);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 200000);
    assert_true(near.connected);
    assert_true(near.sent);
    io_close(far.stream);
    world_run(world, ends_has_ended, &near);
    assert_int_equal(near.error, 0);
    assert_int_equal(near.received, 100000);
    io_close(near.stream);
    world_run(world, ends_none_lingers, NULL);
}

/* A writer that stops at a queue of 256 KiB stands still while nobody reads, and loses nothing. */
static void back_pressure_holds(void **state)
{
    (void)state;
    const size_t total = 32 * MEGABYTE;
    open_pair();
    far.check = true;
    far.paused = true;
    size_t sent = 0;
    bool stood = false;
    while (far.received < total) {
        while (sent < total && io_queued(near.stream) < 256 * 1024) {
            ends_send(near.stream, sent, 64 * 1024);
            sent += 64 * 1024;
        }
        assert_true(io_queued(near.stream) <= 400 * 1024);
        assert_true(io_buffered(world->loop) <= 600 * 1024);
        if (!stood && io_queued(near.stream) > 0) {
            stood = true;
            assert_true(sent < total);
            far.paused = false;
            io_again(far.stream);
        }
        loop_round(world->loop);
        assert_int_equal(far.error, 0);
    }
    assert_true(stood);
    ends_abort();
}

static void close_sends_what_is_queued(void **state)
{
    (void)state;
    open_pair();
    far.check = true;
    far.paused = true;
    for (size_t at = 0; at < 16 * MEGABYTE; at += MEGABYTE)
        ends_send(near.stream, at, MEGABYTE);
    io_close(near.stream);
    far.paused = false;
    io_again(far.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 16 * MEGABYTE);
    io_close(far.stream);
    world_run(world, ends_none_lingers, NULL);
}

static void an_end_without_close_notify_is_a_reset(void **state)
{
    (void)state;
    open_pair();
    assert_int_equal(shutdown(near.stream->source.fd, SHUT_WR), 0);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, IO_E_RESET);
    assert_false(far.ended);
    ends_abort();
}

static void expect_refusal(struct io_tls *server, struct io_tls *client, const char *name,
                           const char *reason)
{
    start(server, client, name);
    shake_hands();
    assert_false(near.connected);
    assert_int_equal(near.error, IO_E_TLS);
    if (strstr(io_stream_tls_error(near.stream), reason) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", reason, io_stream_tls_error(near.stream));
    /* The alert says to the other side that it was refused. */
    io_close(near.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, IO_E_TLS);
    assert_non_null(strstr(io_stream_tls_error(far.stream), "alert"));
    io_close(far.stream);
    world_run(world, ends_none_lingers, NULL);
}

static void a_certificate_of_a_stranger_is_refused(void **state)
{
    (void)state;
    expect_refusal(server_of(&site), client_of(&stranger), "a.example",
                   "certificate verify failed: unable to get local issuer certificate");
}

static void a_certificate_for_another_name_is_refused(void **state)
{
    (void)state;
    expect_refusal(server_of(&site), client_of(&authority), "b.example", "hostname mismatch");
}

static void an_expired_certificate_is_refused(void **state)
{
    (void)state;
    expect_refusal(server_of(&expired), client_of(&authority), "a.example", "has expired");
}

static void bytes_that_are_no_tls_fail_the_handshake(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    struct io_tls *server = server_of(&site);
    io_stream_start_tls(far.stream, server, NULL);
    io_tls_unref(server);
    io_send(near.stream, "GET / HTTP/1.1\r\n\r\n", 18);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, IO_E_TLS);
    assert_non_null(strstr(io_stream_tls_error(far.stream), "http request"));
    ends_abort();
}

static void an_end_in_the_handshake_is_a_reset(void **state)
{
    (void)state;
    pair_connect(world, &door, &near, &far);
    struct io_tls *server = server_of(&site);
    io_stream_start_tls(far.stream, server, NULL);
    io_tls_unref(server);
    io_shutdown(near.stream);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, IO_E_RESET);
    ends_abort();
}

static void a_closed_handshake_leaves_nothing(void **state)
{
    (void)state;
    start(server_of(&site), client_of(&authority), "a.example");
    io_send(near.stream, "early", 5);
    io_close(near.stream);
    world_run(world, ends_has_ended, &far);
    assert_true(far.error != 0);
    io_close(far.stream);
    world_run(world, ends_none_lingers, NULL);
}

/* Bytes read before it was known that TLS speaks there are given back to it. */
static void tls_takes_bytes_that_were_put_back(void **state)
{
    (void)state;
    struct io_tls *server = server_of(&site);
    struct io_tls *client = client_of(&authority);
    pair_connect(world, &door, &near, &far);
    near.connected = false;
    far.paused = true;
    io_stream_start_tls(near.stream, client, "a.example");
    size_t calls = far.calls;
    while (far.calls == calls)
        loop_round(world->loop);
    uint8_t bytes[16];
    ssize_t got = io_read(far.stream, bytes, sizeof(bytes));
    assert_int_equal(got, 16);
    assert_int_equal(bytes[0], 0x16);
    io_unread(far.stream, bytes, (size_t)got);
    far.paused = false;
    io_stream_start_tls(far.stream, server, NULL);
    io_tls_unref(server);
    io_tls_unref(client);
    shake_hands();
    assert_int_equal(far.error, 0);
    assert_true(near.connected);
    ends_abort();
}

static bool near_has_byte(const void *arg)
{
    (void)arg;
    return near.received > 0;
}

static void a_second_connection_resumes_the_session(void **state)
{
    (void)state;
    struct io_tls *server = server_of(&site);
    struct io_tls *client = client_of(&authority);
    const char *const names[] = {"a.example", "a.example", "127.0.0.1"};
    const bool resumed[] = {false, true, false};
    for (size_t i = 0; i < 3; i++) {
        near = (struct end){0};
        far = (struct end){0};
        start(io_tls_ref(server), io_tls_ref(client), names[i]);
        shake_hands();
        assert_int_equal(io_stream_tls_resumed(near.stream), resumed[i]);
        /* The ticket comes before the first byte. */
        io_send(far.stream, "x", 1);
        world_run(world, near_has_byte, NULL);
        ends_abort();
    }
    io_tls_unref(server);
    io_tls_unref(client);
}

static void connected_closes(void *arg)
{
    struct end *end = arg;
    end->connected = true;
    io_close(end->stream);
    end->stream = NULL;
}

static void connected_may_close(void **state)
{
    (void)state;
    struct io_stream_handler handler = end_handler;
    handler.connected = connected_closes;
    start(server_of(&site), client_of(&authority), "a.example");
    io_stream_set_handler(near.stream, &handler, &near);
    io_send(near.stream, "hello", 5);
    world_run(world, ends_has_ended, &far);
    assert_int_equal(far.error, 0);
    assert_int_equal(far.received, 5);
    io_close(far.stream);
    world_run(world, ends_none_lingers, NULL);
}

static void settings_that_cannot_be_are_explained(void **state)
{
    (void)state;
    char locked[PEM_MAX];
    lock_key(locked);
    const struct {
        const char *cert;
        const char *key;
        const char *what;
    } cases[] = {{"", site.key_pem, "certificate: none found, or not PEM"},
                 {"nonsense", site.key_pem, "certificate: none found, or not PEM"},
                 {site.cert_pem, "", "private key: none found, not PEM, or encrypted"},
                 {site.cert_pem, locked, "private key: none found, not PEM, or encrypted"},
                 {site.cert_pem, stranger.key_pem, "private key: key values mismatch"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[200] = "";
        assert_null(io_tls_server_new(cases[i].cert, cases[i].key, why, sizeof(why)));
        assert_string_equal(why, cases[i].what);
    }
    char why[200] = "";
    assert_null(io_tls_client_new("nonsense", why, sizeof(why)));
    assert_string_equal(why, "trusted certificates: none found, or not PEM");
}

static void a_stream_with_tls_stays_on_its_loop(void **state)
{
    (void)state;
    open_pair();
    assert_null(io_detach(near.stream));
    ends_abort();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ends_setup, ends_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_ends_agree),
        TEST(an_address_is_verified_as_one),
        TEST(what_is_sent_before_the_handshake_follows_it),
        TEST(back_pressure_holds),
        TEST(close_sends_what_is_queued),
        TEST(an_end_without_close_notify_is_a_reset),
        TEST(a_certificate_of_a_stranger_is_refused),
        TEST(a_certificate_for_another_name_is_refused),
        TEST(an_expired_certificate_is_refused),
        TEST(bytes_that_are_no_tls_fail_the_handshake),
        TEST(an_end_in_the_handshake_is_a_reset),
        TEST(a_closed_handshake_leaves_nothing),
        TEST(tls_takes_bytes_that_were_put_back),
        TEST(a_second_connection_resumes_the_session),
        TEST(connected_may_close),
        TEST(settings_that_cannot_be_are_explained),
        TEST(a_stream_with_tls_stays_on_its_loop),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
