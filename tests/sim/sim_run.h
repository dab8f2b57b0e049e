// SPDX-License-Identifier: Apache-2.0
/*
 * One run of the simulation: the whole engine under plan `single`, on a virtual clock, from one
 * seed.
 *
 * A run draws a workload, numbers of decoders and shippers, faults for every port and kills. Then
 * the faults stop, and everything must arrive; one stream may die for a while, and the others must
 * go on; an orderly stop must save everything and bring every object home, and a restart after it
 * must send nothing. A history may be damaged while the engine is down, and a statement be one that must stop
 * it. The oracle looks at each step (oracle.h).
 */
#ifndef TR_TESTS_SIM_SIM_RUN_H
#define TR_TESTS_SIM_SIM_RUN_H

#include <stdbool.h>
#include <stdint.h>

struct tr_sim_options {
    uint64_t seed;
    bool verbose;
    bool is_short;         /* a few groups, no other kills: for a kill at each step */
    uint64_t kill_at_step; /* 0 = none */
};

/* What a run came to. */
struct tr_sim_result {
    bool passed;
    uint64_t step_count; /* until everything had arrived */
    char text[1600];
};

void tr_sim_run(const struct tr_sim_options *options, struct tr_sim_result *result);

/*
 * The same snapshot and log without faults through 1, 2 and 4 decoders into a sink: each stream's bytes must be
 * the same, and be what was committed.
 */
void tr_sim_compare_decoders(uint64_t seed, struct tr_sim_result *result);

#endif
