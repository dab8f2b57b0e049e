// SPDX-License-Identifier: Apache-2.0
#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "stages/ship/shipper_state.h"

/* Per step: enough to fill several requests, few enough to come round to the answers. */
#define STEP_RECORDS 4096
#define STEP_PARKED 1024
#define SHARED_RECORDS_MAX                                                                         \
    4096 /* parked records counted together: how coarse the acknowledged sequence may get */
#define PREFETCH_RECORDS                                                                           \
    8 /* another core wrote them, and the key table is larger than the caches near this one */
#define PARK_RETRY_NS (100 * TR_NS_PER_MS)

static bool take_bucket(struct tr_shipper *shipper, const struct tr_bucket *bucket, int64_t now_ns);

struct tr_span ship_partition_key(const struct tr_shipper *shipper, const struct tr_record *record,
                                  char *hex)
{
    if (record->key_bytes == 0 || (record->flags & TR_RECORD_KEYLESS) != 0) {
        return tr_span_of_text(shipper->null_key);
    }
    const struct tr_span key = tr_span_of(tr_record_key(record), record->key_bytes);
    if (TR_UNLIKELY(tr_partition_key_is_oversize(key)) &&
        shipper->options.key_oversize == TR_KEY_OVERSIZE_HASH) {
        tr_digest_sha256_hex(shipper->digest, key, hex);
        return tr_span_of(hex, TR_PARTITION_DIGEST_BYTES);
    }
    return key;
}

/* --- held buckets */

static uint32_t hold_bucket(struct tr_shipper *shipper, const struct tr_bucket *bucket,
                            uint32_t record_count)
{
    const uint32_t index = shipper->held_free;
    struct ship_held *held = &shipper->held[index];

    shipper->held_free = held->next;
    *held = (struct ship_held){.fragment = bucket->fragment,
                               .unit_seq = bucket->unit_seq,
                               .outstanding_count = record_count,
                               .resident_count = record_count,
                               .previous = shipper->held_tail,
                               .next = SHIP_NONE};
    if (shipper->held_tail == SHIP_NONE) {
        shipper->held_head = index;
    } else {
        TR_ASSERT(shipper->held[shipper->held_tail].unit_seq <= bucket->unit_seq);
        shipper->held[shipper->held_tail].next = index;
    }
    shipper->held_tail = index;
    return index;
}

static void drop_held(struct tr_shipper *shipper, uint32_t index)
{
    struct ship_held *held = &shipper->held[index];

    if (held->previous == SHIP_NONE) {
        shipper->held_head = held->next;
    } else {
        shipper->held[held->previous].next = held->next;
    }
    if (held->next == SHIP_NONE) {
        shipper->held_tail = held->previous;
    } else {
        shipper->held[held->next].previous = held->previous;
    }
    held->next = shipper->held_free;
    shipper->held_free = index;
}

static void return_bucket(struct tr_shipper *shipper, struct ship_held *held)
{
    struct tr_bucket_return *back = tr_ring_claim_one(shipper->options.returns);

    back->fragment = held->fragment;
    held->fragment = NULL;
    tr_ring_publish(shipper->options.returns, 1);
    shipper->is_collector_due = true;
}

/* A record of this bucket has left its fragment, acknowledged or copied. */
static void leave_fragment(struct tr_shipper *shipper, struct ship_stream *stream, uint32_t index)
{
    struct ship_held *held = &shipper->held[index];

    stream->resident_count--;
    held->resident_count--;
    if (held->resident_count == 0) {
        return_bucket(shipper, held);
        if (held->outstanding_count > 0) {
            shipper->parked_bucket_count++;
            stream->parked_held = index;
        }
    }
}

/*
 * Where a parked record is counted: with those of an older bucket of its stream that is parked, too. An older unit is as
 * safe, and a stream that stays dead takes entries by its records, not by the units that they came in.
 */
static uint32_t share_parked(struct tr_shipper *shipper, const struct ship_stream *stream,
                             uint32_t index)
{
    const uint32_t shared = stream->parked_held;

    if (shared == SHIP_NONE || shared == index ||
        shipper->held[shared].unit_seq > shipper->held[index].unit_seq ||
        shipper->held[shared].outstanding_count >= SHARED_RECORDS_MAX) {
        return index;
    }
    TR_ASSERT(shipper->held[shared].fragment == NULL);
    shipper->held[shared].outstanding_count++;
    shipper->held[index].outstanding_count--;
    return shared;
}

/* --- keys */

void ship_key_ready(struct tr_shipper *shipper, struct ship_stream *stream, uint32_t key,
                    bool at_head)
{
    struct tr_key *entry = tr_keytable_key(&shipper->keys, key);

    TR_ASSERT_HOT(entry->record_count > 0);
    if (!stream->lanes.is_mapped) {
        entry->lane = tr_lanes_by_hash(entry->hash);
    } else if (entry->lane_generation != stream->lanes.generation) {
        char hex[TR_PARTITION_DIGEST_BYTES];
        const struct tr_span partition_key = ship_partition_key(shipper, entry->head, hex);
        entry->lane =
            tr_lanes_by_point(&stream->lanes, tr_digest_md5(shipper->digest, partition_key));
        entry->lane_generation = stream->lanes.generation;
    }
    if (at_head) {
        tr_lanes_push_head(&stream->lanes, &shipper->keys, key);
    } else {
        tr_lanes_push_tail(&stream->lanes, &shipper->keys, key);
    }
}

void ship_key_rest(struct tr_shipper *shipper, struct ship_stream *stream, uint32_t key,
                   int64_t now_ns)
{
    struct tr_key *entry = tr_keytable_key(&shipper->keys, key);

    TR_ASSERT_HOT(entry->repeat_count == 0);
    if (entry->guard_until_ns > now_ns) {
        TR_COVER("shipper.key_guarded");
        entry->state = TR_KEY_GUARD;
        entry->next = TR_KEY_NONE;
        if (shipper->guard_head == TR_KEY_NONE) {
            shipper->guard_head = key;
        } else {
            struct tr_key *last = tr_keytable_key(&shipper->keys, shipper->guard_tail);
            /* The list is in order of time; a later entry may wait a little longer for that. */
            if (entry->guard_until_ns < last->guard_until_ns) {
                entry->guard_until_ns = last->guard_until_ns;
            }
            last->next = key;
        }
        shipper->guard_tail = key;
        return;
    }
    entry->guard_until_ns = 0;
    if (entry->record_count > 0) {
        ship_key_ready(shipper, stream, key, false);
    } else {
        tr_keytable_remove(&shipper->keys, key);
    }
}

uint32_t ship_expire_guards(struct tr_shipper *shipper, int64_t now_ns)
{
    uint32_t count = 0;

    while (shipper->guard_head != TR_KEY_NONE && count < STEP_RECORDS) {
        const uint32_t key = shipper->guard_head;
        const struct tr_key *entry = tr_keytable_key(&shipper->keys, key);
        if (entry->guard_until_ns > now_ns) {
            break;
        }
        shipper->guard_head = entry->next;
        ship_key_rest(shipper, ship_stream_of(shipper, entry->stream), key, now_ns);
        count++;
    }
    return count;
}

/* --- in */

static void queue_record(struct tr_shipper *shipper, uint32_t stream_index,
                         struct tr_record *record)
{
    struct ship_stream *stream = ship_stream_of(shipper, stream_index);
    /* In stream scope all records queue as those of one key; each keeps its own partition key. */
    const bool is_shared = record->key_bytes == 0 || (record->flags & TR_RECORD_KEYLESS) != 0 ||
                           shipper->options.order_scope == TR_ORDER_STREAM;
    const uint32_t key =
        tr_keytable_find_or_add(&shipper->keys, stream_index, is_shared ? 0 : record->key_hash);
    struct tr_key *entry = tr_keytable_key(&shipper->keys, key);

    tr_key_append(entry, record);
    if (entry->state == TR_KEY_NEW) {
        entry->is_shared = is_shared;
        entry->lane_generation = (uint8_t)(stream->lanes.generation - 1); /* none yet */
        ship_key_ready(shipper, stream, key, false);
    }
}

/* Replaces a record by its copy; NULL when the buffer is full. */
static struct tr_record *park_record(struct tr_shipper *shipper, struct ship_stream *stream,
                                     struct tr_record *record)
{
    struct tr_record *copy = tr_parking_copy(&shipper->parking, record);

    if (copy == NULL) {
        return NULL;
    }
    copy->flags |= SHIP_RECORD_PARKED;
    tr_metric_add(stream->metrics, TR_METRIC_RECORDS_PARKED, 1);
    const uint32_t index = copy->slot;
    copy->slot = share_parked(shipper, stream, index);
    leave_fragment(shipper, stream, index);
    if (shipper->held[index].outstanding_count == 0) {
        drop_held(shipper, index);
    }
    return copy;
}

static bool may_park(const struct tr_shipper *shipper)
{
    return shipper->parked_bucket_count < shipper->held_max - shipper->options.buckets_max;
}

/* Fetches what queueing the record will touch; returns the record behind it. */
static const struct tr_record *prefetch_place(const struct tr_shipper *shipper,
                                              uint32_t stream_index, const struct tr_record *record)
{
    /* Records of a stream mostly lie side by side, downwards: further than `next` can tell. */
    __builtin_prefetch(record - PREFETCH_RECORDS, 1);
    tr_keytable_prefetch(&shipper->keys, stream_index, record->key_hash);
    return record->next;
}

static bool take_bucket(struct tr_shipper *shipper, const struct tr_bucket *bucket, int64_t now_ns)
{
    TR_CHECK_MAGIC(bucket->fragment, TR_FRAGMENT_MAGIC);
    const struct tr_fragment_group *group = &bucket->fragment->groups[bucket->group];
    const uint32_t index = bucket->stream_id / shipper->options.shipper_count;

    if (tr_keytable_free_count(&shipper->keys) < group->record_count ||
        shipper->held_free == SHIP_NONE) {
        TR_COVER("shipper.keys_all_out");
        return false;
    }
    if (!ship_stream_ready(shipper, bucket->stream_id, now_ns)) {
        shipper->is_stuck = true;
        return false;
    }
    struct ship_stream *stream = ship_stream_of(shipper, index);
    TR_ASSERT(group->stream_id == bucket->stream_id);
    TR_ASSERT(group->record_count > 0);
    const uint32_t slot = hold_bucket(shipper, bucket, group->record_count);
    shipper->queued_now += group->record_count;
    stream->queued_count += group->record_count;
    tr_metric_add(stream->metrics, TR_METRIC_RECORDS_ROUTED, group->record_count);
    stream->resident_count += group->record_count;
    struct tr_record *record = group->first;
    const struct tr_record *ahead =
        record; /* PREFETCH_RECORDS further on: its place in the key table is fetched */
    const uint32_t record_count =
        group->record_count; /* the fragment may go home with the last one */
    for (uint32_t i = 0; ahead != NULL && i < PREFETCH_RECORDS; i++) {
        ahead = prefetch_place(shipper, index, ahead);
    }
    for (uint32_t i = 0; i < record_count; i++) {
        struct tr_record *next = record->next;
        if (ahead != NULL) {
            ahead = prefetch_place(shipper, index, ahead);
        }
        record->slot = slot;
        stream->queued_bytes += (uint64_t)record->key_bytes + record->value_bytes;
        struct tr_record *copy = NULL;
        if (stream->is_stalled && may_park(shipper)) {
            copy = park_record(shipper, stream, record);
        }
        queue_record(shipper, index, copy == NULL ? record : copy);
        record = next;
    }
    return true;
}

uint32_t ship_take_buckets(struct tr_shipper *shipper, int64_t now_ns)
{
    uint32_t count = 0;
    uint32_t record_count = 0;
    void *slot;

    while (record_count < STEP_RECORDS && !shipper->is_stuck &&
           tr_ring_peek(shipper->options.buckets, 1, &slot) > 0) {
        const struct tr_bucket *bucket = slot;
        const uint32_t records = bucket->fragment->groups[bucket->group].record_count;
        if (!take_bucket(shipper, bucket, now_ns)) {
            break;
        }
        record_count += records;
        /* Relaxed: the ring's release below publishes it, so that the records are seen in the ring or here. */
        atomic_store_explicit(&shipper->queued_count, shipper->queued_now, memory_order_relaxed);
        tr_ring_release(shipper->options.buckets, 1);
        count++;
    }
    return count;
}

/* --- out */

void ship_ack_head(struct tr_shipper *shipper, struct ship_stream *stream, struct tr_key *key)
{
    struct tr_record *record = tr_key_pop(key);
    const uint32_t slot = record->slot;
    struct ship_held *held = &shipper->held[slot];

    stream->queued_count--;
    stream->queued_bytes -= (uint64_t)record->key_bytes + record->value_bytes;
    held->outstanding_count--;
    const bool was_parked_bucket = held->fragment == NULL;
    if ((record->flags & SHIP_RECORD_PARKED) != 0) {
        tr_parking_release(&shipper->parking, record);
    } else {
        leave_fragment(shipper, stream, slot);
    }
    if (held->outstanding_count == 0) {
        shipper->parked_bucket_count -= was_parked_bucket;
        stream->parked_held = stream->parked_held == slot ? SHIP_NONE : stream->parked_held;
        drop_held(shipper, slot);
    }
    shipper->queued_now--;
}

/* --- parking what came before the stall */

struct park_walk {
    struct tr_shipper *shipper;
    struct ship_stream *stream;
    uint32_t budget;
    bool is_full;
};

static bool park_key(struct park_walk *walk, uint32_t key)
{
    struct tr_key *entry = tr_keytable_key(&walk->shipper->keys, key);
    struct tr_record **link = &entry->head;

    while (*link != NULL && walk->budget > 0) {
        struct tr_record *record = *link;
        if ((record->flags & SHIP_RECORD_PARKED) == 0) {
            struct tr_record *copy =
                may_park(walk->shipper) ? park_record(walk->shipper, walk->stream, record) : NULL;
            if (copy == NULL) {
                walk->is_full = true;
                return false;
            }
            if (entry->tail == record) {
                entry->tail = copy;
            }
            *link = copy;
            walk->budget--;
        }
        link = &(*link)->next;
    }
    return walk->budget > 0;
}

static bool park_list(struct park_walk *walk, uint32_t key)
{
    while (key != TR_KEY_NONE) {
        const struct tr_key *entry = tr_keytable_key(&walk->shipper->keys, key);
        const uint32_t next = entry->next;
        const bool is_ours = ship_stream_of(walk->shipper, entry->stream) == walk->stream;
        if (is_ours && !park_key(walk, key)) {
            return false;
        }
        key = next;
    }
    return true;
}

uint32_t ship_park(struct tr_shipper *shipper, struct ship_stream *stream, int64_t now_ns)
{
    struct park_walk walk = {.shipper = shipper, .stream = stream, .budget = STEP_PARKED};

    if (!stream->is_stalled || stream->resident_count == 0 || now_ns < stream->park_due_ns) {
        return 0;
    }
    bool goes_on = true;
    for (uint32_t i = 0; i < stream->lanes.count && goes_on; i++) {
        goes_on = park_list(&walk, stream->lanes.lanes[i].head);
    }
    for (uint32_t i = 0; i < shipper->options.slot_count && goes_on; i++) {
        const struct ship_slot *slot = &shipper->slots[i];
        const bool is_ours = slot->is_out && ship_stream_of(shipper, slot->stream) == stream;
        for (uint32_t k = 0; is_ours && k < slot->key_count && goes_on; k++) {
            goes_on = park_key(&walk, slot->keys[k]);
        }
    }
    goes_on = goes_on && park_list(&walk, stream->suspect_head);
    goes_on = goes_on && park_list(&walk, shipper->guard_head);
    if (goes_on || walk.is_full) {
        /* All done but dead keys, or no room: look again later. */
        TR_COVER("shipper.parked");
        stream->park_due_ns = now_ns + PARK_RETRY_NS;
    }
    return STEP_PARKED - walk.budget;
}
