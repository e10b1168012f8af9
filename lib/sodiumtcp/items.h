/*
 * The order of items (docs/protocols/sodiumtcp.md, Files): one set of rules for both sides, asked
 * before a step is sent and when one is received. Each answers 0 and takes the step, or names the
 * breach and changes nothing.
 */
#ifndef SODIUMTCP_ITEMS_H
#define SODIUMTCP_ITEMS_H

#include <adit/sodiumtcp.h>

struct sodiumtcp_announced {
    uint8_t kind;    /* enum sodiumtcp_kind */
    uint8_t exists;  /* enum sodiumtcp_exists */
    bool answered;   /* its OFFER passed */
    uint8_t verdict; /* enum sodiumtcp_verdict, then */
    uint64_t size;
    uint64_t offered_len;
};

/* acked <= over <= offered <= announced; items from `over` on are in the ring. */
struct sodiumtcp_items {
    uint32_t announced; /* number of the next BEGIN */
    uint32_t offered;   /* items before it need no OFFER any more */
    uint32_t over;      /* items before it have no contents to come */
    uint32_t acked;     /* number of the next ACK */
    bool open;          /* item `over` is started */
    bool finishing;     /* FINISH passed */
    uint64_t position;  /* of the open item: its bytes so far */
    struct sodiumtcp_announced ring[SODIUMTCP_ASKED_MAX];
};

int sodiumtcp_items_begin(struct sodiumtcp_items *items, uint32_t number,
                          const struct sodiumtcp_item *item);
int sodiumtcp_items_offer(struct sodiumtcp_items *items, uint32_t number, uint8_t verdict,
                          uint64_t length);
int sodiumtcp_items_may_start(const struct sodiumtcp_items *items);
int sodiumtcp_items_start(struct sodiumtcp_items *items, uint32_t number, uint64_t offset);
int sodiumtcp_items_data(struct sodiumtcp_items *items, size_t plain_len);
int sodiumtcp_items_end(struct sodiumtcp_items *items, uint32_t number, uint8_t status,
                        uint64_t length);
int sodiumtcp_items_ack(struct sodiumtcp_items *items, uint32_t number, uint8_t status);
int sodiumtcp_items_finish(struct sodiumtcp_items *items, uint32_t count);
int sodiumtcp_items_finished(const struct sodiumtcp_items *items, uint32_t count);

/* Bytes that the open item may still have; UINT64_MAX where its size is not known; 0 = none open.
 */
uint64_t sodiumtcp_items_left(const struct sodiumtcp_items *items);

#endif
