// SPDX-License-Identifier: Apache-2.0
/*
 * A prepared record: one that the sequencer wrote itself, since no row stands behind it (schema
 * changes). It travels as an item of a unit; the decoder copies it into a fragment. One number in it is
 * known only behind the decoders: `source.row`, of the last row sent before (fragment.h, TR_RECORD_LATE_ROW).
 *
 * Made per statement, never per row. Owned by the sequencer, which frees it once the unit that
 * carries it was routed.
 */
#ifndef TR_STAGES_PREPARED_H
#define TR_STAGES_PREPARED_H

#include <stdint.h>

#include "stages/stream.h"

struct tr_prepared {
    struct tr_prepared *next;       /* the owner's list */
    uint64_t pinned_seq;            /* the sequencer's: the unit that carries it */
    const struct tr_stream *stream; /* borrowed */
    uint32_t key_bytes;             /* never 0 */
    uint32_t value_bytes;           /* never 0 */
    uint32_t row_at; /* where `source.row` stands in the value, as "0"; 0: it stays so */
    uint8_t bytes[]; /* key, then value */
};

#endif
