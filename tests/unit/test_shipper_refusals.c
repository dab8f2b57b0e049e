// SPDX-License-Identifier: Apache-2.0
/* One cause, one behaviour: what the service refuses, and what options may not be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/support/shipper_rig.h"

static void one_bad_record_is_found_by_halves(void **state)
{
    char key[32];
    (void)state;
    (void)snprintf(rig->stream[0]->poison, sizeof(rig->stream[0]->poison), "poison");
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    for (uint32_t i = 0; i < 500; i++) {
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i);
        shipper_rig_add(unit, key, i == 333 ? "poison" : "good");
    }
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(5000);
    assert_int_equal(rig->applied_count, 499); /* all others arrive, once */
    shipper_rig_expect_fault(TR_ERR_SINK_RECORD, "ValidationException");
    assert_int_equal(rig->shipper->queued_now, 1);
    assert_int_equal(rig->shipper->streams[0].lanes.flight_mask, 0);
    assert_int_equal(shipper_rig_acked(), 0);
}

static void a_bad_record_of_a_hot_key_is_found_as_well(void **state)
{
    char value[16];
    (void)state;
    (void)snprintf(rig->stream[0]->poison, sizeof(rig->stream[0]->poison), "v77 ");
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    for (uint32_t i = 0; i < 100; i++) {
        (void)snprintf(value, sizeof(value), "v%u ", i);
        shipper_rig_add(unit, "{\"id\":1}", value);
    }
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(5000);
    assert_int_equal(rig->applied_count, 77); /* what is before it, in order; nothing behind it */
    assert_string_equal(rig->applied[76].data, "v76 ");
    shipper_rig_expect_fault(TR_ERR_SINK_RECORD, "ValidationException");
}

static void requests_shrink_when_the_service_says_too_large(void **state)
{
    static uint8_t value[100 * 1024];
    char key[32];
    (void)state;
    memset(value, 'v', sizeof(value));
    rig->stream[0]->request_bytes_max = 1024 * 1024;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    for (uint32_t i = 0; i < 35; i++) {
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i);
        shipper_rig_add_bytes(unit, tr_span_of_text(key), tr_span_of(value, sizeof(value)));
    }
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(3000);
    assert_int_equal(rig->applied_count, 35);
    assert_true(rig->shipper->streams[0].request_bytes_max <= 1024 * 1024);
    assert_null(tr_fault_seen(&rig->fault));
}

static void a_stream_missing_at_the_start_stops_by_name(void **state)
{
    (void)state;
    rig->stream[2]->is_missing = true;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(2);
    shipper_rig_add(unit, "k", "v");
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(3000);
    assert_null(tr_fault_seen(&rig->fault)); /* a moment of grace: it may be being created */
    shipper_rig_run_ms(10000);
    shipper_rig_expect_fault(TR_ERR_SINK_STREAM, "stream \"c\": ResourceNotFoundException");
    shipper_rig_expect_fault(TR_ERR_SINK_STREAM, "streams --create");
}

static void a_stream_lost_while_running_has_its_grace(void **state)
{
    (void)state;
    rig->options.stream_grace_ns = 120 * TR_NS_PER_S;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(2);
    shipper_rig_add(unit, "k", "v");
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(500);
    rig->stream[2]->is_missing = true;
    unit = shipper_rig_begin_unit(2);
    shipper_rig_add(unit, "k", "w");
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(60000);
    assert_null(tr_fault_seen(&rig->fault));
    rig->stream[2]->is_missing = false;
    shipper_rig_run_ms(31000);
    assert_int_equal(shipper_rig_acked(), 2);
    rig->stream[2]->is_missing = true;
    unit = shipper_rig_begin_unit(2);
    shipper_rig_add(unit, "k", "x");
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(60000);
    assert_null(tr_fault_seen(&rig->fault)); /* counted anew */
    shipper_rig_run_ms(100000);
    shipper_rig_expect_fault(TR_ERR_SINK_STREAM, "ResourceNotFoundException");
    assert_int_equal(shipper_rig_acked(), 2);
}

static void a_dead_stream_neither_stops_the_others_nor_keeps_fragments(void **state)
{
    char key[32];
    (void)state;
    rig->stream[0]->is_dead = true;
    shipper_rig_start();
    for (uint32_t i = 0; i < 20; i++) {
        struct tr_fragment *unit = shipper_rig_begin_unit(i % 2);
        for (uint32_t k = 0; k < 200; k++) {
            (void)snprintf(key, sizeof(key), "{\"id\":%u}", i * 1000 + k);
            shipper_rig_add(unit, key, "value");
        }
        shipper_rig_end_unit(unit);
        shipper_rig_run_ms(100);
    }
    shipper_rig_run_ms(500);
    assert_int_equal(rig->applied_count, 2000); /* all of "b" */
    assert_int_equal(rig->returned_count, 20);  /* all fragments, also those of "a" */
    assert_int_equal(shipper_rig_acked(), 0);
    assert_true(shipper_rig_metric(0, TR_METRIC_RECORDS_PARKED) >= 2000);
    rig->stream[0]->is_dead = false;
    shipper_rig_run_ms(90000);
    assert_int_equal(rig->applied_count, 4000);
    assert_int_equal(shipper_rig_acked(), 20);
    assert_int_equal(rig->shipper->parking.used_count, 0);
}

static void a_full_parking_buffer_keeps_the_fragments(void **state)
{
    static uint8_t value[100 * 1024];
    char key[32];
    (void)state;
    rig->options.parking_bytes = 512 * 1024;
    rig->stream[0]->is_dead = true;
    shipper_rig_start();
    for (uint32_t i = 0; i < 10; i++) {
        struct tr_fragment *unit = shipper_rig_begin_unit(0);
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i);
        shipper_rig_add_bytes(unit, tr_span_of_text(key), tr_span_of(value, sizeof(value)));
        shipper_rig_end_unit(unit);
    }
    shipper_rig_run_ms(3000);
    assert_int_equal(rig->returned_count, 4); /* two pages, two records each */
    rig->stream[0]->is_dead = false;
    shipper_rig_run_ms(90000);
    assert_int_equal(rig->returned_count, 10);
    assert_int_equal(shipper_rig_acked(), 10);
}

static void refused_credentials_are_refreshed_then_named(void **state)
{
    struct tr_call_done done = {.status = 400, .credentials_generation = 3};
    (void)state;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    shipper_rig_add(unit, "k", "v");
    shipper_rig_end_unit(unit);
    (void)tr_shipper_step(rig->shipper, rig->now_ns);
    struct ship_slot *slot = &rig->shipper->slots[0];
    assert_true(slot->is_out);
    /* Straight to the inside: the model answers by its own mind. */
    rig->options.transport->cancel(rig->options.transport->self, 0);
    rig->applied_count = 0;
    (void)snprintf(done.error_type, sizeof(done.error_type), "ExpiredTokenException");
    rig->refresh_helps = true;
    ship_refuse(rig->shipper, slot, &done, rig->now_ns);
    assert_int_equal(rig->refresh_count, 1);
    assert_int_equal(rig->shipper->streams[0].refused_since_ns, 0);
    (void)tr_shipper_step(rig->shipper, rig->now_ns); /* goes again at once */
    assert_true(slot->is_out);
    rig->options.transport->cancel(rig->options.transport->self, 0);
    rig->refresh_helps = false;
    ship_refuse(rig->shipper, slot, &done, rig->now_ns);
    assert_null(tr_fault_seen(&rig->fault));
    for (uint32_t i = 0; i < 10 && tr_fault_seen(&rig->fault) == NULL; i++) {
        rig->now_ns += 40 * TR_NS_PER_S;
        (void)tr_shipper_step(rig->shipper, rig->now_ns);
        if (slot->is_out) {
            rig->options.transport->cancel(rig->options.transport->self, 0);
            ship_refuse(rig->shipper, slot, &done, rig->now_ns);
        }
    }
    shipper_rig_expect_fault(TR_ERR_SINK_AUTH, "ExpiredTokenException");
}

static void retry_after_is_honoured(void **state)
{
    struct tr_call_done done = {.status = 429, .retry_after_ns = 1500 * TR_NS_PER_MS};
    (void)state;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    shipper_rig_add(unit, "k", "v");
    shipper_rig_end_unit(unit);
    (void)tr_shipper_step(rig->shipper, rig->now_ns);
    rig->options.transport->cancel(rig->options.transport->self, 0);
    ship_refuse(rig->shipper, &rig->shipper->slots[0], &done, rig->now_ns);
    const uint32_t before = rig->submitted_count;
    shipper_rig_run_ms(1495);
    assert_int_equal(rig->submitted_count, before);
    shipper_rig_run_ms(200);
    assert_int_equal(rig->submitted_count, before + 1);
}

static void a_throttled_shard_slows_only_its_lane(void **state)
{
    char key[32];
    (void)state;
    rig->stream[0]->is_denied = false;
    rig->stream[0]->shard_count = 4;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    shipper_rig_add(unit, "first", "v");
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(1000);
    assert_true(rig->shipper->streams[0].lanes.is_mapped);
    assert_int_equal(rig->shipper->streams[0].lanes.count, 4);
    rig->stream[0]->throttled_shards = 1U << 2;
    unit = shipper_rig_begin_unit(0);
    for (uint32_t i = 0; i < 2000; i++) {
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i);
        shipper_rig_add(unit, key, "v");
    }
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(1000);
    assert_in_range(rig->applied_count, 1350, 1650); /* three quarters */
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(rig->shipper->streams[0].lanes.lanes[i].pace.is_limited, i == 2);
    }
    rig->stream[0]->throttled_shards = 0;
    shipper_rig_run_ms(20000);
    assert_int_equal(rig->applied_count, 2001);
    assert_int_equal(shipper_rig_acked(), 2);
}

static void bad_options_are_named(void **state)
{
    struct tr_error err;
    (void)state;
    rig->options.batch_size_max = 501;
    assert_int_equal(tr_shipper_open(&rig->shipper, &rig->options, NULL, &err), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "batch.size = 501"));
    rig->options.batch_size_max = 500;
    rig->options.null_key = "";
    assert_int_equal(tr_shipper_open(&rig->shipper, &rig->options, NULL, &err), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "null.key"));
    assert_null(rig->shipper);
}

static void a_name_that_kinesis_does_not_take_is_refused(void **state)
{
    char name[200];
    struct tr_error err;
    (void)state;
    memset(name, 'n', 129);
    name[129] = '\0';
    const struct tr_stream *stream = tr_streams_intern(rig->streams, tr_span_of_text(name), &err);
    assert_non_null(stream);
    rig->options.streams_max = 8;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    shipper_rig_add(unit, "k", "v");
    shipper_rig_end_unit(unit);
    unit = shipper_rig_begin_unit(stream->id);
    shipper_rig_add(unit, "k", "v");
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(500);
    shipper_rig_expect_fault(TR_ERR_SINK_STREAM, "129 characters");
    assert_int_equal(shipper_rig_acked(), 1); /* what came before it is delivered */
}

static void a_sum_of_memory_is_told(void **state)
{
    struct tr_memory_sum sum = {0};
    struct tr_error err;
    (void)state;
    assert_int_equal(tr_shipper_open(&rig->shipper, &rig->options, &sum, &err), TR_OK);
    assert_true(tr_memory_sum_total(&sum) > 16 * 1024 * 1024);
    assert_true(sum.term_count >= 6);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shipper_rig_open, shipper_rig_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_bad_record_is_found_by_halves),
        CASE(a_bad_record_of_a_hot_key_is_found_as_well),
        CASE(requests_shrink_when_the_service_says_too_large),
        CASE(a_stream_missing_at_the_start_stops_by_name),
        CASE(a_stream_lost_while_running_has_its_grace),
        CASE(a_dead_stream_neither_stops_the_others_nor_keeps_fragments),
        CASE(a_full_parking_buffer_keeps_the_fragments),
        CASE(refused_credentials_are_refreshed_then_named),
        CASE(retry_after_is_honoured),
        CASE(a_throttled_shard_slows_only_its_lane),
        CASE(bad_options_are_named),
        CASE(a_name_that_kinesis_does_not_take_is_refused),
        CASE(a_sum_of_memory_is_told),
    };
    shipper_rig_silence();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
