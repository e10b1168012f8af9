#include "roles/transfer/hashing.h"

#include <stdlib.h>

enum { STEP = 256 * 1024 };

_Static_assert(HASHING_TURN % STEP == 0, "a turn is whole steps");

void hashing_new_turn(struct hashing *hashing)
{
    hashing->turn_left = HASHING_TURN;
}

void hashing_stop(struct hashing *hashing)
{
    hashing->under_way = false;
}

void hashing_clear(struct hashing *hashing)
{
    hashing_stop(hashing);
    free(hashing->scratch);
    hashing->scratch = NULL;
}

static int begin(struct hashing *hashing)
{
    if (hashing->scratch == NULL)
        hashing->scratch = malloc(STEP);
    if (hashing->scratch == NULL)
        return IO_E_NO_MEMORY;
    hashing->under_way = true;
    hashing->at = 0;
    crypto_generichash_init(&hashing->state, NULL, 0, SODIUMTCP_HASH_LEN);
    return 0;
}

/* A short last step counts as a whole one: small files are turns as well. */
static int take_turn(struct hashing *hashing, struct io_file *file, uint64_t length)
{
    while (hashing->at < length) {
        uint64_t left = length - hashing->at;
        size_t step = left < STEP ? (size_t)left : STEP;
        if (hashing->turn_left == 0)
            return HASHING_UNFINISHED;
        hashing->turn_left -= STEP;
        ssize_t got = io_file_read_at(file, hashing->scratch, step, hashing->at);
        if (got != (ssize_t)step)
            return got < 0 ? (int)got : IO_E_OTHER;
        crypto_generichash_update(&hashing->state, hashing->scratch, step);
        hashing->at += step;
    }
    return 0;
}

int hashing_go_on(struct hashing *hashing, struct io_file *file, uint64_t length,
                  uint8_t hash[SODIUMTCP_HASH_LEN])
{
    int result = hashing->under_way ? 0 : begin(hashing);
    if (result == 0)
        result = take_turn(hashing, file, length);
    if (result == 0)
        crypto_generichash_final(&hashing->state, hash, SODIUMTCP_HASH_LEN);
    if (result != HASHING_UNFINISHED)
        hashing_stop(hashing);
    return result;
}
