// SPDX-License-Identifier: Apache-2.0
/* What oracle.c (the log's changes, all queues) and oracle_snapshot.c (a snapshot's rows) take from
 * each other. */
#ifndef TR_TESTS_SIM_ORACLE_PARTS_H
#define TR_TESTS_SIM_ORACLE_PARTS_H

#include "tests/sim/oracle.h"

void oracle_add_item(struct tr_oracle_key *key, struct tr_oracle_item item);

/* Whether `data` is the record of that row of the snapshot. */
bool oracle_is_read_record(struct tr_oracle *oracle, const struct tr_oracle_item *item,
                           struct tr_span data);

/* Whether a position may be saved with the mark of an unfinished snapshot, or without; else with the
 * failure. */
bool oracle_may_save(struct tr_oracle *oracle, const struct tr_saved_position *position);

#endif
