#include "token_parts.h"

#include <string.h>

struct snitun_keyring token_keyring(const char *text)
{
    struct snitun_keyring keyring;
    unsigned line;
    assert_int_equal(snitun_keyring_parse(&keyring, text, strlen(text), &line), 0);
    return keyring;
}

void token_expect_zero(const void *memory, size_t len)
{
    const uint8_t *bytes = memory;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], 0);
}
