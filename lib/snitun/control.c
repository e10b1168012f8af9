#include "lib/snitun/control.h"

#include "lib/snitun/alive.h"
#include "lib/snitun/answers.h"
#include "lib/snitun/channel.h"
#include "lib/snitun/frame.h"
#include "lib/snitun/schedule.h"

#include <string.h>

/* Where frames go, and how much room is left. */
struct writer {
    uint8_t *at;
    size_t room;
};

static void written(struct writer *writer, size_t len)
{
    writer->at += len;
    writer->room -= len;
}

/* ---- What waits ---- */

void snitun_control_update(struct snitun_channel *channel)
{
    bool due = channel->new_due || channel->closing || channel->pause_wanted != channel->pause_told;
    if (!due)
        list_remove(&channel->queued);
    else if (list_empty(&channel->queued))
        list_append(&channel->session->control.channels, &channel->queued);
}

void snitun_control_pong(struct snitun_session *session, const uint8_t id[SNITUN_ID_LEN])
{
    if (!snitun_answers_push(session->context, &session->control.pongs, SNITUN_PONGS_MAX, id))
        session->counters.pings_dropped++;
}

void snitun_control_refuse(struct snitun_session *session, const uint8_t id[SNITUN_ID_LEN])
{
    (void)snitun_answers_push(session->context, &session->control.refusals, SNITUN_REFUSALS_MAX,
                              id);
    session->counters.channels_refused++;
}

void snitun_control_clear(struct snitun_session *session)
{
    snitun_answers_return(session->context, &session->control.pongs);
    snitun_answers_return(session->context, &session->control.refusals);
    session->control.ping_due = false;
    session->control.answer_due = false;
}

bool snitun_wants_to_send(const struct snitun_session *session)
{
    const struct snitun_control *control = &session->control;
    if (session->error)
        return false;
    if (session->state != SNITUN_STATE_RUNNING)
        return session->state == SNITUN_STATE_SEND_CHALLENGE;
    return control->answer_due || control->ping_due || control->pongs || control->refusals ||
           !list_empty(&control->channels) || snitun_schedule_waits(session);
}

/* ---- Writing ---- */

/* The challenge, or the answer to it, when it is due. */
static int write_handshake(struct snitun_session *session, struct writer *writer)
{
    bool challenge = session->state == SNITUN_STATE_SEND_CHALLENGE;
    size_t len = SNITUN_CHALLENGE_LEN + units_overhead(&session->units);
    if ((!challenge && !session->control.answer_due) || writer->room < len)
        return SNITUN_OK;
    enum units_error error = units_seal(&session->units, session->context->units,
                                        session->challenge, SNITUN_CHALLENGE_LEN, writer->at);
    if (error)
        return snitun_session_fail_units(session, error);
    if (challenge)
        session->state = SNITUN_STATE_AWAIT_ANSWER;
    session->control.answer_due = false;
    written(writer, len);
    return SNITUN_OK;
}

/* A frame without payload, whose extra starts with the first extra_len bytes of extra. */
static int write_frame(struct snitun_session *session, enum snitun_flag flag,
                       const uint8_t id[SNITUN_ID_LEN], const char *extra, struct writer *writer)
{
    struct snitun_frame frame = {.flag = (uint8_t)flag};
    size_t extra_len = strlen(extra);
    memcpy(frame.id, id, sizeof frame.id);
    memcpy(frame.extra, extra, extra_len);
    int error = snitun_frame_seal(session, &frame, extra_len, writer->at);
    if (!error)
        written(writer, snitun_header_len(session));
    return error;
}

/* A frame for each id that waits. */
static int write_answers(struct snitun_session *session, struct snitun_answers **answers,
                         enum snitun_flag flag, const char *extra, struct writer *writer)
{
    uint8_t id[SNITUN_ID_LEN];
    while (writer->room >= snitun_header_len(session) &&
           snitun_answers_pop(session->context, answers, id)) {
        int error = write_frame(session, flag, id, extra, writer);
        if (error)
            return error;
    }
    return SNITUN_OK;
}

static int write_all_answers(struct snitun_session *session, struct writer *writer)
{
    struct snitun_control *control = &session->control;
    int error = write_answers(session, &control->pongs, SNITUN_FLAG_PING, "pong", writer);
    return error ? error
                 : write_answers(session, &control->refusals, SNITUN_FLAG_CLOSE, "", writer);
}

static int write_ping(struct snitun_session *session, uint64_t now_ms, struct writer *writer)
{
    if (!session->control.ping_due || writer->room < snitun_header_len(session))
        return SNITUN_OK;
    int error = snitun_session_random(session, session->ping_id, sizeof session->ping_id);
    error =
        error ? error : write_frame(session, SNITUN_FLAG_PING, session->ping_id, "ping", writer);
    if (!error) {
        session->control.ping_due = false;
        snitun_alive_pinged(session, now_ms);
    }
    return error;
}

/* The channel's next frame: NEW before anything, nothing but CLOSE once it is closing. */
static int write_channel(struct snitun_session *session, struct snitun_channel *channel,
                         struct writer *writer)
{
    if (channel->new_due) {
        size_t len = snitun_frame_new_len(session, &channel->caller);
        int error = snitun_frame_seal_new(session, channel->id, &channel->caller, writer->at);
        if (!error) {
            written(writer, len);
            channel->new_due = false;
            snitun_schedule_update(channel);
        }
        return error;
    }
    if (channel->closing)
        return write_frame(session, SNITUN_FLAG_CLOSE, channel->id, "", writer);
    enum snitun_flag flag = channel->pause_wanted ? SNITUN_FLAG_PAUSE : SNITUN_FLAG_RESUME;
    channel->pause_told = channel->pause_wanted;
    return write_frame(session, flag, channel->id, "", writer);
}

static int write_channels(struct snitun_session *session, struct writer *writer)
{
    struct list *queue = &session->control.channels;
    while (!list_empty(queue)) {
        struct snitun_channel *channel = container_of(queue->next, struct snitun_channel, queued);
        size_t len = channel->new_due ? snitun_frame_new_len(session, &channel->caller)
                                      : snitun_header_len(session);
        if (writer->room < len)
            return SNITUN_OK;
        int error = write_channel(session, channel, writer);
        if (error)
            return error;
        if (channel->closing)
            snitun_channel_closed(channel);
        else
            snitun_control_update(channel);
    }
    return SNITUN_OK;
}

long snitun_control(struct snitun_session *session, uint64_t now_ms, uint8_t *out, size_t room)
{
    if (session->error)
        return session->error;
    struct writer writer = {.at = out, .room = room};
    int error = write_handshake(session, &writer);
    if (!error && session->state == SNITUN_STATE_RUNNING && !session->control.answer_due) {
        error = write_all_answers(session, &writer);
        error = error ? error : write_ping(session, now_ms, &writer);
        error = error ? error : write_channels(session, &writer);
    }
    return error ? error : (long)(room - writer.room);
}
