// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/text_cell.h"

#include "stages/decode/blob.h"
#include "stages/decode/digits.h"
#include "stages/decode/image_column.h"
#include "stages/decode/real.h"
#include "stages/decode/temporal.h"
#include "stages/decode/text.h"

#define INTEGER_DIGITS_MAX 20 /* of an unsigned 64-bit number */

static uint8_t *fail_cell(struct tr_image_run *run, const char *reason)
{
    run->bad_reason = reason;
    return NULL;
}

/* Digits with or without a sign; zeros in front are ZEROFILL's. False when it is something else. */
static inline bool read_integer(struct tr_span cell, bool *is_negative, uint64_t *magnitude)
{
    const uint8_t *at = cell.data;
    const uint8_t *end = cell.data + cell.bytes;
    uint64_t value = 0;

    *is_negative = at < end && *at == '-';
    at += *is_negative ? 1 : 0;
    if (at == end) {
        return false;
    }
    while (end - at > 1 && *at == '0') {
        at++;
    }
    const size_t digits = (size_t)(end - at);
    if (TR_UNLIKELY(digits > INTEGER_DIGITS_MAX)) {
        return false;
    }
    for (; at < end; at++) {
        const uint8_t digit = (uint8_t)(*at - '0');
        if (TR_UNLIKELY(digit > 9)) {
            return false;
        }
        if (TR_UNLIKELY(digits == INTEGER_DIGITS_MAX && value > (UINT64_MAX - digit) / 10)) {
            return false;
        }
        value = value * 10 + digit;
    }
    *magnitude = value;
    return true;
}

static uint8_t *put_integer(struct tr_image_run *run, const struct tr_plan_column *column,
                            uint8_t *out, struct tr_span cell)
{
    /* The greatest magnitudes; BIGINT UNSIGNED is I64 as well and wraps. */
    static const struct {
        uint64_t positive;
        uint64_t negative;
    } limits[] = {
        [TR_OP_I8] = {INT8_MAX, INT8_MAX + 1},
        [TR_OP_U8] = {UINT8_MAX, 0},
        [TR_OP_I16] = {INT16_MAX, INT16_MAX + 1},
        [TR_OP_U16] = {UINT16_MAX, 0},
        [TR_OP_I24] = {0x7FFFFF, 0x800000},
        [TR_OP_U24] = {0xFFFFFF, 0},
        [TR_OP_I32] = {INT32_MAX, UINT64_C(1) << 31},
        [TR_OP_U32] = {UINT32_MAX, 0},
        [TR_OP_I64] = {UINT64_MAX, UINT64_C(1) << 63},
    };
    bool is_negative;
    uint64_t magnitude;

    if (TR_UNLIKELY(!read_integer(cell, &is_negative, &magnitude) ||
                    magnitude > (is_negative ? limits[column->op].negative
                                             : limits[column->op].positive))) {
        return fail_cell(run, "its text is no number of its type");
    }
    return tr_digits_put_i64(out, (int64_t)(is_negative ? 0 - magnitude : magnitude));
}

static uint8_t *put_real(struct tr_image_run *run, const struct tr_plan_column *column,
                         uint8_t *out, struct tr_span cell)
{
    float narrow;
    double wide;

    if (column->op == TR_OP_DOUBLE) {
        if (tr_read_double(cell.data, cell.bytes, &wide)) {
            return tr_real_put_double(out, wide);
        }
    } else if (tr_read_float(cell.data, cell.bytes, &narrow)) {
        return column->op == TR_OP_FLOAT ? tr_real_put_float(out, narrow)
                                         : tr_real_put_double(out, (double)narrow);
    }
    return fail_cell(run, "its text is no floating-point number");
}

static uint8_t *put_decimal(struct tr_image_run *run, const struct tr_plan_column *column,
                            uint8_t *out, struct tr_span cell)
{
    *out++ = '"';
    out = tr_packed_decimal_put_literal(out, (const char *)cell.data, cell.bytes,
                                        column->decimal.scale);
    if (TR_UNLIKELY(out == NULL)) {
        return fail_cell(run, "its text is no decimal");
    }
    *out++ = '"';
    return out;
}

/* BIT(n) comes as its bytes, the most significant one first; fewer or more are filled up or cut. */
static uint8_t *put_bits(struct tr_image_run *run, const struct tr_plan_column *column,
                         uint8_t *out, struct tr_span cell)
{
    if (cell.bytes > sizeof(uint64_t)) {
        return fail_cell(run, "it is longer than 64 bits");
    }
    const uint64_t bits = tr_load_uint_be(cell.data, cell.bytes);
    if (column->op == TR_OP_BITS) {
        return tr_blob_put_bits(out, bits, column->wire_bytes);
    }
    memcpy(out, bits != 0 ? "true\0" : "false", 5);
    return out + (bits != 0 ? 4 : 5);
}

/* Years of one or two digits get their century here too: 0000 is 2000 (contract §2.5). */
static uint8_t *put_year(struct tr_image_run *run, uint8_t *out, struct tr_span cell)
{
    bool is_negative;
    uint64_t year;

    if (!read_integer(cell, &is_negative, &year) || is_negative || year > 9999) {
        return fail_cell(run, "its text is no year");
    }
    if (run->plan->options.enable_time_adjuster && year < 100) {
        year += year < 70 ? 2000 : 1900;
    }
    return tr_digits_put_u32(out, (uint32_t)year);
}

static uint8_t *put_time(struct tr_image_run *run, uint8_t *out, struct tr_span cell)
{
    int64_t micros;

    return tr_temporal_parse_time(&micros, cell) ? tr_digits_put_i64(out, micros)
                                                 : fail_cell(run, "its text is no time");
}

/* DATE, DATETIME, TIMESTAMP. Only a month or day of 0 makes a zero date here; the year 0 is a year,
 * and in a DATETIME 1 (contract §2.8). */
static uint8_t *put_civil(struct tr_image_run *run, const struct tr_plan_column *column,
                          uint8_t *out, struct tr_span cell)
{
    struct tr_civil civil;

    if (TR_UNLIKELY(!tr_temporal_parse_datetime(&civil, cell))) {
        return fail_cell(run, "its text is no date or time");
    }
    if (TR_UNLIKELY(civil.year == 0 && column->op != TR_OP_DATE)) {
        civil.year = 1;
    }
    const enum tr_temporal_kind kind =
        tr_temporal_check_printed(&civil, run->plan->options.enable_time_adjuster);
    if (column->op == TR_OP_TIMESTAMP && kind == TR_TEMPORAL_VALUE) {
        return tr_temporal_put_instant(out, &civil);
    }
    return tr_image_put_civil(run, column, out, &civil, kind);
}

static uint8_t *put_text(struct tr_image_run *run, uint8_t *out, struct tr_span cell)
{
    *out++ = '"';
    out = tr_text_put_utf8(out, run->limit, cell);
    if (TR_LIKELY(out != NULL)) {
        *out++ = '"';
    }
    return out;
}

uint8_t *tr_text_cell_put(struct tr_image_run *run, const struct tr_plan_column *column,
                          uint8_t *out, struct tr_span cell)
{
    switch ((enum tr_column_op)column->op) {
    case TR_OP_I8:
    case TR_OP_U8:
    case TR_OP_I16:
    case TR_OP_U16:
    case TR_OP_I24:
    case TR_OP_U24:
    case TR_OP_I32:
    case TR_OP_U32:
    case TR_OP_I64:
        return put_integer(run, column, out, cell);
    case TR_OP_FLOAT:
    case TR_OP_FLOAT_WIDENED:
    case TR_OP_DOUBLE:
        return put_real(run, column, out, cell);
    case TR_OP_DECIMAL:
        return put_decimal(run, column, out, cell);
    case TR_OP_BIT_BOOLEAN:
    case TR_OP_BITS:
        return put_bits(run, column, out, cell);
    case TR_OP_YEAR:
        return put_year(run, out, cell);
    case TR_OP_TIME:
    case TR_OP_TIME_OLD:
    case TR_OP_TIME_HIRES:
        return put_time(run, out, cell);
    case TR_OP_DATE:
    case TR_OP_DATETIME:
    case TR_OP_DATETIME_OLD:
    case TR_OP_DATETIME_HIRES:
    case TR_OP_TIMESTAMP:
    case TR_OP_TIMESTAMP_OLD:
    case TR_OP_TIMESTAMP_HIRES:
        return put_civil(run, column, out, cell);
    case TR_OP_TEXT_UTF8:
    case TR_OP_TEXT_LATIN1:
    case TR_OP_TEXT_ASCII:
    case TR_OP_TEXT_BINARY:
    case TR_OP_TEXT_CHARSET:
    case TR_OP_ENUM:
    case TR_OP_SET:
    case TR_OP_JSON:
    case TR_OP_UUID:
    case TR_OP_INET4:
    case TR_OP_INET6:
        return put_text(run, out, cell);
    case TR_OP_BLOB:
    case TR_OP_BLOB_PADDED:
    case TR_OP_COMPRESSED:
    case TR_OP_GEOMETRY:
    case TR_OP_POINT:
    case TR_OP_VECTOR:
        break;
    }
    return tr_image_put_sized(run, column, out, cell); /* the same bytes as in the log */
}
