/*
 * New names that are not on stable storage yet: those of one directory, so that many of them cost
 * one sync.
 */
#ifndef ROLES_TRANSFER_UNSYNCED_H
#define ROLES_TRANSFER_UNSYNCED_H

#include "io/file.h"
#include "roles/transfer/place.h"

struct unsynced {
    bool any;
    char home[PLACE_ROOM]; /* the directory of the newest */
};

/* A path's name is new; those in another directory are settled first: 0, or an error of that. */
int unsynced_add(struct unsynced *unsynced, struct io_dir *directory, const char *path);

/* Blocks until they are on stable storage; 0, or an error, and they are forgotten. */
int unsynced_settle(struct unsynced *unsynced, struct io_dir *directory);

#endif
