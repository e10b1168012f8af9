#include "cli/demodevice.h"

#include "base/hostname.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUEST_MAX = 1024 };

enum device_state { DEVICE_CONNECTING, DEVICE_HANDSHAKE, DEVICE_READING };

struct demodevice {
    struct io_loop *loop;
    struct io_stream *stream;
    struct io_tls *tls;
    struct io_timer deadline;
    enum device_state state;
    uint64_t since_ms; /* start of the step */
    char name[HOSTNAME_MAX + 1];
    char request[REQUEST_MAX];
    struct demodevice_seen seen;
    void (*done)(void *arg, const struct demodevice_seen *seen);
    void *arg;
};

static const char *const doing[] = {
    [DEVICE_CONNECTING] = "connecting",
    [DEVICE_HANDSHAKE] = "TLS handshake",
    [DEVICE_READING] = "reading the page",
};

static void release(struct demodevice *device)
{
    io_timer_stop(&device->deadline);
    io_tls_unref(device->tls);
    free(device);
}

static void finish(struct demodevice *device)
{
    io_close(device->stream);
    device->done(device->arg, &device->seen);
    release(device);
}

static void fail(struct demodevice *device, int error)
{
    const char *more = error == IO_E_TLS ? io_stream_tls_error(device->stream) : "";
    snprintf(device->seen.why, sizeof device->seen.why, "%s: %s", doing[device->state],
             more[0] == '\0' ? io_error_text(error) : more);
    finish(device);
}

/* Milliseconds of the step that ends here; the next one begins. */
static unsigned step_ms(struct demodevice *device)
{
    uint64_t now_ms = io_now_ms(device->loop);
    unsigned ms = (unsigned)(now_ms - device->since_ms);
    device->since_ms = now_ms;
    return ms;
}

static void begin_tls(struct demodevice *device)
{
    device->seen.from = io_stream_local(device->stream);
    device->seen.connect_ms = step_ms(device);
    device->state = DEVICE_HANDSHAKE;
    int error = io_stream_start_tls(device->stream, device->tls, device->name);
    if (error != 0)
        fail(device, error);
}

static void ask(struct demodevice *device)
{
    device->seen.tls_ms = step_ms(device);
    device->state = DEVICE_READING;
    snprintf(device->seen.tls_version, sizeof device->seen.tls_version, "%s",
             io_stream_tls_version(device->stream));
    snprintf(device->seen.tls_cipher, sizeof device->seen.tls_cipher, "%s",
             io_stream_tls_cipher(device->stream));
    int error = io_send(device->stream, device->request, strlen(device->request));
    if (error != 0)
        fail(device, error);
    else
        io_again(device->stream);
}

static void on_connected(void *arg)
{
    struct demodevice *device = arg;
    if (device->state == DEVICE_CONNECTING)
        begin_tls(device);
    else
        ask(device);
}

static void on_readable(void *arg)
{
    struct demodevice *device = arg;
    struct demodevice_seen *seen = &device->seen;
    while (device->state == DEVICE_READING) {
        if (seen->len == DEMODEVICE_ANSWER_MAX) {
            fail(device, IO_E_TOO_LARGE);
            return;
        }
        ssize_t got =
            io_read(device->stream, seen->answer + seen->len, DEMODEVICE_ANSWER_MAX - seen->len);
        if (got == IO_AGAIN)
            return;
        if (got < 0) {
            fail(device, (int)got);
            return;
        }
        if (got == 0) {
            seen->page_ms = step_ms(device);
            seen->fine = true;
            finish(device);
            return;
        }
        seen->len += (size_t)got;
    }
}

static void on_sent(void *arg)
{
    (void)arg;
}

static void on_failed(void *arg, int error)
{
    fail(arg, error);
}

static void on_deadline(void *arg)
{
    fail(arg, IO_E_TIMEOUT);
}

static const struct io_stream_handler handler = {on_connected, on_readable, on_sent, on_failed};

struct demodevice *demodevice_start(struct io_loop *loop, const struct addr *to, const char *name,
                                    const char *path, struct io_tls *tls,
                                    void (*done)(void *arg, const struct demodevice_seen *seen),
                                    void *arg, int *error)
{
    struct demodevice *device = calloc(1, sizeof *device);
    if (device == NULL) {
        *error = IO_E_NO_MEMORY;
        return NULL;
    }
    device->loop = loop;
    device->done = done;
    device->arg = arg;
    snprintf(device->name, sizeof device->name, "%s", name);
    snprintf(device->request, sizeof device->request,
             "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: adit-demo\r\nConnection: close\r\n\r\n",
             path, name);
    device->since_ms = io_now_ms(loop);
    device->stream = io_connect(loop, to, &handler, device, error);
    if (device->stream == NULL) {
        free(device);
        return NULL;
    }
    device->tls = io_tls_ref(tls);
    io_timer_init(&device->deadline, loop, on_deadline, device);
    io_timer_set_in(&device->deadline, DEMODEVICE_TIMEOUT_MS);
    return device;
}

void demodevice_cancel(struct demodevice *device)
{
    io_abort(device->stream);
    release(device);
}
