#include "lib/crypto/units.h"

#include "base/cursor.h"
#include "base/encode.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/cbc.h"

#include <stdlib.h>
#include <string.h>

enum { PREFIX_CLIENT = 0, PREFIX_SERVER = 1 };

/* Each cipher and the serial of the connection whose key it holds; 0 = nobody's. */
struct units_context {
    adit_random_fn *random;
    void *random_arg;
    uint64_t last_serial;
    struct cbc *encrypt;
    struct cbc *decrypt;
    struct aead *gcm;
    struct aead *siv;
    uint64_t encrypt_serial;
    uint64_t decrypt_serial;
    uint64_t gcm_serial;
    uint64_t siv_serial;
};

static const uint8_t zeros[32];

struct units_context *units_context_new(adit_random_fn *random, void *random_arg)
{
    struct units_context *context = calloc(1, sizeof *context);
    if (!context)
        return NULL;
    context->random = random;
    context->random_arg = random_arg;
    context->encrypt = cbc_new(true);
    context->decrypt = cbc_new(false);
    context->gcm = aead_new(AEAD_AES_256_GCM);
    context->siv = aead_new(AEAD_AES_256_GCM_SIV);
    if (!context->encrypt || !context->decrypt || !context->gcm || !context->siv) {
        units_context_free(context);
        return NULL;
    }
    return context;
}

void units_context_free(struct units_context *context)
{
    if (!context)
        return;
    aead_free(context->siv);
    aead_free(context->gcm);
    cbc_free(context->decrypt);
    cbc_free(context->encrypt);
    free(context);
}

void units_init(struct units *units, struct units_context *context, enum units_cipher cipher,
                const uint8_t key[32], const uint8_t iv[16], bool initiator)
{
    *units = (struct units){
        .serial = ++context->last_serial,
        .cipher = (uint8_t)cipher,
        .initiator = initiator,
    };
    memcpy(units->key, key, sizeof units->key);
    if (cipher == UNITS_AES_CBC) {
        memcpy(units->sent.iv, iv, sizeof units->sent.iv);
        memcpy(units->received.iv, iv, sizeof units->received.iv);
    }
}

void units_wipe(struct units *units, struct units_context *context)
{
    if (units->serial != 0) {
        if (context->encrypt_serial == units->serial) {
            cbc_key(context->encrypt, zeros, zeros);
            context->encrypt_serial = 0;
        }
        if (context->decrypt_serial == units->serial) {
            cbc_key(context->decrypt, zeros, zeros);
            context->decrypt_serial = 0;
        }
        if (context->gcm_serial == units->serial) {
            aead_key(context->gcm, zeros);
            context->gcm_serial = 0;
        }
        if (context->siv_serial == units->serial) {
            aead_key(context->siv, zeros);
            context->siv_serial = 0;
        }
    }
    wipe(units, sizeof *units);
}

size_t units_overhead(const struct units *units)
{
    return units->cipher == UNITS_AES_CBC ? 0 : UNITS_NONCE_LEN + UNITS_TAG_LEN;
}

/* ---- aes-cbc ---- */

static bool cbc_take(struct cbc *cbc, uint64_t *holder, const struct units *units,
                     const uint8_t iv[16])
{
    if (*holder == units->serial)
        return true;
    *holder = 0;
    if (!cbc_key(cbc, units->key, iv))
        return false;
    *holder = units->serial;
    return true;
}

static enum units_error cbc_seal(struct units *units, struct units_context *context,
                                 const uint8_t *plain, size_t len, uint8_t *out)
{
    if (!cbc_take(context->encrypt, &context->encrypt_serial, units, units->sent.iv) ||
        !cbc_run(context->encrypt, plain, len, out))
        return UNITS_E_CRYPTO;
    memcpy(units->sent.iv, out + len - 16, 16);
    return UNITS_OK;
}

static enum units_error cbc_open(struct units *units, struct units_context *context,
                                 const uint8_t *in, size_t len, uint8_t *plain)
{
    uint8_t last[16];
    memcpy(last, in + len - 16, sizeof last);
    if (!cbc_take(context->decrypt, &context->decrypt_serial, units, units->received.iv) ||
        !cbc_run(context->decrypt, in, len, plain))
        return UNITS_E_CRYPTO;
    memcpy(units->received.iv, last, sizeof last);
    return UNITS_OK;
}

/* ---- aes-gcm, aes-gcm-siv ---- */

/* The AEAD of the connection, holding its key; NULL when that fails. */
static struct aead *aead_take(const struct units *units, struct units_context *context)
{
    bool gcm = units->cipher == UNITS_AES_GCM;
    struct aead *aead = gcm ? context->gcm : context->siv;
    uint64_t *holder = gcm ? &context->gcm_serial : &context->siv_serial;
    if (*holder != units->serial) {
        *holder = 0;
        if (!aead_key(aead, units->key))
            return NULL;
        *holder = units->serial;
    }
    return aead;
}

static void gcm_nonce(bool initiator, uint64_t counter, uint8_t nonce[UNITS_NONCE_LEN])
{
    store_u32(nonce, initiator ? PREFIX_CLIENT : PREFIX_SERVER);
    store_u64(nonce + 4, counter);
}

/* The last counter is never used, so that it need not wrap. */
static enum units_error send_nonce(struct units *units, struct units_context *context,
                                   uint8_t nonce[UNITS_NONCE_LEN])
{
    if (units->cipher == UNITS_AES_GCM_SIV) {
        bool drawn = context->random(context->random_arg, nonce, UNITS_NONCE_LEN) == 0;
        return drawn ? UNITS_OK : UNITS_E_RANDOM;
    }
    if (units->sent.counter == UINT64_MAX)
        return UNITS_E_COUNTER;
    gcm_nonce(units->initiator, units->sent.counter, nonce);
    units->sent.counter++;
    return UNITS_OK;
}

static enum units_error receive_nonce(struct units *units, const uint8_t nonce[UNITS_NONCE_LEN])
{
    if (units->cipher == UNITS_AES_GCM_SIV)
        return UNITS_OK;
    if (units->received.counter == UINT64_MAX)
        return UNITS_E_COUNTER;
    uint8_t expected[UNITS_NONCE_LEN];
    gcm_nonce(!units->initiator, units->received.counter, expected);
    return memcmp(nonce, expected, sizeof expected) == 0 ? UNITS_OK : UNITS_E_NONCE;
}

static enum units_error sealed_seal(struct units *units, struct units_context *context,
                                    const uint8_t *plain, size_t len, uint8_t *out)
{
    enum units_error error = send_nonce(units, context, out);
    if (error)
        return error;
    struct aead *aead = aead_take(units, context);
    if (!aead || aead_seal(aead, out, plain, len, out + UNITS_NONCE_LEN) != AEAD_OK)
        return UNITS_E_CRYPTO;
    return UNITS_OK;
}

static enum units_error sealed_open(struct units *units, struct units_context *context,
                                    const uint8_t *in, size_t len, uint8_t *plain)
{
    enum units_error error = receive_nonce(units, in);
    if (error)
        return error;
    struct aead *aead = aead_take(units, context);
    if (!aead)
        return UNITS_E_CRYPTO;
    enum aead_result result = aead_open(aead, in, in + UNITS_NONCE_LEN, len, plain);
    if (result != AEAD_OK)
        return result == AEAD_E_TAG ? UNITS_E_AUTHENTICATION : UNITS_E_CRYPTO;
    if (units->cipher == UNITS_AES_GCM)
        units->received.counter++;
    return UNITS_OK;
}

enum units_error units_seal(struct units *units, struct units_context *context,
                            const uint8_t *plain, size_t len, uint8_t *out)
{
    return units->cipher == UNITS_AES_CBC ? cbc_seal(units, context, plain, len, out)
                                          : sealed_seal(units, context, plain, len, out);
}

enum units_error units_open(struct units *units, struct units_context *context, const uint8_t *in,
                            size_t len, uint8_t *plain)
{
    return units->cipher == UNITS_AES_CBC ? cbc_open(units, context, in, len, plain)
                                          : sealed_open(units, context, in, len, plain);
}
