/*
 * A recorded sodium-tcp session as a file of vectors has it.
 */
#ifndef VECTORS_SODIUMTCP_CASE_H
#define VECTORS_SODIUMTCP_CASE_H

#include "lib/sodiumtcp/pdu.h"

#include <jansson.h>

enum { WHERE_MAX = 160, RANDOM_PER_PDU_MAX = 8 };

struct bytes {
    uint8_t *at;
    size_t len;
};

struct pdu {
    bool from_server;
    uint32_t type;
    struct bytes body;
    struct bytes wire;
    size_t random_count;
    struct bytes random[RANDOM_PER_PDU_MAX];
};

struct recording {
    struct sodiumtcp_keypair server;
    struct sodiumtcp_keypair client;
    uint8_t client_tx_key[SODIUMTCP_KEY_LEN];
    uint8_t client_rx_key[SODIUMTCP_KEY_LEN];
    const char *login;
    const char *passphrase;
    const char *message;
    struct pdu *pdus;
    size_t count;
};

/* Prints one line to stderr: "where: text". Returns false, to be passed on. */
__attribute__((format(printf, 2, 3))) bool vectors_fail(const char *where, const char *format, ...);

/* Zeroed memory, or the end of the program. */
void *vectors_allocate(size_t count, size_t size);

/* False with a line printed where it is no recording. To be freed in both cases. */
bool recording_load(const json_t *root, struct recording *recording);
void recording_free(struct recording *recording);

/* CLIENT_AUTH and SERVER_HELO. */
bool recorded_sealed(const struct pdu *pdu);

#endif
