/*
 * Input: the first bytes of a connection. What the parser says of a whole ClientHello is what a
 * second one says, which was written from the RFCs alone: it copies the message out of its records
 * first and then cuts vectors off, where the other one reads through the records byte by byte.
 */
#include "adit/clienthello.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

enum { RECORD_HEAD = 5, RECORD_MAX = 16384, MESSAGE_HEAD = 4, NAMES = 0, ALPN = 16, TYPES = 65536 };

/* ---- RFC 8446, 5.1: records ---- */

enum whole { WHOLE, NOT_YET, BROKEN };

/* Copies the first handshake message, its head included, to message. */
static enum whole join_records(const uint8_t *in, size_t len, uint8_t *message, size_t *message_len)
{
    size_t have = 0;
    for (size_t at = 0; at + RECORD_HEAD <= len;) {
        size_t record_len = (size_t)in[at + 3] << 8 | in[at + 4];
        if (in[at] != 22 || record_len == 0 || record_len > RECORD_MAX)
            return BROKEN;
        at += RECORD_HEAD;
        size_t there = len - at < record_len ? len - at : record_len;
        memcpy(message + have, in + at, there);
        have += there;
        at += record_len;
        if (have < MESSAGE_HEAD)
            continue;
        *message_len =
            MESSAGE_HEAD + ((size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3]);
        if (have >= *message_len)
            return WHOLE;
    }
    return NOT_YET;
}

/* ---- Vectors: a span is cut from the left; what does not fit is no vector ---- */

struct span {
    const uint8_t *at;
    size_t len;
};

static bool cut(struct span *from, size_t len, struct span *piece)
{
    if (len > from->len)
        return false;
    *piece = (struct span){from->at, len};
    from->at += len;
    from->len -= len;
    return true;
}

static bool cut_vector(struct span *from, size_t length_len, struct span *piece)
{
    struct span length;
    size_t len = 0;
    if (!cut(from, length_len, &length))
        return false;
    for (size_t i = 0; i < length_len; i++)
        len = len * 256 + length.at[i];
    return cut(from, len, piece);
}

/* ---- RFC 6066, 3, RFC 7301, 3.1 and RFC 8446, 4.1.2 ---- */

static bool is_name(struct span name)
{
    bool good = name.len >= 1 && name.len <= 255;
    for (size_t i = 0; good && i < name.len; i++)
        good = name.at[i] > ' ' && name.at[i] < 127;
    return good;
}

static bool names(struct span extension, struct span *host)
{
    struct span list;
    if (!cut_vector(&extension, 2, &list) || extension.len != 0 || list.len == 0)
        return false;
    while (list.len > 0) {
        struct span type;
        struct span name;
        if (!cut(&list, 1, &type) || !cut_vector(&list, 2, &name))
            return false;
        if (type.at[0] != 0 || host->len != 0)
            continue;
        if (!is_name(name))
            return false;
        *host = name;
    }
    return true;
}

static bool protocols(struct span extension, size_t *count)
{
    struct span list;
    if (!cut_vector(&extension, 2, &list) || extension.len != 0 || list.len == 0)
        return false;
    while (list.len > 0) {
        struct span protocol;
        if (!cut_vector(&list, 1, &protocol) || protocol.len == 0)
            return false;
        ++*count;
    }
    return true;
}

static bool extensions(struct span all, struct span *host, size_t *protocol_count)
{
    static bool seen[TYPES];
    memset(seen, 0, sizeof(seen));
    while (all.len > 0) {
        struct span type;
        struct span body;
        if (!cut(&all, 2, &type) || !cut_vector(&all, 2, &body))
            return false;
        unsigned number = (unsigned)type.at[0] * 256 + type.at[1];
        if (seen[number] || (number == NAMES && !names(body, host)) ||
            (number == ALPN && !protocols(body, protocol_count)))
            return false;
        seen[number] = true;
    }
    return true;
}

/* Whether a whole message is a ClientHello; its name, of no length where it has none. */
static bool client_hello(struct span message, struct span *host, size_t *protocol_count)
{
    struct span head;
    struct span ignored;
    struct span suites;
    struct span methods;
    struct span all;
    if (!cut(&message, MESSAGE_HEAD, &head) || head.at[0] != 1 || !cut(&message, 34, &ignored) ||
        !cut_vector(&message, 1, &ignored) || ignored.len > 32 ||
        !cut_vector(&message, 2, &suites) || suites.len == 0 || suites.len % 2 != 0 ||
        !cut_vector(&message, 1, &methods) || methods.len == 0)
        return false;
    return message.len == 0 || (cut_vector(&message, 2, &all) && message.len == 0 &&
                                extensions(all, host, protocol_count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t message[CLIENTHELLO_MAX];
    size_t len = size < CLIENTHELLO_MAX ? size : CLIENTHELLO_MAX;
    size_t message_len = 0;
    struct clienthello hello;
    enum clienthello_verdict verdict = clienthello_parse(data, size, &hello);

    switch (len > 0 && data[0] != 22 ? BROKEN : join_records(data, len, message, &message_len)) {
    case BROKEN:
        FUZZ_CHECK(verdict < 0);
        return 0;
    case NOT_YET:
        FUZZ_CHECK(verdict != CLIENTHELLO_OK && verdict != CLIENTHELLO_NO_SNI);
        return 0;
    case WHOLE:
        break;
    }
    struct span host = {0};
    size_t protocol_count = 0;
    bool good = client_hello((struct span){message, message_len}, &host, &protocol_count);
    FUZZ_CHECK(verdict == (!good           ? CLIENTHELLO_MALFORMED
                           : host.len == 0 ? CLIENTHELLO_NO_SNI
                                           : CLIENTHELLO_OK));
    if (verdict < 0)
        return 0;
    FUZZ_CHECK(hello.name_len == host.len);
    FUZZ_CHECK(host.len == 0 || memcmp(hello.name, host.at, host.len) == 0);
    FUZZ_CHECK(hello.alpn_count ==
               (protocol_count < CLIENTHELLO_ALPN_MAX ? protocol_count : CLIENTHELLO_ALPN_MAX));
    return 0;
}
