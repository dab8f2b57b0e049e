// SPDX-License-Identifier: Apache-2.0
/*
 * Inflate: compressed payloads as a stream, out of a chunk pool of its own.
 *
 *   sequencer --(jobs)--> inflate --(done)--> sequencer
 *   sequencer, decoders --(returns)--> inflate      its chunks come home
 *
 * A job is a whole compressed event, or one piece of it when the event is larger than a chunk:
 * MySQL's TRANSACTION_PAYLOAD (zstd; inner events back to back) or MariaDB's QUERY_COMPRESSED and
 * *_ROWS_COMPRESSED (zlib; rewritten as their plain types). What comes out are chunks of plain
 * events without frames and checksums (`inner`), or pieces. With ingest's chunks this would
 * deadlock: all of them may be queued behind the payload being inflated.
 *
 * Sizes from the wire bound nothing: output is taken chunk by chunk, and the window of a zstd frame
 * may not exceed 8 MiB. Source: mysql-binlog reference §3.14, §3.19.
 */
#ifndef TR_STAGES_SEQUENCE_INFLATE_H
#define TR_STAGES_SEQUENCE_INFLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/doorbell.h"
#include "engine/error.h"
#include "engine/metrics.h"
#include "engine/pool.h"
#include "engine/ring.h"
#include "stages/chunk.h"
#include "stages/progress.h"

/* sequencer -> inflate: event bytes from its header on, checksum trailer cut off. */
struct tr_inflate_job {
    const struct tr_chunk *chunk; /* borrowed until reported as consumed */
    uint32_t at;
    uint32_t bytes;
    uint64_t total_bytes; /* of the whole event, without trailer */
    bool first;           /* holds the event's header */
    bool last; /* the event ends with it; a job of 0 bytes, neither first nor last: give the event
                  up */
};

/* inflate -> sequencer */
struct tr_inflate_done {
    struct tr_chunk *out;            /* inner events; NULL = none with this message */
    const struct tr_chunk *consumed; /* this job's chunk is not needed any more; NULL = none */
    const struct tr_error *error;    /* the payload is broken: nothing follows; lives in inflate */
    bool finished;                   /* the event is complete: nothing follows for it */
};

#define TR_INFLATE_RETURN_RINGS_MAX (TR_DECODERS_MAX + 1)
#define TR_INFLATE_JOBS_MAX 64 /* pieces queued: never more than ingest has chunks */
#define TR_INFLATE_ZSTD_WINDOW_LOG_MAX 23

struct tr_inflate_options {
    struct tr_ring *jobs; /* struct tr_inflate_job */
    struct tr_ring *done; /* struct tr_inflate_done; slots >= chunk_count + jobs + 1 */
    struct tr_doorbell *sequencer_bell; /* NULL = nobody parks */
    struct tr_ring *const *returns;     /* struct tr_chunk *; one per holder */
    uint32_t return_count;
    uint32_t chunk_count;            /* tr_inflate_chunk_count() */
    struct tr_metric_block *metrics; /* NULL = not counted */
};

enum tr_inflate_mode {
    TR_INFLATE_IDLE = 0,
    TR_INFLATE_ZSTD,
    TR_INFLATE_STORED,
    TR_INFLATE_ZLIB,
    TR_INFLATE_FAILED
};

struct tr_inflate_streams; /* zstd's and zlib's state */

struct tr_inflate {
    struct tr_inflate_options options;
    struct tr_pool pool;                /* owns all chunks */
    struct tr_inflate_streams *streams; /* owns */
    enum tr_inflate_mode mode;
    const uint8_t *in; /* rest of the current job's bytes */
    size_t in_bytes;
    uint64_t payload_left; /* compressed bytes of the event not read yet */
    uint64_t plain_left;   /* zlib: bytes that must still come out */
    bool frame_open;       /* zstd: inside a frame */
    struct tr_chunk *open; /* owns while filling */
    uint32_t event_at;     /* in open: start of the event that is not whole yet */
    uint64_t piece_left;   /* bytes of a large event still to come; 0 = whole events */
    bool first_piece_sent;
    struct tr_error error;
};

/* Filling, its successor, two queued, one with the sequencer; per decoder two queued and one in
 * work. */
static inline uint32_t tr_inflate_chunk_count(uint32_t decoder_count)
{
    return 1 /* filling */ + 1 /* tail */ + 2 /* queued */ + 1 /* sequencer */ +
           decoder_count * (2 + 1);
}

/* Takes the pool and the decompressors' memory, adding their terms to `sum` (may be NULL). Errors:
 * TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_inflate_init(struct tr_inflate *inflate,
                                          const struct tr_inflate_options *options,
                                          struct tr_memory_sum *sum, struct tr_error *err);

/* Accepts a zeroed inflate. */
void tr_inflate_deinit(struct tr_inflate *inflate);

/* Work up to about one chunk of output. @thread inflate's */
uint32_t tr_inflate_step(void *self, int64_t now_ns);

bool tr_inflate_has_work(void *self);

#endif
