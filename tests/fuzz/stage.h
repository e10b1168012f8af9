/*
 * A simulated world for harnesses of roles: a host on which the role runs, and one of a stranger
 * who says on TCP connections what the input has, in pieces as long as the input says.
 */
#ifndef FUZZ_STAGE_H
#define FUZZ_STAGE_H

#include "base/cursor.h"
#include "io/sim/sim.h"
#include "tests/fuzz/fuzz.h"

enum { STAGE_ROLE, STAGE_STRANGER, STAGE_HOSTS };
enum { STAGE_HEARD_MAX = 64 * 1024 };

#define STAGE_ROLE_ADDRESS     "192.0.2.1"
#define STAGE_STRANGER_ADDRESS "192.0.2.2"

struct stage {
    struct sim_world *world;
    struct sim_host *hosts[STAGE_HOSTS];
    struct sim_process *processes[STAGE_HOSTS];
    struct io_loop *loops[STAGE_HOSTS];
};

/* Calm, with the same seed each time: an input that fails, fails again. */
void stage_open(struct stage *stage);

/* Random bytes for the stranger's engines, the same ones after each stage_open(). */
int stage_random(void *arg, void *buf, size_t len);

/* The role has been freed. Looks for what it left behind. */
void stage_close(struct stage *stage);

/* Calls fn(loop, arg) on a host's loop and returns when that is done. */
void stage_on(struct stage *stage, int host, void (*fn)(struct io_loop *loop, void *arg),
              void *arg);
void stage_run_ms(struct stage *stage, uint64_t ms);
uint64_t stage_now_ms(const struct stage *stage);

/* ---- A stranger's connections ---- */

struct voice {
    struct stage *stage;
    int host;
    struct io_stream *stream;     /* NULL = closed, or nobody has called */
    struct io_listener *listener; /* of voice_wait() */
    unsigned calls;               /* that voice_wait() has taken */
    bool over;                    /* the other side has ended it */
    size_t len;                   /* of what was heard, as far as it was kept */
    size_t used;                  /* of it, by the harness */
    uint8_t heard[STAGE_HEARD_MAX];
};

/* The stranger connects to the role, or listens for one connection after the other. */
void voice_call(struct voice *voice, struct stage *stage, uint16_t port);
void voice_wait(struct voice *voice, struct stage *stage, uint16_t port);

/* Connects from any host to an address. */
void voice_call_from(struct voice *voice, struct stage *stage, int host, const struct addr *to);

/*
 * What was heard, from the first byte that was not used: len bytes, or NULL where they have not all
 * come, or more came than is kept; and how many bytes were skipped, as far as they have come.
 */
const uint8_t *voice_take(struct voice *voice, size_t len);
size_t voice_skip(struct voice *voice, size_t len);

/*
 * Says it in pieces of so many bytes, each of which arrives before the next one is sent; in longer
 * ones where there would be too many.
 */
void voice_say(struct voice *voice, const void *bytes, size_t len, size_t piece);

void voice_end(struct voice *voice);   /* says no more, and listens */
void voice_close(struct voice *voice); /* the connection; reset, if it is not over */
void voice_leave(struct voice *voice); /* and does not wait for others */

/* ---- Input ---- */

/* The next len bytes, zeros after the end. */
void input_take(struct cursor *input, uint8_t *out, size_t len);

/* Up to so many of the next bytes, after a u8 or u16 that says how many; NULL without any. */
const uint8_t *input_bytes(struct cursor *input, size_t *len);

#endif
