/*
 * A session master with its store in memory, two hosts and a server, and what tests of its calls
 * ask it.
 */
#ifndef TESTS_UNIT_MASTER_WORLD_H
#define TESTS_UNIT_MASTER_WORLD_H

#include "roles/master/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WORLD_NOW_S 1700000000.5

/* What a host asks a token for, in hex. */
#define WORLD_AES_KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define WORLD_AES_IV  "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"

enum { WORLD_LIFETIME_S = 86400 }; /* of a token */

struct world {
    struct master master;
    struct snitun_keyring keyring;
    char home_key[MASTER_KEY_TEXT_MAX]; /* of home.example, alias cam.example */
    char old_key[MASTER_KEY_TEXT_MAX];  /* of old.example: aes-cbc alone */
    char server_key[MASTER_KEY_TEXT_MAX];
    struct master_response response;
    double now_s;
    uint64_t now_ms;
};

/* For cmocka_unit_test_setup_teardown(); the world is *state. */
int world_setup(void **state);
int world_teardown(void **state);

/* Counts up; for struct master and whatever else draws. */
int world_random(void *arg, void *buf, size_t len);

/* Asks with a body, or NULL, and answers the status; the response is kept until the next one. */
int world_ask(struct world *world, const char *method, const char *target, const char *key,
              const char *body);
int world_ask_token(struct world *world, const char *key, const char *body);

/* A field of the response; fails the test where it is not there. */
const char *world_text(const struct world *world, const char *field);
json_int_t world_number(const struct world *world, const char *field);

/* The refusal has a message, and it speaks of this. */
void world_expect_message(const struct world *world, const char *part);

/* Opens the token that was answered; to be cleared. */
void world_open_token(const struct world *world, struct snitun_token *token);

#endif
