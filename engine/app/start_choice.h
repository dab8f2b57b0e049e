// SPDX-License-Identifier: Apache-2.0
/* Whether a start takes a snapshot (contract §3.2). Pure: the simulation's starts go by it, too. */
#ifndef TR_ENGINE_APP_START_CHOICE_H
#define TR_ENGINE_APP_START_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "offsets/position.h"

/* `mode`: TR_CONFIG_SNAPSHOT_*; `stored`: what the offset says, looked at only with `has_offset`. An
 * unfinished snapshot lacks rows that the log does not bring: it is taken again, of a new cut. */
bool tr_start_takes_snapshot(uint32_t mode, bool has_offset, const struct tr_log_point *stored);

#endif
