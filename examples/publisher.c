/*
 * Publishes a TCP service under the host name of a credential, on plain poll(2).
 *
 *     cc *.c $(pkg-config --cflags --libs adit-snitun) -o publisher
 *     ./publisher CREDENTIAL SERVER-HOST:PORT ENDPOINT-ADDRESS:PORT
 *
 * The engine is used in this file and in link.c; support.c is what a device has of its own.
 */
#include "link.h"
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Bytes from the server. 0 or an error. */
static int receive(struct snitun_session *session, const uint8_t *in, size_t len, const char *to)
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
            links_open(event.channel, to);
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
static int carry(struct snitun_session *session, int server, const char *to)
{
    static uint8_t in[64 * 1024];
    struct outlet out = {.fd = server};
    int64_t before_ping = 0; /* bytes sent when the session last asked for a sign of life */
    for (;;) {
        bool sending = out.at < out.len || snitun_wants_to_send(session);
        struct pollfd fds[1 + LINKS_MAX] = {{server, sending ? POLLIN | POLLOUT : POLLIN, 0}};
        uint64_t now = now_ms(), due = snitun_deadline(session);
        links_ask(fds + 1);
        poll(fds, 1 + LINKS_MAX, due > now ? (int)(due - now) : 0);
        links_serve(fds + 1);

        bool asked = snitun_asked(session);
        int error = snitun_tick(session, now_ms());
        if (!asked)
            before_ping = out.sent;
        ssize_t got = error < 0 ? 0 : receive_some(server, in, sizeof in);
        if (got > 0)
            error = receive(session, in, (size_t)got, to);
        if (error < 0 || got < 0)
            return error;

        if (out.at == out.len) {
            long len = next_bytes(session, out.bytes, sizeof out.bytes);
            if (len < 0)
                return (int)len;
            out.at = 0;
            out.len = (size_t)len;
        }
        if (!outlet_send(&out))
            return 0;
        /* Our bytes arrive: the line is alive, however long our ping waits behind them. */
        bool in_front = !snitun_asked(session) || out.arrived < before_ping;
        if (outlet_progressed(&out) && in_front)
            snitun_progress(session, now_ms());
    }
}

/* One connection. 0 or an error. */
static int publish(struct snitun_context *context, const struct credential *credential,
                   const char *where, const char *to)
{
    const struct snitun_options options = {.channels_max = LINKS_MAX};
    struct snitun_session *session =
        snitun_session_new(context, SNITUN_CLIENT, &credential->keys, &options, now_ms());
    int server = dial(where, false), error = 0;
    /* A new socket's buffer takes the whole token. */
    if (session != NULL && server >= 0 &&
        send_some(server, credential->token, strlen(credential->token)) > 0)
        error = carry(session, server, to);
    links_end();
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
    links_init();
    struct snitun_context *context = snitun_context_new(random_bytes, NULL);
    while (context != NULL) {
        int error = publish(context, &credential, argv[2], argv[3]);
        fprintf(stderr, "publisher: %s\n", error < 0 ? snitun_error_text(error) : "disconnected");
        if (credential.keys.cipher == SNITUN_AES_GCM)
            break;                           /* such a key is good for one connection */
        sleep((unsigned)(1 + now_ms() % 3)); /* not all devices at once after a restart */
    }
    snitun_context_free(context);
    return 1;
}
