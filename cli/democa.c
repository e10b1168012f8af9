#include "cli/democa.h"

#include "base/encode.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum {
    X509_VERSION_3_VALUE = 2,
    SERIAL_LEN = 16,
    BACKDATE_S = 60 * 60, /* clocks differ */
    DAY_S = 24 * 60 * 60,
};

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool added = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool set_serial(X509 *cert)
{
    uint8_t bytes[SERIAL_LEN];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] &= 0x7f; /* positive */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool set = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return set;
}

/* An unsigned certificate for the key; NULL when the library fails. */
static X509 *describe(EVP_PKEY *key, const char *common_name, const X509 *issuer)
{
    X509 *cert = X509_new();
    if (cert == NULL)
        return NULL;
    X509_NAME *subject = X509_get_subject_name(cert);
    if (X509_set_version(cert, X509_VERSION_3_VALUE) != 1 || !set_serial(cert) ||
        X509_gmtime_adj(X509_getm_notBefore(cert), -BACKDATE_S) == NULL ||
        X509_gmtime_adj(X509_getm_notAfter(cert), (long)DEMOCA_DAYS * DAY_S) == NULL ||
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common_name,
                                   -1, -1, 0) != 1 ||
        X509_set_issuer_name(cert, issuer == NULL ? subject : X509_get_subject_name(issuer)) != 1 ||
        X509_set_pubkey(cert, key) != 1) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static X509 *make_authority(EVP_PKEY *key)
{
    X509 *cert = describe(key, "adit demo, throw-away CA", NULL);
    if (cert != NULL &&
        (!add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
         !add_extension(cert, cert, NID_key_usage, "critical,keyCertSign") ||
         !add_extension(cert, cert, NID_subject_key_identifier, "hash") ||
         X509_sign(cert, key, EVP_sha256()) == 0)) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static X509 *make_site(EVP_PKEY *key, const char *name, X509 *authority, EVP_PKEY *authority_key)
{
    char alternative[HOSTNAME_MAX + 8];
    snprintf(alternative, sizeof alternative, "DNS:%s", name);
    X509 *cert = describe(key, name, authority);
    if (cert != NULL &&
        (!add_extension(cert, authority, NID_basic_constraints, "critical,CA:FALSE") ||
         !add_extension(cert, authority, NID_key_usage, "critical,digitalSignature") ||
         !add_extension(cert, authority, NID_ext_key_usage, "serverAuth") ||
         !add_extension(cert, authority, NID_subject_alt_name, alternative) ||
         !add_extension(cert, authority, NID_authority_key_identifier, "keyid") ||
         X509_sign(cert, authority_key, EVP_sha256()) == 0)) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

/* What was written to a memory BIO, from malloc(). */
static char *text_of(BIO *bio)
{
    char *data = NULL;
    long len = bio == NULL ? -1 : BIO_get_mem_data(bio, &data);
    return len < 0 ? NULL : strndup(data, (size_t)len);
}

static char *cert_text(const X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = bio != NULL && PEM_write_bio_X509(bio, cert) == 1 ? text_of(bio) : NULL;
    BIO_free(bio);
    return text;
}

static char *key_text(const EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1
                     ? text_of(bio)
                     : NULL;
    BIO_free(bio);
    return text;
}

bool democa_make(struct democa *ca, const char *name, char why[OPTION_WHY_MAX])
{
    *ca = (struct democa){0};
    X509 *authority = NULL;
    X509 *site = NULL;
    EVP_PKEY *authority_key = EVP_EC_gen("P-256");
    EVP_PKEY *site_key = EVP_EC_gen("P-256");
    if (authority_key != NULL && site_key != NULL)
        authority = make_authority(authority_key);
    if (authority != NULL)
        site = make_site(site_key, name, authority, authority_key);
    if (site != NULL) {
        ca->ca = cert_text(authority);
        ca->cert = cert_text(site);
        ca->key = key_text(site_key);
    }
    X509_free(site);
    X509_free(authority);
    EVP_PKEY_free(site_key);
    EVP_PKEY_free(authority_key);
    if (ca->ca != NULL && ca->cert != NULL && ca->key != NULL)
        return true;
    const char *reason = ERR_reason_error_string(ERR_get_error());
    snprintf(why, OPTION_WHY_MAX, "no certificate: %s", reason == NULL ? "out of memory" : reason);
    democa_clear(ca);
    return false;
}

void democa_clear(struct democa *ca)
{
    if (ca->key != NULL)
        wipe(ca->key, strlen(ca->key));
    free(ca->key);
    free(ca->cert);
    free(ca->ca);
    *ca = (struct democa){0};
}
