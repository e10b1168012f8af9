/*
 * A recorded SniTun session as the vector file has it.
 */
#ifndef VECTORS_SNITUN_CASE_H
#define VECTORS_SNITUN_CASE_H

#include "lib/snitun/frame.h"

#include <jansson.h>

struct recorded_bytes {
    uint8_t *bytes;
    size_t len;
};

struct recorded_frame {
    struct snitun_frame frame;
    struct recorded_bytes data; /* plain payload */
    struct recorded_bytes wire;
    bool has_source;
    struct adit_ip source;
};

struct recorded_frames {
    struct recorded_frame *list;
    size_t count;
};

struct recorded_unit {
    uint8_t plain[SNITUN_CHALLENGE_LEN];
    struct recorded_bytes wire;
};

struct recorded_session {
    struct snitun_keys keys;
    size_t overhead; /* wire bytes of a unit over its plain ones */
    struct recorded_unit challenge;
    struct recorded_unit response;
    struct recorded_frames to_client;
    struct recorded_frames to_server;
};

/* Prints one line to stderr: "where: text". Returns false, to be passed on. */
__attribute__((format(printf, 2, 3))) bool vectors_fail(const char *where, const char *format, ...);

/* Exactly len bytes of hex under a key; len -1 = any number. */
bool vectors_hex(const json_t *object, const char *key, const char *where, long len,
                 struct recorded_bytes *out);

/* Reads a session; false with a line printed when it is malformed. Freed in both cases. */
bool recorded_session_load(struct recorded_session *session, const json_t *json, const char *where);
void recorded_session_free(struct recorded_session *session);

/* What frames the other direction's receiver should see in a frame's payload or after it. */
bool recorded_is_unit_payload(const struct recorded_session *session,
                              const struct recorded_frame *frame);

/* The caller that the client is to learn: what of source_ip the version can say. */
struct adit_ip recorded_caller(const struct recorded_session *session,
                               const struct recorded_frame *frame);

#endif
