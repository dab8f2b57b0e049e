// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/unpack.h"

#include "engine/cover.h"

#define OVERREAD_BYTES 8

/* The header byte: 0 = not compressed. */
#define METHOD_MASK 0xF0
#define METHOD_ZLIB 0x80
#define IS_BARE 0x08 /* no zlib header */
#define LENGTH_BYTES_MASK 0x07

const char *tr_unpack_value(struct tr_unpack *unpack, struct tr_span stored, struct tr_span *value)
{
    static const char damaged[] = "its compressed value is damaged";
    struct tr_cursor cursor = tr_cursor_of(stored);

    *value = stored;
    if (stored.bytes == 0) {
        return NULL;
    }
    const uint8_t header = tr_cursor_u8(&cursor);
    if (header == 0) {
        *value = tr_span_of(stored.data + 1, stored.bytes - 1);
        return NULL;
    }
    const uint32_t length_bytes = header & LENGTH_BYTES_MASK;
    const uint8_t *length = tr_cursor_take(&cursor, length_bytes);
    if ((header & METHOD_MASK) != METHOD_ZLIB || length == NULL || length_bytes == 0) {
        return damaged;
    }
    const uint64_t bytes = tr_load_uint_be(length, length_bytes);
    if (unpack->scratch_bytes < OVERREAD_BYTES || bytes > unpack->scratch_bytes - OVERREAD_BYTES) {
        TR_COVER("decode.unpack_large");
        return "its value is larger than tailrace.row.max.bytes when decompressed (raise it)";
    }
    unpack->used_bytes = bytes > unpack->used_bytes ? (size_t)bytes : unpack->used_bytes;
    if (!tr_deflate_inflate(unpack->deflate, (header & IS_BARE) == 0,
                            tr_span_of(cursor.at, tr_cursor_remaining(&cursor)), unpack->scratch,
                            (size_t)bytes)) {
        return damaged;
    }
    *value = tr_span_of(unpack->scratch, (size_t)bytes);
    return NULL;
}
