#include "roles/server/internal.h"

#include <stdlib.h>

/* Then others of the loop have their turn: some milliseconds. */
enum { PEERS_PER_ROUND = 128 };

/* A question on its way from worker to worker. */
struct status_query {
    struct io_message message;
    struct server *server;
    void (*answer)(void *arg, json_t *status);
    void *arg;
    json_t *status;
    unsigned next;
    struct peer_walk walk;
    bool walks; /* over the peers of the next one */
};

static json_t *counters_of(const struct server_worker *worker, uint64_t received, uint64_t sent)
{
    const struct server_counters *counters = &worker->counters;
    json_t *object = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "accepted",
        (json_int_t)counters->accepted, "devices", (json_int_t)counters->devices, "routed",
        (json_int_t)counters->routed, "peers", (json_int_t)counters->peers, "token_trials",
        (json_int_t)counters->token_trials, "handed_over", (json_int_t)counters->handed_over,
        "exhausted", (json_int_t)counters->exhausted, "early_limit",
        (json_int_t)counters->early_limit, "closed_for_memory",
        (json_int_t)worker->hub.channels_closed_for_memory, "bytes_received",
        (json_int_t)(counters->payload_received + received), "bytes_sent",
        (json_int_t)(counters->payload_sent + sent), "early", (json_int_t)worker->early_count);

    for (int i = 0; i < REFUSALS; i++)
        json_object_set_new(object, server_refusal_name(i),
                            json_integer((json_int_t)counters->refused[i]));
    return object;
}

static void add_up(json_t *sums, json_t *counters)
{
    const char *key;
    json_t *value;

    json_object_foreach(counters, key, value) json_object_set_new(
        sums, key,
        json_integer(json_integer_value(json_object_get(sums, key)) + json_integer_value(value)));
}

static void add_worker(json_t *status, struct server_worker *worker)
{
    struct peer_sums sums = {0};
    json_t *counters;

    peer_add_up(worker, &sums);
    counters = counters_of(worker, sums.received, sums.sent);
    add_up(json_object_get(status, "counters"), counters);
    json_array_append_new(json_object_get(status, "workers"),
                          json_pack("{s:i, s:I, s:I, s:I, s:o}", "index", (int)worker->index,
                                    "peers", (json_int_t)sums.peers, "channels",
                                    (json_int_t)sums.channels, "buffered",
                                    (json_int_t)io_buffered(worker->loop), "counters", counters));
}

/* True when all peers of the worker have been told. */
static bool add_peers(struct status_query *query, struct server_worker *worker)
{
    json_t *peers = json_object_get(query->status, "peers");

    if (!query->walks)
        peer_walk_begin(worker, &query->walk);
    query->walks = true;
    for (int i = 0; i < PEERS_PER_ROUND && query->walks; i++) {
        struct server_peer *peer = peer_walk_on(worker, &query->walk);
        json_t *state = peer == NULL ? NULL : peer_status(peer);

        query->walks = peer != NULL;
        if (state == NULL)
            continue;
        json_object_set_new(state, "worker", json_integer(worker->index));
        json_array_append_new(peers, state);
    }
    return !query->walks;
}

static void answer(struct io_loop *loop, void *arg)
{
    struct status_query *query = arg;

    (void)loop;
    query->answer(query->arg, query->status);
    free(query);
}

/* Runs on each worker's loop in turn: one JSON object, one thread at a time. */
static void ask(struct io_loop *loop, void *arg)
{
    struct status_query *query = arg;
    struct server *server = query->server;
    struct server_worker *worker = &server->workers[query->next];

    if (!add_peers(query, worker)) {
        io_post_message(loop, &query->message);
        return;
    }
    add_worker(query->status, worker);
    query->next++;
    if (query->next < server->worker_count) {
        io_post_message(server->workers[query->next].loop, &query->message);
    } else {
        query->message.fn = answer;
        io_post_message(server->loop, &query->message);
    }
}

static json_t *addresses_of(const struct server *server)
{
    json_t *list = json_array();

    for (size_t i = 0; i < server->listener_count; i++) {
        struct addr at = io_listener_addr(server->listeners[i]);
        char text[ADDR_TEXT_MAX];

        addr_format(&at, text);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

void server_status(struct server *server, void (*tell)(void *arg, json_t *status), void *arg)
{
    struct status_query *query = calloc(1, sizeof(*query));
    json_t *status =
        json_pack("{s:s, s:s, s:f, s:o, s:I, s:o, s:o, s:o}", "role", "server", "state",
                  server->stopping ? "stopping" : "serving", "uptime_s",
                  (double)(io_now_ms(server->loop) - server->started_ms) / 1000, "listen",
                  addresses_of(server), "names", (json_int_t)hosts_count(server->hosts), "workers",
                  json_array(), "peers", json_array(), "counters", json_object());

    if (query == NULL || status == NULL || server->joined) {
        free(query);
        tell(arg, status);
        return;
    }
    *query = (struct status_query){.message = {.fn = ask, .arg = query},
                                   .server = server,
                                   .answer = tell,
                                   .arg = arg,
                                   .status = status};
    io_post_message(server->workers[0].loop, &query->message);
}
