#include "base/encode.h"
#include "cli/boxkey.h"
#include "cli/command.h"
#include "cli/process.h"
#include "io/real/real.h"
#include "io/real/terminal.h"
#include "roles/transfer/users.h"

#include <string.h>

static const struct option_spec specs[] = {
    {.name = "name",
     .value = "NAME",
     .kind = OPTION_TEXT,
     .traits = OPTION_NEEDED | OPTION_ARGUMENT | OPTION_NOT_IN_FILE,
     .help = "The user: 1 to 128 bytes, without colon."},
    {.name = "users",
     .value = "FILE",
     .kind = OPTION_FILE,
     .traits = OPTION_NEEDED | OPTION_NOT_IN_FILE,
     .help = "The users file; it is made where there is none, mode 0600, and replaced at once."},
    {.name = "password-file",
     .value = "FILE|-",
     .kind = OPTION_SECRET,
     .traits = OPTION_STDIN | OPTION_NOT_IN_FILE,
     .help = "The passphrase is the first line of this file, or of standard input; /dev/fd/N is "
             "descriptor N. Without it, the terminal is asked."},
    {.name = NULL},
};

/* Asks twice; false after a complaint. */
static bool ask(const struct command *command, char passphrase[SODIUMTCP_CREDENTIAL_MAX + 1])
{
    char again[SODIUMTCP_CREDENTIAL_MAX + 1];
    long len = io_terminal_ask("Passphrase: ", passphrase, SODIUMTCP_CREDENTIAL_MAX + 1);
    long second = len <= 0 ? len : io_terminal_ask("Again: ", again, sizeof again);
    bool same = len > 0 && second == len && strcmp(passphrase, again) == 0;
    wipe(again, sizeof again);
    if (same)
        return true;
    if (len == IO_E_NOT_FOUND) {
        command_failed(command, "there is no terminal to ask; --password-file reads it");
    } else if (len == IO_E_TOO_LARGE || second == IO_E_TOO_LARGE) {
        command_failed(command, "a passphrase has at most %d bytes", SODIUMTCP_CREDENTIAL_MAX);
    } else if (len < 0 || second < 0) {
        command_failed(command, "%s", io_error_text((int)(len < 0 ? len : second)));
    } else {
        command_failed(command, len == 0 ? "a passphrase has at least one byte"
                                         : "the two are not the same; nothing was changed");
    }
    return false;
}

static int set(const struct command *command, const struct options *options, struct io_loop *loop)
{
    char passphrase[SODIUMTCP_CREDENTIAL_MAX + 1];
    char hash[USERS_HASH_MAX];
    char why[OPTION_WHY_MAX];
    const char *name = options_text(options, "name");
    const char *path = options_text(options, "password-file");
    if (!users_name_valid(name)) {
        return command_unusable(command, "a name has 1 to 128 bytes, no colon, no control "
                                         "character and no # in front");
    }
    if (path == NULL && !ask(command, passphrase))
        return EXIT_FAILED;
    if (path != NULL && !boxkey_passphrase(io_disk(loop), path, passphrase, why))
        return command_failed(command, "%s", why);
    bool hashed = users_hash(passphrase, hash);
    wipe(passphrase, sizeof passphrase);
    if (!hashed)
        return command_failed(command, "no memory for Argon2id: it needs 64 MiB");
    if (users_set(io_disk(loop), options_text(options, "users"), name, hash, why, sizeof why))
        return command_failed(command, "%s", why);
    return EXIT_FINE;
}

static int run(const struct command *command, struct options *options)
{
    struct io_loop *loop = process_loop(command);
    if (loop == NULL)
        return EXIT_FAILED;
    int status = set(command, options, loop);
    io_real_free(loop);
    return status;
}

const struct command command_passwd = {
    .name = "passwd",
    .group = "Send files and streams",
    .summary = "sets the passphrase of a user who may send",
    .usage = "--users FILE NAME [--password-file FILE|-]",
    .about = "Sets a user's passphrase, stored as Argon2id, in the users file of adit receive; a "
             "new name becomes a new line. A line is name:hash:directory:limits. What else stands "
             "there stays: directory, where the user's files go, relative to --into or absolute; "
             "limits, empty or size=BYTES, what one connection may bring.\n"
             "A running adit receive reads the file again at SIGHUP.",
    .example = "  adit passwd --users users alice\n",
    .table = {specs, NULL},
    .run = run,
};
