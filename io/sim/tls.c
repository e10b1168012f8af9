/*
 * TLS as an identity filter: the calls of io/tls.h, plain bytes. `connected` comes in the next
 * round.
 */
#include "io/tls.h"

#include "io/sim/stream.h"

#include <stdlib.h>

struct io_tls {
    size_t references;
};

static struct io_tls *tls_new(void)
{
    struct io_tls *tls = world_alloc(sizeof *tls);
    tls->references = 1;
    return tls;
}

struct io_tls *io_tls_server_new(const char *cert_pem, const char *key_pem, char *why,
                                 size_t why_len)
{
    (void)cert_pem;
    (void)key_pem;
    (void)why;
    (void)why_len;
    return tls_new();
}

struct io_tls *io_tls_client_new(const char *ca_pem, char *why, size_t why_len)
{
    (void)ca_pem;
    (void)why;
    (void)why_len;
    return tls_new();
}

struct io_tls *io_tls_ref(struct io_tls *tls)
{
    tls->references++;
    return tls;
}

void io_tls_unref(struct io_tls *tls)
{
    if (tls != NULL && --tls->references == 0)
        free(tls);
}

int io_stream_start_tls(struct io_stream *stream, struct io_tls *tls, const char *server_name)
{
    (void)server_name;
    stream_set_tls(stream, io_tls_ref(tls));
    return 0;
}

const char *io_stream_tls_version(const struct io_stream *stream)
{
    (void)stream;
    return "TLSv1.3";
}

const char *io_stream_tls_cipher(const struct io_stream *stream)
{
    (void)stream;
    return "TLS_NULL";
}

const char *io_stream_tls_alpn(const struct io_stream *stream)
{
    (void)stream;
    return "";
}

bool io_stream_tls_resumed(const struct io_stream *stream)
{
    (void)stream;
    return false;
}

const char *io_stream_tls_error(const struct io_stream *stream)
{
    (void)stream;
    return "";
}
