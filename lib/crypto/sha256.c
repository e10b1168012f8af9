#include "lib/crypto/sha256.h"

#include <openssl/evp.h>

int sha256(const void *bytes, size_t len, uint8_t digest[SHA256_LEN])
{
    return EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL) == 1 ? 0 : -1;
}
