/*
 * The publishers of one process: one, or one for each service of a list. They share the loop and
 * nothing else.
 */
#ifndef CLI_PUBLISHERS_H
#define CLI_PUBLISHERS_H

#include "cli/options.h"
#include "io/io.h"

#include <jansson.h>

struct publishers;

/* Starts all that the options say. stopped(arg) comes after publishers_stop(). NULL with why. */
struct publishers *publishers_start(struct io_loop *loop, const struct options *options,
                                    void (*stopped)(void *arg), void *arg, char *why,
                                    size_t why_len);

/*
 * Those that are told the same as before read their credential again and go on; others begin or
 * end. 0, or -1 with why: nothing began or ended.
 */
int publishers_reload(struct publishers *publishers, const struct options *options, char *why,
                      size_t why_len);

void publishers_stop(struct publishers *publishers);
void publishers_free(struct publishers *publishers);

/* publish_status() of the one; of several {"role": "publish", "services": [...]}. The callee's. */
json_t *publishers_status(const struct publishers *publishers);

#endif
