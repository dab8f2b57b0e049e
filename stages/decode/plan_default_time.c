// SPDX-License-Identifier: Apache-2.0
/*
 * Defaults of DATE, TIME, DATETIME and TIMESTAMP as Debezium 3.6 reads their literals (contract §2.9): a
 * form that it does not know gives no default, even where the server takes it.
 */
#include "stages/decode/digits.h"
#include "stages/decode/plan_layout.h"
#include "stages/decode/temporal.h"

#define EPOCH_ZONED "\"1970-01-01T00:00:00Z\""
#define MICROS_PER_SECOND 1000000

struct scan {
    struct tr_span left;
    bool failed;
};

static uint32_t take_digits(struct scan *scan, uint32_t digits_min, uint32_t digits_max)
{
    uint32_t number = 0;
    uint32_t count = 0;

    while (count < digits_max && count < scan->left.bytes && scan->left.data[count] >= '0' &&
           scan->left.data[count] <= '9') {
        number = number * 10 + (uint32_t)(scan->left.data[count++] - '0');
    }
    scan->failed |= count < digits_min;
    scan->left = tr_span_of(scan->left.data + count, scan->left.bytes - count);
    return number;
}

static bool take_mark(struct scan *scan, char mark)
{
    if (scan->left.bytes == 0 || scan->left.data[0] != (uint8_t)mark) {
        return false;
    }
    scan->left = tr_span_of(scan->left.data + 1, scan->left.bytes - 1);
    return true;
}

static void need_mark(struct scan *scan, char mark)
{
    scan->failed |= !take_mark(scan, mark);
}

/* `.`, then up to nine digits; what is beyond microseconds is cut. */
static uint32_t take_fraction(struct scan *scan)
{
    uint32_t micros = 0;
    uint32_t unit = 100000;

    if (!take_mark(scan, '.')) {
        return 0;
    }
    for (uint32_t i = 0;
         i < 9 && scan->left.bytes > 0 && scan->left.data[0] >= '0' && scan->left.data[0] <= '9';
         i++) {
        micros += unit * take_digits(scan, 1, 1);
        unit /= 10;
    }
    return micros;
}

/* H:MM[:SS[.f]], hours and parts of at least `digits_min` digits. */
static void take_clock(struct scan *scan, struct tr_civil *civil, uint32_t digits_min,
                       uint32_t hour_digits_max)
{
    civil->hour = take_digits(scan, digits_min, hour_digits_max);
    need_mark(scan, ':');
    civil->minute = take_digits(scan, digits_min, 2);
    if (take_mark(scan, ':')) {
        civil->second = take_digits(scan, digits_min, 2);
        civil->micros = take_fraction(scan);
    }
}

/* YYYY-MM-DD, then a blank (TIMESTAMP: or a T) and the clock; TIMESTAMP takes numbers of fewer digits. */
static bool scan_civil(struct tr_civil *civil, struct tr_span text, bool is_timestamp)
{
    struct scan scan = {.left = tr_plan_trim(text)};
    const uint32_t part_min = is_timestamp ? 1 : 2;

    *civil = (struct tr_civil){0};
    civil->year = (int32_t)take_digits(&scan, is_timestamp ? 1 : 4, 4);
    need_mark(&scan, '-');
    civil->month = take_digits(&scan, part_min, 2);
    need_mark(&scan, '-');
    civil->day = take_digits(&scan, part_min, 2);
    if (take_mark(&scan, ' ') || (is_timestamp && take_mark(&scan, 'T'))) {
        take_clock(&scan, civil, part_min, 2);
    } else if (is_timestamp && civil->day == 0) {
        return false; /* a zero date without a clock */
    }
    return !scan.failed && scan.left.bytes == 0;
}

/* A zero date has no default where NULL is allowed and stands for the epoch where it is not. */
static bool add_epoch(struct tr_plan_text *text, const struct tr_column *column)
{
    if (tr_column_is_optional(column)) {
        return false;
    }
    tr_plan_text_add(text, column->type == TR_COLUMN_TIMESTAMP ? EPOCH_ZONED : "0");
    return true;
}

static bool add_zoned(struct tr_plan_text *text, const struct tr_column *column, int64_t micros)
{
    uint8_t *at = tr_plan_text_reserve(text, TR_TEMPORAL_BYTES_MAX);

    if (at == NULL || micros < 0 || micros / MICROS_PER_SECOND > (int64_t)UINT32_MAX ||
        column->scale > 6) {
        return false;
    }
    text->used +=
        (size_t)(tr_temporal_put_zoned(at, (uint32_t)(micros / MICROS_PER_SECOND),
                                       (uint32_t)(micros % MICROS_PER_SECOND), column->scale) -
                 at);
    return true;
}

bool tr_plan_add_default_time(struct tr_plan_text *text, struct tr_span literal)
{
    struct scan scan = {.left = literal};
    struct tr_civil civil = {0};
    const bool is_negative = take_mark(&scan, '-');

    take_clock(&scan, &civil, 1, 3);
    if (scan.failed || scan.left.bytes > 0) {
        return false;
    }
    const int64_t micros =
        ((int64_t)civil.hour * 3600 + (int64_t)civil.minute * 60 + civil.second) *
            MICROS_PER_SECOND +
        civil.micros;
    tr_plan_text_add_number(text, is_negative ? -micros : micros);
    return true;
}

bool tr_plan_add_default_date(struct tr_plan_text *text, const struct tr_column *column,
                              struct tr_span literal, bool adjust)
{
    struct tr_civil civil;

    if (tr_span_equals(literal, tr_span_of_text("0"))) {
        return add_epoch(text, column);
    }
    if (!scan_civil(&civil, literal, column->type == TR_COLUMN_TIMESTAMP)) {
        return false;
    }
    struct tr_civil day = {.year = civil.year, .month = civil.month, .day = civil.day};
    while (day.day > 28 && day.day <= 31 && tr_temporal_check(&day, false) == TR_TEMPORAL_INVALID) {
        day.day--; /* the month's last day stands for those that it does not have */
    }
    civil.day = day.day;
    const enum tr_temporal_kind kind = tr_temporal_check(&civil, adjust);
    if (kind == TR_TEMPORAL_ZERO) {
        return add_epoch(text, column);
    }
    if (kind == TR_TEMPORAL_INVALID) {
        return false;
    }
    const int64_t micros = tr_temporal_micros(&civil);
    if (column->type == TR_COLUMN_TIMESTAMP) {
        return add_zoned(text, column, micros);
    }
    if (column->type == TR_COLUMN_DATE) {
        tr_plan_text_add_number(text, tr_temporal_days(civil.year, civil.month, civil.day));
    } else {
        const int64_t part = micros % 1000 < 0 ? 1 : 0; /* towards the past */
        tr_plan_text_add_number(text, column->scale > 3 ? micros : micros / 1000 - part);
    }
    return true;
}

bool tr_plan_add_default_clock(struct tr_plan_text *text, const struct tr_column *column)
{
    if (column->type == TR_COLUMN_DATETIME || column->type == TR_COLUMN_DATE) {
        tr_plan_text_add(text, "0");
        return true;
    }
    return column->type == TR_COLUMN_TIMESTAMP && add_epoch(text, column);
}
