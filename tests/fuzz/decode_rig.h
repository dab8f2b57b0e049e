// SPDX-License-Identifier: Apache-2.0
/* One event through the decoder, and what must hold of every record that comes out: what the decoder's fuzz targets share. */
#ifndef TR_TESTS_FUZZ_DECODE_RIG_H
#define TR_TESTS_FUZZ_DECODE_RIG_H

#include "stages/decode/decode.h"
#include "stages/stream.h"

/* What an event is decoded as, and what may come of it. */
struct decode_rig_event {
    struct tr_unit_item item; /* schema, event_type, op, thread_id; the rest is the rig's */
    const uint8_t *bytes;     /* header included */
    size_t byte_count;
    uint64_t records_max;
    bool has_tombstones; /* records without a value are right */
};

/* Ends the process with that text unless it holds. */
void decode_rig_require(bool holds, const char *what);
/* The one stream of all tables; makes what lives through all inputs. */
const struct tr_stream *decode_rig_stream(void);
/* Decodes it at a chunk's very end, into fragments and jumbos, to its end or an error; records are JSON objects inside their
 * fragment. decode_rig_stream() came before. */
void decode_rig_run(const struct decode_rig_event *event);

#endif
