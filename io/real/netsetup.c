#include "io/real/netsetup.h"

#include "io/real/kernel_error.h"
#include "io/real/netrule.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
    GSO_IPV4_MAX_SIZE = 63, /* IFLA_GSO_IPV4_MAX_SIZE, since Linux 6.3 */
    BLOCKS_MAX = 64,        /* that processes of other devices have left */
    METRIC_DEVICE = 1,
    METRIC_REFUSE = 2,
};

static uint8_t kernel_family(unsigned family)
{
    return family == 6 ? AF_INET6 : AF_INET;
}

static size_t ip_len(const struct adit_ip *ip)
{
    return ip->family == 6 ? 16 : 4;
}

static bool ip_is_sound(const struct adit_ip *ip, unsigned prefix_len)
{
    return (ip->family == 4 || ip->family == 6) && prefix_len <= 8 * ip_len(ip);
}

int netsetup_open(struct netsetup *setup, const char *name)
{
    *setup = (struct netsetup){.index = if_nametoindex(name)};
    if (setup->index == 0)
        return kernel_error(errno);
    if ((setup->index & NETSETUP_MASK) != 0)
        return IO_E_TOO_LARGE;
    snprintf(setup->name, sizeof(setup->name), "%s", name);
    setup->table = NETSETUP_TABLE | setup->index;
    return kernel_error(netlink_open(&setup->netlink));
}

void netsetup_close(struct netsetup *setup)
{
    netlink_close(&setup->netlink);
}

/* ---- The link ---- */

static struct nlmsghdr *begin_link(struct netsetup *setup, unsigned flags)
{
    struct ifinfomsg fixed = {
        .ifi_index = (int)setup->index, .ifi_flags = flags, .ifi_change = flags};
    return netlink_begin(&setup->netlink, RTM_NEWLINK, 0, &fixed, sizeof(fixed));
}

int netsetup_limit_segments(struct netsetup *setup)
{
    struct nlmsghdr *message = begin_link(setup, 0);
    mnl_attr_put_u32(message, IFLA_GSO_MAX_SIZE, IO_DEVICE_PACKET_MAX);
    mnl_attr_put_u32(message, GSO_IPV4_MAX_SIZE, IO_DEVICE_PACKET_MAX);
    return kernel_error(netlink_ask(&setup->netlink));
}

/* A primary address that goes does not take the others of its network with it. */
static void keep_secondary_addresses(struct netsetup *setup)
{
    struct nlmsghdr *message = begin_link(setup, 0);
    struct nlattr *families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
    struct nlattr *ip4 = mnl_attr_nest_start(message, AF_INET);
    struct nlattr *settings = mnl_attr_nest_start(message, IFLA_INET_CONF);
    mnl_attr_put_u32(message, IPV4_DEVCONF_PROMOTE_SECONDARIES, 1);
    mnl_attr_nest_end(message, settings);
    mnl_attr_nest_end(message, ip4);
    mnl_attr_nest_end(message, families);
    (void)netlink_ask(&setup->netlink);
}

/* Else it would speak in the tunnel from a link-local address that no peer is allowed to have. */
static void leave_out_link_local(struct netsetup *setup)
{
    struct nlmsghdr *message = begin_link(setup, 0);
    struct nlattr *families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
    struct nlattr *ip6 = mnl_attr_nest_start(message, AF_INET6);
    mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(message, ip6);
    mnl_attr_nest_end(message, families);
    (void)netlink_ask(&setup->netlink); /* there may be no IPv6 */
}

int netsetup_link(struct netsetup *setup, enum io_device_kind kind, uint16_t mtu)
{
    keep_secondary_addresses(setup);
    if (kind == IO_DEVICE_IP)
        leave_out_link_local(setup);
    struct nlmsghdr *message = begin_link(setup, IFF_UP);
    mnl_attr_put_u32(message, IFLA_MTU, mtu);
    return kernel_error(netlink_ask(&setup->netlink));
}

/* ---- Addresses ---- */

/* The kernel answers no error where something has changed. */
static void count(struct netsetup *setup, int error, bool add)
{
    if (error == 0 && add)
        setup->entries++;
    else if (error == 0 && setup->entries > 0)
        setup->entries--;
}

int netsetup_address(struct netsetup *setup, const struct io_device_address *address, bool add)
{
    const struct adit_ip *ip = &address->ip;
    if (!ip_is_sound(ip, address->prefix_len))
        return IO_E_OTHER;
    if (add && setup->entries >= NETSETUP_ENTRIES_MAX)
        return IO_E_FULL;
    struct ifaddrmsg fixed = {.ifa_family = kernel_family(ip->family),
                              .ifa_prefixlen = address->prefix_len,
                              .ifa_flags = ip->family == 6 ? IFA_F_NODAD : 0,
                              .ifa_index = setup->index};
    struct nlmsghdr *message =
        netlink_begin(&setup->netlink, add ? RTM_NEWADDR : RTM_DELADDR,
                      add ? NLM_F_CREATE | NLM_F_EXCL : 0, &fixed, sizeof(fixed));
    mnl_attr_put(message, IFA_LOCAL, ip_len(ip), ip->bytes);
    mnl_attr_put(message, IFA_ADDRESS, ip_len(ip), ip->bytes);
    int error = netlink_ask(&setup->netlink);
    count(setup, error, add);
    return error == (add ? EEXIST : EADDRNOTAVAIL) ? 0 : kernel_error(error);
}

/* ---- Routes ---- */

struct route {
    struct cidr to;
    uint32_t table;
    uint32_t metric; /* 0 = the kernel's choice */
    bool refuse;     /* instead of leading into the device */
};

static int ask_route(struct netsetup *setup, const struct route *route, uint16_t type,
                     uint16_t flags)
{
    const struct adit_ip *ip = &route->to.ip;
    struct rtmsg fixed = {.rtm_family = kernel_family(ip->family),
                          .rtm_dst_len = route->to.prefix_len,
                          .rtm_protocol = NETSETUP_PROTOCOL,
                          .rtm_scope =
                              ip->family == 6 || route->refuse ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                          .rtm_type = route->refuse ? RTN_UNREACHABLE : RTN_UNICAST};
    struct nlmsghdr *message = netlink_begin(&setup->netlink, type, flags, &fixed, sizeof(fixed));
    mnl_attr_put_u32(message, RTA_TABLE, route->table);
    if (route->to.prefix_len > 0)
        mnl_attr_put(message, RTA_DST, ip_len(ip), ip->bytes);
    if (!route->refuse)
        mnl_attr_put_u32(message, RTA_OIF, setup->index);
    if (route->metric != 0)
        mnl_attr_put_u32(message, RTA_PRIORITY, route->metric);
    return netlink_ask(&setup->netlink);
}

/*
 * Where the prefix has a route, the kernel adds a second one that it would not use; that it does
 * not add when the route is ours already.
 */
static int look_whose(struct netsetup *setup, const struct route *route)
{
    int error = ask_route(setup, route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND);
    if (error == EEXIST)
        return 0;
    if (error == 0)
        (void)ask_route(setup, route, RTM_DELROUTE, 0);
    return error == 0 ? IO_E_EXISTS : kernel_error(error);
}

int netsetup_route(struct netsetup *setup, const struct cidr *to, bool add)
{
    struct route route = {.to = *to, .table = RT_TABLE_MAIN};
    if (!ip_is_sound(&to->ip, to->prefix_len))
        return IO_E_OTHER;
    if (!add) {
        int error = ask_route(setup, &route, RTM_DELROUTE, 0);
        count(setup, error, false);
        return error == ESRCH ? 0 : kernel_error(error);
    }
    if (setup->entries >= NETSETUP_ENTRIES_MAX)
        return IO_E_FULL;
    int error = ask_route(setup, &route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    count(setup, error, true);
    return error == EEXIST ? look_whose(setup, &route) : kernel_error(error);
}

/* ---- Everything ---- */

static int default_route(struct netsetup *setup, unsigned family, bool refuse, bool add)
{
    struct route route = {.to.ip.family = (uint8_t)family,
                          .table = setup->table,
                          .metric = refuse ? METRIC_REFUSE : METRIC_DEVICE,
                          .refuse = refuse};
    int error = ask_route(setup, &route, add ? RTM_NEWROUTE : RTM_DELROUTE,
                          add ? NLM_F_CREATE | NLM_F_REPLACE : 0);
    return !add && error == ESRCH ? 0 : error;
}

static int set_block(struct netsetup *setup, unsigned family, bool block)
{
    struct netrule owner = {.priority = NETSETUP_RULE_OWNER, .mark = setup->table};
    owner.from_device = setup->name;
    int error = default_route(setup, family, true, block);
    return error != 0 ? error : netrule_set(&setup->netlink, family, &owner, block);
}

static int set_rules(struct netsetup *setup, unsigned family)
{
    struct netrule narrower = {.priority = NETSETUP_RULE_NARROWER,
                               .mark = setup->table,
                               .table = RT_TABLE_MAIN,
                               .narrower = true};
    struct netrule into = {.priority = NETSETUP_RULE_INTO,
                           .mark = setup->table,
                           .table = setup->table,
                           .unmarked = true};
    int error = netrule_set(&setup->netlink, family, &narrower, true);
    return error != 0 ? error : netrule_set(&setup->netlink, family, &into, true);
}

static void set_past(struct netsetup *setup, const struct netsetup_past *past, bool add)
{
    struct netrule rule = {
        .priority = NETSETUP_RULE_PAST, .mark = setup->table, .table = RT_TABLE_MAIN};
    if (past->accepted)
        rule.from = &past->addr;
    else
        rule.to = &past->addr;
    (void)netrule_set(&setup->netlink, 4, &rule, add);
}

void netsetup_past(struct netsetup *setup, const struct netsetup_past *past)
{
    size_t count = setup->past_count < NETSETUP_PAST_MAX ? setup->past_count : NETSETUP_PAST_MAX;
    if (past->addr.ip.family != 4)
        return;
    for (size_t i = 0; i < count; i++)
        if (addr_equal(&setup->past[i].addr, &past->addr) &&
            setup->past[i].accepted == past->accepted)
            return;
    struct netsetup_past *place = &setup->past[setup->past_count++ % NETSETUP_PAST_MAX];
    if (setup->everything[0] && count == NETSETUP_PAST_MAX)
        set_past(setup, place, false);
    *place = *past;
    if (setup->everything[0])
        set_past(setup, place, true);
}

static void set_all_past(struct netsetup *setup)
{
    for (size_t i = 0; i < setup->past_count && i < NETSETUP_PAST_MAX; i++)
        set_past(setup, &setup->past[i], true);
}

static bool is_table(const struct netrule_found *rule, void *arg)
{
    const struct netsetup *setup = arg;
    return rule->mark == setup->table;
}

static void end_family(struct netsetup *setup, unsigned family)
{
    netrule_drop(&setup->netlink, family, is_table, setup);
    (void)default_route(setup, family, true, false);
    (void)default_route(setup, family, false, false);
}

int netsetup_everything(struct netsetup *setup, unsigned family, bool on, bool block)
{
    if (family != 4 && family != 6)
        return IO_E_OTHER;
    size_t at = family == 6 ? 1 : 0;
    setup->everything[at] = on;
    setup->block[at] = on && block;
    if (!on) {
        end_family(setup, family);
        return 0;
    }
    if (family == 4)
        set_all_past(setup);
    int error = default_route(setup, family, false, true);
    if (error == 0 || block) {
        int blocked = set_block(setup, family, block);
        int ruled = blocked == 0 ? set_rules(setup, family) : blocked;
        error = error == 0 ? ruled : error;
    }
    if (error != 0 && !block)
        end_family(setup, family);
    return kernel_error(error);
}

/* ---- What others have left, and the end ---- */

/* A rule that names another device belongs to a block of that one's, which alone removes it. */
struct strays {
    struct netsetup *setup;
    uint32_t kept[BLOCKS_MAX]; /* the tables of those blocks */
    size_t kept_count;
};

static bool is_alive(uint32_t table)
{
    char name[IF_NAMESIZE];
    return if_indextoname(table & ~(uint32_t)NETSETUP_MASK, name) != NULL;
}

static bool keep_blocks(const struct netrule_found *rule, void *arg)
{
    struct strays *strays = arg;
    if (rule->from_device[0] != '\0' && strcmp(rule->from_device, strays->setup->name) != 0 &&
        strays->kept_count < BLOCKS_MAX)
        strays->kept[strays->kept_count++] = rule->mark;
    return false;
}

static bool is_stray(const struct netrule_found *rule, void *arg)
{
    const struct strays *strays = arg;
    for (size_t i = 0; i < strays->kept_count; i++)
        if (strays->kept[i] == rule->mark)
            return false;
    return rule->mark != strays->setup->table && !is_alive(rule->mark);
}

void netsetup_settle(struct netsetup *setup)
{
    for (unsigned family = 4; family <= 6; family += 2) {
        struct strays strays = {.setup = setup};
        netrule_drop(&setup->netlink, family, keep_blocks, &strays);
        netrule_drop(&setup->netlink, family, is_stray, &strays);
    }
}

static bool is_past(const struct netrule_found *rule, void *arg)
{
    return is_table(rule, arg) && rule->priority == NETSETUP_RULE_PAST;
}

void netsetup_end(struct netsetup *setup, bool closed)
{
    for (unsigned family = 4; family <= 6; family += 2)
        if (closed || !setup->block[family == 6 ? 1 : 0])
            end_family(setup, family);
        else
            netrule_drop(&setup->netlink, family, is_past, setup);
}
