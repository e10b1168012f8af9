/*
 * The configuration of adit vpn: its option table, and the role's struct made of what was read.
 */
#ifndef CLI_VPNCONFIG_H
#define CLI_VPNCONFIG_H

#include "cli/options.h"
#include "cli/report.h"
#include "io/io.h"
#include "roles/vpn/vpn.h"

extern const struct option_spec vpnconfig_specs[];

/* What is wrong with values of which each is fine, and what is weak: at their places. */
void vpnconfig_examine(const struct options *options, struct report *report);

struct vpnconfig {
    struct vpn_config config;
    uint8_t secret[QUICKTUN_KEY_LEN];
};

/*
 * Fills it and reads the files that it names. False with why. Clear it in any case; it borrows from
 * options until then.
 */
bool vpnconfig_make(struct vpnconfig *made, const struct options *options, struct io_disk *disk,
                    char *why, size_t why_len);
void vpnconfig_clear(struct vpnconfig *made);

#endif
