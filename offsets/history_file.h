// SPDX-License-Identifier: Apache-2.0
/*
 * Debezium's file of the schema history: UTF-8, one document per line, only ever appended.
 *
 * Each batch is written behind the last whole document and synced before it is DONE. What a crash
 * left behind that point was never acknowledged: a whole document without its line end is taken, a
 * part of one is not given by a load and is cut off (with a warning) by the next append. The file
 * must not change under us, but for whole documents of other engines behind ours, as Debezium allows: any
 * other size, and another file, stop the store. Appends of ours exclude each other by a lock on the file.
 * Who keeps a second instance out: the offset store's lock.
 * @thread the historian (before the threads start: the main thread); blocks on the disk
 */
#ifndef TR_OFFSETS_HISTORY_FILE_H
#define TR_OFFSETS_HISTORY_FILE_H

#include <stdbool.h>

#include "offsets/history_store.h"

struct tr_history_file_options {
    const char *path; /* schema.history.internal.file.filename; borrowed during open */
    struct tr_span
        server; /* source.server of our documents (borrowed during open); other engines may append theirs. Empty: nobody else may */
    bool read_only; /* nothing is created, appending is a bug; a missing file has no documents */
};

/*
 * Opens the store; unless it is read-only the file and its folders are created where they lack, as
 * Debezium does. Errors: TR_ERR_CONFIG (path), TR_ERR_STATE (no right, no disk), TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_history_file_open(struct tr_history_store *store,
                                               const struct tr_history_file_options *options,
                                               struct tr_error *err);

#endif
