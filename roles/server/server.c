#include "roles/server/internal.h"

#include "io/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void join_and_tell(struct server *server)
{
    for (unsigned i = 0; i < server->worker_count; i++)
        io_worker_end(server->workers[i].loop);
    for (unsigned i = 0; i < server->worker_count; i++)
        io_worker_join(server->workers[i].loop);
    server->joined = true;
    log_event(server->loop, LOG_INFO, "stopped", "all connections are closed");
    server->stopped(server->arg);
}

void server_worker_idle(struct io_loop *loop, void *arg)
{
    struct server *server = arg;

    (void)loop;
    if (++server->workers_idle < server->worker_count)
        return;
    io_timer_stop(&server->drain_end);
    join_and_tell(server);
}

static void post_to_all(struct server *server, enum order order)
{
    for (unsigned i = 0; i < server->worker_count; i++)
        io_post_message(server->workers[i].loop, &server->workers[i].orders[order]);
}

static void close_listeners(struct server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        io_listener_close(server->listeners[i]);
    server->listener_count = 0;
}

/* What the workers share must stay until each has opened: they are told to stop after that. */
static void begin_to_stop(struct server *server)
{
    close_listeners(server);
    post_to_all(server, ORDER_STOP);
    if (server->cut)
        post_to_all(server, ORDER_CUT);
    else
        io_timer_set_in(&server->drain_end, server->settings->drain_ms);
}

static void log_ready(struct server *server)
{
    char list[512] = "";
    size_t len = 0;

    for (size_t i = 0; i < server->listener_count && len < sizeof(list) - 64; i++) {
        struct addr at = io_listener_addr(server->listeners[i]);
        char text[ADDR_TEXT_MAX];

        addr_format(&at, text);
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s%s", i == 0 ? "" : ", ", text,
                                server->doors[i] == DOOR_PEERS ? " (peers)" : "");
    }
    log_event(server->loop, LOG_INFO, "ready", "serving on %s with %u worker%s", list,
              server->worker_count, server->worker_count == 1 ? "" : "s");
}

void server_worker_ready(struct io_loop *loop, void *arg)
{
    struct server *server = arg;

    (void)loop;
    if (++server->workers_ready < server->worker_count)
        return;
    if (server->stopping) {
        begin_to_stop(server);
        return;
    }
    for (unsigned i = 0; i < server->worker_count; i++) {
        if (server->workers[i].failure == IO_OK)
            continue;
        log_event(server->loop, LOG_ERROR, "start", "worker %u cannot start: %s", i,
                  io_error_text(server->workers[i].failure));
        server_stop(server);
        return;
    }
    log_ready(server);
}

/* A claim took a name from another peer: that peer's worker is told. */
struct lost_name {
    struct io_message message;
    struct server_worker *worker;
    struct peer_ref loser;
    char name[HOSTNAME_MAX + 1];
};

static void tell_loser(struct io_loop *loop, void *arg)
{
    struct lost_name *lost = arg;
    struct server_peer *peer = slots_look_up(&lost->worker->slots, lost->loser);

    (void)loop;
    if (peer != NULL)
        peer_name_lost(peer, lost->name);
    free(lost);
}

bool server_may_claim(struct server_worker *worker)
{
    if (worker->notice == NULL)
        worker->notice = malloc(sizeof(*worker->notice));
    return worker->notice != NULL;
}

static void on_name_lost(void *arg, const char *name, struct peer_ref winner, struct peer_ref loser)
{
    struct server *server = arg;
    struct lost_name *lost = server->workers[winner.worker].notice;

    server->workers[winner.worker].notice = NULL;
    lost->message = (struct io_message){.fn = tell_loser, .arg = lost};
    lost->worker = &server->workers[loser.worker];
    lost->loser = loser;
    strcpy(lost->name, name);
    io_post_message(lost->worker->loop, &lost->message);
}

static int listen_on(struct server *server, const struct addr *at, enum door door, char *why,
                     size_t why_len)
{
    static const struct io_listener_handler none = {0};
    char text[ADDR_TEXT_MAX];
    int error = IO_OK;
    struct io_listener *listener = io_listen(server->loop, at, &none, NULL, &error);

    if (listener == NULL) {
        addr_format(at, text);
        snprintf(why, why_len, "cannot listen on %s: %s", text, io_listen_error_text(error));
        return -1;
    }
    io_listener_pause(listener);
    server->listeners[server->listener_count] = listener;
    server->doors[server->listener_count] = door;
    server->listener_count++;
    return 0;
}

static int listen_on_all(struct server *server, const struct server_config *config, char *why,
                         size_t why_len)
{
    size_t count = config->listen_count + config->peer_listen_count;

    server->listeners = calloc(count, sizeof(struct io_listener *));
    server->doors = calloc(count, sizeof(*server->doors));
    if (server->listeners == NULL || server->doors == NULL) {
        snprintf(why, why_len, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < config->listen_count; i++) {
        enum door door = config->peer_listen_count > 0 ? DOOR_DEVICES : DOOR_BOTH;
        if (listen_on(server, &config->listen[i], door, why, why_len) != 0)
            return -1;
    }
    for (size_t i = 0; i < config->peer_listen_count; i++)
        if (listen_on(server, &config->peer_listen[i], DOOR_PEERS, why, why_len) != 0)
            return -1;
    return 0;
}

static bool make_tables(struct server *server)
{
    uint8_t seed[16];

    io_random(server->loop, seed, sizeof(seed));
    server->hosts = hosts_new(seed, on_name_lost, server);
    server->quota = quota_new(seed);
    server->callers = quota_new(seed);
    server->replay = replay_new(seed);
    server->revoked = revoked_new(seed);
    return server->hosts != NULL && server->quota != NULL && server->callers != NULL &&
           server->replay != NULL && server->revoked != NULL;
}

/* Starts the workers; those that run already when one cannot be started are stopped again. */
static int start_workers(struct server *server, char *why, size_t why_len)
{
    for (unsigned i = 0; i < server->worker_count; i++) {
        worker_init(&server->workers[i], server, i);
        server->workers[i].settings = snapshot_ref(server->settings);
    }
    for (unsigned i = 0; i < server->worker_count; i++) {
        char name[32];
        int error = IO_OK;

        snprintf(name, sizeof(name), "worker %u", i);
        server->workers[i].loop =
            io_worker_start(server->loop, name, worker_run, &server->workers[i], &error);
        if (server->workers[i].loop != NULL)
            continue;
        snprintf(why, why_len, "cannot start worker %u: %s", i, io_error_text(error));
        /* They have not opened: nothing is to be closed. */
        for (unsigned k = 0; k < i; k++)
            io_worker_join(server->workers[k].loop);
        return -1;
    }
    post_to_all(server, ORDER_OPEN);
    return 0;
}

static void cut(void *arg)
{
    struct server *server = arg;

    /* Nothing begins on a worker that stops: once is enough. */
    if (!server->cut && server->workers_ready == server->worker_count)
        post_to_all(server, ORDER_CUT);
    server->cut = true;
}

/* A worker that cannot be told for lack of memory is told after the next change. */
void server_end_revoked(struct server *server)
{
    if (server->stopping || revoked_count(server->revoked) == 0)
        return;
    for (unsigned i = 0; i < server->worker_count; i++)
        (void)io_post(server->workers[i].loop, peer_end_revoked, &server->workers[i]);
}

bool server_revoke(struct server *server, const char *name, double valid_after_s)
{
    return revoked_set(server->revoked, name, valid_after_s);
}

bool server_serves(struct server *server, const char *name, double *since_s, struct adit_ip *from)
{
    return hosts_noted(server->hosts, name, since_s, from);
}

static void on_learnt(void *arg)
{
    server_end_revoked(arg);
}

static int prepare_changes(struct server *server, const struct server_config *config, char *why,
                           size_t why_len)
{
    if (config->master_url == NULL)
        return 0;
    server->changes =
        changes_new(server->loop, config, server->revoked, on_learnt, server, why, why_len);
    return server->changes == NULL ? -1 : 0;
}

struct server *server_start(struct io_loop *loop, const struct server_config *config,
                            void (*stopped)(void *arg), void *arg, char *why, size_t why_len)
{
    struct server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        goto err_memory;
    server->loop = loop;
    server->stopped = stopped;
    server->arg = arg;
    server->started_ms = io_now_ms(loop);
    server->worker_count = config->workers == 0 ? 1 : config->workers;
    server->workers = calloc(server->worker_count, sizeof(*server->workers));
    if (server->workers == NULL || !make_tables(server))
        goto err_memory;
    io_timer_init(&server->drain_end, loop, cut, server);
    server->settings = snapshot_new(loop, config, server->worker_count, why, why_len);
    if (server->settings == NULL || prepare_changes(server, config, why, why_len) != 0 ||
        listen_on_all(server, config, why, why_len) != 0 ||
        start_workers(server, why, why_len) != 0)
        goto err;
    changes_start(server->changes);
    return server;

err_memory:
    snprintf(why, why_len, "out of memory");
err:
    server_free(server);
    return NULL;
}

size_t server_addresses(const struct server *server, struct addr *out, size_t max)
{
    size_t count = 0;

    for (; count < server->listener_count && count < max; count++)
        out[count] = io_listener_addr(server->listeners[count]);
    return count;
}

static void take_settings(struct io_loop *loop, void *arg)
{
    struct snapshot_news *news = arg;
    struct server_worker *worker = news->worker;
    struct snapshot *before = worker->settings;

    (void)loop;
    worker->settings = news->settings;
    worker->hub.memory_max = news->settings->memory_per_worker;
    worker_count_early(worker, 0);
    snapshot_unref(before);
}

int server_reload(struct server *server, const struct server_config *config, char *why,
                  size_t why_len)
{
    struct snapshot *settings =
        snapshot_new(server->loop, config, server->worker_count, why, why_len);

    if (settings == NULL)
        return -1;
    for (unsigned i = 0; i < server->worker_count; i++) {
        struct snapshot_news *news = &settings->news[i];

        news->message = (struct io_message){.fn = take_settings, .arg = news};
        news->settings = snapshot_ref(settings);
        news->worker = &server->workers[i];
        io_post_message(news->worker->loop, &news->message);
    }
    snapshot_unref(server->settings);
    server->settings = settings;
    log_event(server->loop, LOG_INFO, "reloaded", "%zu keys, %zu routes, %zu trusted fronts",
              settings->keyring.count, settings->route_count, settings->trust_proxy_count);
    return 0;
}

void server_stop(struct server *server)
{
    if (server->stopping) {
        cut(server);
        return;
    }
    server->stopping = true;
    changes_free(server->changes);
    server->changes = NULL;
    log_event(server->loop, LOG_INFO, "stopping", "closing within %g s",
              server->settings->drain_ms / 1000.0);
    if (server->workers_ready == server->worker_count)
        begin_to_stop(server);
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    close_listeners(server);
    io_timer_stop(&server->drain_end);
    for (unsigned i = 0; server->workers != NULL && i < server->worker_count; i++)
        worker_clear(&server->workers[i]);
    free(server->workers);
    free(server->listeners);
    free(server->doors);
    hosts_free(server->hosts);
    quota_free(server->quota);
    quota_free(server->callers);
    replay_free(server->replay);
    changes_free(server->changes);
    revoked_free(server->revoked);
    snapshot_unref(server->settings);
    free(server);
}
