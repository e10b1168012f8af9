/*
 * What publisher.c needs of the machine beside poll(2). A device has its own way for each.
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <adit/snitun.h>

#include <sys/types.h>

struct credential {
    char token[8193];
    struct snitun_keys keys;
};

/* Reads a file that `adit token mint` wrote; false when it is not one. */
bool credential_read(const char *path, struct credential *credential);

/* Connects to HOST:PORT or [ADDRESS]:PORT and makes the socket non-blocking, before it connects
 * with `at_once`, else afterwards. -1 when that failed. */
int dial(const char *where, bool at_once);

/* What the socket takes now of the bytes; -1 when the connection is over. */
ssize_t send_some(int fd, const void *bytes, size_t len);

/* What there is to read, 0 when nothing is; -1 when the connection is over, or at its end. */
ssize_t receive_some(int fd, void *buf, size_t len);

/* Bytes on their way into a socket. */
struct outlet {
    int fd;
    size_t at;
    size_t len;
    int64_t sent;
    int64_t arrived; /* of those sent, when last looked at */
    uint8_t bytes[SNITUN_HEADER_MAX + SNITUN_FRAME_ALONE];
};

/* Sends what the socket takes; false when the connection is over. */
bool outlet_send(struct outlet *outlet);

/* True when the other side has acknowledged more than when this was last asked. */
bool outlet_progressed(struct outlet *outlet);

uint64_t now_ms(void);
int random_bytes(void *arg, void *buf, size_t len);

#endif
