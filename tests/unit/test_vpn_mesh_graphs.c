/*
 * Whole meshes of routers (roles/vpn/mesh.h): random graphs whose links are cut and joined while
 * updates are on their way. Once all is quiet, every router knows the shortest path to each network
 * that it is connected with, by hops that agree with each other, and nothing of the others.
 */
#include "roles/vpn/allowed.h"
#include "roles/vpn/mesh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUTERS_MAX = 14, QUEUE_MAX = 512, FAR = 1000 };

struct wire_update {
    struct quicktun_route update;
    uint8_t ids[MESH_PATH_MAX * MESH_ID_LEN];
};

/* Updates from one router to another, in the order in which they were sent. */
struct queue {
    struct wire_update *waiting;
    size_t first;
    size_t end;
};

struct router {
    struct mesh *mesh;
    struct allowed *allowed;
};

struct graph {
    size_t count;
    struct router routers[ROUTERS_MAX];
    bool linked[ROUTERS_MAX][ROUTERS_MAX];
    struct queue queues[ROUTERS_MAX][ROUTERS_MAX]; /* [from][to] */
    uint64_t now_ms;
    size_t delivered;
    uint64_t random;
};

static unsigned below(struct graph *graph, size_t bound)
{
    graph->random ^= graph->random << 13;
    graph->random ^= graph->random >> 7;
    graph->random ^= graph->random << 17;
    return (unsigned)((graph->random >> 20) % bound);
}

/* The peers of a router have the numbers of the others. */
static struct cidr network_of(size_t router)
{
    return (struct cidr){.ip = {.family = 4, .bytes = {10, (uint8_t)router}}, .prefix_len = 16};
}

static struct adit_ip host_of(size_t router)
{
    return (struct adit_ip){.family = 4, .bytes = {10, (uint8_t)router, 1, 1}};
}

static void learn(void *arg, const struct cidr *to, unsigned peer, unsigned length)
{
    struct router *router = arg;

    if (length == 0)
        allowed_remove(router->allowed, to, peer);
    else
        assert_true(allowed_add(router->allowed, to, peer, length));
}

static struct graph *make_graph(uint64_t seed)
{
    struct graph *graph = calloc(1, sizeof(*graph));
    static const uint8_t map_seed[16] = {1};

    graph->random = seed * 0x9e3779b97f4a7c15ULL + 1;
    graph->count = 3 + below(graph, ROUTERS_MAX - 2);
    for (size_t i = 0; i < graph->count; i++) {
        struct router *router = &graph->routers[i];
        uint8_t id[MESH_ID_LEN] = {0, 0, 7, (uint8_t)i};
        struct cidr network = network_of(i);
        router->allowed = allowed_new();
        router->mesh = mesh_new(id, graph->count, map_seed, learn, router);
        assert_true(mesh_own(router->mesh, &network));
        for (size_t j = 0; j < graph->count; j++)
            graph->queues[i][j].waiting = malloc(QUEUE_MAX * sizeof(struct wire_update));
    }
    return graph;
}

static void free_graph(struct graph *graph)
{
    for (size_t i = 0; i < graph->count; i++) {
        mesh_free(graph->routers[i].mesh);
        allowed_free(graph->routers[i].allowed);
        for (size_t j = 0; j < graph->count; j++)
            free(graph->queues[i][j].waiting);
    }
    free(graph);
}

/* ---- Links ---- */

static void join(struct graph *graph, unsigned a, unsigned b)
{
    static const struct cidr everything = {.ip = {.family = 4}};

    graph->linked[a][b] = graph->linked[b][a] = true;
    mesh_up(graph->routers[a].mesh, b, &everything, 1);
    mesh_up(graph->routers[b].mesh, a, &everything, 1);
}

static void cut(struct graph *graph, unsigned a, unsigned b)
{
    graph->linked[a][b] = graph->linked[b][a] = false;
    graph->queues[a][b].first = graph->queues[a][b].end = 0;
    graph->queues[b][a].first = graph->queues[b][a].end = 0;
    mesh_down(graph->routers[a].mesh, b);
    mesh_down(graph->routers[b].mesh, a);
}

static void change_a_link(struct graph *graph, unsigned joins_of_ten)
{
    unsigned a = below(graph, graph->count);
    unsigned b = below(graph, graph->count);
    bool to_join = below(graph, 10) < joins_of_ten;

    if (a == b || graph->linked[a][b] == to_join)
        return;
    if (to_join)
        join(graph, a, b);
    else
        cut(graph, a, b);
}

/* ---- Updates ---- */

static bool send_one(struct graph *graph, unsigned from, unsigned to)
{
    struct queue *queue = &graph->queues[from][to];
    struct quicktun_route update;

    if (!graph->linked[from][to] ||
        !mesh_next(graph->routers[from].mesh, to, &update, graph->now_ms))
        return false;
    if (queue->first == queue->end)
        queue->first = queue->end = 0;
    assert_true(queue->end < QUEUE_MAX);
    struct wire_update *waiting = &queue->waiting[queue->end++];
    waiting->update = update;
    memcpy(waiting->ids, update.ids, update.id_count * MESH_ID_LEN);
    waiting->update.ids = waiting->ids;
    mesh_told(graph->routers[from].mesh, to, graph->now_ms);
    return true;
}

static bool deliver_one(struct graph *graph, unsigned from, unsigned to)
{
    struct queue *queue = &graph->queues[from][to];

    if (queue->first == queue->end)
        return false;
    enum mesh_heard heard = mesh_hear(graph->routers[to].mesh, from,
                                      &queue->waiting[queue->first++].update, graph->now_ms);
    assert_true(heard == MESH_TAKEN || heard == MESH_LOOP);
    graph->delivered++;
    return true;
}

/* Something somewhere, or nothing: links and directions are as slow as chance has them. */
static void stir(struct graph *graph)
{
    unsigned a = below(graph, graph->count);
    unsigned b = below(graph, graph->count);

    graph->now_ms += below(graph, 3);
    if (below(graph, 2) == 0)
        send_one(graph, a, b);
    else
        deliver_one(graph, a, b);
}

static void settle(struct graph *graph)
{
    size_t before = graph->delivered;

    for (bool busy = true; busy;) {
        busy = false;
        graph->now_ms++;
        for (unsigned a = 0; a < graph->count; a++)
            for (unsigned b = 0; b < graph->count; b++) {
                unsigned burst = 1 + below(graph, 4);
                while (burst-- > 0)
                    busy |= send_one(graph, a, b);
                if (below(graph, 3) != 0)
                    busy |= deliver_one(graph, a, b);
                busy |= graph->queues[a][b].first < graph->queues[a][b].end;
            }
    }
    /* A path is taken back hop by hop; nobody counts to infinity. */
    size_t links = graph->count * graph->count;
    assert_true(graph->delivered - before <= links * graph->count * graph->count);
}

/* ---- What must hold ---- */

static void distances(const struct graph *graph, size_t from, unsigned distance[ROUTERS_MAX])
{
    for (size_t i = 0; i < graph->count; i++)
        distance[i] = i == from ? 0 : FAR;
    for (size_t round = 0; round < graph->count; round++)
        for (size_t a = 0; a < graph->count; a++)
            for (size_t b = 0; b < graph->count; b++)
                if (graph->linked[a][b] && distance[a] + 1 < distance[b])
                    distance[b] = distance[a] + 1;
}

/* A packet goes all the way, and nobody on it takes it for one of somebody else's. */
static void assert_way(const struct graph *graph, size_t from, size_t to, unsigned hops)
{
    struct adit_ip source = host_of(from);
    struct adit_ip destination = host_of(to);
    size_t at = from;

    while (at != to) {
        const struct allowed_owner *owner = allowed_find(graph->routers[at].allowed, &destination);
        assert_non_null(owner);
        assert_int_equal(owner->rank, hops--);
        assert_true(graph->linked[at][owner->peer]);
        assert_true(allowed_from(graph->routers[owner->peer].allowed, &source, (unsigned)at));
        at = owner->peer;
    }
    assert_int_equal(hops, 0);
}

static void assert_settled(const struct graph *graph)
{
    for (size_t from = 0; from < graph->count; from++) {
        unsigned distance[ROUTERS_MAX];
        size_t reachable = 0;
        distances(graph, from, distance);
        for (size_t to = 0; to < graph->count; to++) {
            struct adit_ip host = host_of(to);
            reachable += distance[to] < FAR;
            if (to == from || distance[to] == FAR)
                assert_null(allowed_find(graph->routers[from].allowed, &host));
            else
                assert_way(graph, from, to, distance[to]);
        }
        assert_int_equal(mesh_networks(graph->routers[from].mesh), reachable);
    }
}

static void try_graph(uint64_t seed)
{
    struct graph *graph = make_graph(seed);
    unsigned joins_of_ten = 2 + below(graph, 7);

    for (unsigned i = 0; i < 4 * graph->count; i++)
        change_a_link(graph, 9);
    for (unsigned round = 0; round < 6; round++) {
        unsigned steps = below(graph, 400);
        for (unsigned i = 0; i < steps; i++) {
            stir(graph);
            if (below(graph, 20) == 0)
                change_a_link(graph, joins_of_ten);
        }
        settle(graph);
        assert_settled(graph);
    }
    free_graph(graph);
}

static void every_graph_settles_on_shortest_paths(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        try_graph(seed);
}

static void a_triangle_heals_when_a_link_is_cut(void **state)
{
    struct graph *graph = make_graph(1);

    (void)state;
    join(graph, 0, 1);
    join(graph, 1, 2);
    join(graph, 0, 2);
    settle(graph);
    assert_way(graph, 0, 1, 1);
    cut(graph, 0, 1);
    settle(graph);
    assert_way(graph, 0, 1, 2);
    assert_way(graph, 1, 0, 2);
    join(graph, 0, 1);
    settle(graph);
    assert_way(graph, 0, 1, 1);
    free_graph(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_graph_settles_on_shortest_paths),
        cmocka_unit_test(a_triangle_heals_when_a_link_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
