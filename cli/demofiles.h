/*
 * What the demo keeps in its state directory: a Fernet key, the store of its session master with
 * the demo's host, that host's API key, a certificate authority.
 */
#ifndef CLI_DEMOFILES_H
#define CLI_DEMOFILES_H

#include "cli/democa.h"
#include "io/io.h"

enum { DEMOFILES_PATH_MAX = 1024 };

struct demofiles {
    char directory[DEMOFILES_PATH_MAX];
    char fernet_key[DEMOFILES_PATH_MAX + 32];
    char store[DEMOFILES_PATH_MAX + 32];
    char api_key[DEMOFILES_PATH_MAX + 32];
    char mine[DEMOFILES_PATH_MAX + 32]; /* where the user's own API key is, or is to be */
    char ca[DEMOFILES_PATH_MAX + 32];
    bool key_is_new;
    bool mine_is_there; /* the user's own host was added, and has its key */
    struct democa certificates;
};

/*
 * Makes the directory (`directory`, or the default one where that is NULL), keeps the Fernet key
 * and the store that are there or makes them, and makes certificates and an API key for the host
 * `name` anew, as adit host add and adit host rotate do. `mine` is the name of the user's own host.
 * False with why; clear it in any case.
 */
bool demofiles_make(struct demofiles *files, struct io_loop *loop, const char *directory,
                    const char *name, const char *mine, char why[OPTION_WHY_MAX]);
void demofiles_clear(struct demofiles *files);

#endif
