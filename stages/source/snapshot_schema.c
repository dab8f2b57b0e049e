// SPDX-License-Identifier: Apache-2.0
#include "stages/source/snapshot_schema.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stages/schema/table.h"
#include "stages/source/query_rows.h"
#include "stages/source/snapshot_text.h"

#define NAME_SQL_BYTES (2 * TR_NAME_BYTES_MAX + 3) /* quoted, with its NUL */
#define ERROR_NO_SUCH_TABLE 1146
#define SQL_BYTES_MAX (3 * NAME_SQL_BYTES + 256)

#define SQL_CHARSETS                                                                               \
    "SHOW VARIABLES WHERE Variable_name IN ('character_set_server', 'collation_server')"
#define SQL_TABLES                                                                                 \
    "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type IN ('BASE "   \
    "TABLE', 'SYSTEM VERSIONED')"
#define SQL_DATABASES                                                                              \
    "SELECT schema_name, default_character_set_name, default_collation_name FROM "                 \
    "information_schema.schemata"

static enum tr_code read_outline(struct tr_snapshot_schema *schema,
                                 const struct tr_query_port *port,
                                 const struct tr_snapshot_options *options, struct tr_error *err);
static enum tr_code read_set(struct tr_snapshot_schema *schema, const struct tr_query_port *port,
                             struct tr_error *err);
static enum tr_code read_tables(struct tr_snapshot_schema *schema, const struct tr_query_port *port,
                                const struct tr_snapshot_options *options, struct tr_error *err);
static enum tr_code is_included(const struct tr_snapshot_options *options, struct tr_span database,
                                struct tr_span name, bool *is_captured, bool *included,
                                struct tr_error *err);
static int compare_tables(const void *a, const void *b);
static enum tr_code read_databases(struct tr_snapshot_schema *schema,
                                   const struct tr_query_port *port, struct tr_error *err);
static enum tr_code show_create(const struct tr_snapshot_table *table,
                                const struct tr_query_port *port,
                                const struct tr_snapshot_options *options,
                                struct tr_query_rows *rows, struct tr_span *sql,
                                struct tr_error *err);
static enum tr_code plan_statements(struct tr_snapshot_schema *schema, struct tr_error *err);
static bool is_same_create(struct tr_span a, struct tr_span b);
static enum tr_code no_memory(struct tr_error *err);

enum tr_code tr_snapshot_schema_read(struct tr_snapshot_schema *schema,
                                     const struct tr_query_port *port,
                                     const struct tr_snapshot_options *options,
                                     struct tr_error *err)
{
    struct tr_query_rows rows = {0};

    tr_snapshot_schema_close(schema);
    enum tr_code code = read_outline(schema, port, options, err);
    for (uint32_t i = 0; code == TR_OK && i < schema->table_count; i++) {
        struct tr_span sql;
        code = show_create(&schema->tables[i], port, options, &rows, &sql, err);
        if (code == TR_OK) {
            schema->tables[i].create_sql = tr_snapshot_texts_keep(&schema->texts, sql);
        }
    }
    tr_query_rows_deinit(&rows);
    if (code == TR_OK && options->with_rows) {
        code = tr_snapshot_select_plan(schema, port, options, err);
    }
    if (code == TR_OK) {
        code = plan_statements(schema, err);
    }
    if (code == TR_OK && (schema->names.failed || schema->texts.failed)) {
        code = no_memory(err);
    }
    if (code != TR_OK) {
        tr_snapshot_schema_close(schema);
    }
    return code;
}

enum tr_code tr_snapshot_schema_verify(const struct tr_snapshot_schema *schema,
                                       const struct tr_query_port *port,
                                       const struct tr_snapshot_options *options, bool *is_same,
                                       char changed[256], struct tr_error *err)
{
    struct tr_snapshot_schema now = {0};
    struct tr_query_rows rows = {0};

    *is_same = true;
    enum tr_code code = read_outline(&now, port, options, err);
    if (code == TR_OK &&
        (now.table_count != schema->table_count || now.database_count != schema->database_count ||
         !tr_span_equals(now.set_sql, schema->set_sql))) {
        *is_same = false;
        (void)snprintf(changed, 256, "%u tables instead of %u", now.table_count,
                       schema->table_count);
    }
    for (uint32_t i = 0; code == TR_OK && *is_same && i < schema->database_count; i++) {
        const struct tr_span name = schema->databases[i].name;
        *is_same = tr_span_equals(now.databases[i].create_sql, schema->databases[i].create_sql);
        (void)snprintf(changed, 256, "database %.*s", (int)name.bytes, (const char *)name.data);
    }
    for (uint32_t i = 0; code == TR_OK && *is_same && i < schema->table_count; i++) {
        const struct tr_snapshot_table *table = &schema->tables[i];
        struct tr_span sql = {0};
        (void)snprintf(changed, 256, "table %.*s.%.*s", (int)table->database.bytes,
                       (const char *)table->database.data, (int)table->name.bytes,
                       (const char *)table->name.data);
        *is_same = tr_span_equals(now.tables[i].database, table->database) &&
                   tr_span_equals(now.tables[i].name, table->name);
        code = *is_same ? show_create(table, port, options, &rows, &sql, err) : TR_OK;
        *is_same = *is_same && code == TR_OK && is_same_create(sql, table->create_sql);
    }
    tr_query_rows_deinit(&rows);
    tr_snapshot_schema_close(&now);
    if (code == TR_ERR_STATE) { /* a table vanished */
        *is_same = false;
        return TR_OK;
    }
    return code;
}

size_t tr_snapshot_schema_statement(const struct tr_snapshot_schema *schema, uint32_t index,
                                    char *out, size_t room_bytes, struct tr_span *database)
{
    const struct tr_snapshot_statement *statement = &schema->statements[index];
    struct tr_snapshot_writer writer = {.out = out, .room_bytes = room_bytes};

    *database = (struct tr_span){0};
    switch (statement->kind) {
    case TR_SNAPSHOT_SQL_SET:
        tr_snapshot_write(&writer, schema->set_sql);
        break;
    case TR_SNAPSHOT_SQL_DROP_TABLE:
        *database = schema->tables[statement->index].database;
        tr_snapshot_write_text(&writer, "DROP TABLE IF EXISTS ");
        tr_snapshot_write_name(&writer, *database);
        tr_snapshot_write_text(&writer, ".");
        tr_snapshot_write_name(&writer, schema->tables[statement->index].name);
        break;
    case TR_SNAPSHOT_SQL_CREATE_TABLE:
        *database = schema->tables[statement->index].database;
        tr_snapshot_write(&writer, schema->tables[statement->index].create_sql);
        break;
    case TR_SNAPSHOT_SQL_DROP_DATABASE:
        *database = schema->databases[statement->index].name;
        tr_snapshot_write_text(&writer, "DROP DATABASE IF EXISTS ");
        tr_snapshot_write_name(&writer, *database);
        break;
    case TR_SNAPSHOT_SQL_CREATE_DATABASE:
        *database = schema->databases[statement->index].name;
        tr_snapshot_write(&writer, schema->databases[statement->index].create_sql);
        break;
    case TR_SNAPSHOT_SQL_USE:
        *database = schema->databases[statement->index].name;
        tr_snapshot_write_text(&writer, "USE ");
        tr_snapshot_write_name(&writer, *database);
        break;
    }
    return writer.bytes;
}

size_t tr_snapshot_schema_bytes_max(const struct tr_snapshot_schema *schema)
{
    size_t bytes_max = SQL_BYTES_MAX;

    for (uint32_t i = 0; i < schema->statement_count; i++) {
        struct tr_span database;
        const size_t bytes = tr_snapshot_schema_statement(schema, i, NULL, 0, &database);
        bytes_max = bytes > bytes_max ? bytes : bytes_max;
    }
    return bytes_max;
}

void tr_snapshot_schema_drop_texts(struct tr_snapshot_schema *schema)
{
    for (uint32_t i = 0; i < schema->table_count; i++) {
        schema->tables[i].create_sql = (struct tr_span){0};
    }
    tr_snapshot_texts_close(&schema->texts);
}

void tr_snapshot_schema_close(struct tr_snapshot_schema *schema)
{
    tr_snapshot_texts_close(&schema->names);
    tr_snapshot_texts_close(&schema->texts);
    free(schema->tables);
    free(schema->databases);
    free(schema->statements);
    free(schema->row_tables);
    *schema = (struct tr_snapshot_schema){0};
}

/* What can be read by a few statements: names, databases, the server's character set. */
static enum tr_code read_outline(struct tr_snapshot_schema *schema,
                                 const struct tr_query_port *port,
                                 const struct tr_snapshot_options *options, struct tr_error *err)
{
    enum tr_code code = read_set(schema, port, err);

    if (code == TR_OK) {
        code = read_tables(schema, port, options, err);
    }
    if (code == TR_OK) {
        code = read_databases(schema, port, err);
    }
    if (code == TR_OK && schema->names.failed) {
        code = no_memory(err);
    }
    return code;
}

/* "SET character_set_server=…, collation_server=…" */
static enum tr_code read_set(struct tr_snapshot_schema *schema, const struct tr_query_port *port,
                             struct tr_error *err)
{
    struct tr_query_rows rows = {0};
    char sql[512] = "";
    struct tr_snapshot_writer writer = {.out = sql, .room_bytes = sizeof(sql)};

    const enum tr_code code = tr_query_rows_run(&rows, port, SQL_CHARSETS, err);
    tr_snapshot_write_text(&writer, "SET ");
    for (uint32_t i = 0; code == TR_OK && i < rows.row_count; i++) {
        tr_snapshot_write_text(&writer, i == 0 ? "" : ", ");
        tr_snapshot_write(&writer, tr_query_rows_cell(&rows, i, 0));
        tr_snapshot_write_text(&writer, "=");
        tr_snapshot_write(&writer, tr_query_rows_cell(&rows, i, 1));
    }
    schema->set_sql = tr_snapshot_texts_keep(&schema->names, tr_span_of(sql, writer.bytes));
    tr_query_rows_deinit(&rows);
    return code;
}

static enum tr_code read_tables(struct tr_snapshot_schema *schema, const struct tr_query_port *port,
                                const struct tr_snapshot_options *options, struct tr_error *err)
{
    struct tr_query_rows rows = {0};
    struct tr_filter_order *order = NULL;

    enum tr_code code = tr_query_rows_run(&rows, port, SQL_TABLES, err);
    schema->tables = calloc((size_t)rows.row_count + 1, sizeof(*schema->tables));
    if (code == TR_OK && schema->tables == NULL) {
        code = no_memory(err);
    }
    /* Of captured tables alone the statements come in the order of the list, as the rows do. */
    if (code == TR_OK && !options->all_tables && options->include_list.bytes > 0) {
        code = tr_filter_order_open(&order, "debezium.source.table.include.list",
                                    options->include_list, err);
    }
    for (uint32_t i = 0; code == TR_OK && i < rows.row_count; i++) {
        const struct tr_span database = tr_query_rows_cell(&rows, i, 0);
        const struct tr_span name = tr_query_rows_cell(&rows, i, 1);
        uint32_t rank = 0;
        bool is_captured;
        bool included;
        code = is_included(options, database, name, &is_captured, &included, err);
        if (code == TR_OK && included && order != NULL) {
            code = tr_filter_order_find(order, database, name, &rank, err);
        }
        if (code == TR_OK && included) {
            schema->tables[schema->table_count++] = (struct tr_snapshot_table){
                .database = tr_snapshot_texts_keep(&schema->names, database),
                .name = tr_snapshot_texts_keep(&schema->names, name),
                .rank = rank,
                .is_captured = is_captured};
        }
    }
    tr_query_rows_deinit(&rows);
    tr_filter_order_close(order);
    if (code == TR_OK && !schema->names.failed) {
        qsort(schema->tables, schema->table_count, sizeof(*schema->tables), compare_tables);
    }
    return code;
}

static enum tr_code is_included(const struct tr_snapshot_options *options, struct tr_span database,
                                struct tr_span name, bool *is_captured, bool *included,
                                struct tr_error *err)
{
    *is_captured = false;
    *included = false;
    if (database.bytes > TR_NAME_BYTES_MAX || name.bytes > TR_NAME_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP, "a table name of %zu bytes: want at most %u",
                       name.bytes, TR_NAME_BYTES_MAX);
    }
    enum tr_code code = tr_filter_match(options->filter, database, name, is_captured, err);
    *included = *is_captured;
    if (code != TR_OK || *is_captured || !options->all_tables || tr_filter_is_builtin(database)) {
        return code;
    }
    *included = true;
    return options->captured_databases_only
               ? tr_filter_match_database(options->filter, database, included, err)
               : TR_OK;
}

/* By rank, then by the bytes of `database.name`: Java's order of the texts, since names are of the BMP. */
static int compare_tables(const void *a, const void *b)
{
    char names[2][2 * TR_NAME_BYTES_MAX + 2];
    const struct tr_snapshot_table *const tables[2] = {a, b};

    if (tables[0]->rank != tables[1]->rank) {
        return tables[0]->rank < tables[1]->rank ? -1 : 1;
    }
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%.*s.%.*s", (int)tables[i]->database.bytes,
                       (const char *)tables[i]->database.data, (int)tables[i]->name.bytes,
                       (const char *)tables[i]->name.data);
    }
    return strcmp(names[0], names[1]);
}

/* Those of the tables, in the order of their first ones. */
static enum tr_code read_databases(struct tr_snapshot_schema *schema,
                                   const struct tr_query_port *port, struct tr_error *err)
{
    struct tr_query_rows rows = {0};

    enum tr_code code = tr_query_rows_run(&rows, port, SQL_DATABASES, err);
    schema->databases = calloc((size_t)rows.row_count + 1, sizeof(*schema->databases));
    if (code == TR_OK && schema->databases == NULL) {
        code = no_memory(err);
    }
    for (uint32_t i = 0; code == TR_OK && i < schema->table_count; i++) {
        const struct tr_span name = schema->tables[i].database;
        uint32_t after = schema->database_count; /* sorted tables: mostly the newest one */
        while (after > 0 && !tr_span_equals(schema->databases[after - 1].name, name)) {
            after--;
        }
        schema->tables[i].database_index = after > 0 ? after - 1 : schema->database_count;
        if (after > 0) {
            continue;
        }
        uint32_t row = 0;
        while (row < rows.row_count && !tr_span_equals(tr_query_rows_cell(&rows, row, 0), name)) {
            row++;
        }
        if (row == rows.row_count) {
            code = TR_FAIL(err, TR_ERR_STATE, TR_RETRY, "database %.*s was dropped meanwhile",
                           (int)name.bytes, (const char *)name.data);
            break;
        }
        char sql[SQL_BYTES_MAX];
        struct tr_snapshot_writer writer = {.out = sql, .room_bytes = sizeof(sql)};
        tr_snapshot_write_text(&writer, "CREATE DATABASE ");
        tr_snapshot_write_name(&writer, name);
        tr_snapshot_write_text(&writer, " CHARSET ");
        tr_snapshot_write(&writer, tr_query_rows_cell(&rows, row, 1));
        tr_snapshot_write_text(&writer, " COLLATE ");
        tr_snapshot_write(&writer, tr_query_rows_cell(&rows, row, 2));
        schema->databases[schema->database_count++] = (struct tr_snapshot_database){
            .name = name,
            .create_sql = tr_snapshot_texts_keep(&schema->names, tr_span_of(sql, writer.bytes))};
    }
    tr_query_rows_deinit(&rows);
    return code;
}

static enum tr_code show_create(const struct tr_snapshot_table *table,
                                const struct tr_query_port *port,
                                const struct tr_snapshot_options *options,
                                struct tr_query_rows *rows, struct tr_span *sql,
                                struct tr_error *err)
{
    char statement[SQL_BYTES_MAX];
    struct tr_snapshot_writer writer = {.out = statement, .room_bytes = sizeof(statement) - 1};

    tr_snapshot_write_text(&writer, "SHOW CREATE TABLE ");
    tr_snapshot_write_table(&writer, table);
    statement[writer.bytes] = '\0';
    *sql = (struct tr_span){0};
    const enum tr_code code = tr_query_rows_run(rows, port, statement, err);
    if (code == TR_OK && rows->row_count > 0) {
        *sql = tr_query_rows_cell(rows, 0, tr_query_rows_column(rows, "Create Table"));
    }
    if (code == TR_OK && sql->bytes > 0) {
        return TR_OK;
    }
    return tr_snapshot_table_failed(
        table, options, code == TR_OK ? ERROR_NO_SUCH_TABLE : port->last_server_error(port->self),
        err);
}

/* Contract §3.5, step 7. */
static enum tr_code plan_statements(struct tr_snapshot_schema *schema, struct tr_error *err)
{
    const size_t count_max =
        1 + 2 * (size_t)schema->table_count + 3 * (size_t)schema->database_count;
    uint32_t count = 0;

    schema->statements = calloc(count_max, sizeof(*schema->statements));
    if (schema->statements == NULL) {
        return no_memory(err);
    }
    struct tr_snapshot_statement *statements = schema->statements;
    statements[count++] = (struct tr_snapshot_statement){.kind = TR_SNAPSHOT_SQL_SET};
    for (uint32_t i = 0; i < schema->table_count; i++) {
        statements[count++] =
            (struct tr_snapshot_statement){.kind = TR_SNAPSHOT_SQL_DROP_TABLE, .index = i};
    }
    for (uint32_t d = 0; d < schema->database_count; d++) {
        for (enum tr_snapshot_statement_kind kind = TR_SNAPSHOT_SQL_DROP_DATABASE;
             kind <= TR_SNAPSHOT_SQL_USE; kind++) {
            statements[count++] = (struct tr_snapshot_statement){.kind = kind, .index = d};
        }
        for (uint32_t i = 0; i < schema->table_count; i++) {
            if (schema->tables[i].database_index != d) {
                continue;
            }
            if (schema->tables[i].is_captured) {
                schema->last_statement = count;
            }
            statements[count++] =
                (struct tr_snapshot_statement){.kind = TR_SNAPSHOT_SQL_CREATE_TABLE, .index = i};
        }
    }
    schema->last_statement = schema->last_statement == 0 ? count - 1 : schema->last_statement;
    schema->statement_count = count;
    return TR_OK;
}

/* The length of " AUTO_INCREMENT=123" at the start of `text`; 0 = something else lies there. The
 * counter moves with every insert and is part of no model. */
static size_t counter_bytes(struct tr_span text)
{
    static const char option[] = " AUTO_INCREMENT=";
    size_t bytes = sizeof(option) - 1;

    if (text.bytes < bytes || memcmp(text.data, option, bytes) != 0) {
        return 0;
    }
    while (bytes < text.bytes && text.data[bytes] >= '0' && text.data[bytes] <= '9') {
        bytes++;
    }
    return bytes;
}

static bool is_same_create(struct tr_span a, struct tr_span b)
{
    while (a.bytes > 0 || b.bytes > 0) {
        const size_t skip_a = counter_bytes(a);
        const size_t skip_b = counter_bytes(b);
        a = tr_span_of(a.data + skip_a, a.bytes - skip_a);
        b = tr_span_of(b.data + skip_b, b.bytes - skip_b);
        if (skip_a > 0 || skip_b > 0) {
            continue;
        }
        if (a.bytes == 0 || b.bytes == 0 || *a.data != *b.data) {
            return false;
        }
        a = tr_span_of(a.data + 1, a.bytes - 1);
        b = tr_span_of(b.data + 1, b.bytes - 1);
    }
    return true;
}

static enum tr_code no_memory(struct tr_error *err)
{
    return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for the snapshot's schema: add memory");
}
