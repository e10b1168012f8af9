#include "roles/publish/credential.h"

#include "base/encode.h"
#include "lib/crypto/sha256.h"
#include "roles/publish/publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MARK_LEN = 2 * SHA256_LEN + 1, /* hex digits and a newline */
    USED_PATH_MAX = 4096,
};

static int missing(char *why, size_t why_len, const char *field, const char *expected)
{
    snprintf(why, why_len, "the credential's \"%s\" is missing or not %s", field, expected);
    return -1;
}

static bool is_token(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len <= CREDENTIAL_TOKEN_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=") == len;
}

/* "cipher" and "protocol_version" may lack, as in a token: aes-cbc, 0. */
static int read_protocol(struct credential *credential, const json_t *object, char *why,
                         size_t why_len)
{
    const json_t *cipher = json_object_get(object, "cipher");
    const json_t *version = json_object_get(object, "protocol_version");
    int found = cipher == NULL ? SNITUN_AES_CBC : -1;

    if (json_is_string(cipher))
        found = snitun_cipher_by_name(json_string_value(cipher));
    if (found < 0)
        return missing(why, why_len, "cipher", "\"aes-cbc\", \"aes-gcm\" or \"aes-gcm-siv\"");
    credential->keys.cipher = (enum snitun_cipher)found;
    if (version == NULL)
        return 0;
    if (!json_is_integer(version) || json_integer_value(version) < 0 ||
        json_integer_value(version) > 2)
        return missing(why, why_len, "protocol_version", "0, 1 or 2");
    credential->keys.protocol_version = (uint8_t)json_integer_value(version);
    return 0;
}

int credential_from(struct credential *credential, const json_t *object, char *why, size_t why_len)
{
    const char *token = json_string_value(json_object_get(object, "token"));
    const char *key = json_string_value(json_object_get(object, "aes_key"));
    const char *iv = json_string_value(json_object_get(object, "aes_iv"));
    const json_t *hostname = json_object_get(object, "hostname");
    const json_t *valid = json_object_get(object, "valid");

    memset(credential, 0, sizeof(*credential));
    if (token == NULL || !is_token(token))
        return missing(why, why_len, "token", "base64url");
    strcpy(credential->token, token);
    if (key == NULL || !hex_decode(key, credential->keys.aes_key, sizeof(credential->keys.aes_key)))
        return missing(why, why_len, "aes_key", "64 hexadecimal digits");
    if (iv == NULL || !hex_decode(iv, credential->keys.aes_iv, sizeof(credential->keys.aes_iv)))
        return missing(why, why_len, "aes_iv", "32 hexadecimal digits");
    if (hostname != NULL) {
        const char *name = json_string_value(hostname);
        if (name == NULL || !hostname_valid(name) ||
            !hostname_normalise(name, strlen(name), credential->hostname))
            return missing(why, why_len, "hostname", "a host name");
    }
    if (valid != NULL && !json_is_number(valid))
        return missing(why, why_len, "valid", "a number of Unix seconds");
    credential->valid = json_number_value(valid);
    return read_protocol(credential, object, why, why_len);
}

int credential_parse(struct credential *credential, const char *text, size_t len, char *why,
                     size_t why_len)
{
    json_error_t mistake;
    json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &mistake);
    int result;

    memset(credential, 0, sizeof(*credential));
    if (!json_is_object(object)) {
        snprintf(why, why_len,
                 "the credential is no JSON object as `adit token mint` prints it "
                 "(line %d, column %d)",
                 mistake.line, mistake.column);
        json_decref(object);
        return -1;
    }
    result = credential_from(credential, object, why, why_len);
    json_decref(object);
    return result;
}

int credential_read(struct credential *credential, struct io_disk *disk, const char *path,
                    char *why, size_t why_len)
{
    char *text = NULL;
    size_t len = 0;
    int error = io_file_read_secret(disk, path, PUBLISH_CREDENTIAL_MAX, &text, &len);
    int result;

    if (error != IO_OK) {
        snprintf(why, why_len, "cannot read the credential %s: %s", path, io_error_text(error));
        return -1;
    }
    result = credential_parse(credential, text, len, why, why_len);
    wipe(text, len);
    free(text);
    return result;
}

void credential_wipe(struct credential *credential)
{
    wipe(credential, sizeof(*credential));
}

static int mark_of(const struct credential *credential, const char *path, char mark[MARK_LEN + 1],
                   char used_path[USED_PATH_MAX], char *why, size_t why_len)
{
    uint8_t digest[SHA256_LEN];

    if (snprintf(used_path, USED_PATH_MAX, "%s.used", path) >= USED_PATH_MAX ||
        sha256(credential->keys.aes_key, sizeof(credential->keys.aes_key), digest) != 0) {
        snprintf(why, why_len, "cannot tell whether the credential %s was used", path);
        return -1;
    }
    hex_encode(digest, sizeof(digest), mark);
    mark[MARK_LEN - 1] = '\n';
    mark[MARK_LEN] = '\0';
    return 0;
}

int credential_was_used(const struct credential *credential, struct io_disk *disk, const char *path,
                        bool *used, char *why, size_t why_len)
{
    char mark[MARK_LEN + 1];
    char used_path[USED_PATH_MAX];
    char *text = NULL;
    size_t len = 0;
    int error;

    if (mark_of(credential, path, mark, used_path, why, why_len) != 0)
        return -1;
    *used = false;
    error = io_file_read(disk, used_path, MARK_LEN, &text, &len);
    if (error == IO_E_NOT_FOUND)
        return 0;
    if (error != IO_OK) {
        snprintf(why, why_len, "cannot read %s: %s", used_path, io_error_text(error));
        return -1;
    }
    *used = len == MARK_LEN && memcmp(text, mark, MARK_LEN) == 0;
    free(text);
    return 0;
}

int credential_mark_used(const struct credential *credential, struct io_disk *disk,
                         const char *path, char *why, size_t why_len)
{
    char mark[MARK_LEN + 1];
    char used_path[USED_PATH_MAX];
    int error;

    if (mark_of(credential, path, mark, used_path, why, why_len) != 0)
        return -1;
    error = io_file_write(disk, used_path, mark, MARK_LEN, 0600, false);
    if (error == IO_OK)
        return 0;
    snprintf(why, why_len,
             "cannot write %s: %s; an aes-gcm credential must be marked before it is used",
             used_path, io_error_text(error));
    return -1;
}
