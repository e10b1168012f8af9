#include "base/encode.h"
#include "cli/command.h"
#include "cli/keyfile.h"
#include "cli/mint.h"
#include "cli/process.h"
#include "io/real/real.h"

#include <stdlib.h>
#include <string.h>

static const char *const ciphers[] = {"aes-gcm-siv", "aes-gcm", "aes-cbc", NULL};

static const struct option_spec specs[] = {
    {.name = "fernet-key-file",
     .value = "FILE",
     .kind = OPTION_SECRET,
     .traits = OPTION_NEEDED | OPTION_NOT_IN_FILE,
     .help = "The server's Fernet keys, one a line; the first one mints."},
    {.name = "hostname",
     .value = "NAME",
     .kind = OPTION_HOST_NAME,
     .traits = OPTION_NEEDED | OPTION_NOT_IN_FILE,
     .help = "The host name that the credential publishes."},
    {.name = "alias",
     .value = "NAME",
     .kind = OPTION_HOST_NAME,
     .traits = OPTION_MANY | OPTION_NOT_IN_FILE,
     .help = "A further host name."},
    {.name = "cipher",
     .value = "CIPHER",
     .kind = OPTION_CHOICE,
     .traits = OPTION_NOT_IN_FILE,
     .choices = ciphers,
     .fallback = "aes-gcm-siv",
     .help = "aes-gcm-siv, aes-gcm (good for one connection only) or aes-cbc (no integrity; the "
             "only one that older clients know)."},
    {.name = "protocol-version",
     .value = "0..2",
     .kind = OPTION_NUMBER,
     .traits = OPTION_NOT_IN_FILE,
     .max = 2,
     .fallback = "2",
     .help = "Version of the multiplexer protocol. 0 has no flow control; 0 and 1 do not carry "
             "IPv6 callers."},
    {.name = "valid",
     .value = "DURATION",
     .kind = OPTION_DURATION,
     .traits = OPTION_NOT_IN_FILE,
     .min = 1000,
     .max = 3650ULL * 24 * 60 * 60 * 1000,
     .fallback = "30d",
     .help = "How long the credential is good: a number and s, m, h or d."},
    {.name = "allow",
     .value = "CIDR",
     .kind = OPTION_CIDR,
     .traits = OPTION_MANY | OPTION_NOT_IN_FILE,
     .help = "Only callers from this address block reach the service; without it everyone does. "
             "The server decides by the address that it sees."},
    {.name = "out",
     .value = "FILE",
     .kind = OPTION_FILE,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Writes the credential to this file, mode 0600, instead of printing it."},
    {.name = "force",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Replaces a file that exists."},
    {.name = NULL},
};

/* Everything but the keys, from the flags. False without memory. */
static bool describe(const struct options *options, double wall_s, struct snitun_token *token)
{
    size_t aliases = options_count(options, "alias");
    size_t blocks = options_count(options, "allow");
    token->aliases = calloc(aliases + 1, sizeof *token->aliases);
    token->whitelist = calloc(blocks + 1, sizeof *token->whitelist);
    if (token->aliases == NULL || token->whitelist == NULL)
        return false;
    snprintf(token->hostname, sizeof token->hostname, "%s",
             options_value(options, "hostname", 0)->to.name);
    for (size_t i = 0; i < aliases; i++) {
        snprintf(token->aliases[i], sizeof token->aliases[i], "%s",
                 options_value(options, "alias", i)->to.name);
    }
    token->alias_count = aliases;
    for (size_t i = 0; i < blocks; i++) {
        const struct cidr *cidr = &options_value(options, "allow", i)->cidr;
        token->whitelist[i] = (struct snitun_token_cidr){cidr->ip, cidr->prefix_len};
    }
    token->whitelist_count = blocks;
    token->keys.cipher = (enum snitun_cipher)snitun_cipher_by_name(options_text(options, "cipher"));
    token->keys.protocol_version = (uint8_t)options_number(options, "protocol-version");
    /* Whole seconds: the credential says the same number. */
    uint64_t valid_for_s = options_number(options, "valid") / 1000;
    token->valid = (double)((uint64_t)wall_s + valid_for_s);
    return true;
}

static int give(const struct command *command, const struct options *options, struct io_loop *loop,
                const char *json)
{
    const char *path = options_text(options, "out");
    if (path == NULL) {
        puts(json);
        return EXIT_FINE;
    }
    return keyfile_write(command, io_disk(loop), path, json, options_switched_on(options, "force"));
}

static int mint(const struct command *command, const struct options *options, struct io_loop *loop,
                struct snitun_token *token)
{
    struct snitun_keyring keyring = {0};
    int status =
        keyfile_read(command, io_disk(loop), options_text(options, "fernet-key-file"), &keyring);
    if (status != EXIT_FINE)
        return status;
    char why[OPTION_WHY_MAX];
    char *json = mint_credential(loop, &keyring, token, why);
    snitun_keyring_wipe(&keyring);
    if (json == NULL)
        return command_failed(command, "%s", why);
    status = give(command, options, loop, json);
    wipe(json, strlen(json));
    free(json);
    return status;
}

static int run(const struct command *command, struct options *options)
{
    struct io_loop *loop = process_loop(command);
    if (loop == NULL)
        return EXIT_FAILED;
    struct snitun_token token = {0};
    int status = describe(options, io_wall_s(loop), &token)
                     ? mint(command, options, loop, &token)
                     : command_failed(command, "out of memory");
    snitun_token_clear(&token);
    io_real_free(loop);
    return status;
}

const struct command command_token_mint = {
    .name = "token mint",
    .group = "Keys and credentials",
    .summary = "makes a credential for a publisher",
    .usage = "--fernet-key-file FILE --hostname NAME [--alias NAME]... [--valid 30d]",
    .about = "Makes a credential: a token that the server opens with its Fernet key, and the "
             "keys of the tunnel. It is JSON with the keys token, aes_key, aes_iv, cipher, "
             "protocol_version, hostname, alias and valid (Unix seconds). Whoever has it can "
             "publish under these names until it expires: hand it over as you would a password.",
    .example = "  adit token mint --fernet-key-file fernet.key --hostname home.example.org \\\n"
               "      --alias cam.example.org --valid 90d --out home.json\n",
    .table = {specs, NULL},
    .run = run,
};
