#include "roles/publish/internal.h"

#include "io/log.h"

#include <stdio.h>
#include <string.h>

/* ---- When to try again ---- */

static void retry_in(struct publish *publish, uint64_t delay_ms)
{
    io_timer_set_in(&publish->retry, delay_ms);
}

/* The first attempt comes soon and spread, so that a thousand publishers are no storm. */
static void retry(struct publish *publish)
{
    unsigned doublings = publish->failures < 8 ? publish->failures : 8;
    uint64_t most_ms = (uint64_t)PUBLISH_FIRST_RETRY_MS << doublings;
    uint64_t least_ms;

    if (most_ms > PUBLISH_LAST_RETRY_MS)
        most_ms = PUBLISH_LAST_RETRY_MS;
    least_ms = publish->failures == 0 ? 0 : most_ms / 2;
    publish->failures++;
    retry_in(publish, least_ms + io_random_below(publish->loop, most_ms - least_ms + 1));
}

/* Nothing changes until somebody acts: a person, or a file that is renewed. */
static void retry_slowly(struct publish *publish)
{
    publish->failures++;
    retry_in(publish, PUBLISH_LAST_RETRY_MS / 2 +
                          io_random_below(publish->loop, PUBLISH_LAST_RETRY_MS / 2 + 1));
}

static bool is_trying(const struct publish *publish)
{
    return publish->next != NULL || publish->ask != NULL;
}

/* ---- Credentials from a file ---- */

/* The file may have been renewed since the last attempt. */
static int renew_credential(struct publish *publish, char *why, size_t why_len)
{
    struct credential *credential = &publish->grant.credential;
    const char *path = publish->config.credential_file;
    struct io_disk *disk = io_disk(publish->loop);
    bool used = publish->credential_spent;

    if (path != NULL && credential_read(credential, disk, path, why, why_len) != 0)
        return -1;
    if (credential->valid > 0 && credential->valid <= io_wall_s(publish->loop)) {
        snprintf(why, why_len,
                 "the credential for %s has expired: mint another one, or set this clock right",
                 credential->hostname);
        return -1;
    }
    if (credential->keys.cipher != SNITUN_AES_GCM)
        return 0;
    if (path != NULL && credential_was_used(credential, disk, path, &used, why, why_len) != 0)
        return -1;
    if (!used)
        return 0;
    snprintf(why, why_len,
             "the aes-gcm credential for %s was used already and is good for one connection: "
             "put a fresh one in its place, or mint one with aes-gcm-siv",
             credential->hostname);
    return -1;
}

int attempt_spend(struct publish *publish, char *why, size_t why_len)
{
    /* A master's is new for each attempt. */
    if (publish->grant.credential.keys.cipher != SNITUN_AES_GCM ||
        publish->config.master_url != NULL)
        return 0;
    publish->credential_spent = publish->config.credential_file == NULL;
    if (publish->config.credential_file == NULL)
        return 0;
    return credential_mark_used(&publish->grant.credential, io_disk(publish->loop),
                                publish->config.credential_file, why, why_len);
}

static void log_credential(struct publish *publish, const char *why)
{
    log_event(publish->loop, LOG_ERROR, "credential", "%s%s", publish->label, why);
}

void attempt_unspent(struct link *link, const char *why)
{
    struct publish *publish = link->publish;

    log_credential(publish, why);
    link_close(link);
    retry_slowly(publish);
}

/* ---- Trying ---- */

static void on_retry(void *arg)
{
    struct publish *publish = arg;
    char why[PUBLISH_WHY_MAX];

    if (publish->config.master_url != NULL) {
        ask_start(publish);
    } else if (renew_credential(publish, why, sizeof(why)) == 0) {
        attempt_granted(publish);
    } else {
        log_credential(publish, why);
        retry_slowly(publish);
    }
}

void attempt_granted(struct publish *publish)
{
    publish->next = link_open(publish);
    if (publish->next == NULL)
        retry(publish);
}

void attempt_denied(struct publish *publish, bool slowly, unsigned retry_after_s)
{
    if (retry_after_s > 0)
        retry_in(publish,
                 (uint64_t)(retry_after_s < PUBLISH_RETRY_AFTER_MAX_S ? retry_after_s
                                                                      : PUBLISH_RETRY_AFTER_MAX_S) *
                     1000);
    else if (slowly)
        retry_slowly(publish);
    else
        retry(publish);
}

void attempt_unreachable(struct link *link, int error)
{
    struct publish *publish = link->publish;

    log_event(publish->loop, LOG_WARN, "unreachable", "%scannot connect to %s:%u: %s",
              publish->label, link->grant.server_host, link->grant.server_port,
              io_error_text(error));
    link_close(link);
    retry(publish);
}

/* ---- Renewing ---- */

static void wait_to_renew(struct publish *publish)
{
    double left_s = publish->renew_at_s - io_wall_s(publish->loop);
    uint64_t left_ms = left_s <= 0 ? 0 : PUBLISH_CLOCK_CHECK_MS;

    if (left_s > 0 && left_s * 1000 < PUBLISH_CLOCK_CHECK_MS)
        left_ms = (uint64_t)(left_s * 1000) + 1;
    io_timer_set_in(&publish->renew, left_ms);
}

static void on_renew(void *arg)
{
    struct publish *publish = arg;

    if (io_wall_s(publish->loop) < publish->renew_at_s)
        wait_to_renew(publish);
    else if (!is_trying(publish) && !io_timer_armed(&publish->retry))
        retry_in(publish, 0);
}

/* After half of the token's time, and up to an eighth more, so that not all come at once. */
static void plan_renewal(struct publish *publish, double valid_s)
{
    double now_s = io_wall_s(publish->loop);
    double eighths = 4 + (double)io_random_below(publish->loop, 1001) / 1000;

    if (publish->config.master_url == NULL || valid_s <= now_s)
        return;
    publish->renew_at_s = now_s + (valid_s - now_s) * eighths / 8;
    wait_to_renew(publish);
}

void attempt_accepted(struct link *link)
{
    struct publish *publish = link->publish;
    struct link *former = publish->current;

    publish->current = link;
    publish->next = NULL;
    publish->failures = 0;
    publish->refusals = 0;
    publish->counters.connections++;
    log_event(publish->loop, LOG_INFO, "connected", "%spublishing %s through %s:%u, %s, version %u",
              publish->label, link->grant.credential.hostname, link->grant.server_host,
              link->grant.server_port, snitun_cipher_name(link->grant.credential.keys.cipher),
              link->grant.credential.keys.protocol_version);
    plan_renewal(publish, link->grant.credential.valid);
    if (former != NULL)
        link_retire(former);
}

/* ---- Ends ---- */

/* A server that refuses a token closes; so does one that is being stopped. */
static void refused(struct publish *publish, const struct link *link)
{
    publish->refusals++;
    log_event(
        publish->loop, LOG_WARN, "refused",
        "%s%s:%u refused the credential for %s: it does not know the token's key, or the token "
        "has expired, was revoked or was used before",
        publish->label, link->grant.server_host, link->grant.server_port,
        link->grant.credential.hostname);
}

static const char *reason(enum tunnel_end how, int error)
{
    if (how == TUNNEL_END_CLOSED)
        return "it closed the connection";
    return how == TUNNEL_END_IO ? io_error_text(error) : snitun_error_text(error);
}

void attempt_ended(struct link *link, enum tunnel_end how, int error)
{
    struct publish *publish = link->publish;
    bool was_retired = link->state == LINK_RETIRED;
    bool was_refused = link->state == LINK_HANDSHAKE && how == TUNNEL_END_CLOSED;

    if (was_refused)
        refused(publish, link);
    else
        log_event(publish->loop, was_retired ? LOG_INFO : LOG_WARN, "disconnected",
                  "%slost %s%s:%u: %s", publish->label,
                  was_retired ? "the former connection to " : "", link->grant.server_host,
                  link->grant.server_port, reason(how, error));
    link_close(link);
    if (publish->current == NULL)
        io_timer_stop(&publish->renew);
    if (was_retired || is_trying(publish) || io_timer_armed(&publish->retry))
        return;
    if (was_refused && publish->refusals >= PUBLISH_REFUSALS_MAX)
        retry_slowly(publish);
    else
        retry(publish);
}

/* ---- Life ---- */

void attempt_init(struct publish *publish)
{
    io_timer_init(&publish->retry, publish->loop, on_retry, publish);
    io_timer_init(&publish->renew, publish->loop, on_renew, publish);
    retry_in(publish, 0);
}

void attempt_now(struct publish *publish)
{
    if (is_trying(publish) || (publish->current != NULL && !io_timer_armed(&publish->retry)))
        return;
    publish->failures = 0;
    publish->refusals = 0;
    retry_in(publish, 0);
}

void attempt_stop(struct publish *publish)
{
    io_timer_stop(&publish->retry);
    io_timer_stop(&publish->renew);
    ask_stop(publish);
}
