// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes as base64 (standard alphabet, padded), as Kafka Connect's JSON converter writes them
 * (contract §0.1).
 * @thread any: pure functions
 */
#ifndef TR_STAGES_DECODE_BLOB_H
#define TR_STAGES_DECODE_BLOB_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of text for `bytes` bytes. */
static inline size_t tr_blob_base64_bytes(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

/* Writes exactly tr_blob_base64_bytes(bytes); returns the byte after the last one. */
uint8_t *tr_blob_put_base64(uint8_t *out, const uint8_t *in, size_t bytes);

/* The same for `bytes` bytes followed by `zero_bytes` of 0x00: BINARY(n), whose trailing zeros the
 * log leaves out. */
uint8_t *tr_blob_put_base64_padded(uint8_t *out, const uint8_t *in, size_t bytes,
                                   size_t zero_bytes);

#endif
