#include "bench/peers.h"

#include "bench/net.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    AT_ONCE = 32, /* peers under way */
    EVENTS = 256,
    FRAME = 32,
    CHALLENGE = 32,
    TOKEN_MAX = 1024,
    HANG_MS = 10000,
    VALID_S = 3600,
    FLAG_PING = 8,
};

enum state { STATE_CONNECTING, STATE_CHALLENGED, STATE_PINGED, STATE_UP };

struct peer {
    int fd;
    enum state state;
    size_t held;
    uint8_t in[FRAME];
    EVP_CIPHER_CTX *seal, *open; /* each direction is one endless chain */
    char token[TOKEN_MAX];
};

struct run {
    uint8_t key[32]; /* Fernet: signing half, then encrypting half */
    struct peer *peers;
    int epoll;
    unsigned count, started, up;
    struct sockaddr_in to;
    struct peers_result *result;
};

static int fail(struct run *run, const char *what)
{
    snprintf(run->result->why, sizeof(run->result->why), "%s: %s", what, strerror(errno));
    return -1;
}

static bool read_key(struct run *run, const char *path)
{
    char text[64] = "";
    uint8_t bytes[64];
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    bool fine = fgets(text, sizeof(text), file) != NULL && strcspn(text, "\r\n") == 44;
    fclose(file);
    text[44] = '\0';
    for (char *at = text; *at != '\0'; at++)
        *at = *at == '-' ? '+' : *at == '_' ? '/' : *at;
    fine = fine && EVP_DecodeBlock(bytes, (const uint8_t *)text, 44) == 33;
    memcpy(run->key, bytes, sizeof(run->key));
    return fine;
}

/* Fernet as published: version, time, iv, ciphertext, HMAC; base64url. */
static bool mint(const uint8_t key[32], const char *payload, char out[TOKEN_MAX])
{
    uint8_t raw[TOKEN_MAX * 3 / 4];
    size_t payload_len = strlen(payload);
    uint64_t now = (uint64_t)time(NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int body = 0;
    int tail = 0;
    if (ctx == NULL || payload_len + 16 + 25 + 32 > sizeof(raw)) {
        EVP_CIPHER_CTX_free(ctx);
        return false;
    }
    raw[0] = 0x80;
    for (unsigned i = 0; i < 8; i++)
        raw[1 + i] = (uint8_t)(now >> (56 - 8 * i));
    bool fine =
        RAND_bytes(raw + 9, 16) == 1 &&
        EVP_EncryptInit_ex(ctx, EVP_aes_128_cbc(), NULL, key + 16, raw + 9) == 1 &&
        EVP_EncryptUpdate(ctx, raw + 25, &body, (const uint8_t *)payload, (int)payload_len) == 1 &&
        EVP_EncryptFinal_ex(ctx, raw + 25 + body, &tail) == 1;
    EVP_CIPHER_CTX_free(ctx);
    size_t len = 25 + (size_t)(body + tail);
    if (!fine || HMAC(EVP_sha256(), key, 16, raw, len, raw + len, NULL) == NULL)
        return false;
    EVP_EncodeBlock((uint8_t *)out, raw, (int)len + 32);
    for (char *at = out; *at != '\0'; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    return true;
}

static void hex(char *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static EVP_CIPHER_CTX *chain(const uint8_t key[32], const uint8_t iv[16], int encrypt)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx != NULL && (EVP_CipherInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, iv, encrypt) != 1 ||
                        EVP_CIPHER_CTX_set_padding(ctx, 0) != 1)) {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static bool peer_start(struct run *run, struct peer *peer, unsigned number)
{
    uint8_t key[32];
    uint8_t iv[16];
    char key_hex[65];
    char iv_hex[33];
    char payload[400];
    if (RAND_bytes(key, sizeof(key)) != 1 || RAND_bytes(iv, sizeof(iv)) != 1)
        return false;
    hex(key_hex, key, sizeof(key));
    hex(iv_hex, iv, sizeof(iv));
    snprintf(payload, sizeof(payload),
             "{\"valid\": %" PRId64 ", \"hostname\": \"p%u.bench.example\", \"aes_key\": \"%s\", "
             "\"aes_iv\": \"%s\", \"protocol_version\": 2}",
             (int64_t)time(NULL) + VALID_S, number, key_hex, iv_hex);
    peer->seal = chain(key, iv, 1);
    peer->open = chain(key, iv, 0);
    if (peer->seal == NULL || peer->open == NULL || !mint(run->key, payload, peer->token))
        return false;
    peer->fd = net_connect(&run->to, number);
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = peer};
    return peer->fd >= 0 && epoll_ctl(run->epoll, EPOLL_CTL_ADD, peer->fd, &event) == 0;
}

static bool send_unit(struct peer *peer, const uint8_t plain[FRAME])
{
    uint8_t unit[FRAME];
    int len = 0;
    return EVP_CipherUpdate(peer->seal, unit, &len, plain, FRAME) == 1 && len == FRAME &&
           send(peer->fd, unit, FRAME, MSG_NOSIGNAL) == FRAME;
}

static bool send_ping(struct peer *peer, const uint8_t id[16], const char kind[4])
{
    uint8_t frame[FRAME] = {0};
    memcpy(frame, id, 16);
    frame[16] = FLAG_PING;
    memcpy(frame + 21, kind, 4);
    return send_unit(peer, frame);
}

/* A whole unit has come. */
static bool take_unit(struct run *run, struct peer *peer)
{
    static const uint8_t id[16] = "idle peer of run";
    uint8_t unit[FRAME];
    uint8_t digest[SHA256_DIGEST_LENGTH];
    int len = 0;
    if (EVP_CipherUpdate(peer->open, unit, &len, peer->in, FRAME) != 1 || len != FRAME)
        return false;
    if (peer->state == STATE_CHALLENGED) {
        SHA256(unit, CHALLENGE, digest);
        peer->state = STATE_PINGED;
        return send_unit(peer, digest) && send_ping(peer, id, "ping");
    }
    if (unit[16] != FLAG_PING)
        return false;
    if (memcmp(unit + 21, "ping", 4) == 0)
        return send_ping(peer, unit, "pong");
    if (peer->state == STATE_PINGED) {
        peer->state = STATE_UP;
        run->up++;
    }
    return true;
}

static bool handle(struct run *run, struct peer *peer)
{
    if (peer->state == STATE_CONNECTING) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
        size_t len = strlen(peer->token);
        peer->state = STATE_CHALLENGED;
        return net_connected(peer->fd) &&
               send(peer->fd, peer->token, len, MSG_NOSIGNAL) == (ssize_t)len &&
               epoll_ctl(run->epoll, EPOLL_CTL_MOD, peer->fd, &event) == 0;
    }
    ssize_t n = recv(peer->fd, peer->in + peer->held, FRAME - peer->held, 0);
    if (n <= 0) {
        if (n == 0)
            errno = ECONNRESET;
        return n < 0 && errno == EAGAIN;
    }
    peer->held += (size_t)n;
    if (peer->held < FRAME)
        return true;
    peer->held = 0;
    return take_unit(run, peer);
}

static int bring_up(struct run *run)
{
    struct epoll_event events[EVENTS];
    while (run->up < run->count) {
        while (run->started < run->count && run->started - run->up < AT_ONCE) {
            if (!peer_start(run, &run->peers[run->started], run->started))
                return fail(run, "starting a peer");
            run->started++;
        }
        int n = epoll_wait(run->epoll, events, EVENTS, HANG_MS);
        if (n == 0) {
            errno = ETIMEDOUT;
            return fail(run, "the server");
        }
        for (int i = 0; i < n; i++)
            if (!handle(run, events[i].data.ptr))
                return fail(run, "a peer");
    }
    return 0;
}

/* Anonymous resident memory of a process. */
static bool read_rss(unsigned pid, uint64_t *bytes)
{
    char path[64];
    char line[256];
    uint64_t kib = 0;
    bool found = false;
    snprintf(path, sizeof(path), "/proc/%u/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), file) != NULL)
        found = sscanf(line, "Anonymous: %" SCNu64, &kib) == 1;
    fclose(file);
    *bytes = kib * 1024;
    return found;
}

int peers_run(const struct sockaddr_in *to, const char *key_file, unsigned count, unsigned pid,
              struct peers_result *result)
{
    int answer = -1;
    struct run run = {.to = *to, .count = count, .result = result};
    memset(result, 0, sizeof(*result));
    if (!read_key(&run, key_file))
        return fail(&run, key_file);
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    run.peers = calloc(count, sizeof(*run.peers));
    if (run.epoll < 0 || run.peers == NULL) {
        fail(&run, "starting");
        goto out;
    }
    uint64_t start_ns = net_now_ns();
    if (!read_rss(pid, &result->rss_before)) {
        fail(&run, "reading the server's memory");
        goto out;
    }
    answer = bring_up(&run);
    result->seconds = (double)(net_now_ns() - start_ns) / 1e9;
    result->peers = run.up;
    if (answer == 0 && !read_rss(pid, &result->rss_after))
        answer = fail(&run, "reading the server's memory");

out:
    for (unsigned i = 0; run.peers != NULL && i < run.started; i++) {
        EVP_CIPHER_CTX_free(run.peers[i].seal);
        EVP_CIPHER_CTX_free(run.peers[i].open);
        close(run.peers[i].fd);
    }
    free(run.peers);
    close(run.epoll);
    return answer;
}
