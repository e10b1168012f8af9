#include "tests/vectors/vectors_quicktun_case.h"

#include "base/encode.h"
#include "lib/quicktun/codes.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool vectors_fail(const char *where, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s: ", where);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return false;
}

/* ---- Steps ---- */

enum { ANY_CODE = -1, NO_CONTROL = -2 };

static const struct name {
    const char *name;
    struct recorded_step step;
} names[] = {
    {"ident", {RECORDED_IDENT, QUICKTUN_CODE_IDENTIFICATION}},
    {"identification", {RECORDED_IDENT, QUICKTUN_CODE_IDENTIFICATION}},
    {"options", {RECORDED_OPTIONS, QUICKTUN_CODE_OPTIONS}},
    {"tunnel_options", {RECORDED_OPTIONS, QUICKTUN_CODE_OPTIONS}},
    {"start_data", {RECORDED_START_DATA, QUICKTUN_CODE_START_DATA}},
    {"start_crypto", {RECORDED_START_CRYPTO, QUICKTUN_CODE_START_CRYPTO}},
    {"ack_crypto", {RECORDED_ANSWER, QUICKTUN_CODE_ACK_CRYPTO}},
    {"begin_update", {RECORDED_BEGIN_UPDATE, QUICKTUN_CODE_BEGIN_UPDATE}},
    {"ack_update", {RECORDED_ANSWER, QUICKTUN_CODE_ACK_UPDATE}},
    {"ask_password", {RECORDED_ASK_PASSWORD, QUICKTUN_CODE_ASK_PASSWORD}},
    {"start_password", {RECORDED_ASK_PASSWORD, QUICKTUN_CODE_ASK_PASSWORD}},
    {"password", {RECORDED_ANSWER, QUICKTUN_CODE_PASSWORD}},
    {"ack_password", {RECORDED_ANSWER, QUICKTUN_CODE_PASSWORD}},
    {"answer_password", {RECORDED_ANSWER, QUICKTUN_CODE_PASSWORD}},
    {"disable", {RECORDED_DISABLE, QUICKTUN_CODE_DISABLE}},
    {"start_disable", {RECORDED_DISABLE, QUICKTUN_CODE_DISABLE}},
    {"ack_disable", {RECORDED_ANSWER, QUICKTUN_CODE_ACK_DISABLE}},
    {"echo", {RECORDED_ECHO, QUICKTUN_CODE_ECHO}},
    {"echo_request", {RECORDED_ECHO, QUICKTUN_CODE_ECHO}},
    {"echo_reply", {RECORDED_ECHO_REPLY, QUICKTUN_CODE_ECHO_REPLY}},
    {"echo_response", {RECORDED_ECHO_REPLY, QUICKTUN_CODE_ECHO_REPLY}},
    {"netconfig", {RECORDED_NETWORK, QUICKTUN_CODE_NETWORK}},
    {"network", {RECORDED_NETWORK, QUICKTUN_CODE_NETWORK}},
    {"route", {RECORDED_ROUTE, QUICKTUN_CODE_ROUTE}},
    {"withdraw", {RECORDED_ROUTE, QUICKTUN_CODE_ROUTE}},
    {"packet", {RECORDED_PACKET, NO_CONTROL}},
    {"control_packet", {RECORDED_CONTROL_PACKET, QUICKTUN_CODE_PACKET}},
    {"data_packet", {RECORDED_CONTROL_PACKET, QUICKTUN_CODE_PACKET}},
    {"segmented", {RECORDED_SEGMENTED, QUICKTUN_CODE_SEGMENTED}},
    {"padded", {RECORDED_AS_IT_IS, QUICKTUN_CODE_PADDING}},
    {"padding", {RECORDED_AS_IT_IS, QUICKTUN_CODE_PADDING}},
    {"batch", {RECORDED_AS_IT_IS, QUICKTUN_CODE_BATCH}},
    {"multiple", {RECORDED_AS_IT_IS, QUICKTUN_CODE_BATCH}},
    {"unknown", {RECORDED_AS_IT_IS, ANY_CODE}},
};

static bool is_variant(const char *name, const char *of)
{
    size_t len = strlen(of);
    if (strncmp(name, of, len) != 0)
        return false;
    char next = name[len];
    return next == '\0' || next == '_' || (next >= '0' && next <= '9');
}

bool recorded_step_find(const char *name, struct recorded_step *step)
{
    size_t longest = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i].name) > longest && is_variant(name, names[i].name)) {
            longest = strlen(names[i].name);
            *step = names[i].step;
        }
    }
    return longest > 0;
}

/* ---- Bytes ---- */

bool recorded_hex(const json_t *object, const char *key, const char *where, bool optional,
                  struct recorded_bytes *out)
{
    const json_t *value = json_object_get(object, key);
    out->len = 0;
    if (optional && (!value || json_is_null(value)))
        return true;
    const char *text = json_string_value(value);
    size_t len = text ? strlen(text) / 2 : 0;
    if (!text || strlen(text) % 2 != 0 || len > sizeof out->bytes ||
        !hex_decode(text, out->bytes, len))
        return vectors_fail(where, "\"%s\" is no hex string, or a long one", key);
    out->len = len;
    return true;
}

static bool fixed(const json_t *object, const char *key, const char *where, uint8_t *out,
                  size_t len)
{
    static struct recorded_bytes bytes;
    if (!recorded_hex(object, key, where, false, &bytes))
        return false;
    if (bytes.len != len)
        return vectors_fail(where, "\"%s\" has %zu bytes, not %zu", key, bytes.len, len);
    memcpy(out, bytes.bytes, len);
    return true;
}

bool recorded_is_op(const json_t *op, const char *kind)
{
    const char *text = json_string_value(json_object_get(op, "op"));
    return text && strcmp(text, kind) == 0;
}

char recorded_from(const json_t *op)
{
    const char *from = json_string_value(json_object_get(op, "from"));
    return from && (strcmp(from, "A") == 0 || strcmp(from, "B") == 0) ? from[0] : '\0';
}

bool recorded_payload(const json_t *op, const char *where, const struct recorded_bytes *wire,
                      struct recorded_bytes *payload)
{
    uint8_t secret[crypto_box_SECRETKEYBYTES];
    uint8_t public_key[crypto_box_PUBLICKEYBYTES];
    uint8_t nonce[crypto_box_NONCEBYTES];
    if (wire->len < 2)
        return vectors_fail(where, "no packet");
    if (!json_is_true(json_object_get(op, "encrypted"))) {
        payload->len = wire->len - 2;
        memcpy(payload->bytes, wire->bytes + 2, payload->len);
        return true;
    }
    if (!fixed(op, "sender_secret", where, secret, sizeof secret) ||
        !fixed(op, "receiver_public", where, public_key, sizeof public_key) ||
        !fixed(op, "nonce", where, nonce, sizeof nonce))
        return false;
    if (wire->len < 2 + crypto_box_MACBYTES ||
        crypto_box_open_easy(payload->bytes, wire->bytes + 2, wire->len - 2, nonce, public_key,
                             secret) != 0)
        return vectors_fail(where, "the recorded keys do not open the recorded packet");
    payload->len = wire->len - 2 - crypto_box_MACBYTES;
    return true;
}
