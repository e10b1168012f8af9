#include "tests/vectors/vectors_sodiumtcp_case.h"

#include "base/encode.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool vectors_fail(const char *where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", where);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return false;
}

void *vectors_allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* ---- The file ---- */

static bool load_hex(const json_t *json, const char *where, struct bytes *out)
{
    const char *text = json_string_value(json);
    if (!text || strlen(text) % 2 != 0)
        return vectors_fail(where, "no hex string");
    out->len = strlen(text) / 2;
    out->at = vectors_allocate(out->len, 1);
    return hex_decode(text, out->at, out->len) || vectors_fail(where, "no hex string");
}

static bool load_key(const json_t *root, const char *key, uint8_t out[SODIUMTCP_KEY_LEN])
{
    const char *text = json_string_value(json_object_get(root, key));
    bool right = text && strlen(text) == (size_t)2 * SODIUMTCP_KEY_LEN &&
                 hex_decode(text, out, SODIUMTCP_KEY_LEN);
    return right || vectors_fail(key, "not 32 bytes of hex");
}

static bool load_text(const json_t *root, const char *key, const char **out)
{
    *out = json_string_value(json_object_get(root, key));
    return *out || vectors_fail(key, "no string");
}

static bool load_random(const json_t *list, const char *where, struct pdu *pdu)
{
    pdu->random_count = json_array_size(list);
    if (!json_is_array(list) || pdu->random_count > RANDOM_PER_PDU_MAX)
        return vectors_fail(where, "\"random\" is no list of at most %d", RANDOM_PER_PDU_MAX);
    for (size_t i = 0; i < pdu->random_count; i++)
        if (!load_hex(json_array_get(list, i), where, &pdu->random[i]))
            return false;
    return true;
}

bool recorded_sealed(const struct pdu *pdu)
{
    return pdu->type == SODIUMTCP_PDU_CLIENT_AUTH || pdu->type == SODIUMTCP_PDU_SERVER_HELO;
}

/* What the file says beside body and wire. */
static bool check_header(const json_t *json, const char *where, const struct pdu *pdu)
{
    const char *magic = json_string_value(json_object_get(json, "magic"));
    json_int_t body_size = json_integer_value(json_object_get(json, "body_size"));
    size_t overhead = recorded_sealed(pdu) ? SODIUMTCP_HEADER_LEN + crypto_box_SEALBYTES
                                           : (size_t)SODIUMTCP_PDU_OVERHEAD;
    if (!magic || strcmp(magic, "baadc0de") != 0)
        return vectors_fail(where, "\"magic\" is not baadc0de");
    bool ping = pdu->type == SODIUMTCP_PDU_PING || pdu->type == SODIUMTCP_PDU_PONG;
    if ((ping && pdu->body.len != SODIUMTCP_PING_LEN) ||
        (pdu->type == SODIUMTCP_PDU_ERROR && pdu->body.len <= SODIUMTCP_ERROR_LEN))
        return vectors_fail(where, "a body that is too short");
    if (body_size != (json_int_t)pdu->body.len || pdu->wire.len != pdu->body.len + overhead)
        return vectors_fail(where, "body_size, body and wire do not fit");
    return true;
}

static bool load_pdu(const json_t *json, const char *where, struct pdu *pdu)
{
    const char *from = json_string_value(json_object_get(json, "from"));
    const json_t *type = json_object_get(json, "pdu_type");
    if (!from || (strcmp(from, "client") != 0 && strcmp(from, "server") != 0))
        return vectors_fail(where, "\"from\" is neither client nor server");
    pdu->from_server = strcmp(from, "server") == 0;
    pdu->type = (uint32_t)json_integer_value(type);
    if (!json_is_integer(type) || pdu->type < SODIUMTCP_PDU_CLIENT_AUTH ||
        (pdu->type > SODIUMTCP_PDU_PONG && pdu->type < SODIUMTCP_PDU_KEY_CLIENT) ||
        pdu->type > SODIUMTCP_PDU_PADDING)
        return vectors_fail(where, "\"pdu_type\" is no PDU's");
    return load_hex(json_object_get(json, "body"), where, &pdu->body) &&
           load_hex(json_object_get(json, "wire"), where, &pdu->wire) &&
           load_random(json_object_get(json, "random"), where, pdu) &&
           check_header(json, where, pdu);
}

bool recording_load(const json_t *root, struct recording *recording)
{
    const json_t *list = json_object_get(root, "pdus");
    if (!load_key(root, "server_secret_key", recording->server.secret_key) ||
        !load_key(root, "server_public_key", recording->server.public_key) ||
        !load_key(root, "client_secret_key", recording->client.secret_key) ||
        !load_key(root, "client_public_key", recording->client.public_key) ||
        !load_key(root, "client_tx_key", recording->client_tx_key) ||
        !load_key(root, "client_rx_key", recording->client_rx_key) ||
        !load_text(root, "login", &recording->login) ||
        !load_text(root, "passphrase", &recording->passphrase) ||
        !load_text(root, "server_message", &recording->message))
        return false;
    if (json_array_size(list) == 0)
        return vectors_fail("pdus", "no list with at least one PDU");
    recording->pdus = vectors_allocate(json_array_size(list), sizeof *recording->pdus);
    recording->count = json_array_size(list);
    for (size_t i = 0; i < recording->count; i++) {
        char where[WHERE_MAX];
        snprintf(where, sizeof where, "pdus[%zu]", i);
        if (!load_pdu(json_array_get(list, i), where, &recording->pdus[i]))
            return false;
    }
    return true;
}

void recording_free(struct recording *recording)
{
    for (size_t i = 0; i < recording->count; i++) {
        struct pdu *pdu = &recording->pdus[i];
        free(pdu->body.at);
        free(pdu->wire.at);
        for (size_t k = 0; k < pdu->random_count && k < RANDOM_PER_PDU_MAX; k++)
            free(pdu->random[k].at);
    }
    free(recording->pdus);
}
