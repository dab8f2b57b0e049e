// SPDX-License-Identifier: Apache-2.0
#include "stages/schema/table_map.h"

#include "engine/assert.h"

static enum tr_code parse_head(struct tr_table_map *map, struct tr_cursor *cursor,
                               struct tr_error *err);
static enum tr_code parse_optional(struct tr_table_map *map, struct tr_cursor *cursor,
                                   struct tr_error *err);
static enum tr_code read_string_meta(struct tr_wire_column *column, const uint8_t *meta,
                                     uint32_t index, struct tr_error *err);

enum tr_code tr_table_map_parse_head(struct tr_table_map *map, struct tr_span body,
                                     struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(body);
    return parse_head(map, &cursor, err);
}

enum tr_code tr_table_map_parse(struct tr_table_map *map, enum tr_flavor flavor,
                                struct tr_span body, struct tr_error *err)
{
    struct tr_cursor cursor = tr_cursor_of(body);
    const enum tr_code code = parse_head(map, &cursor, err);
    map->flavor = flavor;
    if (code != TR_OK) {
        return code;
    }
    const uint64_t column_count = tr_cursor_lenenc(&cursor);
    if (cursor.failed || column_count == 0 || column_count > TR_COLUMNS_MAX) {
        return TR_FAIL(
            err, TR_ERR_PROTOCOL, TR_STOP, "table map of %.*s.%.*s: %llu columns: want 1..%d",
            (int)map->database.bytes, (const char *)map->database.data, (int)map->table.bytes,
            (const char *)map->table.data, (unsigned long long)column_count, TR_COLUMNS_MAX);
    }
    map->column_count = (uint32_t)column_count;
    map->types = tr_cursor_span(&cursor, map->column_count);
    map->metadata = tr_cursor_lenenc_span(&cursor);
    map->null_bits = tr_cursor_span(&cursor, (map->column_count + 7) / 8);
    if (cursor.failed) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "table map of %.*s.%.*s ends early",
                       (int)map->database.bytes, (const char *)map->database.data,
                       (int)map->table.bytes, (const char *)map->table.data);
    }
    return parse_optional(map, &cursor, err);
}

static enum tr_code parse_head(struct tr_table_map *map, struct tr_cursor *cursor,
                               struct tr_error *err)
{
    *map = (struct tr_table_map){0};
    map->table_id = tr_cursor_u48(cursor);
    map->flags = tr_cursor_u16(cursor);
    map->database = tr_cursor_lenenc_span(cursor);
    const uint8_t database_end = tr_cursor_u8(cursor);
    map->table = tr_cursor_lenenc_span(cursor);
    const uint8_t table_end = tr_cursor_u8(cursor);
    if (cursor->failed || database_end != 0 || table_end != 0) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       "table map: malformed database or table name");
    }
    if (map->database.bytes > TR_NAME_BYTES_MAX || map->table.bytes > TR_NAME_BYTES_MAX ||
        map->table.bytes == 0) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       "table map: names of %zu and %zu bytes: want at most %d each",
                       map->database.bytes, map->table.bytes, TR_NAME_BYTES_MAX);
    }
    return TR_OK;
}

static enum tr_code parse_optional(struct tr_table_map *map, struct tr_cursor *cursor,
                                   struct tr_error *err)
{
    while (tr_cursor_remaining(cursor) > 0 && !cursor->failed) {
        const uint8_t number = tr_cursor_u8(cursor);
        const struct tr_span value = tr_cursor_lenenc_span(cursor);
        if (!cursor->failed && number < TR_MAP_METADATA_COUNT) {
            map->optional[number] = value;
        }
        map->has_optional = true;
    }
    if (cursor->failed) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       "table map of %.*s.%.*s: optional metadata ends early",
                       (int)map->database.bytes, (const char *)map->database.data,
                       (int)map->table.bytes, (const char *)map->table.data);
    }
    return TR_OK;
}

/* Bytes of metadata per type; -1 = no such type in a row. */
static int metadata_bytes(uint8_t type)
{
    switch (type) {
    case TR_WIRE_DECIMAL_OLD:
    case TR_WIRE_TINY:
    case TR_WIRE_SHORT:
    case TR_WIRE_LONG:
    case TR_WIRE_NULL:
    case TR_WIRE_TIMESTAMP:
    case TR_WIRE_LONGLONG:
    case TR_WIRE_INT24:
    case TR_WIRE_DATE:
    case TR_WIRE_TIME:
    case TR_WIRE_DATETIME:
    case TR_WIRE_YEAR:
    case TR_WIRE_NEWDATE:
        return 0;
    case TR_WIRE_FLOAT:
    case TR_WIRE_DOUBLE:
    case TR_WIRE_TIMESTAMP2:
    case TR_WIRE_DATETIME2:
    case TR_WIRE_TIME2:
    case TR_WIRE_BLOB_COMPRESSED:
    case TR_WIRE_VECTOR:
    case TR_WIRE_JSON:
    case TR_WIRE_BLOB:
    case TR_WIRE_GEOMETRY:
        return 1;
    case TR_WIRE_VARCHAR:
    case TR_WIRE_BIT:
    case TR_WIRE_VARCHAR_COMPRESSED:
    case TR_WIRE_NEWDECIMAL:
    case TR_WIRE_VAR_STRING:
    case TR_WIRE_STRING:
        return 2;
    default:
        return -1;
    }
}

static bool is_blob_family(uint8_t type)
{
    return type == TR_WIRE_BLOB || type == TR_WIRE_BLOB_COMPRESSED || type == TR_WIRE_JSON ||
           type == TR_WIRE_GEOMETRY || type == TR_WIRE_VECTOR;
}

static enum tr_code read_meta(struct tr_wire_column *column, const uint8_t *meta, uint32_t index,
                              struct tr_error *err);

enum tr_code tr_table_map_wire(const struct tr_table_map *map, struct tr_wire_column *wire,
                               struct tr_error *err)
{
    struct tr_cursor metadata = tr_cursor_of(map->metadata);

    for (uint32_t i = 0; i < map->column_count; i++) {
        const uint8_t type = map->types.data[i];
        const int bytes = metadata_bytes(type);
        if (bytes < 0) {
            return TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                           "column %u has wire type %u, which is not known", i + 1, type);
        }
        const uint8_t *meta = tr_cursor_take(&metadata, (size_t)bytes);
        if (metadata.failed) {
            return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "column metadata ends early at column %u",
                           i + 1);
        }
        wire[i] = (struct tr_wire_column){
            .type = type,
            .meta = bytes == 2 ? tr_load_u16(meta) : (bytes == 1 ? *meta : 0),
            .nullable = (map->null_bits.data[i / 8] >> (i % 8) & 1) != 0,
        };
        const enum tr_code code = read_meta(&wire[i], meta, i, err);
        if (code != TR_OK) {
            return code;
        }
    }
    if (tr_cursor_remaining(&metadata) != 0) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "%zu bytes of column metadata are left over",
                       tr_cursor_remaining(&metadata));
    }
    return TR_OK;
}

static enum tr_code read_meta(struct tr_wire_column *column, const uint8_t *meta, uint32_t index,
                              struct tr_error *err)
{
    if (column->type == TR_WIRE_STRING) {
        return read_string_meta(column, meta, index, err);
    }
    if (column->type == TR_WIRE_VARCHAR || column->type == TR_WIRE_VAR_STRING ||
        column->type == TR_WIRE_VARCHAR_COMPRESSED) {
        column->pack_bytes = column->meta > 255 ? 2 : 1;
    } else if (is_blob_family(column->type)) {
        column->pack_bytes = (uint8_t)column->meta;
        if (column->pack_bytes < 1 || column->pack_bytes > 4) {
            return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                           "column %u: length of %u bytes: want 1..4", index + 1,
                           column->pack_bytes);
        }
    } else if (column->type == TR_WIRE_TIMESTAMP2 || column->type == TR_WIRE_DATETIME2 ||
               column->type == TR_WIRE_TIME2) {
        if (column->meta > 6) {
            return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                           "column %u: %u fraction digits: want 0..6", index + 1, column->meta);
        }
    } else if (column->type == TR_WIRE_NEWDECIMAL) {
        if (meta[0] == 0 || meta[0] > 65 || meta[1] > meta[0]) {
            return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                           "column %u: DECIMAL(%u,%u): want at most 65 digits", index + 1, meta[0],
                           meta[1]);
        }
    } else if (column->type == TR_WIRE_BIT) {
        if (meta[0] > 7 || meta[1] * 8 + meta[0] > 64 || column->meta == 0) {
            return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "column %u: BIT(%u): want 1..64",
                           index + 1, meta[1] * 8u + meta[0]);
        }
    }
    return TR_OK;
}

/* STRING hides ENUM, SET and long CHARs in its two bytes; source: mysql-binlog.md §4.4. */
static enum tr_code read_string_meta(struct tr_wire_column *column, const uint8_t *meta,
                                     uint32_t index, struct tr_error *err)
{
    uint32_t bytes_max;

    if ((meta[0] & 0x30) != 0x30) {
        column->type = meta[0] | 0x30;
        bytes_max = meta[1] | ((uint32_t)(meta[0] & 0x30) ^ 0x30) << 4;
    } else {
        column->type = meta[0];
        bytes_max = meta[1];
    }
    if (column->type == TR_WIRE_ENUM || column->type == TR_WIRE_SET) {
        column->pack_bytes = meta[1];
        const uint8_t most = column->type == TR_WIRE_ENUM ? 2 : 8;
        if (column->pack_bytes < 1 || column->pack_bytes > most) {
            return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "column %u: %s of %u bytes: want 1..%u",
                           index + 1, column->type == TR_WIRE_ENUM ? "ENUM" : "SET",
                           column->pack_bytes, most);
        }
        return TR_OK;
    }
    if (column->type != TR_WIRE_STRING) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       "column %u: string of real type %u: want 247, 248 or 254", index + 1,
                       column->type);
    }
    column->meta = (uint16_t)bytes_max;
    column->pack_bytes = bytes_max > 255 ? 2 : 1;
    return TR_OK;
}
