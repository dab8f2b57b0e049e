// SPDX-License-Identifier: Apache-2.0
#include "tests/check.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/pool.h"

static void every_object_goes_out_once_and_then_null(void **state)
{
    (void)state;
    struct tr_pool pool;
    struct tr_error err;
    unsigned char *objects[5];

    assert_int_equal(tr_pool_init(&pool, "test", 5, 100, &err), TR_OK);
    assert_int_equal(pool.object_bytes, 128);
    for (uint32_t i = 0; i < 5; i++) {
        objects[i] = tr_pool_try_acquire(&pool);
        assert_ptr_equal(objects[i], tr_pool_object(&pool, i));
        assert_int_equal((uintptr_t)objects[i] % 64, 0);
        for (size_t k = 0; k < 100; k++) {
            assert_int_equal(objects[i][k], 0); /* zero at first */
        }
        memset(objects[i], 0xFF, 100);
    }
    assert_null(tr_pool_try_acquire(&pool));
    tr_pool_release(&pool, objects[3]);
    tr_pool_release(&pool, objects[1]);
    assert_int_equal(pool.free_count, 2);
    assert_ptr_equal(tr_pool_try_acquire(&pool), objects[1]); /* the one last used is still warm */
    assert_ptr_equal(tr_pool_try_acquire(&pool), objects[3]);
    assert_null(tr_pool_try_acquire(&pool));
    tr_pool_deinit(&pool);
    tr_pool_deinit(&pool);
}

/* Whether the call ends the process, as an assertion does. */
static bool dies(void (*call)(struct tr_pool *pool), struct tr_pool *pool)
{
    const pid_t child = fork();

    if (child == 0) {
        (void)close(STDERR_FILENO);
        (void)signal(SIGILL, SIG_DFL);
        (void)signal(SIGTRAP, SIG_DFL);
        call(pool);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) != 0;
}

static void release_foreign(struct tr_pool *pool)
{
    tr_pool_release(pool, pool->memory + pool->object_bytes * pool->object_count);
}

static void release_below(struct tr_pool *pool)
{
    tr_pool_release(pool, pool->memory - pool->object_bytes);
}

static void release_inside(struct tr_pool *pool)
{
    tr_pool_release(pool, (unsigned char *)tr_pool_try_acquire(pool) + 64);
}

static void release_twice(struct tr_pool *pool)
{
    void *object = tr_pool_try_acquire(pool);

    tr_pool_release(pool, object);
    tr_pool_release(pool, object);
}

static void release_once(struct tr_pool *pool)
{
    tr_pool_release(pool, tr_pool_try_acquire(pool));
}

static void wrong_releases_are_caught(void **state)
{
    (void)state;
    struct tr_pool pool;
    struct tr_error err;

    assert_int_equal(tr_pool_init(&pool, "test", 3, 192, &err), TR_OK);
    assert_false(dies(release_once, &pool));
    assert_true(dies(release_foreign, &pool));
    assert_true(dies(release_below, &pool));
    assert_true(dies(release_inside, &pool));
    assert_true(dies(release_twice, &pool));
    tr_pool_deinit(&pool);
}

static size_t resident_pages(void *memory, size_t pages, size_t page_bytes)
{
    unsigned char flags[64];
    size_t count = 0;

    assert_true(pages <= sizeof(flags));
    assert_int_equal(mincore(memory, pages * page_bytes, flags), 0);
    for (size_t i = 0; i < pages; i++) {
        count += flags[i] & 1u;
    }
    return count;
}

static void mapped_memory_is_resident_only_where_touched(void **state)
{
    (void)state;
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    struct tr_error err;
    const size_t bytes = 40 * page_bytes;
    unsigned char *memory = tr_memory_map(bytes, &err);

    assert_non_null(memory);
    memory[3 * page_bytes] = 1;
    memory[7 * page_bytes + 5] = 2;
    assert_int_equal(resident_pages(memory, 40, page_bytes), 2);
    memory[8 * page_bytes + 11] = 3;
    memory[8 * page_bytes + 9] = 4;
    tr_memory_discard(memory, 8 * page_bytes + 10); /* eight whole pages, and the beginning of one */
    assert_int_equal(memory[8 * page_bytes + 9], 0);
    assert_int_equal(memory[8 * page_bytes + 11], 3);
    assert_int_equal(resident_pages(memory, 8, page_bytes), 0);
    assert_int_equal(memory[3 * page_bytes], 0);
    tr_memory_unmap(memory, bytes);
    tr_memory_unmap(NULL, bytes);
    assert_null(tr_memory_map(SIZE_MAX / 4, &err));
    assert_int_equal(err.code, TR_ERR_SYSTEM);
}

static void memory_sum_adds_by_name(void **state)
{
    (void)state;
    struct tr_memory_sum sum = {0};

    assert_int_equal(tr_memory_sum_total(&sum), 0);
    tr_memory_sum_add(&sum, "chunks", 10);
    tr_memory_sum_add(&sum, "rings", 5);
    tr_memory_sum_add(&sum, "chunks", 7);
    assert_int_equal(sum.term_count, 2);
    assert_int_equal(sum.terms[0].bytes, 17);
    assert_int_equal(tr_memory_sum_total(&sum), 22);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_object_goes_out_once_and_then_null),
        cmocka_unit_test(wrong_releases_are_caught),
        cmocka_unit_test(mapped_memory_is_resident_only_where_touched),
        cmocka_unit_test(memory_sum_adds_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
