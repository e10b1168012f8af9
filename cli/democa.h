/*
 * A throw-away certificate authority with one certificate. Its key is forgotten at once, so that
 * nothing else can ever be signed with it.
 */
#ifndef CLI_DEMOCA_H
#define CLI_DEMOCA_H

#include "cli/option.h"

enum { DEMOCA_DAYS = 30 };

/* PEM, NUL terminated, from malloc(). */
struct democa {
    char *ca;   /* the authority's certificate */
    char *cert; /* of the name, signed by the authority */
    char *key;  /* of the certificate */
};

/* A certificate for a host name, good for DEMOCA_DAYS. False with why. */
bool democa_make(struct democa *ca, const char *name, char why[OPTION_WHY_MAX]);

/* Wipes the key. */
void democa_clear(struct democa *ca);

#endif
