/*
 * IP addresses, address and port, CIDR blocks, as text and as bytes.
 */
#ifndef BASE_IP_H
#define BASE_IP_H

#include <adit/adit.h>
#include <stdbool.h>

enum {
    IP_TEXT_MAX = 46,   /* of an address, NUL included */
    ADDR_TEXT_MAX = 54, /* of "[address]:port", NUL included */
    CIDR_TEXT_MAX = 50,
    HOST_TEXT_MAX = 256, /* of the host of HOST:PORT, NUL included */
};

struct addr {
    struct adit_ip ip; /* family 4 or 6 */
    uint16_t port;
};

struct cidr {
    struct adit_ip ip;
    uint8_t prefix_len;
};

bool ip_parse(const char *text, struct adit_ip *ip); /* no brackets, no zone; mapped -> 4 */
void ip_format(const struct adit_ip *ip, char out[IP_TEXT_MAX]); /* "unknown" for family 0 */
bool ip_equal(const struct adit_ip *a, const struct adit_ip *b);
struct adit_ip ip_from_bytes(const void *bytes, size_t len); /* 4 or 16 bytes; mapped -> 4 */

/* "1.2.3.4:80", "[2001:db8::1]:443": literal addresses alone. */
bool addr_parse(const char *text, struct addr *addr);
void addr_format(const struct addr *addr, char out[ADDR_TEXT_MAX]);
bool addr_equal(const struct addr *a, const struct addr *b);

/* "HOST:PORT", "[v6]:PORT": any host name or address. Port 1 to 65535, or 0 where zero_ok. */
bool hostport_parse(const char *text, bool zero_ok, char host[HOST_TEXT_MAX], uint16_t *port);

/* "10.0.0.0/8", "2001:db8::/32", a bare address = /32 or /128; bits past the prefix are refused. */
bool cidr_parse(const char *text, struct cidr *cidr);
void cidr_format(const struct cidr *cidr, char out[CIDR_TEXT_MAX]);
bool cidr_contains(const struct cidr *cidr, const struct adit_ip *ip);

#endif
