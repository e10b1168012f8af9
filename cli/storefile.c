#include "cli/storefile.h"

#include "cli/process.h"

int storefile_make(const struct command *command, struct io_loop *loop, const char *path,
                   const char *name)
{
    int error = io_file_write(io_disk(loop), path, "", 0, 0600, true);
    if (error == IO_E_EXISTS)
        return EXIT_FINE;
    if (error != 0)
        return command_failed(command, "%s: %s", path, io_error_text(error));
    struct io_process_user user;
    bool change = false;
    char why[OPTION_WHY_MAX];
    int status = process_find_user(command, name, &user, &change);
    if (status == EXIT_FINE && change && !io_process_give(path, &user, why, sizeof why))
        status = command_failed(command, "%s", why);
    return status;
}
