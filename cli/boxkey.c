#include "cli/boxkey.h"

#include "base/encode.h"
#include "io/real/console.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_FILE_MAX = 4096 };

static bool decode(const char *text, size_t len, uint8_t key[SODIUMTCP_KEY_LEN])
{
    size_t got = 0;
    return sodium_base642bin(key, SODIUMTCP_KEY_LEN, text, len, NULL, &got, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           got == SODIUMTCP_KEY_LEN;
}

bool boxkey_public(const char *text, uint8_t key[SODIUMTCP_KEY_LEN], char why[OPTION_WHY_MAX])
{
    if (decode(text, strlen(text), key))
        return true;
    snprintf(why, OPTION_WHY_MAX, "not the 44 characters of base64 that adit keygen box prints");
    return false;
}

/* The first line of a secret file, in a buffer that the caller wipes and frees. */
static char *read_secret(struct io_disk *disk, const char *path, size_t *len, size_t *room,
                         char why[OPTION_WHY_MAX])
{
    char *text = NULL;
    int error = strcmp(path, "-") == 0
                    ? io_console_read(SECRET_FILE_MAX, &text, room)
                    : io_file_read_secret(disk, path, SECRET_FILE_MAX, &text, room);
    if (error != 0) {
        snprintf(why, OPTION_WHY_MAX, "%s: %s", path, io_error_text(error));
        return NULL;
    }
    *len = strcspn(text, "\r\n");
    return text;
}

bool boxkey_read(struct io_disk *disk, const char *path, struct sodiumtcp_keypair *pair,
                 char why[OPTION_WHY_MAX])
{
    size_t len = 0;
    size_t room = 0;
    char *text = read_secret(disk, path, &len, &room, why);
    if (text == NULL)
        return false;
    bool good = decode(text, len, pair->secret_key);
    wipe(text, room);
    free(text);
    if (good && crypto_scalarmult_base(pair->public_key, pair->secret_key) == 0)
        return true;
    snprintf(why, OPTION_WHY_MAX, "%s: not a secret key as adit keygen box --out writes it", path);
    return false;
}

bool boxkey_passphrase(struct io_disk *disk, const char *path,
                       char passphrase[SODIUMTCP_CREDENTIAL_MAX + 1], char why[OPTION_WHY_MAX])
{
    size_t len = 0;
    size_t room = 0;
    char *text = read_secret(disk, path, &len, &room, why);
    if (text == NULL)
        return false;
    bool good = len > 0 && len <= SODIUMTCP_CREDENTIAL_MAX && memchr(text, '\0', len) == NULL;
    if (good) {
        memcpy(passphrase, text, len);
        passphrase[len] = '\0';
    } else {
        snprintf(why, OPTION_WHY_MAX, "%s: its first line is not a passphrase of 1 to %d bytes",
                 path, SODIUMTCP_CREDENTIAL_MAX);
    }
    wipe(text, room);
    free(text);
    return good;
}
