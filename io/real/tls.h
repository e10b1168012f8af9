/*
 * What the settings of a side of TLS are made of, for the filter.
 */
#ifndef IO_REAL_TLS_H
#define IO_REAL_TLS_H

#include "io/tls.h"

#include <openssl/ssl.h>

/*
 * A new connection with these settings; server_name as in io_stream_start_tls(). A client resumes
 * the last session with that name. NULL on failure.
 */
SSL *tls_connection_new(struct io_tls *tls, const char *server_name);

/* What OpenSSL last failed with in this thread, escaped, out of the queue of errors. */
void tls_error_text(long verify_result, char *out, size_t out_len);

#endif
