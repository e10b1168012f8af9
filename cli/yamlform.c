#include "cli/yamlform.h"

unsigned yamlform_line(yaml_mark_t mark)
{
    return (unsigned)mark.line + 1;
}

unsigned yamlform_column(yaml_mark_t mark)
{
    return (unsigned)mark.column + 1;
}

struct scan {
    struct report *report;
    size_t nodes;
    size_t depth;
    size_t documents;
};

/* What stands before a node that must not. */
static void scan_property(struct scan *scan, const yaml_event_t *event, const yaml_char_t *anchor,
                          const yaml_char_t *tag)
{
    if (anchor != NULL) {
        report_mistake(scan->report, yamlform_line(event->start_mark),
                       yamlform_column(event->start_mark),
                       "an anchor (&) is not possible here: write the value out");
    }
    if (tag != NULL) {
        report_mistake(scan->report, yamlform_line(event->start_mark),
                       yamlform_column(event->start_mark),
                       "a tag (!) is not possible here: write the value alone");
    }
}

/* False when reading must end here. */
static bool scan_node(struct scan *scan, const yaml_event_t *event)
{
    scan->nodes++;
    if (scan->nodes > YAMLFORM_NODES_MAX) {
        report_mistake(scan->report, yamlform_line(event->start_mark),
                       yamlform_column(event->start_mark), "too much: more than %d values",
                       YAMLFORM_NODES_MAX);
        return false;
    }
    if (scan->depth > YAMLFORM_DEPTH_MAX) {
        report_mistake(scan->report, yamlform_line(event->start_mark),
                       yamlform_column(event->start_mark), "too deep: more than %d levels",
                       YAMLFORM_DEPTH_MAX);
        return false;
    }
    return true;
}

static bool scan_event(struct scan *scan, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        scan->documents++;
        if (scan->documents == 2) {
            report_mistake(scan->report, yamlform_line(event->start_mark),
                           yamlform_column(event->start_mark),
                           "a second document begins here: a file has one");
        }
        return scan->documents < 2;
    case YAML_ALIAS_EVENT:
        report_mistake(scan->report, yamlform_line(event->start_mark),
                       yamlform_column(event->start_mark),
                       "an alias (*) is not possible here: write the value out");
        return scan_node(scan, event);
    case YAML_SCALAR_EVENT:
        scan_property(scan, event, event->data.scalar.anchor, event->data.scalar.tag);
        return scan_node(scan, event);
    case YAML_SEQUENCE_START_EVENT:
        scan->depth++;
        scan_property(scan, event, event->data.sequence_start.anchor,
                      event->data.sequence_start.tag);
        return scan_node(scan, event);
    case YAML_MAPPING_START_EVENT:
        scan->depth++;
        scan_property(scan, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return scan_node(scan, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        scan->depth--;
        return true;
    default:
        return true;
    }
}

/* The place of a byte, for errors that come without one. */
static yaml_mark_t mark_at(const char *text, size_t len, size_t offset)
{
    yaml_mark_t mark = {.index = offset};
    for (size_t i = 0; i < offset && i < len; i++) {
        mark.column = text[i] == '\n' ? 0 : mark.column + 1;
        mark.line += text[i] == '\n';
    }
    return mark;
}

void yamlform_report(struct report *report, const yaml_parser_t *parser, const char *text,
                     size_t len)
{
    yaml_mark_t mark = parser->error == YAML_READER_ERROR
                           ? mark_at(text, len, parser->problem_offset)
                           : parser->problem_mark;
    const char *problem = parser->problem == NULL ? "cannot be read" : parser->problem;
    if (parser->error == YAML_MEMORY_ERROR)
        problem = "out of memory";
    report_mistake(report, yamlform_line(mark), yamlform_column(mark), "no YAML: %s%s%s", problem,
                   parser->context == NULL ? "" : " ",
                   parser->context == NULL ? "" : parser->context);
}

bool yamlform_start(yaml_parser_t *parser, const char *text, size_t len)
{
    if (!yaml_parser_initialize(parser))
        return false;
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)text, len);
    return true;
}

/* True when a document may be built from the text; mistakes may have been found all the same. */
bool yamlform_check(const char *text, size_t len, struct report *report)
{
    struct scan scan = {.report = report};
    yaml_parser_t parser;
    if (!yamlform_start(&parser, text, len)) {
        report_mistake(report, 0, 0, "out of memory");
        return false;
    }
    bool go_on = true;
    bool ended = false;
    while (go_on && !ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            yamlform_report(report, &parser, text, len);
            go_on = false;
            break;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        go_on = scan_event(&scan, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (ended && scan.nodes == 0) {
        report_mistake(report, 1, 1, "empty: it must say at least role: serve or role: publish");
        return false;
    }
    return go_on;
}
