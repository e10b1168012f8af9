/*
 * The commands (docs/protocols/quicktun.md, Commands).
 */
#ifndef QUICKTUN_CODES_H
#define QUICKTUN_CODES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    QUICKTUN_CODE_START_DATA = 0,
    QUICKTUN_CODE_START_CRYPTO = 1,
    QUICKTUN_CODE_ACK_CRYPTO = 2,
    QUICKTUN_CODE_BEGIN_UPDATE = 3,
    QUICKTUN_CODE_ACK_UPDATE = 4,
    QUICKTUN_CODE_ASK_PASSWORD = 5,
    QUICKTUN_CODE_PASSWORD = 6,
    QUICKTUN_CODE_DISABLE = 7,
    QUICKTUN_CODE_ACK_DISABLE = 8,
    QUICKTUN_CODE_ECHO = 9,
    QUICKTUN_CODE_ECHO_REPLY = 10,
    QUICKTUN_CODE_NETWORK = 11,
    QUICKTUN_CODE_ROUTE = 12,
    QUICKTUN_CODE_PACKET = 13,
    QUICKTUN_CODE_PADDING = 14,
    QUICKTUN_CODE_BATCH = 15,
    QUICKTUN_CODE_OPTIONS = 17,
    QUICKTUN_CODE_SEGMENTED = 18,
    QUICKTUN_CODE_IDENTIFICATION = 81,
};

/* Bits of Tunnel options. */
enum {
    QUICKTUN_OFFER_ENCRYPTION = 0x80,
    QUICKTUN_OFFER_CLEAR = 0x40,
    QUICKTUN_OFFER_SEGMENTED = 0x20,
    QUICKTUN_OFFER_CONTROL_ONLY = 0x10,
};

enum { QUICKTUN_HASH_LEN = 64 };

/* Commands 1-4, 7 and 8: nothing may follow them in a packet (rule 3). */
static inline bool quicktun_code_is_keying(uint8_t code)
{
    return (code >= QUICKTUN_CODE_START_CRYPTO && code <= QUICKTUN_CODE_ACK_UPDATE) ||
           code == QUICKTUN_CODE_DISABLE || code == QUICKTUN_CODE_ACK_DISABLE;
}

/* Commands that rule 5 keeps from a peer that has not proven itself. */
static inline bool quicktun_code_needs_proof(uint8_t code)
{
    return code == QUICKTUN_CODE_ASK_PASSWORD || code == QUICKTUN_CODE_PASSWORD ||
           (code >= QUICKTUN_CODE_ECHO && code <= QUICKTUN_CODE_PACKET) ||
           code == QUICKTUN_CODE_SEGMENTED;
}

#endif
