// SPDX-License-Identifier: Apache-2.0
#include "engine/app/supervise.h"

#include "engine/app/settings.h"
#include "engine/clock.h"

#define HEARTBEATS_TO_SILENCE 3
#define SILENCE_MS_MIN 5000

/* Relaxed everywhere: numbers for people; a moment's disagreement does no harm. */
static uint64_t look(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static uint64_t look_metric(const struct tr_metric_block *block, enum tr_metric metric)
{
    return block == NULL ? 0 : look(&block->values[metric]);
}

void tr_supervise_init(struct tr_supervise *supervise, const struct tr_config *config,
                       struct tr_metrics *metrics, struct tr_health *health)
{
    const int64_t silent_ms = HEARTBEATS_TO_SILENCE * (int64_t)config->source_heartbeat_ms;
    const struct tr_watch_options options = {
        .behind_ms = (int64_t)config->behind_ms,
        .stalled_ms = (int64_t)config->stalled_ms,
        .silent_ms = silent_ms < SILENCE_MS_MIN ? SILENCE_MS_MIN : silent_ms,
        .metrics = metrics};

    *supervise = (struct tr_supervise){.config = config, .health = health};
    tr_watch_init(&supervise->watch, &options);
    tr_metrics_set_health(metrics, health);
}

enum tr_code tr_supervise_start(struct tr_supervise *supervise, const struct tr_start *start,
                                struct tr_pipeline *pipeline, struct tr_error *err)
{
    const struct tr_mysql_options mysql = tr_settings_mysql(supervise->config);

    supervise->start = start;
    supervise->pipeline = pipeline;
    supervise->watch.options.retention_s = start->facts.retention_s;
    return supervise->config->source_log_interval_ms == 0
               ? TR_OK
               : tr_source_watch_start(&supervise->source, &mysql, &start->facts, err);
}

static bool is_in_snapshot(const struct tr_supervise *supervise)
{
    return supervise->start->snapshot != NULL &&
           look(&tr_snapshot_progress(supervise->start->snapshot)->ended_ns) == 0;
}

static struct tr_watch_input read_input(const struct tr_supervise *supervise, int64_t now_ns)
{
    const struct tr_pipeline *pipeline = supervise->pipeline;
    const struct tr_progress *progress = &pipeline->progress;
    const struct tr_coordinator *coordinator = &pipeline->coordinator;
    const struct tr_metric_block *ingest = pipeline->ingest.options.metrics;
    /* What is behind first: then it never seems to be ahead. */
    const uint64_t saved_seq = look(&progress->saved_seq);
    const uint64_t safe_log_bytes = look(&progress->safe_log_bytes);
    const uint64_t safe_seq = look(&progress->safe_seq);

    const int64_t wall_us = tr_clock_wall_unix_ns(tr_clock_system()) / 1000;
    /* Nothing is read behind the snapshot: there is nothing to hear of. */
    const bool is_snapshot_all =
        supervise->config->snapshot_mode == TR_CONFIG_SNAPSHOT_INITIAL_ONLY;

    return (struct tr_watch_input){
        .now_ns = now_ns,
        .wall_us = wall_us,
        .saved_seq = saved_seq,
        .safe_log_bytes = safe_log_bytes,
        .safe_seq = safe_seq,
        .sequenced_seq = look(&progress->sequenced_seq),
        .sequenced_log_bytes = look(&progress->sequenced_log_bytes),
        .heard_us = is_snapshot_all ? wall_us
                                    : atomic_load_explicit(&progress->source_heard_unix_us,
                                                           memory_order_relaxed),
        .queued_count = tr_pipeline_queued_count(pipeline),
        .has_read = is_snapshot_all || look_metric(ingest, TR_METRIC_INGEST_BYTES) > 0,
        .is_linked = look_metric(ingest, TR_METRIC_SOURCE_CONNECTED) != 0,
        .is_pool_empty = look_metric(ingest, TR_METRIC_INGEST_CHUNKS_FREE) == 0,
        .is_paused = atomic_load_explicit(&pipeline->paused, memory_order_relaxed),
        .is_in_snapshot = is_in_snapshot(supervise),
        .is_history_failing =
            look_metric(pipeline->historian.options.metrics, TR_METRIC_HISTORY_FAILING) != 0,
        .store_failing_ns = atomic_load_explicit(&coordinator->failing_ns, memory_order_relaxed),
        .store_saved_ns = atomic_load_explicit(&coordinator->saved_ns, memory_order_relaxed)};
}

/* Asks for the list of log files when it is time, and takes the answer when it is there. */
static void watch_log(struct tr_supervise *supervise, const struct tr_watch_input *input)
{
    struct tr_watch_log log = {0};
    const enum tr_source_watch_state state = tr_source_watch_take(&supervise->source, &log);

    if (state == TR_SOURCE_WATCH_KNOWN || state == TR_SOURCE_WATCH_FAILED) {
        tr_watch_take_log(&supervise->watch, state == TR_SOURCE_WATCH_KNOWN ? &log : NULL);
    }
    if (input->now_ns < supervise->next_log_ns) {
        return;
    }
    char *offset = tr_source_watch_offset(&supervise->source);
    if (offset != NULL) {
        supervise->next_log_ns =
            input->now_ns + (int64_t)supervise->config->source_log_interval_ms * TR_NS_PER_MS;
        tr_coordinator_saved_text(&supervise->pipeline->coordinator, offset,
                                  TR_STORE_TEXT_BYTES_MAX);
        log = (struct tr_watch_log){.now_ns = input->now_ns,
                                    .wall_s = input->wall_us / 1000000,
                                    .base_log_bytes = tr_watch_saved_log_bytes(&supervise->watch)};
        tr_source_watch_ask(&supervise->source, &log);
    }
}

static void tell_snapshot(const struct tr_supervise *supervise, int64_t now_ns)
{
    struct tr_metric_block *gauges = supervise->watch.gauges;

    if (supervise->start->snapshot == NULL) {
        return;
    }
    const struct tr_snapshot_progress *progress = tr_snapshot_progress(supervise->start->snapshot);
    const uint64_t done = look(&progress->rows_done);
    const uint64_t all = look(&progress->rows_estimated);
    const uint64_t started_ns = look(&progress->started_ns);
    const bool is_running = is_in_snapshot(supervise);
    const uint64_t rest = all > done ? all - done : 0;
    const double seconds = (double)((uint64_t)now_ns - started_ns) / (double)TR_NS_PER_S;
    tr_metric_set(gauges, TR_METRIC_SNAPSHOT_RUNNING, is_running ? 1 : 0);
    tr_metric_set(gauges, TR_METRIC_SNAPSHOT_TABLES, look(&progress->table_count));
    tr_metric_set(gauges, TR_METRIC_SNAPSHOT_TABLES_DONE, look(&progress->tables_done));
    tr_metric_set(gauges, TR_METRIC_SNAPSHOT_ROWS, done);
    tr_metric_set(gauges, TR_METRIC_SNAPSHOT_ROWS_ESTIMATED, all);
    tr_metric_set(gauges, TR_METRIC_SNAPSHOT_REMAINING,
                  !is_running ? 0
                  : started_ns == 0 || done == 0
                      ? TR_METRIC_UNKNOWN
                      : (uint64_t)(seconds * (double)rest / (double)done));
}

void tr_supervise_step(struct tr_supervise *supervise, int64_t now_ns)
{
    const struct tr_watch_input input = read_input(supervise, now_ns);
    const struct tr_watch_verdict verdict = tr_watch_step(&supervise->watch, &input);

    tr_health_set_cause(supervise->health, verdict.state, verdict.lag_ms, verdict.cause);
    tell_snapshot(supervise, now_ns);
    if (supervise->source.is_started) {
        watch_log(supervise, &input);
    }
}

void tr_supervise_stop(struct tr_supervise *supervise)
{
    tr_source_watch_stop(&supervise->source);
}
