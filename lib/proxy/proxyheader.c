#include "adit/proxyheader.h"

#include "base/cursor.h"
#include "base/ip.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Section numbers are those of haproxy's doc/proxy-protocol.txt. */

enum {
    V1_WORD_LEN = 5,   /* "PROXY" */
    V1_NUMBER_MAX = 5, /* digits of a port */
    V1_ADDRESS_MAX = 45,
    V2_FIXED_LEN = 16, /* signature, version and command, family and protocol, length */
    V2_SIGNATURE_LEN = 12,
    V2_TLV_HEADER_LEN = 3,
    V2_UNIX_LEN = 2 * 108,
};

enum { V2_VERSION = 2, V2_LOCAL = 0, V2_PROXY = 1 };
enum { V2_AF_UNSPEC = 0, V2_AF_INET = 1, V2_AF_INET6 = 2, V2_AF_UNIX = 3 };
enum { V2_UNSPEC = 0, V2_STREAM = 1, V2_DGRAM = 2 };

static const uint8_t v2_signature[V2_SIGNATURE_LEN] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                       0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

/* True when the bytes and the text are the same as far as both go. */
static bool agrees(const uint8_t *in, size_t len, const void *text, size_t text_len)
{
    return memcmp(in, text, len < text_len ? len : text_len) == 0;
}

/* ---- Version 1, section 2.1 ---- */

/* The text up to the next space, or up to the end of the line; exactly one space is skipped. */
static bool next_word(struct cursor *line, char *word, size_t word_size)
{
    const uint8_t *space = memchr(line->at, ' ', cursor_left(line));
    size_t len = space == NULL ? cursor_left(line) : (size_t)(space - line->at);
    if (len == 0 || len >= word_size || memchr(line->at, '\0', len) != NULL)
        return false;
    memcpy(word, line->at, len);
    word[len] = '\0';
    line->at += space == NULL ? len : len + 1;
    /* A space at the end of the line would be one too many. */
    return space == NULL || cursor_left(line) > 0;
}

static bool next_address(struct cursor *line, int family, struct adit_ip *ip)
{
    char word[V1_ADDRESS_MAX + 1];
    uint8_t bytes[16];
    if (!next_word(line, word, sizeof(word)) || inet_pton(family, word, bytes) != 1)
        return false;
    *ip = ip_from_bytes(bytes, family == AF_INET ? 4 : 16);
    return true;
}

static bool next_port(struct cursor *line, uint16_t *port)
{
    char word[V1_NUMBER_MAX + 1];
    if (!next_word(line, word, sizeof(word)) || (word[0] == '0' && word[1] != '\0'))
        return false;
    unsigned value = 0;
    for (const char *digit = word; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        value = value * 10 + (unsigned)(*digit - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

/* The line behind "PROXY ", without its CRLF. */
static bool read_line(struct cursor line, struct proxyheader *header)
{
    char protocol[sizeof("UNKNOWN")];
    if (agrees(line.at, cursor_left(&line), "UNKNOWN ", sizeof("UNKNOWN ") - 1))
        return cursor_left(&line) >= sizeof("UNKNOWN") - 1;
    if (!next_word(&line, protocol, sizeof(protocol)))
        return false;
    bool tcp4 = strcmp(protocol, "TCP4") == 0;
    if (!tcp4 && strcmp(protocol, "TCP6") != 0)
        return false;
    int family = tcp4 ? AF_INET : AF_INET6;
    header->has_source = true;
    return next_address(&line, family, &header->source) &&
           next_address(&line, family, &header->destination) &&
           next_port(&line, &header->source_port) && next_port(&line, &header->destination_port) &&
           cursor_left(&line) == 0;
}

/* The CR of the first CRLF; NULL where there is none. *lone: a CR or LF that stands alone. */
static const uint8_t *line_end(const uint8_t *in, size_t len, bool *lone)
{
    *lone = false;
    for (size_t i = 0; i < len; i++) {
        if (in[i] == '\r' && i + 1 < len && in[i + 1] == '\n')
            return in + i;
        if (in[i] == '\n' || (in[i] == '\r' && i + 1 < len)) {
            *lone = true;
            return NULL;
        }
    }
    return NULL;
}

static bool protocol_possible(const uint8_t *in, size_t len)
{
    return agrees(in, len, "TCP4 ", 5) || agrees(in, len, "TCP6 ", 5) ||
           agrees(in, len, "UNKNOWN ", 8) || agrees(in, len, "UNKNOWN\r", 8);
}

static enum proxyheader_verdict read_v1(const uint8_t *in, size_t len, struct proxyheader *header,
                                        size_t *used)
{
    if (len > PROXYHEADER_V1_MAX)
        len = PROXYHEADER_V1_MAX;
    bool lone;
    const uint8_t *end = line_end(in, len, &lone);
    size_t start = V1_WORD_LEN + 1;
    if (lone ||
        (len >= start && (in[V1_WORD_LEN] != ' ' || !protocol_possible(in + start, len - start))))
        return PROXYHEADER_MALFORMED;
    if (end == NULL)
        return len == PROXYHEADER_V1_MAX ? PROXYHEADER_TOO_LONG : PROXYHEADER_INCOMPLETE;
    if (!read_line(cursor_over(in + start, (size_t)(end - in) - start), header))
        return PROXYHEADER_MALFORMED;
    *used = (size_t)(end - in) + 2;
    return PROXYHEADER_OK;
}

/* ---- Version 2, section 2.2 ---- */

static bool tlvs_valid(struct cursor *tlvs)
{
    while (!tlvs->failed && cursor_left(tlvs) > 0) {
        cursor_u8(tlvs);
        cursor_take(tlvs, cursor_u16(tlvs));
    }
    return !tlvs->failed;
}

static bool read_addresses(struct cursor *block, size_t ip_len, struct proxyheader *header)
{
    const uint8_t *source = cursor_take(block, ip_len);
    const uint8_t *destination = cursor_take(block, ip_len);
    header->source_port = cursor_u16(block);
    header->destination_port = cursor_u16(block);
    if (block->failed)
        return false;
    header->has_source = true;
    header->source = ip_from_bytes(source, ip_len);
    header->destination = ip_from_bytes(destination, ip_len);
    return true;
}

/*
 * Valid combinations that are no TCP connection's count as UNSPEC. There the length of the
 * addresses is unknown, and nothing is looked at.
 */
static bool read_block(struct cursor *block, uint8_t family, uint8_t protocol,
                       struct proxyheader *header)
{
    if (family > V2_AF_UNIX || protocol > V2_DGRAM)
        return false;
    if (family == V2_AF_UNSPEC || protocol == V2_UNSPEC)
        return true;
    if (family == V2_AF_UNIX)
        cursor_take(block, V2_UNIX_LEN);
    else if (!read_addresses(block, family == V2_AF_INET ? 4 : 16, header))
        return false;
    if (protocol == V2_DGRAM)
        *header = (struct proxyheader){0};
    return tlvs_valid(block);
}

static enum proxyheader_verdict read_v2(const uint8_t *in, size_t len, struct proxyheader *header,
                                        size_t *used)
{
    struct cursor fixed = cursor_over(in, len);
    cursor_take(&fixed, V2_SIGNATURE_LEN);
    uint8_t version_command = cursor_u8(&fixed);
    uint8_t family_protocol = cursor_u8(&fixed);
    size_t block_len = cursor_u16(&fixed);
    if (len > V2_SIGNATURE_LEN &&
        (version_command >> 4 != V2_VERSION || (version_command & 15) > V2_PROXY))
        return PROXYHEADER_MALFORMED;
    if (fixed.failed)
        return PROXYHEADER_INCOMPLETE;
    if (V2_FIXED_LEN + block_len > PROXYHEADER_V2_MAX)
        return PROXYHEADER_TOO_LONG;
    struct cursor block = cursor_sub(&fixed, block_len);
    if (block.failed)
        return PROXYHEADER_INCOMPLETE;
    if ((version_command & 15) == V2_PROXY &&
        !read_block(&block, family_protocol >> 4, family_protocol & 15, header))
        return PROXYHEADER_MALFORMED;
    *used = V2_FIXED_LEN + block_len;
    return PROXYHEADER_OK;
}

enum proxyheader_verdict proxyheader_parse(const uint8_t *in, size_t len,
                                           struct proxyheader *header, size_t *used)
{
    *header = (struct proxyheader){0};
    *used = 0;
    if (len == 0)
        return PROXYHEADER_INCOMPLETE;
    enum proxyheader_verdict verdict;
    if (agrees(in, len, v2_signature, sizeof(v2_signature)))
        verdict =
            len < sizeof(v2_signature) ? PROXYHEADER_INCOMPLETE : read_v2(in, len, header, used);
    else if (agrees(in, len, "PROXY", V1_WORD_LEN))
        verdict = len < V1_WORD_LEN ? PROXYHEADER_INCOMPLETE : read_v1(in, len, header, used);
    else
        return PROXYHEADER_NONE;
    if (verdict != PROXYHEADER_OK)
        *header = (struct proxyheader){0};
    return verdict;
}

/* ---- Writing ---- */

static void mapped_bytes(const struct adit_ip *ip, uint8_t out[16])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    if (ip->family == 6) {
        memcpy(out, ip->bytes, 16);
        return;
    }
    memcpy(out, prefix, sizeof(prefix));
    memcpy(out + sizeof(prefix), ip->bytes, 4);
}

/* Version 1 knows no dotted form within an IPv6 address. */
static void write_ip(const struct adit_ip *ip, bool as_v6, char out[IP_TEXT_MAX])
{
    if (ip->family == 4 && as_v6)
        snprintf(out, IP_TEXT_MAX, "::ffff:%x:%x", (unsigned)(ip->bytes[0] << 8 | ip->bytes[1]),
                 (unsigned)(ip->bytes[2] << 8 | ip->bytes[3]));
    else
        ip_format(ip, out);
}

static size_t write_v1(const struct proxyheader *header, bool known, bool as_v6, uint8_t *out)
{
    char line[128] = "PROXY UNKNOWN\r\n"; /* at most 104 are used: an address takes 39 */
    char source[IP_TEXT_MAX];
    char destination[IP_TEXT_MAX];
    if (known) {
        write_ip(&header->source, as_v6, source);
        write_ip(&header->destination, as_v6, destination);
        snprintf(line, sizeof(line), "PROXY TCP%c %s %s %u %u\r\n", as_v6 ? '6' : '4', source,
                 destination, (unsigned)header->source_port, (unsigned)header->destination_port);
    }
    size_t len = strlen(line);
    memcpy(out, line, len);
    return len;
}

static size_t write_v2(const struct proxyheader *header, bool known, bool as_v6, uint8_t *out)
{
    memcpy(out, v2_signature, sizeof(v2_signature));
    uint8_t *fixed = out + sizeof(v2_signature);
    fixed[0] = V2_VERSION << 4 | (known ? V2_PROXY : V2_LOCAL);
    fixed[1] = !known ? 0 : (uint8_t)((as_v6 ? V2_AF_INET6 : V2_AF_INET) << 4 | V2_STREAM);
    size_t ip_len = !known ? 0 : as_v6 ? 16 : 4;
    size_t block_len = known ? 2 * ip_len + 4 : 0;
    store_u16(fixed + 2, (uint16_t)block_len);
    if (!known)
        return V2_FIXED_LEN;

    uint8_t *block = out + V2_FIXED_LEN;
    if (as_v6) {
        mapped_bytes(&header->source, block);
        mapped_bytes(&header->destination, block + ip_len);
    } else {
        memcpy(block, header->source.bytes, ip_len);
        memcpy(block + ip_len, header->destination.bytes, ip_len);
    }
    store_u16(block + 2 * ip_len, header->source_port);
    store_u16(block + 2 * ip_len + 2, header->destination_port);
    return V2_FIXED_LEN + block_len;
}

size_t proxyheader_write(int version, const struct proxyheader *header, uint8_t *out)
{
    bool known = header->source.family != 0 && header->destination.family != 0;
    bool as_v6 = header->source.family == 6 || header->destination.family == 6;
    return version == 1 ? write_v1(header, known, as_v6, out) : write_v2(header, known, as_v6, out);
}

const char *proxyheader_verdict_text(enum proxyheader_verdict verdict)
{
    switch (verdict) {
    case PROXYHEADER_OK:
        return "a PROXY header";
    case PROXYHEADER_NONE:
        return "no PROXY header";
    case PROXYHEADER_INCOMPLETE:
        return "the start of a PROXY header";
    case PROXYHEADER_MALFORMED:
        return "a malformed PROXY header";
    case PROXYHEADER_TOO_LONG:
        return "a PROXY header that is too long";
    }
    return "an unknown verdict";
}
