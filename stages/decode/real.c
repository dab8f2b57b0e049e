// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/real.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/cover.h"
#include "engine/error.h"
#include "stages/decode/digits.h"

/* Significant digits without leading or trailing zeros, value = 0.ddd × 10^point. */
struct digits {
    uint8_t text[TR_SHORTEST_BYTES_MAX];
    int32_t count;
    int32_t point;
};

/* Reads "d[.ddd]e±xx". */
static void digits_of(struct digits *digits, const char *text, size_t bytes)
{
    size_t at = 0;
    int32_t exponent = 0;

    digits->count = 0;
    for (; at < bytes && text[at] != 'e'; at++) {
        if (text[at] != '.') {
            digits->text[digits->count++] = (uint8_t)text[at];
        }
    }
    at++;
    const bool is_small = at < bytes && text[at] == '-';
    for (at++; at < bytes; at++) {
        exponent = exponent * 10 + (text[at] - '0');
    }
    digits->point = (is_small ? -exponent : exponent) + 1;
    while (digits->count > 1 && digits->text[digits->count - 1] == '0') {
        digits->count--;
    }
}

static uint8_t *put_text(uint8_t *out, const char *text)
{
    const size_t bytes = strlen(text);
    memcpy(out, text, bytes);
    return out + bytes;
}

static uint8_t *put_zeros(uint8_t *out, int32_t count)
{
    memset(out, '0', (size_t)count);
    return out + count;
}

/* Source: Javadoc of java.lang.Double.toString(double), JDK 19. */
static uint8_t *put_digits(uint8_t *out, const struct digits *digits)
{
    const int32_t count = digits->count;
    const int32_t point = digits->point;

    if (point > 7 || point < -2) {
        *out++ = digits->text[0];
        *out++ = '.';
        if (count == 1) {
            *out++ = '0';
        } else {
            memcpy(out, digits->text + 1, (size_t)count - 1);
            out += count - 1;
        }
        *out++ = 'E';
        return tr_digits_put_i32(out, point - 1);
    }
    if (point <= 0) {
        out = put_zeros(put_text(out, "0."), -point);
        memcpy(out, digits->text, (size_t)count);
        return out + count;
    }
    if (count <= point) {
        memcpy(out, digits->text, (size_t)count);
        return put_text(put_zeros(out + count, point - count), ".0");
    }
    memcpy(out, digits->text, (size_t)point);
    out[point] = '.';
    memcpy(out + point + 1, digits->text + point, (size_t)(count - point));
    return out + count + 1;
}

static uint8_t *put_not_finite(uint8_t *out, double value)
{
    TR_COVER("decode.real_not_finite");
    if (isnan(value)) {
        return put_text(out, "\"NaN\"");
    }
    return put_text(out, value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
}

/*
 * Numbers of at most four decimals, the common ones: value == k / 10^4 as doubles and k below 10^11
 * mean that the decimal k / 10^4 reads back as value, and no other of up to 15 digits does.
 */
static inline uint8_t *try_put_short(uint8_t *out, double magnitude)
{
    if (!(magnitude < 1e7) || magnitude < 1e-3) {
        return NULL;
    }
    const uint64_t k = (uint64_t)(magnitude * 1e4 + 0.5);
    if ((double)k / 1e4 != magnitude) {
        return NULL;
    }
    const uint32_t fraction = (uint32_t)(k % 10000);
    out = tr_digits_put_u32(out, (uint32_t)(k / 10000));
    *out++ = '.';
    (void)tr_digits_put_4(out, fraction);
    if (fraction % 100 != 0) {
        return out + (fraction % 10 != 0 ? 4 : 3);
    }
    return out + (fraction % 1000 != 0 ? 2 : 1);
}

static bool double_digits(struct digits *digits, double magnitude)
{
    char text[TR_SHORTEST_BYTES_MAX];

    digits_of(digits, text, tr_shortest_double(magnitude, text));
    if (digits->count == 1 && magnitude < 0x1p-1022) {
        digits_of(digits, text, tr_two_digits_double(magnitude, text));
    }
    return digits->point > 7 || digits->point < -2;
}

uint8_t *tr_real_put_double(uint8_t *out, double value)
{
    struct digits digits;

    if (TR_UNLIKELY(!isfinite(value))) {
        return put_not_finite(out, value);
    }
    *out = '-';
    out += signbit(value) != 0;
    const double magnitude = fabs(value);
    if (magnitude == 0) {
        return put_text(out, "0.0");
    }
    uint8_t *end = try_put_short(out, magnitude);
    if (end != NULL) {
        return end;
    }
    (void)double_digits(&digits, magnitude);
    return put_digits(out, &digits);
}

uint8_t *tr_real_put_float(uint8_t *out, float value)
{
    char text[TR_SHORTEST_BYTES_MAX];
    struct digits digits;

    if (TR_UNLIKELY(!isfinite(value))) {
        return put_not_finite(out, (double)value);
    }
    *out = '-';
    out += signbit(value) != 0;
    const float magnitude = fabsf(value);
    if (magnitude == 0) {
        return put_text(out, "0.0");
    }
    digits_of(&digits, text, tr_shortest_float(magnitude, text));
    if (digits.count == 1 && magnitude < 0x1p-126f) {
        digits_of(&digits, text, tr_two_digits_float(magnitude, text));
    }
    return put_digits(out, &digits);
}

/* How many binary, and so decimal, fraction digits the exact value has. */
static int fraction_digits(double magnitude)
{
    int exponent;
    const double fraction = frexp(magnitude, &exponent); /* magnitude = fraction × 2^exponent */
    const uint64_t bits = (uint64_t)ldexp(fraction, 53); /* an integer */
    const int digits = 53 - exponent - __builtin_ctzll(bits);

    return digits > 0 ? digits : 0;
}

uint8_t *tr_real_put_json(uint8_t *out, double value)
{
    struct digits digits;

    const double magnitude = fabs(value);
    if (magnitude == 0 || !double_digits(&digits, magnitude)) {
        return tr_real_put_double(out, value);
    }
    *out = '-';
    out += signbit(value) != 0;
    return out + tr_fixed_double(magnitude, fraction_digits(magnitude), (char *)(void *)out);
}
