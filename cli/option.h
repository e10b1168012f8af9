/*
 * One thing that a command can be told: what it is called, what a value looks like, and the
 * reading of one.
 */
#ifndef CLI_OPTION_H
#define CLI_OPTION_H

#include "base/hostname.h"
#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OPTION_WHY_MAX = 512,
    OPTION_KEY_MAX = 64,
    OPTION_BOX_KEY_LEN = 32, /* bytes */
};

enum option_kind {
    OPTION_SWITCH,    /* --json; true or false in a file */
    OPTION_TEXT,      /* anything but "" */
    OPTION_CHOICE,    /* one of `choices`, as number: its place there */
    OPTION_NUMBER,    /* min to max */
    OPTION_DURATION,  /* "500ms", "90s", "5m", "12h", "30d", as number: milliseconds */
    OPTION_SIZE,      /* "4096", "64KiB", "32MiB", "1GiB", as number: bytes */
    OPTION_ADDRESS,   /* literal address and port, as addr; port 0 picks one */
    OPTION_HOST_PORT, /* as to */
    OPTION_ENDPOINT,  /* HOST:PORT, or http://HOST:PORT: as to, number = 1 */
    OPTION_HOST_NAME, /* as to.name, normalised */
    OPTION_ROUTE,     /* NAME=HOST:PORT, as to */
    OPTION_CIDR,      /* as cidr */
    OPTION_IP,        /* an address without a port, as addr.ip */
    OPTION_PREFIX,    /* an address of a network, "10.9.0.1/24", as cidr with its other bits set */
    OPTION_BOX_KEY,   /* a public key of adit keygen box, as key */
    OPTION_FILE,      /* a path; relative ones in a configuration file start at its directory */
    OPTION_SECRET,    /* the path of a file that holds a secret; "-" where allowed */
    OPTION_GROUP,     /* keys of its own, in a file alone: a mapping; with OPTION_MANY a list */
};

enum option_trait {
    OPTION_MANY = 1,        /* may be given several times; a list in a file */
    OPTION_NEEDED = 2,      /* without it the command cannot run */
    OPTION_NOT_IN_FILE = 4, /* makes sense as a flag alone */
    OPTION_ARGUMENT = 8,    /* stands alone, without its name: `adit check FILE` */
    OPTION_STDIN = 16,      /* "-" means standard input */
    OPTION_NONE = 32,       /* "none" means without */
    OPTION_WRITTEN = 64,    /* of a file: the program changes it, or what stands beside it */
};

struct option_spec {
    const char *name;  /* of the flag, without "--"; a file's key has '_' for '-' */
    const char *value; /* what --help shows for the value; NULL for a switch */
    enum option_kind kind;
    unsigned traits;
    uint64_t min, max;          /* of a number, a duration in ms, a size in bytes; max 0 = none */
    const char *fallback;       /* the default, read like a value; NULL = none */
    const char *const *choices; /* NULL terminated */
    const char *help;           /* sentences; the unit included where there is one */
    const struct option_spec *members; /* of a group; ends with a name of NULL */
};

/* The key of an option in a file. */
char *option_key(const struct option_spec *spec, char out[OPTION_KEY_MAX]);

struct options;

struct option_value {
    char *text; /* as given; a file's path is complete; of a group "" */
    unsigned line, column;
    uint64_t number;
    struct addr addr;
    struct cidr cidr;
    uint8_t key[OPTION_BOX_KEY_LEN];
    struct options *group; /* what the group says; options_group() answers it */
    struct {
        char name[HOSTNAME_MAX + 1];
        char host[HOST_TEXT_MAX];
        uint16_t port;
    } to;
};

/*
 * Reads one value of an option. Returns false with what was wrong and what was meant in why, no
 * secret in it. A successful value is cleared by its owner.
 */
bool option_value_parse(const struct option_spec *spec, const char *text,
                        struct option_value *value, char why[OPTION_WHY_MAX]);
void option_value_clear(struct option_value *value);

bool option_duration_parse(const char *text, uint64_t *ms);
bool option_size_parse(const char *text, uint64_t *bytes);

#endif
