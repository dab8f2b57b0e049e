// SPDX-License-Identifier: Apache-2.0
/*
 * NEWDECIMAL(p, s) as the log packs it (mysql-binlog.md §4.2), and its two texts.
 *
 * Layout, big-endian: leftover integer digits, integer groups of nine digits in four bytes,
 * fraction groups, leftover fraction digits. The first bit is flipped; for negative numbers all
 * bits are.
 * @thread any: pure functions
 */
#ifndef TR_STAGES_DECODE_PACKED_DECIMAL_H
#define TR_STAGES_DECODE_PACKED_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TR_PACKED_DECIMAL_COLUMN_DIGITS_MAX 65 /* of a column */
#define TR_PACKED_DECIMAL_DIGITS_MAX 81        /* inside JSON: nine groups, each filled up */
#define TR_PACKED_DECIMAL_BYTES_MAX 40         /* 81 digits in any split take at most 37 */
#define TR_PACKED_DECIMAL_TEXT_BYTES_MAX 96

struct tr_packed_decimal {
    uint8_t precision;
    uint8_t scale;
    uint8_t lead_digits; /* integer digits before the whole groups, 0..8 */
    uint8_t integer_groups;
    uint8_t fraction_groups;
    uint8_t tail_digits; /* fraction digits after the whole groups, 0..8 */
    uint8_t bytes;       /* of the whole value */
};

/* The layout of DECIMAL(precision, scale); false when no such value exists. */
bool tr_packed_decimal_init(struct tr_packed_decimal *layout, uint32_t precision, uint32_t scale);

/*
 * base64 of the unscaled value's minimal big-endian two's complement (Connect's Decimal), without
 * quotes; at most TR_PACKED_DECIMAL_TEXT_BYTES_MAX bytes. NULL when the bytes are not a decimal.
 * Columns only: at most TR_PACKED_DECIMAL_COLUMN_DIGITS_MAX digits.
 */
uint8_t *tr_packed_decimal_put_base64(uint8_t *out, const struct tr_packed_decimal *layout,
                                      const uint8_t *in);

/* Plain notation with exactly `scale` fraction digits; NULL as above. */
uint8_t *tr_packed_decimal_put_text(uint8_t *out, const struct tr_packed_decimal *layout,
                                    const uint8_t *in);

/*
 * A literal such as "-12.5e1" rounded half up to `scale` digits, as base64 like above; NULL when it
 * is no number or has more than 65 digits. For column defaults (contract §2.9) and for values as the
 * server prints them.
 */
uint8_t *tr_packed_decimal_put_literal(uint8_t *out, const char *text, size_t bytes,
                                       uint32_t scale);

#endif
