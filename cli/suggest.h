/*
 * What somebody may have meant: the nearest of the words that exist.
 */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include <stddef.h>

enum { SUGGEST_WORD_MAX = 63 }; /* longer words have no suggestion */

struct suggestion {
    const char *word; /* what was found; the caller's */
    const char *best; /* the nearest candidate so far that is near enough, or NULL */
    size_t distance;
};

/*
 * Edits that turn a into b, regardless of case, where '-' and '_' are the same: insert, delete or
 * replace a character, or swap two neighbours (optimal string alignment). SIZE_MAX where one of
 * them is longer than SUGGEST_WORD_MAX.
 */
size_t suggest_distance(const char *a, const char *b);

/* Begin with the word that was found, offer what it could have been, look at `best`. */
struct suggestion suggest_start(const char *word);
void suggest_offer(struct suggestion *suggestion, const char *candidate);

#endif
