// SPDX-License-Identifier: Apache-2.0
/*
 * The table of streams: append-only, ids are dense. Entries are made by the sequencer (before the threads start: by the
 * application) and are immutable; others see an entry through the ring that first carries its id.
 */
#ifndef TR_STAGES_STREAM_H
#define TR_STAGES_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

#define TR_STREAM_NAME_BYTES_MAX                                                                   \
    249 /* Debezium's limit for a topic; Kinesis allows 128: refused by name at the sink */
#define TR_STREAMS_MAX 16384

struct tr_stream {
    uint32_t id;
    uint32_t shipper; /* which shipper hosts it: id % shipper_count */
    char name[TR_STREAM_NAME_BYTES_MAX + 1];
};

struct tr_streams; /* opaque */

TR_NODISCARD enum tr_code tr_streams_open(struct tr_streams **streams, uint32_t shipper_count,
                                          struct tr_error *err);
void tr_streams_close(struct tr_streams *streams);
/* The stream of that name, made if new. NULL with err (TR_ERR_MEMORY_LIMIT) when TR_STREAMS_MAX are out. @thread sequencer */
const struct tr_stream *tr_streams_intern(struct tr_streams *streams, struct tr_span name,
                                          struct tr_error *err);
/* Entry `id`; asserts that it exists. @thread any that got the id through a ring */
const struct tr_stream *tr_streams_get(const struct tr_streams *streams, uint32_t id);
uint32_t tr_streams_count(const struct tr_streams *streams);
/* With every entry made: its term of the memory sum. */
size_t tr_streams_memory_bytes(void);

#endif
