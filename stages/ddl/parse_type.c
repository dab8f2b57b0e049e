// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "stages/ddl/collation.h"
#include "stages/ddl/parse.h"

#define WORDS_MAX 3
#define MODE_REAL_AS_FLOAT UINT64_C(0x1)
#define MODE_ORACLE UINT64_C(0x200) /* MariaDB */

/* Longer spellings stand before their beginnings. jdbc_type: contract §2.1. */
static const struct ddl_type_entry entries[] = {
    {"NATIONAL CHARACTER VARYING", "varchar", -9},
    {"NATIONAL CHAR VARYING", "varchar", -9},
    {"NATIONAL VARCHARACTER", "varchar", -9},
    {"NATIONAL CHARACTER", "char", -15},
    {"NATIONAL VARCHAR", "varchar", -9},
    {"NATIONAL CHAR", "char", -15},
    {"LONG CHARACTER VARYING", "mediumtext", 12},
    {"LONG CHAR VARYING", "mediumtext", 12},
    {"LONG VARCHARACTER", "mediumtext", 12},
    {"LONG VARBINARY", "mediumblob", 2004},
    {"LONG VARCHAR", "mediumtext", 12},
    {"NCHAR VARCHARACTER", "varchar", -9},
    {"NCHAR VARYING", "varchar", -9},
    {"NCHAR VARCHAR", "varchar", -9},
    {"CHARACTER VARYING", "varchar", 12},
    {"CHAR VARYING", "varchar", 12},
    {"DOUBLE PRECISION", "double", 8},
    {"TINYINT", "tinyint", 5},
    {"INT1", "tinyint", 5},
    {"SMALLINT", "smallint", 5},
    {"INT2", "smallint", 5},
    {"MEDIUMINT", "mediumint", 4},
    {"MIDDLEINT", "mediumint", 4},
    {"INT3", "mediumint", 4},
    {"INT", "int", 4},
    {"INTEGER", "int", 4},
    {"INT4", "int", 4},
    {"BIGINT", "bigint", -5},
    {"INT8", "bigint", -5},
    {"SERIAL", "bigint", -5},
    {"BOOL", "tinyint", 16},
    {"BOOLEAN", "tinyint", 16},
    {"REAL", "double", 7},
    {"DOUBLE", "double", 8},
    {"FLOAT8", "double", 8},
    {"FLOAT4", "float", 6},
    {"FLOAT", "float", 6},
    {"DECIMAL", "decimal", 3},
    {"DEC", "decimal", 3},
    {"FIXED", "decimal", 3},
    {"NUMERIC", "decimal", 2},
    {"BIT", "bit", -7},
    {"DATETIME", "datetime", 93},
    {"DATE", "date", 91},
    {"TIMESTAMP", "timestamp", 2014},
    {"TIME", "time", 92},
    {"YEAR", "year", 4},
    {"CHAR", "char", 1},
    {"CHARACTER", "char", 1},
    {"VARCHAR", "varchar", 12},
    {"VARCHARACTER", "varchar", 12},
    {"NCHAR", "char", -15},
    {"NVARCHAR", "varchar", -9},
    {"BINARY", "binary", -2},
    {"VARBINARY", "varbinary", -3},
    {"TINYTEXT", "tinytext", 12},
    {"TEXT", "text", 12},
    {"MEDIUMTEXT", "mediumtext", 12},
    {"LONGTEXT", "longtext", 12},
    {"LONG", "mediumtext", 12},
    {"TINYBLOB", "tinyblob", 2004},
    {"BLOB", "blob", 2004},
    {"MEDIUMBLOB", "mediumblob", 2004},
    {"LONGBLOB", "longblob", 2004},
    {"ENUM", "enum", 1},
    {"SET", "set", 1},
    {"JSON", "json", 1111},
    {"GEOMETRY", "geometry", 1111},
    {"POINT", "point", 1111},
    {"LINESTRING", "linestring", 1111},
    {"POLYGON", "polygon", 1111},
    {"MULTIPOINT", "multipoint", 1111},
    {"MULTILINESTRING", "multilinestring", 1111},
    {"MULTIPOLYGON", "multipolygon", 1111},
    {"GEOMETRYCOLLECTION", "geometrycollection", 1111},
    {"GEOMCOLLECTION", "geometrycollection", 1111},
    {"VECTOR", "vector", 1111},
    {"UUID", "uuid", 1111},
    {"INET4", "inet4", 1111},
    {"INET6", "inet6", 1111},
};

/* MariaDB under sql_mode ORACLE, or where the words are not taken by it anyway. */
static const struct ddl_type_entry oracle_entries[] = {
    {"VARCHAR2", "varchar", 12}, {"NUMBER", "decimal", 3}, {"CLOB", "longtext", 12},
    {"RAW", "varbinary", -3},    {"DATE", "datetime", 93},
};

static const struct ddl_type_entry real_as_float = {"REAL", "float", 7};
static const struct ddl_type_entry number_alone = {"NUMBER", "double", 8};
static const struct ddl_type_entry oracle_blob_alone = {"BLOB", "longblob", 2004};

static const struct ddl_type_entry *match(struct ddl_parser *parser);
static bool match_words(struct ddl_parser *parser, const char *words);
static void parse_options(struct ddl_parser *parser, struct tr_column *column);
static void parse_numbers(struct ddl_parser *parser, struct ddl_type *type);

void ddl_parse_type(struct ddl_parser *parser, struct ddl_column *column)
{
    struct ddl_type *type = &column->type;
    const uint64_t sql_mode = parser->event->sql_mode;

    *type = (struct ddl_type){.entry = match(parser)};
    if (type->entry != NULL) {
        type->words = tr_span_of_text(type->entry->words);
    } else if (parser->token.kind == TR_SQL_WORD || parser->token.kind == TR_SQL_NAME) {
        type->words = ddl_upper(parser->scratch, parser->token.text);
        ddl_step(parser);
    }
    const char *base = type->entry == NULL ? "" : type->entry->base;
    if (strcmp(base, "enum") == 0 || strcmp(base, "set") == 0) {
        parse_options(parser, &column->column);
    } else if (ddl_at_mark(parser, '(')) {
        parse_numbers(parser, type);
    }
    if (tr_collation_is(type->words, "REAL") && (sql_mode & MODE_REAL_AS_FLOAT) != 0) {
        type->entry = &real_as_float;
    }
    if (tr_collation_is(type->words, "NUMBER") && !type->has_length) {
        type->entry = &number_alone;
    }
    if ((sql_mode & MODE_ORACLE) != 0 && tr_collation_is(type->words, "BLOB") &&
        !type->has_length) {
        type->entry = &oracle_blob_alone;
    }
    if (tr_collation_is(type->words, "SERIAL")) {
        type->words = tr_span_of_text("BIGINT");
        type->is_unsigned = true;
        column->is_serial = true;
    }
    while (ddl_parse_type_attribute(parser, type)) { /* ends: each turn takes a token */
    }
}

const struct ddl_type_entry *ddl_type_find(struct tr_span words)
{
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (tr_collation_is(words, entries[i].words)) {
            return &entries[i];
        }
    }
    return NULL;
}

static const struct ddl_type_entry *match(struct ddl_parser *parser)
{
    if (parser->token.kind != TR_SQL_WORD) {
        return NULL;
    }
    if ((parser->event->sql_mode & MODE_ORACLE) != 0) {
        for (size_t i = 0; i < sizeof(oracle_entries) / sizeof(oracle_entries[0]); i++) {
            if (match_words(parser, oracle_entries[i].words)) {
                return &oracle_entries[i];
            }
        }
    }
    const uint8_t first = parser->token.text.data[0] & 0xDF; /* in upper case */
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (first == (uint8_t)entries[i].words[0] && match_words(parser, entries[i].words)) {
            return &entries[i];
        }
    }
    return NULL;
}

/* Takes all of the words or none. */
static bool match_words(struct ddl_parser *parser, const char *words)
{
    struct tr_sql_lexer ahead = parser->lexer;
    struct tr_sql_token token = parser->token;
    uint32_t count = 0;

    for (const char *at = words; *at != '\0';) {
        const size_t bytes = strcspn(at, " ");
        if (count > 0) {
            token = tr_sql_lexer_next(&ahead);
        }
        char word[32];
        if (bytes >= sizeof(word)) {
            return false;
        }
        memcpy(word, at, bytes);
        word[bytes] = '\0';
        if (!tr_sql_is_word(&token, word)) {
            return false;
        }
        count++;
        at += bytes + (at[bytes] == ' ' ? 1 : 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        ddl_step(parser);
    }
    return true;
}

/* (n) or (n, m); MariaDB's ORACLE mode: (n CHAR), (*). */
static void parse_numbers(struct ddl_parser *parser, struct ddl_type *type)
{
    uint64_t numbers[2] = {0, 0};
    uint32_t count = 0;

    ddl_step(parser);
    while (!ddl_at_end(parser) && !ddl_at_mark(parser, ')')) {
        if (parser->token.kind == TR_SQL_NUMBER && count < 2) {
            for (size_t i = 0; i < parser->token.text.bytes; i++) {
                const uint64_t digit = parser->token.text.data[i] - (uint64_t)'0';
                numbers[count] =
                    numbers[count] > UINT32_MAX ? numbers[count] : numbers[count] * 10 + digit;
            }
            count++;
        }
        if (ddl_at_mark(parser, '(')) {
            ddl_skip_parentheses(parser);
        } else {
            ddl_step(parser);
        }
    }
    (void)ddl_take_mark(parser, ')');
    type->has_length = count > 0;
    type->has_scale = count > 1;
    type->length = (uint32_t)(numbers[0] > UINT32_MAX ? UINT32_MAX : numbers[0]);
    type->scale = (uint32_t)(numbers[1] > UINT32_MAX ? UINT32_MAX : numbers[1]);
}

static struct tr_span quoted(struct tr_table *scratch, struct tr_span raw, char quote)
{
    uint8_t *text = tr_table_array(scratch, raw.bytes + 2);
    if (text == NULL) {
        return (struct tr_span){0};
    }
    text[0] = (uint8_t)quote;
    if (raw.bytes > 0) {
        memcpy(text + 1, raw.data, raw.bytes);
    }
    text[raw.bytes + 1] = (uint8_t)quote;
    return tr_span_of(text, raw.bytes + 2);
}

/* ('a', "b", x'63', N'd'): the list doubles as it grows. MariaDB's keep their double quotes. */
static void parse_options(struct ddl_parser *parser, struct tr_column *column)
{
    const bool is_mariadb = ddl_model_options(parser->model)->flavor == TR_FLAVOR_MARIADB;
    uint32_t room = 0;

    column->option_count = 0;
    if (!ddl_take_mark(parser, '(')) {
        return;
    }
    while (!ddl_at_end(parser) && !ddl_at_mark(parser, ')')) {
        const char quote = parser->token.quote == '"' && is_mariadb ? '"' : '\'';
        struct tr_span raw;
        struct tr_span text;
        if (!ddl_take_string(parser, &raw, &text)) {
            ddl_skip_clause(parser);
        } else {
            if (column->option_count == room) {
                room = room == 0 ? 8 : 2 * room;
                struct tr_span *longer =
                    tr_table_array(parser->scratch, 2 * room * sizeof(*longer));
                if (longer == NULL) {
                    return;
                }
                for (uint32_t i = 0; i < column->option_count; i++) {
                    longer[i] = column->options[i];
                    longer[room + i] = column->option_texts[i];
                }
                column->options = longer;
                column->option_texts = longer + room;
            }
            column->options[column->option_count] = text;
            column->option_texts[column->option_count++] = quoted(parser->scratch, raw, quote);
        }
        if (!ddl_take_mark(parser, ',')) {
            ddl_skip_clause(parser);
        }
    }
    (void)ddl_take_mark(parser, ')');
}

bool ddl_parse_type_attribute(struct ddl_parser *parser, struct ddl_type *type)
{
    if (ddl_take_word(parser, "UNSIGNED")) {
        type->is_unsigned = true;
    } else if (ddl_take_word(parser, "ZEROFILL")) {
        type->is_unsigned = true;
        type->is_zerofill = true;
    } else if (ddl_take_word(parser, "SIGNED")) {
        type->is_signed = true;
    } else if (ddl_take_words(parser, "CHARACTER", "SET") ||
               ddl_take_words(parser, "CHAR", "SET") || ddl_take_word(parser, "CHARSET")) {
        (void)ddl_take_mark(parser, '=');
        (void)ddl_take_charset_name(parser, &type->charset);
    } else if (ddl_take_word(parser, "COLLATE")) {
        (void)ddl_take_mark(parser, '=');
        (void)ddl_take_charset_name(parser, &type->collation);
    } else if (ddl_take_word(parser, "BINARY")) {
        type->is_binary = true;
    } else if (ddl_take_word(parser, "BYTE")) {
        type->is_byte = true;
    } else if (ddl_take_word(parser, "ASCII")) {
        type->is_ascii = true;
    } else if (ddl_take_word(parser, "UNICODE")) {
        type->is_unicode = true;
    } else if (ddl_take_word(parser, "COMPRESSED")) {
        type->is_compressed = true;
        if (ddl_take_mark(parser, '=')) {
            ddl_step(parser);
        }
    } else {
        return false;
    }
    return true;
}
