/*
 * Types that every engine's public header shares.
 */
#ifndef ADIT_ADIT_H
#define ADIT_ADIT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ADIT_PUBLIC   __attribute__((visibility("default")))
#define ADIT_MUST_USE __attribute__((warn_unused_result))
#else
#define ADIT_PUBLIC
#define ADIT_MUST_USE
#endif

/*
 * An IP address without a port. family is 4 or 6, or 0 for "unknown"; an IPv4 address stands in
 * bytes[0..3], network order, and the other bytes are zero. An IPv4-mapped IPv6 address is
 * written as family 4 by everything in adit that reads addresses.
 */
struct adit_ip {
    uint8_t family;
    uint8_t bytes[16];
};

/* Fills buf with len unpredictable bytes. Returns 0, or -1 when there is no randomness. */
typedef int adit_random_fn(void *arg, void *buf, size_t len);

#endif
