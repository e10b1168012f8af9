/*
 * Input: a name, a NUL, and a users file. What holds of every input: users have names and hashes
 * that fit; a file that can be read can be read after a user was set in it, with that hash and all
 * others as they were; one that cannot is named by its line.
 */
#include "roles/transfer/users.h"
#include "tests/fuzz/stage.h"

static const char path[] = "/etc/users";
static const char hash[] = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaA";

static struct stage stage; /* opened once: a run leaves nothing but the file */

static bool read_users(struct users *users)
{
    struct io_disk *disk = io_disk(stage.loops[STAGE_ROLE]);
    char why[256] = "";
    bool good = users_read(users, disk, path, why, sizeof why) == 0;
    FUZZ_CHECK(good == (why[0] == '\0'));
    FUZZ_CHECK(good || (users->all == NULL && users->count == 0));
    for (size_t i = 0; i < users->count; i++) {
        const struct user *user = &users->all[i];
        FUZZ_CHECK(users_name_valid(user->name));
        FUZZ_CHECK(strncmp(user->hash, "$argon2id$", strlen("$argon2id$")) == 0);
        FUZZ_CHECK(users_find(users, user->name) == user);
    }
    return good;
}

static void check_others(const struct users *before, const struct users *after, const char *name)
{
    FUZZ_CHECK(after->count == before->count + (users_find(before, name) == NULL));
    for (size_t i = 0; i < before->count; i++) {
        const struct user *user = &before->all[i];
        const struct user *again = users_find(after, user->name);
        FUZZ_CHECK(again != NULL && strcmp(again->directory, user->directory) == 0);
        FUZZ_CHECK(again->size_max == user->size_max);
        FUZZ_CHECK(strcmp(user->name, name) == 0 || strcmp(again->hash, user->hash) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct users before;
    struct users after;
    char why[256] = "";
    size_t name_len = strnlen((const char *)data, size);
    if (name_len == size)
        return 0;
    if (stage.world == NULL)
        stage_open(&stage);
    const char *name = (const char *)data;
    sim_disk_put(stage.hosts[STAGE_ROLE], path, data + name_len + 1, size - name_len - 1, 0600);
    bool good = read_users(&before);
    if (users_name_valid(name)) {
        struct io_disk *disk = io_disk(stage.loops[STAGE_ROLE]);
        bool set = users_set(disk, path, name, hash, why, sizeof why) == 0;
        FUZZ_CHECK(set || !good);
        FUZZ_CHECK(read_users(&after) || !good);
        if (good) {
            FUZZ_CHECK(strcmp(users_find(&after, name)->hash, hash) == 0);
            check_others(&before, &after, name);
        }
        users_clear(&after);
    }
    users_clear(&before);
    return 0;
}
