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
    CLIENTHELLO_TOO_LONG = -3, /* does not end within CLIENTHELLO_MAX bytes */
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
    /*
     * With CLIENTHELLO_INCOMPLETE: how many bytes in all, at least, a whole one takes, more than
     * the call was given. Whoever waits for that many before the next call keeps the work for a
     * ClientHello that drips in byte by byte in proportion to its length.
     */
    size_t need;
};

/*
 * Looks at the first len bytes of a connection and fills *hello with CLIENTHELLO_OK and
 * CLIENTHELLO_NO_SNI. A ClientHello may span records and reads: hand in all bytes from the first
 * one again when more came. An error is told as soon as no further bytes can mend it. Bytes after
 * the ClientHello are not looked at.
 *
 * Malformed is what RFC 8446 forbids in the records and vectors that lead to the extensions, in
 * the extensions' framing (each type once, nothing left over) and in server_name and ALPN. The
 * contents of others, versions and compression methods are the endpoint's affair. In server_name
 * the first name of type host_name counts; names of other types are skipped.
 */
ADIT_PUBLIC enum clienthello_verdict clienthello_parse(const uint8_t *in, size_t len,
                                                       struct clienthello *hello);

/* One line for a person; static. */
ADIT_PUBLIC const char *clienthello_verdict_text(enum clienthello_verdict verdict);

#ifdef __cplusplus
}
#endif

#endif
