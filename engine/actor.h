// SPDX-License-Identifier: Apache-2.0
/*
 * Actors, runners, thread plans.
 *
 * An actor is a struct and a `step`: a bounded amount of work on state that belongs to it alone. It never sleeps,
 * never waits for another actor, never reads a clock, never knows its thread. A runner is a thread that steps one or
 * more actors, reads the clock once per cycle, and idles by itself: spin, then yield, then park on its doorbell (inside
 * its reactor when it has one), at most 8 ms at a time: no actor needs a timer to notice a time within that. Which
 * actor runs where is a line in the thread plan.
 *
 * An actor whose library call may block (binlog read, SQL) is marked `may_block` and gets a thread to itself; each
 * of its blocking calls has a deadline and can be woken through `wake`.
 */
#ifndef TR_ENGINE_ACTOR_H
#define TR_ENGINE_ACTOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/doorbell.h"
#include "engine/error.h"

struct tr_reactor;

struct tr_actor {
    const char *
        name; /* thread name and metric label, e.g. "decoder-3"; borrowed, static or longer-lived */
    void *self;
    uint32_t (*step)(void *self, int64_t now_ns); /* items of work done; 0 = nothing to do */
    bool (*has_work)(void *self); /* a look at the input rings, no effect; NULL = never by itself */
    void (*wake)(
        void *
            self); /* ends a blocking step early, by any thread; NULL = its deadline is short enough */
    bool
        may_block; /* step may block in a library, with a deadline; it returns > 0 when it waited itself */
};

#define TR_RUNNER_ACTORS_MAX                                                                       \
    72 /* the whole pipeline on one thread: asserted in engine/app/pipeline.h */

/* Shared between a runner's thread and whoever starts and stops it. */
struct tr_runner {
    const char *name;
    struct tr_actor *actors[TR_RUNNER_ACTORS_MAX]; /* borrows until joined */
    uint32_t actor_count;
    struct tr_reactor *reactor; /* borrows; NULL: parks on the bell alone */
    struct tr_doorbell bell;    /* owns; producers of the actors' rings ring it */
    _Atomic int stopping;       /* set by stop (release), read by the thread (acquire) */
    pthread_t thread;
    bool started;
    /* Written by the runner's thread with relaxed stores, read by metrics. */
    _Atomic uint64_t cycle_count; /* cycles that did work */
    _Atomic uint64_t
        slow_cycle_count; /* of those, the ones over TR_SLOW_CYCLE_NS; none where the actor may block */
    _Atomic int64_t longest_cycle_ns; /* 0 where the actor may block */
    _Atomic int64_t
        busy_ns; /* time in cycles that did work; with the waits where the actor may block */
};

#define TR_SLOW_CYCLE_NS                                                                           \
    (20 * 1000 * 1000) /* 20 ms: five times a lease's request budget would notice */

/*
 * Prepares a runner without actors; its bell joins the reactor, which must outlive the runner's deinit.
 * Errors: TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_runner_init(struct tr_runner *runner, const char *name,
                                         struct tr_reactor *reactor, struct tr_error *err);

/* Adds an actor before start; an actor that may block must be alone. Asserts room. */
void tr_runner_add(struct tr_runner *runner, struct tr_actor *actor);

/* Starts the thread. Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_runner_start(struct tr_runner *runner, struct tr_error *err);

/* Asks the thread to end after its current cycle, and wakes it. @thread any */
void tr_runner_stop(struct tr_runner *runner);

/* Waits for the thread's end; a runner that was never started returns at once. */
void tr_runner_join(struct tr_runner *runner);

/* Frees what init took; accepts a zeroed runner. */
void tr_runner_deinit(struct tr_runner *runner);

/*
 * One cycle of all actors, then a look at the reactor without waiting, by the caller (plan `single`, tests, simulation):
 * the sum of work done.
 */
uint32_t tr_runner_step(struct tr_runner *runner, int64_t now_ns);

#endif
