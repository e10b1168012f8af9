/*
 * Configuration files: YAML whose keys are the options of a role. Every mistake is named at once,
 * with its place. man/adit.yaml.5 is the user's side of it.
 */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "cli/command.h"
#include "cli/report.h"

enum { CONFIG_LEN_MAX = 1024 * 1024 }; /* bytes; yamlform.h has the other limits */

/*
 * Reads text as the configuration of `role`; where that is NULL, of the role that the file's key
 * `role` names. Relative paths are completed with `directory`. needed says whether options without
 * which the role cannot run must be there (flags may still say them).
 *
 * Returns the role with its options in *options, to be cleared by the caller, when the report got
 * no mistake; else NULL, with nothing to clear.
 */
const struct command *config_read(const char *text, size_t len, const char *directory,
                                  const struct command *role, bool needed, struct options *options,
                                  struct report *report);

/* The directory of a file, for the relative paths in it; from malloc(), NULL without memory. */
char *config_directory(const char *path);

#endif
