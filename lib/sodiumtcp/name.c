#include "lib/sodiumtcp/name.h"

#include "base/cursor.h"

#include <string.h>

static bool component_allowed(const uint8_t *bytes, size_t len)
{
    bool dots = (len == 1 && bytes[0] == '.') || (len == 2 && memcmp(bytes, "..", 2) == 0);
    return len > 0 && len <= SODIUMTCP_COMPONENT_MAX && !dots && !memchr(bytes, '\0', len) &&
           !memchr(bytes, '/', len);
}

int sodiumtcp_name_count(const struct sodiumtcp_name *name)
{
    struct cursor cursor = cursor_over(name->bytes, name->len);
    int count = 0;
    if (name->len > SODIUMTCP_NAME_MAX)
        return SODIUMTCP_E_NAME;
    while (cursor_left(&cursor) > 0) {
        uint8_t len = cursor_u8(&cursor);
        const uint8_t *bytes = cursor_take(&cursor, len);
        if (cursor.failed || !component_allowed(bytes, len) || ++count > SODIUMTCP_NAME_DEPTH_MAX)
            return SODIUMTCP_E_NAME;
    }
    return count;
}

long sodiumtcp_name_from_path(const char *path, uint8_t *out)
{
    size_t len = 0;
    if (*path == '\0')
        return 0;
    for (;;) {
        size_t component = strcspn(path, "/");
        if (!component_allowed((const uint8_t *)path, component) ||
            len + 1 + component > SODIUMTCP_NAME_MAX)
            return SODIUMTCP_E_NAME;
        out[len] = (uint8_t)component;
        memcpy(out + len + 1, path, component);
        len += 1 + component;
        path += component;
        if (*path == '\0')
            break;
        path++;
    }
    struct sodiumtcp_name name = {out, len};
    return sodiumtcp_name_count(&name) < 0 ? SODIUMTCP_E_NAME : (long)len;
}

size_t sodiumtcp_name_next(struct sodiumtcp_name *name, char *out)
{
    struct cursor cursor = cursor_over(name->bytes, name->len);
    size_t len = cursor_left(&cursor) > 0 ? cursor_u8(&cursor) : 0;
    const uint8_t *bytes = cursor_take(&cursor, len);
    if (cursor.failed || len == 0) {
        *out = '\0';
        return 0;
    }
    memcpy(out, bytes, len);
    out[len] = '\0';
    name->bytes = cursor.at;
    name->len = cursor_left(&cursor);
    return len;
}
