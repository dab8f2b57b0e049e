// SPDX-License-Identifier: Apache-2.0
/*
 * A fast 64-bit hash of a key's bytes: 16 bytes a step through a 64 × 64 -> 128 bit multiplication,
 * folded (the construction of the wyhash family). Equal bytes give equal hashes, nothing more is
 * promised: it is not stored anywhere.
 * @thread any: pure function
 */
#ifndef TR_STAGES_DECODE_HASH_H
#define TR_STAGES_DECODE_HASH_H

#include "engine/bytes.h"

__extension__ typedef unsigned __int128 tr_uint128;

static inline uint64_t tr_hash_fold(uint64_t a, uint64_t b)
{
    const tr_uint128 product = (tr_uint128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t tr_hash_bytes(const uint8_t *in, size_t bytes)
{
    const uint64_t k0 =
        UINT64_C(0x9E3779B97F4A7C15); /* odd constants with mixed bits: the golden ratio, and pi */
    const uint64_t k1 = UINT64_C(0x243F6A8885A308D3);
    uint64_t hash = k0 ^ bytes;
    size_t left = bytes;

    for (; left >= 16; left -= 16, in += 16) {
        hash = tr_hash_fold(tr_load_u64(in) ^ k1, tr_load_u64(in + 8) ^ hash);
    }
    if (left >= 8) {
        hash = tr_hash_fold(tr_load_u64(in) ^ k1, tr_load_uint_le(in + 8, left - 8) ^ hash);
    } else {
        hash = tr_hash_fold(tr_load_uint_le(in, left) ^ k1, hash);
    }
    return tr_hash_fold(hash ^ k0, k1 ^ bytes);
}

#endif
