#include "base/encode.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/process.h"
#include "cli/statustext.h"
#include "io/real/console.h"

#include <stdlib.h>
#include <string.h>

enum { SOCKETS_MAX = 8, PATH_LEN = 256, REDRAW_MS = 1000, LINES_DEFAULT = 24 };

static const struct option_spec specs[] = {
    {.name = "control",
     .value = "PATH",
     .kind = OPTION_FILE,
     .traits = OPTION_NOT_IN_FILE,
     .help = "The control socket to ask. Default: that of each role, /run/adit/ROLE.sock for root, "
             "$XDG_RUNTIME_DIR/adit/ROLE.sock for others."},
    {.name = "json",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Prints the answers as they are, one JSON object a line."},
    {.name = "once",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Prints once and ends, on a terminal too."},
    {.name = NULL},
};

/* Who is asked, and what was answered last. */
struct source {
    char path[PATH_LEN];
    json_t *now;
    json_t *before;
    double now_s;
    double before_s;
};

struct sources {
    struct source all[SOCKETS_MAX];
    size_t count;
    bool by_default; /* those that exist are meant */
};

static void find_sources(const struct options *options, struct sources *sources)
{
    const char *given = options_text(options, "control");
    sources->count = 0;
    sources->by_default = given == NULL;
    if (given != NULL) {
        snprintf(sources->all[0].path, PATH_LEN, "%s", given);
        sources->count = 1;
        return;
    }
    for (const struct command *const *c = command_all; *c != NULL; c++)
        if (command_of_role((*c)->name) == *c && sources->count < SOCKETS_MAX &&
            process_control_path((*c)->name, sources->all[sources->count].path, PATH_LEN))
            sources->count++;
}

static void forget(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        json_decref(sources->all[i].now);
        json_decref(sources->all[i].before);
    }
}

/* Asks all; returns how many answered, and in why what the last one that did not said. */
static size_t ask_all(struct sources *sources, char why[OPTION_WHY_MAX])
{
    size_t answered = 0;
    for (size_t i = 0; i < sources->count; i++) {
        struct source *source = &sources->all[i];
        char inner[OPTION_WHY_MAX];
        json_decref(source->before);
        source->before = source->now;
        source->before_s = source->now_s;
        source->now = ask(source->path, "status", inner);
        source->now_s = io_console_clock_s();
        if (source->now != NULL)
            answered++;
        else
            snprintf(why, OPTION_WHY_MAX, "%.200s: %.200s", source->path, inner);
    }
    return answered;
}

static void print_all(const struct sources *sources, FILE *out, unsigned max_lines)
{
    unsigned lines = 0;
    for (size_t i = 0; i < sources->count; i++) {
        const struct source *source = &sources->all[i];
        if (source->now == NULL || (max_lines != 0 && lines + 2 >= max_lines))
            continue;
        if (lines > 0) {
            fputc('\n', out);
            lines++;
        }
        lines +=
            statustext_print(out, source->now, source->before, source->now_s - source->before_s,
                             max_lines == 0 ? 0 : max_lines - lines);
    }
}

static void print_json(const struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        if (sources->all[i].now != NULL) {
            json_dumpf(sources->all[i].now, stdout, JSON_COMPACT);
            putchar('\n');
        }
    }
}

static unsigned terminal_lines(void)
{
    unsigned lines = io_console_lines();
    return lines < 4 ? LINES_DEFAULT : lines;
}

/* Waits for a key that ends it or the next drawing; true when it shall end. */
static bool wait_for_end(void)
{
    double until_s = io_console_clock_s() + REDRAW_MS / 1000.0;
    for (;;) {
        double left_ms = (until_s - io_console_clock_s()) * 1000;
        char key = 0;
        if (left_ms <= 0)
            return false;
        switch (io_console_wait((unsigned)left_ms + 1, &key)) {
        case IO_CONSOLE_TIME:
            return false;
        case IO_CONSOLE_STOP:
            return true;
        case IO_CONSOLE_KEY:
            if (key == 'q' || key == 'Q')
                return true;
        }
    }
}

/* One picture; written at once, so that it does not flicker. */
static void draw(struct sources *sources)
{
    char why[OPTION_WHY_MAX];
    char shown[OPTION_WHY_MAX];
    char *picture = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&picture, &len);
    if (out == NULL)
        return;
    fputs("\x1b[H\x1b[J", out);
    if (ask_all(sources, why) > 0)
        print_all(sources, out, terminal_lines() - 2);
    else
        fprintf(out, "no answer: %s\n", text_escape(why, strlen(why), shown, sizeof shown));
    fputs("\nq ends", out);
    fclose(out);
    fwrite(picture, 1, len, stdout);
    fflush(stdout);
    free(picture);
}

static int live(struct sources *sources)
{
    io_console_begin();
    fputs("\x1b[?25l", stdout);
    do {
        draw(sources);
    } while (!wait_for_end());
    fputs("\x1b[?25h\n", stdout);
    io_console_end();
    return EXIT_FINE;
}

static int once(const struct command *command, struct sources *sources, bool json)
{
    char why[OPTION_WHY_MAX] = "";
    char shown[OPTION_WHY_MAX];
    if (ask_all(sources, why) == 0) {
        if (sources->count == 0) {
            return command_unusable(command, "XDG_RUNTIME_DIR is not set: --control PATH is "
                                             "needed");
        }
        text_escape(why, strlen(why), shown, sizeof shown);
        if (sources->by_default)
            return command_failed(command, "no role of this user answers at its default place; "
                                           "--control PATH asks another");
        return command_failed(command, "nothing answers: %s", shown);
    }
    if (json)
        print_json(sources);
    else
        print_all(sources, stdout, 0);
    return EXIT_FINE;
}

static int run(const struct command *command, struct options *options)
{
    struct sources sources = {0};
    bool json = options_switched_on(options, "json");
    find_sources(options, &sources);
    int status = json || options_switched_on(options, "once") || !io_console_is_terminal() ||
                         sources.count == 0
                     ? once(command, &sources, json)
                     : live(&sources);
    forget(&sources);
    return status;
}

const struct command command_status = {
    .name = "status",
    .group = "Look and try",
    .summary = "shows what running roles do: server, publisher, master, VPN, receiver",
    .usage = "[--control PATH] [--json] [--once]",
    .about = "Asks the control sockets and shows peers, channels and rates. On a terminal it is "
             "drawn anew each second until q or ctrl-C; elsewhere it is printed once.",
    .example = "  adit status --control /run/adit/serve.sock --json\n",
    .table = {specs, NULL},
    .run = run,
};
