/*
 * Input: u16 how many bytes come at once, then the first bytes of a connection.
 * What holds of every input: a verdict is final, a header that was read can be written and read
 * again in both versions.
 */
#include "adit/proxyheader.h"
#include "base/ip.h"
#include "tests/fuzz/fuzz.h"

enum { PIECES_MAX = 64 };

static enum proxyheader_verdict parse(const uint8_t *in, size_t len, struct proxyheader *header,
                                      size_t *used)
{
    uint8_t *copy = fuzz_copy(in, len);
    enum proxyheader_verdict verdict = proxyheader_parse(copy, len, header, used);
    free(copy);
    FUZZ_CHECK(*used <= len && (verdict == PROXYHEADER_OK) == (*used > 0));
    FUZZ_CHECK(header->has_source == (header->source.family != 0));
    FUZZ_CHECK(header->has_source == (header->destination.family != 0));
    if (verdict != PROXYHEADER_OK)
        FUZZ_CHECK(!header->has_source);
    return verdict;
}

static void write_and_read(const struct proxyheader *header)
{
    for (int version = 1; version <= 2; version++) {
        uint8_t out[PROXYHEADER_WRITE_MAX];
        struct proxyheader again;
        size_t used;
        size_t len = proxyheader_write(version, header, out);
        FUZZ_CHECK(parse(out, len, &again, &used) == PROXYHEADER_OK && used == len);
        FUZZ_CHECK(again.has_source == header->has_source);
        FUZZ_CHECK(ip_equal(&again.source, &header->source));
        FUZZ_CHECK(ip_equal(&again.destination, &header->destination));
        FUZZ_CHECK(again.source_port == header->source_port);
        FUZZ_CHECK(again.destination_port == header->destination_port);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t len = size - 2;
    size_t piece = (size_t)(data[0] << 8 | data[1]);
    size_t used_first = 0;
    enum proxyheader_verdict first = PROXYHEADER_INCOMPLETE;
    struct proxyheader header;
    if (piece <= len / PIECES_MAX)
        piece = len / PIECES_MAX + 1;
    for (size_t at = 0, looks = 0; looks == 0 || at < len; looks++) {
        size_t used;
        at = len - at < piece ? len : at + piece;
        enum proxyheader_verdict verdict = parse(data + 2, at, &header, &used);
        if (first != PROXYHEADER_INCOMPLETE)
            FUZZ_CHECK(verdict == first && used == used_first);
        first = verdict;
        used_first = used;
    }
    if (first == PROXYHEADER_OK)
        write_and_read(&header);
    return 0;
}
