// SPDX-License-Identifier: Apache-2.0
/*
 * CRC-32 as zlib and the binary log compute it (polynomial 0xEDB88320 reflected, initial value and final xor inside:
 * the CRC of nothing is 0). libdeflate picks the processor's fastest way at run time.
 * Source: MySQL internals, "binlog_checksum = CRC32"; RFC 1952, section 8.
 */
#ifndef TR_ENGINE_CRC32_H
#define TR_ENGINE_CRC32_H

#include <stdint.h>

#include "engine/bytes.h"

/*
 * The CRC of everything so far: `crc` is that of the bytes before (0 at the start), `bytes` are the next ones.
 * tr_crc32(tr_crc32(0, a), b) is the CRC of a followed by b. @thread any
 */
uint32_t tr_crc32(uint32_t crc, struct tr_span bytes);

#endif
