/*
 * TCP as a socket shows it: connections between hosts with kernel buffers, windows, ends, resets,
 * retransmission, and all that may go wrong between them.
 */
#ifndef IO_SIM_TCP_H
#define IO_SIM_TCP_H

#include "base/ip.h"
#include "base/list.h"
#include "io/sim/host.h"
#include "io/sim/ring.h"
#include "io/sim/wire.h"

enum {
    TCP_SYN_RETRIES_MAX = 6,    /* 127 s in all, as in Linux */
    TCP_DATA_RETRIES_MAX = 15,  /* about 15 minutes */
    TCP_ORPHAN_RETRIES_MAX = 8, /* where no process holds the end any more */
    TCP_ORPHAN_MS = 60000,      /* a closed end waits so long for the other's end */
};

/* What a socket tells its owner. */
enum tcp_news { TCP_CONNECTED = 1, TCP_READABLE = 2, TCP_WRITABLE = 4, TCP_FAILED = 8 };

enum tcp_state {
    TCP_NONE,       /* the far end before the request arrived */
    TCP_CONNECTING, /* the near end before the answer arrived */
    TCP_OPEN,
    TCP_GONE, /* finished or reset: packets for it are answered with a reset */
};

/*
 * One end. Offsets count bytes from the start of the direction; the end of the direction counts
 * as one byte more.
 */
struct tcp_end {
    struct sim_conn *conn;
    struct tcp_end *other;
    struct sim_host *host; /* NULL: nobody has that address */
    struct addr addr;
    enum tcp_state state;
    bool held; /* a process has it open */
    int error; /* what the next read or write answers */
    void (*news)(void *arg, unsigned news);
    void *arg;
    struct list queued; /* in the accept queue of a port */

    struct ring out; /* from acked to written */
    uint64_t acked;
    uint64_t sent;
    uint64_t written;
    uint64_t edge;              /* as far as the other side's window reaches */
    uint64_t congestion_window; /* what may be on its way since a retransmission; 0 = any */
    bool fin;                   /* the direction ends at `written` */
    size_t send_max;
    size_t not_sent_max;
    size_t segment_max;

    struct ring in; /* from read to received */
    uint64_t received;
    uint64_t told_edge; /* the edge that the other side was told */
    bool fin_received;
    size_t receive_max;

    struct wire wire; /* packets on their way to the other end */
    bool lossy;       /* a packet of the connection was lost and may be missed */
    unsigned retries;
    uint64_t rtt_us;        /* smoothed */
    uint64_t rtt_varies_us; /* mean deviation from it */
    uint64_t echo_us;       /* when what was received last in its order had been sent */
    uint64_t gap_us;        /* and what was received last behind a gap */
    uint64_t restarted_us;  /* when all since `acked` was to be sent again */
    struct sim_event retry; /* retransmission, probes, connection requests */
    struct sim_event orphan;
};

void tcp_set_owner(struct tcp_end *end, void (*news)(void *arg, unsigned news), void *arg);

/* Takes as many bytes as there is room for, perhaps none. Negative: an error. */
ssize_t tcp_write(struct tcp_end *end, const void *bytes, size_t len);
size_t tcp_room(const struct tcp_end *end);
size_t tcp_unacked(const struct tcp_end *end);
bool tcp_end_acked(const struct tcp_end *end); /* everything, the direction's end included */

/* As io_read(). */
ssize_t tcp_read(struct tcp_end *end, void *out, size_t len);
size_t tcp_readable(const struct tcp_end *end);
void tcp_shutdown(struct tcp_end *end);

/* close(2): the end follows what was written; a reset when bytes were left unread. */
void tcp_close(struct tcp_end *end);
void tcp_reset(struct tcp_end *end);

/* The machine lost power. */
void tcp_vanish(struct tcp_end *end);

/* ---- For conn.c ---- */

/* Sets up an end whose conn, host, address and limits stand; asks for the connection. */
void tcp_init(struct tcp_end *end);
void tcp_request(struct tcp_end *end);

/* The connection ends with an error, for this end alone. */
void tcp_fail(struct tcp_end *end, int error);

#endif
