// SPDX-License-Identifier: Apache-2.0
/* Debezium's memory store: nothing survives the process. For trials, tests and `offset.storage` = …MemoryOffsetBackingStore. */
#ifndef TR_OFFSETS_STORE_MEMORY_H
#define TR_OFFSETS_STORE_MEMORY_H

#include "offsets/store.h"

/* Opens an empty store. Errors: TR_ERR_SYSTEM when memory is refused. */
TR_NODISCARD enum tr_code tr_store_memory_open(struct tr_store *store, struct tr_error *err);

#endif
