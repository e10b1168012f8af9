/*
 * Frame headers (docs/protocols/snitun.md, Frames): 32 bytes, one encrypted unit.
 *
 * Random bytes are drawn in the order in which the wire shows them first: a channel's or a ping's
 * id(16), when it is chosen; then for each frame, when it is written: the rest of extra, the
 * padding of a NEW's payload, and with aes-gcm-siv the nonce(12) of the header, then that of the
 * payload. Recorded sessions replay byte for byte because of it.
 */
#ifndef SNITUN_FRAME_H
#define SNITUN_FRAME_H

#include "lib/snitun/session.h"

enum snitun_flag {
    SNITUN_FLAG_NEW = 0x01,
    SNITUN_FLAG_DATA = 0x02,
    SNITUN_FLAG_CLOSE = 0x04,
    SNITUN_FLAG_PING_SEED = 0x05, /* accepted as PING, never sent */
    SNITUN_FLAG_PING = 0x08,
    SNITUN_FLAG_PAUSE = 0x16,
    SNITUN_FLAG_RESUME = 0x32,
};

struct snitun_frame {
    uint8_t id[SNITUN_ID_LEN];
    uint8_t flag;
    uint32_t size;
    uint8_t extra[SNITUN_EXTRA_LEN];
};

/* Plain bytes of the payload of a NEW of version 2. */
enum { SNITUN_NEW_IPV4_LEN = 16, SNITUN_NEW_IPV6_LEN = 32 };

/* Reads a decrypted header. */
struct snitun_frame snitun_frame_decode(const uint8_t header[SNITUN_FRAME_HEADER_LEN]);

/*
 * Seals a header whose first extra_len bytes of extra are set; the others are drawn. out holds
 * snitun_header_len() bytes. Returns 0 or the session's error.
 */
int snitun_frame_seal(struct snitun_session *session, struct snitun_frame *frame, size_t extra_len,
                      uint8_t *out);

/* Wire bytes of the NEW that announces caller at the session's version. */
size_t snitun_frame_new_len(const struct snitun_session *session, const struct adit_ip *caller);

/* Seals a NEW, payload unit included. Returns 0 or the session's error. */
int snitun_frame_seal_new(struct snitun_session *session, const uint8_t id[SNITUN_ID_LEN],
                          const struct adit_ip *caller, uint8_t *out);

/* The caller in the extra bytes of a NEW of version 0 or 1; family 0 when it is not told. */
struct adit_ip snitun_frame_caller(const uint8_t extra[SNITUN_EXTRA_LEN]);

/*
 * The caller in the payload of a NEW of version 2, size = 16 or 32 plain bytes. Returns 0 or
 * SNITUN_E_NEW_ADDRESS; the session is the caller's to fail.
 */
int snitun_frame_caller_v2(const uint8_t *payload, size_t size, struct adit_ip *caller);

#endif
