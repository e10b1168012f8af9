#include "lib/snitun/session.h"

#include "base/encode.h"
#include "lib/snitun/alive.h"
#include "lib/snitun/channel.h"
#include "lib/snitun/control.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)SNITUN_AES_CBC == (int)UNITS_AES_CBC &&
                   (int)SNITUN_AES_GCM == (int)UNITS_AES_GCM &&
                   (int)SNITUN_AES_GCM_SIV == (int)UNITS_AES_GCM_SIV,
               "one numbering of ciphers");

/* ---- Context ---- */

struct snitun_context *snitun_context_new(adit_random_fn *random, void *random_arg)
{
    struct snitun_context *context = calloc(1, sizeof *context);
    if (!context)
        return NULL;
    context->random = random;
    context->random_arg = random_arg;
    context->units = units_context_new(random, random_arg);
    if (!context->units || random(random_arg, context->map_seed, sizeof context->map_seed)) {
        snitun_context_free(context);
        return NULL;
    }
    return context;
}

void snitun_context_free(struct snitun_context *context)
{
    if (!context)
        return;
    free(context->spare);
    units_context_free(context->units);
    free(context);
}

/* ---- Session ---- */

struct snitun_session *snitun_session_new(struct snitun_context *context, enum snitun_role role,
                                          const struct snitun_keys *keys,
                                          const struct snitun_options *options, uint64_t now_ms)
{
    static const struct snitun_options defaults;
    options = options ? options : &defaults;
    struct snitun_session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    session->context = context;
    session->role = (uint8_t)role;
    session->version = keys->protocol_version;
    session->channels_max = options->channels_max ? options->channels_max : SNITUN_CHANNELS_MAX;
    session->state =
        role == SNITUN_SERVER ? SNITUN_STATE_SEND_CHALLENGE : SNITUN_STATE_AWAIT_CHALLENGE;
    map_init(&session->channels);
    list_init(&session->ended);
    list_init(&session->control.channels);
    list_init(&session->schedule.ring);
    session->schedule.shared = SNITUN_FRAME_SHARED;
    units_init(&session->units, context->units, (enum units_cipher)keys->cipher, keys->aes_key,
               keys->aes_iv, role == SNITUN_CLIENT);
    if ((role == SNITUN_SERVER &&
         snitun_session_random(session, session->challenge, sizeof session->challenge)) ||
        snitun_alive_init(session, options, now_ms)) {
        snitun_session_free(session);
        return NULL;
    }
    return session;
}

static void wipe_secrets(struct snitun_session *session)
{
    units_wipe(&session->units, session->context->units);
    wipe(session->challenge, sizeof session->challenge);
    wipe(session->receiver.unit, sizeof session->receiver.unit);
}

void snitun_session_free(struct snitun_session *session)
{
    if (!session)
        return;
    snitun_channel_free_all(session);
    snitun_control_clear(session);
    wipe_secrets(session);
    free(session);
}

int snitun_session_fail(struct snitun_session *session, int error)
{
    session->error = (int8_t)error;
    session->schedule.turn = NULL;
    snitun_control_clear(session);
    wipe_secrets(session);
    return error;
}

int snitun_session_fail_units(struct snitun_session *session, enum units_error error)
{
    switch (error) {
    case UNITS_E_RANDOM:
        return snitun_session_fail(session, SNITUN_E_RANDOM);
    case UNITS_E_AUTHENTICATION:
        return snitun_session_fail(session, SNITUN_E_AUTHENTICATION);
    case UNITS_E_NONCE:
        return snitun_session_fail(session, SNITUN_E_NONCE);
    case UNITS_E_COUNTER:
        return snitun_session_fail(session, SNITUN_E_COUNTER);
    default:
        return snitun_session_fail(session, SNITUN_E_CRYPTO);
    }
}

int snitun_session_random(struct snitun_session *session, void *buf, size_t len)
{
    struct snitun_context *context = session->context;
    if (len > 0 && context->random(context->random_arg, buf, len))
        return snitun_session_fail(session, SNITUN_E_RANDOM);
    return SNITUN_OK;
}

bool snitun_session_running(const struct snitun_session *session)
{
    return session->state == SNITUN_STATE_RUNNING && !session->error;
}

int snitun_session_error(const struct snitun_session *session)
{
    return session->error;
}

bool snitun_session_established(const struct snitun_session *session)
{
    return session->state == SNITUN_STATE_RUNNING;
}

size_t snitun_session_channels(const struct snitun_session *session)
{
    return session->held;
}

void snitun_session_counters(const struct snitun_session *session, struct snitun_counters *counters)
{
    *counters = session->counters;
}

size_t snitun_header_len(const struct snitun_session *session)
{
    return SNITUN_FRAME_HEADER_LEN + units_overhead(&session->units);
}
