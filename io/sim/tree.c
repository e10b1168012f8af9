#include "io/sim/tree.h"

#include "base/map.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096 };

/* A name; nodes are NULL where it stands for nothing. */
struct name {
    struct list node;
    char *path;
    struct tree_node *now;
    struct tree_node *durable;
};

/* A change of one name, or of two at once, that power would take back. */
struct change {
    struct list node;
    struct name *names[2];
    struct tree_node *nodes[2];
};

struct tree {
    struct sim_world *world;
    struct list names;
    struct list nodes;
    struct list changes;
    uint64_t last_change;
};

struct tree *tree_new(struct sim_world *world)
{
    struct tree *tree = world_alloc(sizeof *tree);
    tree->world = world;
    list_init(&tree->names);
    list_init(&tree->nodes);
    list_init(&tree->changes);
    return tree;
}

static void free_node(struct tree_node *node)
{
    list_remove(&node->node);
    free(node->bytes);
    free(node->synced_bytes);
    free(node);
}

static void drop_change(struct change *change)
{
    list_remove(&change->node);
    free(change);
}

void tree_free(struct tree *tree)
{
    while (!list_empty(&tree->changes))
        drop_change(container_of(tree->changes.next, struct change, node));
    while (!list_empty(&tree->names)) {
        struct name *name = container_of(tree->names.next, struct name, node);
        list_remove(&name->node);
        free(name->path);
        free(name);
    }
    while (!list_empty(&tree->nodes))
        free_node(container_of(tree->nodes.next, struct tree_node, node));
    free(tree);
}

/* ---- Names ---- */

static struct name *find_name(struct tree *tree, const char *path)
{
    for (struct list *at = tree->names.next; at != &tree->names; at = at->next) {
        struct name *name = container_of(at, struct name, node);
        if (strcmp(name->path, path) == 0)
            return name;
    }
    return NULL;
}

static struct name *find_or_make(struct tree *tree, const char *path)
{
    struct name *name = find_name(tree, path);
    if (name != NULL)
        return name;
    name = world_alloc(sizeof *name);
    name->path = world_alloc(strlen(path) + 1);
    memcpy(name->path, path, strlen(path));
    list_append(&tree->names, &name->node);
    return name;
}

static size_t home_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path);
}

static bool is_in(const char *path, const char *directory)
{
    size_t len = strlen(directory);
    return path[0] != '\0' && home_len(path) == len && strncmp(path, directory, len) == 0;
}

static bool home_is_there(struct tree *tree, const char *path)
{
    char *home = world_alloc(home_len(path) + 1);
    memcpy(home, path, home_len(path));
    const struct name *name = find_name(tree, home);
    bool there = home[0] == '\0' ||
                 (name != NULL && name->now != NULL && name->now->kind == IO_KIND_DIRECTORY);
    free(home);
    return there;
}

static void release(struct tree_node *node)
{
    if (node->names == 0 && node->opened == 0)
        free_node(node);
}

static void stand_for(struct tree_node **slot, struct tree_node *node)
{
    struct tree_node *old = *slot;
    *slot = node;
    if (node != NULL)
        node->names++;
    if (old == NULL)
        return;
    old->names--;
    release(old);
}

/* Of one name, or of two as one. What the change says must live as long as it does. */
static void set_names(struct tree *tree, struct name *const names[2],
                      struct tree_node *const nodes[2])
{
    struct change *change = world_alloc(sizeof *change);
    for (int i = 0; i < 2 && names[i] != NULL; i++) {
        change->names[i] = names[i];
        stand_for(&change->nodes[i], nodes[i]);
    }
    /* Of a rename the new name holds the node before the old one lets it go. */
    for (int i = 1; i >= 0; i--)
        if (names[i] != NULL)
            stand_for(&names[i]->now, change->nodes[i]);
    list_append(&tree->changes, &change->node);
}

static void forget(struct change *change)
{
    for (int i = 0; i < 2; i++)
        if (change->names[i] != NULL)
            stand_for(&change->nodes[i], NULL);
    drop_change(change);
}

static void make_durable(struct change *change)
{
    for (int i = 0; i < 2; i++)
        if (change->names[i] != NULL)
            stand_for(&change->names[i]->durable, change->nodes[i]);
    forget(change);
}

struct tree_node *tree_find(struct tree *tree, const char *path)
{
    const struct name *name = find_name(tree, path);
    return name == NULL ? NULL : name->now;
}

int tree_make(struct tree *tree, const char *path, enum io_kind kind, struct tree_node **made)
{
    if (!home_is_there(tree, path))
        return IO_E_NOT_FOUND;
    struct name *name = find_or_make(tree, path);
    if (name->now != NULL)
        return IO_E_EXISTS;
    struct tree_node *node = world_alloc(sizeof *node);
    node->kind = kind;
    node->mode = kind == IO_KIND_DIRECTORY ? 0700 : 0600;
    node->change = ++tree->last_change;
    list_append(&tree->nodes, &node->node);
    set_names(tree, (struct name *[2]){name}, (struct tree_node *[2]){node});
    *made = node;
    return 0;
}

int tree_rename(struct tree *tree, const char *from, const char *to)
{
    struct name *old = find_name(tree, from);
    if (old == NULL || old->now == NULL || !home_is_there(tree, to))
        return IO_E_NOT_FOUND;
    struct name *new = find_or_make(tree, to);
    if (new->now != NULL &&new->now->kind != IO_KIND_FILE)
        return IO_E_KIND;
    set_names(tree, (struct name *[2]){old, new}, (struct tree_node *[2]){NULL, old->now});
    return 0;
}

int tree_remove(struct tree *tree, const char *path)
{
    struct name *name = find_name(tree, path);
    if (name == NULL || name->now == NULL)
        return IO_E_NOT_FOUND;
    set_names(tree, (struct name *[2]){name}, (struct tree_node *[2]){NULL});
    return 0;
}

void tree_sync_names(struct tree *tree, const char *directory)
{
    struct list *next;
    for (struct list *at = tree->changes.next; at != &tree->changes; at = next) {
        struct change *change = container_of(at, struct change, node);
        next = at->next;
        if (is_in(change->names[0]->path, directory))
            make_durable(change);
    }
}

void tree_sync_all_names(struct tree *tree)
{
    while (!list_empty(&tree->changes))
        make_durable(container_of(tree->changes.next, struct change, node));
}

const char *tree_next(struct tree *tree, const char *directory, const char *after)
{
    const char *found = NULL;
    for (struct list *at = tree->names.next; at != &tree->names; at = at->next) {
        const struct name *name = container_of(at, struct name, node);
        if (name->now == NULL || !is_in(name->path, directory))
            continue;
        const char *last = name->path + home_len(name->path) + 1;
        if ((after == NULL || strcmp(last, after) > 0) &&
            (found == NULL || strcmp(last, found) < 0))
            found = last;
    }
    return found;
}

/* ---- Bytes ---- */

static void touched(struct tree *tree, struct tree_node *node)
{
    node->dirty = true;
    node->change = ++tree->last_change;
    node->mtime_s = (int64_t)(tree->world->now_us / 1000000);
    node->mtime_ns = (uint32_t)(tree->world->now_us % 1000000 * 1000);
}

void tree_resize(struct tree *tree, struct tree_node *node, size_t len)
{
    uint8_t *bytes = world_alloc(len + 1);
    if (node->bytes != NULL)
        memcpy(bytes, node->bytes, node->len < len ? node->len : len);
    free(node->bytes);
    node->bytes = bytes;
    node->len = len;
    touched(tree, node);
}

void tree_write(struct tree *tree, struct tree_node *node, const void *bytes, size_t len,
                size_t offset)
{
    if (offset + len > node->len)
        tree_resize(tree, node, offset + len);
    memcpy(node->bytes + offset, bytes, len);
    touched(tree, node);
}

void tree_sync(struct tree_node *node)
{
    free(node->synced_bytes);
    node->synced_bytes = world_alloc(node->len + 1);
    if (node->len > 0)
        memcpy(node->synced_bytes, node->bytes, node->len);
    node->synced_len = node->len;
    node->dirty = false;
}

void tree_open(struct tree_node *node)
{
    node->opened++;
}

void tree_close(struct tree_node *node)
{
    node->opened--;
    release(node);
}

/* ---- Power ---- */

/* Its length is one of the two, or between them; each block is the new one, or what was there. */
static void tear(struct tree *tree, struct tree_node *node)
{
    struct sim_world *world = tree->world;
    size_t least = node->len < node->synced_len ? node->len : node->synced_len;
    size_t most = node->len < node->synced_len ? node->synced_len : node->len;
    size_t len = sim_random_between(world, least, most);
    uint8_t *bytes = world_alloc(len + 1);
    for (size_t at = 0; at < len; at += BLOCK) {
        bool new = sim_chance(world, 5000);
        const uint8_t *from = new ? node->bytes : node->synced_bytes;
        size_t there = new ? node->len : node->synced_len;
        size_t end = at + BLOCK < len ? at + BLOCK : len;
        if (end > there)
            end = there;
        if (end > at)
            memcpy(bytes + at, from + at, end - at);
    }
    free(node->bytes);
    node->bytes = bytes;
    node->len = len;
    node->change = ++tree->last_change;
    sim_fault(world, SIM_DISK_LOST);
    tree_sync(node);
}

void tree_lose_power(struct tree *tree)
{
    struct sim_world *world = tree->world;
    struct list *next;
    size_t count = 0;
    for (struct list *at = tree->changes.next; at != &tree->changes; at = at->next)
        count++;
    for (size_t kept = sim_random_below(world, count + 1); kept > 0; kept--)
        make_durable(container_of(tree->changes.next, struct change, node));
    while (!list_empty(&tree->changes)) {
        sim_fault(world, SIM_DISK_LOST);
        forget(container_of(tree->changes.next, struct change, node));
    }
    for (struct list *at = tree->names.next; at != &tree->names; at = at->next) {
        struct name *name = container_of(at, struct name, node);
        stand_for(&name->now, name->durable);
    }
    for (struct list *at = tree->nodes.next; at != &tree->nodes; at = next) {
        struct tree_node *node = container_of(at, struct tree_node, node);
        next = at->next;
        node->writer = NULL;
        if (node->dirty)
            tear(tree, node);
    }
}
