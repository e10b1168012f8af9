#include "cli/storefile.h"

#include "cli/process.h"

static bool make(struct io_loop *loop, const char *path, char *why, size_t why_len, bool *made)
{
    int error = io_file_write(io_disk(loop), path, "", 0, 0600, true);
    *made = error == 0;
    if (error == IO_E_NOT_FOUND)
        snprintf(why, why_len, "%s: cannot make the store: there is no such directory", path);
    else if (error != 0 && error != IO_E_EXISTS)
        snprintf(why, why_len, "%s: cannot make the store: %s", path, io_error_text(error));
    return error == 0 || error == IO_E_EXISTS;
}

bool storefile_make(struct io_loop *loop, const char *path, const char *name, char *why,
                    size_t why_len)
{
    struct io_process_user user;
    bool change = false;
    bool made = false;
    if (!make(loop, path, why, why_len, &made))
        return false;
    if (!made)
        return true;
    if (!process_find_user(name, &user, &change, why, why_len))
        return false;
    return !change || io_process_give(path, &user, why, why_len);
}
