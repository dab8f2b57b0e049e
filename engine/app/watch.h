// SPDX-License-Identifier: Apache-2.0
/*
 * The supervisor's judgement: out of numbers that the actors publish, how far behind we are, whether we will catch up, what
 * keeps us, and which state health shows. Pure: it reads no clock and no atomic, so that every case is a test.
 *
 *   numbers, every 20 ms ---> tr_watch_step() ---> state, cause, lag     (health)
 *   log list, every 10 s -->                  ---> gauges and counters   (metrics)
 *
 * Lag is the age of the newest moment of the source up to which everything is delivered. A heartbeat tells that the
 * source has nothing newer, so an idle source has none; a source that is silent is behind by its silence.
 * @thread main
 */
#ifndef TR_ENGINE_APP_WATCH_H
#define TR_ENGINE_APP_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/health.h"
#include "engine/metrics.h"

#define TR_WATCH_SAMPLES                                                                           \
    1024                 /* of what was sequenced and is not saved yet; thinned out when full */
#define TR_WATCH_RATES 8 /* log lists that rates are computed over */

/* Why nothing, or less, moves. Several may be true at once. */
enum tr_watch_cause {
    TR_WATCH_SOURCE = 0, /* the dump connection is down */
    TR_WATCH_POOL,       /* reading waits for a chunk: something behind it is slower */
    TR_WATCH_REPLAY,     /* reading stopped at tailrace.replay.max.bytes */
    TR_WATCH_SINK,       /* records are with the shippers, and none was accepted for a second */
    TR_WATCH_STORE,      /* the offset store takes nothing */
    TR_WATCH_HISTORY,    /* the schema history takes nothing */
    TR_WATCH_CAUSE_COUNT
};

struct tr_watch_options {
    int64_t behind_ms;
    int64_t stalled_ms;
    int64_t silent_ms;          /* a source unheard of for longer is not idle, but silent */
    uint64_t retention_s;       /* of the source's logs; 0: until purged by hand */
    struct tr_metrics *metrics; /* borrows */
};

/* What the actors say now. */
struct tr_watch_input {
    int64_t now_ns;
    int64_t wall_us;
    uint64_t sequenced_seq;
    uint64_t safe_seq;
    uint64_t saved_seq;
    uint64_t sequenced_log_bytes;
    uint64_t safe_log_bytes;
    int64_t heard_us;      /* progress.source_heard_unix_us; 0: nothing yet */
    uint64_t queued_count; /* records with the shippers */
    bool has_read;         /* at least one byte of the log came */
    bool is_linked;        /* the dump connection is up */
    bool is_pool_empty;
    bool is_paused;
    bool is_in_snapshot;
    bool is_history_failing;
    int64_t store_failing_ns; /* since when; 0: it does not */
    int64_t store_saved_ns;   /* when it last took a position; 0: not yet */
};

/* What the server's list of log files says about a saved position. */
struct tr_watch_log {
    int64_t now_ns;
    int64_t wall_s;
    uint64_t base_log_bytes; /* of that position, as sequenced_log_bytes counts */
    uint64_t after_bytes;    /* of log behind it */
    bool has_file;           /* its file is still there */
    bool is_last_file;
    int64_t ts_sec; /* source time of the position; 0: unknown */
};

struct tr_watch_verdict {
    enum tr_health_state state;
    int64_t lag_ms;    /* negative: not known */
    const char *cause; /* static text; NULL: none */
};

struct tr_watch_sample {
    uint64_t seq;
    uint64_t log_bytes;
    int64_t heard_us;
};

struct tr_watch {
    struct tr_watch_options options;
    struct tr_metric_block *gauges;                        /* the registry's */
    struct tr_metric_block *blocked[TR_WATCH_CAUSE_COUNT]; /* likewise */
    struct tr_watch_sample samples[TR_WATCH_SAMPLES];      /* ascending; the first is saved */
    uint32_t sample_count;
    uint64_t sample_spacing; /* in units: doubles when they are full */
    uint64_t seen_safe_seq;
    int64_t progress_ns;      /* of the safe position, or when there was nothing to do */
    int64_t unlinked_ns;      /* since when the connection is down; 0: it is up */
    int64_t last_ns;          /* of the last step; 0: none */
    uint64_t delivered_bytes; /* of log; as of the last step */
    /* Of the server's log: its end as sequenced_log_bytes counts. */
    uint64_t end_bytes;
    bool is_end_known;
    struct {
        int64_t ns;
        uint64_t end_bytes;
        uint64_t delivered_bytes;
    } rates[TR_WATCH_RATES]; /* oldest first */
    uint32_t rate_count;
};

/* Registers its metrics, all unknown. */
void tr_watch_init(struct tr_watch *watch, const struct tr_watch_options *options);

/* Judges, and writes the metrics. Called at a steady pace; times and counts never go back. */
struct tr_watch_verdict tr_watch_step(struct tr_watch *watch, const struct tr_watch_input *input);

/* Log bytes at the saved position, for the next tr_watch_log. */
uint64_t tr_watch_saved_log_bytes(const struct tr_watch *watch);

/* A new list of log files; NULL: it could not be had. */
void tr_watch_take_log(struct tr_watch *watch, const struct tr_watch_log *log);

#endif
