// SPDX-License-Identifier: Apache-2.0
/*
 * The collector: puts the decoders' output back in the order of the units.
 *
 *   manifest ---------> unit k is decoder d(k)'s
 *   decoded[d(k)] ----> its fragments, up to unit_last
 *        |
 *        +--> buckets[s]      a fragment's groups, each to the shipper of its stream
 *        +--> positions       the unit's position, completed
 *        +--> routed_seq = k  after all of them (I4)
 *        +--> units           the unit goes home
 *   returns[s] -------> a bucket is done with; the fragment of the last one goes home by empty[d]
 *
 * It merges by following the manifest: no sorting, no search. Records without a row get the number of the last row
 * before them here (TR_RECORD_LATE_ROW): only here the order of all of them is known. With a `sink` (tailrace decode) each record is handed to
 * that function instead of a shipper, in order.
 *
 * The ring of positions is the only one that may be full: positions outlive their units. The collector then keeps the
 * unit and tries again in its next step.
 */
#ifndef TR_STAGES_COLLECT_COLLECTOR_H
#define TR_STAGES_COLLECT_COLLECTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/doorbell.h"
#include "engine/error.h"
#include "engine/metrics.h"
#include "engine/ring.h"
#include "stages/fragment.h"
#include "stages/progress.h"
#include "stages/stream.h"
#include "stages/unit.h"

/*
 * One record in order, instead of a shipper. Borrowed for the call. false stops the collector where it is: the function
 * has kept its own reason (a full disk, a closed pipe).
 */
typedef bool tr_record_sink(void *self, const struct tr_stream *stream,
                            const struct tr_record *record);

/* All borrowed until deinit; bells may be NULL (plan `single`). */
struct tr_collector_options {
    struct tr_ring *manifest;  /* struct tr_manifest_entry, from the sequencer */
    struct tr_ring *units;     /* struct tr_unit *, to the sequencer */
    struct tr_ring *positions; /* struct tr_unit_position, to the coordinator; NULL: none is kept */
    struct tr_doorbell *units_bell;
    struct tr_doorbell *positions_bell;

    uint32_t decoder_count; /* 1..TR_DECODERS_MAX */
    struct {
        struct tr_ring *decoded; /* struct tr_decoded, from decoder d */
        struct tr_ring *empty;   /* struct tr_fragment *, to decoder d */
        struct tr_doorbell *bell;
    } decoders[TR_DECODERS_MAX];

    uint32_t shipper_count; /* 0 with a sink, else 1..TR_SHIPPERS_MAX */
    struct {
        struct tr_ring *buckets; /* struct tr_bucket, to shipper s */
        struct tr_ring *returns; /* struct tr_bucket_return, from shipper s */
        struct tr_doorbell *bell;
    } shippers[TR_SHIPPERS_MAX];

    const struct tr_streams *streams;
    struct tr_progress *progress;
    struct tr_metric_block *metrics; /* the collector's own block */
    tr_record_sink *sink;            /* NULL: shippers */
    void *sink_self;
};

struct tr_collector {
    struct tr_collector_options options;
    struct tr_unit *unit; /* travels: the unit whose turn it is; NULL: look at the manifest */
    uint32_t decoder;     /* d(k) */
    bool unit_decoded;    /* its last fragment was taken: what remains is to complete it */
    bool sink_refused;    /* the sink said no: nothing moves any more */
    uint32_t row_last;    /* `source.row` of the last row of the log's file; 0 where none was */
    char file[TR_BINLOG_NAME_BYTES_MAX + 1]; /* that file */
    uint64_t unit_seq;                       /* of the last unit completed; the first is 1 */
    uint32_t bells_due;                      /* bit s: shipper s got buckets in this step */
    _Atomic bool ended;                      /* a unit with is_end was completed */
    _Atomic uint64_t out_count;              /* fragments whose buckets are not all back */
};

/* Prepares a collector; options are copied. */
void tr_collector_init(struct tr_collector *collector, const struct tr_collector_options *options);

/* A bounded amount of merging and bringing home; returns items of work done. @thread the collector's */
uint32_t tr_collector_step(void *self, int64_t now_ns);

/* Whether an input ring holds something. @thread the collector's */
bool tr_collector_has_work(void *self);

/* Whether the source's end was passed on: no unit follows. @thread any */
bool tr_collector_is_ended(const struct tr_collector *collector);

/* Whether every fragment that went out to shippers is home again. @thread any; a moment old */
bool tr_collector_is_idle(const struct tr_collector *collector);

/* Whether the sink has refused a record. @thread the collector's */
bool tr_collector_is_refused(const struct tr_collector *collector);

#endif
