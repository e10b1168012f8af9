/*
 * One received command: the rules it has to keep, what it does to our keys, its answer.
 */
#ifndef QUICKTUN_COMMANDS_H
#define QUICKTUN_COMMANDS_H

#include "lib/quicktun/session.h"

/*
 * Lets a command of the packet being read take effect. event has its code, data and len; type and
 * the rest are set here. The wire buffer has QUICKTUN_ROOM. Returns 0 or the error the session
 * failed with.
 */
int quicktun_command_apply(struct quicktun_session *session, uint64_t now_ms,
                           struct quicktun_wire *wire, struct quicktun_event *event);

/* The same for a packet outside the control stream. */
int quicktun_command_raw(struct quicktun_session *session, struct quicktun_event *event);

#endif
