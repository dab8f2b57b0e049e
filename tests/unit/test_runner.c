// SPDX-License-Identifier: Apache-2.0
#include "tests/check.h"

#include <pthread.h>
#include <semaphore.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/actor.h"
#include "engine/clock.h"
#include "engine/reactor.h"
#include "engine/ring.h"

#define ITEM_COUNT 20000u

static int64_t now_ns(void)
{
    return tr_clock_monotonic_ns(tr_clock_system());
}

static void wait_for(sem_t *done)
{
    while (sem_wait(done) != 0) {
    }
}

/* An actor that hands numbers on from one ring to another and posts when it saw the last. */
struct relay {
    struct tr_ring *in;
    struct tr_ring *out;          /* NULL: the last of the chain */
    struct tr_doorbell *out_bell; /* of the next one's runner */
    uint64_t seen_count;
    sem_t *done;
};

static uint32_t relay_step(void *self, int64_t at_ns)
{
    struct relay *relay = self;
    void *slots;
    uint32_t moved_count = 0;

    (void)at_ns;
    const uint64_t count = tr_ring_peek(relay->in, 16, &slots);
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t number = ((const uint64_t *)slots)[i];
        if (relay->out != NULL) {
            void *slot;
            if (tr_ring_claim(relay->out, 1, &slot) == 0) {
                break; /* like an empty pool: work there, nothing to be done */
            }
            memcpy(slot, &number, sizeof(number));
            tr_ring_publish(relay->out, 1);
        }
        assert_int_equal(number, relay->seen_count);
        relay->seen_count++;
        moved_count++;
    }
    tr_ring_release(relay->in, moved_count);
    if (moved_count > 0 && relay->out != NULL) {
        tr_doorbell_ring(relay->out_bell);
    }
    if (relay->seen_count == ITEM_COUNT && moved_count > 0 && relay->done != NULL) {
        (void)sem_post(relay->done);
    }
    return moved_count;
}

static bool relay_has_work(void *self)
{
    return !tr_ring_is_empty(((struct relay *)self)->in);
}

static void feed(struct tr_ring *ring, struct tr_doorbell *bell)
{
    for (uint64_t i = 0; i < ITEM_COUNT;) {
        void *slot;
        if (tr_ring_claim(ring, 1, &slot) == 1) {
            memcpy(slot, &i, sizeof(i));
            tr_ring_publish(ring, 1);
            tr_doorbell_ring(bell);
            i++;
        } else {
            (void)sched_yield();
        }
        while (i % 5000 == 0 && atomic_load_explicit(&bell->parked, memory_order_relaxed) == 0) {
            (void)sched_yield(); /* let the runner park in between; relaxed: a look from outside */
        }
    }
}

static void relay_through_runners(struct tr_reactor *reactor_a, struct tr_reactor *reactor_b)
{
    struct tr_ring rings[2];
    struct tr_runner runners[2];
    struct tr_error err;
    sem_t done;

    assert_int_equal(sem_init(&done, 0, 0), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tr_ring_init(&rings[i], 64, sizeof(uint64_t), &err), TR_OK);
        assert_int_equal(tr_runner_init(&runners[i], i == 0 ? "relay-with-a-long-name" : "relay-1",
                                        i == 0 ? reactor_a : reactor_b, &err),
                         TR_OK);
    }
    struct relay first = {.in = &rings[0], .out = &rings[1], .out_bell = &runners[1].bell};
    struct relay last = {.in = &rings[1], .done = &done};
    struct tr_actor actors[2] = {
        {.name = "first", .self = &first, .step = relay_step, .has_work = relay_has_work},
        {.name = "last", .self = &last, .step = relay_step, .has_work = relay_has_work},
    };
    for (int i = 0; i < 2; i++) {
        tr_runner_add(&runners[i], &actors[i]);
        assert_int_equal(tr_runner_start(&runners[i], &err), TR_OK);
    }
    feed(&rings[0], &runners[0].bell);
    wait_for(&done);
    for (int i = 0; i < 2; i++) {
        tr_runner_stop(&runners[i]);
        tr_runner_join(&runners[i]);
        tr_runner_join(&runners[i]);
        assert_true(runners[i].cycle_count > 0);
        assert_true(runners[i].busy_ns > 0);
        assert_true(runners[i].longest_cycle_ns > 0);
        tr_runner_deinit(&runners[i]);
        tr_runner_deinit(&runners[i]);
        tr_ring_deinit(&rings[i]);
    }
    assert_int_equal(first.seen_count, ITEM_COUNT);
    assert_int_equal(last.seen_count, ITEM_COUNT);
}

static void actors_are_woken_by_the_bell_alone(void **state)
{
    (void)state;
    relay_through_runners(NULL, NULL);
}

static void actors_are_woken_inside_a_reactor(void **state)
{
    (void)state;
    static const enum tr_reactor_engine engines[] = {TR_REACTOR_AUTO, TR_REACTOR_EPOLL};

    for (size_t i = 0; i < 2; i++) {
        struct tr_reactor *reactors[2];
        struct tr_error err;
        for (int k = 0; k < 2; k++) {
            /* No place asked for: the doorbell's is extra. */
            assert_int_equal(tr_reactor_open(&reactors[k], engines[i], 0, 0, &err), TR_OK);
        }
        relay_through_runners(reactors[0], reactors[1]);
        tr_reactor_close(reactors[0]);
        tr_reactor_close(reactors[1]);
    }
}

/* An actor whose input waits while its step cannot do anything: out of pool objects. */
struct stuck {
    _Atomic uint32_t step_count;
    _Atomic int is_free;
    sem_t done;
};

static uint32_t stuck_step(void *self, int64_t at_ns)
{
    struct stuck *stuck = self;

    (void)at_ns;
    atomic_fetch_add_explicit(&stuck->step_count, 1, memory_order_relaxed);
    /* Relaxed: the test's flag; the doorbell orders it. */
    if (atomic_exchange_explicit(&stuck->is_free, 0, memory_order_relaxed) != 0) {
        (void)sem_post(&stuck->done);
        return 1;
    }
    return 0;
}

static bool always_has_work(void *self)
{
    (void)self;
    return true;
}

static void work_that_cannot_be_done_does_not_burn_the_core(void **state)
{
    (void)state;
    struct stuck stuck = {0};
    struct tr_actor actor = {.name = "stuck", .self = &stuck, .step = stuck_step, .has_work = always_has_work};
    struct tr_runner runner;
    struct tr_error err;

    assert_int_equal(sem_init(&stuck.done, 0, 0), 0);
    assert_int_equal(tr_runner_init(&runner, "stuck", NULL, &err), TR_OK);
    tr_runner_add(&runner, &actor);
    const int64_t start_ns = now_ns();
    assert_int_equal(tr_runner_start(&runner, &err), TR_OK);
    while (atomic_load_explicit(&stuck.step_count, memory_order_relaxed) < 80) {
        (void)sched_yield();
    }
    /* 80 steps of a busy loop are microseconds; here they are 32, and then two per park of 1, 2, 4, 8, 8, 8... ms. */
    assert_true(now_ns() - start_ns > 50 * TR_NS_PER_MS);
    atomic_store_explicit(&stuck.is_free, 1, memory_order_relaxed);
    tr_doorbell_ring(&runner.bell);
    wait_for(&stuck.done);
    tr_runner_stop(&runner);
    tr_runner_join(&runner);
    tr_runner_deinit(&runner);
}

struct ticker {
    struct tr_reactor *reactor;
    struct tr_reactor_timer timer;
    uint32_t tick_count;
    int64_t last_step_ns;
    int64_t longest_gap_ns;
    sem_t done;
    sigset_t mask;
    char thread_name[16];
};

static void on_tick(void *self, int64_t at_ns)
{
    struct ticker *ticker = self;

    ticker->tick_count++;
    if (ticker->tick_count == 10) {
        (void)pthread_sigmask(SIG_SETMASK, NULL, &ticker->mask);
        (void)pthread_getname_np(pthread_self(), ticker->thread_name, sizeof(ticker->thread_name));
        (void)sem_post(&ticker->done);
    } else if (ticker->tick_count < 10) {
        tr_reactor_timer_set(ticker->reactor, &ticker->timer, at_ns + 10 * TR_NS_PER_MS);
    }
}

static uint32_t ticker_step(void *self, int64_t at_ns)
{
    struct ticker *ticker = self;

    assert_true(at_ns >= ticker->last_step_ns);
    if (ticker->last_step_ns != 0 && at_ns - ticker->last_step_ns > ticker->longest_gap_ns) {
        ticker->longest_gap_ns = at_ns - ticker->last_step_ns;
    }
    ticker->last_step_ns = at_ns;
    return 0;
}

static void timers_fire_while_parked(void **state)
{
    (void)state;
    struct ticker ticker = {0};
    struct tr_actor actor = {.name = "ticker", .self = &ticker, .step = ticker_step};
    struct tr_runner runner;
    struct tr_error err;

    assert_int_equal(sem_init(&ticker.done, 0, 0), 0);
    assert_int_equal(tr_reactor_open(&ticker.reactor, TR_REACTOR_AUTO, 4, 1, &err), TR_OK);
    ticker.timer.on_timer = on_tick;
    ticker.timer.self = &ticker;
    const int64_t start_ns = now_ns();
    tr_reactor_timer_set(ticker.reactor, &ticker.timer, start_ns + TR_NS_PER_MS);
    assert_int_equal(tr_runner_init(&runner, "a-ticker-with-a-long-name", ticker.reactor, &err), TR_OK);
    tr_runner_add(&runner, &actor);
    assert_int_equal(tr_runner_start(&runner, &err), TR_OK);
    wait_for(&ticker.done);
    assert_true(now_ns() - start_ns >= 91 * TR_NS_PER_MS);
    tr_runner_stop(&runner);
    tr_runner_join(&runner);
    assert_true(ticker.longest_gap_ns > 0);
    assert_true(sigismember(&ticker.mask, SIGTERM) == 1); /* signals are the main thread's */
    assert_string_equal(ticker.thread_name, "a-ticker-with-a");
    tr_runner_deinit(&runner);
    tr_reactor_close(ticker.reactor);
}

/* An actor that waits in a library call (here: a read from a socket) until it is woken. */
struct blocker {
    int pair[2];
    uint32_t step_count;
};

static uint32_t blocker_step(void *self, int64_t at_ns)
{
    struct blocker *blocker = self;
    char byte;

    (void)at_ns;
    blocker->step_count++;
    const ssize_t count = read(blocker->pair[0], &byte, 1);
    (void)count;
    return 1; /* it waited itself */
}

static void blocker_wake(void *self)
{
    const ssize_t count = write(((struct blocker *)self)->pair[1], "w", 1);
    (void)count; /* a full socket has woken it already */
}

static void stop_wakes_an_actor_that_blocks(void **state)
{
    (void)state;
    struct blocker blocker = {0};
    struct tr_actor actor = {
        .name = "blocker", .self = &blocker, .step = blocker_step, .wake = blocker_wake, .may_block = true};
    struct tr_runner runner;
    struct tr_error err;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, blocker.pair), 0);
    assert_int_equal(tr_runner_init(&runner, "blocker", NULL, &err), TR_OK);
    tr_runner_add(&runner, &actor);
    assert_int_equal(tr_runner_start(&runner, &err), TR_OK);
    tr_runner_stop(&runner);
    tr_runner_join(&runner);
    assert_true(blocker.step_count <= 1);
    assert_int_equal(runner.slow_cycle_count, 0);
    assert_int_equal(runner.longest_cycle_ns, 0);
    tr_runner_deinit(&runner);
    (void)close(blocker.pair[0]);
    (void)close(blocker.pair[1]);
}

static uint32_t count_step(void *self, int64_t at_ns)
{
    assert_int_equal(at_ns, 77);
    (*(uint32_t *)self)++;
    return 2;
}

static void step_by_the_caller_steps_every_actor_once(void **state)
{
    (void)state;
    uint32_t counts[3] = {0};
    struct tr_actor actors[3];
    struct tr_runner runner;
    struct tr_error err;

    assert_int_equal(tr_runner_init(&runner, "single", NULL, &err), TR_OK);
    assert_int_equal(tr_runner_step(&runner, 77), 0);
    for (int i = 0; i < 3; i++) {
        actors[i] = (struct tr_actor){.name = "counter", .self = &counts[i], .step = count_step};
        tr_runner_add(&runner, &actors[i]);
    }
    assert_int_equal(tr_runner_step(&runner, 77), 6);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(counts[i], 1);
    }
    tr_runner_join(&runner); /* never started: returns at once */
    tr_runner_deinit(&runner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actors_are_woken_by_the_bell_alone),
        cmocka_unit_test(actors_are_woken_inside_a_reactor),
        cmocka_unit_test(work_that_cannot_be_done_does_not_burn_the_core),
        cmocka_unit_test(timers_fire_while_parked),
        cmocka_unit_test(stop_wakes_an_actor_that_blocks),
        cmocka_unit_test(step_by_the_caller_steps_every_actor_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
