// SPDX-License-Identifier: Apache-2.0
/* One cause, one behaviour: what becomes of records, without chance. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/support/shipper_rig.h"

static void records_arrive_and_acked_seq_follows(void **state)
{
    (void)state;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    shipper_rig_add(unit, "{\"id\":1}", "one");
    shipper_rig_add(unit, "{\"id\":1}", ""); /* a tombstone */
    shipper_rig_add(unit, "{\"id\":2}", "two");
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(2000);
    assert_int_equal(rig->applied_count, 3);
    assert_int_equal(shipper_rig_acked(), 1);
    assert_int_equal(rig->returned_count, 1);
    assert_true(tr_shipper_is_idle(rig->shipper));
    assert_int_equal(shipper_rig_metric(0, TR_METRIC_RECORDS_ACKED), 3);
    uint32_t tombstone = 0;
    for (uint32_t i = 0; i < 3; i++) {
        tombstone = rig->applied[i].data_bytes == 0 ? i : tombstone;
    }
    assert_true(tombstone > 0); /* behind its record */
    assert_string_equal(rig->applied[tombstone].key, "{\"id\":1}");
    /* Units without records move it as well. */
    rig->unit_seq += 5;
    atomic_store_explicit(&rig->progress.routed_seq, rig->unit_seq, memory_order_release);
    assert_true(tr_shipper_has_work(rig->shipper));
    shipper_rig_run_ms(5);
    assert_int_equal(shipper_rig_acked(), 6);
}

static void a_full_request_holds_500_records(void **state)
{
    char key[32];
    (void)state;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    for (uint32_t i = 0; i < 1200; i++) {
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i);
        shipper_rig_add(unit, key, "value");
    }
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(5);
    assert_in_range(rig->submitted_count, 1100,
                    1200); /* all but the rest of a lane that is taken */
    assert_int_equal(model_kinesis_entries_max(rig->model), 500);
    shipper_rig_run_ms(1000);
    assert_int_equal(rig->applied_count, 1200);
}

static void two_part_filled_requests_are_out_at_most(void **state)
{
    char key[32];
    (void)state;
    shipper_rig_start();
    for (uint32_t i = 0; i < 6; i++) {
        struct tr_fragment *unit = shipper_rig_begin_unit(0);
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i * 17);
        shipper_rig_add(unit, key, "value");
        shipper_rig_end_unit(unit);
        (void)tr_shipper_step(rig->shipper, rig->now_ns);
    }
    assert_int_equal(rig->shipper->streams[0].flight_slots, 2);
    shipper_rig_run_ms(1000);
    assert_int_equal(shipper_rig_acked(), 6);
}

static void request_size_follows_the_streams_limit(void **state)
{
    static uint8_t value[900 * 1024];
    char key[32];
    (void)state;
    rig->stream[0]->is_denied = false;
    rig->stream[0]->record_kib_max = 10240;
    rig->stream[0]->request_bytes_max = 10 * 1024 * 1024;
    shipper_rig_start();
    for (uint32_t unit_index = 0; unit_index < 6; unit_index++) {
        struct tr_fragment *unit = shipper_rig_begin_unit(unit_index % 2);
        for (uint32_t i = 0; i < 4; i++) {
            (void)snprintf(key, sizeof(key), "{\"id\":%u}", unit_index * 10 + i);
            memset(value, 'v', sizeof(value));
            shipper_rig_add_bytes(unit, tr_span_of_text(key), tr_span_of(value, sizeof(value)));
        }
        shipper_rig_end_unit(unit);
    }
    shipper_rig_run_ms(3000);
    assert_int_equal(rig->applied_count, 24);
    assert_int_equal(rig->shipper->streams[0].request_bytes_max, TR_REQUEST_PAYLOAD_BYTES_MAX);
    assert_int_equal(rig->shipper->streams[1].request_bytes_max, TR_REQUEST_PAYLOAD_BYTES_OLD);
    /* The service refused none for its size. */
    assert_int_equal(shipper_rig_metric(0, TR_METRIC_REQUESTS_FAILED) +
                         shipper_rig_metric(1, TR_METRIC_REQUESTS_FAILED),
                     0);
}

static void a_hot_key_goes_in_one_request_when_relaxed(void **state)
{
    char value[32];
    (void)state;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    for (uint32_t i = 0; i < 100; i++) {
        (void)snprintf(value, sizeof(value), "v%u", i);
        shipper_rig_add(unit, "{\"id\":1}", value);
    }
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(200);
    assert_int_equal(rig->applied_count, 100);
    assert_int_equal(model_kinesis_entries_max(rig->model), 100);
    assert_int_equal(shipper_rig_metric(0, TR_METRIC_HOT_KEY_REQUESTS), 1);
    for (uint32_t i = 0; i < 100; i++) {
        (void)snprintf(value, sizeof(value), "v%u", i);
        assert_string_equal(rig->applied[i].data, value);
    }
}

static void a_stream_keeps_the_order_of_the_log_when_told_to(void **state)
{
    static const char *const keys[] = {"x", "y", "x", "z", "x", "y"};
    (void)state;
    rig->options.order_scope = TR_ORDER_STREAM;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    for (uint32_t i = 0; i < 6; i++) {
        shipper_rig_add(unit, keys[i], "v");
    }
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(500);
    assert_int_equal(rig->applied_count, 6);
    for (uint32_t i = 0; i < 6; i++) {
        assert_string_equal(rig->applied[i].key, keys[i]);
    }
    assert_int_equal(rig->submitted_count, 6);
}

static void a_hot_key_waits_when_told_to(void **state)
{
    (void)state;
    rig->options.order_hot = TR_ORDER_HOT_WAIT;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    for (uint32_t i = 0; i < 100; i++) {
        shipper_rig_add(unit, "{\"id\":1}", "v");
    }
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(10000);
    assert_int_equal(rig->applied_count, 100);
    assert_int_equal(model_kinesis_entries_max(rig->model), 1);
}

static void keyless_records_share_the_null_key(void **state)
{
    (void)state;
    rig->options.null_key = "nobody";
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    shipper_rig_add(unit, "", "one");
    shipper_rig_add(unit, "", "two");
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(200);
    assert_int_equal(model_kinesis_entries_max(rig->model), 2); /* hot by nature */
    assert_string_equal(rig->applied[0].key, "nobody");
    assert_string_equal(rig->applied[0].data, "one");
    assert_string_equal(rig->applied[1].data, "two");
}

static void a_long_key_is_sent_as_its_digest(void **state)
{
    char key[300];
    (void)state;
    memset(key, 'k', sizeof(key));
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    shipper_rig_add_bytes(unit, tr_span_of(key, 257), tr_span_of_text("long"));
    shipper_rig_add_bytes(unit, tr_span_of(key, 256), tr_span_of_text("fits"));
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(200);
    assert_int_equal(rig->applied_count, 2);
    const struct rig_applied *longer =
        rig->applied[0].data[0] == 'l' ? &rig->applied[0] : &rig->applied[1];
    assert_int_equal(longer->key_bytes, 64);
    assert_int_equal(shipper_rig_metric(0, TR_METRIC_KEYS_HASHED), 1);
}

static void a_long_key_fails_by_name_when_told_to(void **state)
{
    char key[300];
    (void)state;
    memset(key, 'k', sizeof(key));
    rig->options.key_oversize = TR_KEY_OVERSIZE_FAIL;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    shipper_rig_add_bytes(unit, tr_span_of(key, 257), tr_span_of_text("long"));
    shipper_rig_add(unit, "{\"id\":1}", "short");
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(200);
    shipper_rig_expect_fault(TR_ERR_SINK_RECORD, "256 characters");
    shipper_rig_expect_fault(TR_ERR_SINK_RECORD, ": set tailrace.key.oversize=hash");
    assert_int_equal(rig->applied_count, 1); /* the others go on */
    assert_int_equal(shipper_rig_acked(), 0);
}

static void a_record_over_the_limit_fails_by_name(void **state)
{
    static uint8_t value[1024 * 1024];
    (void)state;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(1);
    shipper_rig_add_bytes(unit, tr_span_of_text("0123"),
                          tr_span_of(value, sizeof(value) - 4)); /* exactly 1 MiB */
    shipper_rig_end_unit(unit);
    unit = shipper_rig_begin_unit(1);
    shipper_rig_add(unit, "before", "x");
    shipper_rig_add_bytes(unit, tr_span_of_text("01234"),
                          tr_span_of(value, sizeof(value) - 4)); /* one byte more */
    shipper_rig_add(unit, "after", "x");
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(5000);
    assert_int_equal(rig->applied_count, 3);
    shipper_rig_expect_fault(TR_ERR_SINK_RECORD, "stream \"b\"");
    shipper_rig_expect_fault(TR_ERR_SINK_RECORD, "unit 2");
    shipper_rig_expect_fault(TR_ERR_SINK_RECORD, "update-max-record-size");
    assert_int_equal(shipper_rig_acked(), 1);
}

static void a_large_record_waits_until_the_limit_is_known(void **state)
{
    static uint8_t value[2 * 1024 * 1024];
    (void)state;
    rig->stream[0]->is_denied = false;
    rig->stream[0]->record_kib_max = 10240;
    shipper_rig_start();
    struct tr_fragment *unit = shipper_rig_begin_unit(0);
    shipper_rig_add_bytes(unit, tr_span_of_text("k"), tr_span_of(value, sizeof(value)));
    shipper_rig_end_unit(unit);
    shipper_rig_run_ms(1000);
    assert_int_equal(rig->applied_count, 1);
    assert_null(tr_fault_seen(&rig->fault));
}

static void what_is_out_at_once_is_bounded(void **state)
{
    static uint8_t value[2 * 1024 * 1024 + 500];
    char key[32];
    (void)state;
    rig->options.flight_bytes_max = 1024 * 1024;
    for (uint32_t s = 0; s < 3; s++) {
        rig->stream[s]->is_denied = false;
        rig->stream[s]->record_kib_max = 10240;
        rig->stream[s]->request_bytes_max = 10 * 1024 * 1024;
    }
    shipper_rig_start();
    for (uint32_t i = 0; i < 12; i++) {
        struct tr_fragment *unit = shipper_rig_begin_unit(i % 3);
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i);
        shipper_rig_add_bytes(unit, tr_span_of_text(key),
                              tr_span_of(value, i % 2 == 0 ? sizeof(value) : 300 * 1024));
        shipper_rig_end_unit(unit);
    }
    uint64_t most_bytes = 0;
    for (uint32_t i = 0; i < 600; i++) {
        shipper_rig_run_ms(5);
        const uint64_t bytes = rig->shipper->flight_bytes;
        most_bytes = bytes > most_bytes ? bytes : most_bytes;
    }
    assert_int_equal(rig->applied_count, 12);
    assert_int_equal(rig->shipper->flight_bytes, 0);
    /* What was granted, a share for each of two further streams, one large record. */
    assert_true(most_bytes <= 1024 * 1024 + 2 * TR_SHIPPER_SHARE_BYTES + sizeof(value));
    assert_true(most_bytes >= sizeof(value));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, shipper_rig_open, shipper_rig_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(records_arrive_and_acked_seq_follows),
        CASE(a_full_request_holds_500_records),
        CASE(two_part_filled_requests_are_out_at_most),
        CASE(request_size_follows_the_streams_limit),
        CASE(a_hot_key_goes_in_one_request_when_relaxed),
        CASE(a_stream_keeps_the_order_of_the_log_when_told_to),
        CASE(a_hot_key_waits_when_told_to),
        CASE(keyless_records_share_the_null_key),
        CASE(a_long_key_is_sent_as_its_digest),
        CASE(a_long_key_fails_by_name_when_told_to),
        CASE(a_record_over_the_limit_fails_by_name),
        CASE(a_large_record_waits_until_the_limit_is_known),
        CASE(what_is_out_at_once_is_bounded),
    };
    shipper_rig_silence();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
