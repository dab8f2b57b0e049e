// SPDX-License-Identifier: Apache-2.0
#include "stages/source/schema_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/cover.h"
#include "stages/source/column_text.h"
#include "stages/source/query_rows.h"

#define SQL_BYTES_MAX 3072 /* the longest statement below with names of nothing but quotes */
#define ERROR_NO_SUCH_TABLE 1146

#define SQL_TABLES                                                                                 \
    "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type IN ('BASE "   \
    "TABLE', "                                                                                     \
    "'SYSTEM VERSIONED') ORDER BY table_schema, table_name"
#define SQL_COLUMNS                                                                                \
    "SELECT c.column_name, c.column_type, c.column_default, c.extra, c.is_nullable, "              \
    "c.character_set_name, "                                                                       \
    "c.column_comment, t.table_collation, t.table_type FROM information_schema.columns c JOIN "    \
    "information_schema.tables t "                                                                 \
    "ON t.table_schema = c.table_schema AND t.table_name = c.table_name WHERE c.table_schema = "   \
    "%s "                                                                                          \
    "AND c.table_name = %s AND t.table_schema = %s AND t.table_name = %s ORDER BY "                \
    "c.ordinal_position"
/* (MariaDB opens only the tables that constants name: hence the names twice.) */

/* Places in SQL_COLUMNS: our own statement, so by index. */
enum {
    COLUMN_NAME,
    COLUMN_TYPE,
    COLUMN_DEFAULT,
    COLUMN_EXTRA,
    COLUMN_NULLABLE,
    COLUMN_CHARSET,
    COLUMN_COMMENT,
    TABLE_COLLATION,
    TABLE_TYPE,
};

static enum tr_code build_table(enum tr_flavor flavor, const struct tr_query_rows *rows,
                                struct tr_table *table, struct tr_error *err);
static enum tr_code build_column(enum tr_flavor flavor, const struct tr_query_rows *rows,
                                 uint32_t row, struct tr_table *table, struct tr_error *err);
static enum tr_code build_key(const struct tr_query_port *port, struct tr_table *table,
                              struct tr_error *err);
static uint32_t key_rows(const struct tr_query_rows *rows, const struct tr_table *table,
                         uint32_t first, bool *is_usable);
static int column_index(const struct tr_table *table, struct tr_span name);

enum tr_code tr_schema_query_tables(const struct tr_schema_query *query, struct tr_error *err)
{
    struct tr_query_rows rows = {0};
    enum tr_code code = tr_query_rows_run(&rows, query->port, SQL_TABLES, err);

    for (uint32_t i = 0; code == TR_OK && i < rows.row_count; i++) {
        const struct tr_span database = tr_query_rows_cell(&rows, i, 0);
        const struct tr_span name = tr_query_rows_cell(&rows, i, 1);
        bool is_captured = false;
        code = query->filter(query->filter_self, database, name, &is_captured, err);
        if (code != TR_OK || !is_captured) {
            continue;
        }
        struct tr_table *table;
        code = tr_schema_query_table(query->port, query->flavor, database, name, &table, err);
        if (code == TR_OK && table != NULL) {
            code = query->on_table(query->on_table_self, table, err);
        }
    }
    tr_query_rows_deinit(&rows);
    return code;
}

enum tr_code tr_schema_query_table(const struct tr_query_port *port, enum tr_flavor flavor,
                                   struct tr_span database, struct tr_span name,
                                   struct tr_table **table, struct tr_error *err)
{
    struct tr_query_rows rows = {0};
    char sql[SQL_BYTES_MAX];
    char quoted_database[2 * TR_NAME_BYTES_MAX + 3];
    char quoted_name[2 * TR_NAME_BYTES_MAX + 3];

    *table = NULL;
    if (database.bytes > TR_NAME_BYTES_MAX || name.bytes > TR_NAME_BYTES_MAX) {
        return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP, "a table name of %zu bytes: want at most %u",
                       name.bytes, TR_NAME_BYTES_MAX);
    }
    tr_query_quote(quoted_database, database, '\'');
    tr_query_quote(quoted_name, name, '\'');
    (void)snprintf(sql, sizeof(sql), SQL_COLUMNS, quoted_database, quoted_name, quoted_database,
                   quoted_name);
    enum tr_code code = tr_query_rows_run(&rows, port, sql, err);
    struct tr_table *built = NULL;
    if (code == TR_OK && rows.row_count > 0) {
        built = tr_table_open(database, name, rows.row_count, err);
        code = built == NULL ? err->code : build_table(flavor, &rows, built, err);
    }
    tr_query_rows_deinit(&rows);
    if (code == TR_OK && built != NULL) {
        code = build_key(port, built, err);
        if (code == TR_ERR_SOURCE_SETUP &&
            port->last_server_error(port->self) == ERROR_NO_SUCH_TABLE) {
            TR_COVER("schema_query.table_vanished");
            tr_table_close(built);
            return TR_OK;
        }
    }
    if (code == TR_OK && built != NULL && !tr_table_is_whole(built)) {
        code = TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for the model");
    }
    if (code != TR_OK) {
        if (built != NULL) {
            tr_table_close(built);
        }
        return tr_error_prefix(err, "table %.*s.%.*s", (int)database.bytes,
                               (const char *)database.data, (int)name.bytes,
                               (const char *)name.data);
    }
    *table = built;
    return TR_OK;
}

static enum tr_code build_table(enum tr_flavor flavor, const struct tr_query_rows *rows,
                                struct tr_table *table, struct tr_error *err)
{
    /* A collation's name begins with its character set's. */
    struct tr_span charset = tr_query_rows_cell(rows, 0, TABLE_COLLATION);
    const uint8_t *end = charset.bytes == 0 ? NULL : memchr(charset.data, '_', charset.bytes);
    charset.bytes = end == NULL ? charset.bytes : (size_t)(end - charset.data);
    table->charset_name = tr_table_text(table, charset);
    table->has_names = true;
    table->is_versioned = tr_span_equals(tr_query_rows_cell(rows, 0, TABLE_TYPE),
                                         tr_span_of_text("SYSTEM VERSIONED"));
    for (uint32_t i = 0; i < rows->row_count; i++) {
        const enum tr_code code = build_column(flavor, rows, i, table, err);
        if (code != TR_OK) {
            return code;
        }
    }
    return TR_OK;
}

static enum tr_code build_column(enum tr_flavor flavor, const struct tr_query_rows *rows,
                                 uint32_t row, struct tr_table *table, struct tr_error *err)
{
    struct tr_column *column = &table->columns[row];
    const struct tr_span extra = tr_query_rows_cell(rows, row, COLUMN_EXTRA);
    const struct tr_span nullable = tr_query_rows_cell(rows, row, COLUMN_NULLABLE);
    const struct tr_span charset = tr_query_rows_cell(rows, row, COLUMN_CHARSET);

    column->name = tr_table_text(table, tr_query_rows_cell(rows, row, COLUMN_NAME));
    column->comment = tr_table_text(table, tr_query_rows_cell(rows, row, COLUMN_COMMENT));
    column->charset_name = tr_table_text(table, charset);
    column->charset = tr_column_charset(charset);
    column->is_nullable = tr_span_equals(nullable, tr_span_of_text("YES"));
    column->is_auto_increment = tr_column_text_has(extra, "auto_increment");
    column->is_generated = tr_column_text_has(extra, "virtual generated") ||
                           tr_column_text_has(extra, "stored generated") ||
                           tr_column_text_has(extra, "persistent");
    const enum tr_code code =
        tr_column_text_parse_type(table, column, tr_query_rows_cell(rows, row, COLUMN_TYPE), err);
    if (code != TR_OK) {
        return code;
    }
    return tr_column_text_parse_default(table, column, flavor,
                                        tr_query_rows_cell(rows, row, COLUMN_DEFAULT), extra, err);
}

/* Contract §1.7: PRIMARY, else the first unique index all of whose columns are NOT NULL, in SHOW
 * INDEX's order. */
static enum tr_code build_key(const struct tr_query_port *port, struct tr_table *table,
                              struct tr_error *err)
{
    struct tr_query_rows rows = {0};
    char sql[SQL_BYTES_MAX];
    char quoted_database[2 * TR_NAME_BYTES_MAX + 3];
    char quoted_name[2 * TR_NAME_BYTES_MAX + 3];

    tr_query_quote(quoted_database, table->database, '`');
    tr_query_quote(quoted_name, table->name, '`');
    (void)snprintf(sql, sizeof(sql), "SHOW INDEX FROM %s FROM %s", quoted_name, quoted_database);
    enum tr_code code = tr_query_rows_run(&rows, port, sql, err);
    uint32_t best_first = 0;
    uint32_t best_count = 0;
    for (uint32_t first = 0; code == TR_OK && first < rows.row_count;) {
        bool is_usable;
        const uint32_t count = key_rows(&rows, table, first, &is_usable);
        const struct tr_span name =
            tr_query_rows_cell(&rows, first, tr_query_rows_column(&rows, "Key_name"));
        const bool is_primary = tr_span_equals(name, tr_span_of_text("PRIMARY"));
        if (is_primary || (is_usable && best_count == 0)) {
            best_first = first;
            best_count = count;
        }
        if (is_primary) {
            break;
        }
        first += count;
    }
    if (best_count > 0) {
        table->key_columns = tr_table_array(table, best_count * sizeof(*table->key_columns));
    }
    for (uint32_t i = 0; i < best_count && table->key_columns != NULL; i++) {
        const struct tr_span name =
            tr_query_rows_cell(&rows, best_first + i, tr_query_rows_column(&rows, "Column_name"));
        const int index = column_index(table, name);
        if (index < 0) { /* a PRIMARY KEY has no expressions: the column is there */
            code = TR_FAIL(err, TR_ERR_SOURCE_AUTH, TR_STOP,
                           "key column %.*s is not visible to debezium.source.database.user: grant "
                           "SELECT on the whole table",
                           (int)name.bytes, (const char *)name.data);
            break;
        }
        table->key_columns[i] = (uint16_t)index;
        table->columns[index].key_ordinal = (uint16_t)(i + 1);
        table->key_count = i + 1;
    }
    tr_query_rows_deinit(&rows);
    return code;
}

/* How many rows, from `first` on, belong to one index; usable: unique, over plain columns that are
 * NOT NULL. */
static uint32_t key_rows(const struct tr_query_rows *rows, const struct tr_table *table,
                         uint32_t first, bool *is_usable)
{
    const int name_column = tr_query_rows_column(rows, "Key_name");
    const int unique_column = tr_query_rows_column(rows, "Non_unique");
    const int column_column = tr_query_rows_column(rows, "Column_name");
    const struct tr_span name = tr_query_rows_cell(rows, first, name_column);
    uint32_t count = 0;

    *is_usable =
        tr_span_equals(tr_query_rows_cell(rows, first, unique_column), tr_span_of_text("0"));
    while (first + count < rows->row_count &&
           tr_span_equals(tr_query_rows_cell(rows, first + count, name_column), name)) {
        const int index =
            column_index(table, tr_query_rows_cell(rows, first + count, column_column));
        *is_usable = *is_usable && index >= 0 && !table->columns[index].is_nullable;
        count++;
    }
    return count;
}

static int column_index(const struct tr_table *table, struct tr_span name)
{
    for (uint32_t i = 0; name.data != NULL && i < table->column_count; i++) {
        const struct tr_span own = table->columns[i].name;
        if (own.bytes == name.bytes &&
            strncasecmp((const char *)own.data, (const char *)name.data, name.bytes) == 0) {
            return (int)i;
        }
    }
    return -1;
}
