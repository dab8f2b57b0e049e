// SPDX-License-Identifier: Apache-2.0
/*
 * The doorbell: how a parked runner is woken.
 *
 * A consumer that found nothing in a whole cycle says "parked", looks once more, and waits on an eventfd (inside its
 * reactor or by poll). A producer looks at one flag after publishing and writes the eventfd only if it is set.
 * Both sides use a read-modify-write on `parked`, so whichever comes second sees the first: no lost wake-up.
 */
#ifndef TR_ENGINE_DOORBELL_H
#define TR_ENGINE_DOORBELL_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/eventfd.h>

#include "engine/error.h"
#include "engine/ring.h"

struct tr_doorbell {
    alignas(TR_NO_SHARE_BYTES) _Atomic int parked; /* 1 while the owner is about to wait or waits */
    int event_fd;                                  /* owns; -1 when closed */
};

/* Errors: TR_ERR_SYSTEM when no descriptor can be had. */
TR_NODISCARD enum tr_code tr_doorbell_open(struct tr_doorbell *bell, struct tr_error *err);

/* Accepts a zeroed or closed bell. */
void tr_doorbell_close(struct tr_doorbell *bell);

/* Wakes the owner if it is parked. @thread any producer, after publish(). */
static inline void tr_doorbell_ring(struct tr_doorbell *bell)
{
    /* A read-modify-write on both sides (pairs with park): whichever comes second sees the first. */
    if (atomic_fetch_or_explicit(&bell->parked, 0, memory_order_acq_rel) != 0) {
        (void)eventfd_write(bell->event_fd, 1);
    }
}

/*
 * Parks the owner until the bell rings or `timeout_ms` (-1 = for ever) passed; returns at once if `has_work` says so.
 * @thread the owner
 */
void tr_doorbell_park(struct tr_doorbell *bell, bool (*has_work)(void *self), void *self,
                      int timeout_ms);

/* The halves of park for an owner that waits elsewhere (its reactor): begin, look once more, wait, end. */
static inline void tr_doorbell_park_begin(struct tr_doorbell *bell)
{
    /* Pairs with the fetch_or in ring(). */
    (void)atomic_exchange_explicit(&bell->parked, 1, memory_order_acq_rel);
}

static inline void tr_doorbell_park_end(struct tr_doorbell *bell)
{
    /* An exchange, not a store: a producer that rang before this line must not be missed. */
    (void)atomic_exchange_explicit(&bell->parked, 0, memory_order_acq_rel);
}

#endif
