// SPDX-License-Identifier: Apache-2.0
/*
 * Ingest: moves raw log bytes from a source port into chunks and hands them to the sequencer.
 *
 *   source port --read--> [open chunk] --(to_sequencer ring)--> sequencer
 *                              ^
 *        free chunks <--(return rings)-- sequencer, decoders, inflate
 *   sequencer --(resume ring)--> where to connect next
 *
 * It reads straight into the open chunk, finds the end of the last whole event (packet.h), and
 * hands the chunk on when it is full or the source runs dry; the incomplete tail moves to the next
 * chunk. An event larger than a chunk travels as pieces. It looks at nothing but lengths, packet
 * sequence numbers and the status byte.
 *
 * Life: waits for a resume point, connects, reads; when the link ends it publishes
 * TR_CHUNK_LINK_DOWN and waits for the next resume point, since only the sequencer knows what has
 * been sequenced. The first resume point comes the same way. A connect that fails with TR_RETRY or
 * TR_RECONNECT is tried again with capped, jittered backoff (for ever once a connection has stood;
 * before that for `startup_wait_ms`). An error with remedy TR_STOP is raised as the engine's fault.
 * Whatever ends ingest (stop request, fault, end of file), the last chunk is one TR_CHUNK_END.
 *
 * It may block in the port (connect; a read up to `wait_ns`), so it has a thread to itself; `step`
 * then returns non-zero, because that wait is its idling. With `non_blocking` it never waits: plan
 * `single`.
 */
#ifndef TR_STAGES_SOURCE_INGEST_H
#define TR_STAGES_SOURCE_INGEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/actor.h"
#include "engine/doorbell.h"
#include "engine/error.h"
#include "engine/fault.h"
#include "engine/metrics.h"
#include "engine/pool.h"
#include "engine/ring.h"
#include "stages/chunk.h"
#include "stages/source/packet.h"
#include "stages/source/source_port.h"

#define TR_INGEST_RETURN_RINGS_MAX                                                                 \
    40 /* TR_DECODERS_MAX decoders, the sequencer, inflate; rounded up */

struct tr_ingest_options {
    const struct tr_source_port *port; /* borrowed */
    uint32_t chunk_count;              /* tr_ingest_chunk_count() */
    bool semi_sync;          /* two more bytes before each event: only when the port asked for it */
    bool non_blocking;       /* never wait in a read: plan `single` */
    uint64_t seed;           /* of the backoff's jitter */
    int64_t wait_ns;         /* longest wait for bytes in one step; 0 = 500 ms */
    int64_t silence_ns;      /* no byte for so long = dead link: three heartbeat periods; 0 = never
                                (files) */
    int64_t backoff_ms_min;  /* 0 = 250 */
    int64_t backoff_ms_max;  /* 0 = 30,000 */
    int64_t startup_wait_ms; /* how long the first connect is tried again; 0 = once */
    const _Atomic bool
        *paused; /* borrowed; set by the sequencer (release): stop reading. NULL = never */
    struct tr_fault *fault;          /* borrowed */
    struct tr_metric_block *metrics; /* borrowed; NULL = not counted */
};

/* Rings and bells, all borrowed, all made by the pipeline. Slots hold pointers. */
struct tr_ingest_rings {
    struct tr_ring *to_sequencer; /* ingest -> sequencer: struct tr_chunk *; chunk_count slots */
    struct tr_doorbell *sequencer_bell; /* rung after each chunk; NULL = nobody parks */
    struct tr_ring *resume; /* sequencer -> ingest: const struct tr_resume *; 2 slots. The sequencer
                               rings ingest's runner's bell after it, and leaves the resume
                               unchanged until the next LINK_DOWN. */
    struct tr_ring *const
        *returns; /* -> ingest: empty struct tr_chunk *; one per holder; chunk_count slots each */
    uint32_t return_count;
};

enum tr_ingest_state {
    TR_INGEST_AWAIT_RESUME = 0, /* for the sequencer's resume point */
    TR_INGEST_CONNECT,          /* at retry_at_ns */
    TR_INGEST_EVENTS,           /* reading whole events */
    TR_INGEST_PIECES,           /* reading an event larger than a chunk */
    TR_INGEST_LINK_DOWN, /* the link ended: whole events, then LINK_DOWN, are to be published */
    TR_INGEST_ENDING,    /* whole events, then END, are to be published */
    TR_INGEST_ENDED,
};

struct tr_ingest {
    struct tr_ingest_options options;
    struct tr_ingest_rings rings;
    struct tr_actor actor; /* what the thread plan runs */
    struct tr_pool pool;   /* owns all chunks */
    _Atomic bool stopping; /* set by tr_ingest_stop (release), read by step (acquire) */

    enum tr_ingest_state state;
    const struct tr_resume *resume; /* borrows from the sequencer until the next LINK_DOWN */
    bool link_open;
    bool was_connected;
    uint64_t link_epoch;
    uint64_t jitter_state;
    uint32_t retry_count; /* attempts since a connection stood */
    int64_t retry_at_ns;
    int64_t startup_deadline_ns;
    int64_t connected_ns; /* first step on this link; 0 = not yet */
    int64_t heard_ns;     /* last byte; moved on while we do not read */
    int64_t handed_on_ns; /* when the last chunk of events was */
    uint64_t read_bytes;  /* of this link or file; for messages */
    bool pool_is_dry;     /* the last step stopped for want of a chunk: counted once per wait */

    struct tr_packet_framer framer;
    struct tr_chunk *open; /* owns while filling: events, or a piece */
    uint32_t whole_bytes;  /* of `open`: up to the end of the last whole event */
    bool hand_on_due;      /* `open` cannot take more: full, or a large event follows */
    struct tr_packet_pieces pieces;
    struct tr_error error; /* why the link ended */
    bool has_fault;        /* `error` stops the engine */
};

/*
 * Chunks the path needs: one being filled, one that takes its tail, two queued to the sequencer,
 * one in its hands, one pinned by inflate, and per decoder two queued and one in its hands.
 */
static inline uint32_t tr_ingest_chunk_count(uint32_t decoder_count)
{
    return 1 /* filling */ + 1 /* tail */ + 2 /* queued to the sequencer */ + 1 /* sequencer */ +
           1 /* inflate */ + decoder_count * (2 /* queued */ + 1 /* in work */);
}

/*
 * Takes the chunk pool and adds its term to `sum` (may be NULL). Errors: TR_ERR_SYSTEM.
 * @thread before the threads start
 */
TR_NODISCARD enum tr_code tr_ingest_init(struct tr_ingest *ingest,
                                         const struct tr_ingest_options *options,
                                         const struct tr_ingest_rings *rings,
                                         struct tr_memory_sum *sum, struct tr_error *err);

/* Closes the port's connection and frees the pool; accepts a zeroed ingest. @thread after the
 * threads ended */
void tr_ingest_deinit(struct tr_ingest *ingest);

/* One bounded duty cycle: at most one read. Returns items of work; 0 = waits for a chunk, a resume
 * point or a time. */
uint32_t tr_ingest_step(void *self, int64_t now_ns);

/* For the runner: whether a return ring or the resume ring holds something, or a stop was asked
 * for. */
bool tr_ingest_has_work(void *self);

/* Asks ingest to stop reading, hand on what it has, and end; the caller then rings its runner's
 * bell. @thread any */
void tr_ingest_stop(struct tr_ingest *ingest);

#endif
