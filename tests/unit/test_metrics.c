// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/actor.h"
#include "engine/health.h"
#include "engine/metrics.h"
#include "engine/pool.h"

#include <cmocka.h>

static char text[1048576];

static struct tr_metrics *open_metrics(uint32_t blocks_max)
{
    struct tr_metrics *metrics = NULL;
    struct tr_error err;
    assert_int_equal(tr_metrics_open(&metrics, blocks_max, &err), TR_OK);
    return metrics;
}

static void write_all(struct tr_metrics *metrics)
{
    const size_t bytes = tr_metrics_write(metrics, text, sizeof(text) - 1);
    assert_true(bytes > 0);
    text[bytes] = '\0';
}

static void metrics_without_label_are_summed_over_all_blocks(void **state)
{
    (void)state;
    struct tr_metrics *metrics = open_metrics(4);
    struct tr_metric_block *a = tr_metrics_add_block(metrics, "decoder-0");
    struct tr_metric_block *b = tr_metrics_add_block(metrics, "decoder-1");
    tr_metric_add(a, TR_METRIC_ROWS, 40);
    tr_metric_add(b, TR_METRIC_ROWS, 1);
    tr_metric_add(b, TR_METRIC_ROWS, 1);
    write_all(metrics);
    assert_non_null(strstr(text, "# HELP tailrace_rows_total Rows of captured tables encoded.\n"
                                 "# TYPE tailrace_rows_total counter\ntailrace_rows_total 42\n"));
    tr_metrics_close(metrics);
}

static void metrics_of_a_stream_carry_its_name_escaped(void **state)
{
    (void)state;
    struct tr_metrics *metrics = open_metrics(4);
    struct tr_metric_block *actor = tr_metrics_add_block(metrics, "shipper-0");
    struct tr_metric_block *stream = tr_metrics_add_stream_block(metrics, "a\"b\\c\nd");
    tr_metric_add(stream, TR_METRIC_RECORDS_ACKED, 7);
    tr_metric_add(actor, TR_METRIC_RECORDS_ACKED, 9); /* not a stream's: not shown under a stream */
    write_all(metrics);
    assert_non_null(strstr(text, "\ntailrace_records_acked_total{stream=\"a\\\"b\\\\c\\nd\"} 7\n"));
    assert_null(strstr(text, "shipper-0"));
    tr_metrics_close(metrics);
}

static void causes_states_and_what_no_number_tells_are_shown(void **state)
{
    (void)state;
    struct tr_metrics *metrics = open_metrics(4);
    struct tr_metric_block *gauges = tr_metrics_add_block(metrics, "supervisor");
    struct tr_metric_block *cause = tr_metrics_add_cause_block(metrics, "sink");
    struct tr_health health = {0};
    tr_metric_add(cause, TR_METRIC_BLOCKED, 1500000);
    tr_metric_set(gauges, TR_METRIC_LAG, TR_METRIC_UNKNOWN);
    tr_metric_set(gauges, TR_METRIC_CATCH_UP, TR_METRIC_INFINITE);
    tr_metric_set(gauges, TR_METRIC_OFFSET_AGE, 2500);
    tr_metrics_set_health(metrics, &health);
    tr_health_set(&health, TR_HEALTH_STALLED, 5);
    write_all(metrics);
    assert_non_null(strstr(text, "\ntailrace_blocked_seconds_total{cause=\"sink\"} 1.500000\n"));
    assert_null(strstr(text, "cause=\"supervisor\""));
    assert_non_null(strstr(text, "\ntailrace_lag_seconds NaN\n"));
    assert_non_null(strstr(text, "\ntailrace_catch_up_seconds +Inf\n"));
    assert_non_null(strstr(text, "\ntailrace_offset_age_seconds 2.500\n"));
    assert_non_null(strstr(text, "\ntailrace_health_state{state=\"stalled\"} 1\n"));
    assert_non_null(strstr(text, "\ntailrace_health_state{state=\"starting\"} 0\n"));
    assert_non_null(strstr(text, "\ntailrace_health_state{state=\"failed\"} 0\n"));
    tr_metrics_close(metrics);
}

static void latency_buckets_are_cumulative_and_count_their_bound(void **state)
{
    (void)state;
    struct tr_metrics *metrics = open_metrics(2);
    struct tr_metric_block *stream = tr_metrics_add_stream_block(metrics, "s");
    tr_metric_observe_latency(stream, -5);
    tr_metric_observe_latency(stream, 100);
    tr_metric_observe_latencies(stream, 101, 3);
    tr_metric_observe_latency(stream, INT64_C(5000000000));
    tr_metric_observe_latency(stream, INT64_C(5000000001));
    write_all(metrics);
    assert_non_null(
        strstr(text, "# TYPE tailrace_commit_to_accepted_seconds histogram\n"
                     "tailrace_commit_to_accepted_seconds_bucket{stream=\"s\",le=\"0.0001\"} 2\n"
                     "tailrace_commit_to_accepted_seconds_bucket{stream=\"s\",le=\"0.0002\"} 5\n"));
    assert_non_null(strstr(text, "_bucket{stream=\"s\",le=\"0.01\"} 5\n"));
    assert_non_null(
        strstr(text, "_bucket{stream=\"s\",le=\"5000\"} 6\n"
                     "tailrace_commit_to_accepted_seconds_bucket{stream=\"s\",le=\"+Inf\"} 7\n"
                     "tailrace_commit_to_accepted_seconds_sum{stream=\"s\"} 10000.000404\n"
                     "tailrace_commit_to_accepted_seconds_count{stream=\"s\"} 7\n"));
    tr_metrics_close(metrics);
}

static void scrape_in_parts_equals_the_whole(void **state)
{
    (void)state;
    struct tr_metrics *metrics = open_metrics(64);
    for (int i = 0; i < 40; i++) {
        char name[160];
        (void)snprintf(name, sizeof(name), "%0128d", i);
        struct tr_metric_block *block = tr_metrics_add_stream_block(metrics, name);
        tr_metric_observe_latency(block, i * 1000);
        tr_metric_set(block, TR_METRIC_RECORDS_ACKED, (uint64_t)i);
    }
    write_all(metrics);
    static char parts[1048576];
    char part[TR_METRICS_PART_BYTES_MIN];
    struct tr_metrics_cursor cursor = {0};
    size_t at = 0;
    uint32_t part_count = 0;
    while (!cursor.is_done) {
        const size_t bytes = tr_metrics_write_part(metrics, &cursor, part, sizeof(part));
        assert_true(bytes > 0 || cursor.is_done);
        memcpy(parts + at, part, bytes);
        at += bytes;
        part_count++;
    }
    parts[at] = '\0';
    assert_true(part_count > 40);
    /* The process's own values move between two scrapes. */
    *strstr(parts, "# HELP process_virtual") = '\0';
    *strstr(text, "# HELP process_virtual") = '\0';
    assert_string_equal(parts, text);
    char little[TR_METRICS_PART_BYTES_MIN];
    assert_int_equal(tr_metrics_write(metrics, little, sizeof(little)), 0);
    tr_metrics_close(metrics);
}

static void process_values_are_there(void **state)
{
    (void)state;
    struct tr_metrics *metrics = open_metrics(1);
    write_all(metrics);
    assert_non_null(
        strstr(text, "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes "));
    assert_non_null(strstr(text, "\nprocess_open_fds "));
    assert_non_null(strstr(text, "\nprocess_cpu_seconds_total "));
    const char *start = strstr(text, "\nprocess_start_time_seconds ");
    assert_non_null(start);
    assert_true(strtod(start + sizeof("\nprocess_start_time_seconds ") - 1, NULL) > 1.6e9);
    assert_non_null(strstr(text, "\ntailrace_build_info{version=\"" TAILRACE_VERSION "\"} 1\n"));
    tr_metrics_close(metrics);
}

static void registry_refuses_blocks_above_its_ceiling(void **state)
{
    (void)state;
    struct tr_metrics *metrics = open_metrics(2);
    assert_non_null(tr_metrics_add_block(metrics, "a"));
    assert_non_null(tr_metrics_add_block(metrics, "b"));
    assert_null(tr_metrics_add_block(metrics, "c"));
    tr_metrics_close(metrics);
    tr_metrics_close(NULL);
}

static void memory_terms_and_runners_are_shown(void **state)
{
    (void)state;
    struct tr_metrics *metrics = open_metrics(1);
    struct tr_memory_sum sum = {.terms = {{"chunks", 1024}, {"fragments", 2048}}, .term_count = 2};
    struct tr_runner runner = {
        .name = "spine", .slow_cycle_count = 3, .longest_cycle_ns = 1500, .busy_ns = 2000000001};
    tr_metrics_set_memory_sum(metrics, &sum);
    tr_metrics_add_runner(metrics, &runner);
    write_all(metrics);
    assert_non_null(strstr(text, "tailrace_memory_limit_bytes{term=\"chunks\"} 1024\n"
                                 "tailrace_memory_limit_bytes{term=\"fragments\"} 2048\n"));
    assert_non_null(
        strstr(text, "tailrace_runner_longest_cycle_seconds{runner=\"spine\"} 0.000001500\n"));
    assert_non_null(strstr(text, "tailrace_runner_slow_cycles_total{runner=\"spine\"} 3\n"));
    assert_non_null(
        strstr(text, "tailrace_runner_busy_seconds_total{runner=\"spine\"} 2.000000001\n"));
    tr_metrics_close(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_without_label_are_summed_over_all_blocks),
        cmocka_unit_test(metrics_of_a_stream_carry_its_name_escaped),
        cmocka_unit_test(causes_states_and_what_no_number_tells_are_shown),
        cmocka_unit_test(latency_buckets_are_cumulative_and_count_their_bound),
        cmocka_unit_test(scrape_in_parts_equals_the_whole),
        cmocka_unit_test(process_values_are_there),
        cmocka_unit_test(registry_refuses_blocks_above_its_ceiling),
        cmocka_unit_test(memory_terms_and_runners_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
