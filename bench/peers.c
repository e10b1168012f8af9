#include "bench/peers.h"

#include "bench/net.h"
#include "bench/token.h"
#include "bench/wire.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    AT_ONCE = 32, /* peers under way */
    EVENTS = 256,
    FRAME = 32,
    CHALLENGE = 32,
    HANG_MS = 20000,
    TICK_MS = 10,
    NAME_MAX_LEN = 40,
    RETRY_FIRST_MS = 3000,
    RETRY_MAX_MS = 60000,
    FLAG_DATA = 0x02,
    FLAG_CLOSE = 0x04,
    FLAG_PING = 0x08,
};

enum state { STATE_AWAY, STATE_CONNECTING, STATE_CHALLENGED, STATE_PINGED, STATE_BUSY, STATE_UP };

/* What epoll hands back: a peer's connection, or that of its device. */
struct end {
    struct peer *peer;
    int fd;
};

struct peer {
    struct end link, device;
    enum state state;
    unsigned number;
    uint8_t header[FRAME];
    size_t held;                 /* of the header */
    uint64_t skip;               /* payload that is still to come */
    uint64_t unsent;             /* by the device */
    EVP_CIPHER_CTX *seal, *open; /* each direction is one endless chain */
    uint32_t patience_ms;
    uint64_t retry_at_ns;
};

struct run {
    const struct peers_load *load;
    struct peers_result *result;
    uint8_t key[TOKEN_KEY_LEN];
    struct peer *peers;
    int epoll;
    unsigned started, up;
    bool patient; /* a peer that was refused tries again */
    uint8_t scratch[WIRE_CHUNK];
};

static int fail(struct run *run, const char *what)
{
    snprintf(run->result->why, sizeof(run->result->why), "%s: %s", what, strerror(errno));
    return -1;
}

static char *name_of(const struct peer *peer, char out[NAME_MAX_LEN])
{
    snprintf(out, NAME_MAX_LEN, "p%u.bench.example", peer->number);
    return out;
}

static bool watch(struct run *run, struct end *end, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = end};
    return epoll_ctl(run->epoll, operation, end->fd, &event) == 0;
}

static void end_close(struct end *end)
{
    if (end->fd >= 0)
        close(end->fd);
    end->fd = -1;
}

static bool peer_start(struct run *run, struct peer *peer)
{
    peer->state = STATE_CONNECTING;
    peer->held = 0;
    peer->skip = 0;
    peer->link.fd = net_connect(&run->load->to, peer->number);
    return peer->link.fd >= 0 && watch(run, &peer->link, EPOLL_CTL_ADD, EPOLLOUT);
}

static bool chain_start(EVP_CIPHER_CTX **ctx, const uint8_t *key, const uint8_t *iv, int encrypt)
{
    if (*ctx == NULL)
        *ctx = EVP_CIPHER_CTX_new();
    return *ctx != NULL &&
           EVP_CipherInit_ex(*ctx, EVP_aes_256_cbc(), NULL, key, iv, encrypt) == 1 &&
           EVP_CIPHER_CTX_set_padding(*ctx, 0) == 1;
}

static bool show_token(struct run *run, struct peer *peer)
{
    uint8_t key[TOKEN_AES_KEY_LEN];
    uint8_t iv[TOKEN_AES_IV_LEN];
    char token[TOKEN_MAX];
    char name[NAME_MAX_LEN];
    if (!net_connected(peer->link.fd) || RAND_bytes(key, sizeof(key)) != 1 ||
        RAND_bytes(iv, sizeof(iv)) != 1 || !chain_start(&peer->seal, key, iv, 1) ||
        !chain_start(&peer->open, key, iv, 0) ||
        !token_mint(run->key, name_of(peer, name), key, iv, token))
        return false;
    size_t len = strlen(token);
    peer->state = STATE_CHALLENGED;
    return send(peer->link.fd, token, len, MSG_NOSIGNAL) == (ssize_t)len &&
           watch(run, &peer->link, EPOLL_CTL_MOD, EPOLLIN);
}

static bool send_unit(struct peer *peer, const uint8_t plain[FRAME])
{
    uint8_t unit[FRAME];
    int len = 0;
    return EVP_CipherUpdate(peer->seal, unit, &len, plain, FRAME) == 1 && len == FRAME &&
           send(peer->link.fd, unit, FRAME, MSG_NOSIGNAL) == FRAME;
}

static bool send_ping(struct peer *peer, const uint8_t id[16], const char kind[4])
{
    uint8_t frame[FRAME] = {0};
    memcpy(frame, id, 16);
    frame[16] = FLAG_PING;
    memcpy(frame + 21, kind, 4);
    return send_unit(peer, frame);
}

static void now_up(struct run *run, struct peer *peer)
{
    end_close(&peer->device);
    peer->state = STATE_UP;
    run->up++;
}

/* The server has taken the peer: its device connects, where it is to have one. */
static bool proven(struct run *run, struct peer *peer)
{
    if (run->load->carry == 0) {
        now_up(run, peer);
        return true;
    }
    peer->state = STATE_BUSY;
    peer->unsent = run->load->carry;
    peer->device.fd = net_connect(&run->load->to, run->load->count + peer->number);
    return peer->device.fd >= 0 && watch(run, &peer->device, EPOLL_CTL_ADD, EPOLLOUT);
}

static bool take_frame(struct run *run, struct peer *peer, const uint8_t frame[FRAME])
{
    switch (frame[16]) {
    case FLAG_PING:
        if (memcmp(frame + 21, "ping", 4) == 0)
            return send_ping(peer, frame, "pong");
        return peer->state != STATE_PINGED || proven(run, peer);
    case FLAG_DATA:
        peer->skip = (uint32_t)frame[17] << 24 | (uint32_t)frame[18] << 16 |
                     (uint32_t)frame[19] << 8 | frame[20];
        return true;
    case FLAG_CLOSE:
        if (peer->state == STATE_BUSY)
            now_up(run, peer);
        return true;
    default:
        return true;
    }
}

/* A whole unit has come. */
static bool take_unit(struct run *run, struct peer *peer)
{
    static const uint8_t id[16] = "idle peer of run";
    uint8_t plain[FRAME];
    uint8_t digest[SHA256_DIGEST_LENGTH];
    int len = 0;
    peer->held = 0;
    if (EVP_CipherUpdate(peer->open, plain, &len, peer->header, FRAME) != 1 || len != FRAME)
        return false;
    if (peer->state != STATE_CHALLENGED)
        return take_frame(run, peer, plain);
    SHA256(plain, CHALLENGE, digest);
    peer->state = STATE_PINGED;
    return send_unit(peer, digest) && send_ping(peer, id, "ping");
}

static bool take_bytes(struct run *run, struct peer *peer, const uint8_t *at, size_t len)
{
    while (len > 0) {
        size_t n = peer->skip < len ? (size_t)peer->skip : len;
        peer->skip -= n;
        at += n;
        len -= n;
        n = FRAME - peer->held < len ? FRAME - peer->held : len;
        memcpy(peer->header + peer->held, at, n);
        peer->held += n;
        at += n;
        len -= n;
        if (peer->held == FRAME && !take_unit(run, peer))
            return false;
    }
    return true;
}

static bool handle_link(struct run *run, struct peer *peer)
{
    if (peer->state == STATE_CONNECTING)
        return show_token(run, peer);
    ssize_t n = recv(peer->link.fd, run->scratch, sizeof(run->scratch), 0);
    if (n == 0)
        errno = ECONNRESET;
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    return take_bytes(run, peer, run->scratch, (size_t)n);
}

/* The ClientHello first; its bytes count as well. */
static bool handle_device(struct run *run, struct peer *peer)
{
    uint8_t hello[HELLO_MAX];
    char name[NAME_MAX_LEN];
    if (peer->unsent == run->load->carry) {
        size_t len = hello_build(hello, name_of(peer, name), peer->number);
        if (!net_connected(peer->device.fd) ||
            send(peer->device.fd, hello, len, MSG_NOSIGNAL) != (ssize_t)len)
            return false;
        peer->unsent -= len < peer->unsent ? len : peer->unsent;
    }
    while (peer->unsent > 0) {
        size_t len = peer->unsent < WIRE_CHUNK ? (size_t)peer->unsent : WIRE_CHUNK;
        ssize_t n = send(peer->device.fd, pattern_at(peer->number, 0), len, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN;
        peer->unsent -= (uint64_t)n;
    }
    return shutdown(peer->device.fd, SHUT_WR) == 0 &&
           epoll_ctl(run->epoll, EPOLL_CTL_DEL, peer->device.fd, NULL) == 0;
}

static void try_later(struct peer *peer)
{
    uint32_t random = 0;
    RAND_bytes((uint8_t *)&random, sizeof(random));
    end_close(&peer->link);
    end_close(&peer->device);
    peer->state = STATE_AWAY;
    peer->retry_at_ns = net_now_ns() + (uint64_t)(random % (peer->patience_ms + 1)) * 1000000;
    peer->patience_ms = peer->patience_ms < RETRY_MAX_MS / 2 ? peer->patience_ms * 2 : RETRY_MAX_MS;
}

static int handle(struct run *run, struct end *end)
{
    struct peer *peer = end->peer;
    bool fine = end == &peer->device ? handle_device(run, peer) : handle_link(run, peer);
    if (fine || (end == &peer->device && peer->state != STATE_BUSY))
        return 0;
    if (!run->patient)
        return fail(run, end == &peer->device ? "a device" : "a peer");
    run->up -= peer->state == STATE_UP;
    try_later(peer);
    return 0;
}

/* True when the line is of this field; its kilobytes are added. */
static bool add_kib(const char *line, const char *field, uint64_t *bytes)
{
    size_t len = strlen(field);
    if (strncmp(line, field, len) != 0)
        return false;
    *bytes += (uint64_t)strtoull(line + len, NULL, 10) * 1024;
    return true;
}

/* Private pages of a process. */
static bool read_memory(unsigned pid, uint64_t *bytes)
{
    char path[64];
    char line[256];
    unsigned found = 0;
    *bytes = 0;
    snprintf(path, sizeof(path), "/proc/%u/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof(line), file) != NULL)
        found += add_kib(line, "Private_Clean:", bytes) || add_kib(line, "Private_Dirty:", bytes);
    fclose(file);
    return found == 2;
}

static bool note_step(struct run *run)
{
    const unsigned steps[PEERS_STEPS] = {1000, 10000, run->load->count};
    for (unsigned i = 0; i < PEERS_STEPS; i++) {
        bool last = i == PEERS_STEPS - 1;
        if (run->up == steps[i] && (last || steps[i] < run->load->count)) {
            run->result->steps[i].peers = run->up;
            return read_memory(run->load->pid, &run->result->steps[i].memory);
        }
    }
    return true;
}

static int wait_and_handle(struct run *run, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(run->epoll, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct end *end = events[i].data.ptr;
        /* One of the same peer may have ended it in this round. */
        if (end->fd >= 0 && handle(run, end) != 0)
            return -1;
    }
    return n;
}

/* Up to the next step at which the memory is looked at. */
static unsigned next_stop(const struct run *run)
{
    if (run->up < 1000 && run->load->count > 1000)
        return 1000;
    if (run->up < 10000 && run->load->count > 10000)
        return 10000;
    return run->load->count;
}

static int bring_up(struct run *run)
{
    while (run->up < run->load->count) {
        unsigned stop = next_stop(run);
        while (run->started < stop && run->started - run->up < AT_ONCE)
            if (!peer_start(run, &run->peers[run->started++]))
                return fail(run, "starting a peer");
        int n = wait_and_handle(run, HANG_MS);
        if (n == 0)
            errno = ETIMEDOUT;
        if (n <= 0)
            return n == 0 ? fail(run, "the server") : -1;
        if (run->up == stop && !note_step(run))
            return fail(run, "reading the server's memory");
    }
    return 0;
}

static int begin(struct run *run, const struct peers_load *load, struct peers_result *result)
{
    memset(run, 0, sizeof(*run));
    memset(result, 0, sizeof(*result));
    run->load = load;
    run->result = result;
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    run->peers = calloc(load->count, sizeof(*run->peers));
    if (run->epoll < 0 || run->peers == NULL)
        return fail(run, "starting");
    for (unsigned i = 0; i < load->count; i++) {
        struct peer *peer = &run->peers[i];
        peer->number = i;
        peer->patience_ms = RETRY_FIRST_MS;
        peer->link = (struct end){.peer = peer, .fd = -1};
        peer->device = peer->link;
    }
    if (!token_read_key(load->key_file, run->key))
        return fail(run, load->key_file);
    if (!read_memory(load->pid, &result->memory_before))
        return fail(run, "reading the server's memory");
    return 0;
}

static void finish(struct run *run)
{
    for (unsigned i = 0; run->peers != NULL && i < run->load->count; i++) {
        EVP_CIPHER_CTX_free(run->peers[i].seal);
        EVP_CIPHER_CTX_free(run->peers[i].open);
        end_close(&run->peers[i].link);
        end_close(&run->peers[i].device);
    }
    free(run->peers);
    if (run->epoll >= 0)
        close(run->epoll);
}

int peers_run(const struct peers_load *load, struct peers_result *result)
{
    static struct run run;
    int answer = begin(&run, load, result);
    uint64_t start_ns = net_now_ns();
    if (answer == 0)
        answer = bring_up(&run);
    result->seconds = (double)(net_now_ns() - start_ns) / 1e9;
    result->peers = run.up;
    finish(&run);
    return answer;
}

/* From the moment when the last of them has lost the server. */
static int come_back(struct run *run)
{
    uint64_t lost_ns = 0;
    uint64_t start_ns = net_now_ns();
    run->patient = true;
    while (lost_ns == 0 || run->up < run->load->count) {
        uint64_t now_ns = net_now_ns();
        if (wait_and_handle(run, TICK_MS) < 0)
            return -1;
        if (lost_ns == 0 && run->up == 0)
            lost_ns = now_ns;
        for (unsigned i = 0; i < run->load->count; i++) {
            struct peer *peer = &run->peers[i];
            if (peer->state == STATE_AWAY && now_ns >= peer->retry_at_ns && !peer_start(run, peer))
                try_later(peer);
        }
        if (now_ns - start_ns > 300ULL * 1000000000) {
            errno = ETIMEDOUT;
            return fail(run, "coming back");
        }
    }
    run->result->seconds = (double)(net_now_ns() - lost_ns) / 1e9;
    return 0;
}

int peers_run_again(const struct peers_load *load, struct peers_result *result)
{
    static struct run run;
    int answer = begin(&run, load, result);
    if (answer == 0)
        answer = bring_up(&run);
    if (answer == 0) {
        printf("up\n");
        fflush(stdout);
        answer = come_back(&run);
    }
    result->peers = run.up;
    finish(&run);
    return answer;
}
