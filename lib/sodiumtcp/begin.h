/*
 * The body of BEGIN (docs/protocols/sodiumtcp.md, BEGIN).
 */
#ifndef SODIUMTCP_BEGIN_H
#define SODIUMTCP_BEGIN_H

#include <adit/sodiumtcp.h>

/* 0 where an item may be announced so, else SODIUMTCP_E_FIELD or SODIUMTCP_E_NAME. */
int sodiumtcp_begin_check(const struct sodiumtcp_item *item);

/* Writes an item that passed the check; out has room for the longest. Returns the body's bytes. */
size_t sodiumtcp_begin_write(uint32_t number, const struct sodiumtcp_item *item, uint8_t *out);

/* Reads a body of at least SODIUMTCP_BEGIN_LEN bytes; the name leads into it. */
int sodiumtcp_begin_read(const uint8_t *body, size_t len, uint32_t *number,
                         struct sodiumtcp_item *item);

#endif
