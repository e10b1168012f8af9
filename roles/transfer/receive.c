#include "roles/transfer/receive.h"

#include "base/encode.h"
#include "base/map.h"
#include "io/log.h"
#include "roles/transfer/receiving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 1000 };

/* ---- Connections ---- */

static void give_back(struct receive *receive, const struct adit_ip *from)
{
    receive->unauthenticated--;
    quota_give_back(receive->quota, from);
}

void receive_known(struct receiving *receiving)
{
    if (!receiving->unauthenticated)
        return;
    receiving->unauthenticated = false;
    give_back(receiving->receive, &receiving->from);
}

/* The one that is missed least: it has not said yet who it is. */
static struct receiving *oldest_silent(const struct receive *receive)
{
    for (struct list *node = receive->connections.next; node != &receive->connections;
         node = node->next) {
        struct receiving *receiving = container_of(node, struct receiving, node);
        if (receiving->unauthenticated && receiving->request == NULL)
            return receiving;
    }
    return NULL;
}

/* Else who holds all places, from many addresses, would keep senders out. */
static void make_room(const struct receive *receive)
{
    struct receiving *receiving =
        receive->unauthenticated < RECEIVE_UNAUTHENTICATED_MAX ? NULL : oldest_silent(receive);
    if (receiving == NULL)
        return;
    log_overload(receive->loop, LOG_WARN, "full",
                 "a connection that says nothing gives way: %zu are not let in yet",
                 receive->unauthenticated);
    receiving_give_way(receiving);
}

/* NULL where one of this address may come; then it is counted. */
static const char *take_place(struct receive *receive, const struct adit_ip *from)
{
    if (receive->stopping)
        return "the receiver stops";
    if (receive->count >= RECEIVE_CONNECTIONS_MAX)
        return "there are as many connections as may be";
    if (!quota_take(receive->quota, from, RECEIVE_ADDRESS_UNAUTHENTICATED_MAX))
        return "as many of its address as may be are not let in yet";
    make_room(receive);
    receive->unauthenticated++;
    return NULL;
}

static void on_accepted(void *arg, struct io_stream *stream)
{
    struct receive *receive = arg;
    struct adit_ip from = io_stream_peer(stream).ip;
    char text[IP_TEXT_MAX];
    const char *refused = take_place(receive, &from);
    if (refused == NULL) {
        if (!receiving_start(receive, stream))
            give_back(receive, &from);
        return;
    }
    receive->counter_refused++;
    ip_format(&from, text);
    log_overload(receive->loop, LOG_WARN, "refused-connection", "%s: %s", text, refused);
    io_abort(stream);
}

static void on_retry(void *arg)
{
    struct receive *receive = arg;
    for (size_t i = 0; i < receive->listener_count; i++)
        io_listener_resume(receive->listeners[i]);
}

static void on_exhausted(void *arg, int error)
{
    struct receive *receive = arg;
    log_event(receive->loop, LOG_ERROR, "listener", "cannot accept: %s", io_error_text(error));
    io_timer_set_in(&receive->retry, RETRY_MS);
}

static const struct io_listener_handler listener_handler = {on_accepted, on_exhausted};

static void close_listeners(struct receive *receive)
{
    for (size_t i = 0; i < receive->listener_count; i++)
        io_listener_close(receive->listeners[i]);
    receive->listener_count = 0;
    io_timer_stop(&receive->retry);
}

void receive_gone(struct receive *receive, bool begun, bool done)
{
    receive->count--;
    if (receive->config.once && begun && !receive->stopping) {
        receive->failed = !done;
        /* A pipe that had half a stream is of no use to another one. */
        if (done || receive->piped)
            receive_stop(receive);
    }
    io_task_queue(&receive->tell_stopped);
}

/* ---- Life ---- */

static void on_stopped(void *arg)
{
    struct receive *receive = arg;
    if (!receive->stopping || receive->count > 0 || gate_is_busy(receive->gate) || receive->told)
        return;
    receive->told = true;
    receive->stopped(receive->arg);
}

/* What --into is: a directory, a pipe, or one file. */
static int find_place(struct receive *receive, char *why, size_t why_len)
{
    const char *into = receive->config.into;
    struct io_disk *disk = io_disk(receive->loop);
    struct io_stat stat = {0};
    char *home = NULL;
    int error = strcmp(into, "-") == 0 ? 0 : io_path_stat(disk, into, &stat);
    receive->piped = strcmp(into, "-") == 0 || (error == 0 && stat.kind == IO_KIND_PIPE);
    if (receive->piped || (error == 0 && stat.kind == IO_KIND_DIRECTORY))
        return 0;
    const char *slash = strrchr(into, '/');
    receive->file_name = slash == NULL ? into : slash + 1;
    if ((error != 0 && error != IO_E_NOT_FOUND) || receive->file_name[0] == '\0')
        goto err;
    if (asprintf(&home, "%.*s", slash == NULL ? 1 : (int)(slash - into) + 1,
                 slash == NULL ? "." : into) < 0) {
        error = IO_E_NO_MEMORY;
        goto err;
    }
    receive->home = io_dir_open(disk, home, &error);
    free(home);
    if (receive->home != NULL)
        return 0;

err:
    snprintf(why, why_len, "%s: %s", into, io_error_text(error));
    return -1;
}

static int listen_all(struct receive *receive, char *why, size_t why_len)
{
    const struct receive_config *config = &receive->config;
    uint8_t seed[16];
    io_random(receive->loop, seed, sizeof(seed));
    receive->quota = quota_new(seed);
    if (receive->quota == NULL) {
        snprintf(why, why_len, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < config->listen_count; i++) {
        char text[ADDR_TEXT_MAX];
        int error = 0;
        struct io_listener *listener =
            io_listen(receive->loop, &config->listen[i], &listener_handler, receive, &error);
        if (listener == NULL) {
            addr_format(&config->listen[i], text);
            snprintf(why, why_len, "cannot listen on %s: %s", text, io_listen_error_text(error));
            return -1;
        }
        receive->listeners[receive->listener_count++] = listener;
    }
    return 0;
}

static void log_ready(struct receive *receive)
{
    char text[512] = "";
    for (size_t i = 0; i < receive->listener_count; i++) {
        char address[ADDR_TEXT_MAX];
        struct addr at = io_listener_addr(receive->listeners[i]);
        size_t len = strlen(text);
        addr_format(&at, address);
        snprintf(text + len, sizeof(text) - len, "%s%s", i == 0 ? "" : ", ", address);
    }
    log_event(receive->loop, LOG_INFO, "ready", "receives on %s", text);
}

struct receive *receive_start(struct io_loop *loop, const struct receive_config *config,
                              void (*stopped)(void *arg), void *arg, char *why, size_t why_len)
{
    struct receive *receive = calloc(1, sizeof(*receive));
    if (receive == NULL) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    receive->loop = loop;
    receive->config = *config;
    receive->stopped = stopped;
    receive->arg = arg;
    receive->started_ms = io_now_ms(loop);
    list_init(&receive->connections);
    io_timer_init(&receive->retry, loop, on_retry, receive);
    io_task_init(&receive->tell_stopped, loop, on_stopped, receive);
    if (!context_init(&receive->context, loop)) {
        snprintf(why, why_len, "libsodium or OpenSSL does not start");
        goto err;
    }
    if (find_place(receive, why, why_len) != 0)
        goto err;
    receive->config.once = config->once || receive->piped;
    bool directories = !receive->piped && receive->file_name == NULL;
    receive->gate =
        gate_new(loop, config->users_file, config->seen_file, directories ? config->into : NULL,
                 &receive->tell_stopped, why, why_len);
    if (receive->gate == NULL || listen_all(receive, why, why_len) != 0)
        goto err;
    log_ready(receive);
    return receive;

err:
    receive_free(receive);
    return NULL;
}

void receive_stop(struct receive *receive)
{
    struct list *next;
    receive->stopping = true;
    close_listeners(receive);
    for (struct list *node = receive->connections.next; node != &receive->connections;
         node = next) {
        next = node->next;
        receiving_stop(container_of(node, struct receiving, node));
    }
    io_task_queue(&receive->tell_stopped);
}

void receive_free(struct receive *receive)
{
    if (receive == NULL)
        return;
    close_listeners(receive);
    io_task_cancel(&receive->tell_stopped);
    gate_free(receive->gate);
    quota_free(receive->quota);
    io_dir_close(receive->home);
    context_clear(&receive->context);
    wipe(receive, sizeof(*receive));
    free(receive);
}

bool receive_failed(const struct receive *receive)
{
    return receive->failed;
}

int receive_reload(struct receive *receive, char *why, size_t why_len)
{
    if (gate_reload(receive->gate, why, why_len) != 0)
        return -1;
    receive->taken = 0;
    return 0;
}

static json_t *status_of(const struct receiving *receiving)
{
    char from[IP_TEXT_MAX];
    char name[4 * SODIUMTCP_CREDENTIAL_MAX + 1];
    struct sodiumtcp_counters counters;
    ip_format(&receiving->from, from);
    text_escape(receiving->user, strlen(receiving->user), name, sizeof(name));
    sodiumtcp_session_counters(receiving->carrier.session, &counters);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "from", from, "user", name, "mode",
                     receiving->inbox == NULL ? "login"
                     : receiving->extension   ? "adit/1"
                                              : "public",
                     "bytes_received", (json_int_t)receiving->received, "items",
                     (json_int_t)receiving->acked, "rtt_ms", (json_int_t)counters.rtt_ms);
}

static json_t *quota_of(const struct receive *receive)
{
    if (receive->config.quota == 0)
        return NULL;
    return json_pack("{s:I, s:I}", "bytes", (json_int_t)receive->config.quota, "taken",
                     (json_int_t)receive->taken);
}

json_t *receive_status(struct receive *receive)
{
    json_t *listen = json_array();
    json_t *connections = json_array();
    struct gate_counters gate;
    gate_counters(receive->gate, &gate);
    for (size_t i = 0; i < receive->listener_count; i++) {
        char address[ADDR_TEXT_MAX];
        struct addr at = io_listener_addr(receive->listeners[i]);
        addr_format(&at, address);
        json_array_append_new(listen, json_string(address));
    }
    for (struct list *node = receive->connections.next; node != &receive->connections;
         node = node->next)
        json_array_append_new(connections, status_of(container_of(node, struct receiving, node)));
    return json_pack(
        "{s:s, s:f, s:o, s:o*, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}}", "role", "receive",
        "uptime_s", (double)(io_now_ms(receive->loop) - receive->started_ms) / 1000, "listen",
        listen, "quota", quota_of(receive), "connections", connections, "counters", "connections",
        (json_int_t)receive->counter_connections, "connections_refused",
        (json_int_t)receive->counter_refused, "items", (json_int_t)receive->counter_items,
        "bytes_received", (json_int_t)receive->counter_bytes, "hashes", (json_int_t)gate.hashes,
        "logins_refused", (json_int_t)gate.refused, "logins_replayed", (json_int_t)gate.replayed,
        "logins_turned_away", (json_int_t)gate.full);
}
