#include <adit/snitun.h>
#include <string.h>

const char *snitun_error_text(int error)
{
    switch (error) {
    case SNITUN_OK:
        return "no error";
    case SNITUN_E_NO_MEMORY:
        return "out of memory";
    case SNITUN_E_RANDOM:
        return "no random bytes";
    case SNITUN_E_CRYPTO:
        return "the cryptographic library failed";
    case SNITUN_E_AUTHENTICATION:
        return "an encrypted unit is not authentic: other keys, or changed on the way";
    case SNITUN_E_NONCE:
        return "an encrypted unit is not the next one: repeated, left out or reflected";
    case SNITUN_E_CHALLENGE:
        return "the challenge was answered wrongly: the client does not have the token's keys";
    case SNITUN_E_NEW_SIZE:
        return "a NEW frame whose payload is not 16 or 32 bytes";
    case SNITUN_E_NEW_ADDRESS:
        return "a NEW frame whose address is neither IPv4 nor IPv6";
    case SNITUN_E_CHANNEL_LIVE:
        return "a NEW frame for a channel that is open";
    case SNITUN_E_HANDSHAKE_TIMEOUT:
        return "the challenge was not sent or answered in time";
    case SNITUN_E_DEAD:
        return "the other side is silent";
    case SNITUN_E_COUNTER:
        return "the key has encrypted all it may";
    default:
        return "unknown error";
    }
}

static const char *const cipher_names[] = {
    [SNITUN_AES_CBC] = "aes-cbc",
    [SNITUN_AES_GCM] = "aes-gcm",
    [SNITUN_AES_GCM_SIV] = "aes-gcm-siv",
};

enum { CIPHERS = sizeof cipher_names / sizeof *cipher_names };

const char *snitun_cipher_name(enum snitun_cipher cipher)
{
    unsigned index = (unsigned)cipher;
    return index < CIPHERS ? cipher_names[index] : NULL;
}

int snitun_cipher_by_name(const char *name)
{
    for (int i = 0; i < CIPHERS; i++)
        if (strcmp(name, cipher_names[i]) == 0)
            return i;
    return -1;
}
