// SPDX-License-Identifier: Apache-2.0
/*
 * Source: W. Mula, D. Lemire, "Faster Base64 Encoding and Decoding Using AVX2 Instructions" (2018) and "Base64
 * encoding and decoding at almost the speed of a memory copy" (2019): the shuffles and the two multiplications.
 */
#include "engine/base64_simd.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2_STEP_BYTES 24u
#define AVX512_STEP_BYTES 48u

/* Splits 12 bytes of each 16-byte lane into 16 numbers of 6 bits, a byte each. */
__attribute__((target("avx2"))) static inline __m256i split_avx2(__m256i bytes)
{
    /* Of each triple b0 b1 b2 a word b1 b0 b2 b1: every 6-bit number then lies within one 16-bit half. */
    const __m256i order =
        _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10, /* next lane */
                         1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
    const __m256i words = _mm256_shuffle_epi8(bytes, order);
    const __m256i first_third = _mm256_mulhi_epu16(
        _mm256_and_si256(words, _mm256_set1_epi32(0x0FC0FC00)), _mm256_set1_epi32(0x04000040));
    const __m256i second_fourth = _mm256_mullo_epi16(
        _mm256_and_si256(words, _mm256_set1_epi32(0x003F03F0)), _mm256_set1_epi32(0x01000010));

    return _mm256_or_si256(first_third, second_fourth);
}

/* Adds to each number what makes it its character: by range, from a table of 16 differences. */
__attribute__((target("avx2"))) static inline __m256i translate_avx2(__m256i numbers)
{
    const __m256i differences = _mm256_setr_epi8(
        'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
        '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0, /* next lane */
        'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
        '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
    /* 0 for 0..51, 1..10 for the digits, 11 and 12 for the last two; 13 then for 0..25. */
    const __m256i above = _mm256_subs_epu8(numbers, _mm256_set1_epi8(51));
    const __m256i is_upper = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), numbers);
    const __m256i range = _mm256_or_si256(above, _mm256_and_si256(is_upper, _mm256_set1_epi8(13)));

    return _mm256_add_epi8(numbers, _mm256_shuffle_epi8(differences, range));
}

__attribute__((target("avx2"))) size_t tr_base64_encode_avx2(uint8_t *out, const uint8_t *plain,
                                                             size_t plain_bytes)
{
    size_t done_bytes = 0;

    /* A step reads 28 bytes (two loads of 16, 12 apart) and uses 24. */
    while (plain_bytes - done_bytes >= AVX2_STEP_BYTES + 4) {
        const __m128i low = _mm_loadu_si128((const __m128i_u *)(plain + done_bytes));
        const __m128i high = _mm_loadu_si128((const __m128i_u *)(plain + done_bytes + 12));
        const __m256i characters = translate_avx2(split_avx2(_mm256_set_m128i(high, low)));
        _mm256_storeu_si256((__m256i_u *)(out + done_bytes / 3 * 4), characters);
        done_bytes += AVX2_STEP_BYTES;
    }
    return done_bytes;
}

static const uint8_t alphabet[64] = {
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P',
    'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f',
    'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
    'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/'};

/* Of each triple b0 b1 b2 a word b1 b0 b2 b1, as above. */
static const uint8_t order_avx512[64] = {
    1,  0,  2,  1,  4,  3,  5,  4,  7,  6,  8,  7,  10, 9,  11, 10, 13, 12, 14, 13, 16, 15,
    17, 16, 19, 18, 20, 19, 22, 21, 23, 22, 25, 24, 26, 25, 28, 27, 29, 28, 31, 30, 32, 31,
    34, 33, 35, 34, 37, 36, 38, 37, 40, 39, 41, 40, 43, 42, 44, 43, 46, 45, 47, 46};

__attribute__((target("avx512f,avx512bw,avx512vbmi"))) size_t
tr_base64_encode_avx512(uint8_t *out, const uint8_t *plain, size_t plain_bytes)
{
    const __m512i order = _mm512_loadu_si512(order_avx512);
    const __m512i characters_of = _mm512_loadu_si512(alphabet);
    const __m512i shifts =
        _mm512_set1_epi64(0x3036242A1016040A); /* bit positions of the 8 numbers in 64 bits */
    const __mmask64 step_mask = (UINT64_C(1) << AVX512_STEP_BYTES) - 1;
    size_t done_bytes = 0;

    while (plain_bytes - done_bytes >= AVX512_STEP_BYTES) {
        const __m512i bytes = _mm512_maskz_loadu_epi8(step_mask, plain + done_bytes);
        const __m512i numbers =
            _mm512_multishift_epi64_epi8(shifts, _mm512_permutexvar_epi8(order, bytes));
        /* The permutation uses the lower 6 bits of each index only: no mask needed. */
        const __m512i characters = _mm512_permutexvar_epi8(numbers, characters_of);
        _mm512_storeu_si512(out + done_bytes / 3 * 4, characters);
        done_bytes += AVX512_STEP_BYTES;
    }
    return done_bytes;
}

#endif
