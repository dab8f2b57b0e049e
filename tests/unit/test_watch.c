// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "engine/app/watch.h"
#include "engine/clock.h"
#include "tests/check.h"

#define STEP_NS (20 * TR_NS_PER_MS)
#define START_US INT64_C(1700000000000000)

static struct tr_metrics *metrics;
static struct tr_watch watch;
static struct tr_watch_input input;

static int open_watch(void **state)
{
    struct tr_error err;
    (void)state;
    assert_int_equal(tr_metrics_open(&metrics, 16, &err), TR_OK);
    const struct tr_watch_options options = {.behind_ms = 10000,
                                             .stalled_ms = 30000,
                                             .silent_ms = 5000,
                                             .retention_s = 86400,
                                             .metrics = metrics};
    tr_watch_init(&watch, &options);
    input = (struct tr_watch_input){
        .now_ns = TR_NS_PER_S, .wall_us = START_US, .is_linked = true, .has_read = true};
    return 0;
}

static int close_watch(void **state)
{
    (void)state;
    tr_metrics_close(metrics);
    return 0;
}

static uint64_t gauge(enum tr_metric metric)
{
    return atomic_load_explicit(&watch.gauges->values[metric], memory_order_relaxed);
}

static double blocked_s(enum tr_watch_cause cause)
{
    return (double)atomic_load_explicit(&watch.blocked[cause]->values[TR_METRIC_BLOCKED],
                                        memory_order_relaxed) /
           1e6;
}

/* So much later, with the same numbers. */
static struct tr_watch_verdict after(double seconds)
{
    struct tr_watch_verdict verdict = {0};
    const int64_t end_ns = input.now_ns + (int64_t)(seconds * TR_NS_PER_S);
    do {
        const int64_t step_ns = end_ns - input.now_ns < STEP_NS ? end_ns - input.now_ns : STEP_NS;
        input.now_ns += step_ns;
        input.wall_us += step_ns / 1000;
        verdict = tr_watch_step(&watch, &input);
    } while (input.now_ns < end_ns);
    return verdict;
}

/* A unit more is sequenced, of so many log bytes, heard of now. */
static void sequence(uint64_t bytes)
{
    input.sequenced_seq++;
    input.sequenced_log_bytes += bytes;
    input.heard_us = input.wall_us;
}

static void deliver_all(void)
{
    input.safe_seq = input.sequenced_seq;
    input.safe_log_bytes = input.sequenced_log_bytes;
}

static void assert_state(struct tr_watch_verdict verdict, enum tr_health_state wanted)
{
    assert_string_equal(tr_health_state_name(verdict.state), tr_health_state_name(wanted));
}

static void nothing_is_known_before_the_first_byte(void **state)
{
    (void)state;
    assert_true(gauge(TR_METRIC_LAG) == TR_METRIC_UNKNOWN);
    assert_true(gauge(TR_METRIC_LAG_BYTES) == TR_METRIC_UNKNOWN);
    assert_true(gauge(TR_METRIC_CATCH_UP) == TR_METRIC_UNKNOWN);
    assert_true(gauge(TR_METRIC_RETENTION_HEADROOM) == TR_METRIC_UNKNOWN);
    input.has_read = false;
    struct tr_watch_verdict verdict = after(1);
    assert_state(verdict, TR_HEALTH_STARTING);
    assert_int_equal(verdict.lag_ms, -1);
    assert_null(verdict.cause);
    input.is_linked = false;
    verdict = after(1);
    assert_state(verdict, TR_HEALTH_STARTING);
    assert_non_null(strstr(verdict.cause, "database is down"));
}

static void heartbeats_keep_an_idle_source_without_lag(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        sequence(40);
        deliver_all();
        const struct tr_watch_verdict verdict = after(1);
        assert_state(verdict, TR_HEALTH_IDLE);
        assert_int_equal(verdict.lag_ms, 0);
    }
}

/* An hour of nothing, then one event: it is milliseconds old, not an hour. */
static void event_after_a_quiet_hour_is_no_lag_of_an_hour(void **state)
{
    (void)state;
    for (int i = 0; i < 3600; i++) {
        sequence(40);
        deliver_all();
        (void)after(1);
    }
    sequence(200);
    const struct tr_watch_verdict verdict = after(0.02);
    assert_state(verdict, TR_HEALTH_STREAMING);
    assert_in_range(verdict.lag_ms, 0, 1100);
}

static void undelivered_events_age_until_behind_then_stalled(void **state)
{
    (void)state;
    sequence(100);
    deliver_all();
    (void)after(1);
    sequence(100);
    input.queued_count = 5;
    assert_state(after(2), TR_HEALTH_STREAMING);
    assert_in_range(gauge(TR_METRIC_LAG), 2900, 3100);
    struct tr_watch_verdict verdict = after(9);
    assert_state(verdict, TR_HEALTH_BEHIND);
    assert_non_null(strstr(verdict.cause, "Kinesis"));
    verdict = after(20);
    assert_state(verdict, TR_HEALTH_STALLED);
    assert_non_null(strstr(verdict.cause, "Kinesis"));
    assert_in_range((int64_t)(blocked_s(TR_WATCH_SINK) * 10), 290,
                    310); /* but for a first second */
    deliver_all();
    input.queued_count = 0;
    input.heard_us = input.wall_us;
    verdict = after(0.02);
    assert_state(verdict, TR_HEALTH_IDLE);
    assert_int_equal(verdict.lag_ms, 0);
    assert_null(verdict.cause);
}

/* Reading an old log: what was heard of last is old itself. */
static void lag_of_a_backlog_is_its_age(void **state)
{
    (void)state;
    sequence(100);
    input.heard_us = input.wall_us - 7200 * INT64_C(1000000);
    deliver_all();
    (void)after(0.1);
    sequence(100);
    input.heard_us = input.wall_us - 7100 * INT64_C(1000000);
    const struct tr_watch_verdict verdict = after(0.02);
    assert_state(verdict, TR_HEALTH_BEHIND);
    assert_in_range(verdict.lag_ms / 1000, 7199, 7201);
}

static void lost_connection_is_lag_then_stalled(void **state)
{
    (void)state;
    sequence(100);
    deliver_all();
    assert_state(after(1), TR_HEALTH_IDLE);
    input.is_linked = false;
    struct tr_watch_verdict verdict = after(2);
    assert_state(verdict, TR_HEALTH_IDLE);
    assert_in_range(verdict.lag_ms, 2900, 3100);
    assert_non_null(strstr(verdict.cause, "database is down"));
    assert_state(after(10), TR_HEALTH_BEHIND);
    verdict = after(20);
    assert_state(verdict, TR_HEALTH_STALLED);
    assert_in_range((int64_t)blocked_s(TR_WATCH_SOURCE), 31, 33);
    input.is_linked = true;
    sequence(100);
    deliver_all();
    assert_state(after(0.02), TR_HEALTH_IDLE);
}

static void silent_source_on_a_live_connection_is_lag(void **state)
{
    (void)state;
    sequence(100);
    deliver_all();
    assert_int_equal(after(4).lag_ms, 0);
    assert_in_range(after(4).lag_ms, 7900, 8100);
}

static void failing_store_is_a_cause_at_once_and_stalled_later(void **state)
{
    (void)state;
    sequence(100);
    deliver_all();
    (void)after(1);
    input.store_failing_ns = input.now_ns;
    input.store_saved_ns = input.now_ns - 5 * TR_NS_PER_S;
    for (int i = 0; i < 25; i++) {
        sequence(100);
        deliver_all();
        const struct tr_watch_verdict verdict = after(1);
        assert_state(verdict, TR_HEALTH_IDLE);
        assert_non_null(strstr(verdict.cause, "offset store"));
    }
    assert_int_equal(gauge(TR_METRIC_OFFSET_AGE), 30000);
    for (int i = 0; i < 10; i++) {
        sequence(100);
        deliver_all();
        (void)after(1);
    }
    assert_state(after(0.02), TR_HEALTH_STALLED);
    input.store_failing_ns = 0;
    input.saved_seq = input.safe_seq;
    assert_state(after(0.02), TR_HEALTH_IDLE);
    assert_int_equal(gauge(TR_METRIC_OFFSET_AGE), 0);
    assert_in_range((int64_t)blocked_s(TR_WATCH_STORE), 34, 36);
}

static void replay_bound_blocks_and_names_who_is_to_blame(void **state)
{
    (void)state;
    sequence(100);
    input.is_paused = true;
    struct tr_watch_verdict verdict = after(1);
    assert_state(verdict, TR_HEALTH_BLOCKED);
    assert_non_null(strstr(verdict.cause, "replay.max.bytes"));
    input.is_history_failing = true;
    assert_non_null(strstr(after(1).cause, "schema history"));
    input.store_failing_ns = input.now_ns;
    assert_non_null(strstr(after(1).cause, "offset store"));
    assert_in_range((int64_t)(blocked_s(TR_WATCH_REPLAY) * 100), 290, 300);
}

static void snapshot_is_a_state_until_it_stalls(void **state)
{
    (void)state;
    input.is_in_snapshot = true;
    input.has_read = false;
    input.heard_us = 0;
    for (int i = 0; i < 60; i++) {
        input.sequenced_seq++;
        input.safe_seq = input.sequenced_seq - 1;
        assert_state(after(1), TR_HEALTH_SNAPSHOT);
    }
    input.queued_count = 1;
    assert_state(after(31), TR_HEALTH_STALLED);
}

static void replay_is_what_lies_behind_the_saved_position(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        sequence(100);
        deliver_all();
        (void)after(0.02);
    }
    assert_int_equal(gauge(TR_METRIC_REPLAY_BYTES), 1000);
    input.saved_seq = 4;
    (void)after(0.02);
    assert_int_equal(gauge(TR_METRIC_REPLAY_BYTES), 600);
    input.saved_seq = 10;
    (void)after(0.02);
    assert_int_equal(gauge(TR_METRIC_REPLAY_BYTES), 0);
}

/* A stall of days: samples are thinned out, and what is looked up stays on the safe side, roughly right. */
static void samples_are_thinned_out_and_stay_on_the_safe_side(void **state)
{
    (void)state;
    for (int i = 0; i < 10 * TR_WATCH_SAMPLES; i++) {
        sequence(100);
        (void)after(0.02);
        assert_in_range(watch.sample_count, 1, TR_WATCH_SAMPLES);
    }
    input.saved_seq = 5000;
    (void)after(0.02);
    const uint64_t replay = gauge(TR_METRIC_REPLAY_BYTES);
    const uint64_t exact = (10 * TR_WATCH_SAMPLES - 5000) * 100;
    assert_true(replay >= exact);
    assert_true(replay < exact + 200000);
}

static void take_log(uint64_t after_bytes, int64_t age_s, bool is_last)
{
    const struct tr_watch_log log = {.now_ns = input.now_ns,
                                     .wall_s = input.wall_us / 1000000,
                                     .base_log_bytes = tr_watch_saved_log_bytes(&watch),
                                     .after_bytes = after_bytes,
                                     .has_file = true,
                                     .is_last_file = is_last,
                                     .ts_sec = input.wall_us / 1000000 - age_s};
    tr_watch_take_log(&watch, &log);
    (void)after(0.02);
}

/* A list every ten seconds: `come` bytes of log more on the source, `done` more delivered. */
static void ten_seconds(uint64_t come, uint64_t done, uint64_t *end_bytes)
{
    sequence(done);
    input.safe_seq = input.sequenced_seq - 1;
    input.safe_log_bytes = input.sequenced_log_bytes;
    (void)after(10);
    *end_bytes += come;
    take_log(*end_bytes, 60, false);
}

static void catching_up_is_foretold_by_both_rates(void **state)
{
    uint64_t end_bytes = 5000000;
    (void)state;
    sequence(1);
    ten_seconds(0, 0, &end_bytes);
    assert_true(gauge(TR_METRIC_CATCH_UP) == TR_METRIC_UNKNOWN); /* one list tells no rate */
    for (int i = 0; i < 10; i++) {
        ten_seconds(100000, 300000, &end_bytes); /* 20 KB a second nearer */
    }
    assert_int_equal(gauge(TR_METRIC_LAG_BYTES), 5000000 + 1000000 - 3000000 - 1);
    assert_in_range(gauge(TR_METRIC_CATCH_UP), 149, 150);
    for (int i = 0; i < 10; i++) {
        ten_seconds(300000, 200000, &end_bytes);
    }
    assert_true(gauge(TR_METRIC_CATCH_UP) == TR_METRIC_INFINITE);
    deliver_all();
    input.heard_us = input.wall_us;
    (void)after(0.02);
    assert_int_equal(gauge(TR_METRIC_LAG_BYTES), 0);
    assert_int_equal(gauge(TR_METRIC_CATCH_UP), 0);
}

static void retention_headroom_is_a_lower_bound(void **state)
{
    (void)state;
    sequence(1);
    (void)after(0.02);
    take_log(10, 80000, true);
    assert_int_equal(gauge(TR_METRIC_RETENTION_HEADROOM), 86400); /* its file is being written to */
    take_log(10, 80000, false);
    assert_int_equal(gauge(TR_METRIC_RETENTION_HEADROOM), 6400);
    take_log(10, 90000, false);
    assert_int_equal(gauge(TR_METRIC_RETENTION_HEADROOM), 0);
    watch.options.retention_s = 0;
    take_log(10, 90000, false);
    assert_true(gauge(TR_METRIC_RETENTION_HEADROOM) == TR_METRIC_INFINITE);
    tr_watch_take_log(&watch, &(struct tr_watch_log){.has_file = false});
    assert_int_equal(gauge(TR_METRIC_RETENTION_HEADROOM), 0);
    assert_true((after(0.02), gauge(TR_METRIC_LAG_BYTES)) == TR_METRIC_UNKNOWN);
    tr_watch_take_log(&watch, NULL);
    assert_true(gauge(TR_METRIC_RETENTION_HEADROOM) == TR_METRIC_UNKNOWN);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_watch, close_watch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_is_known_before_the_first_byte),
        CASE(heartbeats_keep_an_idle_source_without_lag),
        CASE(event_after_a_quiet_hour_is_no_lag_of_an_hour),
        CASE(undelivered_events_age_until_behind_then_stalled),
        CASE(lag_of_a_backlog_is_its_age),
        CASE(lost_connection_is_lag_then_stalled),
        CASE(silent_source_on_a_live_connection_is_lag),
        CASE(failing_store_is_a_cause_at_once_and_stalled_later),
        CASE(replay_bound_blocks_and_names_who_is_to_blame),
        CASE(snapshot_is_a_state_until_it_stalls),
        CASE(replay_is_what_lies_behind_the_saved_position),
        CASE(samples_are_thinned_out_and_stay_on_the_safe_side),
        CASE(catching_up_is_foretold_by_both_rates),
        CASE(retention_headroom_is_a_lower_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
