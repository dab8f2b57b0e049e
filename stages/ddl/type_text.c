// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "stages/ddl/parse.h"

#define VECTOR_DIMENSIONS 2048 /* MySQL: VECTOR without a number */

/* Integers: display widths where none is written. */
static const struct {
    const char *base;
    uint8_t width;
    uint8_t unsigned_width;
} integers[] = {
    {"tinyint", 4, 3}, {"smallint", 6, 5}, {"mediumint", 9, 8}, {"int", 11, 10}, {"bigint", 20, 20},
};

static bool is_one_of(const char *base, const char *const *words);
static bool write_integer(const struct ddl_parser *parser, const struct ddl_type *type,
                          const char *base, char *text, size_t bytes);
static void write_numbers(const struct ddl_parser *parser, const struct ddl_type *type,
                          const char *base, char *text, size_t bytes);
static struct tr_span write_options(struct ddl_parser *parser, const struct tr_column *column,
                                    const char *base);

void ddl_write_type_text(struct ddl_parser *parser, struct ddl_column *column, const char *base)
{
    const struct ddl_type *type = &column->type;
    const bool is_mysql = ddl_model_options(parser->model)->flavor == TR_FLAVOR_MYSQL;
    char text[128];
    char numbers[64] = "";

    if (base == NULL) { /* not known: its words, so that messages can name it */
        column->column.type_text = ddl_lower(parser->scratch, type->words);
        return;
    }
    if (strcmp(base, "enum") == 0 || strcmp(base, "set") == 0) {
        column->column.type_text = write_options(parser, &column->column, base);
        return;
    }
    if (is_mysql && strcmp(base, "geometrycollection") == 0) {
        base = "geomcollection";
    }
    if (!write_integer(parser, type, base, numbers, sizeof(numbers))) {
        write_numbers(parser, type, base, numbers, sizeof(numbers));
    }
    (void)snprintf(text, sizeof(text), "%s%s%s%s%s", base, numbers,
                   type->is_unsigned ? " unsigned" : "", type->is_zerofill ? " zerofill" : "",
                   type->is_compressed && !is_mysql ? " /*M!100301 COMPRESSED*/" : "");
    column->column.type_text = tr_table_text(parser->scratch, tr_span_of_text(text));
}

static bool is_one_of(const char *base, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(base, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool write_integer(const struct ddl_parser *parser, const struct ddl_type *type,
                          const char *base, char *text, size_t bytes)
{
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
        if (strcmp(integers[i].base, base) != 0) {
            continue;
        }
        const bool is_boolean = type->entry != NULL && type->entry->jdbc_type == 16;
        uint32_t width = is_boolean ? 1 : type->length;
        const bool is_one = i == 0 && width == 1 && !type->is_unsigned;
        if (width == 0) {
            width = type->is_unsigned ? integers[i].unsigned_width : integers[i].width;
        }
        if (!ddl_model_options(parser->model)->hides_int_width || type->is_zerofill || is_one) {
            (void)snprintf(text, bytes, "(%u)", width);
        }
        return true;
    }
    return false;
}

static void write_numbers(const struct ddl_parser *parser, const struct ddl_type *type,
                          const char *base, char *text, size_t bytes)
{
    static const char *const one_by_default[] = {"char", "binary", "bit", NULL};
    static const char *const with_length[] = {"char",      "varchar", "binary",
                                              "varbinary", "bit",     NULL};
    static const char *const with_fraction[] = {"time", "datetime", "timestamp", NULL};

    if (strcmp(base, "decimal") == 0) {
        (void)snprintf(text, bytes, "(%u,%u)",
                       !type->has_length || (type->length == 0 && type->scale == 0) ? 10
                                                                                    : type->length,
                       type->scale);
    } else if (strcmp(base, "float") == 0 || strcmp(base, "double") == 0) {
        if (type->has_scale) {
            (void)snprintf(text, bytes, "(%u,%u)", type->length, type->scale);
        }
    } else if (is_one_of(base, with_length)) {
        const bool is_zero_bit = strcmp(base, "bit") == 0 && type->length == 0;
        (void)snprintf(text, bytes, "(%u)",
                       (!type->has_length && is_one_of(base, one_by_default)) || is_zero_bit
                           ? 1
                           : type->length);
    } else if (is_one_of(base, with_fraction)) {
        if (type->has_length && type->length > 0) {
            (void)snprintf(text, bytes, "(%u)", type->length);
        }
    } else if (strcmp(base, "year") == 0) {
        const bool is_short = type->has_length && type->length == 2;
        (void)snprintf(text, bytes, "%s",
                       ddl_model_options(parser->model)->hides_int_width ? ""
                       : is_short                                        ? "(2)"
                                                                         : "(4)");
    } else if (strcmp(base, "vector") == 0) {
        (void)snprintf(text, bytes, "(%u)", type->has_length ? type->length : VECTOR_DIMENSIONS);
    }
}

/* enum('a','it''s'): escapes as the servers print them. */
static struct tr_span write_options(struct ddl_parser *parser, const struct tr_column *column,
                                    const char *base)
{
    size_t room = strlen(base) + 2;
    for (uint32_t i = 0; i < column->option_count; i++) {
        room += 2 * column->options[i].bytes + 3;
    }
    uint8_t *text = tr_table_array(parser->scratch, room);
    if (text == NULL) {
        return (struct tr_span){0};
    }
    size_t at = strlen(base);
    memcpy(text, base, at);
    text[at++] = '(';
    for (uint32_t i = 0; i < column->option_count; i++) {
        if (i > 0) {
            text[at++] = ',';
        }
        text[at++] = '\'';
        for (size_t k = 0; k < column->options[i].bytes; k++) {
            const uint8_t c = column->options[i].data[k];
            const char *escape = c == '\0'   ? "\\0"
                                 : c == '\n' ? "\\n"
                                 : c == '\r' ? "\\r"
                                 : c == '\\' ? "\\\\"
                                 : c == '\'' ? "''"
                                             : NULL;
            if (escape != NULL) {
                text[at++] = (uint8_t)escape[0];
                text[at++] = (uint8_t)escape[1];
            } else {
                text[at++] = c;
            }
        }
        text[at++] = '\'';
    }
    text[at++] = ')';
    return tr_span_of(text, at);
}
