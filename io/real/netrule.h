/*
 * Our rules of policy routing (ip-rule(8)): all carry NETSETUP_PROTOCOL and the mark that says
 * whose they are.
 */
#ifndef IO_REAL_NETRULE_H
#define IO_REAL_NETRULE_H

#include "base/ip.h"
#include "io/device.h"
#include "io/real/netlink.h"

struct netrule {
    uint32_t priority;
    uint32_t mark;
    uint32_t table;          /* to look in; 0 = the rule does nothing */
    bool unmarked;           /* for packets without one of our marks, else for all */
    bool narrower;           /* without the table's default route */
    const char *from_device; /* NULL = any */
    const struct addr *to;   /* TCP to this address and port, NULL = any */
    const struct addr *from; /* TCP from them, without an address from the port, NULL = any */
};

/* Adds or removes it: 0 or an errno, 0 also when that is so already. */
int netrule_set(struct netlink *netlink, unsigned family, const struct netrule *rule, bool add);

/* What is told of a rule that is there. */
struct netrule_found {
    uint32_t mark;
    uint32_t priority;
    char from_device[IO_DEVICE_NAME_MAX]; /* "" = any */
};

/*
 * Removes every rule of ours for which drop(rule, arg) is true, and then the routes of ours in the
 * tables that they led to.
 */
void netrule_drop(struct netlink *netlink, unsigned family,
                  bool (*drop)(const struct netrule_found *rule, void *arg), void *arg);

#endif
