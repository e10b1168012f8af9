#include "roles/master/service.h"

#include "base/encode.h"
#include "roles/keyring.h"

#include <stdio.h>
#include <stdlib.h>

enum { PEM_FILE_MAX = 256 * 1024 };

void master_secrets_free(struct master_secrets *secrets)
{
    if (secrets == NULL)
        return;
    snitun_keyring_wipe(&secrets->keyring);
    io_tls_unref(secrets->tls);
    free(secrets);
}

static int read_tls(struct master_service *service, struct io_tls **tls, char *why, size_t why_len)
{
    struct io_disk *disk = io_disk(service->loop);
    char *cert = NULL;
    char *key = NULL;
    char inner[IO_TLS_TEXT_MAX + 64];
    size_t cert_len = 0;
    size_t key_len = 0;
    const char *path = service->tls_cert_file;
    int error;

    if (path == NULL)
        return 0;
    error = io_file_read(disk, path, PEM_FILE_MAX, &cert, &cert_len);
    if (error == IO_OK) {
        path = service->tls_key_file;
        error = io_file_read_secret(disk, path, PEM_FILE_MAX, &key, &key_len);
    }
    if (error != IO_OK) {
        snprintf(why, why_len, "cannot read %s: %s", path, io_error_text(error));
        goto out;
    }
    *tls = io_tls_server_new(cert, key, inner, sizeof(inner));
    if (*tls == NULL)
        snprintf(why, why_len, "%s and %s: %s", service->tls_cert_file, path, inner);
out:
    if (key != NULL)
        wipe(key, key_len);
    free(key);
    free(cert);
    return *tls == NULL ? -1 : 0;
}

struct master_secrets *master_secrets_read(struct master_service *service, char *why,
                                           size_t why_len)
{
    struct master_secrets *secrets = calloc(1, sizeof(*secrets));

    if (secrets == NULL) {
        snprintf(why, why_len, "out of memory");
        return NULL;
    }
    secrets->service = service;
    if (keyring_read(io_disk(service->loop), service->fernet_key_file, &secrets->keyring, why,
                     why_len) == IO_OK &&
        read_tls(service, &secrets->tls, why, why_len) == 0)
        return secrets;
    master_secrets_free(secrets);
    return NULL;
}
