// SPDX-License-Identifier: Apache-2.0
#include "tests/support/binlog_writer.h"

#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include "engine/assert.h"

#define HEADER_BYTES 19
#define TRAILER_BYTES 4

enum {
    EVENT_QUERY = 2,
    EVENT_ROTATE = 4,
    EVENT_FORMAT_DESCRIPTION = 15,
    EVENT_XID = 16,
    EVENT_TABLE_MAP = 19,
    EVENT_WRITE_ROWS_V1 = 23,
    EVENT_WRITE_ROWS_V2 = 30,
    EVENT_GTID = 33,
    EVENT_PREVIOUS_GTIDS = 35,
    EVENT_MARIADB_GTID = 162,
    EVENT_MARIADB_GTID_LIST = 163,
    EVENT_WRITE_ROWS_COMPRESSED_V1 = 166,
};

void tr_buffer_append(struct tr_buffer *buffer, const void *bytes, size_t count)
{
    if (buffer->room - buffer->used < count) {
        const size_t room = (buffer->used + count) * 2 + 4096;
        buffer->bytes = realloc(buffer->bytes, room);
        TR_ASSERT(buffer->bytes != NULL);
        buffer->room = room;
    }
    if (count > 0) {
        memcpy(buffer->bytes + buffer->used, bytes, count);
    }
    buffer->used += count;
}

void tr_buffer_append_uint(struct tr_buffer *buffer, uint64_t value, size_t count)
{
    tr_buffer_append(buffer, &value, count);
}

void tr_buffer_append_lenenc(struct tr_buffer *buffer, uint64_t value)
{
    if (value < 0xFB) {
        tr_buffer_append_uint(buffer, value, 1);
    } else if (value <= 0xFFFF) {
        tr_buffer_append_uint(buffer, 0xFC | value << 8, 3);
    } else {
        tr_buffer_append_uint(buffer, 0xFD | value << 8, 4);
    }
}

void tr_buffer_free(struct tr_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct tr_buffer){0};
}

static void put_u32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

void tr_binlog_writer_event_begin(struct tr_binlog_writer *writer, uint8_t type, uint16_t flags)
{
    writer->event_at = writer->out.used;
    tr_buffer_append_uint(&writer->out, writer->timestamp_s, 4);
    tr_buffer_append_uint(&writer->out, type, 1);
    tr_buffer_append_uint(&writer->out, writer->server_id, 4);
    tr_buffer_append_uint(&writer->out, 0, 8); /* length, end position: known at the end */
    tr_buffer_append_uint(&writer->out, flags, 2);
}

static void seal(struct tr_buffer *out, size_t at, bool checksum, uint32_t end_pos)
{
    const size_t bytes = out->used - at + (checksum ? TRAILER_BYTES : 0);
    put_u32(out->bytes + at + 9, (uint32_t)bytes);
    put_u32(out->bytes + at + 13, end_pos);
    if (checksum) {
        const uint32_t crc = (uint32_t)crc32(0, out->bytes + at, (unsigned)(out->used - at));
        tr_buffer_append_uint(out, crc, TRAILER_BYTES);
    }
}

void tr_binlog_writer_event_end(struct tr_binlog_writer *writer)
{
    const size_t end = writer->out.used + (writer->checksums ? TRAILER_BYTES : 0);
    seal(&writer->out, writer->event_at, writer->checksums,
         writer->zero_positions ? 0 : (uint32_t)end);
}

/* Post-header lengths, as the servers list them (index: type - 1). */
static void append_post_lengths(struct tr_binlog_writer *writer)
{
    static const uint8_t mysql[42] = {0,  13, 0,  8,  0,  0,  0, 0,  4,  0, 4,  0,  0, 0,
                                      99, 0,  4,  26, 8,  0,  0, 0,  0,  0, 0,  2,  0, 0,
                                      0,  10, 10, 10, 42, 42, 0, 18, 52, 0, 10, 40, 0, 0};
    uint8_t mariadb[171] = {
        [1] = 13,  [3] = 8,    [8] = 4,    [10] = 4,  [14] = 228, [16] = 4,  [17] = 26,
        [18] = 8,  [22] = 8,   [23] = 8,   [24] = 8,  [25] = 2,   [29] = 10, [30] = 10,
        [31] = 10, [160] = 4,  [161] = 19, [162] = 4, [164] = 13, [165] = 8, [166] = 8,
        [167] = 8, [168] = 10, [169] = 10, [170] = 10};
    if (writer->flavor == TR_FLAVOR_MYSQL) {
        tr_buffer_append(&writer->out, mysql, sizeof(mysql));
    } else {
        tr_buffer_append(&writer->out, mariadb, sizeof(mariadb));
    }
}

void tr_binlog_writer_start(struct tr_binlog_writer *writer)
{
    char version[50] = {0};
    memcpy(version, writer->flavor == TR_FLAVOR_MYSQL ? "9.7.4" : "10.11.19-MariaDB-log",
           writer->flavor == TR_FLAVOR_MYSQL ? 5 : 20);
    tr_buffer_append(&writer->out,
                     "\xFE"
                     "bin",
                     4);
    tr_binlog_writer_event_begin(writer, EVENT_FORMAT_DESCRIPTION, 0);
    tr_buffer_append_uint(&writer->out, 4, 2);
    tr_buffer_append(&writer->out, version, sizeof(version));
    tr_buffer_append_uint(&writer->out, 0, 4);
    tr_buffer_append_uint(&writer->out, HEADER_BYTES, 1);
    append_post_lengths(writer);
    tr_buffer_append_uint(&writer->out, writer->checksums ? 1 : 0, 1);
    seal(&writer->out, writer->event_at, true,
         (uint32_t)writer->out.used + TRAILER_BYTES); /* always has a trailer */
    if (writer->flavor == TR_FLAVOR_MYSQL) {
        tr_binlog_writer_event_begin(writer, EVENT_PREVIOUS_GTIDS, 0x80);
        tr_buffer_append_uint(&writer->out, 0, 8);
    } else {
        tr_binlog_writer_event_begin(writer, EVENT_MARIADB_GTID_LIST, 0);
        tr_buffer_append_uint(&writer->out, 0, 6);
    }
    tr_binlog_writer_event_end(writer);
}

void tr_binlog_writer_gtid(struct tr_binlog_writer *writer, uint64_t number, bool standalone,
                           int64_t commit_us)
{
    if (writer->flavor == TR_FLAVOR_MARIADB) {
        tr_binlog_writer_event_begin(writer, EVENT_MARIADB_GTID, 0x8);
        tr_buffer_append_uint(&writer->out, number, 8);
        tr_buffer_append_uint(&writer->out, writer->domain_id, 4);
        tr_buffer_append_uint(&writer->out, standalone ? 0x29 : 0x0C, 1);
        tr_buffer_append_uint(&writer->out, 0, 6);
    } else {
        tr_binlog_writer_event_begin(writer, EVENT_GTID, 0);
        tr_buffer_append_uint(&writer->out, standalone ? 1 : 0, 1);
        tr_buffer_append(&writer->out, writer->uuid, 16);
        tr_buffer_append_uint(&writer->out, number, 8);
        tr_buffer_append_uint(&writer->out, 2, 1);
        tr_buffer_append_uint(&writer->out, number - 1, 8);
        tr_buffer_append_uint(&writer->out, number, 8);
        tr_buffer_append_uint(&writer->out, (uint64_t)commit_us, 7);
        tr_buffer_append_lenenc(&writer->out, 0); /* transaction length: unknown */
        tr_buffer_append_uint(&writer->out, 90704, 4);
    }
    tr_binlog_writer_event_end(writer);
}

void tr_binlog_writer_query(struct tr_binlog_writer *writer, const char *database, const char *sql)
{
    tr_binlog_writer_event_begin(writer, EVENT_QUERY, 0x8);
    tr_buffer_append_uint(&writer->out, 11, 4); /* thread */
    tr_buffer_append_uint(&writer->out, 0, 4);
    tr_buffer_append_uint(&writer->out, strlen(database), 1);
    tr_buffer_append_uint(&writer->out, 0, 2);
    tr_buffer_append_uint(&writer->out, 14, 2); /* status variables */
    tr_buffer_append_uint(&writer->out, 0, 5);  /* FLAGS2 */
    tr_buffer_append_uint(&writer->out, 1, 1);  /* SQL_MODE */
    tr_buffer_append_uint(&writer->out, 0, 8);
    tr_buffer_append(&writer->out, database, strlen(database) + 1);
    tr_buffer_append(&writer->out, sql, strlen(sql));
    tr_binlog_writer_event_end(writer);
}

static bool is_number(enum tr_writer_type type)
{
    return type == TR_WRITER_INT || type == TR_WRITER_BIGINT || type == TR_WRITER_DOUBLE ||
           type == TR_WRITER_DECIMAL;
}

static void append_metadata(struct tr_binlog_writer *writer, const struct tr_writer_table *table)
{
    struct tr_buffer *out = &writer->out;
    uint8_t signs[512] = {0};
    uint32_t number_count = 0;
    uint32_t text_count = 0;
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct tr_writer_column *column = &table->columns[i];
        if (is_number(column->type)) {
            signs[number_count / 8] =
                (uint8_t)(signs[number_count / 8] |
                          (column->is_unsigned ? 0x80 >> number_count % 8 : 0));
            number_count++;
        } else if (column->type != TR_WRITER_DATETIME) {
            text_count++;
        }
    }
    if (number_count > 0) {
        tr_buffer_append_uint(out, 1, 1); /* SIGNEDNESS */
        tr_buffer_append_lenenc(out, (number_count + 7) / 8);
        tr_buffer_append(out, signs, (number_count + 7) / 8);
    }
    if (text_count > 0) {
        tr_buffer_append(out, (const uint8_t[]){2, 1, 45}, 3); /* DEFAULT_CHARSET utf8mb4 */
    }
    if (!writer->full_metadata) {
        return;
    }
    size_t name_bytes = 0;
    for (uint32_t i = 0; i < table->column_count; i++) {
        name_bytes += 1 + strlen(table->columns[i].name);
    }
    tr_buffer_append_uint(out, 4, 1); /* COLUMN_NAME */
    tr_buffer_append_lenenc(out, name_bytes);
    for (uint32_t i = 0; i < table->column_count; i++) {
        tr_buffer_append_lenenc(out, strlen(table->columns[i].name));
        tr_buffer_append(out, table->columns[i].name, strlen(table->columns[i].name));
    }
    if (table->key_column != TR_WRITER_NO_KEY) {
        tr_buffer_append(out, (const uint8_t[]){8, 1, (uint8_t)table->key_column},
                         3); /* SIMPLE_PRIMARY_KEY */
    }
}

void tr_binlog_writer_table_map(struct tr_binlog_writer *writer,
                                const struct tr_writer_table *table)
{
    static const uint8_t wire_types[] = {
        [TR_WRITER_INT] = 3,      [TR_WRITER_BIGINT] = 8, [TR_WRITER_VARCHAR] = 15,
        [TR_WRITER_TEXT] = 252,   [TR_WRITER_DOUBLE] = 5, [TR_WRITER_DECIMAL] = 246,
        [TR_WRITER_DATETIME] = 18};
    struct tr_buffer *out = &writer->out;
    struct tr_buffer meta = {0};
    uint8_t nullable[512] = {0};

    tr_binlog_writer_event_begin(writer, EVENT_TABLE_MAP, 0);
    tr_buffer_append_uint(out, table->table_id, 6);
    tr_buffer_append_uint(out, 1, 2);
    tr_buffer_append_lenenc(out, strlen(table->database));
    tr_buffer_append(out, table->database, strlen(table->database) + 1);
    tr_buffer_append_lenenc(out, strlen(table->name));
    tr_buffer_append(out, table->name, strlen(table->name) + 1);
    tr_buffer_append_lenenc(out, table->column_count);
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct tr_writer_column *column = &table->columns[i];
        tr_buffer_append_uint(out, wire_types[column->type], 1);
        if (column->type == TR_WRITER_VARCHAR) {
            tr_buffer_append_uint(&meta, column->bytes_max, 2);
        } else if (column->type == TR_WRITER_TEXT) {
            tr_buffer_append_uint(&meta, 4, 1);
        } else if (column->type == TR_WRITER_DOUBLE) {
            tr_buffer_append_uint(&meta, sizeof(double), 1);
        } else if (column->type == TR_WRITER_DECIMAL) {
            tr_buffer_append(&meta, (const uint8_t[]){18, 2}, 2);
        } else if (column->type == TR_WRITER_DATETIME) {
            tr_buffer_append_uint(&meta, 0, 1);
        }
        if (column->nullable) {
            nullable[i / 8] = (uint8_t)(nullable[i / 8] | 1u << i % 8);
        }
    }
    tr_buffer_append_lenenc(out, meta.used);
    tr_buffer_append(out, meta.bytes, meta.used);
    tr_buffer_append(out, nullable, (table->column_count + 7) / 8);
    append_metadata(writer, table);
    tr_buffer_free(&meta);
    tr_binlog_writer_event_end(writer);
}

void tr_binlog_writer_rows_begin(struct tr_binlog_writer *writer,
                                 const struct tr_writer_table *table, int op)
{
    const bool v2 = writer->flavor == TR_FLAVOR_MYSQL;
    const size_t bitmap_bytes = (table->column_count + 7) / 8;
    uint8_t bitmap[512];

    memset(bitmap, 0xFF, sizeof(bitmap));
    if (!v2 && table->column_count % 8 != 0) {
        bitmap[bitmap_bytes - 1] =
            (uint8_t)((1u << table->column_count % 8) - 1); /* MariaDB clears the spare bits */
    }
    tr_binlog_writer_event_begin(
        writer, (uint8_t)((v2 ? EVENT_WRITE_ROWS_V2 : EVENT_WRITE_ROWS_V1) + op), 0);
    tr_buffer_append_uint(&writer->out, table->table_id, 6);
    tr_buffer_append_uint(&writer->out, writer->is_continued ? 0 : 1, 2); /* end of statement */
    if (v2) {
        tr_buffer_append_uint(&writer->out, 2, 2);
    }
    tr_buffer_append_lenenc(&writer->out, table->column_count);
    tr_buffer_append(&writer->out, bitmap, bitmap_bytes);
    if (op == 1) {
        tr_buffer_append(&writer->out, bitmap, bitmap_bytes);
    }
    writer->rows_at = writer->out.used;
}

static void append_big_endian(struct tr_buffer *out, uint64_t value, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        tr_buffer_append_uint(out, value >> 8 * (i - 1) & 0xFF, 1);
    }
}

/* DECIMAL(18,2): 7 and 9 digits in four bytes each, 2 in one; negative ones inverted, the sign bit
 * flipped. Source: mysql-binlog reference §3.13, strings/decimal.cc. */
static void append_decimal(struct tr_buffer *out, int64_t hundredths)
{
    const uint64_t all = (uint64_t)(hundredths < 0 ? -hundredths : hundredths);
    const uint64_t flip = hundredths < 0 ? UINT64_MAX : 0;
    const uint64_t whole = all / 100;
    append_big_endian(out, ((whole / 1000000000) ^ flip) ^ UINT64_C(0x80000000), 4);
    append_big_endian(out, whole % 1000000000 ^ flip, 4);
    append_big_endian(out, all % 100 ^ flip, 1);
}

/* DATETIME2(0): five bytes, big-endian. Source: mysql-binlog reference §3.13. */
static void append_datetime(struct tr_buffer *out, int64_t unix_s)
{
    const time_t seconds = (time_t)unix_s;
    struct tm at = {0};
    const struct tm *parts = gmtime_r(&seconds, &at);
    TR_ASSERT(parts != NULL);
    const uint64_t day =
        (uint64_t)((at.tm_year + 1900) * 13 + at.tm_mon + 1) << 5 | (uint64_t)at.tm_mday;
    const uint64_t time = (uint64_t)(at.tm_hour << 12 | at.tm_min << 6 | at.tm_sec);
    append_big_endian(out, (day << 17 | time) ^ UINT64_C(0x8000000000), 5);
}

static void append_value(struct tr_buffer *out, const struct tr_writer_column *column,
                         const struct tr_writer_value *value)
{
    const double real = (double)value->number;
    switch (column->type) {
    case TR_WRITER_INT:
        tr_buffer_append_uint(out, (uint64_t)value->number, 4);
        break;
    case TR_WRITER_BIGINT:
        tr_buffer_append_uint(out, (uint64_t)value->number, 8);
        break;
    case TR_WRITER_DOUBLE:
        tr_buffer_append(out, &real, sizeof(real));
        break;
    case TR_WRITER_DECIMAL:
        append_decimal(out, value->number);
        break;
    case TR_WRITER_DATETIME:
        append_datetime(out, value->number);
        break;
    case TR_WRITER_VARCHAR:
        tr_buffer_append_uint(out, value->text.bytes, column->bytes_max > 255 ? 2 : 1);
        tr_buffer_append(out, value->text.data, value->text.bytes);
        break;
    case TR_WRITER_TEXT:
        tr_buffer_append_uint(out, value->text.bytes, 4);
        tr_buffer_append(out, value->text.data, value->text.bytes);
        break;
    }
}

void tr_binlog_writer_image(struct tr_binlog_writer *writer, const struct tr_writer_table *table,
                            const struct tr_writer_value *values)
{
    uint8_t nulls[512] = {0};
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (values[i].is_null) {
            nulls[i / 8] = (uint8_t)(nulls[i / 8] | 1u << i % 8);
        }
    }
    tr_buffer_append(&writer->out, nulls, (table->column_count + 7) / 8);
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (!values[i].is_null) {
            append_value(&writer->out, &table->columns[i], &values[i]);
        }
    }
}

/* MariaDB: the images as one zlib block behind its head. Source: mysql-binlog reference §3.19. */
static void compress_images(struct tr_binlog_writer *writer)
{
    struct tr_buffer *out = &writer->out;
    const size_t plain_bytes = out->used - writer->rows_at;
    uLongf block_bytes = compressBound(plain_bytes);
    uint8_t *block = malloc(block_bytes);
    TR_ASSERT(block != NULL);
    const int result = compress(block, &block_bytes, out->bytes + writer->rows_at, plain_bytes);
    TR_ASSERT(result == Z_OK);
    out->bytes[writer->event_at + 4] =
        (uint8_t)(out->bytes[writer->event_at + 4] - EVENT_WRITE_ROWS_V1 +
                  EVENT_WRITE_ROWS_COMPRESSED_V1);
    out->used = writer->rows_at;
    tr_buffer_append_uint(out, 0x84, 1);
    append_big_endian(out, plain_bytes, 4);
    tr_buffer_append(out, block, block_bytes);
    free(block);
}

void tr_binlog_writer_rows_end(struct tr_binlog_writer *writer)
{
    if (writer->compresses_rows) {
        compress_images(writer);
    }
    tr_binlog_writer_event_end(writer);
}

void tr_binlog_writer_xid(struct tr_binlog_writer *writer, uint64_t xid)
{
    tr_binlog_writer_event_begin(writer, EVENT_XID, 0);
    tr_buffer_append_uint(&writer->out, xid, 8);
    tr_binlog_writer_event_end(writer);
}

void tr_binlog_writer_rotate(struct tr_binlog_writer *writer, const char *next_file)
{
    tr_binlog_writer_event_begin(writer, EVENT_ROTATE, 0);
    tr_buffer_append_uint(&writer->out, 4, 8);
    tr_buffer_append(&writer->out, next_file, strlen(next_file));
    tr_binlog_writer_event_end(writer);
}

void tr_binlog_write_artificial_rotate(struct tr_buffer *out, uint32_t server_id, const char *file,
                                       uint64_t pos, bool checksums)
{
    const size_t at = out->used;
    tr_buffer_append_uint(out, 0, 4);
    tr_buffer_append_uint(out, EVENT_ROTATE, 1);
    tr_buffer_append_uint(out, server_id, 4);
    tr_buffer_append_uint(out, 0, 8);
    tr_buffer_append_uint(out, 0x20, 2);
    tr_buffer_append_uint(out, pos, 8);
    tr_buffer_append(out, file, strlen(file));
    seal(out, at, checksums, 0);
}
