#include "lib/sodiumtcp/offer.h"

#include <string.h>

static const char version_word[] = "adit/1";
static const char zstd_word[] = "zstd";

_Static_assert(SODIUMTCP_TEXT_MAX + 1 + sizeof version_word + sizeof zstd_word <=
                   SODIUMTCP_MESSAGE_LEN,
               "room for the longest text, all words and a NUL after each");

static bool is(const char *word, size_t len, const char *expected)
{
    return len == strlen(expected) && memcmp(word, expected, len) == 0;
}

static bool well_formed(const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (word[i] < 0x21 || word[i] > 0x7e)
            return false;
    return len > 0;
}

struct sodiumtcp_offer sodiumtcp_offer_read(const char message[SODIUMTCP_MESSAGE_LEN])
{
    static const struct sodiumtcp_offer none;
    struct sodiumtcp_offer offer = none;
    const char *end = message + SODIUMTCP_MESSAGE_LEN;
    const char *word = memchr(message, '\0', SODIUMTCP_MESSAGE_LEN);
    if (!word || !memchr(word + 1, '\0', (size_t)(end - word - 1)))
        return none;
    char separator;
    do {
        word++;
        size_t len = strcspn(word, " ");
        if (!well_formed(word, len) || (!offer.made && !is(word, len, version_word)))
            return none;
        offer.made = true;
        offer.zstd = offer.zstd || is(word, len, zstd_word);
        word += len;
        separator = *word;
    } while (separator == ' ');
    return offer;
}

void sodiumtcp_offer_write(char message[SODIUMTCP_MESSAGE_LEN], const char *text, bool made,
                           bool zstd)
{
    size_t len = strlen(text);
    memcpy(message, text, len);
    if (!made)
        return;
    char *at = message + len + 1;
    memcpy(at, version_word, sizeof version_word);
    if (zstd) {
        at += sizeof version_word;
        at[-1] = ' ';
        memcpy(at, zstd_word, sizeof zstd_word);
    }
}
