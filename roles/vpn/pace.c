#include "roles/vpn/pace.h"

void vpn_pace_sent(struct vpn_pace *pace, size_t len, uint64_t now_ms)
{
    size_t last = (pace->first + pace->count + VPN_PACE_MARKS - 1) % VPN_PACE_MARKS;
    pace->sent += len;
    /* Without room for a mark the newest stands for more: later is younger than it is. */
    if (pace->count == 0 || (pace->marks[last].at_ms != now_ms && pace->count < VPN_PACE_MARKS)) {
        last = (pace->first + pace->count) % VPN_PACE_MARKS;
        pace->count++;
        pace->marks[last].at_ms = now_ms;
    }
    pace->marks[last].end = pace->sent;
}

bool vpn_pace_late(struct vpn_pace *pace, size_t queued, uint32_t age_max_ms, uint64_t now_ms)
{
    uint64_t gone = pace->sent - queued;
    while (pace->count > 0 && pace->marks[pace->first].end <= gone) {
        pace->first = (pace->first + 1) % VPN_PACE_MARKS;
        pace->count--;
    }
    if (pace->count == 0 || now_ms - pace->marks[pace->first].at_ms < age_max_ms)
        pace->late_at_ms = 0;
    else if (pace->late_at_ms == 0)
        pace->late_at_ms = now_ms;
    return pace->late_at_ms != 0 && pace->late_at_ms < now_ms;
}

bool vpn_pace_full(struct vpn_pace *pace, size_t queued, size_t bytes_max, uint32_t age_max_ms,
                   uint64_t now_ms)
{
    return queued >= bytes_max || vpn_pace_late(pace, queued, age_max_ms, now_ms);
}
