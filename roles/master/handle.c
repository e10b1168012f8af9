#include "roles/master/internal.h"

#include "base/encode.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Whose key a call asks for. */
enum who { ANYBODY, A_HOST, A_SERVER };

struct route {
    const char *method;
    const char *path;
    enum who who;
    void (*answer)(struct call *call);
};

static const struct route routes[] = {
    {"GET", "/.well-known/service-discovery", ANYBODY, discovery_show},
    {"GET", "/instance/remote_ping_targets", A_HOST, instance_ping_targets},
    {"POST", "/instance/register", A_HOST, instance_register},
    {"POST", "/instance/snitun_token", A_HOST, token_mint},
    {"POST", "/instance/dns_challenge_txt", A_HOST, instance_challenge_set},
    {"POST", "/instance/dns_challenge_cleanup", A_HOST, instance_challenge_remove},
    {"GET", "/instance/connection", A_HOST, instance_connection},
    {"GET", "/adit/v1/changes", A_SERVER, changes_show},
};

enum { PATH_SHOWN_MAX = 100, MESSAGE_MAX = 200 };

/* ---- Answers ---- */

void call_refuse(struct call *call, int status, const char *format, ...)
{
    struct master_response *response = call->response;
    char message[MESSAGE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    response->status = status;
    response->body = json_pack("{s:s}", "message", message);
    snprintf(response->why, sizeof(response->why), "%s%s%s", call->host.name,
             call->host.name[0] == '\0' ? "" : ": ", message);
}

void call_answer(struct call *call, json_t *body)
{
    if (body == NULL) {
        call_refuse(call, 500, "out of memory");
        return;
    }
    call->response->status = 200;
    call->response->body = body;
}

void call_store_failed(struct call *call, int error)
{
    struct master_response *response = call->response;
    bool passing = error == STORE_E_BUSY || error == STORE_E_FULL || error == STORE_E_READ_ONLY;

    call_refuse(call, passing ? 503 : 500, "the session master cannot reach its store now");
    response->retry_after_s = passing ? 30 : 0;
    snprintf(response->why, sizeof(response->why), "the store: %s", store_error_text(error));
}

json_t *call_body(struct call *call)
{
    const struct io_http_request *request = call->request;
    json_t *body;

    if (request->body_len == 0)
        return json_object();
    body = json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(body))
        return body;
    json_decref(body);
    call_refuse(call, 400, "the body is no JSON object");
    return NULL;
}

/* ---- Who asks ---- */

/* "Bearer KEY" or KEY alone. */
static const char *key_of(const char *authorization)
{
    static const char bearer[] = "Bearer ";

    if (strncasecmp(authorization, bearer, sizeof(bearer) - 1) == 0)
        authorization += sizeof(bearer) - 1;
    return authorization + strspn(authorization, " ");
}

/* False when the request was refused. */
static bool authorize(struct call *call, enum who who)
{
    const char *key = call->request->authorization;
    uint8_t digest[SHA256_LEN];
    int error;

    if (key == NULL || *key_of(key) == '\0') {
        call_refuse(call, 401, "an API key is needed: Authorization: Bearer KEY");
        return false;
    }
    key = key_of(key);
    if (sha256(key, strlen(key), digest) != 0) {
        call_refuse(call, 500, "cannot look at the API key");
        return false;
    }
    error = store_find_key(call->master->store, digest, &call->host);
    if (error == STORE_E_NOT_FOUND)
        call_refuse(call, 401,
                    "the API key is not known: wrong, replaced, or its host was removed");
    else if (error != STORE_OK)
        call_store_failed(call, error);
    else if (who == A_SERVER && call->host.kind != STORE_SERVER)
        call_refuse(call, 403, "this is the API key of a host; a server's is needed");
    else if (who == A_HOST && call->host.kind == STORE_SERVER)
        call_refuse(call, 403, "this is the API key of a server; a host's is needed");
    else if (!call->host.enabled)
        call_refuse(call, 403, "%s is disabled", call->host.name);
    else
        return true;
    return false;
}

/* ---- Where to ---- */

/* The route of a path and a method; NULL, with *allow set where only the method is wrong. */
static const struct route *find(const char *method, const char *path, const char **allow)
{
    *allow = NULL;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(routes[i].path, path) != 0)
            continue;
        if (strcmp(routes[i].method, method) == 0)
            return &routes[i];
        *allow = routes[i].method;
    }
    return NULL;
}

static void refuse_route(struct call *call, const char *path, const char *allow)
{
    const char *action;
    char shown[PATH_SHOWN_MAX];

    if (allow != NULL) {
        call->response->allow = allow;
        call_refuse(call, 405, "this path takes %s alone", allow);
    } else if (discovery_not_offered(path, &action)) {
        call_refuse(call, 501, "this session master does not offer %s", action);
    } else {
        call_refuse(call, 404, "there is no %s here",
                    text_escape(path, strlen(path), shown, sizeof(shown)));
    }
}

static void dispatch(struct call *call)
{
    const struct io_http_request *request = call->request;
    size_t path_len = strcspn(request->target, "?");
    const struct route *route;
    const char *allow;
    char path[256];

    if (path_len >= sizeof(path)) {
        call_refuse(call, 404, "the path is too long");
        return;
    }
    memcpy(path, request->target, path_len);
    path[path_len] = '\0';
    call->query = request->target + path_len + (request->target[path_len] == '?');
    route = find(request->method, path, &allow);
    if (route == NULL)
        refuse_route(call, path, allow);
    else if (request->body_len > MASTER_BODY_MAX)
        call_refuse(call, 413, "the body is larger than %d bytes", MASTER_BODY_MAX);
    else if (route->who == ANYBODY || authorize(call, route->who))
        route->answer(call);
}

void master_handle(const struct master *master, double now_s, uint64_t now_ms,
                   const struct io_http_request *request, struct master_response *response)
{
    struct call call = {.master = master, .request = request, .response = response, .now_s = now_s};

    memset(response, 0, sizeof(*response));
    if (master->limiter != NULL)
        response->retry_after_s = limiter_ask(master->limiter, &request->from, now_ms);
    if (response->retry_after_s > 0)
        call_refuse(&call, 429, "too many requests from this address");
    else
        dispatch(&call);
    store_host_clear(&call.host);
}

/* ---- Keys ---- */

bool master_key_new(adit_random_fn *random, void *random_arg, char text[MASTER_KEY_TEXT_MAX],
                    uint8_t digest[SHA256_LEN])
{
    uint8_t key[MASTER_KEY_LEN];
    bool made = random(random_arg, key, sizeof(key)) == 0;

    if (made) {
        base64url_encode(key, sizeof(key), text);
        text[strcspn(text, "=")] = '\0';
        made = sha256(text, strlen(text), digest) == 0;
    }
    wipe(key, sizeof(key));
    return made;
}
