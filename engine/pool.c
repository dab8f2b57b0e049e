// SPDX-License-Identifier: Apache-2.0
#include "engine/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/assert.h"

#define OBJECT_ALIGN_BYTES 64 /* a cache line */

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) / to * to;
}

enum tr_code tr_pool_init(struct tr_pool *pool, const char *name, uint32_t object_count,
                          size_t object_bytes, struct tr_error *err)
{
    TR_ASSERT(object_count > 0);
    TR_ASSERT(object_bytes > 0);
    *pool = (struct tr_pool){.name = name};
    pool->object_bytes = round_up(object_bytes, OBJECT_ALIGN_BYTES);
    pool->object_count = object_count;
    pool->free_count = object_count;
    TR_ASSERT(pool->object_bytes <= SIZE_MAX / object_count);
    pool->memory = tr_memory_map(pool->object_bytes * object_count, err);
    if (pool->memory == NULL) {
        goto fail;
    }
    pool->free_index = calloc(object_count, sizeof(*pool->free_index));
    pool->is_out = calloc(object_count, sizeof(*pool->is_out));
    if (pool->free_index == NULL || pool->is_out == NULL) {
        (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                      "list of %u objects: the system refused the memory", object_count);
        goto fail;
    }
    for (uint32_t i = 0; i < object_count; i++) {
        pool->free_index[i] = object_count - 1 - i; /* object 0 goes out first */
    }
    return TR_OK;
fail:
    tr_pool_deinit(pool);
    if (err != NULL) {
        (void)tr_error_prefix(err, "pool %s", name);
    }
    return TR_ERR_SYSTEM;
}

void tr_pool_deinit(struct tr_pool *pool)
{
    tr_memory_unmap(pool->memory, pool->object_bytes * pool->object_count);
    free(pool->free_index);
    free(pool->is_out);
    *pool = (struct tr_pool){0};
}

void *tr_pool_try_acquire(struct tr_pool *pool)
{
    if (pool->free_count == 0) {
        return NULL;
    }
    pool->free_count--;
    const uint32_t index = pool->free_index[pool->free_count];
    pool->is_out[index] = 1;
    return pool->memory + (size_t)index * pool->object_bytes;
}

void tr_pool_release(struct tr_pool *pool, void *object)
{
    const size_t offset =
        (size_t)((unsigned char *)object - pool->memory); /* below the pool: wraps to a huge one */
    const size_t index = offset / pool->object_bytes;

    TR_ASSERT(index < pool->object_count);
    TR_ASSERT(index * pool->object_bytes == offset);
    TR_ASSERT(pool->is_out[index] == 1);
    pool->is_out[index] = 0;
    pool->free_index[pool->free_count] = (uint32_t)index;
    pool->free_count++;
}

void *tr_pool_object(const struct tr_pool *pool, uint32_t index)
{
    TR_ASSERT(index < pool->object_count);
    return pool->memory + (size_t)index * pool->object_bytes;
}

void *tr_memory_map(size_t bytes, struct tr_error *err)
{
    const size_t mapped_bytes = round_up(bytes, page_bytes());

    TR_ASSERT(bytes > 0);
    TR_ASSERT(mapped_bytes >= bytes);
    void *memory = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                      "mapping of %zu bytes: error %d; lower the configured buffers or raise the "
                      "memory limit",
                      bytes, errno);
        return NULL;
    }
    /* A huge page would make 2 MiB resident for one byte touched. A kernel without them refuses: as good. */
    (void)madvise(memory, mapped_bytes, MADV_NOHUGEPAGE);
    return memory;
}

void tr_memory_unmap(void *memory, size_t bytes)
{
    if (memory == NULL) {
        return;
    }
    const int result = munmap(memory, round_up(bytes, page_bytes()));
    TR_ASSERT(result == 0);
}

void tr_memory_discard(void *memory, size_t bytes)
{
    const size_t whole_bytes = bytes / page_bytes() * page_bytes();

    TR_ASSERT((uintptr_t)memory % page_bytes() == 0);
    if (whole_bytes > 0) {
        const int result = madvise(memory, whole_bytes, MADV_DONTNEED);
        TR_ASSERT(result == 0);
    }
    /* The rest shares its page with what follows the range. */
    memset((unsigned char *)memory + whole_bytes, 0, bytes - whole_bytes);
}

void tr_memory_sum_add(struct tr_memory_sum *sum, const char *name, uint64_t bytes)
{
    for (uint32_t i = 0; i < sum->term_count; i++) {
        if (strcmp(sum->terms[i].name, name) == 0) {
            sum->terms[i].bytes += bytes;
            return;
        }
    }
    TR_ASSERT(sum->term_count < TR_MEMORY_TERMS_MAX);
    sum->terms[sum->term_count].name = name;
    sum->terms[sum->term_count].bytes = bytes;
    sum->term_count++;
}

uint64_t tr_memory_sum_total(const struct tr_memory_sum *sum)
{
    uint64_t total_bytes = 0;

    for (uint32_t i = 0; i < sum->term_count; i++) {
        total_bytes += sum->terms[i].bytes;
    }
    return total_bytes;
}
