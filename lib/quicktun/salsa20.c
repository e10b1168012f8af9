#include "lib/quicktun/salsa20.h"

static uint32_t word(const uint8_t bytes[4])
{
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

/* The diagonal is the constant, the counter stands between: 4 words of key, nonce, counter, 4 words
 * of key. */
void quicktun_salsa20_init(struct quicktun_salsa20 *salsa20, const uint8_t key[32],
                           const uint8_t nonce[8])
{
    static const uint8_t constant[] = "expand 32-byte k";
    for (size_t i = 0; i < 4; i++) {
        salsa20->words[5 * i] = word(constant + 4 * i);
        salsa20->words[1 + i] = word(key + 4 * i);
        salsa20->words[11 + i] = word(key + 16 + 4 * i);
    }
    salsa20->words[6] = word(nonce);
    salsa20->words[7] = word(nonce + 4);
    salsa20->words[8] = 0;
    salsa20->words[9] = 0;
}
