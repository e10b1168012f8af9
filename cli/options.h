/*
 * What a command can be told, said once: a table of options drives its flags, its --help, the keys
 * of its configuration file and the test of its man page.
 *
 * In a file an option may be a group with a table of its own: a mapping (`interface: {...}`), or,
 * with OPTION_MANY, a list of them (`peers: [{...}, {...}]`). No flag says it, nor beats it.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli/option.h"

#include <stdio.h>

/* The options of a command: its own and those that it shares with others. Each ends with a name
 * of NULL; shared may be NULL. */
struct option_table {
    const struct option_spec *own;
    const struct option_spec *shared;
};

/* Both parts in order: start with NULL; NULL at the end. */
const struct option_spec *options_next(const struct option_table *table,
                                       const struct option_spec *spec);

/* The option of a file's key; NULL when there is none. */
const struct option_spec *options_by_key(const struct option_table *table, const char *key);

/* The values that a command was given, by its table. */
struct options {
    struct option_table table;
    struct option_slot *slots; /* one an option, in the table's order */
};

/* False without memory. */
bool options_init(struct options *options, const struct option_table *table);
void options_clear(struct options *options);

/* Adds a value; false with why. Sets line and column of where it came from. */
bool options_add(struct options *options, const struct option_spec *spec, const char *text,
                 unsigned line, unsigned column, char why[OPTION_WHY_MAX]);

/* Adds a group, whose options are empty and those of `options`; NULL with why. */
struct options *options_add_group(struct options *options, const struct option_spec *spec,
                                  unsigned line, unsigned column, char why[OPTION_WHY_MAX]);

enum options_verdict { OPTIONS_OK, OPTIONS_HELP, OPTIONS_UNUSABLE };

/* Reads the arguments after the command's name: --name VALUE, --name=VALUE, "--". */
enum options_verdict options_read(struct options *options, int argc, char *const *argv,
                                  char why[OPTION_WHY_MAX]);

/*
 * Replaces every option of `options` that `over` was given by a copy; groups stay. False without
 * memory.
 */
bool options_override(struct options *options, const struct options *over);

/* The first needed option without a value, or NULL. */
const struct option_spec *options_missing(const struct options *options);

const struct option_spec *options_spec(const struct options *options, const char *name);

/* How often an option was given; its default is not counted. */
size_t options_count(const struct options *options, const char *name);

/* The value at an index, or the default; NULL when there is neither. The name must exist. */
const struct option_value *options_value(const struct options *options, const char *name,
                                         size_t index);
const char *options_text(const struct options *options, const char *name); /* or NULL */
uint64_t options_number(const struct options *options, const char *name);  /* or 0 */
bool options_switched_on(const struct options *options, const char *name);

/* All values that were given, as a list from malloc() that the caller frees; NULL without memory.
 */
struct addr *options_addresses(const struct options *options, const char *name, size_t *count);
struct cidr *options_cidrs(const struct options *options, const char *name, size_t *count);

/*
 * What the group at an index says; options_count() says how many there are. A group that stands
 * there once at most and was not given answers its defaults; else NULL.
 */
const struct options *options_group(const struct options *options, const char *name, size_t index);

/*
 * Calls each(arg, spec, value) for every value that was given, those in groups included; a group
 * itself comes before what is in it.
 */
void options_each(const struct options *options,
                  void (*each)(void *arg, const struct option_spec *spec,
                               const struct option_value *value),
                  void *arg);

/* The list of options of --help. */
void options_help(const struct option_table *table, FILE *out);

/* Prints text wrapped at 80 columns, each line after the first begins with `indent` spaces; the
 * cursor stands in column `at`. */
void options_wrap(FILE *out, const char *text, size_t indent, size_t at);

#endif
