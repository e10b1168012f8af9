#define _GNU_SOURCE
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The value of a member, for values without quotes and escapes inside: all of a credential's. */
static bool member(const char *json, const char *name, char *out, size_t size)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    const char *at = strstr(json, quoted);
    if (at == NULL)
        return false;
    at += strlen(quoted);
    at += strspn(at, " :\"");
    size_t len = strcspn(at, "\",} \n");
    if (len >= size)
        return false;
    memcpy(out, at, len);
    out[len] = '\0';
    return true;
}

static bool hex(const char *text, uint8_t *out, size_t len)
{
    if (strlen(text) != 2 * len || strspn(text, "0123456789abcdef") != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return true;
}

bool credential_read(const char *path, struct credential *credential)
{
    char json[16 * 1024], key[65], iv[33], cipher[16], version[4];
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    size_t len = fread(json, 1, sizeof json - 1, file);
    json[len] = '\0';
    fclose(file);

    struct snitun_keys *keys = &credential->keys;
    bool good = member(json, "token", credential->token, sizeof credential->token) &&
                member(json, "aes_key", key, sizeof key) && hex(key, keys->aes_key, 32) &&
                member(json, "aes_iv", iv, sizeof iv) && hex(iv, keys->aes_iv, 16) &&
                member(json, "cipher", cipher, sizeof cipher) &&
                member(json, "protocol_version", version, sizeof version);
    int known = good ? snitun_cipher_by_name(cipher) : -1;
    if (known < 0)
        return false;
    keys->cipher = (enum snitun_cipher)known;
    keys->protocol_version = (uint8_t)strtoul(version, NULL, 10);
    explicit_bzero(json, sizeof json);
    explicit_bzero(key, sizeof key);
    return true;
}

int dial(const char *where, bool at_once)
{
    const char *colon = strrchr(where, ':');
    int brackets = where[0] == '[' ? 2 : 0;
    if (colon == NULL || colon - where < brackets)
        return -1;
    char host[256];
    snprintf(host, sizeof host, "%.*s", (int)(colon - where) - brackets, where + brackets / 2);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return -1;

    int fd = -1;
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | (at_once ? SOCK_NONBLOCK : 0), 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0 && errno != EINPROGRESS) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd >= 0)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static bool later(void)
{
    return errno == EAGAIN || errno == EINTR;
}

ssize_t send_some(int fd, const void *bytes, size_t len)
{
    ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
    return sent < 0 && later() ? 0 : sent;
}

ssize_t receive_some(int fd, void *buf, size_t len)
{
    ssize_t got = recv(fd, buf, len, 0);
    if (got < 0 && later())
        return 0;
    return got == 0 ? -1 : got;
}

bool outlet_send(struct outlet *outlet)
{
    size_t left = outlet->len - outlet->at;
    ssize_t sent = left > 0 ? send_some(outlet->fd, outlet->bytes + outlet->at, left) : 0;
    if (sent < 0)
        return false;
    outlet->at += (size_t)sent;
    outlet->sent += sent;
    return true;
}

bool outlet_progressed(struct outlet *outlet)
{
    int unacknowledged = 0;
    ioctl(outlet->fd, SIOCOUTQ, &unacknowledged);
    bool progressed = outlet->sent - unacknowledged > outlet->arrived;
    if (progressed)
        outlet->arrived = outlet->sent - unacknowledged;
    return progressed;
}

uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now); /* counts sleep: a device that slept notices */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int random_bytes(void *arg, void *buf, size_t len)
{
    (void)arg;
    return getrandom(buf, len, 0) == (ssize_t)len ? 0 : -1; /* whole up to 256 bytes: enough */
}
