/*
 * A recorded QuickTunTcp flow or refusal as the vector file has it.
 */
#ifndef VECTORS_QUICKTUN_CASE_H
#define VECTORS_QUICKTUN_CASE_H

#include <adit/quicktun.h>
#include <jansson.h>

enum { RECORDED_WIRE_MAX = 4 * QUICKTUN_WIRE_MAX };

/* What a step's name tells an end to do. */
enum recorded_kind {
    RECORDED_IDENT,
    RECORDED_OPTIONS,
    RECORDED_START_DATA,
    RECORDED_START_CRYPTO,
    RECORDED_BEGIN_UPDATE,
    RECORDED_ASK_PASSWORD,
    RECORDED_DISABLE,
    RECORDED_ECHO,
    RECORDED_NETWORK,
    RECORDED_ROUTE,
    RECORDED_PACKET,
    RECORDED_CONTROL_PACKET,
    RECORDED_SEGMENTED,
    RECORDED_AS_IT_IS, /* wrappers as the recorder chose them, unknown commands */
    RECORDED_ECHO_REPLY,
    RECORDED_ANSWER, /* what the engine has to say by itself */
};

struct recorded_step {
    enum recorded_kind kind;
    int code; /* that the payload starts with; -1 = any, -2 = no control packet */
};

/* The step of a name, or of a variant: the name, '_' or a digit, and more. */
bool recorded_step_find(const char *name, struct recorded_step *step);

struct recorded_bytes {
    uint8_t bytes[RECORDED_WIRE_MAX];
    size_t len;
};

/* Prints one line to stderr: "where: text". Returns false, to be passed on. */
__attribute__((format(printf, 2, 3))) bool vectors_fail(const char *where, const char *format, ...);

/* Hex under a key; null and absent give no bytes when optional. */
bool recorded_hex(const json_t *object, const char *key, const char *where, bool optional,
                  struct recorded_bytes *out);

/* The plain payload of a "send" operation, decrypted with the keys that it tells. */
bool recorded_payload(const json_t *op, const char *where, const struct recorded_bytes *wire,
                      struct recorded_bytes *payload);

bool recorded_is_op(const json_t *op, const char *kind);

/* Who sent, 'A' or 'B'; 0 when it says neither. */
char recorded_from(const json_t *op);

#endif
