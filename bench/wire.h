/*
 * What the load generator puts on the wire: a ClientHello, an order that says what the endpoint is
 * to do, then plain bytes of a pattern that depends on position and connection.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HELLO_MAX = 1024,
    ORDER_LEN = 12,
    WIRE_CHUNK = 64 * 1024, /* bytes of one read or write of bulk data */
    PATTERN_PERIOD = 65521, /* prime, so that no buffer's size is a multiple of it */
};

/* The length of every ClientHello for this name. */
size_t hello_len(const char *name);

/* Writes a ClientHello as a browser sends it; its random fields follow from seed. */
size_t hello_build(uint8_t out[HELLO_MAX], const char *name, uint32_t seed);

enum order_kind { ORDER_SEND = 1, ORDER_RECEIVE = 2, ORDER_ECHO = 3 };

struct order {
    enum order_kind kind;
    uint32_t seed; /* of the ClientHello and of the pattern, a connection's own */
};

void order_write(uint8_t out[ORDER_LEN], const struct order *order);

/* False when the bytes are no order. */
bool order_read(struct order *order, const uint8_t in[ORDER_LEN]);

/* Fills the table behind the following two. Once, before threads. */
void pattern_init(void);

/* The pattern of a connection from a position on; WIRE_CHUNK bytes may be read. */
const uint8_t *pattern_at(uint32_t seed, uint64_t position);

bool pattern_matches(uint32_t seed, uint64_t position, const uint8_t *bytes, size_t len);

#endif
