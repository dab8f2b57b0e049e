// SPDX-License-Identifier: Apache-2.0
#include "bench/micro_decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/crc32.h"
#include "stages/decode/decode.h"
#include "stages/schema/table_map.h"
#include "stages/stream.h"

#define EVENT_HEADER_BYTES 19
#define ROWS_EVENT_BYTES 8192 /* the servers' default binlog_row_event_max_size */
#define WIDE_COLUMNS 60
#define ROW_BYTES_MAX 4096
#define FRAGMENT_TAIL_BYTES 64
/* GTID, BEGIN, TABLE_MAP and XID around a rows event, with their headers and trailers (MySQL 9.7).
 */
#define OTHER_EVENTS_BYTES (79 + 80 + 70 + 31)

struct bench {
    struct tr_streams *streams;
    struct tr_schema schema;
    struct tr_encode_options options;
    struct tr_decode decode;
    struct tr_unit *unit;
    struct tr_chunk *chunk;
    struct tr_fragment *fragment;
    uint32_t row_count; /* in the chunk */
    uint64_t state;     /* of the generator of row values */
};

/* What the columns are; `i` counts the columns of the wide table. */
struct column_kind {
    const char *name;
    enum tr_column_type type;
    struct tr_wire_column wire;
    uint8_t precision;
    uint8_t scale;
    bool is_unsigned;
};

static const struct column_kind narrow_kinds[5] = {
    {"id", TR_COLUMN_BIGINT, {TR_WIRE_LONGLONG, 0, 0, false}, 0, 0, false},
    {"customer", TR_COLUMN_INT, {TR_WIRE_LONG, 0, 0, false}, 0, 0, true},
    {"name", TR_COLUMN_VARCHAR, {TR_WIRE_VARCHAR, 400, 2, true}, 0, 0, false},
    {"price", TR_COLUMN_DECIMAL, {TR_WIRE_NEWDECIMAL, 10 | 2 << 8, 0, true}, 10, 2, false},
    {"changed", TR_COLUMN_TIMESTAMP, {TR_WIRE_TIMESTAMP2, 3, 0, false}, 0, 3, false},
};

static const struct column_kind wide_kinds[12] = {
    {"id", TR_COLUMN_BIGINT, {TR_WIRE_LONGLONG, 0, 0, false}, 0, 0, false},
    {"count", TR_COLUMN_INT, {TR_WIRE_LONG, 0, 0, true}, 0, 0, false},
    {"label", TR_COLUMN_VARCHAR, {TR_WIRE_VARCHAR, 120, 1, true}, 0, 0, false},
    {"amount", TR_COLUMN_DECIMAL, {TR_WIRE_NEWDECIMAL, 12 | 2 << 8, 0, true}, 12, 2, false},
    {"flag", TR_COLUMN_TINYINT, {TR_WIRE_TINY, 0, 0, true}, 0, 0, false},
    {"ratio", TR_COLUMN_DOUBLE, {TR_WIRE_DOUBLE, 8, 0, true}, 0, 0, false},
    {"day", TR_COLUMN_DATE, {TR_WIRE_DATE, 0, 0, true}, 0, 0, false},
    {"at", TR_COLUMN_DATETIME, {TR_WIRE_DATETIME2, 6, 0, true}, 0, 6, false},
    {"code", TR_COLUMN_CHAR, {TR_WIRE_STRING, 40, 1, true}, 0, 0, false},
    {"small", TR_COLUMN_SMALLINT, {TR_WIRE_SHORT, 0, 0, true}, 0, 0, false},
    {"seen", TR_COLUMN_TIMESTAMP, {TR_WIRE_TIMESTAMP2, 0, 0, true}, 0, 0, false},
    {"note", TR_COLUMN_VARCHAR, {TR_WIRE_VARCHAR, 1020, 2, true}, 0, 0, false},
};

static uint64_t next_random(struct bench *bench)
{
    uint64_t z = bench->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

const char *tr_micro_shape_name(enum tr_micro_shape shape)
{
    static const char *const names[TR_MICRO_SHAPE_COUNT] = {
        "single-row transactions", "8 KiB events", "60 columns", "single-row insert/update/delete"};
    return names[shape];
}

static const struct column_kind *kind_of(enum tr_micro_shape shape, uint32_t column)
{
    return shape == TR_MICRO_WIDE ? &wide_kinds[column % 12] : &narrow_kinds[column];
}

static enum tr_code make_schema(struct bench *bench, enum tr_micro_shape shape,
                                struct tr_error *err)
{
    const uint32_t count = shape == TR_MICRO_WIDE ? WIDE_COLUMNS : 5;
    struct tr_table *table =
        tr_table_open(tr_span_of_text("shop"), tr_span_of_text("orders"), count, err);
    struct tr_wire_column *wire = calloc(count, sizeof(*wire));
    char name[32];

    bench->schema.table = table;
    bench->schema.wire = wire;
    if (table == NULL || wire == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "benchmark: no memory for a table: add memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct column_kind *kind = kind_of(shape, i);
        (void)snprintf(name, sizeof(name), i < 12 ? "%s" : "%s_%u", kind->name, i / 12);
        table->columns[i] = (struct tr_column){
            .name = tr_table_text(table, tr_span_of_text(name)),
            .type = kind->type,
            .charset = kind->wire.pack_bytes != 0 ? TR_CHARSET_UTF8 : TR_CHARSET_NONE,
            .precision = kind->precision,
            .scale = kind->scale,
            .is_unsigned = kind->is_unsigned,
            .is_nullable = kind->wire.nullable,
        };
        wire[i] = kind->wire;
    }
    table->key_columns = tr_table_array(table, sizeof(uint16_t));
    table->key_count = 1;
    bench->schema.stream =
        tr_streams_intern(bench->streams, tr_span_of_text("bench.shop.orders"), err);
    if (!tr_table_is_whole(table) || bench->schema.stream == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "benchmark: no memory for a table: add memory");
    }
    return tr_plan_open(&bench->schema.plan, &bench->schema, &bench->options, err);
}

static uint8_t *put_be(uint8_t *out, uint64_t value, uint32_t bytes)
{
    for (uint32_t i = bytes; i > 0; i--) {
        *out++ = (uint8_t)(value >> (8 * (i - 1)));
    }
    return out;
}

static uint8_t *put_le(uint8_t *out, uint64_t value, uint32_t bytes)
{
    memcpy(out, &value, bytes);
    return out + bytes;
}

static uint8_t *put_text(struct bench *bench, uint8_t *out, uint32_t prefix_bytes, uint32_t bytes)
{
    out = put_le(out, bytes, prefix_bytes);
    for (uint32_t i = 0; i < bytes; i++) {
        *out++ = (uint8_t)("abcdefghijklmnopqrstuvwxyz ABCDE"[next_random(bench) & 31]);
    }
    return out;
}

static uint8_t *put_column(struct bench *bench, uint8_t *out, const struct column_kind *kind,
                           uint32_t row)
{
    const uint64_t random = next_random(bench);
    double real;

    switch (kind->type) {
    case TR_COLUMN_BIGINT:
        return put_le(out, 1000000 + row, 8);
    case TR_COLUMN_INT:
        return put_le(out, random % 10000000, 4);
    case TR_COLUMN_SMALLINT:
        return put_le(out, random % 30000, 2);
    case TR_COLUMN_TINYINT:
        return put_le(out, random & 1, 1);
    case TR_COLUMN_VARCHAR:
        return put_text(bench, out, kind->wire.pack_bytes, kind->wire.pack_bytes == 1 ? 12 : 24);
    case TR_COLUMN_CHAR:
        return put_text(bench, out, 1, 8);
    case TR_COLUMN_DECIMAL: /* eight or one + nine integer digits, two fraction digits */
        out = kind->precision == 12 ? put_be(put_be(out, 0x80, 1), random % 100000000, 4)
                                    : put_be(out, 0x80000000u | random % 10000000, 4);
        return put_be(out, random % 100, 1);
    case TR_COLUMN_DOUBLE:
        real = (double)(random % 1000000) / 100.0;
        memcpy(out, &real, sizeof(real));
        return out + sizeof(real);
    case TR_COLUMN_DATE:
        return put_le(out, (2024u << 9) | (1 + random % 12) << 5 | (1 + random % 28), 3);
    case TR_COLUMN_DATETIME:
        out = put_be(out,
                     UINT64_C(0x8000000000) |
                         ((2024 * 13 + 1 + random % 12) << 5 | (1 + random % 28)) << 17 |
                         (random % 24) << 12 | (random % 60) << 6 | random % 60,
                     5);
        return put_be(out, random % 1000000, 3);
    default: /* TIMESTAMP */
        out = put_be(out, 1700000000 + random % 10000000, 4);
        return kind->scale == 0 ? out : put_be(out, random % 1000 * 10, 2);
    }
}

static uint8_t *put_image(struct bench *bench, uint8_t *out, enum tr_micro_shape shape,
                          uint32_t row)
{
    const uint32_t count = bench->schema.table->column_count;
    uint8_t *nulls = out;

    memset(nulls, 0, (count + 7) / 8);
    out += (count + 7) / 8;
    for (uint32_t i = 0; i < count; i++) {
        if (shape == TR_MICRO_WIDE && i > 0 && next_random(bench) % 10 == 0) {
            nulls[i / 8] |= (uint8_t)(1u << (i % 8));
        } else {
            out = put_column(bench, out, kind_of(shape, i), row);
        }
    }
    return out;
}

/* One rows event with its header and trailer; returns its bytes. */
static uint32_t put_event(struct bench *bench, uint8_t *event, enum tr_micro_shape shape,
                          enum tr_row_op op)
{
    const uint32_t count = bench->schema.table->column_count;
    const uint32_t bytes_max =
        shape == TR_MICRO_BULK || shape == TR_MICRO_WIDE ? ROWS_EVENT_BYTES : 0;
    uint8_t *out = event + EVENT_HEADER_BYTES;

    memset(event, 0, EVENT_HEADER_BYTES);
    event[4] = (uint8_t)(30 + op);
    out = put_le(put_le(put_le(out, 77, 6), 1, 2), 2, 2);
    *out++ = (uint8_t)count;
    for (uint32_t i = 0; i < (op == TR_ROW_UPDATE ? 2u : 1u); i++) {
        memset(out, 0xFF, (count + 7) / 8);
        out += (count + 7) / 8;
    }
    do {
        out = put_image(bench, out, shape, bench->row_count);
        if (op == TR_ROW_UPDATE) {
            out = put_image(bench, out, shape, bench->row_count);
        }
        bench->row_count++;
    } while ((uint32_t)(out - event) + ROW_BYTES_MAX / 4 < bytes_max);
    return (uint32_t)(put_le(out, tr_crc32(0, tr_span_of(event, (size_t)(out - event))), 4) -
                      event);
}

/* Fills the chunk as ingest and sequencer would have, and the unit over it. */
static void fill_chunk(struct bench *bench, enum tr_micro_shape shape,
                       const struct tr_gtid_source *source)
{
    struct tr_unit *unit = bench->unit;
    struct tr_chunk *chunk = bench->chunk;
    const bool is_bulk = shape == TR_MICRO_BULK || shape == TR_MICRO_WIDE;

    while (chunk->used_bytes + ROWS_EVENT_BYTES + ROW_BYTES_MAX < TR_CHUNK_BYTES &&
           unit->item_count < TR_UNIT_ITEMS_MAX) {
        const enum tr_row_op op =
            shape == TR_MICRO_MIX ? (enum tr_row_op)(unit->item_count % 3) : TR_ROW_INSERT;
        chunk->used_bytes += is_bulk ? 0 : OTHER_EVENTS_BYTES;
        const uint32_t bytes = put_event(bench, chunk->bytes + chunk->used_bytes, shape, op);
        unit->items[unit->item_count++] = (struct tr_unit_item){
            .schema = &bench->schema,
            .gtid = {.source = source, .number = 1000000 + unit->item_count},
            .pos = 4000000 + chunk->used_bytes,
            .ts_us = INT64_C(1700000000123456) + unit->item_count,
            .thread_id = 56,
            .server_id = 7,
            .at = chunk->used_bytes,
            .bytes = bytes - 4,
            .kind = TR_ITEM_ROWS,
            .op = (uint8_t)op,
            .event_type = (uint8_t)(30 + op),
        };
        chunk->used_bytes += bytes;
    }
    unit->magic = TR_UNIT_MAGIC;
    unit->chunk = chunk;
    unit->wall_unix_ns = INT64_C(1700000000123456789);
    (void)snprintf(unit->file, sizeof(unit->file), "binlog.000001");
}

/* The checksums of all events of the chunk: what the sequencer does. Returns a sum that keeps the
 * work alive. */
static uint32_t check_events(const struct bench *bench)
{
    uint32_t sum = 0;
    uint32_t at = 0;

    for (uint32_t i = 0; i < bench->unit->item_count; i++) {
        const struct tr_unit_item *item = &bench->unit->items[i];
        if (item->at > at) { /* the other events of the transaction */
            sum ^= tr_crc32(0, tr_span_of(bench->chunk->bytes + at, item->at - at));
        }
        sum ^= tr_crc32(0, tr_span_of(bench->chunk->bytes + item->at, item->bytes));
        at = item->at + item->bytes + 4;
    }
    return sum;
}

static enum tr_code decode_unit(struct bench *bench, struct tr_micro_decode *result,
                                struct tr_error *err)
{
    enum tr_decode_outcome outcome;

    tr_decode_begin_unit(&bench->decode, bench->unit);
    do {
        tr_row_reset_fragment(bench->fragment, 1);
        outcome = tr_decode_run(&bench->decode, bench->fragment, UINT64_MAX, err);
        for (uint32_t i = 0; i < bench->fragment->group_count; i++) {
            result->record_count += bench->fragment->groups[i].record_count;
            result->record_bytes += bench->fragment->groups[i].record_bytes;
        }
    } while (outcome == TR_DECODE_NEEDS_FRAGMENT);
    return outcome == TR_DECODE_DONE ? TR_OK : err->code;
}

static int64_t thread_cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static enum tr_code open_bench(struct bench *bench, enum tr_micro_shape shape, bool schemas,
                               struct tr_error *err)
{
    *bench = (struct bench){
        .options =
            {
                .topic_prefix = tr_span_of_text("bench"),
                .key_schemas = schemas,
                .value_schemas = schemas,
                .tombstones_on_delete = true,
                .enable_time_adjuster = true,
                .gtid_mode = true,
            },
        .state = 1,
    };
    bench->unit = calloc(1, sizeof(*bench->unit));
    bench->chunk = calloc(1, sizeof(*bench->chunk));
    bench->fragment =
        aligned_alloc(64, sizeof(*bench->fragment) + TR_FRAGMENT_BYTES + FRAGMENT_TAIL_BYTES);
    if (bench->unit == NULL || bench->chunk == NULL || bench->fragment == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "benchmark: no memory for its buffers: add memory");
    }
    memset(bench->fragment, 0, sizeof(*bench->fragment) + TR_FRAGMENT_BYTES + FRAGMENT_TAIL_BYTES);
    bench->fragment->magic = TR_FRAGMENT_MAGIC;
    bench->fragment->room_bytes = TR_FRAGMENT_BYTES;
    if (tr_streams_open(&bench->streams, 1, err) != TR_OK ||
        tr_decode_init(&bench->decode, 1u << 20, err) != TR_OK) {
        return err->code;
    }
    return make_schema(bench, shape, err);
}

static void close_bench(struct bench *bench)
{
    tr_plan_close(bench->schema.plan);
    tr_table_close((struct tr_table *)(uintptr_t)bench->schema.table);
    free(bench->schema.wire);
    tr_decode_deinit(&bench->decode);
    tr_streams_close(bench->streams);
    free(bench->unit);
    free(bench->chunk);
    free(bench->fragment);
}

enum tr_code tr_micro_decode_run(enum tr_micro_shape shape, bool schemas, int64_t cpu_ns_min,
                                 struct tr_micro_decode *result, struct tr_error *err)
{
    static const uint8_t uuid[16] = {0xb4, 0x0a, 0xf3, 0xf7, 0xe6, 0x60, 0x11, 0xf1,
                                     0xb1, 0xfc, 0x02, 0xfc, 0,    0,    0,    1};
    struct tr_gtid_sources *sources = NULL;
    struct bench bench;
    uint32_t sum = 0;

    *result = (struct tr_micro_decode){0};
    if (open_bench(&bench, shape, schemas, err) != TR_OK ||
        tr_gtid_sources_open(&sources, err) != TR_OK) {
        goto done;
    }
    const struct tr_gtid_source *source =
        tr_gtid_source_mysql(sources, uuid, tr_span_of(NULL, 0), err);
    if (source == NULL) {
        goto done;
    }
    fill_chunk(&bench, shape, source);
    err->code = TR_OK;
    const int64_t start_ns = thread_cpu_ns();
    do {
        for (uint32_t i = 0; i < 20; i++) {
            sum ^= check_events(&bench);
            if (decode_unit(&bench, result, err) != TR_OK) {
                goto done;
            }
            result->row_count += bench.row_count;
            result->raw_bytes += bench.chunk->used_bytes;
        }
        result->cpu_ns = thread_cpu_ns() - start_ns;
    } while (result->cpu_ns < cpu_ns_min);
    bench.state ^= sum;
done:
    tr_gtid_sources_close(sources);
    close_bench(&bench);
    return err->code;
}
