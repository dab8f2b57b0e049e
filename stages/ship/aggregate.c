// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/aggregate.h"

#include <openssl/evp.h>

#include "engine/assert.h"
#include "engine/pool.h"

#define DIGEST_BYTES 16
#define VARINT_BYTES_MAX 10

static const uint8_t magic[] = {0xF3, 0x89, 0x9A, 0xC2};

enum field {
    FIELD_PARTITION_KEY = 1, /* of AggregatedRecord */
    FIELD_RECORD = 3,
    FIELD_KEY_INDEX = 1, /* of Record */
    FIELD_DATA = 3,
};

/* Protobuf's wire types. Source: protobuf.dev, "Encoding". */
enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* One field: a number, or bytes. */
struct value {
    uint64_t field;
    enum wire_type type;
    uint64_t number;
    struct tr_span bytes;
};

struct inner {
    uint64_t key_index;
    struct tr_span data;
    bool has_key;
    bool has_data;
};

static uint64_t read_varint(struct tr_cursor *cursor)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        const uint8_t byte = tr_cursor_u8(cursor);
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    cursor->failed = true; /* longer than any number */
    return 0;
}

/* The next field; false at the end, or when the cursor has failed. */
static bool read_field(struct tr_cursor *cursor, struct value *value)
{
    if (cursor->failed || tr_cursor_remaining(cursor) == 0) {
        return false;
    }
    const uint64_t tag = read_varint(cursor);
    *value = (struct value){.field = tag >> 3, .type = (enum wire_type)(tag & 7)};
    switch (tag & 7) {
    case WIRE_VARINT:
        value->number = read_varint(cursor);
        break;
    case WIRE_64:
        (void)tr_cursor_span(cursor, 8);
        break;
    case WIRE_BYTES:
        value->bytes = tr_cursor_span(cursor, (size_t)read_varint(cursor));
        break;
    case WIRE_32:
        (void)tr_cursor_span(cursor, 4);
        break;
    default:
        cursor->failed = true; /* groups were never used here */
        break;
    }
    return !cursor->failed;
}

/* False when it is broken, or lacks what every record has. */
static bool read_inner(struct tr_span bytes, struct inner *inner)
{
    struct tr_cursor cursor = tr_cursor_of(bytes);
    struct value value;

    *inner = (struct inner){0};
    while (read_field(&cursor, &value)) {
        if (value.field == FIELD_KEY_INDEX && value.type == WIRE_VARINT) {
            inner->key_index = value.number;
            inner->has_key = true;
        } else if (value.field == FIELD_DATA && value.type == WIRE_BYTES) {
            inner->data = value.bytes;
            inner->has_data = true;
        }
    }
    return !cursor.failed && inner->has_key && inner->has_data;
}

static struct tr_span protobuf_of(struct tr_span record)
{
    return tr_span_of(record.data + sizeof(magic), record.bytes - sizeof(magic) - DIGEST_BYTES);
}

static bool digest_is_right(struct tr_span record)
{
    const struct tr_span protobuf = protobuf_of(record);
    uint8_t digest[EVP_MAX_MD_SIZE];

    return EVP_Digest(protobuf.data, protobuf.bytes, digest, NULL, EVP_md5(), NULL) == 1 &&
           memcmp(digest, protobuf.data + protobuf.bytes, DIGEST_BYTES) == 0;
}

static size_t count_keys(struct tr_span protobuf)
{
    struct tr_cursor cursor = tr_cursor_of(protobuf);
    struct value value;
    size_t count = 0;

    while (read_field(&cursor, &value)) {
        count += value.field == FIELD_PARTITION_KEY && value.type == WIRE_BYTES ? 1 : 0;
    }
    return count;
}

bool tr_aggregate_is_whole(struct tr_span record)
{
    if (record.bytes <= sizeof(magic) + DIGEST_BYTES ||
        memcmp(record.data, magic, sizeof(magic)) != 0 || !digest_is_right(record)) {
        return false;
    }
    const struct tr_span protobuf = protobuf_of(record);
    const size_t key_count = count_keys(protobuf);
    struct tr_cursor cursor = tr_cursor_of(protobuf);
    struct value value;
    size_t record_count = 0;
    while (read_field(&cursor, &value)) {
        struct inner inner;
        if (value.field != FIELD_RECORD || value.type != WIRE_BYTES) {
            continue;
        }
        if (!read_inner(value.bytes, &inner) || inner.key_index >= key_count) {
            return false;
        }
        record_count++;
    }
    return !cursor.failed && record_count > 0;
}

/* The table of keys, in order. */
static void collect_keys(struct tr_span protobuf, struct tr_span *keys)
{
    struct tr_cursor cursor = tr_cursor_of(protobuf);
    struct value value;

    while (read_field(&cursor, &value)) {
        if (value.field == FIELD_PARTITION_KEY && value.type == WIRE_BYTES) {
            *keys++ = value.bytes;
        }
    }
}

enum tr_code tr_aggregate_read(struct tr_span record, tr_on_inner_record *on_record, void *self,
                               struct tr_error *err)
{
    const struct tr_span protobuf = protobuf_of(record);
    const size_t key_count = count_keys(protobuf);
    struct tr_cursor cursor = tr_cursor_of(protobuf);
    struct value value;

    TR_ASSERT(key_count > 0); /* it is whole */
    struct tr_span *keys = tr_memory_map(key_count * sizeof(*keys), err);
    if (keys == NULL) {
        return err->code;
    }
    collect_keys(protobuf, keys);
    for (bool goes_on = true; goes_on && read_field(&cursor, &value);) {
        struct inner inner;
        if (value.field == FIELD_RECORD && value.type == WIRE_BYTES &&
            read_inner(value.bytes, &inner)) {
            TR_ASSERT(inner.key_index < key_count);
            goes_on = on_record(self, keys[inner.key_index], inner.data);
        }
    }
    tr_memory_unmap(keys, key_count * sizeof(*keys));
    return TR_OK;
}
