// SPDX-License-Identifier: Apache-2.0
/* One command of a store, waited for: before the threads start, and for the command line. @thread main */
#ifndef TR_OFFSETS_STORE_WAIT_H
#define TR_OFFSETS_STORE_WAIT_H

#include <stdatomic.h>
#include <stdio.h>

#include "engine/clock.h"
#include "engine/reactor.h"
#include "offsets/store.h"

struct tr_store_wait {
    struct tr_store *store;
    struct tr_reactor *reactor; /* the store's; NULL for stores that need none */
    const struct tr_clock *clock;
    const _Atomic int *interrupted; /* not 0: give up with TR_ERR_INTERRUPTED; may be NULL */
};

/* Loads; a failure that may pass is tried again up to ten times. Errors: the store's; TR_ERR_INTERRUPTED. */
TR_NODISCARD enum tr_code tr_store_load_wait(const struct tr_store_wait *wait,
                                             struct tr_store_content *content,
                                             struct tr_error *err);
/* Saves, likewise. */
TR_NODISCARD enum tr_code tr_store_save_wait(const struct tr_store_wait *wait,
                                             struct tr_span offset_value, struct tr_span identity,
                                             struct tr_error *err);

/*
 * `tailrace offsets show`: loads and prints key, value and, when there is one, our own record, a line each:
 * "key ...", "value ...", "tailrace ..."; "value" is empty when nothing is saved. Errors: as load_wait; TR_ERR_SYSTEM when
 * `out` refuses.
 */
TR_NODISCARD enum tr_code tr_offsets_show(const struct tr_store_wait *wait,
                                          struct tr_span offset_key, FILE *out,
                                          struct tr_error *err);

#endif
