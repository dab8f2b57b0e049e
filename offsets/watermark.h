// SPDX-License-Identifier: Apache-2.0
/*
 * Which position may be saved: unit positions wait here until everything up to them is acknowledged.
 *
 *   entries:    [unit 7][unit 8]...[unit 31]          by sequence; at most TR_WATERMARK_ENTRIES_MAX
 *   ranges:  base | r r r | r | r r ...                GTIDs completed, by absolute index; marks point between them
 *
 * A mark is a point of the log and the number of ranges completed before it. Each entry has two: `end`, the unit's end, and
 * `record`, what Debezium would have stored after the last record in or before the unit. The newest entry at or below the
 * safe sequence is the safe entry. Ranges before both of its marks are in the base set.
 *
 * When the table is full every second entry is dropped: a coarser safe point is still safe. Their ranges stay and are
 * merged with their neighbours.
 *
 * Why either mark may be saved: after `record` nothing was sent up to the safe sequence (or a later unit had a record),
 * before it everything is acknowledged; and `end` is the end of a unit of which everything is acknowledged. So a resume
 * from either repeats nothing and loses nothing.
 * @thread one; memory is taken at open, but for the base set's growth
 */
#ifndef TR_OFFSETS_WATERMARK_H
#define TR_OFFSETS_WATERMARK_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "offsets/gtid.h"
#include "offsets/position.h"

#define TR_WATERMARK_ENTRIES_MAX 4096
#define TR_WATERMARK_RANGES_MAX 16384
/* A record further back than this is no place to resume from: traffic without records must move the position too. */
#define TR_WATERMARK_RECORD_LOG_BYTES_MAX (1024 * 1024)

struct tr_watermark; /* opaque */

/*
 * initial     where reading begins: the position until the first unit is safe; its GTIDs are copied
 * keep_gtids  false: the executed set is not known in full, so none is ever saved (a part of it would be taken for all)
 * Errors: TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_watermark_open(struct tr_watermark **watermark, enum tr_flavor flavor,
                                            bool keep_gtids,
                                            const struct tr_saved_position *initial,
                                            struct tr_error *err);
void tr_watermark_close(struct tr_watermark *watermark);
/* Its term of the memory sum. */
size_t tr_watermark_memory_bytes(void);

/* Takes a unit's position; they come in ascending sequence. false: no room until the safe sequence has moved. */
bool tr_watermark_try_push(struct tr_watermark *watermark, const struct tr_unit_position *position);

/* Everything up to `safe_seq` is acknowledged. Errors: those of tr_gtid_set_add. */
TR_NODISCARD enum tr_code tr_watermark_advance(struct tr_watermark *watermark, uint64_t safe_seq,
                                               struct tr_error *err);

/* Of the safe entry; 0 before the first. */
uint64_t tr_watermark_safe_seq(const struct tr_watermark *watermark);
uint64_t tr_watermark_safe_log_bytes(const struct tr_watermark *watermark);
/* Entries that wait. */
uint32_t tr_watermark_depth(const struct tr_watermark *watermark);

/*
 * The position to save. `is_newest`: nothing was sequenced after the safe entry, so its record counts (as far as it is near).
 * position->gtids must be open and is overwritten; *link_epoch tells which connection the point was read from (0: initial).
 * Errors: those of tr_gtid_set_add.
 */
TR_NODISCARD enum tr_code tr_watermark_position(const struct tr_watermark *watermark,
                                                bool is_newest, struct tr_saved_position *position,
                                                uint64_t *link_epoch, struct tr_error *err);

#endif
