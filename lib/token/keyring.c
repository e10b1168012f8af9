#include "adit/snitun_token.h"
#include "base/encode.h"

#include <string.h>

enum { KEY_LEN = 32 };

void snitun_keyring_wipe(struct snitun_keyring *keyring)
{
    wipe(keyring, sizeof(*keyring));
}

void snitun_fernet_key_format(const uint8_t key[KEY_LEN], char out[SNITUN_FERNET_KEY_TEXT + 1])
{
    base64url_encode(key, KEY_LEN, out);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool add_key(struct snitun_keyring *keyring, const char *text, size_t len)
{
    uint8_t key[SNITUN_FERNET_KEY_TEXT / 4 * 3];
    bool ok = keyring->count < SNITUN_FERNET_KEYS_MAX && len == SNITUN_FERNET_KEY_TEXT &&
              base64url_decode(text, len, key) == KEY_LEN;
    if (ok)
        memcpy(keyring->keys[keyring->count++], key, KEY_LEN);
    wipe(key, sizeof(key));
    return ok;
}

/* Blank characters around a key do no harm; an editor of another system leaves them. */
static bool read_line(struct snitun_keyring *keyring, const char *line, size_t len)
{
    while (len > 0 && blank(line[0])) {
        line++;
        len--;
    }
    while (len > 0 && blank(line[len - 1]))
        len--;
    return len == 0 || line[0] == '#' || add_key(keyring, line, len);
}

int snitun_keyring_parse(struct snitun_keyring *keyring, const char *text, size_t len,
                         unsigned *line)
{
    snitun_keyring_wipe(keyring);
    *line = 0;
    while (len > 0) {
        const char *newline = memchr(text, '\n', len);
        size_t line_len = newline == NULL ? len : (size_t)(newline - text);
        ++*line;
        if (!read_line(keyring, text, line_len)) {
            snitun_keyring_wipe(keyring);
            return SNITUN_TOKEN_E_KEY;
        }
        size_t skipped = newline == NULL ? line_len : line_len + 1;
        text += skipped;
        len -= skipped;
    }
    return keyring->count > 0 ? SNITUN_TOKEN_OK : SNITUN_TOKEN_E_KEY;
}
