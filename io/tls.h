/*
 * TLS on a stream, as a filter: afterwards everything in io.h about the stream is about the plain
 * bytes. TLS 1.2 and up, ALPN "http/1.1". In io/sim it is an identity filter.
 */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "io/io.h"

enum {
    IO_TLS_TEXT_MAX = 160, /* of io_stream_tls_error(), NUL included */
};

/* Certificates and settings of one side; used by any number of streams and loops. */
struct io_tls;

/*
 * A server's side: certificate chain and private key in PEM, NUL terminated. NULL with one line
 * for a person in why[why_len].
 */
struct io_tls *io_tls_server_new(const char *cert_pem, const char *key_pem, char *why,
                                 size_t why_len);

/*
 * A client's side: trusts the certificates in ca_pem, or those of the system where it is NULL.
 */
struct io_tls *io_tls_client_new(const char *ca_pem, char *why, size_t why_len);

/* References; the maker holds the first, each stream that started TLS one more. NULL may be given
 * back. Any thread. */
struct io_tls *io_tls_ref(struct io_tls *tls);
void io_tls_unref(struct io_tls *tls);

/*
 * Starts TLS on a connected stream with nothing queued; bytes put back with io_unread() are taken
 * as cipher text. A client sends server_name as SNI (unless it is a literal address) and verifies
 * the certificate against it; a server passes NULL. `connected` comes when the handshake is done,
 * or `failed` with IO_E_TLS: io_stream_tls_error() says why. How long it may take is the caller's
 * to say. What is sent before is queued and follows. Returns 0, IO_E_NO_MEMORY or IO_E_TLS.
 *
 * The end of the stream is the other side's close_notify; an end without it is IO_E_RESET.
 * A stream with TLS cannot be detached.
 */
int io_stream_start_tls(struct io_stream *stream, struct io_tls *tls, const char *server_name);

/* Of a stream whose handshake is done: "TLSv1.3", "TLS_AES_256_GCM_SHA384", "http/1.1" or "". */
const char *io_stream_tls_version(const struct io_stream *stream);
const char *io_stream_tls_cipher(const struct io_stream *stream);
const char *io_stream_tls_alpn(const struct io_stream *stream);

/* True when the handshake resumed an earlier session. */
bool io_stream_tls_resumed(const struct io_stream *stream);

/* What went wrong, for a person, escaped: "certificate verify failed: unable to get …" or "". */
const char *io_stream_tls_error(const struct io_stream *stream);

#endif
