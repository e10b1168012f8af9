#include "tests/sim/phone.h"

#include "base/map.h"

#include <stdlib.h>

enum { READ_LEN = 16 * 1024, POUR_LEN = 32 * 1024 };

/* ---- Phones ---- */

static struct sim_world *world_of(const struct phone *phone)
{
    return sim_host_world(sim_process_host(phone->process));
}

static void over(struct phone *phone)
{
    io_abort(phone->stream);
    phone->stream = NULL;
    phone->state = PHONE_OVER;
    phone->over_us = sim_now_us(world_of(phone));
}

static void on_connected(void *arg)
{
    struct phone *phone = arg;
    (void)io_send(phone->stream, phone->hello, sizeof phone->hello);
}

/* The number of the booth, then what was said. */
static void hear(struct phone *phone, const uint8_t *bytes, size_t len)
{
    if (phone->state == PHONE_DIALS) {
        phone->state = PHONE_TALKS;
        phone->number = bytes[0];
        len--;
    }
    if (phone->pours != PHONE_TALKS_ONLY) {
        phone->poured += len;
        return;
    }
    if (len > phone->awaited) {
        sim_fail(world_of(phone), "a phone heard what it had not said");
        return;
    }
    phone->awaited -= len;
    if (len > 0 && phone->awaited == 0) {
        phone->echoes++;
        phone->rtt_us = sim_now_us(world_of(phone)) - phone->said_us;
    }
}

static void on_readable(void *arg)
{
    struct phone *phone = arg;
    uint8_t bytes[READ_LEN];
    for (;;) {
        ssize_t got = io_read(phone->stream, bytes, sizeof bytes);
        if (got == IO_AGAIN)
            return;
        if (got <= 0) {
            over(phone);
            return;
        }
        hear(phone, bytes, (size_t)got);
    }
}

/* Keeps the stream busy. */
static void pour(struct io_stream *stream)
{
    static const uint8_t water[POUR_LEN];
    while (io_queued(stream) < sizeof water && io_send(stream, water, sizeof water) == 0)
        ;
}

static void on_sent(void *arg)
{
    struct phone *phone = arg;
    if (phone->pours == PHONE_POURS_UP)
        pour(phone->stream);
}

static void on_failed(void *arg, int error)
{
    (void)error;
    over(arg);
}

static const struct io_stream_handler phone_handler = {
    .connected = on_connected, .readable = on_readable, .sent = on_sent, .failed = on_failed};

static void do_call(struct io_loop *loop, void *arg)
{
    struct phone *phone = arg;
    int error = 0;
    phone->stream = io_connect(loop, &phone->to, &phone_handler, phone, &error);
    if (phone->stream == NULL)
        sim_fail(world_of(phone), "a phone cannot dial: %s", io_error_text(error));
}

void phone_call(struct phone *phone, struct sim_process *process, const struct addr *to,
                const char *name)
{
    *phone = (struct phone){.process = process, .to = *to, .state = PHONE_DIALS};
    (void)hello_write(name, phone->hello);
    sim_process_call(process, do_call, phone);
}

static void do_say(struct io_loop *loop, void *arg)
{
    static const uint8_t words[PHONE_SAYS];
    struct phone *phone = arg;
    (void)loop;
    if (phone->state != PHONE_TALKS || phone->awaited > 0)
        return;
    phone->awaited = sizeof words;
    phone->said_us = sim_now_us(world_of(phone));
    if (io_send(phone->stream, words, sizeof words) != 0)
        over(phone);
}

void phone_say(struct phone *phone)
{
    sim_process_call(phone->process, do_say, phone);
}

static void do_pour(struct io_loop *loop, void *arg)
{
    struct phone *phone = arg;
    uint8_t way = (uint8_t)phone->pours;
    (void)loop;
    if (phone->state == PHONE_TALKS && io_send(phone->stream, &way, 1) == 0)
        on_sent(phone);
}

void phone_pour(struct phone *phone, enum phone_pours way)
{
    phone->pours = way;
    sim_process_call(phone->process, do_pour, phone);
}

uint64_t phone_poured(const struct phone *phone, const struct booth *booth)
{
    return phone->poured + booth->poured;
}

static void do_hang_up(struct io_loop *loop, void *arg)
{
    struct phone *phone = arg;
    (void)loop;
    if (phone->stream != NULL)
        io_close(phone->stream);
    phone->stream = NULL;
    phone->state = PHONE_IDLE;
}

void phone_hang_up(struct phone *phone)
{
    if (phone->state != PHONE_IDLE)
        sim_process_call(phone->process, do_hang_up, phone);
}

/* ---- Booths ---- */

struct booth_life {
    struct booth *booth;
    struct life *life;
    struct io_listener *listener;
};

struct answer {
    struct list node;
    struct booth *booth;
    struct io_stream *stream;
    size_t hello_left;
    enum phone_pours pours;
};

static void answer_over(struct answer *answer)
{
    io_abort(answer->stream);
    list_remove(&answer->node);
    free(answer);
}

/* False when it could not be said. */
static bool answer_to(struct answer *answer, const uint8_t *bytes, size_t len)
{
    size_t hello = len < answer->hello_left ? len : answer->hello_left;
    bool greets = hello > 0 && hello == answer->hello_left;
    answer->hello_left -= hello;
    if (greets && io_send(answer->stream, &answer->booth->number, 1) != 0)
        return false;
    bytes += hello;
    len -= hello;
    if (len > 0 && bytes[0] >= PHONE_POURS_UP && answer->pours == PHONE_TALKS_ONLY)
        answer->pours = (enum phone_pours)bytes[0];
    if (answer->pours == PHONE_POURS_UP)
        answer->booth->poured += len;
    if (answer->pours == PHONE_POURS_DOWN)
        pour(answer->stream);
    return answer->pours != PHONE_TALKS_ONLY || len == 0 ||
           io_send(answer->stream, bytes, len) == 0;
}

static void answer_sent(void *arg)
{
    const struct answer *answer = arg;
    if (answer->pours == PHONE_POURS_DOWN)
        pour(answer->stream);
}

static void answer_readable(void *arg)
{
    struct answer *answer = arg;
    uint8_t bytes[READ_LEN];
    for (;;) {
        ssize_t got = io_read(answer->stream, bytes, sizeof bytes);
        if (got == IO_AGAIN)
            return;
        if (got <= 0 || !answer_to(answer, bytes, (size_t)got)) {
            answer_over(answer);
            return;
        }
    }
}

static void answer_failed(void *arg, int error)
{
    (void)error;
    answer_over(arg);
}

static const struct io_stream_handler answer_handler = {
    .readable = answer_readable, .sent = answer_sent, .failed = answer_failed};

static void accepted(void *arg, struct io_stream *stream)
{
    struct booth_life *alive = arg;
    struct answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL)
        abort();
    *answer = (struct answer){.booth = alive->booth, .stream = stream, .hello_left = HELLO_LEN};
    list_append(&alive->booth->open, &answer->node);
    io_stream_set_handler(stream, &answer_handler, answer);
}

static void exhausted(void *arg, int error)
{
    struct booth_life *alive = arg;
    sim_fail(alive->booth->party.world, "booth: %s", io_error_text(error));
}

static const struct io_listener_handler listener_handler = {.accepted = accepted,
                                                            .exhausted = exhausted};

static void *life_start(struct io_loop *loop, void *arg, struct life *life, char *why,
                        size_t why_len)
{
    struct booth_life *alive = calloc(1, sizeof *alive);
    int error = 0;
    if (alive == NULL)
        abort();
    alive->booth = arg;
    alive->life = life;
    alive->listener = io_listen(loop, &alive->booth->at, &listener_handler, alive, &error);
    if (alive->listener != NULL)
        return alive;
    snprintf(why, why_len, "%s", io_error_text(error));
    free(alive);
    return NULL;
}

static void life_stop(void *role)
{
    struct booth_life *alive = role;
    if (alive->listener != NULL)
        io_listener_close(alive->listener);
    alive->listener = NULL;
    while (!list_empty(&alive->booth->open))
        answer_over(container_of(alive->booth->open.next, struct answer, node));
    party_stopped(alive->life);
}

static void life_free(void *role)
{
    free(role);
}

static const struct party_ops ops = {
    .name = "booth", .start = life_start, .stop = life_stop, .free = life_free};

void booth_start(struct booth *booth, struct sim_host *host, const struct addr *at, uint8_t number)
{
    *booth = (struct booth){.at = *at, .number = number};
    list_init(&booth->open);
    party_init(&booth->party, host, &ops, booth);
    party_start(&booth->party);
}

void booth_stop(struct booth *booth)
{
    party_stop(&booth->party);
}
