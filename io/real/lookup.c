#include "base/map.h"
#include "io/real/helpers.h"
#include "io/real/socket.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKUP_ADDRESSES_MAX = 64 };

struct io_lookup {
    struct job job;
    struct io_loop *loop;
    struct io_task answer; /* of a literal, which needs no helper */
    io_lookup_fn *done;    /* NULL = cancelled */
    void *arg;
    uint16_t port;
    int error;
    size_t count;
    struct addr addrs[LOOKUP_ADDRESSES_MAX];
    char host[HOST_TEXT_MAX];
};

static void answer(struct io_lookup *lookup)
{
    if (lookup->done != NULL)
        lookup->done(lookup->arg, lookup->error, lookup->addrs, lookup->count);
    free(lookup);
}

static void answer_now(void *arg)
{
    answer(arg);
}

static void answer_job(struct io_loop *loop, void *arg)
{
    (void)loop;
    answer(arg);
}

static void discard(struct job *job)
{
    free(container_of(job, struct io_lookup, job));
}

static int error_of(int gai_error)
{
    switch (gai_error) {
    case 0:
        return IO_OK;
    case EAI_AGAIN:
    case EAI_FAIL:
    case EAI_SYSTEM:
        return IO_E_NAME_AGAIN;
    case EAI_MEMORY:
        return IO_E_NO_MEMORY;
    default:
        return IO_E_NOT_FOUND;
    }
}

/* On a helper. */
static void look_up(struct job *job)
{
    struct io_lookup *lookup = container_of(job, struct io_lookup, job);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    lookup->error = error_of(getaddrinfo(lookup->host, NULL, &hints, &found));
    if (lookup->error != 0)
        return;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        struct addr addr;
        if (lookup->count == LOOKUP_ADDRESSES_MAX || !socket_addr_read(at->ai_addr, &addr))
            continue;
        addr.port = lookup->port;
        lookup->addrs[lookup->count++] = addr;
    }
    freeaddrinfo(found);
    if (lookup->count == 0)
        lookup->error = IO_E_NOT_FOUND;
}

struct io_lookup *io_lookup(struct io_loop *loop, const char *host, uint16_t port,
                            io_lookup_fn *done, void *arg)
{
    struct io_lookup *lookup = calloc(1, sizeof(*lookup));
    if (lookup == NULL)
        return NULL;
    lookup->job.answer = (struct io_message){.fn = answer_job, .arg = lookup};
    lookup->job.work = look_up;
    lookup->job.discard = discard;
    lookup->loop = loop;
    lookup->done = done;
    lookup->arg = arg;
    lookup->port = port;
    io_task_init(&lookup->answer, loop, answer_now, lookup);

    if (strlen(host) >= sizeof(lookup->host)) {
        lookup->error = IO_E_NOT_FOUND;
    } else if (ip_parse(host, &lookup->addrs[0].ip)) {
        lookup->addrs[0].port = port;
        lookup->count = 1;
    } else {
        memcpy(lookup->host, host, strlen(host) + 1);
        int error = helpers_submit(loop->helpers, loop, &lookup->job);
        if (error == 0)
            return lookup; /* a helper's from now on */
        lookup->error = error;
    }
    io_task_queue(&lookup->answer);
    return lookup;
}

void io_lookup_cancel(struct io_lookup *lookup)
{
    bool literal = lookup->answer.link != NULL;
    io_task_cancel(&lookup->answer);
    if (literal || helpers_withdraw(lookup->loop->helpers, &lookup->job))
        free(lookup);
    else
        lookup->done = NULL;
}
