// SPDX-License-Identifier: Apache-2.0
/*
 * What a plan consists of; for the files that build and use it only (plan*.c, image.c, decode.c).
 *
 *   text:     every literal of the table, one behind the other; places in it are offsets
 *   columns:  per column what reads its bytes and writes its JSON: one `op`, since wire type and
 * Debezium type together decide both
 */
#ifndef TR_STAGES_DECODE_PLAN_LAYOUT_H
#define TR_STAGES_DECODE_PLAN_LAYOUT_H

#include <string.h>

#include "stages/decode/packed_decimal.h"
#include "stages/decode/plan.h"
#include "stages/decode/plan_text.h"

#define TR_PLAN_KEY_COLUMNS_MAX 64
#define TR_PERIOD_WIRE_BYTES 7 /* a hidden row_start or row_end: seconds and microseconds */
#define TR_PLAN_SOURCE_BYTES_MAX                                                                   \
    8192 /* the constant parts of `source`, file name and GTID included */
#define TR_PLAN_VALUE_BYTES_MAX                                                                    \
    48 /* longest text of a value of fixed length: a DECIMAL(65) in base64, quoted */

enum tr_column_op {
    TR_OP_I8 = 0,
    TR_OP_U8,
    TR_OP_I16,
    TR_OP_U16,
    TR_OP_I24,
    TR_OP_U24,
    TR_OP_I32,
    TR_OP_U32,
    TR_OP_I64, /* also unsigned: wraps to negative, as Debezium's mode `long` */
    TR_OP_FLOAT,
    TR_OP_FLOAT_WIDENED, /* FLOAT(M,D): printed as the double it is */
    TR_OP_DOUBLE,
    TR_OP_DECIMAL,
    TR_OP_BIT_BOOLEAN,
    TR_OP_BITS,
    TR_OP_YEAR,
    TR_OP_DATE,
    TR_OP_TIME,
    TR_OP_TIME_OLD,
    TR_OP_TIME_HIRES,
    TR_OP_DATETIME,
    TR_OP_DATETIME_OLD,
    TR_OP_DATETIME_HIRES,
    TR_OP_TIMESTAMP,
    TR_OP_TIMESTAMP_OLD,
    TR_OP_TIMESTAMP_HIRES,
    TR_OP_TEXT_UTF8, /* here and below: a length prefix of `prefix_bytes`, or options */
    TR_OP_TEXT_LATIN1,
    TR_OP_TEXT_ASCII,
    TR_OP_TEXT_BINARY,
    TR_OP_TEXT_CHARSET, /* the other character sets */
    TR_OP_BLOB,
    TR_OP_BLOB_PADDED,
    TR_OP_UUID,
    TR_OP_INET4,
    TR_OP_INET6,
    TR_OP_COMPRESSED, /* packed_op of what is inside */
    TR_OP_JSON,
    TR_OP_ENUM,
    TR_OP_SET,
    TR_OP_GEOMETRY,
    TR_OP_POINT,
    TR_OP_VECTOR,
};

struct tr_plan_literal {
    uint32_t at; /* into text */
    uint32_t bytes;
};

/* Small on purpose: a row reads all of them. */
struct tr_plan_column {
    uint8_t op;           /* enum tr_column_op */
    uint8_t prefix_bytes; /* length prefix, or bytes of an ENUM's or SET's number */
    union {
        uint8_t fsp;     /* temporals: declared fraction digits */
        uint8_t charset; /* enum tr_charset of TR_OP_TEXT_CHARSET */
    };
    uint8_t key_slot; /* 1-based place in the key; 0 = not in it */
    union {
        uint8_t is_micros; /* DATETIME: µs instead of ms */
        uint8_t packed_op; /* enum tr_column_op inside of TR_OP_COMPRESSED */
    };
    uint16_t wire_bytes; /* of the value; 0 = variable, behind a length prefix */
    uint16_t full_bytes; /* BINARY: length with the zeros that the log leaves out */
    uint16_t name_bytes;
    uint32_t name_at; /* `{"a":` of the first column, `,"b":` of the others */
    uint32_t null_at; /* what is printed for NULL and for zero dates */
    uint32_t null_bytes;
    uint32_t option_first; /* ENUM, SET: into options */
    uint32_t option_count;
    struct tr_packed_decimal decimal;
};

struct tr_plan_key_column {
    struct tr_plan_literal name; /* `"a":` or `,"b":` */
};

struct tr_plan {
    const struct tr_schema *schema;   /* borrowed: owns the plan */
    struct tr_encode_options options; /* spans borrowed from the configuration */
    struct tr_plan_text text;
    struct tr_plan_column *columns;         /* owns; image_column_count */
    struct tr_plan_literal *column_options; /* owns; all ENUM and SET members */
    struct tr_plan_literal *unavailable;    /* owns; column_count: what stands for a value that the
                                               images lack; empty = nothing may */
    struct tr_plan_key_column *key_columns; /* owns; key_count, in key order */
    uint32_t column_count;
    uint32_t image_column_count; /* of a row image: the hidden ones, which are not written, last */
    uint32_t key_count;

    struct tr_plan_literal
        open_create;             /* `{"before":null,"after":`, with the schema block before it */
    struct tr_plan_literal open; /* `{"before":` likewise */
    struct tr_plan_literal key_open; /* `{`, with schemas `{"schema":…,"payload":{` */
    struct tr_plan_literal
        source[3]; /* up to the first ts_ms; from behind the snapshot marker up to ts_us; from table
                      to server_id */

    uint32_t image_bytes_max; /* of an image, but for the columns of variable length */
    uint32_t fixed_bytes_max; /* of a record with two images, its key and all that is constant,
                                 likewise */
};

/* Builds columns and options. Errors as tr_plan_open. */
TR_NODISCARD enum tr_code tr_plan_build_columns(struct tr_plan *plan, struct tr_error *err);

/* Appends a column's field schema, `{"type":…,"field":"a"}` (contract §1.2, §2.2). */
void tr_plan_add_field(struct tr_plan_text *text, const struct tr_column *column,
                       const struct tr_encode_options *options);

/* Appends a member of ENUM or SET for a JSON string as Debezium has it: the statement's literal, but for
 * '' and \', with a backslash before a comma; a member that no statement tells gets it before backslashes, too
 * (contract §2.5). */
void tr_plan_add_option(struct tr_plan_text *text, const struct tr_column *column, uint32_t index);
/* A literal without the blanks and control characters around it, as Java's trim. */
struct tr_span tr_plan_trim(struct tr_span text);
/* The parts of tr_plan_add_default for times: the literal of a TIME; of DATE, DATETIME and TIMESTAMP; that
 * of a clock (CURRENT_TIMESTAMP). */
bool tr_plan_add_default_time(struct tr_plan_text *text, struct tr_span literal);
bool tr_plan_add_default_date(struct tr_plan_text *text, const struct tr_column *column,
                              struct tr_span literal, bool adjust);
bool tr_plan_add_default_clock(struct tr_plan_text *text, const struct tr_column *column);
/* Whether FLOAT or DOUBLE is a `float`: Debezium takes REAL for one. */
bool tr_plan_real_is_float(const struct tr_column *column);

/* Appends a column's default as JSON; false (nothing appended) when its schema has none (contract
 * §2.9). */
bool tr_plan_add_default(struct tr_plan_text *text, const struct tr_column *column,
                         const struct tr_encode_options *options);

/* What Debezium puts for null in a NOT NULL column without default (contract §2.8). */
const char *tr_plan_fallback(const struct tr_column *column);

/* FLOAT(M,D) and FLOAT(p > 24) are doubles to Debezium (contract §2.2). */
bool tr_plan_float_is_double(const struct tr_column *column);

/* BOOL and BOOLEAN, where the log has the statement that says so (in SHOW CREATE TABLE it is
 * TINYINT(1), a number to Debezium). */
static inline bool tr_plan_tinyint_is_boolean(const struct tr_column *column)
{
    const struct tr_span type = column->declared_type;

    return (type.bytes == 4 && memcmp(type.data, "BOOL", 4) == 0) ||
           (type.bytes == 7 && memcmp(type.data, "BOOLEAN", 7) == 0);
}

/* BIT(1), and BIT without a length. */
static inline bool tr_plan_bit_is_boolean(const struct tr_column *column)
{
    return column->length <= 1;
}

#endif
