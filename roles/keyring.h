/*
 * The file of Fernet keys, which servers, session masters and commands read alike.
 */
#ifndef ROLES_KEYRING_H
#define ROLES_KEYRING_H

#include "adit/snitun_token.h"
#include "io/io.h"

enum { KEYRING_FILE_MAX = 16 * 1024 };

/*
 * Reads the keys of a file that nobody else may read. Returns IO_OK, and the keyring is to be wiped
 * by the caller; else, with why and an empty keyring, the error of reading the file, or IO_E_OTHER
 * where it holds no keys, or anything besides.
 */
int keyring_read(struct io_disk *disk, const char *path, struct snitun_keyring *keyring, char *why,
                 size_t why_len);

#endif
