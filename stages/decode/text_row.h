// SPDX-License-Identifier: Apache-2.0
/*
 * A snapshot's rows event and its rows: the header with its marks, and a row of texts as a JSON
 * object, in one pass. Layout: stages/source/snapshot_event.h. The counterpart of image.h, with the
 * same writers behind it.
 * @thread the decoder that owns the run
 */
#ifndef TR_STAGES_DECODE_TEXT_ROW_H
#define TR_STAGES_DECODE_TEXT_ROW_H

#include <stdbool.h>

#include "stages/decode/image.h"

struct tr_text_event {
    uint32_t row_count;
    uint8_t first_mark; /* enum tr_snapshot_mark of its first row, and of its last */
    uint8_t last_mark;
};

/* Reads the event's body (behind the 19-byte header); `rows` is what follows. False when it ends
 * early or has marks that do not exist. */
bool tr_text_event_read(struct tr_text_event *event, struct tr_span body, struct tr_span *rows);

/* enum tr_snapshot_mark of row `number`. */
static inline uint8_t tr_text_event_mark(const struct tr_text_event *event, uint32_t number)
{
    const uint8_t first = number == 0 ? event->first_mark : 0;
    const uint8_t last = number + 1 == event->row_count ? event->last_mark : 0;
    return first > last ? first : last;
}

/* What `source.snapshot` prints for it. */
const char *tr_text_event_mark_name(uint8_t mark);

/* As tr_image_put and tr_image_skip. */
enum tr_write_outcome tr_text_row_put(struct tr_image_run *run, uint8_t **out,
                                      struct tr_image_key *key);
enum tr_write_outcome tr_text_row_skip(struct tr_image_run *run);

#endif
