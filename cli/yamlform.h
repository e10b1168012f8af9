/*
 * The form of a YAML file, before anything is built from it: its size and depth, and that it has
 * no anchors, aliases, tags or second document.
 */
#ifndef CLI_YAMLFORM_H
#define CLI_YAMLFORM_H

#include "cli/report.h"

#include <yaml.h>

enum {
    YAMLFORM_NODES_MAX = 10000, /* scalars, lists and mappings */
    YAMLFORM_DEPTH_MAX = 16,
};

/* Places as people count them, from 1. */
unsigned yamlform_line(yaml_mark_t mark);
unsigned yamlform_column(yaml_mark_t mark);

/* True when a document may be built from the text; mistakes may have been found all the same. */
bool yamlform_check(const char *text, size_t len, struct report *report);

/* A parser over the text, to be deleted by the caller. False without memory. */
bool yamlform_start(yaml_parser_t *parser, const char *text, size_t len);

/* Reports why the parser stopped. */
void yamlform_report(struct report *report, const yaml_parser_t *parser, const char *text,
                     size_t len);

#endif
