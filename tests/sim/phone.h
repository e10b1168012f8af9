/*
 * Calls that stay open: a phone calls a name and is answered by a booth, which says its number and
 * then echoes what the phone says.
 */
#ifndef TESTS_SIM_PHONE_H
#define TESTS_SIM_PHONE_H

#include "tests/sim/hello.h"
#include "tests/sim/party.h"

enum { PHONE_SAYS = 64 }; /* bytes at once */

enum phone_state { PHONE_IDLE, PHONE_DIALS, PHONE_TALKS, PHONE_OVER };

struct phone {
    struct sim_process *process;
    struct addr to;
    struct io_stream *stream;
    enum phone_state state;
    unsigned number;  /* of the booth that answered */
    uint64_t over_us; /* when it was over, by no wish of its own */
    unsigned echoes;  /* whole ones */
    size_t awaited;   /* bytes of the newest one */
    uint64_t said_us;
    uint64_t rtt_us; /* of the newest whole one */
    uint8_t hello[HELLO_LEN];
};

/* Calls from a process that has nothing else to do. */
void phone_call(struct phone *phone, struct sim_process *process, const struct addr *to,
                const char *name);

/* Says something, when the last echo has come; does nothing when it is over. */
void phone_say(struct phone *phone);
void phone_hang_up(struct phone *phone);

struct booth {
    struct party party;
    struct addr at;
    uint8_t number;
    struct list open;
};

/* On a host of its own. */
void booth_start(struct booth *booth, struct sim_host *host, const struct addr *at, uint8_t number);
void booth_stop(struct booth *booth);

#endif
