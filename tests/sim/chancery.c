#include "tests/sim/chancery.h"

#include "tests/sim/outlet.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum { RATE_PER_MINUTE = 60000 };

static const char fernet_path[] = "/etc/adit/fernet.key";

static void life_stopped(void *arg)
{
    party_stopped(arg);
}

static void *life_start(struct io_loop *loop, void *arg, struct life *life, char *why,
                        size_t why_len)
{
    const struct chancery *chancery = arg;
    struct master_config config = {
        .listen = {.ip = {.family = 4}, .port = CHANCERY_PORT},
        .store_file = chancery->path,
        .fernet_key_file = fernet_path,
        .server_port = chancery->server_port,
        .token_valid_s = chancery->token_valid_s,
        .rate_per_minute = RATE_PER_MINUTE,
        .behind_proxy = true, /* TLS is none here */
    };
    snprintf(config.server_host, sizeof config.server_host, "%s", chancery->server_name);
    return master_start(loop, &config, life_stopped, life, why, why_len);
}

static void life_stop(void *role)
{
    master_stop(role);
}

static void life_free(void *role)
{
    master_free(role);
}

static const struct party_ops ops = {
    .name = "master", .start = life_start, .stop = life_stop, .free = life_free};

static void check(struct chancery *chancery, const char *what, int error)
{
    if (error != STORE_OK)
        sim_fail(chancery->world, "%s: %s", what, store_error_text(error));
}

static void open_store(struct chancery *chancery)
{
    static unsigned stores; /* a world that has failed keeps its own open */
    int error = STORE_OK;
    /* Before SQLite is first used; later on it is so already. */
    (void)sqlite3_config(SQLITE_CONFIG_URI, 1);
    snprintf(chancery->path, sizeof chancery->path, "file:/%u?vfs=memdb", ++stores);
    chancery->store = store_open(chancery->path, true, &error);
    check(chancery, "the operator's store", error);
    if (error == STORE_OK)
        check(chancery, "promise", store_promise(chancery->store, chancery->token_valid_s));
}

void chancery_start(struct chancery *chancery, struct sim_world *world, const char *fernet_key,
                    const char *server_name, uint16_t server_port, uint32_t token_valid_s)
{
    const char *const addresses[] = {CHANCERY_ADDRESS};
    *chancery = (struct chancery){
        .world = world, .server_port = server_port, .token_valid_s = token_valid_s};
    snprintf(chancery->server_name, sizeof chancery->server_name, "%s", server_name);
    chancery->host = sim_host_new(world, "master", CHANCERY_ADDRESS);
    sim_name_set(world, CHANCERY_NAME, addresses, 1);
    sim_disk_put(chancery->host, fernet_path, fernet_key, strlen(fernet_key), 0600);
    open_store(chancery);
    party_init(&chancery->master, chancery->host, &ops, chancery);
    party_start(&chancery->master);
}

static int64_t now_s(const struct chancery *chancery)
{
    return (int64_t)sim_host_wall_s(chancery->host);
}

void chancery_add(struct chancery *chancery, const char *name, enum store_kind kind,
                  struct sim_host *whose)
{
    struct store_host host = {
        .kind = kind, .ciphers = MASTER_CIPHERS_ALL, .created_s = now_s(chancery)};
    char key[MASTER_KEY_TEXT_MAX];
    char taken[HOSTNAME_MAX + 1];
    uint8_t digest[SHA256_LEN];
    snprintf(host.name, sizeof host.name, "%s", name);
    if (!master_key_new(outlet_random, chancery->world, key, digest))
        sim_fail(chancery->world, "no key for %s", name);
    check(chancery, name, store_add(chancery->store, &host, digest, taken));
    sim_disk_put(whose, CHANCERY_KEY_PATH, key, strlen(key), 0600);
}

void chancery_enable(struct chancery *chancery, const char *name, bool enabled)
{
    check(chancery, name, store_enable(chancery->store, name, enabled, now_s(chancery)));
}

void chancery_remove(struct chancery *chancery, const char *name)
{
    check(chancery, name, store_remove(chancery->store, name, now_s(chancery)));
}

void chancery_stop(struct chancery *chancery)
{
    party_stop(&chancery->master);
}

void chancery_clear(struct chancery *chancery)
{
    store_close(chancery->store);
    chancery->store = NULL;
}
