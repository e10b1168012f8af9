#include "roles/tunnel/internal.h"

enum {
    BATCH_MAX = TUNNEL_WIRE_LEN - SNITUN_CONTROL_MAX,
    FRAME_LEAST = 4096, /* room for less is left to the next batch */
};

/*
 * What the stream does not take waits in front of every later frame: a slow line gets small
 * batches, so that a short frame is never far behind a long one.
 */
static size_t batch_max(const struct tunnel *tunnel)
{
    size_t max = io_send_at_once(tunnel->stream);

    return max < BATCH_MAX ? max : BATCH_MAX;
}

/*
 * A frame with its header. Two fill a long batch, so that what the other side passes on of one is
 * not a little longer than what TCP carries at once.
 */
static size_t frame_max(size_t batch)
{
    return batch > SNITUN_FRAME_ALONE ? batch / 2 : batch;
}

/*
 * Fills the wire buffer with control frames and then frames by turns, up to what the line takes at
 * once. Bytes, or an error.
 */
static long fill(struct tunnel *tunnel, uint8_t *wire)
{
    size_t header_len = snitun_header_len(tunnel->session);
    size_t batch = batch_max(tunnel);
    size_t payload_max = frame_max(batch) - header_len;
    uint64_t now_ms = io_now_ms(tunnel->hub->loop);
    struct snitun_channel *next;
    size_t used = 0;
    size_t limit;

    snitun_session_set_frame_shared(tunnel->session, batch / 2);
    for (;;) {
        struct tunnel_channel *channel;
        size_t len;
        long control = snitun_control(tunnel->session, now_ms, wire + used, TUNNEL_WIRE_LEN - used);

        if (control < 0)
            return control;
        used += (size_t)control;
        if (used + FRAME_LEAST > batch)
            break;
        next = snitun_turn(tunnel->session, &limit);
        if (next == NULL)
            break;
        if (limit > payload_max)
            limit = payload_max;
        if (limit > batch - used - header_len)
            limit = batch - used - header_len;
        channel = snitun_channel_user(next);
        len = channel_read(channel, wire + used + header_len, limit);
        if (len > 0) {
            int error = snitun_data(tunnel->session, next, len, wire + used);
            if (error != SNITUN_OK)
                return error;
            used += header_len + len;
        }
    }
    return (long)used;
}

void tunnel_send(struct tunnel *tunnel)
{
    for (int batch = 0; io_queued(tunnel->stream) == 0; batch++) {
        long len;
        int error;

        if (batch == TUNNEL_BATCHES_PER_ROUND) {
            tunnel_want_pump(tunnel);
            return;
        }
        len = fill(tunnel, tunnel->hub->wire);
        if (len < 0)
            tunnel_finish(tunnel, TUNNEL_END_PROTOCOL, (int)len);
        if (len <= 0)
            return;
        tunnel->sent += (uint64_t)len;
        error = io_send(tunnel->stream, tunnel->hub->wire, (size_t)len);
        if (error != IO_OK) {
            tunnel_finish(tunnel, TUNNEL_END_IO, error);
            return;
        }
        if (io_queued(tunnel->stream) > 0)
            tunnel_hub_keep_budget(tunnel->hub);
    }
}
