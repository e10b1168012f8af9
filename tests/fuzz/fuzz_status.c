/*
 * Input: a byte, how many lines there is room for; a role's answer to `status`, a NUL, and an
 * earlier one. What holds of every input: no more lines than there is room for, as many as it says,
 * and nothing in them that a terminal obeys.
 */
#include "cli/statustext.h"
#include "tests/fuzz/fuzz.h"

static json_t *object_of(const char *text, size_t len)
{
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

static void check(const char *text, size_t len, unsigned lines, unsigned max_lines)
{
    unsigned counted = 0;
    for (size_t i = 0; i < len; i++) {
        counted += text[i] == '\n';
        FUZZ_CHECK((text[i] >= ' ' && text[i] <= '~') || text[i] == '\n');
    }
    FUZZ_CHECK(counted == lines);
    FUZZ_CHECK(max_lines == 0 || lines <= max_lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    size_t now_len = strnlen(text, size - 1);
    size_t rest = size - 1 - now_len;
    json_t *now = object_of(text, now_len);
    json_t *before = rest == 0 ? NULL : object_of(text + now_len + 1, rest - 1);
    if (now != NULL) {
        char *shown = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&shown, &len);
        FUZZ_CHECK(out != NULL);
        unsigned max_lines = data[0] % 64;
        unsigned lines = statustext_print(out, now, before, data[0] / 64.0, max_lines);
        FUZZ_CHECK(fclose(out) == 0);
        check(shown, len, lines, max_lines);
        free(shown);
    }
    json_decref(now);
    json_decref(before);
    return 0;
}
