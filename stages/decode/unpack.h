// SPDX-License-Identifier: Apache-2.0
/*
 * Values of MariaDB's COMPRESSED columns (mysql-binlog.md §4.4): a header byte, then the value as
 * it is, or its length and a deflate stream.
 * @thread the decoder that owns it
 */
#ifndef TR_STAGES_DECODE_UNPACK_H
#define TR_STAGES_DECODE_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/deflate.h"

/* Where values are decompressed to. */
struct tr_unpack {
    struct tr_deflate *deflate; /* borrowed */
    uint8_t *scratch;           /* borrowed: until the next value */
    size_t scratch_bytes;
    size_t used_bytes; /* out: about what was written there since it was set to 0 */
};

/* The value inside `stored`; it lies there or in the scratch, readable for TR_IMAGE_OVERREAD_BYTES
 * behind it. NULL, or what is wrong with it. */
const char *tr_unpack_value(struct tr_unpack *unpack, struct tr_span stored, struct tr_span *value);

#endif
