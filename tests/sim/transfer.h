/*
 * Transfers whose every byte is known: each direction of each transfer is a function of the
 * transfer's number and the place in the stream, so that a byte lost, invented, repeated or mixed
 * up is seen when it arrives. A caller connects and says which transfer it wants; an answerer
 * serves it. Both live on loops of the simulated world; what is between them is the test's matter.
 */
#ifndef TESTS_SIM_TRANSFER_H
#define TESTS_SIM_TRANSFER_H

#include "base/list.h"
#include "io/sim/sim.h"

enum {
    TRANSFER_PREAMBLE_MAX = 2048,
    TRANSFER_HEADER_LEN = 8, /* the transfer's number, after the preamble */
    TRANSFER_HEAD_MAX = TRANSFER_PREAMBLE_MAX + TRANSFER_HEADER_LEN,
};

/* Who ends a transfer, when. */
enum transfer_end {
    TRANSFER_CALLER_CLOSES,   /* the caller, when it has everything */
    TRANSFER_ANSWERER_CLOSES, /* the answerer, when it has everything and sent everything */
    TRANSFER_UPLOAD,          /* the caller, at once after its last byte; nothing comes back */
    TRANSFER_CALLER_RESETS,   /* the caller, in the middle; need not be complete */
    TRANSFER_ENDS,
};

enum transfer_state { TRANSFER_RUNNING, TRANSFER_DONE, TRANSFER_FAILED };

/* One service: what callers of it send first, and what its answerers therefore get first. */
struct service {
    const char *name;
    uint8_t preamble[TRANSFER_PREAMBLE_MAX];
    size_t preamble_len;
    const uint8_t *refusal;       /* what a caller may get instead of an answerer; NULL = nothing */
    const uint8_t *other_refusal; /* as long, for another reason; NULL = none */
    size_t refusal_len;
    bool unknown; /* nobody answers: refusal is all that a caller gets */
    bool lies;    /* whoever answers is hostile: callers get what they get */
};

struct transfers {
    struct sim_world *world;
    struct list all;
    uint64_t next_id;
    uint64_t running; /* callers that have not ended */
    uint64_t salt;
};

struct transfer {
    struct list node;
    struct transfers *transfers;
    uint64_t id;
    const struct service *service;
    enum transfer_end end;
    struct addr from; /* the caller's, once it is connected */
    uint64_t up_len;
    uint64_t down_len;
    uint64_t up_sent;
    uint64_t up_got;
    uint64_t down_sent;
    uint64_t down_got;
    size_t refusal_got;
    uint64_t nap_from_us; /* from then on its receiver does not read, for nap_ms; 0 = never */
    uint64_t nap_ms;
    bool slow;     /* the caller reads a little at a time, and naps */
    bool answered; /* an answerer has read the header */
    enum transfer_state caller;
    enum transfer_state answerer;
};

void transfers_init(struct transfers *transfers, struct sim_world *world);
void transfers_free(struct transfers *transfers);

/* A transfer with sizes and manners from the seed; up_max and down_max bytes at most. */
struct transfer *transfer_new(struct transfers *transfers, const struct service *service,
                              uint64_t up_max, uint64_t down_max);

/* One that the caller reads slowly: what the other side sends in time has to wait for it. */
struct transfer *transfer_new_slow(struct transfers *transfers, const struct service *service,
                                   uint64_t down_len);

/* True when its receiver shall not read now; the timer is set to when it shall. */
bool transfer_naps(struct transfer *transfer, struct io_timer *timer);

/* Fails the world unless the transfer came through from the first to the last byte. */
void transfer_must_be_complete(const struct transfer *transfer);

/* The transfer with that number, or NULL. */
struct transfer *transfers_find(const struct transfers *transfers, uint64_t id);

/* The bytes of a direction, from a place on. */
enum transfer_direction { TRANSFER_UP, TRANSFER_DOWN };
void transfer_bytes(const struct transfer *transfer, enum transfer_direction direction, uint64_t at,
                    uint8_t *out, size_t len);

/* Checks bytes that arrived against those sent, and counts them. */
void transfer_got(struct transfer *transfer, enum transfer_direction direction,
                  const uint8_t *bytes, size_t len);

#endif
