// SPDX-License-Identifier: Apache-2.0
/*
 * Debezium's file store: a Java-serialised map, other entries kept as they are (contract §6.2).
 *
 *   FILE            the map; replaced as a whole, never written in place
 *   FILE.tailrace   our own record, JSON lines: one for the offset before the last save, one for the last
 *   FILE.lock       held (flock) as long as the store is open: a second instance is refused
 *
 * Each line of FILE.tailrace carries a digest of the offset it belongs to and is written before FILE: whatever of the two
 * a crash leaves behind, a load finds the record of exactly the offset it found, or none.
 */
#ifndef TR_OFFSETS_STORE_FILE_H
#define TR_OFFSETS_STORE_FILE_H

#include "offsets/store.h"

struct tr_store_file_options {
    const char *path;          /* borrowed during open */
    struct tr_span offset_key; /* JSON text (tr_position_write_key); borrowed during open */
    bool
        read_only; /* no lock, saving is a bug: for `tailrace offsets show` beside a running engine */
};

/*
 * Opens the store and takes the lock; reads nothing yet.
 * Errors: TR_ERR_LOCKED naming file and holder; TR_ERR_STATE when the folder is missing or not writable; TR_ERR_SYSTEM.
 * Later, load and save: TR_ERR_STATE; a damaged or foreign file is never overwritten.
 */
TR_NODISCARD enum tr_code tr_store_file_open(struct tr_store *store,
                                             const struct tr_store_file_options *options,
                                             struct tr_error *err);

#endif
