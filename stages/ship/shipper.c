// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/shipper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "stages/ship/shipper_state.h"

#define STEP_STREAMS 2048         /* looked at per step: with more, they take turns */
#define STREAM_NAME_BYTES_MAX 128 /* Kinesis */

static void take_defaults(struct tr_shipper_options *options);
static enum tr_code check_options(const struct tr_shipper_options *options, struct tr_error *err);
static enum tr_code open_memory(struct tr_shipper *shipper, struct tr_error *err);
static void add_terms(const struct tr_shipper *shipper, struct tr_memory_sum *sum);
static uint32_t visit_streams(struct tr_shipper *shipper, int64_t now_ns);
static bool publish_acked(struct tr_shipper *shipper);

enum tr_code tr_shipper_open(struct tr_shipper **shipper, const struct tr_shipper_options *options,
                             struct tr_memory_sum *sum, struct tr_error *err)
{
    struct tr_shipper *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "shipper: no memory for %zu bytes: add memory",
                       sizeof(*made));
    }
    made->options = *options;
    take_defaults(&made->options);
    enum tr_code code = check_options(&made->options, err);
    if (code == TR_OK) {
        (void)snprintf(made->null_key, sizeof(made->null_key), "%s", made->options.null_key);
        made->options.null_key = made->null_key;
        made->jitter.state = made->options.seed;
        code = open_memory(made, err);
    }
    if (code != TR_OK) {
        tr_shipper_close(made);
        return code;
    }
    if (sum != NULL) {
        add_terms(made, sum);
    }
    *shipper = made;
    return TR_OK;
}

static void default_u32(uint32_t *value, uint32_t standard)
{
    *value = *value == 0 ? standard : *value;
}

static void default_ns(int64_t *value, int64_t standard)
{
    *value = *value == 0 ? standard : *value;
}

static void take_defaults(struct tr_shipper_options *options)
{
    default_u32(&options->slot_count, 8);
    default_u32(&options->parallel_max, 4);
    default_u32(&options->batch_size_max, TR_REQUEST_RECORDS_MAX);
    default_u32(&options->request_bytes_max, TR_REQUEST_PAYLOAD_BYTES_MAX);
    default_u32(&options->flight_bytes_max, 16 * 1024 * 1024);
    default_u32(&options->keys_max, 256 * 1024);
    default_u32(&options->streams_max, TR_SHIPPER_STREAMS_DEFAULT);
    options->parking_bytes =
        options->parking_bytes == 0 ? 16 * 1024 * 1024 : options->parking_bytes;
    options->null_key = options->null_key == NULL ? "default" : options->null_key;
    default_ns(&options->request_timeout_ns, 10 * TR_NS_PER_S);
    default_ns(&options->request_timeout_ns_max, 40 * TR_NS_PER_S);
    if (options->request_timeout_ns_max < options->request_timeout_ns) {
        options->request_timeout_ns_max = options->request_timeout_ns;
    }
    default_ns(&options->stream_grace_ns, 900 * TR_NS_PER_S);
    default_ns(&options->start_grace_ns, 5 * TR_NS_PER_S);
    default_ns(&options->control_interval_ns, 100 * TR_NS_PER_MS * options->shipper_count);
    default_ns(&options->map_refresh_ns, 300 * TR_NS_PER_S);
    default_ns(&options->stall_ns, 500 * TR_NS_PER_MS);
}

static enum tr_code check_options(const struct tr_shipper_options *options, struct tr_error *err)
{
    TR_ASSERT(options->shipper_count > 0);
    TR_ASSERT(options->index < options->shipper_count);
    TR_ASSERT(options->shipper_count <= TR_SHIPPERS_MAX);
    TR_ASSERT(options->buckets_max > 0);
    TR_ASSERT(options->slot_count <= TR_SHIPPER_SLOTS_MAX);
    TR_ASSERT(options->keys_max >= TR_SHIPPER_KEYS_MIN);
    TR_ASSERT(options->transport != NULL);
    if (options->batch_size_max > TR_REQUEST_RECORDS_MAX) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "debezium.sink.kinesis.batch.size = %u: wanted 1 to %d records",
                       options->batch_size_max, TR_REQUEST_RECORDS_MAX);
    }
    if (options->request_bytes_max > TR_REQUEST_PAYLOAD_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "request size = %u: wanted at most %zu bytes, Kinesis' limit",
                       options->request_bytes_max, TR_REQUEST_PAYLOAD_BYTES_MAX);
    }
    const struct tr_span null_key = tr_span_of_text(options->null_key);
    if (null_key.bytes == 0 || tr_partition_key_is_oversize(null_key)) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "debezium.sink.kinesis.null.key has %zu bytes: wanted 1 to %d characters",
                       null_key.bytes, TR_PARTITION_KEY_CHARACTERS_MAX);
    }
    return TR_OK;
}

static enum tr_code open_memory(struct tr_shipper *shipper, struct tr_error *err)
{
    const struct tr_shipper_options *options = &shipper->options;
    enum tr_code code = tr_digest_open(&shipper->digest, err);

    code = code == TR_OK ? tr_json_open(&shipper->reader, TR_ANSWER_BYTES_MAX, err) : code;
    code = code == TR_OK ? tr_keytable_open(&shipper->keys, options->keys_max, err) : code;
    code = code == TR_OK ? tr_parking_open(&shipper->parking, options->parking_bytes, err) : code;
    if (code != TR_OK) {
        return code;
    }
    shipper->held_max =
        options->buckets_max * 2; /* in fragments, and as many again that were parked */
    shipper->streams = tr_memory_map((size_t)options->streams_max * sizeof(*shipper->streams), err);
    shipper->held = tr_memory_map((size_t)shipper->held_max * sizeof(*shipper->held), err);
    shipper->slots = tr_memory_map((size_t)options->slot_count * sizeof(*shipper->slots), err);
    if (shipper->streams == NULL || shipper->held == NULL || shipper->slots == NULL) {
        return TR_ERR_SYSTEM;
    }
    for (uint32_t i = 0; i < options->slot_count; i++) {
        code = tr_request_open(&shipper->slots[i].request, err);
        if (code != TR_OK) {
            return code;
        }
    }
    for (uint32_t i = 0; i < shipper->held_max; i++) {
        shipper->held[i].next = i + 1 < shipper->held_max ? i + 1 : SHIP_NONE;
    }
    shipper->held_head = SHIP_NONE;
    shipper->held_tail = SHIP_NONE;
    shipper->busy_head = SHIP_NONE;
    shipper->busy_tail = SHIP_NONE;
    shipper->guard_head = TR_KEY_NONE;
    shipper->guard_tail = TR_KEY_NONE;
    return ship_control_open(&shipper->control, err);
}

static void add_terms(const struct tr_shipper *shipper, struct tr_memory_sum *sum)
{
    const struct tr_shipper_options *options = &shipper->options;

    tr_memory_sum_add(sum, "shipper keys", tr_keytable_memory_bytes(options->keys_max));
    tr_memory_sum_add(sum, "shipper parking",
                      (uint64_t)shipper->parking.page_count * TR_PARKING_PAGE_BYTES);
    tr_memory_sum_add(sum, "shipper streams",
                      (uint64_t)options->streams_max * sizeof(*shipper->streams));
    tr_memory_sum_add(sum, "shipper buckets", (uint64_t)shipper->held_max * sizeof(*shipper->held));
    /* Bodies: 4/3 of what may be out, a share for each slot and one large record; frames and keys; what is kept. */
    const uint64_t payload_bytes = (uint64_t)options->flight_bytes_max +
                                   (uint64_t)options->slot_count * TR_SHIPPER_SHARE_BYTES +
                                   TR_REQUEST_PAYLOAD_BYTES_MAX;
    tr_memory_sum_add(
        sum, "shipper requests",
        payload_bytes * 4 / 3 +
            (uint64_t)options->slot_count *
                (sizeof(*shipper->slots) + TR_SHIPPER_SHARE_BYTES + TR_REQUEST_BODY_BYTES_KEPT));
    tr_memory_sum_add(sum, "shipper answers", tr_json_memory_bytes(TR_ANSWER_BYTES_MAX));
    tr_memory_sum_add(sum, "shipper control", ship_control_memory_bytes());
}

void tr_shipper_close(struct tr_shipper *shipper)
{
    if (shipper == NULL) {
        return;
    }
    const struct tr_shipper_options *options = &shipper->options;
    for (uint32_t i = 0; shipper->slots != NULL && i < options->slot_count; i++) {
        if (shipper->slots[i].is_out) {
            options->transport->cancel(options->transport->self, i);
        }
        tr_request_close(&shipper->slots[i].request);
    }
    if (shipper->control.state == SHIP_CONTROL_SUMMARY ||
        shipper->control.state == SHIP_CONTROL_CREATE ||
        shipper->control.state == SHIP_CONTROL_SHARDS) {
        options->transport->cancel(options->transport->self, options->slot_count);
    }
    ship_control_close(&shipper->control);
    tr_memory_unmap(shipper->slots, (size_t)options->slot_count * sizeof(*shipper->slots));
    tr_memory_unmap(shipper->held, (size_t)shipper->held_max * sizeof(*shipper->held));
    tr_memory_unmap(shipper->streams, (size_t)options->streams_max * sizeof(*shipper->streams));
    tr_parking_close(&shipper->parking);
    tr_keytable_close(&shipper->keys);
    tr_json_close(shipper->reader);
    tr_digest_close(shipper->digest);
    free(shipper);
}

uint32_t tr_shipper_step(void *self, int64_t now_ns)
{
    struct tr_shipper *shipper = self;
    uint32_t work_count = 0;

    /*
     * Acquire, pairs with the collector's release after a unit's buckets: whatever belongs to units up to this one is in
     * the ring by now, so once the ring was seen empty and nothing is unacknowledged, they are acknowledged (I4).
     */
    shipper->routed_seq =
        atomic_load_explicit(&shipper->options.progress->routed_seq, memory_order_acquire);
    work_count += ship_take_buckets(shipper, now_ns);
    work_count += ship_expire_guards(shipper, now_ns);
    work_count += ship_settle(shipper, now_ns);
    work_count += ship_control_step(shipper, now_ns);
    work_count += visit_streams(shipper, now_ns);
    work_count += publish_acked(shipper);
    /* Release, pairs with tr_shipper_queued_count(): who sees that nothing is queued sees the acked_seq of it as well. */
    atomic_store_explicit(&shipper->queued_count, shipper->queued_now, memory_order_release);
    if (shipper->is_collector_due && shipper->options.returns_bell != NULL) {
        tr_doorbell_ring(shipper->options.returns_bell);
    }
    shipper->is_collector_due = false;
    return work_count;
}

bool tr_shipper_has_work(void *self)
{
    struct tr_shipper *shipper = self;

    /* Relaxed: a hint; the step loads it again, with acquire. */
    const uint64_t routed_seq =
        atomic_load_explicit(&shipper->options.progress->routed_seq, memory_order_relaxed);
    return (!tr_ring_is_empty(shipper->options.buckets) && !shipper->is_stuck) ||
           (shipper->queued_now == 0 && routed_seq > shipper->acked_seq);
}

bool tr_shipper_is_idle(const struct tr_shipper *shipper)
{
    return tr_shipper_queued_count(shipper) == 0;
}

uint64_t tr_shipper_queued_count(const struct tr_shipper *shipper)
{
    /* Acquire, pairs with the step's release. */
    return atomic_load_explicit(&shipper->queued_count, memory_order_acquire);
}

/* --- streams */

static void push_busy(struct tr_shipper *shipper, uint32_t index)
{
    struct ship_stream *stream = ship_stream_of(shipper, index);

    stream->next_busy = SHIP_NONE;
    if (shipper->busy_head == SHIP_NONE) {
        shipper->busy_head = index;
    } else {
        ship_stream_of(shipper, shipper->busy_tail)->next_busy = index;
    }
    shipper->busy_tail = index;
    stream->is_busy = true;
    shipper->busy_count++;
}

static enum tr_code open_stream(struct tr_shipper *shipper, uint32_t id, struct tr_error *err)
{
    const struct tr_stream *named = tr_streams_get(shipper->options.streams, id);
    const uint32_t index = id / shipper->options.shipper_count;

    TR_ASSERT(named->shipper == shipper->options.index);
    if (strlen(named->name) > STREAM_NAME_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_SINK_STREAM, TR_STOP,
                       "stream \"%s\" has a name of %zu characters, Kinesis takes %d: shorten "
                       "debezium.source.topic.prefix, or route "
                       "the table to another topic",
                       named->name, strlen(named->name), STREAM_NAME_BYTES_MAX);
    }
    struct ship_stream *stream = ship_stream_of(shipper, index);
    stream->stream = named;
    stream->metrics = tr_metrics_add_stream_block(shipper->options.metrics, named->name);
    if (stream->metrics == NULL) {
        stream->metrics = shipper->options.actor_metrics;
    }
    stream->record_bytes_max = SHIP_RECORD_BYTES_DEFAULT;
    stream->request_bytes_max = shipper->options.request_bytes_max < TR_REQUEST_PAYLOAD_BYTES_OLD
                                    ? shipper->options.request_bytes_max
                                    : TR_REQUEST_PAYLOAD_BYTES_OLD;
    stream->suspect_head = TR_KEY_NONE;
    stream->suspect_tail = TR_KEY_NONE;
    stream->parked_held = SHIP_NONE;
    tr_lanes_init(&stream->lanes);
    return TR_OK;
}

bool ship_stream_ready(struct tr_shipper *shipper, uint32_t stream_id, int64_t now_ns)
{
    const uint32_t index = stream_id / shipper->options.shipper_count;
    struct tr_error err;

    if (index >= shipper->options.streams_max) {
        (void)TR_FAIL(
            &err, TR_ERR_MEMORY_LIMIT, TR_STOP,
            "more than %u streams: tables were made since the start; start again, or capture fewer",
            shipper->options.streams_max * shipper->options.shipper_count);
        tr_fault_raise(shipper->options.fault, &err);
        return false;
    }
    struct ship_stream *stream = ship_stream_of(shipper, index);
    if (stream->stream == NULL && open_stream(shipper, stream_id, &err) != TR_OK) {
        tr_fault_raise(shipper->options.fault, &err);
        return false;
    }
    if (!stream->is_busy) {
        stream->progress_ns = now_ns;
        push_busy(shipper, index);
    }
    return true;
}

static uint32_t visit_stream(struct tr_shipper *shipper, uint32_t index, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, index);
    uint32_t work_count = 0;

    ship_control_want(shipper, index, now_ns);
    work_count += ship_send(shipper, index, now_ns);
    if (!stream->is_stalled && stream->queued_count > 0 &&
        now_ns - stream->progress_ns >= shipper->options.stall_ns) {
        TR_COVER("shipper.stream_stalled");
        stream->is_stalled = true;
        stream->park_due_ns = now_ns;
        TR_LOG(TR_LOG_WARN, "shipper.stream_stalled", TR_TEXT("stream", stream->stream->name),
               TR_UINT("records", stream->queued_count));
    }
    work_count += ship_park(shipper, stream, now_ns);
    tr_metric_set(stream->metrics, TR_METRIC_RECORDS_QUEUED, stream->queued_count);
    return work_count;
}

/* Looks at each stream that has unacknowledged records, or was made and is not finished, in turn. */
static uint32_t visit_streams(struct tr_shipper *shipper, int64_t now_ns)
{
    const uint32_t count = shipper->busy_count < STEP_STREAMS ? shipper->busy_count : STEP_STREAMS;
    uint32_t work_count = 0;

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t index = shipper->busy_head;
        struct ship_stream *stream = ship_stream_of(shipper, index);
        shipper->busy_head = stream->next_busy;
        stream->is_busy = false;
        shipper->busy_count--;
        work_count += visit_stream(shipper, index, now_ns);
        if (stream->queued_count > 0 || stream->is_unfinished) {
            push_busy(shipper, index);
        }
    }
    return work_count;
}

/* --- progress */

static bool publish_acked(struct tr_shipper *shipper)
{
    uint64_t acked_seq = shipper->routed_seq;
    void *slot;

    if (shipper->held_head != SHIP_NONE) {
        acked_seq = shipper->held[shipper->held_head].unit_seq - 1;
    } else if (tr_ring_peek(shipper->options.buckets, 1, &slot) > 0) {
        acked_seq = ((const struct tr_bucket *)slot)->unit_seq - 1;
        acked_seq = acked_seq < shipper->routed_seq ? acked_seq : shipper->routed_seq;
    }
    /* Buckets of a unit that is not routed to its end do not count either. */
    acked_seq = acked_seq < shipper->routed_seq ? acked_seq : shipper->routed_seq;
    TR_ASSERT(acked_seq >= shipper->acked_seq);
    if (acked_seq == shipper->acked_seq) {
        return false;
    }
    shipper->acked_seq = acked_seq;
    /* Release, pairs with the coordinator's acquire: it reads nothing else of ours, but a stream's order stays readable. */
    atomic_store_explicit(&shipper->options.progress->shippers[shipper->options.index].acked_seq,
                          acked_seq, memory_order_release);
    if (shipper->options.acked_bell != NULL) {
        tr_doorbell_ring(shipper->options.acked_bell);
    }
    return true;
}
