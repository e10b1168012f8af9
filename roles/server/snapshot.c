#include "roles/server/internal.h"

#include "roles/keyring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t memory_default = (size_t)1024 * 1024 * 1024;

void server_limits_default(struct server_limits *limits)
{
    *limits = (struct server_limits){
        .early_per_address = 64,
        .early_per_worker = 4096,
        .early_bytes = (size_t)32 * 1024 * 1024,
        .token_ms = 10000,
        .hello_ms = 10000,
        .challenge_ms = 30000,
        .channel_idle_ms = 60 * 60 * 1000,
        .channels_per_peer = SNITUN_CHANNELS_MAX,
        .channels_per_address = 1000,
        .memory = memory_default,
    };
}

static void *copy(const void *from, size_t count, size_t size)
{
    void *to = calloc(count == 0 ? 1 : count, size);

    if (to != NULL && count > 0)
        memcpy(to, from, count * size);
    return to;
}

struct snapshot *snapshot_new(struct io_loop *loop, const struct server_config *config,
                              unsigned workers, char *why, size_t why_len)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

    if (snapshot == NULL) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    atomic_init(&snapshot->references, 1);
    snapshot->limits = config->limits;
    snapshot->drain_ms = config->drain_ms;
    if (snapshot->limits.memory == 0)
        snapshot->limits.memory = memory_default;
    snapshot->memory_per_worker = snapshot->limits.memory / workers;
    snapshot->trust_proxy =
        copy(config->trust_proxy, config->trust_proxy_count, sizeof(*config->trust_proxy));
    snapshot->trust_proxy_count = config->trust_proxy_count;
    snapshot->routes = copy(config->routes, config->route_count, sizeof(*config->routes));
    snapshot->route_count = config->route_count;
    snapshot->news = calloc(workers, sizeof(*snapshot->news));
    if (snapshot->trust_proxy == NULL || snapshot->routes == NULL || snapshot->news == NULL) {
        snprintf(why, why_len, "out of memory");
        goto err;
    }
    if (keyring_read(io_disk(loop), config->fernet_key_file, &snapshot->keyring, why, why_len) !=
        IO_OK)
        goto err;
    return snapshot;

err:
    snapshot_unref(snapshot);
    return NULL;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add(&snapshot->references, 1);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL || atomic_fetch_sub(&snapshot->references, 1) != 1)
        return;
    snitun_keyring_wipe(&snapshot->keyring);
    free(snapshot->trust_proxy);
    free(snapshot->routes);
    free(snapshot->news);
    free(snapshot);
}

bool snapshot_trusts(const struct snapshot *snapshot, const struct adit_ip *ip)
{
    for (size_t i = 0; i < snapshot->trust_proxy_count; i++)
        if (cidr_contains(&snapshot->trust_proxy[i], ip))
            return true;
    return false;
}

const struct server_route *snapshot_route(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->route_count; i++)
        if (strcmp(snapshot->routes[i].name, name) == 0)
            return &snapshot->routes[i];
    return NULL;
}
