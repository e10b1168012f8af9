#include "roles/server/changes.h"

#include "adit/snitun_token.h"
#include "base/encode.h"
#include "io/http.h"
#include "io/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ASK_MS = 20000,
    ANSWER_MAX = 1024 * 1024,
    API_KEY_MAX = 512,
    WHY_MAX = 320,
};

struct changes {
    struct io_loop *loop;
    struct revoked *revoked;
    char *url;
    char *key_file;
    char *ca_file; /* or NULL */
    uint32_t interval_ms;
    json_int_t seq; /* of the last change that is known */
    struct io_timer timer;
    struct io_http_ask *ask;
    void (*learnt)(void *arg);
    void *arg;
};

static void complain(struct changes *changes, const char *what, const char *why)
{
    log_event(changes->loop, LOG_WARN, "master", "%s: %s%s", changes->url, what, why);
}

/* Everything of a change is checked before anything of it is taken. */
static bool take_change(struct changes *changes, const json_t *change)
{
    const char *name = json_string_value(json_object_get(change, "hostname"));
    const json_t *until = json_object_get(change, "valid_after");
    char normal[HOSTNAME_MAX + 1];

    if (name == NULL || !hostname_valid(name) || !hostname_normalise(name, strlen(name), normal) ||
        (!json_is_null(until) && !json_is_number(until)))
        return false;
    return revoked_set(changes->revoked, normal,
                       json_is_null(until) ? SNITUN_TOKEN_VALID_MAX : json_number_value(until));
}

/* True when there is more to ask for now. */
static bool take_answer(struct changes *changes, const json_t *answer)
{
    const json_t *list = json_object_get(answer, "changes");
    const json_t *seq = json_object_get(answer, "seq");
    json_int_t before = changes->seq;

    if (!json_is_array(list) || !json_is_integer(seq) || json_integer_value(seq) < 0) {
        complain(changes, "cannot be used: ", "\"changes\" is no list or \"seq\" no number");
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!take_change(changes, json_array_get(list, i))) {
            complain(changes, "cannot be used: ", "a change names no host or no time");
            return false;
        }
    }
    changes->seq = json_integer_value(seq);
    changes->learnt(changes->arg);
    if (changes->seq >= before)
        return json_is_true(json_object_get(answer, "more")) && changes->seq > before;
    /* An older copy of the store: all of it again. */
    changes->seq = 0;
    return false;
}

static void on_answer(void *arg, const struct io_http_answer *answer)
{
    struct changes *changes = arg;
    json_t *object = json_loadb(answer->body, answer->body_len, JSON_REJECT_DUPLICATES, NULL);
    const char *message = json_string_value(json_object_get(object, "message"));
    uint64_t wait_ms = changes->interval_ms;
    char shown[WHY_MAX] = "";

    changes->ask = NULL;
    if (answer->status == 200) {
        wait_ms = take_answer(changes, object) ? 0 : wait_ms;
    } else if (answer->status == 0) {
        complain(changes, "cannot be asked what was revoked: ", answer->why);
    } else {
        snprintf(shown, sizeof(shown), "%d, ", answer->status);
        if (message != NULL)
            text_escape(message, strlen(message), shown + strlen(shown),
                        sizeof(shown) - strlen(shown));
        complain(changes, "does not say what was revoked: ", shown);
    }
    json_decref(object);
    io_timer_set_in(&changes->timer, wait_ms);
}

/* Without the newline. 0, or -1 after a complaint. */
static int read_key(struct changes *changes, char key[API_KEY_MAX + 1])
{
    char *text = NULL;
    size_t len = 0;
    int error =
        io_file_read_secret(io_disk(changes->loop), changes->key_file, API_KEY_MAX, &text, &len);

    if (error != IO_OK) {
        log_event(changes->loop, LOG_ERROR, "master", "cannot read the API key %s: %s",
                  changes->key_file, io_error_text(error));
        return -1;
    }
    memcpy(key, text, len);
    key[strcspn(text, " \r\n")] = '\0';
    key[len] = '\0';
    wipe(text, len);
    free(text);
    return 0;
}

static void on_timer(void *arg)
{
    struct changes *changes = arg;
    char authorization[API_KEY_MAX + 16] = "Bearer ";
    char url[IO_HTTP_URL_MAX + 64];
    struct io_http_query query = {.method = "GET",
                                  .url = url,
                                  .authorization = authorization,
                                  .ca_file = changes->ca_file,
                                  .timeout_ms = ASK_MS,
                                  .answer_max = ANSWER_MAX};

    snprintf(url, sizeof(url), "%s/adit/v1/changes?since=%lld", changes->url,
             (long long)changes->seq);
    if (read_key(changes, authorization + strlen(authorization)) == 0)
        changes->ask = io_http_ask(changes->loop, &query, on_answer, changes);
    wipe(authorization, sizeof(authorization));
    if (changes->ask == NULL)
        io_timer_set_in(&changes->timer, changes->interval_ms);
}

struct changes *changes_new(struct io_loop *loop, const struct server_config *config,
                            struct revoked *revoked, void (*learnt)(void *arg), void *arg,
                            char *why, size_t why_len)
{
    struct changes *changes;

    if (!io_http_url_check(config->master_url, why, why_len))
        return NULL;
    changes = calloc(1, sizeof(*changes));
    if (changes == NULL)
        goto err;
    *changes = (struct changes){
        .loop = loop,
        .revoked = revoked,
        .url = strdup(config->master_url),
        .key_file = strdup(config->server_key_file),
        .ca_file = config->master_ca_file == NULL ? NULL : strdup(config->master_ca_file),
        .interval_ms = config->master_interval_ms,
        .learnt = learnt,
        .arg = arg,
    };
    io_timer_init(&changes->timer, loop, on_timer, changes);
    if (changes->url != NULL && changes->key_file != NULL &&
        (changes->ca_file == NULL) == (config->master_ca_file == NULL))
        return changes;
    changes_free(changes);
err:
    snprintf(why, why_len, "out of memory");
    return NULL;
}

void changes_start(struct changes *changes)
{
    if (changes != NULL)
        io_timer_set_in(&changes->timer, 0);
}

void changes_free(struct changes *changes)
{
    if (changes == NULL)
        return;
    if (changes->ask != NULL)
        io_http_cancel(changes->ask);
    io_timer_stop(&changes->timer);
    free(changes->url);
    free(changes->key_file);
    free(changes->ca_file);
    free(changes);
}
