/*
 * What a session master is told, alone (adit master) or beside the public server (adit serve
 * --with-master): the options that both commands have, and what they make of them.
 */
#ifndef CLI_MASTERSET_H
#define CLI_MASTERSET_H

#include "cli/command.h"
#include "roles/master/master.h"

/* Rows of a table of options; a table is a constant, so no function can add them. */
#define MASTERSET_OPTIONS                                                                          \
    {.name = "tls-cert",                                                                           \
     .value = "FILE",                                                                              \
     .kind = OPTION_FILE,                                                                          \
     .help = "The master's certificate chain, PEM. Needed unless its address is loopback or "      \
             "--behind-proxy is given."},                                                          \
        {.name = "tls-key",                                                                        \
         .value = "FILE",                                                                          \
         .kind = OPTION_SECRET,                                                                    \
         .help = "The private key of the certificate, PEM, without a password."},                  \
        {.name = "token-valid",                                                                    \
         .value = "DURATION",                                                                      \
         .kind = OPTION_DURATION,                                                                  \
         .min = 1000,                                                                              \
         .max = 365ULL * 24 * 60 * 60 * 1000,                                                      \
         .fallback = "24h",                                                                        \
         .help = "How long a token is good, in whole seconds."},                                   \
        {.name = "rate",                                                                           \
         .value = "N",                                                                             \
         .kind = OPTION_NUMBER,                                                                    \
         .min = 1,                                                                                 \
         .max = 60000,                                                                             \
         .fallback = "120",                                                                        \
         .help = "Requests a minute that one IPv4 address or IPv6 /64 may make to the master; "    \
                 "further ones are answered 429."},                                                \
        {.name = "acme-directory",                                                                 \
         .value = "URL",                                                                           \
         .kind = OPTION_TEXT,                                                                      \
         .help = "Where clients of Home Assistant get the certificates for their names: the "      \
                 "directory of an ACME service, https://…. Without it they are told that there " \
                 "is none, and open no tunnel before they have one from elsewhere."},              \
    {                                                                                              \
        .name = "behind-proxy", .kind = OPTION_SWITCH,                                             \
        .help = "A proxy of yours stands before the master, ends TLS and sets X-Forwarded-For, "   \
                "whose last address is believed. Nobody else may reach the address then."          \
    }

/* What contradicts each other among these; NULL where nothing does. */
const char *masterset_contradiction(const struct options *options);

/*
 * The configuration of a master that listens where the option `listen` says: of these options,
 * `store`, `fernet-key-file` and, where it is given, `server`. The strings are the options'.
 */
void masterset_config(const struct options *options, const char *listen,
                      struct master_config *config);

#endif
