/*
 * The other end of a helper process (io/real/privileged.h), in the process that it serves: a queue
 * of requests that are sent as it takes them, what it reports, and sockets from it.
 */
#ifndef IO_REAL_REQUESTS_H
#define IO_REAL_REQUESTS_H

#include "io/real/loop.h"
#include "io/real/privileged.h"

struct requests_handler {
    void (*refused)(void *arg, const struct cidr *to, int error);
    void (*ended)(void *arg); /* the helper process is gone */
};

struct requests {
    struct source work;
    int ask;
    pid_t pid;
    const char *device; /* its name, for the log */
    const struct requests_handler *handler;
    void *arg;
    struct privileged_work *waiting; /* a ring */
    size_t first;
    size_t count;
    size_t room;
    bool has_hook;
    bool ended;
    struct privileged_hook hook; /* the newest: those that wait to be sent are all this one */
};

/*
 * Starts the helper process of a device, whose name the caller keeps; hook_file is as of
 * hook_resolve(), or NULL. Returns 0 or an error.
 */
int requests_open(struct requests *requests, struct io_loop *loop, const char *device,
                  const char *hook_file, const struct requests_handler *handler, void *arg);

/* Waits until the helper process has undone everything. */
void requests_close(struct requests *requests);

/* IO_E_FULL, IO_E_NO_MEMORY, or 0: it is done later, in this order. */
int requests_add(struct requests *requests, const struct privileged_work *work);

/* As io_device_hook(). */
int requests_hook(struct requests *requests, const struct adit_ip *servers, size_t count);

/*
 * A socket that is let past the device, to connect to an address or to listen there. Returns it, or
 * an error.
 */
int requests_socket(struct requests *requests, const struct addr *addr, bool to_listen);

#endif
