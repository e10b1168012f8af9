/*
 * SniTun tokens: Fernet (github.com/fernet/spec) around a JSON payload that says which host names
 * a client may serve and with which multiplexer keys. docs/protocols/snitun.md, Token.
 * For servers and masters; a publisher only carries a token and needs none of this.
 */
#ifndef ADIT_SNITUN_TOKEN_H
#define ADIT_SNITUN_TOKEN_H

#include <adit/snitun.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SNITUN_TOKEN_TEXT_MAX = 8192,  /* characters accepted */
    SNITUN_TOKEN_MINT_MAX = 2048,  /* characters minted: the public server reads no more */
    SNITUN_TOKEN_NAME_MAX = 255,   /* bytes of a host name */
    SNITUN_TOKEN_TRIALS_MAX = 512, /* attempts to open a token that arrives in pieces */
    SNITUN_TOKEN_VERSION_MAX = 2,  /* of the protocol */
    SNITUN_FERNET_KEYS_MAX = 16,
    SNITUN_FERNET_KEY_TEXT = 44, /* characters of a key in base64url */
};

/* Seconds: `valid` lies within this on both sides of 0, so that it fits integers, ms included. */
#define SNITUN_TOKEN_VALID_MAX 9007199254740992.0 /* 2^53 */

enum snitun_token_error {
    SNITUN_TOKEN_OK = 0,
    SNITUN_TOKEN_INCOMPLETE = 1, /* snitun_token_reader: more bytes may complete it */
    SNITUN_TOKEN_E_NO_MEMORY = -1,
    SNITUN_TOKEN_E_FORM = -2,    /* no base64url, or no length that a token can have */
    SNITUN_TOKEN_E_FOREIGN = -3, /* no key opens it */
    SNITUN_TOKEN_E_PAYLOAD = -4, /* opened, but the payload is not as specified */
    SNITUN_TOKEN_E_EXPIRED = -5,
    SNITUN_TOKEN_E_TOO_LONG = -6,
    SNITUN_TOKEN_E_TRIALS = -7, /* SNITUN_TOKEN_TRIALS_MAX attempts made */
    SNITUN_TOKEN_E_RANDOM = -8,
    SNITUN_TOKEN_E_CRYPTO = -9,
    SNITUN_TOKEN_E_KEY = -10, /* a Fernet key is not 32 bytes of base64url */
};

ADIT_PUBLIC const char *snitun_token_error_text(int error);

/* Fernet keys; the first mints, all open. Wiped by snitun_keyring_wipe(). */
struct snitun_keyring {
    size_t count;
    uint8_t keys[SNITUN_FERNET_KEYS_MAX][32]; /* signing half first */
};

/*
 * Reads keys as text, one a line; blank lines and lines that start with '#' are skipped. At least
 * one key. Returns 0 or SNITUN_TOKEN_E_KEY, with the number of the line in *line: the one that is
 * no key or one too many, or the last where none was found; then the keyring is empty.
 */
ADIT_PUBLIC ADIT_MUST_USE int snitun_keyring_parse(struct snitun_keyring *keyring, const char *text,
                                                   size_t len, unsigned *line);
ADIT_PUBLIC void snitun_keyring_wipe(struct snitun_keyring *keyring);

/* Writes a key as text, SNITUN_FERNET_KEY_TEXT characters and a NUL. */
ADIT_PUBLIC void snitun_fernet_key_format(const uint8_t key[32],
                                          char out[SNITUN_FERNET_KEY_TEXT + 1]);

struct snitun_token_cidr {
    struct adit_ip ip;
    uint8_t prefix_len;
};

/* A token's payload. Strings are NUL terminated, checked (RFC 1123 host names), as written. */
struct snitun_token {
    double valid; /* Unix seconds */
    char hostname[SNITUN_TOKEN_NAME_MAX + 1];
    struct snitun_keys keys;
    char (*aliases)[SNITUN_TOKEN_NAME_MAX + 1]; /* owned */
    size_t alias_count;
    struct snitun_token_cidr *whitelist; /* owned */
    size_t whitelist_count;              /* 0 = everyone may call */
};

/* Frees what the token owns and wipes its keys. The struct itself is the caller's. */
ADIT_PUBLIC void snitun_token_clear(struct snitun_token *token);

/*
 * Opens a whole token. wall_s is the time now, Unix seconds. On success the token is to be cleared
 * by the caller; SNITUN_TOKEN_E_EXPIRED fills it as well (to say whose it was), other errors leave
 * it all zeros.
 */
ADIT_PUBLIC ADIT_MUST_USE int snitun_token_open(const struct snitun_keyring *keyring, double wall_s,
                                                const char *text, size_t len,
                                                struct snitun_token *token);

/*
 * Mints a token with the first key: out holds SNITUN_TOKEN_MINT_MAX + 1 characters. The IV and
 * Fernet's time come from random and wall_s; `valid` is kept to the microsecond. Returns 0,
 * SNITUN_TOKEN_E_TOO_LONG, SNITUN_TOKEN_E_PAYLOAD (a time before 1970, a name, version, cipher or
 * CIDR block that must not be), SNITUN_TOKEN_E_RANDOM, SNITUN_TOKEN_E_CRYPTO or SNITUN_TOKEN_E_KEY
 * (no key); then out is "".
 */
ADIT_PUBLIC ADIT_MUST_USE int snitun_token_mint(const struct snitun_keyring *keyring, double wall_s,
                                                const struct snitun_token *token,
                                                adit_random_fn *random, void *random_arg,
                                                char out[SNITUN_TOKEN_MINT_MAX + 1]);

/*
 * A token that arrives without length or delimiter. Hand in all bytes from the first one again
 * when more came; trials counts the attempts over all calls and starts at 0. An attempt is made
 * only where len is a multiple of 4 and decodes to 57 + 16 k bytes. SNITUN_TOKEN_INCOMPLETE: wait
 * for more.
 */
ADIT_PUBLIC ADIT_MUST_USE int snitun_token_read(const struct snitun_keyring *keyring, double wall_s,
                                                const char *text, size_t len, unsigned *trials,
                                                struct snitun_token *token);

#ifdef __cplusplus
}
#endif

#endif
