// SPDX-License-Identifier: Apache-2.0
/*
 * What a stream takes and how it is divided, asked for at its first record: DescribeStreamSummary for the record limit,
 * CreateStream where there is none and it is wanted, then ListShards page by page; the map again every few minutes. One call at a time in a slot of its own, paced
 * under the account's limits (kinesis §2.2). Who may not ask goes on with hash lanes and the default limit.
 */
#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "stages/ship/shipper_state.h"

#define CONTROL_TIMEOUT_NS (10 * TR_NS_PER_S)
#define CONTROL_GRACE_NS (2 * TR_NS_PER_S)
#define RETRY_BASE_NS TR_NS_PER_S
#define RETRY_CAP_NS (30 * TR_NS_PER_S)
#define CREATING_POLL_NS TR_NS_PER_S
#define APPLY_WAIT_NS                                                                              \
    (60 * TR_NS_PER_S) /* for the stream's last request; then the map is asked for later */

enum tr_code ship_control_open(struct ship_control *control, struct tr_error *err)
{
    control->queue_head = SHIP_NONE;
    control->queue_tail = SHIP_NONE;
    control->body = tr_memory_map(sizeof(*control->body), err);
    if (control->body == NULL) {
        return TR_ERR_SYSTEM;
    }
    control->list = tr_memory_map(sizeof(*control->list), err);
    if (control->list == NULL) {
        return TR_ERR_SYSTEM;
    }
    control->list->shards = tr_memory_map(SHIP_SHARDS_MAX * sizeof(struct tr_shard), err);
    control->list->shards_max = SHIP_SHARDS_MAX;
    return control->list->shards == NULL ? TR_ERR_SYSTEM : TR_OK;
}

void ship_control_close(struct ship_control *control)
{
    tr_memory_unmap(control->body, sizeof(*control->body));
    if (control->list != NULL) {
        tr_memory_unmap(control->list->shards, SHIP_SHARDS_MAX * sizeof(struct tr_shard));
        tr_memory_unmap(control->list, sizeof(*control->list));
    }
    *control = (struct ship_control){0};
}

size_t ship_control_memory_bytes(void)
{
    return sizeof(struct tr_control_body) + sizeof(struct tr_shard_list) +
           SHIP_SHARDS_MAX * sizeof(struct tr_shard);
}

void ship_control_want(struct tr_shipper *shipper, uint32_t index, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, index);
    struct ship_control *control = &shipper->control;

    if (stream->is_control_queued || stream->need == SHIP_NEED_NOTHING ||
        now_ns < stream->control_due_ns) {
        return;
    }
    stream->is_control_queued = true;
    stream->next_control = SHIP_NONE;
    if (control->queue_head == SHIP_NONE) {
        control->queue_head = index;
    } else {
        ship_stream_of(shipper, control->queue_tail)->next_control = index;
    }
    control->queue_tail = index;
}

/* The stream's turn is over: it may queue again from `due_ns` on. */
static void end_turn(struct tr_shipper *shipper, int64_t due_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, shipper->control.stream);

    stream->control_due_ns = due_ns;
    stream->is_control_queued = false;
    stream->is_frozen = false;
    shipper->control.state = SHIP_CONTROL_IDLE;
}

static void retry_later(struct tr_shipper *shipper, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, shipper->control.stream);
    const int64_t delay_ns =
        RETRY_BASE_NS + tr_jitter_backoff_ns(&shipper->jitter, RETRY_BASE_NS, RETRY_CAP_NS,
                                             stream->control_attempt_count++);

    TR_COVER("shipper.control_retried");
    end_turn(shipper, now_ns + delay_ns);
}

/* Sends what the stream in turn needs next. */
static void send_call(struct tr_shipper *shipper, int64_t now_ns)
{
    struct ship_control *control = &shipper->control;
    const struct ship_stream *stream = ship_stream_of(shipper, control->stream);
    const char *operation = NULL;
    enum ship_control_state state = SHIP_CONTROL_IDLE;
    struct tr_error err;

    switch (stream->need) {
    case SHIP_NEED_SUMMARY:
        operation = "DescribeStreamSummary";
        state = SHIP_CONTROL_SUMMARY;
        tr_control_write_describe_stream_summary(control->body, stream->stream->name);
        break;
    case SHIP_NEED_CREATE:
        operation = "CreateStream";
        state = SHIP_CONTROL_CREATE;
        tr_control_write_create_stream(control->body, stream->stream->name, &shipper->options.wish);
        break;
    case SHIP_NEED_RETENTION:
        operation = "IncreaseStreamRetentionPeriod";
        state = SHIP_CONTROL_RETENTION;
        tr_control_write_increase_retention(control->body, stream->stream->name,
                                            shipper->options.wish.retention_hours);
        break;
    case SHIP_NEED_SHARDS:
    case SHIP_NEED_NOTHING: /* a map that is asked for again */
        operation = "ListShards";
        state = SHIP_CONTROL_SHARDS;
        tr_control_write_list_shards(control->body, stream->stream->name,
                                     control->list->next_token);
        break;
    }
    const struct tr_call call = {.slot = shipper->options.slot_count,
                                 .operation = operation,
                                 .body = tr_control_body_span(control->body),
                                 .timeout_ns = CONTROL_TIMEOUT_NS};
    control->next_ns = now_ns + shipper->options.control_interval_ns;
    control->deadline_ns = now_ns + CONTROL_TIMEOUT_NS + CONTROL_GRACE_NS;
    if (shipper->options.transport->submit(shipper->options.transport->self, &call, now_ns, &err) !=
        TR_OK) {
        retry_later(shipper, now_ns);
        return;
    }
    tr_metric_add(stream->metrics, TR_METRIC_CONTROL_CALLS, 1);
    control->state = state;
}

static void start_turn(struct tr_shipper *shipper, int64_t now_ns)
{
    struct ship_control *control = &shipper->control;

    control->stream = control->queue_head;
    control->queue_head = ship_stream_of(shipper, control->stream)->next_control;
    control->list->shard_count = 0;
    control->list->next_token[0] = '\0';
    send_call(shipper, now_ns);
}

/* The map is whole: use it once no request of the stream is out. */
static bool apply_map(struct tr_shipper *shipper, int64_t now_ns)
{
    struct ship_control *control = &shipper->control;
    struct ship_stream *stream = ship_stream_of(shipper, control->stream);

    if (stream->flight_slots > 0 || stream->suspect_entries_max > 0) {
        if (now_ns < control->deadline_ns) {
            return false;
        }
        TR_COVER("shipper.map_put_off");
        retry_later(shipper, now_ns);
        return true;
    }
    TR_COVER("shipper.map_applied");
    uint32_t key = tr_lanes_divide(&stream->lanes, &shipper->keys, control->list->shards,
                                   control->list->shard_count);
    while (key != TR_KEY_NONE) {
        const uint32_t next = tr_keytable_key(&shipper->keys, key)->next;
        ship_key_ready(shipper, stream, key, false);
        key = next;
    }
    stream->lane_next = 0;
    TR_LOG(TR_LOG_INFO, "shipper.shard_map", TR_TEXT("stream", stream->stream->name),
           TR_UINT("shards", control->list->shard_count), TR_UINT("lanes", stream->lanes.count));
    end_turn(shipper, now_ns + shipper->options.map_refresh_ns);
    return true;
}

uint32_t ship_control_step(struct tr_shipper *shipper, int64_t now_ns)
{
    struct ship_control *control = &shipper->control;

    switch (control->state) {
    case SHIP_CONTROL_IDLE:
        if (control->queue_head == SHIP_NONE || now_ns < control->next_ns) {
            return 0;
        }
        start_turn(shipper, now_ns);
        return 1;
    case SHIP_CONTROL_SUMMARY:
    case SHIP_CONTROL_CREATE:
    case SHIP_CONTROL_RETENTION:
    case SHIP_CONTROL_SHARDS:
        if (now_ns < control->deadline_ns) {
            return 0;
        }
        shipper->options.transport->cancel(shipper->options.transport->self,
                                           shipper->options.slot_count);
        retry_later(shipper, now_ns);
        return 1;
    case SHIP_CONTROL_NEXT:
        if (now_ns < control->next_ns) {
            return 0;
        }
        send_call(shipper, now_ns);
        return 1;
    case SHIP_CONTROL_APPLY:
        return apply_map(shipper, now_ns) ? 1 : 0;
    }
    return 0;
}

/* Not allowed, or not offered: go on without. */
static void do_without(struct tr_shipper *shipper, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, shipper->control.stream);

    TR_COVER("shipper.control_denied");
    stream->is_creating = false;
    stream->is_unfinished = false;
    if (stream->need != SHIP_NEED_SHARDS) {
        stream->is_limit_known = true; /* the default is all we shall know */
        stream->need = SHIP_NEED_SHARDS;
        shipper->control.state = SHIP_CONTROL_NEXT;
    } else {
        stream->need = SHIP_NEED_NOTHING;
        end_turn(shipper, now_ns);
    }
}

/* The stream will be there soon: what it takes is asked for then. */
static void await_creation(struct tr_shipper *shipper, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, shipper->control.stream);

    stream->is_creating = true;
    stream->need = SHIP_NEED_SUMMARY;
    end_turn(shipper, now_ns + CREATING_POLL_NS);
}

static void take_failure(struct tr_shipper *shipper, const struct tr_call_done *done,
                         int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, shipper->control.stream);
    struct tr_kinesis_failure failure;

    tr_control_parse_failure(shipper->reader, done->answer, done->error_type, &failure);
    const struct tr_verdict_rule rule =
        tr_kinesis_classify(done->status, tr_span_of_text(failure.type));
    const bool is_missing = strcmp(failure.type, "ResourceNotFoundException") == 0;
    if (is_missing && stream->need == SHIP_NEED_SUMMARY && shipper->options.creates_streams) {
        stream->is_creating = true;
        stream->need = SHIP_NEED_CREATE;
        shipper->control.state = SHIP_CONTROL_NEXT;
        return;
    }
    if (stream->need == SHIP_NEED_CREATE && strcmp(failure.type, "ResourceInUseException") == 0) {
        TR_COVER("shipper.stream_was_created");
        await_creation(shipper, now_ns); /* another one was faster, or our first try was heard */
        return;
    }
    TR_LOG(TR_LOG_WARN, "shipper.control_refused", TR_TEXT("stream", stream->stream->name),
           TR_INT("status", done->status), TR_TEXT("type", failure.type));
    if ((rule.verdict == TR_VERDICT_FATAL && !is_missing) || rule.verdict == TR_VERDICT_BAD) {
        do_without(shipper, now_ns);
        return;
    }
    retry_later(shipper, now_ns);
}

static void take_summary(struct tr_shipper *shipper, const struct tr_stream_summary *summary,
                         int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, shipper->control.stream);
    if (summary->status == TR_STREAM_CREATING) {
        await_creation(shipper, now_ns);
        return;
    }
    if (stream->is_creating) {
        stream->is_creating = false;
        stream->refused_since_ns = 0;
        stream->refused_count = 0;
        stream->not_before_ns = now_ns;
    }
    const uint32_t kib_max = TR_REQUEST_PAYLOAD_BYTES_MAX / 1024;
    const uint32_t kib = summary->max_record_kib < kib_max ? summary->max_record_kib : kib_max;

    stream->is_limit_known = true;
    stream->record_bytes_max = kib * 1024;
    if (stream->record_bytes_max > SHIP_RECORD_BYTES_DEFAULT &&
        stream->request_bytes_max == TR_REQUEST_PAYLOAD_BYTES_OLD) {
        stream->request_bytes_max = shipper->options.request_bytes_max;
    }
    stream->need = SHIP_NEED_SHARDS;
    if (stream->is_unfinished && shipper->options.wish.retention_hours > summary->retention_hours) {
        stream->need = SHIP_NEED_RETENTION;
    } else {
        stream->is_unfinished = false;
    }
    stream->control_attempt_count = 0;
    shipper->control.state = SHIP_CONTROL_NEXT;
}

static void take_shards(struct tr_shipper *shipper, int64_t now_ns)
{
    struct ship_control *control = &shipper->control;
    struct ship_stream *stream = ship_stream_of(shipper, control->stream);

    if (control->list->next_token[0] != '\0') {
        control->state = SHIP_CONTROL_NEXT;
        return;
    }
    if (!tr_shard_list_keep_open(control->list) || control->list->shard_count == 0) {
        TR_COVER("shipper.map_not_whole");
        retry_later(shipper, now_ns);
        return;
    }
    stream->control_attempt_count = 0;
    if (tr_lanes_match(&stream->lanes, control->list->shards, control->list->shard_count)) {
        end_turn(shipper, now_ns + shipper->options.map_refresh_ns);
        return;
    }
    stream->is_frozen = true;
    control->deadline_ns = now_ns + APPLY_WAIT_NS;
    control->state = SHIP_CONTROL_APPLY;
}

void ship_control_done(struct tr_shipper *shipper, const struct tr_call_done *done, int64_t now_ns)
{
    struct ship_control *control = &shipper->control;
    const enum ship_control_state state = control->state;
    struct tr_stream_summary summary;
    struct tr_error err;

    TR_ASSERT(state == SHIP_CONTROL_SUMMARY || state == SHIP_CONTROL_CREATE ||
              state == SHIP_CONTROL_RETENTION || state == SHIP_CONTROL_SHARDS);
    if (done->state == TR_CALL_ANSWERED && done->status != 200) {
        take_failure(shipper, done, now_ns);
        return;
    }
    if (done->state == TR_CALL_ANSWERED && state == SHIP_CONTROL_CREATE) {
        TR_COVER("shipper.stream_created");
        TR_LOG(TR_LOG_INFO, "streams.created",
               TR_TEXT("stream", ship_stream_of(shipper, shipper->control.stream)->stream->name),
               TR_UINT("shards", shipper->options.wish.shard_count));
        ship_stream_of(shipper, control->stream)->is_unfinished =
            shipper->options.wish.retention_hours > TR_KINESIS_RETENTION_HOURS_DEFAULT;
        await_creation(shipper, now_ns);
        return;
    }
    if (done->state == TR_CALL_ANSWERED && state == SHIP_CONTROL_RETENTION) {
        ship_stream_of(shipper, control->stream)->need = SHIP_NEED_SHARDS;
        ship_stream_of(shipper, control->stream)->is_unfinished = false;
        control->state = SHIP_CONTROL_NEXT;
        return;
    }
    enum tr_code code = TR_ERR_SINK_LINK;
    if (done->state == TR_CALL_ANSWERED) {
        code = state == SHIP_CONTROL_SUMMARY
                   ? tr_control_parse_stream_summary(shipper->reader, done->answer, &summary, &err)
                   : tr_control_parse_shards(shipper->reader, done->answer, control->list, &err);
    }
    if (code == TR_ERR_MEMORY_LIMIT) {
        TR_COVER("shipper.map_too_large");
        do_without(shipper, now_ns);
    } else if (code != TR_OK) {
        retry_later(shipper, now_ns);
    } else if (state == SHIP_CONTROL_SUMMARY) {
        take_summary(shipper, &summary, now_ns);
    } else {
        take_shards(shipper, now_ns);
    }
}
