/*
 * How often an address may ask: a bucket of tokens for each IPv4 address or IPv6 /64, as many as
 * LIMITER_ADDRESSES_MAX; then the one not seen for longest goes.
 */
#ifndef ROLES_MASTER_LIMITER_H
#define ROLES_MASTER_LIMITER_H

#include "base/ip.h"

enum { LIMITER_ADDRESSES_MAX = 65536 };

struct limiter;

/* per_minute requests in the long run, as many at once; seed: 16 random bytes. NULL without
 * memory. */
struct limiter *limiter_new(const uint8_t seed[16], uint32_t per_minute);
void limiter_free(struct limiter *limiter);

/* 0 = go on; else the seconds until the next request. Without memory everybody may go on. */
unsigned limiter_ask(struct limiter *limiter, const struct adit_ip *from, uint64_t now_ms);

#endif
