#include "cli/demofiles.h"

#include "base/encode.h"
#include "io/real/process.h"
#include "roles/keyring.h"
#include "roles/master/handle.h"

#include <adit/snitun_token.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { API_KEY_FILE_MAX = 64 * 1024 };

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
    snprintf(files->store, sizeof files->store, "%s/hosts.db", files->directory);
    snprintf(files->api_key, sizeof files->api_key, "%s/demo.key", files->directory);
    snprintf(files->mine, sizeof files->mine, "%s/mine.key", files->directory);
    snprintf(files->ca, sizeof files->ca, "%s/ca.pem", files->directory);
    return true;
}

/* Reads the keys that are there, or makes one. */
static bool find_key(struct demofiles *files, struct io_loop *loop, struct snitun_keyring *keyring,
                     char why[OPTION_WHY_MAX])
{
    int error = keyring_read(io_disk(loop), files->fernet_key, keyring, why, OPTION_WHY_MAX);
    if (error != IO_E_NOT_FOUND)
        return error == IO_OK;
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

/* The host gets an API key that nobody has had; it is added when it is not there. */
static int give_key(struct master_store *store, struct io_loop *loop, const char *name,
                    char key[MASTER_KEY_TEXT_MAX])
{
    struct store_host host = {
        .kind = STORE_HOST, .ciphers = MASTER_CIPHERS_ALL, .created_s = (int64_t)io_wall_s(loop)};
    char taken[HOSTNAME_MAX + 1];
    uint8_t digest[SHA256_LEN];
    if (!master_key_new(io_random_fn, loop, key, digest))
        return STORE_E_OTHER;
    snprintf(host.name, sizeof host.name, "%s", name);
    int error = store_rotate(store, name, digest);
    return error == STORE_E_NOT_FOUND ? store_add(store, &host, digest, taken) : error;
}

static bool write_api_key(const struct demofiles *files, struct io_loop *loop,
                          char key[MASTER_KEY_TEXT_MAX], char why[OPTION_WHY_MAX])
{
    size_t len = strlen(key);
    key[len] = '\n';
    int error = io_file_write(io_disk(loop), files->api_key, key, len + 1, 0600, false);
    return error == 0 || fail(why, files->api_key, io_error_text(error));
}

static bool has_mine(const struct demofiles *files, struct io_loop *loop,
                     struct master_store *store, const char *mine)
{
    struct store_host host;
    char *text = NULL;
    size_t len = 0;
    bool has = store_find_name(store, mine, &host) == STORE_OK &&
               io_file_read_secret(io_disk(loop), files->mine, API_KEY_FILE_MAX, &text, &len) == 0;
    store_host_clear(&host);
    if (text != NULL)
        wipe(text, len);
    free(text);
    return has;
}

static bool make_host(struct demofiles *files, struct io_loop *loop, const char *name,
                      const char *mine, char why[OPTION_WHY_MAX])
{
    char key[MASTER_KEY_TEXT_MAX] = "";
    int error = STORE_OK;
    struct master_store *store = store_open(files->store, true, &error);
    if (store != NULL) {
        error = give_key(store, loop, name, key);
        files->mine_is_there = has_mine(files, loop, store, mine);
    }
    store_close(store);
    bool made = error == STORE_OK ? write_api_key(files, loop, key, why)
                                  : fail(why, files->store, store_error_text(error));
    wipe(key, sizeof key);
    return made;
}

bool demofiles_make(struct demofiles *files, struct io_loop *loop, const char *directory,
                    const char *name, const char *mine, char why[OPTION_WHY_MAX])
{
    struct snitun_keyring keyring = {0};
    *files = (struct demofiles){0};
    if (!name_files(files, directory, why) ||
        !io_process_make_directories(files->fernet_key, NULL, why, OPTION_WHY_MAX))
        return false;
    bool made = find_key(files, loop, &keyring, why) && make_host(files, loop, name, mine, why);
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
