// SPDX-License-Identifier: Apache-2.0
/* A schema history in memory, lost on exit (Debezium's MemorySchemaHistory). @thread as the port */
#ifndef TR_OFFSETS_HISTORY_MEMORY_H
#define TR_OFFSETS_HISTORY_MEMORY_H

#include "offsets/history_store.h"

/* Errors: TR_ERR_SYSTEM when memory is refused, also by a later append. */
TR_NODISCARD enum tr_code tr_history_memory_open(struct tr_history_store *store,
                                                 struct tr_error *err);

#endif
