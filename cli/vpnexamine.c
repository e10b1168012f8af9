/* What shows only when all of a VPN's configuration is there. */
#include "base/encode.h"
#include "cli/vpnconfig.h"

#include <string.h>

/* A peer under examination, and those before it. */
struct subject {
    const struct options *all;
    const struct option_value *value;
    const struct options *peer;
    size_t index;
    struct report *report;
};

static void mistake(const struct subject *subject, const char *name, const char *text)
{
    const struct option_value *value = options_value(subject->peer, name, 0);
    const struct option_value *at = value != NULL && value->line != 0 ? value : subject->value;
    char key[OPTION_KEY_MAX];
    report_mistake(subject->report, at->line, at->column, "peers.%s: %s",
                   option_key(options_spec(subject->peer, name), key), text);
}

static bool is_on(const struct subject *subject, const char *name)
{
    return options_switched_on(subject->peer, name);
}

static bool has(const struct subject *subject, const char *name)
{
    return options_count(subject->peer, name) > 0;
}

static bool is_ethernet(const struct options *options)
{
    return options_number(options_group(options, "interface", 0), "mode") == IO_DEVICE_ETHERNET;
}

/* ---- The interface ---- */

static bool made_of(const char *text, const char *more)
{
    for (; *text != '\0'; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= '0' && *text <= '9');
        if (!plain && strchr(more, *text) == NULL)
            return false;
    }
    return true;
}

static void examine_interface(const struct options *options, struct report *report)
{
    const struct options *interface = options_group(options, "interface", 0);
    const struct option_value *name = options_value(interface, "name", 0);
    const struct option_value *hook = options_value(interface, "hook", 0);
    if (strlen(name->text) >= IO_DEVICE_NAME_MAX || !made_of(name->text, ".-_") ||
        name->text[0] == '.')
        report_mistake(report, name->line, name->column,
                       "interface.name: up to %d letters, digits, '-', '_' and '.'",
                       IO_DEVICE_NAME_MAX - 1);
    if (hook != NULL && hook->text[0] != '/')
        report_mistake(report, hook->line, hook->column,
                       "interface.hook: an absolute path is needed");
    const struct option_value *id = options_value(options, "router-id", 0);
    if (id != NULL && id->addr.ip.family != 4)
        report_mistake(report, id->line, id->column,
                       "router_id: written like an IPv4 address, such as 10.9.0.1");
}

/* ---- Peers ---- */

enum { SHOWN_MAX = 4 * VPN_NAME_MAX + 1 };

/* A name in what is said of another key: it may be none that is allowed. */
static const char *shown_name(const struct options *peer, char shown[SHOWN_MAX])
{
    const char *name = options_text(peer, "name");
    return text_escape(name, strlen(name), shown, SHOWN_MAX);
}

static void examine_name(const struct subject *subject)
{
    const char *name = options_text(subject->peer, "name");
    if (strlen(name) > VPN_NAME_MAX || !made_of(name, ".-_"))
        mistake(subject, "name", "up to 32 letters, digits, '.', '-' and '_'");
    for (size_t i = 0; i < subject->index; i++)
        if (strcmp(options_text(options_group(subject->all, "peers", i), "name"), name) == 0)
            mistake(subject, "name", "another peer has it already");
}

static void examine_key(const struct subject *subject)
{
    const struct option_value *key = options_value(subject->peer, "public-key", 0);
    for (size_t i = 0; i < subject->index; i++) {
        const struct options *other = options_group(subject->all, "peers", i);
        const struct option_value *same = options_value(other, "public-key", 0);
        if (key == NULL && same == NULL)
            mistake(subject, "public-key", "only one peer can be without one");
        if (key != NULL && same != NULL && memcmp(key->key, same->key, sizeof key->key) == 0)
            mistake(subject, "public-key", "another peer has it already");
    }
    if (key == NULL && !is_on(subject, "weak-unproven-peer"))
        mistake(subject, "public-key",
                "is missing: KEY; or say weak_unproven_peer: true for whoever shows none");
    if (key != NULL && is_on(subject, "weak-anyone"))
        mistake(subject, "weak-anyone", "contradicts public_key");
    if (key != NULL && is_on(subject, "weak-unproven-peer"))
        mistake(subject, "weak-unproven-peer", "contradicts public_key");
}

static void examine_way(const struct subject *subject)
{
    if (!has(subject, "connect") && options_count(subject->all, "listen") == 0)
        mistake(subject, "connect",
                "is missing: HOST:PORT; or listen must be given, so that the peer can connect");
}

static bool same_block(const struct cidr *a, const struct cidr *b)
{
    return a->prefix_len == b->prefix_len && ip_equal(&a->ip, &b->ip);
}

/* The same prefix cannot be of two peers, nor twice of one. */
static void examine_prefix(const struct subject *subject, const struct option_value *prefix,
                           size_t at)
{
    char shown[SHOWN_MAX];
    for (size_t i = 0; i <= subject->index; i++) {
        const struct options *other = options_group(subject->all, "peers", i);
        size_t count = i == subject->index ? at : options_count(other, "allowed-ips");
        for (size_t j = 0; j < count; j++) {
            const struct option_value *same = options_value(other, "allowed-ips", j);
            if (same_block(&same->cidr, &prefix->cidr))
                report_mistake(subject->report, prefix->line, prefix->column,
                               "peers.allowed_ips: %s stands in line %u already, for %s",
                               prefix->text, same->line, shown_name(other, shown));
        }
    }
}

static void examine_routes(const struct subject *subject)
{
    bool ethernet = is_ethernet(subject->all);
    for (size_t i = 0; i < options_count(subject->peer, "allowed-ips"); i++)
        examine_prefix(subject, options_value(subject->peer, "allowed-ips", i), i);
    if (ethernet && has(subject, "allowed-ips"))
        mistake(subject, "allowed-ips", "is for mode ip: a switch learns where stations are");
    if (ethernet && (has(subject, "accept-routes") || is_on(subject, "announce")))
        mistake(subject, has(subject, "accept-routes") ? "accept-routes" : "announce",
                "is for mode ip");
    if (!ethernet && !has(subject, "allowed-ips") && !has(subject, "accept-routes"))
        mistake(subject, "allowed-ips", "is missing: CIDR; no packet would go to this peer");
}

/* What carries a tunnel must not go through it. 0.0.0.0/0 lets it past, a narrower prefix does
 * not. */
static void examine_carrier(const struct subject *subject)
{
    const struct option_value *connect = options_value(subject->peer, "connect", 0);
    struct adit_ip ip;
    char shown[SHOWN_MAX];
    if (connect == NULL || !ip_parse(connect->to.host, &ip))
        return;
    for (size_t i = 0; i < options_count(subject->all, "peers"); i++) {
        const struct options *peer = options_group(subject->all, "peers", i);
        for (size_t j = 0; j < options_count(peer, "allowed-ips"); j++) {
            const struct option_value *prefix = options_value(peer, "allowed-ips", j);
            if (prefix->cidr.prefix_len > 0 && cidr_contains(&prefix->cidr, &ip))
                report_warning(subject->report, connect->line, connect->column,
                               "peers.connect: %s of %s holds this address: without a narrower "
                               "route the connection would go into the tunnel",
                               prefix->text, shown_name(peer, shown));
        }
    }
}

static void examine_network(const struct subject *subject)
{
    static const char *const keys[] = {"address", "dns"};
    const struct options *network = options_group(subject->peer, "network", 0);
    for (size_t k = 0; k < 2; k++) {
        unsigned families[7] = {0};
        for (size_t i = 0; i < options_count(network, keys[k]); i++) {
            const struct option_value *value = options_value(network, keys[k], i);
            uint8_t family = k == 0 ? value->cidr.ip.family : value->addr.ip.family;
            families[family]++;
            if (families[family] == 2)
                report_mistake(subject->report, value->line, value->column,
                               "peers.network.%s: one of IPv4 and one of IPv6 at most", keys[k]);
        }
    }
}

static void examine_weakness(const struct subject *subject)
{
    if (is_on(subject, "weak-disable") && !is_on(subject, "weak-long-term-keys"))
        mistake(subject, "weak-disable", "needs weak_long_term_keys: true");
    if (is_on(subject, "weak-disable") && options_count(subject->all, "private-key-file") == 0)
        mistake(subject, "weak-disable", "needs private_key_file");
    if (is_on(subject, "disable-encryption") && !is_on(subject, "weak-disable"))
        mistake(subject, "disable-encryption", "needs weak_disable: true");
    for (const struct option_spec *s = options_next(&subject->peer->table, NULL); s != NULL;
         s = options_next(&subject->peer->table, s)) {
        const struct option_value *value = options_value(subject->peer, s->name, 0);
        char key[OPTION_KEY_MAX];
        if (strncmp(s->name, "weak-", 5) == 0 && value != NULL && value->number != 0)
            report_warning(subject->report, value->line, value->column, "peers.%s: %s",
                           option_key(s, key), s->help);
    }
}

/* What is the same for all peers of a file. */
static void examine_leaks(const struct options *options, struct report *report)
{
    const struct options *interface = options_group(options, "interface", 0);
    const struct option_value *block = options_value(interface, "block-leaks", 0);
    bool full = false;
    for (size_t i = 0; i < options_count(options, "peers"); i++) {
        const struct options *peer = options_group(options, "peers", i);
        for (size_t j = 0; j < options_count(peer, "allowed-ips"); j++)
            full = full || options_value(peer, "allowed-ips", j)->cidr.prefix_len == 0;
    }
    if (block != NULL && block->number != 0 && !full)
        report_warning(report, block->line, block->column,
                       "interface.block_leaks: nothing is blocked without 0.0.0.0/0 or ::/0");
}

void vpnconfig_examine(const struct options *options, struct report *report)
{
    size_t count = options_count(options, "peers");
    examine_interface(options, report);
    if (count > VPN_PEERS_MAX) {
        const struct option_value *last = options_value(options, "peers", VPN_PEERS_MAX);
        report_mistake(report, last->line, last->column, "peers: at most %d", VPN_PEERS_MAX);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct subject subject = {.all = options,
                                        .value = options_value(options, "peers", i),
                                        .peer = options_group(options, "peers", i),
                                        .index = i,
                                        .report = report};
        examine_name(&subject);
        examine_key(&subject);
        examine_way(&subject);
        examine_carrier(&subject);
        examine_routes(&subject);
        examine_network(&subject);
        examine_weakness(&subject);
    }
    examine_leaks(options, report);
}
