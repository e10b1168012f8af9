/*
 * Asks a session master from time to time what was revoked. Belongs to the server's loop. An
 * answer that does not come, or is none, changes nothing.
 */
#ifndef ROLES_SERVER_CHANGES_H
#define ROLES_SERVER_CHANGES_H

#include "roles/server/revoked.h"
#include "roles/server/server.h"

struct changes;

/*
 * learnt(arg) is called after each whole answer, when `revoked` is up to date. NULL with why: the
 * address is none to send a key to, or no memory.
 */
struct changes *changes_new(struct io_loop *loop, const struct server_config *config,
                            struct revoked *revoked, void (*learnt)(void *arg), void *arg,
                            char *why, size_t why_len);
void changes_start(struct changes *changes); /* NULL is allowed here and below */
void changes_free(struct changes *changes);

#endif
