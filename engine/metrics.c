// SPDX-License-Identifier: Apache-2.0
#include "engine/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/actor.h"
#include "engine/assert.h"
#include "engine/health.h"
#include "engine/metrics_parts.h"
#include "engine/metrics_process.h"
#include "engine/pool.h"
#include "engine/ring.h"

#define NONE TR_METRIC_SCOPE_NONE
#define ACTOR TR_METRIC_SCOPE_ACTOR
#define STREAM TR_METRIC_SCOPE_STREAM
#define CAUSE TR_METRIC_SCOPE_CAUSE
static const struct {
    const char *name;
    enum tr_metric_type type;
    enum tr_metric_scope scope;
    const char *help;
} metric_table[TR_METRIC_COUNT] = {
#define TR_METRIC(id, name, type, label, help) {(name), (type), (label), (help)},
#include "engine/metrics.def"
#undef TR_METRIC
};
#undef NONE
#undef ACTOR
#undef STREAM
#undef CAUSE

static const uint64_t bucket_bounds_us[TR_HISTOGRAM_BUCKETS] = {
    100,      200,      500,       1000,      2000,      5000,       10000,      20000,
    50000,    100000,   200000,    500000,    1000000,   2000000,    5000000,    10000000,
    20000000, 50000000, 100000000, 200000000, 500000000, 1000000000, 2000000000, 5000000000,
};
#define LATENCY_NAME "tailrace_commit_to_accepted_seconds"
#define LATENCY_LINES (TR_HISTOGRAM_BUCKETS + 3) /* the buckets, +Inf, sum, count */

static struct tr_metric_block *add_block(struct tr_metrics *metrics, enum tr_metric_scope scope,
                                         const char *label);
static bool put_section_line(struct tr_metrics *metrics, struct tr_metrics_cursor *cursor,
                             struct tr_metrics_writer *w);

enum tr_code tr_metrics_open(struct tr_metrics **metrics, uint32_t blocks_max, struct tr_error *err)
{
    struct tr_metrics *opened = calloc(1, sizeof(*opened));

    *metrics = NULL;
    if (opened == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "metrics registry: out of memory; free memory and start again");
    }
    opened->blocks = calloc(blocks_max, sizeof(struct tr_metric_block *));
    if (opened->blocks == NULL || pthread_mutex_init(&opened->mutex, NULL) != 0) {
        free(opened->blocks);
        free(opened);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "metrics registry of %" PRIu32
                       " blocks: out of memory; free memory and start again",
                       blocks_max);
    }
    opened->blocks_max = blocks_max;
    *metrics = opened;
    return TR_OK;
}

void tr_metrics_close(struct tr_metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    /* Relaxed: writers have ended. */
    const uint32_t block_count = atomic_load_explicit(&metrics->block_count, memory_order_relaxed);
    for (uint32_t i = 0; i < block_count; i++) {
        free(metrics->blocks[i]);
    }
    free(metrics->blocks);
    (void)pthread_mutex_destroy(&metrics->mutex);
    free(metrics);
}

/* Its own cache lines: neighbours have other writers. */
static size_t block_bytes(void)
{
    return (sizeof(struct tr_metric_block) + TR_NO_SHARE_BYTES - 1) / TR_NO_SHARE_BYTES *
           TR_NO_SHARE_BYTES;
}

size_t tr_metrics_memory_bytes(uint32_t blocks_max)
{
    return sizeof(struct tr_metrics) +
           blocks_max * (sizeof(struct tr_metric_block *) + block_bytes());
}

struct tr_metric_block *tr_metrics_add_block(struct tr_metrics *metrics, const char *label)
{
    return add_block(metrics, TR_METRIC_SCOPE_ACTOR, label);
}

struct tr_metric_block *tr_metrics_add_stream_block(struct tr_metrics *metrics, const char *stream)
{
    return add_block(metrics, TR_METRIC_SCOPE_STREAM, stream);
}

struct tr_metric_block *tr_metrics_add_cause_block(struct tr_metrics *metrics, const char *cause)
{
    return add_block(metrics, TR_METRIC_SCOPE_CAUSE, cause);
}

void tr_metrics_set_health(struct tr_metrics *metrics, const struct tr_health *health)
{
    /* Release, pairs with the acquire in tr_metrics_put_health_line(). */
    atomic_store_explicit(&metrics->health, health, memory_order_release);
}

static struct tr_metric_block *add_block(struct tr_metrics *metrics, enum tr_metric_scope scope,
                                         const char *label)
{
    const size_t bytes = block_bytes();
    struct tr_metric_block *block = NULL;

    (void)pthread_mutex_lock(&metrics->mutex); /* a default mutex: cannot fail when used in pairs */
    /* Relaxed: own under the mutex. */
    const uint32_t count = atomic_load_explicit(&metrics->block_count, memory_order_relaxed);
    if (count < metrics->blocks_max) {
        block = aligned_alloc(TR_NO_SHARE_BYTES, bytes);
    }
    if (block != NULL) {
        memset(block, 0, bytes);
        block->scope = scope;
        (void)snprintf(block->label, sizeof(block->label), "%s", label);
        metrics->blocks[count] = block;
        /* Release, pairs with the acquire in block_count(): the block is complete before it can be
         * seen. */
        atomic_store_explicit(&metrics->block_count, count + 1, memory_order_release);
    }
    (void)pthread_mutex_unlock(&metrics->mutex);
    return block;
}

void tr_metrics_set_memory_sum(struct tr_metrics *metrics, const struct tr_memory_sum *sum)
{
    /* Release, pairs with the acquire in tr_metrics_put_memory_line(): the sum is complete. */
    atomic_store_explicit(&metrics->memory_sum, sum, memory_order_release);
}

void tr_metrics_add_runner(struct tr_metrics *metrics, const struct tr_runner *runner)
{
    /* Relaxed: only the caller's thread adds. */
    const uint32_t count = atomic_load_explicit(&metrics->runner_count, memory_order_relaxed);
    TR_ASSERT(count < TR_METRICS_RUNNERS_MAX);
    metrics->runners[count] = runner;
    /* Release, pairs with the acquire in tr_metrics_put_runner_line(). */
    atomic_store_explicit(&metrics->runner_count, count + 1, memory_order_release);
}

void tr_metric_observe_latencies(struct tr_metric_block *block, int64_t latency_us, uint64_t count)
{
    const uint64_t value_us = latency_us < 0 ? 0 : (uint64_t)latency_us;
    uint32_t low = 0;
    uint32_t high = TR_HISTOGRAM_BUCKETS;

    while (low < high) { /* the first bound that is not below the value */
        const uint32_t middle = (low + high) / 2;
        if (bucket_bounds_us[middle] < value_us) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    /* Relaxed: single writer; a scrape between the two stores sees a sum a moment old. */
    const uint64_t bucket =
        atomic_load_explicit(&block->latency_buckets[low], memory_order_relaxed);
    const uint64_t sum_us = atomic_load_explicit(&block->latency_sum_us, memory_order_relaxed);
    atomic_store_explicit(&block->latency_buckets[low], bucket + count, memory_order_relaxed);
    atomic_store_explicit(&block->latency_sum_us, sum_us + value_us * count, memory_order_relaxed);
}

size_t tr_metrics_write_part(struct tr_metrics *metrics, struct tr_metrics_cursor *cursor,
                             char *out, size_t room_bytes)
{
    struct tr_metrics_writer w = {.out = out, .room_bytes = room_bytes};

    TR_ASSERT(room_bytes >= TR_METRICS_PART_BYTES_MIN);
    while (cursor->section < SECTION_END) {
        const size_t whole_bytes = w.bytes;
        const bool has_more = put_section_line(metrics, cursor, &w);
        if (w.is_full) {
            return whole_bytes;
        }
        cursor->line++;
        if (!has_more) {
            cursor->section++;
            cursor->line = 0;
        }
    }
    cursor->is_done = 1;
    return w.bytes;
}

size_t tr_metrics_write(struct tr_metrics *metrics, char *out, size_t room_bytes)
{
    struct tr_metrics_cursor cursor = {0};

    if (room_bytes < TR_METRICS_PART_BYTES_MIN) {
        return 0;
    }
    const size_t bytes = tr_metrics_write_part(metrics, &cursor, out, room_bytes);
    return cursor.is_done ? bytes : 0;
}

static uint32_t block_count(struct tr_metrics *metrics)
{
    /* Acquire, pairs with the release in add_block(): blocks below the count are complete. */
    return atomic_load_explicit(&metrics->block_count, memory_order_acquire);
}

static const char *const label_names[] = {[TR_METRIC_SCOPE_NONE] = "",
                                          [TR_METRIC_SCOPE_ACTOR] = "actor",
                                          [TR_METRIC_SCOPE_STREAM] = "stream",
                                          [TR_METRIC_SCOPE_CAUSE] = "cause"};

/* Line 0 is the head (with the sum, for a metric without label); line n + 1 is block n. Returns
 * whether more follow. */
static bool put_table_line(struct tr_metrics *metrics, uint32_t metric, uint32_t line,
                           struct tr_metrics_writer *w)
{
    const enum tr_metric_type type = metric_table[metric].type;
    const enum tr_metric_scope scope = metric_table[metric].scope;
    const char *name = metric_table[metric].name;
    const uint32_t count = block_count(metrics);

    if (line == 0) {
        const bool is_counter = type == COUNTER || type == COUNTER_US || type == COUNTER_NS;
        tr_metrics_put_head(w, name, is_counter ? "counter" : "gauge", metric_table[metric].help);
        if (scope != TR_METRIC_SCOPE_NONE) {
            return count > 0;
        }
        uint64_t sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            /* Relaxed: a statistic. */
            sum += atomic_load_explicit(&metrics->blocks[i]->values[metric], memory_order_relaxed);
        }
        tr_metrics_put(w, "%s", name);
        tr_metrics_put_value(w, type, sum);
        return false;
    }
    const struct tr_metric_block *block = metrics->blocks[line - 1];
    if (block->scope == scope && block->label[0] != '\0') {
        tr_metrics_put(w, "%s", name);
        tr_metrics_put_label(w, label_names[scope], block->label);
        tr_metrics_put(w, "}");
        tr_metrics_put_value(
            w, type,
            atomic_load_explicit(&block->values[metric], memory_order_relaxed)); /* a statistic */
    }
    return line < count;
}

/* Line 0 is the head; then LATENCY_LINES lines per stream's block, each with the sum of the buckets
 * up to its own. */
static bool put_latency_line(struct tr_metrics *metrics, uint32_t line, struct tr_metrics_writer *w)
{
    const uint32_t count = block_count(metrics);

    if (line == 0) {
        tr_metrics_put_head(w, LATENCY_NAME, "histogram",
                            "Time from the commit at the source to the record's acceptance.");
        return count > 0;
    }
    const uint32_t block_index = (line - 1) / LATENCY_LINES;
    const uint32_t part = (line - 1) % LATENCY_LINES;
    const struct tr_metric_block *block = metrics->blocks[block_index];
    const bool has_more = part + 1 < LATENCY_LINES || block_index + 1 < count;
    if (block->scope != TR_METRIC_SCOPE_STREAM) {
        return has_more;
    }
    if (part == TR_HISTOGRAM_BUCKETS + 1) {
        tr_metrics_put(w, LATENCY_NAME "_sum");
        tr_metrics_put_label(w, "stream", block->label);
        tr_metrics_put(w, "}");
        tr_metrics_put_value(
            w, COUNTER_US,
            atomic_load_explicit(&block->latency_sum_us, memory_order_relaxed)); /* a statistic */
        return has_more;
    }
    uint64_t up_to_here = 0;
    for (uint32_t i = 0; i <= part && i <= TR_HISTOGRAM_BUCKETS; i++) {
        up_to_here += atomic_load_explicit(&block->latency_buckets[i],
                                           memory_order_relaxed); /* a statistic */
    }
    tr_metrics_put(w, part > TR_HISTOGRAM_BUCKETS ? LATENCY_NAME "_count" : LATENCY_NAME "_bucket");
    tr_metrics_put_label(w, "stream", block->label);
    if (part < TR_HISTOGRAM_BUCKETS) {
        tr_metrics_put(w, ",le=\"%g\"", (double)bucket_bounds_us[part] / 1e6);
    } else if (part == TR_HISTOGRAM_BUCKETS) {
        tr_metrics_put(w, ",le=\"+Inf\"");
    }
    tr_metrics_put(w, "} %" PRIu64 "\n", up_to_here);
    return has_more;
}

/* Lines of one section are numbered from 0; returns whether the section has more after this one. */
static bool put_section_line(struct tr_metrics *metrics, struct tr_metrics_cursor *cursor,
                             struct tr_metrics_writer *w)
{
    if (cursor->section < TR_METRIC_COUNT) {
        return put_table_line(metrics, cursor->section, cursor->line, w);
    }
    switch (cursor->section) {
    case SECTION_LATENCY:
        return put_latency_line(metrics, cursor->line, w);
    case SECTION_HEALTH:
        return tr_metrics_put_health_line(metrics, cursor->line, w);
    case SECTION_RUNNER_LONGEST:
    case SECTION_RUNNER_SLOW:
    case SECTION_RUNNER_BUSY:
        return tr_metrics_put_runner_line(metrics, cursor->section, cursor->line, w);
    case SECTION_MEMORY:
        return tr_metrics_put_memory_line(metrics, cursor->line, w);
    case SECTION_PROCESS: {
        char text[TR_METRICS_PROCESS_BYTES];
        tr_metrics_put(w, "%.*s", (int)tr_metrics_process_write(text, sizeof(text)), text);
        return false;
    }
    }
    TR_ASSERT(cursor->section < SECTION_END);
    return false;
}
