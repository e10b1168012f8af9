#include "base/encode.h"

#include <string.h>

static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_digits[] = "0123456789abcdef";

void base64url_encode(const void *bytes, size_t len, char *out)
{
    const uint8_t *in = bytes;
    for (; len > 0; out += 4) {
        size_t piece = len < 3 ? len : 3;
        uint32_t bits = (uint32_t)in[0] << 16;
        if (piece > 1)
            bits |= (uint32_t)in[1] << 8;
        if (piece > 2)
            bits |= in[2];
        out[0] = base64url_digits[bits >> 18];
        out[1] = base64url_digits[bits >> 12 & 63];
        out[2] = piece > 1 ? base64url_digits[bits >> 6 & 63] : '=';
        out[3] = piece > 2 ? base64url_digits[bits & 63] : '=';
        in += piece;
        len -= piece;
    }
    *out = '\0';
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

/* The bits of a group's first `count` characters, top-aligned in 24; false for any other one. */
static bool base64url_group(const char *text, size_t count, uint32_t *bits)
{
    *bits = 0;
    for (size_t i = 0; i < count; i++) {
        int value = base64url_value(text[i]);
        if (value < 0)
            return false;
        *bits |= (uint32_t)value << (18 - 6 * i);
    }
    return true;
}

long base64url_decode(const char *text, size_t len, uint8_t *out)
{
    if (len % 4 != 0)
        return -1;
    long decoded = 0;
    for (size_t at = 0; at < len; at += 4) {
        size_t count = 4;
        if (at + 4 == len && text[at + 3] == '=')
            count = text[at + 2] == '=' ? 2 : 3;
        uint32_t bits;
        if (!base64url_group(text + at, count, &bits))
            return -1;
        uint32_t unused = (uint32_t)0xffffff >> (8 * (count - 1));
        if ((bits & unused) != 0)
            return -1;
        for (size_t i = 0; i + 1 < count; i++)
            out[decoded++] = (uint8_t)(bits >> (16 - 8 * i));
    }
    return decoded;
}

void hex_encode(const void *bytes, size_t len, char *out)
{
    const uint8_t *in = bytes;
    for (size_t i = 0; i < len; i++) {
        *out++ = hex_digits[in[i] >> 4];
        *out++ = hex_digits[in[i] & 15];
    }
    *out = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hex_decode(const char *text, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++, text += 2) {
        int high = hex_value(text[0]);
        int low = high < 0 ? -1 : hex_value(text[1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return *text == '\0';
}

/* Writes the shown form of one byte to out and returns its length, 1 or 4. */
static size_t escape_byte(uint8_t byte, char out[4])
{
    if (byte >= 0x20 && byte <= 0x7e && byte != '\\') {
        out[0] = (char)byte;
        return 1;
    }
    out[0] = '\\';
    out[1] = 'x';
    out[2] = hex_digits[byte >> 4];
    out[3] = hex_digits[byte & 15];
    return 4;
}

char *text_escape(const void *bytes, size_t len, char *out, size_t out_len)
{
    static const char dots[] = "...";
    if (out_len == 0)
        return out;
    const uint8_t *in = bytes;
    size_t at = 0;
    size_t cut = 0; /* the last place where the dots and a NUL still fit */
    for (size_t i = 0; i < len; i++) {
        char shown[4];
        size_t width = escape_byte(in[i], shown);
        if (at + sizeof(dots) <= out_len)
            cut = at;
        if (at + width >= out_len) {
            if (out_len < sizeof(dots))
                out[0] = '\0';
            else
                memcpy(out + cut, dots, sizeof(dots));
            return out;
        }
        memcpy(out + at, shown, width);
        at += width;
    }
    out[at] = '\0';
    return out;
}

void wipe(void *memory, size_t len)
{
    explicit_bzero(memory, len);
}

bool equal_secret(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *left = a;
    const volatile uint8_t *right = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (uint8_t)(left[i] ^ right[i]);
    return difference == 0;
}
