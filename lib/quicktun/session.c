#include "lib/quicktun/session.h"

#include "lib/quicktun/alive.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int quicktun_options_check(const struct quicktun_context *context,
                           const struct quicktun_options *options, const char **why)
{
    const char *text = NULL;
    if (options->weak_disable && !options->weak_long_term_keys)
        text = "encryption may be disabled, so session keys cannot be required";
    else if (options->disable_encryption && !options->weak_disable)
        text = "encryption is to be disabled, but may not be";
    else if (options->weak_disable && !context->keyed)
        text = "without a private key encryption cannot be disabled: there would be none";
    else if (options->pad_to > QUICKTUN_PAD_MAX)
        text = "padding goes up to multiples of 256";
    if (why)
        *why = text;
    return text ? QUICKTUN_E_POLICY : QUICKTUN_OK;
}

struct quicktun_session *quicktun_session_new(struct quicktun_context *context,
                                              const struct quicktun_options *options,
                                              uint64_t now_ms)
{
    return quicktun_options_check(context, options, NULL) == QUICKTUN_OK
               ? quicktun_session_create(context, options, now_ms)
               : NULL;
}

static void take_options(struct quicktun_session *session, const struct quicktun_options *options)
{
    session->options = *options;
    session->proof = options->peer_key || !options->weak_unproven_peer;
    if (session->options.update_after_ms == 0)
        session->options.update_after_ms = QUICKTUN_UPDATE_AFTER_MS;
    if (session->options.update_after_bytes == 0)
        session->options.update_after_bytes = QUICKTUN_UPDATE_AFTER_BYTES;
}

struct quicktun_session *quicktun_session_create(struct quicktun_context *context,
                                                 const struct quicktun_options *options,
                                                 uint64_t now_ms)
{
    struct quicktun_session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    session->context = context;
    take_options(session, options);
    if (options->peer_key) {
        memcpy(session->configured, options->peer_key, sizeof session->configured);
        session->options.peer_key = session->configured;
    }
    quicktun_direction_init(&session->out);
    quicktun_direction_init(&session->in);
    session->credit = (struct quicktun_credit){QUICKTUN_COMMANDS_BURST, now_ms};
    session->started_at_ms = now_ms;
    if (quicktun_alive_init(session, now_ms) != QUICKTUN_OK) {
        free(session);
        return NULL;
    }
    return session;
}

int quicktun_session_adjust(struct quicktun_session *session,
                            const struct quicktun_options *options)
{
    const struct quicktun_options former = session->options;
    if (quicktun_options_check(session->context, options, NULL) != QUICKTUN_OK)
        return QUICKTUN_E_POLICY;
    take_options(session, options);
    quicktun_alive_adjust(session);
    session->options.mode = former.mode;
    session->options.peer_key = former.peer_key;
    session->options.known = former.known;
    session->options.known_arg = former.known_arg;
    /* The salt of a request that is out belongs to its password. */
    if (quicktun_pending_has(session, QUICKTUN_CODE_ASK_PASSWORD) || session->password_right)
        session->options.ask = former.ask;
    if (session->proof && !session->proven) {
        session->zero_received = false;
        session->was_up = false;
    }
    return QUICKTUN_OK;
}

static void wipe(struct quicktun_session *session)
{
    quicktun_live_remove(&session->context->inputs, &session->local_live);
    if (session->options.ask)
        quicktun_live_remove(&session->options.ask->salts, &session->salt_live);
    sodium_memzero(&session->out, sizeof session->out);
    sodium_memzero(&session->in, sizeof session->in);
}

void quicktun_session_free(struct quicktun_session *session)
{
    if (session) {
        wipe(session);
        free(session);
    }
}

int quicktun_session_fail(struct quicktun_session *session, int error)
{
    if (!session->error) {
        session->error = (int8_t)error;
        wipe(session);
    }
    return session->error;
}

int quicktun_session_random(struct quicktun_session *session, void *buf, size_t len)
{
    const struct quicktun_context *context = session->context;
    return context->random(context->random_arg, buf, len) == 0
               ? QUICKTUN_OK
               : quicktun_session_fail(session, QUICKTUN_E_RANDOM);
}

/* ---- Requests of ours ---- */

void quicktun_pending_add(struct quicktun_session *session, uint64_t now_ms, uint8_t code)
{
    struct quicktun_pending *pending = &session->pending;
    if (pending->count == 0)
        pending->since_ms = now_ms;
    pending->codes[pending->count++] = code;
}

bool quicktun_pending_take(struct quicktun_session *session, uint64_t now_ms, uint8_t answer)
{
    struct quicktun_pending *pending = &session->pending;
    if (pending->count == 0 || pending->codes[0] + 1 != answer)
        return false;
    memmove(pending->codes, pending->codes + 1, sizeof pending->codes - 1);
    pending->count--;
    pending->since_ms = now_ms;
    return true;
}

bool quicktun_pending_has(const struct quicktun_session *session, uint8_t code)
{
    return memchr(session->pending.codes, code, session->pending.count) != NULL;
}

/* ---- Policy and state ---- */

enum quicktun_protection quicktun_session_protection(const struct quicktun_session *session)
{
    const struct quicktun_direction *out = &session->out;
    const struct quicktun_direction *in = &session->in;
    if (!out->on || !in->on || !quicktun_direction_clean(out) || !quicktun_direction_clean(in))
        return QUICKTUN_CLEAR;
    bool sessions =
        out->mine_kind == QUICKTUN_KIND_SESSION && out->theirs_kind == QUICKTUN_KIND_SESSION &&
        in->mine_kind == QUICKTUN_KIND_SESSION && in->theirs_kind == QUICKTUN_KIND_SESSION;
    return sessions ? QUICKTUN_SESSION : QUICKTUN_LONG_TERM;
}

bool quicktun_session_keys_met(const struct quicktun_session *session)
{
    const struct quicktun_options *options = &session->options;
    if (session->proof && !session->proven)
        return false;
    if (session->disabled)
        return true; /* by permission: no protection is asked for any more */
    enum quicktun_protection protection = quicktun_session_protection(session);
    return (options->weak_unencrypted || protection != QUICKTUN_CLEAR) &&
           (options->weak_long_term_keys || protection == QUICKTUN_SESSION);
}

static bool frames_safe(const struct quicktun_session *session)
{
    return session->options.mode != QUICKTUN_ETHERNET || session->options.weak_ethernet_forging ||
           !(session->in.on || session->out.on) ||
           quicktun_session_agreed(session, QUICKTUN_OFFER_CONTROL_ONLY);
}

bool quicktun_session_policy_met(const struct quicktun_session *session)
{
    return quicktun_session_keys_met(session) && frames_safe(session) &&
           (!session->options.ask || session->password_right);
}

bool quicktun_session_protected(const struct quicktun_session *session)
{
    return !(session->start_sent || session->start_received) ||
           quicktun_direction_clean(&session->out);
}

bool quicktun_session_up(const struct quicktun_session *session)
{
    return !session->error && session->zero_sent && session->zero_received &&
           quicktun_session_policy_met(session) &&
           !quicktun_pending_has(session, QUICKTUN_CODE_DISABLE);
}

bool quicktun_session_may_send(const struct quicktun_session *session)
{
    bool keys_seen = session->start_sent || session->start_received;
    return quicktun_session_up(session) && quicktun_session_protected(session) &&
           (!keys_seen || session->zero_sent_clean);
}

bool quicktun_session_agreed(const struct quicktun_session *session, uint8_t bit)
{
    return session->offered & session->accepted & bit;
}

int quicktun_session_error(const struct quicktun_session *session)
{
    return session->error;
}

bool quicktun_session_proven(const struct quicktun_session *session)
{
    return session->proven;
}

const uint8_t *quicktun_session_peer(const struct quicktun_session *session)
{
    return session->start_received ? session->peer : NULL;
}

bool quicktun_session_segmented(const struct quicktun_session *session)
{
    return quicktun_session_agreed(session, QUICKTUN_OFFER_SEGMENTED);
}

void quicktun_session_counters(const struct quicktun_session *session,
                               struct quicktun_counters *counters)
{
    *counters = session->counters;
}
