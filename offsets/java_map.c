// SPDX-License-Identifier: Apache-2.0
#include "offsets/java_map.h"

#include "engine/assert.h"

#define TC_NULL 0x70
#define TC_REFERENCE 0x71
#define TC_ARRAY 0x75
#define TC_ENDBLOCKDATA 0x78
/* Handles count from here: the map's class, the map, the class of byte[], then each array. */
#define HANDLE_BASE UINT32_C(0x7E0000)
#define HANDLE_BYTES_CLASS (HANDLE_BASE + 2)
#define HANDLE_FIRST_ARRAY (HANDLE_BASE + 3)
#define BUCKETS_MIN 16u

/* Stream header, TC_OBJECT, class java.util.HashMap with its fields loadFactor (F) and threshold
 * (I), no super class. */
static const uint8_t map_class[] = "\xAC\xED\x00\x05"
                                   "\x73\x72\x00\x11java.util.HashMap"
                                   "\x05\x07\xDA\xC1\xC3\x16\x60\xD1\x03\x00\x02"
                                   "F\x00\x0AloadFactorI\x00\x09threshold\x78\x70";
/* Class [B: no fields, no super class. */
static const uint8_t bytes_class[] =
    "\x72\x00\x02[B\xAC\xF3\x17\xF8\x06\x08\x54\xE0\x02\x00\x00\x78\x70";
/* TC_BLOCKDATA of 8 bytes: number of buckets, number of entries. */
static const uint8_t block_head[] = "\x77\x08";
static const uint8_t load_factor[] = "\x3F\x40\x00\x00"; /* 0.75f */

#define TEXT_BYTES(array) (sizeof(array) - 1)

struct map_parser {
    struct tr_cursor cursor;
    const uint8_t *from;
    bool has_bytes_class;
    uint32_t array_count;
    struct tr_span arrays[2 * TR_JAVA_ENTRIES_MAX]; /* by handle, for references */
};

static bool parse_header(struct map_parser *parser, uint32_t *entry_count);
static struct tr_span take_array(struct map_parser *parser);

static uint32_t take_u32_be(struct tr_cursor *cursor)
{
    const uint8_t *at = tr_cursor_take(cursor, sizeof(uint32_t));

    return at == NULL ? 0 : (uint32_t)tr_load_uint_be(at, sizeof(uint32_t));
}

static void expect(struct tr_cursor *cursor, const uint8_t *wanted, size_t bytes)
{
    const uint8_t *at = tr_cursor_take(cursor, bytes);

    if (at != NULL && memcmp(at, wanted, bytes) != 0) {
        cursor->at = at; /* for the message */
        cursor->failed = true;
    }
}

enum tr_code tr_java_map_parse(struct tr_span bytes, struct tr_java_entry *entries,
                               uint32_t *entry_count, struct tr_error *err)
{
    struct map_parser parser = {.cursor = tr_cursor_of(bytes), .from = bytes.data};

    *entry_count = 0;
    uint32_t count = 0;
    if (!parse_header(&parser, &count)) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "%zu bytes: not a Java-serialised HashMap (byte %zu)", bytes.bytes,
                       (size_t)(parser.cursor.at - parser.from));
    }
    if (count > TR_JAVA_ENTRIES_MAX) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP, "Java map of %u entries: wanted 0..%d", count,
                       TR_JAVA_ENTRIES_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        entries[i].key = take_array(&parser);
        entries[i].value = take_array(&parser);
    }
    if (tr_cursor_u8(&parser.cursor) != TC_ENDBLOCKDATA ||
        tr_cursor_remaining(&parser.cursor) != 0) {
        parser.cursor.failed = true;
    }
    if (parser.cursor.failed) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "Java map of %u entries is cut or damaged near byte %zu of %zu", count,
                       (size_t)(parser.cursor.at - parser.from), bytes.bytes);
    }
    *entry_count = count;
    return TR_OK;
}

static bool parse_header(struct map_parser *parser, uint32_t *entry_count)
{
    struct tr_cursor *cursor = &parser->cursor;

    expect(cursor, map_class, TEXT_BYTES(map_class));
    (void)tr_cursor_take(cursor, 4 + 4); /* load factor, threshold: the reader's own business */
    expect(cursor, block_head, TEXT_BYTES(block_head));
    (void)take_u32_be(cursor); /* buckets */
    *entry_count = take_u32_be(cursor);
    return !cursor->failed;
}

/* A byte array, a reference to an earlier one, or null. */
static struct tr_span take_array(struct map_parser *parser)
{
    struct tr_cursor *cursor = &parser->cursor;
    const uint8_t tag = tr_cursor_u8(cursor);

    if (tag == TC_NULL) {
        return (struct tr_span){0};
    }
    if (tag == TC_REFERENCE) {
        const uint32_t handle = take_u32_be(cursor);

        if (handle < HANDLE_FIRST_ARRAY || handle - HANDLE_FIRST_ARRAY >= parser->array_count) {
            cursor->failed = true;
            return (struct tr_span){0};
        }
        return parser->arrays[handle - HANDLE_FIRST_ARRAY];
    }
    if (tag != TC_ARRAY) {
        cursor->failed = true;
        return (struct tr_span){0};
    }
    if (!parser->has_bytes_class) {
        expect(cursor, bytes_class, TEXT_BYTES(bytes_class));
        parser->has_bytes_class = true;
    } else if (tr_cursor_u8(cursor) != TC_REFERENCE || take_u32_be(cursor) != HANDLE_BYTES_CLASS) {
        cursor->failed = true;
    }
    const uint32_t bytes = take_u32_be(cursor);
    const struct tr_span array = tr_cursor_span(cursor, bytes);

    if (!cursor->failed) {
        parser->arrays[parser->array_count++] = array; /* at most two per entry */
    }
    return array;
}

/* --- writing --- */

/* Counts always; writes when there is somewhere to. */
struct map_writer {
    uint8_t *out;
    size_t bytes;
    bool has_bytes_class;
};

static void put(struct map_writer *writer, const void *from, size_t bytes)
{
    if (writer->out != NULL && bytes != 0) {
        memcpy(writer->out + writer->bytes, from, bytes);
    }
    writer->bytes += bytes;
}

static void put_u8(struct map_writer *writer, uint8_t value)
{
    put(writer, &value, sizeof(value));
}

static void put_u32_be(struct map_writer *writer, uint32_t value)
{
    const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value};

    put(writer, bytes, sizeof(bytes));
}

static void put_array(struct map_writer *writer, struct tr_span array)
{
    if (array.data == NULL) {
        put_u8(writer, TC_NULL);
        return;
    }
    TR_ASSERT(array.bytes <= INT32_MAX);
    put_u8(writer, TC_ARRAY);
    if (!writer->has_bytes_class) {
        put(writer, bytes_class, TEXT_BYTES(bytes_class));
        writer->has_bytes_class = true;
    } else {
        put_u8(writer, TC_REFERENCE);
        put_u32_be(writer, HANDLE_BYTES_CLASS);
    }
    put_u32_be(writer, (uint32_t)array.bytes);
    put(writer, array.data, array.bytes);
}

size_t tr_java_map_write(const struct tr_java_entry *entries, uint32_t entry_count, uint8_t *out)
{
    struct map_writer writer = {.out = out};
    uint32_t buckets = BUCKETS_MIN;

    TR_ASSERT(entry_count <= TR_JAVA_ENTRIES_MAX);
    while (entry_count > buckets / 4 * 3) {
        buckets *= 2;
    }
    put(&writer, map_class, TEXT_BYTES(map_class));
    put(&writer, load_factor, TEXT_BYTES(load_factor));
    put_u32_be(&writer, buckets / 4 * 3); /* threshold */
    put(&writer, block_head, TEXT_BYTES(block_head));
    put_u32_be(&writer, buckets);
    put_u32_be(&writer, entry_count);
    for (uint32_t i = 0; i < entry_count; i++) {
        put_array(&writer, entries[i].key);
        put_array(&writer, entries[i].value);
    }
    put_u8(&writer, TC_ENDBLOCKDATA);
    return writer.bytes;
}
