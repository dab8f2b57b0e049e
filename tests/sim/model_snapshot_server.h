// SPDX-License-Identifier: Apache-2.0
/* The server at the other end of a simulated snapshot's connection; model_snapshot.c only. */
#ifndef TR_TESTS_SIM_MODEL_SNAPSHOT_SERVER_H
#define TR_TESTS_SIM_MODEL_SNAPSHOT_SERVER_H

#include "tests/sim/model_snapshot.h"

/* A new connection, with nothing in it. */
void model_snapshot_server_begin(struct tr_model_snapshot *snapshot);
void model_snapshot_server_end(struct tr_model_snapshot *snapshot);

/* Takes a statement, or sends some more of its answer once the last bytes were read. */
void model_snapshot_server_step(struct tr_model_snapshot *snapshot);

#endif
