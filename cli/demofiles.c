#include "cli/demofiles.h"

#include "base/encode.h"
#include "cli/mint.h"
#include "io/real/process.h"

#include <adit/snitun_token.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_FILE_MAX = 64 * 1024, CREDENTIAL_S = 24 * 60 * 60 };

static bool fail(char why[OPTION_WHY_MAX], const char *path, const char *text)
{
    snprintf(why, OPTION_WHY_MAX, "%.200s: %.200s", path, text);
    return false;
}

static bool name_files(struct demofiles *files, const char *directory, char why[OPTION_WHY_MAX])
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int len;
    if (directory != NULL)
        len = snprintf(files->directory, DEMOFILES_PATH_MAX, "%s", directory);
    else if (state != NULL && state[0] == '/')
        len = snprintf(files->directory, DEMOFILES_PATH_MAX, "%s/adit/demo", state);
    else if (home != NULL && home[0] == '/')
        len = snprintf(files->directory, DEMOFILES_PATH_MAX, "%s/.local/state/adit/demo", home);
    else
        return fail(why, "state directory", "neither XDG_STATE_HOME nor HOME is set: --state DIR");
    if (len >= DEMOFILES_PATH_MAX)
        return fail(why, "state directory", "its path is too long");
    snprintf(files->fernet_key, sizeof files->fernet_key, "%s/fernet.key", files->directory);
    snprintf(files->credential, sizeof files->credential, "%s/demo.json", files->directory);
    snprintf(files->ca, sizeof files->ca, "%s/ca.pem", files->directory);
    return true;
}

/* Reads the keys that are there, or makes one. */
static bool find_key(struct demofiles *files, struct io_loop *loop, struct snitun_keyring *keyring,
                     char why[OPTION_WHY_MAX])
{
    char *text = NULL;
    size_t len = 0;
    unsigned line = 0;
    int error = io_file_read_secret(io_disk(loop), files->fernet_key, KEY_FILE_MAX, &text, &len);
    if (error == 0) {
        error = snitun_keyring_parse(keyring, text, len, &line);
        wipe(text, len);
        free(text);
        return error == 0 || fail(why, files->fernet_key, "no Fernet key; remove the file");
    }
    if (error != IO_E_NOT_FOUND)
        return fail(why, files->fernet_key, io_error_text(error));
    char key_text[SNITUN_FERNET_KEY_TEXT + 2];
    keyring->count = 1;
    io_random(loop, keyring->keys[0], sizeof keyring->keys[0]);
    snitun_fernet_key_format(keyring->keys[0], key_text);
    key_text[SNITUN_FERNET_KEY_TEXT] = '\n';
    error = io_file_write(io_disk(loop), files->fernet_key, key_text, SNITUN_FERNET_KEY_TEXT + 1,
                          0600, true);
    wipe(key_text, sizeof key_text);
    files->key_is_new = true;
    return error == 0 || fail(why, files->fernet_key, io_error_text(error));
}

static bool make_credential(const struct demofiles *files, struct io_loop *loop,
                            const struct snitun_keyring *keyring, const char *name,
                            char why[OPTION_WHY_MAX])
{
    struct snitun_token token = {.valid = (double)((uint64_t)io_wall_s(loop) + CREDENTIAL_S),
                                 .keys = {.cipher = SNITUN_AES_GCM_SIV, .protocol_version = 2}};
    snprintf(token.hostname, sizeof token.hostname, "%s", name);
    char *json = mint_credential(loop, keyring, &token, why);
    snitun_token_clear(&token);
    if (json == NULL)
        return false;
    int error = io_file_write(io_disk(loop), files->credential, json, strlen(json), 0600, false);
    wipe(json, strlen(json));
    free(json);
    return error == 0 || fail(why, files->credential, io_error_text(error));
}

bool demofiles_make(struct demofiles *files, struct io_loop *loop, const char *directory,
                    const char *name, char why[OPTION_WHY_MAX])
{
    struct snitun_keyring keyring = {0};
    *files = (struct demofiles){0};
    if (!name_files(files, directory, why) ||
        !io_process_make_directories(files->fernet_key, NULL, why, OPTION_WHY_MAX))
        return false;
    bool made =
        find_key(files, loop, &keyring, why) && make_credential(files, loop, &keyring, name, why);
    snitun_keyring_wipe(&keyring);
    if (!made || !democa_make(&files->certificates, name, why))
        return false;
    const char *ca = files->certificates.ca;
    int error = io_file_write(io_disk(loop), files->ca, ca, strlen(ca), 0644, false);
    return error == 0 || fail(why, files->ca, io_error_text(error));
}

void demofiles_clear(struct demofiles *files)
{
    democa_clear(&files->certificates);
}
