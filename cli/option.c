#include "cli/option.h"

#include "base/encode.h"
#include "cli/boxkey.h"
#include "cli/suggest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHOWN_MAX = 100,     /* characters of a value that a mistake repeats */
    FERNET_KEY_LEN = 32, /* bytes */
};

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {"d", 24 * 60 * 60 * 1000},
    {NULL, 0},
};

static const struct unit size_units[] = {
    {"", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}, {NULL, 0},
};

char *option_key(const struct option_spec *spec, char out[OPTION_KEY_MAX])
{
    snprintf(out, OPTION_KEY_MAX, "%s", spec->name);
    for (char *c = out; *c != '\0'; c++)
        if (*c == '-')
            *c = '_';
    return out;
}

/* Decimal digits alone; returns what follows them, or NULL without digits or past UINT64_MAX. */
static const char *read_digits(const char *text, uint64_t *number)
{
    const char *at = text;
    uint64_t sum = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return NULL;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return at == text ? NULL : at;
}

static bool read_with_unit(const char *text, const struct unit *units, uint64_t *number)
{
    uint64_t count;
    const char *rest = read_digits(text, &count);
    if (rest == NULL)
        return false;
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (strcmp(rest, unit->name) == 0) {
            if (count > UINT64_MAX / unit->factor)
                return false;
            *number = count * unit->factor;
            return true;
        }
    }
    return false;
}

bool option_duration_parse(const char *text, uint64_t *ms)
{
    return read_with_unit(text, duration_units, ms);
}

bool option_size_parse(const char *text, uint64_t *bytes)
{
    return read_with_unit(text, size_units, bytes);
}

/* The largest unit of which the number is a multiple. */
static void format_with_unit(uint64_t number, const struct unit *units, char *out, size_t out_len)
{
    const struct unit *best = units;
    for (const struct unit *unit = units; unit->name != NULL; unit++)
        if (number >= unit->factor && number % unit->factor == 0)
            best = unit;
    snprintf(out, out_len, "%llu%s", (unsigned long long)(number / best->factor), best->name);
}

static void format_limit(const struct option_spec *spec, uint64_t number, char out[32])
{
    if (spec->kind == OPTION_DURATION)
        format_with_unit(number, duration_units, out, 32);
    else if (spec->kind == OPTION_SIZE)
        format_with_unit(number, size_units, out, 32);
    else
        snprintf(out, 32, "%llu", (unsigned long long)number);
}

/* Always false, so that a reader can return it. */
static bool refuse(char why[OPTION_WHY_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool refuse(char why[OPTION_WHY_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, OPTION_WHY_MAX, format, args);
    va_end(args);
    return false;
}

static bool in_range(const struct option_spec *spec, uint64_t number, const char *shown,
                     char why[OPTION_WHY_MAX])
{
    if (spec->max == 0 || (number >= spec->min && number <= spec->max))
        return true;
    char least[32];
    char most[32];
    format_limit(spec, spec->min, least);
    format_limit(spec, spec->max, most);
    return refuse(why, "%s is out of range: %s to %s", shown, least, most);
}

static bool read_number(const struct option_spec *spec, const char *text, const char *shown,
                        struct option_value *value, char why[OPTION_WHY_MAX])
{
    const char *rest;
    switch (spec->kind) {
    case OPTION_DURATION:
        if (!option_duration_parse(text, &value->number)) {
            return refuse(why, "\"%s\" is no duration: a number and ms, s, m, h or d, such as 30s",
                          shown);
        }
        break;
    case OPTION_SIZE:
        if (!option_size_parse(text, &value->number)) {
            return refuse(why,
                          "\"%s\" is no size: bytes, or a number and KiB, MiB or GiB, such as "
                          "32MiB",
                          shown);
        }
        break;
    default:
        rest = read_digits(text, &value->number);
        if (rest == NULL || *rest != '\0')
            return refuse(why, "\"%s\" is no whole number", shown);
        break;
    }
    return in_range(spec, value->number, shown, why);
}

static bool read_choice(const struct option_spec *spec, const char *text, const char *shown,
                        struct option_value *value, char why[OPTION_WHY_MAX])
{
    char all[256] = "";
    size_t used = 0;
    struct suggestion meant = suggest_start(text);
    for (size_t i = 0; spec->choices[i] != NULL; i++) {
        if (strcmp(text, spec->choices[i]) == 0) {
            value->number = i;
            return true;
        }
        suggest_offer(&meant, spec->choices[i]);
        int more =
            snprintf(all + used, sizeof all - used, "%s%s", i == 0 ? "" : ", ", spec->choices[i]);
        used += (size_t)more < sizeof all - used ? (size_t)more : 0;
    }
    if (meant.best != NULL)
        return refuse(why, "\"%s\" is not one of %s; did you mean %s?", shown, all, meant.best);
    return refuse(why, "\"%s\" is not one of %s", shown, all);
}

static bool read_switch(const char *text, const char *shown, struct option_value *value,
                        char why[OPTION_WHY_MAX])
{
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        value->number = text[0] == 't';
        return true;
    }
    return refuse(why, "\"%s\" is neither true nor false", shown);
}

static bool read_address(const char *text, const char *shown, struct option_value *value,
                         char why[OPTION_WHY_MAX])
{
    if (addr_parse(text, &value->addr))
        return true;
    return refuse(why,
                  "\"%s\" is no address and port, such as 192.0.2.1:443 or [::]:443 (no host "
                  "names here)",
                  shown);
}

static bool read_host_name(const char *text, const char *shown, struct option_value *value,
                           char why[OPTION_WHY_MAX])
{
    if (hostname_valid(text) && hostname_normalise(text, strlen(text), value->to.name))
        return true;
    return refuse(why, "\"%s\" is no host name, such as home.example.org", shown);
}

static bool read_host_port(const char *text, const char *shown, struct option_value *value,
                           char why[OPTION_WHY_MAX])
{
    if (hostport_parse(text, false, value->to.host, &value->to.port))
        return true;
    return refuse(why, "\"%s\" is no HOST:PORT, such as home.example.org:443 or [::1]:8443", shown);
}

static bool read_endpoint(const char *text, const char *shown, struct option_value *value,
                          char why[OPTION_WHY_MAX])
{
    static const char plain[] = "http://";
    value->number = strncmp(text, plain, sizeof plain - 1) == 0;
    if (strncmp(text, "https://", 8) == 0)
        return refuse(why, "\"%s\": a service that speaks TLS itself is HOST:PORT alone", shown);
    return read_host_port(value->number == 1 ? text + sizeof plain - 1 : text, shown, value, why);
}

static bool read_route(const char *text, const char *shown, struct option_value *value,
                       char why[OPTION_WHY_MAX])
{
    const char *equals = strchr(text, '=');
    if (equals == NULL) {
        return refuse(why, "\"%s\" is no NAME=HOST:PORT, such as www.example.org=127.0.0.1:8443",
                      shown);
    }
    char name[HOSTNAME_MAX + 1];
    size_t name_len = (size_t)(equals - text);
    if (name_len > HOSTNAME_MAX) {
        return refuse(why, "\"%s\" begins with a name of more than %d characters", shown,
                      HOSTNAME_MAX);
    }
    memcpy(name, text, name_len);
    name[name_len] = '\0';
    char part[SHOWN_MAX];
    return read_host_name(name, text_escape(name, name_len, part, sizeof part), value, why) &&
           read_host_port(equals + 1,
                          text_escape(equals + 1, strlen(equals + 1), part, sizeof part), value,
                          why);
}

static bool read_cidr(const char *text, const char *shown, struct option_value *value,
                      char why[OPTION_WHY_MAX])
{
    if (cidr_parse(text, &value->cidr))
        return true;
    return refuse(why,
                  "\"%s\" is no address block, such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7 "
                  "(no bits past the prefix)",
                  shown);
}

static bool read_ip(const char *text, const char *shown, struct option_value *value,
                    char why[OPTION_WHY_MAX])
{
    if (ip_parse(text, &value->addr.ip))
        return true;
    return refuse(why, "\"%s\" is no address, such as 192.0.2.1 or 2001:db8::1", shown);
}

/* Of a CIDR, only the length is looked at with the bits that follow it cut off. */
static bool read_prefix(const char *text, const char *shown, struct option_value *value,
                        char why[OPTION_WHY_MAX])
{
    char address[IP_TEXT_MAX];
    const char *slash = strchr(text, '/');
    uint64_t len = 0;
    const char *rest = slash == NULL ? NULL : read_digits(slash + 1, &len);
    size_t address_len = slash == NULL ? sizeof address : (size_t)(slash - text);
    if (rest != NULL && *rest == '\0' && address_len < sizeof address) {
        memcpy(address, text, address_len);
        address[address_len] = '\0';
        if (ip_parse(address, &value->cidr.ip) && strchr(address, '.') == NULL
                ? len <= 128 && value->cidr.ip.family == 6
                : len <= 32 && value->cidr.ip.family == 4) {
            value->cidr.prefix_len = (uint8_t)len;
            return true;
        }
    }
    return refuse(why,
                  "\"%s\" is no address with the length of its network's prefix, such as "
                  "10.9.0.1/24 or fd00:9::1/64",
                  shown);
}

/* What was given is not repeated: it may be the secret half. */
static bool read_box_key(const char *text, struct option_value *value, char why[OPTION_WHY_MAX])
{
    return boxkey_public(text, value->key, why);
}

/* A secret written where its file's name belongs must not be repeated on a terminal. */
static bool looks_like_secret(const char *text)
{
    if (strpbrk(text, "{\n\r") != NULL)
        return true;
    uint8_t key[FERNET_KEY_LEN + 1];
    return strlen(text) == BASE64_LEN(FERNET_KEY_LEN) &&
           base64url_decode(text, strlen(text), key) == FERNET_KEY_LEN;
}

static bool read_path(const struct option_spec *spec, const char *text, char why[OPTION_WHY_MAX])
{
    if (strcmp(text, "-") == 0 && (spec->traits & OPTION_STDIN) == 0)
        return refuse(why, "standard input is not possible here: name a file");
    if (spec->kind == OPTION_SECRET && looks_like_secret(text)) {
        return refuse(why, "this is a secret itself: put it into a file of its own (mode 0600) and "
                           "name that file here");
    }
    return true;
}

static bool read_value(const struct option_spec *spec, const char *text, const char *shown,
                       struct option_value *value, char why[OPTION_WHY_MAX])
{
    switch (spec->kind) {
    case OPTION_SWITCH:
        return read_switch(text, shown, value, why);
    case OPTION_CHOICE:
        return read_choice(spec, text, shown, value, why);
    case OPTION_NUMBER:
    case OPTION_DURATION:
    case OPTION_SIZE:
        return read_number(spec, text, shown, value, why);
    case OPTION_ADDRESS:
        return read_address(text, shown, value, why);
    case OPTION_ENDPOINT:
        return read_endpoint(text, shown, value, why);
    case OPTION_HOST_PORT:
        return read_host_port(text, shown, value, why);
    case OPTION_HOST_NAME:
        return read_host_name(text, shown, value, why);
    case OPTION_ROUTE:
        return read_route(text, shown, value, why);
    case OPTION_CIDR:
        return read_cidr(text, shown, value, why);
    case OPTION_IP:
        return read_ip(text, shown, value, why);
    case OPTION_PREFIX:
        return read_prefix(text, shown, value, why);
    case OPTION_BOX_KEY:
        return read_box_key(text, value, why);
    case OPTION_FILE:
    case OPTION_SECRET:
        return read_path(spec, text, why);
    case OPTION_GROUP:
        return refuse(why, "has keys of its own: %s", spec->value);
    case OPTION_TEXT:
        break;
    }
    return true;
}

bool option_value_parse(const struct option_spec *spec, const char *text,
                        struct option_value *value, char why[OPTION_WHY_MAX])
{
    memset(value, 0, sizeof *value);
    if (text[0] == '\0')
        return refuse(why, "a value is missing: %s", spec->value);
    char shown[SHOWN_MAX];
    text_escape(text, strlen(text), shown, sizeof shown);
    if (!read_value(spec, text, shown, value, why))
        return false;
    value->text = strdup(text);
    if (value->text == NULL)
        return refuse(why, "out of memory");
    return true;
}

void option_value_clear(struct option_value *value)
{
    free(value->text);
    value->text = NULL;
}
