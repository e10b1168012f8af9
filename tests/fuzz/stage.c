#include "tests/fuzz/stage.h"

enum {
    LATENCY_US = 100,
    BUFFER = 65536,
    ARRIVAL_MS = 2,
    PIECES_MAX = 32,
    AFTERWARDS_S = 300,
};

static uint32_t drawn;

static void remember(struct io_loop *loop, void *arg)
{
    *(struct io_loop **)arg = loop;
}

void stage_open(struct stage *stage)
{
    static const char *const addresses[] = {STAGE_ROLE_ADDRESS, STAGE_STRANGER_ADDRESS};
    const struct sim_access access = {.latency_us = LATENCY_US, .segment_max = BUFFER};
    drawn = 0;
    *stage = (struct stage){.world = sim_world_new(1)};
    for (int i = 0; i < STAGE_HOSTS; i++) {
        stage->hosts[i] = sim_host_new(stage->world, i == 0 ? "role" : "stranger", addresses[i]);
        sim_host_set_access(stage->hosts[i], &access);
        sim_host_set_buffers(stage->hosts[i], BUFFER, BUFFER);
        stage->processes[i] = sim_host_start(stage->hosts[i], remember, &stage->loops[i]);
    }
    stage_run_ms(stage, 1);
}

void stage_close(struct stage *stage)
{
    char why[256];
    stage_run_ms(stage, AFTERWARDS_S * UINT64_C(1000));
    FUZZ_CHECK(sim_failure(stage->world) == NULL);
    for (int i = 0; i < STAGE_HOSTS; i++) {
        size_t leaks = sim_process_leaks(stage->processes[i], why, sizeof why);
        if (leaks > 0)
            fprintf(stderr, "left: %s\n", why);
        FUZZ_CHECK(leaks == 0);
        sim_process_end(stage->processes[i]);
    }
    sim_world_free(stage->world);
}

int stage_random(void *arg, void *buf, size_t len)
{
    uint8_t *out = buf;
    (void)arg;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)((++drawn * UINT32_C(2654435761)) >> 13);
    return 0;
}

void stage_on(struct stage *stage, int host, void (*fn)(struct io_loop *loop, void *arg), void *arg)
{
    FUZZ_CHECK(sim_process_call_wait(stage->processes[host], fn, arg));
}

void stage_run_ms(struct stage *stage, uint64_t ms)
{
    (void)sim_run(stage->world, sim_now_us(stage->world) + ms * 1000, NULL, NULL);
}

uint64_t stage_now_ms(const struct stage *stage)
{
    return sim_now_us(stage->world) / 1000;
}

/* ---- A stranger's connections ---- */

static void on_readable(void *arg)
{
    struct voice *voice = arg;
    uint8_t bytes[4096];
    ssize_t got;
    while ((got = io_read(voice->stream, bytes, sizeof bytes)) > 0) {
        size_t room = sizeof voice->heard - voice->len;
        size_t kept = (size_t)got < room ? (size_t)got : room;
        memcpy(voice->heard + voice->len, bytes, kept);
        voice->len += kept;
    }
    voice->over = voice->over || got != IO_AGAIN;
}

static void on_nothing(void *arg)
{
    (void)arg;
}

static void on_failed(void *arg, int error)
{
    (void)error;
    ((struct voice *)arg)->over = true;
}

static const struct io_stream_handler handler = {
    .connected = on_nothing, .readable = on_readable, .sent = on_nothing, .failed = on_failed};

struct call {
    struct voice *voice;
    struct addr at;
    const uint8_t *bytes;
    size_t len;
};

static void call(struct io_loop *loop, void *arg)
{
    const struct call *call = arg;
    int error;
    call->voice->stream = io_connect(loop, &call->at, &handler, call->voice, &error);
}

void voice_call_from(struct voice *voice, struct stage *stage, int host, const struct addr *to)
{
    struct call work = {.voice = voice, .at = *to};
    voice->stage = stage;
    voice->host = host;
    voice->over = false;
    voice->len = voice->used = 0;
    stage_on(stage, host, call, &work);
    stage_run_ms(stage, ARRIVAL_MS);
}

void voice_call(struct voice *voice, struct stage *stage, uint16_t port)
{
    struct addr to = {.port = port};
    FUZZ_CHECK(ip_parse(STAGE_ROLE_ADDRESS, &to.ip));
    voice_call_from(voice, stage, STAGE_STRANGER, &to);
}

/* One at a time: who comes while another is there is turned away. */
static void on_accepted(void *arg, struct io_stream *stream)
{
    struct voice *voice = arg;
    if (voice->stream != NULL && !voice->over) {
        io_abort(stream);
        return;
    }
    if (voice->stream != NULL)
        io_abort(voice->stream);
    voice->stream = stream;
    voice->calls++;
    voice->over = false;
    voice->len = voice->used = 0;
    io_stream_set_handler(stream, &handler, voice);
}

static void on_exhausted(void *arg, int error)
{
    (void)arg;
    (void)error;
}

static const struct io_listener_handler listener_handler = {.accepted = on_accepted,
                                                            .exhausted = on_exhausted};

static void wait_at(struct io_loop *loop, void *arg)
{
    const struct call *call = arg;
    int error;
    call->voice->listener = io_listen(loop, &call->at, &listener_handler, call->voice, &error);
    FUZZ_CHECK(call->voice->listener != NULL);
}

void voice_wait(struct voice *voice, struct stage *stage, uint16_t port)
{
    struct call work = {.voice = voice, .at = {.ip = {.family = 4}, .port = port}};
    voice->stage = stage;
    voice->host = STAGE_STRANGER;
    stage_on(stage, STAGE_STRANGER, wait_at, &work);
}

const uint8_t *voice_take(struct voice *voice, size_t len)
{
    if (voice->len == sizeof voice->heard || voice->len - voice->used < len)
        return NULL;
    const uint8_t *bytes = voice->heard + voice->used;
    voice->used += len;
    return bytes;
}

size_t voice_skip(struct voice *voice, size_t len)
{
    size_t left = voice->len - voice->used;
    size_t skipped = len < left ? len : left;
    voice->used += skipped;
    return skipped;
}

static void say(struct io_loop *loop, void *arg)
{
    (void)loop;
    const struct call *call = arg;
    struct voice *voice = call->voice;
    if (voice->stream != NULL && !voice->over)
        voice->over = io_send(voice->stream, call->bytes, call->len) != IO_OK;
}

void voice_say(struct voice *voice, const void *bytes, size_t len, size_t piece)
{
    unsigned calls = voice->calls; /* the rest is not for who comes next */
    if (piece <= len / PIECES_MAX)
        piece = len / PIECES_MAX + 1;
    for (size_t at = 0; at < len && voice->stream != NULL && !voice->over && voice->calls == calls;
         at += piece) {
        struct call work = {.voice = voice,
                            .bytes = (const uint8_t *)bytes + at,
                            .len = len - at < piece ? len - at : piece};
        stage_on(voice->stage, voice->host, say, &work);
        stage_run_ms(voice->stage, ARRIVAL_MS);
    }
}

static void end(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct voice *voice = arg;
    if (voice->stream != NULL && !voice->over)
        io_shutdown(voice->stream);
}

void voice_end(struct voice *voice)
{
    if (voice->stream == NULL)
        return;
    stage_on(voice->stage, voice->host, end, voice);
    stage_run_ms(voice->stage, ARRIVAL_MS);
}

static void close_stream(struct io_loop *loop, void *arg)
{
    (void)loop;
    struct voice *voice = arg;
    if (voice->stream != NULL && voice->over)
        io_close(voice->stream);
    else if (voice->stream != NULL)
        io_abort(voice->stream);
    voice->stream = NULL;
}

void voice_close(struct voice *voice)
{
    if (voice->stream == NULL)
        return;
    stage_on(voice->stage, voice->host, close_stream, voice);
    stage_run_ms(voice->stage, ARRIVAL_MS);
}

static void leave(struct io_loop *loop, void *arg)
{
    struct voice *voice = arg;
    close_stream(loop, voice);
    if (voice->listener != NULL)
        io_listener_close(voice->listener);
    voice->listener = NULL;
}

void voice_leave(struct voice *voice)
{
    if (voice->stage == NULL)
        return;
    stage_on(voice->stage, voice->host, leave, voice);
    stage_run_ms(voice->stage, ARRIVAL_MS);
}

/* ---- Input ---- */

void input_take(struct cursor *input, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = cursor_left(input) > 0 ? cursor_u8(input) : 0;
}

const uint8_t *input_bytes(struct cursor *input, size_t *len)
{
    size_t wanted = cursor_u8(input);
    if (wanted == 255)
        wanted = cursor_u16(input);
    *len = wanted < cursor_left(input) ? wanted : cursor_left(input);
    return *len == 0 ? NULL : cursor_take(input, *len);
}
