/*
 * How many of something an IPv4 address or an IPv6 /64 holds: connections that are not known yet,
 * channels. Any thread.
 */
#ifndef ROLES_QUOTA_H
#define ROLES_QUOTA_H

#include "base/ip.h"

struct quota;

struct quota *quota_new(const uint8_t seed[16]); /* NULL without memory */
void quota_free(struct quota *quota);

/* False when the address holds `max` already, or without memory. */
bool quota_take(struct quota *quota, const struct adit_ip *ip, uint32_t max);
void quota_give_back(struct quota *quota, const struct adit_ip *ip);

#endif
