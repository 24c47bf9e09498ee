/* YAML to a tree in which every node knows its place. The only file that knows libyaml, and it uses the event interface: an alias is
 * then just one event that we refuse, so an anchor bomb costs as much as its text is long. Depth and the number of
 * nodes are bounded for the same reason. */
#include "app/config_priv.h"

#include <string.h>
#include <yaml.h>

#include "base/check.h"

struct frame {
    struct config_node *node;
    struct config_node **tail; /* where the next child goes */
    struct config_node *key;   /* mapping: a key that waits for its value */
};

struct builder {
    struct config_report *report;
    struct arena *arena;
    struct frame frames[CONFIG_MAX_DEPTH];
    int depth, documents, n_nodes;
    struct config_node *root;
    bool stop;
};

static struct config_place place_of(yaml_mark_t from, yaml_mark_t to)
{
    struct config_place p = {.line = (int)from.line, .column = (int)from.column};
    if (to.line == from.line && to.column > from.column)
        p.width = (int)(to.column - from.column);
    return p;
}

static struct config_node *new_node(struct builder *b, enum config_node_kind kind,
                                    const yaml_event_t *ev)
{
    struct config_node *node = arena_take(b->arena, sizeof *node);
    *node = (struct config_node){.kind = kind,
                                 .place = place_of(ev->start_mark, ev->end_mark),
                                 .end_line = (int)ev->end_mark.line,
                                 .end_column = (int)ev->end_mark.column};
    if (++b->n_nodes > CONFIG_MAX_NODES) {
        config_report_add(b->report, node->place, "too-large", NULL, "more than %d values",
                          CONFIG_MAX_NODES);
        b->stop = true;
    }
    return node;
}

/* Into the mapping or list that is open; a mapping takes keys and values in turn. */
static void attach(struct builder *b, struct config_node *node)
{
    if (b->depth == 0) {
        b->root = node;
        return;
    }
    struct frame *f = &b->frames[b->depth - 1];
    if (f->node->kind == CONFIG_MAPPING && !f->key) {
        if (node->kind == CONFIG_MAPPING || node->kind == CONFIG_LIST)
            config_report_add(b->report, node->place, "wrong-type", NULL, "a key must be text");
        f->key = node;
        return;
    }
    ASSERT(f->node->kind == CONFIG_LIST || f->key); /* in a mapping every child has a name */
    node->name = f->key;
    f->key = NULL;
    *f->tail = node;
    f->tail = &node->next;
}

static void open_node(struct builder *b, struct config_node *node)
{
    attach(b, node);
    if (b->depth == CONFIG_MAX_DEPTH) {
        config_report_add(b->report, node->place, "too-deep", NULL, "nested deeper than %d levels",
                          CONFIG_MAX_DEPTH);
        b->stop = true;
        return;
    }
    b->frames[b->depth++] = (struct frame){.node = node, .tail = &node->first};
}

static bool same_key(const struct config_node *a, const struct config_node *b)
{
    return a->kind == CONFIG_SCALAR && b->kind == CONFIG_SCALAR && a->len == b->len &&
           memcmp(a->text, b->text, a->len) == 0;
}

/* Quadratic, with at most CONFIG_MAX_NODES / 2 keys: a tenth of a second at worst. */
static void find_duplicates(struct builder *b, const struct config_node *mapping)
{
    for (struct config_node *later = mapping->first; later; later = later->next)
        for (struct config_node *n = mapping->first; n && n != later; n = n->next) {
            if (!same_key(n->name, later->name))
                continue;
            char quoted[CONFIG_QUOTE];
            config_report_add(b->report, later->name->place, "duplicate-key", NULL,
                              "duplicate key \"%s\", first on line %d",
                              config_report_quote(quoted, later->name->text, later->name->len),
                              n->name->place.line + 1);
            break;
        }
}

static void close_node(struct builder *b, const yaml_event_t *ev)
{
    ASSERT(b->depth > 0 && b->frames[b->depth - 1].node != NULL); /* libyaml balances its events */
    struct config_node *node = b->frames[--b->depth].node;
    bool one_line = (int)ev->end_mark.line == node->place.line;
    node->end_line = (int)ev->end_mark.line;
    node->end_column = (int)ev->end_mark.column;
    /* A block's end is where the next thing begins: only a flow collection has an end worth pointing at. */
    node->place.width = one_line && (int)ev->end_mark.column > node->place.column
                            ? (int)ev->end_mark.column - node->place.column
                            : 0;
    if (node->kind == CONFIG_MAPPING)
        find_duplicates(b, node);
}

static void refuse_anchor(struct builder *b, const yaml_event_t *ev, const yaml_char_t *anchor)
{
    if (!anchor)
        return;
    struct config_place at = place_of(ev->start_mark, ev->end_mark);
    char quoted[CONFIG_QUOTE];
    config_report_add(
        b->report, at, "anchor", NULL, "anchors and aliases are not taken: \"&%s\"",
        config_report_quote(quoted, (const char *)anchor, strlen((const char *)anchor)));
}

static void refuse_tag(struct builder *b, const yaml_event_t *ev, const yaml_char_t *tag)
{
    if (tag)
        config_report_add(b->report, place_of(ev->start_mark, ev->end_mark), "tag", NULL,
                          "tags (!name) are not taken: a key's type is known");
}

static void take_scalar(struct builder *b, const yaml_event_t *ev)
{
    struct config_node *node = new_node(b, CONFIG_SCALAR, ev);
    struct zl_span value = {(const char *)ev->data.scalar.value, ev->data.scalar.length};
    char *text = arena_take(b->arena, value.len + 1);
    memcpy(text, value.ptr, value.len);
    text[value.len] = 0;
    node->text = text;
    node->len = value.len;
    node->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (strlen(text) != value.len) {
        config_report_add(b->report, node->place, "bad-character", NULL, "a NUL character");
        node->kind = CONFIG_BAD;
    }
    refuse_anchor(b, ev, ev->data.scalar.anchor);
    refuse_tag(b, ev, ev->data.scalar.tag);
    attach(b, node);
}

static void take_alias(struct builder *b, const yaml_event_t *ev)
{
    struct config_node *node = new_node(b, CONFIG_BAD, ev);
    char quoted[CONFIG_QUOTE];
    const char *name = (const char *)ev->data.alias.anchor;
    config_report_add(b->report, node->place, "alias", NULL,
                      "anchors and aliases are not taken: \"*%s\"",
                      config_report_quote(quoted, name, strlen(name)));
    attach(b, node);
}

static void take_document(struct builder *b, const yaml_event_t *ev)
{
    if (b->documents++ == 0)
        return;
    config_report_add(b->report, place_of(ev->start_mark, ev->end_mark), "documents", NULL,
                      "a second document: one file is one pipeline");
    b->stop = true;
}

static void take_event(struct builder *b, const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_DOCUMENT_START_EVENT: take_document(b, ev); break;
    case YAML_SCALAR_EVENT: take_scalar(b, ev); break;
    case YAML_ALIAS_EVENT: take_alias(b, ev); break;
    case YAML_MAPPING_START_EVENT:
        refuse_anchor(b, ev, ev->data.mapping_start.anchor);
        refuse_tag(b, ev, ev->data.mapping_start.tag);
        open_node(b, new_node(b, CONFIG_MAPPING, ev));
        break;
    case YAML_SEQUENCE_START_EVENT:
        refuse_anchor(b, ev, ev->data.sequence_start.anchor);
        refuse_tag(b, ev, ev->data.sequence_start.tag);
        open_node(b, new_node(b, CONFIG_LIST, ev));
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT: close_node(b, ev); break;
    case YAML_STREAM_END_EVENT: b->stop = true; break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT: break;
    }
}

/* libyaml stops at the first mistake of form; what came before it is still looked at. On a line with a tab the tab is the
 * mistake, and was reported. */
static void report_syntax(struct builder *b, const yaml_parser_t *p)
{
    b->stop = true;
    if (config_report_has(b->report, (int)p->problem_mark.line, "tab"))
        return;
    struct config_place at = {
        .line = (int)p->problem_mark.line, .column = (int)p->problem_mark.column, .width = 1};
    const char *problem = p->problem ? p->problem : "this is not YAML";
    if (p->context)
        config_report_add(b->report, at, "syntax", NULL, "%s %s (line %d)", problem, p->context,
                          (int)p->context_mark.line + 1);
    else
        config_report_add(b->report, at, "syntax", NULL, "%s", problem);
}

/* A value that never came (a mistake of form stopped us) leaves mappings open: what they hold so far is good. */
struct config_node *config_yaml_parse(const char *text, size_t len, struct arena *arena,
                                      struct config_report *r)
{
    yaml_parser_t parser;
    ASSERT(yaml_parser_initialize(&parser));
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    struct builder b = {.report = r, .arena = arena};
    while (!b.stop) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            report_syntax(&b, &parser);
            break;
        }
        take_event(&b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return b.root;
}

bool config_yaml_is_null(const struct config_node *node)
{
    return node->kind == CONFIG_SCALAR && node->plain &&
           (node->len == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}
