// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/parse.h"

#include <string.h>
#include <strings.h>

static uint32_t take_character(struct tr_span *text);
static uint32_t fold(uint32_t character);
static struct tr_span lower_name(struct tr_table *arena, struct tr_span name);

void ddl_step(struct ddl_parser *parser)
{
    if (parser->token.kind != TR_SQL_END && parser->token.source.bytes > 0) {
        parser->taken_end = parser->token.source.data + parser->token.source.bytes;
    }
    parser->token = tr_sql_lexer_next(&parser->lexer);
}

bool ddl_at_word(const struct ddl_parser *parser, const char *word)
{
    return tr_sql_is_word(&parser->token, word);
}

bool ddl_at_mark(const struct ddl_parser *parser, char mark)
{
    return tr_sql_is_mark(&parser->token, mark);
}

/* A semicolon ends a statement: what follows was not run. */
bool ddl_at_end(const struct ddl_parser *parser)
{
    return parser->token.kind == TR_SQL_END || ddl_at_mark(parser, ';');
}

bool ddl_take_word(struct ddl_parser *parser, const char *word)
{
    if (!ddl_at_word(parser, word)) {
        return false;
    }
    ddl_step(parser);
    return true;
}

bool ddl_take_mark(struct ddl_parser *parser, char mark)
{
    if (!ddl_at_mark(parser, mark)) {
        return false;
    }
    ddl_step(parser);
    return true;
}

struct tr_sql_token ddl_peek(const struct ddl_parser *parser)
{
    struct tr_sql_lexer ahead = parser->lexer;
    return tr_sql_lexer_next(&ahead);
}

bool ddl_take_words(struct ddl_parser *parser, const char *first, const char *second)
{
    if (!ddl_at_word(parser, first)) {
        return false;
    }
    const struct tr_sql_token next = ddl_peek(parser);
    if (!tr_sql_is_word(&next, second)) {
        return false;
    }
    ddl_step(parser);
    ddl_step(parser);
    return true;
}

bool ddl_take_if_exists(struct ddl_parser *parser)
{
    const struct tr_sql_token next = ddl_peek(parser);
    if (!ddl_at_word(parser, "IF") ||
        (!tr_sql_is_word(&next, "EXISTS") && !tr_sql_is_word(&next, "NOT"))) {
        return false; /* a thing of that name */
    }
    ddl_step(parser);
    (void)ddl_take_word(parser, "NOT");
    (void)ddl_take_word(parser, "EXISTS");
    return true;
}

bool ddl_take_period(struct ddl_parser *parser)
{
    if (ddl_take_words(parser, "PERIOD", "FOR")) {
        return true;
    }
    if (!ddl_take_words(parser, "PERIOD", "IF")) {
        return false;
    }
    (void)ddl_take_word(parser, "NOT");
    (void)ddl_take_word(parser, "EXISTS");
    (void)ddl_take_word(parser, "FOR");
    return true;
}

void ddl_skip_parentheses(struct ddl_parser *parser)
{
    uint64_t depth = 0;
    do { /* ends: each turn takes a token */
        if (ddl_at_mark(parser, '(')) {
            depth++;
        } else if (ddl_at_mark(parser, ')')) {
            depth--;
        }
        ddl_step(parser);
    } while (depth > 0 && parser->token.kind != TR_SQL_END);
}

void ddl_skip_clause(struct ddl_parser *parser)
{
    while (!ddl_at_end(parser) && !ddl_at_mark(parser, ',') && !ddl_at_mark(parser, ')')) {
        if (ddl_at_mark(parser, '(')) {
            ddl_skip_parentheses(parser);
        } else {
            ddl_step(parser);
        }
    }
}

bool ddl_take_name(struct ddl_parser *parser, struct tr_span *name)
{
    if (!tr_sql_is_name(&parser->token)) {
        return false;
    }
    uint8_t *copy = tr_table_array(parser->scratch, parser->token.text.bytes);
    *name = (struct tr_span){0};
    if (copy != NULL) {
        *name = tr_span_of(copy, tr_sql_write_name(&parser->token, copy));
    }
    ddl_step(parser);
    return true;
}

bool ddl_take_table(struct ddl_parser *parser, struct tr_span *database, struct tr_span *name)
{
    const bool dotted_only = ddl_take_mark(parser, '.'); /* `.t` is the default database's t */
    *database = parser->event->database;
    if (!ddl_take_name(parser, name)) {
        return false;
    }
    if (!dotted_only && ddl_at_mark(parser, '.')) {
        ddl_step(parser);
        *database = *name;
        if (!ddl_take_name(parser, name)) {
            return false;
        }
    }
    if (ddl_model_options(parser->model)->stores_lower) {
        *database = lower_name(parser->scratch, *database);
        *name = lower_name(parser->scratch, *name);
    }
    return true;
}

bool ddl_take_database(struct ddl_parser *parser, struct tr_span *name)
{
    if (!ddl_take_name(parser, name)) {
        return false;
    }
    if (ddl_model_options(parser->model)->stores_lower) {
        *name = lower_name(parser->scratch, *name);
    }
    return true;
}

bool ddl_take_column_name(struct ddl_parser *parser, struct tr_span *name)
{
    (void)ddl_take_mark(parser, '.');
    if (!ddl_take_name(parser, name)) {
        return false;
    }
    while (ddl_take_mark(parser, '.')) { /* t.c, d.t.c */
        if (!ddl_take_name(parser, name)) {
            return false;
        }
    }
    return true;
}

bool ddl_take_charset_name(struct ddl_parser *parser, struct tr_span *name)
{
    struct tr_span text;
    if (!ddl_take_string(parser, NULL, &text) && !ddl_take_name(parser, &text)) {
        return false;
    }
    *name = ddl_lower(parser->scratch, text);
    return true;
}

void ddl_unknown(struct ddl_parser *parser, const char *what)
{
    if (parser->unknown_at == NULL) {
        parser->unknown_at = parser->token.source.data;
        if (parser->unknown_at == NULL) {
            parser->unknown_at = parser->event->sql.data;
        }
        parser->unknown_what = what;
    }
}

bool ddl_same_name(struct tr_span a, struct tr_span b)
{
    if (tr_span_equals(a, b)) {
        return true;
    }
    while (a.bytes > 0 && b.bytes > 0) {
        if (fold(take_character(&a)) != fold(take_character(&b))) {
            return false;
        }
    }
    return a.bytes == 0 && b.bytes == 0;
}

/* The next character of a UTF-8 text; a byte that begins none counts as itself. */
static uint32_t take_character(struct tr_span *text)
{
    const uint8_t *at = text->data;
    const uint32_t lead = at[0];
    const size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    uint32_t character = more == 0 ? lead : lead & (0x3FU >> more);
    size_t taken = 1;

    while (taken <= more && taken < text->bytes && (at[taken] & 0xC0) == 0x80) {
        character = character << 6 | (at[taken] & 0x3F);
        taken++;
    }
    *text = tr_span_of(at + taken, text->bytes - taken);
    return character;
}

/* Lower case of the letters whose case the servers ignore in names, as far as names have them:
 * Latin, Greek, Cyrillic. */
static uint32_t fold(uint32_t character)
{
    if ((character >= 'A' && character <= 'Z') ||
        (character >= 0xC0 && character <= 0xDE && character != 0xD7) ||
        (character >= 0x391 && character <= 0x3A9) || (character >= 0x410 && character <= 0x42F)) {
        return character + 0x20;
    }
    if (character >= 0x400 && character <= 0x40F) {
        return character + 0x50;
    }
    if ((character >= 0x100 && character <= 0x12F) || (character >= 0x132 && character <= 0x137) ||
        (character >= 0x14A && character <= 0x177) || (character >= 0x460 && character <= 0x481)) {
        return character | 1;
    }
    if ((character >= 0x139 && character <= 0x148) || (character >= 0x179 && character <= 0x17E)) {
        return character + (character & 1);
    }
    return character;
}

static struct tr_span convert_case(struct tr_table *arena, struct tr_span text, uint8_t first,
                                   uint8_t last)
{
    uint8_t *copy = tr_table_array(arena, text.bytes);
    if (copy == NULL) {
        return (struct tr_span){0};
    }
    for (size_t i = 0; i < text.bytes; i++) {
        const uint8_t c = text.data[i];
        copy[i] = c >= first && c <= last ? (uint8_t)(c ^ 0x20) : c;
    }
    return tr_span_of(copy, text.bytes);
}

/* As a server with lower_case_table_names=1 keeps it. */
static struct tr_span lower_name(struct tr_table *arena, struct tr_span name)
{
    uint8_t *copy = tr_table_array(arena, name.bytes);
    size_t bytes = 0;

    if (copy == NULL) {
        return (struct tr_span){0};
    }
    while (name.bytes > 0) {
        const struct tr_span before = name;
        const uint32_t character = take_character(&name);
        const uint32_t lower = fold(character);
        const size_t taken = before.bytes - name.bytes;
        if (lower == character) {
            memcpy(copy + bytes, before.data, taken);
        } else if (taken == 1) {
            copy[bytes] = (uint8_t)lower;
        } else { /* fold's are of two bytes, before and after */
            copy[bytes] = (uint8_t)(0xC0 | lower >> 6);
            copy[bytes + 1] = (uint8_t)(0x80 | (lower & 0x3F));
        }
        bytes += taken;
    }
    return tr_span_of(copy, bytes);
}

struct tr_span ddl_lower(struct tr_table *arena, struct tr_span text)
{
    return convert_case(arena, text, 'A', 'Z');
}

struct tr_span ddl_upper(struct tr_table *arena, struct tr_span text)
{
    return convert_case(arena, text, 'a', 'z');
}
