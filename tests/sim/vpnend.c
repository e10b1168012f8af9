#include "tests/sim/vpnend.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char device_name[] = "adit0";
static const struct adit_ip nobody = {.family = 4, .bytes = {10, 66, 0, 1}};

enum {
    MTU = 1500,
    PEER_BYTES_MAX = 1024 * 1024, /* of buffers, for each connection: both ways */
    UNPROVEN_MAX = 8,
};

/* ---- The role ---- */

static void life_stopped(void *arg)
{
    party_stopped(arg);
}

static void *life_start(struct io_loop *loop, void *arg, struct life *life, char *why,
                        size_t why_len)
{
    struct vpnend *end = arg;
    struct vpn_config config = {
        .name = device_name,
        .kind = end->kind,
        .mtu = MTU,
        .addresses = &end->address,
        .address_count = 1,
        .secret = end->secret,
        .listen = &end->at,
        .listen_count = 1,
        .announce = end->networks,
        .announce_count = end->kind == IO_DEVICE_IP ? 2 : 0,
        .peers = end->peers,
        .peer_count = end->peer_count,
    };
    vpn_limits_default(&config.limits);
    return vpn_start(loop, &config, life_stopped, life, why, why_len);
}

static void life_stop(void *role)
{
    vpn_stop(role);
}

static void life_free(void *role)
{
    vpn_free(role);
}

static const struct party_ops ops = {
    .name = "vpn", .start = life_start, .stop = life_stop, .free = life_free};

static void draw(struct sim_world *world, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)sim_random_below(world, 256);
}

void vpnend_init(struct vpnend *end, struct sim_world *world, struct letters *letters,
                 unsigned number, enum io_device_kind kind)
{
    char name[16];
    char address[32];
    uint8_t n = (uint8_t)(number + 1);
    *end = (struct vpnend){.world = world, .letters = letters, .number = number, .kind = kind};
    snprintf(name, sizeof name, "end%u", n);
    snprintf(address, sizeof address, "192.0.2.%u", n + 10U);
    end->host = sim_host_new(world, name, address);
    end->at.port = VPNEND_PORT;
    (void)ip_parse(address, &end->at.ip);
    draw(world, end->secret, sizeof end->secret);
    (void)crypto_scalarmult_base(end->public_key, end->secret);
    end->tunnel = (struct adit_ip){.family = 4, .bytes = {10, 9, 0, n}};
    end->inside = (struct adit_ip){.family = 4, .bytes = {10, 20, n, 1}};
    end->networks[0] = (struct cidr){.ip = end->tunnel, .prefix_len = 32};
    end->networks[1] = (struct cidr){.ip = {.family = 4, .bytes = {10, 20, n}}, .prefix_len = 24};
    end->accepted[0] = (struct cidr){.ip = {.family = 4, .bytes = {10, 9}}, .prefix_len = 24};
    end->accepted[1] = (struct cidr){.ip = {.family = 4, .bytes = {10, 20}}, .prefix_len = 16};
    end->address = (struct io_device_address){.ip = end->tunnel, .prefix_len = 24};
    party_init(&end->party, end->host, &ops, end);
}

static struct vpn_peer_config *add_peer(struct vpnend *end, const struct vpnend *other)
{
    struct vpn_peer_config *peer = &end->peers[end->peer_count];
    struct cidr *allowed = &end->allowed[end->peer_count++];
    *allowed = other->networks[0];
    *peer = (struct vpn_peer_config){
        .keyed = true, .accept_routes = end->accepted, .accept_route_count = 2, .announce = true};
    snprintf(peer->name, sizeof peer->name, "end%u", other->number + 1);
    memcpy(peer->public_key, other->public_key, sizeof peer->public_key);
    if (end->kind == IO_DEVICE_IP) {
        peer->allowed = allowed;
        peer->allowed_count = 1;
    } else {
        peer->accept_route_count = 0;
        peer->announce = false;
    }
    return peer;
}

/* New keys under load: after a moment, or after some packets. */
static void draw_updates(struct sim_world *world, struct quicktun_options *options)
{
    options->update_after_ms = (uint32_t)sim_random_between(world, 500, 30000);
    options->update_after_bytes = sim_random_between(world, 5000, 5000000);
    options->pad_to = sim_chance(world, 3000) ? 64 : 0;
}

void vpnend_join(struct vpnend *dials, struct vpnend *listens, const struct addr *at)
{
    struct vpn_peer_config *peer = add_peer(dials, listens);
    ip_format(&at->ip, peer->host);
    peer->port = at->port;
    draw_updates(dials->world, &peer->options);
    draw_updates(dials->world, &add_peer(listens, dials)->options);
}

void vpnend_start(struct vpnend *end)
{
    party_start(&end->party);
}

/* ---- Its kernel ---- */

static void put_mac(uint8_t *at, unsigned number)
{
    memset(at, 0, 6);
    at[0] = 2;
    at[5] = (uint8_t)(number + 1);
}

static bool is_mine(const struct vpnend *end, const struct adit_ip *ip)
{
    return ip_equal(ip, &end->tunnel) || ip_equal(ip, &end->inside);
}

static bool has_route(const struct vpnend *end, struct io_device *device, const struct adit_ip *to)
{
    struct cidr network = {.ip = *to, .prefix_len = 24};
    network.ip.bytes[3] = 0;
    return to->bytes[1] == 9 || end->kind == IO_DEVICE_ETHERNET ||
           sim_device_has_route(device, &network);
}

static void take(struct vpnend *end, uint8_t *packet, size_t len)
{
    struct adit_ip to = letter_to(packet);
    if (is_mine(end, &to))
        end->got += letters_got(end->letters, packet, len) ? 1 : 0;
    else if (letter_hop(packet) && has_route(end, end->watched, &to))
        end->forwarded += sim_device_send(end->watched, packet, len, NULL) ? 1 : 0;
}

static void take_frame(struct vpnend *end, uint8_t *frame, size_t len)
{
    uint8_t mac[6];
    put_mac(mac, end->number);
    if (len <= VPNEND_FRAME_LEN)
        sim_fail(end->world, "a frame of %zu bytes", len);
    else if (memcmp(frame, mac, sizeof mac) == 0)
        take(end, frame + VPNEND_FRAME_LEN, len - VPNEND_FRAME_LEN);
}

void vpnend_turn(struct vpnend *end)
{
    uint8_t packet[IO_DEVICE_PACKET_MAX];
    struct offload offload;
    size_t len;
    end->watched = sim_host_device(end->host, device_name);
    while (end->watched != NULL &&
           (len = sim_device_receive(end->watched, packet, sizeof packet, &offload)) > 0) {
        if (offload.cut != OFFLOAD_WHOLE || offload.checksum)
            sim_fail(end->world, "a datagram came with work left to do");
        if (end->kind == IO_DEVICE_ETHERNET)
            take_frame(end, packet, len);
        else
            take(end, packet, len);
    }
}

bool vpnend_forge(struct vpnend *end, const struct vpnend *to, size_t len)
{
    uint8_t packet[LETTER_MAX];
    struct io_device *device = sim_host_device(end->host, device_name);
    if (device == NULL || end->kind != IO_DEVICE_IP)
        return false;
    size_t number = letters_write(end->letters, &nobody, &to->tunnel, packet, len);
    end->letters->all[number].forged = true;
    return sim_device_send(device, packet, len, NULL);
}

bool vpnend_send(struct vpnend *end, const struct vpnend *to, bool inside, size_t len,
                 size_t *number)
{
    uint8_t frame[VPNEND_FRAME_LEN + LETTER_MAX];
    struct io_device *device = sim_host_device(end->host, device_name);
    const struct adit_ip *address = inside ? &to->inside : &to->tunnel;
    if (device == NULL || !has_route(end, device, address))
        return false;
    size_t written =
        letters_write(end->letters, &end->tunnel, address, frame + VPNEND_FRAME_LEN, len);
    if (number != NULL)
        *number = written;
    if (end->kind == IO_DEVICE_IP)
        return sim_device_send(device, frame + VPNEND_FRAME_LEN, len, NULL);
    put_mac(frame, to->number);
    put_mac(frame + 6, end->number);
    frame[12] = 0x08;
    frame[13] = 0x00;
    return sim_device_send(device, frame, VPNEND_FRAME_LEN + len, NULL);
}

void vpnend_check(const struct vpnend *end)
{
    party_check_memory(&end->party, (end->peer_count + UNPROVEN_MAX) * PEER_BYTES_MAX);
}
