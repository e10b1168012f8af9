/*
 * The commands of the program, and what they share.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli/options.h"
#include "cli/report.h"

enum exit_status {
    EXIT_FINE = 0,
    EXIT_FAILED = 1,   /* at run time */
    EXIT_UNUSABLE = 2, /* arguments or a configuration file that cannot be used */
};

struct command {
    const char *name;    /* one word, or two: "token mint" */
    const char *group;   /* heading in `adit --help` */
    const char *summary; /* half a line, begins with a verb */
    const char *usage;   /* what follows the name */
    const char *about;   /* paragraphs, wrapped where shown */
    const char *example; /* lines, shown as they are */
    struct option_table table;
    /*
     * What is wrong with options of which each is fine: a static text that names flags, or NULL.
     * Called when none is missing; may itself be NULL.
     */
    const char *(*contradiction)(const struct options *options);
    /*
     * Reports what is wrong with values of a file of which each is fine, at their places. Called
     * when there is no contradiction; may itself be NULL.
     */
    void (*examine)(const struct options *options, struct report *report);
    /*
     * Runs the command; options hold what the flags said. When the command takes --config, needed
     * options may still be missing: the file can say them.
     */
    int (*run)(const struct command *command, struct options *options);
};

/* All of them, in the order of `adit --help`; ends with NULL. */
extern const struct command *const command_all[];

/* By the name of one; NULL when there is none. */
const struct command *command_find(const char *name);

/* The command that runs a role ("serve"), NULL when there is none. A role is a command that takes
 * --config. */
const struct command *command_of_role(const char *role);

/* Offers the names of all roles. */
struct suggestion;
void command_offer_roles(struct suggestion *suggestion);

/* Prints `adit COMMAND: …; see adit COMMAND --help` to stderr. Returns EXIT_UNUSABLE. */
int command_unusable(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints `adit COMMAND: …` to stderr. Returns EXIT_FAILED. */
int command_failed(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What contradicts each other, as the command says; NULL where nothing does. */
const char *command_contradiction(const struct command *command, const struct options *options);

/* Complains about the first needed option that is missing, or about what contradicts each other;
 * EXIT_FINE when there is none. */
int command_need(const struct command *command, const struct options *options);

/* What `adit COMMAND --help` says. */
void command_help(const struct command *command, FILE *out);

/* What `adit --help` says. */
void command_overview(FILE *out);

/* Runs `adit argv[1] …` and returns the exit status. */
int command_main(int argc, char *const *argv);

extern const struct command command_serve;
extern const struct command command_publish;
extern const struct command command_master;
extern const struct command command_host_add;
extern const struct command command_host_add_server;
extern const struct command command_host_list;
extern const struct command command_host_show;
extern const struct command command_host_enable;
extern const struct command command_host_disable;
extern const struct command command_host_rotate;
extern const struct command command_host_remove;
extern const struct command command_vpn;
extern const struct command command_keygen;
extern const struct command command_token_mint;
extern const struct command command_token_show;
extern const struct command command_check;
extern const struct command command_status;
extern const struct command command_demo;
extern const struct command command_send;
extern const struct command command_receive;
extern const struct command command_passwd;

#endif
