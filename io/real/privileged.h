/*
 * The privileged helper process of a device. It is forked while the process may change the network
 * and before it has threads, and lives as long as it. What it can be asked for is below, in
 * messages of fixed sizes over SOCK_SEQPACKET sockets; it assumes that who asks has been taken over
 * by an attacker. It changes this one device, its routes, its table and its rules, hands out
 * sockets with its mark, and runs the one hook that it was started with.
 *
 * There are two sockets: `work` for what takes its time and is reported later, `ask` for what is
 * answered at once. When `work` ends, for whatever reason, the helper process undoes what it did
 * and ends; PRIVILEGED_CLOSE before that says that the end was meant.
 */
#ifndef IO_REAL_PRIVILEGED_H
#define IO_REAL_PRIVILEGED_H

#include "io/device.h"

#include <sys/types.h>

enum {
    PRIVILEGED_LINE_MAX = 480,      /* bytes of a line of a hook's output; a longer one is cut */
    PRIVILEGED_WAIT_S = 5,          /* for an answer of `ask` */
    PRIVILEGED_HOOK_S = 30,         /* a hook that runs longer is killed */
    PRIVILEGED_HOOK_LAST_MS = 2000, /* the same, once the device is closed */
};

/* ---- work: requests ---- */

enum privileged_what {
    PRIVILEGED_ADDRESS = 1,
    PRIVILEGED_ROUTE,
    PRIVILEGED_EVERYTHING, /* family and flags alone */
    PRIVILEGED_SETTLE,     /* nothing but this */
    PRIVILEGED_HOOK,       /* struct privileged_hook */
};

enum { PRIVILEGED_ON = 1, PRIVILEGED_BLOCK = 2 }; /* flags */

struct privileged_work {
    uint8_t what;
    uint8_t flags;
    uint8_t family; /* 4 or 6 */
    uint8_t prefix_len;
    uint8_t ip[16];
};

/* The DNS servers that it is told; no words, so that nobody can say others. Unused ones are 0. */
struct privileged_hook {
    struct privileged_work head; /* nothing but `what` */
    uint8_t count;
    struct {
        uint8_t family; /* 4 or 6 */
        uint8_t ip[16];
    } servers[IO_DEVICE_DNS_MAX];
};

/* ---- work: reports ---- */

enum privileged_news {
    PRIVILEGED_REFUSED = 1, /* `work` could not be done, `value` is the error */
    PRIVILEGED_LINE,        /* of the hook's output: `value` bytes of text */
    PRIVILEGED_EXITED,      /* the hook, with status `value` */
    PRIVILEGED_KILLED,      /* the hook, by signal `value` */
    PRIVILEGED_TOO_LONG,    /* the hook took too long and was killed */
    PRIVILEGED_NOT_STARTED, /* the hook, `value` is the error */
};

struct privileged_report {
    uint32_t news;
    int32_t value;
    struct privileged_work work;
    char text[PRIVILEGED_LINE_MAX];
};

/* ---- ask: one answer for each but PRIVILEGED_CLOSE ---- */

enum privileged_question {
    PRIVILEGED_CONNECT = 1, /* a marked TCP socket to connect with, to this address and port */
    PRIVILEGED_LISTEN,      /* … to listen with, at them */
    PRIVILEGED_CLOSE,       /* everything may go; the answer is the end of `ask` */
};

struct privileged_ask {
    uint8_t question;
    uint8_t family; /* 4 or 6 */
    uint16_t port;
    uint8_t ip[16];
};

/* 0 and a descriptor as SCM_RIGHTS, or an error. */
struct privileged_answer {
    int32_t error;
};

/* ---- Starting it ---- */

struct privileged {
    pid_t pid;
    int work;
    int ask;
};

/*
 * For the device of that name; hook_file is as of hook_resolve(), or NULL. Returns 0 or an error.
 * `work` does not block, `ask` waits for PRIVILEGED_WAIT_S. Both are the caller's to close, and the
 * process to wait for.
 */
int privileged_start(struct privileged *privileged, const char *device, const char *hook_file);

#endif
