/*
 * Calls that stay open: a phone calls a name and is answered by a booth, which says its number and
 * then echoes what the phone says.
 */
#ifndef TESTS_SIM_PHONE_H
#define TESTS_SIM_PHONE_H

#include "tests/sim/hello.h"
#include "tests/sim/party.h"

enum { PHONE_SAYS = 64 }; /* bytes at once */

/* A phone that only pours: bytes without end, one way. */
enum phone_pours { PHONE_TALKS_ONLY, PHONE_POURS_UP = 0xfe, PHONE_POURS_DOWN = 0xff };

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
    enum phone_pours pours;
    uint64_t poured; /* bytes that came down */
    uint8_t hello[HELLO_LEN];
};

/* Calls from a process that has nothing else to do. */
void phone_call(struct phone *phone, struct sim_process *process, const struct addr *to,
                const char *name);

/* Says something, when the last echo has come; does nothing when it is over. */
void phone_say(struct phone *phone);

/* Pours from now on, as fast as it goes; and how many bytes have arrived. */
void phone_pour(struct phone *phone, enum phone_pours way);
void phone_hang_up(struct phone *phone);

struct booth {
    struct party party;
    struct addr at;
    uint8_t number;
    struct list open;
    uint64_t poured; /* bytes that came up */
};

/* The bytes that a phone and its booth poured, and that have arrived. */
uint64_t phone_poured(const struct phone *phone, const struct booth *booth);

/* On a host of its own. */
void booth_start(struct booth *booth, struct sim_host *host, const struct addr *at, uint8_t number);
void booth_stop(struct booth *booth);

#endif
