/*
 * The large files and directories of a host's disk (io/file.h): what a program sees now, and what
 * would be left without power. A file's bytes last once they were synced, block by block by chance
 * before; a name lasts once its directory was synced, and earlier changes of names go before later
 * ones. The small files of io.h are apart: no role has a file that is both.
 */
#ifndef IO_SIM_TREE_H
#define IO_SIM_TREE_H

#include "io/file.h"
#include "io/sim/world.h"

struct tree;

/* What a name stands for. The tree's; held by what has it open as well. */
struct tree_node {
    struct list node; /* of the tree's nodes */
    unsigned names;   /* that stand for it, now or without power */
    unsigned opened;
    enum io_kind kind;
    uint8_t *bytes;
    size_t len;
    uint8_t *synced_bytes;
    size_t synced_len;
    bool dirty; /* since it was synced */
    unsigned mode;
    int64_t mtime_s;
    uint32_t mtime_ns;
    uint64_t change;
    const void *writer; /* who writes it; NULL = nobody */
};

struct tree *tree_new(struct sim_world *world);
void tree_free(struct tree *tree);

/* Paths are absolute and without `.`, `..`, or empty components; "" is the root. */
struct tree_node *tree_find(struct tree *tree, const char *path);

/* A new node under a name whose directory is there. 0, IO_E_EXISTS or IO_E_NOT_FOUND. */
int tree_make(struct tree *tree, const char *path, enum io_kind kind, struct tree_node **made);

/* Replaces a file. */
int tree_rename(struct tree *tree, const char *from, const char *to);
int tree_remove(struct tree *tree, const char *path);

/* The names in a directory last; those everywhere. */
void tree_sync_names(struct tree *tree, const char *directory);
void tree_sync_all_names(struct tree *tree);

/* The first name in a directory that sorts behind `after`, NULL = at the end; the tree's. */
const char *tree_next(struct tree *tree, const char *directory, const char *after);

/* Bytes; those of a file beyond its end are zeros. */
void tree_resize(struct tree *tree, struct tree_node *node, size_t len);
void tree_write(struct tree *tree, struct tree_node *node, const void *bytes, size_t len,
                size_t offset);
void tree_sync(struct tree_node *node);

void tree_open(struct tree_node *node);
void tree_close(struct tree_node *node);

void tree_lose_power(struct tree *tree);

#endif
