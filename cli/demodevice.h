/*
 * A device as it is out there: connects, speaks TLS with a server name and a verified certificate,
 * fetches one page.
 */
#ifndef CLI_DEMODEVICE_H
#define CLI_DEMODEVICE_H

#include "io/tls.h"

enum {
    DEMODEVICE_ANSWER_MAX = 16 * 1024,
    DEMODEVICE_TIMEOUT_MS = 10000,
    DEMODEVICE_WHY_MAX = 256,
};

/* What it saw; times are of each step alone. */
struct demodevice_seen {
    bool fine;                    /* a whole answer came */
    char why[DEMODEVICE_WHY_MAX]; /* when not */
    struct addr from;
    char tls_version[16];
    char tls_cipher[64];
    unsigned connect_ms;
    unsigned tls_ms;
    unsigned page_ms;
    size_t len;                             /* bytes of the answer */
    char answer[DEMODEVICE_ANSWER_MAX + 1]; /* head and page, NUL terminated */
};

struct demodevice;

/*
 * Fetches https://name/path from an address. done(arg, seen) is called once; seen is valid during
 * the call, and the device is gone after it. The strings are copied. NULL with *error set.
 */
struct demodevice *demodevice_start(struct io_loop *loop, const struct addr *to, const char *name,
                                    const char *path, struct io_tls *tls,
                                    void (*done)(void *arg, const struct demodevice_seen *seen),
                                    void *arg, int *error);

/* Forgets a device that has not answered. */
void demodevice_cancel(struct demodevice *device);

#endif
