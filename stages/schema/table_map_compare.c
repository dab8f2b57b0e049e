// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>

#include "engine/assert.h"
#include "stages/schema/map_facts.h"

#define TYPE_TEXT_BYTES 96

static enum tr_code compare_column(const struct tr_column *column, uint32_t index,
                                   const struct tr_wire_column *wire,
                                   const struct tr_map_facts *facts, struct tr_error *err);
static enum tr_code compare_hidden(uint32_t which, uint32_t index, const struct tr_map_facts *facts,
                                   struct tr_error *err);
static enum tr_code compare_key(const struct tr_table *table, const struct tr_table_map *map,
                                uint32_t hidden_count, struct tr_error *err);

uint32_t tr_table_map_hidden_count(const struct tr_table_map *map,
                                   const struct tr_wire_column *wire, const struct tr_table *table)
{
    if (!table->is_versioned || map->column_count != table->column_count + TR_PERIOD_COLUMNS) {
        return 0;
    }
    return tr_map_is_period(&wire[table->column_count]) ? TR_PERIOD_COLUMNS : 0;
}

enum tr_code tr_table_map_compare(const struct tr_table_map *map, const struct tr_wire_column *wire,
                                  const struct tr_table *table, struct tr_error *err)
{
    const uint32_t hidden_count = tr_table_map_hidden_count(map, wire, table);
    struct tr_map_reader reader;

    if (map->column_count != table->column_count + hidden_count) {
        return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                       "the log has %" PRIu32 " columns, the schema has %" PRIu32,
                       map->column_count, table->column_count);
    }
    tr_map_reader_init(&reader, map, wire);
    for (uint32_t i = 0; i < map->column_count; i++) {
        struct tr_map_facts facts;
        enum tr_code code = tr_map_reader_next(&reader, &facts, err);
        if (code == TR_OK) {
            code = i < table->column_count
                       ? compare_column(&table->columns[i], i, &wire[i], &facts, err)
                       : compare_hidden(i - table->column_count, i, &facts, err);
        }
        if (code != TR_OK) {
            return code;
        }
    }
    return compare_key(table, map, hidden_count, err);
}

/* With FULL metadata a hidden column has its name. */
static enum tr_code compare_hidden(uint32_t which, uint32_t index, const struct tr_map_facts *facts,
                                   struct tr_error *err)
{
    static const char *const names[TR_PERIOD_COLUMNS] = {TR_PERIOD_START, TR_PERIOD_END};

    if (facts->name.data == NULL || tr_span_equals(facts->name, tr_span_of_text(names[which]))) {
        return TR_OK;
    }
    return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                   "column %" PRIu32 ": the log has the name \"%.*s\", the schema has the hidden "
                   "column %s there",
                   index + 1, (int)(facts->name.bytes < 64 ? facts->name.bytes : 64),
                   (const char *)facts->name.data, names[which]);
}

static bool type_fits(const struct tr_column *column, const struct tr_wire_column *wire,
                      enum tr_column_type wire_type)
{
    switch (column->type) {
    case TR_COLUMN_UNKNOWN:
        return true; /* refused by name where the table's plan is made */
    case TR_COLUMN_JSON:
        return wire->type == TR_WIRE_JSON ||
               wire_type == TR_COLUMN_TEXT; /* MariaDB's is a LONGTEXT */
    case TR_COLUMN_VECTOR:
        return wire->type == TR_WIRE_VECTOR ||
               wire->type == TR_WIRE_VARCHAR; /* MariaDB's is a VARBINARY */
    case TR_COLUMN_UUID:
    case TR_COLUMN_INET6:
        return wire->type == TR_WIRE_STRING && wire->meta == 16;
    case TR_COLUMN_INET4:
        return wire->type == TR_WIRE_STRING && wire->meta == 4;
    case TR_COLUMN_BINARY:
    case TR_COLUMN_CHAR:
    case TR_COLUMN_VARBINARY:
    case TR_COLUMN_VARCHAR:
    case TR_COLUMN_BLOB:
    case TR_COLUMN_TEXT:
    default:
        return column->type == wire_type;
    }
}

/* Without a character set in the map, CHAR and BINARY look the same: then the model decides. */
static enum tr_column_type type_in_log(const struct tr_column *column,
                                       const struct tr_wire_column *wire,
                                       const struct tr_map_facts *facts)
{
    static const struct tr_charset_entry binary = {TR_CHARSET_BINARY, "binary", 1};
    const bool model_is_binary = column->type == TR_COLUMN_BINARY ||
                                 column->type == TR_COLUMN_VARBINARY ||
                                 column->type == TR_COLUMN_BLOB;
    return tr_map_column_type(wire,
                              facts->charset == NULL && model_is_binary ? &binary : facts->charset);
}

static void write_type(char out[TYPE_TEXT_BYTES], enum tr_column_type type, bool is_unsigned,
                       uint32_t a, uint32_t b)
{
    const char *sign = is_unsigned ? " UNSIGNED" : "";
    const char *name = tr_column_type_name(type);

    switch (type) {
    case TR_COLUMN_DECIMAL:
        (void)snprintf(out, TYPE_TEXT_BYTES, "%s(%" PRIu32 ",%" PRIu32 ")%s", name, a, b, sign);
        break;
    case TR_COLUMN_BIT:
    case TR_COLUMN_TIME:
    case TR_COLUMN_DATETIME:
    case TR_COLUMN_TIMESTAMP:
        (void)snprintf(out, TYPE_TEXT_BYTES, "%s(%" PRIu32 ")", name, a);
        break;
    default:
        (void)snprintf(out, TYPE_TEXT_BYTES, "%s%s", name, sign);
        break;
    }
}

static bool has_fraction(enum tr_column_type type)
{
    return type == TR_COLUMN_TIME || type == TR_COLUMN_DATETIME || type == TR_COLUMN_TIMESTAMP;
}

/* The numbers behind a type: DECIMAL(a,b), BIT(a), fraction digits. */
static void numbers_in_log(const struct tr_wire_column *wire, uint32_t *a, uint32_t *b)
{
    *a = 0;
    *b = 0;
    if (wire->type == TR_WIRE_NEWDECIMAL) {
        *a = wire->meta & 0xFF;
        *b = wire->meta >> 8;
    } else if (wire->type == TR_WIRE_BIT) {
        *a = (uint32_t)(wire->meta & 0xFF) + (uint32_t)(wire->meta >> 8) * 8;
    } else if (wire->type == TR_WIRE_TIME2 || wire->type == TR_WIRE_DATETIME2 ||
               wire->type == TR_WIRE_TIMESTAMP2) {
        *a = wire->meta;
    }
}

static enum tr_code fail_column(const struct tr_column *column, uint32_t index, const char *log_has,
                                const char *schema_has, struct tr_error *err)
{
    return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                   "column %" PRIu32 " \"%.*s\": the log has %s, the schema has %s", index + 1,
                   (int)column->name.bytes, (const char *)column->name.data, log_has, schema_has);
}

static enum tr_code compare_labels(const struct tr_column *column, uint32_t index,
                                   const struct tr_map_facts *facts, struct tr_error *err)
{
    struct tr_cursor labels = facts->labels;
    uint8_t text[3 * TR_MAP_LABEL_BYTES_MAX];

    if (!facts->has_labels) {
        return TR_OK;
    }
    bool is_same = facts->label_count == column->option_count;
    for (uint32_t i = 0; is_same && i < facts->label_count && facts->charset != NULL &&
                         facts->charset->charset != TR_CHARSET_OTHER;
         i++) {
        const struct tr_span label = tr_cursor_lenenc_span(&labels);
        TR_ASSERT(label.bytes <= TR_MAP_LABEL_BYTES_MAX); /* the reader checked */
        const size_t bytes = tr_charset_write_utf8(facts->charset->charset, label, text);
        is_same = tr_span_equals(tr_span_of(text, bytes), column->options[i]);
    }
    return is_same ? TR_OK
                   : fail_column(column, index, "other ENUM or SET members", "its own", err);
}

static enum tr_code compare_column(const struct tr_column *column, uint32_t index,
                                   const struct tr_wire_column *wire,
                                   const struct tr_map_facts *facts, struct tr_error *err)
{
    const enum tr_column_type wire_type = type_in_log(column, wire, facts);
    char log_has[TYPE_TEXT_BYTES];
    char schema_has[TYPE_TEXT_BYTES];
    uint32_t a;
    uint32_t b;

    if (facts->name.data != NULL && !tr_span_equals(facts->name, column->name)) {
        (void)snprintf(log_has, sizeof(log_has), "the name \"%.*s\"",
                       (int)(facts->name.bytes < 64 ? facts->name.bytes : 64),
                       (const char *)facts->name.data);
        return fail_column(column, index, log_has, "that one", err);
    }
    numbers_in_log(wire, &a, &b);
    const bool scale_differs = has_fraction(column->type) && wire->type != TR_WIRE_TIME &&
                               wire->type != TR_WIRE_DATETIME && wire->type != TR_WIRE_TIMESTAMP &&
                               a != column->scale;
    if (!type_fits(column, wire, wire_type) ||
        (column->type == TR_COLUMN_DECIMAL && (a != column->precision || b != column->scale)) ||
        (column->type == TR_COLUMN_BIT && a != column->length) || scale_differs ||
        (facts->has_sign && column->type != TR_COLUMN_YEAR &&
         facts->is_unsigned != column->is_unsigned)) {
        write_type(log_has, wire_type,
                   facts->has_sign && facts->is_unsigned && wire->type != TR_WIRE_YEAR, a, b);
        const bool is_decimal = column->type == TR_COLUMN_DECIMAL;
        const bool is_bit = column->type == TR_COLUMN_BIT;
        write_type(schema_has, column->type, column->is_unsigned,
                   is_decimal ? column->precision : (is_bit ? column->length : column->scale),
                   column->scale);
        return fail_column(column, index, log_has, schema_has, err);
    }
    if (facts->charset != NULL && column->charset != TR_CHARSET_NONE &&
        column->charset != facts->charset->charset) {
        (void)snprintf(schema_has, sizeof(schema_has), "character set %.*s",
                       (int)(column->charset_name.bytes < 64 ? column->charset_name.bytes : 64),
                       (const char *)column->charset_name.data);
        (void)snprintf(log_has, sizeof(log_has), "character set %s", facts->charset->name);
        return fail_column(column, index, log_has, schema_has, err);
    }
    return compare_labels(column, index, facts, err);
}

/* FULL metadata lists a primary key if there is one; a model's key may also be a unique index,
 * which the log does not tell. A hidden row_end is the last part of every primary key. */
static enum tr_code compare_key(const struct tr_table *table, const struct tr_table_map *map,
                                uint32_t hidden_count, struct tr_error *err)
{
    const bool has_prefixes = map->optional[TR_MAP_PRIMARY_KEY_WITH_PREFIX].data != NULL;
    const struct tr_span key =
        map->optional[has_prefixes ? TR_MAP_PRIMARY_KEY_WITH_PREFIX : TR_MAP_PRIMARY_KEY];
    if (key.data == NULL) {
        return TR_OK;
    }
    struct tr_cursor cursor = tr_cursor_of(key);
    uint32_t count = 0;
    bool is_same = true;
    while (tr_cursor_remaining(&cursor) > 0 && !cursor.failed && is_same) {
        const uint64_t index = tr_cursor_lenenc(&cursor);
        if (has_prefixes) {
            (void)tr_cursor_lenenc(&cursor);
        }
        if (hidden_count != 0 && count == table->key_count && index == map->column_count - 1) {
            continue;
        }
        is_same = count < table->key_count && index == table->key_columns[count];
        count++;
    }
    if (cursor.failed || !is_same || count != table->key_count) {
        return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                       "the log has another primary key than the schema (%" PRIu32 " columns)",
                       table->key_count);
    }
    return TR_OK;
}
