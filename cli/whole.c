#include "cli/whole.h"

#include "io/log.h"

#include <stdio.h>
#include <stdlib.h>

struct whole {
    struct io_loop *loop;
    struct server *server;
    struct master_service *master; /* or NULL */
    bool server_runs;              /* has not stopped */
    bool master_runs;
    bool stopping;
    bool failed;
    void (*stopped)(void *arg);
    void *arg;
};

/* One of them has ended: with it the other one, where that was not meant. */
static void end(struct whole *whole)
{
    if (!whole->stopping) {
        whole->failed = true;
        whole_stop(whole);
    }
    if (!whole->server_runs && !whole->master_runs)
        whole->stopped(whole->arg);
}

static void on_server_stopped(void *arg)
{
    struct whole *whole = arg;
    whole->server_runs = false;
    end(whole);
}

static void on_master_stopped(void *arg)
{
    struct whole *whole = arg;
    whole->master_runs = false;
    end(whole);
}

static void on_revoked(void *arg, const struct store_change *changes, size_t count)
{
    struct whole *whole = arg;
    bool kept = true;
    for (size_t i = 0; i < count; i++)
        kept =
            server_revoke(whole->server, changes[i].name, (double)changes[i].valid_after_s) && kept;
    if (!kept)
        log_event(whole->loop, LOG_ERROR, "master", "out of memory for what was revoked");
    server_end_revoked(whole->server);
}

static bool on_serves(void *arg, const char *name, double *since_s, struct adit_ip *from)
{
    struct whole *whole = arg;
    return server_serves(whole->server, name, since_s, from);
}

/* The master is opened first: what a person got wrong is found while nothing runs. */
static bool open_master(struct whole *whole, const struct master_config *config, char *why,
                        size_t why_len)
{
    struct master_config mine = *config;
    mine.here = (struct master_server){on_revoked, on_serves, whole};
    whole->master = master_open(whole->loop, &mine, on_master_stopped, whole, why, why_len);
    return whole->master != NULL;
}

static bool run_master(struct whole *whole, const struct master_config *config, char *why,
                       size_t why_len)
{
    struct addr first = {0};
    server_addresses(whole->server, &first, 1);
    if (master_run(whole->master, config->server_port == 0 ? first.port : 0, why, why_len) != 0)
        return false;
    whole->master_runs = true;
    return true;
}

struct whole *whole_start(struct io_loop *loop, const struct server_config *server,
                          const struct master_config *master, void (*stopped)(void *arg), void *arg,
                          char *why, size_t why_len)
{
    struct whole *whole = calloc(1, sizeof *whole);
    if (whole == NULL) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    whole->loop = loop;
    whole->stopped = stopped;
    whole->arg = arg;
    if (master != NULL && !open_master(whole, master, why, why_len))
        goto err_whole;
    whole->server = server_start(loop, server, on_server_stopped, whole, why, why_len);
    if (whole->server == NULL)
        goto err_master;
    whole->server_runs = true;
    if (master != NULL && !run_master(whole, master, why, why_len)) {
        /* The server runs already: it has to be stopped like any other. */
        log_event(loop, LOG_ERROR, "start", "the session master: %s", why);
        master_free(whole->master);
        whole->master = NULL;
        whole->failed = true;
        whole_stop(whole);
    }
    return whole;

err_master:
    master_free(whole->master);
err_whole:
    free(whole);
    return NULL;
}

int whole_reload(struct whole *whole, const struct server_config *server, char *why, size_t why_len)
{
    struct master_secrets *secrets = NULL;
    if (whole->master != NULL) {
        secrets = master_secrets_read(whole->master, why, why_len);
        if (secrets == NULL)
            return -1;
    }
    if (server_reload(whole->server, server, why, why_len) != 0) {
        master_secrets_free(secrets);
        return -1;
    }
    if (secrets != NULL)
        master_secrets_use(secrets);
    return 0;
}

void whole_stop(struct whole *whole)
{
    whole->stopping = true;
    if (whole->server_runs)
        server_stop(whole->server);
    if (whole->master_runs)
        master_stop(whole->master);
}

void whole_free(struct whole *whole)
{
    if (whole == NULL)
        return;
    master_free(whole->master);
    server_free(whole->server);
    free(whole);
}

bool whole_has_master(const struct whole *whole)
{
    return whole->master != NULL;
}

size_t whole_addresses(const struct whole *whole, struct addr *out, size_t max)
{
    return server_addresses(whole->server, out, max);
}

struct addr whole_master_addr(const struct whole *whole)
{
    return master_addr(whole->master);
}

bool whole_failed(void *whole)
{
    return ((struct whole *)whole)->failed;
}

/* ---- Status ---- */

struct question {
    struct whole *whole;
    json_t *status; /* the server's */
    void (*answer)(void *arg, json_t *status);
    void *arg;
};

static void on_master_status(void *arg, json_t *status)
{
    struct question *question = arg;
    json_object_set_new(question->status, "master", status);
    question->answer(question->arg, question->status);
    free(question);
}

static void on_server_status(void *arg, json_t *status)
{
    struct question *question = arg;
    question->status = status;
    master_status(question->whole->master, on_master_status, question);
}

void whole_status(struct whole *whole, void (*answer)(void *arg, json_t *status), void *arg)
{
    struct question *question = whole->master == NULL ? NULL : calloc(1, sizeof *question);
    if (question == NULL) {
        server_status(whole->server, answer, arg);
        return;
    }
    *question = (struct question){.whole = whole, .answer = answer, .arg = arg};
    server_status(whole->server, on_server_status, question);
}
