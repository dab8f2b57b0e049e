// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/recover_table.h"

#include <string.h>

#include "stages/ddl/collation.h"
#include "stages/ddl/debezium_view.h"
#include "stages/ddl/parse.h"
#include "stages/ddl/publish_json.h"

#define EPOCH "1970-01-01 00:00:00" /* what Debezium has for CURRENT_TIMESTAMP */

static bool column_agrees(const struct tr_column *column, const struct recover_column *wanted,
                          enum tr_flavor flavor);
static bool add_statement(struct ddl_text *sql, const struct recover_change *change);
static struct tr_table *parse(const struct recover_change *change, struct tr_span sql,
                              const struct tr_ddl_options *options, struct tr_error *err);
static bool complete(struct tr_table *table, const struct recover_change *change);

/* --- comparing --- */

static struct tr_span utf8mb3(struct tr_span charset)
{
    return tr_collation_is(charset, "utf8") ? tr_span_of_text("utf8mb3") : charset;
}

bool recover_agrees(const struct tr_table *table, const struct recover_change *change,
                    enum tr_flavor flavor)
{
    if (table->column_count != change->column_count || table->key_count != change->key_count) {
        return false;
    }
    for (uint32_t i = 0; i < table->key_count; i++) {
        if (!tr_span_equals(table->columns[table->key_columns[i]].name, change->keys[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (!column_agrees(&table->columns[i], &change->columns[i], flavor)) {
            return false;
        }
    }
    return true;
}

/* Others may have members, too: of what they were before a CHANGE. */
static bool has_members(struct tr_span type_name)
{
    return tr_collation_is(type_name, "enum") || tr_collation_is(type_name, "set");
}

static bool column_agrees(const struct tr_column *column, const struct recover_column *wanted,
                          enum tr_flavor flavor)
{
    const uint32_t option_count = has_members(wanted->type_name) ? wanted->option_count : 0;
    struct tr_debezium_column view;

    tr_debezium_view(&view, column, flavor);
    if (!tr_span_equals(column->name, wanted->name) ||
        !tr_span_equals(tr_span_of_text(view.type_name), wanted->type_name) ||
        view.is_optional != wanted->is_optional || view.has_length != wanted->has_length ||
        view.has_scale != wanted->has_scale || view.length != wanted->length ||
        view.scale != wanted->scale || column->option_count != option_count ||
        !tr_span_equals(utf8mb3(view.charset_name), utf8mb3(wanted->charset))) {
        return false;
    }
    for (uint32_t i = 0; i < column->option_count; i++) {
        if (column->option_texts == NULL ||
            !tr_span_equals(wanted->options[i], column->option_texts[i])) {
            return false;
        }
    }
    return true;
}

/* --- building --- */

struct tr_table *recover_build_table(const struct recover_change *change,
                                     const struct tr_ddl_options *options, struct tr_error *err)
{
    struct ddl_text sql = {0};
    struct tr_table *table = NULL;

    if (!add_statement(&sql, change)) {
        (void)TR_FAIL(err, TR_ERR_STATE, TR_STOP, "table %.*s.%.*s has a type that is no word",
                      (int)change->database.bytes, (const char *)change->database.data,
                      (int)change->name.bytes, (const char *)change->name.data);
    } else if (sql.refused) {
        (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a stored table: add memory");
    } else {
        table = parse(change, tr_span_of(sql.bytes, sql.used), options, err);
    }
    ddl_text_free(&sql);
    return table;
}

static void add_name(struct ddl_text *sql, struct tr_span name)
{
    ddl_text_add(sql, "`");
    for (size_t i = 0; i < name.bytes; i++) {
        ddl_text_add(sql, name.data[i] == '`' ? "`" : "");
        ddl_text_add_span(sql, tr_span_of(name.data + i, 1));
    }
    ddl_text_add(sql, "`");
}

/* Letters, digits, _ and single blanks: nothing that could end a clause. */
static bool is_words(struct tr_span text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        const uint8_t c = text.data[i];
        const bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (!is_letter && !(c >= '0' && c <= '9') && c != ' ') {
            return false;
        }
    }
    return text.bytes > 0 && text.data[0] != ' ';
}

static bool take_tail(struct tr_span *text, const char *tail)
{
    const size_t bytes = strlen(tail);
    if (text->bytes <= bytes || memcmp(text->data + text->bytes - bytes, tail, bytes) != 0) {
        return false;
    }
    text->bytes -= bytes;
    return true;
}

/* A member of ENUM or SET: its literal, made whole where a quote would end it. */
static void add_option(struct ddl_text *sql, struct tr_span literal)
{
    if (literal.bytes >= 2 && literal.data[0] == '\'' && literal.data[literal.bytes - 1] == '\'') {
        literal = tr_span_of(literal.data + 1, literal.bytes - 2);
    }
    ddl_text_add(sql, "'");
    for (size_t i = 0; i < literal.bytes; i++) {
        const uint8_t c = literal.data[i];
        const bool is_pair = i + 1 < literal.bytes && (c == '\\' || literal.data[i + 1] == c);
        ddl_text_add_span(sql, tr_span_of(&c, 1));
        if (c == '\\' || c == '\'') {
            ddl_text_add_span(sql,
                              is_pair ? tr_span_of(literal.data + i + 1, 1) : tr_span_of(&c, 1));
            i += is_pair ? 1 : 0;
        }
    }
    ddl_text_add(sql, "'");
}

static void add_type(struct ddl_text *sql, struct tr_span words,
                     const struct recover_column *column)
{
    ddl_text_add_span(sql, words);
    if (column->option_count > 0 && has_members(words)) {
        for (uint32_t i = 0; i < column->option_count; i++) {
            ddl_text_add(sql, i == 0 ? "(" : ",");
            add_option(sql, column->options[i]);
        }
        ddl_text_add(sql, ")");
    } else if (column->has_length) {
        ddl_text_add(sql, "(");
        ddl_text_add_number(sql, column->length);
        if (column->has_scale) {
            ddl_text_add(sql, ",");
            ddl_text_add_number(sql, column->scale);
        }
        ddl_text_add(sql, ")");
    }
}

static bool add_column(struct ddl_text *sql, const struct recover_column *column)
{
    struct tr_span words = column->type_name;

    if (!is_words(words)) {
        return false;
    }
    const bool is_zerofill = take_tail(&words, " ZEROFILL");
    const bool is_unsigned = take_tail(&words, " UNSIGNED");
    const bool is_signed = take_tail(&words, " SIGNED");
    const bool is_binary = take_tail(&words, " BINARY") && !tr_collation_is(words, "BINARY");
    const struct ddl_type_entry *entry = ddl_type_find(words);
    const bool is_time = entry != NULL && (entry->jdbc_type == 93 || entry->jdbc_type == 2014);
    const bool has_charset = entry != NULL && (entry->jdbc_type == 1 || entry->jdbc_type == 12);
    add_name(sql, column->name);
    ddl_text_add(sql, " ");
    add_type(sql, words, column);
    if (has_charset && is_words(column->charset)) {
        ddl_text_add(sql, " CHARACTER SET ");
        ddl_text_add_span(sql, column->charset);
    }
    ddl_text_add(sql, is_binary ? " BINARY" : "");
    ddl_text_add(sql, is_signed ? " SIGNED" : "");
    ddl_text_add(sql, is_unsigned ? " UNSIGNED" : "");
    ddl_text_add(sql, is_zerofill ? " ZEROFILL" : "");
    ddl_text_add(sql, column->is_optional ? " NULL" : " NOT NULL");
    if (column->is_auto_incremented) { /* Debezium says so of both */
        ddl_text_add(sql, is_time ? " ON UPDATE CURRENT_TIMESTAMP" : " AUTO_INCREMENT");
    }
    return true;
}

/* A key that a unique index with NULLs made is no primary key: it is only set afterwards. */
static bool is_primary(const struct recover_change *change)
{
    for (uint32_t i = 0; i < change->key_count; i++) {
        for (uint32_t k = 0; k < change->column_count; k++) {
            if (ddl_same_name(change->keys[i], change->columns[k].name) &&
                change->columns[k].is_optional) {
                return false;
            }
        }
    }
    return change->key_count > 0;
}

static bool add_statement(struct ddl_text *sql, const struct recover_change *change)
{
    ddl_text_add(sql, "CREATE TABLE ");
    add_name(sql, change->database);
    ddl_text_add(sql, ".");
    add_name(sql, change->name);
    for (uint32_t i = 0; i < change->column_count; i++) {
        ddl_text_add(sql, i == 0 ? " (" : ",");
        if (!add_column(sql, &change->columns[i])) {
            return false;
        }
    }
    if (is_primary(change)) {
        for (uint32_t i = 0; i < change->key_count; i++) {
            ddl_text_add(sql, i == 0 ? ",PRIMARY KEY (" : ",");
            add_name(sql, change->keys[i]);
        }
        ddl_text_add(sql, ")");
    }
    ddl_text_add(sql, ")");
    if (is_words(change->charset)) {
        ddl_text_add(sql, " CHARACTER SET ");
        ddl_text_add_span(sql, change->charset);
    }
    return true;
}

static struct tr_table *parse(const struct recover_change *change, struct tr_span sql,
                              const struct tr_ddl_options *options, struct tr_error *err)
{
    const struct tr_ddl_options own = {.flavor = options->flavor,
                                       .fold_names = options->fold_names,
                                       .stores_lower = options->stores_lower,
                                       .hides_int_width = options->hides_int_width};
    const struct tr_ddl_event event = {.sql = sql, .database = change->database};
    struct tr_ddl_model *model;
    struct tr_ddl_result result;
    struct tr_table *table = NULL;

    if (tr_ddl_model_open(&model, &own, err) != TR_OK) {
        return NULL;
    }
    const enum tr_code code = tr_ddl_apply(model, &event, &result, err);
    if (code == TR_OK && result.effect == TR_DDL_APPLIED && result.change_count == 1 &&
        result.changes[0].table != NULL) {
        table = tr_table_hold(result.changes[0].table);
    }
    tr_ddl_model_close(model); /* the only share left is ours: it may still be changed */
    if (code != TR_OK) {
        return NULL;
    }
    if (table == NULL || table->column_count != change->column_count || !complete(table, change)) {
        (void)TR_FAIL(err, TR_ERR_STATE, TR_STOP, "table %.*s.%.*s has columns that none can have",
                      (int)change->database.bytes, (const char *)change->database.data,
                      (int)change->name.bytes, (const char *)change->name.data);
    } else if (!tr_table_is_whole(table)) {
        (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a stored table: add memory");
    } else {
        return table;
    }
    tr_table_close(table);
    return NULL;
}

/* --- what the statement cannot say --- */

static bool is_number(struct tr_span text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        const uint8_t c = text.data[i];
        const bool is_sign = (c == '-' || c == '+') && (i == 0 || (text.data[i - 1] | 0x20) == 'e');
        if (!(c >= '0' && c <= '9') && c != '.' && (c | 0x20) != 'e' && !is_sign) {
            return false;
        }
    }
    return text.bytes > 0;
}

static bool is_numeric(enum tr_column_type type)
{
    return (type >= TR_COLUMN_TINYINT && type <= TR_COLUMN_DECIMAL) || type == TR_COLUMN_YEAR;
}

/* b'101' of 101. */
static struct tr_span bit_literal(struct tr_table *table, struct tr_span digits)
{
    uint8_t *text = tr_table_array(table, digits.bytes + 3);
    if (text == NULL) {
        return (struct tr_span){0};
    }
    text[0] = 'b';
    text[1] = '\'';
    if (digits.bytes > 0) {
        memcpy(text + 2, digits.data, digits.bytes);
    }
    text[digits.bytes + 2] = '\'';
    return tr_span_of(text, digits.bytes + 3);
}

static void set_default(struct tr_table *table, struct tr_column *column, struct tr_span text)
{
    const bool is_time = column->type == TR_COLUMN_DATETIME || column->type == TR_COLUMN_TIMESTAMP;
    const bool is_true = tr_collation_is(text, "true");

    column->has_default = true;
    column->has_read_default = false;
    column->default_is_expression = false;
    column->default_form = TR_LITERAL_TEXT;
    if (is_time && tr_collation_is(text, EPOCH)) {
        column->default_form = TR_LITERAL_CLOCK;
        column->default_is_expression = true;
        text = tr_span_of_text("CURRENT_TIMESTAMP");
    } else if (column->type == TR_COLUMN_BIT) {
        column->default_form = TR_LITERAL_BITS;
        column->default_text = bit_literal(table, text);
        column->has_read_default = true;
        column->read_default = tr_table_text(table, text);
        return;
    } else if (is_numeric(column->type) && (is_true || tr_collation_is(text, "false"))) {
        column->default_form = TR_LITERAL_BOOLEAN;
        column->has_read_default = true;
        column->read_default = tr_table_text(table, text);
        text = tr_span_of_text(is_true ? "1" : "0");
    } else if (is_numeric(column->type) && is_number(text)) {
        column->default_form = TR_LITERAL_NUMBER;
    }
    column->default_text = tr_table_text(table, text);
}

static void leave_options(struct tr_table *table, struct tr_column *column,
                          const struct recover_column *from)
{
    column->left_options = tr_table_array(table, from->option_count * sizeof(struct tr_span));
    for (uint32_t i = 0; column->left_options != NULL && i < from->option_count; i++) {
        column->left_options[i] = tr_table_text(table, from->options[i]);
        column->left_option_count = i + 1;
    }
}

/* Defaults, comments and the key, as the document has them. */
static bool complete(struct tr_table *table, const struct recover_change *change)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        struct tr_column *column = &table->columns[i];
        const struct recover_column *from = &change->columns[i];
        column->comment = tr_table_text(table, from->comment);
        column->comment_text = tr_table_text_or_none(table, from->comment);
        column->key_ordinal = 0;
        if (column->option_count == 0) {
            leave_options(table, column, from);
        }
        if (from->has_default_text && !column->is_auto_increment) {
            set_default(table, column, from->default_text);
        }
    }
    table->comment = tr_table_text(table, change->comment);
    table->comment_text = tr_table_text_or_none(table, change->comment);
    table->key_count = 0;
    table->key_columns = tr_table_array(table, change->key_count * sizeof(*table->key_columns));
    for (uint32_t i = 0; i < change->key_count && table->key_columns != NULL; i++) {
        uint32_t at = 0;
        while (at < table->column_count &&
               !ddl_same_name(table->columns[at].name, change->keys[i])) {
            at++;
        }
        if (at == table->column_count || table->columns[at].key_ordinal != 0) {
            return false;
        }
        table->key_columns[i] = (uint16_t)at;
        table->columns[at].key_ordinal = (uint16_t)(i + 1);
        table->key_count = i + 1;
    }
    return true;
}
