// SPDX-License-Identifier: Apache-2.0
#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "stages/ship/shipper_state.h"

#define STEP_ANSWERS 32
#define PREFETCH_KEYS 8                     /* their memory was last touched a round trip ago */
#define DEADLINE_GRACE_NS (2 * TR_NS_PER_S) /* the transport's own timeout comes first */
#define THROTTLE_BASE_NS (100 * TR_NS_PER_MS)
#define RETRY_BASE_NS (50 * TR_NS_PER_MS)
#define BACKOFF_CAP_NS (5 * TR_NS_PER_S)
#define SHARE_MIN_SHARD 0.05F
#define SHARE_MIN_HASH_LANE 0.002F /* 64 of them may share one shard */

/* What the entries of one request came to. */
struct tally {
    uint64_t throttled_lanes;
    uint64_t failed_lanes;
    uint32_t acked_count;
    uint64_t acked_bytes;
    uint32_t failed_keys;
    const char *refused_code; /* an entry's verdict that concerns the stream; NULL = none */
    struct tr_verdict_rule refused_rule;
    /* Latencies in a row that are the same are counted together. */
    int64_t latency_us;
    uint64_t latency_count;
};

static void settle_call(struct tr_shipper *shipper, const struct tr_call_done *done,
                        int64_t now_ns);
static void settle_entries(struct tr_shipper *shipper, struct ship_slot *slot, int64_t now_ns);

static void log_unknown(const struct tr_shipper *shipper, const struct ship_slot *slot,
                        const char *why)
{
    TR_LOG(TR_LOG_WARN, "shipper.outcome_unknown",
           TR_TEXT("stream", ship_stream_of(shipper, slot->stream)->stream->name),
           TR_UINT("records", slot->request.entry_count), TR_TEXT("error", why));
}

uint32_t ship_settle(struct tr_shipper *shipper, int64_t now_ns)
{
    struct tr_transport *transport = shipper->options.transport;
    struct tr_call_done done;
    uint32_t count = 0;

    while (count < STEP_ANSWERS && transport->poll(transport->self, now_ns, &done)) {
        count++;
        if (done.slot == shipper->options.slot_count) {
            ship_control_done(shipper, &done, now_ns);
        } else {
            settle_call(shipper, &done, now_ns);
        }
    }
    for (uint32_t i = 0; i < shipper->options.slot_count; i++) {
        struct ship_slot *slot = &shipper->slots[i];
        if (slot->is_out && now_ns - slot->sent_ns >= slot->timeout_ns + DEADLINE_GRACE_NS) {
            TR_COVER("shipper.deadline");
            transport->cancel(transport->self, i);
            log_unknown(shipper, slot, "the transport did not report its end");
            ship_unknown(shipper, slot, now_ns);
            count++;
        }
    }
    return count;
}

static void settle_call(struct tr_shipper *shipper, const struct tr_call_done *done, int64_t now_ns)
{
    TR_ASSERT(done->slot < shipper->options.slot_count);
    struct ship_slot *slot = &shipper->slots[done->slot];
    TR_ASSERT(slot->is_out);

    switch (done->state) {
    case TR_CALL_UNSENT:
        ship_unsent(shipper, slot, &done->error, now_ns);
        return;
    case TR_CALL_UNKNOWN:
        log_unknown(shipper, slot, done->error.text);
        ship_unknown(shipper, slot, now_ns);
        return;
    case TR_CALL_ANSWERED:
        break;
    }
    if (done->status != 200) {
        ship_refuse(shipper, slot, done, now_ns);
        return;
    }
    if (!tr_answer_parse(&shipper->answer, shipper->reader, done->answer,
                         slot->request.entry_count)) {
        TR_COVER("shipper.garbled_answer");
        TR_LOG(TR_LOG_WARN, "shipper.answer_not_believed",
               TR_TEXT("stream", ship_stream_of(shipper, slot->stream)->stream->name),
               TR_TEXT("request_id", done->request_id),
               TR_UINT("answer_bytes", done->answer.bytes));
        ship_unknown(shipper, slot, now_ns);
        return;
    }
    settle_entries(shipper, slot, now_ns);
}

static void flush_latency(struct ship_stream *stream, struct tally *tally)
{
    if (tally->latency_count > 0) {
        tr_metric_observe_latencies(stream->metrics, tally->latency_us, tally->latency_count);
        tally->latency_count = 0;
    }
}

static void ack_records(struct tr_shipper *shipper, struct ship_stream *stream, struct tr_key *key,
                        uint32_t count, struct tally *tally, int64_t wall_us)
{
    for (uint32_t i = 0; i < count; i++) {
        const int64_t latency_us = wall_us - key->head->commit_us;
        if (latency_us != tally->latency_us) {
            flush_latency(stream, tally);
            tally->latency_us = latency_us;
        }
        tally->latency_count++;
        tally->acked_bytes += (uint64_t)key->head->key_bytes + key->head->value_bytes;
        ship_ack_head(shipper, stream, key);
    }
    tally->acked_count += count;
    key->repeat_count -= count < key->repeat_count ? count : key->repeat_count;
    key->suspect_count -= count < key->suspect_count ? count : key->suspect_count;
}

/* The first failed entry of a key's run decides what happens next. Whether the key stays to be sent again. */
static bool fail_key(struct tr_shipper *shipper, struct ship_slot *slot, uint32_t key_index,
                     uint8_t rule_index, struct tally *tally)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);
    const struct tr_verdict_rule rule = shipper->answer.rules[rule_index - 1].rule;
    const char *code = shipper->answer.rules[rule_index - 1].code;
    const uint64_t lane = UINT64_C(1) << tr_keytable_key(&shipper->keys, key_index)->lane;

    tally->failed_keys++;
    switch (rule.verdict) {
    case TR_VERDICT_BAD:
        ship_record_refused(shipper, stream, key_index, code);
        return false;
    case TR_VERDICT_THROTTLE:
        tally->throttled_lanes |= lane;
        if (rule.is_stream_wide) {
            tally->refused_code = code;
            tally->refused_rule = rule;
        }
        return true;
    case TR_VERDICT_CREDENTIALS:
    case TR_VERDICT_STATE:
    case TR_VERDICT_FATAL:
        tally->refused_code = code;
        tally->refused_rule = rule;
        tally->failed_lanes |= lane;
        return true;
    case TR_VERDICT_OK:
    case TR_VERDICT_RETRY:
    case TR_VERDICT_RESTART:
    case TR_VERDICT_COUNT:
        break;
    }
    if (!rule.is_known) {
        TR_LOG(TR_LOG_WARN, "shipper.unknown_error_code", TR_TEXT("stream", stream->stream->name),
               TR_TEXT("code", code));
    }
    tally->failed_lanes |= lane;
    return true;
}

/* Counts failures, and successes behind a failure of the same key, which will be sent again. */
static void count_failures(const struct tr_shipper *shipper, struct ship_stream *stream,
                           uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t rule = shipper->answer.rule[first + i];
        if (rule == 0) {
            TR_COVER("shipper.relaxed_resend");
            tr_metric_add(stream->metrics, TR_METRIC_HOT_KEY_RESENDS, 1);
            tr_metric_add(stream->metrics, TR_METRIC_MAYBE_DUPLICATES, 1);
        } else if (shipper->answer.rules[rule - 1].rule.verdict == TR_VERDICT_THROTTLE) {
            tr_metric_add(stream->metrics, TR_METRIC_RECORDS_THROTTLED, 1);
        } else {
            tr_metric_add(stream->metrics, TR_METRIC_RECORDS_FAILED, 1);
        }
    }
}

static void pace_lanes(struct tr_shipper *shipper, const struct ship_slot *slot,
                       const struct tally *tally, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);
    const float share_min = stream->lanes.is_mapped ? SHARE_MIN_SHARD : SHARE_MIN_HASH_LANE;
    const uint64_t touched = slot->lanes_mask | tally->throttled_lanes | tally->failed_lanes;

    for (uint32_t i = 0; i < stream->lanes.count; i++) {
        struct tr_lane *lane = &stream->lanes.lanes[i];
        if ((tally->throttled_lanes >> i & 1) != 0) {
            tr_pace_cut(&lane->pace, now_ns, share_min);
            lane->not_before_ns =
                now_ns + tr_jitter_backoff_ns(&shipper->jitter, THROTTLE_BASE_NS, BACKOFF_CAP_NS,
                                              lane->attempt_count++);
        } else if ((tally->failed_lanes >> i & 1) != 0) {
            lane->not_before_ns =
                now_ns + tr_jitter_backoff_ns(&shipper->jitter, RETRY_BASE_NS, BACKOFF_CAP_NS,
                                              lane->attempt_count++);
        } else if ((touched >> i & 1) != 0) {
            lane->attempt_count = 0;
        }
    }
    if (slot->is_suspect && tally->failed_keys > 0) {
        stream->suspect_not_before_ns =
            now_ns + tr_jitter_backoff_ns(&shipper->jitter, THROTTLE_BASE_NS, BACKOFF_CAP_NS, 2);
    }
}

/* Acknowledges the keys of a request entry by entry; the ones to be sent again stay in slot->keys. */
static uint32_t settle_keys(struct tr_shipper *shipper, struct ship_slot *slot, struct tally *tally,
                            int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);
    const int64_t wall_us = tr_clock_wall_unix_ns(shipper->options.clock) / 1000;
    uint32_t back_count = 0;
    uint32_t entry = 0;

    for (uint32_t i = 0; i < slot->key_count; i++) {
        const uint32_t key_index = slot->keys[i];
        struct tr_key *key = tr_keytable_key(&shipper->keys, key_index);
        if (i + PREFETCH_KEYS < slot->key_count) {
            const struct tr_key *later =
                tr_keytable_key(&shipper->keys, slot->keys[i + PREFETCH_KEYS / 2]);
            __builtin_prefetch(tr_keytable_key(&shipper->keys, slot->keys[i + PREFETCH_KEYS]), 1);
            __builtin_prefetch(later->head, 1);
            tr_keytable_prefetch(&shipper->keys, later->stream, later->hash);
        }
        const uint32_t run = key->flight_count;
        uint32_t good = 0;
        while (good < run && shipper->answer.rule[entry + good] == 0) {
            good++;
        }
        ack_records(shipper, stream, key, good, tally, wall_us);
        key->flight_count = 0;
        if (good < run) {
            count_failures(shipper, stream, entry + good, run - good);
            if (fail_key(shipper, slot, key_index, shipper->answer.rule[entry + good], tally)) {
                slot->keys[back_count++] = key_index;
            }
        } else if (key->repeat_count > 0 || key->suspect_count > 0) {
            slot->keys[back_count++] = key_index; /* the rest of what has to go first */
        } else {
            ship_key_rest(shipper, stream, key_index, now_ns);
        }
        entry += run;
    }
    TR_ASSERT(entry == slot->request.entry_count);
    flush_latency(stream, tally);
    return back_count;
}

static void settle_entries(struct tr_shipper *shipper, struct ship_slot *slot, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);
    struct tally tally = {0};

    const uint32_t back_count = settle_keys(shipper, slot, &tally, now_ns);
    pace_lanes(shipper, slot, &tally, now_ns);
    ship_slot_free(shipper, slot);
    ship_put_back(shipper, slot, slot->keys, back_count);
    ship_suspects_end(stream);
    if (tally.acked_count > 0) {
        tr_metric_add(stream->metrics, TR_METRIC_RECORDS_ACKED, tally.acked_count);
        tr_metric_add(stream->metrics, TR_METRIC_BYTES_ACKED, tally.acked_bytes);
        ship_stream_works(stream, now_ns);
    }
    if (tally.refused_code != NULL) {
        ship_stream_refused(shipper, stream, tally.refused_rule, tally.refused_code, "", now_ns);
    } else if (tally.acked_count == 0 && tally.throttled_lanes == 0) {
        (void)tr_breaker_on_failure(&stream->breaker, now_ns);
    }
}
