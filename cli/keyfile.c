#include "cli/keyfile.h"

#include "base/encode.h"
#include "io/real/console.h"
#include "roles/keyring.h"

#include <stdlib.h>
#include <string.h>

int keyfile_read(const struct command *command, struct io_disk *disk, const char *path,
                 struct snitun_keyring *keyring)
{
    char why[OPTION_WHY_MAX];
    if (keyring_read(disk, path, keyring, why, sizeof why) != IO_OK)
        return command_failed(command, "%s", why);
    return EXIT_FINE;
}

int keyfile_write(const struct command *command, struct io_disk *disk, const char *path,
                  const char *text, bool force)
{
    size_t len = strlen(text) + 1;
    char *line = malloc(len + 1);
    if (line == NULL)
        return command_failed(command, "out of memory");
    snprintf(line, len + 1, "%s\n", text);
    int error = io_file_write(disk, path, line, len, 0600, !force);
    wipe(line, len);
    free(line);
    if (error == IO_E_EXISTS)
        return command_failed(command, "%s exists; --force replaces it", path);
    if (error != 0)
        return command_failed(command, "%s: %s", path, io_error_text(error));
    return EXIT_FINE;
}

char *keyfile_stdin(size_t *len, char why[OPTION_WHY_MAX])
{
    char *text = NULL;
    int error = io_console_read(KEYFILE_MAX, &text, len);
    if (error == IO_E_TOO_LARGE)
        snprintf(why, OPTION_WHY_MAX, "standard input: more than %d bytes", KEYFILE_MAX);
    else if (error != 0)
        snprintf(why, OPTION_WHY_MAX, "standard input: %s", io_error_text(error));
    return text;
}
