/*
 * The sending half of an end: which bytes leave when, what is lost and sent again, and what the
 * other side is told of the window. Of RFC 9293, 6298 and 6675 what a program can notice.
 */
#ifndef IO_SIM_SENDER_H
#define IO_SIM_SENDER_H

#include "io/sim/tcp.h"

void sender_init(struct tcp_end *end);

/* A packet without bytes: an acknowledgement, a refusal. */
void sender_say(struct tcp_end *end, enum packet_kind kind);

/* Asks for the connection, again and again until it is answered or fails. */
void sender_request(struct tcp_end *end);
void sender_answered(struct tcp_end *end, uint64_t edge);

/* How much may be written, and that much or less. */
size_t sender_room(const struct tcp_end *end);
void sender_write(struct tcp_end *end, const uint8_t *bytes, size_t len);

/* The end of the direction follows the bytes; done: it is acknowledged, or all bytes so far. */
void sender_finish(struct tcp_end *end);
bool sender_is_done(const struct tcp_end *end);

/* What a packet acknowledges. True: as Linux does, it is time to tell of room. */
bool sender_take_ack(struct tcp_end *end, const struct packet *packet);

/* A packet of the connection was lost: sends again, later, if that is needed. */
void sender_lost(struct tcp_end *end);
void sender_rearm(struct tcp_end *end);

/* The process has read: tells the other side when the window has grown by a good part. */
void sender_show_window(struct tcp_end *end);

#endif
