// SPDX-License-Identifier: Apache-2.0
/* What sim_engine.c and sim_engine_snapshot.c take from each other. */
#ifndef TR_TESTS_SIM_SIM_ENGINE_PARTS_H
#define TR_TESTS_SIM_SIM_ENGINE_PARTS_H

#include "tests/sim/sim_engine.h"

/* Empty catalog and model, in place of those there are. */
TR_NODISCARD enum tr_code sim_engine_open_catalog(struct tr_sim_engine *engine,
                                                  struct tr_error *err);

/* The tables as they were at the position, as engine/app/start_tables.c does it. */
TR_NODISCARD enum tr_code sim_engine_recover_tables(struct tr_sim_engine *engine,
                                                    struct tr_error *err);

/* A cut, and its position saved as the first: begin_snapshot() of engine/app/start_begin.c. The history
 * was read. */
TR_NODISCARD enum tr_code sim_engine_begin_snapshot(struct tr_sim_engine *engine,
                                                    struct tr_error *err);

#endif
