// SPDX-License-Identifier: Apache-2.0
/*
 * Inside of the metrics: the registry, and how lines are written. Included by metrics*.c only.
 */
#ifndef TR_ENGINE_METRICS_PARTS_H
#define TR_ENGINE_METRICS_PARTS_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/metrics.h"

enum tr_metric_type { COUNTER, GAUGE, COUNTER_US, COUNTER_NS, GAUGE_MS, GAUGE_US };

/* The sections of an exposition after those of the table. */
enum {
    SECTION_LATENCY = TR_METRIC_COUNT,
    SECTION_HEALTH,
    SECTION_RUNNER_LONGEST,
    SECTION_RUNNER_SLOW,
    SECTION_RUNNER_BUSY,
    SECTION_MEMORY,
    SECTION_PROCESS,
    SECTION_END
};

struct tr_metrics {
    pthread_mutex_t mutex; /* guards registration: block_count and the entries of blocks above it */
    uint32_t blocks_max;
    _Atomic uint32_t block_count;    /* stored under the mutex, read by scrapes */
    struct tr_metric_block **blocks; /* owns */
    /* Set by one thread at start, while scrapes may already be under way. */
    _Atomic(const struct tr_memory_sum *) memory_sum;
    _Atomic(const struct tr_health *) health;
    const struct tr_runner *runners[TR_METRICS_RUNNERS_MAX]; /* below runner_count: constant */
    _Atomic uint32_t runner_count;
};

/* Whole lines into a bounded buffer: a line that does not fit is taken back and ends the part. */
struct tr_metrics_writer {
    char *out;
    size_t room_bytes;
    size_t bytes;
    bool is_full;
};

/* metrics_write.c: lines, and the sections that do not come out of the table. */

void tr_metrics_put(struct tr_metrics_writer *w, const char *format, ...) TR_PRINTF(2, 3);
/* "# HELP" and "# TYPE". */
void tr_metrics_put_head(struct tr_metrics_writer *w, const char *name, const char *type,
                         const char *help);
/* `{name="value"`, without the closing brace. */
void tr_metrics_put_label(struct tr_metrics_writer *w, const char *label_name, const char *value);
/* A blank, the value as its type is printed, and the line's end. */
void tr_metrics_put_value(struct tr_metrics_writer *w, enum tr_metric_type type, uint64_t value);

/* One line of a section each, counted from 0; whether more follow. `section`: which of the runners' three. */
bool tr_metrics_put_runner_line(struct tr_metrics *metrics, uint32_t section, uint32_t line,
                                struct tr_metrics_writer *w);
bool tr_metrics_put_health_line(struct tr_metrics *metrics, uint32_t line,
                                struct tr_metrics_writer *w);
bool tr_metrics_put_memory_line(struct tr_metrics *metrics, uint32_t line,
                                struct tr_metrics_writer *w);

#endif
