// SPDX-License-Identifier: Apache-2.0
/*
 * Base64, standard alphabet with padding (RFC 4648, section 4), the one that Kinesis and Debezium use.
 *
 * Encoding has three ways, chosen by the processor at run time: AVX-512 VBMI (48 bytes a step), AVX2 (24), and a
 * table of 4,096 pairs of characters. Decoding is strict: what the encoder would not have written is refused.
 */
#ifndef TR_ENGINE_BASE64_H
#define TR_ENGINE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"

enum tr_base64_way { TR_BASE64_SCALAR = 0, TR_BASE64_AVX2, TR_BASE64_AVX512, TR_BASE64_WAY_COUNT };

/* Characters that `bytes` bytes become. */
static inline size_t tr_base64_encoded_bytes(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}

/* Bytes that are enough for what `characters` characters decode to. */
static inline size_t tr_base64_decoded_bytes_max(size_t characters)
{
    return characters / 4 * 3;
}

/*
 * Writes the characters of `plain` to `out`, which has room for tr_base64_encoded_bytes(plain.bytes) and is not
 * written beyond; returns that number. No NUL is added. @thread any
 */
size_t tr_base64_encode(uint8_t *out, struct tr_span plain);

/* The same in a given way, which the processor must have: for tests and measurements. */
size_t tr_base64_encode_as(enum tr_base64_way way, uint8_t *out, struct tr_span plain);

/* Whether this processor has that way. */
bool tr_base64_has(enum tr_base64_way way);

/* "scalar", "avx2" or "avx512". */
const char *tr_base64_way_name(enum tr_base64_way way);

/*
 * Decodes `text` into `out` (room: tr_base64_decoded_bytes_max) and sets `*out_bytes`. False for anything but whole
 * groups of four with correct padding and zero bits behind the last byte; `out` is then undefined. @thread any
 */
bool tr_base64_decode(uint8_t *out, struct tr_span text, size_t *out_bytes);

#endif
