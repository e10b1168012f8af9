/*
 * The host-name table: which peer serves a name, for all workers. Names are normalised
 * (hostname_normalise). Any thread.
 */
#ifndef ROLES_SERVER_HOSTS_H
#define ROLES_SERVER_HOSTS_H

#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a peer lives. A slot is used again under another generation. */
struct peer_ref {
    uint32_t worker;
    uint32_t slot;
    uint64_t generation;
};

struct hosts;

/*
 * watch(arg, name, winner, loser) is called when a claim takes a name from another peer, on the
 * claimer's thread, with nothing locked. seed: 16 random bytes. NULL without memory.
 */
struct hosts *hosts_new(const uint8_t seed[16],
                        void (*watch)(void *arg, const char *name, struct peer_ref winner,
                                      struct peer_ref loser),
                        void *arg);
void hosts_free(struct hosts *hosts);

/* The newest claim wins. False without memory: the table is as before. */
bool hosts_claim(struct hosts *hosts, const char *name, struct peer_ref peer);

/* Takes the name where nobody has it. True when it is that peer's now; *anew: it was nobody's. */
bool hosts_reclaim(struct hosts *hosts, const char *name, struct peer_ref peer, bool *anew);

/* Only where the name is still that peer's. */
void hosts_release(struct hosts *hosts, const char *name, struct peer_ref peer);

/* Since when, Unix seconds, and from where that peer serves the name; where it is still its. */
void hosts_note(struct hosts *hosts, const char *name, struct peer_ref peer, double since_s,
                const struct adit_ip *from);

/* What was noted of the peer that serves the name now; false where nothing was. */
bool hosts_noted(struct hosts *hosts, const char *name, double *since_s, struct adit_ip *from);

bool hosts_look_up(struct hosts *hosts, const char *name, struct peer_ref *peer);
size_t hosts_count(struct hosts *hosts);

#endif
