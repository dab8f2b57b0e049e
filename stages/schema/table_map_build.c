// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>

#include "engine/assert.h"
#include "stages/schema/map_facts.h"

static enum tr_code fill_column(struct tr_table *table, uint32_t index,
                                const struct tr_wire_column *wire, const struct tr_map_facts *facts,
                                bool lenient, struct tr_error *err);
static void fill_labels(struct tr_table *table, struct tr_column *column,
                        const struct tr_map_facts *facts);
static enum tr_code fill_key(struct tr_table *table, const struct tr_table_map *map,
                             struct tr_error *err);

struct tr_table *tr_table_map_build(const struct tr_table_map *map,
                                    const struct tr_wire_column *wire, bool lenient,
                                    struct tr_error *err)
{
    struct tr_map_reader reader;

    if (!tr_table_map_is_full(map) && !lenient) {
        (void)TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP, "the log has no column names");
        return NULL;
    }
    struct tr_table *table = tr_table_open(map->database, map->table, map->column_count, err);
    if (table == NULL) {
        return NULL;
    }
    table->has_names = tr_table_map_is_full(map);
    table->from_log = true;
    enum tr_code code = TR_OK;
    tr_map_reader_init(&reader, map, wire);
    for (uint32_t i = 0; i < map->column_count && code == TR_OK; i++) {
        struct tr_map_facts facts;
        code = tr_map_reader_next(&reader, &facts, err);
        if (code == TR_OK) {
            code = fill_column(table, i, &wire[i], &facts, lenient, err);
        }
    }
    if (code == TR_OK) {
        code = fill_key(table, map, err);
    }
    if (code == TR_OK && !tr_table_is_whole(table)) {
        code = TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for the table's model: add memory");
    }
    if (code != TR_OK) {
        tr_table_close(table);
        return NULL;
    }
    return table;
}

static bool is_text_type(enum tr_column_type type)
{
    return type == TR_COLUMN_CHAR || type == TR_COLUMN_VARCHAR || type == TR_COLUMN_TEXT ||
           type == TR_COLUMN_ENUM || type == TR_COLUMN_SET;
}

static void fill_lengths(struct tr_column *column, const struct tr_wire_column *wire,
                         const struct tr_map_facts *facts)
{
    const uint32_t character_bytes = facts->charset != NULL && is_text_type(column->type)
                                         ? facts->charset->character_bytes_max
                                         : 1;

    switch (wire->type) {
    case TR_WIRE_NEWDECIMAL:
        column->precision = (uint8_t)wire->meta;
        column->scale = (uint8_t)(wire->meta >> 8);
        break;
    case TR_WIRE_BIT:
        column->length = (uint32_t)(wire->meta & 0xFF) + (uint32_t)(wire->meta >> 8) * 8;
        break;
    case TR_WIRE_TIMESTAMP2:
    case TR_WIRE_DATETIME2:
    case TR_WIRE_TIME2:
        column->scale = (uint8_t)wire->meta;
        break;
    case TR_WIRE_VARCHAR:
    case TR_WIRE_VAR_STRING:
    case TR_WIRE_STRING:
        column->length = wire->meta / character_bytes;
        break;
    case TR_WIRE_VARCHAR_COMPRESSED:
        column->length = wire->meta == 0 ? 0 : (wire->meta - 1u) / character_bytes;
        break;
    case TR_WIRE_VECTOR:
        column->length = facts->dimensions;
        break;
    default:
        break;
    }
}

static enum tr_code fill_column(struct tr_table *table, uint32_t index,
                                const struct tr_wire_column *wire, const struct tr_map_facts *facts,
                                bool lenient, struct tr_error *err)
{
    struct tr_column *column = &table->columns[index];

    column->name = tr_table_text(table, facts->name);
    if (!table->has_names) {
        char invented[16];
        (void)snprintf(invented, sizeof(invented), "@%" PRIu32,
                       index + 1); /* fits: at most @4096 */
        column->name = tr_table_text(table, tr_span_of_text(invented));
    }
    column->type = tr_map_column_type(wire, facts->charset);
    column->is_nullable = wire->nullable;
    column->is_unsigned = facts->is_unsigned && wire->type != TR_WIRE_YEAR;
    column->geometry = facts->geometry;
    if (!lenient && tr_map_is_numeric(wire->type) && !facts->has_sign) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       "column %" PRIu32 ": the log does not say its sign", index + 1);
    }
    if (is_text_type(column->type)) {
        const struct tr_charset_entry *charset = facts->charset;
        if (charset == NULL && !lenient) {
            return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                           "column %" PRIu32 ": the log does not say its character set", index + 1);
        }
        column->charset = charset == NULL ? TR_CHARSET_UTF8 : charset->charset;
        column->charset_name =
            tr_table_text(table, tr_span_of_text(charset == NULL ? "utf8mb4" : charset->name));
        fill_labels(table, column, facts);
    }
    fill_lengths(column, wire, facts);
    return TR_OK;
}

static void fill_labels(struct tr_table *table, struct tr_column *column,
                        const struct tr_map_facts *facts)
{
    struct tr_cursor labels = facts->labels;
    uint8_t text[3 * TR_MAP_LABEL_BYTES_MAX];

    if (facts->label_count == 0) {
        return;
    }
    column->options = tr_table_array(table, facts->label_count * sizeof(*column->options));
    if (column->options == NULL) {
        return; /* sticky: the builder's end reports it */
    }
    column->option_count = facts->label_count;
    for (uint32_t i = 0; i < facts->label_count; i++) {
        const struct tr_span label = tr_cursor_lenenc_span(&labels);
        TR_ASSERT(label.bytes <= TR_MAP_LABEL_BYTES_MAX); /* the reader checked */
        const size_t bytes = tr_charset_write_utf8(column->charset, label, text);
        column->options[i] = tr_table_text(table, tr_span_of(text, bytes));
    }
}

static enum tr_code fill_key(struct tr_table *table, const struct tr_table_map *map,
                             struct tr_error *err)
{
    const bool has_prefixes = map->optional[TR_MAP_PRIMARY_KEY_WITH_PREFIX].data != NULL;
    const struct tr_span key =
        map->optional[has_prefixes ? TR_MAP_PRIMARY_KEY_WITH_PREFIX : TR_MAP_PRIMARY_KEY];
    if (key.data == NULL) {
        return TR_OK;
    }
    table->key_columns = tr_table_array(table, table->column_count * sizeof(*table->key_columns));
    if (table->key_columns == NULL) {
        return TR_OK; /* sticky: the builder's end reports it */
    }
    struct tr_cursor cursor = tr_cursor_of(key);
    while (tr_cursor_remaining(&cursor) > 0 && !cursor.failed) {
        const uint64_t index = tr_cursor_lenenc(&cursor);
        if (has_prefixes) {
            (void)tr_cursor_lenenc(
                &cursor); /* the prefix length: the whole value is in the row anyway */
        }
        if (cursor.failed || index >= table->column_count ||
            table->columns[index].key_ordinal != 0) {
            return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                           "the primary key's column list is malformed");
        }
        table->key_columns[table->key_count] = (uint16_t)index;
        table->key_count++;
        table->columns[index].key_ordinal = (uint16_t)table->key_count;
    }
    return TR_OK;
}

uint32_t tr_table_map_hide_period(struct tr_table *table, const struct tr_wire_column *wire)
{
    if (table->column_count <= TR_PERIOD_COLUMNS) {
        return 0;
    }
    const uint32_t left = table->column_count - TR_PERIOD_COLUMNS;
    if (!tr_map_is_period(&wire[left]) ||
        !tr_span_equals(table->columns[left].name, tr_span_of_text(TR_PERIOD_START)) ||
        !tr_span_equals(table->columns[left + 1].name, tr_span_of_text(TR_PERIOD_END))) {
        return 0;
    }
    if (table->key_count > 0 && table->key_columns[table->key_count - 1] == left + 1) {
        table->key_count--; /* row_end is the last part of every primary key */
    }
    table->column_count = left;
    table->is_versioned = true;
    return TR_PERIOD_COLUMNS;
}
