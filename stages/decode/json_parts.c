// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/json_parts.h"

bool tr_json_is_container(uint8_t type)
{
    return type <= TR_JSON_BINARY_LARGE_ARRAY;
}

bool tr_json_is_inlined(uint8_t type, uint32_t width)
{
    return type == TR_JSON_BINARY_LITERAL || type == TR_JSON_BINARY_INT16 ||
           type == TR_JSON_BINARY_UINT16 ||
           (width == TR_JSON_LARGE_WIDTH &&
            (type == TR_JSON_BINARY_INT32 || type == TR_JSON_BINARY_UINT32));
}

/* The length in front of a string's bytes is part of them. */
static bool take_sized(struct tr_cursor *cursor)
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
    (void)tr_cursor_take(cursor, (size_t)bytes);
    return !cursor->failed;
}

bool tr_json_measure(struct tr_json_value *value)
{
    static const uint8_t fixed[] = {
        [TR_JSON_BINARY_LITERAL] = 1, [TR_JSON_BINARY_INT16] = 2,  [TR_JSON_BINARY_UINT16] = 2,
        [TR_JSON_BINARY_INT32] = 4,   [TR_JSON_BINARY_UINT32] = 4, [TR_JSON_BINARY_INT64] = 8,
        [TR_JSON_BINARY_UINT64] = 8,  [TR_JSON_BINARY_DOUBLE] = 8};
    struct tr_cursor cursor = tr_cursor_of(value->bytes);
    bool is_whole = false;

    if (tr_json_is_container(value->type)) {
        const uint32_t width =
            value->type == TR_JSON_BINARY_LARGE_OBJECT || value->type == TR_JSON_BINARY_LARGE_ARRAY
                ? 4
                : 2;
        (void)tr_cursor_take(&cursor, width);
        const uint8_t *size = tr_cursor_take(&cursor, width);
        if (size == NULL) {
            return false;
        }
        const uint64_t bytes = tr_load_uint_le(size, width);
        if (bytes < 2 * width || bytes > value->bytes.bytes) {
            return false;
        }
        value->bytes.bytes = (size_t)bytes;
        return true;
    }
    if (value->type < sizeof(fixed)) {
        is_whole = tr_cursor_take(&cursor, fixed[value->type]) != NULL;
    } else if (value->type == TR_JSON_BINARY_STRING) {
        is_whole = take_sized(&cursor);
    } else if (value->type == TR_JSON_BINARY_OPAQUE) {
        (void)tr_cursor_u8(&cursor);
        is_whole = take_sized(&cursor);
    }
    value->bytes.bytes = is_whole ? (size_t)(cursor.at - value->bytes.data) : 0;
    return is_whole;
}

bool tr_json_open_container(struct tr_json_container *container, const struct tr_json_value *value)
{
    const uint32_t width =
        value->type == TR_JSON_BINARY_LARGE_OBJECT || value->type == TR_JSON_BINARY_LARGE_ARRAY ? 4
                                                                                                : 2;

    if (!tr_json_is_container(value->type) || value->bytes.bytes < 2 * width) {
        return false;
    }
    *container = (struct tr_json_container){
        .base = value->bytes.data,
        .bytes = (uint32_t)tr_load_uint_le(value->bytes.data + width, width),
        .count = (uint32_t)tr_load_uint_le(value->bytes.data, width),
        .width = width,
        .is_object = value->type <= TR_JSON_BINARY_LARGE_OBJECT,
    };
    const uint64_t entry_bytes = (container->is_object ? width + 2u : 0u) + 1u + width;
    return container->bytes <= value->bytes.bytes && container->bytes >= 2 * width &&
           container->count * entry_bytes <= container->bytes - 2 * width;
}

bool tr_json_key_of(const struct tr_json_container *container, uint32_t index, struct tr_span *key)
{
    const uint8_t *entry =
        container->base + 2 * container->width + (size_t)index * (container->width + 2);
    const uint64_t at = tr_load_uint_le(entry, container->width);
    const uint32_t bytes = tr_load_u16(entry + container->width);

    if (at > container->bytes || bytes > container->bytes - at) {
        return false;
    }
    *key = tr_span_of(container->base + at, bytes);
    return true;
}

bool tr_json_value_of(const struct tr_json_container *container, uint32_t index,
                      struct tr_json_value *value)
{
    const uint32_t width = container->width;
    const size_t keys_bytes = container->is_object ? (size_t)container->count * (width + 2) : 0;
    const uint8_t *entry = container->base + 2 * width + keys_bytes + (size_t)index * (width + 1);

    value->type = entry[0];
    if (tr_json_is_inlined(value->type, width)) {
        value->bytes = tr_span_of(entry + 1, width);
    } else {
        const uint64_t at = tr_load_uint_le(entry + 1, width);
        if (at > container->bytes) {
            return false;
        }
        value->bytes = tr_span_of(container->base + at, container->bytes - (size_t)at);
    }
    return tr_json_measure(value);
}
