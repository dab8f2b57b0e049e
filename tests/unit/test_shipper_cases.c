// SPDX-License-Identifier: Apache-2.0
/* One cause, one behaviour: the shipper against the model of Kinesis, without chance. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/log.h"
#include "engine/metrics.h"
#include "stages/ship/shipper_state.h"
#include "tests/check.h"
#include "tests/support/model_kinesis.h"

#define ROOM (4 * 1024 * 1024)
#define FRAGMENTS_MAX 64
#define APPLIED_MAX 4000

struct applied {
    char stream[8];
    char key[40]; /* cut */
    size_t key_bytes;
    char data[16]; /* cut */
    size_t data_bytes;
};

static struct bench {
    int64_t now_ns;
    struct model_kinesis *model;
    struct tr_shipper *shipper;
    struct tr_shipper_options options;
    struct tr_streams *streams;
    struct tr_metrics *metrics;
    struct tr_metric_block block;
    struct tr_progress progress;
    struct tr_fault fault;
    struct tr_clock clock;
    struct tr_ring buckets;
    struct tr_ring returns;
    struct model_stream *stream[3]; /* "a", "b", "c" */
    struct tr_fragment *fragments[FRAGMENTS_MAX];
    uint32_t fragment_count;
    uint32_t returned_count;
    uint64_t unit_seq;
    struct applied applied[APPLIED_MAX];
    uint32_t applied_count;
    uint32_t submitted_count;
    uint32_t refresh_count;
    bool refresh_helps;
} *bench;

static int64_t now(void *self)
{
    (void)self;
    return bench->now_ns;
}

static void on_submit(void *self, const char *stream, struct tr_span key, struct tr_span data, int64_t now_ns)
{
    (void)self;
    (void)stream;
    (void)key;
    (void)data;
    (void)now_ns;
    bench->submitted_count++;
}

static void on_apply(void *self, const char *stream, struct tr_span key, struct tr_span data, int64_t now_ns)
{
    (void)self;
    (void)now_ns;
    assert_true(bench->applied_count < APPLIED_MAX);
    struct applied *applied = &bench->applied[bench->applied_count++];
    (void)snprintf(applied->stream, sizeof(applied->stream), "%s", stream);
    (void)snprintf(applied->key, sizeof(applied->key), "%.*s", (int)key.bytes, (const char *)key.data);
    (void)snprintf(applied->data, sizeof(applied->data), "%.*s", (int)(data.bytes < 15 ? data.bytes : 15),
                   data.bytes == 0 ? "" : (const char *)data.data);
    applied->key_bytes = key.bytes;
    applied->data_bytes = data.bytes;
}

static bool refresh(void *self, uint64_t generation, int64_t now_ns)
{
    (void)self;
    (void)generation;
    (void)now_ns;
    bench->refresh_count++;
    return bench->refresh_helps;
}

static int open_bench(void **state)
{
    struct tr_error err;
    (void)state;
    bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    bench->now_ns = 50 * TR_NS_PER_S;
    bench->clock = (struct tr_clock){.monotonic_ns = now, .wall_unix_ns = now};
    assert_int_equal(tr_ring_init(&bench->buckets, 256, sizeof(struct tr_bucket), &err), TR_OK);
    assert_int_equal(tr_ring_init(&bench->returns, 256, sizeof(struct tr_bucket_return), &err), TR_OK);
    assert_int_equal(tr_streams_open(&bench->streams, 1, &err), TR_OK);
    assert_int_equal(tr_metrics_open(&bench->metrics, 8, &err), TR_OK);
    const struct model_watcher watcher = {.on_submit = on_submit, .on_apply = on_apply};
    bench->model = model_kinesis_open(1, &watcher);
    for (uint32_t i = 0; i < 3; i++) {
        const char name[] = {(char)('a' + i), '\0'};
        assert_non_null(tr_streams_intern(bench->streams, tr_span_of_text(name), &err));
        bench->stream[i] = model_kinesis_add_stream(bench->model, name);
        bench->stream[i]->is_denied = true; /* hash lanes: no control call gets between */
    }
    bench->options = (struct tr_shipper_options){.shipper_count = 1,
                                                 .buckets = &bench->buckets,
                                                 .returns = &bench->returns,
                                                 .streams = bench->streams,
                                                 .progress = &bench->progress,
                                                 .fault = &bench->fault,
                                                 .transport = model_kinesis_transport(bench->model),
                                                 .clock = &bench->clock,
                                                 .metrics = bench->metrics,
                                                 .actor_metrics = &bench->block,
                                                 .buckets_max = 256,
                                                 .streams_max = 3,
                                                 .refresh_credentials = refresh,
                                                 .control_interval_ns = TR_NS_PER_MS};
    return 0;
}

static void start(void)
{
    struct tr_error err;
    const enum tr_code code = tr_shipper_open(&bench->shipper, &bench->options, NULL, &err);
    if (code != TR_OK) {
        fail_msg("%s", err.text);
    }
}

static int close_bench(void **state)
{
    (void)state;
    tr_shipper_close(bench->shipper);
    model_kinesis_close(bench->model);
    for (uint32_t i = 0; i < bench->fragment_count; i++) {
        free(bench->fragments[i]);
    }
    tr_metrics_close(bench->metrics);
    tr_streams_close(bench->streams);
    tr_ring_deinit(&bench->buckets);
    tr_ring_deinit(&bench->returns);
    free(bench);
    return 0;
}

/* A unit of one fragment for one stream. */
static struct tr_fragment *begin_unit(uint32_t stream_id)
{
    struct tr_fragment *fragment = NULL;
    assert_true(bench->fragment_count < FRAGMENTS_MAX);
    assert_int_equal(posix_memalign((void **)&fragment, 64, sizeof(*fragment) + ROOM + 64), 0);
    bench->fragments[bench->fragment_count++] = fragment;
    memset(fragment, 0, sizeof(*fragment));
    fragment->magic = TR_FRAGMENT_MAGIC;
    fragment->unit_seq = ++bench->unit_seq;
    fragment->room_bytes = ROOM;
    fragment->group_count = 1;
    fragment->groups[0].stream_id = stream_id;
    return fragment;
}

static void add_bytes(struct tr_fragment *fragment, struct tr_span key, struct tr_span value)
{
    struct tr_fragment_group *group = &fragment->groups[0];
    fragment->high_bytes += (uint32_t)sizeof(struct tr_record);
    assert_true(fragment->low_bytes + key.bytes + value.bytes + fragment->high_bytes <= ROOM);
    struct tr_record *record = (struct tr_record *)(void *)(fragment->bytes + ROOM - fragment->high_bytes);
    *record = (struct tr_record){.fragment = fragment,
                                 .unit_seq = fragment->unit_seq,
                                 .key_at = fragment->low_bytes,
                                 .key_bytes = (uint32_t)key.bytes,
                                 .value_at = fragment->low_bytes + (uint32_t)key.bytes,
                                 .value_bytes = (uint32_t)value.bytes,
                                 .flags = key.bytes == 0 ? TR_RECORD_KEYLESS : 0,
                                 .commit_us = bench->now_ns / 1000};
    for (size_t i = 0; i < key.bytes; i++) {
        record->key_hash = (record->key_hash ^ key.data[i]) * UINT64_C(1099511628211);
    }
    if (key.bytes > 0) {
        memcpy(fragment->bytes + record->key_at, key.data, key.bytes);
    }
    if (value.bytes > 0) {
        memcpy(fragment->bytes + record->value_at, value.data, value.bytes);
    }
    fragment->low_bytes += (uint32_t)(key.bytes + value.bytes);
    if (group->first == NULL) {
        group->first = record;
    } else {
        group->last->next = record;
    }
    group->last = record;
    group->record_count++;
}

static void add(struct tr_fragment *fragment, const char *key, const char *value)
{
    add_bytes(fragment, tr_span_of_text(key), tr_span_of_text(value));
}

static void end_unit(struct tr_fragment *fragment)
{
    struct tr_bucket *bucket = tr_ring_claim_one(&bench->buckets);
    *bucket = (struct tr_bucket){
        .fragment = fragment, .stream_id = fragment->groups[0].stream_id, .unit_seq = fragment->unit_seq};
    tr_ring_publish(&bench->buckets, 1);
    atomic_store_explicit(&bench->progress.routed_seq, fragment->unit_seq, memory_order_release);
}

static void run_ms(uint32_t ms)
{
    void *slot;
    for (uint32_t i = 0; i < ms; i += 5) {
        bench->now_ns += 5 * TR_NS_PER_MS;
        model_kinesis_step(bench->model, bench->now_ns);
        (void)tr_shipper_step(bench->shipper, bench->now_ns);
        while (tr_ring_peek(&bench->returns, 1, &slot) == 1) {
            bench->returned_count++;
            tr_ring_release(&bench->returns, 1);
        }
    }
}

static uint64_t acked(void)
{
    return atomic_load_explicit(&bench->progress.shippers[0].acked_seq, memory_order_acquire);
}

static uint64_t metric(uint32_t stream, enum tr_metric which)
{
    return atomic_load_explicit(&bench->shipper->streams[stream].metrics->values[which], memory_order_relaxed);
}

static void expect_fault(enum tr_code code, const char *part)
{
    const struct tr_error *err = tr_fault_seen(&bench->fault);
    assert_non_null(err);
    assert_int_equal(err->code, code);
    if (strstr(err->text, part) == NULL) {
        fail_msg("\"%s\" names no \"%s\"", err->text, part);
    }
}

/* --- the cases */

static void records_arrive_and_acked_seq_follows(void **state)
{
    (void)state;
    start();
    struct tr_fragment *unit = begin_unit(0);
    add(unit, "{\"id\":1}", "one");
    add(unit, "{\"id\":1}", ""); /* a tombstone */
    add(unit, "{\"id\":2}", "two");
    end_unit(unit);
    run_ms(2000);
    assert_int_equal(bench->applied_count, 3);
    assert_int_equal(acked(), 1);
    assert_int_equal(bench->returned_count, 1);
    assert_true(tr_shipper_is_idle(bench->shipper));
    assert_int_equal(metric(0, TR_METRIC_RECORDS_ACKED), 3);
    uint32_t tombstone = 0;
    for (uint32_t i = 0; i < 3; i++) {
        tombstone = bench->applied[i].data_bytes == 0 ? i : tombstone;
    }
    assert_true(tombstone > 0); /* behind its record */
    assert_string_equal(bench->applied[tombstone].key, "{\"id\":1}");
    /* Units without records move it as well. */
    bench->unit_seq += 5;
    atomic_store_explicit(&bench->progress.routed_seq, bench->unit_seq, memory_order_release);
    assert_true(tr_shipper_has_work(bench->shipper));
    run_ms(5);
    assert_int_equal(acked(), 6);
}

static void a_full_request_holds_500_records(void **state)
{
    char key[32];
    (void)state;
    start();
    struct tr_fragment *unit = begin_unit(0);
    for (uint32_t i = 0; i < 1200; i++) {
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i);
        add(unit, key, "value");
    }
    end_unit(unit);
    run_ms(5);
    assert_in_range(bench->submitted_count, 1100, 1200); /* all but the rest of a lane that is taken */
    assert_int_equal(model_kinesis_entries_max(bench->model), 500);
    run_ms(1000);
    assert_int_equal(bench->applied_count, 1200);
}

static void two_part_filled_requests_are_out_at_most(void **state)
{
    char key[32];
    (void)state;
    start();
    for (uint32_t i = 0; i < 6; i++) {
        struct tr_fragment *unit = begin_unit(0);
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i * 17);
        add(unit, key, "value");
        end_unit(unit);
        (void)tr_shipper_step(bench->shipper, bench->now_ns);
    }
    assert_int_equal(bench->shipper->streams[0].flight_slots, 2);
    run_ms(1000);
    assert_int_equal(acked(), 6);
}

static void request_size_follows_the_streams_limit(void **state)
{
    static uint8_t value[900 * 1024];
    char key[32];
    (void)state;
    bench->stream[0]->is_denied = false;
    bench->stream[0]->record_kib_max = 10240;
    bench->stream[0]->request_bytes_max = 10 * 1024 * 1024;
    start();
    for (uint32_t unit_index = 0; unit_index < 6; unit_index++) {
        struct tr_fragment *unit = begin_unit(unit_index % 2);
        for (uint32_t i = 0; i < 4; i++) {
            (void)snprintf(key, sizeof(key), "{\"id\":%u}", unit_index * 10 + i);
            memset(value, 'v', sizeof(value));
            add_bytes(unit, tr_span_of_text(key), tr_span_of(value, sizeof(value)));
        }
        end_unit(unit);
    }
    run_ms(3000);
    assert_int_equal(bench->applied_count, 24);
    assert_int_equal(bench->shipper->streams[0].request_bytes_max, TR_REQUEST_PAYLOAD_BYTES_MAX);
    assert_int_equal(bench->shipper->streams[1].request_bytes_max, TR_REQUEST_PAYLOAD_BYTES_OLD);
    /* The service refused none for its size. */
    assert_int_equal(metric(0, TR_METRIC_REQUESTS_FAILED) + metric(1, TR_METRIC_REQUESTS_FAILED), 0);
}

static void a_hot_key_goes_in_one_request_when_relaxed(void **state)
{
    char value[32];
    (void)state;
    start();
    struct tr_fragment *unit = begin_unit(0);
    for (uint32_t i = 0; i < 100; i++) {
        (void)snprintf(value, sizeof(value), "v%u", i);
        add(unit, "{\"id\":1}", value);
    }
    end_unit(unit);
    run_ms(200);
    assert_int_equal(bench->applied_count, 100);
    assert_int_equal(model_kinesis_entries_max(bench->model), 100);
    assert_int_equal(metric(0, TR_METRIC_HOT_KEY_REQUESTS), 1);
    for (uint32_t i = 0; i < 100; i++) {
        (void)snprintf(value, sizeof(value), "v%u", i);
        assert_string_equal(bench->applied[i].data, value);
    }
}

static void a_stream_keeps_the_order_of_the_log_when_told_to(void **state)
{
    static const char *const keys[] = {"x", "y", "x", "z", "x", "y"};
    (void)state;
    bench->options.order_scope = TR_ORDER_STREAM;
    start();
    struct tr_fragment *unit = begin_unit(0);
    for (uint32_t i = 0; i < 6; i++) {
        add(unit, keys[i], "v");
    }
    end_unit(unit);
    run_ms(500);
    assert_int_equal(bench->applied_count, 6);
    for (uint32_t i = 0; i < 6; i++) {
        assert_string_equal(bench->applied[i].key, keys[i]);
    }
    assert_int_equal(bench->submitted_count, 6);
}

static void a_hot_key_waits_when_told_to(void **state)
{
    (void)state;
    bench->options.order_hot = TR_ORDER_HOT_WAIT;
    start();
    struct tr_fragment *unit = begin_unit(0);
    for (uint32_t i = 0; i < 100; i++) {
        add(unit, "{\"id\":1}", "v");
    }
    end_unit(unit);
    run_ms(10000);
    assert_int_equal(bench->applied_count, 100);
    assert_int_equal(model_kinesis_entries_max(bench->model), 1);
}

static void keyless_records_share_the_null_key(void **state)
{
    (void)state;
    bench->options.null_key = "nobody";
    start();
    struct tr_fragment *unit = begin_unit(0);
    add(unit, "", "one");
    add(unit, "", "two");
    end_unit(unit);
    run_ms(200);
    assert_int_equal(model_kinesis_entries_max(bench->model), 2); /* hot by nature */
    assert_string_equal(bench->applied[0].key, "nobody");
    assert_string_equal(bench->applied[0].data, "one");
    assert_string_equal(bench->applied[1].data, "two");
}

static void a_long_key_is_sent_as_its_digest(void **state)
{
    char key[300];
    (void)state;
    memset(key, 'k', sizeof(key));
    start();
    struct tr_fragment *unit = begin_unit(0);
    add_bytes(unit, tr_span_of(key, 257), tr_span_of_text("long"));
    add_bytes(unit, tr_span_of(key, 256), tr_span_of_text("fits"));
    end_unit(unit);
    run_ms(200);
    assert_int_equal(bench->applied_count, 2);
    const struct applied *longer = bench->applied[0].data[0] == 'l' ? &bench->applied[0] : &bench->applied[1];
    assert_int_equal(longer->key_bytes, 64);
    assert_int_equal(metric(0, TR_METRIC_KEYS_HASHED), 1);
}

static void a_long_key_fails_by_name_when_told_to(void **state)
{
    char key[300];
    (void)state;
    memset(key, 'k', sizeof(key));
    bench->options.key_oversize = TR_KEY_OVERSIZE_FAIL;
    start();
    struct tr_fragment *unit = begin_unit(0);
    add_bytes(unit, tr_span_of(key, 257), tr_span_of_text("long"));
    add(unit, "{\"id\":1}", "short");
    end_unit(unit);
    run_ms(200);
    expect_fault(TR_ERR_SINK_RECORD, "256 characters");
    assert_int_equal(bench->applied_count, 1); /* the others go on */
    assert_int_equal(acked(), 0);
}

static void a_record_over_the_limit_fails_by_name(void **state)
{
    static uint8_t value[1024 * 1024];
    (void)state;
    start();
    struct tr_fragment *unit = begin_unit(1);
    add_bytes(unit, tr_span_of_text("0123"), tr_span_of(value, sizeof(value) - 4)); /* exactly 1 MiB */
    end_unit(unit);
    unit = begin_unit(1);
    add(unit, "before", "x");
    add_bytes(unit, tr_span_of_text("01234"), tr_span_of(value, sizeof(value) - 4)); /* one byte more */
    add(unit, "after", "x");
    end_unit(unit);
    run_ms(5000);
    assert_int_equal(bench->applied_count, 3);
    expect_fault(TR_ERR_SINK_RECORD, "stream \"b\"");
    expect_fault(TR_ERR_SINK_RECORD, "unit 2");
    expect_fault(TR_ERR_SINK_RECORD, "update-max-record-size");
    assert_int_equal(acked(), 1);
}

static void a_large_record_waits_until_the_limit_is_known(void **state)
{
    static uint8_t value[2 * 1024 * 1024];
    (void)state;
    bench->stream[0]->is_denied = false;
    bench->stream[0]->record_kib_max = 10240;
    start();
    struct tr_fragment *unit = begin_unit(0);
    add_bytes(unit, tr_span_of_text("k"), tr_span_of(value, sizeof(value)));
    end_unit(unit);
    run_ms(1000);
    assert_int_equal(bench->applied_count, 1);
    assert_null(tr_fault_seen(&bench->fault));
}

static void what_is_out_at_once_is_bounded(void **state)
{
    static uint8_t value[2 * 1024 * 1024 + 500];
    char key[32];
    (void)state;
    bench->options.flight_bytes_max = 1024 * 1024;
    for (uint32_t s = 0; s < 3; s++) {
        bench->stream[s]->is_denied = false;
        bench->stream[s]->record_kib_max = 10240;
        bench->stream[s]->request_bytes_max = 10 * 1024 * 1024;
    }
    start();
    for (uint32_t i = 0; i < 12; i++) {
        struct tr_fragment *unit = begin_unit(i % 3);
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i);
        add_bytes(unit, tr_span_of_text(key), tr_span_of(value, i % 2 == 0 ? sizeof(value) : 300 * 1024));
        end_unit(unit);
    }
    uint64_t most_bytes = 0;
    for (uint32_t i = 0; i < 600; i++) {
        run_ms(5);
        const uint64_t bytes = bench->shipper->flight_bytes;
        most_bytes = bytes > most_bytes ? bytes : most_bytes;
    }
    assert_int_equal(bench->applied_count, 12);
    assert_int_equal(bench->shipper->flight_bytes, 0);
    /* What was granted, a share for each of two further streams, one large record. */
    assert_true(most_bytes <= 1024 * 1024 + 2 * TR_SHIPPER_SHARE_BYTES + sizeof(value));
    assert_true(most_bytes >= sizeof(value));
}

static void one_bad_record_is_found_by_halves(void **state)
{
    char key[32];
    (void)state;
    (void)snprintf(bench->stream[0]->poison, sizeof(bench->stream[0]->poison), "poison");
    start();
    struct tr_fragment *unit = begin_unit(0);
    for (uint32_t i = 0; i < 500; i++) {
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i);
        add(unit, key, i == 333 ? "poison" : "good");
    }
    end_unit(unit);
    run_ms(5000);
    assert_int_equal(bench->applied_count, 499); /* all others arrive, once */
    expect_fault(TR_ERR_SINK_RECORD, "ValidationException");
    assert_int_equal(bench->shipper->queued_now, 1);
    assert_int_equal(bench->shipper->streams[0].lanes.flight_mask, 0);
    assert_int_equal(acked(), 0);
}

static void a_bad_record_of_a_hot_key_is_found_as_well(void **state)
{
    char value[16];
    (void)state;
    (void)snprintf(bench->stream[0]->poison, sizeof(bench->stream[0]->poison), "v77 ");
    start();
    struct tr_fragment *unit = begin_unit(0);
    for (uint32_t i = 0; i < 100; i++) {
        (void)snprintf(value, sizeof(value), "v%u ", i);
        add(unit, "{\"id\":1}", value);
    }
    end_unit(unit);
    run_ms(5000);
    assert_int_equal(bench->applied_count, 77); /* what is before it, in order; nothing behind it */
    assert_string_equal(bench->applied[76].data, "v76 ");
    expect_fault(TR_ERR_SINK_RECORD, "ValidationException");
}

static void requests_shrink_when_the_service_says_too_large(void **state)
{
    static uint8_t value[100 * 1024];
    char key[32];
    (void)state;
    memset(value, 'v', sizeof(value));
    bench->stream[0]->request_bytes_max = 1024 * 1024;
    start();
    struct tr_fragment *unit = begin_unit(0);
    for (uint32_t i = 0; i < 35; i++) {
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i);
        add_bytes(unit, tr_span_of_text(key), tr_span_of(value, sizeof(value)));
    }
    end_unit(unit);
    run_ms(3000);
    assert_int_equal(bench->applied_count, 35);
    assert_true(bench->shipper->streams[0].request_bytes_max <= 1024 * 1024);
    assert_null(tr_fault_seen(&bench->fault));
}

static void a_stream_missing_at_the_start_stops_by_name(void **state)
{
    (void)state;
    bench->stream[2]->is_missing = true;
    start();
    struct tr_fragment *unit = begin_unit(2);
    add(unit, "k", "v");
    end_unit(unit);
    run_ms(3000);
    assert_null(tr_fault_seen(&bench->fault)); /* a moment of grace: it may be being created */
    run_ms(10000);
    expect_fault(TR_ERR_SINK_STREAM, "stream \"c\": ResourceNotFoundException");
    expect_fault(TR_ERR_SINK_STREAM, "streams --create");
}

static void a_stream_lost_while_running_has_its_grace(void **state)
{
    (void)state;
    bench->options.stream_grace_ns = 120 * TR_NS_PER_S;
    start();
    struct tr_fragment *unit = begin_unit(2);
    add(unit, "k", "v");
    end_unit(unit);
    run_ms(500);
    bench->stream[2]->is_missing = true;
    unit = begin_unit(2);
    add(unit, "k", "w");
    end_unit(unit);
    run_ms(60000);
    assert_null(tr_fault_seen(&bench->fault));
    bench->stream[2]->is_missing = false;
    run_ms(31000);
    assert_int_equal(acked(), 2);
    bench->stream[2]->is_missing = true;
    unit = begin_unit(2);
    add(unit, "k", "x");
    end_unit(unit);
    run_ms(60000);
    assert_null(tr_fault_seen(&bench->fault)); /* counted anew */
    run_ms(100000);
    expect_fault(TR_ERR_SINK_STREAM, "ResourceNotFoundException");
    assert_int_equal(acked(), 2);
}

static void a_dead_stream_neither_stops_the_others_nor_keeps_fragments(void **state)
{
    char key[32];
    (void)state;
    bench->stream[0]->is_dead = true;
    start();
    for (uint32_t i = 0; i < 20; i++) {
        struct tr_fragment *unit = begin_unit(i % 2);
        for (uint32_t k = 0; k < 200; k++) {
            (void)snprintf(key, sizeof(key), "{\"id\":%u}", i * 1000 + k);
            add(unit, key, "value");
        }
        end_unit(unit);
        run_ms(100);
    }
    run_ms(500);
    assert_int_equal(bench->applied_count, 2000);  /* all of "b" */
    assert_int_equal(bench->returned_count, 20);   /* all fragments, also those of "a" */
    assert_int_equal(acked(), 0);
    assert_true(metric(0, TR_METRIC_RECORDS_PARKED) >= 2000);
    bench->stream[0]->is_dead = false;
    run_ms(90000);
    assert_int_equal(bench->applied_count, 4000);
    assert_int_equal(acked(), 20);
    assert_int_equal(bench->shipper->parking.used_count, 0);
}

static void a_full_parking_buffer_keeps_the_fragments(void **state)
{
    static uint8_t value[100 * 1024];
    char key[32];
    (void)state;
    bench->options.parking_bytes = 512 * 1024;
    bench->stream[0]->is_dead = true;
    start();
    for (uint32_t i = 0; i < 10; i++) {
        struct tr_fragment *unit = begin_unit(0);
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i);
        add_bytes(unit, tr_span_of_text(key), tr_span_of(value, sizeof(value)));
        end_unit(unit);
    }
    run_ms(3000);
    assert_int_equal(bench->returned_count, 4); /* two pages, two records each */
    bench->stream[0]->is_dead = false;
    run_ms(90000);
    assert_int_equal(bench->returned_count, 10);
    assert_int_equal(acked(), 10);
}

static void refused_credentials_are_refreshed_then_named(void **state)
{
    struct tr_call_done done = {.status = 400, .credentials_generation = 3};
    (void)state;
    start();
    struct tr_fragment *unit = begin_unit(0);
    add(unit, "k", "v");
    end_unit(unit);
    (void)tr_shipper_step(bench->shipper, bench->now_ns);
    struct ship_slot *slot = &bench->shipper->slots[0];
    assert_true(slot->is_out);
    /* Straight to the inside: the model answers by its own mind. */
    bench->options.transport->cancel(bench->options.transport->self, 0);
    bench->applied_count = 0;
    (void)snprintf(done.error_type, sizeof(done.error_type), "ExpiredTokenException");
    bench->refresh_helps = true;
    ship_refuse(bench->shipper, slot, &done, bench->now_ns);
    assert_int_equal(bench->refresh_count, 1);
    assert_int_equal(bench->shipper->streams[0].refused_since_ns, 0);
    (void)tr_shipper_step(bench->shipper, bench->now_ns); /* goes again at once */
    assert_true(slot->is_out);
    bench->options.transport->cancel(bench->options.transport->self, 0);
    bench->refresh_helps = false;
    ship_refuse(bench->shipper, slot, &done, bench->now_ns);
    assert_null(tr_fault_seen(&bench->fault));
    for (uint32_t i = 0; i < 10 && tr_fault_seen(&bench->fault) == NULL; i++) {
        bench->now_ns += 40 * TR_NS_PER_S;
        (void)tr_shipper_step(bench->shipper, bench->now_ns);
        if (slot->is_out) {
            bench->options.transport->cancel(bench->options.transport->self, 0);
            ship_refuse(bench->shipper, slot, &done, bench->now_ns);
        }
    }
    expect_fault(TR_ERR_SINK_AUTH, "ExpiredTokenException");
}

static void retry_after_is_honoured(void **state)
{
    struct tr_call_done done = {.status = 429, .retry_after_ns = 1500 * TR_NS_PER_MS};
    (void)state;
    start();
    struct tr_fragment *unit = begin_unit(0);
    add(unit, "k", "v");
    end_unit(unit);
    (void)tr_shipper_step(bench->shipper, bench->now_ns);
    bench->options.transport->cancel(bench->options.transport->self, 0);
    ship_refuse(bench->shipper, &bench->shipper->slots[0], &done, bench->now_ns);
    const uint32_t before = bench->submitted_count;
    run_ms(1495);
    assert_int_equal(bench->submitted_count, before);
    run_ms(200);
    assert_int_equal(bench->submitted_count, before + 1);
}

static void a_throttled_shard_slows_only_its_lane(void **state)
{
    char key[32];
    (void)state;
    bench->stream[0]->is_denied = false;
    bench->stream[0]->shard_count = 4;
    start();
    struct tr_fragment *unit = begin_unit(0);
    add(unit, "first", "v");
    end_unit(unit);
    run_ms(1000);
    assert_true(bench->shipper->streams[0].lanes.is_mapped);
    assert_int_equal(bench->shipper->streams[0].lanes.count, 4);
    bench->stream[0]->throttled_shards = 1U << 2;
    unit = begin_unit(0);
    for (uint32_t i = 0; i < 2000; i++) {
        (void)snprintf(key, sizeof(key), "{\"id\":%u}", i);
        add(unit, key, "v");
    }
    end_unit(unit);
    run_ms(1000);
    assert_in_range(bench->applied_count, 1350, 1650); /* three quarters */
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(bench->shipper->streams[0].lanes.lanes[i].pace.is_limited, i == 2);
    }
    bench->stream[0]->throttled_shards = 0;
    run_ms(20000);
    assert_int_equal(bench->applied_count, 2001);
    assert_int_equal(acked(), 2);
}

static void bad_options_are_named(void **state)
{
    struct tr_error err;
    (void)state;
    bench->options.batch_size_max = 501;
    assert_int_equal(tr_shipper_open(&bench->shipper, &bench->options, NULL, &err), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "batch.size = 501"));
    bench->options.batch_size_max = 500;
    bench->options.null_key = "";
    assert_int_equal(tr_shipper_open(&bench->shipper, &bench->options, NULL, &err), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "null.key"));
    assert_null(bench->shipper);
}

static void a_name_that_kinesis_does_not_take_is_refused(void **state)
{
    char name[200];
    struct tr_error err;
    (void)state;
    memset(name, 'n', 129);
    name[129] = '\0';
    const struct tr_stream *stream = tr_streams_intern(bench->streams, tr_span_of_text(name), &err);
    assert_non_null(stream);
    bench->options.streams_max = 8;
    start();
    struct tr_fragment *unit = begin_unit(0);
    add(unit, "k", "v");
    end_unit(unit);
    unit = begin_unit(stream->id);
    add(unit, "k", "v");
    end_unit(unit);
    run_ms(500);
    expect_fault(TR_ERR_SINK_STREAM, "129 characters");
    assert_int_equal(acked(), 1); /* what came before it is delivered */
}

static void a_sum_of_memory_is_told(void **state)
{
    struct tr_memory_sum sum = {0};
    struct tr_error err;
    (void)state;
    assert_int_equal(tr_shipper_open(&bench->shipper, &bench->options, &sum, &err), TR_OK);
    assert_true(tr_memory_sum_total(&sum) > 16 * 1024 * 1024);
    assert_true(sum.term_count >= 6);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
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
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC); /* the causes log what they should */
    tr_log_setup(TR_LOG_DEBUG, TR_LOG_TEXT, nowhere < 0 ? 2 : nowhere);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
