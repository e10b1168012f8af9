/*
 * A receiver and a sender of files on two hosts, through all their lives, and the files that there
 * are at both ends.
 */
#ifndef TESTS_SIM_COURIER_H
#define TESTS_SIM_COURIER_H

#include "roles/transfer/receive.h"
#include "roles/transfer/send.h"
#include "tests/sim/party.h"

enum { COURIER_FILES_MAX = 12, COURIER_PATH_MAX = 64 };

struct courier_file {
    char source[COURIER_PATH_MAX];
    char target[COURIER_PATH_MAX];
    uint8_t *bytes;
    size_t len;
};

struct courier {
    struct sim_world *world;
    struct sim_host *sender_host;
    struct sim_host *receiver_host;
    struct party sender;
    struct party receiver;
    struct courier_file files[COURIER_FILES_MAX];
    size_t file_count;
    uint64_t bytes; /* of all files */
    bool flat;      /* each is sent by itself, not their directory */
    struct sodiumtcp_keypair pair;
    struct addr listen;
    /* The sender's present or last life: */
    struct send_config config;
    const char *paths[COURIER_FILES_MAX];
    bool done;
    bool all_kept; /* it says that everything is acknowledged */
    struct send_progress progress;
    char why[512];
};

/* Two hosts, a user, and files from the seed. */
void courier_build(struct courier *courier, struct sim_world *world);

/* Both parties must be over. */
void courier_free(struct courier *courier);

/* A receiver that lost its power by itself is noticed, and comes again. */
void courier_look_after_receiver(struct courier *courier);

/* One more try: with options from the seed. */
void courier_send(struct courier *courier);

/* Ends the sender's life, whatever it does. */
void courier_stop_sender(struct courier *courier);

/* Fails the world where a file under its own name is not whole; counts those that are there. */
size_t courier_check_names(const struct courier *courier);

#endif
