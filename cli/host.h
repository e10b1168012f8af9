/*
 * What the commands `adit host …` share.
 */
#ifndef CLI_HOST_H
#define CLI_HOST_H

#include "cli/command.h"
#include "io/io.h"
#include "roles/master/handle.h"

/* --store and --json. */
extern const struct option_spec host_options[];

/*
 * A command on the store: opens it, calls work and closes. Returns the exit status.
 */
struct host_work {
    const struct command *command;
    const struct options *options;
    struct io_loop *loop;
    struct master_store *store;
};
int host_run(const struct command *command, const struct options *options, bool create,
             int (*work)(struct host_work *work));

/* Complains about what the store answered; EXIT_FINE for STORE_OK. */
int host_check(const struct host_work *work, int error);

/* The name that the command was given. */
const char *host_name(const struct host_work *work);

/* A host as JSON, the caller's. */
json_t *host_json(const struct store_host *host);

/* A host for a person, several lines. */
void host_print(const struct store_host *host);

/*
 * Shows an API key that was just made, with the host where --json asks for that, or writes it to
 * --out; wipes it. Returns the exit status.
 */
int host_give_key(struct host_work *work, char key[MASTER_KEY_TEXT_MAX]);

#endif
