// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include <strings.h>

#include "stages/ddl/parse.h"

/* A text that grows by parts: 'a' 'b'. */
struct joined {
    uint8_t *bytes; /* in scratch */
    size_t count;
    size_t room;
};

static bool at_introduced(const struct ddl_parser *parser);
static bool take_part(struct ddl_parser *parser, struct joined *raw, struct joined *text);
static bool take_digits(struct ddl_parser *parser, struct tr_span *digits, bool *is_hex);
static void add_decoded(struct joined *text, struct tr_span digits, bool is_hex);
static uint8_t escaped(uint8_t c);
static bool parse_clock(struct ddl_parser *parser, struct tr_column *column);
static void parse_literal(struct ddl_parser *parser, struct tr_column *column);
static void read_as_debezium(struct ddl_parser *parser, struct tr_column *column,
                             const uint8_t *from);
static void read_as(struct tr_column *column, struct tr_span text);
static void parse_number(struct ddl_parser *parser, struct tr_column *column);
static void parse_bit_or_hex(struct ddl_parser *parser, struct tr_column *column);
static void parse_expression(struct ddl_parser *parser, struct tr_column *column);
static void keep(struct tr_column *column, enum tr_literal form, struct tr_span text);

bool ddl_take_string(struct ddl_parser *parser, struct tr_span *raw, struct tr_span *text)
{
    struct joined raw_parts = {0};
    struct joined text_parts = {0};
    bool is_any = false;

    while (take_part(parser, &raw_parts, &text_parts)) {
        is_any = true;
    }
    if (raw != NULL) {
        *raw = tr_span_of(raw_parts.count == 0 ? (const uint8_t *)"" : raw_parts.bytes,
                          raw_parts.count);
    }
    if (text != NULL) {
        *text = tr_span_of(text_parts.bytes, text_parts.count);
    }
    return is_any;
}

static bool at_string(const struct tr_sql_token *token)
{
    return token->kind == TR_SQL_STRING;
}

/* Whether a word is directly followed by a quote: N'…', x'…', b'…'. */
static bool is_prefix(const struct ddl_parser *parser, char letter)
{
    const struct tr_sql_token *token = &parser->token;
    if (token->kind != TR_SQL_WORD || token->text.bytes != 1 ||
        (token->text.data[0] | 0x20) != letter) {
        return false;
    }
    const struct tr_sql_token next = ddl_peek(parser);
    return at_string(&next) && next.source.data == token->source.data + 1;
}

/* _utf8mb4'…', _binary 0x61 */
static bool at_introduced(const struct ddl_parser *parser)
{
    if (parser->token.kind != TR_SQL_WORD || parser->token.text.data[0] != '_') {
        return false;
    }
    struct ddl_parser ahead = *parser;
    struct tr_span digits;
    bool is_hex;
    ddl_step(&ahead);
    return at_string(&ahead.token) || take_digits(&ahead, &digits, &is_hex);
}

/* What Debezium makes of "…" for its MySQL grammar: '…', with apostrophes doubled. */
static size_t copy_raw(struct ddl_parser *parser, uint8_t *out, const struct tr_sql_token *token)
{
    const bool doubles =
        token->quote == '"' && ddl_model_options(parser->model)->flavor == TR_FLAVOR_MYSQL;
    size_t bytes = 0;
    for (size_t i = 0; i < token->text.bytes; i++) {
        out[bytes++] = token->text.data[i];
        if (doubles && token->text.data[i] == '\'') {
            out[bytes++] = '\'';
        }
    }
    return bytes;
}

static bool grow(struct ddl_parser *parser, struct joined *joined, size_t bytes)
{
    if (joined->room - joined->count >= bytes) {
        return true;
    }
    const size_t room = joined->room + joined->count + bytes; /* at least doubles when it is full */
    uint8_t *longer = tr_table_array(parser->scratch, room);
    if (longer == NULL) {
        return false;
    }
    if (joined->count > 0) {
        memcpy(longer, joined->bytes, joined->count);
    }
    joined->bytes = longer;
    joined->room = room;
    return true;
}

static bool take_part(struct ddl_parser *parser, struct joined *raw, struct joined *text)
{
    struct tr_span digits;
    bool is_hex;

    if (at_introduced(parser) || is_prefix(parser, 'n')) {
        ddl_step(parser);
    }
    if (!at_string(&parser->token)) {
        if (!take_digits(parser, &digits, &is_hex)) {
            return false;
        }
        if (grow(parser, raw, digits.bytes) && grow(parser, text, digits.bytes)) {
            add_decoded(text, digits, is_hex);
            memcpy(raw->bytes + raw->count, digits.data, digits.bytes);
            raw->count += digits.bytes;
        }
        return true;
    }
    const struct tr_sql_token token = parser->token;
    const bool escapes = (parser->event->sql_mode & TR_SQL_MODE_NO_BACKSLASH_ESCAPES) == 0;
    ddl_step(parser);
    if (token.text.bytes == 0) {
        return true;
    }
    if (!grow(parser, raw, 2 * token.text.bytes) || !grow(parser, text, token.text.bytes)) {
        return true;
    }
    raw->count += copy_raw(parser, raw->bytes + raw->count, &token);
    for (size_t i = 0; i < token.text.bytes; i++) {
        uint8_t c = token.text.data[i];
        if (c == '\\' && escapes && i + 1 < token.text.bytes) {
            c = token.text.data[++i];
            if (c == '%' || c == '_') {
                text->bytes[text->count++] = '\\';
            } else {
                c = escaped(c);
            }
        } else if (c == token.quote) {
            i++; /* its double */
        }
        text->bytes[text->count++] = c;
    }
    return true;
}

/* x'6162', 0x6162, b'01', 0b01 */
static bool take_digits(struct ddl_parser *parser, struct tr_span *digits, bool *is_hex)
{
    const struct tr_sql_token token = parser->token;
    *is_hex = is_prefix(parser, 'x');
    if (*is_hex || is_prefix(parser, 'b')) {
        ddl_step(parser);
        *digits = parser->token.text;
        ddl_step(parser);
        return true;
    }
    if (token.kind == TR_SQL_WORD && token.text.bytes > 2 && token.text.data[0] == '0' &&
        (token.text.data[1] == 'x' || token.text.data[1] == 'b')) {
        *is_hex = token.text.data[1] == 'x';
        *digits = tr_span_of(token.text.data + 2, token.text.bytes - 2);
        ddl_step(parser);
        return true;
    }
    return false;
}

static void add_decoded(struct joined *text, struct tr_span digits, bool is_hex)
{
    const size_t per_byte = is_hex ? 2 : 8;
    size_t left = digits.bytes;
    unsigned value = 0;

    for (size_t i = 0; i < digits.bytes; i++) {
        const uint8_t c = (uint8_t)(digits.data[i] | 0x20);
        value = is_hex ? value << 4 | (unsigned)(c <= '9' ? c & 0xF : c - 'a' + 10)
                       : value << 1 | (c & 1U);
        if (--left % per_byte == 0) {
            text->bytes[text->count++] = (uint8_t)value;
            value = 0;
        }
    }
}

/* Source: MySQL manual, "String Literals". */
static uint8_t escaped(uint8_t c)
{
    switch (c) {
    case '0':
        return '\0';
    case 'b':
        return '\b';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'Z':
        return 0x1A;
    default:
        return c;
    }
}

bool ddl_take_clock(struct ddl_parser *parser, struct tr_span *text)
{
    static const char *const words[] = {"CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"};
    bool is_clock = false;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        is_clock = is_clock || ddl_at_word(parser, words[i]);
    }
    if (!is_clock) {
        return false;
    }
    const uint8_t *from = parser->token.source.data;
    ddl_step(parser);
    if (ddl_at_mark(parser, '(')) {
        ddl_skip_parentheses(parser);
    }
    *text = tr_span_of(from, (size_t)(parser->taken_end - from));
    return true;
}

void ddl_parse_default(struct ddl_parser *parser, struct tr_column *column)
{
    const uint8_t *from = parser->token.source.data;

    column->has_read_default = false;
    if (ddl_take_word(parser, "NULL")) {
        column->has_default = false;
    } else if (!parse_clock(parser, column)) {
        parse_literal(parser, column);
    }
    read_as_debezium(parser, column, from);
}

/* CURRENT_TIMESTAMP, its synonyms, and what stands in parentheses. */
static bool parse_clock(struct ddl_parser *parser, struct tr_column *column)
{
    const uint8_t *from = parser->token.source.data;
    struct tr_span text;

    if (ddl_take_clock(parser, &text)) {
        keep(column, TR_LITERAL_CLOCK, text);
    } else if (ddl_at_mark(parser, '(')) {
        struct ddl_parser inside =
            *parser; /* DEFAULT (NOW()), (CURRENT_TIMESTAMP): MariaDB's clocks */
        ddl_step(&inside);
        const bool is_clock = ddl_model_options(parser->model)->flavor == TR_FLAVOR_MARIADB &&
                              ddl_take_clock(&inside, &text) && ddl_at_mark(&inside, ')');
        ddl_skip_parentheses(parser);
        keep(column, is_clock ? TR_LITERAL_CLOCK : TR_LITERAL_TEXT,
             is_clock ? text : tr_span_of(from, (size_t)(parser->taken_end - from)));
    } else {
        return false;
    }
    column->default_is_expression = true;
    return true;
}

static void parse_literal(struct ddl_parser *parser, struct tr_column *column)
{
    struct tr_span text;

    if (ddl_at_word(parser, "TRUE") || ddl_at_word(parser, "FALSE")) {
        keep(column, TR_LITERAL_BOOLEAN, tr_span_of_text(ddl_at_word(parser, "TRUE") ? "1" : "0"));
        ddl_step(parser);
    } else if (ddl_at_mark(parser, '-') || ddl_at_mark(parser, '+') || ddl_at_mark(parser, '.') ||
               parser->token.kind == TR_SQL_NUMBER ||
               (parser->token.kind == TR_SQL_WORD && parser->token.text.data[0] >= '0' &&
                parser->token.text.data[0] <= '9')) {
        parse_number(parser, column);
    } else if (is_prefix(parser, 'x') || is_prefix(parser, 'b')) {
        parse_bit_or_hex(parser, column);
    } else if ((ddl_at_word(parser, "DATE") || ddl_at_word(parser, "TIME") ||
                ddl_at_word(parser, "TIMESTAMP")) &&
               ddl_peek(parser).kind == TR_SQL_STRING) { /* DATE '2024-01-01' */
        ddl_step(parser);
        (void)ddl_take_string(parser, &text, NULL);
        keep(column, TR_LITERAL_TEXT, text);
    } else if (ddl_take_string(parser, &text, NULL)) {
        keep(column, TR_LITERAL_TEXT, text);
    } else {
        parse_expression(parser, column);
    }
}

/* In any case. */
static bool starts_with(struct tr_span text, const char *word)
{
    const size_t bytes = strlen(word);

    return text.bytes >= bytes && strncasecmp((const char *)text.data, word, bytes) == 0;
}

/* What Debezium's grammars make of the default that begins at `from`, where it is not its text: contract
 * §2.9, seen on 3.6.0.Final. MariaDB's grammar knows no hex literals, keeps introducers and takes only
 * CURRENT_TIMESTAMP and NOW for clocks. */
static void read_as_debezium(struct ddl_parser *parser, struct tr_column *column,
                             const uint8_t *from)
{
    const bool is_mariadb = ddl_model_options(parser->model)->flavor == TR_FLAVOR_MARIADB;
    const enum tr_literal form = column->default_form;
    const struct tr_span text = column->default_text;
    const struct tr_span written = tr_span_of(from, (size_t)(parser->taken_end - from));

    if (!column->has_default || written.bytes < 2) {
        return;
    }
    const uint8_t first = written.data[0];
    if (form == TR_LITERAL_BOOLEAN) {
        read_as(column, written);
    } else if (form == TR_LITERAL_HEX || form == TR_LITERAL_BITS) {
        const bool is_known =
            !is_mariadb || (form == TR_LITERAL_BITS && (text.data[0] | 0x20) == 'b');
        read_as(column, is_known && text.bytes > 2 ? tr_span_of(text.data + 2, text.bytes - 3)
                                                   : (struct tr_span){0}); /* 0x61 loses a digit */
    } else if (is_mariadb && column->default_is_expression) {
        static const char *const words[] = {"localtime", "localtimestamp", "curdate(", "curtime("};
        if (form == TR_LITERAL_CLOCK && first == '(') {
            read_as(column, (struct tr_span){0});
        }
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (starts_with(written, words[i])) {
                read_as(column, written);
            }
        }
    } else if (form == TR_LITERAL_TEXT && !column->default_is_expression &&
               ((first | 0x20) == 'n' || (is_mariadb && first == '_'))) {
        read_as(column, written);
    }
}

static void read_as(struct tr_column *column, struct tr_span text)
{
    column->has_read_default = true;
    column->read_default = text;
}

static void keep(struct tr_column *column, enum tr_literal form, struct tr_span text)
{
    column->has_default = true;
    column->default_is_expression = false;
    column->default_form = form;
    column->default_text = text;
}

/* [+-]digits[.digits][e[+-]digits], 0x61, 0b01: the lexer cuts it into several tokens. */
static void parse_number(struct ddl_parser *parser, struct tr_column *column)
{
    const struct tr_span sign = parser->token.source;
    bool has_sign = false;
    while (ddl_at_mark(parser, '-') || ddl_at_mark(parser, '+')) {
        has_sign = true;
        ddl_step(parser);
    }
    const uint8_t *at = parser->token.source.data;
    const uint8_t *end = parser->event->sql.data + parser->event->sql.bytes;
    struct tr_span digits;
    bool is_hex;
    if (parser->token.kind == TR_SQL_WORD && at + 1 < end && at[0] == '0' &&
        (at[1] == 'x' || at[1] == 'b')) {
        const struct tr_span source = parser->token.source;
        if (take_digits(parser, &digits, &is_hex)) {
            keep(column, is_hex ? TR_LITERAL_HEX : TR_LITERAL_BITS, source);
            return;
        }
    }
    if (at == NULL) {
        return;
    }
    while (at < end && ((*at >= '0' && *at <= '9') || *at == '.')) {
        at++;
    }
    if (at + 1 < end && (*at | 0x20) == 'e' &&
        ((at[1] >= '0' && at[1] <= '9') ||
         ((at[1] == '-' || at[1] == '+') && at + 2 < end && at[2] >= '0' && at[2] <= '9'))) {
        at += 2;
        while (at < end && *at >= '0' && *at <= '9') {
            at++;
        }
    }
    if (at < parser->token.source.data + parser->token.source.bytes) {
        at = parser->token.source.data + parser->token.source.bytes; /* no number: a word like 1a */
    }
    /* The lexer stands behind the token; the number may reach further, never less far. */
    if (at > parser->lexer.sql.data) {
        tr_sql_lexer_seek(&parser->lexer, at);
    } else {
        parser->lexer.after_dot = false;
    }
    parser->token.source =
        tr_span_of(parser->token.source.data, (size_t)(at - parser->token.source.data));
    const struct tr_span number = parser->token.source;
    ddl_step(parser);
    uint8_t *text =
        tr_table_array(parser->scratch, number.bytes + 1); /* no blanks behind the sign */
    if (text != NULL) {
        text[0] = has_sign ? sign.data[0] : 0;
        memcpy(text + (has_sign ? 1 : 0), number.data, number.bytes);
        keep(column, TR_LITERAL_NUMBER, tr_span_of(text, number.bytes + (has_sign ? 1 : 0)));
    }
}

static void parse_bit_or_hex(struct ddl_parser *parser, struct tr_column *column)
{
    const uint8_t *from = parser->token.source.data;
    struct tr_span digits;
    bool is_hex;

    (void)take_digits(parser, &digits, &is_hex);
    keep(column, is_hex ? TR_LITERAL_HEX : TR_LITERAL_BITS,
         tr_span_of(from, (size_t)(parser->taken_end - from)));
}

/* MariaDB: DEFAULT uuid(), NEXT VALUE FOR s, CASE … END, a name; without parentheses. */
static void parse_expression(struct ddl_parser *parser, struct tr_column *column)
{
    const uint8_t *from = parser->token.source.data;

    if (ddl_at_end(parser) || ddl_at_mark(parser, ',') || ddl_at_mark(parser, ')')) {
        return;
    }
    if (ddl_take_word(parser, "CASE")) {
        while (!ddl_at_end(parser) && !ddl_take_word(parser, "END")) {
            ddl_step(parser);
        }
    } else if (ddl_take_words(parser, "NEXT", "VALUE") ||
               ddl_take_words(parser, "PREVIOUS", "VALUE")) {
        struct tr_span name;
        (void)ddl_take_word(parser, "FOR");
        (void)ddl_take_column_name(parser, &name);
    } else {
        ddl_step(parser);
        while (ddl_take_mark(parser, '.')) {
            ddl_step(parser);
        }
        if (ddl_at_mark(parser, '(')) {
            ddl_skip_parentheses(parser);
        }
    }
    keep(column, TR_LITERAL_TEXT, tr_span_of(from, (size_t)(parser->taken_end - from)));
    column->default_is_expression = true;
}
