// SPDX-License-Identifier: Apache-2.0
/* Statements of the model's log that change tables. */
#include <stdio.h>

#include "engine/assert.h"
#include "tests/sim/model_log_parts.h"

void model_log_write_column_name(uint32_t number, char name[MODEL_LOG_COLUMN_NAME_BYTES])
{
    name[0] = 'a';
    name[1] = (char)('0' + number / 100 % 10);
    name[2] = (char)('0' + number / 10 % 10);
    name[3] = (char)('0' + number % 10);
    name[4] = '\0';
}

bool model_log_is_nullable(uint32_t number)
{
    return number % 2 == 1;
}

/* A statement of the group that is begun: `text` is in each of its documents. */
static void remember(struct tr_model_log *log, const char *text)
{
    TR_ASSERT(log->statement_count < TR_MODEL_STATEMENTS_MAX);
    struct tr_model_statement *statement = &log->statements[log->statement_count++];
    statement->transaction = log->transaction_count;
    (void)snprintf(statement->text, sizeof(statement->text), "%s", text);
}

void model_log_write_create(struct tr_model_log *log, uint32_t table,
                            char sql[TR_MODEL_STATEMENT_BYTES])
{
    (void)snprintf(sql, TR_MODEL_STATEMENT_BYTES,
                   "CREATE TABLE %s (id %s NOT NULL, n INT NOT NULL, s LONGTEXT%s) DEFAULT "
                   "CHARSET=utf8mb4",
                   model_log_table_names[table],
                   tr_model_has_long_keys(log, table) ? "VARCHAR(400)" : "INT",
                   tr_model_is_keyless(log, table) ? "" : ", PRIMARY KEY (id)");
    remember(log, sql);
}

static void add_column(struct tr_model_log *log, uint32_t table, char sql[TR_MODEL_STATEMENT_BYTES])
{
    char name[MODEL_LOG_COLUMN_NAME_BYTES];
    struct tr_model_columns *columns = &log->columns[table];
    const uint32_t number = ++log->added_count;

    model_log_write_column_name(number, name);
    (void)snprintf(sql, TR_MODEL_STATEMENT_BYTES, "ALTER TABLE %s ADD COLUMN %s INT %s",
                   model_log_table_names[table], name,
                   model_log_is_nullable(number) ? "NULL" : "NOT NULL DEFAULT 5");
    columns->added[columns->count - TR_MODEL_COLUMNS_MIN] = (uint8_t)number;
    columns->count++;
    log->table_ids[table] = log->table_id_next++;
    remember(log, sql);
}

static void drop_column(struct tr_model_log *log, uint32_t table,
                        char sql[TR_MODEL_STATEMENT_BYTES])
{
    char name[MODEL_LOG_COLUMN_NAME_BYTES];
    struct tr_model_columns *columns = &log->columns[table];
    const uint32_t added_count = columns->count - TR_MODEL_COLUMNS_MIN;
    const uint32_t dropped = tr_random_below(&log->random, added_count);

    model_log_write_column_name(columns->added[dropped], name);
    (void)snprintf(sql, TR_MODEL_STATEMENT_BYTES, "ALTER TABLE %s DROP COLUMN %s",
                   model_log_table_names[table], name);
    for (uint32_t i = dropped; i + 1 < added_count; i++) {
        columns->added[i] = columns->added[i + 1];
    }
    columns->added[added_count - 1] = 0;
    columns->count--;
    log->table_ids[table] = log->table_id_next++;
    remember(log, sql);
}

/* Each gets the other's columns; applied twice it changes nothing. */
static void swap_tables(struct tr_model_log *log, uint32_t one, uint32_t other,
                        char sql[TR_MODEL_STATEMENT_BYTES])
{
    char between[32];
    const struct tr_model_columns columns = log->columns[one];
    const uint64_t table_id = log->table_ids[one];

    (void)snprintf(between, sizeof(between), "swap%06u", log->transaction_count);
    (void)snprintf(sql, TR_MODEL_STATEMENT_BYTES, "RENAME TABLE %s TO %s, %s TO %s, %s TO %s",
                   model_log_table_names[one], between, model_log_table_names[other],
                   model_log_table_names[one], between, model_log_table_names[other]);
    log->columns[one] = log->columns[other];
    log->columns[other] = columns;
    log->table_ids[one] = log->table_ids[other];
    log->table_ids[other] = table_id;
    remember(log, between);
}

static bool are_alike(const struct tr_model_log *log, uint32_t one, uint32_t other)
{
    return one != other && tr_model_is_keyless(log, one) == tr_model_is_keyless(log, other) &&
           tr_model_has_long_keys(log, one) == tr_model_has_long_keys(log, other);
}

void model_log_draw_statement(struct tr_model_log *log, char sql[TR_MODEL_STATEMENT_BYTES])
{
    const uint32_t table = tr_random_below(&log->random, log->options.table_count);
    const uint32_t other = tr_random_below(&log->random, log->options.table_count);
    const uint32_t count = log->columns[table].count;
    const bool is_full = count == TR_MODEL_COLUMNS_MAX;
    const bool has_history = log->options.has_history;

    if (has_history && are_alike(log, table, other) && tr_random_chance(&log->random, 500)) {
        swap_tables(log, table, other, sql);
    } else if (has_history && count > TR_MODEL_COLUMNS_MIN &&
               tr_random_chance(&log->random, is_full ? 900 : 250)) {
        drop_column(log, table, sql);
    } else if (is_full || log->added_count == TR_MODEL_ADDED_MAX ||
               tr_random_chance(&log->random, 200)) {
        (void)snprintf(sql, TR_MODEL_STATEMENT_BYTES, "CREATE TABLE other.w (a int)");
    } else {
        add_column(log, table, sql);
    }
}
