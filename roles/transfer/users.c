#include "roles/transfer/users.h"

#include "base/encode.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(USERS_HASH_MAX >= crypto_pwhash_STRBYTES, "a hash of libsodium fits");

enum { FIELDS = 4, SIZE_DIGITS_MAX = 18 };

bool users_name_valid(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > SODIUMTCP_CREDENTIAL_MAX || name[0] == '#')
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (*c == ':' || (unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

bool users_hash(const char *passphrase, char hash[USERS_HASH_MAX])
{
    return sodium_init() >= 0 && crypto_pwhash_str_alg(hash, passphrase, strlen(passphrase),
                                                       crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                                       crypto_pwhash_MEMLIMIT_INTERACTIVE,
                                                       crypto_pwhash_ALG_ARGON2ID13) == 0;
}

/* The text of crypto_pwhash_str_alg(): parameters, then salt and hash in base64 without padding. */
void users_stranger(const uint8_t random[USERS_STRANGER_RANDOM], char hash[USERS_HASH_MAX])
{
    enum { SALT_LEN = 16, HASH_LEN = 32 };
    const int variant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
    char salt[sodium_base64_ENCODED_LEN(SALT_LEN, sodium_base64_VARIANT_ORIGINAL_NO_PADDING)];
    char text[sodium_base64_ENCODED_LEN(HASH_LEN, sodium_base64_VARIANT_ORIGINAL_NO_PADDING)];
    sodium_bin2base64(salt, sizeof(salt), random, SALT_LEN, variant);
    sodium_bin2base64(text, sizeof(text), random + SALT_LEN, HASH_LEN, variant);
    snprintf(hash, USERS_HASH_MAX, "%sv=19$m=%llu,t=%llu,p=1$%s$%s", crypto_pwhash_STRPREFIX,
             (unsigned long long)crypto_pwhash_MEMLIMIT_INTERACTIVE / 1024,
             (unsigned long long)crypto_pwhash_OPSLIMIT_INTERACTIVE, salt, text);
}

bool users_verify(const char hash[USERS_HASH_MAX], const char *passphrase)
{
    return crypto_pwhash_str_verify(hash, passphrase, strlen(passphrase)) == 0;
}

/* Splits a line at its colons, in place; false when there are not three. */
static bool split(char *line, char *fields[FIELDS])
{
    for (int i = 0; i < FIELDS; i++) {
        fields[i] = line;
        char *colon = strchr(line, ':');
        if ((colon == NULL) != (i == FIELDS - 1))
            return false;
        if (colon != NULL) {
            *colon = '\0';
            line = colon + 1;
        }
    }
    return true;
}

static const char *read_limits(struct user *user, const char *text)
{
    static const char size[] = "size=";
    if (text[0] == '\0')
        return NULL;
    const char *digits = text + strlen(size);
    size_t len = strlen(text);
    if (strncmp(text, size, strlen(size)) != 0 || digits[0] == '\0' ||
        strspn(digits, "0123456789") != strlen(digits) || len > strlen(size) + SIZE_DIGITS_MAX)
        return "its limits are neither empty nor size=BYTES";
    user->size_max = strtoull(digits, NULL, 10);
    return user->size_max == 0 ? "size=0 lets nothing in" : NULL;
}

/* NULL, or what is wrong with the line. */
static const char *read_line(struct user *user, char *line)
{
    char *fields[FIELDS];
    if (!split(line, fields))
        return "it is not name:hash:directory:limits";
    if (!users_name_valid(fields[0]))
        return "its name is not 1 to 128 characters without colon";
    if (strncmp(fields[1], crypto_pwhash_STRPREFIX, strlen(crypto_pwhash_STRPREFIX)) != 0 ||
        strlen(fields[1]) >= USERS_HASH_MAX)
        return "its hash is not Argon2id as adit passwd writes it";
    if (strlen(fields[2]) >= USERS_DIRECTORY_MAX)
        return "its directory is too long";
    memset(user, 0, sizeof(*user));
    strcpy(user->name, fields[0]);
    strcpy(user->hash, fields[1]);
    strcpy(user->directory, fields[2]);
    return read_limits(user, fields[3]);
}

static const char *add_line(struct users *users, char *line)
{
    struct user user;
    const char *wrong = read_line(&user, line);
    if (wrong != NULL)
        return wrong;
    if (users_find(users, user.name) != NULL)
        return "the name stands twice";
    struct user *more = realloc(users->all, (users->count + 1) * sizeof(*more));
    if (more == NULL)
        return "out of memory";
    users->all = more;
    users->all[users->count++] = user;
    return NULL;
}

/* A file with a NUL is no text: what stands behind it would be neither read nor kept. */
static int read_file(struct io_disk *disk, const char *path, char **text, size_t *len, char *why,
                     size_t why_len)
{
    int error = io_file_read_secret(disk, path, USERS_FILE_MAX, text, len);
    if (error == 0 && memchr(*text, '\0', *len) != NULL) {
        wipe(*text, *len);
        free(*text);
        *text = NULL;
        error = IO_E_OTHER;
        snprintf(why, why_len, "the users file %s is no text: it has a NUL", path);
    } else if (error != 0) {
        snprintf(why, why_len, "cannot read the users file %s: %s", path, io_error_text(error));
    }
    return error;
}

int users_read(struct users *users, struct io_disk *disk, const char *path, char *why,
               size_t why_len)
{
    char *text = NULL;
    size_t len = 0;
    const char *wrong = NULL;
    unsigned number = 0;
    *users = (struct users){0};
    if (read_file(disk, path, &text, &len, why, why_len) != 0)
        return -1;
    for (char *line = text; line != NULL && wrong == NULL;) {
        char *newline = strchr(line, '\n');
        if (newline != NULL)
            *newline = '\0';
        number++;
        if (line[0] != '\0' && line[0] != '#')
            wrong = add_line(users, line);
        line = newline == NULL ? NULL : newline + 1;
    }
    wipe(text, len);
    free(text);
    if (wrong == NULL)
        return 0;
    users_clear(users);
    snprintf(why, why_len, "%s, line %u: %s", path, number, wrong);
    return -1;
}

void users_clear(struct users *users)
{
    if (users->all != NULL)
        wipe(users->all, users->count * sizeof(*users->all));
    free(users->all);
    *users = (struct users){0};
}

const struct user *users_find(const struct users *users, const char *name)
{
    for (size_t i = 0; i < users->count; i++)
        if (strcmp(users->all[i].name, name) == 0)
            return &users->all[i];
    return NULL;
}

/* The line of a user in the text, or NULL; *len is its length without the newline. */
static const char *line_of(const char *text, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    for (const char *line = text; line != NULL && *line != '\0';) {
        *len = strcspn(line, "\n");
        if (strncmp(line, name, name_len) == 0 && line[name_len] == ':')
            return line;
        line = line[*len] == '\0' ? NULL : line + *len + 1;
    }
    return NULL;
}

/* What stands behind the hash: `:directory:limits`. */
static const char *behind_hash(const char *line, size_t len, size_t *rest)
{
    const char *colon = memchr(line, ':', len);
    const char *second =
        colon == NULL ? NULL : memchr(colon + 1, ':', len - (size_t)(colon + 1 - line));
    *rest = second == NULL ? 0 : len - (size_t)(second - line);
    return second;
}

int users_set(struct io_disk *disk, const char *path, const char *name, const char *hash, char *why,
              size_t why_len)
{
    char *old = NULL;
    size_t old_len = 0;
    size_t line_len = 0;
    size_t rest_len = 0;
    int error = read_file(disk, path, &old, &old_len, why, why_len);
    if (error != 0 && error != IO_E_NOT_FOUND)
        return -1;
    const char *text = old == NULL ? "" : old;
    const char *line = line_of(text, name, &line_len);
    const char *rest = line == NULL ? NULL : behind_hash(line, line_len, &rest_len);
    size_t before = line == NULL ? old_len : (size_t)(line - text);
    const char *after = line == NULL ? "" : line + line_len;
    bool cut = line == NULL && before > 0 && text[before - 1] != '\n';
    char *new = NULL;
    int len = asprintf(&new, "%.*s%s%s:%s%.*s%s", (int)before, text, cut ? "\n" : "", name, hash,
                       rest == NULL ? 2 : (int)rest_len, rest == NULL ? "::" : rest,
                       *after == '\0' ? "\n" : after);
    error = len < 0 ? IO_E_NO_MEMORY : io_file_write(disk, path, new, (size_t)len, 0600, false);
    if (error != 0)
        snprintf(why, why_len, "%s: %s", path, io_error_text(error));
    if (len >= 0) {
        wipe(new, (size_t)len);
        free(new);
    }
    if (old != NULL)
        wipe(old, old_len);
    free(old);
    return error == 0 ? 0 : -1;
}
