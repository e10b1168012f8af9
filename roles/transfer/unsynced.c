#include "roles/transfer/unsynced.h"

#include <stdio.h>
#include <string.h>

int unsynced_settle(struct unsynced *unsynced, struct io_dir *directory)
{
    bool any = unsynced->any;
    unsynced->any = false;
    return any ? io_dir_sync(directory, unsynced->home) : 0;
}

int unsynced_add(struct unsynced *unsynced, struct io_dir *directory, const char *path)
{
    char home[PLACE_ROOM];
    size_t len = place_home_len(path);
    snprintf(home, sizeof(home), "%.*s", len == 0 ? 0 : (int)len - 1, path);
    int error = strcmp(home, unsynced->home) == 0 ? 0 : unsynced_settle(unsynced, directory);
    memcpy(unsynced->home, home, strlen(home) + 1);
    unsynced->any = true;
    return error;
}
