/*
 * BLAKE2b-256 over the beginning of a file, in turns: a file may have any size, and whoever waits
 * for the helper thread that reads it has a turn in between. Made on the helper pool.
 */
#ifndef ROLES_TRANSFER_HASHING_H
#define ROLES_TRANSFER_HASHING_H

#include "adit/sodiumtcp.h"
#include "io/file.h"

#include <sodium.h>

enum {
    HASHING_TURN = 32 * 1024 * 1024, /* bytes of one turn */
    HASHING_UNFINISHED = 1,
};

struct hashing {
    bool under_way;
    uint64_t at;
    size_t turn_left;
    uint8_t *scratch;
    crypto_generichash_state state;
};

/* Zeros are one that has no turn yet. */
void hashing_new_turn(struct hashing *hashing);

/* Forgets how far it came. */
void hashing_stop(struct hashing *hashing);
void hashing_clear(struct hashing *hashing);

/*
 * Goes on with the first `length` bytes, or begins with them. 0 with the hash; HASHING_UNFINISHED
 * when the turn is over: the next call of the next turn names the same file and length; or an
 * error, IO_E_OTHER where the file has fewer bytes.
 */
int hashing_go_on(struct hashing *hashing, struct io_file *file, uint64_t length,
                  uint8_t hash[SODIUMTCP_HASH_LEN]);

#endif
