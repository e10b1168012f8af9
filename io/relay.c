#include "io/core.h"

enum io_relay_stop io_relay(struct io_stream *from, struct io_stream *to, size_t max, size_t *moved)
{
    uint8_t *scratch = io_core_of(io_stream_loop(from))->scratch;
    *moved = 0;
    while (*moved < max) {
        if (io_queued(to) > 0)
            return IO_RELAY_SINK;
        size_t want = max - *moved < IO_SCRATCH_LEN ? max - *moved : IO_SCRATCH_LEN;
        ssize_t got = io_read(from, scratch, want);
        if (got == IO_AGAIN)
            return IO_RELAY_SOURCE;
        if (got == 0)
            return IO_RELAY_END;
        if (got < 0)
            return IO_RELAY_FAILED;
        if (io_send(to, scratch, (size_t)got) != 0)
            return IO_RELAY_FAILED;
        *moved += (size_t)got;
    }
    return IO_RELAY_MAX;
}
