#include "cli/vpnconfig.h"

#include "base/encode.h"
#include "cli/boxkey.h"

#include <stdlib.h>
#include <string.h>

/* ---- Lists; NULL without memory ---- */

static struct io_device_address address_of(const struct option_value *value)
{
    return (struct io_device_address){.ip = value->cidr.ip, .prefix_len = value->cidr.prefix_len};
}

static struct io_device_address *addresses_of(const struct options *interface, size_t *count)
{
    *count = options_count(interface, "address");
    struct io_device_address *addresses = calloc(*count + 1, sizeof *addresses);
    for (size_t i = 0; addresses != NULL && i < *count; i++)
        addresses[i] = address_of(options_value(interface, "address", i));
    return addresses;
}

/* ---- Peers ---- */

static void take_network(struct vpn_network *out, const struct options *network)
{
    for (size_t i = 0; i < options_count(network, "address"); i++) {
        const struct option_value *value = options_value(network, "address", i);
        out->addresses[value->cidr.ip.family == 6] = address_of(value);
    }
    for (size_t i = 0; i < options_count(network, "dns"); i++) {
        const struct option_value *value = options_value(network, "dns", i);
        out->dns[value->addr.ip.family == 6] = value->addr.ip;
    }
}

static void take_options(struct quicktun_options *out, const struct options *peer,
                         const struct options *session)
{
    uint16_t pad_to = (uint16_t)options_number(peer, "pad-to");
    *out = (struct quicktun_options){
        .pad_to = pad_to < 2 ? 0 : pad_to,
        .segmented = options_switched_on(peer, "segmented"),
        .disable_encryption = options_switched_on(peer, "disable-encryption"),
        .weak_anyone = options_switched_on(peer, "weak-anyone"),
        .weak_unproven_peer = options_switched_on(peer, "weak-unproven-peer"),
        .weak_unencrypted = options_switched_on(peer, "weak-unencrypted"),
        .weak_long_term_keys = options_switched_on(peer, "weak-long-term-keys"),
        .weak_disable = options_switched_on(peer, "weak-disable"),
        .weak_clear_passwords = options_switched_on(peer, "weak-clear-passwords"),
        .weak_ethernet_forging = options_switched_on(peer, "weak-ethernet-forging"),
        .update_after_ms = (uint32_t)options_number(session, "key-age"),
        .update_after_bytes = options_number(session, "key-bytes"),
        .ping_after_ms = (uint32_t)options_number(session, "ping-after"),
        .dead_after_ms = (uint32_t)options_number(session, "dead-after"),
    };
}

/* The first line of a file, from malloc(); *text stays NULL where none is named. */
static bool take_password(const char **text, const struct options *peer, const char *name,
                          struct io_disk *disk, char *why, size_t why_len)
{
    char passphrase[SODIUMTCP_CREDENTIAL_MAX + 1];
    char inner[OPTION_WHY_MAX];
    const char *path = options_text(peer, name);
    if (path == NULL)
        return true;
    if (!boxkey_passphrase(disk, path, passphrase, inner)) {
        snprintf(why, why_len, "%s", inner);
        return false;
    }
    *text = strdup(passphrase);
    wipe(passphrase, sizeof passphrase);
    if (*text == NULL)
        snprintf(why, why_len, "out of memory");
    return *text != NULL;
}

static bool take_peer(struct vpn_peer_config *out, const struct options *peer,
                      const struct options *session, struct io_disk *disk, char *why,
                      size_t why_len)
{
    const struct option_value *key = options_value(peer, "public-key", 0);
    const struct option_value *connect = options_value(peer, "connect", 0);
    snprintf(out->name, sizeof out->name, "%s", options_text(peer, "name"));
    out->keyed = key != NULL;
    if (key != NULL)
        memcpy(out->public_key, key->key, sizeof out->public_key);
    if (connect != NULL) {
        memcpy(out->host, connect->to.host, sizeof out->host);
        out->port = connect->to.port;
    }
    out->announce = options_switched_on(peer, "announce");
    out->accept_network = options_switched_on(peer, "accept-network");
    take_network(&out->network, options_group(peer, "network", 0));
    take_options(&out->options, peer, session);
    out->allowed = options_cidrs(peer, "allowed-ips", &out->allowed_count);
    out->accept_routes = options_cidrs(peer, "accept-routes", &out->accept_route_count);
    if (out->allowed == NULL || out->accept_routes == NULL) {
        snprintf(why, why_len, "out of memory");
        return false;
    }
    return take_password(&out->password, peer, "password-file", disk, why, why_len) &&
           take_password(&out->ask_password, peer, "ask-password-file", disk, why, why_len);
}

static bool take_peers(struct vpn_config *config, const struct options *options,
                       struct io_disk *disk, char *why, size_t why_len)
{
    size_t count = options_count(options, "peers");
    config->peers = calloc(count + 1, sizeof *config->peers);
    if (config->peers == NULL) {
        snprintf(why, why_len, "out of memory");
        return false;
    }
    for (; config->peer_count < count; config->peer_count++)
        if (!take_peer(&config->peers[config->peer_count],
                       options_group(options, "peers", config->peer_count),
                       options_group(options, "session", 0), disk, why, why_len)) {
            config->peer_count++;
            return false;
        }
    return true;
}

/* ---- All of it ---- */

static void take_limits(struct vpn_limits *out, const struct options *limits)
{
    vpn_limits_default(out);
    out->early_per_address = (uint32_t)options_number(limits, "early-per-address");
    out->early_max = (uint32_t)options_number(limits, "early");
    out->early_ms = (uint32_t)options_number(limits, "early-timeout");
    out->queue_bytes = options_number(limits, "queue");
    out->queue_ms = (uint32_t)options_number(limits, "queue-time");
}

/* The peers' keys are compared with ours here, where ours is known. */
static bool take_secret(struct vpnconfig *made, const struct options *options, struct io_disk *disk,
                        char *why, size_t why_len)
{
    const char *path = options_text(options, "private-key-file");
    struct sodiumtcp_keypair pair;
    char inner[OPTION_WHY_MAX];
    bool fine = true;
    if (path == NULL)
        return true;
    if (!boxkey_read(disk, path, &pair, inner)) {
        snprintf(why, why_len, "%s", inner);
        return false;
    }
    memcpy(made->secret, pair.secret_key, sizeof made->secret);
    made->config.secret = made->secret;
    for (size_t i = 0; fine && i < made->config.peer_count; i++) {
        const struct vpn_peer_config *peer = &made->config.peers[i];
        fine =
            !peer->keyed || memcmp(peer->public_key, pair.public_key, sizeof peer->public_key) != 0;
        if (!fine)
            snprintf(why, why_len, "peer %s has the key of this machine itself", peer->name);
    }
    wipe(&pair, sizeof pair);
    return fine;
}

bool vpnconfig_make(struct vpnconfig *made, const struct options *options, struct io_disk *disk,
                    char *why, size_t why_len)
{
    const struct options *interface = options_group(options, "interface", 0);
    const struct option_value *id = options_value(options, "router-id", 0);
    struct vpn_config *config = &made->config;
    *made = (struct vpnconfig){0};
    config->name = options_text(interface, "name");
    config->kind = (enum io_device_kind)options_number(interface, "mode");
    config->mtu = (uint16_t)options_number(interface, "mtu");
    config->block_leaks = options_switched_on(interface, "block-leaks");
    config->hook_file = options_text(interface, "hook");
    config->has_router_id = id != NULL;
    if (id != NULL)
        memcpy(config->router_id, id->addr.ip.bytes, sizeof config->router_id);
    take_limits(&config->limits, options_group(options, "limits", 0));
    config->addresses = addresses_of(interface, &config->address_count);
    config->listen = options_addresses(options, "listen", &config->listen_count);
    config->announce = options_cidrs(options, "announce", &config->announce_count);
    if (config->addresses == NULL || config->listen == NULL || config->announce == NULL) {
        snprintf(why, why_len, "out of memory");
        return false;
    }
    return take_peers(config, options, disk, why, why_len) &&
           take_secret(made, options, disk, why, why_len);
}

static void free_text(const char *text)
{
    if (text != NULL)
        wipe((char *)(uintptr_t)text, strlen(text));
    free((char *)(uintptr_t)text);
}

void vpnconfig_clear(struct vpnconfig *made)
{
    struct vpn_config *config = &made->config;
    for (size_t i = 0; i < config->peer_count; i++) {
        struct vpn_peer_config *peer = &config->peers[i];
        free(peer->allowed);
        free(peer->accept_routes);
        free_text(peer->password);
        free_text(peer->ask_password);
    }
    free(config->peers);
    free(config->addresses);
    free(config->listen);
    free(config->announce);
    wipe(made->secret, sizeof made->secret);
}
