// SPDX-License-Identifier: Apache-2.0
#include "stages/schema/table.h"

#include <stdalign.h>
#include <stdlib.h>

#include "engine/assert.h"

#define BLOCK_BYTES 4096 /* an ordinary table's texts; larger arrays get a block of their own */

struct arena_block {
    struct arena_block *next; /* owns */
    alignas(max_align_t) uint8_t bytes[];
};

struct arena {
    struct arena_block *blocks; /* owns; newest first */
    uint8_t *at;                /* into the newest block */
    size_t left_bytes;          /* behind `at` */
    size_t taken_bytes;         /* of all blocks, headers included */
    bool refused;               /* sticky: memory was refused once */
};

static const char *const type_names[TR_COLUMN_TYPE_COUNT] = {
    [TR_COLUMN_UNKNOWN] = "unknown",
    [TR_COLUMN_TINYINT] = "TINYINT",
    [TR_COLUMN_SMALLINT] = "SMALLINT",
    [TR_COLUMN_MEDIUMINT] = "MEDIUMINT",
    [TR_COLUMN_INT] = "INT",
    [TR_COLUMN_BIGINT] = "BIGINT",
    [TR_COLUMN_FLOAT] = "FLOAT",
    [TR_COLUMN_DOUBLE] = "DOUBLE",
    [TR_COLUMN_DECIMAL] = "DECIMAL",
    [TR_COLUMN_BIT] = "BIT",
    [TR_COLUMN_YEAR] = "YEAR",
    [TR_COLUMN_DATE] = "DATE",
    [TR_COLUMN_TIME] = "TIME",
    [TR_COLUMN_DATETIME] = "DATETIME",
    [TR_COLUMN_TIMESTAMP] = "TIMESTAMP",
    [TR_COLUMN_CHAR] = "CHAR",
    [TR_COLUMN_VARCHAR] = "VARCHAR",
    [TR_COLUMN_TEXT] = "TEXT",
    [TR_COLUMN_BINARY] = "BINARY",
    [TR_COLUMN_VARBINARY] = "VARBINARY",
    [TR_COLUMN_BLOB] = "BLOB",
    [TR_COLUMN_ENUM] = "ENUM",
    [TR_COLUMN_SET] = "SET",
    [TR_COLUMN_JSON] = "JSON",
    [TR_COLUMN_GEOMETRY] = "GEOMETRY",
    [TR_COLUMN_VECTOR] = "VECTOR",
    [TR_COLUMN_UUID] = "UUID",
    [TR_COLUMN_INET4] = "INET4",
    [TR_COLUMN_INET6] = "INET6",
};

static void *arena_take(struct arena *arena, size_t bytes, size_t align);
static uint64_t digest_add(uint64_t digest, const void *bytes, size_t count);
static uint64_t digest_add_number(uint64_t digest, uint64_t number);
static uint64_t digest_add_span(uint64_t digest, struct tr_span span);

struct tr_table *tr_table_open(struct tr_span database, struct tr_span name, uint32_t column_count,
                               struct tr_error *err)
{
    if (column_count > TR_COLUMNS_MAX) {
        (void)TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                      "table %.*s.%.*s has %u columns: want at most %d", (int)database.bytes,
                      (const char *)database.data, (int)name.bytes, (const char *)name.data,
                      column_count, TR_COLUMNS_MAX);
        return NULL;
    }
    struct tr_table *table = calloc(1, sizeof(*table));
    struct arena *arena = calloc(1, sizeof(*arena));
    if (table == NULL || arena == NULL) {
        free(table);
        free(arena);
        goto refused;
    }
    table->arena = arena;
    table->holders = 1;
    table->database = tr_table_text(table, database);
    table->name = tr_table_text(table, name);
    table->columns = tr_table_array(table, column_count * sizeof(*table->columns));
    table->column_count = column_count;
    if (tr_table_is_whole(table)) {
        return table;
    }
    tr_table_close(table);
refused:
    (void)TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                  "table %.*s.%.*s: no memory for its model: add memory", (int)database.bytes,
                  (const char *)database.data, (int)name.bytes, (const char *)name.data);
    return NULL;
}

void tr_table_close(struct tr_table *table)
{
    if (table == NULL || --table->holders > 0) {
        return;
    }
    struct arena *arena = table->arena;
    while (arena->blocks != NULL) {
        struct arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    free(arena);
    free(table);
}

struct tr_table *tr_table_hold(struct tr_table *table)
{
    TR_ASSERT(table->holders > 0);
    table->holders++;
    return table;
}

struct tr_span tr_table_text(struct tr_table *table, struct tr_span text)
{
    if (text.bytes == 0) {
        return (struct tr_span){0};
    }
    uint8_t *copy = arena_take(table->arena, text.bytes, 1);
    if (copy == NULL) {
        return (struct tr_span){0};
    }
    memcpy(copy, text.data, text.bytes);
    return tr_span_of(copy, text.bytes);
}

struct tr_span tr_table_text_or_none(struct tr_table *table, struct tr_span text)
{
    return text.data != NULL && text.bytes == 0 ? tr_span_of("", 0) : tr_table_text(table, text);
}

void *tr_table_array(struct tr_table *table, size_t bytes)
{
    return arena_take(table->arena, bytes, alignof(max_align_t));
}

bool tr_table_is_whole(const struct tr_table *table)
{
    const struct arena *arena = table->arena;
    return !arena->refused;
}

size_t tr_table_memory_bytes(const struct tr_table *table)
{
    const struct arena *arena = table->arena;
    return sizeof(*table) + sizeof(*arena) + arena->taken_bytes;
}

bool tr_column_read_default(const struct tr_column *column, struct tr_span *text)
{
    *text = column->has_read_default ? column->read_default : column->default_text;
    return column->has_default && (!column->has_read_default || text->data != NULL);
}

uint64_t tr_table_fingerprint(const struct tr_table *table)
{
    uint64_t digest = UINT64_C(14695981039346656037); /* FNV-1a, 64 bit */

    digest = digest_add_span(digest, table->database);
    digest = digest_add_span(digest, table->name);
    digest = digest_add_number(digest, table->column_count);
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct tr_column *column = &table->columns[i];
        digest = digest_add_span(digest, column->name);
        digest = digest_add_number(digest, column->type);
        digest = digest_add_number(digest, column->charset);
        digest = digest_add_number(digest, column->length);
        digest = digest_add_number(digest, column->precision);
        digest = digest_add_number(digest, column->scale);
        digest = digest_add_number(digest, column->is_unsigned);
        digest = digest_add_number(digest, column->key_ordinal);
        digest = digest_add_number(digest, column->option_count);
        for (uint32_t k = 0; k < column->option_count; k++) {
            digest = digest_add_span(digest, column->options[k]);
        }
    }
    return digest;
}

const char *tr_column_type_name(enum tr_column_type type)
{
    TR_ASSERT(type < TR_COLUMN_TYPE_COUNT);
    return type_names[type];
}

/* Zeroed memory; every block was zeroed when it was taken and is handed out once. */
static void *arena_take(struct arena *arena, size_t bytes, size_t align)
{
    if (bytes == 0) {
        return NULL; /* nothing asked, nothing refused */
    }
    size_t skip_bytes = (align - (uintptr_t)arena->at % align) % align;
    if (arena->left_bytes < skip_bytes || arena->left_bytes - skip_bytes < bytes) {
        const size_t room_bytes =
            bytes < BLOCK_BYTES / 4 ? BLOCK_BYTES - sizeof(struct arena_block) : bytes;
        struct arena_block *block =
            bytes > PTRDIFF_MAX / 2 ? NULL : calloc(1, sizeof(*block) + room_bytes);
        if (block == NULL) {
            arena->refused = true;
            return NULL;
        }
        block->next = arena->blocks;
        arena->blocks = block;
        arena->at = block->bytes;
        arena->left_bytes = room_bytes;
        arena->taken_bytes += sizeof(*block) + room_bytes;
        skip_bytes = 0;
    }
    uint8_t *taken = arena->at + skip_bytes;
    arena->at = taken + bytes;
    arena->left_bytes -= skip_bytes + bytes;
    return taken;
}

static uint64_t digest_add(uint64_t digest, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) {
        digest = (digest ^ at[i]) * UINT64_C(1099511628211);
    }
    return digest;
}

static uint64_t digest_add_number(uint64_t digest, uint64_t number)
{
    return digest_add(digest, &number, sizeof(number));
}

/* With its length, so that "ab" + "c" and "a" + "bc" differ. */
static uint64_t digest_add_span(uint64_t digest, struct tr_span span)
{
    return digest_add(digest_add_number(digest, span.bytes), span.data, span.bytes);
}
