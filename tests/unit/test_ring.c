// SPDX-License-Identifier: Apache-2.0
#include "tests/check.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "engine/doorbell.h"
#include "engine/ring.h"

#define NEAR_WRAP (UINT64_MAX - 5)
#define STRESS_COUNT 300000u

/* A ring whose counters already stand at `counter`. */
static void init_at(struct tr_ring *ring, uint64_t slots_min, uint64_t counter)
{
    struct tr_error err;

    assert_int_equal(tr_ring_init(ring, slots_min, sizeof(uint64_t), &err), TR_OK);
    atomic_store_explicit(&ring->tail, counter, memory_order_relaxed); /* relaxed: nobody else yet */
    atomic_store_explicit(&ring->head, counter, memory_order_relaxed);
    ring->head_seen = counter;
    ring->tail_seen = counter;
}

static void slots_are_rounded_up_to_a_power_of_two(void **state)
{
    (void)state;
    static const struct {
        uint64_t min;
        uint64_t want;
    } cases[] = {{1, 1}, {2, 2}, {3, 4}, {4, 4}, {5, 8}, {1000, 1024}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tr_ring ring;
        init_at(&ring, cases[i].min, 0);
        assert_int_equal(ring.slot_count, cases[i].want);
        assert_true(tr_ring_memory_bytes(cases[i].min, 8) >= cases[i].want * 8);
        assert_int_equal((uintptr_t)ring.slots % TR_NO_SHARE_BYTES, 0);
        tr_ring_deinit(&ring);
        tr_ring_deinit(&ring);
    }
}

static void claim_gives_contiguous_slots_up_to_the_end(void **state)
{
    (void)state;
    struct tr_ring ring;
    void *slots;

    init_at(&ring, 8, 6);
    assert_int_equal(tr_ring_claim(&ring, 5, &slots), 2); /* the last two, then round the corner */
    assert_ptr_equal(slots, ring.slots + 6 * sizeof(uint64_t));
    tr_ring_publish(&ring, 2);
    assert_int_equal(tr_ring_claim(&ring, 100, &slots), 6);
    assert_ptr_equal(slots, ring.slots);
    tr_ring_publish(&ring, 6);
    assert_int_equal(tr_ring_claim(&ring, 1, &slots), 0);
    assert_null(slots);
    assert_int_equal(tr_ring_depth(&ring), 8);
    assert_int_equal(tr_ring_peek(&ring, 100, &slots), 2);
    tr_ring_release(&ring, 1);
    assert_int_equal(tr_ring_claim(&ring, 100, &slots), 1);
    tr_ring_deinit(&ring);
}

static void claim_returns_zero_when_full_and_peek_when_empty(void **state)
{
    (void)state;
    struct tr_ring ring;
    void *slots;

    init_at(&ring, 1, NEAR_WRAP);
    for (uint64_t i = 0; i < 20; i++) { /* across the wrap of the counters */
        assert_true(tr_ring_is_empty(&ring));
        assert_int_equal(tr_ring_depth(&ring), 0);
        assert_int_equal(tr_ring_peek(&ring, 1, &slots), 0);
        assert_null(slots);
        memcpy(tr_ring_claim_one(&ring), &i, sizeof(i));
        assert_true(tr_ring_is_empty(&ring)); /* not visible until published */
        tr_ring_publish(&ring, 1);
        assert_int_equal(tr_ring_depth(&ring), 1);
        assert_int_equal(tr_ring_claim(&ring, 1, &slots), 0);
        assert_int_equal(tr_ring_peek(&ring, 7, &slots), 1);
        assert_memory_equal(slots, &i, sizeof(i));
        tr_ring_release(&ring, 1);
    }
    tr_ring_deinit(&ring);
}

/* Two threads: numbers there, and the emptied slots' count back by the ring itself. */
struct pair {
    struct tr_ring ring;
    struct tr_doorbell bell;
    uint64_t received_count;
    uint64_t wrong_count;
};

static bool pair_has_work(void *self)
{
    return !tr_ring_is_empty(&((struct pair *)self)->ring);
}

static void *consume(void *self)
{
    struct pair *pair = self;

    while (pair->received_count < STRESS_COUNT) {
        void *slots;
        const uint64_t count = tr_ring_peek(&pair->ring, 1 + pair->received_count % 7, &slots);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t number;
            memcpy(&number, (unsigned char *)slots + i * sizeof(number), sizeof(number));
            pair->wrong_count += number != pair->received_count;
            pair->received_count++;
        }
        tr_ring_release(&pair->ring, count);
        if (count == 0) {
            tr_doorbell_park(&pair->bell, pair_has_work, pair, -1); /* for ever: a lost wake-up hangs the test */
        }
    }
    return NULL;
}

static void numbers_arrive_in_order_and_no_wake_up_is_lost(void **state)
{
    (void)state;
    struct pair pair = {0};
    struct tr_error err;
    pthread_t consumer;

    init_at(&pair.ring, 16, UINT64_MAX - STRESS_COUNT / 2);
    assert_int_equal(tr_doorbell_open(&pair.bell, &err), TR_OK);
    assert_int_equal(pthread_create(&consumer, NULL, consume, &pair), 0);
    for (uint64_t sent = 0; sent < STRESS_COUNT;) {
        void *slots;
        const uint64_t wanted = STRESS_COUNT - sent < 1 + sent % 5 ? 1 : 1 + sent % 5;
        const uint64_t count = tr_ring_claim(&pair.ring, wanted, &slots);
        for (uint64_t i = 0; i < count; i++) {
            const uint64_t number = sent + i;
            memcpy((unsigned char *)slots + i * sizeof(number), &number, sizeof(number));
        }
        tr_ring_publish(&pair.ring, count);
        tr_doorbell_ring(&pair.bell);
        sent += count;
        if (count == 0) {
            (void)sched_yield();
        }
    }
    assert_int_equal(pthread_join(consumer, NULL), 0);
    assert_int_equal(pair.received_count, STRESS_COUNT);
    assert_int_equal(pair.wrong_count, 0);
    tr_doorbell_close(&pair.bell);
    tr_doorbell_close(&pair.bell);
    tr_ring_deinit(&pair.ring);
}

static bool never_has_work(void *self)
{
    (void)self;
    return false;
}

static void park_ends_by_bell_by_work_and_by_time(void **state)
{
    (void)state;
    struct tr_doorbell bell = {0};
    struct tr_error err;
    struct pair pair = {0};

    tr_doorbell_close(&bell); /* accepts a zeroed one */
    assert_int_equal(tr_doorbell_open(&bell, &err), TR_OK);
    tr_doorbell_park(&bell, never_has_work, NULL, 1); /* by time */
    assert_int_equal(bell.parked, 0);
    tr_doorbell_ring(&bell); /* nobody parked: no write */
    eventfd_t count;
    assert_int_equal(eventfd_read(bell.event_fd, &count), -1);
    tr_doorbell_park_begin(&bell);
    tr_doorbell_ring(&bell);
    tr_doorbell_park_end(&bell);
    tr_doorbell_park(&bell, never_has_work, NULL, -1); /* by the bell that rang */
    assert_int_equal(eventfd_read(bell.event_fd, &count), -1);
    init_at(&pair.ring, 1, 0);
    memset(tr_ring_claim_one(&pair.ring), 0, sizeof(uint64_t));
    tr_ring_publish(&pair.ring, 1);
    tr_doorbell_park(&bell, pair_has_work, &pair, -1); /* by work */
    tr_ring_deinit(&pair.ring);
    tr_doorbell_close(&bell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_rounded_up_to_a_power_of_two),
        cmocka_unit_test(claim_gives_contiguous_slots_up_to_the_end),
        cmocka_unit_test(claim_returns_zero_when_full_and_peek_when_empty),
        cmocka_unit_test(numbers_arrive_in_order_and_no_wake_up_is_lost),
        cmocka_unit_test(park_ends_by_bell_by_work_and_by_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
