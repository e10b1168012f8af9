#include "cli/suggest.h"

#include <stdint.h>
#include <string.h>

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '_' ? '-' : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t suggest_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    if (a_len > SUGGEST_WORD_MAX || b_len > SUGGEST_WORD_MAX)
        return SIZE_MAX;
    size_t rows[3][SUGGEST_WORD_MAX + 1];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replace = last[j - 1] + (fold(a[i - 1]) == fold(b[j - 1]) ? 0 : 1);
            row[j] = least(replace, least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_len];
}

struct suggestion suggest_start(const char *word)
{
    return (struct suggestion){.word = word, .best = NULL, .distance = SIZE_MAX};
}

void suggest_offer(struct suggestion *suggestion, const char *candidate)
{
    size_t len = strlen(suggestion->word);
    size_t distance = suggest_distance(suggestion->word, candidate);
    /* A word that was only begun is meant, however much of it is missing. */
    if (len >= 3 && strncmp(suggestion->word, candidate, len) == 0)
        distance = least(distance, 1);
    if (distance <= 1 + len / 4 && distance < suggestion->distance && distance < len) {
        suggestion->best = candidate;
        suggestion->distance = distance;
    }
}
