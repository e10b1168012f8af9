#include "roles/vpn/internal.h"

#include <sodium.h>
#include <stdio.h>

enum { FINGERPRINT_LEN = 8 };

void vpn_fingerprint(const uint8_t key[QUICKTUN_KEY_LEN], char out[VPN_FINGERPRINT_MAX])
{
    uint8_t hash[crypto_generichash_BYTES_MIN];
    (void)crypto_generichash(hash, sizeof hash, key, QUICKTUN_KEY_LEN, NULL, 0);
    for (size_t i = 0; i < FINGERPRINT_LEN; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static const char *protection_name(const struct quicktun_session *session)
{
    static const char *const names[] = {[QUICKTUN_CLEAR] = "none",
                                        [QUICKTUN_LONG_TERM] = "long-term keys",
                                        [QUICKTUN_SESSION] = "session keys"};
    return names[quicktun_session_protection(session)];
}

static const char *state_name(const struct vpn_peer *peer)
{
    if (peer->link != NULL && vpn_link_ready(peer->link))
        return "connected";
    if (peer->link != NULL || peer->trying != NULL || peer->dial != NULL)
        return "connecting";
    return peer->config.host[0] == '\0' ? "absent" : "waiting";
}

static json_t *drops_of(const struct vpn_drops *drops)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "no_peer", (json_int_t)drops->no_peer,
                     "no_tunnel", (json_int_t)drops->no_tunnel, "full", (json_int_t)drops->full,
                     "source", (json_int_t)drops->source, "malformed", (json_int_t)drops->malformed,
                     "device", (json_int_t)drops->device);
}

static json_t *blocks_of(const struct cidr *blocks, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        char text[CIDR_TEXT_MAX];
        cidr_format(&blocks[i], text);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

/* What there is of a connection: who, since when, how good. */
static void add_link(json_t *object, const struct vpn_peer *peer, struct quicktun_counters *sums)
{
    const struct vpn_link *link = peer->link;
    struct quicktun_counters now;
    char from[ADDR_TEXT_MAX];
    if (link == NULL)
        return;
    uint64_t now_ms = io_now_ms(peer->vpn->loop);
    quicktun_session_counters(link->session, &now);
    addr_format(&link->from, from);
    uint64_t keyed_ms = now.updated_at_ms == 0 ? link->proven_ms : now.updated_at_ms;
    json_object_set_new(object, "address", json_string(from));
    json_object_set_new(object, "dialled", json_boolean(link->dialled));
    json_object_set_new(object, "connected_s",
                        json_real((double)(now_ms - link->proven_ms) / 1000));
    json_object_set_new(object, "handshake_s", json_real((double)(now_ms - keyed_ms) / 1000));
    json_object_set_new(object, "protection", json_string(protection_name(link->session)));
    json_object_set_new(object, "segmented",
                        json_boolean(quicktun_session_segmented(link->session)));
    json_object_set_new(object, "rtt_ms", json_integer(now.rtt_ms));
    json_object_set_new(object, "line_rtt_us", json_integer((json_int_t)io_rtt_us(link->stream)));
    json_object_set_new(object, "queued", json_integer((json_int_t)io_queued(link->stream)));
    sums->bytes_received += now.bytes_received;
    sums->bytes_sent += now.bytes_sent;
    sums->packets_received += now.packets_received;
    sums->packets_sent += now.packets_sent;
    sums->key_updates += now.key_updates;
}

static json_t *peer_status(const struct vpn_peer *peer)
{
    const struct vpn *vpn = peer->vpn;
    const struct vpn_peer_config *config = &peer->config;
    struct quicktun_counters sums = peer->past;
    char key[VPN_FINGERPRINT_MAX] = "";
    char to[HOST_TEXT_MAX + 8] = "";
    if (config->keyed)
        vpn_fingerprint(config->public_key, key);
    if (config->host[0] != '\0')
        snprintf(to, sizeof to, "%s:%u", config->host, config->port);
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:o, s:o}", "name", config->name, "state", state_name(peer),
        "key", key, "connect", to, "connections", (json_int_t)peer->connections, "allowed_ips",
        blocks_of(config->allowed, config->allowed_count), "drops", drops_of(&peer->drops));
    add_link(object, peer, &sums);
    json_object_set_new(object, "bytes_received", json_integer((json_int_t)sums.bytes_received));
    json_object_set_new(object, "bytes_sent", json_integer((json_int_t)sums.bytes_sent));
    json_object_set_new(object, "packets_received",
                        json_integer((json_int_t)sums.packets_received));
    json_object_set_new(object, "packets_sent", json_integer((json_int_t)sums.packets_sent));
    json_object_set_new(object, "key_updates", json_integer(sums.key_updates));
    if (peer->in_mesh) {
        struct mesh_counters mesh;
        mesh_counters(vpn->mesh, peer->number, &mesh);
        json_object_set_new(object, "routes_learned", json_integer((json_int_t)mesh.learned));
        json_object_set_new(object, "routes_refused", json_integer((json_int_t)mesh.refused));
    }
    if (vpn->stations != NULL)
        json_object_set_new(
            object, "stations",
            json_integer((json_int_t)stations_count(vpn->stations, peer->number + 1)));
    return object;
}

static json_t *listen_of(const struct vpn *vpn)
{
    json_t *list = json_array();
    for (size_t i = 0; i < vpn->listener_count; i++) {
        struct addr at = io_listener_addr(vpn->listeners[i]);
        char text[ADDR_TEXT_MAX];
        addr_format(&at, text);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

json_t *vpn_status(struct vpn *vpn)
{
    json_t *peers = json_array();
    char key[VPN_FINGERPRINT_MAX] = "";
    if (vpn->config.secret != NULL)
        vpn_fingerprint(quicktun_context_public(vpn->context), key);
    for (size_t i = 0; i < VPN_PEERS_MAX; i++)
        if (vpn->peers[i] != NULL)
            json_array_append_new(peers, peer_status(vpn->peers[i]));
    return json_pack("{s:s, s:s, s:f, s:s, s:s, s:i, s:s, s:o, s:o, s:{s:I, s:I, s:I, s:o}}",
                     "role", "vpn", "state", vpn->stopping ? "stopping" : "running", "uptime_s",
                     (double)(io_now_ms(vpn->loop) - vpn->started_ms) / 1000, "device",
                     vpn->device == NULL ? vpn->config.name : io_device_name(vpn->device), "mode",
                     vpn->config.kind == IO_DEVICE_IP ? "ip" : "ethernet", "mtu",
                     (int)vpn->config.mtu, "key", key, "listen", listen_of(vpn), "peers", peers,
                     "counters", "refused", (json_int_t)vpn->refused, "early",
                     (json_int_t)vpn->early, "buffered", (json_int_t)io_buffered(vpn->loop),
                     "drops", drops_of(&vpn->drops));
}
