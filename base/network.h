/*
 * What limits count as one caller.
 */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include <adit/adit.h>

/* An IPv4 address, or the /64 that an IPv6 household has. */
struct adit_ip network_of(const struct adit_ip *ip);

#endif
