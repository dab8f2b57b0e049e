// SPDX-License-Identifier: Apache-2.0
/*
 * What a table map's optional metadata says about each column, in column order: a reader over all
 * of it at once. Private to stages/schema.
 */
#ifndef TR_STAGES_SCHEMA_MAP_FACTS_H
#define TR_STAGES_SCHEMA_MAP_FACTS_H

#include "stages/schema/charset.h"
#include "stages/schema/table_map.h"

/* One column; what the map does not say is absent (`has_…` false, NULL, or an empty span). */
struct tr_map_facts {
    struct tr_span name;
    const struct tr_charset_entry *charset; /* character columns, ENUM, SET */
    struct tr_cursor labels;                /* label_count length-encoded strings */
    uint32_t label_count;
    uint32_t dimensions; /* VECTOR */
    uint8_t geometry;
    bool has_sign;
    bool is_unsigned;
    bool has_labels;
};

/* One charset sequence: a default with exceptions, or one entry per column. */
struct tr_map_charsets {
    struct tr_cursor each;
    struct tr_cursor exceptions;
    uint64_t default_collation;
    uint64_t next_index; /* of the next exception; UINT64_MAX = none */
    uint64_t next_collation;
    uint64_t index; /* of the next column in this sequence */
    bool has_each;
    bool has_default;
};

struct tr_map_reader {
    const struct tr_table_map *map;
    const struct tr_wire_column *wire;
    struct tr_cursor names;
    struct tr_cursor set_labels;
    struct tr_cursor enum_labels;
    struct tr_cursor geometries;
    struct tr_cursor dimensions;
    struct tr_map_charsets texts;
    struct tr_map_charsets labels;
    uint32_t numeric_index;
    uint32_t column; /* the next one */
};

void tr_map_reader_init(struct tr_map_reader *reader, const struct tr_table_map *map,
                        const struct tr_wire_column *wire);
/* The next column's facts. Errors: TR_ERR_PROTOCOL naming the column. */
TR_NODISCARD enum tr_code tr_map_reader_next(struct tr_map_reader *reader,
                                             struct tr_map_facts *facts, struct tr_error *err);

/* The column type that a wire column and its character set stand for; TR_COLUMN_UNKNOWN for pre-5.0
 * decimals. */
enum tr_column_type tr_map_column_type(const struct tr_wire_column *wire,
                                       const struct tr_charset_entry *charset);

/* Whether the map's signedness bits count this type. */
bool tr_map_is_numeric(uint8_t wire_type);

/* A hidden period: both TIMESTAMP(6) NOT NULL, of these names. */
#define TR_PERIOD_START "row_start"
#define TR_PERIOD_END "row_end"

/* Whether TR_PERIOD_COLUMNS wire columns are of a period's types. */
static inline bool tr_map_is_period(const struct tr_wire_column *wire)
{
    for (uint32_t i = 0; i < TR_PERIOD_COLUMNS; i++) {
        if (wire[i].type != TR_WIRE_TIMESTAMP2 || wire[i].meta != 6 || wire[i].nullable) {
            return false;
        }
    }
    return true;
}

/* Labels are at most 255 characters. */
#define TR_MAP_LABEL_BYTES_MAX 1024

#endif
