// SPDX-License-Identifier: Apache-2.0
#include "stages/fragment.h"

#include <string.h>

#include "engine/json_write.h"

void tr_fragment_write_row(struct tr_fragment_group *group, struct tr_record *record, uint32_t row)
{
    uint8_t digits[TR_LATE_ROW_BYTES + 1];
    struct tr_json_writer json = tr_json_writer_of(digits, sizeof(digits));

    TR_ASSERT((record->flags & TR_RECORD_LATE_ROW) != 0);
    TR_ASSERT(record->slot < record->value_bytes);
    tr_json_write_uint64(&json, row);
    const uint32_t more_bytes = (uint32_t)json.bytes - 1;
    uint8_t *value = record->fragment->bytes + record->value_at;
    memmove(value - more_bytes, value, record->slot);
    memcpy(value - more_bytes + record->slot, digits, json.bytes);
    record->value_at -= more_bytes;
    record->value_bytes += more_bytes;
    group->record_bytes += more_bytes;
    record->flags &= ~(uint32_t)TR_RECORD_LATE_ROW;
    record->slot = 0;
}
