#include "bench/device.h"

#include "bench/net.h"
#include "bench/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    ROUNDS = 4, /* reads or writes of one connection before others have their turn */
    TICK_MS = 20,
    ERRORS_MAX = 1000, /* then the run is given up */
};

/* Nothing is measured before the first byte is there, unless none comes for so long. */
static const uint64_t PATIENCE_NS = UINT64_C(60) * 1000 * 1000 * 1000;

struct device {
    int fd;
    bool connected;
    bool watches_output;
    uint32_t seed;
    uint64_t sent, received; /* of the pattern */
    uint64_t since_ns;       /* the message, or the connection, under way */
};

struct run {
    const struct device_load *load;
    struct device_result *result;
    int epoll;
    uint32_t next_seed;
    bool measuring;
    struct device *devices;
    uint8_t bulk[WIRE_CHUNK];
};

static bool device_open(struct run *run, struct device *device)
{
    memset(device, 0, sizeof(*device));
    device->seed = ++run->next_seed;
    device->since_ns = net_now_ns();
    device->fd = net_connect(&run->load->to, device->seed);
    if (device->fd < 0)
        return false;
    device->watches_output = true;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = device};
    return epoll_ctl(run->epoll, EPOLL_CTL_ADD, device->fd, &event) == 0;
}

static void device_close(struct device *device)
{
    if (device->fd >= 0) {
        close(device->fd);
        device->fd = -1;
    }
}

static bool watch(struct run *run, struct device *device, bool output)
{
    if (device->watches_output == output)
        return true;
    device->watches_output = output;
    struct epoll_event event = {.events = output ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                .data.ptr = device};
    return epoll_ctl(run->epoll, EPOLL_CTL_MOD, device->fd, &event) == 0;
}

static bool send_message(struct run *run, struct device *device)
{
    size_t len = run->load->message_len;
    const uint8_t *message = pattern_at(device->seed, device->sent);
    device->sent += len;
    return send(device->fd, message, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* The ClientHello, the order and, where there is one, the first message, in one write. */
static bool device_start(struct run *run, struct device *device)
{
    static const enum order_kind orders[] = {
        [DEVICE_DOWN] = ORDER_SEND,
        [DEVICE_UP] = ORDER_RECEIVE,
        [DEVICE_ECHO] = ORDER_ECHO,
        [DEVICE_CONNECT] = ORDER_ECHO,
    };
    enum device_mode mode = run->load->mode;
    struct order order = {.kind = orders[mode], .seed = device->seed};
    uint8_t first[HELLO_MAX + ORDER_LEN + DEVICE_MESSAGE_MAX];
    if (!net_connected(device->fd))
        return false;
    device->connected = true;
    size_t len = hello_build(first, run->load->name, device->seed);
    order_write(first + len, &order);
    len += ORDER_LEN;
    if (mode == DEVICE_ECHO || mode == DEVICE_CONNECT) {
        memcpy(first + len, pattern_at(device->seed, 0), run->load->message_len);
        len += run->load->message_len;
        device->sent = run->load->message_len;
    }
    if (mode == DEVICE_ECHO)
        device->since_ns = net_now_ns();
    return send(device->fd, first, len, MSG_NOSIGNAL) == (ssize_t)len &&
           watch(run, device, mode == DEVICE_UP);
}

static bool send_bulk(struct device *device)
{
    for (int i = 0; i < ROUNDS; i++) {
        ssize_t n =
            send(device->fd, pattern_at(device->seed, device->sent), WIRE_CHUNK, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN;
        device->sent += (uint64_t)n;
    }
    return true;
}

/* A message has come back whole. */
static bool operation_done(struct run *run, struct device *device)
{
    uint64_t now_ns = net_now_ns();
    run->result->operations_all++;
    if (run->measuring) {
        run->result->operations++;
        histogram_add(&run->result->latency_ns, now_ns - device->since_ns);
    }
    if (run->load->mode == DEVICE_CONNECT) {
        device_close(device);
        return device_open(run, device);
    }
    device->since_ns = now_ns;
    return send_message(run, device);
}

static bool receive(struct run *run, struct device *device)
{
    for (int i = 0; i < ROUNDS; i++) {
        ssize_t n = recv(device->fd, run->bulk, WIRE_CHUNK, 0);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        if (!pattern_matches(device->seed, device->received, run->bulk, (size_t)n))
            return false;
        device->received += (uint64_t)n;
        run->result->bytes_all += (uint64_t)n;
        if (run->load->mode != DEVICE_DOWN)
            return device->received < device->sent || operation_done(run, device);
    }
    return true;
}

static void handle(struct run *run, struct device *device, uint32_t events)
{
    bool fine = true;
    if (!device->connected && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
        fine = device_start(run, device);
    else if (device->connected && (events & EPOLLOUT) != 0)
        fine = send_bulk(device);
    if (fine && device->connected && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
        fine = receive(run, device);
    if (!fine) {
        run->result->errors++;
        device_close(device);
        if (run->load->mode == DEVICE_CONNECT && !device_open(run, device))
            run->result->errors++;
    }
}

static uint64_t received(const struct run *run, const struct endpoint *endpoint)
{
    return run->load->mode == DEVICE_UP ? endpoint_received(endpoint) : run->result->bytes_all;
}

static void loop(struct run *run, const struct endpoint *endpoint)
{
    struct epoll_event events[EVENTS];
    struct device_result *result = run->result;
    uint64_t start_ns = net_now_ns();
    uint64_t measure_from_ns = start_ns + run->load->warm_ns;
    uint64_t measured_from_ns = 0;
    uint64_t bytes_before = 0;
    for (;;) {
        int n = epoll_wait(run->epoll, events, EVENTS, TICK_MS);
        for (int i = 0; i < n; i++)
            handle(run, events[i].data.ptr, events[i].events);
        uint64_t now_ns = net_now_ns();
        if (!run->measuring && now_ns >= measure_from_ns &&
            (received(run, endpoint) > 0 || now_ns >= start_ns + PATIENCE_NS)) {
            run->measuring = true;
            measured_from_ns = now_ns;
            bytes_before = received(run, endpoint);
        }
        bool over = run->measuring && now_ns >= measured_from_ns + run->load->measure_ns;
        if (over || result->errors >= ERRORS_MAX) {
            result->measured_ns = run->measuring ? now_ns - measured_from_ns : 0;
            result->bytes_all = received(run, endpoint);
            result->bytes = result->bytes_all - bytes_before;
            result->errors += endpoint == NULL ? 0 : endpoint_errors(endpoint);
            return;
        }
    }
}

int device_run(const struct device_load *load, const struct endpoint *endpoint,
               struct device_result *result)
{
    int answer = -1;
    memset(result, 0, sizeof(*result));
    struct run *run = calloc(1, sizeof(*run));
    if (run == NULL)
        return -1;
    run->load = load;
    run->result = result;
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    run->devices = calloc(load->connections, sizeof(*run->devices));
    if (run->epoll < 0 || run->devices == NULL)
        goto out;
    for (unsigned i = 0; i < load->connections; i++)
        if (!device_open(run, &run->devices[i]))
            result->errors++;
    loop(run, endpoint);
    for (unsigned i = 0; i < load->connections; i++)
        device_close(&run->devices[i]);
    answer = 0;

out:
    close(run->epoll);
    free(run->devices);
    free(run);
    return answer;
}
