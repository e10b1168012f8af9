#include "tests/vectors/snitun_case.h"

#include "base/encode.h"
#include "base/ip.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHERE_MAX = 160 };

bool vectors_fail(const char *where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", where);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return false;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

bool vectors_hex(const json_t *object, const char *key, const char *where, long len,
                 struct recorded_bytes *out)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text || strlen(text) % 2 != 0)
        return vectors_fail(where, "\"%s\" is no hex string", key);
    out->len = strlen(text) / 2;
    out->bytes = allocate(out->len, 1);
    if (!hex_decode(text, out->bytes, out->len))
        return vectors_fail(where, "\"%s\" is no hex string", key);
    if (len >= 0 && out->len != (size_t)len)
        return vectors_fail(where, "\"%s\" has %zu bytes, not %ld", key, out->len, len);
    return true;
}

/* Exactly len bytes of hex into a buffer. */
static bool fixed_hex(const json_t *object, const char *key, const char *where, void *out,
                      size_t len)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && strlen(text) == 2 * len && hex_decode(text, out, len)
               ? true
               : vectors_fail(where, "\"%s\" is not %zu bytes of hex", key, len);
}

static bool integer(const json_t *object, const char *key, const char *where, json_int_t max,
                    json_int_t *out)
{
    const json_t *value = json_object_get(object, key);
    *out = json_integer_value(value);
    if (!json_is_integer(value) || *out < 0 || *out > max)
        return vectors_fail(where, "\"%s\" is no integer from 0 to %lld", key, (long long)max);
    return true;
}

/* ---- Frames ---- */

bool recorded_is_unit_payload(const struct recorded_session *session,
                              const struct recorded_frame *frame)
{
    return session->keys.protocol_version >= 2 && frame->frame.flag == SNITUN_FLAG_NEW &&
           frame->frame.size > 0;
}

struct adit_ip recorded_caller(const struct recorded_session *session,
                               const struct recorded_frame *frame)
{
    bool sayable = frame->source.family == 4 || session->keys.protocol_version >= 2;
    return sayable ? frame->source : (struct adit_ip){0};
}

static bool load_source(struct recorded_frame *frame, const json_t *json, const char *where)
{
    const json_t *source = json_object_get(json, "source_ip");
    frame->has_source = source && !json_is_null(source);
    if (source && (!json_is_string(source) || !ip_parse(json_string_value(source), &frame->source)))
        return vectors_fail(where, "\"source_ip\" is no IP address");
    return true;
}

static bool load_frame(const struct recorded_session *session, struct recorded_frame *frame,
                       const json_t *json, const char *where)
{
    json_int_t flag = 0;
    json_int_t size = 0;
    if (!integer(json, "flag", where, UINT8_MAX, &flag) ||
        !integer(json, "size", where, UINT32_MAX, &size) ||
        !fixed_hex(json, "id", where, frame->frame.id, sizeof frame->frame.id) ||
        !fixed_hex(json, "extra", where, frame->frame.extra, sizeof frame->frame.extra) ||
        !vectors_hex(json, "data", where, (long)size, &frame->data) ||
        !load_source(frame, json, where))
        return false;
    frame->frame.flag = (uint8_t)flag;
    frame->frame.size = (uint32_t)size;
    size_t wire_len = SNITUN_FRAME_HEADER_LEN + session->overhead + frame->data.len;
    if (recorded_is_unit_payload(session, frame))
        wire_len += session->overhead;
    return vectors_hex(json, "wire", where, (long)wire_len, &frame->wire);
}

static bool load_frames(const struct recorded_session *session, struct recorded_frames *frames,
                        const json_t *json, const char *key, const char *where)
{
    const json_t *array = json_object_get(json, key);
    if (!json_is_array(array))
        return vectors_fail(where, "\"%s\" is no array", key);
    frames->count = json_array_size(array);
    frames->list = allocate(frames->count, sizeof *frames->list);
    for (size_t i = 0; i < frames->count; i++) {
        char place[WHERE_MAX];
        snprintf(place, sizeof place, "%s, %s[%zu]", where, key, i);
        if (!load_frame(session, &frames->list[i], json_array_get(array, i), place))
            return false;
    }
    return true;
}

static void free_frames(struct recorded_frames *frames)
{
    for (size_t i = 0; frames->list && i < frames->count; i++) {
        free(frames->list[i].data.bytes);
        free(frames->list[i].wire.bytes);
    }
    free(frames->list);
}

/* ---- Sessions ---- */

static bool load_unit(const struct recorded_session *session, struct recorded_unit *unit,
                      const json_t *json, const char *key, const char *where)
{
    char place[WHERE_MAX];
    snprintf(place, sizeof place, "%s, %s", where, key);
    const json_t *object = json_object_get(json, key);
    long wire_len = (long)(SNITUN_CHALLENGE_LEN + session->overhead);
    return fixed_hex(object, "plain", place, unit->plain, sizeof unit->plain) &&
           vectors_hex(object, "wire", place, wire_len, &unit->wire);
}

bool recorded_session_load(struct recorded_session *session, const json_t *json, const char *where)
{
    *session = (struct recorded_session){0};
    const char *name = json_string_value(json_object_get(json, "cipher"));
    int cipher = name ? snitun_cipher_by_name(name) : -1;
    if (cipher < 0)
        return vectors_fail(where, "unknown cipher %s", name ? name : "(none)");
    json_int_t version = 0;
    if (!integer(json, "protocol_version", where, 2, &version) ||
        !fixed_hex(json, "aes_key", where, session->keys.aes_key, sizeof session->keys.aes_key) ||
        !fixed_hex(json, "aes_iv", where, session->keys.aes_iv, sizeof session->keys.aes_iv))
        return false;
    session->keys.cipher = (enum snitun_cipher)cipher;
    session->keys.protocol_version = (uint8_t)version;
    session->overhead = cipher == SNITUN_AES_CBC ? 0 : SNITUN_UNIT_OVERHEAD_MAX;
    return load_unit(session, &session->challenge, json, "challenge", where) &&
           load_unit(session, &session->response, json, "response", where) &&
           load_frames(session, &session->to_client, json, "server_to_client", where) &&
           load_frames(session, &session->to_server, json, "client_to_server", where);
}

void recorded_session_free(struct recorded_session *session)
{
    free(session->challenge.wire.bytes);
    free(session->response.wire.bytes);
    free_frames(&session->to_client);
    free_frames(&session->to_server);
}
