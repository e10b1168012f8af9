/*
 * The QuickTunTcp engine: one connection of a VPN over TCP, either end. Specification:
 * docs/protocols/quicktun.md.
 *
 * Sans I/O: the caller owns sockets, bytes, time and randomness. The engine makes no system call,
 * reads no clock, allocates nothing per packet and prints nothing. now_ms is any clock that never
 * runs backwards, in milliseconds.
 *
 * One connection is one `struct quicktun_session`. Whatever the engine sends it appends to a wire
 * buffer that the caller lends to each call; these bytes go to the socket in the order in which
 * they were appended. Receiving is a pull: hand in bytes, get one event, call again until the event
 * is QUICKTUN_NEED_MORE. Then call quicktun_tick(), which lets the session do what is due:
 *
 *     quicktun_tick() once, at the start;
 *     when bytes came: quicktun_receive() until QUICKTUN_NEED_MORE, then quicktun_tick();
 *     when a packet came from the device: quicktun_place(), read it there, quicktun_packet();
 *     at quicktun_deadline(): quicktun_tick(); write what the wire buffer holds.
 *
 * Packets are authenticated as a whole: received ones are decrypted in place in the buffer that
 * they lie in, and nothing of one is shown before its tag is checked; sent ones are encrypted in
 * place in the wire buffer.
 *
 * Thread safety: a context, its passwords and its sessions belong to one thread.
 */
#ifndef ADIT_QUICKTUN_H
#define ADIT_QUICKTUN_H

#include <adit/adit.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Limits (docs/protocols/quicktun.md, Limits) ---- */

enum {
    QUICKTUN_PORT = 2998,
    QUICKTUN_KEY_LEN = 32,
    QUICKTUN_PAYLOAD_MAX = 32767, /* of a packet on the wire, tag included */
    QUICKTUN_WIRE_MAX = 32769,    /* a whole packet on the wire, its length included */
    QUICKTUN_PACKET_MAX = 32746,  /* a tunnelled packet that can be sent in every mode */
    QUICKTUN_HEADROOM_MAX = 23,   /* wire bytes before a tunnelled packet, at most */
    QUICKTUN_TAILROOM_MAX = 255,  /* wire bytes after one, at most: padding */
    QUICKTUN_PAD_MAX = 256,       /* of quicktun_options.pad_to */
    QUICKTUN_ROOM = 512,          /* wire room with which every call can do at least one thing */
    QUICKTUN_SALT_LEN = 32,       /* of our password requests */
    QUICKTUN_SALT_MIN = 16,       /* of theirs */
    QUICKTUN_WRAPPERS_MAX = 10,   /* Padding and Multiple messages around one command */
    QUICKTUN_UP_MS = 30000,       /* not up after this: QUICKTUN_E_NOT_UP */
    QUICKTUN_UNANSWERED_MS = 10000,
    QUICKTUN_UPDATE_AFTER_MS = 120000, /* default of quicktun_options.update_after_ms */
    QUICKTUN_PING_AFTER_MS = 10000,    /* default of quicktun_options.ping_after_ms */
    QUICKTUN_DEAD_AFTER_MS = 20000,    /* default of quicktun_options.dead_after_ms */
    /* Commands other than tunnelled packets: so many at once, so many a second on top; what makes
     * us compute (Start, Begin key update, a password request) counts QUICKTUN_COSTLY times. */
    QUICKTUN_COMMANDS_BURST = 16384,
    QUICKTUN_COMMANDS_PER_S = 2048,
    QUICKTUN_COSTLY = 256,
    /* Key updates of ours, well within that: so many at once, then one each so often. */
    QUICKTUN_UPDATES_BURST = 16,
    QUICKTUN_UPDATE_EVERY_MS = 250,
};

/* Default of quicktun_options.update_after_bytes: 1 GiB. */
#define QUICKTUN_UPDATE_AFTER_BYTES ((uint64_t)1 << 30)

/* Errors: functions return 0 or one of these. After one, the session only answers with it. Numbers
 * in brackets are rules of docs/protocols/quicktun.md. */
enum quicktun_error {
    QUICKTUN_OK = 0,
    QUICKTUN_E_NO_MEMORY = -1,
    QUICKTUN_E_RANDOM = -2,                /* the context's random function failed */
    QUICKTUN_E_POLICY = -3,                /* options that contradict each other */
    QUICKTUN_E_AUTHENTICATION = -4,        /* (9) */
    QUICKTUN_E_EMPTY_CONTROL = -5,         /* a control packet without a command */
    QUICKTUN_E_PADDING = -6,               /* Padding longer than its message, or around nothing */
    QUICKTUN_E_BATCH = -7,                 /* Multiple messages: a length that lies, or nothing */
    QUICKTUN_E_WRAPPERS = -8,              /* more than QUICKTUN_WRAPPERS_MAX */
    QUICKTUN_E_ARGUMENT = -9,              /* arguments of a wrong length */
    QUICKTUN_E_IDENTIFICATION = -10,       /* another protocol */
    QUICKTUN_E_ROUTE = -11,                /* a malformed routing update */
    QUICKTUN_E_SECOND_START = -12,         /* (1) */
    QUICKTUN_E_NONCE_INPUT = -13,          /* (1) zero, or one of ours */
    QUICKTUN_E_KEY_UNKNOWN = -14,          /* (1) not configured */
    QUICKTUN_E_KEY_REFUSED = -15,          /* (1) weak, ours or key 0's, in whatever spelling */
    QUICKTUN_E_ANSWER = -16,               /* (2) to nothing, or out of order */
    QUICKTUN_E_SECOND_REQUEST = -17,       /* (2) two password requests in one packet */
    QUICKTUN_E_AFTER_KEYING = -18,         /* (3) something after a keying command */
    QUICKTUN_E_UPDATE_UNVOUCHED = -19,     /* (4) */
    QUICKTUN_E_DISABLE_UNVOUCHED = -20,    /* (4) */
    QUICKTUN_E_UNPROVEN = -21,             /* (5) a command that only a proven peer may send */
    QUICKTUN_E_DATA_EARLY = -22,           /* (6) a tunnelled packet before the tunnel is up */
    QUICKTUN_E_DISABLE_FORBIDDEN = -23,    /* (7) */
    QUICKTUN_E_UPDATE_AFTER_DISABLE = -24, /* (7) */
    QUICKTUN_E_PASSWORD_UNVOUCHED = -25,   /* (8) a request or an answer */
    QUICKTUN_E_PASSWORD_IN_CLEAR = -26,    /* (8) the answer would go unprotected */
    QUICKTUN_E_PASSWORD_NONE = -27,        /* (8) asked for one, and none is configured */
    QUICKTUN_E_SALT = -28,                 /* (8) short, or one of ours */
    QUICKTUN_E_PASSWORD_WRONG = -29,       /* (8) */
    QUICKTUN_E_NOT_UP = -30,               /* (10) */
    QUICKTUN_E_UNANSWERED = -31,           /* a request, for QUICKTUN_UNANSWERED_MS */
    QUICKTUN_E_DEAD = -32,                 /* nothing heard for dead_after_ms */
    QUICKTUN_E_NOT_CONTROL = -33,          /* a tunnelled packet outside the control stream */
    QUICKTUN_E_NO_CONTROL_ONLY = -34,      /* Ethernet with a peer that does not offer it */
    QUICKTUN_E_SEGMENTED = -35,            /* a segmented packet that was not agreed */
    QUICKTUN_E_DISABLE_EARLY = -36,        /* (7) before our requests were answered */
    QUICKTUN_E_FLOOD = -37,                /* more commands than the limits above */
};

/* One line for a person; never NULL, static. */
ADIT_PUBLIC const char *quicktun_error_text(int error);

/* Name of a command as docs/protocols/quicktun.md has it; "unknown command" for the others. */
ADIT_PUBLIC const char *quicktun_command_name(int code);

/* ---- Context: one per private key and thread ---- */

/*
 * The private key of an end, the nonce inputs that its live sessions have sent, and the random
 * function: random(random_arg, …) is called for nonce inputs, session keys, salts and echo data.
 * secret (QUICKTUN_KEY_LEN bytes, copied) may be NULL: an anonymous end, which has key 0. Returns
 * NULL without memory, or when the cryptographic library cannot be set up.
 */
struct quicktun_context;
ADIT_PUBLIC struct quicktun_context *quicktun_context_new(const uint8_t *secret,
                                                          adit_random_fn *random, void *random_arg);

/* After the last of its sessions. Wipes the key. NULL is allowed. */
ADIT_PUBLIC void quicktun_context_free(struct quicktun_context *context);

/* The public key; key 0's of an anonymous end. */
ADIT_PUBLIC const uint8_t *quicktun_context_public(const struct quicktun_context *context);

/*
 * A password and the salts outstanding for it: one object for all sessions that use the same
 * password (rule 8). The bytes are copied. NULL without memory.
 */
struct quicktun_password;
ADIT_PUBLIC struct quicktun_password *quicktun_password_new(const void *bytes, size_t len);

/* After the last session that names it. Wipes it. NULL is allowed. */
ADIT_PUBLIC void quicktun_password_free(struct quicktun_password *password);

/* ---- Session ---- */

enum quicktun_mode { QUICKTUN_IP, QUICKTUN_ETHERNET };

/* Is this the key of a configured peer? */
typedef bool quicktun_known_fn(void *arg, const uint8_t key[QUICKTUN_KEY_LEN]);

/*
 * What an end wants and offers. Zeros are safe: the peer must prove that it has a configured key,
 * and session keys are in force in both directions before a packet is tunnelled. What starts with
 * weak_ permits less; say so to the operator.
 */
struct quicktun_options {
    const uint8_t *peer_key;  /* exactly this peer; copied. Implies that proof is required */
    quicktun_known_fn *known; /* or one of several */
    void *known_arg;
    struct quicktun_password *password; /* answers requests with it; NULL: a request closes */
    struct quicktun_password *ask;      /* asks for it before the tunnel comes up */
    enum quicktun_mode mode;
    uint16_t pad_to;           /* encrypted payloads to multiples of it; 0 = no padding */
    bool segmented;            /* offer segmented packets */
    bool require_control_only; /* a packet without bit 15 closes, whatever was agreed */
    bool disable_encryption;   /* ask for it once the peer is proven */

    bool weak_anyone;           /* every peer's key is taken; none is known */
    bool weak_unproven_peer;    /* the peer need not prove that it has its key */
    bool weak_unencrypted;      /* encryption need not be on, key 0 may be in use */
    bool weak_long_term_keys;   /* session keys are not waited for: no forward secrecy */
    bool weak_disable;          /* encryption may be disabled: then anyone on the path may inject */
    bool weak_clear_passwords;  /* passwords are asked for and answered in clear, to whomever */
    bool weak_ethernet_forging; /* Ethernet with peers whose frames can be turned into commands */

    /* 0 = the defaults above */
    uint32_t update_after_ms;
    uint32_t ping_after_ms; /* silence before an echo request, shortened by up to a tenth */
    uint32_t dead_after_ms;
    uint32_t meter_every_ms; /* echo requests for the round trip while packets come; 0 = none */
    uint64_t update_after_bytes;
};

/*
 * 0, or QUICKTUN_E_POLICY when the options contradict each other or the context: encryption may be
 * disabled and session keys are required; an anonymous end wants to disable it; pad_to is over
 * QUICKTUN_PAD_MAX. *why (may be NULL) is one line for a person then.
 */
ADIT_PUBLIC int quicktun_options_check(const struct quicktun_context *context,
                                       const struct quicktun_options *options, const char **why);

struct quicktun_session;

/* A session on a fresh connection; either side may have dialled. NULL without memory, or when
 * quicktun_options_check() says so. The context and the passwords must outlive it. */
ADIT_PUBLIC struct quicktun_session *quicktun_session_new(struct quicktun_context *context,
                                                          const struct quicktun_options *options,
                                                          uint64_t now_ms);

/*
 * For an end that several peers connect to: in the event of their Start, and before the next call,
 * replaces what the session wants by what is wanted of the peer that announced this key. mode,
 * peer_key and known stay; what came before the key was proven counts no more where proof is
 * required now. Returns 0, or QUICKTUN_E_POLICY when quicktun_options_check() says so, and then
 * nothing has changed.
 */
ADIT_PUBLIC ADIT_MUST_USE int quicktun_session_adjust(struct quicktun_session *session,
                                                      const struct quicktun_options *options);

/* Wipes its secrets; its nonce input and salt are live no more. NULL is allowed. */
ADIT_PUBLIC void quicktun_session_free(struct quicktun_session *session);

/* 0, or the error the session ended with. */
ADIT_PUBLIC int quicktun_session_error(const struct quicktun_session *session);

/*
 * The peer has proven that it has the key quicktun_session_peer() answers. Look at it after each
 * quicktun_receive() of a new connection, before its event is acted upon: only now may it replace
 * an older connection of the same peer.
 */
ADIT_PUBLIC bool quicktun_session_proven(const struct quicktun_session *session);

/* The key that the peer announced; NULL before, and of an anonymous peer. */
ADIT_PUBLIC const uint8_t *quicktun_session_peer(const struct quicktun_session *session);

/* Packets can be tunnelled now, both ways. */
ADIT_PUBLIC bool quicktun_session_up(const struct quicktun_session *session);

/* Segmented packets were agreed. */
ADIT_PUBLIC bool quicktun_session_segmented(const struct quicktun_session *session);

enum quicktun_protection {
    QUICKTUN_CLEAR,     /* encryption is off in a direction, or key 0 is in use */
    QUICKTUN_LONG_TERM, /* long-term keys are in use */
    QUICKTUN_SESSION,   /* session keys in both directions, of both ends */
};
ADIT_PUBLIC enum quicktun_protection
quicktun_session_protection(const struct quicktun_session *session);

/* Of one session since its start. */
struct quicktun_counters {
    uint64_t bytes_received; /* of tunnelled packets */
    uint64_t bytes_sent;
    uint64_t packets_received;
    uint64_t packets_sent;
    uint64_t packets_dropped;  /* empty, or in IP mode neither IPv4 nor IPv6; both directions */
    uint32_t commands_skipped; /* unknown codes, modes and families */
    uint32_t echoes_dropped;   /* requests whose answer would not fit or may not be sent */
    uint32_t key_updates;      /* of ours that are in force */
    uint32_t rtt_ms;           /* of the newest answered echo; 0 = none yet */
    uint64_t updated_at_ms;    /* when our newest key came into force; 0 = never */
};
ADIT_PUBLIC void quicktun_session_counters(const struct quicktun_session *session,
                                           struct quicktun_counters *counters);

/* ---- Network configuration and routes ---- */

/* Addresses in network order; zeros = not set. */
struct quicktun_network {
    uint8_t mode; /* enum quicktun_mode */
    struct {
        uint8_t address[4], netmask[4], peer[4], peer_netmask[4], dns[4];
    } ipv4;
    struct {
        uint8_t address[16], netmask[16], peer[16], peer_netmask[16], dns[16];
    } ipv6;
};

/* ids are 4 bytes each, the sender's own first. Received ones stay in the packet's bytes. */
struct quicktun_route {
    uint8_t family; /* 0 = Ethernet, 4, 6 */
    bool valid;     /* announced; false = withdrawn */
    uint8_t network[16];
    uint8_t mask[16];
    const uint8_t *ids;
    size_t id_count;
};

/* ---- The wire buffer ---- */

/* Lent to the engine: it appends to bytes[0..len), room is the size of it all. */
struct quicktun_wire {
    uint8_t *bytes;
    size_t len;
    size_t room;
};

/* ---- Receiving ---- */

enum quicktun_event_type {
    QUICKTUN_NEED_MORE,   /* `need` bytes must be there in one piece, from the first not consumed */
    QUICKTUN_WRITE_FIRST, /* the wire buffer has no QUICKTUN_ROOM for an answer */
    QUICKTUN_COMMAND,     /* a command was dealt with, or a packet dropped: for a log */
    QUICKTUN_PACKET,      /* a tunnelled packet for the device: `data`, `len` */
    QUICKTUN_NETWORK,     /* the peer says how to configure the device: `network` */
    QUICKTUN_ROUTE,       /* the peer announces or withdraws a route: `route` */
    QUICKTUN_UNKNOWN,     /* a command, mode or family that we don't know, skipped */
};

enum { QUICKTUN_NO_CODE = -1 }; /* code of a tunnelled packet outside the control stream */

struct quicktun_event {
    enum quicktun_event_type type;
    int code;          /* of the command; QUICKTUN_NO_CODE */
    size_t need;       /* QUICKTUN_NEED_MORE; QUICKTUN_WIRE_MAX at most */
    uint8_t *data;     /* arguments of the command, in the caller's buffer; of a packet: itself */
    size_t len;        /* of data */
    uint16_t gso_size; /* QUICKTUN_PACKET: of a segmented packet; 0 = it is none */
    ADIT_UNNAMED union {
        struct quicktun_network network;
        struct quicktun_route route;
    };
};

/*
 * Reads the packet at in[0..len), in place, and answers its next command as an event. *consumed is
 * 0 while the packet has more commands: hand in the same bytes again, at any address; with the last
 * one it is the length of the packet. data points into in, where the engine writes no more: it
 * holds as long as the caller leaves these bytes where they are. Requests are answered into wire.
 * Returns 0 or an error; then the connection is to be closed, after what the wire buffer holds was
 * written or not, as you like.
 */
ADIT_PUBLIC ADIT_MUST_USE int quicktun_receive(struct quicktun_session *session, uint64_t now_ms,
                                               struct quicktun_wire *wire, uint8_t *in, size_t len,
                                               size_t *consumed, struct quicktun_event *event);

/* ---- Sending ---- */

/*
 * Where in the wire buffer the next tunnelled packet is to be put, *max bytes at most; room for
 * headers and padding is left around it. NULL when none may be sent now (the tunnel is not up) or
 * the wire buffer has no room. Follow with quicktun_packet(), or with nothing.
 */
ADIT_PUBLIC uint8_t *quicktun_place(const struct quicktun_session *session,
                                    const struct quicktun_wire *wire, size_t *max);

/*
 * Appends the packet of len bytes that was put at quicktun_place(), encrypted in place. gso_size
 * is not 0 for a large segment that the receiver cuts where it leaves; only when
 * quicktun_session_segmented(). Returns 1, or 0 when the packet was dropped: empty, longer than
 * *max, in IP mode neither IPv4 nor IPv6, or nothing may be sent.
 */
ADIT_PUBLIC int quicktun_packet(struct quicktun_session *session, struct quicktun_wire *wire,
                                size_t len, uint16_t gso_size);

/*
 * Several tunnelled packets in one encrypted packet (Multiple messages): start from zeros, put
 * each packet at quicktun_batch_place(), add it, and end the batch. Until its end nothing else may
 * be appended to the wire buffer. An ended batch is zeros again; one without packets is nothing.
 */
struct quicktun_batch {
    size_t used; /* bytes of the wire buffer, past its len */
    size_t packets;
    size_t packet_bytes;
};
ADIT_PUBLIC uint8_t *quicktun_batch_place(const struct quicktun_session *session,
                                          const struct quicktun_wire *wire,
                                          const struct quicktun_batch *batch, size_t *max);
ADIT_PUBLIC int quicktun_batch_add(struct quicktun_session *session,
                                   const struct quicktun_wire *wire, struct quicktun_batch *batch,
                                   size_t len);
ADIT_PUBLIC void quicktun_batch_end(struct quicktun_session *session, struct quicktun_wire *wire,
                                    struct quicktun_batch *batch);

/* Each returns true when it was appended, false when the tunnel is not up or there is no room. */
ADIT_PUBLIC bool quicktun_send_network(struct quicktun_session *session, struct quicktun_wire *wire,
                                       const struct quicktun_network *network);
ADIT_PUBLIC bool quicktun_send_route(struct quicktun_session *session, struct quicktun_wire *wire,
                                     const struct quicktun_route *route);

/* ---- Time ---- */

/*
 * Does what is due: first packets, authentication, key updates, password request, Start tunnel
 * data, echo requests; sees what stays unanswered, never comes up or is dead. Call it at the start,
 * after each batch of input and at quicktun_deadline(). With less than QUICKTUN_ROOM in the wire
 * buffer it does less, and the deadline stays. Returns 0 or an error.
 */
ADIT_PUBLIC ADIT_MUST_USE int quicktun_tick(struct quicktun_session *session, uint64_t now_ms,
                                            struct quicktun_wire *wire);

/* When quicktun_tick() is due next, in the clock of now_ms. Never "none"; 0 after an error. */
ADIT_PUBLIC uint64_t quicktun_deadline(const struct quicktun_session *session);

/*
 * Unacknowledged bytes that we sent have become fewer: the line is alive, and what goes behind them
 * waits. It is the machine that acknowledges, whatever has become of the program there: to be told
 * of bytes in front of an unanswered echo request alone.
 */
ADIT_PUBLIC void quicktun_progress(struct quicktun_session *session, uint64_t now_ms);

/* True while nothing was heard since quicktun_tick() sent an echo request. */
ADIT_PUBLIC bool quicktun_asked(const struct quicktun_session *session);

#ifdef __cplusplus
}
#endif

#endif
