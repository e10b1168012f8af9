/*
 * What the engine's files know of a session. Each file says beside itself what it exports.
 */
#ifndef SODIUMTCP_SESSION_H
#define SODIUMTCP_SESSION_H

#include <adit/sodiumtcp.h>
#include <sodium.h>

enum {
    SODIUMTCP_NONCE_LEN = crypto_box_NONCEBYTES,
    SODIUMTCP_STREAM_HEADER_LEN = crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    SODIUMTCP_MESSAGE_OVERHEAD = crypto_secretstream_xchacha20poly1305_ABYTES,
    SODIUMTCP_HEADER_WIRE_LEN = SODIUMTCP_HEADER_LEN + SODIUMTCP_MESSAGE_OVERHEAD,
    SODIUMTCP_AUTH_LEN = 340, /* plain body of CLIENT_AUTH */
    SODIUMTCP_HELO_LEN = 176, /* of SERVER_HELO */
    SODIUMTCP_AUTH_WIRE_LEN = SODIUMTCP_HEADER_LEN + SODIUMTCP_AUTH_LEN + crypto_box_SEALBYTES,
    SODIUMTCP_HELO_WIRE_LEN = SODIUMTCP_HEADER_LEN + SODIUMTCP_HELO_LEN + crypto_box_SEALBYTES,
    SODIUMTCP_KEY_CLIENT_LEN = 60, /* without padding */
    SODIUMTCP_KEY_SERVER_LEN = 64,
};

_Static_assert(SODIUMTCP_CONTROL_ROOM ==
                   SODIUMTCP_KEY_SERVER_LEN + SODIUMTCP_PADDING_MAX + SODIUMTCP_PDU_OVERHEAD,
               "the longest that sodiumtcp_control() writes at once");
_Static_assert(SODIUMTCP_PLAIN_AT == SODIUMTCP_HEADER_WIRE_LEN + 1, "a message is tag, text, MAC");

enum sodiumtcp_state {
    SODIUMTCP_STATE_AWAIT_AUTH, /* server */
    SODIUMTCP_STATE_DECIDE,     /* server: the caller looks at login and passphrase */
    SODIUMTCP_STATE_CHOICE,     /* server: the client's first PDU decides the mode */
    SODIUMTCP_STATE_AWAIT_HELO, /* client */
    SODIUMTCP_STATE_AWAIT_KEY,  /* client: KEY_CLIENT is sealed */
    SODIUMTCP_STATE_PUBLIC,
    SODIUMTCP_STATE_FILES, /* extension mode */
    SODIUMTCP_STATE_OVER,
};

struct sodiumtcp_context {
    adit_random_fn *random;
    void *random_arg;
    struct sodiumtcp_aead aead; /* zeros: libsodium alone */
};

/* What is needed until the mode is known and its keys hold; wiped and freed then. */
struct sodiumtcp_opening {
    struct sodiumtcp_keypair own; /* crypto_kx: the client's is fresh */
    uint8_t peer_public_key[SODIUMTCP_KEY_LEN];
    uint8_t nonce[SODIUMTCP_NONCE_LEN]; /* CLIENT_AUTH's */
    uint8_t own_header[SODIUMTCP_STREAM_HEADER_LEN];
    uint8_t peer_header[SODIUMTCP_STREAM_HEADER_LEN];
    uint8_t to_server_key[SODIUMTCP_KEY_LEN];
    uint8_t to_client_key[SODIUMTCP_KEY_LEN];
    uint8_t ephemeral_secret[SODIUMTCP_KEY_LEN];
    uint8_t key_client[SODIUMTCP_KEY_CLIENT_LEN]; /* as sent, for the derivation */
    struct sodiumtcp_login login;
    size_t wire_len; /* CLIENT_AUTH, SERVER_HELO, KEY_CLIENT or KEY_SERVER that waits */
    uint8_t wire[SODIUMTCP_CONTROL_ROOM];
};

/* Public mode: DATA that waits for its answer, oldest first. */
struct sodiumtcp_blocks {
    uint8_t first;
    uint8_t count;
    uint8_t due; /* server: of these so many, the oldest, are written */
    uint8_t max;
    uint32_t lens[SODIUMTCP_BLOCKS_MAX];
};

struct sodiumtcp_pings {
    uint64_t next_ms;
    uint64_t sent_ms[SODIUMTCP_PINGS_MAX]; /* oldest first */
    uint8_t unanswered;
    bool due;      /* a PING waits in sodiumtcp_control() */
    uint8_t pongs; /* that wait there */
};

struct sodiumtcp_session {
    struct sodiumtcp_context *context;
    struct sodiumtcp_opening *opening; /* NULL once it is over */
    struct sodiumtcp_items *items;     /* extension mode alone */
    crypto_secretstream_xchacha20poly1305_state push;
    crypto_secretstream_xchacha20poly1305_state pull;
    bool server;
    bool offers; /* server: the offer was made; client: the extension may be chosen */
    bool zstd;   /* wanted; once the mode is known: agreed */
    uint8_t state;
    int8_t error;
    bool body_expected;
    uint32_t body_type;
    uint32_t body_len;
    uint32_t ping_after_ms;
    uint32_t idle_ms;
    uint64_t opening_deadline_ms;
    uint64_t heard_ms;
    bool asked_again; /* after a sleep, see alive.c */
    struct sodiumtcp_pings pings;
    struct sodiumtcp_blocks blocks;
    uint8_t unpadded;    /* PDUs under the new keys that a PADDING will follow */
    uint8_t padding_due; /* PADDINGs that wait */
    bool finished_due;   /* server: FINISHED waits for the last ACK */
    uint32_t window;
    uint64_t credit;  /* plain bytes of blocks that may have been sent in all */
    uint64_t moved;   /* that were */
    uint64_t written; /* server: that have left memory; public mode: not yet answered for */
    struct sodiumtcp_counters counters;
    char text[SODIUMTCP_MESSAGE_LEN]; /* client: of SERVER_HELO */
};

/* Wipes all keys and makes every later call answer with error; returns it. */
int sodiumtcp_session_fail(struct sodiumtcp_session *session, int error);

/* Fills buf. Returns 0 or the session's error. */
int sodiumtcp_session_random(struct sodiumtcp_session *session, void *buf, size_t len);

/* Wipes and frees what belongs to the opening alone. */
void sodiumtcp_session_opened(struct sodiumtcp_session *session);

/* True where PDUs may be sealed: streams hold and nothing of the opening waits. */
bool sodiumtcp_session_may_seal(const struct sodiumtcp_session *session);

/* Draws the length of a padding. */
int sodiumtcp_session_padding(struct sodiumtcp_session *session, size_t *len);

#endif
