// SPDX-License-Identifier: Apache-2.0
/*
 * A pool of fixed-size objects and the printed sum of all of them.
 *
 * All memory of the data path is taken at start. A pool has one owner that acquires and releases (a plain free list,
 * no atomics); objects that travel come home by a ring to their owner. Its size is a sum with one named term per
 * possible holder, and a comment that says why the system always moves with that many.
 *
 * Memory is mapped, page aligned, zero at first, and touched only when used.
 */
#ifndef TR_ENGINE_POOL_H
#define TR_ENGINE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct tr_pool {
    const char *name;
    unsigned char *memory; /* owns; object i at memory + i * object_bytes */
    size_t object_bytes;   /* rounded up to 64 */
    uint32_t object_count;
    uint32_t free_count;
    uint32_t *free_index; /* owns; stack of free objects */
    uint8_t *is_out; /* owns; per object 1 while acquired, so that a second release is caught */
};

/* Errors: TR_ERR_SYSTEM when memory is refused. */
TR_NODISCARD enum tr_code tr_pool_init(struct tr_pool *pool, const char *name,
                                       uint32_t object_count, size_t object_bytes,
                                       struct tr_error *err);

/* Accepts a zeroed pool. */
void tr_pool_deinit(struct tr_pool *pool);

/* An object with undefined contents, or NULL when all are out: an outcome, not an error. @thread the owner */
void *tr_pool_try_acquire(struct tr_pool *pool);

/* Takes an object back; asserts that it is one of ours and out. @thread the owner */
void tr_pool_release(struct tr_pool *pool, void *object);

/* Object `index`, for owners that prepare headers at start. */
void *tr_pool_object(const struct tr_pool *pool, uint32_t index);

/*
 * Maps `bytes` of zeroed memory that is resident only where touched; NULL with err set when refused.
 * Freed by tr_memory_unmap. For buffers that are large and rarely used.
 */
void *tr_memory_map(size_t bytes, struct tr_error *err);
void tr_memory_unmap(void *memory, size_t bytes);
/* Gives resident pages of a mapped range (page-aligned start) back to the system; contents become zero. */
void tr_memory_discard(void *memory, size_t bytes);

#define TR_MEMORY_TERMS_MAX 64

/* The sum: every pool, ring and table adds a term at start; printed in the log and by /metrics. */
struct tr_memory_sum {
    struct {
        const char *name; /* static */
        uint64_t bytes;
    } terms[TR_MEMORY_TERMS_MAX];
    uint32_t term_count;
};

/* Adds to the term of that name, or starts it. Asserts room. */
void tr_memory_sum_add(struct tr_memory_sum *sum, const char *name, uint64_t bytes);
uint64_t tr_memory_sum_total(const struct tr_memory_sum *sum);

#endif
