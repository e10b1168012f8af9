/*
 * The PROXY protocol header, versions 1 and 2: read from a trusted front, written for an endpoint
 * (haproxy.org, doc/proxy-protocol.txt). Sans I/O, no allocation.
 */
#ifndef ADIT_PROXYHEADER_H
#define ADIT_PROXYHEADER_H

#include <adit/adit.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    PROXYHEADER_V1_MAX = 107,  /* with CRLF */
    PROXYHEADER_V2_MAX = 1500, /* all of it; longer ones are refused */
    PROXYHEADER_WRITE_MAX = 107,
};

enum proxyheader_verdict {
    PROXYHEADER_OK = 0,         /* *used bytes are a header */
    PROXYHEADER_NONE = 1,       /* the bytes are not the start of one */
    PROXYHEADER_INCOMPLETE = 2, /* so far a prefix of one */
    PROXYHEADER_MALFORMED = -1,
    PROXYHEADER_TOO_LONG = -2,
};

struct proxyheader {
    bool has_source; /* false for LOCAL, UNKNOWN, AF_UNSPEC, AF_UNIX: keep the socket's address */
    struct adit_ip source;
    struct adit_ip destination;
    uint16_t source_port;
    uint16_t destination_port;
};

/*
 * Looks at the first len bytes of a connection. Bytes after the header are not looked at.
 * *header and *used are zero unless the verdict is PROXYHEADER_OK. Version 2: datagram and
 * unspecified protocols are valid and name no source; the lengths of TLVs are checked, their
 * contents are not looked at.
 */
ADIT_PUBLIC enum proxyheader_verdict proxyheader_parse(const uint8_t *in, size_t len,
                                                       struct proxyheader *header, size_t *used);

/* One line for a person; static. */
ADIT_PUBLIC const char *proxyheader_verdict_text(enum proxyheader_verdict verdict);

/*
 * Writes a header of version 1 or 2 to out (PROXYHEADER_WRITE_MAX bytes) and returns its length.
 * An unknown source or destination (family 0) becomes UNKNOWN in version 1 and LOCAL in version 2;
 * an IPv4 address beside an IPv6 one is written IPv4-mapped. has_source is not looked at.
 */
ADIT_PUBLIC size_t proxyheader_write(int version, const struct proxyheader *header, uint8_t *out);

#ifdef __cplusplus
}
#endif

#endif
