/*
 * A chancery: the session master of a town, on a host of its own, and the operator who keeps its
 * hosts. The store is SQLite in memory; it lasts as long as the operator has it open, so that the
 * master may be killed and started again.
 */
#ifndef TESTS_SIM_CHANCERY_H
#define TESTS_SIM_CHANCERY_H

#include "roles/master/handle.h"
#include "roles/master/master.h"
#include "tests/sim/party.h"

enum { CHANCERY_PATH_MAX = 64, CHANCERY_PORT = 8444 };

#define CHANCERY_NAME     "master.example.net"
#define CHANCERY_ADDRESS  "192.0.2.200"
#define CHANCERY_URL      "https://" CHANCERY_NAME ":8444"
#define CHANCERY_KEY_PATH "/etc/adit/api.key" /* on the disk of whoever asks */

struct chancery {
    struct sim_world *world;
    struct sim_host *host;
    struct party master;
    struct master_store *store; /* the operator's */
    char path[CHANCERY_PATH_MAX];
    char server_name[HOST_TEXT_MAX];
    uint16_t server_port;
    uint32_t token_valid_s;
};

/* Makes its host, name and store, and starts it. It mints with the text of a Fernet key file. */
void chancery_start(struct chancery *chancery, struct sim_world *world, const char *fernet_key,
                    const char *server_name, uint16_t server_port, uint32_t token_valid_s);

/* Adds a host, or a server, and places its API key on a disk. */
void chancery_add(struct chancery *chancery, const char *name, enum store_kind kind,
                  struct sim_host *whose);

void chancery_enable(struct chancery *chancery, const char *name, bool enabled);
void chancery_remove(struct chancery *chancery, const char *name);

void chancery_stop(struct chancery *chancery);

/* After everything is over. */
void chancery_clear(struct chancery *chancery);

#endif
