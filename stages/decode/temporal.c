// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/temporal.h"

#include <string.h>

#include "stages/decode/digits.h"

#define MICROS_PER_SECOND INT64_C(1000000)
#define SECONDS_PER_DAY INT64_C(86400)

/* Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil. */
int64_t tr_temporal_days(int32_t year, uint32_t month, uint32_t day)
{
    const int32_t y = year - (month <= 2);
    const int32_t era = (y >= 0 ? y : y - 399) / 400;
    const uint32_t year_of_era = (uint32_t)(y - era * 400);
    const uint32_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    const uint32_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return (int64_t)era * 146097 + (int64_t)day_of_era - 719468;
}

static bool is_leap(int32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

enum tr_temporal_kind tr_temporal_check(struct tr_civil *civil, bool adjust)
{
    return civil->year == 0 ? TR_TEMPORAL_ZERO : tr_temporal_check_printed(civil, adjust);
}

enum tr_temporal_kind tr_temporal_check_printed(struct tr_civil *civil, bool adjust)
{
    static const uint8_t days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (civil->month == 0 || civil->day == 0) {
        return TR_TEMPORAL_ZERO;
    }
    if (civil->month > 12 || civil->hour > 23 || civil->minute > 59 || civil->second > 59 ||
        civil->micros > 999999 || civil->year > 9999) {
        return TR_TEMPORAL_INVALID;
    }
    if (civil->day > days[civil->month] &&
        !(civil->month == 2 && civil->day == 29 && is_leap(civil->year))) {
        return TR_TEMPORAL_INVALID;
    }
    if (adjust && civil->year < 100) {
        civil->year += civil->year < 70 ? 2000 : 1900;
    }
    return TR_TEMPORAL_VALUE;
}

int64_t tr_temporal_micros(const struct tr_civil *civil)
{
    const int64_t days = tr_temporal_days(civil->year, civil->month, civil->day);
    const int64_t seconds =
        (int64_t)civil->hour * 3600 + (int64_t)civil->minute * 60 + civil->second;

    return (days * SECONDS_PER_DAY + seconds) * MICROS_PER_SECOND + civil->micros;
}

void tr_temporal_read_datetime2(struct tr_civil *civil, const uint8_t *in, uint32_t fraction_bytes)
{
    /* 40 bits, the first of them a sign that is always set. */
    const uint64_t packed =
        ((uint64_t)in[0] << 32 | __builtin_bswap32(tr_load_u32(in + 1))) & 0x7FFFFFFFFF;
    const uint32_t hms = (uint32_t)(packed & 0x1FFFF);
    const uint32_t ymd = (uint32_t)(packed >> 17);
    const uint32_t ym = ymd >> 5;

    *civil = (struct tr_civil){
        .year = (int32_t)(ym / 13),
        .month = ym % 13,
        .day = ymd & 31,
        .hour = hms >> 12,
        .minute = hms >> 6 & 63,
        .second = hms & 63,
        .micros = tr_temporal_fraction_micros((uint32_t)tr_load_uint_be(in + 5, fraction_bytes),
                                              fraction_bytes),
    };
}

int64_t tr_temporal_read_time2(const uint8_t *in, uint32_t fraction_bytes)
{
    const int64_t zero = INT64_C(0x800000) << (8 * fraction_bytes);
    const int64_t packed = (int64_t)tr_load_uint_be(in, 3 + (size_t)fraction_bytes) - zero;
    const uint64_t magnitude = (uint64_t)(packed < 0 ? -packed : packed);
    const uint32_t fraction = (uint32_t)(magnitude & ((UINT64_C(1) << (8 * fraction_bytes)) - 1));
    const uint32_t hms = (uint32_t)(magnitude >> (8 * fraction_bytes));
    const int64_t seconds =
        (int64_t)(hms >> 12 & 1023) * 3600 + (int64_t)(hms >> 6 & 63) * 60 + (hms & 63);
    const int64_t micros =
        seconds * MICROS_PER_SECOND + tr_temporal_fraction_micros(fraction, fraction_bytes);

    return packed < 0 ? -micros : micros;
}

void tr_temporal_read_datetime_old(struct tr_civil *civil, const uint8_t *in)
{
    const uint64_t packed = tr_load_u64(in); /* YYYYMMDDhhmmss */
    const uint64_t ymd = packed / 1000000;
    const uint32_t hms = (uint32_t)(packed % 1000000);

    *civil = (struct tr_civil){
        .year = (int32_t)(ymd / 10000 % 100000),
        .month = (uint32_t)(ymd / 100 % 100),
        .day = (uint32_t)(ymd % 100),
        .hour = hms / 10000,
        .minute = hms / 100 % 100,
        .second = hms % 100,
    };
}

int64_t tr_temporal_read_time_old(const uint8_t *in)
{
    const uint32_t raw = tr_load_u24(in);
    const int32_t packed = raw < 0x800000 ? (int32_t)raw : (int32_t)raw - 0x1000000;
    const int32_t hms = packed < 0 ? -packed : packed; /* hhhmmss */
    const int64_t seconds =
        (int64_t)(hms / 10000) * 3600 + (int64_t)(hms / 100 % 100) * 60 + hms % 100;

    return (packed < 0 ? -seconds : seconds) * MICROS_PER_SECOND;
}

uint32_t tr_temporal_hires_datetime_bytes(uint32_t fsp)
{
    static const uint8_t bytes[7] = {8, 6, 6, 7, 7, 7, 8};
    return bytes[fsp];
}

uint32_t tr_temporal_hires_time_bytes(uint32_t fsp)
{
    static const uint8_t bytes[7] = {3, 4, 4, 5, 5, 5, 6};
    return bytes[fsp];
}

uint32_t tr_temporal_hires_timestamp_bytes(uint32_t fsp)
{
    static const uint8_t bytes[7] = {4, 5, 5, 6, 6, 7, 7};
    return bytes[fsp];
}

uint32_t tr_temporal_scale_micros(uint64_t fraction, uint32_t fsp)
{
    return (uint32_t)(fraction % tr_powers_of_ten[fsp] * tr_powers_of_ten[6 - fsp]);
}

void tr_temporal_read_datetime_hires(struct tr_civil *civil, const uint8_t *in, uint32_t fsp)
{
    const uint64_t packed = tr_load_uint_be(in, tr_temporal_hires_datetime_bytes(fsp));
    const uint64_t seconds = packed / tr_powers_of_ten[fsp];
    const uint64_t days = seconds / (24 * 60 * 60);

    *civil = (struct tr_civil){
        .year = (int32_t)(days / 32 / 13 % 100000),
        .month = (uint32_t)(days / 32 % 13),
        .day = (uint32_t)(days % 32),
        .hour = (uint32_t)(seconds / 3600 % 24),
        .minute = (uint32_t)(seconds / 60 % 60),
        .second = (uint32_t)(seconds % 60),
        .micros = tr_temporal_scale_micros(packed, fsp),
    };
}

int64_t tr_temporal_read_time_hires(const uint8_t *in, uint32_t fsp)
{
    const int64_t zero = INT64_C(839) * 3600 * MICROS_PER_SECOND;
    const uint64_t packed = tr_load_uint_be(in, tr_temporal_hires_time_bytes(fsp));

    return (int64_t)(packed * tr_powers_of_ten[6 - fsp]) - zero;
}

uint8_t *tr_temporal_put_date(uint8_t *out, const struct tr_civil *civil)
{
    out = tr_digits_put_4(out, (uint32_t)civil->year % 10000);
    *out++ = '-';
    out = tr_digits_put_2(out, civil->month % 100);
    *out++ = '-';
    return tr_digits_put_2(out, civil->day % 100);
}

uint8_t *tr_temporal_put_clock(uint8_t *out, const struct tr_civil *civil)
{
    if (civil->hour < 100) {
        out = tr_digits_put_2(out, civil->hour);
    } else {
        out = tr_digits_put_u32(out, civil->hour);
    }
    *out++ = ':';
    out = tr_digits_put_2(out, civil->minute % 100);
    *out++ = ':';
    out = tr_digits_put_2(out, civil->second % 100);
    if (civil->micros == 0) {
        return out;
    }
    *out++ = '.';
    out = tr_digits_put_2(tr_digits_put_4(out, civil->micros / 100 % 10000), civil->micros % 100);
    while (out[-1] == '0') { /* ends at a digit: micros is not 0 */
        out--;
    }
    return out;
}

uint8_t *tr_temporal_put_instant(uint8_t *out, const struct tr_civil *civil)
{
    *out++ = '"';
    out = tr_temporal_put_date(out, civil);
    *out++ = 'T';
    out = tr_temporal_put_clock(out, civil);
    memcpy(out, "Z\"", 2);
    return out + 2;
}

uint8_t *tr_temporal_put_zoned(uint8_t *out, uint32_t epoch_seconds, uint32_t micros, uint32_t fsp)
{
    /* Source: H. Hinnant, civil_from_days, for days from 1970 on. */
    const uint32_t days = epoch_seconds / 86400 + 719468;
    const uint32_t clock = epoch_seconds % 86400;
    const uint32_t era = days / 146097;
    const uint32_t day_of_era = days - era * 146097;
    const uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const uint32_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const uint32_t shifted_month = (5 * day_of_year + 2) / 153;
    const uint32_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;

    *out++ = '"';
    out = tr_digits_put_4(out, year_of_era + era * 400 + (month <= 2));
    *out++ = '-';
    out = tr_digits_put_2(out, month);
    *out++ = '-';
    out = tr_digits_put_2(out, day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *out++ = 'T';
    out = tr_digits_put_2(out, clock / 3600);
    *out++ = ':';
    out = tr_digits_put_2(out, clock / 60 % 60);
    *out++ = ':';
    out = tr_digits_put_2(out, clock % 60);
    if (fsp != 0) {
        *out = '.';
        (void)tr_digits_put_2(tr_digits_put_4(out + 1, micros / 100 % 10000), micros % 100);
        out += 1 + fsp;
    }
    memcpy(out, "Z\"", 2);
    return out + 2;
}

/* Reads digits up to `digits_max`; false when there is none. */
static bool take_number(struct tr_cursor *cursor, uint32_t digits_max, uint32_t *number,
                        uint32_t *digit_count)
{
    *number = 0;
    *digit_count = 0;
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9' &&
           *digit_count < digits_max) {
        *number = *number * 10 + (uint32_t)(*cursor->at++ - '0');
        (*digit_count)++;
    }
    return *digit_count != 0;
}

static bool take_char(struct tr_cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != (uint8_t)c) {
        return false;
    }
    cursor->at++;
    return true;
}

/* "hh:mm:ss[.ffffff]" to the end. */
static bool take_clock(struct tr_cursor *cursor, struct tr_civil *civil)
{
    uint32_t digits;
    uint32_t fraction;

    if (!take_number(cursor, 3, &civil->hour, &digits) || !take_char(cursor, ':') ||
        !take_number(cursor, 2, &civil->minute, &digits) || !take_char(cursor, ':') ||
        !take_number(cursor, 2, &civil->second, &digits)) {
        return false;
    }
    if (take_char(cursor, '.')) {
        if (!take_number(cursor, 6, &fraction, &digits)) {
            return false;
        }
        civil->micros = fraction * (uint32_t)tr_powers_of_ten[6 - digits];
    }
    return cursor->at == cursor->end;
}

bool tr_temporal_parse_datetime(struct tr_civil *civil, struct tr_span text)
{
    struct tr_cursor cursor = tr_cursor_of(text);
    uint32_t digits;
    uint32_t year;

    *civil = (struct tr_civil){0};
    if (!take_number(&cursor, 4, &year, &digits) || !take_char(&cursor, '-') ||
        !take_number(&cursor, 2, &civil->month, &digits) || !take_char(&cursor, '-') ||
        !take_number(&cursor, 2, &civil->day, &digits)) {
        return false;
    }
    civil->year = (int32_t)year;
    if (cursor.at == cursor.end) {
        return true;
    }
    return (take_char(&cursor, ' ') || take_char(&cursor, 'T')) && take_clock(&cursor, civil);
}

bool tr_temporal_parse_time(int64_t *micros, struct tr_span text)
{
    struct tr_cursor cursor = tr_cursor_of(text);
    struct tr_civil civil = {0};
    const bool is_negative = take_char(&cursor, '-');

    if (!take_clock(&cursor, &civil)) {
        return false;
    }
    *micros = ((int64_t)civil.hour * 3600 + (int64_t)civil.minute * 60 + civil.second) *
                  MICROS_PER_SECOND +
              civil.micros;
    *micros = is_negative ? -*micros : *micros;
    return true;
}
