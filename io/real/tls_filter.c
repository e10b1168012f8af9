#include "io/real/tls_filter.h"

#include "io/real/tls.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/*
 * OpenSSL reads from and writes to the stream's own queue by way of a BIO of ours. What it reads is
 * bounded by its record buffer, what it writes by the owner, who looks at io_queued().
 */
struct tls_filter {
    SSL *ssl;
    struct io_tls *tls;
    struct chain early; /* plain bytes that wait for the end of the handshake */
    bool opening;
    bool finishing; /* io_shutdown() was called during the handshake */
    bool ended;     /* close_notify was read */
    int error;
    char text[IO_TLS_TEXT_MAX];
};

/* ---- The BIO ---- */

static int bio_read(BIO *bio, char *buf, int len)
{
    BIO_clear_retry_flags(bio);
    ssize_t got = len <= 0 ? 0 : stream_read(BIO_get_data(bio), buf, (size_t)len);
    if (got == IO_AGAIN)
        BIO_set_retry_read(bio);
    return got < 0 ? -1 : (int)got;
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
    BIO_clear_retry_flags(bio);
    return len > 0 && stream_send(BIO_get_data(bio), bytes, (size_t)len) == 0 ? len : -1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    const struct io_stream *stream = BIO_get_data(bio);
    if (command == BIO_CTRL_EOF)
        return stream->ended;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "io_stream");
    if (method == NULL)
        return;
    if (BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_write(method, bio_write) != 1 ||
        BIO_meth_set_ctrl(method, bio_control) != 1) {
        BIO_meth_free(method);
        return;
    }
    bio_method = method;
}

static BIO *bio_new(struct io_stream *stream)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_bio_method);
    BIO *bio = bio_method == NULL ? NULL : BIO_new(bio_method);
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- Life ---- */

int io_stream_start_tls(struct io_stream *stream, struct io_tls *tls, const char *server_name)
{
    if (stream->connecting || stream->tls != NULL || stream->queue.len > 0)
        return IO_E_TLS;
    struct tls_filter *filter = calloc(1, sizeof(*filter));
    if (filter == NULL)
        return IO_E_NO_MEMORY;
    BIO *bio = bio_new(stream);
    filter->ssl = bio == NULL ? NULL : tls_connection_new(tls, server_name);
    if (filter->ssl == NULL) {
        ERR_clear_error();
        BIO_free(bio);
        free(filter);
        return IO_E_TLS;
    }
    SSL_set_bio(filter->ssl, bio, bio);
    filter->tls = io_tls_ref(tls);
    filter->opening = true;
    chain_init(&filter->early);
    stream->tls = filter;
    io_again(stream);
    return 0;
}

void tls_filter_free(struct io_stream *stream)
{
    struct tls_filter *filter = stream->tls;
    chain_clear(&filter->early, &stream->source.loop->core.pool);
    /* Else OpenSSL forgets the session, as if it had failed. */
    if (filter->error != IO_E_TLS)
        SSL_set_shutdown(filter->ssl, SSL_SENT_SHUTDOWN);
    SSL_free(filter->ssl);
    io_tls_unref(filter->tls);
    free(filter);
    stream->tls = NULL;
}

/* What a call of OpenSSL failed with: IO_AGAIN, or from then on the filter's error. */
static int outcome(struct io_stream *stream, int result)
{
    struct tls_filter *filter = stream->tls;
    switch (SSL_get_error(filter->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        filter->ended = true;
        return 0;
    default:
        break;
    }
    if (stream->error != 0)
        filter->error = stream->error;
    else
        filter->error = stream->ended ? IO_E_RESET : IO_E_TLS;
    if (filter->error == IO_E_TLS)
        tls_error_text(SSL_get_verify_result(filter->ssl), filter->text, sizeof(filter->text));
    ERR_clear_error();
    return filter->error;
}

/* ---- The handshake ---- */

bool tls_filter_is_opening(const struct io_stream *stream)
{
    return stream->tls->opening;
}

size_t tls_filter_queued(const struct io_stream *stream)
{
    return stream->tls->early.len;
}

static int send_early(struct io_stream *stream)
{
    struct tls_filter *filter = stream->tls;
    bool finishing = filter->finishing;
    filter->finishing = false;
    struct iovec piece;
    while (chain_peek(&filter->early, &piece, 1) > 0) {
        int error = tls_filter_send(stream, piece.iov_base, piece.iov_len);
        if (error != 0)
            return error;
        chain_consume(&filter->early, &stream->source.loop->core.pool, piece.iov_len);
    }
    if (finishing)
        tls_filter_finish(stream);
    return 0;
}

int tls_filter_handshake(struct io_stream *stream)
{
    struct tls_filter *filter = stream->tls;
    if (filter->error != 0)
        return IO_AGAIN;
    int error = stream_flush(stream);
    if (error != 0)
        return error;
    ERR_clear_error();
    int result = SSL_do_handshake(filter->ssl);
    if (result != 1) {
        error = outcome(stream, result);
        return error == 0 ? IO_E_RESET : error;
    }
    filter->opening = false;
    return send_early(stream);
}

/* ---- Bytes ---- */

ssize_t tls_filter_read(struct io_stream *stream, void *buf, size_t len)
{
    struct tls_filter *filter = stream->tls;
    if (filter->error != 0 || filter->ended)
        return filter->error;
    if (filter->opening || len == 0)
        return IO_AGAIN;
    ERR_clear_error();
    size_t got;
    int result = SSL_read_ex(filter->ssl, buf, len, &got);
    return result == 1 ? (ssize_t)got : outcome(stream, result);
}

int tls_filter_send(struct io_stream *stream, const void *bytes, size_t len)
{
    struct tls_filter *filter = stream->tls;
    if (filter->error != 0 || stream->finishing || filter->finishing)
        return IO_E_RESET;
    if (len == 0)
        return 0;
    if (filter->opening) {
        struct pool *pool = &stream->source.loop->core.pool;
        return chain_append(&filter->early, pool, bytes, len) ? 0 : IO_E_NO_MEMORY;
    }
    ERR_clear_error();
    size_t sent;
    int result = SSL_write_ex(filter->ssl, bytes, len, &sent);
    if (result == 1)
        return 0;
    outcome(stream, result);
    filter->error = IO_E_RESET;
    return IO_E_RESET;
}

void tls_filter_finish(struct io_stream *stream)
{
    struct tls_filter *filter = stream->tls;
    filter->finishing = true;
    if (filter->opening)
        return;
    ERR_clear_error();
    if (filter->error == 0)
        SSL_shutdown(filter->ssl);
    ERR_clear_error();
    stream_finish(stream);
}

/* ---- What is told about it ---- */

const char *io_stream_tls_version(const struct io_stream *stream)
{
    return stream->tls == NULL ? "" : SSL_get_version(stream->tls->ssl);
}

const char *io_stream_tls_cipher(const struct io_stream *stream)
{
    return stream->tls == NULL ? "" : SSL_get_cipher_name(stream->tls->ssl);
}

const char *io_stream_tls_alpn(const struct io_stream *stream)
{
    const unsigned char *name = NULL;
    unsigned int len = 0;
    if (stream->tls != NULL)
        SSL_get0_alpn_selected(stream->tls->ssl, &name, &len);
    return len == 0 ? "" : "http/1.1"; /* the only one that is ever agreed on */
}

bool io_stream_tls_resumed(const struct io_stream *stream)
{
    return stream->tls != NULL && SSL_session_reused(stream->tls->ssl) == 1;
}

const char *io_stream_tls_error(const struct io_stream *stream)
{
    return stream->tls == NULL ? "" : stream->tls->text;
}
