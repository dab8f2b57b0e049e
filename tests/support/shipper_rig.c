// SPDX-License-Identifier: Apache-2.0
#include "tests/support/shipper_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/log.h"
#include "tests/check.h"

#define ROOM (4 * 1024 * 1024)

struct shipper_rig *rig;

static int64_t now(void *self)
{
    (void)self;
    return rig->now_ns;
}

static void on_submit(void *self, const char *stream, struct tr_span key, struct tr_span data,
                      int64_t now_ns)
{
    (void)self;
    (void)stream;
    (void)key;
    (void)data;
    (void)now_ns;
    rig->submitted_count++;
}

static void on_apply(void *self, const char *stream, struct tr_span key, struct tr_span data,
                     int64_t now_ns)
{
    (void)self;
    (void)now_ns;
    assert_true(rig->applied_count < SHIPPER_RIG_APPLIED_MAX);
    struct rig_applied *applied = &rig->applied[rig->applied_count++];
    (void)snprintf(applied->stream, sizeof(applied->stream), "%s", stream);
    (void)snprintf(applied->key, sizeof(applied->key), "%.*s", (int)key.bytes,
                   (const char *)key.data);
    (void)snprintf(applied->data, sizeof(applied->data), "%.*s",
                   (int)(data.bytes < 15 ? data.bytes : 15),
                   data.bytes == 0 ? "" : (const char *)data.data);
    applied->key_bytes = key.bytes;
    applied->data_bytes = data.bytes;
}

static bool refresh(void *self, uint64_t generation, int64_t now_ns)
{
    (void)self;
    (void)generation;
    (void)now_ns;
    rig->refresh_count++;
    return rig->refresh_helps;
}

int shipper_rig_open(void **state)
{
    struct tr_error err;
    (void)state;
    rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    rig->now_ns = 50 * TR_NS_PER_S;
    rig->clock = (struct tr_clock){.monotonic_ns = now, .wall_unix_ns = now};
    assert_int_equal(tr_ring_init(&rig->buckets, 256, sizeof(struct tr_bucket), &err), TR_OK);
    assert_int_equal(tr_ring_init(&rig->returns, 256, sizeof(struct tr_bucket_return), &err),
                     TR_OK);
    assert_int_equal(tr_streams_open(&rig->streams, 1, &err), TR_OK);
    assert_int_equal(tr_metrics_open(&rig->metrics, 8, &err), TR_OK);
    const struct model_watcher watcher = {.on_submit = on_submit, .on_apply = on_apply};
    rig->model = model_kinesis_open(1, &watcher);
    for (uint32_t i = 0; i < 3; i++) {
        const char name[] = {(char)('a' + i), '\0'};
        assert_non_null(tr_streams_intern(rig->streams, tr_span_of_text(name), &err));
        rig->stream[i] = model_kinesis_add_stream(rig->model, name);
        rig->stream[i]->is_denied = true; /* hash lanes: no control call gets between */
    }
    rig->options = (struct tr_shipper_options){.shipper_count = 1,
                                               .buckets = &rig->buckets,
                                               .returns = &rig->returns,
                                               .streams = rig->streams,
                                               .progress = &rig->progress,
                                               .fault = &rig->fault,
                                               .transport = model_kinesis_transport(rig->model),
                                               .clock = &rig->clock,
                                               .metrics = rig->metrics,
                                               .actor_metrics = &rig->block,
                                               .buckets_max = 256,
                                               .streams_max = 3,
                                               .refresh_credentials = refresh,
                                               .control_interval_ns = TR_NS_PER_MS};
    return 0;
}

void shipper_rig_start(void)
{
    struct tr_error err;
    const enum tr_code code = tr_shipper_open(&rig->shipper, &rig->options, NULL, &err);
    if (code != TR_OK) {
        fail_msg("%s", err.text);
    }
}

int shipper_rig_close(void **state)
{
    (void)state;
    tr_shipper_close(rig->shipper);
    model_kinesis_close(rig->model);
    for (uint32_t i = 0; i < rig->fragment_count; i++) {
        free(rig->fragments[i]);
    }
    tr_metrics_close(rig->metrics);
    tr_streams_close(rig->streams);
    tr_ring_deinit(&rig->buckets);
    tr_ring_deinit(&rig->returns);
    free(rig);
    return 0;
}

struct tr_fragment *shipper_rig_begin_unit(uint32_t stream_id)
{
    struct tr_fragment *fragment = NULL;
    assert_true(rig->fragment_count < SHIPPER_RIG_FRAGMENTS_MAX);
    assert_int_equal(posix_memalign((void **)&fragment, 64, sizeof(*fragment) + ROOM + 64), 0);
    rig->fragments[rig->fragment_count++] = fragment;
    memset(fragment, 0, sizeof(*fragment));
    fragment->magic = TR_FRAGMENT_MAGIC;
    fragment->unit_seq = ++rig->unit_seq;
    fragment->room_bytes = ROOM;
    fragment->group_count = 1;
    fragment->groups[0].stream_id = stream_id;
    return fragment;
}

void shipper_rig_add_bytes(struct tr_fragment *fragment, struct tr_span key, struct tr_span value)
{
    struct tr_fragment_group *group = &fragment->groups[0];
    fragment->high_bytes += (uint32_t)sizeof(struct tr_record);
    assert_true(fragment->low_bytes + key.bytes + value.bytes + fragment->high_bytes <= ROOM);
    struct tr_record *record =
        (struct tr_record *)(void *)(fragment->bytes + ROOM - fragment->high_bytes);
    *record = (struct tr_record){.fragment = fragment,
                                 .unit_seq = fragment->unit_seq,
                                 .key_at = fragment->low_bytes,
                                 .key_bytes = (uint32_t)key.bytes,
                                 .value_at = fragment->low_bytes + (uint32_t)key.bytes,
                                 .value_bytes = (uint32_t)value.bytes,
                                 .flags = key.bytes == 0 ? TR_RECORD_KEYLESS : 0,
                                 .commit_us = rig->now_ns / 1000};
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

void shipper_rig_add(struct tr_fragment *fragment, const char *key, const char *value)
{
    shipper_rig_add_bytes(fragment, tr_span_of_text(key), tr_span_of_text(value));
}

void shipper_rig_end_unit(struct tr_fragment *fragment)
{
    struct tr_bucket *bucket = tr_ring_claim_one(&rig->buckets);
    *bucket = (struct tr_bucket){.fragment = fragment,
                                 .stream_id = fragment->groups[0].stream_id,
                                 .unit_seq = fragment->unit_seq};
    tr_ring_publish(&rig->buckets, 1);
    atomic_store_explicit(&rig->progress.routed_seq, fragment->unit_seq, memory_order_release);
}

void shipper_rig_run_ms(uint32_t ms)
{
    void *slot;
    for (uint32_t i = 0; i < ms; i += 5) {
        rig->now_ns += 5 * TR_NS_PER_MS;
        model_kinesis_step(rig->model, rig->now_ns);
        (void)tr_shipper_step(rig->shipper, rig->now_ns);
        while (tr_ring_peek(&rig->returns, 1, &slot) == 1) {
            rig->returned_count++;
            tr_ring_release(&rig->returns, 1);
        }
    }
}

uint64_t shipper_rig_acked(void)
{
    return atomic_load_explicit(&rig->progress.shippers[0].acked_seq, memory_order_acquire);
}

uint64_t shipper_rig_metric(uint32_t stream, enum tr_metric which)
{
    return atomic_load_explicit(&rig->shipper->streams[stream].metrics->values[which],
                                memory_order_relaxed);
}

void shipper_rig_expect_fault(enum tr_code code, const char *part)
{
    const struct tr_error *err = tr_fault_seen(&rig->fault);
    assert_non_null(err);
    assert_int_equal(err->code, code);
    if (strstr(err->text, part) == NULL) {
        fail_msg("\"%s\" names no \"%s\"", err->text, part);
    }
}

void shipper_rig_silence(void)
{
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    tr_log_setup(TR_LOG_DEBUG, TR_LOG_TEXT, nowhere < 0 ? 2 : nowhere);
}
