/*
 * The sender's side of the disk: finds what is to be sent and reads it. Everything here blocks and
 * is for the helper pool; finding and reading may go on at the same time.
 */
#ifndef ROLES_TRANSFER_OUTBOX_H
#define ROLES_TRANSFER_OUTBOX_H

#include "adit/sodiumtcp.h"
#include "io/file.h"

enum {
    OUTBOX_FOUND_MAX = 64, /* entries of one look */
    OUTBOX_CHUNK = 512 * 1024,
};

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

/* ---- Finding ---- */

struct outbox_finder;

/*
 * paths[count] must outlive it and its entries. stream_name names `-`; NULL = without name.
 * NULL without memory.
 */
struct outbox_finder *outbox_finder_new(struct io_disk *disk, const char *const *paths,
                                        size_t count, const char *stream_name);
void outbox_finder_free(struct outbox_finder *finder);

/* Up to OUTBOX_FOUND_MAX further entries, free() each; NULL at the end or without memory. */
struct outbox_entry *outbox_find(struct outbox_finder *finder, bool *without_memory);

/* ---- Reading ---- */

struct outbox_reader;
struct outbox_reader *outbox_reader_new(struct io_disk *disk, bool hashing);
void outbox_reader_free(struct outbox_reader *reader);

/*
 * Opens an entry. Where a part is offered, *offset is its length if ours begins alike, else 0.
 * Returns NULL, or why it cannot be sent; a file whose size is not what was found has changed.
 */
const char *outbox_open(struct outbox_reader *reader, const struct outbox_entry *entry,
                        uint64_t part_len, const uint8_t part_hash[SODIUMTCP_HASH_LEN],
                        uint64_t *offset);

/*
 * The next bytes, at most OUTBOX_CHUNK; 0 at the end, -1 with why. A file that became another one
 * meanwhile is such an error.
 */
ssize_t outbox_read(struct outbox_reader *reader, uint8_t *bytes, const char **why);

/* After the end: BLAKE2b-256 over all of it, what was not sent included. */
void outbox_hash(struct outbox_reader *reader, uint8_t hash[SODIUMTCP_HASH_LEN]);
void outbox_close(struct outbox_reader *reader);

/* Ends a wait for a pipe. From the loop. */
void outbox_interrupt(struct outbox_reader *reader);

#endif
