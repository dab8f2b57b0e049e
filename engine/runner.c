// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "engine/actor.h"
#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/reactor.h"

/* Idle cycles before the next, dearer way of waiting: a few microseconds, so that a small machine stays cool. */
#define SPIN_CYCLES 24u
#define YIELD_CYCLES 8u

/* Parks double up to this. It bounds how late an actor sees a time that no timer announces. */
#define PARK_NS_MIN (TR_NS_PER_MS / 2) /* doubled before its first use */
#define PARK_NS_MAX (8 * TR_NS_PER_MS)

#define THREAD_NAME_BYTES 16 /* with the NUL; Linux */

/* What the thread knows beside the shared struct. */
struct duty {
    struct tr_runner *runner;
    const struct tr_clock *clock;
    int64_t now_ns;
    uint32_t idle_cycles;
    int64_t park_ns;
    bool may_block;
};

static void *run(void *self);
static uint32_t cycle(struct duty *duty);
static void idle(struct duty *duty);
static bool park(struct duty *duty);
static void be_awake(struct duty *duty);
static bool look_again(void *self);
static void count_cycle(struct tr_runner *runner, const struct duty *duty, int64_t cycle_ns);

static void on_bell(void *self, int fd, uint32_t ready)
{
    eventfd_t ignored;

    (void)self;
    (void)ready;
    (void)eventfd_read(fd, &ignored);
}

enum tr_code tr_runner_init(struct tr_runner *runner, const char *name, struct tr_reactor *reactor,
                            struct tr_error *err)
{
    memset(runner, 0, sizeof(*runner));
    runner->name = name;
    enum tr_code code = tr_doorbell_open(&runner->bell, err);
    if (code != TR_OK) {
        return code;
    }
    if (reactor != NULL) {
        code = tr_reactor_set(reactor, runner->bell.event_fd, TR_REACTOR_READ, on_bell, NULL, err);
        if (code != TR_OK) {
            tr_doorbell_close(&runner->bell);
            return code;
        }
        runner->reactor = reactor;
    }
    return TR_OK;
}

void tr_runner_add(struct tr_runner *runner, struct tr_actor *actor)
{
    TR_ASSERT(!runner->started);
    TR_ASSERT(runner->actor_count < TR_RUNNER_ACTORS_MAX);
    TR_ASSERT(actor->step != NULL);
    runner->actors[runner->actor_count] = actor;
    runner->actor_count++;
    for (uint32_t i = 0; i < runner->actor_count; i++) {
        TR_ASSERT(!runner->actors[i]->may_block || runner->actor_count == 1);
    }
}

enum tr_code tr_runner_start(struct tr_runner *runner, struct tr_error *err)
{
    char thread_name[THREAD_NAME_BYTES];
    sigset_t all;
    sigset_t before;

    TR_ASSERT(!runner->started);
    /* Signals belong to the main thread. The new one inherits the mask: no moment in which it could take one. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int result = pthread_create(&runner->thread, NULL, run, runner);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "thread %s: error %d; raise the limit of threads (ulimit -u)", runner->name,
                       result);
    }
    runner->started = true;
    const size_t name_bytes = strnlen(runner->name, sizeof(thread_name) - 1);
    memcpy(thread_name, runner->name, name_bytes);
    thread_name[name_bytes] = '\0';
    (void)pthread_setname_np(runner->thread,
                             thread_name); /* for people who look at it; nothing depends on it */
    return TR_OK;
}

void tr_runner_stop(struct tr_runner *runner)
{
    /* Release, pairs with the acquire in is_stopping(): what the stopper did before is seen by the last cycle. */
    atomic_store_explicit(&runner->stopping, 1, memory_order_release);
    tr_doorbell_ring(&runner->bell);
    for (uint32_t i = 0; i < runner->actor_count; i++) {
        if (runner->actors[i]->wake != NULL) {
            runner->actors[i]->wake(runner->actors[i]->self);
        }
    }
}

void tr_runner_join(struct tr_runner *runner)
{
    if (runner->started) {
        const int result = pthread_join(runner->thread, NULL);
        TR_ASSERT(result == 0);
        runner->started = false;
    }
}

void tr_runner_deinit(struct tr_runner *runner)
{
    TR_ASSERT(!runner->started);
    if (runner->name == NULL) {
        return;
    }
    if (runner->reactor != NULL) {
        tr_reactor_remove(runner->reactor, runner->bell.event_fd);
    }
    tr_doorbell_close(&runner->bell);
    memset(runner, 0, sizeof(*runner));
}

uint32_t tr_runner_step(struct tr_runner *runner, int64_t now_ns)
{
    uint32_t work_count = 0;

    for (uint32_t i = 0; i < runner->actor_count; i++) {
        work_count += runner->actors[i]->step(runner->actors[i]->self, now_ns);
    }
    if (runner->reactor != NULL) {
        work_count += tr_reactor_poll(runner->reactor, now_ns, 0);
    }
    return work_count;
}

static bool is_stopping(struct tr_runner *runner)
{
    /* Acquire, pairs with the release in tr_runner_stop(). */
    return atomic_load_explicit(&runner->stopping, memory_order_acquire) != 0;
}

static void *run(void *self)
{
    struct tr_runner *runner = self;
    struct duty duty = {.runner = runner, .clock = tr_clock_system(), .park_ns = PARK_NS_MIN};

    duty.may_block = runner->actor_count == 1 && runner->actors[0]->may_block;
    duty.now_ns = tr_clock_monotonic_ns(duty.clock);
    while (!is_stopping(runner)) {
        if (cycle(&duty) == 0) {
            idle(&duty);
        } else {
            be_awake(&duty);
        }
    }
    return NULL;
}

/* Something was done: the next idle cycle spins again. */
static void be_awake(struct duty *duty)
{
    duty->idle_cycles = 0;
    duty->park_ns = PARK_NS_MIN;
}

/* One cycle and its statistics. The clock read at its end is the next one's time. */
static uint32_t cycle(struct duty *duty)
{
    const int64_t start_ns = duty->now_ns;
    const uint32_t work_count = tr_runner_step(duty->runner, start_ns);

    duty->now_ns = tr_clock_monotonic_ns(duty->clock);
    if (work_count > 0) {
        count_cycle(duty->runner, duty, duty->now_ns - start_ns);
    }
    return work_count;
}

static void count_cycle(struct tr_runner *runner, const struct duty *duty, int64_t cycle_ns)
{
    /* Relaxed throughout: one writer, and a scrape may be a moment behind. */
    const uint64_t cycle_count = atomic_load_explicit(&runner->cycle_count, memory_order_relaxed);
    const int64_t busy_ns = atomic_load_explicit(&runner->busy_ns, memory_order_relaxed);

    atomic_store_explicit(&runner->cycle_count, cycle_count + 1, memory_order_relaxed);
    atomic_store_explicit(&runner->busy_ns, busy_ns + cycle_ns, memory_order_relaxed);
    if (duty->may_block) {
        return; /* its cycles contain waits: long ones are no news */
    }
    if (cycle_ns > TR_SLOW_CYCLE_NS) {
        const uint64_t slow_count =
            atomic_load_explicit(&runner->slow_cycle_count, memory_order_relaxed);
        atomic_store_explicit(&runner->slow_cycle_count, slow_count + 1, memory_order_relaxed);
    }
    if (cycle_ns > atomic_load_explicit(&runner->longest_cycle_ns, memory_order_relaxed)) {
        atomic_store_explicit(&runner->longest_cycle_ns, cycle_ns, memory_order_relaxed);
    }
}

static void idle(struct duty *duty)
{
    if (duty->idle_cycles < SPIN_CYCLES) {
        duty->idle_cycles++;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    } else if (duty->idle_cycles < SPIN_CYCLES + YIELD_CYCLES) {
        duty->idle_cycles++;
        (void)sched_yield();
    } else {
        duty->park_ns = 2 * duty->park_ns < PARK_NS_MAX ? 2 * duty->park_ns : PARK_NS_MAX;
        if (park(duty)) {
            be_awake(duty);
        }
        duty->now_ns = tr_clock_monotonic_ns(duty->clock);
    }
}

/* Whether something was done before or after the wait; a bell that nobody rang and no timer due say no. */
static bool park(struct duty *duty)
{
    struct tr_runner *runner = duty->runner;

    if (runner->reactor == NULL) {
        tr_doorbell_park(&runner->bell, look_again, duty, (int)(duty->park_ns / TR_NS_PER_MS));
        return false; /* if it was the bell, the next cycle finds out */
    }
    tr_doorbell_park_begin(&runner->bell);
    /* The reactor itself waits no longer than until its next timer; the bell is one of its descriptors. */
    const bool is_done =
        look_again(duty) || tr_reactor_poll(runner->reactor, duty->now_ns, duty->park_ns) > 0;
    tr_doorbell_park_end(&runner->bell);
    return is_done;
}

/*
 * The last look, with the bell armed: whatever is published from here on rings. Work that an actor has but cannot
 * do (its pool is empty) must not keep us awake, so a yes counts only if a cycle then does something.
 */
static bool look_again(void *self)
{
    struct duty *duty = self;
    const struct tr_runner *runner = duty->runner;
    bool has_work = false;

    for (uint32_t i = 0; i < runner->actor_count && !has_work; i++) {
        has_work = runner->actors[i]->has_work != NULL &&
                   runner->actors[i]->has_work(runner->actors[i]->self);
    }
    return is_stopping(duty->runner) || (has_work && cycle(duty) > 0);
}
