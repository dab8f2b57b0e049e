// SPDX-License-Identifier: Apache-2.0
/*
 * Row images that lack columns, or hold differences (contract §2.11; mysql-binlog.md §3.13, §4.6).
 *
 * Such a row is looked over before it is written: where each value of its images lies. What the
 * after image lacks is taken from the before image; a partial JSON update is applied to the
 * document in the before image; what neither has is written as the plan says
 * (unavailable.value.placeholder), or is LACKING and stops the engine by name.
 * @thread the decoder that owns it
 */
#ifndef TR_STAGES_DECODE_PARTIAL_H
#define TR_STAGES_DECODE_PARTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "stages/decode/image.h"

/* Of one decoder; the event's part is set by begin. */
struct tr_partial {
    const uint8_t **values[2]; /* owns: per column of the first and the second image */
    uint8_t *diffs; /* owns: per column whether the second image's value is a difference */
    const uint8_t *present[2]; /* borrowed from the event: bitmaps of the images' columns */
    uint32_t image_count;
    bool has_options;         /* PARTIAL_UPDATE_ROWS: after images begin with options */
    const uint8_t *second_at; /* where the second image of the row that was looked over begins */
    const uint8_t *row_end;
    uint64_t unavailable_total; /* values written as unavailable since init */
};

/* Errors: TR_ERR_SYSTEM when memory is refused. */
TR_NODISCARD enum tr_code tr_partial_init(struct tr_partial *partial, struct tr_error *err);

/* Accepts a zeroed one. */
void tr_partial_deinit(struct tr_partial *partial);

/* Sets the rows' shape; true when they need this module, false when all images are whole. */
bool tr_partial_begin(struct tr_partial *partial, uint32_t column_count,
                      const uint8_t *const present[2], uint32_t image_count, bool has_options);

/*
 * Whether first images have no column at all (`INSERT INTO t VALUES ()` with MINIMAL): such rows
 * have no bytes, so not even their number is known. After a begin that said true.
 */
bool tr_partial_is_empty(const struct tr_partial *partial, uint32_t column_count);

/* Where the value of a column of the image lies, after a put or skip of it; NULL when it is NULL or
 * not there. */
const uint8_t *tr_partial_value(const struct tr_partial *partial, enum tr_image_place place,
                                uint32_t column);

/* As tr_image_put, tr_image_skip. */
enum tr_write_outcome tr_partial_put(struct tr_image_run *run, enum tr_image_place place,
                                     uint8_t **out, struct tr_image_key *key);
enum tr_write_outcome tr_partial_skip(struct tr_image_run *run, enum tr_image_place place);

#endif
