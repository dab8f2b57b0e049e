// SPDX-License-Identifier: Apache-2.0
/* A decimal in digits, and as the servers pack it. */
#ifndef TR_TESTS_SUPPORT_RANDOM_DECIMAL_H
#define TR_TESTS_SUPPORT_RANDOM_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "stages/decode/packed_decimal.h"

struct tr_random_decimal {
    uint32_t precision;
    uint32_t scale;
    bool negative;
    uint8_t digits[TR_PACKED_DECIMAL_DIGITS_MAX]; /* most significant first */
};

/* Packs groups of nine digits from the point outwards (mysql-binlog.md §4.2). */
static inline void tr_random_decimal_pack(const struct tr_random_decimal *decimal, uint8_t *out)
{
    static const uint8_t bytes_of[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
    const uint32_t integer = decimal->precision - decimal->scale;
    uint8_t *at = out;
    uint32_t digit = 0;

    while (digit < decimal->precision) {
        uint32_t count = digit < integer ? integer - digit : decimal->precision - digit;
        if (digit < integer) {
            count = count % 9 != 0 ? count % 9 : 9;
        } else {
            count = count < 9 ? count : 9;
        }
        uint32_t group = 0;
        for (uint32_t i = 0; i < count; i++) {
            group = group * 10 + decimal->digits[digit++];
        }
        for (uint32_t i = bytes_of[count]; i > 0; i--) {
            *at++ = (uint8_t)(group >> (8 * (i - 1)));
        }
    }
    out[0] ^= 0x80;
    for (uint8_t *byte = out; decimal->negative && byte < at; byte++) {
        *byte = (uint8_t) ~*byte;
    }
}

#endif
