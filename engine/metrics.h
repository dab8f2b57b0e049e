// SPDX-License-Identifier: Apache-2.0
/*
 * Metrics: one table (metrics.def: name with unit, type, label, help), one block of values per actor or stream.
 *
 * A block is written by its owner alone with relaxed stores and read by the HTTP actor at a scrape; metrics without a
 * label are summed over all blocks. Nothing is shared between writers, so nothing is an atomic read-modify-write.
 *
 * A scrape is written in parts through a cursor, so that 10,000 streams need no buffer of their size.
 */
#ifndef TR_ENGINE_METRICS_H
#define TR_ENGINE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct tr_health;
struct tr_memory_sum;
struct tr_runner;

enum tr_metric {
#define TR_METRIC(id, name, type, label, help) TR_METRIC_##id,
#include "engine/metrics.def"
#undef TR_METRIC
    TR_METRIC_COUNT
};

/* Bucket i counts values <= 1, 2, 5, 10, 20, 50 ... x 100 us: from 100 us to 5,000 s in steps of 1-2-5. */
#define TR_HISTOGRAM_BUCKETS 24

#define TR_METRIC_LABEL_BYTES                                                                      \
    160 /* a Kinesis stream name has at most 128 characters, an actor's fewer */

enum tr_metric_scope {
    TR_METRIC_SCOPE_NONE = 0,
    TR_METRIC_SCOPE_ACTOR,
    TR_METRIC_SCOPE_STREAM,
    TR_METRIC_SCOPE_CAUSE
};

/* Values of gauges that no number can tell: printed as NaN and +Inf. A metric without label is a sum over blocks: only
 * one block may hold such a value, and the others 0. */
#define TR_METRIC_UNKNOWN (UINT64_MAX - 1)
#define TR_METRIC_INFINITE UINT64_MAX

struct tr_metric_block {
    enum tr_metric_scope scope;        /* which label `label` is the value of */
    char label[TR_METRIC_LABEL_BYTES]; /* actor or stream name; empty = none */
    _Atomic uint64_t values[TR_METRIC_COUNT];
    _Atomic uint64_t latency_buckets[TR_HISTOGRAM_BUCKETS +
                                     1]; /* commit to accepted; not cumulative, last = above all */
    _Atomic uint64_t latency_sum_us;
};

struct tr_metrics; /* the registry: opaque, growable up to its ceiling at registration time only */

TR_NODISCARD enum tr_code tr_metrics_open(struct tr_metrics **metrics, uint32_t blocks_max,
                                          struct tr_error *err);
void tr_metrics_close(struct tr_metrics *metrics);

/* With every block made: its term of the memory sum. */
size_t tr_metrics_memory_bytes(uint32_t blocks_max);

/*
 * A zeroed block of an actor (`label` empty: none); lives as long as the registry. NULL when blocks_max are out or
 * memory is refused (asserted by callers that sized it). @thread any: registration is rare and takes the registry's
 * mutex.
 */
struct tr_metric_block *tr_metrics_add_block(struct tr_metrics *metrics, const char *label);

/* The same for a stream: its block shows the metrics with label STREAM and the latency histogram. */
struct tr_metric_block *tr_metrics_add_stream_block(struct tr_metrics *metrics, const char *stream);

/* The same for a cause of waiting: its block shows the metrics with label CAUSE. */
struct tr_metric_block *tr_metrics_add_cause_block(struct tr_metrics *metrics, const char *cause);

/* Shows the state as tailrace_health_state; `health` is borrowed until the last scrape. @thread main */
void tr_metrics_set_health(struct tr_metrics *metrics, const struct tr_health *health);

/* Shows the terms of `sum` (borrowed; complete, and constant from here on) as tailrace_memory_limit_bytes. @thread main */
void tr_metrics_set_memory_sum(struct tr_metrics *metrics, const struct tr_memory_sum *sum);

#define TR_METRICS_RUNNERS_MAX 72

/*
 * Shows a runner's cycle statistics; `runner` is borrowed until the last scrape. At most TR_METRICS_RUNNERS_MAX.
 * @thread main; scrapes may go on meanwhile
 */
void tr_metrics_add_runner(struct tr_metrics *metrics, const struct tr_runner *runner);

/* Adds to a counter (or gauge) of one's own block. @thread the block's owner */
static inline void tr_metric_add(struct tr_metric_block *block, enum tr_metric metric, uint64_t n)
{
    /* Relaxed: single writer, the scrape tolerates a moment's lag. */
    const uint64_t now = atomic_load_explicit(&block->values[metric], memory_order_relaxed);
    atomic_store_explicit(&block->values[metric], now + n, memory_order_relaxed);
}

/* Sets a gauge of one's own block. @thread the block's owner */
static inline void tr_metric_set(struct tr_metric_block *block, enum tr_metric metric,
                                 uint64_t value)
{
    atomic_store_explicit(&block->values[metric], value,
                          memory_order_relaxed); /* relaxed: as above */
}

/* Counts `count` records with one commit-to-accepted latency (negative counts as 0). @thread the block's owner */
void tr_metric_observe_latencies(struct tr_metric_block *block, int64_t latency_us, uint64_t count);

/* Counts one. @thread the block's owner */
static inline void tr_metric_observe_latency(struct tr_metric_block *block, int64_t latency_us)
{
    tr_metric_observe_latencies(block, latency_us, 1);
}

/* Where a scrape stands; zero it to begin. */
struct tr_metrics_cursor {
    uint32_t section; /* metric number, then the sections after the table */
    uint32_t line;    /* next line within the section */
    uint32_t is_done;
};

/* Room that any single line needs: callers give at least this much. */
#define TR_METRICS_PART_BYTES_MIN 4096

/*
 * Writes the next lines of the Prometheus text exposition (version 0.0.4) into `out`, whole lines only, and moves the
 * cursor. Returns bytes written; cursor->is_done once nothing is left. @thread one scrape at a time per cursor
 */
size_t tr_metrics_write_part(struct tr_metrics *metrics, struct tr_metrics_cursor *cursor,
                             char *out, size_t room_bytes);

/* Writes everything into `out` (at most `room_bytes`); returns bytes written, or 0 when it does not fit. */
size_t tr_metrics_write(struct tr_metrics *metrics, char *out, size_t room_bytes);

#endif
