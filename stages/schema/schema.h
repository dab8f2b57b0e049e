// SPDX-License-Identifier: Apache-2.0
/*
 * A schema version: an immutable table model, its wire layout, its stream, and the encoder's precomputed plan.
 *
 * The sequencer pins one per table used in a unit and frees a replaced version once `routed_seq` has passed the last unit
 * that pinned it. Decoders read it through the unit.
 */
#ifndef TR_STAGES_SCHEMA_SCHEMA_H
#define TR_STAGES_SCHEMA_SCHEMA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "stages/schema/table.h"

struct tr_plan;   /* stages/decode/plan.h: built by the decoder's module, opaque here */
struct tr_stream; /* stages/stream.h */

/* One column as the TABLE_MAP describes it: what the row image holds. Types are the wire's (mysql-binlog.md §3.11). */
struct tr_wire_column {
    uint8_t
        type; /* real type: 247 ENUM, 248 SET and 254 STRING told apart; 1 TINY .. 255 GEOMETRY */
    uint16_t
        meta; /* both metadata bytes as in the map, little-endian; STRING family: length limit in bytes */
    uint8_t
        pack_bytes; /* ENUM, SET, BLOB family: bytes of value or length prefix; VARCHAR, STRING: 1 or 2 */
    bool nullable;
};

struct tr_schema {
    const struct tr_table *table; /* owns */
    const struct tr_stream *stream;
    struct tr_plan *plan;        /* owns */
    struct tr_wire_column *wire; /* owns; table->column_count entries, and the hidden ones */
    /* Columns of the log's rows behind the table's: 0, or TR_PERIOD_COLUMNS. */
    uint32_t hidden_count;
    uint64_t version;    /* dense per process, for logs */
    uint64_t pinned_seq; /* the sequencer's: last unit that pinned it */
    /* Output bytes per raw row byte, times 256, as measured by decoders: the sequencer's estimate for closing units. Written
     * by decoders, last one wins; relaxed: a hint. */
    _Atomic uint32_t output_ratio_q8;
};

#endif
