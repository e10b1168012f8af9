#include "lib/sodiumtcp/session.h"

#include "base/cursor.h"
#include "lib/sodiumtcp/handshake.h"
#include "lib/sodiumtcp/items.h"

#include <stdlib.h>

/* ---- Context ---- */

struct sodiumtcp_context *sodiumtcp_context_new(adit_random_fn *random, void *random_arg)
{
    if (sodium_init() < 0)
        return NULL;
    struct sodiumtcp_context *context = calloc(1, sizeof *context);
    if (context) {
        context->random = random;
        context->random_arg = random_arg;
    }
    return context;
}

void sodiumtcp_context_set_aead(struct sodiumtcp_context *context,
                                const struct sodiumtcp_aead *aead)
{
    context->aead = *aead;
}

void sodiumtcp_context_free(struct sodiumtcp_context *context)
{
    free(context);
}

/* ---- Session ---- */

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

static uint32_t clamp(uint32_t value, uint32_t least, uint32_t most)
{
    return value < least ? least : value > most ? most : value;
}

static struct sodiumtcp_session *session_new(struct sodiumtcp_context *context, bool server,
                                             const struct sodiumtcp_options *options,
                                             uint64_t now_ms)
{
    static const struct sodiumtcp_options defaults;
    options = options ? options : &defaults;
    struct sodiumtcp_session *session = calloc(1, sizeof *session);
    struct sodiumtcp_opening *opening = calloc(1, sizeof *opening);
    if (!session || !opening) {
        free(session);
        free(opening);
        return NULL;
    }
    session->context = context;
    session->opening = opening;
    session->server = server;
    session->state = server ? SODIUMTCP_STATE_AWAIT_AUTH : SODIUMTCP_STATE_AWAIT_HELO;
    session->offers = !options->public_only;
    session->zstd = options->zstd;
    session->window = clamp(or_default(options->window, SODIUMTCP_WINDOW), SODIUMTCP_WINDOW_MIN,
                            SODIUMTCP_WINDOW_MAX);
    session->blocks.max =
        (uint8_t)clamp(or_default(options->blocks, SODIUMTCP_BLOCKS_MAX), 1, SODIUMTCP_BLOCKS_MAX);
    session->ping_after_ms = or_default(options->ping_after_ms, SODIUMTCP_PING_AFTER_MS);
    session->idle_ms = or_default(options->idle_ms, SODIUMTCP_IDLE_MS);
    session->opening_deadline_ms =
        now_ms + or_default(options->opening_ms, server ? SODIUMTCP_AUTH_MS : SODIUMTCP_HELO_MS);
    session->heard_ms = now_ms;
    return session;
}

void sodiumtcp_set_window(struct sodiumtcp_session *session, uint32_t window)
{
    bool told =
        session->state != SODIUMTCP_STATE_AWAIT_AUTH && session->state != SODIUMTCP_STATE_DECIDE;
    if (!told)
        session->window = clamp(window, SODIUMTCP_WINDOW_MIN, SODIUMTCP_WINDOW_MAX);
}

int sodiumtcp_client_new(struct sodiumtcp_context *context,
                         const uint8_t server_public_key[SODIUMTCP_KEY_LEN], const char *login,
                         const char *passphrase, const struct sodiumtcp_options *options,
                         uint64_t now_ms, struct sodiumtcp_session **session)
{
    *session = session_new(context, false, options, now_ms);
    if (!*session)
        return SODIUMTCP_E_NO_MEMORY;
    int error = sodiumtcp_handshake_auth(*session, server_public_key, login, passphrase);
    if (error) {
        sodiumtcp_session_free(*session);
        *session = NULL;
    }
    return error;
}

int sodiumtcp_server_new(struct sodiumtcp_context *context, const struct sodiumtcp_keypair *pair,
                         const struct sodiumtcp_options *options, uint64_t now_ms,
                         struct sodiumtcp_session **session)
{
    *session = session_new(context, true, options, now_ms);
    if (!*session)
        return SODIUMTCP_E_NO_MEMORY;
    (*session)->opening->own = *pair;
    return SODIUMTCP_OK;
}

void sodiumtcp_session_opened(struct sodiumtcp_session *session)
{
    if (session->opening) {
        sodium_memzero(session->opening, sizeof *session->opening);
        free(session->opening);
        session->opening = NULL;
    }
}

void sodiumtcp_session_free(struct sodiumtcp_session *session)
{
    if (!session)
        return;
    sodiumtcp_session_opened(session);
    free(session->items);
    sodium_memzero(session, sizeof *session);
    free(session);
}

int sodiumtcp_session_fail(struct sodiumtcp_session *session, int error)
{
    session->error = (int8_t)error;
    sodiumtcp_session_opened(session);
    sodium_memzero(&session->push, sizeof session->push);
    sodium_memzero(&session->pull, sizeof session->pull);
    return error;
}

int sodiumtcp_session_random(struct sodiumtcp_session *session, void *buf, size_t len)
{
    struct sodiumtcp_context *context = session->context;
    if (context->random(context->random_arg, buf, len))
        return sodiumtcp_session_fail(session, SODIUMTCP_E_RANDOM);
    return SODIUMTCP_OK;
}

int sodiumtcp_session_padding(struct sodiumtcp_session *session, size_t *len)
{
    uint8_t drawn[2] = {0};
    int error = sodiumtcp_session_random(session, drawn, sizeof drawn);
    struct cursor cursor = cursor_over(drawn, sizeof drawn);
    *len = cursor_u16(&cursor) % (SODIUMTCP_PADDING_MAX + 1);
    return error;
}

bool sodiumtcp_session_may_seal(const struct sodiumtcp_session *session)
{
    bool waits = session->opening && session->opening->wire_len > 0;
    switch ((enum sodiumtcp_state)session->state) {
    case SODIUMTCP_STATE_CHOICE:
    case SODIUMTCP_STATE_PUBLIC:
    case SODIUMTCP_STATE_FILES:
        return !session->error && !waits;
    default:
        return false;
    }
}

int sodiumtcp_session_error(const struct sodiumtcp_session *session)
{
    return session->error;
}

bool sodiumtcp_session_over(const struct sodiumtcp_session *session)
{
    return session->state == SODIUMTCP_STATE_OVER;
}

void sodiumtcp_session_counters(const struct sodiumtcp_session *session,
                                struct sodiumtcp_counters *counters)
{
    *counters = session->counters;
}
