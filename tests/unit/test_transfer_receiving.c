/*
 * A receiver whose disk is full just when its client stops: what waited behind the step that
 * failed is not done any more. And one whose places a user would like to have for itself.
 */
#include "io/dial.h"
#include "roles/transfer/carrier.h"
#include "roles/transfer/context.h"
#include "roles/transfer/receive.h"
#include "roles/transfer/send.h"
#include "sim_pair.h"

#include <sodium.h>
#include <stdio.h>

enum {
    SEEDS = 100,
    FILES = 24,
    FILE_LEN = 20 * 1000,
    PORT = 5555,
    LATEST_MS = 20000,
    END_MS = 60000
};

static const char part_prefix[] = ".adit-part-";

struct exchange {
    struct pair pair;
    struct sodiumtcp_keypair keys;
    struct addr listen;
    struct receive *receive;
    struct send *send;
    bool stopped;
    bool done;
    uint8_t bytes[FILE_LEN];
};

static void receive_stopped(void *arg)
{
    struct exchange *exchange = arg;
    exchange->stopped = true;
}

static void start_receiver(struct io_loop *loop, void *arg)
{
    struct exchange *exchange = arg;
    char why[256];
    const struct receive_config config = {.listen = &exchange->listen,
                                          .listen_count = 1,
                                          .pair = exchange->keys,
                                          .users_file = "/etc/users",
                                          .seen_file = "/var/seen",
                                          .into = "/in",
                                          .window = SODIUMTCP_WINDOW_MIN,
                                          .umask = 022};
    exchange->receive = receive_start(loop, &config, receive_stopped, exchange, why, sizeof why);
    assert_non_null(exchange->receive);
}

static void left_out(void *arg, const char *root, const char *path, const char *why, bool failed)
{
    (void)arg, (void)root, (void)path, (void)why, (void)failed;
}

static void send_done(void *arg, const char *why)
{
    struct exchange *exchange = arg;
    (void)why;
    exchange->done = true;
}

static void start_sender(struct io_loop *loop, void *arg)
{
    static const char *const paths[] = {"/src"};
    static const struct send_handler handler = {left_out, send_done};
    struct exchange *exchange = arg;
    struct send_config config = {.port = PORT,
                                 .login = "alice",
                                 .passphrase = "secret",
                                 .paths = paths,
                                 .path_count = 1,
                                 .exists = SODIUMTCP_RESUME,
                                 .connect_ms = 30000};
    ip_format(&exchange->listen.ip, config.host);
    memcpy(config.server_key, exchange->keys.public_key, sizeof config.server_key);
    exchange->send = send_start(loop, &config, &handler, exchange);
    assert_non_null(exchange->send);
}

static void stop_sender(struct io_loop *loop, void *arg)
{
    struct exchange *exchange = arg;
    (void)loop;
    if (!exchange->done)
        send_stop(exchange->send);
}

static void stop_receiver(struct io_loop *loop, void *arg)
{
    struct exchange *exchange = arg;
    (void)loop;
    receive_stop(exchange->receive);
}

static void free_sender(struct io_loop *loop, void *arg)
{
    struct exchange *exchange = arg;
    (void)loop;
    send_free(exchange->send);
}

static void free_receiver(struct io_loop *loop, void *arg)
{
    struct exchange *exchange = arg;
    (void)loop;
    receive_free(exchange->receive);
}

static void lay_out(struct exchange *exchange)
{
    char hash[crypto_pwhash_STRBYTES];
    char lines[2 * (crypto_pwhash_STRBYTES + 16)];
    char path[64];
    assert_true(sodium_init() >= 0);
    assert_int_equal(crypto_pwhash_str_alg(hash, "secret", strlen("secret"),
                                           crypto_pwhash_OPSLIMIT_MIN, crypto_pwhash_MEMLIMIT_MIN,
                                           crypto_pwhash_ALG_ARGON2ID13),
                     0);
    int len = snprintf(lines, sizeof lines, "alice:%s::\nbob:%s::\n", hash, hash);
    sim_disk_put(exchange->pair.hosts[1], "/etc/users", lines, (size_t)len, 0600);
    sim_tree_put(exchange->pair.hosts[1], "/var", NULL, 0);
    sim_tree_put(exchange->pair.hosts[1], "/in", NULL, 0);
    memset(exchange->bytes, 'a', sizeof exchange->bytes);
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "/src/file-%02d", i);
        sim_tree_put(exchange->pair.hosts[0], path, exchange->bytes, sizeof exchange->bytes);
    }
    memset(exchange->keys.secret_key, 7, sizeof exchange->keys.secret_key);
    crypto_scalarmult_base(exchange->keys.public_key, exchange->keys.secret_key);
}

/* The receiver's names, but for parts, stand for whole files; how many there are. */
static size_t count_whole(struct exchange *exchange)
{
    const char *name = NULL;
    char path[512];
    size_t count = 0;
    while ((name = sim_tree_next(exchange->pair.hosts[1], "/in/src", name)) != NULL) {
        size_t len = 0;
        if (strncmp(name, part_prefix, strlen(part_prefix)) == 0)
            continue;
        snprintf(path, sizeof path, "/in/src/%s", name);
        const void *bytes = sim_tree_get(exchange->pair.hosts[1], path, &len);
        assert_int_equal(len, sizeof exchange->bytes);
        assert_memory_equal(bytes, exchange->bytes, len);
        count++;
    }
    return count;
}

/* The disk is full from a moment on, and the sender stops at it. Returns how many files came. */
static size_t stop_on_a_full_disk(uint64_t seed)
{
    static struct exchange exchange;
    memset(&exchange, 0, sizeof exchange);
    struct pair *pair = &exchange.pair;
    const struct sim_weather slow = {.slow_helper = 10000};
    const struct sim_weather full = {.slow_helper = 10000, .disk_full = 10000};
    pair_open(pair, seed);
    exchange.listen = (struct addr){.port = PORT};
    assert_true(ip_parse("192.0.2.2", &exchange.listen.ip));
    lay_out(&exchange);
    pair_on(pair, 1, start_receiver, &exchange);
    size_t files = sim_process_files(pair->processes[1]);
    sim_set_weather(pair->world, &slow);
    pair_on(pair, 0, start_sender, &exchange);
    pair_run_ms(pair, sim_random_below(pair->world, LATEST_MS));
    sim_set_weather(pair->world, &full);
    pair_on(pair, 0, stop_sender, &exchange);
    pair_run_ms(pair, END_MS);
    assert_true(exchange.done);
    size_t whole = count_whole(&exchange);
    assert_int_equal(sim_process_files(pair->processes[1]), files);
    pair_on(pair, 0, free_sender, &exchange);
    pair_on(pair, 1, stop_receiver, &exchange);
    pair_run_ms(pair, END_MS);
    assert_true(exchange.stopped);
    pair_on(pair, 1, free_receiver, &exchange);
    pair_close(pair);
    return whole;
}

static void nothing_is_done_behind_a_step_that_failed(void **state)
{
    (void)state;
    size_t some = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        some += stop_on_a_full_disk(seed) > 0 ? 1 : 0;
    assert_in_range(some, 1, SEEDS - 1);
}

/* ---- Clients that are let in and stay ---- */

struct guest {
    const char *login;
    struct exchange *exchange;
    struct context *context;
    struct carrier carrier;
    bool in;
    bool over;
};

static void guest_event(void *arg, const struct sodiumtcp_event *event)
{
    struct guest *guest = arg;
    guest->in = guest->in || event->type == SODIUMTCP_READY;
}

static void guest_room(void *arg)
{
    (void)arg;
}

static void guest_ended(void *arg, const char *why, bool closed)
{
    struct guest *guest = arg;
    (void)why, (void)closed;
    guest->over = true;
}

static void guest_dialled(void *arg, int error, struct io_stream *stream)
{
    static const struct carrier_handler handler = {
        .event = guest_event, .room = guest_room, .ended = guest_ended};
    struct guest *guest = arg;
    struct sodiumtcp_session *session = NULL;
    struct io_loop *loop = guest->exchange->pair.loops[0];
    assert_int_equal(error, 0);
    assert_int_equal(sodiumtcp_client_new(guest->context->engine, guest->exchange->keys.public_key,
                                          guest->login, "secret", NULL, io_now_ms(loop), &session),
                     0);
    assert_true(carrier_init(&guest->carrier, loop, stream, session, false, &handler, guest));
}

static void call(struct io_loop *loop, void *arg)
{
    struct guest *guest = arg;
    char host[IP_TEXT_MAX];
    ip_format(&guest->exchange->listen.ip, host);
    assert_non_null(io_dial(loop, host, PORT, END_MS, guest_dialled, guest));
}

/* True when it is let in. */
static bool visit(struct guest *guest, const char *login)
{
    guest->login = login;
    pair_on(&guest->exchange->pair, 0, call, guest);
    for (unsigned ms = 0; !guest->in && !guest->over && ms < END_MS; ms++)
        pair_run_ms(&guest->exchange->pair, 1);
    return guest->in;
}

static void leave(struct io_loop *loop, void *arg)
{
    (void)loop;
    carrier_clear(&((struct guest *)arg)->carrier);
}

static void open_context(struct io_loop *loop, void *arg)
{
    assert_true(context_init(arg, loop));
}

static void one_user_leaves_places_for_others(void **state)
{
    (void)state;
    enum { GUESTS = RECEIVE_USER_CONNECTIONS_MAX + 2 };
    static struct exchange exchange;
    static struct guest guests[GUESTS];
    static struct context context;
    struct pair *pair = &exchange.pair;
    pair_open(pair, 1);
    exchange.listen = (struct addr){.port = PORT};
    assert_true(ip_parse("192.0.2.2", &exchange.listen.ip));
    lay_out(&exchange);
    pair_on(pair, 1, start_receiver, &exchange);
    pair_on(pair, 0, open_context, &context);
    for (size_t i = 0; i < GUESTS; i++)
        guests[i] = (struct guest){.exchange = &exchange, .context = &context};
    for (size_t i = 0; i < RECEIVE_USER_CONNECTIONS_MAX; i++)
        assert_true(visit(&guests[i], "alice"));
    assert_false(visit(&guests[GUESTS - 2], "alice"));
    assert_true(visit(&guests[GUESTS - 1], "bob"));
    for (size_t i = 0; i < GUESTS; i++)
        pair_on(pair, 0, leave, &guests[i]);
    context_clear(&context);
    pair_on(pair, 1, stop_receiver, &exchange);
    pair_run_ms(pair, END_MS);
    assert_true(exchange.stopped);
    pair_on(pair, 1, free_receiver, &exchange);
    pair_close(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_user_leaves_places_for_others),
        cmocka_unit_test(nothing_is_done_behind_a_step_that_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
