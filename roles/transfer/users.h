/*
 * Who may send: one line a user, `name:hash:directory:limits`. The hash is Argon2id as libsodium
 * writes it; directory is relative to where everything goes, or absolute, or empty for that place
 * itself; limits is empty or `size=BYTES`, what one connection may bring. Lines that are empty or
 * begin with # are left out.
 */
#ifndef ROLES_TRANSFER_USERS_H
#define ROLES_TRANSFER_USERS_H

#include "adit/sodiumtcp.h"
#include "io/io.h"

enum {
    USERS_FILE_MAX = 4 * 1024 * 1024,
    USERS_HASH_MAX = 128, /* libsodium's text, NUL included */
    USERS_DIRECTORY_MAX = 1024,
};

struct user {
    char name[SODIUMTCP_CREDENTIAL_MAX + 1];
    char hash[USERS_HASH_MAX];
    char directory[USERS_DIRECTORY_MAX];
    uint64_t size_max; /* 0 = no limit */
};

struct users {
    struct user *all;
    size_t count;
};

/* Reads the file, which others must not be able to read. 0, or -1 with one line in why. */
int users_read(struct users *users, struct io_disk *disk, const char *path, char *why,
               size_t why_len);
void users_clear(struct users *users);

/* NULL when there is none. */
const struct user *users_find(const struct users *users, const char *name);

/* A name that fits into a line and can be sent: no colon, no control character, no # in front. */
bool users_name_valid(const char *name);

/*
 * Hashes a passphrase: Argon2id, with libsodium's limits for an interactive login. Blocks for a
 * noticeable time and takes 64 MiB. False without memory.
 */
bool users_hash(const char *passphrase, char hash[USERS_HASH_MAX]);

/*
 * A hash of the same cost that no passphrase has, as far as anybody knows, from 48 random bytes.
 */
enum { USERS_STRANGER_RANDOM = 48 };
void users_stranger(const uint8_t random[USERS_STRANGER_RANDOM], char hash[USERS_HASH_MAX]);

/* Blocks as long. */
bool users_verify(const char hash[USERS_HASH_MAX], const char *passphrase);

/*
 * Sets a user's hash in the file, other lines and the user's own directory and limits as they are;
 * the file is made where it is not there, and replaced at once. 0, or -1 with why.
 */
int users_set(struct io_disk *disk, const char *path, const char *name, const char *hash, char *why,
              size_t why_len);

#endif
