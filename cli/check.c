#include "base/encode.h"
#include "cli/config.h"
#include "cli/process.h"
#include "io/real/real.h"

#include <stdlib.h>
#include <string.h>

static const char *const roles[] = {"serve", "publish", "master", "receive", "vpn", NULL};

static const struct option_spec specs[] = {
    {.name = "file",
     .value = "FILE",
     .kind = OPTION_FILE,
     .traits = OPTION_NEEDED | OPTION_ARGUMENT | OPTION_NOT_IN_FILE,
     .help = "The configuration file."},
    {.name = "role",
     .value = "serve|publish|master|receive|vpn",
     .kind = OPTION_CHOICE,
     .traits = OPTION_NOT_IN_FILE,
     .choices = roles,
     .help = "Which command the file is for. Default: what its key role says."},
    {.name = NULL},
};

/* Warns about a file that is named in the configuration, must be there, and is not as it should be.
 * What the command itself writes is made when it is missing. */
static void check_file(void *arg, const struct option_spec *spec, const struct option_value *value)
{
    struct report *report = arg;
    bool secret = spec->kind == OPTION_SECRET;
    bool made = (spec->traits & (OPTION_WRITTEN | OPTION_NONE)) != 0;
    if (strcmp(value->text, "-") == 0 || (!secret && (spec->kind != OPTION_FILE || made)))
        return;
    unsigned mode = 0;
    char why[OPTION_WHY_MAX];
    char key[OPTION_KEY_MAX];
    char shown[256];
    option_key(spec, key);
    text_escape(value->text, strlen(value->text), shown, sizeof shown);
    if (!io_process_look(value->text, &mode, why, sizeof why)) {
        report_warning(report, value->line, value->column, "%s: %s: %s", key, shown, why);
    } else if (secret && (mode & 0777 & ~0640U) != 0) {
        report_warning(report, value->line, value->column,
                       "%s: %s: mode %04o, so that others can use it; at most 0640 is taken", key,
                       shown, mode & 0777);
    }
}

static void print_fine(const char *path, const struct command *role, const struct options *options,
                       const struct report *report)
{
    size_t keys = 0;
    for (const struct option_spec *s = options_next(&options->table, NULL); s != NULL;
         s = options_next(&options->table, s))
        keys += options_count(options, s->name) > 0;
    char shown[512];
    text_escape(path, strlen(path), shown, sizeof shown);
    printf("%s: fine (%s, %zu keys", shown, role->name, keys);
    if (report->warnings > 0)
        printf(", %zu %s", report->warnings, report->warnings == 1 ? "warning" : "warnings");
    puts(")");
}

static int check(const char *path, const char *text, size_t len, const struct command *role)
{
    struct options options;
    struct report report;
    report_init(&report);
    char *directory = config_directory(path);
    const struct command *found = NULL;
    if (directory == NULL)
        report_mistake(&report, 0, 0, "out of memory");
    else
        found = config_read(text, len, directory, role, true, &options, &report);
    if (found != NULL)
        options_each(&options, check_file, &report);
    report_print(&report, path, stdout);
    if (found != NULL) {
        print_fine(path, found, &options, &report);
        options_clear(&options);
    }
    int status = found == NULL ? EXIT_FAILED : EXIT_FINE;
    free(directory);
    report_clear(&report);
    return status;
}

static int run(const struct command *command, struct options *options)
{
    const char *path = options_text(options, "file");
    const char *role = options_text(options, "role");
    struct io_loop *loop = process_loop(command);
    if (loop == NULL)
        return EXIT_FAILED;
    char *text = NULL;
    size_t len = 0;
    int error = io_file_read(io_disk(loop), path, CONFIG_LEN_MAX, &text, &len);
    io_real_free(loop);
    if (error == IO_E_TOO_LARGE)
        return command_failed(command, "%s: longer than %d bytes", path, CONFIG_LEN_MAX);
    if (error != 0)
        return command_failed(command, "%s: %s", path, io_error_text(error));
    int status = check(path, text, len, role == NULL ? NULL : command_of_role(role));
    free(text);
    return status;
}

const struct command command_check = {
    .name = "check",
    .group = "Look and try",
    .summary = "names every mistake of a configuration file",
    .usage = "FILE [--role serve|publish|master|receive|vpn]",
    .about = "Reads a configuration file as the command does that it is for, with --config, and "
             "prints each mistake with its line and column. Warns of files that it names when "
             "they are missing or when others may read them. Exit status 0 when the file can be "
             "used, 1 when not.",
    .example = "  adit check /etc/adit/serve.yaml\n",
    .table = {specs, NULL},
    .run = run,
};
