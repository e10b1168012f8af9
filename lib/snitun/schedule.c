#include "lib/snitun/schedule.h"

#include "lib/snitun/frame.h"

#include <assert.h>
#include <string.h>

static struct snitun_channel *first(const struct snitun_schedule *schedule)
{
    return container_of(schedule->ring.next, struct snitun_channel, scheduled);
}

static bool alone(const struct snitun_schedule *schedule)
{
    return schedule->ring.next == schedule->ring.prev;
}

/* Ends the visit of the first channel. */
static void rotate(struct snitun_schedule *schedule)
{
    struct snitun_channel *channel = first(schedule);
    list_remove(&channel->scheduled);
    list_append(&schedule->ring, &channel->scheduled);
    schedule->granted = false;
}

void snitun_schedule_remove(struct snitun_channel *channel)
{
    struct snitun_schedule *schedule = &channel->session->schedule;
    if (list_empty(&channel->scheduled))
        return;
    if (first(schedule) == channel)
        schedule->granted = false;
    if (schedule->turn == channel)
        schedule->turn = NULL;
    list_remove(&channel->scheduled);
    if (channel->deficit > 0)
        channel->deficit = 0;
}

void snitun_schedule_update(struct snitun_channel *channel)
{
    if (channel->ended)
        return; /* its node is in the list of those */
    if (!channel->ready || channel->paused || channel->new_due)
        snitun_schedule_remove(channel);
    else if (list_empty(&channel->scheduled))
        list_append(&channel->session->schedule.ring, &channel->scheduled);
}

bool snitun_schedule_waits(const struct snitun_session *session)
{
    return snitun_session_running(session) && !session->control.answer_due &&
           !list_empty(&session->schedule.ring);
}

/* The channel whose visit it is, after its quantum; those that only pay a debt are passed by. */
static struct snitun_channel *next_with_credit(struct snitun_schedule *schedule)
{
    for (;;) {
        struct snitun_channel *channel = first(schedule);
        if (!schedule->granted) {
            channel->deficit += (int32_t)schedule->shared;
            schedule->granted = true;
        }
        if (channel->deficit > 0)
            return channel;
        rotate(schedule);
    }
}

struct snitun_channel *snitun_turn(struct snitun_session *session, size_t *limit)
{
    struct snitun_schedule *schedule = &session->schedule;
    schedule->turn = NULL;
    if (!snitun_schedule_waits(session))
        return NULL;
    schedule->alone = alone(schedule);
    if (schedule->alone) {
        schedule->turn = first(schedule);
        schedule->limit = SNITUN_FRAME_ALONE;
    } else {
        schedule->turn = next_with_credit(schedule);
        schedule->limit = schedule->shared;
    }
    *limit = schedule->limit;
    return schedule->turn;
}

void snitun_session_set_frame_shared(struct snitun_session *session, size_t len)
{
    session->schedule.shared = len < SNITUN_FRAME_SHARED  ? SNITUN_FRAME_SHARED
                               : len > SNITUN_FRAME_ALONE ? SNITUN_FRAME_ALONE
                                                          : (uint32_t)len;
}

/* Nobody waited for a frame of a channel that was alone: it neither earned nor owes. */
static void charge(struct snitun_schedule *schedule, struct snitun_channel *channel, size_t len)
{
    if (schedule->alone)
        channel->deficit = 0;
    else
        channel->deficit -= (int32_t)len;
    if (channel->deficit <= 0)
        rotate(schedule);
}

int snitun_data(struct snitun_session *session, struct snitun_channel *channel, size_t len,
                uint8_t *out)
{
    if (session->error)
        return session->error;
    struct snitun_schedule *schedule = &session->schedule;
    assert(channel && channel == schedule->turn);
    assert(len >= 1 && len <= schedule->limit);
    struct snitun_frame frame = {.flag = SNITUN_FLAG_DATA, .size = (uint32_t)len};
    memcpy(frame.id, channel->id, sizeof frame.id);
    int error = snitun_frame_seal(session, &frame, 0, out);
    if (error)
        return error;
    schedule->turn = NULL;
    charge(schedule, channel, len + snitun_header_len(session));
    session->counters.payload_sent += len;
    return SNITUN_OK;
}
