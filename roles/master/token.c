#include "roles/master/internal.h"

#include "base/encode.h"

#include <string.h>

enum {
    PLAIN_VERSION = 1,  /* for clients that say nothing: those of version 0 skip what it adds */
    CIPHER_VERSION = 2, /* for those that name a cipher */
};

/* What a request asks for. */
struct wish {
    struct snitun_keys keys;
    bool extended; /* it names a cipher */
};

/* Hex digits of exactly len bytes. */
static bool read_hex(const json_t *body, const char *field, uint8_t *out, size_t len)
{
    const json_t *value = json_object_get(body, field);

    return json_is_string(value) && json_string_length(value) == 2 * len &&
           hex_decode(json_string_value(value), out, len);
}

static bool read_version(struct call *call, const json_t *body, struct wish *wish)
{
    const json_t *version = json_object_get(body, "protocol_version");

    wish->keys.protocol_version = wish->extended ? CIPHER_VERSION : PLAIN_VERSION;
    if (version == NULL)
        return true;
    if (!json_is_integer(version) || json_integer_value(version) < 0 ||
        json_integer_value(version) > SNITUN_TOKEN_VERSION_MAX) {
        call_refuse(call, 400, "\"protocol_version\" is not 0, 1 or 2");
        return false;
    }
    wish->keys.protocol_version = (uint8_t)json_integer_value(version);
    return true;
}

/* Without one it is aes-cbc: all that clients know that do not name one. */
static bool read_cipher(struct call *call, const json_t *body, struct wish *wish)
{
    const json_t *cipher = json_object_get(body, "cipher");
    int found = SNITUN_AES_CBC;

    wish->extended = cipher != NULL;
    if (wish->extended)
        found = json_is_string(cipher) ? snitun_cipher_by_name(json_string_value(cipher)) : -1;
    if (found < 0) {
        call_refuse(call, 400, "\"cipher\" is not aes-gcm, aes-gcm-siv or aes-cbc");
        return false;
    }
    wish->keys.cipher = (enum snitun_cipher)found;
    if ((call->host.ciphers & 1U << found) != 0)
        return true;
    call_refuse(call, 403, "this host may not use %s", snitun_cipher_name(wish->keys.cipher));
    return false;
}

static bool has_name(const struct store_host *host, const char *asked)
{
    char name[HOSTNAME_MAX + 1];

    if (!hostname_normalise(asked, strlen(asked), name))
        return false;
    if (strcmp(host->name, name) == 0)
        return true;
    for (size_t i = 0; i < host->alias_count; i++)
        if (strcmp(host->aliases[i], name) == 0)
            return true;
    return false;
}

/* A publisher may say for which name it thinks that its key is. */
static bool check_name(struct call *call, const json_t *body)
{
    const json_t *name = json_object_get(body, "hostname");

    if (name == NULL || (json_is_string(name) && has_name(&call->host, json_string_value(name))))
        return true;
    call_refuse(call, 403, "this API key is for %s, not for the host that was asked for",
                call->host.name);
    return false;
}

static bool read_wish(struct call *call, const json_t *body, struct wish *wish)
{
    if (!read_hex(body, "aes_key", wish->keys.aes_key, sizeof(wish->keys.aes_key))) {
        call_refuse(call, 400, "\"aes_key\" is missing or not 64 hexadecimal digits");
        return false;
    }
    if (!read_hex(body, "aes_iv", wish->keys.aes_iv, sizeof(wish->keys.aes_iv))) {
        call_refuse(call, 400, "\"aes_iv\" is missing or not 32 hexadecimal digits");
        return false;
    }
    return read_cipher(call, body, wish) && read_version(call, body, wish) &&
           check_name(call, body);
}

/* The token that a host gets; its lists are the host's own. */
static void describe(const struct store_host *host, const struct wish *wish,
                     struct snitun_token_cidr whitelist[STORE_ALLOW_MAX],
                     struct snitun_token *token)
{
    memset(token, 0, sizeof(*token));
    memcpy(token->hostname, host->name, sizeof(token->hostname));
    token->keys = wish->keys;
    token->aliases = host->aliases;
    token->alias_count = host->alias_count;
    for (size_t i = 0; i < host->allow_count; i++)
        whitelist[i] = (struct snitun_token_cidr){host->allow[i].ip, host->allow[i].prefix_len};
    token->whitelist = whitelist;
    token->whitelist_count = host->allow_count;
}

static json_t *allow_list(const struct store_host *host)
{
    json_t *list = json_array();

    for (size_t i = 0; i < host->allow_count; i++) {
        char text[CIDR_TEXT_MAX];

        cidr_format(&host->allow[i], text);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

/* What our own publishers read beside the fields that everybody gets. */
static void extend(const struct call *call, const struct wish *wish, json_t *answer)
{
    json_t *aliases = json_array();

    for (size_t i = 0; i < call->host.alias_count; i++)
        json_array_append_new(aliases, json_string(call->host.aliases[i]));
    json_object_set_new(answer, "cipher", json_string(snitun_cipher_name(wish->keys.cipher)));
    json_object_set_new(answer, "port", json_integer(call->master->server_port));
    json_object_set_new(answer, "hostname", json_string(call->host.name));
    json_object_set_new(answer, "alias", aliases);
    json_object_set_new(answer, "whitelist", allow_list(&call->host));
}

/* After what was revoked, and for as long as the operator says. */
static int64_t valid_until(const struct call *call)
{
    int64_t until = (int64_t)call->now_s + call->master->token_valid_s;

    return until > call->host.floor_s ? until : call->host.floor_s + 1;
}

static void mint(struct call *call, const struct wish *wish)
{
    const struct master *master = call->master;
    struct snitun_token_cidr whitelist[STORE_ALLOW_MAX];
    struct snitun_token token;
    char text[SNITUN_TOKEN_MINT_MAX + 1];
    json_t *answer;
    int error;

    describe(&call->host, wish, whitelist, &token);
    token.valid = (double)valid_until(call);
    error = snitun_token_mint(master->keyring, call->now_s, &token, master->random,
                              master->random_arg, text);
    wipe(&token.keys, sizeof(token.keys));
    if (error != 0) {
        call_refuse(call, 500, "cannot mint a token: %s", snitun_token_error_text(error));
        return;
    }
    answer = json_pack("{s:s, s:s, s:I, s:i, s:i}", "token", text, "server", master->server_host,
                       "valid", (json_int_t)valid_until(call), "throttling", 0, "protocol_version",
                       (int)wish->keys.protocol_version);
    if (answer != NULL && wish->extended)
        extend(call, wish, answer);
    call_answer(call, answer);
    store_saw_token(master->store, call->host.id, (int64_t)call->now_s, &call->request->from);
}

void token_mint(struct call *call)
{
    struct wish wish = {0};
    json_t *body = call_body(call);

    if (body != NULL && read_wish(call, body, &wish))
        mint(call, &wish);
    json_decref(body);
    wipe(&wish, sizeof(wish));
}

bool master_host_fits(const struct store_host *host, adit_random_fn *random, void *random_arg)
{
    static const struct snitun_keyring keyring = {.count = 1};
    /* The longest names of a cipher and the largest numbers. */
    struct wish wish = {
        .keys = {.cipher = SNITUN_AES_GCM_SIV, .protocol_version = SNITUN_TOKEN_VERSION_MAX}};
    struct snitun_token_cidr whitelist[STORE_ALLOW_MAX];
    struct snitun_token token;
    char text[SNITUN_TOKEN_MINT_MAX + 1];

    describe(host, &wish, whitelist, &token);
    token.valid = (double)(STORE_FOR_EVER - 1);
    return snitun_token_mint(&keyring, 0, &token, random, random_arg, text) == 0;
}
