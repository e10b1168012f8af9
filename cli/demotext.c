#include "cli/demotext.h"

#include "io/real/process.h"

#include <stdlib.h>
#include <string.h>

/* Characters that mean nothing to a shell, wherever they stand. */
static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            "/._-+,:@%";
static const char quoted_quote[] = "'\\''";

char *demotext_quote(const char *word)
{
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0')
        return strdup(word);
    /* Every character may become a quoted quote. */
    char *out = malloc(strlen(word) * strlen(quoted_quote) + sizeof "''");
    if (out == NULL)
        return NULL;
    char *at = out;
    *at++ = '\'';
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            memcpy(at, quoted_quote, strlen(quoted_quote));
            at += strlen(quoted_quote);
        } else {
            *at++ = *word;
        }
    }
    *at++ = '\'';
    *at = '\0';
    return out;
}

/* The path of this program, quoted. */
static char *program_path(void)
{
    char path[DEMOFILES_PATH_MAX];
    return io_process_program(path, sizeof path) ? demotext_quote(path) : strdup("adit");
}

void demotext_commands(FILE *out, const struct demofiles *files, const char *name, uint16_t port)
{
    char mine[DEMOFILES_PATH_MAX + 32];
    snprintf(mine, sizeof mine, "%s/mine.json", files->directory);
    char *program = program_path();
    char *key = demotext_quote(files->fernet_key);
    char *credential = demotext_quote(mine);
    char *ca = demotext_quote(files->ca);
    if (program != NULL && key != NULL && credential != NULL && ca != NULL) {
        fprintf(out,
                "\nThe server runs on. Publish something of your own through it, here an HTTPS "
                "service\non 127.0.0.1:8443 as mine.localhost:\n\n"
                "  %s token mint --fernet-key-file %s --hostname mine.localhost --out %s --force\n"
                "  %s publish --server 127.0.0.1:%u --credential %s --to 127.0.0.1:8443\n"
                "  curl --insecure --resolve mine.localhost:%u:127.0.0.1 "
                "https://mine.localhost:%u/\n\n"
                "The page of the proof, once more:\n\n"
                "  curl --cacert %s --resolve %s:%u:127.0.0.1 https://%s:%u/\n\n"
                "ctrl-C ends it.\n",
                program, key, credential, program, port, credential, port, port, ca, name, port,
                name, port);
    }
    free(ca);
    free(credential);
    free(key);
    free(program);
    fflush(out);
}
