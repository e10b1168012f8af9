/*
 * What tests of tokens are made of: keys, and the fields of a payload that is right, to be put
 * together with wrong ones.
 */
#ifndef TESTS_UNIT_TOKEN_PARTS_H
#define TESTS_UNIT_TOKEN_PARTS_H

#include "adit/snitun_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define TOKEN_NOW_S 1800000000.0

#define KEY_A "BS9KyROEr6PzSSoSnRQd0JVTa1S-vM1nW282IS1VtSc="
#define KEY_B "lWkUxl3Dncr8i8q3izRcojBfCXqaA_KVd-DBM9ERPeo="

#define VALID    "\"valid\":4102444800"
#define HOSTNAME "\"hostname\":\"home.example.net\""
#define AES_KEY  "\"aes_key\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\""
#define AES_IV   "\"aes_iv\":\"202122232425262728292a2b2c2d2e2f\""
#define RIGHT    VALID "," HOSTNAME "," AES_KEY "," AES_IV

/* Of keys, a line each. */
struct snitun_keyring token_keyring(const char *text);

/* Fails the test unless all bytes are 0: what was cleared, wiped, or never written. */
void token_expect_zero(const void *memory, size_t len);

#endif
