/*
 * ClientHellos made by hand, piece by piece: a body under construction, and the records that the
 * parser gets.
 */
#ifndef TESTS_UNIT_HELLO_MAKER_H
#define TESTS_UNIT_HELLO_MAKER_H

#include "adit/clienthello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { HELLO_ROOM = 2 * CLIENTHELLO_MAX };

struct hello_bytes {
    size_t len;
    uint8_t at[HELLO_ROOM];
};

extern struct hello_bytes hello_body; /* of the ClientHello */
extern struct hello_bytes hello;      /* as records */

void hello_put(struct hello_bytes *bytes, const void *from, size_t len);
void hello_put_u8(struct hello_bytes *bytes, size_t value);
void hello_put_u16(struct hello_bytes *bytes, size_t value);
void hello_put_zeros(struct hello_bytes *bytes, size_t len);

/* A body up to its extensions; with them, whose length hello_end_extensions() fills in. */
void hello_begin(void);
size_t hello_begin_extensions(void);
void hello_end_extensions(size_t start);
void hello_put_extension(size_t type, const void *content, size_t len);
void hello_put_server_name(const char *name);

/* Puts the message, with a header of its length, into records of record_len bytes each. */
void hello_wrap(size_t record_len);

/* A whole one with this name, or with this extension alone. */
void hello_build(const char *name);
void hello_build_with(size_t type, const void *content, size_t len);

/* What is said of its first len bytes. A read past them is seen by a sanitizer. */
enum clienthello_verdict hello_parse(size_t len, struct clienthello *out);

/* The verdict over the whole; every shorter input is incomplete or, for an error, that error. */
void hello_expect(enum clienthello_verdict expected);
void hello_expect_name(const char *expected);

#endif
