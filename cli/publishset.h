/*
 * What one published service is told. Flags say it for one; a list in the configuration file says
 * it for each of several, where what stands beside the list is for those that do not say it.
 */
#ifndef CLI_PUBLISHSET_H
#define CLI_PUBLISHSET_H

#include "cli/options.h"
#include "cli/report.h"
#include "roles/publish/publish.h"

/* The options of adit publish; the group `services` comes first, and its members are the others. */
extern const struct option_spec publishset_options[];

struct publishset {
    const struct options *own;
    const struct options *common; /* what stands beside the list, or NULL */
};

/* How many services there are, and one of them: at least one. Lent by the options. */
size_t publishset_count(const struct options *options);
struct publishset publishset_at(const struct options *options, size_t index);

/* What contradicts each other: a static text that names flags, or NULL. */
const char *publishset_contradiction(const struct options *options);

/* Reports what is wrong with the services of a list, at their places. */
void publishset_examine(const struct options *options, struct report *report);

/*
 * The configuration of a service; its strings are the options'. False without memory; to be cleared
 * in any case.
 */
bool publishset_config(const struct publishset *set, struct publish_config *config);
void publishset_clear(struct publish_config *config);

/* All that a service is told, as text from malloc(): two are told the same if it is the same. */
char *publishset_text(const struct publishset *set);

#endif
