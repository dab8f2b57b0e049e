// SPDX-License-Identifier: Apache-2.0
/*
 * One row change as records in a fragment: create, read, update, delete with tombstone, or, when an
 * update changes the key, delete, tombstone and create (contract §1.6); and the records that have no
 * row.
 *
 *   fragment->bytes:  [value][key] [value][key] … free … [record 1][record 0]
 *
 * A row goes in whole or not at all; of a key change the two halves may lie in two fragments, hence
 * `part`.
 * @thread the decoder that owns the fragment
 */
#ifndef TR_STAGES_DECODE_ROW_H
#define TR_STAGES_DECODE_ROW_H

#include "stages/decode/envelope.h"
#include "stages/decode/image.h"
#include "stages/fragment.h"

/* How much of a row has been written. */
enum tr_row_part {
    TR_ROW_WHOLE = 0, /* nothing yet */
    TR_ROW_KEY_OLD,   /* it changes the key: the delete half comes next */
    TR_ROW_KEY_NEW,   /* …the create half comes next */
};

struct tr_row {
    const struct tr_plan *plan;
    const struct tr_envelope *envelope;
    const struct tr_unit_item *item;
    struct tr_fragment *fragment;
    struct tr_image_run run; /* at the row; moved past it on OK */
    uint32_t number;         /* `source.row` */
    enum tr_row_part part;   /* in and out */
    enum tr_row_op op;       /* what happens to the row: the item's, or as tr_period_judge says */
    uint64_t unit_seq;
    uint64_t total_bytes; /* out: counts up what was written */
};

/*
 * Writes the row. OK: row->run.in is behind it and part is WHOLE. NO_ROOM: the fragment is full, or
 * (when it holds no record) too small; nothing or the first half of a key change was written, call
 * again with another fragment and the same row. BAD, LACKING: see row->run. TOO_LARGE: over
 * options.record_bytes_max (0 = no limit).
 */
enum tr_write_outcome tr_row_put(struct tr_row *row);

/* The record of a TRUNCATE TABLE: without images and without a key (contract §1.6). OK, NO_ROOM and
 * TOO_LARGE as above. */
enum tr_write_outcome tr_row_put_truncate(struct tr_row *row);

/* Copies item->prepared; `plan` and `envelope` are not used. `row_last` is the unit's so far: its number
 * goes into the record, or the record waits for the collector to write it. OK or NO_ROOM. */
enum tr_write_outcome tr_row_put_prepared(struct tr_row *row, uint32_t row_last);

/* Makes a fragment empty for a unit. */
void tr_row_reset_fragment(struct tr_fragment *fragment, uint64_t unit_seq);

#endif
