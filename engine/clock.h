// SPDX-License-Identifier: Apache-2.0
/*
 * Time. Two clocks, two suffixes: `_ns` is monotonic and used for every interval and deadline; `_unix_ns` /
 * `_unix_us` / `_unix_ms` is wall time and used in output only. A runner reads the clock once per cycle and passes it
 * down; nothing outside engine/ calls the system clock (a test greps for it). The port exists so that the
 * simulation can turn the hands.
 */
#ifndef TR_ENGINE_CLOCK_H
#define TR_ENGINE_CLOCK_H

#include <stdint.h>

#define TR_NS_PER_MS INT64_C(1000000)
#define TR_NS_PER_S INT64_C(1000000000)

struct tr_clock {
    void *self;
    int64_t (*monotonic_ns)(void *self);
    int64_t (*wall_unix_ns)(void *self);
    int64_t (*boottime_ns)(void *self); /* CLOCK_BOOTTIME: counts suspended time too; for leases */
};

/* The system's clocks; @thread any. */
const struct tr_clock *tr_clock_system(void);

static inline int64_t tr_clock_monotonic_ns(const struct tr_clock *clock)
{
    return clock->monotonic_ns(clock->self);
}

static inline int64_t tr_clock_wall_unix_ns(const struct tr_clock *clock)
{
    return clock->wall_unix_ns(clock->self);
}

#endif
