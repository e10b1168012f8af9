#include "io/real/capability.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The two words of a set of 64. */
struct sets {
    struct __user_cap_data_struct low;
    struct __user_cap_data_struct high;
};

static const uint32_t network = UINT32_C(1) << CAP_NET_ADMIN;

static struct __user_cap_header_struct header(void)
{
    return (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
}

static bool get(struct sets *sets)
{
    struct __user_cap_header_struct head = header();
    return syscall(SYS_capget, &head, sets) == 0;
}

static bool set(const struct sets *sets)
{
    struct __user_cap_header_struct head = header();
    return syscall(SYS_capset, &head, sets) == 0;
}

bool capability_network(void)
{
    struct sets sets;
    return get(&sets) && (sets.low.effective & network) != 0;
}

bool capability_only_network(void)
{
    struct sets sets;
    if (!get(&sets))
        return false;
    sets.low.effective = network;
    sets.high.effective = 0;
    return set(&sets);
}

bool capability_no_others(void)
{
    struct sets sets = {.low = {.effective = network, .permitted = network}};
    /* Without CAP_SETPCAP there was nothing to be gained from the bounding set either. */
    for (int i = 0; i <= CAP_LAST_CAP; i++)
        if (i != CAP_NET_ADMIN)
            (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    return set(&sets);
}

bool capability_drop_all(void)
{
    static const struct sets none;
    /* An ambient capability is one that is permitted and inheritable: it goes with them. */
    return set(&none);
}

bool capability_restore(void)
{
    struct sets sets;
    if (!get(&sets))
        return false;
    sets.low.effective = sets.low.permitted;
    sets.high.effective = sets.high.permitted;
    return set(&sets);
}
