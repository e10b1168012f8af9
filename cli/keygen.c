#include "base/encode.h"
#include "cli/command.h"
#include "cli/keyfile.h"
#include "cli/process.h"
#include "io/real/real.h"

#include <adit/snitun_token.h>
#include <sodium.h>
#include <string.h>

enum { BOX_TEXT_MAX = sodium_base64_ENCODED_LEN(32, sodium_base64_VARIANT_ORIGINAL) };

enum { KEYGEN_FERNET, KEYGEN_BOX };

static const char *const kinds[] = {"fernet", "box", NULL};

static const struct option_spec specs[] = {
    {.name = "kind",
     .value = "fernet|box",
     .kind = OPTION_CHOICE,
     .traits = OPTION_NEEDED | OPTION_ARGUMENT | OPTION_NOT_IN_FILE,
     .choices = kinds,
     .help = "fernet: a key that opens and mints tokens, 44 characters. box: a Curve25519 key pair "
             "(crypto_box), base64."},
    {.name = "out",
     .value = "FILE",
     .kind = OPTION_FILE,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Writes the secret to this file, mode 0600, instead of printing it. Of a box key the "
             "public half is still printed."},
    {.name = "force",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Replaces a file that exists."},
    {.name = NULL},
};

/* Prints a secret, or writes it with --out. label stands before a printed one. */
static int give(const struct command *command, const struct options *options, struct io_loop *loop,
                const char *label, const char *secret)
{
    const char *path = options_text(options, "out");
    if (path == NULL) {
        printf("%s%s\n", label, secret);
        return EXIT_FINE;
    }
    return keyfile_write(command, io_disk(loop), path, secret,
                         options_switched_on(options, "force"));
}

static int make_fernet(const struct command *command, const struct options *options,
                       struct io_loop *loop)
{
    uint8_t key[32];
    char text[SNITUN_FERNET_KEY_TEXT + 1];
    io_random(loop, key, sizeof key);
    snitun_fernet_key_format(key, text);
    int status = give(command, options, loop, "", text);
    wipe(key, sizeof key);
    wipe(text, sizeof text);
    return status;
}

static int make_box(const struct command *command, const struct options *options,
                    struct io_loop *loop)
{
    uint8_t public_key[crypto_box_PUBLICKEYBYTES];
    uint8_t secret_key[crypto_box_SECRETKEYBYTES];
    char public_text[BOX_TEXT_MAX];
    char secret_text[BOX_TEXT_MAX];
    if (sodium_init() < 0 || crypto_box_keypair(public_key, secret_key) != 0)
        return command_failed(command, "libsodium does not start");
    sodium_bin2base64(public_text, sizeof public_text, public_key, sizeof public_key,
                      sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(secret_text, sizeof secret_text, secret_key, sizeof secret_key,
                      sodium_base64_VARIANT_ORIGINAL);
    int status = give(command, options, loop, "secret: ", secret_text);
    if (status == EXIT_FINE)
        printf("%s%s\n", options_text(options, "out") == NULL ? "public: " : "", public_text);
    wipe(secret_key, sizeof secret_key);
    wipe(secret_text, sizeof secret_text);
    return status;
}

static int run(const struct command *command, struct options *options)
{
    struct io_loop *loop = process_loop(command);
    if (loop == NULL)
        return EXIT_FAILED;
    int status = options_number(options, "kind") == KEYGEN_FERNET
                     ? make_fernet(command, options, loop)
                     : make_box(command, options, loop);
    io_real_free(loop);
    return status;
}

const struct command command_keygen = {
    .name = "keygen",
    .group = "Keys and credentials",
    .summary = "makes a key",
    .usage = "fernet|box [--out FILE] [--force]",
    .about = "Makes a key from the system's randomness and prints it, or writes it to a file that "
             "nobody else may read. A Fernet key belongs to a server and to whoever mints tokens "
             "for it, nobody else. To change keys, put the new one on the first line of the "
             "server's key file and leave the old one below it until its tokens have expired.",
    .example = "  adit keygen fernet --out fernet.key\n",
    .table = {specs, NULL},
    .run = run,
};
