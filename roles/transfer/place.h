/*
 * Where an item that is received goes, below its user's directory.
 */
#ifndef ROLES_TRANSFER_PLACE_H
#define ROLES_TRANSFER_PLACE_H

#include "adit/sodiumtcp.h"

enum { PLACE_ROOM = SODIUMTCP_NAME_MAX + 64 }; /* a name, or the part of one */

/* The path of a name. False: the part of another file could be meant. */
bool place_of(struct sodiumtcp_name name, char path[PLACE_ROOM]);

/* Length of the directory in a path, its slash included. */
size_t place_home_len(const char *path);

/* Where the part of a file is while it is on its way: beside it, under a hash of its name. */
void place_part(const char *path, char part[PLACE_ROOM]);

#endif
