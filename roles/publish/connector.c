#include "roles/publish/connector.h"

#include "base/encode.h"
#include "io/log.h"
#include "roles/splice/splice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Certificates ---- */

struct files {
    char *cert;
    char *key;
    size_t key_len;
    uint8_t digest[SHA256_LEN]; /* of both */
};

static void files_clear(struct files *files)
{
    if (files->key != NULL)
        wipe(files->key, files->key_len);
    free(files->key);
    free(files->cert);
}

static int digest_files(struct files *files, size_t cert_len)
{
    uint8_t digests[2][SHA256_LEN];

    if (sha256(files->cert, cert_len, digests[0]) != 0 ||
        sha256(files->key, files->key_len, digests[1]) != 0)
        return -1;
    return sha256(digests, sizeof(digests), files->digest);
}

/* 0, or -1 with why; to be cleared in any case. */
static int read_files(const struct connector *connector, struct files *files, char *why,
                      size_t why_len)
{
    struct io_disk *disk = io_disk(connector->loop);
    const char *path = connector->cert_file;
    size_t cert_len = 0;
    int error = io_file_read(disk, path, CONNECTOR_PEM_MAX, &files->cert, &cert_len);

    if (error == IO_OK) {
        path = connector->key_file;
        error = io_file_read_secret(disk, path, CONNECTOR_PEM_MAX, &files->key, &files->key_len);
    }
    if (error == IO_OK)
        return digest_files(files, cert_len);
    snprintf(why, why_len, "cannot read %s: %s", path, io_error_text(error));
    return -1;
}

static int load(struct connector *connector, const struct files *files, char *why, size_t why_len)
{
    char inner[2 * IO_TLS_TEXT_MAX];
    struct io_tls *tls = io_tls_server_new(files->cert, files->key, inner, sizeof(inner));

    if (tls == NULL) {
        snprintf(why, why_len, "%s, %s: %s", connector->cert_file, connector->key_file, inner);
        return -1;
    }
    io_tls_unref(connector->tls);
    connector->tls = tls;
    memcpy(connector->digest, files->digest, sizeof(connector->digest));
    return 0;
}

int connector_reload(struct connector *connector, char *why, size_t why_len)
{
    struct files files = {0};
    int result;

    if (connector->cert_file == NULL)
        return 0;
    result = read_files(connector, &files, why, why_len);
    if (result == 0)
        result = load(connector, &files, why, why_len);
    files_clear(&files);
    return result;
}

/* Certificate and key are two files: while one of them is new alone, the former pair stays. */
static void on_check(void *arg)
{
    struct connector *connector = arg;
    struct files files = {0};
    char why[1024];
    bool known;

    io_timer_set_in(&connector->check, CONNECTOR_CHECK_MS);
    known = read_files(connector, &files, why, sizeof(why)) != 0 ||
            memcmp(files.digest, connector->digest, SHA256_LEN) == 0 ||
            memcmp(files.digest, connector->refused, SHA256_LEN) == 0;
    if (!known && load(connector, &files, why, sizeof(why)) == 0) {
        log_event(connector->loop, LOG_INFO, "certificate", "%s%s is used for new connections",
                  connector->label, connector->cert_file);
    } else if (!known) {
        memcpy(connector->refused, files.digest, SHA256_LEN);
        log_event(connector->loop, LOG_ERROR, "certificate", "%s%s: %s", connector->label,
                  connector->tls == NULL ? "there is none yet" : "the former one stays", why);
    }
    files_clear(&files);
}

/* ---- Life ---- */

int connector_init(struct connector *connector, struct io_loop *loop, const char *label,
                   const char *cert_file, const char *key_file, uint32_t idle_ms, char *why,
                   size_t why_len)
{
    *connector = (struct connector){.loop = loop,
                                    .label = label,
                                    .cert_file = cert_file,
                                    .key_file = key_file,
                                    .idle_ms = idle_ms};
    list_init(&connector->splices);
    io_timer_init(&connector->check, loop, on_check, connector);
    if (cert_file == NULL)
        return 0;
    io_timer_set_in(&connector->check, CONNECTOR_CHECK_MS);
    return connector_reload(connector, why, why_len);
}

void connector_stop(struct connector *connector)
{
    io_timer_stop(&connector->check);
    splice_end_all(&connector->splices);
}

void connector_clear(struct connector *connector)
{
    io_tls_unref(connector->tls);
    connector->tls = NULL;
}

/* ---- Joining ---- */

/* What a caller's TLS went wrong with is for the log alone. */
struct caller {
    struct connector *connector;
    struct io_stream *tls;
    struct adit_ip ip;
};

static void on_over(void *arg, int error)
{
    struct caller *caller = arg;
    char from[IP_TEXT_MAX];

    ip_format(&caller->ip, from);
    if (error == IO_E_TLS)
        log_event(caller->connector->loop, LOG_INFO, "tls", "%sno TLS with %s: %s",
                  caller->connector->label, from, io_stream_tls_error(caller->tls));
    free(caller);
}

int connector_join(struct connector *connector, struct tunnel_channel *channel,
                   struct io_stream *service)
{
    struct io_stream *ends[2]; /* the channel's, and that of TLS */
    struct caller *caller = calloc(1, sizeof(*caller));

    if (caller == NULL)
        goto err_service;
    if (connector->tls == NULL || io_pair(connector->loop, ends) != IO_OK)
        goto err_caller;
    *caller = (struct caller){
        .connector = connector, .tls = ends[1], .ip = *tunnel_channel_caller(channel)};
    if (io_stream_start_tls(ends[1], connector->tls, NULL) != IO_OK ||
        splice_new(ends[1], service, CONNECTOR_HANDSHAKE_MS, connector->idle_ms,
                   &connector->splices, on_over, caller) == NULL)
        goto err_pair;
    tunnel_attach(channel, ends[0]);
    return 0;

err_pair:
    io_abort(ends[0]);
    io_abort(ends[1]);
err_caller:
    free(caller);
err_service:
    io_abort(service);
    return -1;
}
