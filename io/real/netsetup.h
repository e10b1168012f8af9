/*
 * A device in the kernel's tables: its link, its addresses, the routes into it, and the rules that
 * lead everything into it. Nothing here touches another device, or a route or rule that is not
 * marked as ours by NETSETUP_PROTOCOL. All functions answer 0 or an error of io.h; doing again what
 * is done already succeeds.
 *
 * Everything: a table of its own, whose number is made of the device's index, holds a default route
 * into the device, and behind it one that refuses, where leaks are blocked. Rules lead there:
 *
 *   20000: from all to A fwmark T/0x0 ipproto tcp dport P lookup main     see netsetup_past()
 *   20001: from all fwmark T/0x0 lookup main suppress_prefixlength 0      narrower routes come
 * first 20002: not from all fwmark T/0x70000000 lookup T                      all but marked
 * sockets 20003: from all fwmark T/0x0 iif NAME nop                             says whose block
 * this is
 *
 * A mark under the mask 0x0 matches everything; it is there to tell whose the rule is.
 */
#ifndef IO_REAL_NETSETUP_H
#define IO_REAL_NETSETUP_H

#include "io/device.h"
#include "io/real/netlink.h"

enum {
    NETSETUP_ENTRIES_MAX = 100000, /* addresses and routes of one device */
    NETSETUP_PAST_MAX = 256,       /* ways past the device */
    NETSETUP_PROTOCOL = 0xad,      /* of our routes and rules (rtm_protocol, FRA_PROTOCOL) */
    NETSETUP_TABLE = 0x20000000,   /* + index of the device: its table and its mark */
    NETSETUP_MASK = 0x70000000,    /* the bits of a mark that say that it is ours */
    NETSETUP_RULE_PAST = 20000,    /* priorities */
    NETSETUP_RULE_NARROWER = 20001,
    NETSETUP_RULE_INTO = 20002,
    NETSETUP_RULE_OWNER = 20003,
};

/* A way past the device: connections to an address and port, or accepted at them. */
struct netsetup_past {
    struct addr addr;
    bool accepted;
};

struct netsetup {
    struct netlink netlink;
    char name[IO_DEVICE_NAME_MAX];
    uint32_t index;
    uint32_t table;     /* and mark */
    bool everything[2]; /* IPv4, IPv6 */
    bool block[2];
    struct netsetup_past past[NETSETUP_PAST_MAX]; /* a ring, of IPv4 alone */
    size_t past_count;                            /* that there ever were */
    size_t entries;                               /* addresses and routes that were added */
};

/* For the device of that name. */
int netsetup_open(struct netsetup *setup, const char *name);
void netsetup_close(struct netsetup *setup);

/* Packets from the device are IO_DEVICE_PACKET_MAX bytes long at most, headers included. */
int netsetup_limit_segments(struct netsetup *setup);

/* The link's MTU, and up. An IP device gets no addresses but those that it is given. */
int netsetup_link(struct netsetup *setup, enum io_device_kind kind, uint16_t mtu);

int netsetup_address(struct netsetup *setup, const struct io_device_address *address, bool add);

/* IO_E_EXISTS when the same prefix leads elsewhere, IO_E_FULL when there are too many. */
int netsetup_route(struct netsetup *setup, const struct cidr *to, bool add);

/* As io_device_everything(). With `block` the rules stand even where this fails. */
int netsetup_everything(struct netsetup *setup, unsigned family, bool on, bool block);

/*
 * Lets the answers to a marked socket in. Where the kernel filters by reverse path, and strictly,
 * it asks whether an answer to its sender would leave by the interface that the packet came from;
 * that question has no mark, so it gets a rule. IPv4 alone has such a filter. Without everything in
 * force the rule waits for it.
 */
void netsetup_past(struct netsetup *setup, const struct netsetup_past *past);

/* Removes what devices of ended processes have left: all but blocks of devices of other names. */
void netsetup_settle(struct netsetup *setup);

/* Removes all rules and the table; those of a block stay when the device was not closed. */
void netsetup_end(struct netsetup *setup, bool closed);

#endif
