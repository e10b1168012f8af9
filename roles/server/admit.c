#include "roles/server/internal.h"

#include <stdlib.h>
#include <string.h>

/* One peer more or less is not worth a way to another worker. */
enum { PEERS_UNEVEN = 1 };

static struct server_worker *emptiest(struct server_worker *here)
{
    struct server *server = here->server;
    struct server_worker *best = here;
    unsigned fewest = atomic_load(&here->peer_count);

    for (unsigned i = 0; i < server->worker_count; i++) {
        unsigned count = atomic_load(&server->workers[i].peer_count);
        if (count + PEERS_UNEVEN < fewest) {
            best = &server->workers[i];
            fewest = count;
        }
    }
    return best;
}

/* A client, its token opened, on its way to the worker that is to have it. */
struct transfer {
    struct io_message message;
    struct server_worker *to;
    struct io_parcel *parcel;
    struct addr source;
    struct snitun_token token;
    struct ticket ticket;
};

static bool name_is_revoked(struct revoked *revoked, const char *name, double valid_s)
{
    char normal[HOSTNAME_MAX + 1];

    return hostname_normalise(name, strlen(name), normal) && revoked_has(revoked, normal, valid_s);
}

static bool refuse_revoked(struct server_worker *worker, const struct addr *source,
                           const struct snitun_token *token)
{
    struct revoked *revoked = worker->server->revoked;
    bool found = name_is_revoked(revoked, token->hostname, token->valid);

    for (size_t i = 0; i < token->alias_count && !found; i++)
        found = name_is_revoked(revoked, token->aliases[i], token->valid);
    if (found)
        server_refused(worker, REFUSED_REVOKED, &source->ip, "the token of %s was revoked",
                       token->hostname);
    return found;
}

/* peer_end_revoked() may have passed while it was on its way: so it is asked again. */
static struct io_stream *arrive(struct io_loop *loop, struct transfer *transfer)
{
    struct server_worker *worker = transfer->to;
    struct io_stream *stream;

    if (worker->stopping || refuse_revoked(worker, &transfer->source, &transfer->token)) {
        io_parcel_discard(transfer->parcel);
        return NULL;
    }
    stream = io_attach(loop, transfer->parcel, NULL, NULL);
    if (stream == NULL)
        server_refused(worker, REFUSED_RESOURCES, &transfer->source.ip, "out of memory");
    return stream;
}

static void take(struct io_loop *loop, void *arg)
{
    struct transfer *transfer = arg;
    struct server_worker *worker = transfer->to;
    struct io_stream *stream;

    atomic_fetch_sub(&worker->handovers, 1);
    atomic_fetch_sub(&worker->peer_count, 1);
    worker_count_early(worker, 1);
    stream = arrive(loop, transfer);
    if (stream != NULL)
        peer_begin(worker, stream, &transfer->source, &transfer->token, &transfer->ticket);
    else
        ticket_give_back(worker, &transfer->ticket);
    snitun_token_clear(&transfer->token);
    free(transfer);
}

/* True when the client is on its way; then everything belongs to the other worker. */
static bool send_to(struct server_worker *to, struct server_worker *here, struct io_stream *stream,
                    const struct addr *source, const struct snitun_token *token,
                    const struct ticket *ticket)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));

    if (transfer == NULL)
        return false;
    if (atomic_fetch_add(&to->handovers, 1) >= SERVER_HANDOVERS_MAX)
        goto err_count;
    transfer->parcel = io_detach(stream);
    if (transfer->parcel == NULL)
        goto err_count;
    transfer->message = (struct io_message){.fn = take, .arg = transfer};
    transfer->to = to;
    transfer->source = *source;
    transfer->token = *token;
    transfer->ticket = *ticket;
    atomic_fetch_add(&to->peer_count, 1);
    io_post_message(to->loop, &transfer->message);
    worker_count_early(here, -1);
    here->counters.handed_over++;
    return true;

err_count:
    atomic_fetch_sub(&to->handovers, 1);
    free(transfer);
    return false;
}

void admit_client(struct server_worker *worker, struct io_stream *stream, const struct addr *source,
                  struct snitun_token *token, struct ticket *ticket)
{
    struct server_worker *best = emptiest(worker);

    if (refuse_revoked(worker, source, token)) {
        io_close(stream);
        ticket_give_back(worker, ticket);
        snitun_token_clear(token);
        return;
    }
    if (token->keys.cipher == SNITUN_AES_GCM &&
        !replay_first_use(worker->server->replay, token->keys.aes_key, token->valid,
                          io_wall_s(worker->loop))) {
        server_refused(worker, REFUSED_KEY_USED, &source->ip,
                       "the aes-gcm credential of %s was used before", token->hostname);
        io_close(stream);
        ticket_give_back(worker, ticket);
        snitun_token_clear(token);
        return;
    }
    if (best != worker && send_to(best, worker, stream, source, token, ticket))
        return;
    peer_begin(worker, stream, source, token, ticket);
    snitun_token_clear(token);
}
