#include "base/cursor.h"
#include "base/encode.h"
#include "cli/command.h"
#include "cli/keyfile.h"
#include "cli/process.h"
#include "io/real/real.h"

#include <adit/snitun_token.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TIME_TEXT_MAX = 32, FERNET_HEAD_LEN = 9 };

static const struct option_spec specs[] = {
    {.name = "fernet-key-file",
     .value = "FILE",
     .kind = OPTION_SECRET,
     .traits = OPTION_NEEDED | OPTION_NOT_IN_FILE,
     .help = "The server's Fernet keys, one a line."},
    {.name = "json",
     .kind = OPTION_SWITCH,
     .traits = OPTION_NOT_IN_FILE,
     .help = "Prints JSON instead of text. No key is ever printed."},
    {.name = NULL},
};

/* What came on standard input. */
struct subject {
    const char *text; /* the token, trimmed */
    size_t len;
    json_t *credential; /* NULL when it was a bare token */
};

static const char *state_name(int verdict)
{
    switch (verdict) {
    case SNITUN_TOKEN_OK:
        return "valid";
    case SNITUN_TOKEN_E_EXPIRED:
        return "expired";
    case SNITUN_TOKEN_E_FOREIGN:
        return "foreign";
    default:
        return "malformed";
    }
}

static void format_time(double unix_s, char out[TIME_TEXT_MAX])
{
    /* Past the year 9999 the calendar has no four digits; a float may also be beyond time_t. */
    time_t seconds = unix_s > 0 && unix_s < 253402300800.0 ? (time_t)unix_s : 0;
    struct tm tm;
    if (seconds == 0 || gmtime_r(&seconds, &tm) == NULL) {
        snprintf(out, TIME_TEXT_MAX, "%.0f", unix_s);
        return;
    }
    strftime(out, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* "in 29 days", "3 hours ago". */
static void format_distance(double from_now_s, char out[TIME_TEXT_MAX])
{
    static const struct {
        double seconds;
        const char *name;
    } units[] = {{86400, "days"}, {3600, "hours"}, {60, "minutes"}, {1, "seconds"}};
    double size = from_now_s < 0 ? -from_now_s : from_now_s;
    size_t i = 0;
    while (i < 3 && size < 2 * units[i].seconds)
        i++;
    snprintf(out, TIME_TEXT_MAX, "%s%.0f %s%s", from_now_s < 0 ? "" : "in ",
             size / units[i].seconds, units[i].name, from_now_s < 0 ? " ago" : "");
}

/* When the token was made, which its first bytes say in clear; 0 when they cannot be read. */
static double made_at(const struct subject *subject)
{
    char head[FERNET_HEAD_LEN / 3 * 4];
    uint8_t bytes[FERNET_HEAD_LEN];
    if (subject->len < sizeof head)
        return 0;
    memcpy(head, subject->text, sizeof head);
    if (base64url_decode(head, sizeof head, bytes) != FERNET_HEAD_LEN)
        return 0;
    struct cursor cursor = cursor_over(bytes, sizeof bytes);
    return cursor_u8(&cursor) == 0x80 ? (double)cursor_u64(&cursor) : 0;
}

/* True when the credential around the token says the same as the token; *differs names what not. */
static bool credential_agrees(const json_t *credential, const struct snitun_token *token,
                              const char **differs)
{
    char key[2 * sizeof token->keys.aes_key + 1];
    char iv[2 * sizeof token->keys.aes_iv + 1];
    hex_encode(token->keys.aes_key, sizeof token->keys.aes_key, key);
    hex_encode(token->keys.aes_iv, sizeof token->keys.aes_iv, iv);
    const struct {
        const char *name;
        const char *expected;
        const char *absent; /* what a missing field means, NULL = it must be there */
    } fields[] = {
        {"aes_key", key, NULL},
        {"aes_iv", iv, NULL},
        {"cipher", snitun_cipher_name(token->keys.cipher), "aes-cbc"},
    };
    *differs = NULL;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0] && *differs == NULL; i++) {
        const char *said = json_string_value(json_object_get(credential, fields[i].name));
        said = said == NULL ? fields[i].absent : said;
        if (said == NULL || strcasecmp(said, fields[i].expected) != 0)
            *differs = fields[i].name;
    }
    json_int_t version = json_integer_value(json_object_get(credential, "protocol_version"));
    if (*differs == NULL && version != token->keys.protocol_version)
        *differs = "protocol_version";
    wipe(key, sizeof key);
    wipe(iv, sizeof iv);
    return *differs == NULL;
}

static json_t *names_of(const struct snitun_token *token)
{
    json_t *names = json_array();
    for (size_t i = 0; i < token->alias_count; i++)
        json_array_append_new(names, json_string(token->aliases[i]));
    return names;
}

static json_t *blocks_of(const struct snitun_token *token)
{
    json_t *blocks = json_array();
    for (size_t i = 0; i < token->whitelist_count; i++) {
        struct cidr cidr = {token->whitelist[i].ip, token->whitelist[i].prefix_len};
        char text[CIDR_TEXT_MAX];
        cidr_format(&cidr, text);
        json_array_append_new(blocks, json_string(text));
    }
    return blocks;
}

/* All that is known, without keys; the verdict says whether the token's payload is filled. */
static json_t *explain(const struct subject *subject, int verdict, const struct snitun_token *token)
{
    json_t *all = json_pack("{ss}", "state", state_name(verdict));
    double made = made_at(subject);
    if (verdict != SNITUN_TOKEN_OK && verdict != SNITUN_TOKEN_E_EXPIRED) {
        json_object_set_new(all, "reason", json_string(snitun_token_error_text(verdict)));
        return all;
    }
    json_object_set_new(all, "hostname", json_string(token->hostname));
    json_object_set_new(all, "alias", names_of(token));
    json_object_set_new(all, "cipher", json_string(snitun_cipher_name(token->keys.cipher)));
    json_object_set_new(all, "protocol_version", json_integer(token->keys.protocol_version));
    json_object_set_new(all, "made", json_real(made));
    json_object_set_new(all, "valid", json_real(token->valid));
    json_object_set_new(all, "allow", blocks_of(token));
    const char *differs;
    if (subject->credential != NULL) {
        bool agrees = credential_agrees(subject->credential, token, &differs);
        json_object_set_new(all, "agrees", json_boolean(agrees));
        if (!agrees)
            json_object_set_new(all, "differs", json_string(differs));
    }
    return all;
}

static void print_list(const char *label, const json_t *list, const char *empty)
{
    printf("%-12s", label);
    for (size_t i = 0; i < json_array_size(list); i++)
        printf("%s%s", i == 0 ? "" : ", ", json_string_value(json_array_get(list, i)));
    printf("%s\n", json_array_size(list) == 0 ? empty : "");
}

static void print_times(const json_t *all, double now_s)
{
    char when[TIME_TEXT_MAX];
    char distance[TIME_TEXT_MAX];
    double made = json_real_value(json_object_get(all, "made"));
    double valid = json_real_value(json_object_get(all, "valid"));
    format_time(made, when);
    printf("%-12s%s\n", "made", when);
    format_time(valid, when);
    format_distance(valid - now_s, distance);
    printf("%-12s%s (%s)\n", valid > now_s ? "valid until" : "expired", when, distance);
}

static void print_text(const json_t *all, double now_s, const char *key_path)
{
    const char *state = json_string_value(json_object_get(all, "state"));
    printf("%-12s%s", "token", state);
    if (strcmp(state, "foreign") == 0)
        printf(": no key of %s opens it; it is of another server, or was changed", key_path);
    else if (json_object_get(all, "reason") != NULL)
        printf(": %s", json_string_value(json_object_get(all, "reason")));
    putchar('\n');
    if (json_object_get(all, "hostname") == NULL)
        return;
    printf("%-12s%s\n", "host name", json_string_value(json_object_get(all, "hostname")));
    print_list("aliases", json_object_get(all, "alias"), "none");
    printf("%-12s%s, protocol version %d\n", "tunnel",
           json_string_value(json_object_get(all, "cipher")),
           (int)json_integer_value(json_object_get(all, "protocol_version")));
    print_times(all, now_s);
    print_list("callers", json_object_get(all, "allow"), "everyone");
    if (json_object_get(all, "differs") != NULL) {
        printf("%-12sits %s is not the token's: it will not connect\n", "credential",
               json_string_value(json_object_get(all, "differs")));
    } else if (json_object_get(all, "agrees") != NULL) {
        printf("%-12sagrees with its token\n", "credential");
    }
}

/* Finds the token in what was read; the text stays the caller's. */
static bool find_token(const char *text, size_t len, struct subject *subject,
                       char why[OPTION_WHY_MAX])
{
    static const char blank[] = " \t\r\n";
    size_t start = strspn(text, blank);
    if (text[start] != '{') {
        subject->text = text + start;
        subject->len = strcspn(subject->text, blank);
        if (subject->len == 0) {
            snprintf(why, OPTION_WHY_MAX,
                     "standard input: empty; a token or a credential belongs "
                     "there");
            return false;
        }
        return true;
    }
    json_error_t error;
    subject->credential = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    const char *token = json_string_value(json_object_get(subject->credential, "token"));
    if (token == NULL) {
        snprintf(why, OPTION_WHY_MAX, "standard input: %s",
                 subject->credential == NULL ? "no JSON" : "a credential without \"token\"");
        return false;
    }
    subject->text = token;
    subject->len = strlen(token);
    return true;
}

static int show(const struct options *options, struct io_loop *loop,
                const struct snitun_keyring *keyring, const struct subject *subject)
{
    struct snitun_token token = {0};
    double now_s = io_wall_s(loop);
    int verdict = snitun_token_open(keyring, now_s, subject->text, subject->len, &token);
    json_t *all = explain(subject, verdict, &token);
    if (options_switched_on(options, "json")) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_text(all, now_s, options_text(options, "fernet-key-file"));
    }
    bool fine = verdict == SNITUN_TOKEN_OK && json_object_get(all, "differs") == NULL;
    json_decref(all);
    snitun_token_clear(&token);
    return fine ? EXIT_FINE : EXIT_FAILED;
}

static int run(const struct command *command, struct options *options)
{
    struct io_loop *loop = process_loop(command);
    if (loop == NULL)
        return EXIT_FAILED;
    struct snitun_keyring keyring = {0};
    struct subject subject = {0};
    char why[OPTION_WHY_MAX];
    size_t len = 0;
    char *text = NULL;
    int status =
        keyfile_read(command, io_disk(loop), options_text(options, "fernet-key-file"), &keyring);
    if (status == EXIT_FINE) {
        text = keyfile_stdin(&len, why);
        if (text == NULL || !find_token(text, len, &subject, why))
            status = command_failed(command, "%s", why);
        else
            status = show(options, loop, &keyring, &subject);
    }
    json_decref(subject.credential);
    if (text != NULL) {
        wipe(text, len);
        free(text);
    }
    snitun_keyring_wipe(&keyring);
    io_real_free(loop);
    return status;
}

const struct command command_token_show = {
    .name = "token show",
    .group = "Keys and credentials",
    .summary = "explains a token or a credential",
    .usage = "--fernet-key-file FILE [--json] < credential.json",
    .about = "Reads a token or a credential from standard input and says whether the server with "
             "these keys would take it, for which names, until when and from which callers. Exit "
             "status 1 when it would not: expired, foreign, malformed, or a credential whose keys "
             "are not those of its token.",
    .example = "  adit token show --fernet-key-file fernet.key < home.json\n",
    .table = {specs, NULL},
    .run = run,
};
