/*
 * A public server in this process, alone or with the session master that gives tokens for it: what
 * the master revokes ends tunnels within a second, and the master knows which names are served.
 */
#ifndef CLI_WHOLE_H
#define CLI_WHOLE_H

#include "roles/master/master.h"
#include "roles/server/server.h"

struct whole;

/*
 * Starts both. master may be NULL; its server_port 0 becomes the first port that the server has
 * bound. stopped(arg) comes after whole_stop(), or when one of them has ended by itself. NULL with
 * why.
 */
struct whole *whole_start(struct io_loop *loop, const struct server_config *server,
                          const struct master_config *master, void (*stopped)(void *arg), void *arg,
                          char *why, size_t why_len);

/* The server's configuration, and the keys and certificate of both, again. 0, or -1 with why: all
 * is as before. */
int whole_reload(struct whole *whole, const struct server_config *server, char *why,
                 size_t why_len);

/* As server_stop(); the master ends at once. */
void whole_stop(struct whole *whole);
void whole_free(struct whole *whole);

bool whole_has_master(const struct whole *whole);

/* The addresses bound, as server_addresses() has them; and the master's. */
size_t whole_addresses(const struct whole *whole, struct addr *out, size_t max);
struct addr whole_master_addr(const struct whole *whole);

/* server_status(), with "master" in it where there is one. */
void whole_status(struct whole *whole, void (*answer)(void *arg, json_t *status), void *arg);

/* Whether one of them could not go on. */
bool whole_failed(void *whole);

#endif
