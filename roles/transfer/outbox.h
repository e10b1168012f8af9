/*
 * The sender's side of the disk: finds what is to be sent. What blocks is for the helper pool.
 */
#ifndef ROLES_TRANSFER_OUTBOX_H
#define ROLES_TRANSFER_OUTBOX_H

#include "adit/sodiumtcp.h"
#include "io/file.h"

enum { OUTBOX_FOUND_MAX = 64 }; /* entries of one look */

enum outbox_kind { OUTBOX_FILE, OUTBOX_DIRECTORY, OUTBOX_STREAM, OUTBOX_LEFT_OUT };

/* Something to be sent, or that is not. One block of memory. */
struct outbox_entry {
    struct outbox_entry *next;
    enum outbox_kind kind;
    bool again;       /* a directory once more, with mode and time */
    bool failed;      /* left out because it could not be read */
    const char *root; /* what the caller named */
    const char *path; /* beneath it; "" = it itself */
    const char *why;  /* of what is left out */
    struct io_stat stat;
    size_t name_len;
    uint8_t name[SODIUMTCP_NAME_MAX];
};

struct outbox_finder;

/*
 * paths[count] must outlive it and its entries. stream_name names `-`; NULL = without name.
 * NULL without memory.
 */
struct outbox_finder *outbox_finder_new(struct io_disk *disk, const char *const *paths,
                                        size_t count, const char *stream_name);
void outbox_finder_free(struct outbox_finder *finder);

/* Blocks. Up to OUTBOX_FOUND_MAX further entries, free() each; NULL at the end or without memory.
 */
struct outbox_entry *outbox_find(struct outbox_finder *finder, bool *without_memory);

#endif
