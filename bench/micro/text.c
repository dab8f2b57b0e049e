// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of a snapshot to encoded records on one core: the decoder's core alone, chunk after chunk
 * of texts as a server sends them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/micro/micro.h"
#include "engine/assert.h"
#include "stages/ddl/model.h"
#include "stages/decode/decode.h"
#include "stages/schema/wire_column.h"
#include "stages/source/snapshot_event.h"
#include "stages/stream.h"

#define CHUNKS 64 /* 16 MiB: more than the caches near a core hold */
#define ROW_BYTES_MAX ((uint64_t)1 << 20)
#define CELLS_MAX 64
#define EVENT_HEADER_BYTES 19

static const char narrow_sql[] =
    "CREATE TABLE t (id BIGINT PRIMARY KEY, account INT, at_us BIGINT, name VARCHAR(40), "
    "note VARCHAR(120))";
static const char mixed_sql[] =
    "CREATE TABLE t (id BIGINT PRIMARY KEY, n INT UNSIGNED, price DECIMAL(10,2), "
    "large DECIMAL(38,10), d DOUBLE, f FLOAT, day DATE, at DATETIME(6), ts TIMESTAMP(3) NULL, "
    "span TIME, name VARCHAR(40), e ENUM('open','closed'), j JSON, b VARBINARY(16))";

struct text_case {
    struct tr_ddl_model *model;
    struct tr_streams *streams;
    struct tr_encode_options encode;
    struct tr_schema schema;
    struct tr_decode decode;
    struct tr_unit *unit;
    struct tr_fragment *fragment;
    struct tr_chunk *chunks[CHUNKS];
    uint32_t next_chunk;
    uint64_t random;
    int64_t next_id;
};

static void must(enum tr_code code, const struct tr_error *err)
{
    if (code != TR_OK) {
        tr_micro_die("%s", err->text);
    }
}

static uint64_t draw(struct text_case *state, uint64_t bound)
{
    /* xorshift64 (Marsaglia 2003) */
    state->random ^= state->random << 13;
    state->random ^= state->random >> 7;
    state->random ^= state->random << 17;
    return state->random % bound;
}

/* One cell's text for a column of the two tables. */
static size_t write_cell(struct text_case *state, const struct tr_column *column, char *out)
{
    static const char words[] = "the quick brown fox jumps over the lazy dog while seven wizards";
    const int micros = (int)draw(state, 1000000);
    int bytes = 0;

    switch (column->type) {
    case TR_COLUMN_BIGINT:
    case TR_COLUMN_INT:
        bytes = snprintf(out, 64, "%d", (int)draw(state, 1000000000));
        break;
    case TR_COLUMN_DECIMAL:
        bytes = snprintf(out, 64, "%d.%0*d", (int)draw(state, 1000000), (int)column->scale,
                         (int)draw(state, 100));
        break;
    case TR_COLUMN_DOUBLE:
    case TR_COLUMN_FLOAT:
        bytes = snprintf(out, 64, "%d.%d", (int)draw(state, 1000), (int)draw(state, 1000));
        break;
    case TR_COLUMN_DATE:
        bytes = snprintf(out, 64, "2024-02-%02d", (int)draw(state, 28) + 1);
        break;
    case TR_COLUMN_DATETIME:
        bytes = snprintf(out, 64, "2024-02-%02d 10:11:12.%06d", (int)draw(state, 28) + 1, micros);
        break;
    case TR_COLUMN_TIMESTAMP:
        bytes = snprintf(out, 64, "2024-02-%02d 10:11:12.%03d", (int)draw(state, 28) + 1,
                         micros / 1000);
        break;
    case TR_COLUMN_TIME:
        bytes = snprintf(out, 64, "%02d:11:12", (int)draw(state, 24));
        break;
    case TR_COLUMN_ENUM:
        bytes = snprintf(out, 64, "open");
        break;
    case TR_COLUMN_JSON:
        bytes = snprintf(out, 64, "{\"a\": %d, \"b\": [1, 2]}", micros);
        break;
    default:
        bytes = snprintf(out, 64, "%.*s", 8 + (int)draw(state, 24), words + draw(state, 20));
        break;
    }
    return (size_t)bytes;
}

static uint8_t *put(uint8_t *out, const void *bytes, size_t count)
{
    memcpy(out, bytes, count);
    return out + count;
}

/* Fills the chunk with one event; returns its bytes. */
static uint32_t fill_chunk(struct text_case *state, struct tr_chunk *chunk)
{
    const uint8_t header[EVENT_HEADER_BYTES] = {[4] = TR_EVENT_SNAPSHOT_ROWS};
    uint8_t *out = put(put(chunk->bytes, header, sizeof(header)), "\1\0d\1\0t\0\0", 8);
    uint8_t *count_at = out;
    uint32_t row_count = 0;

    out += sizeof(row_count);
    while ((size_t)(out - chunk->bytes) < TR_CHUNK_BYTES - CELLS_MAX * 65) {
        for (uint32_t i = 0; i < state->schema.table->column_count; i++) {
            char cell[64];
            const size_t bytes =
                i == 0 ? (size_t)snprintf(cell, sizeof(cell), "%lld", (long long)state->next_id++)
                       : write_cell(state, &state->schema.table->columns[i], cell);
            *out++ = (uint8_t)bytes;
            out = put(out, cell, bytes);
        }
        row_count++;
    }
    memcpy(count_at, &row_count, sizeof(row_count));
    return (uint32_t)(out - chunk->bytes);
}

static void open_schema(struct text_case *state, const char *sql)
{
    struct tr_error err;
    struct tr_ddl_result result;
    const struct tr_ddl_options options = {.flavor = TR_FLAVOR_MYSQL};
    const struct tr_ddl_event event = {.sql = tr_span_of_text(sql),
                                       .database = tr_span_of_text("d")};

    must(tr_ddl_model_open(&state->model, &options, &err), &err);
    must(tr_ddl_apply(state->model, &event, &result, &err), &err);
    must(tr_streams_open(&state->streams, 1, &err), &err);
    state->schema.table = result.changes[0].table;
    state->schema.stream = tr_streams_intern(state->streams, tr_span_of_text("bench.d.t"), &err);
    state->schema.wire = calloc(state->schema.table->column_count, sizeof(*state->schema.wire));
    TR_ASSERT(state->schema.stream != NULL);
    TR_ASSERT(state->schema.wire != NULL);
    for (uint32_t i = 0; i < state->schema.table->column_count; i++) {
        state->schema.wire[i] = tr_wire_column_of(&state->schema.table->columns[i]);
    }
    must(tr_plan_open(&state->schema.plan, &state->schema, &state->encode, &err), &err);
}

static void *text_open(const struct tr_micro_case *self)
{
    struct tr_error err;
    struct text_case *state = calloc(1, sizeof(*state));

    TR_ASSERT(state != NULL);
    state->random = 88172645463325252u;
    state->encode = (struct tr_encode_options){.flavor = TR_FLAVOR_MYSQL,
                                               .topic_prefix = tr_span_of_text("bench"),
                                               .enable_time_adjuster = true,
                                               .row_bytes_max = ROW_BYTES_MAX};
    open_schema(state, self->argument == 0 ? narrow_sql : mixed_sql);
    must(tr_decode_init(&state->decode, ROW_BYTES_MAX, &err), &err);
    state->unit = calloc(1, sizeof(*state->unit));
    state->fragment = aligned_alloc(64, sizeof(*state->fragment) + TR_FRAGMENT_BYTES + 64);
    TR_ASSERT(state->unit != NULL);
    TR_ASSERT(state->fragment != NULL);
    *state->fragment =
        (struct tr_fragment){.magic = TR_FRAGMENT_MAGIC, .room_bytes = TR_FRAGMENT_BYTES};
    for (uint32_t i = 0; i < CHUNKS; i++) {
        state->chunks[i] = calloc(1, sizeof(*state->chunks[i]));
        TR_ASSERT(state->chunks[i] != NULL);
        state->chunks[i]->used_bytes = fill_chunk(state, state->chunks[i]);
    }
    return state;
}

static void text_close(void *self)
{
    struct text_case *state = self;

    for (uint32_t i = 0; i < CHUNKS; i++) {
        free(state->chunks[i]);
    }
    tr_decode_deinit(&state->decode);
    tr_plan_close(state->schema.plan);
    free(state->schema.wire);
    tr_streams_close(state->streams);
    tr_ddl_model_close(state->model);
    free(state->fragment);
    free(state->unit);
    free(state);
}

static struct tr_micro_work text_run(void *self)
{
    struct text_case *state = self;
    struct tr_error err;
    struct tr_chunk *chunk = state->chunks[state->next_chunk];
    const uint64_t rows_before = state->decode.rows_total;
    enum tr_decode_outcome outcome;

    state->next_chunk = (state->next_chunk + 1) % CHUNKS;
    *state->unit = (struct tr_unit){.magic = TR_UNIT_MAGIC, .chunk = chunk, .item_count = 1};
    (void)snprintf(state->unit->file, sizeof(state->unit->file), "binlog.000001");
    state->unit->items[0] = (struct tr_unit_item){.schema = &state->schema,
                                                  .thread_id = -1,
                                                  .op = TR_ROW_READ,
                                                  .event_type = TR_EVENT_SNAPSHOT_ROWS,
                                                  .bytes = chunk->used_bytes};
    tr_decode_begin_unit(&state->decode, state->unit);
    do {
        tr_row_reset_fragment(state->fragment, 1);
        outcome = tr_decode_run(&state->decode, state->fragment, UINT64_MAX, &err);
    } while (outcome == TR_DECODE_NEEDS_FRAGMENT);
    if (outcome != TR_DECODE_DONE) {
        tr_micro_die("%s", err.text);
    }
    return (struct tr_micro_work){.items = state->decode.rows_total - rows_before,
                                  .bytes = chunk->used_bytes};
}

#define TEXT(text, index, least)                                                                   \
    {                                                                                              \
        .name = text, .item = "rows", .floor = (least), .argument = (index), .open = text_open,    \
        .run = text_run, .close = text_close                                                       \
    }

const struct tr_micro_case tr_micro_text_cases[] = {
    TEXT("snapshot rows, 5 columns", 0, 1e6),
    TEXT("snapshot rows, 14 columns of all kinds", 1, 0),
    {.name = NULL}};
