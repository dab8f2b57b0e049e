// SPDX-License-Identifier: Apache-2.0
#include "stages/schema/map_facts.h"

static void charsets_init(struct tr_map_charsets *charsets, struct tr_span by_default,
                          struct tr_span each);
static uint64_t charsets_next(struct tr_map_charsets *charsets, bool *has_one);
static bool is_text(enum tr_flavor flavor, uint8_t wire_type);
static enum tr_code read_labels(struct tr_map_reader *reader, struct tr_map_facts *facts,
                                uint8_t wire_type, struct tr_error *err);

static struct tr_cursor cursor_of(const struct tr_table_map *map, enum tr_map_metadata number)
{
    return tr_cursor_of(map->optional[number]);
}

void tr_map_reader_init(struct tr_map_reader *reader, const struct tr_table_map *map,
                        const struct tr_wire_column *wire)
{
    *reader = (struct tr_map_reader){
        .map = map,
        .wire = wire,
        .names = cursor_of(map, TR_MAP_COLUMN_NAME),
        .set_labels = cursor_of(map, TR_MAP_SET_LABELS),
        .enum_labels = cursor_of(map, TR_MAP_ENUM_LABELS),
        .geometries = cursor_of(map, TR_MAP_GEOMETRY_TYPE),
        .dimensions = cursor_of(map, TR_MAP_VECTOR_DIMENSIONS),
    };
    charsets_init(&reader->texts, map->optional[TR_MAP_DEFAULT_CHARSET],
                  map->optional[TR_MAP_COLUMN_CHARSET]);
    charsets_init(&reader->labels, map->optional[TR_MAP_LABEL_DEFAULT_CHARSET],
                  map->optional[TR_MAP_LABEL_COLUMN_CHARSET]);
}

enum tr_code tr_map_reader_next(struct tr_map_reader *reader, struct tr_map_facts *facts,
                                struct tr_error *err)
{
    const struct tr_table_map *map = reader->map;
    const uint32_t column = reader->column++;
    const uint8_t type = reader->wire[column].type;
    bool has_collation = false;
    uint64_t collation = 0;

    *facts = (struct tr_map_facts){0};
    if (map->optional[TR_MAP_COLUMN_NAME].data != NULL) {
        facts->name = tr_cursor_lenenc_span(&reader->names);
    }
    if (tr_map_is_numeric(type)) {
        const struct tr_span bits = map->optional[TR_MAP_SIGNEDNESS];
        const uint32_t index = reader->numeric_index++;
        if (bits.data != NULL && index / 8 < bits.bytes) {
            facts->has_sign = true;
            facts->is_unsigned = (bits.data[index / 8] & (0x80 >> index % 8)) != 0;
        }
    }
    if (type == TR_WIRE_ENUM || type == TR_WIRE_SET) {
        collation = charsets_next(&reader->labels, &has_collation);
        const enum tr_code code = read_labels(reader, facts, type, err);
        if (code != TR_OK) {
            return code;
        }
    } else if (is_text(map->flavor, type)) {
        collation = charsets_next(&reader->texts, &has_collation);
    }
    if (has_collation) {
        facts->charset = tr_charset_of_collation(map->flavor, collation);
    }
    if (type == TR_WIRE_GEOMETRY && map->optional[TR_MAP_GEOMETRY_TYPE].data != NULL) {
        facts->geometry = (uint8_t)tr_cursor_lenenc(&reader->geometries);
    }
    if (type == TR_WIRE_VECTOR && map->optional[TR_MAP_VECTOR_DIMENSIONS].data != NULL) {
        facts->dimensions = (uint32_t)tr_cursor_lenenc(&reader->dimensions);
    }
    if (reader->names.failed || reader->geometries.failed || reader->dimensions.failed ||
        reader->texts.each.failed || reader->texts.exceptions.failed ||
        reader->labels.each.failed || reader->labels.exceptions.failed ||
        facts->name.bytes > TR_NAME_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "optional metadata is malformed at column %u",
                       column + 1);
    }
    return TR_OK;
}

static enum tr_code read_labels(struct tr_map_reader *reader, struct tr_map_facts *facts,
                                uint8_t wire_type, struct tr_error *err)
{
    const bool is_enum = wire_type == TR_WIRE_ENUM;
    if (reader->map->optional[is_enum ? TR_MAP_ENUM_LABELS : TR_MAP_SET_LABELS].data == NULL) {
        return TR_OK;
    }
    struct tr_cursor *cursor = is_enum ? &reader->enum_labels : &reader->set_labels;
    const uint64_t count = tr_cursor_lenenc(cursor);
    if (cursor->failed || count > (is_enum ? 65535 : 64)) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "column %u: number of labels is malformed",
                       reader->column);
    }
    facts->label_count = (uint32_t)count;
    facts->has_labels = true;
    facts->labels = *cursor;
    for (uint32_t i = 0; i < facts->label_count; i++) {
        const struct tr_span label = tr_cursor_lenenc_span(cursor);
        if (cursor->failed || label.bytes > TR_MAP_LABEL_BYTES_MAX) {
            return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "column %u: label %u is malformed",
                           reader->column, i + 1);
        }
    }
    return TR_OK;
}

static void read_exception(struct tr_map_charsets *charsets)
{
    charsets->next_index = UINT64_MAX;
    if (tr_cursor_remaining(&charsets->exceptions) > 0 && !charsets->exceptions.failed) {
        charsets->next_index = tr_cursor_lenenc(&charsets->exceptions);
        charsets->next_collation = tr_cursor_lenenc(&charsets->exceptions);
    }
}

static void charsets_init(struct tr_map_charsets *charsets, struct tr_span by_default,
                          struct tr_span each)
{
    *charsets = (struct tr_map_charsets){
        .each = tr_cursor_of(each),
        .has_each = each.data != NULL,
        .exceptions = tr_cursor_of(by_default),
        .has_default = by_default.data != NULL,
        .next_index = UINT64_MAX,
    };
    if (charsets->has_default) {
        charsets->default_collation = tr_cursor_lenenc(&charsets->exceptions);
        read_exception(charsets);
    }
}

/* Exceptions come in column order. */
static uint64_t charsets_next(struct tr_map_charsets *charsets, bool *has_one)
{
    const uint64_t index = charsets->index++;

    *has_one = charsets->has_default || charsets->has_each;
    if (charsets->has_each) {
        return tr_cursor_lenenc(&charsets->each);
    }
    if (charsets->next_index == index) {
        const uint64_t collation = charsets->next_collation;
        read_exception(charsets);
        return collation;
    }
    return charsets->default_collation;
}

/* Source: mysql-binlog.md §0.8: VECTOR counts in MySQL, GEOMETRY in MariaDB, JSON in neither. */
static bool is_text(enum tr_flavor flavor, uint8_t wire_type)
{
    switch (wire_type) {
    case TR_WIRE_VARCHAR:
    case TR_WIRE_VAR_STRING:
    case TR_WIRE_STRING:
    case TR_WIRE_BLOB:
    case TR_WIRE_BLOB_COMPRESSED:
    case TR_WIRE_VARCHAR_COMPRESSED:
        return true;
    case TR_WIRE_VECTOR:
        return flavor == TR_FLAVOR_MYSQL;
    case TR_WIRE_GEOMETRY:
        return flavor == TR_FLAVOR_MARIADB;
    default:
        return false;
    }
}

bool tr_map_is_numeric(uint8_t wire_type)
{
    switch (wire_type) {
    case TR_WIRE_TINY:
    case TR_WIRE_SHORT:
    case TR_WIRE_INT24:
    case TR_WIRE_LONG:
    case TR_WIRE_LONGLONG:
    case TR_WIRE_NEWDECIMAL:
    case TR_WIRE_FLOAT:
    case TR_WIRE_DOUBLE:
    case TR_WIRE_YEAR:
        return true;
    default:
        return false;
    }
}

enum tr_column_type tr_map_column_type(const struct tr_wire_column *wire,
                                       const struct tr_charset_entry *charset)
{
    const bool is_binary = charset != NULL && charset->charset == TR_CHARSET_BINARY;

    switch (wire->type) {
    case TR_WIRE_TINY:
        return TR_COLUMN_TINYINT;
    case TR_WIRE_SHORT:
        return TR_COLUMN_SMALLINT;
    case TR_WIRE_INT24:
        return TR_COLUMN_MEDIUMINT;
    case TR_WIRE_LONG:
        return TR_COLUMN_INT;
    case TR_WIRE_LONGLONG:
        return TR_COLUMN_BIGINT;
    case TR_WIRE_FLOAT:
        return TR_COLUMN_FLOAT;
    case TR_WIRE_DOUBLE:
        return TR_COLUMN_DOUBLE;
    case TR_WIRE_NEWDECIMAL:
        return TR_COLUMN_DECIMAL;
    case TR_WIRE_BIT:
        return TR_COLUMN_BIT;
    case TR_WIRE_YEAR:
        return TR_COLUMN_YEAR;
    case TR_WIRE_DATE:
    case TR_WIRE_NEWDATE:
        return TR_COLUMN_DATE;
    case TR_WIRE_TIME:
    case TR_WIRE_TIME2:
        return TR_COLUMN_TIME;
    case TR_WIRE_DATETIME:
    case TR_WIRE_DATETIME2:
        return TR_COLUMN_DATETIME;
    case TR_WIRE_TIMESTAMP:
    case TR_WIRE_TIMESTAMP2:
        return TR_COLUMN_TIMESTAMP;
    case TR_WIRE_VARCHAR:
    case TR_WIRE_VAR_STRING:
    case TR_WIRE_VARCHAR_COMPRESSED:
        return is_binary ? TR_COLUMN_VARBINARY : TR_COLUMN_VARCHAR;
    case TR_WIRE_STRING:
        return is_binary ? TR_COLUMN_BINARY : TR_COLUMN_CHAR;
    case TR_WIRE_BLOB:
    case TR_WIRE_BLOB_COMPRESSED:
        return is_binary ? TR_COLUMN_BLOB : TR_COLUMN_TEXT;
    case TR_WIRE_ENUM:
        return TR_COLUMN_ENUM;
    case TR_WIRE_SET:
        return TR_COLUMN_SET;
    case TR_WIRE_JSON:
        return TR_COLUMN_JSON;
    case TR_WIRE_GEOMETRY:
        return TR_COLUMN_GEOMETRY;
    case TR_WIRE_VECTOR:
        return TR_COLUMN_VECTOR;
    default:
        return TR_COLUMN_UNKNOWN;
    }
}
