// SPDX-License-Identifier: Apache-2.0
#include "engine/crc32.h"

#include <libdeflate.h>

uint32_t tr_crc32(uint32_t crc, struct tr_span bytes)
{
    /* libdeflate takes NULL for "begin": an empty span must not mean that. */
    return bytes.bytes == 0 ? crc : libdeflate_crc32(crc, bytes.data, bytes.bytes);
}
