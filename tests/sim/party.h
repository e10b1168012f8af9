/*
 * A role on a simulated host, through all its lives: started, stopped, killed, started again. What
 * is left of a killed life is wound down as a ghost and must leave nothing behind either.
 */
#ifndef TESTS_SIM_PARTY_H
#define TESTS_SIM_PARTY_H

#include "base/list.h"
#include "io/sim/sim.h"

enum { PARTY_MEMORY_SLACK = 1024 * 1024 }; /* of a loop, above its budget: what a round adds */

struct life;

struct party_ops {
    const char *name;
    /* Starts the role; NULL with why[]. Call party_stopped(life) when it has stopped. */
    void *(*start)(struct io_loop *loop, void *arg, struct life *life, char *why, size_t why_len);
    void (*stop)(void *role);
    void (*free)(void *role);
};

struct party {
    struct sim_world *world;
    struct sim_host *host;
    const struct party_ops *ops;
    void *arg;
    struct life *now; /* NULL while it does not run */
    struct list lives;
    unsigned killed; /* times */
    struct sim_event again;
};

void party_init(struct party *party, struct sim_host *host, const struct party_ops *ops, void *arg);
void party_start(struct party *party);

/* Ends the present life, by its own stop or by force. Nothing is checked here but by the world. */
void party_stop(struct party *party);
void party_kill(struct party *party, enum sim_kill how);

/* Kills it, and starts it again later. */
void party_restart(struct party *party, enum sim_kill how, uint64_t after_us);

/* Stops it as its own stop does, once, and starts it again when it has stopped. */
void party_cycle(struct party *party);

void party_stopped(struct life *life);

/* The role of the present life, or NULL. */
void *party_role(const struct party *party);
struct sim_process *party_process(const struct party *party);

/* Fails the world when the present life holds more bytes of buffers. */
void party_check_memory(const struct party *party, size_t budget);

bool party_is_up(const struct party *party);

/* True when no life is left. */
bool party_is_over(const struct party *party);

#endif
