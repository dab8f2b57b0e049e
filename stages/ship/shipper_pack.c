// SPDX-License-Identifier: Apache-2.0
#include "engine/assert.h"
#include "engine/cover.h"
#include "stages/ship/shipper_state.h"

#define GRANT_BYTES_MIN (64U * 1024) /* a smaller further request is not worth its slot */
#define PREFETCH_BYTES 1024 /* of a record's value; further on the processor sees the direction */
#define LINE_BYTES 64

enum packed {
    PACK_GOES_ON = 0, /* look at the next key */
    PACK_LANE_ENDS,   /* nothing more of this lane now */
    PACK_FULL,        /* the request is full */
};

static struct ship_slot *free_slot(struct tr_shipper *shipper);
static uint32_t grant_bytes(const struct tr_shipper *shipper, const struct ship_stream *stream);
static bool may_send(const struct tr_shipper *shipper, const struct ship_stream *stream,
                     int64_t now_ns);
static bool pack_lanes(struct tr_shipper *shipper, struct ship_slot *slot, int64_t now_ns);
static void pack_suspects(struct tr_shipper *shipper, struct ship_slot *slot, int64_t now_ns);
static bool submit(struct tr_shipper *shipper, struct ship_slot *slot, int64_t now_ns);

static bool may_send_suspects(const struct ship_stream *stream, int64_t now_ns)
{
    return stream->suspect_head != TR_KEY_NONE && !stream->is_suspect_out &&
           now_ns >= stream->suspect_not_before_ns;
}

uint32_t ship_send(struct tr_shipper *shipper, uint32_t stream_index, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, stream_index);
    uint32_t sent_count = 0;

    while (may_send(shipper, stream, now_ns)) {
        struct ship_slot *slot = free_slot(shipper);
        if (slot == NULL) {
            break;
        }
        slot->stream = stream_index;
        slot->key_count = 0;
        slot->lanes_mask = 0;
        slot->is_suspect = may_send_suspects(stream, now_ns);
        slot->is_large = false;
        slot->payload_bytes_max = grant_bytes(shipper, stream);
        slot->is_partial = false;
        tr_request_begin(&slot->request, tr_span_of_text(stream->stream->name));
        if (slot->is_suspect) {
            pack_suspects(shipper, slot, now_ns);
        } else {
            slot->is_partial = !pack_lanes(shipper, slot, now_ns);
        }
        if (slot->key_count == 0) {
            ship_suspects_end(stream); /* if the last of them can never be sent */
            break;
        }
        tr_request_finish(&slot->request);
        if (!submit(shipper, slot, now_ns)) {
            break;
        }
        sent_count++;
    }
    return sent_count;
}

static struct ship_slot *free_slot(struct tr_shipper *shipper)
{
    for (uint32_t i = 0; i < shipper->options.slot_count; i++) {
        if (!shipper->slots[i].is_out) {
            return &shipper->slots[i];
        }
    }
    return NULL;
}

static bool is_failing(const struct ship_stream *stream)
{
    return stream->breaker.failure_count >= SHIP_FAILING_COUNT;
}

/* Requests of failing streams that are out: they hang until their timeout, and must leave slots to the others. */
static uint32_t failing_slots(const struct tr_shipper *shipper)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < shipper->options.slot_count; i++) {
        const struct ship_slot *slot = &shipper->slots[i];
        count += slot->is_out && is_failing(ship_stream_of(shipper, slot->stream));
    }
    return count;
}

/* Payload that a request of this stream may have now. */
static uint32_t grant_bytes(const struct tr_shipper *shipper, const struct ship_stream *stream)
{
    const uint64_t all_max = shipper->options.flight_bytes_max;
    uint64_t bytes = all_max > shipper->flight_bytes ? all_max - shipper->flight_bytes : 0;

    if (stream->flight_bytes + bytes > all_max / 2) {
        bytes = all_max / 2 > stream->flight_bytes ? all_max / 2 - stream->flight_bytes : 0;
    }
    if (stream->flight_slots == 0 && bytes < TR_SHIPPER_SHARE_BYTES) {
        bytes = TR_SHIPPER_SHARE_BYTES;
    }
    return bytes < stream->request_bytes_max ? (uint32_t)bytes : stream->request_bytes_max;
}

static bool may_send(const struct tr_shipper *shipper, const struct ship_stream *stream,
                     int64_t now_ns)
{
    const bool has_suspects = may_send_suspects(stream, now_ns);
    const bool has_ready =
        (stream->lanes.ready_mask & ~stream->lanes.flight_mask) != 0 && !stream->is_frozen;

    if ((!has_suspects && !has_ready) || stream->is_stopped || now_ns < stream->not_before_ns) {
        return false;
    }
    if (is_failing(stream)) {
        const uint32_t failing_max =
            shipper->options.slot_count / 2 > 0 ? shipper->options.slot_count / 2 : 1;
        if (stream->flight_slots > 0 || failing_slots(shipper) >= failing_max) {
            return false;
        }
    }
    if (stream->flight_slots >= shipper->options.parallel_max ||
        !tr_breaker_allows(&stream->breaker, stream->flight_slots, now_ns)) {
        return false;
    }
    if (has_suspects) {
        return true;
    }
    if (stream->flight_slots > 0 && grant_bytes(shipper, stream) < GRANT_BYTES_MIN) {
        TR_COVER("shipper.flight_bytes_out");
        return false;
    }
    /* Enough part-filled requests are out: wait for a full one, or for an answer. */
    return stream->partial_slots < SHIP_PARTIAL_MAX ||
           stream->lanes.ready_count >= shipper->options.batch_size_max ||
           stream->queued_bytes >= stream->flight_bytes + stream->request_bytes_max;
}

/* --- one key */

static bool is_hot(const struct tr_shipper *shipper, const struct tr_key *key)
{
    return shipper->options.order_hot == TR_ORDER_HOT_RELAX &&
           (key->is_shared || key->record_count > TR_SHIPPER_HOT_RECORDS);
}

/* How many of the key's records may go in one request. */
static uint32_t wanted_count(const struct tr_shipper *shipper, const struct tr_key *key)
{
    if (key->repeat_count > 0) {
        return key->repeat_count;
    }
    return is_hot(shipper, key) ? key->record_count : 1;
}

/* The first record of a key is larger than its stream takes. */
static enum packed refuse_large(struct tr_shipper *shipper, struct ship_stream *stream,
                                uint32_t key)
{
    if (!stream->is_limit_known) {
        TR_COVER("shipper.large_record_waits_for_limit");
        return PACK_LANE_ENDS;
    }
    ship_record_refused(shipper, stream, key, "larger than the stream takes");
    return PACK_GOES_ON;
}

/*
 * Appends the first `count_max` records of a key that is in no list; `pace` limits them (NULL: none). What went in is the
 * key's flight_count; 0 with state DEAD: its first record can never be sent.
 */
static enum packed pack_records(struct tr_shipper *shipper, struct ship_slot *slot,
                                uint32_t key_index, uint32_t count_max, struct tr_pace *pace,
                                int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);
    struct tr_request *request = &slot->request;
    struct tr_key *key = tr_keytable_key(&shipper->keys, key_index);
    const struct tr_record *record = key->head;
    char hex[TR_PARTITION_DIGEST_BYTES];

    TR_ASSERT_HOT(key->flight_count == 0);
    for (; key->flight_count < count_max; record = record->next) {
        if (request->entry_count >= shipper->options.batch_size_max) {
            return PACK_FULL;
        }
        if (pace != NULL && !tr_pace_is_open(pace, now_ns)) {
            return PACK_LANE_ENDS;
        }
        const struct tr_span partition_key = ship_partition_key(shipper, record, hex);
        const uint64_t bytes = (uint64_t)partition_key.bytes + record->value_bytes;
        if (TR_UNLIKELY(bytes > stream->record_bytes_max)) {
            /* Behind others of its key it is judged when it comes to the head. */
            return key->flight_count > 0 ? PACK_GOES_ON : refuse_large(shipper, stream, key_index);
        }
        if (TR_UNLIKELY(shipper->options.key_oversize == TR_KEY_OVERSIZE_FAIL) &&
            tr_partition_key_is_oversize(partition_key)) {
            if (key->flight_count > 0) {
                return PACK_GOES_ON; /* judged when it comes to the head */
            }
            ship_record_refused(shipper, stream, key_index,
                                "its partition key has more than 256 characters");
            return PACK_GOES_ON;
        }
        if (request->payload_bytes + bytes > slot->payload_bytes_max) {
            /* A record larger than what was granted goes alone, one at a time. */
            if (request->entry_count > 0 || shipper->is_large_out) {
                return PACK_FULL;
            }
            slot->is_large = true;
        }
        if (!tr_request_add(request, partition_key,
                            tr_span_of(tr_record_value(record), record->value_bytes))) {
            if (request->entry_count > 0) {
                return PACK_FULL;
            }
            ship_record_refused(shipper, stream, key_index,
                                "larger than a request once its key is escaped");
            return PACK_GOES_ON;
        }
        if (partition_key.data == (const uint8_t *)hex) {
            tr_metric_add(stream->metrics, TR_METRIC_KEYS_HASHED, 1);
        }
        if (pace != NULL) {
            tr_pace_spend(pace, 1, bytes);
        }
        key->flight_count++;
    }
    return PACK_GOES_ON;
}

static void take_key(struct ship_slot *slot, struct tr_key *key, uint32_t key_index)
{
    key->state = TR_KEY_FLIGHT;
    slot->keys[slot->key_count++] = key_index;
}

/* --- many keys */

/*
 * What lies behind a key in its lane was last touched when its records came, by another core or long ago. It is fetched
 * one step a turn: three keys ahead the entry, two ahead the record, one ahead the record's bytes.
 */
static void prefetch_behind(const struct tr_keytable *keys, const struct tr_key *key)
{
    if (key->next == TR_KEY_NONE) {
        return;
    }
    const struct tr_key *first = tr_keytable_key(keys, key->next);
    const struct tr_record *record = first->head;
    const uint32_t bytes =
        record->value_bytes < PREFETCH_BYTES ? record->value_bytes : PREFETCH_BYTES;
    for (uint32_t at = 0; at < bytes; at += LINE_BYTES) {
        __builtin_prefetch(tr_record_value(record) + at);
    }
    if (first->next == TR_KEY_NONE) {
        return;
    }
    const struct tr_key *second = tr_keytable_key(keys, first->next);
    __builtin_prefetch(second->head);
    if (second->next != TR_KEY_NONE) {
        __builtin_prefetch(tr_keytable_key(keys, second->next), 1);
    }
}

static enum packed pack_lane(struct tr_shipper *shipper, struct ship_slot *slot,
                             uint32_t lane_index, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);
    struct tr_lane *lane = &stream->lanes.lanes[lane_index];

    if (now_ns < lane->not_before_ns) {
        return PACK_LANE_ENDS;
    }
    while (lane->head != TR_KEY_NONE) {
        const uint32_t key_index = tr_lanes_pop(&stream->lanes, &shipper->keys, lane_index);
        struct tr_key *key = tr_keytable_key(&shipper->keys, key_index);
        prefetch_behind(&shipper->keys, key);
        const uint32_t count_max = wanted_count(shipper, key);
        const enum packed packed =
            pack_records(shipper, slot, key_index, count_max, &lane->pace, now_ns);
        if (key->flight_count > 0) {
            take_key(slot, key, key_index);
            slot->lanes_mask |= UINT64_C(1) << lane_index;
            if (key->flight_count > 1 && key->repeat_count == 0) {
                tr_metric_add(stream->metrics, TR_METRIC_HOT_KEY_REQUESTS, 1);
            }
        } else if (key->state != TR_KEY_DEAD) {
            tr_lanes_push_head(&stream->lanes, &shipper->keys, key_index);
        }
        if (packed != PACK_GOES_ON) {
            return packed;
        }
    }
    return PACK_LANE_ENDS;
}

/* Fills the request from the free lanes in turn. Whether it is full. */
static bool pack_lanes(struct tr_shipper *shipper, struct ship_slot *slot, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);
    const uint64_t open_mask = stream->lanes.ready_mask & ~stream->lanes.flight_mask;
    const uint32_t first = stream->lane_next;
    bool is_full = false;

    for (uint32_t i = 0; i < stream->lanes.count && !is_full; i++) {
        const uint32_t lane = (first + i) % stream->lanes.count;
        if ((open_mask >> lane & 1) != 0) {
            is_full = pack_lane(shipper, slot, lane, now_ns) == PACK_FULL;
            stream->lane_next = (lane + 1) % stream->lanes.count;
        }
    }
    return is_full;
}

/* One request of suspects, in their order. */
static void pack_suspects(struct tr_shipper *shipper, struct ship_slot *slot, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);
    enum packed packed = PACK_GOES_ON;

    TR_COVER("shipper.suspects_sent");
    while (packed == PACK_GOES_ON && stream->suspect_head != TR_KEY_NONE &&
           slot->request.entry_count < stream->suspect_entries_max) {
        const uint32_t key_index = stream->suspect_head;
        struct tr_key *key = tr_keytable_key(&shipper->keys, key_index);
        const uint32_t room = stream->suspect_entries_max - slot->request.entry_count;
        if (key->repeat_count == 0 && key->guard_until_ns > now_ns) {
            TR_COVER("shipper.suspect_guarded");
            break;
        }
        const uint32_t count = key->repeat_count > 0 ? key->repeat_count : key->suspect_count;
        const uint32_t count_max = count < room ? count : room;
        packed = pack_records(shipper, slot, key_index, count_max, NULL, now_ns);
        if (key->flight_count == 0 && key->state != TR_KEY_DEAD) {
            break;
        }
        stream->suspect_head = key->next;
        if (key->flight_count > 0) {
            take_key(slot, key, key_index);
        }
    }
    if (stream->suspect_head == TR_KEY_NONE) {
        stream->suspect_tail = TR_KEY_NONE;
    }
}

static bool submit(struct tr_shipper *shipper, struct ship_slot *slot, int64_t now_ns)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);
    struct tr_error err;
    int64_t timeout_ns = shipper->options.request_timeout_ns;

    for (uint32_t i = 0; i < stream->timeout_level; i++) {
        timeout_ns *= 2;
    }
    timeout_ns = timeout_ns < shipper->options.request_timeout_ns_max
                     ? timeout_ns
                     : shipper->options.request_timeout_ns_max;
    slot->is_out = true;
    slot->sent_ns = now_ns;
    slot->timeout_ns = timeout_ns;
    stream->flight_slots++;
    stream->flight_bytes += slot->request.payload_bytes;
    shipper->flight_bytes += slot->request.payload_bytes;
    shipper->is_large_out = shipper->is_large_out || slot->is_large;
    stream->partial_slots += slot->is_partial;
    stream->is_suspect_out = stream->is_suspect_out || slot->is_suspect;
    stream->lanes.flight_mask |= slot->lanes_mask;
    const struct tr_call call = {.slot = (uint32_t)(slot - shipper->slots),
                                 .operation = "PutRecords",
                                 .body = tr_span_of(slot->request.body, slot->request.body_bytes),
                                 .timeout_ns = timeout_ns};
    const enum tr_code code =
        shipper->options.transport->submit(shipper->options.transport->self, &call, now_ns, &err);
    if (code != TR_OK) {
        ship_unsent(shipper, slot, &err, now_ns);
        return false;
    }
    tr_metric_add(stream->metrics, TR_METRIC_REQUESTS, 1);
    return true;
}

/* --- back */

void ship_slot_free(struct tr_shipper *shipper, struct ship_slot *slot)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);

    TR_ASSERT(slot->is_out);
    slot->is_out = false;
    stream->flight_slots--;
    stream->flight_bytes -= slot->request.payload_bytes;
    shipper->flight_bytes -= slot->request.payload_bytes;
    shipper->is_large_out = shipper->is_large_out && !slot->is_large;
    stream->partial_slots -= slot->is_partial;
    if (slot->is_suspect) {
        stream->is_suspect_out = false;
    }
    stream->lanes.flight_mask &= ~slot->lanes_mask;
    tr_request_release(&slot->request);
}

void ship_put_back(struct tr_shipper *shipper, const struct ship_slot *slot, const uint32_t *keys,
                   uint32_t count)
{
    struct ship_stream *stream = ship_stream_of(shipper, slot->stream);

    for (uint32_t i = count; i > 0; i--) {
        struct tr_key *key = tr_keytable_key(&shipper->keys, keys[i - 1]);
        key->flight_count = 0;
        if (slot->is_suspect) {
            ship_suspect_push_head(shipper, stream, keys[i - 1]);
        } else {
            ship_key_ready(shipper, stream, keys[i - 1], true);
        }
    }
}

void ship_give_back(struct tr_shipper *shipper, struct ship_slot *slot, int64_t guard_until_ns)
{
    for (uint32_t i = 0; i < slot->key_count && guard_until_ns > 0; i++) {
        struct tr_key *key = tr_keytable_key(&shipper->keys, slot->keys[i]);
        key->repeat_count =
            key->flight_count; /* what else there was of an earlier one counts as newer now */
        if (key->guard_until_ns < guard_until_ns) {
            key->guard_until_ns = guard_until_ns;
        }
    }
    ship_slot_free(shipper, slot);
    ship_put_back(shipper, slot, slot->keys, slot->key_count);
}
