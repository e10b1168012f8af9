/*
 * Reads the server name out of a TLS ClientHello (RFC 8446, 4.1.2 and 5.1; RFC 6066, 3), without
 * TLS. Sans I/O, no allocation. docs/protocols/snitun.md, Server name.
 */
#ifndef ADIT_CLIENTHELLO_H
#define ADIT_CLIENTHELLO_H

#include <adit/adit.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CLIENTHELLO_MAX = 64 * 1024, /* wire bytes, record headers included */
    CLIENTHELLO_NAME_MAX = 255,
    CLIENTHELLO_ALPN_MAX = 16, /* protocols reported; more are not */
};

enum clienthello_verdict {
    CLIENTHELLO_OK = 0,
    CLIENTHELLO_NO_SNI = 1,     /* whole and well formed, without a host name */
    CLIENTHELLO_INCOMPLETE = 2, /* so far a prefix of a ClientHello */
    CLIENTHELLO_NOT_TLS = -1,   /* the first byte is no handshake record */
    CLIENTHELLO_MALFORMED = -2,
    CLIENTHELLO_TOO_LONG = -3, /* incomplete after CLIENTHELLO_MAX bytes */
};

struct clienthello {
    /* As sent, NUL terminated; 1 to 255 bytes of 0x21 to 0x7e with CLIENTHELLO_OK, else "". */
    char name[CLIENTHELLO_NAME_MAX + 1];
    size_t name_len;
    /* Protocols offered, in order; each 1 to 255 bytes, any value, NUL terminated. */
    size_t alpn_count;
    struct clienthello_alpn {
        uint8_t len;
        char name[CLIENTHELLO_NAME_MAX + 1];
    } alpn[CLIENTHELLO_ALPN_MAX];
    bool ech; /* an encrypted_client_hello extension (0xfe0d) was there: `name` is the outer one */
};

/*
 * Looks at the first len bytes of a connection and fills *hello with CLIENTHELLO_OK and
 * CLIENTHELLO_NO_SNI. A ClientHello may span records and reads: hand in all bytes from the first
 * one again when more came. Bytes after the ClientHello are not looked at.
 */
ADIT_PUBLIC enum clienthello_verdict clienthello_parse(const uint8_t *in, size_t len,
                                                       struct clienthello *hello);

/* One line for a person; static. */
ADIT_PUBLIC const char *clienthello_verdict_text(enum clienthello_verdict verdict);

#ifdef __cplusplus
}
#endif

#endif
