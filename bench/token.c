#include "bench/token.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { VALID_S = 3600 };

bool token_read_key(const char *path, uint8_t key[TOKEN_KEY_LEN])
{
    char text[64] = "";
    uint8_t bytes[64];
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    bool fine = fgets(text, sizeof(text), file) != NULL && strcspn(text, "\r\n") == 44;
    fclose(file);
    text[44] = '\0';
    for (char *at = text; *at != '\0'; at++)
        *at = *at == '-' ? '+' : *at == '_' ? '/' : *at;
    fine = fine && EVP_DecodeBlock(bytes, (const uint8_t *)text, 44) == 33;
    memcpy(key, bytes, TOKEN_KEY_LEN);
    return fine;
}

/* Fernet as published: version, time, iv, ciphertext, HMAC; base64url. */
static bool mint(const uint8_t key[TOKEN_KEY_LEN], const char *payload, char out[TOKEN_MAX])
{
    uint8_t raw[TOKEN_MAX * 3 / 4];
    size_t payload_len = strlen(payload);
    uint64_t now = (uint64_t)time(NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int body = 0;
    int tail = 0;
    if (ctx == NULL || payload_len + 16 + 25 + 32 > sizeof(raw)) {
        EVP_CIPHER_CTX_free(ctx);
        return false;
    }
    raw[0] = 0x80;
    for (unsigned i = 0; i < 8; i++)
        raw[1 + i] = (uint8_t)(now >> (56 - 8 * i));
    bool fine =
        RAND_bytes(raw + 9, 16) == 1 &&
        EVP_EncryptInit_ex(ctx, EVP_aes_128_cbc(), NULL, key + 16, raw + 9) == 1 &&
        EVP_EncryptUpdate(ctx, raw + 25, &body, (const uint8_t *)payload, (int)payload_len) == 1 &&
        EVP_EncryptFinal_ex(ctx, raw + 25 + body, &tail) == 1;
    EVP_CIPHER_CTX_free(ctx);
    size_t len = 25 + (size_t)(body + tail);
    if (!fine || HMAC(EVP_sha256(), key, 16, raw, len, raw + len, NULL) == NULL)
        return false;
    EVP_EncodeBlock((uint8_t *)out, raw, (int)len + 32);
    for (char *at = out; *at != '\0'; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    return true;
}

static void hex(char *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

bool token_mint(const uint8_t key[TOKEN_KEY_LEN], const char *name,
                const uint8_t aes_key[TOKEN_AES_KEY_LEN], const uint8_t aes_iv[TOKEN_AES_IV_LEN],
                char out[TOKEN_MAX])
{
    char key_hex[2 * TOKEN_AES_KEY_LEN + 1];
    char iv_hex[2 * TOKEN_AES_IV_LEN + 1];
    char payload[400];
    hex(key_hex, aes_key, TOKEN_AES_KEY_LEN);
    hex(iv_hex, aes_iv, TOKEN_AES_IV_LEN);
    snprintf(payload, sizeof(payload),
             "{\"valid\": %" PRId64 ", \"hostname\": \"%s\", \"aes_key\": \"%s\", "
             "\"aes_iv\": \"%s\", \"protocol_version\": 1}",
             (int64_t)time(NULL) + VALID_S, name, key_hex, iv_hex);
    return mint(key, payload, out);
}
