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

struct tr_span tr_plan_trim(struct tr_span text)
{
    while (text.bytes > 0 && text.data[0] <= ' ') {
        text = tr_span_of(text.data + 1, text.bytes - 1);
    }
    while (text.bytes > 0 && text.data[text.bytes - 1] <= ' ') {
        text.bytes--;
    }
    return text;
}

static bool is_boolean_word(struct tr_span literal, bool *is_true)
{
    const char *text = (const char *)(const void *)literal.data;

    *is_true = literal.bytes == 4 && strncasecmp(text, "true", 4) == 0;
    return *is_true || (literal.bytes == 5 && strncasecmp(text, "false", 5) == 0);
}

/* CURRENT_TIMESTAMP and its synonyms; other expressions give no default. */
static bool is_clock(struct tr_span expression)
{
    static const char *const clocks[] = {"current_timestamp", "now", "localtime", "localtimestamp"};
    size_t word_bytes = 0;

    while (word_bytes < expression.bytes && expression.data[word_bytes] != '(' &&
           expression.data[word_bytes] != ' ') {
        word_bytes++;
    }
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        if (word_bytes == strlen(clocks[i]) &&
            strncasecmp((const char *)(const void *)expression.data, clocks[i], word_bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* Debezium reads every number but DECIMAL as a double; TRUE and FALSE are 1 and 0 (contract §2.9).
 */
static bool parse_double(struct tr_span literal, double *value)
{
    char text[NUMBER_TEXT_BYTES_MAX + 1];
    char *end;
    bool is_true;

    if (is_boolean_word(literal, &is_true)) {
        *value = is_true ? 1 : 0;
        return true;
    }
    if (!copy_number(text, tr_plan_trim(literal))) {
        return false;
    }
    *value = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*value);
}

static bool add_integer(struct tr_plan_text *text, struct tr_span literal)
{
    double value;

    if (!parse_double(literal, &value)) {
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

/* A year of one or two digits, as the servers read it. */
static bool add_year(struct tr_plan_text *text, struct tr_span literal)
{
    double value;

    if (!parse_double(literal, &value)) {
        return false;
    }
    const int64_t year = (int64_t)floor(value + 0.5);
    tr_plan_text_add_number(text, year < 0 || year > 99 ? year : year + (year < 70 ? 2000 : 1900));
    return true;
}

static bool add_real(struct tr_plan_text *text, const struct tr_column *column,
                     struct tr_span literal)
{
    double value;
    uint8_t *at = tr_plan_text_reserve(text, TR_REAL_BYTES_MAX);

    if (at == NULL || !parse_double(literal, &value)) {
        return false;
    }
    const bool is_float = tr_plan_real_is_float(column);
    text->used +=
        (size_t)((is_float ? tr_real_put_float(at, (float)value) : tr_real_put_double(at, value)) -
                 at);
    return true;
}

static bool add_decimal(struct tr_plan_text *text, const struct tr_column *column,
                        struct tr_span literal)
{
    uint8_t *at = tr_plan_text_reserve(text, TR_PACKED_DECIMAL_TEXT_BYTES_MAX + 2);
    bool is_true;

    if (at == NULL) {
        return false;
    }
    if (is_boolean_word(literal, &is_true)) {
        literal = tr_span_of_text(is_true ? "1" : "0");
    }
    literal = tr_plan_trim(literal);
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

/* TRUE, or a whole number but 0. */
static bool add_boolean(struct tr_plan_text *text, struct tr_span literal)
{
    char digits[NUMBER_TEXT_BYTES_MAX + 1];
    char *end;
    bool is_true = false;

    if (!is_boolean_word(literal, &is_true) && copy_number(digits, literal)) {
        const long value = strtol(digits, &end, 10);
        is_true = end != digits && *end == '\0' && value != 0;
    }
    tr_plan_text_add(text, is_true ? "true" : "false");
    return true;
}

/* Digits of base 2, whatever they were written as. */
static bool add_bits(struct tr_plan_text *text, const struct tr_column *column,
                     struct tr_span literal)
{
    uint64_t bits = 0;
    uint8_t little_endian[8];

    if (literal.bytes > 3 && literal.data[0] == 'b') { /* information_schema's b'101' */
        literal = tr_span_of(literal.data + 2, literal.bytes - 3);
    }
    if (tr_plan_bit_is_boolean(column)) {
        return add_boolean(text, literal);
    }
    for (size_t i = 0; i < literal.bytes; i++) {
        if (literal.data[i] != '0' && literal.data[i] != '1') {
            return false;
        }
        bits = bits << 1 | (uint64_t)(literal.data[i] - '0');
    }
    if (column->length > 64 || literal.bytes == 0 || literal.bytes > 64) {
        return false;
    }
    memcpy(little_endian, &bits, sizeof(bits));
    tr_plan_text_add_base64(text, little_endian, (column->length + 7) / 8);
    return true;
}

/* _utf8mb4'x' is x. */
static struct tr_span without_introducer(struct tr_span literal)
{
    size_t at = 1;

    if (literal.bytes < 4 || literal.data[0] != '_' || literal.data[literal.bytes - 1] != '\'') {
        return literal;
    }
    while (at < literal.bytes && literal.data[at] != '\'' && literal.data[at] != ' ') {
        at++;
    }
    while (at < literal.bytes && literal.data[at] == ' ') {
        at++;
    }
    return at > 1 && at + 1 < literal.bytes && literal.data[at] == '\''
               ? tr_span_of(literal.data + at + 1, literal.bytes - at - 2)
               : literal;
}

bool tr_plan_add_default(struct tr_plan_text *text, const struct tr_column *column,
                         const struct tr_encode_options *options)
{
    struct tr_span literal;

    if (!tr_column_read_default(column, &literal)) {
        return false;
    }
    if (column->default_is_expression && !column->has_read_default) {
        return is_clock(literal) && tr_plan_add_default_clock(text, column);
    }
    switch (column->type) {
    case TR_COLUMN_TINYINT:
        return tr_plan_tinyint_is_boolean(column) ? add_boolean(text, literal)
                                                  : add_integer(text, literal);
    case TR_COLUMN_SMALLINT:
    case TR_COLUMN_MEDIUMINT:
    case TR_COLUMN_INT:
    case TR_COLUMN_BIGINT:
        return add_integer(text, literal);
    case TR_COLUMN_YEAR:
        return add_year(text, literal);
    case TR_COLUMN_FLOAT:
    case TR_COLUMN_DOUBLE:
        return add_real(text, column, literal);
    case TR_COLUMN_DECIMAL:
        return add_decimal(text, column, literal);
    case TR_COLUMN_BIT:
        return add_bits(text, column, literal);
    case TR_COLUMN_TIME:
        return tr_plan_add_default_time(text, literal);
    case TR_COLUMN_DATE:
    case TR_COLUMN_DATETIME:
    case TR_COLUMN_TIMESTAMP:
        return tr_plan_add_default_date(text, column, literal, options->enable_time_adjuster);
    case TR_COLUMN_CHAR:
    case TR_COLUMN_VARCHAR:
    case TR_COLUMN_TEXT:
    case TR_COLUMN_ENUM:
    case TR_COLUMN_SET:
    case TR_COLUMN_INET4:
    case TR_COLUMN_INET6:
        tr_plan_text_add_quoted(text, without_introducer(literal));
        return true;
    case TR_COLUMN_BINARY:
    case TR_COLUMN_VARBINARY:
    case TR_COLUMN_BLOB:
        if (column->is_binary_text) {
            tr_plan_text_add_quoted(text, without_introducer(literal));
            return true;
        }
        tr_plan_text_add_base64(text, literal.data, literal.bytes);
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
