// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/image.h"

#include <string.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "stages/decode/address.h"
#include "stages/decode/blob.h"
#include "stages/decode/digits.h"
#include "stages/decode/image_column.h"
#include "stages/decode/image_value.h"
#include "stages/decode/partial.h"
#include "stages/decode/real.h"
#include "stages/decode/temporal.h"
#include "stages/decode/text.h"

/* One copy of the writers lies in tr_image_put's loop (measured: 4 % of a row), one outside of it.
 */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Past the last character that a column may write without looking: what the text writers and a
 * name's block take. */
_Static_assert(TR_PLAN_TEXT_SLACK_BYTES >= TR_IMAGE_NAME_BLOCK_BYTES, "names are copied in blocks");
_Static_assert(TR_PLAN_VALUE_BYTES_MAX >= 2 + TR_TEMPORAL_BYTES_MAX, "a timestamp has room");
_Static_assert(TR_PLAN_VALUE_BYTES_MAX >= 2 + TR_ADDRESS_BYTES_MAX, "an address has room");
_Static_assert(TR_PLAN_VALUE_BYTES_MAX >= TR_REAL_BYTES_MAX, "a double has room");

static const char ends_early[] = "the row ends inside it";

static inline int32_t load_i24(const uint8_t *in)
{
    return (int32_t)(tr_load_u24(in) << 8) >> 8;
}

/* A date or date and time as a number, or what stands for a zero one. */
static uint8_t *put_civil(const struct tr_image_value *value, uint8_t *out,
                          const struct tr_civil *civil, enum tr_temporal_kind kind)
{
    if (TR_UNLIKELY(kind == TR_TEMPORAL_ZERO)) {
        return tr_image_value_null(value, out);
    }
    if (TR_UNLIKELY(kind == TR_TEMPORAL_INVALID)) {
        TR_COVER("decode.invalid_date");
        return tr_image_value_fail(
            value->run, "it holds a date or time that does not exist (set it to a valid one)");
    }
    if (value->column->op == TR_OP_DATE) {
        return tr_digits_put_i64(out, tr_temporal_days(civil->year, civil->month, civil->day));
    }
    const int64_t micros = tr_temporal_micros(civil);
    return tr_digits_put_i64(out, value->column->is_micros != 0 ? micros : micros / 1000);
}

static inline enum tr_temporal_kind check_civil(const struct tr_image_value *value,
                                                struct tr_civil *civil)
{
    return tr_temporal_check(civil, value->run->plan->options.enable_time_adjuster);
}

static inline uint8_t *put_date(const struct tr_image_value *value, uint8_t *out, const uint8_t *in)
{
    struct tr_civil civil;

    tr_temporal_read_date(&civil, in);
    return put_civil(value, out, &civil, check_civil(value, &civil));
}

static uint8_t *put_datetime(const struct tr_image_value *value, uint8_t *out, const uint8_t *in)
{
    struct tr_civil civil;

    if (value->column->op == TR_OP_DATETIME) {
        tr_temporal_read_datetime2(&civil, in, value->column->prefix_bytes);
    } else if (value->column->op == TR_OP_DATETIME_OLD) {
        tr_temporal_read_datetime_old(&civil, in);
    } else {
        tr_temporal_read_datetime_hires(&civil, in, value->column->fsp);
    }
    return put_civil(value, out, &civil, check_civil(value, &civil));
}

static uint8_t *put_timestamp(const struct tr_image_value *value, uint8_t *out, const uint8_t *in)
{
    const struct tr_plan_column *column = value->column;
    uint32_t seconds;
    uint32_t micros = 0;

    if (column->op == TR_OP_TIMESTAMP_OLD) {
        seconds = tr_load_u32(in);
    } else {
        seconds = (uint32_t)tr_load_uint_be(in, 4);
        const uint64_t fraction = tr_load_uint_be(in + 4, column->wire_bytes - 4u);
        micros = column->op == TR_OP_TIMESTAMP
                     ? tr_temporal_fraction_micros((uint32_t)fraction, column->prefix_bytes)
                     : tr_temporal_scale_micros(fraction, column->fsp);
    }
    if (TR_UNLIKELY(seconds == 0 && micros == 0)) {
        return tr_image_value_null(value, out);
    }
    return tr_temporal_put_zoned(out, seconds, micros, column->fsp);
}

/* Most significant byte first in the log, least significant first in the record. */
static uint8_t *put_bits(const struct tr_image_value *value, uint8_t *out, const uint8_t *in)
{
    return tr_blob_put_bits(out, tr_load_uint_be(in, value->column->wire_bytes),
                            value->column->wire_bytes);
}

static uint8_t *put_decimal(const struct tr_image_value *value, uint8_t *out, const uint8_t *in)
{
    *out++ = '"';
    out = tr_packed_decimal_put_base64(out, &value->column->decimal, in);
    if (TR_UNLIKELY(out == NULL)) {
        return tr_image_value_fail(value->run, "its bytes are no decimal");
    }
    *out++ = '"';
    return out;
}

static inline uint8_t *put_float(const struct tr_image_value *value, uint8_t *out,
                                 const uint8_t *in)
{
    float real;

    memcpy(&real, in, sizeof(real));
    return value->column->op == TR_OP_FLOAT ? tr_real_put_float(out, real)
                                            : tr_real_put_double(out, (double)real);
}

static inline uint8_t *put_double(uint8_t *out, const uint8_t *in)
{
    double real;

    memcpy(&real, in, sizeof(real));
    return tr_real_put_double(out, real);
}

static uint8_t *put_compressed(const struct tr_image_value *value, uint8_t *out,
                               struct tr_span raw);

/* A value behind its length: text, blobs and what is stored as one. */
static ALWAYS_INLINE uint8_t *put_sized(const struct tr_image_value *value, uint8_t *out,
                                        struct tr_span raw)
{
    const uint8_t *limit = value->run->limit;

    switch ((enum tr_column_op)value->column->op) {
    case TR_OP_TEXT_UTF8:
        *out++ = '"';
        out = tr_text_put_utf8(out, limit, raw);
        break;
    case TR_OP_TEXT_LATIN1:
        *out++ = '"';
        out = tr_text_put_latin1(out, limit, raw);
        break;
    case TR_OP_TEXT_ASCII:
        *out++ = '"';
        out = tr_text_put_ascii(out, limit, raw);
        break;
    case TR_OP_TEXT_BINARY:
        *out++ = '"';
        out = tr_text_put_binary(out, limit, raw);
        break;
    case TR_OP_TEXT_CHARSET:
        *out++ = '"';
        out = tr_text_put_charset(out, limit, raw, (enum tr_charset)value->column->charset, false);
        break;
    case TR_OP_BLOB:
    case TR_OP_BLOB_PADDED:
        return tr_image_value_blob(value, out, raw);
    case TR_OP_UUID:
    case TR_OP_INET4:
    case TR_OP_INET6:
        return tr_image_value_address(value, out, raw);
    case TR_OP_COMPRESSED:
        return put_compressed(value, out, raw);
    case TR_OP_JSON:
        return tr_image_value_json(value, out, raw);
    case TR_OP_GEOMETRY:
    case TR_OP_POINT:
        return tr_image_value_geometry(value, out, raw);
    default: /* TR_OP_VECTOR: the other ops have a fixed length */
        return tr_image_value_vector(value, out, raw);
    }
    if (TR_LIKELY(out != NULL)) {
        *out++ = '"';
    }
    return out;
}

static uint8_t *put_compressed(const struct tr_image_value *value, uint8_t *out, struct tr_span raw)
{
    struct tr_plan_column column = *value->column;
    struct tr_span plain;

    TR_COVER("decode.compressed_column");
    const char *reason = tr_unpack_value(value->run->unpack, raw, &plain);
    if (TR_UNLIKELY(reason != NULL)) {
        return tr_image_value_fail(value->run, reason);
    }
    column.op = column.packed_op; /* never COMPRESSED: this ends here */
    return tr_image_put_sized(value->run, &column, out, plain);
}

/* A value of fixed length; its bytes are there. */
static ALWAYS_INLINE uint8_t *put_fixed(const struct tr_image_value *value, uint8_t *out,
                                        const uint8_t *in)
{
    switch ((enum tr_column_op)value->column->op) {
    case TR_OP_I8:
        return tr_digits_put_i32(out, (int8_t)in[0]);
    case TR_OP_U8:
        return tr_digits_put_u32(out, in[0]);
    case TR_OP_I16:
        return tr_digits_put_i32(out, (int16_t)tr_load_u16(in));
    case TR_OP_U16:
        return tr_digits_put_u32(out, tr_load_u16(in));
    case TR_OP_I24:
        return tr_digits_put_i32(out, load_i24(in));
    case TR_OP_U24:
        return tr_digits_put_u32(out, tr_load_u24(in));
    case TR_OP_I32:
        return tr_digits_put_i32(out, (int32_t)tr_load_u32(in));
    case TR_OP_U32:
        return tr_digits_put_u32(out, tr_load_u32(in));
    case TR_OP_I64:
        return tr_digits_put_i64(out, (int64_t)tr_load_u64(in));
    case TR_OP_FLOAT:
    case TR_OP_FLOAT_WIDENED:
        return put_float(value, out, in);
    case TR_OP_DOUBLE:
        return put_double(out, in);
    case TR_OP_DECIMAL:
        return put_decimal(value, out, in);
    case TR_OP_BIT_BOOLEAN:
        memcpy(out, in[0] != 0 ? "true\0" : "false", 5);
        return out + (in[0] != 0 ? 4 : 5);
    case TR_OP_BITS:
        return put_bits(value, out, in);
    case TR_OP_YEAR:
        return tr_digits_put_u32(out, 1900u + in[0]);
    case TR_OP_DATE:
        return put_date(value, out, in);
    case TR_OP_TIME:
        return tr_digits_put_i64(out, tr_temporal_read_time2(in, value->column->prefix_bytes));
    case TR_OP_TIME_OLD:
        return tr_digits_put_i64(out, tr_temporal_read_time_old(in));
    case TR_OP_TIME_HIRES:
        return tr_digits_put_i64(out, tr_temporal_read_time_hires(in, value->column->fsp));
    case TR_OP_DATETIME:
    case TR_OP_DATETIME_OLD:
    case TR_OP_DATETIME_HIRES:
        return put_datetime(value, out, in);
    case TR_OP_TIMESTAMP:
    case TR_OP_TIMESTAMP_OLD:
    case TR_OP_TIMESTAMP_HIRES:
        return put_timestamp(value, out, in);
    case TR_OP_ENUM:
        return tr_image_value_enum(value, out, in);
    default: /* TR_OP_SET: the other ops have a length prefix */
        return tr_image_value_set(value, out, in);
    }
}

/* Takes the length prefix and the bytes behind it. */
static inline bool take_sized(struct tr_image_run *run, uint32_t prefix_bytes, struct tr_span *raw)
{
    const size_t left = (size_t)(run->in_end - run->in);

    if (TR_UNLIKELY(left < prefix_bytes)) {
        return false;
    }
    /* Up to three bytes behind the prefix: they are the event's, or its buffer's slack. */
    const uint32_t bytes =
        tr_load_u32(run->in) & (uint32_t)(UINT64_C(0xFFFFFFFF) >> (32 - 8 * prefix_bytes));
    if (TR_UNLIKELY(left - prefix_bytes < bytes)) {
        return false;
    }
    *raw = tr_span_of(run->in + prefix_bytes, bytes);
    run->in += prefix_bytes + (size_t)bytes;
    return true;
}

static enum tr_write_outcome fail_image(struct tr_image_run *run, uint32_t column)
{
    if (run->bad_reason == NULL) {
        return TR_WRITE_NO_ROOM;
    }
    run->bad_column = column;
    return TR_WRITE_BAD;
}

/* Moves past what is in the image behind the table's columns. */
static bool skip_hidden(struct tr_image_run *run, const uint8_t *nulls)
{
    const struct tr_plan *plan = run->plan;

    for (uint32_t i = plan->column_count; i < plan->image_column_count; i++) {
        if ((nulls[i >> 3] >> (i & 7) & 1) == 0 && !tr_image_skip_column(run, &plan->columns[i])) {
            return false;
        }
    }
    return true;
}

enum tr_write_outcome tr_image_put(struct tr_image_run *run, enum tr_image_place place,
                                   uint8_t **out, struct tr_image_key *key)
{
    const struct tr_plan *plan = run->plan;
    const uint8_t *text = plan->text.bytes;
    const uint8_t *nulls = run->in;
    const uint32_t null_bytes = (plan->image_column_count + 7) / 8;
    uint8_t *at = *out;
    struct tr_span raw;

    if (TR_UNLIKELY(run->partial != NULL)) {
        return tr_partial_put(run, place, out, key);
    }
    run->bad_reason = NULL;
    if ((size_t)(run->in_end - run->in) < null_bytes) {
        (void)tr_image_value_fail(run, "the row ends inside its null bitmap");
        return fail_image(run, plan->column_count);
    }
    run->in += null_bytes;
    for (uint32_t i = 0; i < plan->column_count; i++) {
        const struct tr_plan_column *column = &plan->columns[i];
        const struct tr_image_value value = {run, column};
        at = tr_image_value_block(at, text + column->name_at, column->name_bytes);
        const uint8_t *from = at;
        if ((nulls[i >> 3] >> (i & 7) & 1) != 0) {
            at = tr_image_value_null(&value, at);
        } else if (column->wire_bytes != 0) {
            if (TR_UNLIKELY((size_t)(run->in_end - run->in) < column->wire_bytes)) {
                at = tr_image_value_fail(run, ends_early);
            } else {
                at = put_fixed(&value, at, run->in);
                run->in += column->wire_bytes;
            }
        } else {
            at = TR_LIKELY(take_sized(run, column->prefix_bytes, &raw))
                     ? put_sized(&value, at, raw)
                     : tr_image_value_fail(run, ends_early);
        }
        if (TR_UNLIKELY(at == NULL)) {
            return fail_image(run, i);
        }
        if (column->key_slot != 0) {
            key->at[column->key_slot - 1] = from;
            key->bytes[column->key_slot - 1] = (uint32_t)(at - from);
        }
    }
    if (TR_UNLIKELY(plan->image_column_count != plan->column_count) && !skip_hidden(run, nulls)) {
        (void)tr_image_value_fail(run, ends_early);
        return fail_image(run, plan->column_count);
    }
    *at++ = '}';
    *out = at;
    return TR_WRITE_OK;
}

uint8_t *tr_image_put_column(struct tr_image_run *run, const struct tr_plan_column *column,
                             uint8_t *out)
{
    const struct tr_image_value value = {run, column};
    const uint8_t *in = run->in;
    struct tr_span raw;

    if (column->wire_bytes == 0) {
        return take_sized(run, column->prefix_bytes, &raw)
                   ? tr_image_put_sized(run, column, out, raw)
                   : tr_image_value_fail(run, ends_early);
    }
    if ((size_t)(run->in_end - in) < column->wire_bytes) {
        return tr_image_value_fail(run, ends_early);
    }
    run->in += column->wire_bytes;
    return put_fixed(&value, out, in);
}

bool tr_image_skip_column(struct tr_image_run *run, const struct tr_plan_column *column)
{
    struct tr_span raw;

    if (column->wire_bytes == 0) {
        return take_sized(run, column->prefix_bytes, &raw);
    }
    if ((size_t)(run->in_end - run->in) < column->wire_bytes) {
        return false;
    }
    run->in += column->wire_bytes;
    return true;
}

bool tr_image_take_sized(struct tr_image_run *run, const struct tr_plan_column *column,
                         struct tr_span *raw)
{
    return take_sized(run, column->prefix_bytes, raw);
}

uint8_t *tr_image_put_sized(struct tr_image_run *run, const struct tr_plan_column *column,
                            uint8_t *out, struct tr_span raw)
{
    const struct tr_image_value value = {run, column};

    return put_sized(&value, out, raw);
}

uint8_t *tr_image_put_civil(struct tr_image_run *run, const struct tr_plan_column *column,
                            uint8_t *out, const struct tr_civil *civil, enum tr_temporal_kind kind)
{
    const struct tr_image_value value = {run, column};

    return put_civil(&value, out, civil, kind);
}

enum tr_write_outcome tr_image_skip(struct tr_image_run *run, enum tr_image_place place)
{
    const struct tr_plan *plan = run->plan;
    const uint8_t *nulls = run->in;
    const uint32_t null_bytes = (plan->image_column_count + 7) / 8;

    if (run->partial != NULL) {
        return tr_partial_skip(run, place);
    }
    run->bad_reason = ends_early;
    if ((size_t)(run->in_end - run->in) < null_bytes) {
        return fail_image(run, plan->column_count);
    }
    run->in += null_bytes;
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if ((nulls[i >> 3] >> (i & 7) & 1) == 0 && !tr_image_skip_column(run, &plan->columns[i])) {
            return fail_image(run, i);
        }
    }
    return skip_hidden(run, nulls) ? TR_WRITE_OK : fail_image(run, plan->column_count);
}
