#include "base/network.h"

#include <string.h>

enum { IPV6_NETWORK_LEN = 8 };

struct adit_ip network_of(const struct adit_ip *ip)
{
    struct adit_ip network = *ip;
    if (ip->family == 6)
        memset(network.bytes + IPV6_NETWORK_LEN, 0, sizeof(network.bytes) - IPV6_NETWORK_LEN);
    return network;
}
