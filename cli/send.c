#include "base/encode.h"
#include "cli/boxkey.h"
#include "cli/command.h"
#include "cli/process.h"
#include "cli/progress.h"
#include "cli/sandbox.h"
#include "io/real/real.h"
#include "io/real/terminal.h"

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { DRAW_EVERY_MS = 200, CONNECT_MS = 30000 };

static const struct option_spec specs[] = {
    {.name = "path",
     .value = "PATH|-",
     .kind = OPTION_FILE,
     .traits = OPTION_NEEDED | OPTION_ARGUMENT | OPTION_MANY | OPTION_NOT_IN_FILE | OPTION_STDIN,
     .help = "Files, directories with all that is in them, FIFOs; - is standard input. Symbolic "
             "links and devices inside a directory are left out, and that is said."},
    {.name = "to",
     .value = "HOST:PORT",
     .kind = OPTION_HOST_PORT,
     .traits = OPTION_NEEDED | OPTION_NOT_IN_FILE,
     .help = "The receiver."},
    {.name = "key",
     .value = "PUBLICKEY",
     .kind = OPTION_TEXT,
     .traits = OPTION_NEEDED | OPTION_NOT_IN_FILE,
     .help = "The receiver's public key, which adit keygen box printed."},
    {.name = "user",
     .value = "NAME",
     .kind = OPTION_TEXT,
     .traits = OPTION_NEEDED | OPTION_NOT_IN_FILE,
     .help = "Who sends."},
    {.name = "password-file",
     .value = "FILE",
     .kind = OPTION_SECRET,
     .traits = OPTION_NOT_IN_FILE,
     .help = "The passphrase is the first line of this file, mode 0640 or less; /dev/fd/N is "
             "descriptor N. Without it, the terminal is asked."},
    {.name = "name",
     .value = "NAME",
     .kind = OPTION_TEXT,
     .traits = OPTION_NOT_IN_FILE,
     .help = "What standard input is called over there."},
    {.name = "overwrite",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Sends every file whole. Without it, a file goes on where its part ends over there, "
             "and one that is there already is not sent again; both only where a hash agrees."},
    {.name = "skip-existing",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Leaves a file whose name is there as it is, whatever is in it."},
    {.name = "verify",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "The receiver reads each file back and compares a hash (BLAKE2b-256)."},
    {.name = "compress",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Packs what shrinks (zstd). Worth it on a line slower than some 200 MB/s."},
    {.name = "limit-rate",
     .value = "SIZE",
     .kind = OPTION_SIZE,
     .traits = OPTION_NOT_IN_FILE,
     .min = 1024,
     .max = UINT64_C(1) << 40,
     .help = "Bytes a second at most."},
    {.name = "public",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Speaks the public protocol even to a receiver that can do more."},
    {.name = "quiet",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Prints neither progress nor summary; mistakes are still said."},
    {.name = "json",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Prints the summary as JSON, also after a failure; no progress."},
    SANDBOX_OPTION,
    {.name = NULL},
};

struct sending {
    const struct command *command;
    const struct options *options;
    struct io_loop *loop;
    struct send *send;
    struct io_timer draw;
    uint64_t started_ms;
    bool drawing;
    bool drawn;
    bool stopped;
    char why[OPTION_WHY_MAX]; /* "" = all is acknowledged */
};

/* ---- What is shown ---- */

static double elapsed_s(const struct sending *sending)
{
    return (double)(io_now_ms(sending->loop) - sending->started_ms) / 1000;
}

static void erase(struct sending *sending)
{
    if (sending->drawn)
        fputs("\r\033[K", stderr);
    sending->drawn = false;
}

static void draw(void *arg)
{
    struct sending *sending = arg;
    struct send_progress progress;
    char line[PROGRESS_LINE_MAX];
    send_progress(sending->send, &progress);
    if (progress.connected) {
        erase(sending);
        fputs(
            progress_line(&progress, elapsed_s(sending), io_terminal_columns(), line, sizeof line),
            stderr);
        sending->drawn = true;
    }
    io_timer_set_in(&sending->draw, DRAW_EVERY_MS);
}

static void on_left_out(void *arg, const char *root, const char *path, const char *why, bool failed)
{
    struct sending *sending = arg;
    char shown[1024];
    char whole[2048];
    snprintf(whole, sizeof whole, "%s%s%s", root, path[0] == '\0' ? "" : "/", path);
    text_escape(whole, strlen(whole), shown, sizeof shown);
    erase(sending);
    if (failed || !options_switched_on(sending->options, "quiet")) {
        fprintf(stderr, "adit send: %s: %s; %s\n", shown, why,
                failed ? "it is not sent" : "it is left out");
    }
}

static void print_json(const struct sending *sending, const struct send_progress *progress,
                       bool fine)
{
    json_t *summary = json_pack(
        "{s:b, s:s?, s:s, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:f}", "ok", (int)fine, "error",
        sending->why[0] == '\0' ? NULL : sending->why, "protocol",
        !progress->connected  ? "none"
        : progress->extension ? "adit/1"
                              : "public",
        "bytes_sent", (json_int_t)progress->bytes, "bytes_on_wire",
        (json_int_t)progress->wire_bytes, "bytes_resumed", (json_int_t)progress->resumed,
        "bytes_skipped", (json_int_t)progress->skipped, "items_kept", (int)progress->items,
        "items_skipped", (int)progress->items_skipped, "left_out", (int)progress->left_out,
        "not_sent", (int)progress->failures, "seconds", elapsed_s(sending));
    json_dumpf(summary, stdout, 0);
    putchar('\n');
    json_decref(summary);
}

/* The exit status. */
static int conclude(struct sending *sending)
{
    struct send_progress progress;
    send_progress(sending->send, &progress);
    bool fine = sending->why[0] == '\0' && progress.failures == 0;
    erase(sending);
    if (options_switched_on(sending->options, "json"))
        print_json(sending, &progress, fine);
    else if (sending->why[0] == '\0' && !options_switched_on(sending->options, "quiet"))
        progress_summary(&progress, elapsed_s(sending), stdout);
    if (sending->why[0] != '\0') {
        command_failed(sending->command, "%s%s", sending->why,
                       progress.extension ? "; what is there already need not be sent again: run "
                                            "the same command to go on"
                                          : "");
    }
    return fine ? EXIT_FINE : EXIT_FAILED;
}

/* ---- Running ---- */

static void on_done(void *arg, const char *why)
{
    struct sending *sending = arg;
    io_timer_stop(&sending->draw);
    snprintf(sending->why, sizeof sending->why, "%s", why == NULL ? "" : why);
    io_real_stop(sending->loop);
}

static void on_signal(void *arg)
{
    struct sending *sending = arg;
    if (sending->send != NULL)
        send_stop(sending->send);
}

static const struct send_handler handler = {on_left_out, on_done};

static int transfer(struct sending *sending, const struct send_config *config)
{
    if (io_real_on_signal(sending->loop, SIGINT, on_signal, sending) != 0 ||
        io_real_on_signal(sending->loop, SIGTERM, on_signal, sending) != 0)
        return command_failed(sending->command, "cannot wait for signals");
    io_timer_init(&sending->draw, sending->loop, draw, sending);
    sending->started_ms = io_now_ms(sending->loop);
    sending->send = send_start(sending->loop, config, &handler, sending);
    if (sending->send == NULL)
        return command_failed(sending->command, "out of memory");
    if (io_terminal_shows_errors() && !options_switched_on(sending->options, "quiet") &&
        !options_switched_on(sending->options, "json"))
        io_timer_set_in(&sending->draw, DRAW_EVERY_MS);
    io_real_run(sending->loop);
    int status = conclude(sending);
    send_free(sending->send);
    return status;
}

static const char **paths_of(const struct options *options, size_t *count)
{
    *count = options_count(options, "path");
    const char **paths = calloc(*count, sizeof *paths);
    for (size_t i = 0; paths != NULL && i < *count; i++)
        paths[i] = options_value(options, "path", i)->text;
    return paths;
}

static bool read_passphrase(const struct command *command, const struct options *options,
                            struct io_loop *loop, char passphrase[SODIUMTCP_CREDENTIAL_MAX + 1])
{
    char why[OPTION_WHY_MAX];
    const char *path = options_text(options, "password-file");
    if (path != NULL) {
        bool read = boxkey_passphrase(io_disk(loop), path, passphrase, why);
        if (!read)
            command_failed(command, "%s", why);
        return read;
    }
    long len = io_terminal_ask("Passphrase: ", passphrase, SODIUMTCP_CREDENTIAL_MAX + 1);
    if (len <= 0) {
        command_failed(command, "no passphrase: %s",
                       len == 0                ? "it is empty"
                       : len == IO_E_NOT_FOUND ? "there is no terminal to ask; --password-file "
                                                 "reads it"
                                               : io_error_text((int)len));
    }
    return len > 0;
}

/* All that it does from here on is to read what it sends, and to send it. */
static bool confine(const struct sending *sending)
{
    char why[OPTION_WHY_MAX];
    if (sandbox_is_off(sending->loop, sending->options))
        return true;
    io_process_no_new_privileges();
    if (sandbox_paths(sending->loop, sending->options, IO_SANDBOX_CONNECT, NULL, why, sizeof why) &&
        io_sandbox_calls(IO_SANDBOX_CONNECT, why, sizeof why))
        return true;
    command_failed(sending->command, "%s", why);
    return false;
}

static int run_on(struct sending *sending, struct send_config *config)
{
    const struct command *command = sending->command;
    const struct options *options = sending->options;
    char passphrase[SODIUMTCP_CREDENTIAL_MAX + 1];
    char why[OPTION_WHY_MAX];
    if (!boxkey_public(options_text(options, "key"), config->server_key, why))
        return command_unusable(command, "--key: %s", why);
    if (options_switched_on(options, "overwrite") && options_switched_on(options, "skip-existing"))
        return command_unusable(command, "--overwrite and --skip-existing contradict each other");
    if (!read_passphrase(command, options, sending->loop, passphrase))
        return EXIT_FAILED;
    if (!confine(sending)) {
        wipe(passphrase, sizeof passphrase);
        return EXIT_FAILED;
    }
    config->passphrase = passphrase;
    const char **paths = paths_of(options, &config->path_count);
    config->paths = paths;
    int status =
        paths == NULL ? command_failed(command, "out of memory") : transfer(sending, config);
    wipe(passphrase, sizeof passphrase);
    free(paths);
    config->passphrase = NULL;
    config->paths = NULL;
    return status;
}

static int run(const struct command *command, struct options *options)
{
    struct sending sending = {.command = command, .options = options};
    const struct option_value *to = options_value(options, "to", 0);
    struct send_config config = {
        .port = to->to.port,
        .login = options_text(options, "user"),
        .stream_name = options_text(options, "name"),
        .exists = options_switched_on(options, "overwrite")       ? SODIUMTCP_REPLACE
                  : options_switched_on(options, "skip-existing") ? SODIUMTCP_SKIP
                                                                  : SODIUMTCP_RESUME,
        .verify = options_switched_on(options, "verify"),
        .compress = options_switched_on(options, "compress"),
        .public_only = options_switched_on(options, "public"),
        .rate_bytes_per_s = options_number(options, "limit-rate"),
        .connect_ms = CONNECT_MS,
    };
    memcpy(config.host, to->to.host, sizeof config.host);
    if (!io_process_no_dumps())
        return command_failed(command, "cannot forbid dumps of its memory, which holds secrets");
    sending.loop = process_loop(command);
    if (sending.loop == NULL)
        return EXIT_FAILED;
    int status = run_on(&sending, &config);
    io_real_free(sending.loop);
    return status;
}

const struct command command_send = {
    .name = "send",
    .group = "Send files and streams",
    .summary = "sends files, directories and streams to adit receive",
    .usage = "--to HOST:PORT --key PUBLICKEY --user NAME [options] PATH...|-",
    .about =
        "Sends everything over one encrypted connection and ends with status 0 only when the "
        "receiver has acknowledged that all of it is on its disk. An interrupted transfer goes on "
        "where it stopped when the same command is run again.\n"
        "The public sodium-tcp server is recognised; to it goes one file or stream, without name.",
    .example = "  adit send --to host:5555 --key PUBLICKEY --user alice --password-file p \\\n"
               "      photos/ big.iso\n"
               "  tar c dir | adit send --to host:5555 --key PUBLICKEY --user alice \\\n"
               "      --password-file p --name dir.tar -\n",
    .table = {specs, NULL},
    .run = run,
};
