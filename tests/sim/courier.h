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
    uint8_t *former; /* what may still be there until the newer bytes are acknowledged, or NULL */
    size_t former_len;
    uint64_t whole; /* the content that was found whole last: sim_tree_change() */
};

struct courier {
    struct sim_world *world;
    struct sim_host *sender_host;
    struct sim_host *receiver_host;
    struct party sender;
    struct party receiver;
    struct courier_file files[COURIER_FILES_MAX];
    size_t file_count;
    size_t large_max;
    uint64_t bytes; /* of all files */
    bool flat;      /* each is sent by itself, not their directory */
    struct sodiumtcp_keypair pair;
    struct addr listen;
    /* The sender's present or last life: */
    struct send_config config;
    const char *paths[COURIER_FILES_MAX];
    bool done;
    bool all_kept;  /* it says that everything is acknowledged */
    unsigned kept;  /* how often that was so: then nothing may be missing any more */
    bool rewritten; /* files have new bytes since then */
    unsigned rest;  /* turns of courier_go_on() until the next try */
    struct send_progress progress;
    char why[512];
};

/* Two hosts, a user, and files from the seed, large ones of so many bytes at most. */
void courier_build(struct courier *courier, struct sim_world *world, size_t large_max);

/* Both parties must be over. */
void courier_free(struct courier *courier);

/* A receiver that lost its power by itself is noticed, and comes again. */
void courier_look_after_receiver(struct courier *courier);

/* One more try: with options from the seed. */
void courier_send(struct courier *courier);

/* It has said how it went, or cannot any more. */
bool courier_try_is_over(const struct courier *courier);

/*
 * The sender was told that everything is there: it accounts for every byte, and all files are there
 * when the receiver's power has failed. From now on they stay.
 */
void courier_check_promise(struct courier *courier);

/* Sends again and again, other bytes under the same names at times; call it often. */
void courier_go_on(struct courier *courier);

/* Ends the sender's life, whatever it does. */
void courier_stop_sender(struct courier *courier);

/*
 * Fails the world where a file under its own name is not whole, or is missing although that it is
 * there was acknowledged; counts those that are there.
 */
size_t courier_check_names(struct courier *courier);

#endif
