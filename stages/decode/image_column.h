// SPDX-License-Identifier: Apache-2.0
/*
 * Single values of a row image; for image.c, which has them, partial.c and text_cell.c. Room and errors as
 * image.h says: NULL with run->bad_reason is BAD, NULL without is NO_ROOM.
 * @thread the decoder that owns the run
 */
#ifndef TR_STAGES_DECODE_IMAGE_COLUMN_H
#define TR_STAGES_DECODE_IMAGE_COLUMN_H

#include "stages/decode/image.h"
#include "stages/decode/temporal.h"

/* Writes the value at run->in, which is not NULL, and moves past it. */
uint8_t *tr_image_put_column(struct tr_image_run *run, const struct tr_plan_column *column,
                             uint8_t *out);

/* Moves past the value at run->in; false when the row ends inside it. */
bool tr_image_skip_column(struct tr_image_run *run, const struct tr_plan_column *column);

/* Takes the value behind its length at run->in; false when the row ends inside it. */
bool tr_image_take_sized(struct tr_image_run *run, const struct tr_plan_column *column,
                         struct tr_span *raw);

/* Writes a value that has a length. */
uint8_t *tr_image_put_sized(struct tr_image_run *run, const struct tr_plan_column *column,
                            uint8_t *out, struct tr_span raw);

/* Writes a DATE or DATETIME that was checked: a number, or what stands for a zero one. */
uint8_t *tr_image_put_civil(struct tr_image_run *run, const struct tr_plan_column *column,
                            uint8_t *out, const struct tr_civil *civil, enum tr_temporal_kind kind);

#endif
