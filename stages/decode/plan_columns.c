// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cover.h"
#include "stages/decode/plan_layout.h"
#include "stages/decode/temporal.h"
#include "stages/schema/table_map.h"

#define UNAVAILABLE_BYTES_MAX 1024 /* of unavailable.value.placeholder, from hex digits */

/* One column under construction. */
struct build {
    struct tr_plan_column *to;
    const struct tr_column *column;
    const struct tr_wire_column *wire;
    enum tr_flavor flavor;
};

static bool is_sized(const struct build *build)
{
    return build->wire->pack_bytes >= 1 && build->wire->pack_bytes <= 4;
}

static bool set_op(const struct build *build, enum tr_column_op op, uint32_t wire_bytes)
{
    build->to->op = (uint8_t)op;
    build->to->wire_bytes = (uint16_t)wire_bytes;
    return true;
}

/* A value behind a length prefix. */
static bool set_sized(const struct build *build, enum tr_column_op op)
{
    build->to->prefix_bytes = build->wire->pack_bytes;
    return is_sized(build) && set_op(build, op, 0);
}

static bool set_integer(const struct build *build)
{
    static const struct {
        uint8_t wire;
        uint8_t bytes;
        uint8_t op_signed;
        uint8_t op_unsigned;
    } forms[] = {
        [TR_COLUMN_TINYINT] = {TR_WIRE_TINY, 1, TR_OP_I8, TR_OP_U8},
        [TR_COLUMN_SMALLINT] = {TR_WIRE_SHORT, 2, TR_OP_I16, TR_OP_U16},
        [TR_COLUMN_MEDIUMINT] = {TR_WIRE_INT24, 3, TR_OP_I24, TR_OP_U24},
        [TR_COLUMN_INT] = {TR_WIRE_LONG, 4, TR_OP_I32, TR_OP_U32},
        [TR_COLUMN_BIGINT] = {TR_WIRE_LONGLONG, 8, TR_OP_I64, TR_OP_I64},
    };
    const enum tr_column_type type = build->column->type;

    if (type == TR_COLUMN_TINYINT && tr_plan_tinyint_is_boolean(build->column)) {
        return build->wire->type == TR_WIRE_TINY && set_op(build, TR_OP_BIT_BOOLEAN, 1);
    }
    return build->wire->type == forms[type].wire &&
           set_op(build,
                  build->column->is_unsigned ? forms[type].op_unsigned : forms[type].op_signed,
                  forms[type].bytes);
}

static bool set_decimal(const struct build *build)
{
    const uint32_t precision = build->wire->meta & 255u;
    const uint32_t scale = build->wire->meta >> 8;

    return build->wire->type == TR_WIRE_NEWDECIMAL && precision == build->column->precision &&
           scale == build->column->scale && precision <= TR_PACKED_DECIMAL_COLUMN_DIGITS_MAX &&
           tr_packed_decimal_init(&build->to->decimal, precision, scale) &&
           set_op(build, TR_OP_DECIMAL, build->to->decimal.bytes);
}

static bool set_bits(const struct build *build)
{
    const uint32_t bits = (build->wire->meta & 255u) + (build->wire->meta >> 8) * 8u;
    const bool is_boolean = tr_plan_bit_is_boolean(build->column);

    if (build->wire->type != TR_WIRE_BIT || bits == 0 || bits > 64 ||
        (is_boolean ? 1 : build->column->length) != bits) {
        return false;
    }
    return set_op(build, is_boolean ? TR_OP_BIT_BOOLEAN : TR_OP_BITS, (bits + 7) / 8);
}

/* TIME, DATETIME, TIMESTAMP: since 5.6, before it, and before it with MariaDB's fractions. */
static bool set_clock(const struct build *build)
{
    static const struct {
        uint8_t wire;
        uint8_t old_wire;
        uint8_t op; /* then _OLD, then _HIRES */
        uint8_t bytes;
        uint8_t old_bytes;
        uint32_t (*hires_bytes)(uint32_t fsp);
    } forms[] = {
        [TR_COLUMN_TIME] = {TR_WIRE_TIME2, TR_WIRE_TIME, TR_OP_TIME, 3, 3,
                            tr_temporal_hires_time_bytes},
        [TR_COLUMN_DATETIME] = {TR_WIRE_DATETIME2, TR_WIRE_DATETIME, TR_OP_DATETIME, 5, 8,
                                tr_temporal_hires_datetime_bytes},
        [TR_COLUMN_TIMESTAMP] = {TR_WIRE_TIMESTAMP2, TR_WIRE_TIMESTAMP, TR_OP_TIMESTAMP, 4, 4,
                                 tr_temporal_hires_timestamp_bytes},
    };
    const enum tr_column_type type = build->column->type;
    const uint32_t fsp = build->column->scale;

    _Static_assert(TR_OP_TIME_OLD == TR_OP_TIME + 1 && TR_OP_TIME_HIRES == TR_OP_TIME + 2,
                   "order of the ops");
    _Static_assert(TR_OP_DATETIME_OLD == TR_OP_DATETIME + 1 &&
                       TR_OP_DATETIME_HIRES == TR_OP_DATETIME + 2,
                   "order");
    _Static_assert(TR_OP_TIMESTAMP_OLD == TR_OP_TIMESTAMP + 1 &&
                       TR_OP_TIMESTAMP_HIRES == TR_OP_TIMESTAMP + 2,
                   "order");
    if (fsp > 6) {
        return false;
    }
    build->to->fsp = (uint8_t)fsp;
    build->to->is_micros = fsp > 3;
    if (build->wire->type == forms[type].wire) {
        build->to->prefix_bytes = (uint8_t)((fsp + 1) / 2); /* fraction bytes */
        return (build->wire->meta & 255u) == fsp &&
               set_op(build, forms[type].op, forms[type].bytes + (fsp + 1) / 2);
    }
    if (build->wire->type != forms[type].old_wire) {
        return false;
    }
    TR_COVER("decode.old_temporal");
    return fsp == 0 ? set_op(build, forms[type].op + 1u, forms[type].old_bytes)
                    : set_op(build, forms[type].op + 2u, forms[type].hires_bytes(fsp));
}

static bool is_compressed(const struct build *build)
{
    return build->wire->type == TR_WIRE_BLOB_COMPRESSED ||
           build->wire->type == TR_WIRE_VARCHAR_COMPRESSED;
}

/* The wire type of what is inside a COMPRESSED column. */
static uint8_t plain_wire(const struct build *build)
{
    return build->wire->type == TR_WIRE_BLOB_COMPRESSED      ? TR_WIRE_BLOB
           : build->wire->type == TR_WIRE_VARCHAR_COMPRESSED ? TR_WIRE_VARCHAR
                                                             : build->wire->type;
}

static bool set_text(const struct build *build)
{
    static const uint8_t ops[] = {
        [TR_CHARSET_NONE] = TR_OP_TEXT_UTF8,     [TR_CHARSET_UTF8] = TR_OP_TEXT_UTF8,
        [TR_CHARSET_LATIN1] = TR_OP_TEXT_LATIN1, [TR_CHARSET_ASCII] = TR_OP_TEXT_ASCII,
        [TR_CHARSET_BINARY] = TR_OP_TEXT_BINARY,
    };
    const uint8_t wire = plain_wire(build);
    const enum tr_column_type type = build->column->type;
    const enum tr_charset charset = build->column->charset;
    const bool fits = type == TR_COLUMN_CHAR ? wire == TR_WIRE_STRING
                      : type == TR_COLUMN_VARCHAR
                          ? wire == TR_WIRE_VARCHAR || wire == TR_WIRE_VAR_STRING
                          : wire == TR_WIRE_BLOB;

    build->to->charset = (uint8_t)charset;
    return fits && set_sized(build, charset < sizeof(ops) ? ops[charset] : TR_OP_TEXT_CHARSET);
}

static bool set_binary(const struct build *build)
{
    const uint8_t wire = plain_wire(build);

    if (build->column->is_binary_text) { /* a string of ISO-8859-1 (contract §2.4) */
        const bool fits = build->column->type == TR_COLUMN_BINARY ? wire == TR_WIRE_STRING
                          : build->column->type == TR_COLUMN_VARBINARY
                              ? wire == TR_WIRE_VARCHAR || wire == TR_WIRE_VAR_STRING
                              : wire == TR_WIRE_BLOB;
        return fits && set_sized(build, TR_OP_TEXT_BINARY);
    }
    if (build->column->type == TR_COLUMN_BINARY) {
        /* MySQL's BINARY(0) becomes ten zero bytes (seen on Debezium 3.6.0.Final with 9.7.4). */
        const uint16_t zero = build->flavor == TR_FLAVOR_MYSQL ? 10 : 0;
        build->to->full_bytes = build->wire->meta == 0 ? zero : build->wire->meta;
        return wire == TR_WIRE_STRING && set_sized(build, TR_OP_BLOB_PADDED);
    }
    if (build->column->type == TR_COLUMN_VARBINARY) {
        return (wire == TR_WIRE_VARCHAR || wire == TR_WIRE_VAR_STRING) &&
               set_sized(build, TR_OP_BLOB);
    }
    return wire == TR_WIRE_BLOB && set_sized(build, TR_OP_BLOB);
}

static bool set_options(const struct build *build, bool is_lenient)
{
    const uint8_t bytes = build->wire->pack_bytes;
    const bool is_enum = build->column->type == TR_COLUMN_ENUM;

    build->to->prefix_bytes = bytes;
    if (build->column->option_count == 0 &&
        is_lenient) { /* `tailrace decode`: the number is all that is known */
        static const uint8_t ops[9] = {0, TR_OP_U8, TR_OP_U16, TR_OP_U24, TR_OP_U32,
                                       0, 0,        0,         TR_OP_I64};
        const uint8_t width = bytes <= 8 ? bytes : 0;
        return width != 0 && (ops[width] != 0 || width == 1) && set_op(build, ops[width], width);
    }
    if (is_enum) {
        return build->wire->type == TR_WIRE_ENUM && (bytes == 1 || bytes == 2) &&
               set_op(build, TR_OP_ENUM, bytes);
    }
    return build->wire->type == TR_WIRE_SET && bytes >= 1 && bytes <= 8 &&
           build->column->option_count <= 64 && set_op(build, TR_OP_SET, bytes);
}

/* Picks reader and writer; false when the log's column cannot be the schema's. */
static bool set_column(const struct build *build, bool is_lenient)
{
    const uint8_t wire = build->wire->type;

    switch (build->column->type) {
    case TR_COLUMN_TINYINT:
    case TR_COLUMN_SMALLINT:
    case TR_COLUMN_MEDIUMINT:
    case TR_COLUMN_INT:
    case TR_COLUMN_BIGINT:
        return set_integer(build);
    case TR_COLUMN_FLOAT:
        return wire == TR_WIRE_FLOAT &&
               set_op(build,
                      tr_plan_float_is_double(build->column) ? TR_OP_FLOAT_WIDENED : TR_OP_FLOAT,
                      4);
    case TR_COLUMN_DOUBLE:
        return wire == TR_WIRE_DOUBLE && set_op(build, TR_OP_DOUBLE, 8);
    case TR_COLUMN_DECIMAL:
        return set_decimal(build);
    case TR_COLUMN_BIT:
        return set_bits(build);
    case TR_COLUMN_YEAR:
        return wire == TR_WIRE_YEAR && set_op(build, TR_OP_YEAR, 1);
    case TR_COLUMN_DATE:
        return wire == TR_WIRE_DATE && set_op(build, TR_OP_DATE, 3);
    case TR_COLUMN_TIME:
    case TR_COLUMN_DATETIME:
    case TR_COLUMN_TIMESTAMP:
        return set_clock(build);
    case TR_COLUMN_CHAR:
    case TR_COLUMN_VARCHAR:
    case TR_COLUMN_TEXT:
        return set_text(build);
    case TR_COLUMN_BINARY:
    case TR_COLUMN_VARBINARY:
    case TR_COLUMN_BLOB:
        return set_binary(build);
    case TR_COLUMN_ENUM:
    case TR_COLUMN_SET:
        return set_options(build, is_lenient);
    case TR_COLUMN_JSON:
        return wire == TR_WIRE_JSON && set_sized(build, TR_OP_JSON);
    case TR_COLUMN_GEOMETRY:
        return wire == TR_WIRE_GEOMETRY &&
               set_sized(build, build->column->geometry == 1 ? TR_OP_POINT : TR_OP_GEOMETRY);
    case TR_COLUMN_VECTOR:
        return (wire == TR_WIRE_VECTOR || wire == TR_WIRE_VARCHAR) &&
               set_sized(build, TR_OP_VECTOR);
    case TR_COLUMN_UUID:
        return wire == TR_WIRE_STRING && build->wire->meta == 16 && set_sized(build, TR_OP_UUID);
    case TR_COLUMN_INET4:
        return wire == TR_WIRE_STRING && build->wire->meta == 4 && set_sized(build, TR_OP_INET4);
    case TR_COLUMN_INET6:
        return wire == TR_WIRE_STRING && build->wire->meta == 16 && set_sized(build, TR_OP_INET6);
    case TR_COLUMN_UNKNOWN:
    case TR_COLUMN_TYPE_COUNT:
        break;
    }
    return false;
}

static bool is_text(const struct tr_column *column)
{
    return column->type == TR_COLUMN_CHAR || column->type == TR_COLUMN_VARCHAR ||
           column->type == TR_COLUMN_TEXT;
}

/* Types and character sets that are not known, by name. */
static enum tr_code check_supported(const struct tr_plan *plan, const struct build *build,
                                    struct tr_error *err)
{
    const struct tr_table *table = plan->schema->table;
    const struct tr_column *column = build->column;
    const bool has_type_text = column->type_text.bytes != 0;

    if (is_text(column) && column->charset == TR_CHARSET_OTHER) {
        return TR_FAIL(
            err, TR_ERR_UNSUPPORTED, TR_STOP,
            "table %.*s.%.*s, column %.*s: character set \"%.*s\" is not known: exclude the "
            "table (debezium.source.table.exclude.list)",
            (int)table->database.bytes, (const char *)table->database.data, (int)table->name.bytes,
            (const char *)table->name.data, (int)column->name.bytes,
            (const char *)column->name.data, (int)column->charset_name.bytes,
            (const char *)column->charset_name.data);
    }
    if (column->type != TR_COLUMN_UNKNOWN) {
        return TR_OK;
    }
    return TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                   "table %.*s.%.*s, column %.*s: its type%s%.*s (%u in the log) is not known: "
                   "exclude the table (debezium.source.table.exclude.list)",
                   (int)table->database.bytes, (const char *)table->database.data,
                   (int)table->name.bytes, (const char *)table->name.data, (int)column->name.bytes,
                   (const char *)column->name.data, has_type_text ? " " : "",
                   (int)column->type_text.bytes, (const char *)column->type_text.data,
                   build->wire->type);
}

static enum tr_code fail_mismatch(const struct tr_plan *plan, const struct build *build,
                                  struct tr_error *err)
{
    const struct tr_table *table = plan->schema->table;

    return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                   "table %.*s.%.*s, column %.*s: the log has type %u with metadata 0x%04x and %u "
                   "length bytes, the "
                   "schema %s: the schema is not the one of these rows; restart from a position "
                   "after the last change "
                   "of the table, or exclude it",
                   (int)table->database.bytes, (const char *)table->database.data,
                   (int)table->name.bytes, (const char *)table->name.data,
                   (int)build->column->name.bytes, (const char *)build->column->name.data,
                   build->wire->type, build->wire->meta, build->wire->pack_bytes,
                   tr_column_type_name(build->column->type));
}

/* Members as they are printed: ENUM with quotes, SET without, both with Debezium's escapes
 * (contract §2.5). */
static void add_options(struct tr_plan *plan, const struct build *build, uint32_t *next)
{
    struct tr_plan_text *text = &plan->text;
    const struct tr_column *column = build->column;
    const bool is_enum = column->type == TR_COLUMN_ENUM;

    build->to->option_first = *next;
    build->to->option_count = column->option_count;
    for (uint32_t i = 0; i < column->option_count; i++) {
        const size_t at = text->used;
        tr_plan_text_add(text, is_enum ? "\"" : "");
        tr_plan_add_option(text, column, i);
        tr_plan_text_add(text, is_enum ? "\"" : "");
        plan->column_options[(*next)++] =
            (struct tr_plan_literal){(uint32_t)at, (uint32_t)(text->used - at)};
    }
}

static void add_literals(struct tr_plan *plan, const struct build *build, bool is_first)
{
    struct tr_plan_text *text = &plan->text;
    struct tr_plan_column *to = build->to;

    to->name_at = (uint32_t)text->used;
    tr_plan_text_add(text, is_first ? "{\"" : ",\"");
    tr_plan_text_add_json(text, build->column->name);
    tr_plan_text_add(text, "\":");
    to->name_bytes = (uint16_t)(text->used - to->name_at);
    to->null_at = (uint32_t)text->used;
    /* `tailrace decode` prints what the log holds. */
    if (plan->options.lenient || !tr_plan_add_default(text, build->column, &plan->options)) {
        tr_plan_text_add(
            text, tr_column_is_optional(build->column) ? "null" : tr_plan_fallback(build->column));
    }
    to->null_bytes = (uint32_t)(text->used - to->null_at);
}

static uint8_t hex_value(uint8_t c)
{
    return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* The placeholder's bytes: as it is, or from hex digits behind `hex:`. Appended and taken away. */
static struct tr_span unavailable_bytes(struct tr_plan *plan, uint8_t *room, size_t room_bytes)
{
    struct tr_span text = plan->options.unavailable_value;
    size_t bytes = 0;

    if (text.bytes == 0) {
        return tr_span_of_text(TR_UNAVAILABLE_VALUE);
    }
    if (text.bytes < 4 || memcmp(text.data, "hex:", 4) != 0) {
        return text;
    }
    for (size_t i = 4; i + 1 < text.bytes && bytes < room_bytes; i += 2) {
        room[bytes++] = (uint8_t)(hex_value(text.data[i]) << 4 | hex_value(text.data[i + 1]));
    }
    return tr_span_of(room, bytes);
}

/*
 * What stands for a column that the row images lack: the placeholder for TEXT, BLOB and JSON, which
 * NOBLOB leaves out (contract §2.11). Generated columns, which MariaDB 11.8 leaves out: likewise
 * where they hold text or bytes, else null where they may be null. Nothing else may be missing.
 */
static struct tr_plan_literal add_unavailable(struct tr_plan *plan, const struct build *build)
{
    const struct tr_column *column = build->column;
    struct tr_plan_text *text = &plan->text;
    uint8_t room[UNAVAILABLE_BYTES_MAX];
    const struct tr_span value = unavailable_bytes(plan, room, sizeof(room));
    const size_t at = text->used;
    const bool is_large = column->type == TR_COLUMN_TEXT || column->type == TR_COLUMN_BLOB ||
                          column->type == TR_COLUMN_JSON;

    if (plan->options.lenient) {
        tr_plan_text_add_quoted(text, value);
    } else if (is_large || column->is_generated) {
        if (is_text(column) || column->type == TR_COLUMN_JSON) {
            tr_plan_text_add_quoted(text, value);
        } else if (column->type == TR_COLUMN_BLOB || column->type == TR_COLUMN_BINARY ||
                   column->type == TR_COLUMN_VARBINARY) {
            tr_plan_text_add_base64(text, value.data, value.bytes);
        } else if (tr_column_is_optional(column)) {
            tr_plan_text_add(text, "null");
        }
    }
    return (struct tr_plan_literal){(uint32_t)at, (uint32_t)(text->used - at)};
}

enum tr_code tr_plan_build_columns(struct tr_plan *plan, struct tr_error *err)
{
    const struct tr_table *table = plan->schema->table;
    uint32_t option_count = 0;
    uint32_t next_option = 0;

    for (uint32_t i = 0; i < table->column_count; i++) {
        option_count += table->columns[i].option_count;
    }
    plan->column_count = table->column_count;
    plan->image_column_count = table->column_count + plan->schema->hidden_count;
    plan->columns = calloc(plan->image_column_count, sizeof(*plan->columns));
    plan->column_options = calloc((size_t)option_count + 1, sizeof(*plan->column_options));
    plan->unavailable = calloc(plan->column_count, sizeof(*plan->unavailable));
    if (plan->columns == NULL || plan->column_options == NULL || plan->unavailable == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "encoder plan: no memory for %" PRIu32 " columns: add memory",
                       plan->column_count);
    }
    for (uint32_t i = 0; i < plan->column_count; i++) {
        const struct build build = {&plan->columns[i], &table->columns[i], &plan->schema->wire[i],
                                    plan->options.flavor};
        if (check_supported(plan, &build, err) != TR_OK) {
            return err->code;
        }
        if (!set_column(&build, plan->options.lenient)) {
            return fail_mismatch(plan, &build, err);
        }
        if (is_compressed(&build)) {
            build.to->packed_op = build.to->op;
            build.to->op = TR_OP_COMPRESSED;
        }
        add_literals(plan, &build, i == 0);
        if (build.to->op == TR_OP_ENUM || build.to->op == TR_OP_SET) {
            add_options(plan, &build, &next_option);
        }
        plan->unavailable[i] = add_unavailable(plan, &build);
        uint32_t value_bytes = build.to->null_bytes > TR_PLAN_VALUE_BYTES_MAX
                                   ? build.to->null_bytes
                                   : TR_PLAN_VALUE_BYTES_MAX;
        value_bytes =
            plan->unavailable[i].bytes > value_bytes ? plan->unavailable[i].bytes : value_bytes;
        plan->image_bytes_max += build.to->name_bytes + value_bytes;
    }
    for (uint32_t i = plan->column_count; i < plan->image_column_count; i++) {
        plan->columns[i].op = TR_OP_TIMESTAMP;
        plan->columns[i].wire_bytes = TR_PERIOD_WIRE_BYTES;
    }
    return TR_OK;
}
