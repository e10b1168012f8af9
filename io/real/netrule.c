#include "io/real/netrule.h"

#include "io/real/netsetup.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    KEPT_MAX = 1024 * 1024, /* bytes of messages that a dump may keep */
    DUMPS_MAX = 5,          /* until one was not disturbed */
};

static uint8_t kernel_family(unsigned family)
{
    return family == 6 ? AF_INET6 : AF_INET;
}

static size_t ip_len(const struct adit_ip *ip)
{
    return ip->family == 6 ? 16 : 4;
}

static bool is_any(const struct adit_ip *ip)
{
    static const uint8_t zeros[16];
    return memcmp(ip->bytes, zeros, ip_len(ip)) == 0;
}

/* An address with a length in bits in the fixed part, and a port. */
static void put_end(struct nlmsghdr *message, const struct addr *end, uint16_t ip, uint16_t ports)
{
    struct fib_rule_port_range port = {.start = end->port, .end = end->port};
    if (!is_any(&end->ip))
        mnl_attr_put(message, ip, ip_len(&end->ip), end->ip.bytes);
    mnl_attr_put_u8(message, FRA_IP_PROTO, IPPROTO_TCP);
    mnl_attr_put(message, ports, sizeof(port), &port);
}

static uint8_t bits_of(const struct addr *end)
{
    return end == NULL || is_any(&end->ip) ? 0 : (uint8_t)(8 * ip_len(&end->ip));
}

int netrule_set(struct netlink *netlink, unsigned family, const struct netrule *rule, bool add)
{
    struct fib_rule_hdr fixed = {.family = kernel_family(family),
                                 .action = rule->table == 0 ? FR_ACT_NOP : FR_ACT_TO_TBL,
                                 .flags = rule->unmarked ? FIB_RULE_INVERT : 0,
                                 .dst_len = bits_of(rule->to),
                                 .src_len = bits_of(rule->from)};
    struct nlmsghdr *message =
        netlink_begin(netlink, add ? RTM_NEWRULE : RTM_DELRULE, add ? NLM_F_CREATE | NLM_F_EXCL : 0,
                      &fixed, sizeof(fixed));
    mnl_attr_put_u32(message, FRA_PRIORITY, rule->priority);
    mnl_attr_put_u8(message, FRA_PROTOCOL, NETSETUP_PROTOCOL);
    mnl_attr_put_u32(message, FRA_FWMARK, rule->mark);
    mnl_attr_put_u32(message, FRA_FWMASK, rule->unmarked ? NETSETUP_MASK : 0);
    if (rule->table != 0)
        mnl_attr_put_u32(message, FRA_TABLE, rule->table);
    if (rule->narrower)
        mnl_attr_put_u32(message, FRA_SUPPRESS_PREFIXLEN, 0);
    if (rule->from_device != NULL)
        mnl_attr_put_strz(message, FRA_IIFNAME, rule->from_device);
    if (rule->to != NULL)
        put_end(message, rule->to, FRA_DST, FRA_DPORT_RANGE);
    if (rule->from != NULL)
        put_end(message, rule->from, FRA_SRC, FRA_SPORT_RANGE);
    int error = netlink_ask(netlink);
    return error == (add ? EEXIST : ENOENT) ? 0 : error;
}

/* ---- Messages of a dump, kept so that each can be answered by a request ---- */

struct kept {
    uint8_t *bytes;
    size_t len;
    bool (*wanted)(const struct nlmsghdr *message, void *arg);
    void *arg;
};

static void keep(const struct nlmsghdr *message, void *arg)
{
    struct kept *kept = arg;
    size_t len = NLMSG_ALIGN(message->nlmsg_len);
    if (kept->len + len > KEPT_MAX || !kept->wanted(message, kept->arg))
        return;
    uint8_t *bytes = realloc(kept->bytes, kept->len + len);
    if (bytes == NULL)
        return;
    memcpy(bytes + kept->len, message, message->nlmsg_len);
    kept->bytes = bytes;
    kept->len += len;
}

static void ask_again(struct netlink *netlink, const struct kept *kept, uint16_t type)
{
    for (size_t at = 0; at < kept->len;) {
        const struct nlmsghdr *message = (const void *)(kept->bytes + at);
        at += NLMSG_ALIGN(message->nlmsg_len);
        if (netlink_repeat(netlink, message, type) != NULL)
            (void)netlink_ask(netlink); /* somebody else may have removed it */
    }
}

/* ---- Routes of a table ---- */

struct table {
    unsigned family;
    uint32_t number;
};

static bool is_in_table(const struct nlmsghdr *message, void *arg)
{
    const struct table *table = arg;
    const struct rtmsg *route = mnl_nlmsg_get_payload(message);
    return message->nlmsg_type == RTM_NEWROUTE && route->rtm_protocol == NETSETUP_PROTOCOL &&
           netlink_number(message, sizeof(*route), RTA_TABLE, route->rtm_table) == table->number;
}

static void drop_routes(struct netlink *netlink, struct table *table)
{
    struct rtmsg fixed = {.rtm_family = kernel_family(table->family)};
    struct kept kept = {.wanted = is_in_table, .arg = table};
    int error = EINTR;
    for (int i = 0; i < DUMPS_MAX && error == EINTR; i++) {
        struct nlmsghdr *message = netlink_begin(netlink, RTM_GETROUTE, 0, &fixed, sizeof(fixed));
        mnl_attr_put_u32(message, RTA_TABLE, table->number);
        kept.len = 0;
        error = netlink_dump(netlink, keep, &kept); /* ENOENT: no such table */
    }
    ask_again(netlink, &kept, RTM_DELROUTE);
    free(kept.bytes);
}

/* ---- Rules ---- */

struct choice {
    bool (*drop)(const struct netrule_found *rule, void *arg);
    void *arg;
};

static bool is_ours(const struct nlmsghdr *message, struct netrule_found *rule)
{
    const size_t fixed = sizeof(struct fib_rule_hdr);
    const struct nlattr *protocol = netlink_attribute(message, fixed, FRA_PROTOCOL, 1);
    const struct nlattr *device = netlink_attribute(message, fixed, FRA_IIFNAME, 1);
    *rule = (struct netrule_found){.mark = netlink_number(message, fixed, FRA_FWMARK, 0),
                                   .priority = netlink_number(message, fixed, FRA_PRIORITY, 0)};
    if (device != NULL && mnl_attr_get_payload_len(device) <= sizeof(rule->from_device))
        memcpy(rule->from_device, mnl_attr_get_payload(device), mnl_attr_get_payload_len(device));
    rule->from_device[sizeof(rule->from_device) - 1] = '\0';
    return message->nlmsg_type == RTM_NEWRULE && protocol != NULL &&
           mnl_attr_get_u8(protocol) == NETSETUP_PROTOCOL &&
           (rule->mark & NETSETUP_MASK) == NETSETUP_TABLE;
}

static bool is_chosen(const struct nlmsghdr *message, void *arg)
{
    const struct choice *choice = arg;
    struct netrule_found rule;
    return is_ours(message, &rule) && choice->drop(&rule, choice->arg);
}

void netrule_drop(struct netlink *netlink, unsigned family,
                  bool (*drop)(const struct netrule_found *rule, void *arg), void *arg)
{
    struct fib_rule_hdr fixed = {.family = kernel_family(family)};
    struct choice choice = {.drop = drop, .arg = arg};
    struct kept kept = {.wanted = is_chosen, .arg = &choice};
    int error = EINTR;
    for (int i = 0; i < DUMPS_MAX && error == EINTR; i++) {
        netlink_begin(netlink, RTM_GETRULE, 0, &fixed, sizeof(fixed));
        kept.len = 0;
        error = netlink_dump(netlink, keep, &kept);
    }
    ask_again(netlink, &kept, RTM_DELRULE);
    for (size_t at = 0; at < kept.len;) {
        const struct nlmsghdr *message = (const void *)(kept.bytes + at);
        struct netrule_found rule;
        at += NLMSG_ALIGN(message->nlmsg_len);
        (void)is_ours(message, &rule);
        if (rule.priority == NETSETUP_RULE_INTO)
            drop_routes(netlink, &(struct table){.family = family, .number = rule.mark});
    }
    free(kept.bytes);
}
