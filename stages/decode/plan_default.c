// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stages/decode/digits.h"
#include "stages/decode/plan_layout.h"
#include "stages/decode/real.h"
#include "stages/decode/temporal.h"

#define NUMBER_TEXT_BYTES_MAX 127 /* a DOUBLE's longest literal is shorter */
#define EPOCH_ZONED "\"1970-01-01T00:00:00Z\""

/* The literal as a NUL-terminated text; false when it is too long for a number. */
static bool copy_number(char *out, struct tr_span literal)
{
    if (literal.bytes > NUMBER_TEXT_BYTES_MAX) {
        return false;
    }
    if (literal.bytes != 0) {
        memcpy(out, literal.data, literal.bytes);
    }
    out[literal.bytes] = '\0';
    return true;
}

/* Debezium reads every number but DECIMAL as a double; TRUE and FALSE are 1 and 0 (contract §2.9).
 */
static bool parse_double(struct tr_span literal, double *value)
{
    char text[NUMBER_TEXT_BYTES_MAX + 1];
    char *end;

    if (!copy_number(text, literal)) {
        return false;
    }
    if (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0) {
        *value = text[0] == 't' || text[0] == 'T' ? 1 : 0;
        return true;
    }
    *value = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*value);
}

static bool add_integer(struct tr_plan_text *text, const struct tr_column *column)
{
    double value;

    if (!parse_double(column->default_text, &value)) {
        return false;
    }
    value = floor(value + 0.5); /* Math.round: saturates at the ends of a long */
    if (value >= 0x1p63) {
        tr_plan_text_add_number(text, INT64_MAX);
    } else {
        tr_plan_text_add_number(text, value < -0x1p63 ? INT64_MIN : (int64_t)value);
    }
    return true;
}

static bool add_real(struct tr_plan_text *text, const struct tr_column *column)
{
    double value;
    uint8_t *at = tr_plan_text_reserve(text, TR_REAL_BYTES_MAX);

    if (at == NULL || !parse_double(column->default_text, &value)) {
        return false;
    }
    const bool is_float = column->type == TR_COLUMN_FLOAT && !tr_plan_float_is_double(column);
    text->used +=
        (size_t)((is_float ? tr_real_put_float(at, (float)value) : tr_real_put_double(at, value)) -
                 at);
    return true;
}

static bool add_decimal(struct tr_plan_text *text, const struct tr_column *column)
{
    const struct tr_span literal = column->default_text;
    uint8_t *at = tr_plan_text_reserve(text, TR_PACKED_DECIMAL_TEXT_BYTES_MAX + 2);

    if (at == NULL) {
        return false;
    }
    uint8_t *end = tr_packed_decimal_put_literal(at + 1, (const char *)(const void *)literal.data,
                                                 literal.bytes, column->scale);
    if (end == NULL) {
        return false;
    }
    *at = '"';
    *end = '"';
    text->used += (size_t)(end + 1 - at);
    return true;
}

/* b'101', 0b101, x'1F', 0x1F or a plain number. */
static bool parse_bits(struct tr_span literal, uint64_t *bits)
{
    char text[NUMBER_TEXT_BYTES_MAX + 1];
    char *digits = text;
    char *end;
    int base = 10;

    if (!copy_number(text, literal) || literal.bytes == 0) {
        return false;
    }
    if (strncasecmp(text, "b'", 2) == 0 || strncasecmp(text, "x'", 2) == 0) {
        base = text[0] == 'b' || text[0] == 'B' ? 2 : 16;
        digits += 2;
        if (literal.bytes < 3 || text[literal.bytes - 1] != '\'') {
            return false;
        }
        text[literal.bytes - 1] = '\0';
    } else if (strncasecmp(text, "0b", 2) == 0 || strncasecmp(text, "0x", 2) == 0) {
        base = text[1] == 'b' || text[1] == 'B' ? 2 : 16;
        digits += 2;
    }
    *bits = strtoull(digits, &end, base);
    return *digits != '-' && *end == '\0';
}

static bool add_boolean(struct tr_plan_text *text, const struct tr_column *column)
{
    const struct tr_span value = column->default_text;
    const bool is_false = tr_span_equals(value, tr_span_of_text("0")) ||
                          (value.bytes == 5 && (value.data[0] | 0x20) == 'f');

    tr_plan_text_add(text, is_false ? "false" : "true");
    return true;
}

static bool add_bits(struct tr_plan_text *text, const struct tr_column *column)
{
    uint64_t bits;
    uint8_t little_endian[8];

    if (column->length > 64 || !parse_bits(column->default_text, &bits)) {
        return false;
    }
    if (tr_plan_bit_is_boolean(column)) {
        tr_plan_text_add(text, bits != 0 ? "true" : "false");
        return true;
    }
    memcpy(little_endian, &bits, sizeof(bits));
    tr_plan_text_add_base64(text, little_endian, (column->length + 7) / 8);
    return true;
}

static bool add_time(struct tr_plan_text *text, const struct tr_column *column)
{
    int64_t micros;

    if (!tr_temporal_parse_time(&micros, column->default_text)) {
        return false;
    }
    tr_plan_text_add_number(text, micros);
    return true;
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

    if (at == NULL || micros < 0 || micros / 1000000 > (int64_t)UINT32_MAX || column->scale > 6) {
        return false;
    }
    text->used += (size_t)(tr_temporal_put_zoned(at, (uint32_t)(micros / 1000000),
                                                 (uint32_t)(micros % 1000000), column->scale) -
                           at);
    return true;
}

static bool add_date(struct tr_plan_text *text, const struct tr_column *column, bool adjust)
{
    struct tr_civil civil;

    if (!tr_temporal_parse_datetime(&civil, column->default_text)) {
        return false;
    }
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
        /* Milliseconds of times before 1970 too: a literal of at most 3 fraction digits divides
         * evenly. */
        tr_plan_text_add_number(text, column->scale > 3 ? micros : micros / 1000);
    }
    return true;
}

/* CURRENT_TIMESTAMP and its synonyms count as 1970-01-01 00:00:00; other expressions give no
 * default. */
static bool add_expression(struct tr_plan_text *text, const struct tr_column *column)
{
    static const char *const clocks[] = {"current_timestamp", "now", "localtime", "localtimestamp"};
    const struct tr_span expression = column->default_text;
    size_t word_bytes = 0;

    while (word_bytes < expression.bytes && expression.data[word_bytes] != '(' &&
           expression.data[word_bytes] != ' ') {
        word_bytes++;
    }
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        if (word_bytes == strlen(clocks[i]) &&
            strncasecmp((const char *)(const void *)expression.data, clocks[i], word_bytes) == 0) {
            if (column->type == TR_COLUMN_DATETIME) {
                tr_plan_text_add(text, "0");
                return true;
            }
            return column->type == TR_COLUMN_TIMESTAMP && add_epoch(text, column);
        }
    }
    return false;
}

bool tr_plan_add_default(struct tr_plan_text *text, const struct tr_column *column,
                         const struct tr_encode_options *options)
{
    if (!column->has_default) {
        return false;
    }
    if (column->default_is_expression) {
        return add_expression(text, column);
    }
    switch (column->type) {
    case TR_COLUMN_TINYINT:
        return tr_plan_tinyint_is_boolean(column) ? add_boolean(text, column)
                                                  : add_integer(text, column);
    case TR_COLUMN_SMALLINT:
    case TR_COLUMN_MEDIUMINT:
    case TR_COLUMN_INT:
    case TR_COLUMN_BIGINT:
    case TR_COLUMN_YEAR:
        return add_integer(text, column);
    case TR_COLUMN_FLOAT:
    case TR_COLUMN_DOUBLE:
        return add_real(text, column);
    case TR_COLUMN_DECIMAL:
        return add_decimal(text, column);
    case TR_COLUMN_BIT:
        return add_bits(text, column);
    case TR_COLUMN_TIME:
        return add_time(text, column);
    case TR_COLUMN_DATE:
    case TR_COLUMN_DATETIME:
    case TR_COLUMN_TIMESTAMP:
        return add_date(text, column, options->enable_time_adjuster);
    case TR_COLUMN_CHAR:
    case TR_COLUMN_VARCHAR:
    case TR_COLUMN_TEXT:
    case TR_COLUMN_ENUM:
    case TR_COLUMN_SET:
    case TR_COLUMN_INET4:
    case TR_COLUMN_INET6:
        tr_plan_text_add_quoted(text, column->default_text);
        return true;
    case TR_COLUMN_BINARY:
    case TR_COLUMN_VARBINARY:
    case TR_COLUMN_BLOB:
        tr_plan_text_add_base64(text, column->default_text.data, column->default_text.bytes);
        return true;
    case TR_COLUMN_UNKNOWN:
    case TR_COLUMN_JSON:
    case TR_COLUMN_GEOMETRY:
    case TR_COLUMN_VECTOR:
    case TR_COLUMN_UUID:
    case TR_COLUMN_TYPE_COUNT:
        break;
    }
    return false;
}
