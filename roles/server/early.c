#include "roles/server/internal.h"

#include "base/encode.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

enum {
    TLS_HANDSHAKE = 0x16,
    MODEST_ROOM = 8 * 1024, /* enough for what browsers and publishers send */
};

struct early {
    struct server_worker *worker;
    struct io_stream *stream;
    struct list link;
    struct io_timer timer;
    struct addr source; /* the socket's, then the PROXY header's */
    struct ticket ticket;
    uint64_t since_ms;
    uint8_t *bytes; /* what came so far, once one read was not enough */
    size_t len;
    size_t room;
    size_t skip; /* the PROXY header's length */
    size_t need; /* bytes before another look can tell more */
    unsigned token_trials;
    enum door door;
    bool may_have_header;
};

static void forget(struct early *early)
{
    struct server_worker *worker = early->worker;

    worker->early_bytes -= early->room;
    free(early->bytes);
    io_timer_stop(&early->timer);
    ticket_give_back(worker, &early->ticket);
    list_remove(&early->link);
    free(early);
    worker_check_idle(worker);
}

static void refuse(struct early *early, enum refusal refusal, const char *why)
{
    server_refused(early->worker, refusal, &early->source.ip, "%s", why);
    io_close(early->stream);
    forget(early);
}

static struct early *oldest(const struct server_worker *worker)
{
    return container_of(worker->early.next, struct early, link);
}

static void refuse_bytes(struct early *early)
{
    refuse(early, REFUSED_EARLY_BYTES,
           "unauthenticated connections hold as much memory as they may");
}

static bool fits(const struct early *early, size_t room)
{
    const struct server_worker *worker = early->worker;

    return worker->early_bytes + room - early->room <= worker->settings->limits.early_bytes;
}

/* Ends the oldest that holds more than it should need. False where there is none. */
static bool end_greedy(struct server_worker *worker)
{
    for (struct list *e = worker->early.next; e != &worker->early; e = e->next) {
        struct early *early = container_of(e, struct early, link);

        if (early->room > MODEST_ROOM) {
            refuse_bytes(early);
            return true;
        }
    }
    return false;
}

/* A few that send much must not keep those out that send little. */
static bool make_room(struct early *early, size_t len)
{
    struct server_worker *worker = early->worker;
    size_t room = len <= EARLY_BYTES_MAX / 2 ? 2 * len : EARLY_BYTES_MAX;
    uint8_t *grown;

    while (!fits(early, room) && room <= MODEST_ROOM && end_greedy(worker))
        continue;
    if (!fits(early, room)) {
        refuse_bytes(early);
        return false;
    }
    grown = realloc(early->bytes, room);
    if (grown == NULL) {
        refuse(early, REFUSED_RESOURCES, "out of memory");
        return false;
    }
    worker->early_bytes += room - early->room;
    early->bytes = grown;
    early->room = room;
    return true;
}

/* Keeps all bytes that came so far, until there are more. */
static void keep(struct early *early, const uint8_t *bytes, size_t len)
{
    if (len > early->room && !make_room(early, len))
        return;
    memcpy(early->bytes + early->len, bytes + early->len, len - early->len);
    early->len = len;
    io_again(early->stream);
}

/* Puts everything behind the PROXY header back and routes by name. */
static void go_as_device(struct early *early, const uint8_t *bytes, size_t len, const char *name)
{
    struct server_worker *worker = early->worker;
    struct io_stream *stream = early->stream;
    struct addr source = early->source;
    char normal[HOSTNAME_MAX + 1];

    if (io_unread(stream, bytes, len) != IO_OK) {
        refuse(early, REFUSED_RESOURCES, "out of memory");
        return;
    }
    if (!hostname_normalise(name, strlen(name), normal))
        normal[0] = '\0';
    forget(early);
    device_route(worker, stream, &source, normal);
}

static void read_hello(struct early *early, const uint8_t *bytes, size_t len, size_t kept)
{
    struct clienthello hello;
    enum clienthello_verdict verdict = clienthello_parse(bytes, len, &hello);

    switch (verdict) {
    case CLIENTHELLO_OK:
        go_as_device(early, bytes, len, hello.name);
        break;
    case CLIENTHELLO_INCOMPLETE:
        io_timer_set(&early->timer, early->since_ms + early->worker->settings->limits.hello_ms);
        early->need = early->skip + hello.need;
        keep(early, bytes - early->skip, kept);
        break;
    case CLIENTHELLO_NO_SNI:
        device_refuse(early->worker, early->stream, &early->source.ip, REFUSED_NO_NAME, "");
        forget(early);
        break;
    default:
        refuse(early, REFUSED_HELLO, clienthello_verdict_text(verdict));
    }
}

static void go_as_peer(struct early *early, struct snitun_token *token)
{
    struct server_worker *worker = early->worker;
    struct io_stream *stream = early->stream;
    struct addr source = early->source;
    struct ticket ticket = early->ticket;

    early->ticket = (struct ticket){0};
    forget(early);
    admit_client(worker, stream, &source, token, &ticket);
}

static void refuse_expired(struct early *early, struct snitun_token *token)
{
    char name[80];

    server_refused(early->worker, REFUSED_TOKEN_EXPIRED, &early->source.ip,
                   "the token for %s has expired",
                   text_escape(token->hostname, strlen(token->hostname), name, sizeof(name)));
    snitun_token_clear(token);
    io_close(early->stream);
    forget(early);
}

static void read_token(struct early *early, const uint8_t *bytes, size_t len, size_t kept)
{
    struct server_worker *worker = early->worker;
    struct snitun_token token;
    unsigned before = early->token_trials;
    int verdict = snitun_token_read(&worker->settings->keyring, io_wall_s(worker->loop),
                                    (const char *)bytes, len, &early->token_trials, &token);

    worker->counters.token_trials += early->token_trials - before;
    switch (verdict) {
    case SNITUN_TOKEN_OK:
        go_as_peer(early, &token);
        break;
    case SNITUN_TOKEN_INCOMPLETE:
        io_timer_set(&early->timer, early->since_ms + worker->settings->limits.token_ms);
        keep(early, bytes - early->skip, kept);
        break;
    case SNITUN_TOKEN_E_EXPIRED:
        refuse_expired(early, &token);
        break;
    default:
        refuse(early, REFUSED_TOKEN, snitun_token_error_text(verdict));
    }
}

/* The source that a trusted front names replaces the socket's. False when that is the end. */
static bool read_proxy_header(struct early *early, const uint8_t *bytes, size_t len)
{
    struct server_worker *worker = early->worker;
    struct proxyheader header;
    enum proxyheader_verdict verdict = proxyheader_parse(bytes, len, &header, &early->skip);

    switch (verdict) {
    case PROXYHEADER_NONE:
        early->skip = 0;
        early->may_have_header = false;
        return true;
    case PROXYHEADER_INCOMPLETE:
        early->skip = 0;
        keep(early, bytes, len);
        return false;
    case PROXYHEADER_OK:
        break;
    default:
        refuse(early, REFUSED_PROXY_HEADER, proxyheader_verdict_text(verdict));
        return false;
    }
    early->may_have_header = false;
    if (!header.has_source)
        return true;
    early->source = (struct addr){.ip = header.source, .port = header.source_port};
    if (ticket_take_address(worker, &early->ticket, &early->source.ip))
        return true;
    refuse(early, REFUSED_ADDRESS_QUOTA, "its address holds as many connections as it may");
    return false;
}

/* Decides by the first bytes; keeps them when more are needed. */
static void judge(struct early *early, const uint8_t *bytes, size_t len)
{
    const uint8_t *at;
    size_t left;

    if (early->may_have_header && !read_proxy_header(early, bytes, len))
        return;
    at = bytes + early->skip;
    left = len - early->skip;
    if (left == 0 || (left == 1 && at[0] == 'g'))
        keep(early, bytes, len);
    else if (at[0] == TLS_HANDSHAKE && early->door != DOOR_PEERS)
        read_hello(early, at, left, len);
    else if (at[0] == 'g' && at[1] == 'A' && early->door != DOOR_DEVICES)
        read_token(early, at, left, len);
    else
        refuse(early, REFUSED_PROTOCOL, "its first bytes are neither a ClientHello nor a token");
}

/*
 * It ended, or was reset. Who said nothing, a load balancer that looks whether the port is open,
 * is worth no line.
 */
static void end(struct early *early)
{
    if (early->len <= early->skip) {
        io_close(early->stream);
        forget(early);
    } else if (early->may_have_header) {
        refuse(early, REFUSED_PROXY_HEADER, "it ended before its PROXY header was whole");
    } else if (early->token_trials > 0) {
        refuse(early, REFUSED_TOKEN, "it ended, and no Fernet key opens its token");
    } else if (early->bytes[early->skip] != 'g') {
        refuse(early, REFUSED_HELLO, "it ended before its ClientHello was whole");
    } else {
        refuse(early, REFUSED_TOKEN, "it ended before its token was whole");
    }
}

static void on_readable(void *arg)
{
    struct early *early = arg;
    uint8_t *scratch = early->worker->scratch;
    ssize_t got;

    if (early->len > 0)
        memcpy(scratch, early->bytes, early->len);
    got = io_read(early->stream, scratch + early->len, EARLY_BYTES_MAX - early->len);
    if (got == IO_AGAIN)
        return;
    if (got <= 0) {
        end(early);
        return;
    }
    if (early->len + (size_t)got < early->need)
        keep(early, scratch, early->len + (size_t)got);
    else
        judge(early, scratch, early->len + (size_t)got);
}

static void on_failed(void *arg, int error)
{
    struct early *early = arg;

    (void)error;
    end(early);
}

static void on_timer(void *arg)
{
    struct early *early = arg;

    if (early->token_trials > 0)
        refuse(early, REFUSED_TOKEN, "no Fernet key opens its token, or the rest of it never came");
    else
        refuse(early, REFUSED_TIMEOUT, "neither a whole ClientHello nor a whole token in time");
}

/* Nothing is sent before it is clear who this is. */
static void on_sent(void *arg)
{
    (void)arg;
}

static const struct io_stream_handler stream_handler = {
    .readable = on_readable,
    .sent = on_sent,
    .failed = on_failed,
};

static bool admit(struct server_worker *worker, struct early *early)
{
    if (early->may_have_header || ticket_take_address(worker, &early->ticket, &early->source.ip)) {
        ticket_take(worker, &early->ticket);
        return true;
    }
    server_refused(worker, REFUSED_ADDRESS_QUOTA, &early->source.ip,
                   "its address holds as many connections as it may");
    return false;
}

void early_accepted(struct server_listener *listener, struct io_stream *stream)
{
    struct server_worker *worker = listener->worker;
    const struct server_limits *limits = &worker->settings->limits;
    struct early *early = calloc(1, sizeof(*early));

    worker->counters.accepted++;
    if (early == NULL) {
        io_abort(stream);
        return;
    }
    early->worker = worker;
    early->stream = stream;
    early->door = listener->door;
    early->source = io_stream_peer(stream);
    early->may_have_header = snapshot_trusts(worker->settings, &early->source.ip);
    early->since_ms = io_now_ms(worker->loop);
    list_init(&early->link);
    io_timer_init(&early->timer, worker->loop, on_timer, early);
    if (!admit(worker, early)) {
        io_abort(stream);
        forget(early);
        return;
    }
    list_append(&worker->early, &early->link);
    io_stream_set_handler(stream, &stream_handler, early);
    io_timer_set_in(&early->timer,
                    limits->hello_ms > limits->token_ms ? limits->hello_ms : limits->token_ms);
}

uint64_t early_oldest_ms(const struct server_worker *worker)
{
    return oldest(worker)->since_ms;
}

void early_end_oldest(struct server_worker *worker)
{
    struct early *early = oldest(worker);

    server_refused(worker, REFUSED_EARLY_LIMIT, &early->source.ip,
                   "others wait, and it has not said who it is");
    io_abort(early->stream);
    forget(early);
}

void early_end_all(struct server_worker *worker)
{
    while (!list_empty(&worker->early)) {
        struct early *early = oldest(worker);

        io_abort(early->stream);
        forget(early);
    }
}
