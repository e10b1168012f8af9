/*
 * What a session master remembers: hosts, their names and keys, what was revoked, DNS challenges.
 * SQLite 3 in WAL mode; several processes may have one store open. Calls block for
 * STORE_BUSY_MS at most; a store belongs to one thread.
 */
#ifndef ROLES_MASTER_STORE_H
#define ROLES_MASTER_STORE_H

#include "base/hostname.h"
#include "base/ip.h"
#include "lib/crypto/sha256.h"

enum {
    STORE_BUSY_MS = 5000,
    STORE_ALIASES_MAX = 32,
    STORE_ALLOW_MAX = 64,
    STORE_CHANGES_MAX = 500,  /* answered at once */
    STORE_SEEN_MAX = 4096,    /* that wait for store_flush(); more replace nothing and are lost */
    STORE_CHALLENGES_MAX = 8, /* TXT values of a host at a time; the oldest goes */
    STORE_TXT_MAX = 255,
};

/* Revoked with no end: larger than any token's `valid`. */
#define STORE_FOR_EVER ((int64_t)1 << 53)

enum store_error {
    STORE_OK = 0,
    STORE_E_NOT_FOUND = -1,
    STORE_E_TAKEN = -2, /* a name or alias is somebody's already */
    STORE_E_BUSY = -3,
    STORE_E_READ_ONLY = -4,
    STORE_E_FULL = -5,
    STORE_E_CORRUPT = -6, /* damaged, or no store of ours */
    STORE_E_NEWER = -7,   /* written by a newer version of this program */
    STORE_E_CANNOT_OPEN = -8,
    STORE_E_NO_MEMORY = -9,
    STORE_E_OTHER = -10,
};

/* One line for a person, static. */
const char *store_error_text(int error);

enum store_kind {
    STORE_HOST,   /* publishes under its names */
    STORE_SERVER, /* a public server: may read what was revoked */
};

/* A host as it is in the store. Names are normalised; all that is owned is freed by
 * store_host_clear(). */
struct store_host {
    int64_t id;
    enum store_kind kind;
    char name[HOSTNAME_MAX + 1];
    char (*aliases)[HOSTNAME_MAX + 1];
    size_t alias_count;
    struct cidr *allow;
    size_t allow_count;
    unsigned ciphers; /* 1 << enum snitun_cipher of each that it may use */
    bool enabled;
    int64_t created_s;
    int64_t token_s;     /* of the last token; 0 = none yet */
    int64_t floor_s;     /* new tokens must be valid longer: until then, older ones are refused */
    struct adit_ip from; /* of the last token; family 0 = none yet */
};

void store_host_clear(struct store_host *host);

struct master_store;

/*
 * Opens a store, ":memory:" included, and brings its schema up to date. `create` makes a file that
 * is not there, mode 0600. NULL with *error set.
 */
struct master_store *store_open(const char *path, bool create, int *error);

/* Writes what waits and closes. NULL is allowed. */
void store_close(struct master_store *store);

/* The longest time that tokens have been minted for, in seconds: revoking looks at it. */
int store_promise(struct master_store *store, int64_t token_valid_s);

/* ---- Hosts ---- */

/*
 * Adds a host: name, aliases, allow, ciphers, kind and created_s of *host are read. STORE_E_TAKEN:
 * taken[] is the name that somebody else has.
 */
int store_add(struct master_store *store, const struct store_host *host,
              const uint8_t key_digest[SHA256_LEN], char taken[HOSTNAME_MAX + 1]);

/* By the digest of its API key, or by its primary name or an alias. */
int store_find_key(struct master_store *store, const uint8_t key_digest[SHA256_LEN],
                   struct store_host *host);
int store_find_name(struct master_store *store, const char *name, struct store_host *host);

/* Calls visit for each, by name, with a host that is valid during the call. */
int store_each(struct master_store *store, void (*visit)(void *arg, const struct store_host *host),
               void *arg);

/*
 * Enables, disables, removes; by any name of the host. Disabling and removing revoke its tokens;
 * those stay revoked when it is enabled, or its name added, again.
 */
int store_enable(struct master_store *store, const char *name, bool enabled, int64_t now_s);
int store_remove(struct master_store *store, const char *name, int64_t now_s);

/* Another API key: the former one is refused from now on. */
int store_rotate(struct master_store *store, const char *name,
                 const uint8_t key_digest[SHA256_LEN]);

/* ---- What is not promised: written by store_flush(), once a second ---- */

void store_saw_token(struct master_store *store, int64_t host, int64_t at_s,
                     const struct adit_ip *from);
int store_flush(struct master_store *store);

/* ---- What was revoked ---- */

/* Tokens for a name that are valid until valid_after_s or less are refused. */
struct store_change {
    int64_t seq;
    int64_t valid_after_s; /* STORE_FOR_EVER: all are */
    char name[HOSTNAME_MAX + 1];
};

/*
 * The changes after `since`, oldest first, STORE_CHANGES_MAX at most; a name has its newest one
 * alone. *last is the newest change of the store.
 */
int store_changes(struct master_store *store, int64_t since, struct store_change *changes,
                  size_t *count, int64_t *last);

/* The number of the newest change, 0 where there is none. */
int store_last_change(struct master_store *store, int64_t *last);

/* ---- DNS challenges (ACME dns-01) ---- */

int store_add_challenge(struct master_store *store, int64_t host, const char *txt, int64_t at_s);
int store_remove_challenge(struct master_store *store, int64_t host, const char *txt);
int store_each_challenge(struct master_store *store, int64_t host,
                         void (*visit)(void *arg, const char *txt), void *arg);

#endif
