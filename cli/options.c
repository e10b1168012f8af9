#include "cli/options.h"

#include "base/encode.h"
#include "cli/suggest.h"

#include <stdlib.h>
#include <string.h>

enum {
    HELP_COLUMNS = 80,
    HELP_FLAG_INDENT = 2,
    HELP_INDENT = 6,
};

/* What one option was given. */
struct option_slot {
    struct option_value *values;
    size_t count;
    struct option_value fallback; /* read once; text NULL = none */
};

static bool belongs(const struct option_spec *list, const struct option_spec *spec)
{
    for (const struct option_spec *s = list; s->name != NULL; s++)
        if (s == spec)
            return true;
    return false;
}

const struct option_spec *options_next(const struct option_table *table,
                                       const struct option_spec *spec)
{
    const struct option_spec *next = spec == NULL ? table->own : spec + 1;
    if (next->name != NULL)
        return next;
    if (table->shared == NULL || (spec != NULL && belongs(table->shared, spec)))
        return NULL;
    return table->shared->name == NULL ? NULL : table->shared;
}

const struct option_spec *options_by_key(const struct option_table *table, const char *key)
{
    char name[OPTION_KEY_MAX];
    const struct option_spec *s = options_next(table, NULL);
    while (s != NULL && strcmp(option_key(s, name), key) != 0)
        s = options_next(table, s);
    return s;
}

static size_t table_len(const struct option_table *table)
{
    size_t len = 0;
    for (const struct option_spec *s = options_next(table, NULL); s != NULL;
         s = options_next(table, s))
        len++;
    return len;
}

static struct option_slot *slot_of(const struct options *options, const struct option_spec *spec)
{
    size_t at = 0;
    for (const struct option_spec *s = options_next(&options->table, NULL); s != spec;
         s = options_next(&options->table, s))
        at++;
    return &options->slots[at];
}

static void value_clear(struct option_value *value)
{
    if (value->group != NULL)
        options_clear(value->group);
    free(value->group);
    value->group = NULL;
    option_value_clear(value);
}

/* A group as a value, with the defaults of its members. False without memory. */
static bool make_group(const struct option_spec *spec, struct option_value *value)
{
    const struct option_table table = {spec->members, NULL};
    memset(value, 0, sizeof *value);
    value->text = strdup("");
    value->group = malloc(sizeof *value->group);
    if (value->group != NULL && !options_init(value->group, &table)) {
        free(value->group);
        value->group = NULL;
    }
    if (value->text != NULL && value->group != NULL)
        return true;
    value_clear(value);
    return false;
}

/* What stands there when the option is not given; nothing is a success, too. */
static bool make_fallback(const struct option_spec *spec, struct option_value *value)
{
    char why[OPTION_WHY_MAX];
    if (spec->kind == OPTION_GROUP)
        return (spec->traits & OPTION_MANY) != 0 || make_group(spec, value);
    return spec->fallback == NULL || option_value_parse(spec, spec->fallback, value, why);
}

bool options_init(struct options *options, const struct option_table *table)
{
    options->table = *table;
    options->slots = calloc(table_len(table) + 1, sizeof *options->slots);
    if (options->slots == NULL)
        return false;
    for (const struct option_spec *s = options_next(table, NULL); s != NULL;
         s = options_next(table, s)) {
        if (!make_fallback(s, &slot_of(options, s)->fallback)) {
            options_clear(options);
            return false;
        }
    }
    return true;
}

static void slot_empty(struct option_slot *slot)
{
    for (size_t i = 0; i < slot->count; i++)
        value_clear(&slot->values[i]);
    free(slot->values);
    slot->values = NULL;
    slot->count = 0;
}

void options_clear(struct options *options)
{
    size_t len = options->slots == NULL ? 0 : table_len(&options->table);
    for (size_t i = 0; i < len; i++) {
        slot_empty(&options->slots[i]);
        value_clear(&options->slots[i].fallback);
    }
    free(options->slots);
    options->slots = NULL;
}

static bool slot_push(struct option_slot *slot, const struct option_value *value)
{
    /* There is room up to the next power of two. */
    if ((slot->count & (slot->count - 1)) == 0) {
        size_t room = slot->count == 0 ? 1 : 2 * slot->count;
        struct option_value *grown = realloc(slot->values, room * sizeof *slot->values);
        if (grown == NULL)
            return false;
        slot->values = grown;
    }
    slot->values[slot->count] = *value;
    slot->count++;
    return true;
}

/* False with why when the option has its one value already. */
static bool may_follow(const struct option_slot *slot, const struct option_spec *spec,
                       char why[OPTION_WHY_MAX])
{
    if (slot->count == 0 || (spec->traits & OPTION_MANY) != 0)
        return true;
    snprintf(why, OPTION_WHY_MAX, "given twice, but it has one value");
    return false;
}

/* Takes the value, also when it fails. */
static bool push_value(struct option_slot *slot, struct option_value *value, unsigned line,
                       unsigned column, char why[OPTION_WHY_MAX])
{
    value->line = line;
    value->column = column;
    if (slot_push(slot, value))
        return true;
    value_clear(value);
    snprintf(why, OPTION_WHY_MAX, "out of memory");
    return false;
}

bool options_add(struct options *options, const struct option_spec *spec, const char *text,
                 unsigned line, unsigned column, char why[OPTION_WHY_MAX])
{
    struct option_slot *slot = slot_of(options, spec);
    struct option_value value;
    if (!may_follow(slot, spec, why) || !option_value_parse(spec, text, &value, why))
        return false;
    return push_value(slot, &value, line, column, why);
}

struct options *options_add_group(struct options *options, const struct option_spec *spec,
                                  unsigned line, unsigned column, char why[OPTION_WHY_MAX])
{
    struct option_slot *slot = slot_of(options, spec);
    struct option_value value;
    if (!may_follow(slot, spec, why))
        return NULL;
    if (!make_group(spec, &value)) {
        snprintf(why, OPTION_WHY_MAX, "out of memory");
        return NULL;
    }
    struct options *group = value.group;
    return push_value(slot, &value, line, column, why) ? group : NULL;
}

/* Replaces what a slot holds by copies. */
static bool slot_replace(struct option_slot *slot, const struct option_slot *over)
{
    slot_empty(slot);
    for (size_t i = 0; i < over->count; i++) {
        struct option_value copy = over->values[i];
        copy.text = strdup(copy.text);
        if (copy.text == NULL || !slot_push(slot, &copy)) {
            option_value_clear(&copy);
            return false;
        }
    }
    return true;
}

bool options_override(struct options *options, const struct options *over)
{
    for (const struct option_spec *s = options_next(&options->table, NULL); s != NULL;
         s = options_next(&options->table, s)) {
        const struct option_slot *from = slot_of(over, s);
        if (s->kind != OPTION_GROUP && from->count > 0 && !slot_replace(slot_of(options, s), from))
            return false;
    }
    return true;
}

const struct option_spec *options_missing(const struct options *options)
{
    for (const struct option_spec *s = options_next(&options->table, NULL); s != NULL;
         s = options_next(&options->table, s))
        if ((s->traits & OPTION_NEEDED) != 0 && slot_of(options, s)->count == 0)
            return s;
    return NULL;
}

static bool is_flag(const struct option_spec *spec)
{
    return (spec->traits & OPTION_ARGUMENT) == 0 && spec->kind != OPTION_GROUP;
}

/* The option of a flag's name, name_len characters of it; NULL when there is none. */
static const struct option_spec *find_flag(const struct options *options, const char *name,
                                           size_t name_len)
{
    for (const struct option_spec *s = options_next(&options->table, NULL); s != NULL;
         s = options_next(&options->table, s))
        if (is_flag(s) && strlen(s->name) == name_len && memcmp(s->name, name, name_len) == 0)
            return s;
    return NULL;
}

static void explain_unknown(const struct options *options, const char *name, size_t name_len,
                            char why[OPTION_WHY_MAX])
{
    char word[SUGGEST_WORD_MAX + 2];
    char shown[OPTION_WHY_MAX / 4];
    snprintf(word, sizeof word, "%.*s", (int)(name_len < sizeof word ? name_len : sizeof word),
             name);
    text_escape(name, name_len, shown, sizeof shown);
    struct suggestion meant = suggest_start(word);
    for (const struct option_spec *s = options_next(&options->table, NULL); s != NULL;
         s = options_next(&options->table, s))
        if (is_flag(s))
            suggest_offer(&meant, s->name);
    suggest_offer(&meant, "help");
    if (meant.best != NULL)
        snprintf(why, OPTION_WHY_MAX, "unknown option --%s; did you mean --%s?", shown, meant.best);
    else
        snprintf(why, OPTION_WHY_MAX, "unknown option --%s", shown);
}

static bool add_flag(struct options *options, const struct option_spec *spec, const char *text,
                     char why[OPTION_WHY_MAX])
{
    char inner[OPTION_WHY_MAX];
    if (options_add(options, spec, text, 0, 0, inner))
        return true;
    bool bare = (spec->traits & OPTION_ARGUMENT) != 0;
    /* What fits: the name of an option is a constant of ours and short. */
    snprintf(why, OPTION_WHY_MAX, "%s%s: %.*s", bare ? "" : "--", spec->name, OPTION_WHY_MAX - 80,
             inner);
    return false;
}

/* Reads the flag in argv[*at], and its value where that stands apart. */
static bool read_flag(struct options *options, int argc, char *const *argv, int *at,
                      char why[OPTION_WHY_MAX])
{
    const char *name = argv[*at] + 2;
    const char *equals = strchr(name, '=');
    size_t name_len = equals == NULL ? strlen(name) : (size_t)(equals - name);
    const struct option_spec *spec = find_flag(options, name, name_len);
    if (spec == NULL) {
        explain_unknown(options, name, name_len, why);
        return false;
    }
    if (equals != NULL)
        return add_flag(options, spec, equals + 1, why);
    if (spec->kind == OPTION_SWITCH)
        return add_flag(options, spec, "true", why);
    if (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0) {
        snprintf(why, OPTION_WHY_MAX, "--%s needs a value: %s", spec->name, spec->value);
        return false;
    }
    *at += 1;
    return add_flag(options, spec, argv[*at], why);
}

static bool read_argument(struct options *options, const char *text, char why[OPTION_WHY_MAX])
{
    for (const struct option_spec *s = options_next(&options->table, NULL); s != NULL;
         s = options_next(&options->table, s))
        if ((s->traits & OPTION_ARGUMENT) != 0 &&
            (slot_of(options, s)->count == 0 || (s->traits & OPTION_MANY) != 0))
            return add_flag(options, s, text, why);
    char shown[OPTION_WHY_MAX / 4];
    char word[SUGGEST_WORD_MAX + 2];
    snprintf(word, sizeof word, "%s", text[0] == '-' ? text + 1 : text);
    text_escape(text, strlen(text), shown, sizeof shown);
    const struct option_spec *meant = find_flag(options, word, strlen(word));
    if (meant != NULL) {
        snprintf(why, OPTION_WHY_MAX, "\"%s\" is not expected here; did you mean --%s?", shown,
                 meant->name);
    } else {
        snprintf(why, OPTION_WHY_MAX, "\"%s\" is not expected here", shown);
    }
    return false;
}

enum options_verdict options_read(struct options *options, int argc, char *const *argv,
                                  char why[OPTION_WHY_MAX])
{
    bool flags = true;
    for (int i = 0; i < argc; i++) {
        if (flags && strcmp(argv[i], "--") == 0) {
            flags = false;
        } else if (flags && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            return OPTIONS_HELP;
        } else if (flags && strncmp(argv[i], "--", 2) == 0) {
            if (!read_flag(options, argc, argv, &i, why))
                return OPTIONS_UNUSABLE;
        } else if (!read_argument(options, argv[i], why)) {
            return OPTIONS_UNUSABLE;
        }
    }
    return OPTIONS_OK;
}

const struct option_spec *options_spec(const struct options *options, const char *name)
{
    const struct option_spec *s = options_next(&options->table, NULL);
    while (s != NULL && strcmp(s->name, name) != 0)
        s = options_next(&options->table, s);
    return s;
}

static const struct option_slot *named_slot(const struct options *options, const char *name)
{
    const struct option_spec *spec = options_spec(options, name);
    if (spec == NULL) {
        /* A command that asks for an option it does not have is wrong itself. */
        fprintf(stderr, "adit: no option %s in this table\n", name);
        abort();
    }
    return slot_of(options, spec);
}

size_t options_count(const struct options *options, const char *name)
{
    return named_slot(options, name)->count;
}

const struct option_value *options_value(const struct options *options, const char *name,
                                         size_t index)
{
    const struct option_slot *slot = named_slot(options, name);
    if (index < slot->count)
        return &slot->values[index];
    return index == 0 && slot->fallback.text != NULL ? &slot->fallback : NULL;
}

const char *options_text(const struct options *options, const char *name)
{
    const struct option_value *value = options_value(options, name, 0);
    return value == NULL ? NULL : value->text;
}

uint64_t options_number(const struct options *options, const char *name)
{
    const struct option_value *value = options_value(options, name, 0);
    return value == NULL ? 0 : value->number;
}

bool options_switched_on(const struct options *options, const char *name)
{
    return options_number(options, name) != 0;
}

struct addr *options_addresses(const struct options *options, const char *name, size_t *count)
{
    const struct option_slot *slot = named_slot(options, name);
    struct addr *addresses = calloc(slot->count + 1, sizeof *addresses);
    *count = slot->count;
    for (size_t i = 0; addresses != NULL && i < slot->count; i++)
        addresses[i] = slot->values[i].addr;
    return addresses;
}

struct cidr *options_cidrs(const struct options *options, const char *name, size_t *count)
{
    const struct option_slot *slot = named_slot(options, name);
    struct cidr *cidrs = calloc(slot->count + 1, sizeof *cidrs);
    *count = slot->count;
    for (size_t i = 0; cidrs != NULL && i < slot->count; i++)
        cidrs[i] = slot->values[i].cidr;
    return cidrs;
}

const struct options *options_group(const struct options *options, const char *name, size_t index)
{
    const struct option_value *value = options_value(options, name, index);
    return value == NULL ? NULL : value->group;
}

void options_each(const struct options *options,
                  void (*each)(void *arg, const struct option_spec *spec,
                               const struct option_value *value),
                  void *arg)
{
    for (const struct option_spec *s = options_next(&options->table, NULL); s != NULL;
         s = options_next(&options->table, s)) {
        const struct option_slot *slot = slot_of(options, s);
        for (size_t i = 0; i < slot->count; i++) {
            each(arg, s, &slot->values[i]);
            if (slot->values[i].group != NULL)
                options_each(slot->values[i].group, each, arg);
        }
    }
}

void options_wrap(FILE *out, const char *text, size_t indent, size_t at)
{
    while (*text != '\0') {
        size_t word = strcspn(text, " \n");
        if (at > indent && at + 1 + word > HELP_COLUMNS) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, word, out);
        at += word;
        text += word;
        if (*text == '\n') {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        }
        text += *text != '\0';
    }
    fputc('\n', out);
}

/* `head`, which is printed, stands for the option; indent spaces before it. */
static void help_of_one(const struct option_spec *spec, const char *head, size_t indent, FILE *out)
{
    fprintf(out, "%*s%s%s%s\n", (int)indent, "", head,
            (spec->traits & OPTION_MANY) == 0                         ? ""
            : spec->kind == OPTION_GROUP || indent > HELP_FLAG_INDENT ? "  (a list)"
                                                                      : "  (may be repeated)",
            (spec->traits & OPTION_NEEDED) != 0 ? "  (needed)" : "");
    char text[1024];
    snprintf(text, sizeof text, "%s%s%s%s", spec->help, spec->fallback == NULL ? "" : " Default: ",
             spec->fallback == NULL ? "" : spec->fallback, spec->fallback == NULL ? "" : ".");
    size_t deeper = indent + HELP_INDENT - HELP_FLAG_INDENT;
    fprintf(out, "%*s", (int)deeper, "");
    options_wrap(out, text, deeper, deeper);
}

static void help_of_flag(const struct option_spec *spec, FILE *out)
{
    char head[2 * OPTION_KEY_MAX + 64];
    bool bare = (spec->traits & OPTION_ARGUMENT) != 0;
    bool value = spec->value != NULL && !bare;
    snprintf(head, sizeof head, "%s%s%s%s", bare ? "" : "--", bare ? spec->value : spec->name,
             value ? " " : "", value ? spec->value : "");
    help_of_one(spec, head, HELP_FLAG_INDENT, out);
}

static void help_of_key(const struct option_spec *spec, size_t indent, FILE *out)
{
    char head[2 * OPTION_KEY_MAX + 64];
    char key[OPTION_KEY_MAX];
    snprintf(head, sizeof head, "%s: %s", option_key(spec, key),
             spec->value == NULL ? "true|false" : spec->value);
    help_of_one(spec, head, indent, out);
    for (const struct option_spec *s = spec->members; s != NULL && s->name != NULL; s++)
        help_of_key(s, indent + HELP_INDENT - HELP_FLAG_INDENT, out);
}

void options_help(const struct option_table *table, FILE *out)
{
    bool groups = false;
    for (const struct option_spec *s = options_next(table, NULL); s != NULL;
         s = options_next(table, s)) {
        groups = groups || s->kind == OPTION_GROUP;
        if (s->kind != OPTION_GROUP)
            help_of_flag(s, out);
    }
    fprintf(out, "  --help\n%*sPrints this.\n", HELP_INDENT, "");
    if (!groups)
        return;
    fprintf(out, "\nIn the configuration file alone\n");
    for (const struct option_spec *s = options_next(table, NULL); s != NULL;
         s = options_next(table, s))
        if (s->kind == OPTION_GROUP)
            help_of_key(s, HELP_FLAG_INDENT, out);
}
