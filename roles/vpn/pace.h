/*
 * When the queue of a peer is full: it holds too many bytes, or its oldest byte has waited too
 * long. What was encrypted is sent in any case, since the nonces count it; what comes next is
 * dropped.
 */
#ifndef ROLES_VPN_PACE_H
#define ROLES_VPN_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VPN_PACE_MARKS = 64 };

/* Start from zeros. */
struct vpn_pace {
    uint64_t sent; /* bytes handed to the stream since its beginning */
    uint64_t
        late_at_ms; /* when the oldest was first seen to have waited too long; 0 = it has not */
    size_t first;
    size_t count;
    struct {
        uint64_t end; /* of `sent` */
        uint64_t at_ms;
    } marks[VPN_PACE_MARKS]; /* what was sent at one time, oldest first */
};

/* So many bytes were handed to the stream. */
void vpn_pace_sent(struct vpn_pace *pace, size_t len, uint64_t now_ms);

/*
 * Has the oldest waited too long? queued is what the stream has not handed on. A process that was
 * not run for a while finds everything old, and the stream had no turn yet: it is late only when it
 * was so the last time as well, at an earlier time.
 */
bool vpn_pace_late(struct vpn_pace *pace, size_t queued, uint32_t age_max_ms, uint64_t now_ms);

/* May no more be sent? */
bool vpn_pace_full(struct vpn_pace *pace, size_t queued, size_t bytes_max, uint32_t age_max_ms,
                   uint64_t now_ms);

#endif
