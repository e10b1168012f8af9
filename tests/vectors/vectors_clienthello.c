/*
 * Checks that clienthello_parse() answers as a file of vectors says: each case whole, each of its
 * prefixes, each split into two reads. Exits 0 only if every case holds, 1 if one does not, 2 if
 * the file is not such a file.
 */
#include "adit/clienthello.h"
#include "base/encode.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASE_NAME_MAX = 200 };

struct test_case {
    char name[CASE_NAME_MAX]; /* escaped */
    enum clienthello_verdict verdict;
    uint8_t *hello;
    size_t len;
    json_t *sni;
    json_t *alpn;
    bool ech;
};

static const struct {
    const char *word;
    enum clienthello_verdict verdict;
} verdicts[] = {
    {"ok", CLIENTHELLO_OK},
    {"no_sni", CLIENTHELLO_NO_SNI},
    {"not_tls", CLIENTHELLO_NOT_TLS},
    {"malformed", CLIENTHELLO_MALFORMED},
};

static bool whole(enum clienthello_verdict verdict)
{
    return verdict == CLIENTHELLO_OK || verdict == CLIENTHELLO_NO_SNI;
}

/* The format has one word for all that is TLS and no ClientHello that can be served. */
static bool meets(enum clienthello_verdict expected, enum clienthello_verdict got)
{
    return got == expected || (expected == CLIENTHELLO_MALFORMED && got == CLIENTHELLO_TOO_LONG);
}

static bool fails(const struct test_case *test, size_t len, const char *what)
{
    fprintf(stderr, "%s: after %zu of %zu bytes: %s\n", test->name, len, test->len, what);
    return false;
}

/* A string of the file stands for bytes: one code point, one byte. */
static bool same_bytes(const json_t *expected, const char *bytes, size_t len)
{
    const char *text = json_string_value(expected);
    size_t text_len = json_string_length(expected);
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)bytes[i];
        char utf8[2] = {(char)byte, 0};
        size_t width = 1;
        if (byte > 0x7f) {
            utf8[0] = (char)(0xc0 | byte >> 6);
            utf8[1] = (char)(0x80 | (byte & 0x3f));
            width = 2;
        }
        if (text_len - at < width || memcmp(text + at, utf8, width) != 0)
            return false;
        at += width;
    }
    return at == text_len;
}

static bool check_contents(const struct test_case *test, size_t len,
                           const struct clienthello *hello)
{
    if (hello->name_len != strlen(hello->name))
        return fails(test, len, "name and length of the name differ");
    if (json_is_string(test->sni) ? !same_bytes(test->sni, hello->name, hello->name_len)
                                  : hello->name_len != 0)
        return fails(test, len, "another server name than expected");
    size_t count = json_array_size(test->alpn);
    if (count > CLIENTHELLO_ALPN_MAX)
        count = CLIENTHELLO_ALPN_MAX;
    if (hello->alpn_count != count)
        return fails(test, len, "another number of ALPN protocols than expected");
    for (size_t i = 0; i < count; i++)
        if (!same_bytes(json_array_get(test->alpn, i), hello->alpn[i].name, hello->alpn[i].len))
            return fails(test, len, "another ALPN protocol than expected");
    if (hello->ech != test->ech)
        return fails(test, len, test->ech ? "no ECH reported" : "ECH reported");
    return true;
}

/* Hands in a copy that ends where the bytes end, so that a sanitizer sees a read past them. */
static enum clienthello_verdict parse_copy(const uint8_t *bytes, size_t len,
                                           struct clienthello *hello)
{
    uint8_t *copy = malloc(len);
    if (copy == NULL && len > 0)
        abort();
    if (len > 0)
        memcpy(copy, bytes, len);
    enum clienthello_verdict verdict = clienthello_parse(copy, len, hello);
    free(copy);
    return verdict;
}

/* One read of len bytes and then, if that was too little, one with the rest. */
static bool check_split(const struct test_case *test, size_t len, enum clienthello_verdict *before,
                        size_t *need)
{
    struct clienthello hello;
    enum clienthello_verdict first = parse_copy(test->hello, len, &hello);
    if (*before != CLIENTHELLO_INCOMPLETE && first != *before)
        return fails(test, len, "the verdict changed when more bytes came");
    *before = first;
    if (first == CLIENTHELLO_INCOMPLETE) {
        if (hello.need <= len || hello.need < *need)
            return fails(test, len, "needs no more than it had");
        *need = hello.need;
        if (len == test->len)
            return fails(test, len, "incomplete");
        first = parse_copy(test->hello, test->len, &hello);
    } else if (whole(first) && len < *need) {
        return fails(test, len, "needed more than the whole");
    }
    if (!meets(test->verdict, first))
        return fails(test, len, clienthello_verdict_text(first));
    return check_contents(test, len, &hello);
}

static bool check_case(const struct test_case *test)
{
    enum clienthello_verdict before = CLIENTHELLO_INCOMPLETE;
    size_t need = 0;
    for (size_t len = 0; len <= test->len; len++)
        if (!check_split(test, len, &before, &need))
            return false;
    return true;
}

static bool read_verdict(const json_t *word, enum clienthello_verdict *verdict)
{
    for (size_t i = 0; json_is_string(word) && i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        if (strcmp(json_string_value(word), verdicts[i].word) == 0) {
            *verdict = verdicts[i].verdict;
            return true;
        }
    }
    return false;
}

static bool strings_alone(const json_t *array)
{
    if (!json_is_array(array))
        return false;
    for (size_t i = 0; i < json_array_size(array); i++)
        if (!json_is_string(json_array_get(array, i)))
            return false;
    return true;
}

/* Fills *test; answers NULL or what is wrong with the case. test->hello is the caller's to free. */
static const char *read_case(const json_t *object, struct test_case *test)
{
    const json_t *name = json_object_get(object, "name");
    if (!json_is_string(name))
        return "a case without a name";
    text_escape(json_string_value(name), json_string_length(name), test->name, CASE_NAME_MAX);

    const json_t *hello = json_object_get(object, "hello");
    if (!json_is_string(hello) || json_string_length(hello) % 2 != 0)
        return "hello is no hex string";
    test->len = json_string_length(hello) / 2;
    test->hello = malloc(test->len + 1);
    if (test->hello == NULL || !hex_decode(json_string_value(hello), test->hello, test->len))
        return "hello is no hex string";
    if (!read_verdict(json_object_get(object, "verdict"), &test->verdict))
        return "verdict is none of ok, no_sni, not_tls, malformed";
    test->sni = json_object_get(object, "sni");
    if (test->verdict == CLIENTHELLO_OK ? !json_is_string(test->sni) : !json_is_null(test->sni))
        return "sni is a string with verdict ok and null otherwise";
    test->alpn = json_object_get(object, "alpn");
    if (!strings_alone(test->alpn))
        return "alpn is no list of strings";
    if (!json_is_boolean(json_object_get(object, "ech")))
        return "ech is neither true nor false";
    test->ech = json_is_true(json_object_get(object, "ech"));
    return NULL;
}

static int check_file(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
        return 2;
    }
    int status = 0;
    size_t held = 0;
    const json_t *cases = json_object_get(root, "cases");
    size_t count = json_array_size(cases);
    if (count == 0) {
        fprintf(stderr, "%s: no list \"cases\" with at least one case\n", path);
        status = 2;
    }
    for (size_t i = 0; i < count; i++) {
        struct test_case test = {0};
        const char *wrong = read_case(json_array_get(cases, i), &test);
        if (wrong != NULL) {
            fprintf(stderr, "%s: case %zu %s: %s\n", path, i + 1, test.name, wrong);
            status = 2;
        } else if (check_case(&test)) {
            held++;
        } else if (status == 0) {
            status = 1;
        }
        free(test.hello);
    }
    printf("%s: %zu of %zu cases hold\n", path, held, count);
    json_decref(root);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: vectors_clienthello FILE\n");
        return 2;
    }
    return check_file(argv[1]);
}
