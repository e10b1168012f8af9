/*
 * base64url, hex, and text that may be shown: hostile bytes are escaped before a log or a terminal.
 */
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of len bytes in padded base64, without NUL. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* Padded base64url (RFC 4648, 5) with a NUL; out holds BASE64_LEN(len) + 1. */
void base64url_encode(const void *bytes, size_t len, char *out);

/*
 * Strict: padded, canonical (unused bits zero), no other character. Returns the number of bytes,
 * or -1. out holds len / 4 * 3 bytes.
 */
long base64url_decode(const char *text, size_t len, uint8_t *out);

void hex_encode(const void *bytes, size_t len, char *out);   /* 2 * len + 1 characters */
bool hex_decode(const char *text, uint8_t *out, size_t len); /* exactly 2 * len digits */

/*
 * Copies text for a person to see: printable ASCII as is, everything else and the backslash as
 * \xNN; cut with "..." where out_len is too small. Always NUL terminated. Returns out.
 */
char *text_escape(const void *bytes, size_t len, char *out, size_t out_len);

/* Overwrites memory in a way the compiler keeps. */
void wipe(void *memory, size_t len);

/* Compares in time that depends on len alone. */
bool equal_secret(const void *a, const void *b, size_t len);

#endif
