// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/json_binary.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "engine/cover.h"
#include "engine/error.h"
#include "stages/decode/blob.h"
#include "stages/decode/digits.h"
#include "stages/decode/packed_decimal.h"
#include "stages/decode/real.h"
#include "stages/decode/temporal.h"
#include "stages/decode/text.h"

_Static_assert(TR_JSON_BINARY_SLACK_BYTES >= TR_REAL_PLAIN_BYTES_MAX + 64,
               "a double in plain notation and what stands around it fit the slack");

/* Source: mysql-binlog.md §4.5. */
enum json_type {
    JSON_SMALL_OBJECT = 0,
    JSON_LARGE_OBJECT = 1,
    JSON_SMALL_ARRAY = 2,
    JSON_LARGE_ARRAY = 3,
    JSON_LITERAL = 4,
    JSON_INT16 = 5,
    JSON_UINT16 = 6,
    JSON_INT32 = 7,
    JSON_UINT32 = 8,
    JSON_INT64 = 9,
    JSON_UINT64 = 10,
    JSON_DOUBLE = 11,
    JSON_STRING = 12,
    JSON_OPAQUE = 15,
};

/* Field types inside an opaque value. */
#define FIELD_TIMESTAMP 7
#define FIELD_DATE 10
#define FIELD_TIME 11
#define FIELD_DATETIME 12
#define FIELD_NEWDECIMAL 246

/* An object or array being written. */
struct container {
    const uint8_t *base; /* offsets count from here */
    uint32_t bytes;
    uint32_t count;
    uint32_t index;
    uint8_t width; /* of counts, offsets and inlined values: 2 or 4 */
    bool is_object;
};

struct writer {
    uint8_t *out;
    const uint8_t *limit;
    uint32_t depth;
    struct container stack[TR_JSON_BINARY_DEPTH_MAX];
};

static enum tr_write_outcome put_value(struct writer *writer, uint8_t type, struct tr_span payload);

static inline uint8_t *put_quote(uint8_t *out)
{
    memcpy(out, "\\\"", 2);
    return out + 2;
}

static enum tr_write_outcome open_container(struct writer *writer, uint8_t type,
                                            struct tr_span payload)
{
    const uint8_t width = type == JSON_LARGE_OBJECT || type == JSON_LARGE_ARRAY ? 4 : 2;
    const bool is_object = type == JSON_SMALL_OBJECT || type == JSON_LARGE_OBJECT;

    if (payload.bytes < 2u * width || writer->depth == TR_JSON_BINARY_DEPTH_MAX) {
        return TR_WRITE_BAD;
    }
    const uint32_t count = (uint32_t)tr_load_uint_le(payload.data, width);
    const uint32_t bytes = (uint32_t)tr_load_uint_le(payload.data + width, width);
    const uint64_t entry_bytes = (is_object ? width + 2u : 0u) + 1u + width;
    if (bytes > payload.bytes || bytes < 2u * width || count * entry_bytes > bytes - 2u * width) {
        return TR_WRITE_BAD;
    }
    writer->stack[writer->depth++] = (struct container){.base = payload.data,
                                                        .bytes = bytes,
                                                        .count = count,
                                                        .width = width,
                                                        .is_object = is_object};
    *writer->out++ = is_object ? '{' : '[';
    return TR_WRITE_OK;
}

static enum tr_write_outcome put_string(struct writer *writer, struct tr_span text)
{
    uint8_t *out = tr_text_put_nested(put_quote(writer->out), writer->limit, text);
    if (out == NULL) {
        return TR_WRITE_NO_ROOM;
    }
    writer->out = put_quote(out);
    return TR_WRITE_OK;
}

/* Seven bits a byte, low ones first, at most five bytes; then that many bytes. */
static bool take_sized(struct tr_cursor *cursor, struct tr_span *content)
{
    uint64_t bytes = 0;
    uint32_t shift = 0;
    uint8_t part;

    do {
        part = tr_cursor_u8(cursor);
        bytes |= (uint64_t)(part & 127) << shift;
        shift += 7;
    } while ((part & 128) != 0 && shift < 35);
    if (bytes > tr_cursor_remaining(cursor)) {
        return false;
    }
    *content = tr_cursor_span(cursor, (size_t)bytes);
    return !cursor->failed;
}

/* DATE, TIME, DATETIME, TIMESTAMP: 8 bytes, microseconds in the lowest 24 bits. */
static enum tr_write_outcome put_temporal(struct writer *writer, uint8_t field_type,
                                          struct tr_span content)
{
    if (content.bytes != 8) {
        return TR_WRITE_BAD;
    }
    const int64_t packed = (int64_t)tr_load_u64(content.data);
    const uint64_t magnitude = packed < 0 ? 0 - (uint64_t)packed : (uint64_t)packed;
    const uint64_t whole = magnitude >> 24;
    const uint32_t ym = (uint32_t)(whole >> 22);
    const bool is_time = field_type == FIELD_TIME;
    const struct tr_civil civil = {
        .year = (int32_t)(ym / 13),
        .month = ym % 13,
        .day = (uint32_t)(whole >> 17) & 31,
        .hour = (uint32_t)(whole >> 12) & (is_time ? 1023u : 31u),
        .minute = (uint32_t)(whole >> 6) & 63,
        .second = (uint32_t)whole & 63,
        .micros = (uint32_t)magnitude & 0xFFFFFF,
    };
    if (civil.micros > 999999 || civil.year > 9999) {
        return TR_WRITE_BAD;
    }
    uint8_t *out = put_quote(writer->out);
    if (is_time) {
        *out = '-';
        out = tr_temporal_put_clock(out + (packed < 0), &civil);
    } else {
        out = tr_temporal_put_date(out, &civil);
        if (field_type != FIELD_DATE) {
            *out++ = ' ';
            out = tr_temporal_put_clock(out, &civil);
        }
    }
    writer->out = put_quote(out);
    return TR_WRITE_OK;
}

static enum tr_write_outcome put_opaque(struct writer *writer, struct tr_span payload)
{
    struct tr_cursor cursor = tr_cursor_of(payload);
    struct tr_span content;
    struct tr_packed_decimal layout;
    const uint8_t field_type = tr_cursor_u8(&cursor);

    if (!take_sized(&cursor, &content)) {
        return TR_WRITE_BAD;
    }
    if (field_type == FIELD_NEWDECIMAL) {
        if (content.bytes < 2 ||
            !tr_packed_decimal_init(&layout, content.data[0], content.data[1]) ||
            content.bytes != 2u + layout.bytes) {
            return TR_WRITE_BAD;
        }
        uint8_t *out = tr_packed_decimal_put_text(writer->out, &layout, content.data + 2);
        if (out == NULL) {
            return TR_WRITE_BAD;
        }
        writer->out = out;
        return TR_WRITE_OK;
    }
    if (field_type == FIELD_DATE || field_type == FIELD_TIME || field_type == FIELD_DATETIME ||
        field_type == FIELD_TIMESTAMP) {
        return put_temporal(writer, field_type, content);
    }
    TR_COVER("decode.json_opaque");
    if (writer->out > writer->limit ||
        tr_base64_encoded_bytes(content.bytes) > (size_t)(writer->limit - writer->out)) {
        return TR_WRITE_NO_ROOM;
    }
    writer->out =
        put_quote(tr_blob_put_base64(put_quote(writer->out), content.data, content.bytes));
    return TR_WRITE_OK;
}

static enum tr_write_outcome put_literal(struct writer *writer, uint8_t literal)
{
    static const char *const words[3] = {"null", "true", "false"};

    if (literal > 2) {
        return TR_WRITE_BAD;
    }
    const size_t bytes = strlen(words[literal]);
    memcpy(writer->out, words[literal], bytes);
    writer->out += bytes;
    return TR_WRITE_OK;
}

static enum tr_write_outcome put_number(struct writer *writer, uint8_t type, const uint8_t *in)
{
    uint8_t *out = writer->out;
    double real;

    switch (type) {
    case JSON_INT16:
        out = tr_digits_put_i32(out, (int16_t)tr_load_u16(in));
        break;
    case JSON_UINT16:
        out = tr_digits_put_u32(out, tr_load_u16(in));
        break;
    case JSON_INT32:
        out = tr_digits_put_i32(out, (int32_t)tr_load_u32(in));
        break;
    case JSON_UINT32:
        out = tr_digits_put_u32(out, tr_load_u32(in));
        break;
    case JSON_INT64:
        out = tr_digits_put_i64(out, (int64_t)tr_load_u64(in));
        break;
    case JSON_UINT64:
        out = tr_digits_put_u64(out, tr_load_u64(in));
        break;
    default: /* JSON_DOUBLE */
        memcpy(&real, in, sizeof(real));
        if (!isfinite(real)) {
            return TR_WRITE_BAD; /* JSON has no such number */
        }
        out = tr_real_put_json(out, real);
        break;
    }
    writer->out = out;
    return TR_WRITE_OK;
}

static enum tr_write_outcome put_value(struct writer *writer, uint8_t type, struct tr_span payload)
{
    static const uint8_t number_bytes[12] = {0, 0, 0, 0, 0, 2, 2, 4, 4, 8, 8, 8};
    struct tr_cursor cursor = tr_cursor_of(payload);
    struct tr_span text;

    if (type <= JSON_LARGE_ARRAY) {
        return open_container(writer, type, payload);
    }
    if (type == JSON_LITERAL) {
        return payload.bytes < 1 ? TR_WRITE_BAD : put_literal(writer, payload.data[0]);
    }
    if (type <= JSON_DOUBLE) {
        return payload.bytes < number_bytes[type] ? TR_WRITE_BAD
                                                  : put_number(writer, type, payload.data);
    }
    if (type == JSON_STRING) {
        return take_sized(&cursor, &text) ? put_string(writer, text) : TR_WRITE_BAD;
    }
    return type == JSON_OPAQUE ? put_opaque(writer, payload) : TR_WRITE_BAD;
}

static enum tr_write_outcome put_key(struct writer *writer, const struct container *container)
{
    const uint8_t *entry = container->base + 2u * container->width +
                           (size_t)container->index * (container->width + 2u);
    const uint64_t offset = tr_load_uint_le(entry, container->width);
    const uint32_t bytes = tr_load_u16(entry + container->width);

    if (offset + bytes > container->bytes) {
        return TR_WRITE_BAD;
    }
    const enum tr_write_outcome outcome =
        put_string(writer, tr_span_of(container->base + offset, bytes));
    if (outcome == TR_WRITE_OK) {
        *writer->out++ = ':';
    }
    return outcome;
}

/* The container's next member or element. */
static enum tr_write_outcome put_entry(struct writer *writer, struct container *container)
{
    const uint32_t width = container->width;
    const size_t key_bytes = container->is_object ? width + 2u : 0;
    const uint8_t *entry = container->base + 2u * width + (size_t)container->count * key_bytes +
                           (size_t)container->index * (1u + width);
    const uint8_t type = entry[0];

    if (container->index > 0) {
        *writer->out++ = ',';
    }
    if (container->is_object) {
        const enum tr_write_outcome outcome = put_key(writer, container);
        if (outcome != TR_WRITE_OK) {
            return outcome;
        }
    }
    container->index++;
    if (type == JSON_LITERAL || type == JSON_INT16 || type == JSON_UINT16 ||
        (width == 4 && (type == JSON_INT32 || type == JSON_UINT32))) {
        return put_value(writer, type, tr_span_of(entry + 1, width));
    }
    const uint64_t offset = tr_load_uint_le(entry + 1, width);
    if (offset >= container->bytes) {
        return TR_WRITE_BAD;
    }
    return put_value(writer, type, tr_span_of(container->base + offset, container->bytes - offset));
}

enum tr_write_outcome tr_json_binary_put(uint8_t **out, const uint8_t *limit,
                                         struct tr_span document)
{
    struct writer writer; /* the stack is filled as it grows */
    enum tr_write_outcome outcome;

    if (document.bytes == 0) {
        return TR_WRITE_BAD;
    }
    writer.out = *out;
    writer.limit = limit;
    writer.depth = 0;
    if (writer.out > limit) {
        return TR_WRITE_NO_ROOM;
    }
    outcome =
        put_value(&writer, document.data[0], tr_span_of(document.data + 1, document.bytes - 1));
    while (outcome == TR_WRITE_OK && writer.depth > 0) { /* every turn writes at least one byte */
        struct container *container = &writer.stack[writer.depth - 1];
        if (writer.out > limit) {
            return TR_WRITE_NO_ROOM;
        }
        if (container->index == container->count) {
            *writer.out++ = container->is_object ? '}' : ']';
            writer.depth--;
            continue;
        }
        outcome = put_entry(&writer, container);
    }
    *out = writer.out;
    return outcome;
}
