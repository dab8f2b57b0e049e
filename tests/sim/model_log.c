// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/model_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "engine/assert.h"

#define ROWS_EVENT_BYTES_MAX 8192 /* binlog_row_event_max_size */
#define BIG_ROW_BYTES_MIN 100000
#define BIG_ROW_BYTES_SPAN 400000
#define EVENT_HEADER_BYTES 19
#define OTHER TR_MODEL_TABLES_MAX /* the table that is not captured */
#define STATEMENT_TABLES_MAX 3

enum {
    EVENT_STOP = 3,
    EVENT_ROWS_QUERY = 29,
    EVENT_ANONYMOUS_GTID = 34,
    EVENT_XA_PREPARE = 38,
    EVENT_TRANSACTION_PAYLOAD = 40,
    EVENT_ANNOTATE_ROWS = 160,
    EVENT_MARIADB_GTID = 162
};

static const struct tr_writer_column number_columns[TR_MODEL_COLUMNS_MAX] = {
    {.name = "id", .type = TR_WRITER_INT},
    {.name = "n", .type = TR_WRITER_INT},
    {.name = "s", .type = TR_WRITER_TEXT, .nullable = true},
    {.name = "a1", .type = TR_WRITER_INT, .nullable = true},
    {.name = "a2", .type = TR_WRITER_INT, .nullable = true},
    {.name = "a3", .type = TR_WRITER_INT, .nullable = true},
};

static const struct tr_writer_column text_columns[TR_MODEL_COLUMNS_MAX] = {
    {.name = "id", .type = TR_WRITER_VARCHAR, .bytes_max = 1600},
    {.name = "n", .type = TR_WRITER_INT},
    {.name = "s", .type = TR_WRITER_TEXT, .nullable = true},
    {.name = "a1", .type = TR_WRITER_INT, .nullable = true},
    {.name = "a2", .type = TR_WRITER_INT, .nullable = true},
    {.name = "a3", .type = TR_WRITER_INT, .nullable = true},
};

static const char *const table_names[TR_MODEL_TABLES_MAX + 1] = {"t0", "t1", "t2", "t3", "u0"};

bool tr_model_is_keyless(const struct tr_model_log *log, uint32_t table)
{
    return (log->options.keyless_tables >> table & 1) != 0;
}

bool tr_model_has_long_keys(const struct tr_model_log *log, uint32_t table)
{
    return (log->options.long_key_tables >> table & 1) != 0;
}

static struct tr_writer_table table_of(const struct tr_model_log *log, uint32_t table)
{
    return (struct tr_writer_table){
        .table_id = log->table_ids[table],
        .database = table == OTHER ? "other" : "sim",
        .name = table_names[table],
        .column_count = table == OTHER ? TR_MODEL_COLUMNS_MIN : log->column_count[table],
        .columns =
            table != OTHER && tr_model_has_long_keys(log, table) ? text_columns : number_columns,
        .key_column = table != OTHER && tr_model_is_keyless(log, table) ? TR_WRITER_NO_KEY : 0};
}

/* --- values -------------------------------------------------------------------------------------
 */

static uint32_t text_of_id(uint32_t id, char *out)
{
    char digits[16];
    const int bytes = snprintf(digits, sizeof(digits), "%u", id);
    memset(out, 'k', 300);
    memcpy(out + 300, digits, (size_t)bytes);
    return 300 + (uint32_t)bytes;
}

/* The text column: its length, or UINT32_MAX for null; where its letters come from. */
static uint32_t text_of(const struct tr_model_log *log, uint32_t table, struct tr_model_image image,
                        struct tr_random *letters)
{
    struct tr_random random = {log->options.seed ^
                               ((uint64_t)table << 56 | (uint64_t)image.id << 32 | image.n)};
    if (tr_random_chance(&random, 100)) {
        return UINT32_MAX;
    }
    const bool is_big = tr_random_chance(&random, log->options.big_row_permille);
    const uint32_t bytes = is_big ? BIG_ROW_BYTES_MIN + tr_random_below(&random, BIG_ROW_BYTES_SPAN)
                                  : tr_random_below(&random, 60);
    *letters = random;
    return bytes;
}

static void append_text(struct tr_buffer *out, const char *text)
{
    tr_buffer_append(out, text, strlen(text));
}

static void append_number(struct tr_buffer *out, uint64_t number)
{
    char digits[24];
    (void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    append_text(out, digits);
}

void tr_model_write_id(const struct tr_model_log *log, uint32_t table, uint32_t id,
                       struct tr_buffer *out)
{
    char text[320];
    if (!tr_model_has_long_keys(log, table)) {
        append_number(out, id);
        return;
    }
    tr_buffer_append(out, "\"", 1);
    tr_buffer_append(out, text, text_of_id(id, text));
    tr_buffer_append(out, "\"", 1);
}

/* Letters that hardly compress: large events stay large. */
static void append_letters(struct tr_buffer *out, struct tr_random random, uint32_t bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char letters[8];
    while (bytes > 0) {
        const uint64_t drawn = tr_random_next(&random);
        const uint32_t part = bytes < sizeof(letters) ? bytes : (uint32_t)sizeof(letters);
        for (uint32_t i = 0; i < part; i++) {
            letters[i] = alphabet[drawn >> 8 * i & 63];
        }
        tr_buffer_append(out, letters, part);
        bytes -= part;
    }
}

void tr_model_write_image(const struct tr_model_log *log, uint32_t table,
                          struct tr_model_image image, struct tr_buffer *out)
{
    struct tr_random letters = {0};
    const uint32_t bytes = text_of(log, table, image, &letters);
    append_text(out, "{\"id\":");
    tr_model_write_id(log, table, image.id, out);
    append_text(out, ",\"n\":");
    append_number(out, image.n);
    append_text(out, bytes == UINT32_MAX ? ",\"s\":null" : ",\"s\":\"");
    if (bytes != UINT32_MAX) {
        append_letters(out, letters, bytes);
        append_text(out, "\"");
    }
    for (uint32_t i = TR_MODEL_COLUMNS_MIN; i < image.column_count; i++) {
        append_text(out, ",\"");
        append_text(out, number_columns[i].name);
        append_text(out, "\":");
        append_number(out, image.n + i);
    }
    append_text(out, "}");
}

static void put_image(struct tr_model_log *log, uint32_t table, struct tr_model_image image)
{
    static struct tr_buffer text; /* kept: one for the process */
    char id[320];
    struct tr_random letters = {0};
    const struct tr_writer_table definition = table_of(log, table);
    const uint32_t bytes = text_of(log, table, image, &letters);
    struct tr_writer_value values[TR_MODEL_COLUMNS_MAX] = {{.number = image.id},
                                                           {.number = image.n}};
    if (definition.columns == text_columns) {
        values[0].text = tr_span_of(id, text_of_id(image.id, id));
    }
    text.used = 0;
    values[2].is_null = bytes == UINT32_MAX;
    if (bytes != UINT32_MAX) {
        append_letters(&text, letters, bytes);
        values[2].text = tr_span_of(text.bytes, text.used);
    }
    for (uint32_t i = TR_MODEL_COLUMNS_MIN; i < definition.column_count; i++) {
        values[i].number = (int64_t)image.n + i;
    }
    tr_binlog_writer_image(log->writer, &definition, values);
}

/* --- the truth ----------------------------------------------------------------------------------
 */

static void *grow(void *array, uint32_t count, uint32_t *room, size_t bytes)
{
    if (count < *room) {
        return array;
    }
    *room = *room * 2 + 1024;
    void *grown = realloc(array, *room * bytes);
    TR_ASSERT(grown != NULL);
    return grown;
}

static void remember(struct tr_model_log *log, struct tr_model_change change)
{
    change.row = log->row_count;
    change.transaction = log->transaction_count;
    log->changes = grow(log->changes, log->change_count, &log->changes_room, sizeof(*log->changes));
    log->changes[log->change_count++] = change;
}

/* An event that Debezium counts, inside a group. */
static void count_event(struct tr_model_log *log)
{
    log->event_rows =
        grow(log->event_rows, log->event_count, &log->events_room, sizeof(*log->event_rows));
    log->event_rows[log->event_count++] = log->row_count;
    log->transactions[log->transaction_count].event_count++;
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static struct tr_model_image current_image(const struct tr_model_log *log, uint32_t table,
                                           uint32_t id)
{
    return (struct tr_model_image){.id = (uint16_t)id,
                                   .n = log->n[table][id],
                                   .column_count = (uint8_t)log->column_count[table]};
}

/* The image that a change leaves. */
static struct tr_model_image next_image(struct tr_model_log *log, uint32_t table, uint32_t id)
{
    log->n[table][id]++;
    log->exists[table][id] = true;
    return current_image(log, table, id);
}

/* The key to which an update changes `id`; `id` itself where it does not. */
static uint32_t changed_id(struct tr_model_log *log, uint32_t table, uint32_t id)
{
    if (!tr_random_chance(&log->random, log->options.key_change_permille)) {
        return id;
    }
    const uint32_t other = tr_random_below(&log->random, log->options.key_count);
    return log->exists[table][other] ? id : other;
}

static void write_update(struct tr_model_log *log, uint32_t table, uint32_t id)
{
    const uint32_t id_after = changed_id(log, table, id);
    const struct tr_model_image before = current_image(log, table, id);
    log->exists[table][id] = false;
    const struct tr_model_image after = next_image(log, table, id_after);
    const bool is_keyless = tr_model_is_keyless(log, table);
    struct tr_model_change change = {
        .table = (uint8_t)table, .op = TR_MODEL_UPDATE, .before = before, .after = after};
    put_image(log, table, before);
    put_image(log, table, after);
    if (id == id_after || is_keyless) {
        change.key = is_keyless ? 0 : (uint16_t)id;
        remember(log, change);
    } else { /* Debezium: a delete and a create */
        change.key = (uint16_t)id;
        change.op = TR_MODEL_DELETE;
        remember(log, change);
        change.key = (uint16_t)id_after;
        change.op = TR_MODEL_INSERT;
        remember(log, change);
    }
}

static void write_row(struct tr_model_log *log, uint32_t table, uint32_t id, enum tr_model_op op)
{
    struct tr_model_change change = {.table = (uint8_t)table,
                                     .op = (uint8_t)op,
                                     .key = tr_model_is_keyless(log, table) ? 0 : (uint16_t)id};
    if (table == OTHER) {
        const struct tr_writer_value values[TR_MODEL_COLUMNS_MIN] = {
            {.number = id}, {.number = 1}, {.text = tr_span_of_text("not for you")}};
        const struct tr_writer_table definition = table_of(log, table);
        tr_binlog_writer_image(log->writer, &definition, values);
        return;
    }
    if (op == TR_MODEL_UPDATE) {
        write_update(log, table, id);
    } else if (op == TR_MODEL_DELETE) {
        change.before = current_image(log, table, id);
        log->exists[table][id] = false;
        put_image(log, table, change.before);
        remember(log, change);
    } else {
        change.after = next_image(log, table, id);
        put_image(log, table, change.after);
        remember(log, change);
    }
    log->row_count++;
}

static void begin_rows(struct tr_model_log *log, uint32_t table, int op)
{
    const struct tr_writer_table definition = table_of(log, table);
    log->writer->is_continued = true; /* until it is known to be the last one */
    log->writer->compresses_rows = log->options.flavor == TR_FLAVOR_MARIADB &&
                                   tr_random_chance(&log->random, log->options.compress_permille);
    tr_binlog_writer_rows_begin(log->writer, &definition, op);
}

static void end_rows(struct tr_model_log *log, bool is_last)
{
    if (is_last) {
        log->writer->out.bytes[log->writer->event_at + EVENT_HEADER_BYTES + 6] =
            1; /* end of statement */
    }
    tr_binlog_writer_rows_end(log->writer);
    count_event(log);
}

static void write_annotation(struct tr_model_log *log)
{
    static const char text[] = "INSERT something, says the client";
    const bool is_mysql = log->options.flavor == TR_FLAVOR_MYSQL;
    if (!log->options.has_annotations) {
        return;
    }
    tr_binlog_writer_event_begin(log->writer, is_mysql ? EVENT_ROWS_QUERY : EVENT_ANNOTATE_ROWS,
                                 is_mysql ? 0x80 : 0);
    if (is_mysql) {
        tr_buffer_append_uint(&log->writer->out, sizeof(text) - 1, 1);
    }
    append_text(&log->writer->out, text);
    tr_binlog_writer_event_end(log->writer);
    if (is_mysql) {
        count_event(log); /* MariaDB's is withheld */
    }
}

/* The tables of one statement, each at most once. */
static uint32_t draw_tables(struct tr_model_log *log, uint32_t *tables)
{
    const struct tr_model_options *options = &log->options;
    uint32_t count = 1;
    tables[0] = tr_random_chance(&log->random, options->uncaptured_permille)
                    ? OTHER
                    : tr_random_below(&log->random, options->table_count);
    while (count < STATEMENT_TABLES_MAX &&
           tr_random_chance(&log->random, options->multi_table_permille)) {
        const uint32_t table = tr_random_below(&log->random, options->table_count);
        bool is_new = true;
        for (uint32_t i = 0; i < count; i++) {
            is_new = is_new && tables[i] != table;
        }
        if (!is_new) {
            break;
        }
        tables[count++] = table;
    }
    return count;
}

/* One statement: table maps, then rows of its tables by turns, cut into events like the server
 * does. */
static void write_statement(struct tr_model_log *log, uint32_t row_count)
{
    uint32_t tables[STATEMENT_TABLES_MAX];
    const uint32_t table_count = draw_tables(log, tables);
    const uint32_t key_count = log->options.key_count;
    const uint32_t id_first = tr_random_below(&log->random, key_count);
    uint32_t table_open = UINT32_MAX;
    int op_open = -1;
    write_annotation(log);
    for (uint32_t i = 0; i < table_count; i++) {
        const struct tr_writer_table definition = table_of(log, tables[i]);
        tr_binlog_writer_table_map(log->writer, &definition);
        count_event(log);
    }
    for (uint32_t i = 0; i < row_count && i < key_count; i++) {
        const uint32_t table = tables[tr_random_below(&log->random, table_count)];
        const uint32_t id = (id_first + i) % key_count;
        const bool deletes = tr_random_chance(&log->random, log->options.delete_permille);
        const enum tr_model_op op = table == OTHER || !log->exists[table][id] ? TR_MODEL_INSERT
                                    : deletes                                 ? TR_MODEL_DELETE
                                                                              : TR_MODEL_UPDATE;
        if (table != table_open || (int)op != op_open ||
            log->writer->out.used - log->writer->event_at > ROWS_EVENT_BYTES_MAX) {
            if (op_open >= 0) {
                end_rows(log, false);
            }
            begin_rows(log, table, (int)op);
            table_open = table;
            op_open = (int)op;
        }
        write_row(log, table, id, op);
    }
    end_rows(log, true);
}

static void write_statements(struct tr_model_log *log)
{
    const bool big = tr_random_chance(&log->random, log->options.big_transaction_permille);
    const uint32_t count = big ? 40 + tr_random_below(&log->random, 100)
                               : 1 + tr_random_below(&log->random, log->options.statements_max);
    for (uint32_t i = 0; i < count; i++) {
        if (tr_random_chance(&log->random, 20)) {
            tr_binlog_writer_query(log->writer, "sim", "SAVEPOINT `a`");
            count_event(log);
        }
        write_statement(log, 1 + tr_random_below(&log->random, big ? 200 : log->options.rows_max));
    }
}

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
    log->transactions = grow(log->transactions, log->transaction_count, &log->transactions_room,
                             sizeof(*log->transactions));
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
        count_event(log);
        return transaction;
    }
    tr_binlog_writer_gtid(writer, transaction->number, kind == GROUP_STATEMENT, log->now_unix_us);
    if (options->by_file) { /* the same without a GTID */
        const size_t at = writer->event_at;
        const size_t body = at + EVENT_HEADER_BYTES;
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
                                           .full_metadata = true,
                                           .zero_positions = true,
                                           .server_id = outer->server_id,
                                           .timestamp_s = outer->timestamp_s};
    log->inner.out.used = 0;
    log->writer = &log->inner;
    write_query(log, "BEGIN");
    count_event(log);
    write_statements(log);
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

static void commit_plain(struct tr_model_log *log, bool is_empty)
{
    (void)begin_group(log, GROUP_PLAIN);
    if (log->options.flavor == TR_FLAVOR_MYSQL) {
        write_query(log, "BEGIN");
        count_event(log);
    }
    log->writer->zero_positions = log->options.has_zero_positions;
    if (!is_empty) {
        write_statements(log);
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
        count_event(log);
    }
    write_statements(log);
    write_query(log, "XA END X'67',X'62',3");
    count_event(log);
    tr_binlog_writer_event_begin(log->writer, EVENT_XA_PREPARE, 0);
    tr_buffer_append(&log->writer->out, "\0\x03\0\0\0\x01\0\0\0\x01\0\0\0gb", 15);
    tr_binlog_writer_event_end(log->writer);
    end_group(log);
    (void)begin_group(log, GROUP_XA_COMMIT);
    write_query(log, "XA COMMIT X'67',X'62',3");
    end_group(log);
}

static void commit_ddl(struct tr_model_log *log)
{
    const uint32_t table = tr_random_below(&log->random, log->options.table_count);
    uint32_t *column_count = &log->column_count[table];
    char sql[100];
    (void)begin_group(log, GROUP_STATEMENT);
    if (*column_count == TR_MODEL_COLUMNS_MAX || tr_random_chance(&log->random, 200)) {
        write_query(log, "CREATE TABLE other.w (a int)");
    } else {
        (void)snprintf(sql, sizeof(sql), "ALTER TABLE %s ADD COLUMN %s INT NULL",
                       table_names[table], number_columns[*column_count].name);
        write_query(log, sql);
        (*column_count)++;
        log->table_ids[table] = log->table_id_next++;
    }
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
                                        .full_metadata = true,
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
        log->column_count[i] = TR_MODEL_COLUMNS_MIN;
    }
    for (uint32_t i = 0; i < TR_MODEL_SOURCES_MAX; i++) {
        log->number_next[i] = 1;
    }
    assign_table_ids(log);
    start_file(log);
    for (uint32_t i = 0; i < options->source_count; i++) {
        (void)begin_group(log, GROUP_STATEMENT); /* the first ones: of each source in turn */
        write_query(log, "CREATE DATABASE sim");
        end_group(log);
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
    *log = (struct tr_model_log){0};
}

static void commit_one(struct tr_model_log *log)
{
    const struct tr_model_options *options = &log->options;
    end_file(log);
    log->now_unix_us += tr_random_below(&log->random, 2000000);
    log->writer->timestamp_s = (uint32_t)(log->now_unix_us / 1000000);
    if (tr_random_chance(&log->random, options->ddl_permille)) {
        commit_ddl(log);
    } else if (tr_random_chance(&log->random, options->xa_permille)) {
        commit_xa(log);
    } else if (options->flavor == TR_FLAVOR_MYSQL &&
               tr_random_chance(&log->random, options->compress_permille)) {
        commit_compressed(log);
    } else {
        commit_plain(log, tr_random_chance(&log->random, options->empty_permille));
    }
}

void tr_model_log_commit(struct tr_model_log *log, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        commit_one(log);
    }
}
