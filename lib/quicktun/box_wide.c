/*
 * The first 32 bytes of the key stream are the key of Poly1305; the text is added to what follows
 * them. So a packet begins with a few blocks made in a buffer of our own, whose rest goes to the
 * front of the text; then whole blocks are added to the text where it lies, and the end is added
 * from a buffer again.
 *
 * Sealing takes strips that stay in the processor's nearest cache: each is encrypted and goes into
 * the tag while it is there. Opening reads all for the tag first, and decrypts when it is right: a
 * packet fits into the second cache, where a second walk costs next to nothing, and no plaintext is
 * ever there that would have to be taken back.
 */
#include "lib/quicktun/box_wide.h"

#include <sodium.h>
#include <string.h>

enum {
    BLOCK = QUICKTUN_SALSA20_BLOCK,
    GROUP = QUICKTUN_SALSA20_LANES * BLOCK,
    STREAM =
        2 * GROUP, /* bytes of key stream in a buffer: what the widest registers make at once */
    MAC_KEY = QUICKTUN_POLY1305_KEY,
    MAC_BLOCK = QUICKTUN_POLY1305_BLOCK,
    STRIP = 16384,
};

struct work {
    const struct quicktun_box_wide *wide;
    struct quicktun_salsa20 salsa20;
    struct quicktun_poly1305 poly1305;
    uint8_t stream[STREAM];
    uint8_t *text;
    size_t len;
    size_t added; /* bytes of text that the key stream was added to */
    size_t taken; /* bytes of text that are in the tag */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static uint64_t load(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static void add_bytes(uint8_t *text, const uint8_t *stream, size_t len)
{
    for (; len >= sizeof(uint64_t); len -= sizeof(uint64_t)) {
        uint64_t sum = load(text) ^ load(stream);
        memcpy(text, &sum, sizeof sum);
        text += sizeof sum;
        stream += sizeof sum;
    }
    for (size_t i = 0; i < len; i++)
        text[i] ^= stream[i];
}

/* Makes at least len bytes of key stream. */
static void make_stream(struct work *work, uint32_t first, size_t len)
{
    size_t blocks = (len > GROUP ? STREAM : GROUP) / BLOCK;
    memset(work->stream, 0, blocks * BLOCK);
    work->wide->xor_blocks(&work->salsa20, first, work->stream, blocks);
}

static void start(struct work *work, const uint8_t subkey[32], const uint8_t rest[8])
{
    quicktun_salsa20_init(&work->salsa20, subkey, rest);
    make_stream(work, 0, smaller(MAC_KEY + work->len, STREAM));
    quicktun_poly1305_start(&work->poly1305, work->stream);
}

/* Adds the key stream to the next bytes, of a strip at most. Call it first of all after start(). */
static void add_strip(struct work *work)
{
    uint8_t *at = work->text + work->added;
    size_t left = work->len - work->added;
    size_t whole = smaller(left, STRIP) / STREAM * STREAM;
    uint32_t block = (uint32_t)((MAC_KEY + work->added) / BLOCK);
    size_t len = whole;
    if (work->added == 0) {
        len = smaller(left, STREAM - MAC_KEY);
        add_bytes(at, work->stream + MAC_KEY, len);
    } else if (whole > 0) {
        work->wide->xor_blocks(&work->salsa20, block, at, whole / BLOCK);
    } else {
        len = left;
        make_stream(work, block, len);
        add_bytes(at, work->stream, len);
    }
    work->added += len;
}

/* Takes the whole blocks of the text up to `end` into the tag. */
static void take(struct work *work, size_t end)
{
    size_t blocks = (end - work->taken) / MAC_BLOCK;
    work->wide->mac_blocks(&work->poly1305, work->text + work->taken, blocks);
    work->taken += blocks * MAC_BLOCK;
}

static void finish(struct work *work, uint8_t tag[16])
{
    take(work, work->len);
    quicktun_poly1305_finish(&work->poly1305, work->text + work->taken, work->len - work->taken,
                             tag);
}

void quicktun_box_wide_seal(const struct quicktun_box_wide *wide, const uint8_t subkey[32],
                            const uint8_t rest[8], uint8_t tag[16], uint8_t *text, size_t len)
{
    struct work work = {.wide = wide, .text = text, .len = len};
    start(&work, subkey, rest);
    while (work.added < len) {
        add_strip(&work);
        if (work.added - work.taken >= STRIP)
            take(&work, work.added);
    }
    finish(&work, tag);
    sodium_memzero(&work, sizeof work);
}

bool quicktun_box_wide_open(const struct quicktun_box_wide *wide, const uint8_t subkey[32],
                            const uint8_t rest[8], const uint8_t tag[16], uint8_t *text, size_t len)
{
    struct work work = {.wide = wide, .text = text, .len = len};
    uint8_t right_tag[QUICKTUN_POLY1305_TAG];
    start(&work, subkey, rest);
    finish(&work, right_tag);
    bool right = crypto_verify_16(tag, right_tag) == 0;
    while (right && work.added < len)
        add_strip(&work);
    sodium_memzero(right_tag, sizeof right_tag);
    sodium_memzero(&work, sizeof work);
    return right;
}

/* ---- Which instruction set ---- */

const struct quicktun_box_wide quicktun_box_avx512 = {
    .xor_blocks = quicktun_salsa20_xor_avx512,
    .mac_blocks = quicktun_poly1305_blocks_avx2,
};

const struct quicktun_box_wide quicktun_box_ifma = {
    .xor_blocks = quicktun_salsa20_xor_avx512,
    .mac_blocks = quicktun_poly1305_blocks_ifma,
};

/* With AVX2 alone libsodium is nearly as fast: its Salsa20 has the same registers. */
bool quicktun_box_wide_can(const struct quicktun_box_wide *wide)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("avx512f") ||
        !__builtin_cpu_supports("avx512vl"))
        return false;
    return wide == &quicktun_box_avx512 || __builtin_cpu_supports("avx512ifma");
}

const struct quicktun_box_wide *quicktun_box_wide(void)
{
    if (quicktun_box_wide_can(&quicktun_box_ifma))
        return &quicktun_box_ifma;
    return quicktun_box_wide_can(&quicktun_box_avx512) ? &quicktun_box_avx512 : NULL;
}
