/*
 * The VPN's role, in a simulated world with a device, and two peers who have their keys: each has
 * an engine of its own for handshake and encryption, and says in its tunnel what the input has:
 * packets and frames, segmented or in batches, network configurations, routes, any command.
 * Input: two bytes of options, how many bytes come at once (1), then steps.
 * What holds of every input: a packet reaches the device only from a source that a peer may have,
 * and with an offload that the packet can have; at the end nothing is left.
 */
#include "io/offload.h"
#include "lib/packet/checksum.h"
#include "lib/quicktun/codes.h"
#include "lib/quicktun/messages.h"
#include "lib/quicktun/send.h"
#include "roles/vpn/vpn.h"
#include "tests/fuzz/stage.h"
#include "tests/unit/packet_maker.h"

enum { PEERS = 2, PORT = 2998, STEPS_MAX = 200, WIRE_ROOM = 128 * 1024 };

struct talker {
    struct voice voice;
    struct quicktun_context *context;
    struct quicktun_session *session;
    struct quicktun_wire wire;
    bool broken; /* its engine has ended */
    bool waits;  /* the role dials it */
    unsigned calls;
};

static struct stage stage;
static struct vpn *vpn;
static struct talker talkers[PEERS];
static struct cursor input;
static struct vpn_config config;
static struct vpn_peer_config peers[PEERS];
static struct cidr allowed[PEERS][2];
static struct cidr accepted[2];
static struct cidr announced;
static struct quicktun_options talk_options;
static uint8_t wire_bytes[PEERS][WIRE_ROOM];
static size_t piece;

/* Their addresses end so; packet_make() sends everything to 250, which is the second one's. */
static const uint8_t hosts[PEERS] = {2, 128};

/* ---- The peers' engines ---- */

static void hear(struct talker *talker)
{
    struct voice *voice = &talker->voice;
    struct quicktun_event event = {.type = QUICKTUN_COMMAND};
    while (!talker->broken && event.type != QUICKTUN_NEED_MORE &&
           event.type != QUICKTUN_WRITE_FIRST) {
        size_t consumed = 0;
        talker->broken = quicktun_receive(talker->session, stage_now_ms(&stage), &talker->wire,
                                          voice->heard + voice->used, voice->len - voice->used,
                                          &consumed, &event) != 0;
        voice->used += consumed;
    }
    voice->len -= voice->used;
    memmove(voice->heard, voice->heard + voice->used, voice->len);
    voice->used = 0;
}

static void speak(struct talker *talker)
{
    voice_say(&talker->voice, talker->wire.bytes, talker->wire.len, piece);
    talker->wire.len = 0;
}

static void begin_session(struct talker *talker)
{
    quicktun_session_free(talker->session);
    talker->session = quicktun_session_new(talker->context, &talk_options, stage_now_ms(&stage));
    talker->broken = talker->session == NULL;
    FUZZ_CHECK(!talker->broken);
}

static void go_on(struct talker *talker)
{
    if (talker->calls != talker->voice.calls)
        begin_session(talker);
    talker->calls = talker->voice.calls;
    if (talker->session == NULL)
        return;
    hear(talker);
    talker->broken =
        talker->broken || quicktun_tick(talker->session, stage_now_ms(&stage), &talker->wire) != 0;
    speak(talker);
}

static void call(struct talker *talker)
{
    voice_close(&talker->voice);
    if (talker->waits) {
        stage_run_ms(&stage, 4000);
    } else {
        begin_session(talker);
        voice_call(&talker->voice, &stage, PORT);
    }
    for (int i = 0; i < 4; i++)
        go_on(talker);
}

/* ---- What they say ---- */

/* A control packet of this payload, encrypted as the engine is now. */
static void say(struct talker *talker, uint8_t code, const void *arguments, size_t len)
{
    if (talker->session != NULL && !talker->broken)
        (void)quicktun_send_command(talker->session, &talker->wire, code, arguments, len);
    speak(talker);
}

static void say_bytes(struct talker *talker, bool sealed)
{
    size_t len;
    const uint8_t *bytes = input_bytes(&input, &len);
    if (len == 0)
        return;
    if (sealed)
        say(talker, bytes[0], bytes + 1, len - 1);
    else
        voice_say(&talker->voice, bytes, len, piece);
}

static void say_network(struct talker *talker)
{
    struct quicktun_network network = {.mode = QUICKTUN_IP};
    uint8_t out[QUICKTUN_NETWORK_LEN];
    uint8_t what = cursor_u8(&input);
    network.ipv4.address[0] = 10;
    network.ipv4.address[3] = 9;
    memset(network.ipv4.netmask, 0xff, what & 1 ? 3 : 4);
    network.ipv4.dns[0] = what & 2 ? 10 : 0;
    network.ipv6.address[0] = what & 4 ? 0xfd : 0;
    memset(network.ipv6.netmask, 0xff, 8);
    quicktun_message_write_network(&network, out);
    uint8_t at = cursor_u8(&input);
    out[at % sizeof out] ^= cursor_u8(&input);
    say(talker, QUICKTUN_CODE_NETWORK, out, sizeof out);
}

static void say_route(struct talker *talker)
{
    uint8_t out[QUICKTUN_ROUTE_FIXED_MAX + 255 * QUICKTUN_ROUTE_ID_LEN];
    uint8_t what = cursor_u8(&input);
    uint8_t bits = cursor_u8(&input);
    uint8_t ids = cursor_u8(&input);
    struct quicktun_route route = {.family = what & 1    ? 6
                                             : what & 64 ? 0
                                                         : 4,
                                   .valid = !(what & 2)};
    size_t most = route.family == 6 ? 16 : 4;
    input_take(&input, route.network + 1, 2);
    route.network[0] = what & 4 ? 10 : what & 8 ? 172 : route.family == 6 ? 0xfd : 0;
    for (size_t bit = 0; bit < bits && bit < most * 8; bit++)
        route.mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    for (size_t i = 0; i < most && !(what & 128); i++)
        route.network[i] &= route.mask[i];
    size_t len = quicktun_message_write_route(&route, out);
    for (size_t i = 0; i < ids; i++) {
        uint8_t id[QUICKTUN_ROUTE_ID_LEN] = {0, 0, 0, (uint8_t)(talker - talkers + 1 + i)};
        if (what & 32)
            id[3] = i == 0 ? id[3] : cursor_u8(&input);
        memcpy(out + len, id, sizeof id);
        len += sizeof id;
    }
    say(talker, QUICKTUN_CODE_ROUTE, out, what & 16 && len > 0 ? len - 1 : len);
}

/* One that could be real, with some bytes of the input in it. Returns its length. */
static size_t make_packet(uint8_t host, uint8_t *out)
{
    uint8_t what = cursor_u8(&input);
    struct recipe recipe = {
        .link = config.kind == IO_DEVICE_ETHERNET ? PACKET_ETHERNET : PACKET_IP,
        .vlan = what & 1,
        .ipv6 = what & 2,
        .udp = what & 4,
        .extensions = what & 8 ? 1 : 0,
        .host = host,
        .flags = what & 32 ? 0x18 : 0x10,
        .ttl = 64,
        .source_port = 1,
        .window = 500,
        .payload_len = 100,
        .payload = what,
    };
    if (what & 16)
        recipe.host = cursor_u8(&input);
    recipe.sequence = cursor_u8(&input) * UINT32_C(100);
    if (what & 64)
        recipe.payload_len = cursor_u16(&input) % 30000;
    size_t len = packet_make(&recipe, out);
    for (unsigned changes = what & 128 ? cursor_u8(&input) % 8 : 0; changes > 0; changes--) {
        size_t at = cursor_u8(&input);
        out[at % len] = cursor_u8(&input);
    }
    return len;
}

static void say_packet(struct talker *talker)
{
    static uint8_t packet[QUICKTUN_WIRE_MAX];
    uint8_t what = cursor_u8(&input);
    size_t max;
    size_t len = make_packet(hosts[talker - talkers], packet + 2);
    if (talker->session == NULL || talker->broken)
        return;
    if (what < 64) {
        store_u16(packet, what & 32 ? cursor_u16(&input) : 100);
        say(talker, QUICKTUN_CODE_SEGMENTED, packet, len + 2);
        return;
    }
    if (what < 128) {
        say(talker, QUICKTUN_CODE_PACKET, packet + 2, len);
        return;
    }
    struct quicktun_batch batch = {0};
    for (unsigned i = 0; i <= what % 16; i++) {
        uint8_t *place = quicktun_batch_place(talker->session, &talker->wire, &batch, &max);
        if (place == NULL || len > max)
            break;
        memcpy(place, packet + 2, len);
        quicktun_batch_add(talker->session, &talker->wire, &batch, len);
    }
    quicktun_batch_end(talker->session, &talker->wire, &batch);
    speak(talker);
}

/* ---- The device ---- */

static struct io_device *device(void)
{
    return vpn == NULL ? NULL : sim_host_device(stage.hosts[STAGE_ROLE], "adit0");
}

static void send_from_device(void)
{
    static uint8_t bytes[QUICKTUN_WIRE_MAX];
    uint8_t what = cursor_u8(&input);
    struct packet packet;
    struct offload offload = {0};
    size_t len = make_packet(1, bytes);
    enum packet_link link = config.kind == IO_DEVICE_ETHERNET ? PACKET_ETHERNET : PACKET_IP;
    if (device() == NULL)
        return;
    if (what & 1 && packet_parse(&packet, link, bytes, len) && packet.payload_at > 0) {
        offload = packet_checksum_leave(&packet, bytes + packet.transport_at,
                                        packet.end - packet.transport_at);
        offload.header_len = packet.payload_at;
        offload.segment = 1 + what;
        offload.cut = packet.protocol == PACKET_PROTOCOL_UDP ? OFFLOAD_UDP
                      : packet.version == 4                  ? OFFLOAD_TCP4
                                                             : OFFLOAD_TCP6;
        if (!offload_fits(&offload, bytes, len, link == PACKET_ETHERNET))
            offload = (struct offload){0};
    }
    (void)sim_device_send(device(), bytes, len, &offload);
    stage_run_ms(&stage, 2);
}

static bool may_come_from(const struct adit_ip *source)
{
    bool may = cidr_contains(&accepted[0], source) || cidr_contains(&accepted[1], source);
    for (size_t i = 0; i < PEERS; i++)
        may = may || cidr_contains(&allowed[i][0], source) || cidr_contains(&allowed[i][1], source);
    return may;
}

static void check_device(void)
{
    static uint8_t bytes[IO_DEVICE_PACKET_MAX];
    bool ethernet = config.kind == IO_DEVICE_ETHERNET;
    struct offload offload;
    size_t len;
    while (device() != NULL &&
           (len = sim_device_receive(device(), bytes, sizeof bytes, &offload)) > 0) {
        struct packet packet;
        FUZZ_CHECK(packet_parse(&packet, ethernet ? PACKET_ETHERNET : PACKET_IP, bytes, len));
        FUZZ_CHECK(offload_fits(&offload, bytes, len, ethernet));
        FUZZ_CHECK(ethernet || may_come_from(&packet.source));
    }
}

/* ---- The role ---- */

static void on_stopped(void *arg)
{
    (void)arg;
    vpn_free(vpn);
    vpn = NULL;
}

static void start(struct io_loop *loop, void *arg)
{
    char why[256] = "";
    (void)arg;
    vpn = vpn_start(loop, &config, on_stopped, NULL, why, sizeof why);
    if (vpn == NULL)
        fprintf(stderr, "%s\n", why);
    FUZZ_CHECK(vpn != NULL);
}

static void stop(struct io_loop *loop, void *arg)
{
    (void)loop, (void)arg;
    if (vpn != NULL)
        vpn_stop(vpn);
}

static void operate(struct io_loop *loop, void *arg)
{
    char why[256];
    uint8_t what = *(const uint8_t *)arg;
    (void)loop;
    if (vpn == NULL)
        return;
    if (what < 128) {
        json_t *status = vpn_status(vpn);
        FUZZ_CHECK(json_is_object(status));
        json_decref(status);
        return;
    }
    config.peer_count = what & 1 ? 1 : PEERS;
    peers[0].announce = what & 2;
    config.announce_count = what & 4 ? 1 : 0;
    FUZZ_CHECK(vpn_reload(vpn, &config, why, sizeof why) == 0);
}

static void configure_peer(size_t i, uint8_t options, uint8_t more)
{
    uint8_t secret[QUICKTUN_KEY_LEN];
    memset(secret, 0x20 + (int)i, sizeof secret);
    talkers[i] = (struct talker){.context = quicktun_context_new(secret, stage_random, NULL),
                                 .wire = {wire_bytes[i], 0, WIRE_ROOM}};
    FUZZ_CHECK(talkers[i].context != NULL);
    uint8_t host = hosts[i];
    allowed[i][0] = (struct cidr){.ip = {.family = 4, .bytes = {10, 9, 0, host}},
                                  .prefix_len = i == 0 ? 32 : 25};
    allowed[i][1] = (struct cidr){.ip = {.family = 6, .bytes = {0xfd, 0, 0, 9, [15] = host}},
                                  .prefix_len = i == 0 ? 128 : 121};
    peers[i] = (struct vpn_peer_config){.keyed = true,
                                        .allowed = allowed[i],
                                        .allowed_count = options & 1 ? 0 : 2,
                                        .accept_routes = accepted,
                                        .accept_route_count = options & 1 ? 0 : 2,
                                        .announce = true,
                                        .accept_network = more & 1,
                                        .options = {.segmented = more & 2}};
    talkers[i].waits = i == 0 && options & 8;
    if (talkers[i].waits)
        strcpy(peers[i].host, STAGE_STRANGER_ADDRESS);
    peers[i].port = PORT;
    peers[i].options.weak_long_term_keys = more & 4;
    peers[i].options.pad_to = more & 8 ? 64 : 0;
    peers[i].options.weak_ethernet_forging = true;
    snprintf(peers[i].name, sizeof peers[i].name, "peer%zu", i);
    memcpy(peers[i].public_key, quicktun_context_public(talkers[i].context), QUICKTUN_KEY_LEN);
}

static void configure(uint8_t options, uint8_t more)
{
    static uint8_t secret[QUICKTUN_KEY_LEN] = {9};
    static uint8_t public_key[QUICKTUN_KEY_LEN];
    static struct addr listen = {.ip = {.family = 4}, .port = PORT};
    static struct io_device_address address = {.ip = {.family = 4, .bytes = {10, 9, 0, 1}},
                                               .prefix_len = 24};
    struct quicktun_context *own = quicktun_context_new(secret, stage_random, NULL);
    FUZZ_CHECK(own != NULL);
    memcpy(public_key, quicktun_context_public(own), sizeof public_key);
    quicktun_context_free(own);
    accepted[0] = (struct cidr){.ip = {.family = 4, .bytes = {10, 20}}, .prefix_len = 16};
    accepted[1] = (struct cidr){.ip = {.family = 6, .bytes = {0xfd, 1}}, .prefix_len = 16};
    announced = (struct cidr){.ip = {.family = 4, .bytes = {10, 20, 1}}, .prefix_len = 24};
    for (size_t i = 0; i < PEERS; i++)
        configure_peer(i, options, more);
    config = (struct vpn_config){.name = "adit0",
                                 .kind = options & 1 ? IO_DEVICE_ETHERNET : IO_DEVICE_IP,
                                 .mtu = 1500,
                                 .addresses = &address,
                                 .address_count = 1,
                                 .secret = secret,
                                 .listen = &listen,
                                 .listen_count = 1,
                                 .announce = &announced,
                                 .announce_count = options & 3 ? 0 : 1,
                                 .has_router_id = true,
                                 .router_id = {0, 0, 0, 77},
                                 .peers = peers,
                                 .peer_count = PEERS};
    vpn_limits_default(&config.limits);
    talk_options = (struct quicktun_options){
        .peer_key = public_key,
        .mode = options & 1 ? QUICKTUN_ETHERNET : QUICKTUN_IP,
        .segmented = options & 4,
        .weak_long_term_keys = true,
        .weak_ethernet_forging = true,
    };
}

static void take_step(void)
{
    uint8_t what = cursor_u8(&input);
    struct talker *talker = &talkers[what / 16 % PEERS];
    switch (what % 16) {
    case 0:
        call(talker);
        break;
    case 1:
        say_bytes(talker, true);
        break;
    case 2:
        say_bytes(talker, false);
        break;
    case 3:
        say_network(talker);
        break;
    case 4:
    case 5:
    case 6:
        say_route(talker);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
        say_packet(talker);
        break;
    case 11:
    case 12:
        send_from_device();
        break;
    case 13:
        what = cursor_u8(&input);
        stage_on(&stage, STAGE_ROLE, operate, &what);
        break;
    case 14:
        what & 128 ? voice_close(&talker->voice) : voice_end(&talker->voice);
        break;
    default:
        stage_run_ms(&stage, cursor_u16(&input));
        break;
    }
    for (size_t i = 0; i < PEERS; i++)
        go_on(&talkers[i]);
    check_device();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = cursor_over(data, size);
    stage_open(&stage);
    uint8_t options = cursor_u8(&input);
    configure(options, cursor_u8(&input));
    piece = 1 + (size_t)cursor_u8(&input) * 16;
    if (talkers[0].waits)
        voice_wait(&talkers[0].voice, &stage, PORT);
    stage_on(&stage, STAGE_ROLE, start, NULL);
    for (int i = 0; i < STEPS_MAX && cursor_left(&input) > 0; i++)
        take_step();
    for (size_t i = 0; i < PEERS; i++)
        voice_leave(&talkers[i].voice);
    stage_on(&stage, STAGE_ROLE, stop, NULL);
    stage_run_ms(&stage, 10000);
    FUZZ_CHECK(vpn == NULL);
    stage_close(&stage);
    for (size_t i = 0; i < PEERS; i++) {
        quicktun_session_free(talkers[i].session);
        quicktun_context_free(talkers[i].context);
    }
    return 0;
}
