// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/keytable.h"

#include "engine/assert.h"
#include "engine/pool.h"

static uint32_t index_count_of(uint32_t keys_max)
{
    uint32_t count = 16;

    while (count < keys_max * 2) {
        count *= 2;
    }
    return count;
}

size_t tr_keytable_memory_bytes(uint32_t keys_max)
{
    return (size_t)keys_max * sizeof(struct tr_key) +
           (size_t)index_count_of(keys_max) * sizeof(uint64_t);
}

enum tr_code tr_keytable_open(struct tr_keytable *table, uint32_t keys_max, struct tr_error *err)
{
    TR_ASSERT(keys_max > 0);
    TR_ASSERT(keys_max <= UINT32_C(1) << 29);
    *table = (struct tr_keytable){.keys_max = keys_max, .free_head = TR_KEY_NONE};
    table->index_count = index_count_of(keys_max);
    table->keys = tr_memory_map((size_t)keys_max * sizeof(*table->keys), err);
    if (table->keys == NULL) {
        goto fail;
    }
    table->index = tr_memory_map((size_t)table->index_count * sizeof(*table->index), err);
    if (table->index == NULL) {
        goto fail;
    }
    return TR_OK;
fail:
    tr_keytable_close(table);
    return TR_ERR_SYSTEM;
}

void tr_keytable_close(struct tr_keytable *table)
{
    tr_memory_unmap(table->keys, (size_t)table->keys_max * sizeof(*table->keys));
    tr_memory_unmap(table->index, (size_t)table->index_count * sizeof(*table->index));
    *table = (struct tr_keytable){0};
}

static uint32_t home_slot(const struct tr_keytable *table, uint64_t mixed)
{
    return (uint32_t)mixed & (table->index_count - 1);
}

/* The slot of that key, or the free slot where it belongs. Bounded: half of the slots are always free. */
static uint32_t find_slot(const struct tr_keytable *table, uint32_t stream, uint64_t hash)
{
    const uint64_t mixed = tr_key_mix(stream, hash);
    uint32_t slot = home_slot(table, mixed);

    while (table->index[slot] != 0) {
        const uint64_t entry = table->index[slot];
        if (entry >> 32 == mixed >> 32) {
            const struct tr_key *key = &table->keys[(uint32_t)entry - 1];
            if (key->hash == hash && key->stream == stream) {
                break;
            }
        }
        slot = (slot + 1) & (table->index_count - 1);
    }
    return slot;
}

uint32_t tr_keytable_find(const struct tr_keytable *table, uint32_t stream, uint64_t hash)
{
    const uint64_t entry = table->index[find_slot(table, stream, hash)];

    return entry == 0 ? TR_KEY_NONE : (uint32_t)entry - 1;
}

uint32_t tr_keytable_find_or_add(struct tr_keytable *table, uint32_t stream, uint64_t hash)
{
    const uint32_t slot = find_slot(table, stream, hash);

    if (table->index[slot] != 0) {
        return (uint32_t)table->index[slot] - 1;
    }
    TR_ASSERT(table->used_count < table->keys_max);
    uint32_t key = table->free_head;
    if (key != TR_KEY_NONE) {
        table->free_head = table->keys[key].next;
        if (table->free_head != TR_KEY_NONE) {
            __builtin_prefetch(&table->keys[table->free_head], 1); /* the next new key's */
        }
    } else {
        key = table->made_count++;
    }
    table->keys[key] = (struct tr_key){.hash = hash, .stream = stream, .next = TR_KEY_NONE};
    table->index[slot] = (tr_key_mix(stream, hash) >> 32) << 32 | (key + 1);
    table->used_count++;
    return key;
}

void tr_keytable_remove(struct tr_keytable *table, uint32_t key)
{
    struct tr_key *gone = &table->keys[key];
    TR_ASSERT(gone->record_count == 0);
    uint32_t hole = find_slot(table, gone->stream, gone->hash);
    TR_ASSERT((uint32_t)table->index[hole] == key + 1);
    const uint32_t mask = table->index_count - 1;

    /* Backward shift: whoever sits behind the hole but belongs at or before it moves up; no tombstones. */
    for (uint32_t slot = (hole + 1) & mask; table->index[slot] != 0; slot = (slot + 1) & mask) {
        const struct tr_key *other = &table->keys[(uint32_t)table->index[slot] - 1];
        const uint32_t home = home_slot(table, tr_key_mix(other->stream, other->hash));
        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            table->index[hole] = table->index[slot];
            hole = slot;
        }
    }
    table->index[hole] = 0;
    gone->next = table->free_head;
    table->free_head = key;
    table->used_count--;
}
