/* Channels that are joined to the endpoint, in a simulated network; the tunnel is the test's. */
#include "roles/publish/internal.h"
#include "sim_pair.h"

#include <stdio.h>

enum { CHANNELS = 8 };

struct tunnel_channel {
    struct adit_ip caller;
    void *user;
    struct io_stream *stream;
    bool refused;
};

static struct pair pair;
static struct publish publish;
static struct tunnel_channel channels[CHANNELS];
static size_t channel_count;
static unsigned lookups;

/* ---- What is called instead (--wrap) ---- */

const struct adit_ip *__wrap_tunnel_channel_caller(const struct tunnel_channel *channel);
void *__wrap_tunnel_channel_user(const struct tunnel_channel *channel);
void __wrap_tunnel_channel_set_user(struct tunnel_channel *channel, void *user);
void __wrap_tunnel_attach(struct tunnel_channel *channel, struct io_stream *endpoint);
void __wrap_tunnel_refuse(struct tunnel_channel *channel);
struct io_lookup *__wrap_io_lookup(struct io_loop *loop, const char *host, uint16_t port,
                                   io_lookup_fn *done, void *arg);
struct io_lookup *__real_io_lookup(struct io_loop *loop, const char *host, uint16_t port,
                                   io_lookup_fn *done, void *arg);

const struct adit_ip *__wrap_tunnel_channel_caller(const struct tunnel_channel *channel)
{
    return &channel->caller;
}

void *__wrap_tunnel_channel_user(const struct tunnel_channel *channel)
{
    return channel->user;
}

void __wrap_tunnel_channel_set_user(struct tunnel_channel *channel, void *user)
{
    channel->user = user;
}

void __wrap_tunnel_attach(struct tunnel_channel *channel, struct io_stream *endpoint)
{
    channel->stream = endpoint;
    io_close(endpoint);
}

void __wrap_tunnel_refuse(struct tunnel_channel *channel)
{
    channel->refused = true;
}

struct io_lookup *__wrap_io_lookup(struct io_loop *loop, const char *host, uint16_t port,
                                   io_lookup_fn *done, void *arg)
{
    lookups++;
    return __real_io_lookup(loop, host, port, done, arg);
}

/* ---- What happens to it ---- */

static void open_channel(struct io_loop *loop, void *arg)
{
    publish.loop = loop;
    endpoint_open(&publish, arg);
}

static bool is_decided(void *arg)
{
    const struct tunnel_channel *channel = arg;
    return channel->stream != NULL || channel->refused;
}

/* Opens a channel and waits for its endpoint; whether there is one. */
static bool call(void)
{
    struct tunnel_channel *channel = &channels[channel_count++];
    pair_on(&pair, 0, open_channel, channel);
    assert_true(sim_run(pair.world, sim_now_us(pair.world) + 60 * (uint64_t)SIM_SECOND_US,
                        is_decided, channel));
    return channel->stream != NULL;
}

static void name_is_at(const char *address)
{
    sim_name_set(pair.world, "home.example", &address, 1);
}

static int setup(void **state)
{
    (void)state;
    publish = (struct publish){
        .config = {.to_host = "home.example", .to_port = 80, .endpoint_connect_ms = 10000}};
    memset(channels, 0, sizeof channels);
    channel_count = 0;
    lookups = 0;
    pair_open(&pair, 1);
    name_is_at("192.0.2.2");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pair_run_ms(&pair, 200000);
    if (pair.far.stream != NULL)
        side_abort(&pair, &pair.far);
    pair_close(&pair);
    return 0;
}

/* ---- Tests ---- */

static void callers_of_the_next_5_s_need_no_look_up(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_true(call());
        pair_run_ms(&pair, 1000);
    }
    assert_int_equal(lookups, 1);
    pair_run_ms(&pair, IO_DIAL_REMEMBER_MS);
    assert_true(call());
    assert_int_equal(lookups, 2);
    assert_int_equal(publish.counters.channels, 4);
    assert_int_equal(publish.counters.endpoint_failures, 0);
}

static void an_endpoint_that_has_moved_is_found_at_once(void **state)
{
    (void)state;
    assert_true(call());
    sim_host_add_address(pair.hosts[0], "192.0.2.9");
    name_is_at("192.0.2.9"); /* where nobody listens: refused */
    pair_run_ms(&pair, IO_DIAL_REMEMBER_MS);
    assert_false(call());
    name_is_at("192.0.2.2");
    assert_true(call());
    assert_int_equal(publish.counters.endpoint_failures, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(callers_of_the_next_5_s_need_no_look_up),
        TEST(an_endpoint_that_has_moved_is_found_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
