// SPDX-License-Identifier: Apache-2.0
#include "engine/app/watch.h"

#include <stddef.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/clock.h"

#define SINK_WAIT_NS TR_NS_PER_S /* a request may take so long without being a cause */

static const struct {
    const char *label; /* of tailrace_blocked_seconds_total */
    const char *text;  /* for health */
} causes[TR_WATCH_CAUSE_COUNT] = {
    [TR_WATCH_SOURCE] = {"source", "the connection to the database is down"},
    [TR_WATCH_POOL] = {"pool", "reading waits for what is behind it"},
    [TR_WATCH_REPLAY] = {"replay", "tailrace.replay.max.bytes of log are not safe yet"},
    [TR_WATCH_SINK] = {"sink", "Kinesis accepts nothing"},
    [TR_WATCH_STORE] = {"store", "the offset store takes nothing"},
    [TR_WATCH_HISTORY] = {"history", "the schema history takes nothing"},
};

void tr_watch_init(struct tr_watch *watch, const struct tr_watch_options *options)
{
    static const enum tr_metric unknown[] = {TR_METRIC_LAG, TR_METRIC_LAG_BYTES, TR_METRIC_CATCH_UP,
                                             TR_METRIC_REPLAY_BYTES, TR_METRIC_RETENTION_HEADROOM};

    *watch = (struct tr_watch){.options = *options, .sample_count = 1, .sample_spacing = 1};
    watch->gauges = tr_metrics_add_block(options->metrics, "supervisor");
    TR_ASSERT(watch->gauges != NULL); /* the registry was sized for it */
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        tr_metric_set(watch->gauges, unknown[i], TR_METRIC_UNKNOWN);
    }
    for (size_t i = 0; i < TR_WATCH_CAUSE_COUNT; i++) {
        watch->blocked[i] = tr_metrics_add_cause_block(options->metrics, causes[i].label);
        TR_ASSERT(watch->blocked[i] != NULL);
    }
}

/* --- samples: what was sequenced when -------------------------------------------------------------- */

/* Every second one goes, never the first or the last: what is looked up gets coarser, never too new. */
static void thin_out(struct tr_watch *watch)
{
    uint32_t kept = 1;
    for (uint32_t i = 2; i + 1 < watch->sample_count; i += 2) {
        watch->samples[kept++] = watch->samples[i];
    }
    watch->samples[kept++] = watch->samples[watch->sample_count - 1];
    watch->sample_count = kept;
}

/* The newest sample that is not above `seq`; the first one is not. */
static const struct tr_watch_sample *sample_at(const struct tr_watch *watch, uint64_t seq)
{
    uint32_t low = 0;
    uint32_t high = watch->sample_count;
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        if (watch->samples[middle].seq <= seq) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &watch->samples[low];
}

static void take_sample(struct tr_watch *watch, const struct tr_watch_input *input)
{
    const struct tr_watch_sample *last = &watch->samples[watch->sample_count - 1];
    const struct tr_watch_sample now = {.seq = input->sequenced_seq,
                                        .log_bytes = input->sequenced_log_bytes,
                                        .heard_us = input->heard_us};
    /* The last one moves along until it is far enough from the one before. */
    if (watch->sample_count == 1 ||
        last->seq - watch->samples[watch->sample_count - 2].seq >= watch->sample_spacing) {
        if (watch->sample_count == TR_WATCH_SAMPLES) {
            thin_out(watch);
            watch->sample_spacing *= 2;
        }
        if (now.seq != watch->samples[watch->sample_count - 1].seq) {
            watch->sample_count++;
        }
    }
    watch->samples[watch->sample_count - 1] = now;
    const size_t first = (size_t)(sample_at(watch, input->saved_seq) - watch->samples);
    memmove(watch->samples, watch->samples + first,
            (watch->sample_count - first) * sizeof(watch->samples[0]));
    watch->sample_count -= (uint32_t)first;
    if (watch->sample_count < TR_WATCH_SAMPLES / 4 && watch->sample_spacing > 1) {
        watch->sample_spacing /= 2;
    }
}

uint64_t tr_watch_saved_log_bytes(const struct tr_watch *watch)
{
    return watch->samples[0].log_bytes;
}

/* --- judgement -------------------------------------------------------------------------------------- */

static bool is_silent(const struct tr_watch *watch, const struct tr_watch_input *input)
{
    return !input->is_linked || input->wall_us - input->heard_us > watch->options.silent_ms * 1000;
}

static int64_t lag_ms_of(const struct tr_watch *watch, const struct tr_watch_input *input)
{
    const bool has_work = input->sequenced_seq > input->safe_seq;
    if (input->heard_us == 0) {
        return -1;
    }
    if (!has_work && !is_silent(watch, input)) {
        return 0;
    }
    const int64_t heard_us = sample_at(watch, input->safe_seq)->heard_us;
    if (heard_us == 0) {
        return -1;
    }
    return input->wall_us > heard_us ? (input->wall_us - heard_us) / 1000 : 0;
}

/* Which causes are true now. */
static void find_causes(struct tr_watch *watch, const struct tr_watch_input *input,
                        bool is_true[TR_WATCH_CAUSE_COUNT])
{
    is_true[TR_WATCH_SOURCE] = !input->is_linked;
    is_true[TR_WATCH_POOL] = input->is_pool_empty;
    is_true[TR_WATCH_REPLAY] = input->is_paused;
    is_true[TR_WATCH_SINK] =
        input->queued_count > 0 && input->now_ns - watch->progress_ns > SINK_WAIT_NS;
    is_true[TR_WATCH_STORE] = input->store_failing_ns != 0;
    is_true[TR_WATCH_HISTORY] = input->is_history_failing;
}

static void note_progress(struct tr_watch *watch, const struct tr_watch_input *input)
{
    if (input->safe_seq != watch->seen_safe_seq || input->sequenced_seq <= input->safe_seq) {
        watch->seen_safe_seq = input->safe_seq;
        watch->progress_ns = input->now_ns;
    }
    if (input->is_linked) {
        watch->unlinked_ns = 0;
    } else if (watch->unlinked_ns == 0) {
        watch->unlinked_ns = input->now_ns;
    }
}

static struct tr_watch_verdict judge(const struct tr_watch *watch,
                                     const struct tr_watch_input *input,
                                     const bool is_true[TR_WATCH_CAUSE_COUNT])
{
    const int64_t stalled_ns = watch->options.stalled_ms * TR_NS_PER_MS;
    const bool has_work = input->sequenced_seq > input->safe_seq;
    struct tr_watch_verdict verdict = {.lag_ms = lag_ms_of(watch, input)};
    enum tr_watch_cause cause = TR_WATCH_CAUSE_COUNT;

    if (!input->has_read && !input->is_in_snapshot) {
        verdict.state = TR_HEALTH_STARTING;
        cause = is_true[TR_WATCH_SOURCE] ? TR_WATCH_SOURCE : cause;
    } else if (is_true[TR_WATCH_REPLAY]) {
        verdict.state = TR_HEALTH_BLOCKED;
        cause = is_true[TR_WATCH_STORE]     ? TR_WATCH_STORE
                : is_true[TR_WATCH_HISTORY] ? TR_WATCH_HISTORY
                                            : TR_WATCH_REPLAY;
    } else if (is_true[TR_WATCH_STORE] && input->now_ns - input->store_failing_ns > stalled_ns) {
        verdict.state = TR_HEALTH_STALLED; /* what is delivered would be delivered again */
        cause = TR_WATCH_STORE;
    } else if (has_work && input->now_ns - watch->progress_ns > stalled_ns) {
        verdict.state = TR_HEALTH_STALLED;
        cause = is_true[TR_WATCH_HISTORY] ? TR_WATCH_HISTORY
                : is_true[TR_WATCH_SINK]  ? TR_WATCH_SINK
                                          : cause;
    } else if (watch->unlinked_ns != 0 && input->now_ns - watch->unlinked_ns > stalled_ns) {
        verdict.state = TR_HEALTH_STALLED;
        cause = TR_WATCH_SOURCE;
    } else {
        verdict.state = input->is_in_snapshot                       ? TR_HEALTH_SNAPSHOT
                        : verdict.lag_ms > watch->options.behind_ms ? TR_HEALTH_BEHIND
                        : has_work                                  ? TR_HEALTH_STREAMING
                                                                    : TR_HEALTH_IDLE;
        for (uint32_t i = 0; i < TR_WATCH_CAUSE_COUNT && cause == TR_WATCH_CAUSE_COUNT; i++) {
            cause = is_true[i] && i != TR_WATCH_POOL ? (enum tr_watch_cause)i : cause;
        }
    }
    verdict.cause = cause == TR_WATCH_CAUSE_COUNT ? NULL : causes[cause].text;
    return verdict;
}

/* --- gauges ----------------------------------------------------------------------------------------- */

static uint64_t lag_bytes_of(const struct tr_watch *watch, const struct tr_watch_input *input)
{
    if (!watch->is_end_known) {
        return TR_METRIC_UNKNOWN;
    }
    if (input->sequenced_seq <= input->safe_seq && !is_silent(watch, input)) {
        return 0; /* a heartbeat says so; the list may be ten seconds old */
    }
    const uint64_t end_bytes = watch->end_bytes > input->sequenced_log_bytes
                                   ? watch->end_bytes
                                   : input->sequenced_log_bytes;
    return end_bytes > input->safe_log_bytes ? end_bytes - input->safe_log_bytes : 0;
}

/* Seconds until lag_bytes are delivered, at the rates of the last lists. */
static uint64_t catch_up_of(const struct tr_watch *watch, uint64_t lag_bytes)
{
    if (lag_bytes == TR_METRIC_UNKNOWN || lag_bytes == 0) {
        return lag_bytes;
    }
    if (watch->rate_count < 2) {
        return TR_METRIC_UNKNOWN;
    }
    const uint32_t last = watch->rate_count - 1;
    const double seconds = (double)(watch->rates[last].ns - watch->rates[0].ns) / TR_NS_PER_S;
    const double grown = (double)(watch->rates[last].end_bytes - watch->rates[0].end_bytes);
    const double done =
        (double)(watch->rates[last].delivered_bytes - watch->rates[0].delivered_bytes);
    if (done <= grown) {
        return TR_METRIC_INFINITE;
    }
    return (uint64_t)((double)lag_bytes / ((done - grown) / seconds));
}

static void write_gauges(struct tr_watch *watch, const struct tr_watch_input *input, int64_t lag_ms)
{
    const uint64_t lag_bytes = lag_bytes_of(watch, input);
    const uint64_t saved_bytes = tr_watch_saved_log_bytes(watch);
    const bool is_saved = input->saved_seq >= input->safe_seq;

    watch->delivered_bytes = input->safe_log_bytes;
    tr_metric_set(watch->gauges, TR_METRIC_LAG, lag_ms < 0 ? TR_METRIC_UNKNOWN : (uint64_t)lag_ms);
    tr_metric_set(watch->gauges, TR_METRIC_LAG_BYTES, lag_bytes);
    tr_metric_set(watch->gauges, TR_METRIC_CATCH_UP, catch_up_of(watch, lag_bytes));
    tr_metric_set(
        watch->gauges, TR_METRIC_REPLAY_BYTES,
        input->sequenced_log_bytes > saved_bytes ? input->sequenced_log_bytes - saved_bytes : 0);
    tr_metric_set(watch->gauges, TR_METRIC_OFFSET_AGE,
                  is_saved || input->store_saved_ns == 0
                      ? 0
                      : (uint64_t)((input->now_ns - input->store_saved_ns) / TR_NS_PER_MS));
}

struct tr_watch_verdict tr_watch_step(struct tr_watch *watch, const struct tr_watch_input *input)
{
    bool is_true[TR_WATCH_CAUSE_COUNT];

    take_sample(watch, input);
    note_progress(watch, input);
    find_causes(watch, input, is_true);
    const struct tr_watch_verdict verdict = judge(watch, input, is_true);
    write_gauges(watch, input, verdict.lag_ms);
    for (uint32_t i = 0; i < TR_WATCH_CAUSE_COUNT && watch->last_ns != 0; i++) {
        if (is_true[i]) {
            tr_metric_add(watch->blocked[i], TR_METRIC_BLOCKED,
                          (uint64_t)(input->now_ns - watch->last_ns) / 1000);
        }
    }
    watch->last_ns = input->now_ns;
    return verdict;
}

/* --- the log ----------------------------------------------------------------------------------------- */

/* Seconds until the server may purge the file of that position. */
static uint64_t headroom_of(const struct tr_watch *watch, const struct tr_watch_log *log)
{
    const int64_t retention_s = (int64_t)watch->options.retention_s;
    if (!log->has_file) {
        return 0; /* it has */
    }
    if (retention_s == 0) {
        return TR_METRIC_INFINITE;
    }
    if (log->is_last_file) {
        return (uint64_t)retention_s; /* it is still being written to */
    }
    if (log->ts_sec == 0) {
        return TR_METRIC_UNKNOWN;
    }
    /* The file ends with a later event than this one: at least so long. */
    const int64_t age_s = log->wall_s - log->ts_sec;
    return age_s < 0              ? (uint64_t)retention_s
           : age_s >= retention_s ? 0
                                  : (uint64_t)(retention_s - age_s);
}

void tr_watch_take_log(struct tr_watch *watch, const struct tr_watch_log *log)
{
    watch->is_end_known = log != NULL && log->has_file;
    tr_metric_set(watch->gauges, TR_METRIC_RETENTION_HEADROOM,
                  log == NULL ? TR_METRIC_UNKNOWN : headroom_of(watch, log));
    if (!watch->is_end_known) {
        watch->rate_count = 0;
        return;
    }
    const uint64_t end_bytes = log->base_log_bytes + log->after_bytes;
    watch->end_bytes = end_bytes > watch->end_bytes ? end_bytes : watch->end_bytes;
    if (watch->rate_count == TR_WATCH_RATES) {
        memmove(watch->rates, watch->rates + 1, (TR_WATCH_RATES - 1) * sizeof(watch->rates[0]));
        watch->rate_count--;
    }
    watch->rates[watch->rate_count].ns = log->now_ns;
    watch->rates[watch->rate_count].end_bytes = watch->end_bytes;
    watch->rates[watch->rate_count].delivered_bytes = watch->delivered_bytes;
    watch->rate_count++;
}
