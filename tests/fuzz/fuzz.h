/*
 * What the harnesses share. Each is a fuzz_<name>.c with LLVMFuzzerTestOneInput(); libFuzzer or
 * replay_main.c calls it.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Like assert(), and there in every build. */
#define FUZZ_CHECK(condition) fuzz_check(condition, #condition, __FILE__, __LINE__)

static inline void fuzz_check(int holds, const char *condition, const char *file, int line)
{
    if (!holds) {
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
        abort();
    }
}

/* A copy that ends where its memory ends, so that a sanitizer sees a read past it. */
static inline void *fuzz_copy(const void *bytes, size_t len)
{
    void *copy = malloc(len);
    if (copy == NULL && len > 0)
        abort();
    if (len > 0)
        memcpy(copy, bytes, len);
    return copy;
}

#endif
