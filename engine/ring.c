// SPDX-License-Identifier: Apache-2.0
#include "engine/ring.h"

#include <stdlib.h>
#include <string.h>

/* Groups by writer must not share a line: the layout is the point of the struct. */
_Static_assert(offsetof(struct tr_ring, head) - offsetof(struct tr_ring, tail) >= TR_NO_SHARE_BYTES,
               "producer's and consumer's counters apart");
_Static_assert(offsetof(struct tr_ring, slot_count) - offsetof(struct tr_ring, head) >=
                   TR_NO_SHARE_BYTES,
               "consumer's counter and the constants apart");

#define SLOTS_MAX                                                                                  \
    (UINT64_C(1) << 32) /* far above any ring; keeps every product below within 64 bits */

static uint64_t round_up_to_power_of_two(uint64_t count)
{
    uint64_t power = 1;

    while (power < count) {
        power *= 2;
    }
    return power;
}

size_t tr_ring_memory_bytes(uint64_t slots_min, size_t slot_bytes)
{
    TR_ASSERT(slots_min > 0);
    TR_ASSERT(slots_min <= SLOTS_MAX);
    TR_ASSERT(slot_bytes > 0);
    const size_t bytes = (size_t)round_up_to_power_of_two(slots_min) * slot_bytes;

    return (bytes + TR_NO_SHARE_BYTES - 1) / TR_NO_SHARE_BYTES * TR_NO_SHARE_BYTES;
}

enum tr_code tr_ring_init(struct tr_ring *ring, uint64_t slots_min, size_t slot_bytes,
                          struct tr_error *err)
{
    const size_t bytes = tr_ring_memory_bytes(slots_min, slot_bytes);

    memset(ring, 0, sizeof(*ring));
    ring->slots = aligned_alloc(TR_NO_SHARE_BYTES, bytes);
    if (ring->slots == NULL) {
        return TR_FAIL(
            err, TR_ERR_SYSTEM, TR_STOP,
            "ring of %zu bytes: the system refused the memory; lower the number of decoders or "
            "raise the memory limit",
            bytes);
    }
    memset(ring->slots, 0, bytes);
    ring->slot_count = round_up_to_power_of_two(slots_min);
    ring->slot_bytes = slot_bytes;
    return TR_OK;
}

void tr_ring_deinit(struct tr_ring *ring)
{
    free(ring->slots);
    memset(ring, 0, sizeof(*ring));
}
