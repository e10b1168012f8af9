/*
 * Input: a byte of options, then steps for two engines that hold each other's keys; one of them is
 * replaced by the harness where a step says so:
 *   0 e      tick of end e             1 e n    deliver up to n bytes of e's to the other end
 *   2 e n …  e says n payload bytes    3 e n …  e says them outside the control stream
 *   4 e n …  n bytes reach e as they are        5 e n  e sends a packet of n bytes
 *   6 t      time passes, t * t ms     7 e n    e sends n packets in a batch
 * What e "says" is encrypted with the keys of its engine, so that the other end reads it.
 * What holds of every input: no read past a packet, an error once is the error for ever, an end
 * that wants proof is not up without it, and what it needs is never more than a packet.
 */
#include "lib/quicktun/send.h"
#include "tests/fuzz/fuzz.h"

enum { BYTES_MAX = 1 << 17, SAY_MAX = 255 };

struct end {
    struct quicktun_context *context;
    struct quicktun_password *password;
    struct quicktun_session *session;
    uint8_t *bytes;
    struct quicktun_wire wire;
    uint8_t in[BYTES_MAX];
    size_t in_len;
    int error;
};

struct steps {
    const uint8_t *at;
    const uint8_t *end;
};

static struct end ends[2];
static uint64_t now_ms;
static uint8_t counter;

static int draw(void *arg, void *buf, size_t len)
{
    (void)arg;
    memset(buf, ++counter | 1, len);
    memset(buf, counter, 1);
    return 0;
}

static uint8_t next(struct steps *steps)
{
    return steps->at < steps->end ? *steps->at++ : 0;
}

static void start(uint8_t options)
{
    static const uint8_t secrets[2][QUICKTUN_KEY_LEN] = {{1, 2, 3}, {4, 5, 6}};
    now_ms = 1000;
    counter = 0;
    for (size_t i = 0; i < 2; i++) {
        ends[i].context = quicktun_context_new(options & (1 << i) ? NULL : secrets[i], draw, NULL);
        ends[i].password = quicktun_password_new("secret", 6);
        ends[i].wire = (struct quicktun_wire){malloc(BYTES_MAX), 0, BYTES_MAX};
        ends[i].bytes = ends[i].wire.bytes;
        ends[i].in_len = 0;
        ends[i].error = 0;
    }
    for (size_t i = 0; i < 2; i++) {
        const struct quicktun_options wanted = {
            .peer_key = options & 4 ? NULL : quicktun_context_public(ends[!i].context),
            .password = ends[i].password,
            .ask = options & 8 ? ends[i].password : NULL,
            .mode = options & 16 ? QUICKTUN_ETHERNET : QUICKTUN_IP,
            .pad_to = options & 32 ? 64 : 0,
            .segmented = true,
            .weak_anyone = options & 4,
            .weak_unproven_peer = options & 4,
            .weak_unencrypted = options & 4,
            .weak_clear_passwords = options & 64,
            .weak_long_term_keys = options & (4 | 128),
            .weak_disable = options & 128,
        };
        ends[i].session = quicktun_session_create(ends[i].context, &wanted, now_ms);
        FUZZ_CHECK(ends[i].session != NULL);
    }
}

static void stop(void)
{
    for (size_t i = 0; i < 2; i++) {
        quicktun_session_free(ends[i].session);
        quicktun_context_free(ends[i].context);
        quicktun_password_free(ends[i].password);
        free(ends[i].bytes);
    }
}

static void look_at(struct end *end, const struct quicktun_event *event, size_t consumed,
                    const uint8_t *packet, size_t len)
{
    const struct quicktun_session *session = end->session;
    FUZZ_CHECK(consumed <= len);
    FUZZ_CHECK(event->type != QUICKTUN_NEED_MORE || (event->need > len && consumed == 0));
    FUZZ_CHECK(event->need <= QUICKTUN_WIRE_MAX);
    if (event->type == QUICKTUN_PACKET) {
        FUZZ_CHECK(event->len > 0 && event->data >= packet);
        FUZZ_CHECK(event->data + event->len <= packet + len);
        FUZZ_CHECK(!session->proof || session->proven);
        FUZZ_CHECK(session->zero_sent && session->zero_received);
    }
    FUZZ_CHECK(session->pending.count <= sizeof session->pending.codes);
}

/* Everything that has come, each packet in memory of its own, so that a read past it is seen. */
static void hear(struct end *end)
{
    struct quicktun_event event;
    size_t consumed = 0;
    do {
        uint8_t *packet = fuzz_copy(end->in, end->in_len);
        int error = quicktun_receive(end->session, now_ms, &end->wire, packet, end->in_len,
                                     &consumed, &event);
        FUZZ_CHECK(!end->error || error == end->error);
        end->error = error;
        if (!error)
            look_at(end, &event, consumed, packet, end->in_len);
        if (end->in_len > 0)
            memcpy(end->in, packet, end->in_len);
        free(packet);
        memmove(end->in, end->in + consumed, end->in_len - consumed);
        end->in_len -= consumed;
    } while (!end->error && event.type != QUICKTUN_NEED_MORE && event.type != QUICKTUN_WRITE_FIRST);
}

static void feed(struct end *end, const uint8_t *bytes, size_t len)
{
    if (len > 0 && len <= sizeof end->in - end->in_len) {
        memcpy(end->in + end->in_len, bytes, len);
        end->in_len += len;
    }
    hear(end);
}

static void deliver(struct end *from, struct end *to, size_t len)
{
    len = len < from->wire.len ? len : from->wire.len;
    feed(to, from->wire.bytes, len);
    memmove(from->wire.bytes, from->wire.bytes + len, from->wire.len - len);
    from->wire.len -= len;
}

static void say(struct end *end, struct steps *steps, bool control)
{
    struct quicktun_session *session = end->session;
    size_t len = next(steps);
    size_t before = end->wire.len + quicktun_send_overhead(session);
    if (!quicktun_send_has_room(&end->wire, SAY_MAX + QUICKTUN_HEADROOM_MAX))
        return;
    for (size_t i = 0; i < len; i++)
        end->wire.bytes[before + i] = next(steps);
    quicktun_send_sealed(session, &end->wire, len, control);
}

static void send_packets(struct end *end, size_t count, size_t len)
{
    struct quicktun_batch batch = {0};
    size_t max = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t *place = quicktun_batch_place(end->session, &end->wire, &batch, &max);
        if (place && len <= max) {
            memset(place, 0x45, len);
            quicktun_batch_add(end->session, &end->wire, &batch, len);
        }
    }
    quicktun_batch_end(end->session, &end->wire, &batch);
}

static void send_packet(struct end *end, size_t len)
{
    size_t max = 0;
    uint8_t *place = quicktun_place(end->session, &end->wire, &max);
    if (place && len <= max) {
        memset(place, 0x45, len);
        quicktun_packet(end->session, &end->wire, len, len > 200 ? 100 : 0);
    }
}

static void step(struct steps *steps)
{
    uint8_t kind = next(steps) % 8;
    struct end *end = &ends[kind == 6 ? 0 : next(steps) & 1];
    struct end *other = &ends[end == ends];
    uint8_t bytes[SAY_MAX];
    size_t len = 0;
    switch (kind) {
    case 0:
        end->error = quicktun_tick(end->session, now_ms, &end->wire);
        break;
    case 1:
        deliver(end, other, (size_t)next(steps) * 16);
        break;
    case 2:
    case 3:
        say(end, steps, kind == 2);
        break;
    case 4:
        len = next(steps);
        for (size_t i = 0; i < len; i++)
            bytes[i] = next(steps);
        feed(end, bytes, len);
        break;
    case 5:
        send_packet(end, (size_t)next(steps) * 128);
        break;
    case 6:
        len = next(steps);
        now_ms += len * len;
        break;
    default:
        send_packets(end, next(steps), 60);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct steps steps = {data, data + size};
    if (size == 0)
        return 0;
    start(next(&steps));
    while (steps.at < steps.end)
        step(&steps);
    stop();
    return 0;
}
