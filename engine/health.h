// SPDX-License-Identifier: Apache-2.0
/*
 * The engine's health: one state, written by whoever supervises the pipeline, read by the HTTP
 * actor.
 *
 * State       Live  Ready  Means
 * starting    yes   no     options read, connections being made, no byte of the log read yet
 * snapshot    yes   no     reading tables
 * streaming   yes   yes    events flow, lag below the limit
 * idle        yes   yes    nothing to do: the source's newest event is delivered
 * behind      yes   yes    events flow, lag above the limit
 * stalled     yes   no     there is work and no progress, or the source or the offset store is away for too long
 * blocked     yes   no     reading stopped by a limit (replay bound, pools, a dead stream)
 * standby     yes   no     another instance leads
 * stopping    yes   no     draining
 * failed      no    no     stopped by an error
 */
#ifndef TR_ENGINE_HEALTH_H
#define TR_ENGINE_HEALTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum tr_health_state {
    TR_HEALTH_STARTING = 0,
    TR_HEALTH_SNAPSHOT,
    TR_HEALTH_STREAMING,
    TR_HEALTH_IDLE,
    TR_HEALTH_BEHIND,
    TR_HEALTH_STALLED,
    TR_HEALTH_BLOCKED,
    TR_HEALTH_STANDBY,
    TR_HEALTH_STOPPING,
    TR_HEALTH_FAILED,
    TR_HEALTH_STATE_COUNT
};

/* Written by one thread; a zeroed one says starting. */
struct tr_health {
    _Atomic int state;           /* enum tr_health_state */
    _Atomic int64_t lag_ms;      /* behind the source's newest event; negative = not known */
    _Atomic(const char *) cause; /* what keeps it; static text, NULL = nothing */
};

/* "streaming" and so on: lower case, fixed. */
const char *tr_health_state_name(enum tr_health_state state);

static inline void tr_health_set(struct tr_health *health, enum tr_health_state state,
                                 int64_t lag_ms)
{
    /* Relaxed: the two are shown to people; a moment's disagreement does no harm. */
    atomic_store_explicit(&health->lag_ms, lag_ms, memory_order_relaxed);
    atomic_store_explicit(&health->state, (int)state, memory_order_relaxed);
}

/* The same with what keeps it: a static text without quotes or backslashes, or NULL. */
static inline void tr_health_set_cause(struct tr_health *health, enum tr_health_state state,
                                       int64_t lag_ms, const char *cause)
{
    atomic_store_explicit(&health->cause, cause, memory_order_relaxed); /* relaxed: as above */
    tr_health_set(health, state, lag_ms);
}

static inline enum tr_health_state tr_health_state_of(const struct tr_health *health)
{
    return (enum tr_health_state)atomic_load_explicit(&health->state,
                                                      memory_order_relaxed); /* relaxed: as above */
}

static inline bool tr_health_is_live(enum tr_health_state state)
{
    return state != TR_HEALTH_FAILED;
}

static inline bool tr_health_is_ready(enum tr_health_state state)
{
    return state == TR_HEALTH_STREAMING || state == TR_HEALTH_IDLE || state == TR_HEALTH_BEHIND;
}

#endif
