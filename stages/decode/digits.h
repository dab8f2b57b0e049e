// SPDX-License-Identifier: Apache-2.0
/*
 * Integers as decimal text, by pairs of digits out of a table.
 *
 * Every put function writes without a NUL and returns the byte after the last one; the caller has
 * the room (at most 20 bytes).
 * @thread any: pure functions
 */
#ifndef TR_STAGES_DECODE_DIGITS_H
#define TR_STAGES_DECODE_DIGITS_H

#include <stdint.h>
#include <string.h>

#define TR_DIGITS_BYTES_MAX 20 /* "-9223372036854775808", "18446744073709551615" */

/* "00" "01" … "99" */
extern const uint8_t tr_digit_pairs[200];
/* 10^0 … 10^19 */
extern const uint64_t tr_powers_of_ten[20];

/* How many digits `value` has; 1 for 0. */
static inline uint32_t tr_digits_count(uint64_t value)
{
    /* 1233 / 4096 is log10(2), close enough for 64 bits; the table settles the rest. */
    const uint32_t bits = 64u - (uint32_t)__builtin_clzll(value | 1);
    const uint32_t guess = bits * 1233u >> 12;
    return guess + 1u - (uint32_t)((value | 1) < tr_powers_of_ten[guess]);
}

/* 0..99, always two digits. */
static inline uint8_t *tr_digits_put_2(uint8_t *out, uint32_t value)
{
    memcpy(out, tr_digit_pairs + (size_t)value * 2, 2);
    return out + 2;
}

/* 0..9999, always four digits. */
static inline uint8_t *tr_digits_put_4(uint8_t *out, uint32_t value)
{
    return tr_digits_put_2(tr_digits_put_2(out, value / 100), value % 100);
}

/* 0..99999999, always eight digits. */
static inline uint8_t *tr_digits_put_8(uint8_t *out, uint32_t value)
{
    return tr_digits_put_4(tr_digits_put_4(out, value / 10000), value % 10000);
}

static inline uint8_t *tr_digits_put_u32(uint8_t *out, uint32_t value)
{
    const uint32_t count = tr_digits_count(value);
    uint8_t *at = out + count;

    while (value >= 100) { /* at most 4 times */
        at -= 2;
        memcpy(at, tr_digit_pairs + (size_t)(value % 100) * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        memcpy(out, tr_digit_pairs + (size_t)value * 2, 2);
    } else {
        *out = (uint8_t)('0' + value);
    }
    return out + count;
}

static inline uint8_t *tr_digits_put_u64(uint8_t *out, uint64_t value)
{
    if (value <= UINT32_MAX) {
        return tr_digits_put_u32(out, (uint32_t)value);
    }
    const uint64_t high = value / 100000000;
    const uint32_t low = (uint32_t)(value % 100000000);
    if (high <= UINT32_MAX) {
        return tr_digits_put_8(tr_digits_put_u32(out, (uint32_t)high), low);
    }
    out = tr_digits_put_u32(out, (uint32_t)(high / 100000000));
    return tr_digits_put_8(tr_digits_put_8(out, (uint32_t)(high % 100000000)), low);
}

static inline uint8_t *tr_digits_put_i64(uint8_t *out, int64_t value)
{
    *out = '-'; /* overwritten when there is no sign */
    return tr_digits_put_u64(out + (value < 0), value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static inline uint8_t *tr_digits_put_i32(uint8_t *out, int32_t value)
{
    *out = '-';
    return tr_digits_put_u32(out + (value < 0), value < 0 ? 0 - (uint32_t)value : (uint32_t)value);
}

#endif
