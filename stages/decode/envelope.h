// SPDX-License-Identifier: Apache-2.0
/*
 * What stands behind the images in a record: `source`, `transaction`, `op` and the envelope's times
 * (contract §1.2, §1.3).
 *
 * The clock's part is written once per unit, everything but the row number and the op letter once
 * per rows event; per record two texts are copied.
 * @thread the decoder that owns it
 */
#ifndef TR_STAGES_DECODE_ENVELOPE_H
#define TR_STAGES_DECODE_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "stages/decode/digits.h"
#include "stages/decode/plan_layout.h"
#include "stages/unit.h"

#define TR_ENVELOPE_TAIL_BYTES_MAX 320

struct tr_envelope {
    uint32_t file_bytes;
    uint32_t times_bytes;
    uint32_t head_bytes;
    uint32_t tail_bytes;
    uint32_t op_at;                                         /* into tail: the letter */
    uint8_t file[(TR_BINLOG_NAME_BYTES_MAX + 3) * 6 + 256]; /* `,"file":"…","pos":` */
    uint8_t times[160];                       /* `","ts_ms":…,"ts_us":…,"ts_ns":…}` */
    uint8_t head[TR_PLAN_SOURCE_BYTES_MAX];   /* up to `"row":` */
    uint8_t tail[TR_ENVELOPE_TAIL_BYTES_MAX]; /* from `,"thread":` on */
};

void tr_envelope_begin_unit(struct tr_envelope *envelope, const struct tr_unit *unit);
/* `snapshot`: what `source.snapshot` says, a literal; "false" for rows of the log. */
void tr_envelope_begin_item(struct tr_envelope *envelope, const struct tr_unit_item *item,
                            const struct tr_plan *plan, const char *snapshot);

/* Appends both texts; at most TR_PLAN_SOURCE_BYTES_MAX + TR_ENVELOPE_TAIL_BYTES_MAX bytes and a
 * digit text. */
static inline uint8_t *tr_envelope_put(const struct tr_envelope *envelope, uint8_t *out,
                                       uint32_t row, char op)
{
    memcpy(out, envelope->head, envelope->head_bytes);
    out = tr_digits_put_u32(out + envelope->head_bytes, row);
    memcpy(out, envelope->tail, envelope->tail_bytes);
    out[envelope->op_at] = (uint8_t)op;
    return out + envelope->tail_bytes;
}

#endif
