// SPDX-License-Identifier: Apache-2.0
/* Random numbers of property tests: a seed from the command line or the fixed one, and splitmix64.
 */
#ifndef TR_TESTS_PROPERTY_SEED_H
#define TR_TESTS_PROPERTY_SEED_H

#include <stdint.h>
#include <stdlib.h>

/* The first argument, or a fixed seed: a failure prints the seed to give. */
static inline uint64_t tr_seed_from(int argc, char **argv)
{
    return argc > 1 ? strtoull(argv[1], NULL, 10) : UINT64_C(20240229);
}

static inline uint64_t tr_seed_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#endif
