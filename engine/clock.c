// SPDX-License-Identifier: Apache-2.0
#include "engine/clock.h"

#include <stddef.h>
#include <time.h>

#include "engine/assert.h"

static int64_t read_clock_ns(clockid_t id)
{
    struct timespec at;
    const int result = clock_gettime(id, &at);

    TR_ASSERT(result == 0); /* fails only for a clock that does not exist */
    return (int64_t)at.tv_sec * TR_NS_PER_S + at.tv_nsec;
}

static int64_t system_monotonic_ns(void *self)
{
    (void)self;
    return read_clock_ns(CLOCK_MONOTONIC);
}

static int64_t system_wall_unix_ns(void *self)
{
    (void)self;
    return read_clock_ns(CLOCK_REALTIME);
}

static int64_t system_boottime_ns(void *self)
{
    (void)self;
    return read_clock_ns(CLOCK_BOOTTIME);
}

const struct tr_clock *tr_clock_system(void)
{
    static const struct tr_clock system_clock = {
        .self = NULL,
        .monotonic_ns = system_monotonic_ns,
        .wall_unix_ns = system_wall_unix_ns,
        .boottime_ns = system_boottime_ns,
    };

    return &system_clock;
}
