/*
 * The sodium-tcp engine: one connection between a client (sends) and a server (receives), both
 * roles, public mode and extension mode. Specification: docs/protocols/sodiumtcp.md.
 *
 * Sans I/O: the caller owns sockets, files, bytes, time and randomness. The engine makes no system
 * call, reads no clock, keeps no payload and prints nothing. now_ms is any clock that never runs
 * backwards, in milliseconds.
 *
 * One connection is one `struct sodiumtcp_session`. Receiving is a pull: hand in bytes, get one
 * event and how many bytes were consumed, call again until the event is SODIUMTCP_NEED_MORE. PDUs
 * are authenticated as a whole, so the event says how many bytes must be there contiguously, and
 * they are opened in the buffer that was lent or straight into another one. No plain byte leaves
 * before its tag is checked. Sending: sodiumtcp_control() writes what the engine has to say;
 * sodiumtcp_data() and its neighbours each seal one PDU into the caller's wire buffer. Bytes go to
 * the socket in the order in which they were written.
 *
 * Thread safety: a context and its sessions belong to one thread.
 */
#ifndef ADIT_SODIUMTCP_H
#define ADIT_SODIUMTCP_H

#include <adit/adit.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Limits (docs/protocols/sodiumtcp.md, Limits) ---- */

enum {
    SODIUMTCP_PORT = 5555,
    SODIUMTCP_KEY_LEN = 32,
    SODIUMTCP_HASH_LEN = 32,                /* BLAKE2b-256 */
    SODIUMTCP_CREDENTIAL_MAX = 128,         /* bytes of a login, of a passphrase */
    SODIUMTCP_MESSAGE_LEN = 128,            /* SERVER_HELO: text, NUL, offer, NUL */
    SODIUMTCP_TEXT_MAX = 100,               /* bytes of a server's text beside an offer */
    SODIUMTCP_HEADER_LEN = 12,              /* plain bytes of a PDU's header */
    SODIUMTCP_PDU_OVERHEAD = 46,            /* wire bytes of a PDU beside its plain body */
    SODIUMTCP_PUBLIC_DATA_MAX = 131070,     /* body of DATA */
    SODIUMTCP_PUBLIC_ACK_LEN = 32,          /* body of the DATA that answers one */
    SODIUMTCP_BLOCKS_MAX = 16,              /* public mode: DATA without an answer */
    SODIUMTCP_BLOCK_MAX = 256 * 1024,       /* body of BLOCK and BLOCK_ZSTD */
    SODIUMTCP_ZSTD_HEAD = 4,                /* plain_len before a zstd frame */
    SODIUMTCP_ZSTD_PLAIN_MIN = 512,         /* what one zstd frame may give, at least … */
    SODIUMTCP_ZSTD_PLAIN_MAX = 1024 * 1024, /* … and at most */
    SODIUMTCP_PADDING_MAX = 1024,           /* of a key exchange, of a PADDING */
    SODIUMTCP_PADDED_PDUS = 8,              /* followed by a PADDING, in each direction */
    SODIUMTCP_BEGIN_LEN = 32,               /* body of BEGIN before the name */
    SODIUMTCP_NAME_MAX = 4096,              /* wire bytes of a name, lengths included */
    SODIUMTCP_NAME_DEPTH_MAX = 64,          /* components of a name */
    SODIUMTCP_COMPONENT_MAX = 255,          /* bytes of a component */
    SODIUMTCP_ERROR_TEXT_MAX = 512,         /* bytes of an ERROR's text */
    SODIUMTCP_ASKED_MAX = 64,               /* items announced and not over */
    SODIUMTCP_UNACKED_MAX = 1024,           /* items announced and not acknowledged */
    SODIUMTCP_WINDOW_MIN = 1024 * 1024,     /* of plain bytes under way */
    SODIUMTCP_WINDOW = 32 * 1024 * 1024,    /* default of sodiumtcp_options.window */
    SODIUMTCP_WINDOW_MAX = 1024 * 1024 * 1024,
    SODIUMTCP_PINGS_MAX = 3,         /* of ours, without a pong */
    SODIUMTCP_PONGS_MAX = 16,        /* pings that wait for our pong */
    SODIUMTCP_AUTH_MS = 10000,       /* server: for CLIENT_AUTH */
    SODIUMTCP_HELO_MS = 30000,       /* client: for SERVER_HELO */
    SODIUMTCP_PING_AFTER_MS = 60000, /* first ping; then 60 to 119 s */
    SODIUMTCP_PING_SPREAD_MS = 59000,
    SODIUMTCP_IDLE_MS = 180000,            /* silence before SODIUMTCP_E_DEAD */
    SODIUMTCP_INPUT_MAX = 256 * 1024 + 17, /* event.need never exceeds this */
    SODIUMTCP_CONTROL_ROOM = 1134,         /* least room for sodiumtcp_control() */
    SODIUMTCP_BEGIN_ROOM = 4174,           /* wire bytes of a BEGIN, at most */
    SODIUMTCP_SMALL_ROOM = 563,            /* of OFFER, START, END, ACK, ERROR, FINISH */
    SODIUMTCP_PLAIN_AT = 30,               /* where in `out` a body may lie already */
};

#define SODIUMTCP_SIZE_UNKNOWN UINT64_MAX
#define SODIUMTCP_SIZE_MAX     ((uint64_t)INT64_MAX)
#define SODIUMTCP_NO_ITEM      UINT32_MAX

/* Errors: functions return 0 or one of these. After one, the session only answers with it. */
enum sodiumtcp_error {
    SODIUMTCP_OK = 0,
    SODIUMTCP_E_NO_MEMORY = -1,
    SODIUMTCP_E_RANDOM = -2,         /* the context's random function failed */
    SODIUMTCP_E_CREDENTIAL = -3,     /* ours: login or passphrase over 128 bytes or with a NUL */
    SODIUMTCP_E_KEY = -4,            /* a public key that makes no secret */
    SODIUMTCP_E_SEALED = -5,         /* CLIENT_AUTH or SERVER_HELO does not open: another key */
    SODIUMTCP_E_AUTHENTICATION = -6, /* a streamed message is not authentic */
    SODIUMTCP_E_TAG = -7,            /* its tag is not 0: TAG_FINAL or another */
    SODIUMTCP_E_MAGIC = -8,
    SODIUMTCP_E_TYPE = -9,     /* a type that there is not, or not here, now or from that side */
    SODIUMTCP_E_SIZE = -10,    /* body_size is not the type's */
    SODIUMTCP_E_VERSION = -11, /* not 0xDEADCAFE; not an offered version of the extension */
    SODIUMTCP_E_NONCE = -12,   /* SERVER_HELO does not answer our nonce */
    SODIUMTCP_E_LOGIN = -13,   /* sodiumtcp_refuse() was called */
    SODIUMTCP_E_ANSWER = -14,  /* public mode: not the answer to our oldest DATA */
    SODIUMTCP_E_PONG = -15,    /* a PONG that was not asked for */
    SODIUMTCP_E_PINGS = -16,   /* more than SODIUMTCP_PONGS_MAX pings without room for a pong */
    SODIUMTCP_E_PONGS = -17,   /* SODIUMTCP_PINGS_MAX pings of ours were not answered */
    SODIUMTCP_E_OPTION = -18,  /* an option that was not offered */
    SODIUMTCP_E_CREDIT = -19,  /* more bytes than credit, or credit that does not grow */
    SODIUMTCP_E_FIELD = -20,   /* a value that the field may not have */
    SODIUMTCP_E_NAME = -21,    /* a name with a component that no name may have */
    SODIUMTCP_E_ORDER = -22,   /* a step of an item out of its order */
    SODIUMTCP_E_LENGTH = -23,  /* an item's bytes are not what its BEGIN or END says */
    SODIUMTCP_E_ITEMS = -24,   /* too many items announced */
    SODIUMTCP_E_TRUNCATED = -25,
    SODIUMTCP_E_TIMEOUT = -26, /* no CLIENT_AUTH or SERVER_HELO in time */
    SODIUMTCP_E_DEAD = -27,    /* nothing heard for idle_ms */
    SODIUMTCP_E_CALL = -28,    /* the caller's own mistake; the session is as it was before */
    SODIUMTCP_E_CIPHER = -29,  /* the context's sodiumtcp_aead failed to seal */
};

/* One line for a person; never NULL, static. */
ADIT_PUBLIC const char *sodiumtcp_error_text(int error);

/* ---- Context: one per thread ---- */

/*
 * Holds the random function; random(random_arg, …) is called in the order that
 * docs/protocols/sodiumtcp.md, Random bytes, gives. The first one in a process sets libsodium up,
 * which looks at the processor and opens its own random source: before any sandbox. Returns NULL
 * without memory or when libsodium cannot start.
 */
struct sodiumtcp_context;
ADIT_PUBLIC struct sodiumtcp_context *sodiumtcp_context_new(adit_random_fn *random,
                                                            void *random_arg);
ADIT_PUBLIC void sodiumtcp_context_free(struct sodiumtcp_context *context);

/*
 * ChaCha20-Poly1305 (RFC 8439) without associated data, of a library that is faster at it than
 * libsodium. The text is head and then len bytes. `out` and `plain` may be where the text lies
 * already.
 */
enum { SODIUMTCP_AEAD_HEAD_LEN = 64 };
struct sodiumtcp_aead {
    void *arg;

    /* Encrypts, head in place. False when it fails: SODIUMTCP_E_CIPHER. */
    bool (*seal)(void *arg, const uint8_t key[32], const uint8_t nonce[12],
                 uint8_t head[SODIUMTCP_AEAD_HEAD_LEN], const uint8_t *plain, size_t len,
                 uint8_t *out, uint8_t mac[16]);

    /* Decrypts, head in place. False where mac is another one. */
    bool (*open)(void *arg, const uint8_t key[32], const uint8_t nonce[12],
                 uint8_t head[SODIUMTCP_AEAD_HEAD_LEN], const uint8_t *in, size_t len,
                 const uint8_t mac[16], uint8_t *plain);
};

/* Uses it for the bodies of data whose length is a multiple of 8; the bytes are the same. */
ADIT_PUBLIC void sodiumtcp_context_set_aead(struct sodiumtcp_context *context,
                                            const struct sodiumtcp_aead *aead);

/* ---- Session ---- */

/* Zeros mean the defaults above. */
struct sodiumtcp_options {
    uint32_t window;        /* server: plain bytes under way, WINDOW_MIN to WINDOW_MAX */
    uint32_t blocks;        /* client, public mode: DATA under way, 1 (as public peers) to 16 */
    uint32_t opening_ms;    /* for CLIENT_AUTH (server), SERVER_HELO (client) */
    uint32_t ping_after_ms; /* then up to 59/60 of it more, at random */
    uint32_t idle_ms;
    bool public_only; /* client: never choose the extension; server: never offer it */
    bool zstd;        /* client: use it where offered; server: offer it */
};

struct sodiumtcp_keypair {
    uint8_t public_key[SODIUMTCP_KEY_LEN];
    uint8_t secret_key[SODIUMTCP_KEY_LEN];
};

struct sodiumtcp_session;

/*
 * A client that dialled: its CLIENT_AUTH waits in sodiumtcp_control(). Login and passphrase are
 * not kept. options may be NULL. The context must outlive the session. Returns 0 and *session, or
 * an error and NULL.
 */
ADIT_PUBLIC ADIT_MUST_USE int
sodiumtcp_client_new(struct sodiumtcp_context *context,
                     const uint8_t server_public_key[SODIUMTCP_KEY_LEN], const char *login,
                     const char *passphrase, const struct sodiumtcp_options *options,
                     uint64_t now_ms, struct sodiumtcp_session **session);

/* A server that accepted. The pair is copied; its secret half is wiped after SERVER_HELO. */
ADIT_PUBLIC ADIT_MUST_USE int sodiumtcp_server_new(struct sodiumtcp_context *context,
                                                   const struct sodiumtcp_keypair *pair,
                                                   const struct sodiumtcp_options *options,
                                                   uint64_t now_ms,
                                                   struct sodiumtcp_session **session);

/* Frees and wipes. NULL is allowed. */
ADIT_PUBLIC void sodiumtcp_session_free(struct sodiumtcp_session *session);

/* 0, or the error the session ended with. */
ADIT_PUBLIC int sodiumtcp_session_error(const struct sodiumtcp_session *session);

/* FINISHED or ERROR was sent or received: flush, then close. */
ADIT_PUBLIC bool sodiumtcp_session_over(const struct sodiumtcp_session *session);

/* Of one session since its start. */
struct sodiumtcp_counters {
    uint64_t plain_sent; /* bytes of DATA, BLOCK, and what BLOCK_ZSTD stands for */
    uint64_t plain_received;
    uint64_t pdus_sent;
    uint64_t pdus_received;
    uint32_t rtt_ms; /* of the newest answered ping; 0 = none yet */
};
ADIT_PUBLIC void sodiumtcp_session_counters(const struct sodiumtcp_session *session,
                                            struct sodiumtcp_counters *counters);

/* ---- Items (docs/protocols/sodiumtcp.md, Files) ---- */

enum sodiumtcp_kind { SODIUMTCP_FILE, SODIUMTCP_DIRECTORY, SODIUMTCP_STREAM };
enum sodiumtcp_exists { SODIUMTCP_REPLACE, SODIUMTCP_RESUME, SODIUMTCP_SKIP };
enum sodiumtcp_verdict { SODIUMTCP_NOTHING_THERE, SODIUMTCP_PART_THERE, SODIUMTCP_LEAVE_IT };
enum sodiumtcp_end_status { SODIUMTCP_COMPLETE, SODIUMTCP_COMPLETE_HASHED, SODIUMTCP_ABANDONED };
enum sodiumtcp_ack_status {
    SODIUMTCP_KEPT,
    SODIUMTCP_KEPT_VERIFIED,
    SODIUMTCP_SKIPPED,
    SODIUMTCP_NOT_KEPT
};
enum sodiumtcp_code {
    SODIUMTCP_CODE_OTHER,
    SODIUMTCP_CODE_NO_SPACE,
    SODIUMTCP_CODE_QUOTA,
    SODIUMTCP_CODE_PERMISSION,
    SODIUMTCP_CODE_READ_ONLY,
    SODIUMTCP_CODE_NAME,
    SODIUMTCP_CODE_IN_THE_WAY,
    SODIUMTCP_CODE_IO,
    SODIUMTCP_CODE_NOT_VERIFIED,
    SODIUMTCP_CODE_STOPPED,
    SODIUMTCP_CODE_LIMIT,
};

/* A name as on the wire: `length(1) bytes` for each component. Not owned. */
struct sodiumtcp_name {
    const uint8_t *bytes;
    size_t len;
};

struct sodiumtcp_item {
    enum sodiumtcp_kind kind;
    enum sodiumtcp_exists exists;
    bool has_mode;
    bool has_mtime;
    uint16_t mode; /* 0777 at most */
    uint64_t size; /* or SODIUMTCP_SIZE_UNKNOWN */
    int64_t mtime_s;
    uint32_t mtime_ns;
    struct sodiumtcp_name name;
};

/*
 * Turns `a/b/c` into a name in out (SODIUMTCP_NAME_MAX bytes). Empty text is the empty name.
 * Returns its length, or SODIUMTCP_E_NAME for text that is absolute, has an empty component, `.`
 * or `..`, or exceeds a limit.
 */
ADIT_PUBLIC ADIT_MUST_USE long sodiumtcp_name_from_path(const char *path, uint8_t *out);

/*
 * Takes the first component off *name and copies it, NUL terminated, to out
 * (SODIUMTCP_COMPONENT_MAX + 1 bytes). Returns its length; 0 when there is none left.
 */
ADIT_PUBLIC size_t sodiumtcp_name_next(struct sodiumtcp_name *name, char *out);

/* ---- Receiving ---- */

/* What a client says who it is. Both texts NUL terminated; wiped once the server decided. */
struct sodiumtcp_login {
    char login[SODIUMTCP_CREDENTIAL_MAX + 1];
    char passphrase[SODIUMTCP_CREDENTIAL_MAX + 1];
    uint8_t client_public_key[SODIUMTCP_KEY_LEN]; /* fresh: seen before = a replay */
};

enum sodiumtcp_event_type {
    SODIUMTCP_NEED_MORE, /* hand in `need` contiguous bytes, from the first one not consumed on */
    SODIUMTCP_WAIT,      /* nothing is read until sodiumtcp_accept(), _written() or _control() */
    SODIUMTCP_LOGIN,     /* server: `login`; answer with sodiumtcp_accept() or _refuse() */
    SODIUMTCP_READY,     /* the mode is known: `extension`, `zstd`; client: `text` of the server */
    SODIUMTCP_DATA,      /* `data`, `len`; where `plain_len` is not 0, a zstd frame of so many */
    SODIUMTCP_ANSWERED,  /* client, public mode: the oldest DATA, of `length` bytes, has arrived */
    SODIUMTCP_BEGIN,     /* server: `number`, `item`; where it asks: sodiumtcp_offer() */
    SODIUMTCP_OFFER,     /* client: `number`, `verdict`, `length`, `hash` */
    SODIUMTCP_START,     /* server: `number`, `length` = offset */
    SODIUMTCP_END,       /* server: `number`, `status`, `length`, `hash` */
    SODIUMTCP_ACK,       /* client: `number`, `status`, `length` */
    SODIUMTCP_FINISH,    /* server: no more items; FINISHED follows the last sodiumtcp_ack() */
    SODIUMTCP_FINISHED,  /* client: all is acknowledged, the connection is over */
    SODIUMTCP_ERROR,     /* `number`, `code`, `text`: the other side stopped; over */
};

/* Pointers lead into the caller's buffers or the session and hold until the next call. */
struct sodiumtcp_event {
    enum sodiumtcp_event_type type;
    bool extension;
    bool zstd;
    uint8_t verdict; /* enum sodiumtcp_verdict */
    uint8_t status;  /* enum sodiumtcp_end_status, enum sodiumtcp_ack_status */
    uint8_t code;    /* enum sodiumtcp_code, or one unknown */
    uint32_t number;
    uint32_t plain_len;
    uint64_t length;
    size_t need;
    const uint8_t *data;
    size_t len;
    const uint8_t *hash;
    const char *text; /* `len` bytes, hostile; escape it */
    const struct sodiumtcp_login *login;
    struct sodiumtcp_item item;
};

/*
 * Reads in[0..len), which the engine may change, stores one event and in *consumed how many bytes
 * it used. The body of DATA and BLOCK is opened into into[0..into_room) when it fits there, else
 * in place; into may be NULL. Returns 0 or an error; then the connection is to be closed. PING,
 * CREDIT and the key exchange are dealt with inside: look at sodiumtcp_control() and
 * sodiumtcp_room() after each batch of input.
 */
ADIT_PUBLIC ADIT_MUST_USE int sodiumtcp_receive(struct sodiumtcp_session *session, uint64_t now_ms,
                                                uint8_t *in, size_t len, uint8_t *into,
                                                size_t into_room, size_t *consumed,
                                                struct sodiumtcp_event *event);

/*
 * The connection ended with `unread` bytes not consumed. 0 where an end is in order, else
 * SODIUMTCP_E_TRUNCATED or the session's error.
 */
ADIT_PUBLIC ADIT_MUST_USE int sodiumtcp_end_of_input(struct sodiumtcp_session *session,
                                                     size_t unread);

/* ---- Server's decisions ---- */

/*
 * Lets the client of the last SODIUMTCP_LOGIN in; text is at most SODIUMTCP_TEXT_MAX bytes. Its
 * SERVER_HELO waits in sodiumtcp_control(), with an offer unless options said otherwise. Returns
 * 0, SODIUMTCP_E_KEY, SODIUMTCP_E_RANDOM or SODIUMTCP_E_CALL.
 */
ADIT_PUBLIC ADIT_MUST_USE int sodiumtcp_accept(struct sodiumtcp_session *session, const char *text,
                                               uint64_t now_ms);

/*
 * Another window than options said, for one that has many clients: before sodiumtcp_accept(), and
 * without effect later. It is kept between SODIUMTCP_WINDOW_MIN and SODIUMTCP_WINDOW_MAX.
 */
ADIT_PUBLIC void sodiumtcp_set_window(struct sodiumtcp_session *session, uint32_t window);

/* Turns it away: the session's error is SODIUMTCP_E_LOGIN. Close without a word. */
ADIT_PUBLIC void sodiumtcp_refuse(struct sodiumtcp_session *session);

/*
 * n plain bytes that SODIUMTCP_DATA gave (plain_len where it is not 0) have left memory: answers
 * to DATA and CREDIT follow from it.
 */
ADIT_PUBLIC void sodiumtcp_written(struct sodiumtcp_session *session, size_t n);

/* ---- Sending ---- */

/* The wall clock, as PING and PONG show it: Unix time. Nothing else depends on it. */
struct sodiumtcp_wall {
    uint64_t seconds;
    uint32_t nanoseconds;
};

/*
 * Writes what waits: CLIENT_AUTH, SERVER_HELO, key exchange, PONG, PING, answers to DATA, CREDIT,
 * FINISHED, PADDING; as many as fit whole into room bytes (at least SODIUMTCP_CONTROL_ROOM).
 * Returns how many bytes that are, 0 when nothing waits, or an error.
 */
ADIT_PUBLIC ADIT_MUST_USE long sodiumtcp_control(struct sodiumtcp_session *session, uint64_t now_ms,
                                                 struct sodiumtcp_wall wall, uint8_t *out,
                                                 size_t room);

/* True when sodiumtcp_control() would write something. */
ADIT_PUBLIC bool sodiumtcp_wants_to_send(const struct sodiumtcp_session *session);

/*
 * Client: how many plain bytes the next sodiumtcp_data() may carry; 0 = none now: wait for an
 * answer, for credit, or start an item. In public mode more than 0 also allows an empty DATA.
 */
ADIT_PUBLIC size_t sodiumtcp_room(const struct sodiumtcp_session *session);

/* The same for sodiumtcp_data_zstd(); 0 as well where zstd was not agreed. */
ADIT_PUBLIC size_t sodiumtcp_room_zstd(const struct sodiumtcp_session *session);

/*
 * Each of these seals one PDU into out and returns its wire bytes: for data len +
 * SODIUMTCP_PDU_OVERHEAD, for begin at most SODIUMTCP_BEGIN_ROOM, for the others at most
 * SODIUMTCP_SMALL_ROOM. SODIUMTCP_E_CALL when the protocol does not allow it now or so; also until
 * sodiumtcp_control() has written what waits of the opening.
 *
 * sodiumtcp_data: DATA or BLOCK. plain is elsewhere than out, or exactly out + SODIUMTCP_PLAIN_AT.
 * sodiumtcp_data_zstd: body is SODIUMTCP_ZSTD_HEAD bytes to be filled here and then the frame;
 * body_len counts both.
 */
ADIT_PUBLIC ADIT_MUST_USE long sodiumtcp_data(struct sodiumtcp_session *session,
                                              const uint8_t *plain, size_t len, uint8_t *out);
ADIT_PUBLIC ADIT_MUST_USE long sodiumtcp_data_zstd(struct sodiumtcp_session *session, uint8_t *body,
                                                   size_t body_len, uint32_t plain_len,
                                                   uint8_t *out);

/* Client. The number of the item is in *number: 0, 1, 2, … */
ADIT_PUBLIC ADIT_MUST_USE long sodiumtcp_begin(struct sodiumtcp_session *session,
                                               const struct sodiumtcp_item *item, uint32_t *number,
                                               uint8_t *out);

/*
 * Client. True when *number is the next item whose contents are to be sent and nothing stands
 * against sodiumtcp_start().
 */
ADIT_PUBLIC bool sodiumtcp_may_start(const struct sodiumtcp_session *session, uint32_t *number);

/* Client. True when another sodiumtcp_begin() is within the limits. */
ADIT_PUBLIC bool sodiumtcp_may_begin(const struct sodiumtcp_session *session);

/* Client. offset is 0 or the length of the item's offer, whose hash the caller has compared. */
ADIT_PUBLIC ADIT_MUST_USE long sodiumtcp_start(struct sodiumtcp_session *session, uint32_t number,
                                               uint64_t offset, uint8_t *out);

/* Client. Ends the item that was started. hash is looked at with COMPLETE_HASHED alone. */
ADIT_PUBLIC ADIT_MUST_USE long sodiumtcp_end(struct sodiumtcp_session *session,
                                             enum sodiumtcp_end_status status,
                                             const uint8_t hash[SODIUMTCP_HASH_LEN], uint8_t *out);

/* Client. No more items. Everything announced has been sent or skipped. */
ADIT_PUBLIC ADIT_MUST_USE long sodiumtcp_finish(struct sodiumtcp_session *session, uint8_t *out);

/* Server. Answers the oldest unanswered item that asks; hash with PART_THERE alone. */
ADIT_PUBLIC ADIT_MUST_USE long sodiumtcp_offer(struct sodiumtcp_session *session, uint32_t number,
                                               enum sodiumtcp_verdict verdict, uint64_t length,
                                               const uint8_t hash[SODIUMTCP_HASH_LEN],
                                               uint8_t *out);

/* Server. Items in order, each when it is over and safe. */
ADIT_PUBLIC ADIT_MUST_USE long sodiumtcp_ack(struct sodiumtcp_session *session, uint32_t number,
                                             enum sodiumtcp_ack_status status, uint64_t length,
                                             uint8_t *out);

/*
 * Extension mode, both sides. Ends the session: nothing is sent after it, what still comes is
 * dropped. number may be SODIUMTCP_NO_ITEM. Longer text is cut.
 */
ADIT_PUBLIC ADIT_MUST_USE long sodiumtcp_stop(struct sodiumtcp_session *session, uint32_t number,
                                              enum sodiumtcp_code code, const char *text,
                                              uint8_t *out);

/* ---- Time ---- */

/* When sodiumtcp_tick() is due next; UINT64_MAX = not at all. */
ADIT_PUBLIC uint64_t sodiumtcp_deadline(const struct sodiumtcp_session *session);

/* Queues a ping when one is due. Returns 0, SODIUMTCP_E_TIMEOUT, _DEAD, _PONGS or _RANDOM. */
ADIT_PUBLIC ADIT_MUST_USE int sodiumtcp_tick(struct sodiumtcp_session *session, uint64_t now_ms);

/* Unacknowledged bytes that we sent have become fewer: the other side is alive. */
ADIT_PUBLIC void sodiumtcp_progress(struct sodiumtcp_session *session, uint64_t now_ms);

/* Queues a ping at once, unless SODIUMTCP_PINGS_MAX wait already. */
ADIT_PUBLIC void sodiumtcp_ping(struct sodiumtcp_session *session);

#ifdef __cplusplus
}
#endif

#endif
