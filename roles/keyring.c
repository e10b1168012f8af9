#include "roles/keyring.h"

#include "base/encode.h"

#include <stdio.h>
#include <stdlib.h>

int keyring_read(struct io_disk *disk, const char *path, struct snitun_keyring *keyring, char *why,
                 size_t why_len)
{
    char *text = NULL;
    size_t len = 0;
    unsigned line = 0;
    int error = io_file_read_secret(disk, path, KEYRING_FILE_MAX, &text, &len);

    snitun_keyring_wipe(keyring);
    if (error != IO_OK) {
        snprintf(why, why_len, "cannot read the Fernet key file %s: %s", path,
                 io_error_text(error));
        return error;
    }
    error = snitun_keyring_parse(keyring, text, len, &line);
    wipe(text, len);
    free(text);
    if (error == SNITUN_TOKEN_OK)
        return IO_OK;
    if (line == 0)
        snprintf(why, why_len,
                 "%s holds no Fernet key; make one with: adit keygen fernet --force --out %s", path,
                 path);
    else
        snprintf(why, why_len, "%s, line %u: %s", path, line, snitun_token_error_text(error));
    return IO_E_OTHER;
}
