#include "tests/sim/gang.h"

#include "tests/sim/outlet.h"

#include <stdlib.h>

enum { WAIT_MS = 2000, VALID_S = 24 * 3600, AGAIN_PER_10000 = 1000 };

struct hideout {
    struct gang *gang;
    struct life *life;
    struct io_loop *loop;
    struct io_listener *listener; /* of a server */
    struct io_stream *calling;    /* of a client, until it is connected */
    struct io_timer next;
};

/* ---- A client ---- */

/* Of any cipher; aes-gcm tokens, which are good for one connection, are tried again at times. */
static void mint(struct gang *gang)
{
    struct sim_world *world = gang->villains.world;
    struct snitun_token token = {0};
    double now_s = sim_host_wall_s(gang->party.host);
    outlet_draw_keys(world, &token);
    token.keys.cipher = (enum snitun_cipher)sim_random_below(world, 3);
    token.valid = now_s + VALID_S;
    snprintf(token.hostname, sizeof token.hostname, "%s", gang->name);
    int error =
        snitun_token_mint(gang->villains.keyring, now_s, &token, outlet_random, world, gang->token);
    if (error != 0)
        sim_fail(world, "mint: %s", snitun_token_error_text(error));
    gang->keys = token.keys;
}

/* A server that starts again has forgotten which aes-gcm tokens were used. */
static bool may_try_again(const struct gang *gang)
{
    return gang->token[0] != '\0' &&
           !(gang->villains.unsettled && gang->keys.cipher == SNITUN_AES_GCM);
}

static void on_connected(void *arg)
{
    struct hideout *hideout = arg;
    struct gang *gang = hideout->gang;
    struct io_stream *stream = hideout->calling;
    hideout->calling = NULL;
    if (!may_try_again(gang) || !sim_chance(gang->villains.world, AGAIN_PER_10000))
        mint(gang);
    villain_claim(&gang->villains, stream, gang->token, &gang->keys);
}

static void on_nothing(void *arg)
{
    (void)arg;
}

static void on_failed(void *arg, int error)
{
    struct hideout *hideout = arg;
    (void)error;
    io_abort(hideout->calling);
    hideout->calling = NULL;
}

static const struct io_stream_handler call_handler = {
    .connected = on_connected, .readable = on_nothing, .sent = on_nothing, .failed = on_failed};

static void call(void *arg)
{
    struct hideout *hideout = arg;
    struct gang *gang = hideout->gang;
    int error;
    if (hideout->calling == NULL && list_empty(&gang->villains.open))
        hideout->calling = io_connect(hideout->loop, &gang->at, &call_handler, hideout, &error);
    io_timer_set_in(&hideout->next, sim_random_below(gang->villains.world, WAIT_MS));
}

/* ---- A server ---- */

static void accepted(void *arg, struct io_stream *stream)
{
    struct hideout *hideout = arg;
    villain_serve(&hideout->gang->villains, stream);
}

static void exhausted(void *arg, int error)
{
    struct hideout *hideout = arg;
    sim_fail(hideout->gang->villains.world, "gang: %s", io_error_text(error));
}

static const struct io_listener_handler listener_handler = {.accepted = accepted,
                                                            .exhausted = exhausted};

/* ---- Both ---- */

static void *life_start(struct io_loop *loop, void *arg, struct life *life, char *why,
                        size_t why_len)
{
    struct gang *gang = arg;
    struct hideout *hideout = calloc(1, sizeof *hideout);
    int error = 0;
    if (hideout == NULL)
        abort();
    *hideout = (struct hideout){.gang = gang, .life = life, .loop = loop};
    io_timer_init(&hideout->next, loop, call, hideout);
    if (gang->role == SNITUN_CLIENT)
        call(hideout);
    else
        hideout->listener = io_listen(loop, &gang->at, &listener_handler, hideout, &error);
    if (error == 0)
        return hideout;
    snprintf(why, why_len, "%s", io_error_text(error));
    free(hideout);
    return NULL;
}

static void life_stop(void *role)
{
    struct hideout *hideout = role;
    io_timer_stop(&hideout->next);
    if (hideout->calling != NULL)
        io_abort(hideout->calling);
    hideout->calling = NULL;
    if (hideout->listener != NULL)
        io_listener_close(hideout->listener);
    hideout->listener = NULL;
    villains_abort(&hideout->gang->villains, hideout->loop);
    party_stopped(hideout->life);
}

static void life_free(void *role)
{
    free(role);
}

static const struct party_ops ops = {
    .name = "gang", .start = life_start, .stop = life_stop, .free = life_free};

void gang_start(struct gang *gang, struct sim_host *host, const struct snitun_keyring *keyring,
                enum snitun_role role, const struct addr *at, const char *name)
{
    *gang = (struct gang){.role = role, .at = *at, .name = name};
    villains_init(&gang->villains, sim_host_world(host), keyring);
    party_init(&gang->party, host, &ops, gang);
    party_start(&gang->party);
}

void gang_stop(struct gang *gang)
{
    party_stop(&gang->party);
}

void gang_end(struct gang *gang)
{
    villains_end(&gang->villains);
}
