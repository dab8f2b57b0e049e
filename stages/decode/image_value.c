// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/image_value.h"

#include "engine/cover.h"
#include "stages/decode/address.h"
#include "stages/decode/blob.h"
#include "stages/decode/digits.h"
#include "stages/decode/json_binary.h"
#include "stages/decode/real.h"

uint8_t *tr_image_value_enum(const struct tr_image_value *value, uint8_t *out, const uint8_t *in)
{
    const struct tr_plan *plan = value->run->plan;
    const uint32_t number = (uint32_t)tr_load_uint_le(in, value->column->wire_bytes);

    if (number == 0) {
        memcpy(out, "\"\"", 2);
        return out + 2;
    }
    if (TR_UNLIKELY(number > value->column->option_count)) {
        return tr_image_value_fail(value->run, "it holds a member that its ENUM does not have");
    }
    const struct tr_plan_literal option =
        plan->column_options[value->column->option_first + number - 1];
    if (!tr_image_value_has_room(value->run, out, option.bytes)) {
        return NULL;
    }
    return tr_image_value_block(out, plan->text.bytes + option.at, option.bytes);
}

uint8_t *tr_image_value_set(const struct tr_image_value *value, uint8_t *out, const uint8_t *in)
{
    const struct tr_plan *plan = value->run->plan;
    uint64_t members = tr_load_uint_le(in, value->column->wire_bytes);

    if (TR_UNLIKELY(value->column->option_count < 64 &&
                    members >> value->column->option_count != 0)) {
        return tr_image_value_fail(value->run, "it holds a member that its SET does not have");
    }
    *out++ = '"';
    while (members != 0) { /* at most 64 turns */
        const uint32_t member = (uint32_t)__builtin_ctzll(members);
        const struct tr_plan_literal option =
            plan->column_options[value->column->option_first + member];
        if (!tr_image_value_has_room(value->run, out, option.bytes + 1)) {
            return NULL;
        }
        members &= members - 1;
        out = tr_image_value_block(out, plan->text.bytes + option.at, option.bytes);
        *out = ',';
        out += members != 0;
    }
    *out++ = '"';
    return out;
}

uint8_t *tr_image_value_blob(const struct tr_image_value *value, uint8_t *out, struct tr_span blob)
{
    const size_t full_bytes =
        blob.bytes < value->column->full_bytes ? value->column->full_bytes : blob.bytes;

    if (!tr_image_value_has_room(value->run, out, tr_base64_encoded_bytes(full_bytes) + 2)) {
        return NULL;
    }
    *out++ = '"';
    out = tr_blob_put_base64_padded(out, blob.data, blob.bytes, full_bytes - blob.bytes);
    *out++ = '"';
    return out;
}

uint8_t *tr_image_value_address(const struct tr_image_value *value, uint8_t *out,
                                struct tr_span raw)
{
    *out++ = '"';
    out = value->column->op == TR_OP_UUID    ? tr_address_put_uuid(out, raw)
          : value->column->op == TR_OP_INET4 ? tr_address_put_inet4(out, raw)
                                             : tr_address_put_inet6(out, raw);
    if (TR_UNLIKELY(out == NULL)) {
        return tr_image_value_fail(value->run, "it is longer than its type");
    }
    *out++ = '"';
    return out;
}

uint8_t *tr_image_value_json(const struct tr_image_value *value, uint8_t *out,
                             struct tr_span document)
{
    if (document.bytes == 0) {
        return tr_image_value_null(value, out);
    }
    *out++ = '"';
    const enum tr_write_outcome outcome = tr_json_binary_put(&out, value->run->limit, document);
    if (TR_UNLIKELY(outcome != TR_WRITE_OK)) {
        return outcome == TR_WRITE_BAD
                   ? tr_image_value_fail(value->run, "its bytes are no JSON document")
                   : NULL;
    }
    *out++ = '"';
    return out;
}

uint8_t *tr_image_value_geometry(const struct tr_image_value *value, uint8_t *out,
                                 struct tr_span raw)
{
    const size_t point_bytes = 4 + 21;
    const bool is_point = value->column->op == TR_OP_POINT;
    double x;
    double y;

    if (raw.bytes == 0) { /* MariaDB's value of old rows after ADD COLUMN … NOT NULL */
        TR_COVER("decode.empty_geometry");
        return tr_image_value_null(value, out);
    }
    if (raw.bytes < 5 || (is_point && raw.bytes != point_bytes)) {
        return tr_image_value_fail(value->run, is_point ? "its bytes are no point"
                                                        : "its bytes are no geometry");
    }
    if (!tr_image_value_has_room(value->run, out, tr_base64_encoded_bytes(raw.bytes) + 128)) {
        return NULL;
    }
    if (is_point) {
        memcpy(&x, raw.data + 9, sizeof(x));
        memcpy(&y, raw.data + 17, sizeof(y));
        memcpy(out, "{\"x\":", 5);
        out = tr_real_put_double(out + 5, x);
        memcpy(out, ",\"y\":", 5);
        out = tr_real_put_double(out + 5, y);
        *out++ = ',';
    } else {
        *out++ = '{';
    }
    memcpy(out, "\"wkb\":\"", 7);
    out = tr_blob_put_base64(out + 7, raw.data + 4, raw.bytes - 4);
    memcpy(out, "\",\"srid\":", 9);
    out += 9;
    const uint32_t srid = tr_load_u32(raw.data);
    if (srid == 0) {
        memcpy(out, "null", 4);
        out += 4;
    } else {
        out = tr_digits_put_i32(out, (int32_t)srid);
    }
    *out++ = '}';
    return out;
}

uint8_t *tr_image_value_vector(const struct tr_image_value *value, uint8_t *out, struct tr_span raw)
{
    float element;

    if (raw.bytes % sizeof(element) != 0) {
        return tr_image_value_fail(value->run, "its bytes are no vector");
    }
    *out++ = '[';
    for (size_t at = 0; at < raw.bytes; at += sizeof(element)) {
        if (!tr_image_value_has_room(value->run, out, TR_REAL_BYTES_MAX)) {
            return NULL;
        }
        memcpy(&element, raw.data + at, sizeof(element));
        *out = ',';
        out = tr_real_put_float(out + (at != 0), element);
    }
    *out++ = ']';
    return out;
}
