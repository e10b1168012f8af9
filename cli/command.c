#include "cli/command.h"

#include "base/encode.h"
#include "cli/suggest.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#ifndef ADIT_VERSION
#define ADIT_VERSION "unknown"
#endif

static const char overview_head[] =
    "adit: encrypted TCP tunnels. It publishes a service that stands behind a NAT under a host\n"
    "name of its own, joins machines and networks by a VPN over one TCP port, and sends files\n"
    "and streams. To publish, a public server and a publisher next to the service keep one\n"
    "encrypted connection; TLS runs from the device to the service itself, so that the server\n"
    "never sees what is said.\n"
    "\n"
    "Usage: adit COMMAND [options]\n";

static const char overview_example[] =
    "\nA worked example\n"
    "  On the public machine: make a key, let the server listen, and write a credential for a\n"
    "  name that points to this machine.\n"
    "    adit keygen fernet --out fernet.key\n"
    "    adit serve --listen 0.0.0.0:443 --fernet-key-file fernet.key\n"
    "    adit token mint --fernet-key-file fernet.key --hostname home.example.org \\\n"
    "        --out home.json\n"
    "  At home: take home.json there and publish the HTTPS service of this machine.\n"
    "    adit publish --server home.example.org:443 --credential home.json --to 127.0.0.1:8443\n"
    "  Anywhere:\n"
    "    curl https://home.example.org/\n"
    "\n"
    "  adit demo shows all of it on this machine. adit COMMAND --help explains a command.\n";

const struct command *const command_all[] = {
    &command_serve,
    &command_publish,
    &command_master,
    &command_host_add,
    &command_host_add_server,
    &command_host_list,
    &command_host_show,
    &command_host_enable,
    &command_host_disable,
    &command_host_rotate,
    &command_host_remove,
    &command_vpn,
    &command_send,
    &command_receive,
    &command_passwd,
    &command_keygen,
    &command_token_mint,
    &command_token_show,
    &command_check,
    &command_status,
    &command_demo,
    NULL,
};

const struct command *command_find(const char *name)
{
    for (const struct command *const *c = command_all; *c != NULL; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

static bool is_role(const struct command *command)
{
    for (const struct option_spec *s = options_next(&command->table, NULL); s != NULL;
         s = options_next(&command->table, s))
        if (strcmp(s->name, "config") == 0)
            return true;
    return false;
}

const struct command *command_of_role(const char *role)
{
    const struct command *command = command_find(role);
    return command != NULL && is_role(command) ? command : NULL;
}

void command_offer_roles(struct suggestion *suggestion)
{
    for (const struct command *const *c = command_all; *c != NULL; c++)
        if (is_role(*c))
            suggest_offer(suggestion, (*c)->name);
}

int command_unusable(const struct command *command, const char *format, ...)
{
    char text[2 * OPTION_WHY_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bool question = text[0] != '\0' && text[strlen(text) - 1] == '?';
    fprintf(stderr, "adit %s: %s%s adit %s --help\n", command->name, text,
            question ? " See" : "; see", command->name);
    return EXIT_UNUSABLE;
}

int command_failed(const struct command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "adit %s: ", command->name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return EXIT_FAILED;
}

const char *command_contradiction(const struct command *command, const struct options *options)
{
    return command->contradiction == NULL ? NULL : command->contradiction(options);
}

int command_need(const struct command *command, const struct options *options)
{
    const struct option_spec *missing = options_missing(options);
    if (missing == NULL) {
        const char *wrong = command_contradiction(command, options);
        return wrong == NULL ? EXIT_FINE : command_unusable(command, "%s", wrong);
    }
    if ((missing->traits & OPTION_ARGUMENT) != 0)
        return command_unusable(command, "%s is missing", missing->value);
    if (missing->kind == OPTION_GROUP) {
        return command_unusable(command, "%s is missing: a file says it, see --config",
                                missing->name);
    }
    return command_unusable(command, "--%s %s is missing", missing->name, missing->value);
}

void command_help(const struct command *command, FILE *out)
{
    fprintf(out, "adit %s: %s.\n\nUsage: adit %s %s\n\n", command->name, command->summary,
            command->name, command->usage);
    options_wrap(out, command->about, 0, 0);
    fprintf(out, "\nOptions\n");
    options_help(&command->table, out);
    fprintf(out, "\nExample\n%s", command->example);
}

void command_overview(FILE *out)
{
    fputs(overview_head, out);
    const char *group = "";
    for (const struct command *const *c = command_all; *c != NULL; c++) {
        if (strcmp(group, (*c)->group) != 0) {
            group = (*c)->group;
            fprintf(out, "\n%s\n", group);
        }
        fprintf(out, "  %-15s %s\n", (*c)->name, (*c)->summary);
    }
    fputs(overview_example, out);
}

/* Runs with the arguments that follow the command's name. */
static int run(const struct command *command, int argc, char *const *argv)
{
    struct options options;
    if (!options_init(&options, &command->table))
        return command_failed(command, "out of memory");
    char why[OPTION_WHY_MAX];
    int status = EXIT_FINE;
    switch (options_read(&options, argc, argv, why)) {
    case OPTIONS_HELP:
        command_help(command, stdout);
        break;
    case OPTIONS_UNUSABLE:
        status = command_unusable(command, "%s", why);
        break;
    case OPTIONS_OK:
        status = is_role(command) ? EXIT_FINE : command_need(command, &options);
        if (status == EXIT_FINE)
            status = command->run(command, &options);
        break;
    }
    options_clear(&options);
    return status;
}

/* The commands whose name is `word` and one more: `adit token`. Returns how many there are. */
static size_t family(const char *word, FILE *out)
{
    size_t len = strlen(word);
    size_t count = 0;
    for (const struct command *const *c = command_all; *c != NULL; c++) {
        if (strncmp((*c)->name, word, len) == 0 && (*c)->name[len] == ' ') {
            count++;
            if (out != NULL)
                fprintf(out, "  adit %-15s %s\n", (*c)->name, (*c)->summary);
        }
    }
    return count;
}

/* The nearest command; a lone word is compared with the first word of two as well. */
static const char *nearest_command(const char *words)
{
    struct suggestion meant = suggest_start(words);
    for (const struct command *const *c = command_all; *c != NULL; c++)
        suggest_offer(&meant, (*c)->name);
    for (const struct command *const *c = command_all; *c != NULL; c++) {
        char head[SUGGEST_WORD_MAX + 1];
        snprintf(head, sizeof head, "%.*s", (int)strcspn((*c)->name, " "), (*c)->name);
        const char *before = meant.best;
        suggest_offer(&meant, head);
        meant.best = meant.best == head ? (*c)->name : before;
    }
    return meant.best;
}

/* second is NULL or the word after it. */
static int unknown_command(const char *first, const char *second)
{
    char words[SUGGEST_WORD_MAX + 2];
    char shown[200];
    snprintf(words, sizeof words, "%s%s%s", first, second == NULL ? "" : " ",
             second == NULL ? "" : second);
    text_escape(words, strlen(words), shown, sizeof shown);
    const char *meant = nearest_command(words);
    if (meant == NULL && second != NULL)
        meant = nearest_command(first);
    if (meant != NULL) {
        fprintf(stderr, "adit: there is no command \"%s\"; did you mean adit %s? See adit --help\n",
                shown, meant);
    } else {
        fprintf(stderr, "adit: there is no command \"%s\"; see adit --help\n", shown);
    }
    return EXIT_UNUSABLE;
}

static bool asks(const char *word, const char *flag, const char *alternative)
{
    return strcmp(word, flag) == 0 || strcmp(word, alternative) == 0;
}

int command_main(int argc, char *const *argv)
{
    if (argc < 2) {
        fputs("adit: which command? See adit --help\n", stderr);
        return EXIT_UNUSABLE;
    }
    if (asks(argv[1], "--help", "help") || asks(argv[1], "-h", "-h")) {
        command_overview(stdout);
        return EXIT_FINE;
    }
    if (asks(argv[1], "--version", "version")) {
        printf("adit %s\n", ADIT_VERSION);
        return EXIT_FINE;
    }
    const struct command *command = command_find(argv[1]);
    if (command != NULL)
        return run(command, argc - 2, argv + 2);
    if (family(argv[1], NULL) == 0)
        return unknown_command(argv[1], argc > 2 && argv[2][0] != '-' ? argv[2] : NULL);
    if (argc < 3 || asks(argv[2], "--help", "-h")) {
        FILE *out = argc < 3 ? stderr : stdout;
        fprintf(out, "%sadit %s has these commands; each has a --help of its own:\n",
                argc < 3 ? "adit: which one? " : "", argv[1]);
        family(argv[1], out);
        return argc < 3 ? EXIT_UNUSABLE : EXIT_FINE;
    }
    char name[64];
    snprintf(name, sizeof name, "%s %s", argv[1], argv[2]);
    command = command_find(name);
    return command == NULL ? unknown_command(argv[1], argv[2]) : run(command, argc - 3, argv + 3);
}
