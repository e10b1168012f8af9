/*
 * Input: u16 how many bytes come at once, then the first bytes of a connection.
 * What holds of every input: a verdict is final, only OK comes with a name and the name keeps its
 * rules, and `need` asks for more than there is.
 */
#include "adit/clienthello.h"
#include "tests/fuzz/fuzz.h"

enum { PIECES_MAX = 64 };

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

/* What is said of fewer bytes, and of more. */
static void check_order(enum clienthello_verdict first, size_t need_first,
                        enum clienthello_verdict verdict, size_t need, size_t len)
{
    if (first != CLIENTHELLO_INCOMPLETE)
        FUZZ_CHECK(verdict == first);
    else if (verdict == CLIENTHELLO_INCOMPLETE)
        FUZZ_CHECK(need >= need_first);
    else if (verdict >= 0)
        FUZZ_CHECK(len >= need_first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t len = size - 2;
    size_t piece = (size_t)(data[0] << 8 | data[1]);
    size_t need_first = 0;
    enum clienthello_verdict first = CLIENTHELLO_INCOMPLETE;
    if (piece <= len / PIECES_MAX)
        piece = len / PIECES_MAX + 1;
    for (size_t at = 0, looks = 0; looks == 0 || at < len; looks++) {
        size_t need;
        at = len - at < piece ? len : at + piece;
        enum clienthello_verdict verdict = parse(data + 2, at, &need);
        check_order(first, need_first, verdict, need, at);
        first = verdict;
        need_first = need;
    }
    return 0;
}
