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

/* Paths, quoted; from malloc(), each NULL without memory. */
struct words {
    char *program;
    char *store;
    char *mine;
    char *ca;
};

static void print(FILE *out, const struct words *words, const struct demotext *where,
                  bool mine_is_there)
{
    fprintf(out,
            "\nAll of it runs on. Publish something of your own through it, here an HTTPS service\n"
            "on 127.0.0.1:8443 as %s:\n\n",
            where->mine);
    if (!mine_is_there)
        fprintf(out, "  %s host add %s --store %s --out %s --force\n", words->program, where->mine,
                words->store, words->mine);
    fprintf(out,
            "  %s publish --master %s --api-key-file %s --to 127.0.0.1:8443\n"
            "  curl --insecure --resolve %s:%u:127.0.0.1 https://%s:%u/\n\n"
            "Look who has a name, and shut one out; its tunnel ends within a second:\n\n"
            "  %s host list --store %s\n"
            "  %s host disable %s --store %s\n\n"
            "The page of the proof, once more:\n\n"
            "  curl --cacert %s --resolve %s:%u:127.0.0.1 https://%s:%u/\n\n"
            "ctrl-C ends it.\n",
            words->program, where->master, words->mine, where->mine, where->port, where->mine,
            where->port, words->program, words->store, words->program, where->mine, words->store,
            words->ca, where->name, where->port, where->name, where->port);
}

void demotext_commands(FILE *out, const struct demofiles *files, const struct demotext *where)
{
    struct words words = {program_path(), demotext_quote(files->store), demotext_quote(files->mine),
                          demotext_quote(files->ca)};
    if (words.program != NULL && words.store != NULL && words.mine != NULL && words.ca != NULL)
        print(out, &words, where, files->mine_is_there);
    free(words.program);
    free(words.store);
    free(words.mine);
    free(words.ca);
    fflush(out);
}
