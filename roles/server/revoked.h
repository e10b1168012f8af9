/*
 * What a session master has revoked: for a name, the tokens that are valid until then or less.
 * Names are normalised. Any thread.
 */
#ifndef ROLES_SERVER_REVOKED_H
#define ROLES_SERVER_REVOKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct revoked;

struct revoked *revoked_new(const uint8_t seed[16]); /* NULL without memory */
void revoked_free(struct revoked *revoked);

/* Tokens for the name with `valid` up to this are refused; it replaces what was said before. False
 * without memory. */
bool revoked_set(struct revoked *revoked, const char *name, double valid_after_s);
bool revoked_has(struct revoked *revoked, const char *name, double valid_s);
size_t revoked_count(struct revoked *revoked);

#endif
