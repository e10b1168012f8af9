/*
 * Two sodium-tcp engines in extension mode, and the steps of items that they take: each is written,
 * delivered, and found to be the event that the other side gets.
 */
#ifndef SODIUMTCP_STEPS_H
#define SODIUMTCP_STEPS_H

#include "tests/unit/sodiumtcp_pair.h"

extern const uint8_t steps_zeros[SODIUMTCP_ZSTD_PLAIN_MAX];
extern const uint8_t steps_hash[SODIUMTCP_HASH_LEN];

/* Open, with zstd. */
struct pair *steps_open(void);

/* The client's; those that begin an item return its number. */
uint32_t steps_begin(struct pair *pair, const struct sodiumtcp_item *item);
uint32_t steps_begin_file(struct pair *pair, uint64_t size, enum sodiumtcp_exists exists);
uint32_t steps_begin_directory(struct pair *pair);
void steps_start(struct pair *pair, uint32_t number, uint64_t offset);
void steps_data(struct pair *pair, size_t len); /* zeros */
struct sodiumtcp_event steps_end(struct pair *pair, enum sodiumtcp_end_status status);
void steps_finish(struct pair *pair);

/* The server's. An offer of a part has steps_hash, an ack the length 77. */
void steps_offer(struct pair *pair, uint32_t number, enum sodiumtcp_verdict verdict,
                 uint64_t length);
void steps_ack(struct pair *pair, uint32_t number, enum sodiumtcp_ack_status status);

/* The engine calls what the protocol does not allow a mistake of the caller's, and goes on. */
#define assert_call_refused(call)                                                                  \
    do {                                                                                           \
        uint8_t out_[SODIUMTCP_BEGIN_ROOM];                                                        \
        uint8_t *out = out_;                                                                       \
        assert_int_equal(call, SODIUMTCP_E_CALL);                                                  \
        (void)out;                                                                                 \
    } while (0)

#endif
