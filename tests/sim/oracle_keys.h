// SPDX-License-Identifier: Apache-2.0
/* The keys of an oracle by stream and text, in one hash table. Part of oracle.c. */
#ifndef TR_TESTS_SIM_ORACLE_KEYS_H
#define TR_TESTS_SIM_ORACLE_KEYS_H

#include "tests/sim/oracle.h"

/* The key of those bytes; NULL: the model has none so far. */
struct tr_oracle_key *oracle_keys_find(struct tr_oracle *oracle, uint32_t stream,
                                       struct tr_span text);

/* The key in which a change stands; made when it is new. */
struct tr_oracle_key *oracle_keys_of_change(struct tr_oracle *oracle,
                                            const struct tr_model_change *change);

void oracle_keys_free(struct tr_oracle *oracle);

#endif
