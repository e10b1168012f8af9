#include "cli/command.h"
#include "io/real/process.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    io_process_begin();
    /* Before the first secret is read: almost every command has one. */
    if (!io_process_no_dumps()) {
        fputs("adit: cannot forbid dumps of its memory, which holds keys\n", stderr);
        return EXIT_FAILED;
    }
    int status = command_main(argc, argv);
    /* Output that could not be written must not look like success. */
    if (fflush(stdout) != 0 && status == EXIT_FINE) {
        perror("adit: writing to standard output");
        status = EXIT_FAILED;
    }
    return status;
}
