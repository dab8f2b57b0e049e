// SPDX-License-Identifier: Apache-2.0
/*
 * A single-producer, single-consumer ring of fixed-size slots.
 *
 *        head (consumer)                 tail (producer)
 *          v                               v
 *   ...[free][full][full][full][full][full][free][free]...     slot index = counter & (slot_count - 1)
 *
 * Counters are free-running and 64 bit: they are compared by difference only. Both sides batch: claim up to n
 * contiguous slots, fill them, publish once; peek at n, work, release once. Each side keeps a copy of the other's
 * counter, so that the common case touches no shared cache line.
 *
 * One throttle: every ring has at least as many slots as there are objects that could be in it (all of them are
 * pooled), so a full ring is a bug: tr_ring_claim_one asserts instead of waiting. The only waits are for a pool.
 *
 * @thread claim/publish: the producer; peek/release: the consumer; init/deinit: before and after both exist.
 * Progress: every call is wait-free.
 */
#ifndef TR_ENGINE_RING_H
#define TR_ENGINE_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/assert.h"

#define TR_NO_SHARE_BYTES 128 /* two lines: adjacent-line prefetch pulls pairs */

struct tr_ring {
    /* Written by the producer only. */
    alignas(TR_NO_SHARE_BYTES) _Atomic uint64_t tail; /* slots ever published */
    uint64_t head_seen;                               /* producer's last look at head */
    /* Written by the consumer only. */
    alignas(TR_NO_SHARE_BYTES) _Atomic uint64_t head; /* slots ever released */
    uint64_t tail_seen;                               /* consumer's last look at tail */
    /* Constant after init. */
    alignas(TR_NO_SHARE_BYTES) uint64_t slot_count; /* power of two */
    size_t slot_bytes;
    unsigned char *slots; /* owns */
};

/*
 * Takes memory for at least `slots_min` slots (rounded up to a power of two) of `slot_bytes` each.
 * Errors: TR_ERR_SYSTEM when memory is refused.
 */
TR_NODISCARD enum tr_code tr_ring_init(struct tr_ring *ring, uint64_t slots_min, size_t slot_bytes,
                                       struct tr_error *err);

/* Gives the memory back; accepts a zeroed ring. */
void tr_ring_deinit(struct tr_ring *ring);

/* Bytes that a ring of this shape takes: its term of the memory sum. */
size_t tr_ring_memory_bytes(uint64_t slots_min, size_t slot_bytes);

static inline void *tr_ring_slot(const struct tr_ring *ring, uint64_t counter)
{
    return ring->slots + (size_t)(counter & (ring->slot_count - 1)) * ring->slot_bytes;
}

/* Up to `count_wanted` contiguous free slots; 0 when the ring is full. They are not visible until published. */
static inline uint64_t tr_ring_claim(struct tr_ring *ring, uint64_t count_wanted, void **slots)
{
    const uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* own */
    uint64_t free_count = ring->slot_count - (tail - ring->head_seen);

    if (free_count < count_wanted) {
        /* Acquire, pairs with release(): the consumer is done with the slots before we overwrite them. */
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        free_count = ring->slot_count - (tail - ring->head_seen);
    }
    const uint64_t to_wrap = ring->slot_count - (tail & (ring->slot_count - 1));
    uint64_t count = count_wanted < free_count ? count_wanted : free_count;
    count = count < to_wrap ? count : to_wrap;
    *slots = count == 0 ? NULL : tr_ring_slot(ring, tail);
    return count;
}

/* One slot; a full ring is a bug, see above. */
static inline void *tr_ring_claim_one(struct tr_ring *ring)
{
    void *slot;
    const uint64_t count = tr_ring_claim(ring, 1, &slot);

    TR_ASSERT(count == 1);
    return slot;
}

static inline void tr_ring_publish(struct tr_ring *ring, uint64_t count)
{
    const uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed); /* own */

    TR_ASSERT_HOT(tail + count - ring->head_seen <= ring->slot_count);
    /* Release, pairs with peek(): slot contents become visible before the new tail. */
    atomic_store_explicit(&ring->tail, tail + count, memory_order_release);
}

/* Up to `count_wanted` contiguous full slots; 0 when the ring is empty. They stay ours until released. */
static inline uint64_t tr_ring_peek(struct tr_ring *ring, uint64_t count_wanted, void **slots)
{
    const uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* own */
    uint64_t full_count = ring->tail_seen - head;

    if (full_count < count_wanted) {
        /* Acquire, pairs with publish(): the slots were filled before the tail moved. */
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        full_count = ring->tail_seen - head;
    }
    const uint64_t to_wrap = ring->slot_count - (head & (ring->slot_count - 1));
    uint64_t count = count_wanted < full_count ? count_wanted : full_count;
    count = count < to_wrap ? count : to_wrap;
    *slots = count == 0 ? NULL : tr_ring_slot(ring, head);
    return count;
}

static inline void tr_ring_release(struct tr_ring *ring, uint64_t count)
{
    const uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed); /* own */

    TR_ASSERT_HOT(count <= ring->tail_seen - head);
    /* Release, pairs with claim(): our reads of the slots end before the producer may reuse them. */
    atomic_store_explicit(&ring->head, head + count, memory_order_release);
}

/* Whether anything waits; for the consumer's has_work. */
static inline bool tr_ring_is_empty(struct tr_ring *ring)
{
    void *slot;

    return tr_ring_peek(ring, 1, &slot) == 0;
}

/* Slots in the ring, by any thread, for metrics: relaxed on both sides, so a moment old and never negative. */
static inline uint64_t tr_ring_depth(const struct tr_ring *ring)
{
    /* Relaxed: a metric; head first, so that a tail that moves between the loads cannot make it negative. */
    const uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    const uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    const int64_t depth = (int64_t)(tail - head); /* by difference: the counters may wrap */

    return depth > 0 ? (uint64_t)depth : 0;
}

#endif
