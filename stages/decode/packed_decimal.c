// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/packed_decimal.h"

#include <string.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "stages/decode/blob.h"
#include "stages/decode/digits.h"

#define GROUP_DIGITS 9u
#define SMALL_DIGITS_MAX 18 /* fit 63 bits */
#define GROUP_LIMIT 1000000000u
#define LIMBS 4u /* 256 bits hold 77 digits */

/* Bytes for 0..9 leftover digits (mysql-binlog.md §4.2). */
static const uint8_t leftover_bytes[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};

__extension__ typedef unsigned __int128 uint128;

bool tr_packed_decimal_init(struct tr_packed_decimal *layout, uint32_t precision, uint32_t scale)
{
    if (precision == 0 || precision > TR_PACKED_DECIMAL_DIGITS_MAX || scale > precision) {
        return false;
    }
    const uint32_t integer_digits = precision - scale;
    *layout = (struct tr_packed_decimal){
        .precision = (uint8_t)precision,
        .scale = (uint8_t)scale,
        .lead_digits = (uint8_t)(integer_digits % GROUP_DIGITS),
        .integer_groups = (uint8_t)(integer_digits / GROUP_DIGITS),
        .fraction_groups = (uint8_t)(scale / GROUP_DIGITS),
        .tail_digits = (uint8_t)(scale % GROUP_DIGITS),
    };
    layout->bytes =
        (uint8_t)(leftover_bytes[layout->lead_digits] + leftover_bytes[layout->tail_digits] +
                  4 * (layout->integer_groups + layout->fraction_groups));
    return true;
}

/* The decimal's groups, most significant first, each with its number of digits. */
struct groups {
    uint32_t values[16];
    uint32_t digits[16];
    uint32_t count;
    uint32_t integer_count; /* how many of them are integer digits */
    bool is_negative;
};

static bool read_groups(struct groups *groups, const struct tr_packed_decimal *layout,
                        const uint8_t *in)
{
    uint8_t plain[TR_PACKED_DECIMAL_BYTES_MAX];
    const uint8_t *at = plain;
    uint32_t whole = layout->integer_groups;

    groups->is_negative = (in[0] & 0x80) == 0;
    const uint8_t flip = groups->is_negative ? 0xFF : 0;
    for (uint32_t i = 0; i < layout->bytes; i++) {
        plain[i] = in[i] ^ flip;
    }
    plain[0] ^= 0x80;
    groups->count = 0;
    if (layout->lead_digits != 0) {
        groups->digits[groups->count] = layout->lead_digits;
        groups->values[groups->count++] =
            (uint32_t)tr_load_uint_be(at, leftover_bytes[layout->lead_digits]);
        at += leftover_bytes[layout->lead_digits];
    }
    for (uint32_t part = 0; part < 2; part++) {
        for (uint32_t i = 0; i < whole; i++) {
            groups->digits[groups->count] = GROUP_DIGITS;
            groups->values[groups->count++] = (uint32_t)tr_load_uint_be(at, 4);
            at += 4;
        }
        if (part == 0) {
            groups->integer_count = groups->count;
            whole = layout->fraction_groups;
        }
    }
    if (layout->tail_digits != 0) {
        groups->digits[groups->count] = layout->tail_digits;
        groups->values[groups->count++] =
            (uint32_t)tr_load_uint_be(at, leftover_bytes[layout->tail_digits]);
    }
    for (uint32_t i = 0; i < groups->count; i++) {
        if (groups->values[i] >= tr_powers_of_ten[groups->digits[i]]) {
            return false;
        }
    }
    return true;
}

/* A signed number of up to 63 bits. */
static inline uint8_t *put_small(uint8_t *out, int64_t value)
{
    const uint64_t folded = (uint64_t)(value < 0 ? ~value : value);
    const uint32_t bits = folded == 0 ? 0 : 64u - (uint32_t)__builtin_clzll(folded);
    const uint32_t bytes = bits / 8 + 1;
    const uint64_t big_endian = __builtin_bswap64((uint64_t)value << (64 - 8 * bytes));
    uint8_t raw[8];

    memcpy(raw, &big_endian, sizeof(raw));
    return tr_blob_put_base64(out, raw, bytes);
}

static void limbs_multiply_add(uint64_t *limbs, uint64_t factor, uint64_t add)
{
    uint128 carry = add;
    for (uint32_t i = 0; i < LIMBS; i++) {
        carry += (uint128)limbs[i] * factor;
        limbs[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

static uint8_t *put_large(uint8_t *out, const uint64_t *magnitude, bool is_negative)
{
    uint8_t raw[1 + LIMBS * 8]; /* one byte more, so that a sign bit always has room */
    uint64_t carry = is_negative ? 1 : 0;
    uint32_t first = 0;

    for (uint32_t i = 0; i < LIMBS; i++) {
        uint64_t limb = is_negative ? ~magnitude[i] : magnitude[i];
        limb += carry;
        carry = carry != 0 && limb == 0 ? 1 : 0;
        limb = __builtin_bswap64(limb);
        memcpy(raw + 1 + (size_t)(LIMBS - 1 - i) * 8, &limb, sizeof(limb));
    }
    raw[0] = is_negative && carry == 0 ? 0xFF : 0;
    while (first < LIMBS * 8 && ((raw[first] == 0 && raw[first + 1] < 0x80) ||
                                 (raw[first] == 0xFF && raw[first + 1] >= 0x80))) {
        first++;
    }
    return tr_blob_put_base64(out, raw + first, sizeof(raw) - first);
}

uint8_t *tr_packed_decimal_put_base64(uint8_t *out, const struct tr_packed_decimal *layout,
                                      const uint8_t *in)
{
    struct groups groups;

    if (TR_UNLIKELY(!read_groups(&groups, layout, in))) {
        return NULL;
    }
    if (layout->precision <= SMALL_DIGITS_MAX) {
        uint64_t value = 0;
        for (uint32_t i = 0; i < groups.count; i++) {
            value = value * tr_powers_of_ten[groups.digits[i]] + groups.values[i];
        }
        return put_small(out, groups.is_negative ? -(int64_t)value : (int64_t)value);
    }
    uint64_t limbs[LIMBS] = {0};
    for (uint32_t i = 0; i < groups.count; i++) {
        limbs_multiply_add(limbs, tr_powers_of_ten[groups.digits[i]], groups.values[i]);
    }
    return put_large(out, limbs, groups.is_negative);
}

uint8_t *tr_packed_decimal_put_text(uint8_t *out, const struct tr_packed_decimal *layout,
                                    const uint8_t *in)
{
    struct groups groups;
    uint8_t digits[TR_PACKED_DECIMAL_DIGITS_MAX + GROUP_DIGITS];
    uint32_t at = 0;
    uint32_t first = 0;

    if (TR_UNLIKELY(!read_groups(&groups, layout, in))) {
        return NULL;
    }
    for (uint32_t i = 0; i < groups.count; i++) {
        uint32_t value = groups.values[i];
        for (uint32_t digit = groups.digits[i]; digit > 0; digit--) {
            digits[at + digit - 1] = (uint8_t)('0' + value % 10);
            value /= 10;
        }
        at += groups.digits[i];
    }
    const uint32_t integer_digits = (uint32_t)layout->precision - layout->scale;
    while (first < integer_digits && digits[first] == '0') {
        first++;
    }
    if (groups.is_negative) {
        *out++ = '-';
    }
    if (first == integer_digits) {
        *out++ = '0';
    }
    memcpy(out, digits + first, integer_digits - first);
    out += integer_digits - first;
    if (layout->scale != 0) {
        *out++ = '.';
        memcpy(out, digits + integer_digits, layout->scale);
        out += layout->scale;
    }
    return out;
}

/* A literal taken apart: its digits without the point, and where the point is. */
struct literal {
    uint8_t digits[TR_PACKED_DECIMAL_COLUMN_DIGITS_MAX * 2];
    int32_t count;
    int32_t fraction_digits;
    bool is_negative;
};

static bool read_literal(struct literal *literal, const char *text, size_t bytes)
{
    size_t at = 0;
    bool has_point = false;
    int32_t exponent = 0;

    literal->count = 0;
    literal->fraction_digits = 0;
    literal->is_negative = false;
    if (at < bytes && (text[at] == '-' || text[at] == '+')) {
        literal->is_negative = text[at++] == '-';
    }
    const size_t first = at;
    for (; at < bytes && (text[at] == '.' || (text[at] >= '0' && text[at] <= '9')); at++) {
        if (text[at] == '.') {
            if (has_point) {
                return false;
            }
            has_point = true;
            continue;
        }
        if (literal->count == (int32_t)sizeof(literal->digits)) {
            return false;
        }
        literal->digits[literal->count++] = (uint8_t)(text[at] - '0');
        literal->fraction_digits += has_point ? 1 : 0;
    }
    if (at == first || literal->count == 0) {
        return false;
    }
    if (at < bytes && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        const bool is_small = at < bytes && text[at] == '-';
        at += at < bytes && (text[at] == '-' || text[at] == '+') ? 1 : 0;
        for (; at < bytes && text[at] >= '0' && text[at] <= '9' && exponent < 1000; at++) {
            exponent = exponent * 10 + (text[at] - '0');
        }
        literal->fraction_digits -= is_small ? -exponent : exponent;
    }
    return at == bytes;
}

uint8_t *tr_packed_decimal_put_literal(uint8_t *out, const char *text, size_t bytes, uint32_t scale)
{
    struct literal literal;
    uint64_t limbs[LIMBS] = {0};

    if (scale > TR_PACKED_DECIMAL_COLUMN_DIGITS_MAX || !read_literal(&literal, text, bytes)) {
        return NULL;
    }
    /* Digits kept: those left of the last place that the scale has. */
    const int32_t kept = literal.count - literal.fraction_digits + (int32_t)scale;
    if (kept > TR_PACKED_DECIMAL_COLUMN_DIGITS_MAX) {
        return NULL;
    }
    const bool rounds_up = kept >= 0 && kept < literal.count && literal.digits[kept] >= 5;
    uint64_t group = 0;
    int32_t group_digits = 0;
    for (int32_t i = 0; i < kept; i++) {
        if (group_digits == SMALL_DIGITS_MAX) {
            limbs_multiply_add(limbs, tr_powers_of_ten[group_digits], group);
            group = 0;
            group_digits = 0;
        }
        group = group * 10 + (i < literal.count ? literal.digits[i] : 0);
        group_digits++;
    }
    if (kept <= SMALL_DIGITS_MAX) {
        group += rounds_up ? 1 : 0;
        return put_small(out, literal.is_negative ? -(int64_t)group : (int64_t)group);
    }
    limbs_multiply_add(limbs, tr_powers_of_ten[group_digits], group);
    limbs_multiply_add(limbs, 1, rounds_up ? 1 : 0);
    return put_large(out, limbs, literal.is_negative);
}
