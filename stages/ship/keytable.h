// SPDX-License-Identifier: Apache-2.0
/*
 * The keys that have records in a shipper, each with the queue of them: what makes per-key order exact.
 *
 *   index (open addressing)        keys (pool, last in first out)
 *   [tag|n][    ][tag|n]...   -->  key n: stream, hash, head -> record -> record -> tail, where it stands
 *
 * A key is (stream, 64-bit hash of the key's bytes). Two keys with one hash share an entry: they are then kept in
 * order with each other as well, which costs nothing but a little parallelism. A key is in the table while it has
 * unacknowledged records, or while it is guarded after an unknown outcome.
 *
 * Everything is taken at start: `keys_max` entries, twice as many index slots. @thread one shipper
 */
#ifndef TR_STAGES_SHIP_KEYTABLE_H
#define TR_STAGES_SHIP_KEYTABLE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "stages/fragment.h"

#define TR_KEY_NONE UINT32_MAX

/* Where a key stands: it is in exactly one of these places. */
enum tr_key_state {
    TR_KEY_NEW = 0, /* just made, in none of the lists yet */
    TR_KEY_READY,   /* in its lane's list */
    TR_KEY_FLIGHT,  /* in a request */
    TR_KEY_GUARD, /* in the guard list: repeated after an unknown outcome, nothing newer until guard_until_ns */
    TR_KEY_SUSPECT, /* in its stream's suspect list: one of them made the service refuse a whole request */
    TR_KEY_DEAD, /* its first record can never be delivered; the engine is stopping */
};

struct tr_key {
    uint64_t hash;
    struct tr_record
        *head; /* oldest unacknowledged record; owned by the shipper until acknowledged */
    struct tr_record *tail;
    int64_t guard_until_ns; /* 0 = no guard */
    uint32_t stream;        /* index inside the shipper */
    uint32_t record_count;  /* in the queue */
    uint32_t flight_count;  /* the first ones, which are in a request */
    uint32_t
        repeat_count; /* the first ones, which were in a request of unknown outcome: they go again, and alone */
    uint32_t suspect_count; /* the first ones, which were in a refused request */
    uint32_t next;          /* key behind it in the list of its state, or of the free ones */
    uint8_t state;          /* enum tr_key_state */
    uint8_t lane;
    uint8_t lane_generation; /* of the lanes that `lane` was computed for */
    uint8_t is_shared;       /* the key of all records without one, or of all of the stream */
};

struct tr_keytable {
    struct tr_key *keys; /* owns */
    uint64_t *index;     /* owns; tag << 32 | key + 1; 0 = free */
    uint32_t keys_max;
    uint32_t index_count; /* power of two, >= 2 * keys_max */
    uint32_t used_count;
    uint32_t made_count; /* keys ever taken from the fresh end */
    uint32_t free_head;  /* given back; TR_KEY_NONE = none */
};

/* Bytes that a table of this size takes: its term of the memory sum. */
size_t tr_keytable_memory_bytes(uint32_t keys_max);

/* Errors: TR_ERR_SYSTEM. keys_max 1..2^29. */
TR_NODISCARD enum tr_code tr_keytable_open(struct tr_keytable *table, uint32_t keys_max,
                                           struct tr_error *err);

/* Accepts a zeroed table. */
void tr_keytable_close(struct tr_keytable *table);

static inline uint32_t tr_keytable_free_count(const struct tr_keytable *table)
{
    return table->keys_max - table->used_count;
}

static inline struct tr_key *tr_keytable_key(const struct tr_keytable *table, uint32_t key)
{
    return &table->keys[key];
}

/* The key of that stream and hash, made (state NEW, everything zero) if there is none. Asserts room. */
uint32_t tr_keytable_find_or_add(struct tr_keytable *table, uint32_t stream, uint64_t hash);

/* The same, or TR_KEY_NONE. */
uint32_t tr_keytable_find(const struct tr_keytable *table, uint32_t stream, uint64_t hash);

/* Takes a key without records out. */
void tr_keytable_remove(struct tr_keytable *table, uint32_t key);

/* Mixes a key's hash with its stream: well spread in all bits. */
static inline uint64_t tr_key_mix(uint32_t stream, uint64_t hash)
{
    uint64_t z = hash + (uint64_t)stream * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 32) *
        UINT64_C(0xd6e8feb86659fd93); /* rxmxmx (Maiga, 2018) shortened: two rounds */
    z = (z ^ z >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return z ^ z >> 32;
}

/* Fetches the line of the index that a later find, add or remove of that key begins with. */
static inline void tr_keytable_prefetch(const struct tr_keytable *table, uint32_t stream,
                                        uint64_t hash)
{
    __builtin_prefetch(&table->index[(uint32_t)tr_key_mix(stream, hash) & (table->index_count - 1)],
                       1);
}

/* Puts a record at the end of its key's queue. */
static inline void tr_key_append(struct tr_key *key, struct tr_record *record)
{
    record->next = NULL;
    if (key->head == NULL) {
        key->head = record;
    } else {
        key->tail->next = record;
    }
    key->tail = record;
    key->record_count++;
}

/* Takes the oldest record off. */
static inline struct tr_record *tr_key_pop(struct tr_key *key)
{
    struct tr_record *record = key->head;

    key->head = record->next;
    key->record_count--;
    return record;
}

#endif
