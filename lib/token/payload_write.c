#include "base/encode.h"
#include "base/hostname.h"
#include "base/ip.h"
#include "lib/token/payload.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * Written by hand: a JSON library would leave copies of the keys in freed memory, and print
 * numbers by the locale. No name that passes the checks needs escaping.
 */
struct writer {
    char *out;
    size_t size;
    size_t len;
    int error;
};

static void fail(struct writer *writer, int error)
{
    if (writer->error == SNITUN_TOKEN_OK)
        writer->error = error;
}

__attribute__((format(printf, 2, 3))) static void put(struct writer *writer, const char *format,
                                                      ...)
{
    if (writer->error != SNITUN_TOKEN_OK)
        return;
    va_list arguments;
    va_start(arguments, format);
    size_t room = writer->size - writer->len;
    int len = vsnprintf(writer->out + writer->len, room, format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= room)
        fail(writer, SNITUN_TOKEN_E_TOO_LONG);
    else
        writer->len += (size_t)len;
}

static void put_hex(struct writer *writer, const uint8_t *bytes, size_t len)
{
    char text[2 * sizeof(((struct snitun_keys *)NULL)->aes_key) + 1];
    hex_encode(bytes, len, text);
    put(writer, "\"%s\"", text);
    wipe(text, sizeof(text));
}

static void put_valid(struct writer *writer, double valid)
{
    if (!(valid >= 0 && valid <= SNITUN_TOKEN_VALID_MAX)) {
        fail(writer, SNITUN_TOKEN_E_PAYLOAD);
        return;
    }
    unsigned long long seconds = (unsigned long long)valid;
    unsigned micros = (unsigned)((valid - (double)seconds) * 1e6 + 0.5);
    if (micros == 1000000) {
        seconds++;
        micros = 0;
    }
    put(writer, "%llu", seconds);
    if (micros == 0)
        return;
    int digits = 6;
    for (; micros % 10 == 0; micros /= 10)
        digits--;
    put(writer, ".%0*u", digits, micros);
}

static void put_name(struct writer *writer, const char *name)
{
    if (!hostname_valid(name))
        fail(writer, SNITUN_TOKEN_E_PAYLOAD);
    put(writer, "\"%s\"", name);
}

static void put_cidr(struct writer *writer, const struct snitun_token_cidr *block)
{
    struct cidr cidr = {.ip = block->ip, .prefix_len = block->prefix_len};
    struct cidr again;
    char text[CIDR_TEXT_MAX];
    cidr_format(&cidr, text);
    if (!cidr_parse(text, &again))
        fail(writer, SNITUN_TOKEN_E_PAYLOAD);
    put(writer, "\"%s\"", text);
}

static void put_lists(struct writer *writer, const struct snitun_token *token)
{
    if (token->alias_count > 0) {
        put(writer, ",\"alias\":[");
        for (size_t i = 0; i < token->alias_count; i++) {
            put(writer, "%s", i > 0 ? "," : "");
            put_name(writer, token->aliases[i]);
        }
        put(writer, "]");
    }
    if (token->whitelist_count > 0) {
        put(writer, ",\"whitelist\":[");
        for (size_t i = 0; i < token->whitelist_count; i++) {
            put(writer, "%s", i > 0 ? "," : "");
            put_cidr(writer, &token->whitelist[i]);
        }
        put(writer, "]");
    }
}

int payload_write(const struct snitun_token *token, char *out, size_t out_len, size_t *len)
{
    struct writer writer = {.out = out, .size = out_len};
    const char *cipher = snitun_cipher_name(token->keys.cipher);
    if (cipher == NULL || token->keys.protocol_version > SNITUN_TOKEN_VERSION_MAX)
        return SNITUN_TOKEN_E_PAYLOAD;
    put(&writer, "{\"valid\":");
    put_valid(&writer, token->valid);
    put(&writer, ",\"hostname\":");
    put_name(&writer, token->hostname);
    put(&writer, ",\"aes_key\":");
    put_hex(&writer, token->keys.aes_key, sizeof(token->keys.aes_key));
    put(&writer, ",\"aes_iv\":");
    put_hex(&writer, token->keys.aes_iv, sizeof(token->keys.aes_iv));
    put(&writer, ",\"protocol_version\":%u", (unsigned)token->keys.protocol_version);
    if (token->keys.cipher != SNITUN_AES_CBC)
        put(&writer, ",\"cipher\":\"%s\"", cipher);
    put_lists(&writer, token);
    put(&writer, "}");
    *len = writer.len;
    return writer.error;
}
