/*
 * The JSON payload of a token (docs/protocols/snitun.md, Token).
 */
#ifndef TOKEN_PAYLOAD_H
#define TOKEN_PAYLOAD_H

#include <adit/snitun_token.h>

/*
 * Reads a payload into *token, to be cleared by the caller. Returns 0, SNITUN_TOKEN_E_PAYLOAD or
 * SNITUN_TOKEN_E_NO_MEMORY; then *token owns nothing.
 */
int payload_read(const char *json, size_t len, struct snitun_token *token);

/*
 * Writes the payload of a token to out, compact, without NUL, and its length to *len. Returns 0,
 * SNITUN_TOKEN_E_PAYLOAD where the token holds what must not be, or SNITUN_TOKEN_E_TOO_LONG.
 */
int payload_write(const struct snitun_token *token, char *out, size_t out_len, size_t *len);

#endif
