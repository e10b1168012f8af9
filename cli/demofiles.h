/*
 * What the demo keeps in its state directory: a Fernet key, a credential, a certificate authority.
 */
#ifndef CLI_DEMOFILES_H
#define CLI_DEMOFILES_H

#include "cli/democa.h"
#include "io/io.h"

enum { DEMOFILES_PATH_MAX = 1024 };

struct demofiles {
    char directory[DEMOFILES_PATH_MAX];
    char fernet_key[DEMOFILES_PATH_MAX + 32];
    char credential[DEMOFILES_PATH_MAX + 32];
    char ca[DEMOFILES_PATH_MAX + 32];
    bool key_is_new;
    struct democa certificates;
};

/*
 * Makes the directory (`directory`, or the default one where that is NULL), keeps the Fernet key
 * that is there or makes one, and makes a credential and certificates for `name` anew. False with
 * why; clear it in any case.
 */
bool demofiles_make(struct demofiles *files, struct io_loop *loop, const char *directory,
                    const char *name, char why[OPTION_WHY_MAX]);
void demofiles_clear(struct demofiles *files);

#endif
