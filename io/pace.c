#include "io/pace.h"

void pace_start(struct pace *pace)
{
    pace->unsent_max = PACE_MOST;
    pace->piece = 0;
    pace->full = false;
}

void pace_set_packet(struct pace *pace, size_t packet)
{
    if (packet == 0 || packet >= PACE_PIECE_MAX)
        pace->piece = packet;
    else
        pace->piece = PACE_PIECE_MAX / packet * packet;
}

size_t pace_at_once(const struct pace *pace)
{
    if (pace->piece == 0 || pace->unsent_max < pace->piece)
        return pace->unsent_max;
    return pace->unsent_max - pace->unsent_max % pace->piece;
}

void pace_full(struct pace *pace, uint64_t now_ms)
{
    if (!pace->full)
        pace->full_ms = now_ms;
    pace->full = true;
}

bool pace_room(struct pace *pace, uint64_t now_ms)
{
    uint64_t took_ms = now_ms - pace->full_ms;
    size_t before = pace->unsent_max;
    if (!pace->full || before == 0)
        return false;
    pace->full = false;
    if (took_ms > PACE_SLOW_MS && before > PACE_LEAST)
        pace->unsent_max = before / 2;
    else if (took_ms <= PACE_FAST_MS && before < PACE_MOST)
        pace->unsent_max = before * 2;
    return pace->unsent_max != before;
}
