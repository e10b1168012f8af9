/*
 * Input: u16 where to split, then the first bytes of a connection.
 * What holds of every input: a verdict is final, only OK comes with a name and the name keeps its
 * rules, and `need` asks for more than there is.
 */
#include "adit/clienthello.h"
#include "tests/fuzz/fuzz.h"

static void check_contents(enum clienthello_verdict verdict, const struct clienthello *hello)
{
    FUZZ_CHECK((verdict == CLIENTHELLO_OK) == (hello->name_len > 0));
    FUZZ_CHECK(hello->name_len <= CLIENTHELLO_NAME_MAX && hello->name[hello->name_len] == '\0');
    for (size_t i = 0; i < hello->name_len; i++)
        FUZZ_CHECK(hello->name[i] >= 0x21 && hello->name[i] <= 0x7e);
    FUZZ_CHECK(hello->alpn_count <= CLIENTHELLO_ALPN_MAX);
    for (size_t i = 0; i < hello->alpn_count; i++)
        FUZZ_CHECK(hello->alpn[i].len > 0 && hello->alpn[i].name[hello->alpn[i].len] == '\0');
    if (verdict < 0)
        FUZZ_CHECK(hello->alpn_count == 0 && !hello->ech);
}

static enum clienthello_verdict parse(const uint8_t *in, size_t len, size_t *need)
{
    struct clienthello hello;
    uint8_t *copy = fuzz_copy(in, len);
    enum clienthello_verdict verdict = clienthello_parse(copy, len, &hello);
    free(copy);
    check_contents(verdict, &hello);
    *need = hello.need;
    FUZZ_CHECK((verdict == CLIENTHELLO_INCOMPLETE) == (hello.need > len));
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t len = size - 2;
    size_t split = (size_t)(data[0] << 8 | data[1]) % (len + 1);
    size_t need_first;
    size_t need;
    enum clienthello_verdict first = parse(data + 2, split, &need_first);
    enum clienthello_verdict verdict = parse(data + 2, len, &need);
    if (first != CLIENTHELLO_INCOMPLETE)
        FUZZ_CHECK(verdict == first);
    else if (verdict == CLIENTHELLO_INCOMPLETE)
        FUZZ_CHECK(need >= need_first);
    else if (verdict >= 0)
        FUZZ_CHECK(len >= need_first);
    return 0;
}
