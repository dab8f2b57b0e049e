// SPDX-License-Identifier: Apache-2.0
/*
 * The vector loops of base64.c: they encode as much as they can in whole steps and leave the rest to the table.
 * Included by base64.c only.
 */
#ifndef TR_ENGINE_BASE64_SIMD_H
#define TR_ENGINE_BASE64_SIMD_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
/* Each returns how many bytes of `plain` it encoded (a multiple of 3); `out` has room for all of them and no more. */
size_t tr_base64_encode_avx2(uint8_t *out, const uint8_t *plain, size_t plain_bytes);
size_t tr_base64_encode_avx512(uint8_t *out, const uint8_t *plain, size_t plain_bytes);
#endif

#endif
