/*
 * A hostile peer of one engine, the victim: it has keys, an engine to keep them in step, and says
 * what it likes.
 */
#ifndef TESTS_QUICKTUN_HOSTILE_H
#define TESTS_QUICKTUN_HOSTILE_H

#include "tests/unit/quicktun_pair.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants these before it */
#include <cmocka.h>

/* A conversation that is neither started nor configured beyond the defaults: ends[0] is the
 * victim, ends[1] keeps to no policy. */
struct pair *hostile_pair(void);

/* For cmocka_unit_test_setup_teardown(); the pair is *state. */
int hostile_setup(void **state);
int hostile_teardown(void **state);

struct pair_end *hostile_victim(void);
struct pair_end *hostile_peer(void);

/* Lets the victim's policy be none at all. */
void hostile_weaken(struct pair_end *end);

/* Starts the conversation; nothing was said yet. */
void hostile_start(void);

/* Starts it and lets both say what they like until the tunnel is up. */
void hostile_start_up(void);
void hostile_stop(void);

/* The peer says a control payload, or a packet outside the control stream, and the victim hears
 * it. Answers the victim's error. */
int hostile_says(const void *payload, size_t len);
int hostile_says_raw(const void *payload, size_t len);

/* One command and its arguments; arguments of zeros when NULL. */
int hostile_commands(uint8_t code, const void *arguments, size_t len);

/* The peer's Start, as its engine says it. */
int hostile_starts(void);

/* Begin key update with that key; a key that is as good as any. */
int hostile_begins(const uint8_t *key);
void hostile_some_key(uint8_t key[QUICKTUN_KEY_LEN]);

/* Starts the conversation with both Starts said and the victim's not heard: the peer's packets from
 * here on are encrypted for key 0, as anybody can do it. */
void hostile_start_with_key_0(void);

/* Another session of the victim's private key, which has sent its Start with that input. */
struct quicktun_session *hostile_second_session(uint8_t input[QUICKTUN_INPUT_LEN]);

/* What either has written reaches the other. */
void hostile_hears(void);
int hostile_heard(void);

#endif
