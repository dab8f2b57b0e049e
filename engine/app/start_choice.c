// SPDX-License-Identifier: Apache-2.0
#include "engine/app/start_choice.h"

#include "engine/config.h"

bool tr_start_takes_snapshot(uint32_t mode, bool has_offset, const struct tr_log_point *stored)
{
    if (!has_offset || mode == TR_CONFIG_SNAPSHOT_ALWAYS) {
        return true;
    }
    return stored->snapshot && mode != TR_CONFIG_SNAPSHOT_RECOVERY;
}
