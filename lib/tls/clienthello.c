#include "adit/clienthello.h"

#include "base/cursor.h"

#include <string.h>

enum {
    RECORD_HANDSHAKE = 22,
    RECORD_HEADER_LEN = 5,
    RECORD_MAX = 1 << 14, /* RFC 8446, 5.1 */
    HANDSHAKE_HEADER_LEN = 4,
    HANDSHAKE_CLIENT_HELLO = 1,
    RANDOM_LEN = 32,
    SESSION_ID_MAX = 32,
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_ALPN = 16,
    EXTENSION_ENCRYPTED_CLIENT_HELLO = 0xfe0d,
    NAME_TYPE_HOST_NAME = 0,
};

/*
 * Reads the bytes of one handshake message in place, across the records that carry it. The first
 * read that cannot be answered sets the verdict, and every read after it answers zero.
 */
struct reader {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    size_t record_left;  /* bytes of the current record that were not read */
    size_t message_left; /* bytes of the message that were not read, as far as is known */
    size_t left;         /* bytes of the innermost vector that were not read */
    enum clienthello_verdict verdict;
};

static bool reading(const struct reader *reader)
{
    return reader->verdict == CLIENTHELLO_OK;
}

static void malformed(struct reader *reader)
{
    if (reading(reader))
        reader->verdict = CLIENTHELLO_MALFORMED;
}

/* The least length in all: what is left of the message comes in records of full size. */
static size_t least_len(const struct reader *reader)
{
    size_t outside = 0;
    if (reader->message_left > reader->record_left)
        outside = reader->message_left - reader->record_left;
    size_t records = (outside + RECORD_MAX - 1) / RECORD_MAX;
    return (size_t)(reader->at - reader->start) + reader->message_left +
           records * RECORD_HEADER_LEN;
}

/* To be asked wherever least_len() may have grown: after the headers of message and record. */
static void check_len(struct reader *reader)
{
    if (reading(reader) && least_len(reader) > CLIENTHELLO_MAX)
        reader->verdict = CLIENTHELLO_TOO_LONG;
}

/* The record's version is to be ignored (RFC 8446, 5.1). */
static void next_record(struct reader *reader)
{
    size_t had = (size_t)(reader->end - reader->at);
    if (had > 0 && reader->at[0] != RECORD_HANDSHAKE) {
        malformed(reader);
        return;
    }
    if (had < RECORD_HEADER_LEN) {
        reader->verdict = CLIENTHELLO_INCOMPLETE;
        return;
    }
    reader->record_left = (size_t)reader->at[3] << 8 | reader->at[4];
    reader->at += RECORD_HEADER_LEN;
    if (reader->record_left == 0 || reader->record_left > RECORD_MAX)
        malformed(reader);
    check_len(reader);
}

/* Copies the next len bytes to out; skips them where out is NULL. */
static void take(struct reader *reader, uint8_t *out, size_t len)
{
    if (len > reader->left)
        malformed(reader);
    while (len > 0 && reading(reader)) {
        if (reader->record_left == 0) {
            next_record(reader);
            continue;
        }
        if (reader->at == reader->end) {
            reader->verdict = CLIENTHELLO_INCOMPLETE;
            continue;
        }
        size_t piece = (size_t)(reader->end - reader->at);
        if (piece > reader->record_left)
            piece = reader->record_left;
        if (piece > len)
            piece = len;
        if (out != NULL) {
            memcpy(out, reader->at, piece);
            out += piece;
        }
        reader->at += piece;
        reader->record_left -= piece;
        reader->message_left -= piece;
        reader->left -= piece;
        len -= piece;
    }
}

static size_t number(struct reader *reader, size_t len)
{
    uint8_t bytes[3] = {0};
    take(reader, bytes, len);
    if (!reading(reader))
        return 0;
    size_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* Opens a vector of len bytes within the one that is open; answers what leave() wants back. */
static size_t enter(struct reader *reader, size_t len)
{
    if (len > reader->left)
        malformed(reader);
    if (!reading(reader))
        return 0;
    size_t outer = reader->left - len;
    reader->left = len;
    return outer;
}

/* Closes a vector: nothing may be left in it. */
static void leave(struct reader *reader, size_t outer)
{
    if (reader->left > 0)
        malformed(reader);
    reader->left = outer;
}

static void read_host_name(struct reader *reader, size_t len, struct clienthello *hello)
{
    if (len == 0 || len > CLIENTHELLO_NAME_MAX)
        malformed(reader);
    if (!reading(reader))
        return;
    uint8_t name[CLIENTHELLO_NAME_MAX];
    take(reader, name, len);
    for (size_t i = 0; reading(reader) && i < len; i++)
        if (name[i] < 0x21 || name[i] > 0x7e)
            malformed(reader);
    memcpy(hello->name, name, len);
    hello->name_len = len;
}

/* RFC 6066, 3: every type of name begins with a length, so that unknown ones can be skipped. */
static void read_server_names(struct reader *reader, struct clienthello *hello)
{
    size_t list_len = number(reader, 2);
    if (list_len == 0)
        malformed(reader);
    size_t outer = enter(reader, list_len);
    while (reading(reader) && reader->left > 0) {
        size_t type = number(reader, 1);
        size_t len = number(reader, 2);
        if (type == NAME_TYPE_HOST_NAME && hello->name_len == 0)
            read_host_name(reader, len, hello);
        else
            take(reader, NULL, len);
    }
    leave(reader, outer);
}

static void read_alpn(struct reader *reader, struct clienthello *hello)
{
    size_t list_len = number(reader, 2);
    if (list_len == 0)
        malformed(reader);
    size_t outer = enter(reader, list_len);
    while (reading(reader) && reader->left > 0) {
        size_t len = number(reader, 1);
        if (len == 0)
            malformed(reader);
        if (hello->alpn_count == CLIENTHELLO_ALPN_MAX) {
            take(reader, NULL, len);
            continue;
        }
        struct clienthello_alpn *alpn = &hello->alpn[hello->alpn_count++];
        alpn->len = (uint8_t)len;
        take(reader, (uint8_t *)alpn->name, len);
    }
    leave(reader, outer);
}

static void read_extension(struct reader *reader, size_t type, struct clienthello *hello)
{
    size_t outer = enter(reader, number(reader, 2));
    if (type == EXTENSION_SERVER_NAME)
        read_server_names(reader, hello);
    else if (type == EXTENSION_ALPN)
        read_alpn(reader, hello);
    else
        take(reader, NULL, reader->left);
    if (type == EXTENSION_ENCRYPTED_CLIENT_HELLO)
        hello->ech = true;
    leave(reader, outer);
}

static void read_extensions(struct reader *reader, struct clienthello *hello)
{
    uint8_t seen[(1 << 16) / 8] = {0};
    size_t outer = enter(reader, number(reader, 2));
    while (reading(reader) && reader->left > 0) {
        size_t type = number(reader, 2);
        if (!reading(reader))
            break;
        uint8_t bit = (uint8_t)(1 << type % 8);
        if ((seen[type / 8] & bit) != 0)
            malformed(reader); /* RFC 8446, 4.2: each type once */
        seen[type / 8] |= bit;
        read_extension(reader, type, hello);
    }
    leave(reader, outer);
}

/* RFC 8446, 4.1.2. Extensions may lack altogether (RFC 5246, 7.4.1.2). */
static void read_client_hello(struct reader *reader, struct clienthello *hello)
{
    if (number(reader, 1) != HANDSHAKE_CLIENT_HELLO)
        malformed(reader);
    size_t message_len = number(reader, 3);
    if (!reading(reader))
        return;
    reader->message_left = message_len;
    reader->left = message_len;
    check_len(reader);

    take(reader, NULL, 2 + RANDOM_LEN);
    size_t session_id_len = number(reader, 1);
    if (session_id_len > SESSION_ID_MAX)
        malformed(reader);
    take(reader, NULL, session_id_len);
    size_t cipher_suites_len = number(reader, 2);
    if (cipher_suites_len < 2 || cipher_suites_len % 2 != 0)
        malformed(reader);
    take(reader, NULL, cipher_suites_len);
    size_t compression_methods_len = number(reader, 1);
    if (compression_methods_len == 0)
        malformed(reader);
    take(reader, NULL, compression_methods_len);
    if (reading(reader) && reader->left > 0)
        read_extensions(reader, hello);
    leave(reader, 0);
}

enum clienthello_verdict clienthello_parse(const uint8_t *in, size_t len, struct clienthello *hello)
{
    memset(hello, 0, sizeof(*hello));
    if (len > 0 && in[0] != RECORD_HANDSHAKE)
        return CLIENTHELLO_NOT_TLS;
    if (len > CLIENTHELLO_MAX)
        len = CLIENTHELLO_MAX;
    struct cursor input = cursor_over(in, len);
    struct reader reader = {
        .start = input.at,
        .at = input.at,
        .end = input.end,
        .message_left = HANDSHAKE_HEADER_LEN,
        .left = HANDSHAKE_HEADER_LEN,
    };
    read_client_hello(&reader, hello);
    if (reading(&reader))
        return hello->name_len > 0 ? CLIENTHELLO_OK : CLIENTHELLO_NO_SNI;

    memset(hello, 0, sizeof(*hello));
    if (reader.verdict == CLIENTHELLO_INCOMPLETE)
        hello->need = least_len(&reader);
    return reader.verdict;
}

const char *clienthello_verdict_text(enum clienthello_verdict verdict)
{
    switch (verdict) {
    case CLIENTHELLO_OK:
        return "a ClientHello with a server name";
    case CLIENTHELLO_NO_SNI:
        return "a ClientHello without a server name";
    case CLIENTHELLO_INCOMPLETE:
        return "the start of a ClientHello";
    case CLIENTHELLO_NOT_TLS:
        return "no TLS handshake record";
    case CLIENTHELLO_MALFORMED:
        return "a malformed ClientHello";
    case CLIENTHELLO_TOO_LONG:
        return "a ClientHello of more than 65536 bytes";
    }
    return "an unknown verdict";
}
