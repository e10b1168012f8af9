/*
 * Credentials: a token and the keys that are in it, as JSON for a publisher.
 */
#ifndef CLI_MINT_H
#define CLI_MINT_H

#include "cli/option.h"
#include "io/io.h"

#include <adit/snitun_token.h>

/*
 * Fills the token's keys from the loop's randomness, mints it with the first key of the ring and
 * returns the credential as JSON from malloc(), to be wiped by the caller: token, aes_key, aes_iv,
 * cipher, protocol_version, hostname, alias, valid. NULL with why.
 */
char *mint_credential(struct io_loop *loop, const struct snitun_keyring *keyring,
                      struct snitun_token *token, char why[OPTION_WHY_MAX]);

#endif
