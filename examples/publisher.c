/*
 * Publishes a TCP service under the host name of a credential, on plain poll(2).
 *
 *     cc *.c $(pkg-config --cflags --libs adit-snitun) -o publisher
 *     ./publisher CREDENTIAL SERVER-HOST:PORT ENDPOINT-ADDRESS:PORT
 *
 * The engine is used in this file and in link.c; support.c is what it needs of the machine.
 */
#include "link.h"
#include "support.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINKS_MAX = 256 };

static struct link links[LINKS_MAX];
static const char *endpoint;

static void open_link(struct snitun_channel *channel)
{
    struct link *link = links;
    while (link < links + LINKS_MAX && link->fd >= 0)
        link++;
    if (link == links + LINKS_MAX || !link_start(link, channel, endpoint))
        snitun_channel_close(channel);
}

/* Bytes from the server. 0 or an error. */
static int receive(struct snitun_session *session, const uint8_t *in, size_t len)
{
    struct snitun_event event;
    do {
        size_t used;
        int error = snitun_receive(session, now_ms(), in, len, &used, &event);
        if (error < 0)
            return error;
        in += used;
        len -= used;
        if (event.type == SNITUN_ESTABLISHED)
            fprintf(stderr, "publisher: connected\n");
        else if (event.type == SNITUN_OPENED)
            open_link(event.channel);
        else if (event.type == SNITUN_DATA)
            link_deliver(snitun_channel_user(event.channel), event.data, event.len);
        else if (event.type == SNITUN_CLOSED)
            link_closed(snitun_channel_user(event.channel));
    } while (event.type != SNITUN_NEED_MORE);
    return 0;
}

/*
 * The next bytes for the server: control frames, else one frame of the channel whose turn it is.
 * An endpoint is read only now, so a slow or pausing server slows it. 0 = nothing, or an error.
 */
static long next_bytes(struct snitun_session *session, uint8_t *out, size_t room)
{
    size_t limit, header = snitun_header_len(session);
    for (;;) {
        long control = snitun_control(session, now_ms(), out, room);
        if (control != 0)
            return control;
        struct snitun_channel *channel = snitun_turn(session, &limit);
        if (channel == NULL)
            return 0;
        struct link *link = snitun_channel_user(channel);
        ssize_t got = receive_some(link->fd, out + header, limit);
        if (got > 0) {
            int error = snitun_data(session, channel, (size_t)got, out);
            return error < 0 ? error : (long)header + got;
        }
        if (got < 0) {
            link_end(link);
        } else {
            link->readable = false;
            snitun_channel_idle(channel);
        }
    }
}

/* Carries channels until the connection to the server ends, with an error or 0. */
static int carry(struct snitun_session *session, int server)
{
    static uint8_t in[64 * 1024], out[SNITUN_HEADER_MAX + SNITUN_FRAME_ALONE];
    size_t out_at = 0, out_len = 0;
    int64_t written = 0, arrived = 0;
    for (;;) {
        bool sending = out_at < out_len || snitun_wants_to_send(session);
        struct pollfd fds[1 + LINKS_MAX] = {{server, sending ? POLLIN | POLLOUT : POLLIN, 0}};
        for (int i = 0; i < LINKS_MAX; i++) {
            short events = link_events(&links[i]);
            fds[1 + i] = (struct pollfd){events != 0 ? links[i].fd : -1, events, 0};
        }
        uint64_t now = now_ms(), due = snitun_deadline(session);
        poll(fds, 1 + LINKS_MAX, due > now ? (int)(due - now) : 0);
        for (int i = 0; i < LINKS_MAX; i++)
            link_serve(&links[i], fds[1 + i].revents);

        int error = snitun_tick(session, now_ms());
        ssize_t got = error < 0 ? 0 : receive_some(server, in, sizeof in);
        if (got > 0)
            error = receive(session, in, (size_t)got);
        if (error < 0 || got < 0)
            return error;

        if (out_at == out_len) {
            long len = next_bytes(session, out, sizeof out);
            if (len < 0)
                return (int)len;
            out_at = 0;
            out_len = (size_t)len;
        }
        ssize_t sent = out_at < out_len ? send_some(server, out + out_at, out_len - out_at) : 0;
        if (sent < 0)
            return 0;
        out_at += (size_t)sent;

        /* Our bytes arrive: the server is alive, however long its pong waits behind them. */
        written += sent;
        if (written - unacknowledged(server) > arrived) {
            arrived = written - unacknowledged(server);
            snitun_progress(session, now_ms());
        }
    }
}

/* One connection. 0 or an error. */
static int publish(struct snitun_context *context, const struct credential *credential,
                   const char *where)
{
    const struct snitun_options options = {.channels_max = LINKS_MAX};
    struct snitun_session *session =
        snitun_session_new(context, SNITUN_CLIENT, &credential->keys, &options, now_ms());
    int server = dial(where, false), error = 0;
    /* A new socket's buffer takes the whole token. */
    if (session != NULL && server >= 0 &&
        send_some(server, credential->token, strlen(credential->token)) > 0)
        error = carry(session, server);
    for (int i = 0; i < LINKS_MAX; i++)
        link_end(&links[i]);
    snitun_session_free(session);
    if (server >= 0)
        close(server);
    return error;
}

int main(int argc, char **argv)
{
    static struct credential credential;
    if (argc != 4 || !credential_read(argv[1], &credential)) {
        fprintf(stderr, "usage: publisher CREDENTIAL SERVER-HOST:PORT ENDPOINT-ADDRESS:PORT\n");
        return 2;
    }
    endpoint = argv[3];
    for (int i = 0; i < LINKS_MAX; i++)
        links[i].fd = -1;
    struct snitun_context *context = snitun_context_new(random_bytes, NULL);
    if (context == NULL)
        return 1;
    do {
        int error = publish(context, &credential, argv[2]);
        fprintf(stderr, "publisher: %s\n", error < 0 ? snitun_error_text(error) : "disconnected");
        sleep((unsigned)(1 + now_ms() % 3)); /* not all devices at once after a restart */
    } while (credential.keys.cipher != SNITUN_AES_GCM); /* such a key is good for one connection */
    snitun_context_free(context);
    return 1;
}
