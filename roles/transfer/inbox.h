/*
 * The receiver's side of the disk: steps of one connection, done in their order on the helper
 * pool, so that the loop never waits for a disk. Nothing of a connection is under its final name
 * before its END, and what is there by then is on stable storage before it is acknowledged.
 *
 * A file that is on its way is `.adit-part-` and a hash of its name, beside its place: there it is
 * found again after either side was killed.
 */
#ifndef ROLES_TRANSFER_INBOX_H
#define ROLES_TRANSFER_INBOX_H

#include "adit/sodiumtcp.h"
#include "io/file.h"

enum {
    INBOX_CHUNK = 1024 * 1024, /* bytes of one write */
    INBOX_BATCH_BYTES = 4 * 1024 * 1024,
    INBOX_BATCH_STEPS = 64,
    INBOX_TEXT_MAX = 256,
};

enum inbox_type { INBOX_BEGIN, INBOX_START, INBOX_WRITE, INBOX_END };

/* One step; the caller fills it by type and gives it away until it is done. */
struct inbox_step {
    struct inbox_step *next;
    enum inbox_type type;
    uint32_t number;
    /* BEGIN; name is copied behind the step: */
    struct sodiumtcp_item item;
    /* BEGIN's answer where it asks, START's offset, END's length: */
    uint8_t verdict;
    uint64_t length;
    uint8_t hash[SODIUMTCP_HASH_LEN]; /* of a part; of END */
    uint8_t status;                   /* END: enum sodiumtcp_end_status, then _ack_status */
    /* WRITE: */
    uint8_t *bytes;
    size_t len;
    size_t room;
    size_t plain_len; /* bytes are a zstd frame of so many; 0 = they are plain */
};

/* NULL without memory. item may be NULL; its name is copied. bytes come with inbox_step_room(). */
struct inbox_step *inbox_step_new(enum inbox_type type, uint32_t number,
                                  const struct sodiumtcp_item *item);
void inbox_step_free(struct inbox_step *step);

struct inbox_config {
    struct io_dir *directory; /* the inbox's from now on; may be NULL with a pipe */
    const char *name;         /* of the one stream or file that is taken; NULL = as they say */
    struct io_file *pipe;     /* where that one goes instead; stays the caller's */
    unsigned umask;
};

struct inbox;
struct inbox *inbox_new(struct io_disk *disk, const struct inbox_config *config);
void inbox_free(struct inbox *inbox); /* may block; parts stay, but for an empty one */

/* What stopped the connection, for the other side. */
struct inbox_failure {
    uint32_t number;
    enum sodiumtcp_code code;
    bool breach;               /* of the protocol: nothing is answered */
    char text[INBOX_TEXT_MAX]; /* hostile names in it are escaped */
};

/*
 * Does one step. Blocks. After a failure nothing else is to be done. One that reads what is there
 * may be unfinished, so that others have their turn: it is to be done again, before any other and
 * after inbox_settle(), until it is finished.
 *
 * The names of files that were finished or left as they are are on stable storage after
 * inbox_settle() alone: one call for many of them spares a sync for each. False when that fails.
 */
enum inbox_outcome { INBOX_FAILED, INBOX_DONE, INBOX_UNFINISHED };
enum inbox_outcome inbox_do(struct inbox *inbox, struct inbox_step *step,
                            struct inbox_failure *failure);
bool inbox_settle(struct inbox *inbox, struct inbox_failure *failure);

/*
 * The client is gone: what it has sent is still kept, but nothing is read for it any more. While no
 * step is being done.
 */
void inbox_leave(struct inbox *inbox);

#endif
