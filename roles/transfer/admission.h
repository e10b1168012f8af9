/*
 * Lets a client in: its login is asked about, and a connection that is let in gets its place for
 * what it sends and its part of the memory.
 */
#ifndef ROLES_TRANSFER_ADMISSION_H
#define ROLES_TRANSFER_ADMISSION_H

#include "roles/transfer/receiving.h"

/* Answers the client later, or ends its connection. */
void admission_ask(struct receiving *receiving, const struct sodiumtcp_login *login);

#endif
