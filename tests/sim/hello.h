/*
 * A real ClientHello, as captured, with another name of the same length.
 */
#ifndef TESTS_SIM_HELLO_H
#define TESTS_SIM_HELLO_H

#include <stddef.h>
#include <stdint.h>

enum { HELLO_LEN = 324 };

/* name: as long as "host-a.example.com". Returns HELLO_LEN. */
size_t hello_write(const char *name, uint8_t out[HELLO_LEN]);

#endif
