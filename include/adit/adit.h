/*
 * Types that every engine's public header shares.
 */
#ifndef ADIT_ADIT_H
#define ADIT_ADIT_H

#include <stddef.h>
#include <stdint.h>

/*
 * The version of these headers, that of the pkg-config files. The number behind `.so.` changes when
 * programs have to be compiled anew: structs may have grown then. Before 1.0.0 link the libraries
 * that belong to the headers.
 */
#define ADIT_VERSION_MAJOR 0
#define ADIT_VERSION_MINOR 1
#define ADIT_VERSION_PATCH 0

#if defined(__GNUC__)
#define ADIT_PUBLIC   __attribute__((visibility("default")))
#define ADIT_MUST_USE __attribute__((warn_unused_result))
#define ADIT_UNNAMED  __extension__ /* before what C99 does not have: unions without a name */
#else
#define ADIT_PUBLIC
#define ADIT_MUST_USE
#define ADIT_UNNAMED
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
