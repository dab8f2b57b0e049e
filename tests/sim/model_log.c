// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/model_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "engine/assert.h"
#include "tests/sim/model_log_parts.h"

enum {
    EVENT_STOP = 3,
    EVENT_ANONYMOUS_GTID = 34,
    EVENT_XA_PREPARE = 38,
    EVENT_TRANSACTION_PAYLOAD = 40,
    EVENT_MARIADB_GTID = 162
};

/* --- groups -------------------------------------------------------------------------------------
 */

static void draw_gtid(struct tr_model_log *log, struct tr_model_transaction *transaction)
{
    const uint32_t source = log->transaction_count < log->options.source_count
                                ? log->transaction_count
                                : tr_random_below(&log->random, log->options.source_count);
    uint64_t *next = &log->number_next[source];
    uint64_t *hole = &log->number_hole[source];
    transaction->source = (uint8_t)source;
    if (*hole != 0 && tr_random_chance(&log->random, 300)) {
        transaction->number = *hole; /* committed later than its number says; or never */
        *hole = 0;
        return;
    }
    if (*next > 1 && tr_random_chance(&log->random, log->options.gtid_jump_permille)) {
        const bool is_late = log->options.flavor == TR_FLAVOR_MYSQL && *hole == 0;
        *hole = is_late ? *next : *hole;
        *next += is_late ? 1 : 1 + tr_random_below(&log->random, 5);
    }
    transaction->number = (*next)++;
}

/* MariaDB's GTID event of an XA group: as tr_binlog_writer_gtid(), with the XID. */
static void write_xa_gtid(struct tr_binlog_writer *writer, uint64_t number, uint8_t flags)
{
    tr_binlog_writer_event_begin(writer, EVENT_MARIADB_GTID, 0x8);
    tr_buffer_append_uint(&writer->out, number, 8);
    tr_buffer_append_uint(&writer->out, writer->domain_id, 4);
    tr_buffer_append_uint(&writer->out, flags, 1);
    tr_buffer_append(&writer->out, "\x03\0\0\0\x01\x01gb", 8);
    tr_binlog_writer_event_end(writer);
}

enum group { GROUP_PLAIN, GROUP_STATEMENT, GROUP_XA, GROUP_XA_COMMIT };

static struct tr_model_transaction *begin_group(struct tr_model_log *log, enum group kind)
{
    const struct tr_model_options *options = &log->options;
    struct tr_binlog_writer *writer = log->writer;
    log->transactions = model_log_grow(log->transactions, log->transaction_count,
                                       &log->transactions_room, sizeof(*log->transactions));
    struct tr_model_transaction *transaction = &log->transactions[log->transaction_count];
    *transaction = (struct tr_model_transaction){.file = log->file_count - 1,
                                                 .at = (uint32_t)writer->out.used,
                                                 .begin_at = (uint32_t)writer->out.used,
                                                 .row_first = log->row_count,
                                                 .event_first = log->event_count};
    draw_gtid(log, transaction);
    writer->uuid[15] = (uint8_t)('1' + transaction->source);
    writer->domain_id = transaction->source;
    if (options->flavor == TR_FLAVOR_MARIADB) {
        if (kind == GROUP_XA || kind == GROUP_XA_COMMIT) {
            write_xa_gtid(writer, transaction->number, kind == GROUP_XA ? 0x4C : 0x8D);
        } else {
            tr_binlog_writer_gtid(writer, transaction->number, kind == GROUP_STATEMENT,
                                  log->now_unix_us);
        }
        model_log_count_event(log);
        return transaction;
    }
    tr_binlog_writer_gtid(writer, transaction->number, kind == GROUP_STATEMENT, log->now_unix_us);
    if (options->by_file) { /* the same without a GTID */
        const size_t at = writer->event_at;
        const size_t body = at + MODEL_LOG_HEADER_BYTES;
        writer->out.bytes[at + 4] = EVENT_ANONYMOUS_GTID;
        memset(writer->out.bytes + body + 1, 0, 24);
        writer->out.used -= 4;
        tr_binlog_writer_event_end(writer);
    }
    transaction->begin_at = (uint32_t)writer->out.used;
    return transaction;
}

static void end_group(struct tr_model_log *log)
{
    struct tr_model_transaction *transaction = &log->transactions[log->transaction_count];
    transaction->end = (uint32_t)log->writer->out.used;
    transaction->row_count = log->row_count - transaction->row_first;
    log->transaction_count++;
}

static void write_query(struct tr_model_log *log, const char *sql)
{
    tr_binlog_writer_query(log->writer, "sim", sql);
}

static void write_terminator(struct tr_model_log *log)
{
    if (tr_random_chance(&log->random, 50)) {
        write_query(log, tr_random_chance(&log->random, 500)
                             ? "COMMIT"
                             : "ROLLBACK"); /* of tables that keep their rows */
    } else {
        tr_binlog_writer_xid(log->writer, log->transaction_count + 1);
    }
}

/* All of it as one TRANSACTION_PAYLOAD. Source: mysql-binlog reference §3.14. */
static void commit_compressed(struct tr_model_log *log)
{
    struct tr_binlog_writer *outer = log->writer;
    (void)begin_group(log, GROUP_PLAIN);
    log->inner = (struct tr_binlog_writer){.out = log->inner.out,
                                           .flavor = TR_FLAVOR_MYSQL,
                                           .full_metadata = outer->full_metadata,
                                           .zero_positions = true,
                                           .server_id = outer->server_id,
                                           .timestamp_s = outer->timestamp_s};
    log->inner.out.used = 0;
    log->writer = &log->inner;
    write_query(log, "BEGIN");
    model_log_count_event(log);
    model_log_write_statements(log);
    tr_binlog_writer_xid(log->writer, log->transaction_count + 1);
    log->writer = outer;
    const size_t room = ZSTD_compressBound(log->inner.out.used);
    void *block = malloc(room);
    TR_ASSERT(block != NULL);
    const size_t bytes = ZSTD_compress(block, room, log->inner.out.bytes, log->inner.out.used, 1);
    TR_ASSERT(ZSTD_isError(bytes) == 0);
    struct tr_buffer *out = &outer->out;
    tr_binlog_writer_event_begin(outer, EVENT_TRANSACTION_PAYLOAD, 0);
    tr_buffer_append(out, "\x02\x01\x00", 3); /* compression: zstd */
    tr_buffer_append(out, "\x03\x09\xFE", 3); /* uncompressed size, a length-encoded integer */
    tr_buffer_append_uint(out, log->inner.out.used, 8);
    tr_buffer_append(out, "\x01\x09\xFE", 3); /* size of the block */
    tr_buffer_append_uint(out, bytes, 8);
    tr_buffer_append_uint(out, 0, 1);
    tr_buffer_append(out, block, bytes);
    tr_binlog_writer_event_end(outer);
    free(block);
    end_group(log);
}

void model_log_commit_plain(struct tr_model_log *log, bool is_empty)
{
    (void)begin_group(log, GROUP_PLAIN);
    if (log->options.flavor == TR_FLAVOR_MYSQL) {
        write_query(log, "BEGIN");
        model_log_count_event(log);
    }
    log->writer->zero_positions = log->options.has_zero_positions;
    if (!is_empty) {
        model_log_write_statements(log);
    }
    log->writer->zero_positions = false;
    write_terminator(log);
    end_group(log);
}

static void commit_xa(struct tr_model_log *log)
{
    struct tr_model_transaction *transaction = begin_group(log, GROUP_XA);
    transaction->is_xa =
        log->options.flavor == TR_FLAVOR_MYSQL; /* no counts: for Debezium it is no transaction */
    if (log->options.flavor == TR_FLAVOR_MYSQL) {
        write_query(log, "XA START X'67',X'62',3");
        model_log_count_event(log);
    }
    model_log_write_statements(log);
    write_query(log, "XA END X'67',X'62',3");
    model_log_count_event(log);
    tr_binlog_writer_event_begin(log->writer, EVENT_XA_PREPARE, 0);
    tr_buffer_append(&log->writer->out, "\0\x03\0\0\0\x01\0\0\0\x01\0\0\0gb", 15);
    tr_binlog_writer_event_end(log->writer);
    end_group(log);
    (void)begin_group(log, GROUP_XA_COMMIT);
    write_query(log, "XA COMMIT X'67',X'62',3");
    end_group(log);
}

/* What was remembered for this group counts as a row, so that positions before and behind it differ. */
static void count_statement(struct tr_model_log *log)
{
    const bool is_remembered =
        log->change_count > 0 && log->changes[log->change_count - 1].row == log->row_count;
    log->row_count += is_remembered;
    log->statement_count++;
}

void model_log_commit_query(struct tr_model_log *log, const char *sql)
{
    (void)begin_group(log, GROUP_STATEMENT);
    write_query(log, sql);
    count_statement(log);
    end_group(log);
}

void model_log_commit_create_select(struct tr_model_log *log, uint32_t table, const char *sql)
{
    (void)begin_group(log, GROUP_PLAIN);
    if (log->options.flavor == TR_FLAVOR_MYSQL) {
        write_query(log, "BEGIN");
        model_log_count_event(log);
    }
    write_query(log, sql);
    count_statement(log);
    model_log_count_event(log);
    model_log_write_inserts(log, table);
    tr_binlog_writer_xid(log->writer, log->transaction_count + 1);
    end_group(log);
}

/* --- files --------------------------------------------------------------------------------------
 */

static void start_file(struct tr_model_log *log)
{
    const uint32_t index = log->file_count;
    TR_ASSERT(index < TR_MODEL_FILES_MAX);
    struct tr_binlog_writer *writer = &log->files[index];
    *writer = (struct tr_binlog_writer){.flavor = log->options.flavor,
                                        .checksums = true,
                                        .full_metadata = !log->options.has_minimal_metadata,
                                        .server_id = 7,
                                        .timestamp_s = (uint32_t)(log->now_unix_us / 1000000)};
    memcpy(writer->uuid, "model-source-001", 16);
    (void)snprintf(log->file_names[index], sizeof(log->file_names[index]), "binlog.%06u",
                   index + 1);
    tr_binlog_writer_start(writer);
    log->file_count++;
    log->writer = writer;
}

/* The server starts again: other tables get the ids. */
static void assign_table_ids(struct tr_model_log *log)
{
    const uint32_t turn = tr_random_below(&log->random, TR_MODEL_TABLES_MAX + 1);
    for (uint32_t i = 0; i <= TR_MODEL_TABLES_MAX; i++) {
        log->table_ids[i] = 100 + (i + turn) % (TR_MODEL_TABLES_MAX + 1);
    }
    log->table_id_next = 100 + TR_MODEL_TABLES_MAX + 1;
}

static void end_file(struct tr_model_log *log)
{
    char next[32];
    if (log->file_count == TR_MODEL_FILES_MAX) {
        return;
    }
    if (tr_random_chance(&log->random, log->options.rotate_permille)) {
        (void)snprintf(next, sizeof(next), "binlog.%06u", log->file_count + 1);
        tr_binlog_writer_rotate(log->writer, next);
        start_file(log);
    } else if (tr_random_chance(&log->random, log->options.crash_permille)) {
        if (tr_random_chance(&log->random, 500)) {
            tr_binlog_writer_event_begin(log->writer, EVENT_STOP, 0);
            tr_binlog_writer_event_end(log->writer);
        }
        start_file(log);
        assign_table_ids(log);
    }
}

void tr_model_log_init(struct tr_model_log *log, const struct tr_model_options *options)
{
    *log = (struct tr_model_log){
        .options = *options, .random = {options->seed}, .now_unix_us = INT64_C(1700000000000000)};
    for (uint32_t i = 0; i < TR_MODEL_TABLES_MAX; i++) {
        log->columns[i] = (struct tr_model_columns){
            .count = TR_MODEL_COLUMNS_MIN,
            .key = (options->keyless_tables >> i & 1) != 0 ? TR_MODEL_NO_KEY : TR_MODEL_ID,
            .has_long_id = (options->long_key_tables >> i & 1) != 0,
            .list = {TR_MODEL_ID, TR_MODEL_N, TR_MODEL_S}};
    }
    log->number_last = TR_MODEL_COLUMNS_MIN - 1;
    log->shadow_of = TR_MODEL_TABLES_MAX;
    for (uint32_t i = 0; i < TR_MODEL_SOURCES_MAX; i++) {
        log->number_next[i] = 1;
    }
    assign_table_ids(log);
    start_file(log);
    log->start_at = (uint32_t)log->writer->out.used;
    for (uint32_t i = 0; i < options->source_count && !options->starts_empty; i++) {
        (void)begin_group(log, GROUP_STATEMENT); /* the first ones: of each source in turn */
        write_query(log, "CREATE DATABASE sim");
        end_group(log);
    }
    for (uint32_t i = 0; i < options->table_count && options->has_history; i++) {
        model_log_create_table(log, i);
    }
}

void tr_model_log_deinit(struct tr_model_log *log)
{
    for (uint32_t i = 0; i < log->file_count; i++) {
        tr_buffer_free(&log->files[i].out);
    }
    tr_buffer_free(&log->inner.out);
    free(log->transactions);
    free(log->changes);
    free(log->event_rows);
    free(log->effects);
    *log = (struct tr_model_log){0};
}

static void commit_one(struct tr_model_log *log)
{
    const struct tr_model_options *options = &log->options;
    end_file(log);
    log->now_unix_us += tr_random_below(&log->random, 2000000);
    log->writer->timestamp_s = (uint32_t)(log->now_unix_us / 1000000);
    if (tr_random_chance(&log->random, options->ddl_permille)) {
        model_log_commit_statement(log);
    } else if (tr_random_chance(&log->random, options->xa_permille)) {
        commit_xa(log);
    } else if (options->flavor == TR_FLAVOR_MYSQL &&
               tr_random_chance(&log->random, options->compress_permille)) {
        commit_compressed(log);
    } else {
        model_log_commit_plain(log, tr_random_chance(&log->random, options->empty_permille));
    }
}

void tr_model_log_commit(struct tr_model_log *log, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        commit_one(log);
    }
}

uint32_t tr_model_stream_of(struct tr_span name)
{
    const uint32_t last = name.bytes == 0 ? 0 : (uint32_t)(name.data[name.bytes - 1]);
    if (tr_span_equals(name, tr_span_of_text("p"))) {
        return TR_MODEL_DDL_STREAM;
    }
    return last >= '0' && last < '0' + TR_MODEL_TABLES_MAX ? last - '0' : TR_MODEL_STREAMS_MAX;
}
