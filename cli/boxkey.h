/*
 * Keys of `adit keygen box` and passphrases, as files and arguments have them.
 */
#ifndef CLI_BOXKEY_H
#define CLI_BOXKEY_H

#include "cli/option.h"
#include "io/io.h"

#include <adit/sodiumtcp.h>

/* A public key in base64. False with why. */
bool boxkey_public(const char *text, uint8_t key[SODIUMTCP_KEY_LEN], char why[OPTION_WHY_MAX]);

/* Reads the secret half and makes the public one of it. False with why. */
bool boxkey_read(struct io_disk *disk, const char *path, struct sodiumtcp_keypair *pair,
                 char why[OPTION_WHY_MAX]);

/*
 * Reads a passphrase, the first line of the file, "-" = standard input. False with why. The caller
 * wipes it.
 */
bool boxkey_passphrase(struct io_disk *disk, const char *path,
                       char passphrase[SODIUMTCP_CREDENTIAL_MAX + 1], char why[OPTION_WHY_MAX]);

#endif
