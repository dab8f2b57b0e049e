// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/lanes.h"

#include "engine/assert.h"

void tr_lanes_init(struct tr_lanes *lanes)
{
    *lanes = (struct tr_lanes){.count = TR_LANES_MAX};
    for (uint32_t i = 0; i < TR_LANES_MAX; i++) {
        lanes->lanes[i].head = TR_KEY_NONE;
        lanes->lanes[i].tail = TR_KEY_NONE;
        tr_pace_init(&lanes->lanes[i].pace, 1);
    }
}

/* Shards first..end-1 of lane i, when `shard_count` shards make `lane_count` lanes. */
static uint32_t first_shard(uint32_t lane, uint32_t shard_count, uint32_t lane_count)
{
    return (uint32_t)((uint64_t)lane * shard_count / lane_count);
}

static uint32_t lane_count_of(uint32_t shard_count)
{
    return shard_count < TR_LANES_MAX ? shard_count : TR_LANES_MAX;
}

bool tr_lanes_match(const struct tr_lanes *lanes, const struct tr_shard *shards,
                    uint32_t shard_count)
{
    const uint32_t count = lane_count_of(shard_count);

    if (!lanes->is_mapped || lanes->count != count) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t first = first_shard(i, shard_count, count);
        const uint32_t end = first_shard(i + 1, shard_count, count);
        const struct tr_lane *lane = &lanes->lanes[i];
        if (lane->last_key != shards[end - 1].last_key || lane->pace.shard_count != end - first) {
            return false;
        }
    }
    return true;
}

uint32_t tr_lanes_divide(struct tr_lanes *lanes, struct tr_keytable *table,
                         const struct tr_shard *shards, uint32_t shard_count)
{
    const uint8_t generation = (uint8_t)(lanes->generation + 1);
    uint32_t list = TR_KEY_NONE;
    uint32_t list_tail = TR_KEY_NONE;

    TR_ASSERT(lanes->flight_mask == 0);
    TR_ASSERT(shard_count > 0);
    for (uint32_t i = 0; i < lanes->count; i++) {
        if (lanes->lanes[i].head == TR_KEY_NONE) {
            continue;
        }
        if (list == TR_KEY_NONE) {
            list = lanes->lanes[i].head;
        } else {
            tr_keytable_key(table, list_tail)->next = lanes->lanes[i].head;
        }
        list_tail = lanes->lanes[i].tail;
    }
    tr_lanes_init(lanes);
    lanes->is_mapped = true;
    lanes->generation = generation;
    lanes->count = lane_count_of(shard_count);
    for (uint32_t i = 0; i < lanes->count; i++) {
        const uint32_t first = first_shard(i, shard_count, lanes->count);
        const uint32_t end = first_shard(i + 1, shard_count, lanes->count);
        lanes->lanes[i].last_key = shards[end - 1].last_key;
        tr_pace_init(&lanes->lanes[i].pace, end - first);
    }
    return list;
}

uint8_t tr_lanes_by_point(const struct tr_lanes *lanes, tr_hash_key point)
{
    uint32_t low = 0;
    uint32_t high = lanes->count - 1;

    TR_ASSERT_HOT(lanes->is_mapped);
    while (low < high) { /* the first lane that does not end below the point */
        const uint32_t middle = (low + high) / 2;
        if (point > lanes->lanes[middle].last_key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (uint8_t)low;
}

uint8_t tr_lanes_by_hash(uint64_t hash)
{
    return (uint8_t)(tr_key_mix(0, hash) >> 58);
}

void tr_lanes_push_tail(struct tr_lanes *lanes, struct tr_keytable *table, uint32_t key)
{
    struct tr_key *entry = tr_keytable_key(table, key);
    struct tr_lane *lane = &lanes->lanes[entry->lane];

    TR_ASSERT_HOT(entry->lane < lanes->count);
    entry->state = TR_KEY_READY;
    entry->next = TR_KEY_NONE;
    if (lane->head == TR_KEY_NONE) {
        lane->head = key;
    } else {
        tr_keytable_key(table, lane->tail)->next = key;
    }
    lane->tail = key;
    lanes->ready_mask |= UINT64_C(1) << entry->lane;
    lanes->ready_count++;
}

void tr_lanes_push_head(struct tr_lanes *lanes, struct tr_keytable *table, uint32_t key)
{
    struct tr_key *entry = tr_keytable_key(table, key);
    struct tr_lane *lane = &lanes->lanes[entry->lane];

    TR_ASSERT_HOT(entry->lane < lanes->count);
    entry->state = TR_KEY_READY;
    entry->next = lane->head;
    lane->head = key;
    if (lane->tail == TR_KEY_NONE) {
        lane->tail = key;
    }
    lanes->ready_mask |= UINT64_C(1) << entry->lane;
    lanes->ready_count++;
}

uint32_t tr_lanes_pop(struct tr_lanes *lanes, struct tr_keytable *table, uint32_t lane)
{
    struct tr_lane *from = &lanes->lanes[lane];
    const uint32_t key = from->head;

    TR_ASSERT_HOT(key != TR_KEY_NONE);
    from->head = tr_keytable_key(table, key)->next;
    lanes->ready_count--;
    if (from->head == TR_KEY_NONE) {
        from->tail = TR_KEY_NONE;
        lanes->ready_mask &= ~(UINT64_C(1) << lane);
    }
    return key;
}
