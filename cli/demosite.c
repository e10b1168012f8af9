#include "cli/demosite.h"

#include "base/encode.h"
#include "base/list.h"
#include "base/map.h"

#include <adit/proxyheader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX = 2048, SHOWN_MAX = 300 };

enum visit_state { VISIT_HEADER, VISIT_HANDSHAKE, VISIT_REQUEST };

struct visit {
    struct list link;
    struct demosite *site;
    struct io_stream *stream;
    struct io_timer deadline;
    enum visit_state state;
    struct proxyheader header;
    size_t len;
    char bytes[DEMOSITE_REQUEST_MAX];
};

struct demosite {
    struct io_loop *loop;
    struct io_tls *tls;
    struct io_listener *listener;
    struct io_timer resume;
    struct list visits;
    size_t count;
};

static void visit_end(struct visit *visit, bool orderly)
{
    if (orderly)
        io_close(visit->stream);
    else
        io_abort(visit->stream);
    io_timer_stop(&visit->deadline);
    list_remove(&visit->link);
    visit->site->count--;
    free(visit);
}

/* The first word after the method, as it may be shown. */
static void read_path(const struct visit *visit, char shown[SHOWN_MAX])
{
    const char *start = memchr(visit->bytes, ' ', visit->len);
    size_t left = start == NULL ? 0 : visit->len - (size_t)(start + 1 - visit->bytes);
    const char *end = left == 0 ? NULL : memchr(start + 1, ' ', left);
    if (end == NULL) {
        shown[0] = '\0';
        return;
    }
    text_escape(start + 1, (size_t)(end - start - 1), shown, SHOWN_MAX);
}

static void answer(struct visit *visit)
{
    char caller[IP_TEXT_MAX] = "not said";
    char from[ADDR_TEXT_MAX];
    char path[SHOWN_MAX];
    char page[PAGE_MAX];
    char head[PAGE_MAX];
    struct addr peer = io_stream_peer(visit->stream);
    addr_format(&peer, from);
    read_path(visit, path);
    if (visit->header.has_source)
        ip_format(&visit->header.source, caller);
    int page_len = snprintf(page, sizeof page,
                            "This page came through an adit tunnel.\n"
                            "caller: %s\n"
                            "connection: %s\n"
                            "asked: %s\n"
                            "tls: %s, %s\n",
                            caller, from, path, io_stream_tls_version(visit->stream),
                            io_stream_tls_cipher(visit->stream));
    int head_len = snprintf(head, sizeof head,
                            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=us-ascii\r\n"
                            "Content-Length: %d\r\nConnection: close\r\n\r\n",
                            page_len);
    bool sent = io_send(visit->stream, head, (size_t)head_len) == 0 &&
                io_send(visit->stream, page, (size_t)page_len) == 0;
    visit_end(visit, sent);
}

static void read_request(struct visit *visit)
{
    for (;;) {
        ssize_t got =
            io_read(visit->stream, visit->bytes + visit->len, sizeof visit->bytes - visit->len);
        if (got == IO_AGAIN)
            return;
        if (got <= 0) {
            visit_end(visit, got == 0);
            return;
        }
        visit->len += (size_t)got;
        if (memmem(visit->bytes, visit->len, "\r\n\r\n", 4) != NULL) {
            answer(visit);
            return;
        }
        if (visit->len == sizeof visit->bytes) {
            visit_end(visit, false);
            return;
        }
    }
}

/* True when the header is there; what follows it is back in the stream. */
static bool take_header(struct visit *visit, bool *broken)
{
    size_t used = 0;
    enum proxyheader_verdict verdict =
        proxyheader_parse((const uint8_t *)visit->bytes, visit->len, &visit->header, &used);
    *broken = verdict != PROXYHEADER_OK && verdict != PROXYHEADER_INCOMPLETE;
    if (verdict != PROXYHEADER_OK)
        return false;
    size_t rest = visit->len - used;
    *broken = rest > 0 && io_unread(visit->stream, visit->bytes + used, rest) != 0;
    visit->len = 0;
    return !*broken;
}

static void read_header(struct visit *visit)
{
    bool broken = false;
    while (!broken && visit->len < PROXYHEADER_V2_MAX) {
        ssize_t got =
            io_read(visit->stream, visit->bytes + visit->len, PROXYHEADER_V2_MAX - visit->len);
        if (got == IO_AGAIN)
            return;
        if (got <= 0)
            break;
        visit->len += (size_t)got;
        if (take_header(visit, &broken)) {
            visit->state = VISIT_HANDSHAKE;
            broken = io_stream_start_tls(visit->stream, visit->site->tls, NULL) != 0;
            if (!broken)
                return;
        }
    }
    visit_end(visit, false);
}

static void on_readable(void *arg)
{
    struct visit *visit = arg;
    if (visit->state == VISIT_HEADER)
        read_header(visit);
    else if (visit->state == VISIT_REQUEST)
        read_request(visit);
}

static void on_connected(void *arg)
{
    struct visit *visit = arg;
    visit->state = VISIT_REQUEST;
    io_again(visit->stream);
}

static void on_sent(void *arg)
{
    (void)arg;
}

static void on_failed(void *arg, int error)
{
    (void)error;
    visit_end(arg, false);
}

static void on_deadline(void *arg)
{
    visit_end(arg, false);
}

static const struct io_stream_handler visit_handler = {on_connected, on_readable, on_sent,
                                                       on_failed};

static void on_accepted(void *arg, struct io_stream *stream)
{
    struct demosite *site = arg;
    struct visit *visit = site->count < DEMOSITE_CONNECTIONS_MAX ? calloc(1, sizeof *visit) : NULL;
    if (visit == NULL) {
        io_abort(stream);
        return;
    }
    visit->site = site;
    visit->stream = stream;
    io_timer_init(&visit->deadline, site->loop, on_deadline, visit);
    io_timer_set_in(&visit->deadline, DEMOSITE_TIMEOUT_MS);
    list_append(&site->visits, &visit->link);
    site->count++;
    io_stream_set_handler(stream, &visit_handler, visit);
}

static void on_resume(void *arg)
{
    struct demosite *site = arg;
    io_listener_resume(site->listener);
}

static void on_exhausted(void *arg, int error)
{
    struct demosite *site = arg;
    (void)error;
    io_timer_set_in(&site->resume, 1000);
}

static const struct io_listener_handler listener_handler = {on_accepted, on_exhausted};

struct demosite *demosite_open(struct io_loop *loop, struct io_tls *tls, int *error)
{
    const struct addr at = {.ip = {.family = 4, .bytes = {127, 0, 0, 1}}, .port = 0};
    struct demosite *site = calloc(1, sizeof *site);
    if (site == NULL) {
        *error = IO_E_NO_MEMORY;
        return NULL;
    }
    site->loop = loop;
    list_init(&site->visits);
    io_timer_init(&site->resume, loop, on_resume, site);
    site->listener = io_listen(loop, &at, &listener_handler, site, error);
    if (site->listener == NULL) {
        free(site);
        return NULL;
    }
    site->tls = io_tls_ref(tls);
    return site;
}

struct addr demosite_addr(const struct demosite *site)
{
    return io_listener_addr(site->listener);
}

void demosite_close(struct demosite *site)
{
    while (!list_empty(&site->visits))
        visit_end(container_of(site->visits.next, struct visit, link), false);
    io_timer_stop(&site->resume);
    io_listener_close(site->listener);
    io_tls_unref(site->tls);
    free(site);
}
