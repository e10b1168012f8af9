#include "roles/server/hosts.h"

#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct host {
    struct map_node node;
    struct peer_ref peer;
    double since_s;
    struct adit_ip from; /* family 0: not noted */
    char name[];
};

struct hosts {
    pthread_mutex_t lock;
    struct map by_name;
    uint8_t seed[16];
    void (*watch)(void *arg, const char *name, struct peer_ref winner, struct peer_ref loser);
    void *arg;
};

static bool match(const struct map_node *node, const void *name)
{
    return strcmp(container_of(node, struct host, node)->name, name) == 0;
}

static bool same_peer(const struct peer_ref *a, const struct peer_ref *b)
{
    return a->worker == b->worker && a->slot == b->slot && a->generation == b->generation;
}

static uint64_t hash_of(const struct hosts *hosts, const char *name)
{
    return map_hash(hosts->seed, name, strlen(name));
}

static struct host *find(const struct hosts *hosts, const char *name)
{
    struct map_node *node = map_find(&hosts->by_name, hash_of(hosts, name), match, name);

    return node == NULL ? NULL : container_of(node, struct host, node);
}

struct hosts *hosts_new(const uint8_t seed[16],
                        void (*watch)(void *arg, const char *name, struct peer_ref winner,
                                      struct peer_ref loser),
                        void *arg)
{
    struct hosts *hosts = calloc(1, sizeof(*hosts));

    if (hosts == NULL)
        return NULL;
    if (pthread_mutex_init(&hosts->lock, NULL) != 0) {
        free(hosts);
        return NULL;
    }
    map_init(&hosts->by_name);
    memcpy(hosts->seed, seed, sizeof(hosts->seed));
    hosts->watch = watch;
    hosts->arg = arg;
    return hosts;
}

void hosts_free(struct hosts *hosts)
{
    struct map_walk walk;
    struct map_node *node;

    if (hosts == NULL)
        return;
    walk = map_walk_start(&hosts->by_name);
    while ((node = map_walk_next(&hosts->by_name, &walk)) != NULL) {
        map_remove(&hosts->by_name, node);
        free(container_of(node, struct host, node));
    }
    map_clear(&hosts->by_name);
    pthread_mutex_destroy(&hosts->lock);
    free(hosts);
}

static struct host *add(struct hosts *hosts, const char *name)
{
    size_t len = strlen(name);
    struct host *host = malloc(sizeof(*host) + len + 1);

    if (host == NULL)
        return NULL;
    memcpy(host->name, name, len + 1);
    if (!map_insert(&hosts->by_name, &host->node, hash_of(hosts, name))) {
        free(host);
        return NULL;
    }
    return host;
}

static void give(struct host *host, struct peer_ref peer)
{
    host->peer = peer;
    host->from.family = 0;
}

bool hosts_claim(struct hosts *hosts, const char *name, struct peer_ref peer)
{
    struct host *host;
    struct peer_ref loser;
    bool lost = false;

    pthread_mutex_lock(&hosts->lock);
    host = find(hosts, name);
    if (host != NULL) {
        loser = host->peer;
        lost = !same_peer(&loser, &peer);
    } else {
        host = add(hosts, name);
    }
    if (host != NULL)
        give(host, peer);
    pthread_mutex_unlock(&hosts->lock);
    if (lost)
        hosts->watch(hosts->arg, name, peer, loser);
    return host != NULL;
}

bool hosts_reclaim(struct hosts *hosts, const char *name, struct peer_ref peer, bool *anew)
{
    struct host *host;
    bool has;

    pthread_mutex_lock(&hosts->lock);
    host = find(hosts, name);
    *anew = host == NULL;
    if (host == NULL)
        host = add(hosts, name);
    if (host != NULL && *anew)
        give(host, peer);
    has = host != NULL && same_peer(&host->peer, &peer);
    pthread_mutex_unlock(&hosts->lock);
    return has;
}

void hosts_release(struct hosts *hosts, const char *name, struct peer_ref peer)
{
    struct host *host;

    pthread_mutex_lock(&hosts->lock);
    host = find(hosts, name);
    if (host != NULL && same_peer(&host->peer, &peer)) {
        map_remove(&hosts->by_name, &host->node);
        free(host);
    }
    pthread_mutex_unlock(&hosts->lock);
}

bool hosts_look_up(struct hosts *hosts, const char *name, struct peer_ref *peer)
{
    struct host *host;

    pthread_mutex_lock(&hosts->lock);
    host = find(hosts, name);
    if (host != NULL)
        *peer = host->peer;
    pthread_mutex_unlock(&hosts->lock);
    return host != NULL;
}

void hosts_note(struct hosts *hosts, const char *name, struct peer_ref peer, double since_s,
                const struct adit_ip *from)
{
    struct host *host;

    pthread_mutex_lock(&hosts->lock);
    host = find(hosts, name);
    if (host != NULL && same_peer(&host->peer, &peer)) {
        host->since_s = since_s;
        host->from = *from;
    }
    pthread_mutex_unlock(&hosts->lock);
}

bool hosts_noted(struct hosts *hosts, const char *name, double *since_s, struct adit_ip *from)
{
    const struct host *host;
    bool noted;

    pthread_mutex_lock(&hosts->lock);
    host = find(hosts, name);
    noted = host != NULL && host->from.family != 0;
    if (noted) {
        *since_s = host->since_s;
        *from = host->from;
    }
    pthread_mutex_unlock(&hosts->lock);
    return noted;
}

size_t hosts_count(struct hosts *hosts)
{
    size_t count;

    pthread_mutex_lock(&hosts->lock);
    count = hosts->by_name.count;
    pthread_mutex_unlock(&hosts->lock);
    return count;
}
