#include "roles/transfer/admission.h"

#include "base/encode.h"
#include "base/map.h"
#include "io/log.h"

#include <string.h>

static const char welcome[] = "Welcome.";

/* ---- Limits ---- */

static size_t connections_of(const struct receive *receive, const char *user)
{
    size_t count = 0;
    for (const struct list *node = receive->connections.next; node != &receive->connections;
         node = node->next)
        count += strcmp(container_of(node, struct receiving, node)->user, user) == 0;
    return count;
}

/* Else one user could have all places. */
static bool has_too_many(const struct receive *receive, const struct user *user)
{
    char name[4 * SODIUMTCP_CREDENTIAL_MAX + 1];
    if (connections_of(receive, user->name) < RECEIVE_USER_CONNECTIONS_MAX)
        return false;
    text_escape(user->name, strlen(user->name), name, sizeof(name));
    log_overload(receive->loop, LOG_WARN, "refused-user",
                 "\"%s\" has as many connections as one may have", name);
    return true;
}

/*
 * What a connection may have under way waits in memory while the disk is slow: one gets a quarter
 * of what the others leave at most, so that a few cannot have it all.
 */
static void take_window(struct receiving *receiving)
{
    struct receive *receive = receiving->receive;
    uint64_t most = receive->config.window == 0 ? SODIUMTCP_WINDOW : receive->config.window;
    uint64_t all = RECEIVE_WINDOWS_MAX * most;
    uint64_t window = all > receive->windows ? (all - receive->windows) / 4 : 0;
    window = window < most ? window : most;
    receiving->window =
        window < SODIUMTCP_WINDOW_MIN ? (uint32_t)SODIUMTCP_WINDOW_MIN : (uint32_t)window;
    receive->windows += receiving->window;
    sodiumtcp_set_window(receiving->carrier.session, receiving->window);
}

/* ---- Its place ---- */

static struct io_file *open_pipe(struct receive *receive, int *error)
{
    const char *into = receive->config.into;
    struct io_disk *disk = io_disk(receive->loop);
    struct io_file *pipe = strcmp(into, "-") == 0
                               ? io_file_open_standard(disk, IO_PIPE_WRITE, error)
                               : io_file_open_pipe(disk, into, IO_PIPE_WRITE, error);
    receive->pipe_taken = pipe != NULL;
    return pipe;
}

/* The directory is given away. 0, or an error. */
static int open_inbox(struct receiving *receiving, struct io_dir *directory)
{
    struct receive *receive = receiving->receive;
    struct inbox_config config = {
        .directory = directory, .name = receive->file_name, .umask = receive->config.umask};
    int error = 0;
    if (receive->file_name != NULL) {
        io_dir_close(directory);
        config.directory = io_dir_enter(receive->home, "", &error);
    }
    if (error == 0 && receive->piped)
        config.pipe = receiving->pipe = open_pipe(receive, &error);
    if (error == 0)
        receiving->inbox = inbox_new(io_disk(receive->loop), &config);
    if (receiving->inbox != NULL)
        return 0;
    io_dir_close(config.directory);
    return error != 0 ? error : IO_E_NO_MEMORY;
}

/* ---- The login ---- */

static void let_in(struct receiving *receiving, const struct user *user, struct io_dir *directory)
{
    struct receive *receive = receiving->receive;
    receive_known(receiving);
    memcpy(receiving->user, user->name, sizeof(receiving->user));
    receiving->size_max = user->size_max;
    if (receive->piped && receive->pipe_taken) {
        io_dir_close(directory);
        carrier_fail(&receiving->carrier, "another stream is under way");
        return;
    }
    int error = open_inbox(receiving, directory);
    if (error != 0) {
        carrier_fail(&receiving->carrier, io_error_text(error));
        return;
    }
    take_window(receiving);
    error = sodiumtcp_accept(receiving->carrier.session, welcome, io_now_ms(receive->loop));
    if (error != 0) {
        carrier_fail(&receiving->carrier, sodiumtcp_error_text(error));
        return;
    }
    carrier_flush(&receiving->carrier);
    carrier_again(&receiving->carrier);
}

static void on_answer(void *arg, const struct user *user, struct io_dir *directory)
{
    struct receiving *receiving = arg;
    receiving->request = NULL;
    if (user != NULL && !has_too_many(receiving->receive, user)) {
        let_in(receiving, user, directory);
        return;
    }
    io_dir_close(directory);
    sodiumtcp_refuse(receiving->carrier.session);
    carrier_fail(&receiving->carrier, "refused");
}

void admission_ask(struct receiving *receiving, const struct sodiumtcp_login *login)
{
    struct gate *gate = receiving->receive->gate;
    receiving->request = gate_ask(gate, &receiving->from, login, on_answer, receiving);
    if (receiving->request == NULL)
        carrier_fail(&receiving->carrier, "too many logins wait");
}
