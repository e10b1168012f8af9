#include "bench/wire.h"

#include <string.h>

static const uint8_t order_magic[4] = {'L', 'O', 'A', 'D'};

/* Fixed parts of the ClientHello, up to and after the parts that vary (RFC 8446, 4.1.2). */
static const uint8_t hello_ciphers[] = {
    0x00, 0x1e,                                                             /* bytes of suites */
    0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, /* */
    0xc0, 0x30, 0xcc, 0xa9, 0xcc, 0xa8, 0xc0, 0x13, 0xc0, 0x14, 0x00, 0x9c, /* */
    0x00, 0x9d, 0x00, 0x2f, 0x00, 0x35,                                     /* */
    0x01, 0x00,                                                             /* no compression */
};
static const uint8_t hello_extensions[] = {
    0x00, 0x2b, 0x00, 0x05, 0x04, 0x03, 0x04, 0x03, 0x03,       /* supported_versions */
    0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x1d,             /* supported_groups */
    0x00, 0x0d, 0x00, 0x08, 0x00, 0x06, 0x04, 0x03, 0x08, 0x04, /* signature_algorithms */
    0x04, 0x01,                                                 /* */
    0x00, 0x10, 0x00, 0x0e, 0x00, 0x0c, 0x02, 'h',  '2',  0x08, /* ALPN */
    'h',  't',  't',  'p',  '/',  '1',  '.',  '1',              /* */
    0x00, 0x17, 0x00, 0x00,                                     /* extended_master_secret */
    0x00, 0x33, 0x00, 0x26, 0x00, 0x24, 0x00, 0x1d, 0x00, 0x20, /* key_share, its 32 bytes follow */
};
enum { HELLO_RANDOM = 32, RECORD_HEADER = 5, HANDSHAKE_HEADER = 4, SNI_HEADER = 9 };

static uint8_t pattern[PATTERN_PERIOD + WIRE_CHUNK];

static uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352d;
    x ^= x >> 15;
    x *= 0x846ca68b;
    return x ^ x >> 16;
}

static uint8_t *put_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

static uint8_t *put_random(uint8_t *at, uint32_t seed, uint32_t salt)
{
    for (uint32_t i = 0; i < HELLO_RANDOM; i++)
        at[i] = (uint8_t)mix(seed * 96 + salt * HELLO_RANDOM + i);
    return at + HELLO_RANDOM;
}

size_t hello_len(const char *name)
{
    return RECORD_HEADER + HANDSHAKE_HEADER + 2 + HELLO_RANDOM + 1 + HELLO_RANDOM +
           sizeof(hello_ciphers) + 2 + SNI_HEADER + strlen(name) + sizeof(hello_extensions) +
           HELLO_RANDOM;
}

size_t hello_build(uint8_t out[HELLO_MAX], const char *name, uint32_t seed)
{
    size_t len = hello_len(name);
    size_t name_len = strlen(name);
    uint8_t *at = put(out, "\x16\x03\x01", 3);
    at = put_u16(at, len - RECORD_HEADER);
    at = put_u16(at, 0x0100); /* ClientHello, its length in three bytes */
    at = put_u16(at, len - RECORD_HEADER - HANDSHAKE_HEADER);
    at = put_u16(at, 0x0303);
    at = put_random(at, seed, 0);
    *at++ = HELLO_RANDOM; /* session id */
    at = put_random(at, seed, 1);
    at = put(at, hello_ciphers, sizeof(hello_ciphers));
    at = put_u16(at, SNI_HEADER + name_len + sizeof(hello_extensions) + HELLO_RANDOM);
    at = put_u16(at, 0); /* server_name (RFC 6066, 3) */
    at = put_u16(at, name_len + 5);
    at = put_u16(at, name_len + 3);
    *at++ = 0; /* host_name */
    at = put_u16(at, name_len);
    at = put(at, name, name_len);
    at = put(at, hello_extensions, sizeof(hello_extensions));
    at = put_random(at, seed, 2);
    return (size_t)(at - out);
}

void order_write(uint8_t out[ORDER_LEN], const struct order *order)
{
    memcpy(out, order_magic, sizeof(order_magic));
    memcpy(out + 4, &order->seed, sizeof(order->seed));
    memset(out + 8, 0, 4);
    out[8] = (uint8_t)order->kind;
}

bool order_read(struct order *order, const uint8_t in[ORDER_LEN])
{
    if (memcmp(in, order_magic, sizeof(order_magic)) != 0 || in[8] < ORDER_SEND ||
        in[8] > ORDER_ECHO)
        return false;
    order->kind = (enum order_kind)in[8];
    memcpy(&order->seed, in + 4, sizeof(order->seed));
    return true;
}

void pattern_init(void)
{
    for (uint32_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)mix(i % PATTERN_PERIOD);
}

const uint8_t *pattern_at(uint32_t seed, uint64_t position)
{
    return pattern + (mix(seed) + position) % PATTERN_PERIOD;
}

bool pattern_matches(uint32_t seed, uint64_t position, const uint8_t *bytes, size_t len)
{
    return memcmp(pattern_at(seed, position), bytes, len) == 0;
}
