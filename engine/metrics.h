// SPDX-License-Identifier: Apache-2.0
/*
 * Metrics: one table (metrics.def: name with unit, type, label, help), one block of values per actor or stream.
 *
 * A block is written by its owner alone with relaxed stores and read by the HTTP actor at a scrape; metrics without a
 * label are summed over all blocks. Nothing is shared between writers, so nothing is an atomic read-modify-write.
 */
#ifndef TR_ENGINE_METRICS_H
#define TR_ENGINE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum tr_metric {
#define TR_METRIC(id, name, type, label, help) TR_METRIC_##id,
#include "engine/metrics.def"
#undef TR_METRIC
    TR_METRIC_COUNT
};

#define TR_HISTOGRAM_BUCKETS 24 /* bucket i counts values <= 100 us * 2^(i/2 rounded), see metrics.c */

struct tr_metric_block {
    char label[160]; /* value of the label: actor or stream name; empty = none */
    _Atomic uint64_t values[TR_METRIC_COUNT];
    _Atomic uint64_t latency_buckets[TR_HISTOGRAM_BUCKETS + 1]; /* commit to accepted, seconds */
    _Atomic uint64_t latency_sum_us;
};

struct tr_metrics; /* the registry: opaque, growable up to its ceiling at registration time only */

TR_NODISCARD enum tr_code tr_metrics_open(struct tr_metrics **metrics, uint32_t blocks_max, struct tr_error *err);
void tr_metrics_close(struct tr_metrics *metrics);

/* A zeroed block with that label; lives as long as the registry. NULL when blocks_max are out (asserted by callers that
 * sized it). @thread any: registration is rare and takes the registry's mutex. */
struct tr_metric_block *tr_metrics_add_block(struct tr_metrics *metrics, const char *label);

/* Adds to a counter (or gauge) of one's own block. @thread the block's owner */
static inline void tr_metric_add(struct tr_metric_block *block, enum tr_metric metric, uint64_t n)
{
    /* Relaxed: single writer, the scrape tolerates a moment's lag. */
    const uint64_t now = atomic_load_explicit(&block->values[metric], memory_order_relaxed);
    atomic_store_explicit(&block->values[metric], now + n, memory_order_relaxed);
}

/* Sets a gauge of one's own block. @thread the block's owner */
static inline void tr_metric_set(struct tr_metric_block *block, enum tr_metric metric, uint64_t value)
{
    atomic_store_explicit(&block->values[metric], value, memory_order_relaxed); /* relaxed: as above */
}

/* Counts one commit-to-accepted latency. @thread the block's owner */
void tr_metric_observe_latency(struct tr_metric_block *block, int64_t latency_us);

/* Writes the Prometheus text exposition of everything into `out` (at most `room_bytes`); returns bytes written, or 0 when
 * it does not fit. */
size_t tr_metrics_write(struct tr_metrics *metrics, char *out, size_t room_bytes);

#endif
