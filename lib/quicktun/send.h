/*
 * One packet at a time: builds it, seals it when encryption is on, and lets what it carries take
 * effect on our keys. These do what they are told; whether it may be done is for tick.c (what our
 * end does on its own) and commands.c (answers) to decide. The caller has seen to QUICKTUN_ROOM.
 */
#ifndef QUICKTUN_SEND_H
#define QUICKTUN_SEND_H

#include "lib/quicktun/session.h"

/* Bytes that a packet needs around its payload now: length, and tag when encryption is on. */
size_t quicktun_send_overhead(const struct quicktun_session *session);

/* The largest payload of a packet now. */
size_t quicktun_send_payload_max(const struct quicktun_session *session);

bool quicktun_send_has_room(const struct quicktun_wire *wire, size_t len);

/* Finishes the packet whose payload of len bytes stands in place behind wire->len and the overhead:
 * length, tag, encryption. The wire buffer has room for it. */
void quicktun_send_sealed(struct quicktun_session *session, struct quicktun_wire *wire, size_t len,
                          bool control);

/* A control packet with one command. False, and nothing sent, without room for it. */
bool quicktun_send_command(struct quicktun_session *session, struct quicktun_wire *wire,
                           uint8_t code, const void *arguments, size_t len);

/* A control payload as it is. */
bool quicktun_send_payload(struct quicktun_session *session, struct quicktun_wire *wire,
                           const void *payload, size_t len);

bool quicktun_send_identification(struct quicktun_session *session, struct quicktun_wire *wire);

/* Tunnel options, what quicktun_send_offer() answers; with a password request in the same packet
 * when ask is true. */
uint8_t quicktun_send_offer(const struct quicktun_session *session);
bool quicktun_send_options(struct quicktun_session *session, struct quicktun_wire *wire,
                           uint8_t bits);
int quicktun_send_options_and_ask(struct quicktun_session *session, uint64_t now_ms,
                                  struct quicktun_wire *wire);

/* Requests. Each returns 0 or the error the session failed with. known: leave our key out, the
 * other side has it. */
int quicktun_send_start_crypto(struct quicktun_session *session, uint64_t now_ms,
                               struct quicktun_wire *wire, bool known);
int quicktun_send_begin_update(struct quicktun_session *session, uint64_t now_ms,
                               struct quicktun_wire *wire);
int quicktun_send_ask_password(struct quicktun_session *session, uint64_t now_ms,
                               struct quicktun_wire *wire);
void quicktun_send_disable(struct quicktun_session *session, uint64_t now_ms,
                           struct quicktun_wire *wire);

/* Answers; the keys in them take force with the packet. */
void quicktun_send_ack_crypto(struct quicktun_session *session, struct quicktun_wire *wire);
void quicktun_send_ack_update(struct quicktun_session *session, struct quicktun_wire *wire,
                              const uint8_t key[QUICKTUN_KEY_LEN]);
void quicktun_send_password(struct quicktun_session *session, struct quicktun_wire *wire,
                            const uint8_t *salt, size_t salt_len);
void quicktun_send_ack_disable(struct quicktun_session *session, struct quicktun_wire *wire);

void quicktun_send_start_data(struct quicktun_session *session, struct quicktun_wire *wire);

/* SHA-512(salt || password) */
void quicktun_password_hash(const struct quicktun_password *password, const uint8_t *salt,
                            size_t salt_len, uint8_t out[QUICKTUN_HASH_LEN]);

#endif
