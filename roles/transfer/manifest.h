/*
 * What is to be sent and is not announced yet: found ahead on the helper pool, in its order.
 */
#ifndef ROLES_TRANSFER_MANIFEST_H
#define ROLES_TRANSFER_MANIFEST_H

#include "roles/transfer/outbox.h"

struct manifest;

/*
 * As outbox_finder_new(); `ready` comes from the loop when more was found, or the end. NULL without
 * memory.
 */
struct manifest *manifest_new(struct io_loop *loop, const char *const *paths, size_t count,
                              const char *stream_name, void (*ready)(void *arg), void *arg);

/* It must not be busy. NULL is allowed. */
void manifest_free(struct manifest *manifest);

/* Looks for more where few are left. False when the helper pool is full, or without memory. */
bool manifest_look(struct manifest *manifest);

/* True while it is at the helper pool; `ready` follows. */
bool manifest_is_busy(const struct manifest *manifest);

/* The next one, NULL where there is none now; taken, it is the caller's to free(). */
const struct outbox_entry *manifest_front(const struct manifest *manifest);
struct outbox_entry *manifest_take(struct manifest *manifest);

/* Everything was found; and taken, too. */
bool manifest_all_found(const struct manifest *manifest);
bool manifest_all_taken(const struct manifest *manifest);

/* Bytes of the files that were found so far. */
uint64_t manifest_total(const struct manifest *manifest);

#endif
