#include "cli/mapping.h"

#include "base/encode.h"
#include "cli/suggest.h"
#include "cli/yamlform.h"

#include <stdlib.h>
#include <string.h>

enum {
    SHOWN_MAX = 100,
    PATH_MAX_LEN = 4 * OPTION_KEY_MAX, /* of the way to a key; the tables are ours, and flat */
};

/* A mapping while it is read. */
struct scope {
    const struct mapping_reader *reader;
    struct options *options;
    const char *path; /* "" = the file as a whole */
    unsigned *seen;   /* line of an option's key, in the table's order; 0 = not there */
    unsigned role_seen;
};

const char *mapping_kind(const yaml_node_t *node)
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

void mapping_mistake(const struct mapping_reader *reader, const yaml_node_t *node, const char *key,
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

/* The way to a key of a scope, or to the scope itself. */
static const char *way_to(const struct scope *scope, const char *key, char out[PATH_MAX_LEN])
{
    snprintf(out, PATH_MAX_LEN, "%s%s%s", scope->path, scope->path[0] == '\0' ? "" : ".", key);
    return out;
}

const char *mapping_text(const struct mapping_reader *reader, const yaml_node_t *node,
                         const char *key, const char *wanted)
{
    char what[SHOWN_MAX + 64];
    if (node->type != YAML_SCALAR_NODE) {
        snprintf(what, sizeof what, "found %s where a value was expected: %s", mapping_kind(node),
                 wanted);
        mapping_mistake(reader, node, key, what);
        return NULL;
    }
    const char *text = (const char *)node->data.scalar.value;
    if (is_nothing(node)) {
        snprintf(what, sizeof what, "a value is missing: %s", wanted);
        mapping_mistake(reader, node, key, what);
        return NULL;
    }
    if (strlen(text) != node->data.scalar.length) {
        mapping_mistake(reader, node, key, "the value has a NUL in it");
        return NULL;
    }
    return text;
}

/* A path as seen from here, from malloc(). */
static char *complete_path(const struct mapping_reader *reader, const struct option_spec *spec,
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

static void read_scalar(const struct scope *scope, const struct option_spec *spec, const char *way,
                        const yaml_node_t *node)
{
    const struct mapping_reader *reader = scope->reader;
    const char *text = mapping_text(reader, node, way, expected(spec));
    if (text == NULL)
        return;
    char why[OPTION_WHY_MAX];
    struct option_value value;
    if (!option_value_parse(spec, text, &value, why)) {
        mapping_mistake(reader, node, way, why);
        return;
    }
    option_value_clear(&value);
    char *complete = complete_path(reader, spec, text);
    if (complete == NULL) {
        mapping_mistake(reader, node, way, "out of memory");
        return;
    }
    if (!options_add(scope->options, spec, complete, yamlform_line(node->start_mark),
                     yamlform_column(node->start_mark), why))
        mapping_mistake(reader, node, way, why);
    free(complete);
}

static void read_group(const struct scope *scope, const struct option_spec *spec, const char *way,
                       const yaml_node_t *node)
{
    if (node->type != YAML_MAPPING_NODE) {
        char what[SHOWN_MAX + 64];
        snprintf(what, sizeof what, "found %s where keys and values were expected: %s",
                 mapping_kind(node), spec->value);
        mapping_mistake(scope->reader, node, way, what);
        return;
    }
    char why[OPTION_WHY_MAX];
    struct options *group = options_add_group(scope->options, spec, yamlform_line(node->start_mark),
                                              yamlform_column(node->start_mark), why);
    if (group == NULL)
        mapping_mistake(scope->reader, node, way, why);
    else
        mapping_read(scope->reader, node, way, true, group);
}

static void read_one(const struct scope *scope, const struct option_spec *spec, const char *way,
                     const yaml_node_t *node)
{
    if (spec->kind == OPTION_GROUP)
        read_group(scope, spec, way, node);
    else
        read_scalar(scope, spec, way, node);
}

static void read_option(const struct scope *scope, const struct option_spec *spec, const char *key,
                        const yaml_node_t *node)
{
    const struct mapping_reader *reader = scope->reader;
    char way[PATH_MAX_LEN];
    way_to(scope, key, way);
    if (node->type != YAML_SEQUENCE_NODE) {
        read_one(scope, spec, way, node);
        return;
    }
    if ((spec->traits & OPTION_MANY) == 0) {
        char what[SHOWN_MAX + 64];
        snprintf(what, sizeof what, "found a list where one %s was expected: %s",
                 spec->kind == OPTION_GROUP ? "mapping" : "value", expected(spec));
        mapping_mistake(reader, node, way, what);
        return;
    }
    if (node->data.sequence.items.start == node->data.sequence.items.top)
        mapping_mistake(reader, node, way, "the list is empty: leave the key out, or fill it");
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++)
        read_one(scope, spec, way, yaml_document_get_node(reader->document, *item));
}

/* Another role that has the option, or NULL. */
static const struct command *other_role_with(const struct mapping_reader *reader, const char *key)
{
    for (const struct command *const *c = command_all; *c != NULL; c++) {
        const struct option_spec *spec = options_by_key(&(*c)->table, key);
        if (*c != reader->role && command_of_role((*c)->name) == *c && spec != NULL &&
            (spec->traits & OPTION_NOT_IN_FILE) == 0)
            return *c;
    }
    return NULL;
}

static void report_unknown(const struct scope *scope, const yaml_node_t *node, const char *key,
                           const char *way)
{
    /* Suggestions refer to the words by address until the end. */
    char keys[64][OPTION_KEY_MAX];
    size_t count = 0;
    bool whole = scope->path[0] == '\0';
    struct suggestion meant = suggest_start(key);
    const struct option_table *table = &scope->options->table;
    for (const struct option_spec *s = options_next(table, NULL); s != NULL && count < 64;
         s = options_next(table, s)) {
        if ((s->traits & OPTION_NOT_IN_FILE) == 0) {
            suggest_offer(&meant, option_key(s, keys[count]));
            count++;
        }
    }
    if (whole)
        suggest_offer(&meant, "role");
    char what[2 * SHOWN_MAX + 64];
    const char *role = scope->reader->role->name;
    const struct command *other = whole ? other_role_with(scope->reader, key) : NULL;
    const struct option_spec *flag = options_by_key(table, key);
    if (flag != NULL) {
        snprintf(what, sizeof what, "is a flag (--%s), not a key of a file", flag->name);
    } else if (other != NULL) {
        snprintf(what, sizeof what, "no such key: it belongs to role %s, and this file's is %s",
                 other->name, role);
    } else if (meant.best != NULL) {
        snprintf(what, sizeof what, "no such key; did you mean %s?", meant.best);
    } else {
        snprintf(what, sizeof what, "no such key of %s%s", whole ? "role " : "",
                 whole ? role : scope->path);
    }
    mapping_mistake(scope->reader, node, way, what);
}

/* Remembers the first place of a key; false after a complaint about the second. */
static bool first_time(const struct scope *scope, unsigned *seen, const yaml_node_t *node,
                       const char *way)
{
    if (*seen != 0) {
        char what[64];
        snprintf(what, sizeof what, "given twice: it stands in line %u already", *seen);
        mapping_mistake(scope->reader, node, way, what);
        return false;
    }
    *seen = yamlform_line(node->start_mark);
    return true;
}

static void read_pair(struct scope *scope, const yaml_node_t *key_node, const yaml_node_t *value)
{
    char way[PATH_MAX_LEN];
    if (key_node->type != YAML_SCALAR_NODE) {
        mapping_mistake(scope->reader, key_node, way_to(scope, "key", way),
                        "found a list or mapping where a word was expected");
        return;
    }
    const char *key = (const char *)key_node->data.scalar.value;
    char shown[SHOWN_MAX];
    way_to(scope, text_escape(key, key_node->data.scalar.length, shown, sizeof shown), way);
    if (scope->path[0] == '\0' && strcmp(key, "role") == 0) {
        first_time(scope, &scope->role_seen, key_node, way);
        return;
    }
    size_t at = 0;
    const struct option_table *table = &scope->options->table;
    const struct option_spec *spec = options_by_key(table, key);
    if (spec == NULL || (spec->traits & OPTION_NOT_IN_FILE) != 0) {
        report_unknown(scope, key_node, key, way);
        return;
    }
    for (const struct option_spec *s = options_next(table, NULL); s != spec;
         s = options_next(table, s))
        at++;
    if (first_time(scope, &scope->seen[at], key_node, way))
        read_option(scope, spec, shown, value);
}

static void report_missing(const struct scope *scope, const yaml_node_t *mapping)
{
    size_t at = 0;
    const struct option_table *table = &scope->options->table;
    for (const struct option_spec *s = options_next(table, NULL); s != NULL;
         s = options_next(table, s)) {
        if ((s->traits & OPTION_NEEDED) != 0 && scope->seen[at] == 0) {
            char key[OPTION_KEY_MAX];
            char way[PATH_MAX_LEN];
            char what[SHOWN_MAX];
            snprintf(what, sizeof what, "is missing: %s", s->value);
            mapping_mistake(scope->reader, mapping, way_to(scope, option_key(s, key), way), what);
        }
        at++;
    }
}

void mapping_read(const struct mapping_reader *reader, const yaml_node_t *mapping, const char *path,
                  bool needed, struct options *options)
{
    struct scope scope = {.reader = reader, .options = options, .path = path};
    size_t count = 0;
    for (const struct option_spec *s = options_next(&options->table, NULL); s != NULL;
         s = options_next(&options->table, s))
        count++;
    scope.seen = calloc(count + 1, sizeof *scope.seen);
    if (scope.seen == NULL) {
        report_mistake(reader->report, 0, 0, "out of memory");
        return;
    }
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        read_pair(&scope, yaml_document_get_node(reader->document, pair->key),
                  yaml_document_get_node(reader->document, pair->value));
    }
    if (needed)
        report_missing(&scope, mapping);
    free(scope.seen);
}
