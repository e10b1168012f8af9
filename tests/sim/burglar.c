#include "tests/sim/burglar.h"

#include "roles/transfer/context.h"

#include <stdlib.h>
#include <string.h>

enum {
    WAIT_MAX_MS = 5000,
    STAY_MS = 20 * 1000,
    READ_LEN = 1024,
    STRANGER_PER_10000 = 100, /* a hash of full strength is computed for one who is unknown */
};

const char *const burglar_deed_names[BURGLAR_DEEDS + 1] = {"guessed", "replayed", NULL};

/* Nearly right. */
static const char *const passphrases[] = {"Secret", "secre", "secrets", ""};

struct role {
    struct burglar *burglar;
    struct life *life;
    struct io_loop *loop;
    struct context context;
    struct io_timer next;
    struct io_timer leave;
    struct io_stream *stream;
    enum burglar_deed deed;
    uint8_t login[SODIUMTCP_CONTROL_ROOM];
    size_t login_len;
};

/* ---- What he has heard ---- */

static struct burglar_heard *heard_on(struct burglar *burglar, uint64_t conn)
{
    for (size_t i = 0; i < BURGLAR_HEARD_MAX; i++)
        if (burglar->heard[i].conn == conn)
            return &burglar->heard[i];
    return NULL;
}

static void overhear(void *arg, const struct sim_sight *sight)
{
    struct burglar *burglar = arg;
    struct burglar_heard *heard = heard_on(burglar, sight->conn);
    bool to_server = addr_equal(&sight->to, &burglar->at);
    const struct adit_ip *client = to_server ? &sight->from.ip : &sight->to.ip;
    if ((!to_server && !addr_equal(&sight->from, &burglar->at)) || ip_equal(client, &burglar->ip))
        return;
    if (!to_server) {
        if (heard != NULL)
            heard->answered = true;
        return;
    }
    if (heard == NULL) {
        heard = &burglar->heard[burglar->heard_count++ % BURGLAR_HEARD_MAX];
        *heard = (struct burglar_heard){.conn = sight->conn};
    }
    size_t room = sizeof heard->bytes - heard->len;
    size_t len = sight->len < room ? sight->len : room;
    memcpy(heard->bytes + heard->len, sight->bytes, len);
    heard->len += len;
}

/* ---- What he says ---- */

static void guess(struct role *role)
{
    struct sim_world *world = role->burglar->world;
    const char *passphrase =
        passphrases[sim_random_below(world, sizeof passphrases / sizeof *passphrases)];
    bool known = !sim_chance(world, STRANGER_PER_10000);
    struct sodiumtcp_session *session;
    uint64_t now_ms = io_now_ms(role->loop);
    if (sodiumtcp_client_new(role->context.engine, role->burglar->server_key,
                             known ? "alice" : "bob", known ? passphrase : "secret", NULL, now_ms,
                             &session) != 0)
        abort();
    long len = sodiumtcp_control(session, now_ms, (struct sodiumtcp_wall){0}, role->login,
                                 sizeof role->login);
    role->login_len = len > 0 ? (size_t)len : 0;
    sodiumtcp_session_free(session);
    role->deed = BURGLAR_GUESSED;
}

static bool replay(struct role *role)
{
    struct burglar *burglar = role->burglar;
    const struct burglar_heard *heard =
        &burglar->heard[sim_random_below(burglar->world, BURGLAR_HEARD_MAX)];
    if (!heard->answered || heard->len < sizeof heard->bytes)
        return false;
    memcpy(role->login, heard->bytes, sizeof heard->bytes);
    role->login_len = sizeof heard->bytes;
    role->deed = BURGLAR_REPLAYED;
    return true;
}

/* ---- The call ---- */

static void hang_up(struct role *role)
{
    if (role->stream != NULL)
        io_abort(role->stream);
    role->stream = NULL;
    io_timer_stop(&role->leave);
}

static void on_connected(void *arg)
{
    struct role *role = arg;
    sim_tally(role->burglar->world, role->deed);
    (void)io_send(role->stream, role->login, role->login_len);
}

static void on_readable(void *arg)
{
    struct role *role = arg;
    uint8_t bytes[READ_LEN];
    ssize_t got = io_read(role->stream, bytes, sizeof bytes);
    if (got == IO_AGAIN)
        return;
    if (got > 0)
        sim_fail(role->burglar->world, "%zd bytes were said to a login that was %s", got,
                 burglar_deed_names[role->deed]);
    hang_up(role);
}

static void on_sent(void *arg)
{
    (void)arg;
}

static void on_failed(void *arg, int error)
{
    (void)error;
    hang_up(arg);
}

static const struct io_stream_handler handler = {
    .connected = on_connected, .readable = on_readable, .sent = on_sent, .failed = on_failed};

static void on_leave(void *arg)
{
    hang_up(arg);
}

static void on_next(void *arg)
{
    struct role *role = arg;
    struct sim_world *world = role->burglar->world;
    int error;
    io_timer_set_in(&role->next, sim_random_below(world, WAIT_MAX_MS));
    if (role->stream != NULL)
        return;
    if (!sim_chance(world, 5000) || !replay(role))
        guess(role);
    role->stream = io_connect(role->loop, &role->burglar->at, &handler, role, &error);
    io_timer_set_in(&role->leave, STAY_MS);
}

/* ---- A party ---- */

static void *life_start(struct io_loop *loop, void *arg, struct life *life, char *why,
                        size_t why_len)
{
    struct role *role = calloc(1, sizeof *role);
    (void)why, (void)why_len;
    if (role == NULL)
        abort();
    *role = (struct role){.burglar = arg, .life = life, .loop = loop};
    if (!context_init(&role->context, loop))
        abort();
    io_timer_init(&role->next, loop, on_next, role);
    io_timer_init(&role->leave, loop, on_leave, role);
    io_timer_set_in(&role->next, 0);
    return role;
}

static void life_stop(void *arg)
{
    struct role *role = arg;
    io_timer_stop(&role->next);
    hang_up(role);
    party_stopped(role->life);
}

static void life_free(void *arg)
{
    struct role *role = arg;
    context_clear(&role->context);
    free(role);
}

static const struct party_ops ops = {
    .name = "burglar", .start = life_start, .stop = life_stop, .free = life_free};

void burglar_start(struct burglar *burglar, struct sim_world *world, const char *address,
                   const struct addr *at, const uint8_t server_key[SODIUMTCP_KEY_LEN])
{
    *burglar = (struct burglar){.world = world, .at = *at};
    memcpy(burglar->server_key, server_key, sizeof burglar->server_key);
    (void)ip_parse(address, &burglar->ip);
    party_init(&burglar->party, sim_host_new(world, "burglar", address), &ops, burglar);
    sim_watch(world, overhear, burglar);
    party_start(&burglar->party);
}

void burglar_stop(struct burglar *burglar)
{
    sim_watch(burglar->world, NULL, NULL);
    party_stop(&burglar->party);
}
