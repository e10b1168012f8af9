/*
 * Reads one entry after the other, whole, and sees whether it changed meanwhile. Everything but
 * reader_interrupt() blocks or goes with what does, and is for the helper pool.
 */
#ifndef ROLES_TRANSFER_READER_H
#define ROLES_TRANSFER_READER_H

#include "roles/transfer/outbox.h"

struct reader;
struct reader *reader_new(struct io_disk *disk, bool hashing);
void reader_free(struct reader *reader);

/*
 * Opens an entry. Where a part is offered, *offset is its length if ours begins alike, else 0.
 * Returns NULL, or why it cannot be sent; a file that is not as it was found has changed.
 */
const char *reader_open(struct reader *reader, const struct outbox_entry *entry, uint64_t part_len,
                        const uint8_t part_hash[SODIUMTCP_HASH_LEN], uint64_t *offset);

/*
 * The next bytes, at most max: of a file so many where it has them, of a pipe what is there. 0 at
 * the end, -1 with why; a file that changed meanwhile is such an error.
 */
ssize_t reader_read(struct reader *reader, uint8_t *bytes, size_t max, const char **why);

/* After the end: BLAKE2b-256 over all of it, what was not sent included. */
void reader_hash(struct reader *reader, uint8_t hash[SODIUMTCP_HASH_LEN]);
void reader_close(struct reader *reader);

/* Ends a wait for a pipe. From the loop. */
void reader_interrupt(struct reader *reader);
#endif
