#include "base/encode.h"
#include "roles/vpn/internal.h"

#include <stdlib.h>
#include <string.h>

static const size_t queue_bytes_default = (size_t)256 * 1024;

void vpn_limits_default(struct vpn_limits *limits)
{
    *limits = (struct vpn_limits){.early_per_address = 16,
                                  .early_max = 256,
                                  .early_ms = 10000,
                                  .queue_bytes = queue_bytes_default,
                                  .queue_ms = 50};
}

/* ---- Copies: every pointer is a copy or NULL afterwards, also when memory lacks ---- */

static bool copy_text(const char **to, const char *from)
{
    *to = from == NULL ? NULL : strdup(from);
    return from == NULL || *to != NULL;
}

static bool copy_blocks(struct cidr **to, const struct cidr *from, size_t count)
{
    *to = calloc(count + 1, sizeof **to);
    if (*to != NULL && count > 0)
        memcpy(*to, from, count * sizeof **to);
    return *to != NULL;
}

static void free_text(const char *text)
{
    if (text != NULL)
        wipe((char *)(uintptr_t)text, strlen(text));
    free((char *)(uintptr_t)text);
}

void vpn_config_clear_peer(struct vpn_peer_config *config)
{
    free(config->allowed);
    free(config->accept_routes);
    free_text(config->password);
    free_text(config->ask_password);
}

bool vpn_config_copy_peer(struct vpn_peer_config *to, const struct vpn_peer_config *from)
{
    *to = *from;
    bool copied = copy_blocks(&to->allowed, from->allowed, from->allowed_count);
    copied =
        copy_blocks(&to->accept_routes, from->accept_routes, from->accept_route_count) && copied;
    copied = copy_text(&to->password, from->password) && copied;
    copied = copy_text(&to->ask_password, from->ask_password) && copied;
    if (!copied)
        vpn_config_clear_peer(to);
    return copied;
}

static bool copy_addresses(struct vpn_config *to, const struct vpn_config *from)
{
    to->addresses = calloc(from->address_count + 1, sizeof *to->addresses);
    to->listen = calloc(from->listen_count + 1, sizeof *to->listen);
    if (to->addresses == NULL || to->listen == NULL)
        return false;
    for (size_t i = 0; i < from->address_count; i++)
        to->addresses[i] = from->addresses[i];
    for (size_t i = 0; i < from->listen_count; i++)
        to->listen[i] = from->listen[i];
    return true;
}

void vpn_config_clear(struct vpn *vpn)
{
    free_text(vpn->config.name);
    free_text(vpn->config.hook_file);
    free(vpn->config.addresses);
    free(vpn->config.listen);
    free(vpn->config.announce);
    wipe(vpn->secret, sizeof vpn->secret);
}

bool vpn_config_copy(struct vpn *vpn, const struct vpn_config *from)
{
    struct vpn_config *to = &vpn->config;
    *to = *from;
    to->peers = NULL;
    to->peer_count = 0;
    bool copied = copy_text(&to->name, from->name);
    copied = copy_text(&to->hook_file, from->hook_file) && copied;
    copied = copy_addresses(to, from) && copied;
    copied = copy_blocks(&to->announce, from->announce, from->announce_count) && copied;
    if (from->secret != NULL) {
        memcpy(vpn->secret, from->secret, sizeof vpn->secret);
        to->secret = vpn->secret;
    }
    return copied;
}

/* ---- What a reload finds ---- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_block(const struct cidr *a, const struct cidr *b)
{
    return a->prefix_len == b->prefix_len && ip_equal(&a->ip, &b->ip);
}

static bool same_blocks(const struct cidr *a, size_t a_count, const struct cidr *b, size_t b_count)
{
    bool same = a_count == b_count;
    for (size_t i = 0; same && i < a_count; i++)
        same = same_block(&a[i], &b[i]);
    return same;
}

static bool same_address(const struct io_device_address *a, const struct io_device_address *b)
{
    return a->prefix_len == b->prefix_len && ip_equal(&a->ip, &b->ip);
}

static bool same_network(const struct vpn_network *a, const struct vpn_network *b)
{
    bool same = true;
    for (size_t i = 0; i < 2; i++)
        same = same && same_address(&a->addresses[i], &b->addresses[i]) &&
               ip_equal(&a->dns[i], &b->dns[i]);
    return same;
}

static bool same_options(const struct quicktun_options *a, const struct quicktun_options *b)
{
    return a->pad_to == b->pad_to && a->segmented == b->segmented &&
           a->require_control_only == b->require_control_only &&
           a->disable_encryption == b->disable_encryption && a->weak_anyone == b->weak_anyone &&
           a->weak_unproven_peer == b->weak_unproven_peer &&
           a->weak_unencrypted == b->weak_unencrypted &&
           a->weak_long_term_keys == b->weak_long_term_keys && a->weak_disable == b->weak_disable &&
           a->weak_clear_passwords == b->weak_clear_passwords &&
           a->weak_ethernet_forging == b->weak_ethernet_forging &&
           a->update_after_ms == b->update_after_ms && a->ping_after_ms == b->ping_after_ms &&
           a->dead_after_ms == b->dead_after_ms && a->update_after_bytes == b->update_after_bytes;
}

bool vpn_config_same_peer(const struct vpn_peer_config *a, const struct vpn_peer_config *b)
{
    return strcmp(a->name, b->name) == 0 && a->keyed == b->keyed &&
           memcmp(a->public_key, b->public_key, sizeof a->public_key) == 0 &&
           strcmp(a->host, b->host) == 0 && a->port == b->port &&
           same_blocks(a->allowed, a->allowed_count, b->allowed, b->allowed_count) &&
           same_blocks(a->accept_routes, a->accept_route_count, b->accept_routes,
                       b->accept_route_count) &&
           a->announce == b->announce && same_network(&a->network, &b->network) &&
           a->accept_network == b->accept_network && same_text(a->password, b->password) &&
           same_text(a->ask_password, b->ask_password) && same_options(&a->options, &b->options);
}

static bool same_addresses(const struct vpn_config *a, const struct vpn_config *b)
{
    bool same = a->address_count == b->address_count;
    for (size_t i = 0; same && i < a->address_count; i++)
        same = same_address(&a->addresses[i], &b->addresses[i]);
    return same;
}

static bool same_listen(const struct vpn_config *a, const struct vpn_config *b)
{
    bool same = a->listen_count == b->listen_count;
    for (size_t i = 0; same && i < a->listen_count; i++)
        same = addr_equal(&a->listen[i], &b->listen[i]);
    return same;
}

static bool same_secret(const uint8_t *a, const uint8_t *b)
{
    return a == NULL || b == NULL ? a == b : memcmp(a, b, QUICKTUN_KEY_LEN) == 0;
}

const char *vpn_config_fixed(const struct vpn *vpn, const struct vpn_config *config)
{
    const struct vpn_config *now = &vpn->config;
    if (strcmp(now->name, config->name) != 0 || now->kind != config->kind ||
        now->mtu != config->mtu || now->block_leaks != config->block_leaks ||
        !same_addresses(now, config) || !same_text(now->hook_file, config->hook_file))
        return "the device";
    if (!same_secret(now->secret, config->secret))
        return "the private key";
    if (now->has_router_id != config->has_router_id ||
        memcmp(now->router_id, config->router_id, sizeof now->router_id) != 0)
        return "the router id";
    return same_listen(now, config) ? NULL : "where it listens";
}
