/*
 * Sealing and opening the VPN's packets beside libsodium, in one run: for each size all ways take
 * turns, and of each the median of the rounds counts. Time is CPU time of the process.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef QUICKTUN_BOX_WIDE
#include "lib/quicktun/box_wide.h"
#endif

enum {
    ROUNDS = 9,
    ROUND_BYTES = 8 << 20, /* that a round seals, and opens */
    ROUND_PACKETS = 60000, /* but not more of them */
    LEN_MAX = 32000,
    WAYS_MAX = 3,
    TAG = 16,
};

struct packet {
    uint8_t tag[TAG];
    uint8_t text[LEN_MAX];
};

struct keys {
    uint8_t shared[32];
    uint8_t nonce[24];
    uint8_t subkey[32];
};

struct way {
    const char *name;
    const void *wide; /* struct quicktun_box_wide; NULL = libsodium */
    double seal_s[ROUNDS], open_s[ROUNDS];
};

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void seal(const struct way *way, const struct keys *keys, struct packet *packet, size_t len)
{
#ifdef QUICKTUN_BOX_WIDE
    if (way->wide) {
        quicktun_box_wide_seal(way->wide, keys->subkey, keys->nonce + 16, packet->tag, packet->text,
                               len);
        return;
    }
#endif
    (void)way;
    crypto_box_detached_afternm(packet->text, packet->tag, packet->text, len, keys->nonce,
                                keys->shared);
}

static bool opens(const struct way *way, const struct keys *keys, struct packet *packet, size_t len)
{
#ifdef QUICKTUN_BOX_WIDE
    if (way->wide)
        return quicktun_box_wide_open(way->wide, keys->subkey, keys->nonce + 16, packet->tag,
                                      packet->text, len);
#endif
    (void)way;
    return crypto_box_open_detached_afternm(packet->text, packet->text, packet->tag, len,
                                            keys->nonce, keys->shared) == 0;
}

static void seal_round(struct way *way, int round, const struct keys *keys, size_t len, int count)
{
    static struct packet packet;
    double before = cpu_s();
    for (int i = 0; i < count; i++)
        seal(way, keys, &packet, len);
    way->seal_s[round] = (cpu_s() - before) / count;
}

/* Each packet is opened where it lies, so a sealed one is copied there first. */
static bool open_round(struct way *way, int round, const struct keys *keys, size_t len, int count)
{
    static struct packet sealed;
    static struct packet packet;
    bool right = true;
    memset(&sealed, 7, sizeof sealed);
    seal(way, keys, &sealed, len);
    double before = cpu_s();
    for (int i = 0; i < count && right; i++) {
        memcpy(&packet, &sealed, TAG + len);
        right = opens(way, keys, &packet, len);
    }
    way->open_s[round] = (cpu_s() - before) / count;
    return right;
}

static int by_size(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return difference < 0 ? -1 : difference > 0;
}

static double rate(double seconds[ROUNDS], size_t len)
{
    qsort(seconds, ROUNDS, sizeof *seconds, by_size);
    return (double)len / seconds[ROUNDS / 2] / 1e6;
}

static int measure(struct way *ways, int way_count, const struct keys *keys, size_t len)
{
    int count = (int)(ROUND_BYTES / len);
    count = count > ROUND_PACKETS ? ROUND_PACKETS : count;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < way_count; i++) {
            struct way *way = &ways[round % 2 ? way_count - 1 - i : i];
            seal_round(way, round, keys, len, count);
            if (!open_round(way, round, keys, len, count)) {
                fprintf(stderr, "box: %s does not open what it sealed\n", way->name);
                return 1;
            }
        }
    }
    double base_seal = 0;
    double base_open = 0;
    for (int i = 0; i < way_count; i++) {
        double sealed = rate(ways[i].seal_s, len);
        double opened = rate(ways[i].open_s, len);
        base_seal = i == 0 ? sealed : base_seal;
        base_open = i == 0 ? opened : base_open;
        printf("%6zu  %-12s  %7.0f  %5.2f  %7.0f  %5.2f\n", len, ways[i].name, sealed,
               sealed / base_seal, opened, opened / base_open);
    }
    return 0;
}

static int find_ways(struct way ways[WAYS_MAX])
{
    int count = 0;
    ways[count++].name = "libsodium";
#ifdef QUICKTUN_BOX_WIDE
    if (quicktun_box_wide_can(&quicktun_box_avx512))
        ways[count++] = (struct way){.name = "AVX-512", .wide = &quicktun_box_avx512};
    if (quicktun_box_wide_can(&quicktun_box_ifma))
        ways[count++] = (struct way){.name = "AVX-512 IFMA", .wide = &quicktun_box_ifma};
#endif
    return count;
}

int main(void)
{
    static const size_t lens[] = {64, 1400, LEN_MAX};
    static struct way ways[WAYS_MAX];
    struct keys keys;
    int failed = sodium_init() < 0;
    int way_count = find_ways(ways);
    randombytes_buf(&keys, sizeof keys);
    printf("VPN packets, XSalsa20-Poly1305: MB/s of CPU time, and ratio to libsodium\n"
           " bytes  by              seal  ratio     open  ratio\n");
    for (size_t i = 0; i < sizeof lens / sizeof *lens && !failed; i++)
        failed = measure(ways, way_count, &keys, lens[i]);
    return failed;
}
