/*
 * Input: u16 where to split, then the first bytes of a connection.
 * What holds of every input: a verdict is final, a header that was read can be written and read
 * again in both versions.
 */
#include "adit/proxyheader.h"
#include "base/ip.h"
#include "tests/fuzz/fuzz.h"

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
    size_t split = (size_t)(data[0] << 8 | data[1]) % (len + 1);
    struct proxyheader header;
    size_t used_first;
    size_t used;
    enum proxyheader_verdict first = parse(data + 2, split, &header, &used_first);
    enum proxyheader_verdict verdict = parse(data + 2, len, &header, &used);
    if (first != PROXYHEADER_INCOMPLETE)
        FUZZ_CHECK(verdict == first && used == used_first);
    if (verdict == PROXYHEADER_OK)
        write_and_read(&header);
    return 0;
}
