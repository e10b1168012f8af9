#include "vpn_ends.h"

#include "lib/packet/checksum.h"

#include <stdio.h>

static void remember(struct io_loop *loop, void *arg)
{
    ((struct end *)arg)->loop = loop;
}

static void configure(struct ends *ends, size_t which)
{
    struct end *end = &ends->all[which];
    struct quicktun_context *context;
    memset(end->secret, 0x10 + (int)which, sizeof end->secret);
    context = quicktun_context_new(end->secret, io_random_fn, end->loop);
    assert_non_null(context);
    memcpy(end->public_key, quicktun_context_public(context), sizeof end->public_key);
    quicktun_context_free(context);
    end->address = (struct io_device_address){
        .ip = {.family = 4, .bytes = {10, 9, 0, (uint8_t)(which + 1)}}, .prefix_len = 24};
    end->listen = (struct addr){.ip = {.family = 4}, .port = END_PORT};
    end->config = (struct vpn_config){.name = "adit0",
                                      .kind = IO_DEVICE_IP,
                                      .mtu = 1500,
                                      .addresses = &end->address,
                                      .address_count = 1,
                                      .secret = end->secret,
                                      .listen = &end->listen,
                                      .listen_count = which == 0,
                                      .peers = end->peers};
    vpn_limits_default(&end->config.limits);
}

static void introduce(struct end *end, const struct end *other, size_t number, bool dial)
{
    size_t at = end->config.peer_count++;
    struct vpn_peer_config *peer = &end->peers[at];
    *peer = (struct vpn_peer_config){.keyed = true, .allowed = end->allowed[at]};
    snprintf(peer->name, sizeof peer->name, "end%zu", number);
    memcpy(peer->public_key, other->public_key, sizeof peer->public_key);
    peer->options.segmented = true;
    peer->allowed_count = 1;
    if (dial) {
        snprintf(peer->host, sizeof peer->host, "192.0.2.1");
        peer->port = END_PORT;
        assert_true(cidr_parse("10.9.0.0/24", &peer->allowed[0]));
    } else {
        peer->allowed[0] = (struct cidr){.ip = other->address.ip, .prefix_len = 32};
    }
}

void ends_open(struct ends *ends, size_t count)
{
    struct sim_access access = {.latency_us = 5000};
    *ends = (struct ends){.world = sim_world_new(1), .count = count};
    for (size_t i = 0; i < count; i++) {
        char name[32];
        char address[32];
        struct end *end = &ends->all[i];
        snprintf(name, sizeof name, "end%zu", i);
        snprintf(address, sizeof address, "192.0.2.%zu", i + 1);
        end->host = sim_host_new(ends->world, name, address);
        sim_host_set_access(end->host, &access);
        sim_host_set_buffers(end->host, 65536, 65536);
        end->process = sim_host_start(end->host, remember, end);
    }
    ends_run_ms(ends, 1);
    for (size_t i = 0; i < count; i++)
        configure(ends, i);
    for (size_t i = 1; i < count; i++) {
        introduce(&ends->all[0], &ends->all[i], i, false);
        introduce(&ends->all[i], &ends->all[0], 0, true);
    }
}

/* ---- Acting on an end ---- */

void ends_on(struct ends *ends, size_t which, void (*fn)(struct io_loop *loop, void *arg),
             void *arg)
{
    assert_true(sim_process_call_wait(ends->all[which].process, fn, arg));
}

void ends_run_ms(struct ends *ends, uint64_t ms)
{
    (void)sim_run(ends->world, sim_now_us(ends->world) + ms * 1000, NULL, NULL);
}

static void on_stopped(void *arg)
{
    struct end *end = arg;
    end->stopped = true;
    vpn_free(end->vpn);
    end->vpn = NULL;
}

static void start(struct io_loop *loop, void *arg)
{
    struct end *end = arg;
    end->stopped = false;
    end->vpn = vpn_start(loop, &end->config, on_stopped, end, end->why, sizeof end->why);
}

bool ends_start(struct ends *ends, size_t which)
{
    ends_on(ends, which, start, &ends->all[which]);
    return ends->all[which].vpn != NULL;
}

void ends_start_all(struct ends *ends)
{
    for (size_t i = 0; i < ends->count; i++)
        if (!ends_start(ends, i))
            fail_msg("end %zu: %s", i, ends->all[i].why);
}

static void stop(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct end *end = arg;
    vpn_stop(end->vpn);
}

void ends_stop(struct ends *ends, size_t which)
{
    struct end *end = &ends->all[which];
    ends_on(ends, which, stop, end);
    ends_run_ms(ends, 10);
    assert_true(end->stopped);
    assert_null(end->vpn);
}

void ends_close(struct ends *ends)
{
    char why[256];
    for (size_t i = 0; i < ends->count; i++)
        if (ends->all[i].vpn != NULL)
            ends_stop(ends, i);
    ends_run_ms(ends, 200000);
    for (size_t i = 0; i < ends->count; i++) {
        struct sim_process *process = ends->all[i].process;
        if (sim_process_leaks(process, why, sizeof why) > 0)
            fail_msg("end %zu left: %s", i, why);
        sim_process_end(process);
    }
    sim_world_free(ends->world);
}

/* ---- Status ---- */

struct question {
    struct vpn *vpn;
    json_t *status;
};

static void ask(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct question *question = arg;
    question->status = vpn_status(question->vpn);
}

/* The value at a path with dots, borrowed from the status, which the caller releases. */
static const json_t *find(struct ends *ends, size_t which, const char *path, json_t **status)
{
    struct question question = {.vpn = ends->all[which].vpn};
    char key[64];
    assert_non_null(question.vpn);
    ends_on(ends, which, ask, &question);
    assert_non_null(question.status);
    *status = question.status;
    const json_t *at = question.status;
    while (at != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)len, path);
        at = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10))
                               : json_object_get(at, key);
        path += len + (path[len] == '.');
    }
    return at;
}

json_int_t ends_number(struct ends *ends, size_t which, const char *path)
{
    json_t *status;
    const json_t *value = find(ends, which, path, &status);
    json_int_t number = json_integer_value(value);
    json_decref(status);
    return number;
}

bool ends_text_is(struct ends *ends, size_t which, const char *path, const char *expected)
{
    json_t *status;
    const json_t *value = find(ends, which, path, &status);
    bool same = json_is_string(value) && strcmp(json_string_value(value), expected) == 0;
    json_decref(status);
    return same;
}

/* Is this peer, by its name, connected at this end? */
static bool is_connected(struct ends *ends, size_t which, size_t peer)
{
    char path[40];
    size_t at = which == 0 ? peer - 1 : 0;
    snprintf(path, sizeof path, "peers.%zu.state", at);
    return ends_text_is(ends, which, path, "connected");
}

bool ends_connected(struct ends *ends, size_t a, size_t b)
{
    for (int i = 0; i < 600; i++) {
        if (is_connected(ends, a, b) && is_connected(ends, b, a))
            return true;
        ends_run_ms(ends, 100);
    }
    return false;
}

void ends_connect_all(struct ends *ends)
{
    ends_start_all(ends);
    for (size_t i = 1; i < ends->count; i++)
        assert_true(ends_connected(ends, 0, i));
}

/* ---- Packets ---- */

struct io_device *ends_device(const struct ends *ends, size_t which)
{
    struct io_device *device = sim_host_device(ends->all[which].host, "adit0");
    assert_non_null(device);
    return device;
}

size_t ends_packet(uint8_t *out, unsigned from, unsigned to, size_t payload_len, uint8_t fill)
{
    size_t len = PACKET_IPV4_LEN + PACKET_UDP_LEN + payload_len;
    struct packet packet;
    uint8_t header[PACKET_IPV4_LEN + PACKET_UDP_LEN] = {0x45,
                                                        0,
                                                        (uint8_t)(len >> 8),
                                                        (uint8_t)len,
                                                        0,
                                                        0,
                                                        0,
                                                        0,
                                                        64,
                                                        PACKET_PROTOCOL_UDP,
                                                        0,
                                                        0,
                                                        10,
                                                        9,
                                                        0,
                                                        (uint8_t)from,
                                                        10,
                                                        9,
                                                        0,
                                                        (uint8_t)to,
                                                        0x10,
                                                        0,
                                                        0x20,
                                                        0,
                                                        (uint8_t)((len - PACKET_IPV4_LEN) >> 8),
                                                        (uint8_t)(len - PACKET_IPV4_LEN)};
    memcpy(out, header, sizeof header);
    memset(out + sizeof header, fill, payload_len);
    packet_checksum_ipv4(out, PACKET_IPV4_LEN);
    assert_true(packet_parse(&packet, PACKET_IP, out, len));
    packet_checksum_transport(&packet, out + PACKET_IPV4_LEN, len - PACKET_IPV4_LEN);
    return len;
}

void ends_send(struct ends *ends, size_t which, const uint8_t *packet, size_t len)
{
    assert_true(sim_device_send(ends_device(ends, which), packet, len, NULL));
}

struct arrival {
    struct io_device *device;
    uint8_t bytes[IO_DEVICE_PACKET_MAX];
    struct offload offload;
    size_t len;
};

static bool has_arrived(void *arg)
{
    struct arrival *arrival = arg;
    if (arrival->len == 0)
        arrival->len = sim_device_receive(arrival->device, arrival->bytes, sizeof arrival->bytes,
                                          &arrival->offload);
    return arrival->len > 0;
}

void ends_expect(struct ends *ends, size_t which, const uint8_t *packet, size_t len)
{
    static struct arrival arrival;
    arrival.device = ends_device(ends, which);
    arrival.len = 0;
    (void)sim_run(ends->world, sim_now_us(ends->world) + END_SECOND_US, has_arrived, &arrival);
    assert_int_equal(arrival.len, len);
    assert_memory_equal(arrival.bytes, packet, len);
}

void ends_expect_nothing(struct ends *ends, size_t which)
{
    static struct arrival arrival;
    arrival.device = ends_device(ends, which);
    arrival.len = 0;
    ends_run_ms(ends, 1000);
    assert_false(has_arrived(&arrival));
}

void ends_expect_pass(struct ends *ends, size_t from, size_t to)
{
    uint8_t packet[200];
    size_t len = ends_packet(packet, (unsigned)from + 1, (unsigned)to + 1, 100, 'p');
    ends_send(ends, from, packet, len);
    ends_expect(ends, to, packet, len);
}
