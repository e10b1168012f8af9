#include "tests/sim/outlet.h"

#include "base/encode.h"

#include <stdlib.h>
#include <string.h>

static const char credential_path[] = "/etc/adit/credential.json";

int outlet_random(void *world, void *buf, size_t len)
{
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)sim_random_below(world, 256);
    return 0;
}

void outlet_draw_keys(struct sim_world *world, struct snitun_token *token)
{
    outlet_random(world, token->keys.aes_key, sizeof token->keys.aes_key);
    outlet_random(world, token->keys.aes_iv, sizeof token->keys.aes_iv);
    token->keys.cipher = sim_chance(world, 5000) ? SNITUN_AES_CBC : SNITUN_AES_GCM_SIV;
    token->keys.protocol_version = (uint8_t)sim_random_below(world, 3);
}

void outlet_credential(struct sim_world *world, const struct snitun_keyring *keyring, double now_s,
                       const struct snitun_token *token, char *out, size_t len)
{
    char minted[SNITUN_TOKEN_MINT_MAX + 1];
    char key[2 * sizeof token->keys.aes_key + 1];
    char iv[2 * sizeof token->keys.aes_iv + 1];
    int error = snitun_token_mint(keyring, now_s, token, outlet_random, world, minted);
    if (error != 0)
        sim_fail(world, "mint: %s", snitun_token_error_text(error));
    hex_encode(token->keys.aes_key, sizeof token->keys.aes_key, key);
    hex_encode(token->keys.aes_iv, sizeof token->keys.aes_iv, iv);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:f}", "token", minted, "aes_key", key,
                             "aes_iv", iv, "cipher", snitun_cipher_name(token->keys.cipher),
                             "protocol_version", (int)token->keys.protocol_version, "hostname",
                             token->hostname, "valid", token->valid);
    char *text = json_dumps(json, 0);
    snprintf(out, len, "%s", text);
    free(text);
    json_decref(json);
}

static size_t token_len(const char *credential)
{
    json_t *json = json_loads(credential, 0, NULL);
    size_t len = json_string_length(json_object_get(json, "token"));
    json_decref(json);
    return len;
}

void outlet_set_credential(struct outlet *outlet, const struct snitun_keyring *keyring,
                           const struct snitun_token *token)
{
    char text[OUTLET_CREDENTIAL_MAX];
    outlet_credential(sim_host_world(outlet->home), keyring, sim_host_wall_s(outlet->home), token,
                      text, sizeof text);
    sim_disk_put(outlet->home, credential_path, text, strlen(text), 0600);
    outlet->keys = token->keys;
    outlet->token_len = token_len(text);
}

static void life_stopped(void *arg)
{
    party_stopped(arg);
}

static void *life_start(struct io_loop *loop, void *arg, struct life *life, char *why,
                        size_t why_len)
{
    const struct outlet *outlet = arg;
    struct publish_config config = {
        .server_port = outlet->server_port,
        .credential_file = credential_path,
        .to_port = outlet->to.port,
        .proxy_protocol = outlet->proxy_protocol,
        .memory = OUTLET_MEMORY,
    };
    if (outlet->master_url == NULL) {
        snprintf(config.server_host, sizeof config.server_host, "%s", outlet->server_name);
    } else {
        config.credential_file = NULL;
        config.master_url = outlet->master_url;
        config.api_key_file = outlet->api_key_file;
        config.cipher = SNITUN_AES_GCM;
    }
    ip_format(&outlet->to.ip, config.to_host);
    return publish_start(loop, &config, life_stopped, life, why, why_len);
}

static void life_stop(void *role)
{
    publish_stop(role);
}

static void life_free(void *role)
{
    publish_free(role);
}

static const struct party_ops ops = {
    .name = "publisher", .start = life_start, .stop = life_stop, .free = life_free};

void outlet_init(struct outlet *outlet, struct sim_world *world, const char *address,
                 const char *server_name, uint16_t server_port, const struct addr *to)
{
    *outlet = (struct outlet){.server_name = server_name, .server_port = server_port, .to = *to};
    snprintf(outlet->address, sizeof outlet->address, "%s", address);
    outlet->home = sim_host_new(world, "home", address);
    party_init(&outlet->party, outlet->home, &ops, outlet);
}

void outlet_start(struct outlet *outlet)
{
    party_start(&outlet->party);
}

void outlet_check_memory(const struct outlet *outlet)
{
    party_check_memory(&outlet->party, OUTLET_MEMORY + PARTY_MEMORY_SLACK);
}

bool outlet_publish_is_in_state(struct publish *publish, const char *name)
{
    json_t *status = publish_status(publish);
    const char *state = json_string_value(json_object_get(status, "state"));
    bool is = state != NULL && strcmp(state, name) == 0;
    json_decref(status);
    return is;
}

static bool is_in_state(const struct outlet *outlet, const char *name)
{
    struct publish *publish = party_role(&outlet->party);
    return publish != NULL && outlet_publish_is_in_state(publish, name);
}

bool outlet_is_connected(const struct outlet *outlet)
{
    return is_in_state(outlet, "connected");
}

bool outlet_is_waiting(const struct outlet *outlet)
{
    return is_in_state(outlet, "waiting");
}

uint64_t outlet_connections(const struct outlet *outlet)
{
    struct publish *publish = party_role(&outlet->party);
    json_t *status = publish == NULL ? NULL : publish_status(publish);
    const json_t *counters = json_object_get(status, "counters");
    json_int_t connections = json_integer_value(json_object_get(counters, "connections"));
    json_decref(status);
    return (uint64_t)connections;
}
