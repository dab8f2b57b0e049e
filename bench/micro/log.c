// SPDX-License-Identifier: Apache-2.0
#include "bench/micro/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/micro/micro.h"
#include "stages/sequence/events.h"
#include "tests/support/binlog_writer.h"

#define WIDE_COLUMNS 60
#define ROWS_PER_EVENT_MAX 60 /* the servers close a rows event at 8 KiB */
#define WIDE_ROWS_PER_EVENT_MAX 13
#define MAGIC_BYTES 4
#define START_UNIX_S 1768478400

static const struct tr_writer_column narrow_columns[] = {
    {.name = "id", .type = TR_WRITER_BIGINT},
    {.name = "account", .type = TR_WRITER_INT},
    {.name = "at_us", .type = TR_WRITER_BIGINT},
    {.name = "name", .type = TR_WRITER_VARCHAR, .bytes_max = 160, .nullable = true},
    {.name = "note", .type = TR_WRITER_VARCHAR, .bytes_max = 480, .nullable = true}};

/* Columns after the key repeat this pattern. */
static const struct tr_writer_column wide_pattern[] = {
    {.name = "int", .type = TR_WRITER_INT},
    {.name = "text", .type = TR_WRITER_VARCHAR, .bytes_max = 160, .nullable = true},
    {.name = "amount", .type = TR_WRITER_DECIMAL, .nullable = true},
    {.name = "at", .type = TR_WRITER_DATETIME, .nullable = true},
    {.name = "count", .type = TR_WRITER_BIGINT},
    {.name = "label", .type = TR_WRITER_VARCHAR, .bytes_max = 80, .nullable = true}};
#define WIDE_PATTERN (sizeof(wide_pattern) / sizeof(wide_pattern[0]))

static const char words[] =
    "the quick brown fox jumps over the lazy dog while seven wizards boil quartz "
    "and vex the judge of my black sphinx forever and a day";

struct generator {
    struct tr_binlog_writer writer;
    struct tr_writer_table table;
    struct tr_writer_column columns[WIDE_COLUMNS];
    char names[WIDE_COLUMNS][16];
    uint64_t random;
    int64_t next_id;
};

static uint64_t draw(struct generator *generator, uint64_t bound)
{
    /* xorshift64 (Marsaglia 2003) */
    generator->random ^= generator->random << 13;
    generator->random ^= generator->random >> 7;
    generator->random ^= generator->random << 17;
    return generator->random % bound;
}

static struct tr_span draw_text(struct generator *generator, size_t bytes)
{
    return tr_span_of(words + draw(generator, sizeof(words) - 1 - bytes), bytes);
}

static void fill_value(struct generator *generator, const struct tr_writer_column *column,
                       struct tr_writer_value *value)
{
    *value = (struct tr_writer_value){0};
    switch (column->type) {
    case TR_WRITER_INT:
        value->number = (int64_t)draw(generator, 2000000);
        break;
    case TR_WRITER_BIGINT:
        value->number = (int64_t)(START_UNIX_S * INT64_C(1000000) + generator->next_id);
        break;
    case TR_WRITER_DECIMAL:
        value->number = (int64_t)draw(generator, 10000000) - 1000000;
        break;
    case TR_WRITER_DATETIME:
        value->number = START_UNIX_S + (int64_t)draw(generator, 10000000);
        break;
    case TR_WRITER_DOUBLE:
        value->number = (int64_t)draw(generator, 1000000);
        break;
    case TR_WRITER_VARCHAR:
    case TR_WRITER_TEXT:
        value->text = draw_text(generator, column->bytes_max > 80 ? 14 + draw(generator, 13)
                                                                  : 5 + draw(generator, 10));
        break;
    }
}

static void fill_row(struct generator *generator, int64_t id, struct tr_writer_value *values)
{
    const struct tr_writer_table *table = &generator->table;
    const bool is_wide = table->column_count > 5;

    values[0] = (struct tr_writer_value){.number = id};
    for (uint32_t i = 1; i < table->column_count; i++) {
        fill_value(generator, &table->columns[i], &values[i]);
        values[i].is_null = is_wide && table->columns[i].nullable && i % 10 == 3;
    }
    if (!is_wide) {
        values[4].text = draw_text(generator, 72 + draw(generator, 13));
    }
}

static void write_event(struct generator *generator, uint32_t row_count, int op)
{
    struct tr_writer_value values[WIDE_COLUMNS];

    tr_binlog_writer_rows_begin(&generator->writer, &generator->table, op);
    for (uint32_t i = 0; i < row_count; i++) {
        const int64_t id = op == 0 ? generator->next_id++ : generator->next_id - 1;
        fill_row(generator, id, values);
        tr_binlog_writer_image(&generator->writer, &generator->table, values);
        if (op == 1) {
            fill_row(generator, id, values);
            tr_binlog_writer_image(&generator->writer, &generator->table, values);
        }
    }
    tr_binlog_writer_rows_end(&generator->writer);
}

static void write_transaction(struct generator *generator,
                              const struct tr_micro_log_options *options, uint64_t number)
{
    struct tr_binlog_writer *writer = &generator->writer;
    const uint32_t event_rows_max =
        options->table == TR_MICRO_WIDE ? WIDE_ROWS_PER_EVENT_MAX : ROWS_PER_EVENT_MAX;

    writer->timestamp_s = START_UNIX_S + (uint32_t)(number / 10000);
    tr_binlog_writer_gtid(writer, number, false,
                          (START_UNIX_S + (int64_t)(number / 10000)) * 1000000);
    tr_binlog_writer_table_map(writer, &generator->table);
    for (uint32_t done = 0; done < options->rows_per_transaction;) {
        const uint32_t left = options->rows_per_transaction - done;
        const uint32_t count = left < event_rows_max ? left : event_rows_max;
        write_event(generator, count, options->mixed ? (int)(number % 3) : 0);
        done += count;
    }
    tr_binlog_writer_xid(writer, number);
}

static void prepare_table(struct generator *generator, enum tr_micro_table table)
{
    generator->table = (struct tr_writer_table){
        .table_id = 108, .database = "shop", .name = "orders", .columns = generator->columns};
    if (table == TR_MICRO_NARROW) {
        generator->table.column_count = sizeof(narrow_columns) / sizeof(narrow_columns[0]);
        memcpy(generator->columns, narrow_columns, sizeof(narrow_columns));
        return;
    }
    generator->table.column_count = WIDE_COLUMNS;
    generator->columns[0] = narrow_columns[0];
    for (uint32_t i = 1; i < WIDE_COLUMNS; i++) {
        const struct tr_writer_column *pattern = &wide_pattern[(i - 1) % WIDE_PATTERN];
        (void)snprintf(generator->names[i], sizeof(generator->names[i]), "%s_%u", pattern->name, i);
        generator->columns[i] = *pattern;
        generator->columns[i].name = generator->names[i];
    }
}

static struct tr_chunk *new_chunk(struct tr_micro_log *log)
{
    struct tr_chunk **grown = realloc(log->chunks, (log->chunk_count + 1) * sizeof(*grown));
    struct tr_chunk *chunk = calloc(1, sizeof(*chunk));
    if (grown == NULL || chunk == NULL) {
        tr_micro_die("no memory for a log");
    }
    chunk->magic = TR_CHUNK_MAGIC;
    chunk->kind = TR_CHUNK_EVENTS;
    log->chunks = grown;
    log->chunks[log->chunk_count++] = chunk;
    return chunk;
}

static void cut(struct tr_micro_log *log, const struct tr_buffer *file)
{
    struct tr_chunk *chunk = new_chunk(log);
    for (size_t at = MAGIC_BYTES; at < file->used;) {
        const struct tr_event_header header = tr_event_header_read(file->bytes + at);
        if (header.event_bytes > TR_CHUNK_BYTES - chunk->used_bytes) {
            chunk = new_chunk(log);
        }
        memcpy(chunk->bytes + chunk->used_bytes, file->bytes + at, header.event_bytes);
        chunk->used_bytes += header.event_bytes;
        at += header.event_bytes;
    }
}

void tr_micro_log_open(struct tr_micro_log *log, const struct tr_micro_log_options *options)
{
    struct generator *generator = calloc(1, sizeof(*generator));
    if (generator == NULL) {
        tr_micro_die("no memory for a log");
    }
    *log = (struct tr_micro_log){0};
    generator->random = UINT64_C(0x9E3779B97F4A7C15);
    generator->next_id = 1;
    generator->writer = (struct tr_binlog_writer){.flavor = TR_FLAVOR_MARIADB,
                                                  .checksums = true,
                                                  .full_metadata = true,
                                                  .server_id = 1,
                                                  .timestamp_s = START_UNIX_S};
    prepare_table(generator, options->table);
    tr_binlog_writer_start(&generator->writer);
    while (generator->writer.out.used < options->bytes_min) {
        write_transaction(generator, options, ++log->transaction_count);
        log->row_count += options->rows_per_transaction;
    }
    tr_binlog_writer_rotate(&generator->writer, "binlog.000001"); /* and round again */
    log->bytes = generator->writer.out.used;
    cut(log, &generator->writer.out);
    tr_buffer_free(&generator->writer.out);
    free(generator);
}

void tr_micro_log_close(struct tr_micro_log *log)
{
    for (uint32_t i = 0; i < log->chunk_count; i++) {
        free(log->chunks[i]);
    }
    free(log->chunks);
    *log = (struct tr_micro_log){0};
}
