#include "cli/config.h"

#include "base/encode.h"
#include "cli/suggest.h"
#include "cli/yamlform.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { SHOWN_MAX = 100 };

struct reader {
    struct report *report;
    yaml_document_t document;
    const char *directory;
    const struct command *role;
    struct options *options;
    unsigned *seen; /* line of an option's key, in the table's order; 0 = not there */
    unsigned role_seen;
};

static const char *kind_of(const yaml_node_t *node)
{
    switch (node->type) {
    case YAML_SEQUENCE_NODE:
        return "a list";
    case YAML_MAPPING_NODE:
        return "a mapping";
    default:
        return "a value";
    }
}

static bool is_nothing(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;
    return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static void mistake_at(struct reader *reader, const yaml_node_t *node, const char *key,
                       const char *what)
{
    report_mistake(reader->report, yamlform_line(node->start_mark),
                   yamlform_column(node->start_mark), "%s: %s", key, what);
}

/* What a value of an option looks like, for a person. */
static const char *expected(const struct option_spec *spec)
{
    return spec->kind == OPTION_SWITCH ? "true or false" : spec->value;
}

/* The text of a scalar; NULL after a complaint. */
static const char *scalar_text(struct reader *reader, const yaml_node_t *node, const char *key,
                               const char *wanted)
{
    char what[SHOWN_MAX + 64];
    if (node->type != YAML_SCALAR_NODE) {
        snprintf(what, sizeof what, "found %s where a value was expected: %s", kind_of(node),
                 wanted);
        mistake_at(reader, node, key, what);
        return NULL;
    }
    const char *text = (const char *)node->data.scalar.value;
    if (is_nothing(node)) {
        snprintf(what, sizeof what, "a value is missing: %s", wanted);
        mistake_at(reader, node, key, what);
        return NULL;
    }
    if (strlen(text) != node->data.scalar.length) {
        mistake_at(reader, node, key, "the value has a NUL in it");
        return NULL;
    }
    return text;
}

/* A path as seen from here, from malloc(). */
static char *complete_path(const struct reader *reader, const struct option_spec *spec,
                           const char *text)
{
    bool word = ((spec->traits & OPTION_STDIN) != 0 && strcmp(text, "-") == 0) ||
                ((spec->traits & OPTION_NONE) != 0 && strcmp(text, "none") == 0);
    bool path = spec->kind == OPTION_FILE || spec->kind == OPTION_SECRET;
    if (!path || word || text[0] == '/' || text[0] == '\0' || strcmp(reader->directory, ".") == 0)
        return strdup(text);
    size_t room = strlen(reader->directory) + 1 + strlen(text) + 1;
    char *complete = malloc(room);
    if (complete != NULL)
        snprintf(complete, room, "%s/%s", reader->directory, text);
    return complete;
}

static void read_one(struct reader *reader, const struct option_spec *spec, const char *key,
                     const yaml_node_t *node)
{
    const char *text = scalar_text(reader, node, key, expected(spec));
    if (text == NULL)
        return;
    char why[OPTION_WHY_MAX];
    struct option_value value;
    if (!option_value_parse(spec, text, &value, why)) {
        mistake_at(reader, node, key, why);
        return;
    }
    option_value_clear(&value);
    char *complete = complete_path(reader, spec, text);
    if (complete == NULL) {
        mistake_at(reader, node, key, "out of memory");
        return;
    }
    if (!options_add(reader->options, spec, complete, yamlform_line(node->start_mark),
                     yamlform_column(node->start_mark), why))
        mistake_at(reader, node, key, why);
    free(complete);
}

static void read_option(struct reader *reader, const struct option_spec *spec, const char *key,
                        const yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE) {
        read_one(reader, spec, key, node);
        return;
    }
    if ((spec->traits & OPTION_MANY) == 0) {
        char what[SHOWN_MAX + 64];
        snprintf(what, sizeof what, "found a list where one value was expected: %s",
                 expected(spec));
        mistake_at(reader, node, key, what);
        return;
    }
    if (node->data.sequence.items.start == node->data.sequence.items.top)
        mistake_at(reader, node, key, "the list is empty: leave the key out, or fill it");
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++)
        read_one(reader, spec, key, yaml_document_get_node(&reader->document, *item));
}

/* Another role that has the option, or NULL. */
static const struct command *other_role_with(const struct reader *reader, const char *key)
{
    for (const struct command *const *c = command_all; *c != NULL; c++) {
        const struct option_spec *spec = options_by_key(&(*c)->table, key);
        if (*c != reader->role && command_of_role((*c)->name) == *c && spec != NULL &&
            (spec->traits & OPTION_NOT_IN_FILE) == 0)
            return *c;
    }
    return NULL;
}

static void report_unknown(struct reader *reader, const yaml_node_t *node, const char *key,
                           const char *shown)
{
    /* Suggestions refer to the words by address until the end. */
    char keys[64][OPTION_KEY_MAX];
    size_t count = 0;
    struct suggestion meant = suggest_start(key);
    const struct option_table *table = &reader->role->table;
    for (const struct option_spec *s = options_next(table, NULL); s != NULL && count < 64;
         s = options_next(table, s)) {
        if ((s->traits & OPTION_NOT_IN_FILE) == 0) {
            suggest_offer(&meant, option_key(s, keys[count]));
            count++;
        }
    }
    suggest_offer(&meant, "role");
    char what[2 * SHOWN_MAX + 64];
    const struct command *other = other_role_with(reader, key);
    const struct option_spec *flag = options_by_key(table, key);
    if (flag != NULL) {
        snprintf(what, sizeof what, "is a flag (--%s), not a key of a file", flag->name);
    } else if (other != NULL) {
        snprintf(what, sizeof what, "no such key: it belongs to role %s, and this file's is %s",
                 other->name, reader->role->name);
    } else if (meant.best != NULL) {
        snprintf(what, sizeof what, "no such key; did you mean %s?", meant.best);
    } else {
        snprintf(what, sizeof what, "no such key of role %s", reader->role->name);
    }
    mistake_at(reader, node, shown, what);
}

/* Remembers the first place of a key; false after a complaint about the second. */
static bool first_time(struct reader *reader, unsigned *seen, const yaml_node_t *node,
                       const char *key)
{
    if (*seen != 0) {
        char what[64];
        snprintf(what, sizeof what, "given twice: it stands in line %u already", *seen);
        mistake_at(reader, node, key, what);
        return false;
    }
    *seen = yamlform_line(node->start_mark);
    return true;
}

static void read_pair(struct reader *reader, const yaml_node_t *key_node, const yaml_node_t *value)
{
    if (key_node->type != YAML_SCALAR_NODE) {
        mistake_at(reader, key_node, "key", "found a list or mapping where a word was expected");
        return;
    }
    const char *key = (const char *)key_node->data.scalar.value;
    char shown[SHOWN_MAX];
    text_escape(key, key_node->data.scalar.length, shown, sizeof shown);
    if (strcmp(key, "role") == 0) {
        first_time(reader, &reader->role_seen, key_node, shown);
        return;
    }
    size_t at = 0;
    const struct option_table *table = &reader->role->table;
    const struct option_spec *spec = options_by_key(table, key);
    if (spec == NULL || (spec->traits & OPTION_NOT_IN_FILE) != 0) {
        report_unknown(reader, key_node, key, shown);
        return;
    }
    for (const struct option_spec *s = options_next(table, NULL); s != spec;
         s = options_next(table, s))
        at++;
    if (first_time(reader, &reader->seen[at], key_node, shown))
        read_option(reader, spec, shown, value);
}

static void report_missing(struct reader *reader, const yaml_node_t *root)
{
    size_t at = 0;
    const struct option_table *table = &reader->role->table;
    for (const struct option_spec *s = options_next(table, NULL); s != NULL;
         s = options_next(table, s)) {
        if ((s->traits & OPTION_NEEDED) != 0 && reader->seen[at] == 0) {
            char key[OPTION_KEY_MAX];
            char what[SHOWN_MAX];
            snprintf(what, sizeof what, "is missing: %s", s->value);
            mistake_at(reader, root, option_key(s, key), what);
        }
        at++;
    }
}

/* The role that the mapping names, or NULL after a complaint. given is what the caller knows. */
static const struct command *find_role(struct reader *reader, yaml_node_t *root,
                                       const struct command *given)
{
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&reader->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
        if (key->type != YAML_SCALAR_NODE || strcmp((char *)key->data.scalar.value, "role") != 0)
            continue;
        const char *text = scalar_text(reader, value, "role", "serve, publish or master");
        if (text == NULL)
            return given;
        const struct command *role = command_of_role(text);
        char shown[SHOWN_MAX];
        char what[2 * SHOWN_MAX];
        text_escape(text, strlen(text), shown, sizeof shown);
        if (role == NULL) {
            struct suggestion meant = suggest_start(text);
            command_offer_roles(&meant);
            snprintf(what, sizeof what, "\"%s\" is no role%s%s%s", shown,
                     meant.best == NULL ? ": serve, publish or master" : "; did you mean ",
                     meant.best == NULL ? "" : meant.best, meant.best == NULL ? "" : "?");
            mistake_at(reader, value, "role", what);
            return given;
        }
        if (given != NULL && role != given) {
            snprintf(what, sizeof what, "the file is for %s, but %s was to read it", role->name,
                     given->name);
            mistake_at(reader, value, "role", what);
        }
        return given != NULL ? given : role;
    }
    if (given == NULL)
        mistake_at(reader, root, "role", "is missing: serve, publish or master");
    return given;
}

static void read_document(struct reader *reader, const struct command *role, bool needed)
{
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    if (root->type != YAML_MAPPING_NODE) {
        report_mistake(reader->report, yamlform_line(root->start_mark),
                       yamlform_column(root->start_mark),
                       "found %s where keys were expected, such as role: serve", kind_of(root));
        return;
    }
    reader->role = find_role(reader, root, role);
    if (reader->role == NULL)
        return;
    size_t count = 0;
    for (const struct option_spec *s = options_next(&reader->role->table, NULL); s != NULL;
         s = options_next(&reader->role->table, s))
        count++;
    reader->seen = calloc(count + 1, sizeof *reader->seen);
    if (reader->seen == NULL || !options_init(reader->options, &reader->role->table)) {
        report_mistake(reader->report, 0, 0, "out of memory");
        return;
    }
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        read_pair(reader, yaml_document_get_node(&reader->document, pair->key),
                  yaml_document_get_node(&reader->document, pair->value));
    }
    if (needed)
        report_missing(reader, root);
    const char *wrong = needed && reader->report->mistakes == 0
                            ? command_contradiction(reader->role, reader->options)
                            : NULL;
    if (wrong != NULL) {
        report_mistake(reader->report, yamlform_line(root->start_mark),
                       yamlform_column(root->start_mark), "%s", wrong);
    }
}

char *config_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

const struct command *config_read(const char *text, size_t len, const char *directory,
                                  const struct command *role, bool needed, struct options *options,
                                  struct report *report)
{
    memset(options, 0, sizeof *options);
    if (len > CONFIG_LEN_MAX) {
        report_mistake(report, 0, 0, "too long: more than %d bytes", CONFIG_LEN_MAX);
        return NULL;
    }
    if (!yamlform_check(text, len, report))
        return NULL;
    struct reader reader = {.report = report, .directory = directory, .options = options};
    yaml_parser_t parser;
    if (!yamlform_start(&parser, text, len)) {
        report_mistake(report, 0, 0, "out of memory");
        return NULL;
    }
    if (yaml_parser_load(&parser, &reader.document)) {
        read_document(&reader, role, needed);
        yaml_document_delete(&reader.document);
    } else if (report->mistakes == 0) {
        /* With an alias, which was named already, the parser may stumble as well. */
        yamlform_report(report, &parser, text, len);
    }
    yaml_parser_delete(&parser);
    free(reader.seen);
    if (report->mistakes > 0) {
        options_clear(options);
        return NULL;
    }
    return reader.role;
}
