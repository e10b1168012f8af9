/*
 * What a publisher holds: the JSON object that `adit token mint` prints and a session master
 * answers.
 */
#ifndef ROLES_PUBLISH_CREDENTIAL_H
#define ROLES_PUBLISH_CREDENTIAL_H

#include "adit/snitun.h"
#include "base/hostname.h"
#include "io/io.h"

#include <jansson.h>

enum { CREDENTIAL_TOKEN_MAX = 8192 };

struct credential {
    char token[CREDENTIAL_TOKEN_MAX + 1];
    struct snitun_keys keys;
    char hostname[HOSTNAME_MAX + 1];
    double valid; /* Unix seconds; 0 = not said */
};

/* Reads the JSON text. 0, or -1 with one line for a person. */
int credential_parse(struct credential *credential, const char *text, size_t len, char *why,
                     size_t why_len);

/* The same, of an object that was read already. */
int credential_from(struct credential *credential, const json_t *object, char *why, size_t why_len);

/* Reads the file, which others must not be able to read. */
int credential_read(struct credential *credential, struct io_disk *disk, const char *path,
                    char *why, size_t why_len);
void credential_wipe(struct credential *credential);

/*
 * An aes-gcm credential is good for one connection. Whether it was used stands beside its file, in
 * PATH.used, by the digest of its key; `mark` writes that and syncs it before it returns.
 */
int credential_was_used(const struct credential *credential, struct io_disk *disk, const char *path,
                        bool *used, char *why, size_t why_len);
int credential_mark_used(const struct credential *credential, struct io_disk *disk,
                         const char *path, char *why, size_t why_len);

#endif
