#include "cli/boxkey.h"
#include "cli/service.h"

#include "base/encode.h"
#include "roles/transfer/receive.h"

#include <stdlib.h>
#include <string.h>

static const struct option_spec specs[] = {
    {.name = "listen",
     .value = "ADDR:PORT",
     .kind = OPTION_ADDRESS,
     .traits = OPTION_NEEDED | OPTION_MANY,
     .help = "Where senders connect. An IPv6 address listens for IPv6 alone. Port 0 picks one; "
             "the line `ready` says which."},
    /* Beside the key stands the seen-file. */
    {.name = "key-file",
     .value = "FILE",
     .kind = OPTION_SECRET,
     .traits = OPTION_NEEDED | OPTION_WRITTEN,
     .help = "The secret key that adit keygen box --out wrote. Owner root or this user, mode 0640 "
             "or less."},
    {.name = "users",
     .value = "FILE",
     .kind = OPTION_SECRET,
     .traits = OPTION_NEEDED,
     .help = "Who may send: the file of adit passwd."},
    {.name = "into",
     .value = "DIR|FILE|-",
     .kind = OPTION_FILE,
     .traits = OPTION_NEEDED | OPTION_STDIN | OPTION_WRITTEN,
     .help = "Where it goes: a directory that is there, for files with names; a file, a FIFO or - "
             "(standard output) for one stream without. A FIFO and - take one stream, then it "
             "ends."},
    {.name = "seen-file",
     .value = "FILE",
     .kind = OPTION_FILE,
     .traits = OPTION_WRITTEN,
     .help = "Remembers who was let in, 32 bytes each, so that a recorded session is refused. It "
             "may be removed with a new key alone. Default: the key file's name and .seen."},
    {.name = "once",
     .kind = OPTION_SWITCH,
     .help = "Ends with status 0 after the first connection all of which was kept."},
    {.name = "umask",
     .value = "MODE",
     .kind = OPTION_TEXT,
     .fallback = "022",
     .help = "Octal: permissions that what is received never gets."},
    {.name = "window",
     .value = "SIZE",
     .kind = OPTION_SIZE,
     .min = SODIUMTCP_WINDOW_MIN,
     .max = SODIUMTCP_WINDOW_MAX,
     .fallback = "32MiB",
     .help = "How much one connection may have under way, in memory here at worst. With many at a "
             "time it is less: all together have 16 times as much, or 1 MiB each."},
    {.name = "quota",
     .value = "SIZE",
     .kind = OPTION_SIZE,
     .min = 1,
     .max = (uint64_t)1 << 60,
     .help = "What all connections together may bring until SIGHUP or the end, whatever they "
             "replace; what comes then is refused, and parts stay. For one connection of a user: "
             "adit passwd. Default: no limit."},
    {.name = "public-only",
     .kind = OPTION_SWITCH,
     .help = "Speaks the public protocol alone: one stream without a name."},
    {.name = NULL},
};

/* What the role points to. */
struct running {
    struct receive *receive;
    char *into;
    char *users;
    char *seen;
    struct addr listen[RECEIVE_LISTENERS_MAX];
};

static void free_running(void *arg)
{
    struct running *running = arg;
    receive_free(running->receive);
    free(running->into);
    free(running->users);
    free(running->seen);
    free(running);
}

static bool read_umask(const struct options *options, unsigned *mask, char *why, size_t why_len)
{
    char *end = NULL;
    const char *text = options_text(options, "umask");
    unsigned long value = strtoul(text, &end, 8);
    if (*end == '\0' && strlen(text) <= 4 && value <= 0777) {
        *mask = (unsigned)value;
        return true;
    }
    snprintf(why, why_len, "--umask: not an octal mode up to 0777");
    return false;
}

static bool copy_texts(struct running *running, const struct options *options)
{
    const char *key_file = options_text(options, "key-file");
    const char *seen = options_text(options, "seen-file");
    running->into = strdup(options_text(options, "into"));
    running->users = strdup(options_text(options, "users"));
    if (asprintf(&running->seen, "%s%s", seen == NULL ? key_file : seen,
                 seen == NULL ? ".seen" : "") < 0)
        running->seen = NULL;
    return running->into != NULL && running->users != NULL && running->seen != NULL;
}

static bool config_of(struct running *running, const struct options *options, struct io_loop *loop,
                      struct receive_config *config, char *why, size_t why_len)
{
    char inner[OPTION_WHY_MAX];
    if (!copy_texts(running, options)) {
        snprintf(why, why_len, "out of memory");
        return false;
    }
    *config = (struct receive_config){
        .listen = running->listen,
        .users_file = running->users,
        .seen_file = running->seen,
        .into = running->into,
        .window = (uint32_t)options_number(options, "window"),
        .quota = options_number(options, "quota"),
        .once = options_switched_on(options, "once"),
        .public_only = options_switched_on(options, "public-only"),
    };
    config->listen_count = options_count(options, "listen");
    if (config->listen_count > RECEIVE_LISTENERS_MAX) {
        snprintf(why, why_len, "--listen: at most %d", RECEIVE_LISTENERS_MAX);
        return false;
    }
    for (size_t i = 0; i < config->listen_count; i++)
        running->listen[i] = options_value(options, "listen", i)->addr;
    if (!read_umask(options, &config->umask, why, why_len))
        return false;
    if (!boxkey_read(io_disk(loop), options_text(options, "key-file"), &config->pair, inner)) {
        snprintf(why, why_len, "%s", inner);
        return false;
    }
    return true;
}

static void *start(struct io_loop *loop, const struct options *options, void (*stopped)(void *arg),
                   void *arg, char *why, size_t why_len)
{
    struct running *running = calloc(1, sizeof *running);
    struct receive_config config;
    if (running == NULL) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    if (config_of(running, options, loop, &config, why, why_len)) {
        running->receive = receive_start(loop, &config, stopped, arg, why, why_len);
        wipe(&config, sizeof config);
    }
    if (running->receive == NULL) {
        free_running(running);
        return NULL;
    }
    return running;
}

static int reload(void *arg, const struct options *options, char *why, size_t why_len)
{
    (void)options;
    const struct running *running = arg;
    return receive_reload(running->receive, why, why_len);
}

static void stop(void *arg)
{
    const struct running *running = arg;
    receive_stop(running->receive);
}

static bool failed(void *arg)
{
    const struct running *running = arg;
    return receive_failed(running->receive);
}

static void status(void *arg, void (*answer)(void *arg, json_t *status), void *answer_arg)
{
    const struct running *running = arg;
    answer(answer_arg, receive_status(running->receive));
}

static const struct service_role role = {start,  reload,           stop, free_running,
                                         status, IO_SANDBOX_WRITE, false};

static int run(const struct command *command, struct options *options)
{
    return service_run_finite(command, &role, failed, options);
}

const struct command command_receive = {
    .name = "receive",
    .group = "Send files and streams",
    .summary = "takes files and streams that adit send sends",
    .usage = "--listen ADDR:PORT --key-file FILE --users FILE --into DIR|FILE|- [options]",
    .about =
        "Lets users in and keeps what they send. A file is under its name only when all of it is "
        "on the disk; until then, and after an interruption, its part stands beside it, and the "
        "next time goes on there. Nothing is written outside --into: no link is followed, none is "
        "made.\n"
        "The public sodium-tcp client can send, too: one stream, into a file, a FIFO or -.\n"
        "SIGHUP reads the users again and counts against --quota from 0. SIGTERM and SIGINT end "
        "it; senders are told.",
    .example = "  adit keygen box --out server.key\n"
               "  adit passwd --users users alice\n"
               "  adit receive --listen 0.0.0.0:5555 --key-file server.key --users users \\\n"
               "      --into /srv/incoming\n",
    .table = {specs, service_options},
    .run = run,
};
