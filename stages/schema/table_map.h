// SPDX-License-Identifier: Apache-2.0
/*
 * TABLE_MAP: how the log describes a table (mysql-binlog.md §3.11).
 *
 * The parser is total: any bytes give a map or an error. A map borrows the bytes it was parsed
 * from. From a map come the wire columns (always), a table model (with FULL metadata; under
 * `lenient` from any map, with invented names), and the answer whether another model fits it.
 */
#ifndef TR_STAGES_SCHEMA_TABLE_MAP_H
#define TR_STAGES_SCHEMA_TABLE_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "offsets/gtid.h"
#include "stages/schema/schema.h"
#include "stages/schema/table.h"

/* Optional metadata, by its number in the log; source: libs/mysql/binlog/event/rows_event.h,
 * MySQL 9.7. */
enum tr_map_metadata {
    TR_MAP_SIGNEDNESS = 1,
    TR_MAP_DEFAULT_CHARSET = 2,
    TR_MAP_COLUMN_CHARSET = 3,
    TR_MAP_COLUMN_NAME = 4,
    TR_MAP_SET_LABELS = 5,
    TR_MAP_ENUM_LABELS = 6,
    TR_MAP_GEOMETRY_TYPE = 7,
    TR_MAP_PRIMARY_KEY = 8,
    TR_MAP_PRIMARY_KEY_WITH_PREFIX = 9,
    TR_MAP_LABEL_DEFAULT_CHARSET = 10,
    TR_MAP_LABEL_COLUMN_CHARSET = 11,
    TR_MAP_VISIBILITY = 12,
    TR_MAP_VECTOR_DIMENSIONS = 13,
    TR_MAP_METADATA_COUNT
};

/* Wire types (enum_field_types); source: mysql-binlog.md §3.11. */
enum tr_wire_type {
    TR_WIRE_DECIMAL_OLD = 0,
    TR_WIRE_TINY = 1,
    TR_WIRE_SHORT = 2,
    TR_WIRE_LONG = 3,
    TR_WIRE_FLOAT = 4,
    TR_WIRE_DOUBLE = 5,
    TR_WIRE_NULL = 6,
    TR_WIRE_TIMESTAMP = 7,
    TR_WIRE_LONGLONG = 8,
    TR_WIRE_INT24 = 9,
    TR_WIRE_DATE = 10,
    TR_WIRE_TIME = 11,
    TR_WIRE_DATETIME = 12,
    TR_WIRE_YEAR = 13,
    TR_WIRE_NEWDATE = 14,
    TR_WIRE_VARCHAR = 15,
    TR_WIRE_BIT = 16,
    TR_WIRE_TIMESTAMP2 = 17,
    TR_WIRE_DATETIME2 = 18,
    TR_WIRE_TIME2 = 19,
    TR_WIRE_BLOB_COMPRESSED = 140,
    TR_WIRE_VARCHAR_COMPRESSED = 141,
    TR_WIRE_VECTOR = 242,
    TR_WIRE_JSON = 245,
    TR_WIRE_NEWDECIMAL = 246,
    TR_WIRE_ENUM = 247,
    TR_WIRE_SET = 248,
    TR_WIRE_BLOB = 252,
    TR_WIRE_VAR_STRING = 253,
    TR_WIRE_STRING = 254,
    TR_WIRE_GEOMETRY = 255
};

struct tr_table_map {
    enum tr_flavor flavor; /* decides which columns count as character columns */
    uint64_t table_id;
    uint16_t flags;
    struct tr_span database; /* all spans: borrowed from the event */
    struct tr_span table;
    uint32_t column_count;
    struct tr_span types;    /* one byte per column */
    struct tr_span metadata; /* per type, see mysql-binlog.md §3.11 */
    struct tr_span null_bits;
    bool has_optional; /* anything behind the null bits: MINIMAL or FULL */
    struct tr_span optional[TR_MAP_METADATA_COUNT]; /* values by number; data NULL = absent */
};

/*
 * Parses the event's body (behind the 19-byte header, without checksum). Errors: TR_ERR_PROTOCOL.
 * @thread any
 */
TR_NODISCARD enum tr_code tr_table_map_parse(struct tr_table_map *map, enum tr_flavor flavor,
                                             struct tr_span body, struct tr_error *err);

/* The head alone: id, flags, database and table. For tables that are not captured. */
TR_NODISCARD enum tr_code tr_table_map_parse_head(struct tr_table_map *map, struct tr_span body,
                                                  struct tr_error *err);

/* Whether the map says everything that a row needs: binlog_row_metadata=FULL. */
static inline bool tr_table_map_is_full(const struct tr_table_map *map)
{
    return map->optional[TR_MAP_COLUMN_NAME].data != NULL;
}

/* Fills `wire`, room for map->column_count. Errors: TR_ERR_PROTOCOL; TR_ERR_UNSUPPORTED for a wire
 * type that no reader knows, naming the column. */
TR_NODISCARD enum tr_code tr_table_map_wire(const struct tr_table_map *map,
                                            struct tr_wire_column *wire, struct tr_error *err);

/*
 * A model from the map alone: names, types, signs, character sets, labels (in UTF-8), key, geometry
 * types. `lenient`: a map without names gives @1, @2 …, signed integers and utf8mb4 where nothing
 * is said. NULL with err: TR_ERR_SCHEMA when names are missing, TR_ERR_PROTOCOL when the metadata
 * contradicts itself, TR_ERR_SYSTEM.
 * @thread the sequencer: allocates
 */
struct tr_table *tr_table_map_build(const struct tr_table_map *map,
                                    const struct tr_wire_column *wire, bool lenient,
                                    struct tr_error *err);

/*
 * How many columns the log's rows have behind those of `table`: TR_PERIOD_COLUMNS when it is
 * versioned without a declared period and the map ends with what those two look like, else 0.
 */
uint32_t tr_table_map_hidden_count(const struct tr_table_map *map,
                                   const struct tr_wire_column *wire, const struct tr_table *table);

/*
 * Takes a hidden period out of a model that tr_table_map_build made, when its last columns are
 * named as one: for a table that was versioned without a declared period. Columns taken out: 0, or
 * TR_PERIOD_COLUMNS.
 */
uint32_t tr_table_map_hide_period(struct tr_table *table, const struct tr_wire_column *wire);

/*
 * Whether rows under this map can be read with `table` and its hidden columns: count, types, signs and character sets
 * where the map gives them, and with FULL metadata the names, the labels and the primary key too.
 * TR_ERR_SCHEMA names the first difference: column, what the log has, what the schema has; the
 * caller puts the table and the remedy around it.
 */
TR_NODISCARD enum tr_code tr_table_map_compare(const struct tr_table_map *map,
                                               const struct tr_wire_column *wire,
                                               const struct tr_table *table, struct tr_error *err);

#endif
