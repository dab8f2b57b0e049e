// SPDX-License-Identifier: Apache-2.0
/*
 * Single values of a snapshot's row: the server's text of a column, or its bytes where it has no
 * text (stages/source/snapshot_event.h), written as Debezium does in a snapshot (contract §2).
 * @thread the decoder that owns the run
 */
#ifndef TR_STAGES_DECODE_TEXT_CELL_H
#define TR_STAGES_DECODE_TEXT_CELL_H

#include "stages/decode/image.h"

/* Writes a value that is not NULL. Room and errors as image.h says: NULL with run->bad_reason is
 * BAD, NULL without is NO_ROOM. */
uint8_t *tr_text_cell_put(struct tr_image_run *run, const struct tr_plan_column *column,
                          uint8_t *out, struct tr_span cell);

#endif
