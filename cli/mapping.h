/*
 * One YAML mapping whose keys are the options of a table: the file as a whole, or a group in it.
 * Every mistake is named with its place and with the way there, such as "peers.public_key".
 */
#ifndef CLI_MAPPING_H
#define CLI_MAPPING_H

#include "cli/command.h"
#include "cli/report.h"

#include <yaml.h>

struct mapping_reader {
    struct report *report;
    yaml_document_t *document;
    const char *directory;      /* of the file: relative paths start there */
    const struct command *role; /* whose file it is */
};

/*
 * Adds what the mapping says to options, by their table. path is "" for the file as a whole, where
 * the key `role` is known as well; else the way to this mapping. needed: a needed option that is
 * not there is a mistake. In a group it always is.
 */
void mapping_read(const struct mapping_reader *reader, const yaml_node_t *mapping, const char *path,
                  bool needed, struct options *options);

/* The text of a scalar; NULL after a complaint. wanted is what a value looks like. */
const char *mapping_text(const struct mapping_reader *reader, const yaml_node_t *node,
                         const char *key, const char *wanted);

/* "a list", "a mapping" or "a value". */
const char *mapping_kind(const yaml_node_t *node);

void mapping_mistake(const struct mapping_reader *reader, const yaml_node_t *node, const char *key,
                     const char *what);

#endif
