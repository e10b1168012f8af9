#include "io/real/tls.h"

#include "base/encode.h"
#include "base/ip.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct io_tls {
    atomic_uint references;
    SSL_CTX *context;
    bool server;
    /* A client's last session, so that the next connection to the same name is quick. */
    pthread_mutex_t lock;
    SSL_SESSION *session;
    char session_name[HOST_TEXT_MAX];
};

static const unsigned char alpn[] = "\x08http/1.1";
enum { ALPN_LEN = sizeof(alpn) - 1 };

void tls_error_text(long verify_result, char *out, size_t out_len)
{
    char text[IO_TLS_TEXT_MAX];
    unsigned long error = ERR_peek_last_error();
    const char *reason = error == 0 ? NULL : ERR_reason_error_string(error);
    if (verify_result != X509_V_OK)
        snprintf(text, sizeof(text), "certificate verify failed: %s",
                 X509_verify_cert_error_string(verify_result));
    else
        snprintf(text, sizeof(text), "%s", reason == NULL ? "protocol error" : reason);
    ERR_clear_error();
    text_escape(text, strlen(text), out, out_len);
}

/* ---- Making ---- */

/* An encrypted key is an error, not a question on the terminal. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

/* The end of a PEM text is reported as an error, too. */
static bool was_end_of_pem(void)
{
    unsigned long error = ERR_peek_last_error();
    bool end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    if (end)
        ERR_clear_error();
    return end;
}

/* Calls take(arg, certificate) for each of a PEM text; false when one fails or there is none. */
static bool each_certificate(const char *pem, bool (*take)(void *arg, X509 *certificate, int index),
                             void *arg)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    if (bio == NULL)
        return false;
    int count = 0;
    bool good = true;
    X509 *certificate;
    while (good && (certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        good = take(arg, certificate, count++);
        X509_free(certificate);
    }
    BIO_free(bio);
    return good && count > 0 && was_end_of_pem();
}

static bool take_chain(void *arg, X509 *certificate, int index)
{
    SSL_CTX *context = arg;
    return index == 0 ? SSL_CTX_use_certificate(context, certificate) == 1
                      : SSL_CTX_add1_chain_cert(context, certificate) == 1;
}

static bool take_trusted(void *arg, X509 *certificate, int index)
{
    (void)index;
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(arg), certificate) == 1;
}

/* The first key of a PEM text; NULL when there is none, or none without a password. */
static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    if (bio == NULL)
        return NULL;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    return key;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *offered, unsigned int offered_len, void *arg)
{
    (void)ssl;
    (void)arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, alpn, ALPN_LEN, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static struct io_tls *tls_new(bool server)
{
    struct io_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return NULL;
    tls->context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (tls->context == NULL || SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(tls->context);
        free(tls);
        return NULL;
    }
    atomic_init(&tls->references, 1);
    pthread_mutex_init(&tls->lock, NULL);
    tls->server = server;
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(tls->context, 1);
    return tls;
}

/* One line for a person out of OpenSSL's errors. */
static void explain(const char *what, char *why, size_t why_len)
{
    char text[IO_TLS_TEXT_MAX];
    bool none = ERR_peek_last_error() == 0 || was_end_of_pem();
    tls_error_text(X509_V_OK, text, sizeof(text));
    snprintf(why, why_len, "%s: %s", what, none ? "none found, or not PEM" : text);
}

struct io_tls *io_tls_server_new(const char *cert_pem, const char *key_pem, char *why,
                                 size_t why_len)
{
    static const unsigned char session_context[] = "adit";
    ERR_clear_error();
    struct io_tls *tls = tls_new(true);
    if (tls == NULL) {
        explain("TLS", why, why_len);
        return NULL;
    }
    if (!each_certificate(cert_pem, take_chain, tls->context)) {
        explain("certificate", why, why_len);
        goto err;
    }
    EVP_PKEY *key = read_key(key_pem);
    if (key == NULL) {
        ERR_clear_error();
        snprintf(why, why_len, "private key: none found, not PEM, or encrypted");
        goto err;
    }
    bool matches = SSL_CTX_use_PrivateKey(tls->context, key) == 1;
    EVP_PKEY_free(key);
    if (!matches) {
        explain("private key", why, why_len);
        goto err;
    }
    SSL_CTX_set_session_id_context(tls->context, session_context, sizeof(session_context) - 1);
    SSL_CTX_set_alpn_select_cb(tls->context, select_alpn, NULL);
    return tls;

err:
    io_tls_unref(tls);
    return NULL;
}

/* Keeps a session that the server offers; 1 = the reference is taken over. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct io_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == NULL || strlen(name) >= sizeof(tls->session_name))
        return 0;
    pthread_mutex_lock(&tls->lock);
    SSL_SESSION *old = tls->session;
    tls->session = session;
    strcpy(tls->session_name, name);
    pthread_mutex_unlock(&tls->lock);
    SSL_SESSION_free(old);
    return 1;
}

struct io_tls *io_tls_client_new(const char *ca_pem, char *why, size_t why_len)
{
    ERR_clear_error();
    struct io_tls *tls = tls_new(false);
    if (tls == NULL) {
        explain("TLS", why, why_len);
        return NULL;
    }
    bool trusted = ca_pem == NULL ? SSL_CTX_set_default_verify_paths(tls->context) == 1
                                  : each_certificate(ca_pem, take_trusted, tls->context);
    if (!trusted || SSL_CTX_set_alpn_protos(tls->context, alpn, ALPN_LEN) != 0) {
        explain("trusted certificates", why, why_len);
        io_tls_unref(tls);
        return NULL;
    }
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_app_data(tls->context, tls);
    SSL_CTX_set_session_cache_mode(tls->context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls->context, keep_session);
    return tls;
}

struct io_tls *io_tls_ref(struct io_tls *tls)
{
    atomic_fetch_add(&tls->references, 1);
    return tls;
}

void io_tls_unref(struct io_tls *tls)
{
    if (tls == NULL || atomic_fetch_sub(&tls->references, 1) > 1)
        return;
    SSL_SESSION_free(tls->session);
    SSL_CTX_free(tls->context);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

/* ---- Connections ---- */

static void resume_session(struct io_tls *tls, SSL *ssl, const char *name)
{
    pthread_mutex_lock(&tls->lock);
    if (tls->session != NULL && strcmp(tls->session_name, name) == 0)
        SSL_set_session(ssl, tls->session);
    pthread_mutex_unlock(&tls->lock);
}

/* Whom the other side has to be. */
static bool expect_name(struct io_tls *tls, SSL *ssl, const char *name)
{
    struct adit_ip ip;
    if (ip_parse(name, &ip))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set_tlsext_host_name(ssl, name) != 1 || SSL_set1_host(ssl, name) != 1)
        return false;
    resume_session(tls, ssl, name);
    return true;
}

SSL *tls_connection_new(struct io_tls *tls, const char *server_name)
{
    SSL *ssl = SSL_new(tls->context);
    if (ssl == NULL)
        return NULL;
    if (tls->server) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_set_connect_state(ssl);
    if (server_name != NULL && expect_name(tls, ssl, server_name))
        return ssl;
    SSL_free(ssl);
    return NULL;
}
