// SPDX-License-Identifier: Apache-2.0
#include "stages/source/snapshot_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/cover.h"
#include "stages/schema/table.h"
#include "stages/source/query_rows.h"

#define BLOCK_BYTES ((size_t)64 * 1024)
#define TEXT_SQL_BYTES (2 * TR_NAME_BYTES_MAX + 3)
#define SQL_BYTES_MAX (2 * TEXT_SQL_BYTES + 256)
#define ERROR_NO_SUCH_DATABASE 1049
#define ERROR_NO_SUCH_TABLE 1146
#define ERROR_LOCK_WAIT_TIMEOUT 1205

struct tr_snapshot_block {
    struct tr_snapshot_block *next; /* owns */
    size_t used_bytes;
    size_t room_bytes;
    _Alignas(max_align_t) uint8_t bytes[];
};

/* The order of tables is table.include.list's, also of those that the other list picks. */
struct lists {
    struct tr_filter_order *order;
    struct tr_filter_order *rows;
    bool has_order;
    bool has_rows;
};

struct ranked {
    uint32_t rank;
    uint32_t index;
};

static enum tr_code rank_tables(struct tr_snapshot_schema *schema,
                                const struct tr_snapshot_options *options, struct tr_error *err);
static enum tr_code collect_ranked(struct tr_snapshot_schema *schema, const struct lists *lists,
                                   struct tr_error *err);
static void order_by_rows(struct tr_snapshot_schema *schema, int direction);
static enum tr_code plan_select(struct tr_snapshot_schema *schema, struct tr_snapshot_table *table,
                                const struct tr_query_port *port,
                                const struct tr_snapshot_options *options, struct tr_error *err);
static enum tr_code read_columns(struct tr_snapshot_schema *schema, struct tr_snapshot_table *table,
                                 const struct tr_query_port *port,
                                 const struct tr_snapshot_options *options, struct tr_error *err);
static enum tr_code explain_no_columns(const struct tr_snapshot_table *table,
                                       const struct tr_query_port *port,
                                       const struct tr_snapshot_options *options,
                                       struct tr_error *err);
static enum tr_code read_size(struct tr_snapshot_table *table, const struct tr_query_port *port,
                              struct tr_error *err);
static enum tr_code try_select(const struct tr_snapshot_table *table,
                               const struct tr_query_port *port,
                               const struct tr_snapshot_options *options, struct tr_error *err);
static void write_select(struct tr_snapshot_writer *writer, const struct tr_snapshot_table *table);
static void format_about(char sql[SQL_BYTES_MAX], const char *question, const char *rest,
                         const struct tr_snapshot_table *table);

void *tr_snapshot_texts_take(struct tr_snapshot_texts *texts, size_t bytes)
{
    struct tr_snapshot_block *block = texts->first;
    const size_t rounded = (bytes + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);

    if (block == NULL || rounded > block->room_bytes - block->used_bytes) {
        const size_t room_bytes = rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES;
        block = calloc(1, sizeof(*block) + room_bytes);
        if (block == NULL) {
            texts->failed = true;
            return NULL;
        }
        block->room_bytes = room_bytes;
        block->next = texts->first;
        texts->first = block;
        texts->bytes += room_bytes;
    }
    void *at = block->bytes + block->used_bytes;
    block->used_bytes += rounded;
    return at;
}

struct tr_span tr_snapshot_texts_keep(struct tr_snapshot_texts *texts, struct tr_span text)
{
    void *at = tr_snapshot_texts_take(texts, text.bytes);

    if (at == NULL || text.bytes == 0) {
        return (struct tr_span){0};
    }
    memcpy(at, text.data, text.bytes);
    return tr_span_of(at, text.bytes);
}

void tr_snapshot_texts_close(struct tr_snapshot_texts *texts)
{
    while (texts->first != NULL) {
        struct tr_snapshot_block *next = texts->first->next;
        free(texts->first);
        texts->first = next;
    }
    *texts = (struct tr_snapshot_texts){0};
}

void tr_snapshot_write(struct tr_snapshot_writer *writer, struct tr_span text)
{
    if (writer->out != NULL && text.bytes > 0 && writer->bytes < writer->room_bytes) {
        const size_t room_bytes = writer->room_bytes - writer->bytes;
        memcpy(writer->out + writer->bytes, text.data,
               text.bytes < room_bytes ? text.bytes : room_bytes);
    }
    writer->bytes += text.bytes;
}

void tr_snapshot_write_text(struct tr_snapshot_writer *writer, const char *text)
{
    tr_snapshot_write(writer, tr_span_of_text(text));
}

void tr_snapshot_write_name(struct tr_snapshot_writer *writer, struct tr_span name)
{
    tr_snapshot_write_text(writer, "`");
    for (size_t i = 0; i < name.bytes; i++) {
        tr_snapshot_write(writer, tr_span_of(name.data + i, 1));
        if (name.data[i] == '`') {
            tr_snapshot_write_text(writer, "`");
        }
    }
    tr_snapshot_write_text(writer, "`");
}

void tr_snapshot_write_table(struct tr_snapshot_writer *writer,
                             const struct tr_snapshot_table *table)
{
    tr_snapshot_write_name(writer, table->database);
    tr_snapshot_write_text(writer, ".");
    tr_snapshot_write_name(writer, table->name);
}

enum tr_code tr_snapshot_select_plan(struct tr_snapshot_schema *schema,
                                     const struct tr_query_port *port,
                                     const struct tr_snapshot_options *options,
                                     struct tr_error *err)
{
    enum tr_code code = rank_tables(schema, options, err);

    for (uint32_t i = 0; code == TR_OK && i < schema->row_table_count; i++) {
        code = plan_select(schema, &schema->tables[schema->row_tables[i]], port, options, err);
    }
    if (code == TR_OK && options->row_count_order != 0) {
        order_by_rows(schema, options->row_count_order);
    }
    return code;
}

/* Tables of one estimate stay as they are. An insertion sort: there are few tables, or it is no
 * matter against reading them. */
static void order_by_rows(struct tr_snapshot_schema *schema, int direction)
{
    uint32_t *order = schema->row_tables;

    for (uint32_t i = 1; i < schema->row_table_count; i++) {
        const uint32_t moved = order[i];
        const uint64_t rows = schema->tables[moved].rows_estimated;
        uint32_t at = i;
        for (; at > 0; at--) {
            const uint64_t other = schema->tables[order[at - 1]].rows_estimated;
            if (direction > 0 ? other <= rows : other >= rows) {
                break;
            }
            order[at] = order[at - 1];
        }
        order[at] = moved;
    }
}

/* Contract §3.6. */
static enum tr_code rank_tables(struct tr_snapshot_schema *schema,
                                const struct tr_snapshot_options *options, struct tr_error *err)
{
    struct lists lists = {.has_order = options->include_list.bytes > 0,
                          .has_rows = options->rows_list.bytes > 0};

    enum tr_code code = tr_filter_order_open(&lists.order, "debezium.source.table.include.list",
                                             options->include_list, err);
    if (code == TR_OK) {
        code = tr_filter_order_open(&lists.rows, "debezium.source.snapshot.include.collection.list",
                                    options->rows_list, err);
    }
    if (code == TR_OK) {
        code = collect_ranked(schema, &lists, err);
    }
    tr_filter_order_close(lists.order);
    tr_filter_order_close(lists.rows);
    return code;
}

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;

    if (x->rank != y->rank) {
        return x->rank < y->rank ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

static enum tr_code collect_ranked(struct tr_snapshot_schema *schema, const struct lists *lists,
                                   struct tr_error *err)
{
    struct ranked *ranked = calloc((size_t)schema->table_count + 1, sizeof(*ranked));
    enum tr_code code = TR_OK;

    schema->row_tables = calloc((size_t)schema->table_count + 1, sizeof(*schema->row_tables));
    if (ranked == NULL || schema->row_tables == NULL) {
        free(ranked);
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for the list of tables: add memory");
    }
    for (uint32_t i = 0; code == TR_OK && i < schema->table_count; i++) {
        const struct tr_snapshot_table *table = &schema->tables[i];
        uint32_t rank = 0;
        uint32_t place = 0;
        if (!table->is_captured) {
            continue;
        }
        if (lists->has_order) {
            code = tr_filter_order_find(lists->order, table->database, table->name, &rank, err);
        }
        if (code == TR_OK && lists->has_rows) {
            code = tr_filter_order_find(lists->rows, table->database, table->name, &place, err);
        }
        if (code == TR_OK && place != UINT32_MAX) {
            ranked[schema->row_table_count++] = (struct ranked){.rank = rank, .index = i};
        }
    }
    if (code == TR_OK) {
        qsort(ranked, schema->row_table_count, sizeof(*ranked), compare_ranked);
    }
    for (uint32_t i = 0; i < schema->row_table_count; i++) {
        schema->row_tables[i] = ranked[i].index;
    }
    free(ranked);
    return code;
}

static enum tr_code plan_select(struct tr_snapshot_schema *schema, struct tr_snapshot_table *table,
                                const struct tr_query_port *port,
                                const struct tr_snapshot_options *options, struct tr_error *err)
{
    enum tr_code code = read_columns(schema, table, port, options, err);

    if (code == TR_OK) {
        code = read_size(table, port, err);
    }
    if (code != TR_OK) {
        return code;
    }
    const struct tr_span override =
        options->select_override == NULL
            ? (struct tr_span){0}
            : options->select_override(options->select_override_self, table->database, table->name);
    if (override.bytes > 0) {
        table->is_overridden = true;
        table->select_sql = tr_snapshot_texts_keep(&schema->names, override);
        return TR_OK; /* the user's own: it may take long to find no row */
    }
    struct tr_snapshot_writer writer = {0};
    write_select(&writer, table);
    writer = (struct tr_snapshot_writer){
        .out = tr_snapshot_texts_take(&schema->names, writer.bytes), .room_bytes = writer.bytes};
    if (writer.out == NULL) {
        return TR_OK; /* sticky in `names` */
    }
    write_select(&writer, table);
    table->select_sql = tr_span_of(writer.out, writer.bytes);
    return try_select(table, port, options, err);
}

static enum tr_code read_columns(struct tr_snapshot_schema *schema, struct tr_snapshot_table *table,
                                 const struct tr_query_port *port,
                                 const struct tr_snapshot_options *options, struct tr_error *err)
{
    struct tr_query_rows rows = {0};
    char sql[SQL_BYTES_MAX];

    format_about(sql, "SELECT column_name FROM information_schema.columns",
                 " ORDER BY ordinal_position", table);
    enum tr_code code = tr_query_rows_run(&rows, port, sql, err);
    if (code == TR_OK && rows.row_count == 0) {
        code = explain_no_columns(table, port, options, err);
    }
    if (code == TR_OK && rows.row_count > TR_COLUMNS_MAX) {
        code = TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP, "a table of %u columns: want at most %d",
                       rows.row_count, TR_COLUMNS_MAX);
    }
    if (code == TR_OK) {
        table->columns = tr_snapshot_texts_take(&schema->names,
                                                (size_t)rows.row_count * sizeof(*table->columns));
        table->column_count = table->columns == NULL ? 0 : rows.row_count;
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        table->columns[i] = tr_snapshot_texts_keep(&schema->names, tr_query_rows_cell(&rows, i, 0));
    }
    tr_query_rows_deinit(&rows);
    return code;
}

/* Gone by now (dropped, renamed), or not ours to see: a SELECT of nothing tells. */
static enum tr_code explain_no_columns(const struct tr_snapshot_table *table,
                                       const struct tr_query_port *port,
                                       const struct tr_snapshot_options *options,
                                       struct tr_error *err)
{
    char sql[SQL_BYTES_MAX];
    struct tr_snapshot_writer writer = {.out = sql, .room_bytes = SQL_BYTES_MAX - 1};

    tr_snapshot_write_text(&writer, "SELECT 1 FROM ");
    tr_snapshot_write_table(&writer, table);
    tr_snapshot_write_text(&writer, " LIMIT 0");
    sql[writer.bytes] = '\0';
    const enum tr_code code = port->run(port->self, sql, NULL, NULL, err);
    if (code != TR_OK) {
        return tr_snapshot_table_failed(table, options, port->last_server_error(port->self), err);
    }
    TR_COVER("snapshot.table_came_back");
    return TR_FAIL(err, TR_ERR_STATE, TR_RETRY, "table %.*s.%.*s was made anew meanwhile",
                   (int)table->database.bytes, (const char *)table->database.data,
                   (int)table->name.bytes, (const char *)table->name.data);
}

/* Engine and the server's own guess at the rows: for the warning and for the progress. */
static enum tr_code read_size(struct tr_snapshot_table *table, const struct tr_query_port *port,
                              struct tr_error *err)
{
    static const char *const engines[] = {"InnoDB", "ROCKSDB", "TokuDB"};
    struct tr_query_rows rows = {0};
    char sql[SQL_BYTES_MAX];

    format_about(sql, "SELECT engine, table_rows FROM information_schema.tables", "", table);
    const enum tr_code code = tr_query_rows_run(&rows, port, sql, err);
    if (code == TR_OK && rows.row_count > 0) {
        const struct tr_span engine = tr_query_rows_cell(&rows, 0, 0);
        const struct tr_span count = tr_query_rows_cell(&rows, 0, 1);
        for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
            table->is_snapshotted =
                table->is_snapshotted ||
                (engine.bytes == strlen(engines[i]) &&
                 strncasecmp((const char *)engine.data, engines[i], engine.bytes) == 0);
        }
        for (size_t i = 0; i < count.bytes && i < 19; i++) {
            table->rows_estimated = table->rows_estimated * 10 + (uint64_t)(count.data[i] - '0');
        }
    }
    tr_query_rows_deinit(&rows);
    return code;
}

/* The SELECT without its rows. */
static enum tr_code try_select(const struct tr_snapshot_table *table,
                               const struct tr_query_port *port,
                               const struct tr_snapshot_options *options, struct tr_error *err)
{
    static const char limit[] = " LIMIT 0";
    char *sql = calloc(1, table->select_sql.bytes + sizeof(limit));

    if (sql == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a SELECT: add memory");
    }
    memcpy(sql, table->select_sql.data, table->select_sql.bytes);
    memcpy(sql + table->select_sql.bytes, limit, sizeof(limit));
    const enum tr_code code = port->run(port->self, sql, NULL, NULL, err);
    free(sql);
    return code == TR_OK
               ? TR_OK
               : tr_snapshot_table_failed(table, options, port->last_server_error(port->self), err);
}

/* snapshot_event.h: every column, in the table's order, by its bare name. */
static void write_select(struct tr_snapshot_writer *writer, const struct tr_snapshot_table *table)
{
    tr_snapshot_write_text(writer, "SELECT ");
    for (uint32_t i = 0; i < table->column_count; i++) {
        tr_snapshot_write_text(writer, i == 0 ? "" : ", ");
        tr_snapshot_write_name(writer, table->columns[i]);
    }
    tr_snapshot_write_text(writer, " FROM ");
    tr_snapshot_write_table(writer, table);
}

/* A question to information_schema about one table, by constants: then it opens just that one. */
static void format_about(char sql[SQL_BYTES_MAX], const char *question, const char *rest,
                         const struct tr_snapshot_table *table)
{
    struct tr_snapshot_writer writer = {.out = sql, .room_bytes = SQL_BYTES_MAX - 1};
    char quoted[TEXT_SQL_BYTES];

    tr_snapshot_write_text(&writer, question);
    tr_snapshot_write_text(&writer, " WHERE table_schema = ");
    tr_query_quote(quoted, table->database, '\'');
    tr_snapshot_write_text(&writer, quoted);
    tr_snapshot_write_text(&writer, " AND table_name = ");
    tr_query_quote(quoted, table->name, '\'');
    tr_snapshot_write_text(&writer, quoted);
    tr_snapshot_write_text(&writer, rest);
    sql[writer.bytes] = '\0';
}

enum tr_code tr_snapshot_table_failed(const struct tr_snapshot_table *table,
                                      const struct tr_snapshot_options *options, uint32_t number,
                                      struct tr_error *err)
{
    const int database_bytes = (int)table->database.bytes;
    const int name_bytes = (int)table->name.bytes;
    const char *database = (const char *)table->database.data;
    const char *name = (const char *)table->name.data;

    if (number == ERROR_NO_SUCH_TABLE || number == ERROR_NO_SUCH_DATABASE) {
        TR_COVER("snapshot.table_vanished");
        return TR_FAIL(err, TR_ERR_STATE, TR_RETRY,
                       "table %.*s.%.*s was dropped or renamed meanwhile", database_bytes, database,
                       name_bytes, name);
    }
    if (number == ERROR_LOCK_WAIT_TIMEOUT) {
        TR_COVER("snapshot.table_locked");
        return TR_FAIL(err, TR_ERR_STATE, TR_RETRY,
                       "table %.*s.%.*s is locked by LOCK TABLES or by an ALTER TABLE that waits",
                       database_bytes, database, name_bytes, name);
    }
    if (err->code != TR_ERR_SOURCE_AUTH) {
        return tr_error_prefix(err, "table %.*s.%.*s", database_bytes, database, name_bytes, name);
    }
    TR_COVER("snapshot.table_refused");
    return tr_error_prefix(
        err, "table %.*s.%.*s is not readable: run GRANT SELECT ON `%.*s`.`%.*s` TO %s%s",
        database_bytes, database, name_bytes, name, database_bytes, database, name_bytes, name,
        options->facts->user,
        table->is_captured
            ? ", or exclude it by debezium.source.table.exclude.list"
            : ", or set debezium.source.schema.history.internal.store.only.captured.tables.ddl = "
              "true");
}
