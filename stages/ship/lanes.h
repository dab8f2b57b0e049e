// SPDX-License-Identifier: Apache-2.0
/*
 * The lanes of one stream.
 *
 *   lane 0   ready: key -> key -> key      free to take keys from, or in flight, or backing off
 *   lane 1   ready: key
 *   ...
 *
 * A lane is the FIFO of one shard, or of a range of key hashes while the shards are unknown. At most one
 * unacknowledged request holds a lane (I3). What queues in a lane are keys, not records: a key that has something to
 * send and nothing out. So one entry per key per request costs no search, and a failed key goes back to the head.
 *
 * With a shard map a lane is a shard; a stream of more than 64 shards has 64 lanes of neighbouring shards. The map paces
 * and spreads; order does not depend on it. The lanes change only when no request of the stream is out.
 *
 * @thread one shipper
 */
#ifndef TR_STAGES_SHIP_LANES_H
#define TR_STAGES_SHIP_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "stages/ship/keytable.h"
#include "stages/ship/pace.h"
#include "stages/ship/partition.h"

#define TR_LANES_MAX 64

struct tr_lane {
    uint32_t head; /* keys that are ready, oldest first; TR_KEY_NONE = none */
    uint32_t tail;
    int64_t not_before_ns;
    uint32_t attempt_count; /* failed in a row: for the back-off */
    struct tr_pace pace;
    tr_hash_key last_key; /* with a map: end of its range, inclusive */
};

struct tr_lanes {
    uint64_t ready_mask;  /* lanes with a key */
    uint64_t flight_mask; /* lanes held by a request, or by suspects of one */
    uint32_t count;
    uint32_t ready_count; /* keys in all of them */
    bool is_mapped;
    uint8_t generation; /* of the division; keys remember theirs */
    struct tr_lane lanes[TR_LANES_MAX];
};

/* 64 lanes by key hash, all free. */
void tr_lanes_init(struct tr_lanes *lanes);

/* Whether the lanes are already divided by these shards, which are sorted and cover all keys (tr_shard_list_keep_open). */
bool tr_lanes_match(const struct tr_lanes *lanes, const struct tr_shard *shards,
                    uint32_t shard_count);

/*
 * Divides by shards, sorted and whole as above. The ready keys are taken out first: they return as a list in order, to be pushed
 * again. Asserts that nothing is in flight.
 */
uint32_t tr_lanes_divide(struct tr_lanes *lanes, struct tr_keytable *table,
                         const struct tr_shard *shards, uint32_t shard_count);

/* The lane of a partition key's MD5; with a map only. */
uint8_t tr_lanes_by_point(const struct tr_lanes *lanes, tr_hash_key point);

/* The lane of a key's hash, while there is no map. */
uint8_t tr_lanes_by_hash(uint64_t hash);

/* Puts a key that knows its lane at the end, or back at the head, of it. State becomes READY. */
void tr_lanes_push_tail(struct tr_lanes *lanes, struct tr_keytable *table, uint32_t key);
void tr_lanes_push_head(struct tr_lanes *lanes, struct tr_keytable *table, uint32_t key);

/* Takes the head key of a lane that has one. Its state is the caller's to set. */
uint32_t tr_lanes_pop(struct tr_lanes *lanes, struct tr_keytable *table, uint32_t lane);

#endif
