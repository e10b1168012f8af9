#include "cli/service.h"

#include "base/encode.h"
#include "cli/config.h"
#include "cli/process.h"
#include "cli/sandbox.h"
#include "io/real/real.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILES_WANTED = 4096, /* fewer open files are worth a warning: two for each device */
    CONTROL_PATH_MAX = 256,
};

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};

const struct option_spec service_options[] = {
    {.name = "config",
     .value = "FILE",
     .kind = OPTION_FILE,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Reads options from this YAML file, whose keys are the names of the flags with _ for "
             "-. A flag beats the file. adit check explains a file's mistakes."},
    {.name = "control",
     .value = "PATH|none",
     .kind = OPTION_FILE,
     .traits = OPTION_NONE,
     .help = "The Unix socket, mode 0600, that adit status asks. A missing directory is made. "
             "Default: /run/adit/ROLE.sock for root, $XDG_RUNTIME_DIR/adit/ROLE.sock for others."},
    {.name = "user",
     .value = "NAME",
     .kind = OPTION_TEXT,
     .help = "Started by root, it becomes this user after binding its addresses. Default: adit, "
             "if there is such a user."},
    SANDBOX_OPTION,
    {.name = "log-level",
     .value = "LEVEL",
     .kind = OPTION_CHOICE,
     .choices = levels,
     .fallback = "info",
     .help = "error, warn, info or debug: which lines are logged to standard error."},
    {.name = NULL},
};

struct service {
    const struct command *command;
    const struct service_role *role;
    bool (*failed)(void *running); /* NULL = it ends when it is told to */
    const struct options *flags;
    struct options options; /* flags and file together */
    struct io_loop *loop;
    void *running;
    struct control *control;
    char control_path[CONTROL_PATH_MAX]; /* "" = none */
    struct io_process_user user;
    bool change_user;
    bool wants_sandbox;
    bool sandboxed; /* its paths are limited */
    uint64_t files; /* that may be open */
    bool stopping;
    int status;
};

/* Adds the file that --config names to options that hold nothing yet. */
static bool read_file(const struct service *service, struct io_loop *loop, const char *path,
                      struct options *options, struct report *report)
{
    char *text = NULL;
    size_t len = 0;
    char *directory = config_directory(path);
    int error = io_file_read(io_disk(loop), path, CONFIG_LEN_MAX, &text, &len);
    if (error != 0 || directory == NULL)
        report_mistake(report, 0, 0, "%s", error == 0 ? "out of memory" : io_error_text(error));
    else
        config_read(text, len, directory, service->command, false, options, report);
    free(directory);
    free(text);
    return report->mistakes == 0;
}

/*
 * What flags and file say together. On failure there is nothing to clear, and the report says why
 * where it was the file.
 */
static bool read_options(const struct service *service, struct io_loop *loop,
                         struct options *options, struct report *report)
{
    const char *path = options_text(service->flags, "config");
    memset(options, 0, sizeof *options);
    if (path != NULL) {
        if (!read_file(service, loop, path, options, report))
            return false;
    } else if (!options_init(options, &service->command->table)) {
        report_mistake(report, 0, 0, "out of memory");
        return false;
    }
    if (!options_override(options, service->flags)) {
        options_clear(options);
        report_mistake(report, 0, 0, "out of memory");
        return false;
    }
    return true;
}

static bool examine(const struct service *service, const struct options *options,
                    struct report *report)
{
    if (service->command->examine != NULL)
        service->command->examine(options, report);
    return report->mistakes == 0;
}

static void print_report(const struct service *service, const struct report *report)
{
    const char *path = options_text(service->flags, "config");
    report_print(report, path == NULL ? "adit" : path, stderr);
}

/* At the start: complaints go to standard error as they are. */
static int first_options(struct service *service)
{
    struct report report;
    report_init(&report);
    int status = EXIT_FINE;
    if (!read_options(service, service->loop, &service->options, &report)) {
        print_report(service, &report);
        status = EXIT_UNUSABLE;
    } else {
        status = command_need(service->command, &service->options);
        if (status == EXIT_FINE && !examine(service, &service->options, &report)) {
            print_report(service, &report);
            status = EXIT_UNUSABLE;
        }
    }
    report_clear(&report);
    return status;
}

/* The mistakes of a file that was read again. */
static void log_report(struct service *service, const struct report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct report_entry *entry = &report->entries[i];
        log_event(service->loop, LOG_ERROR, "config", "line %u column %u: %s", entry->line,
                  entry->column, entry->text);
    }
}

static void refuse_file(struct service *service, const struct report *report, char *why,
                        size_t why_len)
{
    log_report(service, report);
    snprintf(why, why_len, "the configuration file has %zu %s", report->mistakes,
             report->mistakes == 1 ? "mistake" : "mistakes");
}

/* The first file of the options that the sandbox has not left to this process, and that is read
 * after the start: the control socket is not. */
static void find_kept_from(void *arg, const struct option_spec *spec,
                           const struct option_value *value)
{
    const char **kept = arg;
    bool file = spec->kind == OPTION_SECRET ||
                (spec->kind == OPTION_FILE && strcmp(spec->name, "control") != 0);
    if (*kept == NULL && file && strcmp(value->text, "-") != 0 &&
        io_process_is_kept_from(value->text))
        *kept = value->text;
}

static void warn_of_kept_from(struct service *service, const struct options *options)
{
    const char *kept = NULL;
    char shown[256];
    if (service->sandboxed)
        options_each(options, find_kept_from, &kept);
    if (kept != NULL)
        log_event(service->loop, LOG_WARN, "sandbox",
                  "%s is not beside a file that this process was started with, so it may not read "
                  "it: restart it to use that file",
                  text_escape(kept, strlen(kept), shown, sizeof shown));
}

/* 0, or -1 with why; then everything is as before. */
static int reload(struct service *service, char *why, size_t why_len)
{
    struct options options;
    struct report report;
    report_init(&report);
    io_process_notify("RELOADING=1");
    int result = -1;
    if (!read_options(service, service->loop, &options, &report)) {
        refuse_file(service, &report, why, why_len);
    } else if (options_missing(&options) != NULL) {
        snprintf(why, why_len, "%s is missing", options_missing(&options)->name);
        options_clear(&options);
    } else if (command_contradiction(service->command, &options) != NULL) {
        snprintf(why, why_len, "%s", command_contradiction(service->command, &options));
        options_clear(&options);
    } else if (!examine(service, &options, &report)) {
        refuse_file(service, &report, why, why_len);
        options_clear(&options);
    } else {
        result = service->role->reload(service->running, &options, why, why_len);
        warn_of_kept_from(service, &options);
        if (result == 0) {
            options_clear(&service->options);
            service->options = options;
        } else {
            options_clear(&options);
        }
    }
    if (result == 0)
        log_event(service->loop, LOG_INFO, "reload", "reloaded");
    else
        log_event(service->loop, LOG_ERROR, "reload", "nothing changed: %s", why);
    io_process_notify("READY=1");
    report_clear(&report);
    return result;
}

static void on_reload(void *arg)
{
    struct service *service = arg;
    char why[OPTION_WHY_MAX];
    if (!service->stopping)
        reload(service, why, sizeof why);
}

static void on_stop(void *arg)
{
    struct service *service = arg;
    if (!service->stopping) {
        log_event(service->loop, LOG_INFO, "stopping", "stopping; a second signal ends it at once");
        io_process_notify("STOPPING=1");
    }
    service->stopping = true;
    service->role->stop(service->running);
}

static void on_stopped(void *arg)
{
    struct service *service = arg;
    if (service->control != NULL)
        control_close(service->control);
    io_real_stop(service->loop);
}

static void answer_status(void *arg, json_t *status)
{
    control_answer(arg, status);
}

static void on_command(void *arg, const char *name, struct control_request *request)
{
    struct service *service = arg;
    char why[OPTION_WHY_MAX];
    if (strcmp(name, "status") == 0)
        service->role->status(service->running, answer_status, request);
    else if (strcmp(name, "reload") != 0)
        control_answer_error(request, "unknown command: status or reload");
    else if (service->stopping)
        control_answer_error(request, "stopping");
    else if (reload(service, why, sizeof why) != 0)
        control_answer_error(request, why);
    else
        control_answer(request, json_pack("{sb}", "reloaded", 1));
}

/* ---- Control socket ---- */

static const struct io_process_user *owner_of(const struct service *service)
{
    return service->change_user ? &service->user : NULL;
}

/* EXIT_FAILED only when a control socket that was asked for is not possible. */
static int no_control(struct service *service, const char *why)
{
    bool asked = options_count(&service->options, "control") > 0;
    log_event(service->loop, asked ? LOG_ERROR : LOG_WARN, "control", "no control socket at %s: %s",
              service->control_path, why);
    service->control_path[0] = '\0';
    return asked ? EXIT_FAILED : EXIT_FINE;
}

/* Where the control socket will be, with its directory. */
static int find_control(struct service *service)
{
    char why[OPTION_WHY_MAX];
    char *path = service->control_path;
    const char *asked = options_text(&service->options, "control");
    if (asked != NULL && strcmp(asked, "none") == 0)
        return EXIT_FINE;
    if (asked == NULL && !process_control_path(service->command->name, path, CONTROL_PATH_MAX)) {
        path[0] = '\0';
        log_event(service->loop, LOG_INFO, "control",
                  "no control socket: XDG_RUNTIME_DIR is not set, and --control was not given");
        return EXIT_FINE;
    }
    if (asked != NULL && snprintf(path, CONTROL_PATH_MAX, "%s", asked) >= CONTROL_PATH_MAX)
        return no_control(service, "the path is too long");
    return io_process_make_directories(path, owner_of(service), why, sizeof why)
               ? EXIT_FINE
               : no_control(service, why);
}

static int open_control(struct service *service)
{
    char why[OPTION_WHY_MAX];
    int error = 0;
    const char *path = service->control_path;
    if (path[0] == '\0')
        return EXIT_FINE;
    service->control = control_open(service->loop, path, on_command, service, &error);
    if (service->control == NULL)
        return no_control(service, io_error_text(error));
    /* Where it cannot be given, root alone can ask. */
    if (owner_of(service) != NULL && !io_process_give(path, owner_of(service), why, sizeof why))
        log_event(service->loop, LOG_WARN, "control", "%s: %s", path, why);
    return EXIT_FINE;
}

/* ---- Privileges ---- */

/* What was read as root must be readable for the user too, or it cannot be read again. */
static void warn_of_unreadable(void *arg, const struct option_spec *spec,
                               const struct option_value *value)
{
    struct service *service = arg;
    if (spec->kind == OPTION_SECRET && strcmp(value->text, "-") != 0 &&
        !io_process_can_read(value->text)) {
        char shown[256];
        log_event(
            service->loop, LOG_WARN, "user", "%s is not readable for user %s: a reload will fail",
            text_escape(value->text, strlen(value->text), shown, sizeof shown), service->user.name);
    }
}

static int drop_privileges(struct service *service)
{
    char why[OPTION_WHY_MAX];
    if (service->change_user && !io_process_become(&service->user, why, sizeof why)) {
        log_event(service->loop, LOG_ERROR, "user", "%s", why);
        return EXIT_FAILED;
    }
    if (!io_process_drop_capabilities()) {
        log_event(service->loop, LOG_ERROR, "user", "cannot give up its capabilities");
        return EXIT_FAILED;
    }
    if (service->change_user && service->user.uid != 0) {
        log_event(service->loop, LOG_INFO, "user", "runs as %s", service->user.name);
        options_each(&service->options, warn_of_unreadable, service);
    } else if (io_process_is_root() && options_count(&service->options, "user") == 0) {
        log_event(
            service->loop, LOG_WARN, "user",
            "runs as root: there is no user adit (useradd --system adit makes it), and --user "
            "was not given");
    }
    return EXIT_FINE;
}

/* The supervisor listens for us where we do not: nobody must wait there for ever. */
static void drop_inherited(struct service *service)
{
    struct addr at;
    char text[ADDR_TEXT_MAX];
    while (io_real_drop_inherited(service->loop, &at)) {
        addr_format(&at, text);
        log_event(service->loop, LOG_WARN, "inherited",
                  "nobody is to listen on %s, whose socket was handed over", text);
    }
}

/* Paths and ports, of this thread and those that it begins: there is no other one yet. */
static int limit_paths(struct service *service)
{
    char why[OPTION_WHY_MAX];
    const char *control = service->control_path[0] == '\0' ? NULL : service->control_path;
    service->sandboxed = sandbox_paths(service->loop, &service->options, service->role->work,
                                       control, why, sizeof why);
    return service->sandboxed ? EXIT_FINE : command_failed(service->command, "%s", why);
}

/* When it has become the user that it stays. */
static int limit_calls(struct service *service)
{
    char why[OPTION_WHY_MAX];
    if (!service->sandboxed || io_sandbox_calls(service->role->work, why, sizeof why))
        return EXIT_FINE;
    log_event(service->loop, LOG_ERROR, "sandbox", "%s", why);
    return EXIT_FAILED;
}

static int run_started(struct service *service)
{
    drop_inherited(service);
    int status = service->wants_sandbox && service->role->starts_privileged ? limit_paths(service)
                                                                            : EXIT_FINE;
    if (status == EXIT_FINE)
        status = open_control(service);
    if (status == EXIT_FINE)
        status = drop_privileges(service);
    if (status == EXIT_FINE)
        status = limit_calls(service);
    if (status == EXIT_FINE) {
        io_process_notify("READY=1");
    } else {
        /* Twice: what has begun ends at once. */
        service->role->stop(service->running);
        service->role->stop(service->running);
    }
    io_real_run(service->loop);
    return status;
}

/* On a loop that logs as the options say. Signals come before any other thread. */
static int run_role(struct service *service)
{
    char why[OPTION_WHY_MAX] = "";
    io_process_no_new_privileges();
    if (service->files < FILES_WANTED) {
        log_event(service->loop, LOG_WARN, "files",
                  "only %" PRIu64 " files may be open at a time: raise the limit (ulimit -n, "
                  "LimitNOFILE=) to %d or more",
                  service->files, FILES_WANTED);
    }
    if (io_real_on_signal(service->loop, SIGTERM, on_stop, service) != 0 ||
        io_real_on_signal(service->loop, SIGINT, on_stop, service) != 0 ||
        io_real_on_signal(service->loop, SIGHUP, on_reload, service) != 0)
        return command_failed(service->command, "cannot wait for signals");
    int status = find_control(service);
    service->wants_sandbox = !sandbox_is_off(service->loop, &service->options);
    if (status == EXIT_FINE && service->wants_sandbox && !service->role->starts_privileged)
        status = limit_paths(service);
    if (status != EXIT_FINE)
        return status;
    service->running = service->role->start(service->loop, &service->options, on_stopped, service,
                                            why, sizeof why);
    if (service->running == NULL)
        return command_failed(service->command, "%s", why);
    status = run_started(service);
    if (status == EXIT_FINE && service->failed != NULL && service->failed(service->running))
        status = EXIT_FAILED;
    service->role->free(service->running);
    return status;
}

/* Options and user, with a loop of their own: how much is logged is one of the options. */
static int prepare(struct service *service)
{
    service->loop = process_loop(service->command);
    if (service->loop == NULL)
        return EXIT_FAILED;
    int status = first_options(service);
    if (status == EXIT_FINE) {
        char why[OPTION_WHY_MAX];
        if (!process_find_user(options_text(&service->options, "user"), &service->user,
                               &service->change_user, why, sizeof why))
            status = command_unusable(service->command, "%s", why);
    }
    io_real_free(service->loop);
    service->loop = NULL;
    return status;
}

int service_run(const struct command *command, const struct service_role *role,
                const struct options *flags)
{
    return service_run_finite(command, role, NULL, flags);
}

int service_run_finite(const struct command *command, const struct service_role *role,
                       bool (*failed)(void *running), const struct options *flags)
{
    struct service service = {.command = command, .role = role, .failed = failed, .flags = flags};
    service.files = io_process_raise_files();
    int status = prepare(&service);
    if (status == EXIT_FINE) {
        int error = 0;
        struct io_real_options settings = {
            .log_level = (enum log_level)options_number(&service.options, "log-level"),
            .inherit = true};
        service.loop = io_real_new(&settings, &error);
        status = service.loop == NULL ? command_failed(command, "%s", io_error_text(error))
                                      : run_role(&service);
    }
    if (service.loop != NULL)
        io_real_free(service.loop);
    options_clear(&service.options);
    return status;
}
