// SPDX-License-Identifier: Apache-2.0
/*
 * A unit's items, decoded into fragments: resumable at every row, without rings, pools or
 * threads.
 *
 *   begin_unit -> run -> NEEDS_FRAGMENT -> run … -> DONE
 *
 * Total: any bytes give records or an error. Rows of an event larger than a chunk are decoded when
 * its last piece is there; pieces are gathered in one buffer that is mapped at start and resident
 * only while it is used.
 * @thread everything: the decoder that owns it
 */
#ifndef TR_STAGES_DECODE_DECODE_H
#define TR_STAGES_DECODE_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "stages/decode/partial.h"
#include "stages/decode/row.h"
#include "stages/decode/text_row.h"
#include "stages/fragment.h"
#include "stages/unit.h"

enum tr_decode_outcome {
    TR_DECODE_DONE = 0,       /* the unit has no more rows; what the fragment holds is its last */
    TR_DECODE_NEEDS_FRAGMENT, /* the fragment (if any) is full: run again with an empty one */
    TR_DECODE_NEEDS_JUMBO, /* the row does not fit an empty fragment: run again with an empty jumbo
                            */
    TR_DECODE_PAUSED,      /* the budget is used up: run again with the same fragment */
    TR_DECODE_FAILED,      /* see err; what the fragment holds is everything before the bad row */
};

struct tr_decode {
    struct tr_unit *unit; /* borrowed from begin_unit to DONE */
    uint32_t item_index;
    bool item_is_open;
    bool item_is_piece; /* the open item's event lies in `piece` */
    bool item_is_text;  /* the open item's rows are the snapshot's */
    uint8_t text_mark;  /* enum tr_snapshot_mark that the envelope has */
    struct tr_text_event text_event;
    const uint8_t *event_start; /* of the open item */
    uint64_t event_bytes;
    struct tr_row row; /* the next row of the open item */
    struct tr_envelope envelope;
    uint8_t *piece; /* owns, mapped: an event larger than a chunk; decompressed values behind it */
    size_t piece_room_bytes;
    size_t piece_used_bytes;
    uint64_t piece_event_bytes; /* of the whole event; 0 = none is being gathered */
    struct tr_partial partial;  /* of the open item, where its images are not whole */
    struct tr_unpack unpack;    /* owns its decompressor */
    uint64_t rows_total;        /* rows written since init */
    struct {
        const struct tr_schema *schema; /* whose ratio is being measured */
        uint64_t raw_bytes;
        uint64_t out_bytes;
    } ratio;
};

/* Bytes that init maps: a term of the memory sum (resident only when an event exceeds a chunk). */
size_t tr_decode_memory_bytes(uint64_t row_bytes_max);

/* Errors: TR_ERR_SYSTEM when memory is refused. `row_bytes_max` is tailrace.row.max.bytes. */
TR_NODISCARD enum tr_code tr_decode_init(struct tr_decode *decode, uint64_t row_bytes_max,
                                         struct tr_error *err);

/* Accepts a zeroed one. */
void tr_decode_deinit(struct tr_decode *decode);

/* Takes the next unit; the one before must be DONE. */
void tr_decode_begin_unit(struct tr_decode *decode, struct tr_unit *unit);

/*
 * Decodes rows into `fragment` (NULL: none at hand), at most about `budget_bytes` of raw rows. Sets
 * unit->record_rows and the schemas' output_ratio_q8. FAILED: TR_ERR_SCHEMA, TR_ERR_UNSUPPORTED,
 * TR_ERR_PROTOCOL, TR_ERR_STATE or TR_ERR_SINK_RECORD, all TR_STOP, naming table and position.
 */
enum tr_decode_outcome tr_decode_run(struct tr_decode *decode, struct tr_fragment *fragment,
                                     uint64_t budget_bytes, struct tr_error *err);

#endif
