#include "lib/snitun/frame.h"

#include "base/cursor.h"
#include "base/ip.h"

#include <string.h>

struct snitun_frame snitun_frame_decode(const uint8_t header[SNITUN_FRAME_HEADER_LEN])
{
    struct snitun_frame frame;
    struct cursor cursor = cursor_over(header, SNITUN_FRAME_HEADER_LEN);
    memcpy(frame.id, cursor_take(&cursor, sizeof frame.id), sizeof frame.id);
    frame.flag = cursor_u8(&cursor);
    frame.size = cursor_u32(&cursor);
    memcpy(frame.extra, cursor_take(&cursor, sizeof frame.extra), sizeof frame.extra);
    return frame;
}

static int draw_extra(struct snitun_session *session, struct snitun_frame *frame, size_t extra_len)
{
    return snitun_session_random(session, frame->extra + extra_len,
                                 sizeof frame->extra - extra_len);
}

static int seal(struct snitun_session *session, const uint8_t *plain, size_t len, uint8_t *out)
{
    enum units_error error = units_seal(&session->units, session->context->units, plain, len, out);
    return error ? snitun_session_fail_units(session, error) : SNITUN_OK;
}

static int seal_drawn(struct snitun_session *session, const struct snitun_frame *frame,
                      uint8_t *out)
{
    uint8_t header[SNITUN_FRAME_HEADER_LEN];
    memcpy(header, frame->id, sizeof frame->id);
    header[16] = frame->flag;
    store_u32(header + 17, frame->size);
    memcpy(header + 21, frame->extra, sizeof frame->extra);
    return seal(session, header, sizeof header, out);
}

int snitun_frame_seal(struct snitun_session *session, struct snitun_frame *frame, size_t extra_len,
                      uint8_t *out)
{
    int error = draw_extra(session, frame, extra_len);
    return error ? error : seal_drawn(session, frame, out);
}

/* ---- NEW ---- */

static uint32_t new_payload_len(const struct snitun_session *session, const struct adit_ip *caller)
{
    if (session->version < 2)
        return 0;
    return caller->family == 6 ? SNITUN_NEW_IPV6_LEN : SNITUN_NEW_IPV4_LEN;
}

size_t snitun_frame_new_len(const struct snitun_session *session, const struct adit_ip *caller)
{
    size_t payload_len = new_payload_len(session, caller);
    size_t unit_len = payload_len ? payload_len + units_overhead(&session->units) : 0;
    return snitun_header_len(session) + unit_len;
}

/* Type and address to out; returns how many bytes that are. An unknown caller is 0.0.0.0. */
static size_t write_caller(const struct adit_ip *caller, bool ipv6, uint8_t *out)
{
    static const uint8_t unknown[4];
    if (ipv6) {
        out[0] = '6';
        memcpy(out + 1, caller->bytes, 16);
        return 17;
    }
    out[0] = '4';
    memcpy(out + 1, caller->family == 4 ? caller->bytes : unknown, 4);
    return 5;
}

int snitun_frame_seal_new(struct snitun_session *session, const uint8_t id[SNITUN_ID_LEN],
                          const struct adit_ip *caller, uint8_t *out)
{
    struct snitun_frame frame = {.flag = SNITUN_FLAG_NEW};
    memcpy(frame.id, id, sizeof frame.id);
    frame.size = new_payload_len(session, caller);
    if (frame.size == 0) {
        size_t len = write_caller(caller, false, frame.extra);
        return snitun_frame_seal(session, &frame, len, out);
    }
    uint8_t payload[SNITUN_NEW_IPV6_LEN];
    size_t len = write_caller(caller, frame.size == SNITUN_NEW_IPV6_LEN, payload);
    int error = draw_extra(session, &frame, 0);
    error = error ? error : snitun_session_random(session, payload + len, frame.size - len);
    error = error ? error : seal_drawn(session, &frame, out);
    return error ? error : seal(session, payload, frame.size, out + snitun_header_len(session));
}

/* The address itself; one of zeros only says that the server does not know it or cannot write it.
 */
static struct adit_ip read_caller(const uint8_t *bytes, size_t len)
{
    struct adit_ip caller = ip_from_bytes(bytes, len);
    static const uint8_t zeros[sizeof caller.bytes];
    if (memcmp(caller.bytes, zeros, sizeof zeros) == 0)
        caller.family = 0;
    return caller;
}

struct adit_ip snitun_frame_caller(const uint8_t extra[SNITUN_EXTRA_LEN])
{
    return extra[0] == '4' ? read_caller(extra + 1, 4) : (struct adit_ip){0};
}

int snitun_frame_caller_v2(const uint8_t *payload, size_t size, struct adit_ip *caller)
{
    size_t len = payload[0] == '4' ? 4 : payload[0] == '6' ? 16 : 0;
    if (len == 0 || 1 + len > size)
        return SNITUN_E_NEW_ADDRESS;
    *caller = read_caller(payload + 1, len);
    return SNITUN_OK;
}
