/*
 * The SniTun engine: one multiplexer connection between a client (behind NAT, next to the
 * endpoint) and a server (public), both roles. Specification: docs/protocols/snitun.md.
 *
 * Sans I/O: the caller owns sockets, bytes, time and randomness. The engine makes no system call,
 * reads no clock, keeps no payload and prints nothing. now_ms is any clock that never runs
 * backwards, in milliseconds.
 *
 * One connection is one `struct snitun_session`. Receiving is a pull: hand in bytes, get one event
 * and how many bytes were consumed, call again until the event is SNITUN_NEED_MORE. Sending is a
 * pull too: when the socket takes bytes, call snitun_control() for control frames, then
 * snitun_turn() for the channel whose turn it is, read its payload, and snitun_data() for the
 * header that goes before that payload. Payload goes from socket to socket.
 *
 * Thread safety: a context and its sessions belong to one thread.
 */
#ifndef ADIT_SNITUN_H
#define ADIT_SNITUN_H

#include <adit/adit.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Limits (docs/protocols/snitun.md, Limits) ---- */

enum {
    SNITUN_CHALLENGE_LEN = 32,
    SNITUN_FRAME_HEADER_LEN = 32,    /* plain bytes of a frame header */
    SNITUN_UNIT_OVERHEAD_MAX = 28,   /* nonce and tag of an AEAD unit */
    SNITUN_HEADER_MAX = 60,          /* wire bytes of one encrypted header, at most */
    SNITUN_CONTROL_MAX = 120,        /* wire bytes of one control frame, at most (NEW, version 2) */
    SNITUN_FRAME_ALONE = 64 * 1024,  /* payload of our DATA frames when one channel sends */
    SNITUN_FRAME_SHARED = 16 * 1024, /* payload of our DATA frames while another channel waits */
    SNITUN_PAUSE_AT = 1024 * 1024,   /* backlog of a channel at which PAUSE is sent */
    SNITUN_RESUME_AT = 256 * 1024,   /* backlog at which RESUME is sent */
    SNITUN_BACKLOG_MAX = 65 * 1024 * 1024, /* backlog past which a channel must be closed */
    SNITUN_PONGS_MAX = 16,        /* pings that wait for an answer; more are not answered */
    SNITUN_CHANNELS_MAX = 10000,  /* default of snitun_options.channels_max */
    SNITUN_PING_AFTER_MS = 10000, /* default of snitun_options.ping_after_ms */
    SNITUN_DEAD_AFTER_MS = 20000, /* default of snitun_options.dead_after_ms */
    SNITUN_HANDSHAKE_MS = 60000,  /* default of snitun_options.handshake_ms */
};

enum snitun_role { SNITUN_CLIENT, SNITUN_SERVER };

enum snitun_cipher { SNITUN_AES_CBC, SNITUN_AES_GCM, SNITUN_AES_GCM_SIV };

/* Errors: functions return 0 or one of these. After one, the session only answers with it. */
enum snitun_error {
    SNITUN_OK = 0,
    SNITUN_E_NO_MEMORY = -1,
    SNITUN_E_RANDOM = -2,         /* the context's random function failed */
    SNITUN_E_CRYPTO = -3,         /* the cryptographic library failed */
    SNITUN_E_AUTHENTICATION = -4, /* an AEAD unit did not authenticate */
    SNITUN_E_NONCE = -5,          /* aes-gcm: not the other side's prefix and next counter */
    SNITUN_E_CHALLENGE = -6,      /* the client's answer to the challenge is wrong */
    SNITUN_E_NEW_SIZE = -7,       /* NEW at version 2 whose size is not 16 or 32 */
    SNITUN_E_NEW_ADDRESS = -8,    /* NEW at version 2 whose address has no known type */
    SNITUN_E_CHANNEL_LIVE = -9,   /* NEW for a channel that is open */
    SNITUN_E_HANDSHAKE_TIMEOUT = -10,
    SNITUN_E_DEAD = -11,    /* nothing heard for dead_after_ms */
    SNITUN_E_COUNTER = -12, /* aes-gcm counter exhausted */
};

/* One line for a person; never NULL, static. */
ADIT_PUBLIC const char *snitun_error_text(int error);

/* "aes-cbc", "aes-gcm", "aes-gcm-siv"; NULL for an unknown value. */
ADIT_PUBLIC const char *snitun_cipher_name(enum snitun_cipher cipher);

/* The cipher of a name, or -1. */
ADIT_PUBLIC int snitun_cipher_by_name(const char *name);

/* ---- Context: one per thread ---- */

/*
 * Holds the cipher contexts that all sessions of a thread share and the random function.
 * random(random_arg, …) is called for challenges, channel ids, unused header bytes and
 * aes-gcm-siv nonces. Returns NULL without memory or without a cipher of the three.
 */
struct snitun_context;
ADIT_PUBLIC struct snitun_context *snitun_context_new(adit_random_fn *random, void *random_arg);
ADIT_PUBLIC void snitun_context_free(struct snitun_context *context);

/* ---- Session ---- */

/* What both sides know of a connection. Wiped by whoever owns it. */
struct snitun_keys {
    uint8_t aes_key[32];
    uint8_t aes_iv[16]; /* used by aes-cbc alone */
    enum snitun_cipher cipher;
    uint8_t protocol_version; /* 0, 1 or 2 */
};

/* Zeros mean the defaults above. */
struct snitun_options {
    uint32_t channels_max;  /* more are answered with a CLOSE */
    uint32_t ping_after_ms; /* silence before a ping, shortened by up to a tenth at random */
    uint32_t dead_after_ms; /* silence before SNITUN_E_DEAD */
    uint32_t handshake_ms;
};

struct snitun_session;
struct snitun_channel;

/*
 * A session after the token: the server has opened it and sends the challenge; the client has sent
 * it and waits for the challenge. keys are copied; options may be NULL. The context must outlive
 * the session. Returns NULL without memory or randomness.
 */
ADIT_PUBLIC struct snitun_session *snitun_session_new(struct snitun_context *context,
                                                      enum snitun_role role,
                                                      const struct snitun_keys *keys,
                                                      const struct snitun_options *options,
                                                      uint64_t now_ms);

/* Frees the session and every channel left in it, wipes its keys. NULL is allowed. */
ADIT_PUBLIC void snitun_session_free(struct snitun_session *session);

/* 0, or the error the session ended with. */
ADIT_PUBLIC int snitun_session_error(const struct snitun_session *session);
ADIT_PUBLIC bool snitun_session_established(const struct snitun_session *session);
ADIT_PUBLIC size_t snitun_session_channels(const struct snitun_session *session);

/* Of one session since its start. */
struct snitun_counters {
    uint64_t payload_received; /* bytes of DATA for known channels */
    uint64_t payload_sent;
    uint64_t channels_opened;
    uint32_t frames_skipped;   /* unknown flags and channels, NEW from a client */
    uint32_t channels_refused; /* over channels_max */
    uint32_t pings_dropped;    /* over SNITUN_PONGS_MAX */
    uint32_t rtt_ms;           /* of the newest answered ping; 0 = none yet */
};
ADIT_PUBLIC void snitun_session_counters(const struct snitun_session *session,
                                         struct snitun_counters *counters);

/* ---- Receiving ---- */

enum snitun_event_type {
    SNITUN_NEED_MORE,   /* all input was consumed, nothing to tell */
    SNITUN_ESTABLISHED, /* the challenge was answered (server) or its answer is ready (client) */
    SNITUN_OPENED,      /* client: the server opened `channel` for `caller` */
    SNITUN_DATA,        /* `data`, `len` for `channel`: a piece of the caller's input, len >= 1 */
    SNITUN_PONG,        /* the other side answered our newest ping; see snitun_counters.rtt_ms */
    SNITUN_CLOSED,      /* the other side closed `channel`; end it with snitun_channel_close() */
};

struct snitun_event {
    enum snitun_event_type type;
    struct snitun_channel *channel;
    struct adit_ip caller; /* SNITUN_OPENED; family 0 = unknown */
    const uint8_t *data;
    size_t len;
};

/*
 * Reads in[0..len), stores one event and in *consumed how many bytes it used (all of them with
 * SNITUN_NEED_MORE). Returns 0 or an error; then the connection is to be closed. PAUSE, RESUME,
 * PING and frames to skip are dealt with inside: they change what snitun_control() and
 * snitun_turn() answer, so look there after each batch of input.
 */
ADIT_PUBLIC ADIT_MUST_USE int snitun_receive(struct snitun_session *session, uint64_t now_ms,
                                             const uint8_t *in, size_t len, size_t *consumed,
                                             struct snitun_event *event);

/* ---- Sending ---- */

/*
 * Writes the challenge or its answer and pending control frames to out, as many as fit whole into
 * room bytes (at least SNITUN_CONTROL_MAX), and returns how many bytes that are; 0 when nothing
 * waits. The bytes must go to the socket in this order, before anything asked for later. A
 * negative value is an error.
 */
ADIT_PUBLIC ADIT_MUST_USE long snitun_control(struct snitun_session *session, uint64_t now_ms,
                                              uint8_t *out, size_t room);

/* True when snitun_control() or snitun_turn() would answer something. */
ADIT_PUBLIC bool snitun_wants_to_send(const struct snitun_session *session);

/*
 * The channel whose turn it is and in *limit how many payload bytes its next frame may carry;
 * NULL when no ready, unpaused channel waits or the session is not established. Deficit round
 * robin by bytes. Follow with snitun_data(), or with snitun_channel_idle() or
 * snitun_channel_close() when the source had nothing.
 */
ADIT_PUBLIC struct snitun_channel *snitun_turn(struct snitun_session *session, size_t *limit);

/*
 * The limit while another channel waits: SNITUN_FRAME_SHARED, as it is at first, keeps a short
 * frame close to the front of a slow line; a fast line is better used with more, up to
 * SNITUN_FRAME_ALONE. Other values are taken as the nearer of the two.
 */
ADIT_PUBLIC void snitun_session_set_frame_shared(struct snitun_session *session, size_t len);

/* Wire bytes of an encrypted frame header of this session: 32 or 60. */
ADIT_PUBLIC size_t snitun_header_len(const struct snitun_session *session);

/*
 * Writes to out the header (snitun_header_len() bytes) of a DATA frame of len payload bytes, 1 to
 * *limit, already in hand: a frame once begun must be completed. Only for the channel that
 * snitun_turn() just named. Returns 0 or an error.
 */
ADIT_PUBLIC ADIT_MUST_USE int snitun_data(struct snitun_session *session,
                                          struct snitun_channel *channel, size_t len, uint8_t *out);

/* ---- Channels ---- */

/*
 * Server: opens a channel for a caller; its NEW waits in snitun_control(). NULL without memory or
 * randomness, over channels_max, or before the session is established.
 */
ADIT_PUBLIC struct snitun_channel *snitun_channel_open(struct snitun_session *session,
                                                       const struct adit_ip *caller);

ADIT_PUBLIC void snitun_channel_set_user(struct snitun_channel *channel, void *user);
ADIT_PUBLIC void *snitun_channel_user(const struct snitun_channel *channel);

/* The source of the channel has bytes; has none for now. A new channel is idle. */
ADIT_PUBLIC void snitun_channel_ready(struct snitun_channel *channel);
ADIT_PUBLIC void snitun_channel_idle(struct snitun_channel *channel);

/* True between a PAUSE and a RESUME of the other side. */
ADIT_PUBLIC bool snitun_channel_paused(const struct snitun_channel *channel);

/*
 * Tells how many received bytes now wait for the channel's sink. From version 1 on, PAUSE and
 * RESUME follow from it. Returns false past SNITUN_BACKLOG_MAX: close the channel.
 */
ADIT_PUBLIC bool snitun_channel_backlog(struct snitun_channel *channel, size_t bytes);

/*
 * Ends a channel: CLOSE follows what was sent, unless the other side closed first; a channel whose
 * NEW was not sent yet goes without a trace. The pointer is invalid afterwards. Every channel is
 * ended by this call or by snitun_session_free(). Until its CLOSE is sent, a channel counts against
 * channels_max.
 */
ADIT_PUBLIC void snitun_channel_close(struct snitun_channel *channel);

/* ---- Time ---- */

/* When snitun_tick() is due next, in the clock of now_ms. Never "none"; 0 after an error. */
ADIT_PUBLIC uint64_t snitun_deadline(const struct snitun_session *session);

/*
 * Queues a ping when the line is silent. Returns 0, SNITUN_E_DEAD or SNITUN_E_HANDSHAKE_TIMEOUT.
 * The other side always has a ping's chance: when a tick comes much later than its deadline,
 * because the machine slept or the process was stopped, it pings at once, and death comes
 * dead_after_ms - ping_after_ms later.
 */
ADIT_PUBLIC ADIT_MUST_USE int snitun_tick(struct snitun_session *session, uint64_t now_ms);

/*
 * Unacknowledged bytes that we sent have become fewer: the line is alive, and what goes behind them
 * waits. It is the machine that acknowledges, whatever has become of the program there: to be told
 * of bytes in front of an unanswered ping alone.
 */
ADIT_PUBLIC void snitun_progress(struct snitun_session *session, uint64_t now_ms);

/* True while nothing was heard since snitun_tick() queued a ping. */
ADIT_PUBLIC bool snitun_asked(const struct snitun_session *session);

/* Queues a ping at once (to see whether the other side is still there). */
ADIT_PUBLIC void snitun_ping(struct snitun_session *session);

#ifdef __cplusplus
}
#endif

#endif
