#include "base/ip.h"

#include "base/hostname.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { MAPPED_BITS = 96 };

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

struct adit_ip ip_from_bytes(const void *bytes, size_t len)
{
    struct adit_ip ip = {0};
    const uint8_t *in = bytes;
    if (len == 16 && memcmp(in, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        in += sizeof(mapped_prefix);
        len = 4;
    }
    if (len == 4 || len == 16) {
        ip.family = len == 4 ? 4 : 6;
        memcpy(ip.bytes, in, len);
    }
    return ip;
}

bool ip_parse(const char *text, struct adit_ip *ip)
{
    uint8_t bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1)
        *ip = ip_from_bytes(bytes, 4);
    else if (inet_pton(AF_INET6, text, bytes) == 1)
        *ip = ip_from_bytes(bytes, 16);
    else
        return false;
    return true;
}

void ip_format(const struct adit_ip *ip, char out[IP_TEXT_MAX])
{
    int family = ip->family == 4 ? AF_INET : AF_INET6;
    if (ip->family == 0 || inet_ntop(family, ip->bytes, out, IP_TEXT_MAX) == NULL)
        snprintf(out, IP_TEXT_MAX, "unknown");
}

bool ip_equal(const struct adit_ip *a, const struct adit_ip *b)
{
    size_t len = a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
    return a->family == b->family && memcmp(a->bytes, b->bytes, len) == 0;
}

/* Digits alone, no leading zero, at most max. */
static bool number_parse(const char *text, unsigned max, unsigned *value)
{
    if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
        return false;
    *value = 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        *value = *value * 10 + (unsigned)(*text - '0');
        if (*value > max)
            return false;
    }
    return true;
}

/* Splits "HOST:PORT" or "[HOST]:PORT" at the only colon that can be meant. */
static bool hostport_split(const char *text, char host[HOST_TEXT_MAX], bool *bracketed,
                           uint16_t *port)
{
    *bracketed = text[0] == '[';
    const char *start = *bracketed ? text + 1 : text;
    const char *end = strchr(start, *bracketed ? ']' : ':');
    if (end == NULL || (size_t)(end - start) >= HOST_TEXT_MAX)
        return false;
    const char *colon = *bracketed ? end + 1 : end;
    unsigned number;
    if (*colon != ':' || !number_parse(colon + 1, UINT16_MAX, &number))
        return false;
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = '\0';
    *port = (uint16_t)number;
    return true;
}

bool addr_parse(const char *text, struct addr *addr)
{
    char host[HOST_TEXT_MAX];
    bool bracketed;
    struct adit_ip ip;
    uint16_t port;
    if (!hostport_split(text, host, &bracketed, &port) || !ip_parse(host, &ip))
        return false;
    if (bracketed != (strchr(host, ':') != NULL))
        return false;
    *addr = (struct addr){.ip = ip, .port = port};
    return true;
}

void addr_format(const struct addr *addr, char out[ADDR_TEXT_MAX])
{
    char ip[IP_TEXT_MAX];
    ip_format(&addr->ip, ip);
    snprintf(out, ADDR_TEXT_MAX, addr->ip.family == 6 ? "[%s]:%u" : "%s:%u", ip,
             (unsigned)addr->port);
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    return a->port == b->port && ip_equal(&a->ip, &b->ip);
}

bool hostport_parse(const char *text, bool zero_ok, char host[HOST_TEXT_MAX], uint16_t *port)
{
    bool bracketed;
    struct adit_ip ip;
    if (!hostport_split(text, host, &bracketed, port) || (*port == 0 && !zero_ok))
        return false;
    if (bracketed)
        return strchr(host, ':') != NULL && ip_parse(host, &ip);
    return hostname_valid(host);
}

static unsigned family_bits(const struct adit_ip *ip)
{
    return ip->family == 4 ? 32 : 128;
}

/* True when a and b agree in their first `bits` bits. */
static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

static bool zero_past(const struct adit_ip *ip, unsigned bits)
{
    for (unsigned bit = bits; bit < family_bits(ip); bit++)
        if ((ip->bytes[bit / 8] & 0x80 >> bit % 8) != 0)
            return false;
    return true;
}

bool cidr_parse(const char *text, struct cidr *cidr)
{
    const char *slash = strchr(text, '/');
    size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
    char address[IP_TEXT_MAX];
    if (len >= sizeof(address))
        return false;
    memcpy(address, text, len);
    address[len] = '\0';

    struct adit_ip ip;
    if (!ip_parse(address, &ip))
        return false;
    unsigned bits = family_bits(&ip);
    if (slash != NULL) {
        bool mapped = ip.family == 4 && strchr(address, ':') != NULL;
        unsigned skipped = mapped ? MAPPED_BITS : 0;
        if (!number_parse(slash + 1, bits + skipped, &bits) || bits < skipped)
            return false;
        bits -= skipped;
    }
    if (!zero_past(&ip, bits))
        return false;
    *cidr = (struct cidr){.ip = ip, .prefix_len = (uint8_t)bits};
    return true;
}

void cidr_format(const struct cidr *cidr, char out[CIDR_TEXT_MAX])
{
    char ip[IP_TEXT_MAX];
    ip_format(&cidr->ip, ip);
    snprintf(out, CIDR_TEXT_MAX, "%s/%u", ip, (unsigned)cidr->prefix_len);
}

bool cidr_contains(const struct cidr *cidr, const struct adit_ip *ip)
{
    return ip->family != 0 && cidr->ip.family == ip->family &&
           prefix_equal(cidr->ip.bytes, ip->bytes, cidr->prefix_len);
}
