// SPDX-License-Identifier: Apache-2.0
/*
 * Coverage marks: TR_COVER("shipper.retry_same_key") on a rare path counts how often it ran; the simulation fails
 * when a mark was never hit. Marks cost one relaxed increment and exist in debug and release alike.
 */
#ifndef TR_ENGINE_COVER_H
#define TR_ENGINE_COVER_H

#include <stdatomic.h>
#include <stdint.h>

struct tr_cover_mark {
    const char *name;
    _Atomic uint64_t hit_count;
};

#define TR_COVER(mark_name)                                                                        \
    do {                                                                                           \
        static struct tr_cover_mark cover_mark = {.name = (mark_name)};                            \
        static struct tr_cover_mark *const cover_entry                                             \
            __attribute__((section("tr_cover"), used)) = &cover_mark;                              \
        (void)cover_entry;                                                                         \
        /* Relaxed: a statistic, read after the threads have ended. */                             \
        (void)atomic_fetch_add_explicit(&cover_mark.hit_count, 1, memory_order_relaxed);           \
    } while (0)

/* All marks of the program, in no order. */
extern struct tr_cover_mark *const __start_tr_cover[] __attribute__((weak));
extern struct tr_cover_mark *const __stop_tr_cover[] __attribute__((weak));

#endif
