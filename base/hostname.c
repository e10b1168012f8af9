#include "base/hostname.h"

#include <string.h>

enum {
    NAME_MAX_LEN = 253, /* what fits into 255 bytes of DNS wire format */
    LABEL_MAX_LEN = 63,
};

static bool label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static bool label_valid(const char *label, size_t len)
{
    if (len == 0 || len > LABEL_MAX_LEN || label[0] == '-' || label[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!label_char(label[i]))
            return false;
    return true;
}

bool hostname_valid(const char *name)
{
    size_t len = strnlen(name, NAME_MAX_LEN + 2);
    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > NAME_MAX_LEN)
        return false;
    const char *end = name + len;
    for (;;) {
        const char *dot = memchr(name, '.', (size_t)(end - name));
        if (!label_valid(name, (size_t)((dot == NULL ? end : dot) - name)))
            return false;
        if (dot == NULL)
            return true;
        name = dot + 1;
    }
}

bool hostname_normalise(const char *name, size_t len, char out[HOSTNAME_MAX + 1])
{
    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > HOSTNAME_MAX || memchr(name, '\0', len) != NULL)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    out[len] = '\0';
    return true;
}
