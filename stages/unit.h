// SPDX-License-Identifier: Apache-2.0
/*
 * A unit: (part of) a chunk with a dense sequence number, a position and pinned schemas; what is dealt to a decoder.
 *
 *   sequencer --(unit ring d)--> decoder d          work
 *   sequencer --(manifest ring)--> collector        order: unit k is decoder d(k)'s
 *   collector --(unit return ring)--> sequencer     home
 *
 * The decoder may read a unit until it has sent that unit's last fragment message; then it is the collector's, which
 * reads `position` and sends it home. All units of one chunk go to the same decoder; the one with `chunk_last` sends the
 * chunk home when decoded.
 */
#ifndef TR_STAGES_UNIT_H
#define TR_STAGES_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include "offsets/gtid.h"
#include "offsets/position.h"
#include "stages/chunk.h"

struct tr_schema;
struct tr_prepared;

#define TR_UNIT_MAGIC 0x554e4954u
#define TR_UNIT_ITEMS_MAX                                                                          \
    1024 /* rows events in 256 KiB: about 900 single-row transactions of 290 bytes */
#define TR_UNIT_OUTPUT_BYTES_MAX (2 * 1024 * 1024) /* estimated output of a unit */
#define TR_UNIT_ROW_NONE UINT32_MAX

enum tr_item_kind {
    TR_ITEM_ROWS = 0, /* a whole rows event at chunk->bytes + at */
    TR_ITEM_PIECE,    /* the whole chunk is a piece of one rows event: chunk->piece says which */
    TR_ITEM_PREPARED, /* `prepared`; no bytes of the chunk */
    TR_ITEM_TRUNCATE, /* TRUNCATE TABLE: one record without images; no bytes of the chunk */
};

enum tr_row_op { TR_ROW_INSERT = 0, TR_ROW_UPDATE, TR_ROW_DELETE, TR_ROW_TRUNCATE, TR_ROW_READ };

/*
 * One rows event of a captured table, or a record that has none. The 19-byte header is at `at`; a checksum trailer is
 * already cut off `bytes`. Rows of the snapshot (TR_ROW_READ) are text: event_type TR_EVENT_SNAPSHOT_ROWS, its body as
 * snapshot_event.h says.
 */
struct tr_unit_item {
    union {
        const struct tr_schema *schema;     /* pinned until the unit is home */
        const struct tr_prepared *prepared; /* PREPARED: likewise */
    };
    struct tr_gtid gtid; /* source NULL: none */
    uint64_t pos;        /* what `source.pos` prints */
    int64_t ts_us;       /* what `source.ts_*` print: µs since the epoch */
    int64_t thread_id;   /* -1 = none */
    uint32_t server_id;
    uint32_t at;
    uint32_t bytes;     /* ROWS: the event without trailer; PIECE: this piece without trailer */
    uint32_t row_first; /* rows before it were delivered before a restart: skipped */
    uint8_t kind;       /* enum tr_item_kind */
    uint8_t op;         /* enum tr_row_op */
    uint8_t event_type; /* 23..25, 30..32, 39 (compressed ones arrive inflated as 23..25), 241 */
    bool
        is_record_mark; /* the last captured rows event of the unit: its row count completes the position */
};

struct tr_unit {
    uint32_t magic;
    uint64_t seq;
    uint32_t decoder;
    struct tr_chunk *chunk; /* borrowed; travels home with the unit of chunk_last; NULL once sent */
    bool chunk_last;
    bool is_end;                             /* the source's end (files): nothing follows */
    int64_t wall_unix_ns;                    /* the envelope's ts_*: one clock reading per unit */
    char file[TR_BINLOG_NAME_BYTES_MAX + 1]; /* what `source.file` prints, for all items */
    struct tr_unit_position position;
    uint32_t record_rows; /* written by the decoder: rows in the item with is_record_mark */
    uint32_t
        row_last; /* written by the decoder: `source.row` of the last row; TR_UNIT_ROW_NONE: no row */
    uint32_t item_count;
    struct tr_unit_item items[TR_UNIT_ITEMS_MAX];
};

/* sequencer -> collector: whose turn it is. */
struct tr_manifest_entry {
    struct tr_unit *unit;
    uint32_t decoder;
};

#endif
