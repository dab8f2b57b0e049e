// SPDX-License-Identifier: Apache-2.0
/* Unsigned numbers as decimal text: the hot path of GTIDs. */
#ifndef TR_OFFSETS_DECIMAL_H
#define TR_OFFSETS_DECIMAL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const char tr_decimal_pairs[] = "00010203040506070809"
                                       "10111213141516171819"
                                       "20212223242526272829"
                                       "30313233343536373839"
                                       "40414243444546474849"
                                       "50515253545556575859"
                                       "60616263646566676869"
                                       "70717273747576777879"
                                       "80818283848586878889"
                                       "90919293949596979899";

/* How many digits `value` has: 1..20. */
static inline size_t tr_decimal_bytes(uint64_t value)
{
    size_t bytes = 1;

    while (value >= 10) { /* at most 20 digits */
        value /= 10;
        bytes++;
    }
    return bytes;
}

/* Writes `value` without NUL; room 20 bytes. Returns bytes. From the end, two digits a step: one
 * division per pair. */
static inline size_t tr_decimal_write(char *out, uint64_t value)
{
    char text[20];
    size_t at = sizeof(text);

    while (value >= 100) {
        const size_t pair = (size_t)(value % 100) * 2;

        value /= 100;
        at -= 2;
        memcpy(text + at, tr_decimal_pairs + pair, 2);
    }
    if (value >= 10) {
        at -= 2;
        memcpy(text + at, tr_decimal_pairs + value * 2, 2);
    } else {
        at--;
        text[at] = (char)('0' + value);
    }
    memcpy(out, text + at, sizeof(text) - at);
    return sizeof(text) - at;
}

#endif
