#include "cli/command.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
    /* Whatever is written is for this user alone unless a mode says otherwise. */
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    int status = command_main(argc, argv);
    /* Output that could not be written must not look like success. */
    if (fflush(stdout) != 0 && status == EXIT_FINE) {
        perror("adit: writing to standard output");
        status = EXIT_FAILED;
    }
    return status;
}
