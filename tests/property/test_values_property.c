// SPDX-License-Identifier: Apache-2.0
/* Values against slow obvious models: numbers as Java prints them, decimals, dates and times,
 * base64, escapes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stages/decode/blob.h"
#include "stages/decode/digits.h"
#include "stages/decode/packed_decimal.h"
#include "stages/decode/real.h"
#include "stages/decode/temporal.h"
#include "tests/check.h"
#include "tests/property/seed.h"
#include "tests/support/random_decimal.h"

#define ROUNDS 100000

static uint64_t seed;
static uint64_t state;

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fail_msg("seed %llu: %s", (unsigned long long)seed, #cond);                            \
        }                                                                                          \
    } while (0)

static uint64_t next(void)
{
    return tr_seed_next(&state);
}

/* --- integers --------------------------------------------------------------------------------- */

static void integers_print_as_printf_does(void **unused)
{
    (void)unused;
    char expected[32];
    uint8_t actual[32];

    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint64_t value = i < 64 ? UINT64_C(1) << i : next() >> (next() % 64);
        const uint64_t near = value - (i & 1);
        (void)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)near);
        *tr_digits_put_u64(actual, near) = '\0';
        assert_string_equal((char *)actual, expected);
        (void)snprintf(expected, sizeof(expected), "%lld", (long long)near);
        *tr_digits_put_i64(actual, (int64_t)near) = '\0';
        assert_string_equal((char *)actual, expected);
        (void)snprintf(expected, sizeof(expected), "%d", (int32_t)near);
        *tr_digits_put_i32(actual, (int32_t)near) = '\0';
        assert_string_equal((char *)actual, expected);
    }
    for (uint32_t i = 0; i < 20; i++) { /* every change of length */
        (void)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)tr_powers_of_ten[i]);
        *tr_digits_put_u64(actual, tr_powers_of_ten[i]) = '\0';
        assert_string_equal((char *)actual, expected);
        (void)snprintf(expected, sizeof(expected), "%llu",
                       (unsigned long long)tr_powers_of_ten[i] - 1);
        *tr_digits_put_u64(actual, tr_powers_of_ten[i] - 1) = '\0';
        assert_string_equal((char *)actual, expected);
    }
}

/* --- floating point --------------------------------------------------------------------------- */

/* Java's layout for digits "d.ddd" × 10^exponent: Javadoc of Double.toString. */
static void java_layout(char *out, size_t room, bool negative, const char *digits, int exponent)
{
    const char *sign = negative ? "-" : "";
    const int count = (int)strlen(digits);

    if (exponent < -3 || exponent >= 7) {
        (void)snprintf(out, room, "%s%c.%sE%d", sign, digits[0], count > 1 ? digits + 1 : "0",
                       exponent);
    } else if (exponent < 0) {
        (void)snprintf(out, room, "%s0.%.*s%s", sign, -exponent - 1, "0000000", digits);
    } else if (count <= exponent + 1) {
        (void)snprintf(out, room, "%s%s%.*s.0", sign, digits, exponent + 1 - count, "0000000");
    } else {
        (void)snprintf(out, room, "%s%.*s.%s", sign, exponent + 1, digits, digits + exponent + 1);
    }
}

/*
 * The model: the fewest significant digits (two at least, with a zero dropped) whose correctly
 * rounded decimal reads back as the number; correct rounding makes it the nearest.
 */
static void java_model(char *out, size_t room, double value, bool is_float)
{
    char text[64];
    char digits[32];

    for (int count = 2; count <= 17; count++) {
        (void)snprintf(text, sizeof(text), "%.*e", count - 1, fabs(value));
        const bool same =
            is_float ? strtof(text, NULL) == (float)fabs(value) : strtod(text, NULL) == fabs(value);
        if (!same) {
            continue;
        }
        digits[0] = text[0];
        memcpy(digits + 1, text + 2, (size_t)count - 1);
        digits[count] = '\0';
        while (count > 1 && digits[count - 1] == '0') {
            digits[--count] = '\0';
        }
        java_layout(out, room, signbit(value) != 0, digits,
                    (int)strtol(strchr(text, 'e') + 1, NULL, 10));
        return;
    }
    fail_msg("seed %llu: no 17 digits read back", (unsigned long long)seed);
}

static double random_double(void)
{
    uint64_t bits;
    double value;

    switch (next() % 5) {
    case 0: /* any bits */
        bits = next();
        memcpy(&value, &bits, sizeof(value));
        return isfinite(value) && value != 0 ? value : 1.5;
    case 1: /* subnormal */
        bits = (next() >> (12 + next() % 52)) + 1;
        memcpy(&value, &bits, sizeof(value));
        return value;
    case 2: /* money */
        return (double)(int64_t)(next() % 2000000000) / 100.0 - 5e6;
    case 3: /* few digits, any magnitude */
        return (double)(1 + next() % 999) * pow(10, (double)(next() % 60) - 30);
    default: /* around the borders of plain notation */
        return (double)(1 + next() % 20000) * (next() % 2 == 0 ? 1e3 : 1e-6);
    }
}

static void doubles_print_as_java_does(void **unused)
{
    (void)unused;
    char expected[64];
    uint8_t actual[TR_REAL_BYTES_MAX + 1];

    for (uint32_t i = 0; i < ROUNDS; i++) {
        const double value = random_double();
        java_model(expected, sizeof(expected), value, false);
        uint8_t *end = tr_real_put_double(actual, value);
        CHECK(end - actual <= TR_REAL_BYTES_MAX);
        *end = '\0';
        if (strcmp((char *)actual, expected) != 0) {
            fail_msg("seed %llu: %a: got %s, want %s", (unsigned long long)seed, value,
                     (char *)actual, expected);
        }
    }
}

static void floats_print_as_java_does(void **unused)
{
    (void)unused;
    char expected[64];
    uint8_t actual[TR_REAL_BYTES_MAX + 1];

    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint32_t bits = (uint32_t)next() >> (next() % 3 * 8);
        float value;
        memcpy(&value, &bits, sizeof(value));
        if (i % 2 == 0 || !isfinite(value) || value == 0) {
            value = (float)random_double();
        }
        if (!isfinite(value) || value == 0) {
            continue;
        }
        java_model(expected, sizeof(expected), (double)value, true);
        *tr_real_put_float(actual, value) = '\0';
        if (strcmp((char *)actual, expected) != 0) {
            fail_msg("seed %llu: %a: got %s, want %s", (unsigned long long)seed, (double)value,
                     (char *)actual, expected);
        }
    }
}

static void doubles_in_json_have_no_exponent_and_are_exact(void **unused)
{
    (void)unused;
    static uint8_t actual[TR_REAL_PLAIN_BYTES_MAX + 1];
    static char exact[1500];
    uint8_t java[TR_REAL_BYTES_MAX + 1];

    for (uint32_t i = 0; i < ROUNDS / 10; i++) {
        const double value = random_double();
        uint8_t *end = tr_real_put_json(actual, value);
        CHECK(end - actual <= TR_REAL_PLAIN_BYTES_MAX);
        *end = '\0';
        *tr_real_put_double(java, value) = '\0';
        if (strchr((char *)java, 'E') == NULL) {
            assert_string_equal((char *)actual, (char *)java);
            continue;
        }
        (void)snprintf(exact, sizeof(exact), "%.1074f", value);
        size_t bytes = strlen(exact);
        while (exact[bytes - 1] == '0') {
            exact[--bytes] = '\0';
        }
        if (exact[bytes - 1] == '.') {
            exact[--bytes] = '\0';
        }
        assert_string_equal((char *)actual, exact);
    }
}

/* --- decimals --------------------------------------------------------------------------------- */

static void random_decimal(struct tr_random_decimal *decimal, uint32_t digits_max)
{
    decimal->precision = 1 + (uint32_t)(next() % digits_max);
    decimal->scale = (uint32_t)(next() % (decimal->precision + 1));
    const uint32_t zeros = (uint32_t)(next() % (decimal->precision + 1));
    bool is_zero = true;
    for (uint32_t i = 0; i < decimal->precision; i++) {
        decimal->digits[i] = i < zeros ? 0 : (uint8_t)(next() % 4 == 0 ? 9 : next() % 10);
        is_zero = is_zero && decimal->digits[i] == 0;
    }
    decimal->negative = !is_zero && next() % 2 == 0;
}

/* Two's complement by long division; returns the first of 40 big-endian bytes that counts. */
static uint32_t twos_complement(const struct tr_random_decimal *decimal, uint8_t *bytes)
{
    uint8_t digits[TR_PACKED_DECIMAL_DIGITS_MAX];
    uint32_t first = 0;

    memcpy(digits, decimal->digits, decimal->precision);
    for (uint32_t i = 40; i > 0; i--) {
        uint32_t rest = 0;
        for (uint32_t d = 0; d < decimal->precision; d++) {
            rest = rest * 10 + digits[d];
            digits[d] = (uint8_t)(rest / 256);
            rest %= 256;
        }
        bytes[i - 1] = (uint8_t)rest;
    }
    if (decimal->negative) {
        uint32_t carry = 1;
        for (uint32_t i = 40; i > 0; i--) {
            carry += (uint8_t)~bytes[i - 1];
            bytes[i - 1] = (uint8_t)carry;
            carry >>= 8;
        }
    }
    while (first < 39 && bytes[first] == (decimal->negative ? 0xFF : 0) &&
           (bytes[first + 1] >= 0x80) == decimal->negative) {
        first++;
    }
    return first;
}

static void decimals_become_the_minimal_twos_complement(void **unused)
{
    (void)unused;
    struct tr_random_decimal decimal;
    struct tr_packed_decimal layout;
    uint8_t packed[TR_PACKED_DECIMAL_BYTES_MAX];
    uint8_t bytes[40];
    uint8_t actual[TR_PACKED_DECIMAL_TEXT_BYTES_MAX + 1];
    uint8_t expected[TR_PACKED_DECIMAL_TEXT_BYTES_MAX + 1];

    for (uint32_t i = 0; i < ROUNDS; i++) {
        random_decimal(&decimal, TR_PACKED_DECIMAL_COLUMN_DIGITS_MAX);
        CHECK(tr_packed_decimal_init(&layout, decimal.precision, decimal.scale));
        tr_random_decimal_pack(&decimal, packed);
        const uint32_t first = twos_complement(&decimal, bytes);
        *tr_blob_put_base64(expected, bytes + first, 40 - first) = '\0';
        uint8_t *end = tr_packed_decimal_put_base64(actual, &layout, packed);
        CHECK(end != NULL);
        *end = '\0';
        assert_string_equal((char *)actual, (char *)expected);
    }
}

static void decimals_in_json_print_in_plain_notation(void **unused)
{
    (void)unused;
    struct tr_random_decimal decimal;
    struct tr_packed_decimal layout;
    uint8_t packed[TR_PACKED_DECIMAL_BYTES_MAX];
    uint8_t actual[TR_PACKED_DECIMAL_TEXT_BYTES_MAX + 1];
    char expected[TR_PACKED_DECIMAL_TEXT_BYTES_MAX + 1];

    for (uint32_t i = 0; i < ROUNDS; i++) {
        random_decimal(&decimal, TR_PACKED_DECIMAL_DIGITS_MAX);
        CHECK(tr_packed_decimal_init(&layout, decimal.precision, decimal.scale));
        tr_random_decimal_pack(&decimal, packed);
        size_t at = 0;
        bool begun = false;
        expected[at] = '-';
        at += decimal.negative;
        for (uint32_t d = 0; d < decimal.precision; d++) {
            const uint32_t integer = decimal.precision - decimal.scale;
            if (d == integer) {
                expected[at] = '0';
                at += !begun;
                expected[at++] = '.';
                begun = true;
            }
            begun = begun || decimal.digits[d] != 0;
            expected[at] = (char)('0' + decimal.digits[d]);
            at += begun;
        }
        expected[at] = '0';
        at += !begun;
        expected[at] = '\0';
        uint8_t *end = tr_packed_decimal_put_text(actual, &layout, packed);
        CHECK(end != NULL);
        *end = '\0';
        assert_string_equal((char *)actual, expected);
    }
}

static void decimal_literals_round_half_up_to_the_scale(void **unused)
{
    (void)unused;
    static const struct {
        const char *literal;
        uint32_t scale;
        const char *base64;
    } cases[] = {
        {"123.45", 2, "MDk="},
        {"-1.00", 2, "nA=="},
        {"0", 4, "AA=="},
        {"1.005", 2, "ZQ=="},
        {"12345.6789", 3, "ALxhTw=="},
        {"-0.004", 2, "AA=="},
        {"0.5", 0, "AQ=="},
        {"-0.5", 0, "/w=="},
        {"1e2", 0, "ZA=="},
        {"125e-2", 1, "DQ=="},
        {"+7", 2, "Arw="},
        {".5", 1, "BQ=="},
        {"0.049", 1, "AA=="},
    };
    uint8_t actual[TR_PACKED_DECIMAL_TEXT_BYTES_MAX + 1];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t *end = tr_packed_decimal_put_literal(actual, cases[i].literal,
                                                     strlen(cases[i].literal), cases[i].scale);
        assert_non_null(end);
        *end = '\0';
        assert_string_equal((char *)actual, cases[i].base64);
    }
    assert_null(tr_packed_decimal_put_literal(actual, "", 0, 2));
    assert_null(tr_packed_decimal_put_literal(actual, "1.2.3", 5, 2));
    assert_null(tr_packed_decimal_put_literal(actual, "abc", 3, 2));
    assert_null(tr_packed_decimal_put_literal(actual, "1e999", 5, 2));
}

static void decimals_of_impossible_bytes_are_refused(void **unused)
{
    (void)unused;
    struct tr_packed_decimal layout;
    uint8_t packed[TR_PACKED_DECIMAL_BYTES_MAX];
    uint8_t actual[TR_PACKED_DECIMAL_TEXT_BYTES_MAX];

    assert_false(tr_packed_decimal_init(&layout, 0, 0));
    assert_false(tr_packed_decimal_init(&layout, 5, 6));
    assert_false(tr_packed_decimal_init(&layout, 82, 0));
    assert_true(tr_packed_decimal_init(&layout, 18, 9));
    memset(packed, 0xFF, sizeof(packed));
    assert_null(tr_packed_decimal_put_base64(actual, &layout, packed));
    assert_null(tr_packed_decimal_put_text(actual, &layout, packed));
}

/* --- dates and times -------------------------------------------------------------------------- */

static void days_count_on_through_the_whole_calendar(void **unused)
{
    (void)unused;
    static const uint8_t month_days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t days = -719162; /* 0001-01-01 */

    assert_int_equal(tr_temporal_days(1970, 1, 1), 0);
    for (int32_t year = 1; year <= 9999; year++) {
        const bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
        for (uint32_t month = 1; month <= 12; month++) {
            const uint32_t last = month_days[month] + (month == 2 && leap ? 1u : 0u);
            for (uint32_t day = 1; day <= last; day++) {
                assert_int_equal(tr_temporal_days(year, month, day), days);
                days++;
            }
            struct tr_civil after = {.year = year, .month = month, .day = last + 1};
            assert_int_equal(tr_temporal_check(&after, false), TR_TEMPORAL_INVALID);
            struct tr_civil end = {.year = year, .month = month, .day = last};
            assert_int_equal(tr_temporal_check(&end, false), TR_TEMPORAL_VALUE);
        }
    }
}

static void timestamps_print_as_gmtime_splits_them(void **unused)
{
    (void)unused;
    char expected[64];
    uint8_t actual[TR_TEMPORAL_BYTES_MAX + 1];
    struct tm tm;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint32_t seconds =
            i < 4 ? (uint32_t[]){0, UINT32_MAX, 951782400, 4107542400u}[i] : (uint32_t)next();
        const time_t when = (time_t)seconds;
        const uint32_t micros = (uint32_t)(next() % 1000000);
        const uint32_t fsp = (uint32_t)(next() % 7);
        (void)gmtime_r(&when, &tm);
        size_t bytes = strftime(expected, sizeof(expected), "\"%Y-%m-%dT%H:%M:%S", &tm);
        char fraction[16];
        (void)snprintf(fraction, sizeof(fraction), ".%06u", micros);
        fraction[fsp + 1] = '\0';
        (void)snprintf(expected + bytes, sizeof(expected) - bytes, "%sZ\"",
                       fsp == 0 ? "" : fraction);
        *tr_temporal_put_zoned(actual, seconds, micros, fsp) = '\0';
        assert_string_equal((char *)actual, expected);
    }
}

static void put_be(uint8_t *out, uint64_t value, uint32_t bytes)
{
    for (uint32_t i = bytes; i > 0; i--) {
        *out++ = (uint8_t)(value >> (8 * (i - 1)));
    }
}

/* TIME2 as the server packs it: fraction and whole as one number, negative as two's complement of
 * it. */
static void times_read_back_with_their_sign(void **unused)
{
    (void)unused;
    uint8_t packed[8];

    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint32_t bytes = (uint32_t)(next() % 4);
        const uint32_t unit =
            (uint32_t[]){1000000, 10000, 100, 1}[bytes]; /* µs of the last place */
        const uint32_t h = (uint32_t)(next() % 839);
        const uint32_t m = (uint32_t)(next() % 60);
        const uint32_t s = (uint32_t)(next() % 60);
        const uint32_t fraction = bytes == 0 ? 0 : (uint32_t)(next() % (1000000 / unit));
        const bool negative = next() % 2 == 0;
        const int64_t magnitude = (int64_t)((h << 12 | m << 6 | s)) << (8 * bytes) | fraction;
        const int64_t micros = ((int64_t)h * 3600 + m * 60 + s) * 1000000 +
                               (int64_t)fraction * (bytes == 0 ? 0 : unit);
        put_be(packed,
               (uint64_t)((INT64_C(0x800000) << (8 * bytes)) + (negative ? -magnitude : magnitude)),
               3 + bytes);
        assert_int_equal(tr_temporal_read_time2(packed, bytes), negative ? -micros : micros);
    }
}

static void datetimes_read_back(void **unused)
{
    (void)unused;
    uint8_t packed[8];

    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint32_t bytes = (uint32_t)(next() % 4);
        const uint32_t unit = (uint32_t[]){1000000, 10000, 100, 1}[bytes];
        const struct tr_civil civil = {
            .year = (int32_t)(next() % 10000),
            .month = (uint32_t)(next() % 13),
            .day = (uint32_t)(next() % 32),
            .hour = (uint32_t)(next() % 24),
            .minute = (uint32_t)(next() % 60),
            .second = (uint32_t)(next() % 60),
            .micros = bytes == 0 ? 0 : (uint32_t)(next() % (1000000 / unit)) * unit,
        };
        const uint64_t ymd = ((uint64_t)civil.year * 13 + civil.month) << 5 | civil.day;
        const uint64_t hms =
            (uint64_t)civil.hour << 12 | (uint64_t)civil.minute << 6 | civil.second;
        struct tr_civil read;
        put_be(packed, UINT64_C(0x8000000000) + (ymd << 17 | hms), 5);
        put_be(packed + 5, civil.micros / unit, bytes);
        tr_temporal_read_datetime2(&read, packed, bytes);
        assert_memory_equal(&read, &civil, sizeof(read));
    }
}

static void years_of_two_digits_are_adjusted_only_when_asked(void **unused)
{
    (void)unused;
    for (int32_t year = 1; year < 120; year++) {
        struct tr_civil plain = {.year = year, .month = 6, .day = 15};
        struct tr_civil adjusted = plain;
        assert_int_equal(tr_temporal_check(&plain, false), TR_TEMPORAL_VALUE);
        assert_int_equal(tr_temporal_check(&adjusted, true), TR_TEMPORAL_VALUE);
        assert_int_equal(plain.year, year);
        assert_int_equal(adjusted.year, year < 70 ? year + 2000 : year < 100 ? year + 1900 : year);
    }
}

/* --- base64 ----------------------------------------------------------------------------------- */

static void padding_with_zeros_equals_encoding_the_zeros(void **unused)
{
    (void)unused;
    uint8_t raw[64] = {0};
    uint8_t expected[128];
    uint8_t actual[128];

    for (uint32_t i = 0; i < ROUNDS; i++) {
        const size_t bytes = next() % 32;
        const size_t zeros = next() % 32;
        for (size_t b = 0; b < bytes; b++) {
            raw[b] = (uint8_t)next();
        }
        memset(raw + bytes, 0, sizeof(raw) - bytes);
        uint8_t *expected_end = tr_blob_put_base64(expected, raw, bytes + zeros);
        CHECK((size_t)(expected_end - expected) == tr_base64_encoded_bytes(bytes + zeros));
        uint8_t *end = tr_blob_put_base64_padded(actual, raw, bytes, zeros);
        CHECK(end - actual == expected_end - expected);
        assert_memory_equal(actual, expected, (size_t)(end - actual));
    }
    *tr_blob_put_base64(actual, (const uint8_t *)"\xFB\xFF\xBF\x00", 4) = '\0';
    assert_string_equal((char *)actual, "+/+/AA==");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_print_as_printf_does),
        cmocka_unit_test(doubles_print_as_java_does),
        cmocka_unit_test(floats_print_as_java_does),
        cmocka_unit_test(doubles_in_json_have_no_exponent_and_are_exact),
        cmocka_unit_test(decimals_become_the_minimal_twos_complement),
        cmocka_unit_test(decimals_in_json_print_in_plain_notation),
        cmocka_unit_test(decimal_literals_round_half_up_to_the_scale),
        cmocka_unit_test(decimals_of_impossible_bytes_are_refused),
        cmocka_unit_test(days_count_on_through_the_whole_calendar),
        cmocka_unit_test(timestamps_print_as_gmtime_splits_them),
        cmocka_unit_test(times_read_back_with_their_sign),
        cmocka_unit_test(datetimes_read_back),
        cmocka_unit_test(years_of_two_digits_are_adjusted_only_when_asked),
        cmocka_unit_test(padding_with_zeros_equals_encoding_the_zeros),
    };
    seed = tr_seed_from(argc, argv);
    state = seed;
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
