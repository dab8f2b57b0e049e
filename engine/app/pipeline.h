// SPDX-License-Identifier: Apache-2.0
/*
 * The pipeline: the only place that knows the topology (ARCHITECTURE.md, "The drawing").
 *
 * It makes the rings, the actors and the runners, lays the rings between the actors, and gives
 * every byte of them a term in the memory sum. What lies outside the process comes in as ports: the
 * source, one transport per shipper, the store, the clock. `tailrace run` hands in the real ones,
 * the simulation its models.
 *
 * Life: init, then start (threads) or step (plan single), then begin_stop once, is_drained, stop,
 * deinit.
 */
#ifndef TR_ENGINE_APP_PIPELINE_H
#define TR_ENGINE_APP_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/actor.h"
#include "engine/clock.h"
#include "engine/fault.h"
#include "engine/metrics.h"
#include "engine/pool.h"
#include "engine/reactor.h"
#include "engine/ring.h"
#include "offsets/coordinator.h"
#include "offsets/historian.h"
#include "offsets/store.h"
#include "stages/collect/collector.h"
#include "stages/decode/decoder.h"
#include "stages/progress.h"
#include "stages/sequence/inflate.h"
#include "stages/sequence/sequencer.h"
#include "stages/ship/shipper.h"
#include "stages/ship/transport.h"
#include "stages/source/ingest.h"

enum tr_thread_plan {
    TR_PLAN_COMPACT = 0, /* ingest; coordinator; one runner for the rest: two cores */
    TR_PLAN_SPREAD,      /* ingest; coordinator; a spine; a thread per decoder and per shipper */
    TR_PLAN_SINGLE,      /* the caller steps everything: decode, tests, simulation */
};

/*
 * Makes shipper `index`'s transport with `slot_count` slots on its runner's reactor (NULL under
 * plan single). The pipeline closes it.
 */
typedef enum tr_code tr_open_transport(void *self, uint32_t index, struct tr_reactor *reactor,
                                       uint32_t slot_count, struct tr_transport *transport,
                                       struct tr_error *err);

struct tr_pipeline_options {
    enum tr_thread_plan plan;
    enum tr_reactor_engine reactor_engine;
    uint32_t decoder_count;   /* 1..TR_DECODERS_MAX */
    uint32_t shipper_count;   /* 1..TR_SHIPPERS_MAX; 0 with a sink */
    uint32_t chunk_count;     /* 0 = by decoder_count */
    uint32_t units_in_flight; /* per decoder; decides its fragments; 0 = 4 */
    uint64_t seed;
    const struct tr_clock *clock;
    struct tr_metrics *metrics; /* borrowed */
    struct tr_fault *fault;     /* borrowed: the first fatal error */

    /* The options of the actors; rings, bells, fault, metrics, progress and what is named above are
     * filled in by init. */
    struct tr_ingest_options ingest;
    struct tr_sequencer_options sequencer;
    struct tr_decoder_options decoder;
    struct tr_shipper_options shipper;
    struct tr_coordinator_options coordinator; /* store NULL: no coordinator (decode) */
    struct tr_historian_options historian;     /* store NULL: there is no schema history */

    tr_open_transport *open_transport;
    void *open_transport_self;
    tr_record_sink *sink; /* decode: instead of shippers */
    void *sink_self;
    struct tr_streams *streams;         /* borrowed */
    struct tr_reactor *service_reactor; /* the coordinator's: made by the caller, since the store
                                           waits on it too */
};

#define TR_PIPELINE_NAME_BYTES 24
#define TR_PIPELINE_RUNNERS_MAX (TR_DECODERS_MAX + TR_SHIPPERS_MAX + 3)
#define TR_PIPELINE_ACTORS_MAX (TR_DECODERS_MAX + TR_SHIPPERS_MAX + 7)

_Static_assert(TR_PIPELINE_ACTORS_MAX <= TR_RUNNER_ACTORS_MAX, "all of them may share a thread");
_Static_assert(TR_PIPELINE_RUNNERS_MAX <= TR_METRICS_RUNNERS_MAX, "each has its metrics");

struct tr_pipeline {
    struct tr_pipeline_options options;
    struct tr_memory_sum memory;
    struct tr_progress progress;
    _Atomic bool
        paused; /* set by the sequencer (release), read by ingest (acquire): stop reading */

    /* Rings, named from_to; arrays by decoder d or shipper s. */
    struct tr_ring ingest_sequencer;
    struct tr_ring sequencer_ingest; /* resume points */
    struct tr_ring sequencer_inflate;
    struct tr_ring inflate_sequencer;
    struct tr_ring sequencer_manifest;
    struct tr_ring collector_units;
    struct tr_ring collector_positions;
    struct tr_ring sequencer_history;
    struct tr_ring sequencer_decoder[TR_DECODERS_MAX];
    struct tr_ring decoder_collector[TR_DECODERS_MAX];
    struct tr_ring collector_decoder[TR_DECODERS_MAX];
    struct tr_ring decoder_ingest[TR_DECODERS_MAX];
    struct tr_ring decoder_inflate[TR_DECODERS_MAX];
    struct tr_ring collector_shipper[TR_SHIPPERS_MAX];
    struct tr_ring shipper_collector[TR_SHIPPERS_MAX];
    struct tr_ring *ingest_returns[TR_DECODERS_MAX];
    struct tr_ring *inflate_returns[TR_DECODERS_MAX];

    struct tr_ingest ingest;
    struct tr_sequencer sequencer;
    struct tr_inflate inflate;
    struct tr_decoder decoders[TR_DECODERS_MAX];
    struct tr_collector collector;
    struct tr_transport transports[TR_SHIPPERS_MAX];
    struct tr_shipper *shippers[TR_SHIPPERS_MAX];
    struct tr_coordinator coordinator;
    struct tr_historian historian;

    struct tr_actor actors[TR_PIPELINE_ACTORS_MAX];
    char actor_names[TR_PIPELINE_ACTORS_MAX][TR_PIPELINE_NAME_BYTES];
    uint32_t actor_count;
    struct tr_runner runners[TR_PIPELINE_RUNNERS_MAX];
    struct tr_reactor
        *reactors[TR_PIPELINE_RUNNERS_MAX]; /* owns; the service runner's is the caller's */
    char runner_names[TR_PIPELINE_RUNNERS_MAX][TR_PIPELINE_NAME_BYTES];
    uint32_t runner_count;
    struct { /* which runner steps whom; all NULL under plan single */
        struct tr_runner *ingest;
        struct tr_runner *spine; /* sequencer, inflate, collector */
        struct tr_runner *decoder[TR_DECODERS_MAX];
        struct tr_runner *shipper[TR_SHIPPERS_MAX];
        struct tr_runner *service; /* coordinator, historian */
    } place;
    bool started;
};

/*
 * Takes all memory and makes everything. `pipeline` is large: not for the stack; it must not move
 * afterwards. Errors: those of the actors' inits.
 */
TR_NODISCARD enum tr_code tr_pipeline_init(struct tr_pipeline *pipeline,
                                           const struct tr_pipeline_options *options,
                                           struct tr_error *err);

/* Accepts a zeroed or half-made pipeline whose threads have ended. */
void tr_pipeline_deinit(struct tr_pipeline *pipeline);

/* Starts the runners. Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_pipeline_start(struct tr_pipeline *pipeline, struct tr_error *err);

/* One cycle of every actor by the caller (plan single); the work done. */
uint32_t tr_pipeline_step(struct tr_pipeline *pipeline, int64_t now_ns);

/* Stops reading: what was read is still delivered. @thread any, once */
void tr_pipeline_begin_stop(struct tr_pipeline *pipeline);

/* Records with the shippers that are not acknowledged. @thread any; a moment old */
uint64_t tr_pipeline_queued_count(const struct tr_pipeline *pipeline);

/*
 * Whether everything that was read is delivered, and the coordinator can see that it is; after a
 * fault it may never be. @thread any
 */
bool tr_pipeline_is_drained(const struct tr_pipeline *pipeline);

/* Ends and joins the runners. */
void tr_pipeline_stop(struct tr_pipeline *pipeline);

#endif
