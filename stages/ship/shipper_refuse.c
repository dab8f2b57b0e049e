// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "stages/ship/shipper_state.h"

#define THROTTLE_BASE_NS (100 * TR_NS_PER_MS)
#define RETRY_BASE_NS (50 * TR_NS_PER_MS)
#define BACKOFF_CAP_NS (5 * TR_NS_PER_S)
#define PATIENT_BASE_NS TR_NS_PER_S
#define PATIENT_CAP_NS (30 * TR_NS_PER_S)
#define CREATING_GRACE_NS (180 * TR_NS_PER_S) /* a stream that is being made */
#define REQUEST_BYTES_MIN (64U * 1024)
#define TIMEOUT_LEVEL_MAX 4

void ship_stream_works(struct ship_stream *stream, int64_t now_ns)
{
    tr_breaker_on_success(&stream->breaker);
    stream->has_worked = true;
    stream->progress_ns = now_ns;
    stream->is_stalled = false;
    stream->attempt_count = 0;
    stream->timeout_level = 0;
    stream->refused_since_ns = 0;
    stream->refused_count = 0;
}

static void note_failure(struct ship_stream *stream, int64_t now_ns)
{
    tr_metric_add(stream->metrics, TR_METRIC_REQUESTS_FAILED, 1);
    if (tr_breaker_on_failure(&stream->breaker, now_ns)) {
        TR_COVER("shipper.breaker_opened");
        TR_LOG(TR_LOG_ERROR, "shipper.breaker_opened", TR_TEXT("stream", stream->stream->name),
               TR_UINT("failures", stream->breaker.failure_count));
    }
}

/* The first retry of a row of failures goes at once, the others after a jittered delay. */
static void back_off(struct tr_shipper *shipper, struct ship_stream *stream, int64_t base_ns,
                     bool is_first_at_once, int64_t now_ns)
{
    const uint32_t attempt = stream->attempt_count++;

    if (attempt > 0 || !is_first_at_once) {
        stream->not_before_ns =
            now_ns + tr_jitter_backoff_ns(&shipper->jitter, base_ns, BACKOFF_CAP_NS, attempt);
    }
}

void ship_unknown(struct tr_shipper *shipper, struct ship_slot *slot, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);

    TR_COVER("shipper.outcome_unknown");
    tr_metric_add(stream->metrics, TR_METRIC_REQUESTS_UNKNOWN, 1);
    tr_metric_add(stream->metrics, TR_METRIC_MAYBE_DUPLICATES, slot->request.entry_count);
    if (now_ns - slot->sent_ns >= slot->timeout_ns && stream->timeout_level < TIMEOUT_LEVEL_MAX) {
        stream->timeout_level++; /* perhaps it was only slow: give it more next time */
    }
    const int64_t timeout_ns = slot->timeout_ns;
    ship_give_back(shipper, slot, now_ns + timeout_ns);
    note_failure(stream, now_ns);
    back_off(shipper, stream, RETRY_BASE_NS, true, now_ns);
}

void ship_unsent(struct tr_shipper *shipper, struct ship_slot *slot, const struct tr_error *err,
                 int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);

    TR_COVER("shipper.unsent");
    TR_LOG(TR_LOG_WARN, "shipper.unsent", TR_TEXT("stream", stream->stream->name),
           TR_TEXT("error", err->text));
    ship_give_back(shipper, slot, 0);
    note_failure(stream, now_ns);
    if (err->code == TR_ERR_SINK_AUTH) {
        const struct tr_verdict_rule rule = {.verdict = TR_VERDICT_CREDENTIALS, .is_known = true};
        ship_stream_refused(shipper, stream, rule, "no credentials", err->text, now_ns);
        return;
    }
    back_off(shipper, stream, RETRY_BASE_NS, true, now_ns);
}

void ship_suspect_push_head(struct tr_shipper *shipper, struct ship_stream *stream, uint32_t key)
{
    struct tr_key *entry = tr_keytable_key(&shipper->keys, key);

    entry->state = TR_KEY_SUSPECT;
    entry->next = stream->suspect_head;
    stream->suspect_head = key;
    if (stream->suspect_tail == TR_KEY_NONE) {
        stream->suspect_tail = key;
    }
}

void ship_suspects_end(struct ship_stream *stream)
{
    if (stream->suspect_entries_max > 0 && stream->suspect_head == TR_KEY_NONE &&
        !stream->is_suspect_out) {
        stream->lanes.flight_mask &= ~stream->suspect_lanes;
        stream->suspect_lanes = 0;
        stream->suspect_entries_max = 0;
    }
}

/* One bad record made the service refuse all of them: halves in order, one at a time, until it stands alone. */
static void bisect(struct tr_shipper *shipper, struct ship_slot *slot, const char *type)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);
    const uint32_t entry_count = slot->request.entry_count;
    const bool was_suspect = slot->is_suspect;
    const uint64_t lanes_mask = slot->lanes_mask;

    if (entry_count == 1) {
        ship_slot_free(shipper, slot);
        ship_record_refused(shipper, stream, slot->keys[0], type);
        ship_suspects_end(stream);
        return;
    }
    TR_COVER("shipper.bisected");
    TR_LOG(TR_LOG_WARN, "shipper.bisecting", TR_TEXT("stream", stream->stream->name),
           TR_TEXT("type", type), TR_UINT("entries", entry_count));
    for (uint32_t i = 0; i < slot->key_count; i++) {
        struct tr_key *key = tr_keytable_key(&shipper->keys, slot->keys[i]);
        if (key->suspect_count < key->flight_count) {
            key->suspect_count = key->flight_count;
        }
    }
    ship_slot_free(shipper, slot);
    slot->is_suspect = true; /* its keys go to the suspects */
    ship_put_back(shipper, slot, slot->keys, slot->key_count);
    stream->suspect_lanes |= lanes_mask;
    stream->lanes.flight_mask |= lanes_mask;
    if (was_suspect || stream->suspect_entries_max == 0 ||
        stream->suspect_entries_max > entry_count / 2) {
        stream->suspect_entries_max = entry_count / 2;
    }
}

/* 413, or a text that names the size: smaller requests from now on. Whether that was it. */
static bool shrink(struct ship_stream *stream, const struct ship_slot *slot, int status,
                   const char *message)
{
    const bool is_size = status == 413 || strstr(message, "size exceeds") != NULL;
    const uint64_t half_bytes = slot->request.payload_bytes / 2;

    if (!is_size || slot->request.entry_count == 1 || half_bytes >= stream->request_bytes_max ||
        stream->request_bytes_max <= REQUEST_BYTES_MIN) {
        return false;
    }
    TR_COVER("shipper.request_shrunk");
    stream->request_bytes_max =
        half_bytes > REQUEST_BYTES_MIN ? (uint32_t)half_bytes : REQUEST_BYTES_MIN;
    TR_LOG(TR_LOG_WARN, "shipper.request_shrunk", TR_TEXT("stream", stream->stream->name),
           TR_UINT("request_bytes_max", stream->request_bytes_max));
    return true;
}

static void refuse_throttled(struct tr_shipper *shipper, struct ship_slot *slot,
                             const struct tr_call_done *done, bool is_stream_wide, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);
    const uint64_t lanes_mask = slot->lanes_mask;

    TR_COVER("shipper.request_throttled");
    tr_metric_add(stream->metrics, TR_METRIC_RECORDS_THROTTLED, slot->request.entry_count);
    ship_give_back(shipper, slot, 0);
    back_off(shipper, stream, THROTTLE_BASE_NS, false, now_ns);
    if (done->retry_after_ns > 0 && stream->not_before_ns < now_ns + done->retry_after_ns) {
        stream->not_before_ns = now_ns + done->retry_after_ns;
    }
    for (uint32_t i = 0; i < stream->lanes.count && !is_stream_wide; i++) {
        if ((lanes_mask >> i & 1) != 0) {
            tr_pace_cut(&stream->lanes.lanes[i].pace, now_ns, 0.05F);
        }
    }
}

void ship_refuse(struct tr_shipper *shipper, struct ship_slot *slot,
                 const struct tr_call_done *done, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);
    struct tr_kinesis_failure failure;

    tr_control_parse_failure(shipper->reader, done->answer, done->error_type, &failure);
    const struct tr_verdict_rule rule =
        tr_kinesis_classify(done->status, tr_span_of_text(failure.type));
    TR_LOG(TR_LOG_WARN, "shipper.request_refused", TR_TEXT("stream", stream->stream->name),
           TR_INT("status", done->status), TR_TEXT("type", failure.type),
           TR_TEXT("verdict", tr_verdict_name(rule.verdict)),
           TR_TEXT("request_id", done->request_id));
    if (rule.verdict == TR_VERDICT_CREDENTIALS && shipper->options.refresh_credentials != NULL &&
        shipper->options.refresh_credentials(shipper->options.refresh_self,
                                             done->credentials_generation, now_ns)) {
        TR_COVER("shipper.credentials_refreshed");
        ship_give_back(shipper, slot, 0);
        back_off(shipper, stream, RETRY_BASE_NS, true, now_ns);
        return;
    }
    switch (rule.verdict) {
    case TR_VERDICT_THROTTLE:
        refuse_throttled(shipper, slot, done, rule.is_stream_wide, now_ns);
        return;
    case TR_VERDICT_BAD:
        if (shrink(stream, slot, done->status, failure.message)) {
            ship_give_back(shipper, slot, 0);
        } else {
            bisect(shipper, slot, failure.type[0] == '\0' ? "refused" : failure.type);
        }
        return;
    case TR_VERDICT_CREDENTIALS:
    case TR_VERDICT_STATE:
    case TR_VERDICT_FATAL:
        ship_give_back(shipper, slot, 0);
        note_failure(stream, now_ns);
        ship_stream_refused(shipper, stream, rule, failure.type, failure.message, now_ns);
        return;
    case TR_VERDICT_OK: /* another 2xx than 200: no answer of PutRecords */
    case TR_VERDICT_RETRY:
    case TR_VERDICT_RESTART:
    case TR_VERDICT_COUNT:
        break;
    }
    if (rule.outcome_unknown && done->status == 503) {
        /* Refused at the door: some of it may be stored, but no copy of it is still under way. */
        tr_metric_add(stream->metrics, TR_METRIC_MAYBE_DUPLICATES, slot->request.entry_count);
        ship_give_back(shipper, slot, now_ns);
        note_failure(stream, now_ns);
        back_off(shipper, stream, RETRY_BASE_NS, false, now_ns);
        return;
    }
    ship_unknown(shipper, slot, now_ns);
    if (done->retry_after_ns > 0 && stream->not_before_ns < now_ns + done->retry_after_ns) {
        stream->not_before_ns = now_ns + done->retry_after_ns;
    }
}

static void stop_stream(struct tr_shipper *shipper, struct ship_stream *stream,
                        const struct tr_error *err)
{
    stream->is_stopped = true;
    tr_fault_raise(shipper->options.fault, err);
}

void ship_stream_refused(struct tr_shipper *shipper, struct ship_stream *stream,
                         struct tr_verdict_rule rule, const char *type, const char *message,
                         int64_t now_ns)
{
    if (rule.verdict == TR_VERDICT_THROTTLE) {
        back_off(shipper, stream, THROTTLE_BASE_NS, false, now_ns);
        return;
    }
    if (stream->refused_since_ns == 0) {
        stream->refused_since_ns = now_ns;
    }
    const bool is_final = rule.verdict == TR_VERDICT_FATAL && !rule.has_grace;
    const int64_t grace_ns = stream->is_creating  ? CREATING_GRACE_NS
                             : stream->has_worked ? shipper->options.stream_grace_ns
                                                  : shipper->options.start_grace_ns;
    if (!is_final &&
        (rule.verdict == TR_VERDICT_STATE || now_ns - stream->refused_since_ns < grace_ns)) {
        int64_t delay_ns = PATIENT_BASE_NS;
        for (uint32_t i = 0; i < stream->refused_count && delay_ns < PATIENT_CAP_NS; i++) {
            delay_ns *= 2;
        }
        stream->refused_count++;
        stream->not_before_ns = now_ns + (delay_ns < PATIENT_CAP_NS ? delay_ns : PATIENT_CAP_NS);
        return;
    }
    struct tr_error err;
    const bool is_missing = strcmp(type, "ResourceNotFoundException") == 0;
    const bool is_auth = rule.verdict == TR_VERDICT_CREDENTIALS ||
                         strcmp(type, "AccessDeniedException") == 0 ||
                         strcmp(type, "AccessDenied") == 0;
    const char *remedy =
        is_missing ? "create it (tailrace streams --create, or tailrace.streams.create=true)"
        : is_auth  ? "correct the credentials, or allow kinesis:PutRecords on the stream"
                   : "correct the stream, its key or the endpoint";
    TR_COVER("shipper.stream_stopped");
    (void)TR_FAIL(&err, is_auth ? TR_ERR_SINK_AUTH : TR_ERR_SINK_STREAM, TR_STOP,
                  "stream \"%s\": %s%s%s: %s", stream->stream->name, type,
                  message[0] != '\0' ? ": " : "", message, remedy);
    stop_stream(shipper, stream, &err);
}

/* What mends it: by what is wrong with the record, as far as that shows. */
static const char *record_remedy(const struct ship_stream *stream, const struct tr_record *record,
                                 char *out, size_t room_bytes)
{
    const uint64_t bytes = (uint64_t)record->key_bytes + record->value_bytes;

    if (bytes > stream->record_bytes_max) {
        (void)snprintf(out, room_bytes,
                       "the stream takes records of %u bytes; raise its limit (aws kinesis "
                       "update-max-record-size --stream-arn ARN --max-record-size-in-ki-b %" PRIu64
                       ")",
                       stream->record_bytes_max, (bytes + 1023) / 1024);
        return out;
    }
    return record->key_bytes > TR_PARTITION_KEY_CHARACTERS_MAX
               ? "set tailrace.key.oversize=hash, or shorten the key"
               : "look at what the service says of it";
}

void ship_record_refused(struct tr_shipper *shipper, struct ship_stream *stream, uint32_t key,
                         const char *why)
{
    struct tr_key *entry = tr_keytable_key(&shipper->keys, key);
    const struct tr_record *record = entry->head;
    char remedy[192];
    struct tr_error err;

    TR_COVER("shipper.record_refused");
    entry->state = TR_KEY_DEAD;
    entry->flight_count = 0;
    tr_metric_add(stream->metrics, TR_METRIC_RECORDS_REFUSED, 1);
    (void)TR_FAIL(&err, TR_ERR_SINK_RECORD, TR_STOP,
                  "stream \"%s\": a record of unit %" PRIu64
                  " with a key of %u and a value of %u bytes cannot be delivered (%s): %s, or "
                  "leave the table "
                  "out (debezium.source.table.exclude.list)",
                  stream->stream->name, record->unit_seq, record->key_bytes, record->value_bytes,
                  why, record_remedy(stream, record, remedy, sizeof(remedy)));
    tr_fault_raise(shipper->options.fault, &err);
}
