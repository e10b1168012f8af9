/*
 * Asks a control socket one question and waits for the answer.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli/option.h"

#include <jansson.h>

enum { ASK_ANSWER_MAX = 256 * 1024 * 1024 }; /* bytes of one answer */

/*
 * Sends {"command": command} to the Unix socket at path. Returns the object answered, the
 * caller's; NULL with why when nobody answers, or when the answer is an error.
 */
json_t *ask(const char *path, const char *command, char why[OPTION_WHY_MAX]);

#endif
