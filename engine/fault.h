// SPDX-License-Identifier: Apache-2.0
/*
 * The first fatal error of the engine. Any actor may raise; the first one wins; the application's main loop sees it,
 * lets what was sequenced before it drain, saves the position, logs it once and exits with its code.
 */
#ifndef TR_ENGINE_FAULT_H
#define TR_ENGINE_FAULT_H

#include <stdatomic.h>
#include <stddef.h>

#include "engine/error.h"

struct tr_fault {
    _Atomic int state;     /* 0 none, 1 being written, 2 readable */
    struct tr_error error; /* written between 1 and 2 by the winner only */
};

/* Copies `err` in if nobody was first. @thread any */
static inline void tr_fault_raise(struct tr_fault *fault, const struct tr_error *err)
{
    int none = 0;
    /* Relaxed: only decides the winner; the store below publishes. */
    if (atomic_compare_exchange_strong_explicit(&fault->state, &none, 1, memory_order_relaxed,
                                                memory_order_relaxed)) {
        fault->error = *err;
        /* Release, pairs with the acquire in tr_fault_seen(). */
        atomic_store_explicit(&fault->state, 2, memory_order_release);
    }
}

/* The error once one was raised, else NULL. @thread any */
static inline const struct tr_error *tr_fault_seen(const struct tr_fault *fault)
{
    /* Acquire, pairs with the release in tr_fault_raise(): the error was written before. */
    return atomic_load_explicit(&fault->state, memory_order_acquire) == 2 ? &fault->error : NULL;
}

#endif
