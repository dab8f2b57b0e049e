// SPDX-License-Identifier: Apache-2.0
#include "stages/ddl/publish_json.h"

#include <stdlib.h>
#include <string.h>

#include "engine/json_write.h"
#include "stages/ddl/debezium_view.h"

#define FIRST_ROOM_BYTES 1024
#define NUMBER_BYTES_MAX 24

static uint8_t *reserve(struct ddl_text *text, size_t bytes);
static size_t wide_bytes(struct tr_span text, size_t at);
static void add_column(struct ddl_text *text, const struct tr_column *column, uint32_t position,
                       const struct ddl_print *print);
static void add_options(struct ddl_text *text, const struct tr_column *column, enum ddl_form form);

void ddl_text_free(struct ddl_text *text)
{
    free(text->bytes);
    *text = (struct ddl_text){0};
}

/* Room for `bytes` more behind `used`, or NULL. */
static uint8_t *reserve(struct ddl_text *text, size_t bytes)
{
    if (text->refused || bytes > SIZE_MAX / 4 - text->used) {
        text->refused = true;
        return NULL;
    }
    const size_t wanted = text->used + bytes;
    if (wanted > text->room) {
        const size_t room = wanted * 2 < FIRST_ROOM_BYTES ? FIRST_ROOM_BYTES : wanted * 2;
        uint8_t *grown = realloc(text->bytes, room);
        if (grown == NULL) {
            text->refused = true;
            return NULL;
        }
        text->bytes = grown;
        text->room = room;
    }
    return text->bytes + text->used;
}

void ddl_text_add_span(struct ddl_text *text, struct tr_span raw)
{
    uint8_t *at = raw.bytes == 0 ? NULL : reserve(text, raw.bytes);
    if (at != NULL) {
        memcpy(at, raw.data, raw.bytes);
        text->used += raw.bytes;
    }
}

void ddl_text_add(struct ddl_text *text, const char *literal)
{
    ddl_text_add_span(text, tr_span_of_text(literal));
}

void ddl_text_add_number(struct ddl_text *text, int64_t number)
{
    uint8_t *at = reserve(text, NUMBER_BYTES_MAX);
    if (at != NULL) {
        struct tr_json_writer json = tr_json_writer_of(at, NUMBER_BYTES_MAX);
        tr_json_write_int64(&json, number);
        text->used += json.bytes;
    }
}

/* Bytes of the character above U+FFFF at `at`; 0 when none stands there. */
static size_t wide_bytes(struct tr_span text, size_t at)
{
    const uint8_t *c = text.data + at;
    if (text.bytes - at < 4 || c[0] < 0xF0 || c[0] > 0xF4 || (c[1] & 0xC0) != 0x80 ||
        (c[2] & 0xC0) != 0x80 || (c[3] & 0xC0) != 0x80) {
        return 0;
    }
    return (c[0] == 0xF0 && c[1] < 0x90) || (c[0] == 0xF4 && c[1] > 0x8F) ? 0 : 4;
}

static void add_escaped(struct ddl_text *text, struct tr_span utf8)
{
    if (utf8.bytes > SIZE_MAX / 8 / TR_JSON_ESCAPE_FACTOR) {
        text->refused = true;
        return;
    }
    uint8_t *at = utf8.bytes == 0 ? NULL : reserve(text, utf8.bytes * TR_JSON_ESCAPE_FACTOR);
    if (at != NULL) {
        text->used += tr_json_escape(at, utf8);
    }
}

void ddl_text_add_string(struct ddl_text *text, struct tr_span utf8, enum ddl_form form)
{
    size_t from = 0;

    ddl_text_add(text, "\"");
    for (size_t at = 0; form == DDL_FORM_DOCUMENT && at < utf8.bytes;) {
        const size_t bytes = wide_bytes(utf8, at);
        if (bytes > 0) {
            add_escaped(text, tr_span_of(utf8.data + from, at - from));
            ddl_text_add_span(text, tr_span_of(utf8.data + at, bytes));
            from = at + bytes;
        }
        at += bytes > 0 ? bytes : 1;
    }
    if (from < utf8.bytes) {
        add_escaped(text, tr_span_of(utf8.data + from, utf8.bytes - from));
    }
    ddl_text_add(text, "\"");
}

static void add_string_or_null(struct ddl_text *text, struct tr_span utf8, enum ddl_form form)
{
    if (utf8.data == NULL) {
        ddl_text_add(text, "null");
    } else {
        ddl_text_add_string(text, utf8, form);
    }
}

static void add_bool(struct ddl_text *text, const char *member, bool value)
{
    ddl_text_add(text, member);
    ddl_text_add(text, value ? "true" : "false");
}

/* A part of an id: in double quotes, those inside doubled; then as JSON. */
static void add_id_part(struct ddl_text *text, struct tr_span name, enum ddl_form form)
{
    struct ddl_text quoted = {0};
    ddl_text_add(&quoted, "\"");
    for (size_t i = 0; i < name.bytes; i++) {
        ddl_text_add_span(&quoted, tr_span_of(name.data + i, 1));
        if (name.data[i] == '"') {
            ddl_text_add(&quoted, "\"");
        }
    }
    ddl_text_add(&quoted, "\"");
    struct ddl_text json = {0};
    ddl_text_add_string(&json, tr_span_of(quoted.bytes, quoted.used), form);
    text->refused |= quoted.refused || json.refused;
    if (!text->refused) {
        ddl_text_add_span(text, tr_span_of(json.bytes + 1, json.used - 2));
    }
    ddl_text_free(&quoted);
    ddl_text_free(&json);
}

void ddl_text_add_id(struct ddl_text *text, struct tr_span database, struct tr_span name,
                     enum ddl_form form)
{
    ddl_text_add(text, "\"");
    add_id_part(text, database, form);
    ddl_text_add(text, ".");
    add_id_part(text, name, form);
    ddl_text_add(text, "\"");
}

static struct tr_span visible_comment(struct tr_span comment_text, const struct ddl_print *print)
{
    return print->comments ? comment_text : (struct tr_span){0};
}

struct tr_span ddl_visible_comment(const struct tr_table *table, const struct ddl_print *print)
{
    return visible_comment(table->comment_text, print);
}

void ddl_text_add_table(struct ddl_text *text, const struct tr_table *table,
                        const struct ddl_print *print)
{
    const bool is_document = print->form == DDL_FORM_DOCUMENT;

    ddl_text_add(text, "{\"defaultCharsetName\":");
    add_string_or_null(text, table->charset_name, print->form);
    ddl_text_add(text, ",\"primaryKeyColumnNames\":[");
    for (uint32_t i = 0; i < table->key_count; i++) {
        ddl_text_add(text, i == 0 ? "" : ",");
        ddl_text_add_string(text, table->columns[table->key_columns[i]].name, print->form);
    }
    ddl_text_add(text, "],\"columns\":[");
    for (uint32_t i = 0; i < table->column_count; i++) {
        ddl_text_add(text, i == 0 ? "" : ",");
        add_column(text, &table->columns[i], i + 1, print);
    }
    ddl_text_add(text, is_document ? "],\"attributes\":[]" : "],\"comment\":");
    if (!is_document) {
        add_string_or_null(text, ddl_visible_comment(table, print), print->form);
    }
    ddl_text_add(text, "}");
}

/* A number that documents leave out and records write as null where there is none. */
static void add_optional_number(struct ddl_text *text, const char *member, bool has,
                                uint32_t number, enum ddl_form form)
{
    if (has || form == DDL_FORM_RECORD) {
        ddl_text_add(text, member);
    }
    if (has) {
        ddl_text_add_number(text, number);
    } else if (form == DDL_FORM_RECORD) {
        ddl_text_add(text, "null");
    }
}

static void add_column(struct ddl_text *text, const struct tr_column *column, uint32_t position,
                       const struct ddl_print *print)
{
    const bool is_document = print->form == DDL_FORM_DOCUMENT;
    const struct tr_span none = {0};
    struct tr_debezium_column view;

    tr_debezium_view(&view, column, print->flavor);
    const struct tr_span type_name = tr_span_of_text(view.type_name);
    ddl_text_add(text, "{\"name\":");
    ddl_text_add_string(text, column->name, print->form);
    ddl_text_add(text, ",\"jdbcType\":");
    ddl_text_add_number(text, view.jdbc_type);
    ddl_text_add(text, is_document ? ",\"typeName\":" : ",\"nativeType\":null,\"typeName\":");
    ddl_text_add_string(text, type_name, print->form);
    ddl_text_add(text, ",\"typeExpression\":");
    ddl_text_add_string(text, type_name, print->form);
    ddl_text_add(text, ",\"charsetName\":");
    add_string_or_null(text, view.charset_name.bytes == 0 ? none : view.charset_name, print->form);
    add_optional_number(text, ",\"length\":", view.has_length, view.length, print->form);
    add_optional_number(text, ",\"scale\":", view.has_scale, view.scale, print->form);
    ddl_text_add(text, ",\"position\":");
    ddl_text_add_number(text, position);
    add_bool(text, ",\"optional\":", view.is_optional);
    add_bool(text, ",\"autoIncremented\":", view.is_auto_incremented);
    add_bool(text, ",\"generated\":", view.is_generated);
    ddl_text_add(text, ",\"comment\":");
    add_string_or_null(text, visible_comment(column->comment_text, print), print->form);
    if (is_document) {
        add_bool(text, ",\"hasDefaultValue\":", view.has_default);
    }
    if (view.has_default_expression || !is_document) {
        ddl_text_add(text, ",\"defaultValueExpression\":");
    }
    if (view.has_default_expression) {
        ddl_text_add_string(text, view.default_expression, print->form);
    } else if (!is_document) {
        ddl_text_add(text, "null");
    }
    add_options(text, column, print->form);
    ddl_text_add(text, "}");
}

/* A member of ENUM or SET as an SQL literal; `has_text`: it is one. */
static void add_literal(struct ddl_text *text, struct tr_span from, bool has_text,
                        enum ddl_form form)
{
    struct ddl_text literal = {0};

    if (has_text) {
        ddl_text_add_string(text, from, form);
        return;
    }
    ddl_text_add(&literal, "'");
    for (size_t i = 0; i < from.bytes; i++) {
        const uint8_t c = from.data[i];
        ddl_text_add(&literal, c == '\'' ? "'" : c == '\\' ? "\\" : "");
        ddl_text_add_span(&literal, tr_span_of(&c, 1));
    }
    ddl_text_add(&literal, "'");
    ddl_text_add_string(text, tr_span_of(literal.bytes, literal.used), form);
    text->refused |= literal.refused;
    ddl_text_free(&literal);
}

static void add_options(struct ddl_text *text, const struct tr_column *column, enum ddl_form form)
{
    const bool has_left = column->option_count == 0;
    const bool has_text = has_left || column->option_texts != NULL;
    const struct tr_span *options = has_left   ? column->left_options
                                    : has_text ? column->option_texts
                                               : column->options;
    const uint32_t count = has_left ? column->left_option_count : column->option_count;

    if (count == 0) {
        ddl_text_add(text,
                     form == DDL_FORM_DOCUMENT ? ",\"enumValues\":[]" : ",\"enumValues\":null");
        return;
    }
    ddl_text_add(text, ",\"enumValues\":[");
    for (uint32_t i = 0; i < count; i++) {
        ddl_text_add(text, i == 0 ? "" : ",");
        add_literal(text, options[i], has_text, form);
    }
    ddl_text_add(text, "]");
}
