/*
 * What a server's own memory is for each of many idle peers: more than one process may have
 * descriptors for, so on simulated streams. The same peers connect twice, to a server and to a
 * listener that only keeps their streams; the difference is the server's. Prints one JSON object.
 */
#include "io/sim/sim.h"
#include "roles/server/server.h"

#include <adit/snitun.h>
#include <adit/snitun_token.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOSTS = 64,
    AT_ONCE = 1000, /* peers that connect in a simulated second */
    VALID_S = 24 * 3600,
    IN_LEN = 4096,
    SILENT_S = 30,
    SETTLE_S = 300,
};

static const char fernet_key[] = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=\n";
static const char key_path[] = "/etc/adit/fernet.key";

struct peer {
    struct crowd *crowd;
    struct io_stream *stream;
    struct snitun_session *session;
    unsigned number;
    bool established;
};

struct kept {
    struct io_stream *stream;
};

struct crowd {
    struct sim_world *world;
    struct sim_host *server_host;
    struct sim_host *hosts[HOSTS];
    struct addr at; /* the server's */
    struct snitun_keyring keyring;
    struct kept *kept; /* by the listener */
    struct snitun_context *context;
    struct peer *peers;
    unsigned count, started, established;
};

static _Noreturn void give_up(const char *why)
{
    fprintf(stderr, "crowd: %s\n", why);
    exit(1);
}

static int random_fn(void *world, void *buf, size_t len)
{
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)sim_random_below(world, 256);
    return 0;
}

/* ---- A peer ---- */

static void send_control(struct peer *peer)
{
    uint8_t out[SNITUN_CONTROL_MAX * 4];
    uint64_t now_ms = io_now_ms(io_stream_loop(peer->stream));
    long len = snitun_control(peer->session, now_ms, out, sizeof out);
    if (len < 0 || (len > 0 && io_send(peer->stream, out, (size_t)len) != 0))
        give_up("a peer cannot send");
}

static void on_readable(void *arg)
{
    struct peer *peer = arg;
    uint8_t in[IN_LEN];
    uint64_t now_ms = io_now_ms(io_stream_loop(peer->stream));
    for (;;) {
        ssize_t got = io_read(peer->stream, in, sizeof in);
        if (got == IO_AGAIN)
            break;
        if (got <= 0)
            give_up("a peer was refused");
        struct snitun_event event = {0};
        size_t at = 0;
        do {
            size_t consumed = 0;
            if (snitun_receive(peer->session, now_ms, in + at, (size_t)got - at, &consumed,
                               &event) != 0)
                give_up("a peer got what it does not understand");
            at += consumed;
        } while (event.type != SNITUN_NEED_MORE);
    }
    send_control(peer);
    if (!peer->established && snitun_session_established(peer->session)) {
        peer->established = true;
        peer->crowd->established++;
    }
}

static void on_connected(void *arg)
{
    struct peer *peer = arg;
    struct crowd *crowd = peer->crowd;
    struct snitun_token token = {.valid = sim_host_wall_s(crowd->server_host) + VALID_S};
    struct snitun_options options = {0};
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    snprintf(token.hostname, sizeof token.hostname, "p%u.example.com", peer->number);
    random_fn(crowd->world, token.keys.aes_key, sizeof token.keys.aes_key);
    random_fn(crowd->world, token.keys.aes_iv, sizeof token.keys.aes_iv);
    token.keys.cipher = SNITUN_AES_GCM_SIV;
    token.keys.protocol_version = 2;
    peer->session = snitun_session_new(crowd->context, SNITUN_CLIENT, &token.keys, &options,
                                       io_now_ms(io_stream_loop(peer->stream)));
    if (peer->session == NULL ||
        snitun_token_mint(&crowd->keyring, sim_host_wall_s(crowd->server_host), &token, random_fn,
                          crowd->world, text) != 0 ||
        io_send(peer->stream, text, strlen(text)) != 0)
        give_up("a peer cannot begin");
}

static void on_sent(void *arg)
{
    (void)arg;
}

static void on_failed(void *arg, int error)
{
    (void)arg;
    give_up(io_error_text(error));
}

static const struct io_stream_handler peer_handler = {
    .connected = on_connected, .readable = on_readable, .sent = on_sent, .failed = on_failed};

static void connect_some(struct io_loop *loop, void *arg)
{
    struct crowd *crowd = arg;
    int error = 0;
    for (unsigned i = 0; i < AT_ONCE / HOSTS + 1 && crowd->started < crowd->count; i++) {
        struct peer *peer = &crowd->peers[crowd->started];
        *peer = (struct peer){.crowd = crowd, .number = crowd->started++};
        peer->stream = io_connect(loop, &crowd->at, &peer_handler, peer, &error);
        if (peer->stream == NULL)
            give_up(io_error_text(error));
    }
}

/* ---- The server, or what stands in its place ---- */

static void drop(void *arg)
{
    struct kept *kept = arg;
    uint8_t in[IN_LEN];
    while (io_read(kept->stream, in, sizeof in) > 0) {
    }
}

static void keep(void *arg, struct io_stream *stream)
{
    static const struct io_stream_handler keeps = {
        .readable = drop, .sent = on_sent, .failed = on_failed};
    struct crowd *crowd = arg;
    struct kept *kept = &crowd->kept[crowd->established++];
    kept->stream = stream;
    io_stream_set_handler(stream, &keeps, kept);
}

static void start_keeper(struct io_loop *loop, void *arg)
{
    static const struct io_listener_handler handler = {.accepted = keep, .exhausted = on_failed};
    struct crowd *crowd = arg;
    int error = 0;
    if (io_listen(loop, &crowd->at, &handler, crowd, &error) == NULL)
        give_up(io_error_text(error));
}

static void start_server(struct io_loop *loop, void *arg)
{
    struct crowd *crowd = arg;
    char why[200];
    struct server_config config = {
        .listen = &crowd->at, .listen_count = 1, .fernet_key_file = key_path, .workers = 1};
    server_limits_default(&config.limits);
    config.limits.early_per_address = config.limits.early_per_worker = UINT32_MAX;
    config.limits.early_bytes = SIZE_MAX;
    if (server_start(loop, &config, on_sent, crowd, why, sizeof why) == NULL)
        give_up(why);
}

/* ---- The world ---- */

static void nothing(struct io_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
}

static void make_world(struct crowd *crowd, bool with_server)
{
    char text[32];
    crowd->world = sim_world_new(1);
    crowd->server_host = sim_host_new(crowd->world, "server", "192.0.2.1");
    sim_host_set_backlog(crowd->server_host, crowd->count);
    sim_disk_put(crowd->server_host, key_path, fernet_key, strlen(fernet_key), 0600);
    sim_host_start(crowd->server_host, with_server ? start_server : start_keeper, crowd);
    for (unsigned i = 0; i < HOSTS; i++) {
        snprintf(text, sizeof text, "198.18.0.%u", i + 1);
        crowd->hosts[i] = sim_host_new(crowd->world, "peers", text);
        sim_host_start(crowd->hosts[i], nothing, NULL);
    }
    crowd->context = snitun_context_new(random_fn, crowd->world);
    if (crowd->context == NULL)
        give_up("no context");
}

static void run_ms(struct crowd *crowd, uint64_t ms)
{
    sim_run(crowd->world, sim_now_us(crowd->world) + ms * 1000, NULL, NULL);
    if (sim_failure(crowd->world) != NULL)
        give_up(sim_failure(crowd->world));
}

/*
 * Bytes in use with all peers connected and silent for a while. What was made is left to the end of
 * the process: winding a hundred thousand connections down measures nothing.
 */
static size_t measure(unsigned count, bool with_server)
{
    unsigned line;
    struct crowd *crowd = calloc(1, sizeof *crowd);
    if (crowd == NULL)
        give_up("no memory");
    crowd->count = count;
    crowd->peers = calloc(count, sizeof *crowd->peers);
    crowd->kept = calloc(count, sizeof *crowd->kept);
    if (crowd->peers == NULL || crowd->kept == NULL || !addr_parse("192.0.2.1:443", &crowd->at) ||
        snitun_keyring_parse(&crowd->keyring, fernet_key, strlen(fernet_key), &line) != 0)
        give_up("no memory");
    make_world(crowd, with_server);
    run_ms(crowd, 100);
    size_t before = mallinfo2().uordblks;
    while (crowd->started < count) {
        for (unsigned i = 0; i < HOSTS; i++)
            sim_process_call(sim_host_process(crowd->hosts[i]), connect_some, crowd);
        run_ms(crowd, 1000);
    }
    for (unsigned s = 0; s < SETTLE_S && (s < SILENT_S || crowd->established < count); s++)
        run_ms(crowd, 1000);
    if (crowd->established != count)
        give_up("not all were established");
    return mallinfo2().uordblks - before;
}

int main(int argc, char **argv)
{
    unsigned long count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (count == 0 || count > 1000000) {
        fputs("crowd PEERS\n", stderr);
        return 2;
    }
    size_t kept = measure((unsigned)count, false);
    size_t served = measure((unsigned)count, true);
    printf("{\"peers\": %lu, \"bytes_per_peer\": %.1f}\n", count,
           ((double)served - (double)kept) / (double)count);
    return 0;
}
