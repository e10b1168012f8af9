#include "cli/config.h"

#include "base/encode.h"
#include "cli/mapping.h"
#include "cli/suggest.h"
#include "cli/yamlform.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN_MAX = 100 };

static const char roles_text[] = "serve, publish, master, receive or vpn";

/* The role that the mapping names, or NULL after a complaint. given is what the caller knows. */
static const struct command *find_role(const struct mapping_reader *reader, yaml_node_t *root,
                                       const struct command *given)
{
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(reader->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(reader->document, pair->value);
        if (key->type != YAML_SCALAR_NODE || strcmp((char *)key->data.scalar.value, "role") != 0)
            continue;
        const char *text = mapping_text(reader, value, "role", roles_text);
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
                     meant.best == NULL ? ": " : "; did you mean ",
                     meant.best == NULL ? roles_text : meant.best, meant.best == NULL ? "" : "?");
            mapping_mistake(reader, value, "role", what);
            return given;
        }
        if (given != NULL && role != given) {
            snprintf(what, sizeof what, "the file is for %s, but %s was to read it", role->name,
                     given->name);
            mapping_mistake(reader, value, "role", what);
        }
        return given != NULL ? given : role;
    }
    if (given == NULL) {
        char what[SHOWN_MAX];
        snprintf(what, sizeof what, "is missing: %s", roles_text);
        mapping_mistake(reader, root, "role", what);
    }
    return given;
}

/* What only shows when all values are there. */
static void examine(const struct mapping_reader *reader, const yaml_node_t *root,
                    const struct options *options)
{
    const char *wrong = command_contradiction(reader->role, options);
    if (wrong != NULL) {
        report_mistake(reader->report, yamlform_line(root->start_mark),
                       yamlform_column(root->start_mark), "%s", wrong);
    } else if (reader->role->examine != NULL) {
        reader->role->examine(options, reader->report);
    }
}

static const struct command *read_document(struct mapping_reader *reader,
                                           const struct command *role, bool needed,
                                           struct options *options)
{
    yaml_node_t *root = yaml_document_get_root_node(reader->document);
    if (root->type != YAML_MAPPING_NODE) {
        report_mistake(
            reader->report, yamlform_line(root->start_mark), yamlform_column(root->start_mark),
            "found %s where keys were expected, such as role: serve", mapping_kind(root));
        return NULL;
    }
    reader->role = find_role(reader, root, role);
    if (reader->role == NULL)
        return NULL;
    if (!options_init(options, &reader->role->table)) {
        report_mistake(reader->report, 0, 0, "out of memory");
        return NULL;
    }
    mapping_read(reader, root, "", needed, options);
    if (needed && reader->report->mistakes == 0)
        examine(reader, root, options);
    return reader->role;
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
    yaml_document_t document;
    struct mapping_reader reader = {
        .report = report, .document = &document, .directory = directory};
    const struct command *found = NULL;
    yaml_parser_t parser;
    if (!yamlform_start(&parser, text, len)) {
        report_mistake(report, 0, 0, "out of memory");
        return NULL;
    }
    if (yaml_parser_load(&parser, &document)) {
        found = read_document(&reader, role, needed, options);
        yaml_document_delete(&document);
    } else if (report->mistakes == 0) {
        /* With an alias, which was named already, the parser may stumble as well. */
        yamlform_report(report, &parser, text, len);
    }
    yaml_parser_delete(&parser);
    if (report->mistakes > 0) {
        options_clear(options);
        return NULL;
    }
    return found;
}
