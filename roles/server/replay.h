/*
 * One AES key, one connection: remembers SHA-256(aes_key) of each aes-gcm token until it expires,
 * because a second connection would use the same nonces again. Any thread.
 */
#ifndef ROLES_SERVER_REPLAY_H
#define ROLES_SERVER_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replay;

struct replay *replay_new(const uint8_t seed[16]); /* NULL without memory */
void replay_free(struct replay *replay);

/* True the first time. False when the key was used before, or without memory. */
bool replay_first_use(struct replay *replay, const uint8_t aes_key[32], double valid_s,
                      double now_s);
size_t replay_count(struct replay *replay);

#endif
