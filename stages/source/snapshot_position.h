// SPDX-License-Identifier: Apache-2.0
/*
 * The two positions of a cut that need thought (snapshot_cut.h). Inside the cut only.
 * @thread main
 */
#ifndef TR_STAGES_SOURCE_SNAPSHOT_POSITION_H
#define TR_STAGES_SOURCE_SNAPSHOT_POSITION_H

#include "engine/error.h"
#include "stages/source/snapshot_cut.h"

/*
 * MySQL without a lock: the executed set, to go with file and pos that were read just before.
 *
 * The log is read by the set; file and pos go with it for the offset's sake. They must not be later
 * than the set, but the log's end moves before the set does. So: first the log's end (the caller),
 * then which transactions are being committed (gtid_owned: they own their GTID from before they are
 * written until the set has it), then the set, once it holds all of those. Errors: the port's.
 */
TR_NODISCARD enum tr_code tr_snapshot_position_executed(struct tr_snapshot_cut *cut,
                                                        struct tr_error *err);

/* MariaDB: SHOW STATUS of the view's session, whose values are those of its START TRANSACTION, and
 * the GTIDs of that point. Errors: the port's; TR_ERR_SOURCE_SETUP when there is no log. */
TR_NODISCARD enum tr_code tr_snapshot_position_of_view(struct tr_snapshot_cut *cut,
                                                       struct tr_error *err);

#endif
