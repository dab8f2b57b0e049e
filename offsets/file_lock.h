// SPDX-License-Identifier: Apache-2.0
/*
 * A lock file beside a file: flock() on it is the lock, the process number in it is for messages.
 * @thread the coordinator (before the threads start: the main thread)
 */
#ifndef TR_OFFSETS_FILE_LOCK_H
#define TR_OFFSETS_FILE_LOCK_H

#include <stddef.h>

#include "engine/error.h"

/*
 * Takes the lock; closing *fd_out gives it back (the file stays: removing it would race). `path` is
 * the file that is locked, for messages. Errors: TR_ERR_LOCKED naming file and holder;
 * TR_ERR_STATE.
 */
TR_NODISCARD enum tr_code tr_file_lock_take(const char *path, const char *lock_path, int *fd_out,
                                            struct tr_error *err);

/*
 * Who holds it ("process 12"; empty: nobody), without keeping it. Errors: TR_ERR_STATE when `path`
 * could not be replaced or the lock not be taken, for want of rights or of the folder.
 */
TR_NODISCARD enum tr_code tr_file_lock_look(const char *path, const char *lock_path, char *holder,
                                            size_t room_bytes, struct tr_error *err);

#endif
