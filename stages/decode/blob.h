// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes as base64 in a record (contract §0.1), on top of engine/base64.h.
 * @thread any: pure functions
 */
#ifndef TR_STAGES_DECODE_BLOB_H
#define TR_STAGES_DECODE_BLOB_H

#include "engine/base64.h"

/* Writes tr_base64_encoded_bytes(bytes); returns the byte after the last one. */
static inline uint8_t *tr_blob_put_base64(uint8_t *out, const uint8_t *in, size_t bytes)
{
    return out + tr_base64_encode(out, tr_span_of(in, bytes));
}

/* A BIT value of `bytes` bytes, 1..8, as base64 with the least significant byte first, quoted. */
uint8_t *tr_blob_put_bits(uint8_t *out, uint64_t bits, size_t bytes);

/* `bytes` bytes followed by `zero_bytes` of 0x00: BINARY(n), whose trailing zeros the log leaves
 * out. */
uint8_t *tr_blob_put_base64_padded(uint8_t *out, const uint8_t *in, size_t bytes,
                                   size_t zero_bytes);

#endif
