/* Tokens of the load generator's peers: aes-cbc, protocol version 1, in a Fernet token. */
#ifndef BENCH_TOKEN_H
#define BENCH_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

enum { TOKEN_KEY_LEN = 32, TOKEN_MAX = 1024, TOKEN_AES_KEY_LEN = 32, TOKEN_AES_IV_LEN = 16 };

/* Reads a Fernet key: signing half, then encrypting half. */
bool token_read_key(const char *path, uint8_t key[TOKEN_KEY_LEN]);

/* A token for a host name, valid for an hour, NUL terminated. */
bool token_mint(const uint8_t key[TOKEN_KEY_LEN], const char *name,
                const uint8_t aes_key[TOKEN_AES_KEY_LEN], const uint8_t aes_iv[TOKEN_AES_IV_LEN],
                char out[TOKEN_MAX]);

#endif
