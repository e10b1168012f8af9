#include "roles/transfer/place.h"

#include "base/encode.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { PART_HASH_LEN = 16 };

static const char part_prefix[] = ".adit-part-";

bool place_of(struct sodiumtcp_name name, char path[PLACE_ROOM])
{
    char component[SODIUMTCP_COMPONENT_MAX + 1];
    size_t at = 0;
    path[0] = '\0';
    while (sodiumtcp_name_next(&name, component) > 0) {
        if (strncmp(component, part_prefix, strlen(part_prefix)) == 0)
            return false;
        at += (size_t)snprintf(path + at, PLACE_ROOM - at, "%s%s", at == 0 ? "" : "/", component);
    }
    return true;
}

size_t place_home_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

void place_part(const char *path, char part[PLACE_ROOM])
{
    uint8_t hash[PART_HASH_LEN];
    char text[2 * PART_HASH_LEN + 1];
    size_t home = place_home_len(path);
    crypto_generichash(hash, sizeof(hash), (const uint8_t *)path + home, strlen(path + home), NULL,
                       0);
    hex_encode(hash, sizeof(hash), text);
    snprintf(part, PLACE_ROOM, "%.*s%s%s", (int)home, path, part_prefix, text);
}
