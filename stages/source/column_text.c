// SPDX-License-Identifier: Apache-2.0
#include "stages/source/column_text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stages/schema/charset.h"

#define OPTIONS_MAX 65535 /* the servers' limit of ENUM members */

/* What the word at the start of column_type means. `length`: capacity where the word itself decides
 * it. */
static const struct type_word {
    const char *word;
    enum tr_column_type type;
    uint32_t length;
    uint8_t geometry; /* as in the optional metadata of a TABLE_MAP (mysql-binlog.md §3.11) */
} type_words[] = {
    {"tinyint", TR_COLUMN_TINYINT, 0, 0},
    {"smallint", TR_COLUMN_SMALLINT, 0, 0},
    {"mediumint", TR_COLUMN_MEDIUMINT, 0, 0},
    {"int", TR_COLUMN_INT, 0, 0},
    {"integer", TR_COLUMN_INT, 0, 0},
    {"bigint", TR_COLUMN_BIGINT, 0, 0},
    {"float", TR_COLUMN_FLOAT, 0, 0},
    {"double", TR_COLUMN_DOUBLE, 0, 0},
    {"decimal", TR_COLUMN_DECIMAL, 0, 0},
    {"bit", TR_COLUMN_BIT, 1, 0},
    {"year", TR_COLUMN_YEAR, 0, 0},
    {"date", TR_COLUMN_DATE, 0, 0},
    {"time", TR_COLUMN_TIME, 0, 0},
    {"datetime", TR_COLUMN_DATETIME, 0, 0},
    {"timestamp", TR_COLUMN_TIMESTAMP, 0, 0},
    {"char", TR_COLUMN_CHAR, 1, 0},
    {"varchar", TR_COLUMN_VARCHAR, 0, 0},
    {"tinytext", TR_COLUMN_TEXT, 255, 0},
    {"text", TR_COLUMN_TEXT, 65535, 0},
    {"mediumtext", TR_COLUMN_TEXT, 16777215, 0},
    {"longtext", TR_COLUMN_TEXT, UINT32_MAX, 0},
    {"binary", TR_COLUMN_BINARY, 1, 0},
    {"varbinary", TR_COLUMN_VARBINARY, 0, 0},
    {"tinyblob", TR_COLUMN_BLOB, 255, 0},
    {"blob", TR_COLUMN_BLOB, 65535, 0},
    {"mediumblob", TR_COLUMN_BLOB, 16777215, 0},
    {"longblob", TR_COLUMN_BLOB, UINT32_MAX, 0},
    {"enum", TR_COLUMN_ENUM, 0, 0},
    {"set", TR_COLUMN_SET, 0, 0},
    {"json", TR_COLUMN_JSON, 0, 0},
    {"geometry", TR_COLUMN_GEOMETRY, 0, 0},
    {"point", TR_COLUMN_GEOMETRY, 0, 1},
    {"linestring", TR_COLUMN_GEOMETRY, 0, 2},
    {"polygon", TR_COLUMN_GEOMETRY, 0, 3},
    {"multipoint", TR_COLUMN_GEOMETRY, 0, 4},
    {"multilinestring", TR_COLUMN_GEOMETRY, 0, 5},
    {"multipolygon", TR_COLUMN_GEOMETRY, 0, 6},
    {"geomcollection", TR_COLUMN_GEOMETRY, 0, 7},
    {"geometrycollection", TR_COLUMN_GEOMETRY, 0, 7},
    {"vector", TR_COLUMN_VECTOR, 0, 0},
    {"uuid", TR_COLUMN_UUID, 0, 0},
    {"inet4", TR_COLUMN_INET4, 0, 0},
    {"inet6", TR_COLUMN_INET6, 0, 0},
};

/* A text being written, with the room it can need at most. */
struct writing {
    uint8_t *out;
    size_t bytes;
};

static const struct type_word *find_type(struct tr_span word);
static bool is_word(struct tr_span text, const char *word);
static uint32_t parse_numbers(struct tr_cursor *cursor, uint32_t numbers[2]);
static void apply_numbers(struct tr_column *column, const uint32_t *numbers, uint32_t count);
static enum tr_code parse_options(struct tr_table *table, struct tr_column *column,
                                  struct tr_span rest, struct tr_error *err);
static bool parse_member(struct tr_cursor *cursor, struct writing *member);
static uint8_t unescape(uint8_t c);
static void keep_default(struct tr_table *table, struct tr_column *column, struct tr_span text,
                         bool is_expression);
static bool is_current_timestamp(const struct tr_column *column, struct tr_span text);
static enum tr_code keep_mysql_literal(struct tr_table *table, struct tr_column *column,
                                       struct tr_span text, struct tr_error *err);
static void write_escaped(struct writing *writing, uint8_t c);
static bool is_hex_text(struct tr_span text);
static uint8_t hex_digit(uint8_t c);

enum tr_charset tr_column_charset(struct tr_span name)
{
    if (name.data == NULL || name.bytes == 0) {
        return TR_CHARSET_NONE;
    }
    return tr_charset_of_name(name)->charset;
}

enum tr_code tr_column_text_parse_type(struct tr_table *table, struct tr_column *column,
                                       struct tr_span text, struct tr_error *err)
{
    size_t word_bytes = 0;
    while (word_bytes < text.bytes && text.data[word_bytes] != '(' &&
           text.data[word_bytes] != ' ') {
        word_bytes++;
    }
    const struct type_word *word = find_type(tr_span_of(text.data, word_bytes));
    const struct tr_span rest = tr_span_of(text.data + word_bytes, text.bytes - word_bytes);

    column->type_text = tr_table_text(table, text);
    column->type = word == NULL ? TR_COLUMN_UNKNOWN : word->type;
    if (word == NULL) {
        return TR_OK;
    }
    column->length = word->length;
    column->geometry = word->geometry;
    if (column->type == TR_COLUMN_ENUM || column->type == TR_COLUMN_SET) {
        return parse_options(table, column, rest, err);
    }
    struct tr_cursor cursor = tr_cursor_of(rest);
    uint32_t numbers[2];
    apply_numbers(column, numbers, parse_numbers(&cursor, numbers));
    /* ZEROFILL implies UNSIGNED, and both servers say so. */
    column->is_unsigned = tr_column_text_has(rest, "unsigned");
    return TR_OK;
}

static const struct type_word *find_type(struct tr_span word)
{
    for (size_t i = 0; i < sizeof(type_words) / sizeof(type_words[0]); i++) {
        if (is_word(word, type_words[i].word)) {
            return &type_words[i];
        }
    }
    return NULL;
}

static bool is_word(struct tr_span text, const char *word)
{
    return text.bytes == strlen(word) &&
           strncasecmp((const char *)text.data, word, text.bytes) == 0;
}

/* "(n)" or "(n,n)" at the cursor; returns how many were there. */
static uint32_t parse_numbers(struct tr_cursor *cursor, uint32_t numbers[2])
{
    uint32_t count = 0;

    if (tr_cursor_remaining(cursor) == 0 || cursor->at[0] != '(') {
        return 0;
    }
    (void)tr_cursor_u8(cursor);
    numbers[0] = 0;
    while (tr_cursor_remaining(cursor) > 0) {
        const uint8_t c = tr_cursor_u8(cursor);
        if (c >= '0' && c <= '9') {
            numbers[count] = numbers[count] > 100000000 ? numbers[count]
                                                        : numbers[count] * 10 + (uint32_t)(c - '0');
        } else if (c == ',' && count == 0) {
            count = 1;
            numbers[1] = 0;
        } else if (c == ')') {
            return count + 1;
        }
    }
    return 0;
}

static void apply_numbers(struct tr_column *column, const uint32_t *numbers, uint32_t count)
{
    if (count == 0) {
        return;
    }
    switch (column->type) {
    case TR_COLUMN_DECIMAL:
        column->precision = (uint8_t)numbers[0];
        column->scale = count > 1 ? (uint8_t)numbers[1] : 0;
        break;
    case TR_COLUMN_TIME:
    case TR_COLUMN_DATETIME:
    case TR_COLUMN_TIMESTAMP:
        column->scale = (uint8_t)numbers[0];
        break;
    case TR_COLUMN_FLOAT:
    case TR_COLUMN_DOUBLE:
        column->length = numbers[0];
        column->scale = count > 1 ? (uint8_t)numbers[1] : 0;
        break;
    case TR_COLUMN_UNKNOWN:
    case TR_COLUMN_TINYINT:
    case TR_COLUMN_SMALLINT:
    case TR_COLUMN_MEDIUMINT:
    case TR_COLUMN_INT:
    case TR_COLUMN_BIGINT:
    case TR_COLUMN_BIT:
    case TR_COLUMN_YEAR:
    case TR_COLUMN_DATE:
    case TR_COLUMN_CHAR:
    case TR_COLUMN_VARCHAR:
    case TR_COLUMN_TEXT:
    case TR_COLUMN_BINARY:
    case TR_COLUMN_VARBINARY:
    case TR_COLUMN_BLOB:
    case TR_COLUMN_ENUM:
    case TR_COLUMN_SET:
    case TR_COLUMN_JSON:
    case TR_COLUMN_GEOMETRY:
    case TR_COLUMN_VECTOR:
    case TR_COLUMN_UUID:
    case TR_COLUMN_INET4:
    case TR_COLUMN_INET6:
    case TR_COLUMN_TYPE_COUNT:
        column->length = numbers[0];
        break;
    }
}

/* ('a','b''c','d\\e'): two passes, the first counts. */
static enum tr_code parse_options(struct tr_table *table, struct tr_column *column,
                                  struct tr_span rest, struct tr_error *err)
{
    uint8_t *scratch = calloc(1, rest.bytes + 1); /* a member is never longer than its text */
    uint32_t count = 0;
    bool is_whole = false;

    if (scratch == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a column's members");
    }
    for (int pass = 0; pass < 2; pass++) {
        struct tr_cursor cursor = tr_cursor_of(rest);
        is_whole = tr_cursor_u8(&cursor) == '(';
        count = 0;
        while (is_whole && count < OPTIONS_MAX) {
            struct writing member = {.out = scratch};
            is_whole = parse_member(&cursor, &member);
            if (pass == 1 && column->options != NULL && is_whole) {
                column->options[count] = tr_table_text(table, tr_span_of(scratch, member.bytes));
            }
            count += is_whole ? 1 : 0;
            const uint8_t after = tr_cursor_u8(&cursor);
            if (after != ',') {
                is_whole = is_whole && after == ')';
                break;
            }
        }
        if (!is_whole) {
            break;
        }
        if (pass == 0) {
            column->options = tr_table_array(table, count * sizeof(*column->options));
        }
    }
    column->option_count = column->options == NULL ? 0 : count;
    free(scratch);
    if (!is_whole) {
        return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                       "column %.*s: its member list does not end: %.*s", (int)column->name.bytes,
                       (const char *)column->name.data, (int)(rest.bytes < 200 ? rest.bytes : 200),
                       (const char *)rest.data);
    }
    return TR_OK;
}

/* One quoted member: '' is a quote, a backslash escapes (both servers write \\, \n, \r, \0 so). */
static bool parse_member(struct tr_cursor *cursor, struct writing *member)
{
    if (tr_cursor_u8(cursor) != '\'') {
        return false;
    }
    while (tr_cursor_remaining(cursor) > 0) {
        uint8_t c = tr_cursor_u8(cursor);
        if (c == '\'') {
            if (tr_cursor_remaining(cursor) == 0 || cursor->at[0] != '\'') {
                return true;
            }
            (void)tr_cursor_u8(cursor);
        } else if (c == '\\' && tr_cursor_remaining(cursor) > 0) {
            c = unescape(tr_cursor_u8(cursor));
        }
        member->out[member->bytes++] = c;
    }
    return false;
}

static uint8_t unescape(uint8_t c)
{
    switch (c) {
    case '0':
        return '\0';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'Z':
        return 0x1A;
    default:
        return c;
    }
}

enum tr_code tr_column_text_parse_default(struct tr_table *table, struct tr_column *column,
                                          enum tr_flavor flavor, struct tr_span text,
                                          struct tr_span extra, struct tr_error *err)
{
    if (text.data == NULL || column->is_generated) {
        return TR_OK;
    }
    if (is_current_timestamp(column, text)) {
        keep_default(table, column, text, true);
        return TR_OK;
    }
    if (flavor == TR_FLAVOR_MYSQL) {
        if (tr_column_text_has(extra, "default_generated")) {
            keep_default(table, column, text, true);
            return TR_OK;
        }
        return keep_mysql_literal(table, column, text, err);
    }
    if (is_word(text, "NULL")) {
        return TR_OK;
    }
    if (text.bytes >= 2 && text.data[0] == '\'' && text.data[text.bytes - 1] == '\'') {
        keep_default(table, column, tr_span_of(text.data + 1, text.bytes - 2), false);
        return TR_OK;
    }
    /* Numbers and bit literals (b'101') stand bare; whatever else does is an expression. */
    const uint8_t first = text.bytes == 0 ? 0 : text.data[0];
    const bool is_number =
        (first >= '0' && first <= '9') || first == '-' || first == '+' || first == '.';
    const bool is_bits = text.bytes >= 3 && first == 'b' && text.data[1] == '\'';
    keep_default(table, column, text, !is_number && !is_bits);
    return TR_OK;
}

static void keep_default(struct tr_table *table, struct tr_column *column, struct tr_span text,
                         bool is_expression)
{
    column->has_default = true;
    column->default_is_expression = is_expression;
    column->default_text = tr_table_text(table, text);
}

/* MySQL 5.7 marks it by nothing but its name. */
static bool is_current_timestamp(const struct tr_column *column, struct tr_span text)
{
    static const char name[] = "current_timestamp";
    const bool is_temporal =
        column->type == TR_COLUMN_DATETIME || column->type == TR_COLUMN_TIMESTAMP;

    return is_temporal && text.bytes >= sizeof(name) - 1 &&
           strncasecmp((const char *)text.data, name, sizeof(name) - 1) == 0;
}

/* The bare value as SHOW CREATE TABLE would write it between quotes; binary ones come as 0x… and
 * are padded to N. */
static enum tr_code keep_mysql_literal(struct tr_table *table, struct tr_column *column,
                                       struct tr_span text, struct tr_error *err)
{
    const bool is_binary = column->type == TR_COLUMN_BINARY || column->type == TR_COLUMN_VARBINARY;
    const size_t pad_bytes =
        column->type == TR_COLUMN_BINARY && column->length <= 255 ? column->length : 0;
    struct writing writing = {.out = calloc(1, 2 * (text.bytes + pad_bytes) + 1)};

    if (writing.out == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a column's default");
    }
    if (is_binary && is_hex_text(text)) {
        const size_t byte_count = (text.bytes - 2) / 2;
        for (size_t i = 0; i < byte_count; i++) {
            write_escaped(&writing, (uint8_t)(hex_digit(text.data[2 + 2 * i]) << 4 |
                                              hex_digit(text.data[3 + 2 * i])));
        }
        for (size_t i = byte_count; i < pad_bytes; i++) {
            write_escaped(&writing, 0);
        }
    } else if (column->type == TR_COLUMN_BIT) {
        memcpy(writing.out, text.data, text.bytes); /* b'101' */
        writing.bytes = text.bytes;
    } else {
        for (size_t i = 0; i < text.bytes; i++) {
            write_escaped(&writing, text.data[i]);
        }
    }
    keep_default(table, column, tr_span_of(writing.out, writing.bytes), false);
    free(writing.out);
    return TR_OK;
}

/* As the servers' append_unescaped() does for SHOW CREATE TABLE. */
static void write_escaped(struct writing *writing, uint8_t c)
{
    uint8_t second = 0;

    switch (c) {
    case '\0':
        second = '0';
        break;
    case '\n':
        second = 'n';
        break;
    case '\r':
        second = 'r';
        break;
    case '\\':
        second = '\\';
        break;
    case '\'':
        writing->out[writing->bytes++] = '\'';
        break;
    default:
        break;
    }
    if (second != 0) {
        writing->out[writing->bytes++] = '\\';
        c = second;
    }
    writing->out[writing->bytes++] = c;
}

static bool is_hex_text(struct tr_span text)
{
    if (text.bytes < 2 || text.bytes % 2 != 0 || text.data[0] != '0' || text.data[1] != 'x') {
        return false;
    }
    for (size_t i = 2; i < text.bytes; i++) {
        if (hex_digit(text.data[i]) > 15) {
            return false;
        }
    }
    return true;
}

/* 0..15; 16 = not a hexadecimal digit. */
static uint8_t hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return (uint8_t)(c - '0');
    }
    if (c >= 'A' && c <= 'F') {
        return (uint8_t)(c - 'A' + 10);
    }
    return c >= 'a' && c <= 'f' ? (uint8_t)(c - 'a' + 10) : 16;
}

bool tr_column_text_has(struct tr_span text, const char *word)
{
    const size_t word_bytes = strlen(word);

    for (size_t i = 0; i + word_bytes <= text.bytes; i++) {
        if (strncasecmp((const char *)text.data + i, word, word_bytes) == 0) {
            return true;
        }
    }
    return false;
}
