/*
 * What commands 11 and 12 and tunnelled packets hold.
 */
#ifndef QUICKTUN_MESSAGES_H
#define QUICKTUN_MESSAGES_H

#include <adit/quicktun.h>

struct quicktun_session;

enum {
    QUICKTUN_NETWORK_LEN = 101,
    QUICKTUN_ROUTE_FIXED_MAX = 34, /* family, valid, network, mask */
    QUICKTUN_ROUTE_ID_LEN = 4,
};

/* Arguments of Set network configuration. False for a mode that we don't know. */
bool quicktun_message_read_network(const uint8_t arguments[QUICKTUN_NETWORK_LEN],
                                   struct quicktun_network *network);
void quicktun_message_write_network(const struct quicktun_network *network,
                                    uint8_t out[QUICKTUN_NETWORK_LEN]);

/* Arguments of Routing information update: 1, 0 for a family that we don't know, or an error. */
int quicktun_message_read_route(const uint8_t *arguments, size_t len, struct quicktun_route *route);

/* Writes what goes before the router ids and returns its length; 0 for an unknown family. */
size_t quicktun_message_write_route(const struct quicktun_route *route,
                                    uint8_t out[QUICKTUN_ROUTE_FIXED_MAX]);

/* Not empty and, in IP mode, IPv4 or IPv6. */
bool quicktun_message_deliverable(const struct quicktun_session *session, const uint8_t *packet,
                                  size_t len);

#endif
