// SPDX-License-Identifier: Apache-2.0
/*
 * One row image (null bitmap and values) as a JSON object, in one pass; where columns may be
 * missing, by way of partial.h.
 *
 * The caller has made sure of plan->image_bytes_max bytes behind the end of the limit's reserve:
 * names, nulls and values of fixed length are written without a look at the room; only what has no
 * bound of its own (text, blobs, JSON, ENUM, SET) is checked against `limit`, before every block.
 * @thread the decoder that owns `out`
 */
#ifndef TR_STAGES_DECODE_IMAGE_H
#define TR_STAGES_DECODE_IMAGE_H

#include <stdint.h>

#include "stages/decode/json_binary.h"
#include "stages/decode/outcome.h"
#include "stages/decode/plan_layout.h"
#include "stages/decode/unpack.h"

#define TR_IMAGE_OVERREAD_BYTES 8                       /* a chunk has slack, and so has a piece */
#define TR_IMAGE_SLACK_BYTES TR_JSON_BINARY_SLACK_BYTES /* writing may go this far past `limit` */

/* The text of each key column inside the encoded image. */
struct tr_image_key {
    const uint8_t *at[TR_PLAN_KEY_COLUMNS_MAX];
    uint32_t bytes[TR_PLAN_KEY_COLUMNS_MAX];
};

struct tr_partial;

/* Which of a row's images: an update has two, other changes have the first alone. */
enum tr_image_place { TR_IMAGE_FIRST = 0, TR_IMAGE_SECOND = 1 };

struct tr_image_run {
    const struct tr_plan *plan;
    const uint8_t *in;     /* next byte of the event; moved past the image */
    const uint8_t *in_end; /* TR_IMAGE_OVERREAD_BYTES behind it are readable */
    const uint8_t *limit;
    struct tr_partial *partial; /* borrowed: the event's images are not whole; else NULL */
    struct tr_unpack *unpack;   /* borrowed: for COMPRESSED columns */
    uint32_t bad_column;        /* after BAD, LACKING: where; column_count = the null bitmap */
    const char *bad_reason;     /* after BAD, LACKING: what is wrong with it */
};

/*
 * Appends `{"a":1,…}` at `*out` and moves `*out` behind it; fills `key`. A second image follows the
 * first one of its row, put or skipped. On NO_ROOM, BAD and LACKING nothing but `bad_*` counts, and
 * run->in may have moved.
 */
enum tr_write_outcome tr_image_put(struct tr_image_run *run, enum tr_image_place place,
                                   uint8_t **out, struct tr_image_key *key);

/* Moves run->in past one image without writing, as put does: OK or BAD. */
enum tr_write_outcome tr_image_skip(struct tr_image_run *run, enum tr_image_place place);

#endif
