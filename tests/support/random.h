// SPDX-License-Identifier: Apache-2.0
/* Seeded numbers for tests: splitmix64 (Steele, Lea, Flood 2014). The same seed gives the same run
 * everywhere. */
#ifndef TR_TESTS_SUPPORT_RANDOM_H
#define TR_TESTS_SUPPORT_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct tr_random {
    uint64_t state;
};

static inline uint64_t tr_random_next(struct tr_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* 0 <= result < bound; bound > 0. */
static inline uint32_t tr_random_below(struct tr_random *random, uint32_t bound)
{
    return (uint32_t)((tr_random_next(random) >> 32) * bound >> 32);
}

static inline bool tr_random_chance(struct tr_random *random, uint32_t permille)
{
    return tr_random_below(random, 1000) < permille;
}

#endif
