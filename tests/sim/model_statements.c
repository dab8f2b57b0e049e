// SPDX-License-Identifier: Apache-2.0
/* Statements of the model's log that change tables, and what they leave behind. */
#include <stdarg.h>
#include <stdio.h>

#include "engine/assert.h"
#include "tests/sim/model_log_parts.h"

#define TABLE_OPTIONS "DEFAULT CHARSET=utf8mb4"
#define DEFINITION_BYTES 64
#define PLACE_BYTES 24

/* A table that a statement is about. */
struct subject {
    const char *database;
    char name[16];
    struct tr_model_columns *columns;
    uint32_t table; /* OTHER: not captured */
};

#define OTHER TR_MODEL_TABLES_MAX

static struct subject subject_of(struct tr_model_log *log, uint32_t table)
{
    struct subject subject = {.database = "sim", .columns = &log->columns[table], .table = table};
    (void)snprintf(subject.name, sizeof(subject.name), "%s", model_log_table_names[table]);
    return subject;
}

/* --- what is left behind ------------------------------------------------------------------------
 */

/* A document, and a record of the stream of schema changes. */
static void leave(struct tr_model_log *log, const struct subject *subject, const char *type,
                  const struct tr_model_columns *columns, const char *ddl)
{
    if (!log->options.has_history) {
        return;
    }
    log->effects =
        model_log_grow(log->effects, log->effect_count, &log->effects_room, sizeof(*log->effects));
    struct tr_model_effect *effect = &log->effects[log->effect_count];
    *effect = (struct tr_model_effect){.transaction = log->transaction_count,
                                       .type = type,
                                       .database = subject->database,
                                       .has_columns = columns != NULL};
    if (columns != NULL) {
        effect->columns = *columns;
    }
    (void)snprintf(effect->table, sizeof(effect->table), "%s", subject->name);
    (void)snprintf(effect->ddl, sizeof(effect->ddl), "%s", ddl);
    if (log->options.publishes) {
        model_log_remember(log, (struct tr_model_change){.table = TR_MODEL_DDL_STREAM,
                                                         .op = TR_MODEL_STATEMENT,
                                                         .effect = log->effect_count});
    }
    log->effect_count++;
}

/* A new definition: the server gives the table another id. */
static void commit_alter(struct tr_model_log *log, const struct subject *subject, const char *sql)
{
    leave(log, subject, "ALTER", subject->columns, sql);
    log->doubtful_tables &= ~(1u << subject->table);
    log->table_ids[subject->table] = log->table_id_next++;
    model_log_commit_query(log, sql);
}

/* --- columns ------------------------------------------------------------------------------------
 */

static const char *definition_of(const struct tr_model_columns *columns, uint32_t number,
                                 char text[DEFINITION_BYTES])
{
    char name[TR_MODEL_NAME_BYTES];
    const char *type = number == TR_MODEL_S                            ? "LONGTEXT"
                       : number == TR_MODEL_ID && columns->has_long_id ? "VARCHAR(400) NOT NULL"
                       : number < TR_MODEL_COLUMNS_MIN                 ? "INT NOT NULL"
                       : model_log_is_nullable(number)                 ? "INT NULL"
                                                       : "INT NOT NULL DEFAULT " MODEL_LOG_DEFAULT;
    tr_model_write_name(number, name);
    (void)snprintf(text, DEFINITION_BYTES, "%s %s", name, type);
    return text;
}

/* Puts a column at a place that is drawn; `text` says where, for SQL. */
static void place(struct tr_model_log *log, struct tr_model_columns *columns, uint32_t number,
                  bool is_new, char text[PLACE_BYTES])
{
    char name[TR_MODEL_NAME_BYTES];
    const bool is_last = is_new && tr_random_chance(&log->random, 300);
    const uint32_t at =
        is_last ? columns->count : tr_random_below(&log->random, columns->count + 1);

    text[0] = '\0';
    if (!is_last && at == 0) {
        (void)snprintf(text, PLACE_BYTES, " FIRST");
    } else if (!is_last) {
        tr_model_write_name(columns->list[at - 1], name);
        (void)snprintf(text, PLACE_BYTES, " AFTER %s", name);
    }
    memmove(&columns->list[at + 1], &columns->list[at], columns->count - at);
    columns->list[at] = (uint8_t)number;
    columns->count++;
}

static void take_out(struct tr_model_columns *columns, uint32_t at)
{
    columns->count--;
    memmove(&columns->list[at], &columns->list[at + 1], columns->count - at);
}

static void add_column(struct tr_model_log *log, const struct subject *subject)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    char definition[DEFINITION_BYTES];
    char where[PLACE_BYTES];
    const uint32_t number = ++log->number_last;

    (void)definition_of(subject->columns, number, definition);
    place(log, subject->columns, number, true, where);
    (void)snprintf(sql, sizeof(sql), "ALTER TABLE %s.%s ADD COLUMN %s%s", subject->database,
                   subject->name, definition, where);
    commit_alter(log, subject, sql);
}

static void move_column(struct tr_model_log *log, const struct subject *subject)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    char definition[DEFINITION_BYTES];
    char where[PLACE_BYTES];
    struct tr_model_columns *columns = subject->columns;
    const uint32_t from = tr_random_below(&log->random, columns->count);
    const uint32_t number = columns->list[from];

    (void)definition_of(columns, number, definition);
    take_out(columns, from);
    place(log, columns, number, false, where);
    (void)snprintf(sql, sizeof(sql), "ALTER TABLE %s MODIFY COLUMN %s%s", subject->name, definition,
                   where);
    commit_alter(log, subject, sql);
}

/* False: the table has none that may go. */
static bool drop_column(struct tr_model_log *log, const struct subject *subject)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    char name[TR_MODEL_NAME_BYTES];
    struct tr_model_columns *columns = subject->columns;
    const uint32_t at = tr_random_below(&log->random, columns->count);

    if (columns->list[at] < TR_MODEL_COLUMNS_MIN || columns->list[at] == columns->key) {
        return false;
    }
    tr_model_write_name(columns->list[at], name);
    take_out(columns, at);
    (void)snprintf(sql, sizeof(sql), "ALTER TABLE %s DROP COLUMN %s", subject->name, name);
    commit_alter(log, subject, sql);
    return true;
}

/* Another primary key, or none, or one where there was none. */
static bool change_key(struct tr_model_log *log, const struct subject *subject)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    char name[TR_MODEL_NAME_BYTES];
    struct tr_model_columns *columns = subject->columns;
    const bool has_key = columns->key != TR_MODEL_NO_KEY;
    const uint32_t number = columns->list[tr_random_below(&log->random, columns->count)];
    const bool is_dropped = has_key && tr_random_chance(&log->random, 200);

    if (!is_dropped && (!model_log_is_keyable(number) || number == columns->key)) {
        return false;
    }
    tr_model_write_name(number, name);
    columns->key = is_dropped ? TR_MODEL_NO_KEY : (uint8_t)number;
    (void)snprintf(sql, sizeof(sql), "ALTER TABLE %s%s%s%s%s%s", subject->name,
                   has_key ? " DROP PRIMARY KEY" : "", has_key && !is_dropped ? "," : "",
                   is_dropped ? "" : " ADD PRIMARY KEY (", is_dropped ? "" : name,
                   is_dropped ? "" : ")");
    commit_alter(log, subject, sql);
    return true;
}

/* --- tables -------------------------------------------------------------------------------------
 */

/* The statement that makes the table as it is. */
static void write_create(const struct subject *subject, const char *tail,
                         char sql[TR_MODEL_STATEMENT_BYTES])
{
    char text[DEFINITION_BYTES];
    const struct tr_model_columns *columns = subject->columns;
    int at = snprintf(sql, TR_MODEL_STATEMENT_BYTES, "CREATE TABLE `%s`.`%s` (", subject->database,
                      subject->name);
    for (uint32_t i = 0; i < columns->count; i++) {
        at += snprintf(sql + at, (size_t)(TR_MODEL_STATEMENT_BYTES - at), "%s%s",
                       i == 0 ? "" : ", ", definition_of(columns, columns->list[i], text));
    }
    if (columns->key != TR_MODEL_NO_KEY) {
        tr_model_write_name(columns->key, text);
        at +=
            snprintf(sql + at, (size_t)(TR_MODEL_STATEMENT_BYTES - at), ", PRIMARY KEY (%s)", text);
    }
    at +=
        snprintf(sql + at, (size_t)(TR_MODEL_STATEMENT_BYTES - at), ") " TABLE_OPTIONS "%s", tail);
    TR_ASSERT(at < TR_MODEL_STATEMENT_BYTES);
}

void tr_model_write_show_create(const struct tr_model_log *log, uint32_t table,
                                char sql[TR_MODEL_STATEMENT_BYTES])
{
    const bool is_other = table == OTHER;
    struct tr_model_columns columns = is_other ? log->other : log->columns[table];
    struct subject subject = {.database = is_other ? "other" : "sim", .columns = &columns};
    (void)snprintf(subject.name, sizeof(subject.name), "%s",
                   is_other ? "w" : model_log_table_names[table]);
    write_create(&subject, "", sql);
}

void model_log_create_table(struct tr_model_log *log, uint32_t table)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    const struct subject subject = subject_of(log, table);
    write_create(&subject, "", sql);
    leave(log, &subject, "CREATE", subject.columns, sql);
    model_log_commit_query(log, sql);
}

/* Its rows are gone, without events. */
static void forget_rows(struct tr_model_log *log, uint32_t table)
{
    memset(log->exists[table], 0, sizeof(log->exists[table]));
}

static void drop_table(struct tr_model_log *log, const struct subject *subject, const char *head,
                       const char *tail)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    char ddl[TR_MODEL_STATEMENT_BYTES];
    (void)snprintf(sql, sizeof(sql), "%s %s.%s%s", head, subject->database, subject->name, tail);
    (void)snprintf(ddl, sizeof(ddl), "%s `%s`.`%s`", head, subject->database, subject->name);
    leave(log, subject, "DROP", NULL, ddl);
    model_log_commit_query(log, sql);
}

static void draw_shape(struct tr_model_log *log, struct tr_model_columns *columns)
{
    char ignored[PLACE_BYTES];
    *columns = (struct tr_model_columns){.key = TR_MODEL_ID,
                                         .has_long_id = tr_random_chance(&log->random, 200)};
    for (uint32_t number = 0; number < TR_MODEL_COLUMNS_MIN; number++) {
        place(log, columns, number, false, ignored);
    }
    for (uint32_t i = tr_random_below(&log->random, 3); i > 0; i--) {
        place(log, columns, ++log->number_last, false, ignored);
    }
    if (tr_random_chance(&log->random, 200)) {
        columns->key = TR_MODEL_NO_KEY;
    }
}

/* Dropped, and made anew with another shape: with rows at once, or without. */
static void make_anew(struct tr_model_log *log, uint32_t table)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    const struct subject subject = subject_of(log, table);
    const bool is_mysql = log->options.flavor == TR_FLAVOR_MYSQL;
    const bool has_rows = tr_random_chance(&log->random, 400);

    drop_table(log, &subject, "DROP TABLE", " /* generated by server */");
    forget_rows(log, table);
    log->doubtful_tables &= ~(1u << table);
    draw_shape(log, subject.columns);
    log->table_ids[table] = log->table_id_next++;
    write_create(&subject, has_rows && is_mysql ? " START TRANSACTION" : "", sql);
    leave(log, &subject, "CREATE", subject.columns, sql);
    if (has_rows) {
        model_log_commit_create_select(log, table, sql);
    } else {
        model_log_commit_query(log, sql);
    }
}

static void truncate_table(struct tr_model_log *log, uint32_t table)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    (void)snprintf(sql, sizeof(sql), "TRUNCATE%s %s",
                   tr_random_chance(&log->random, 500) ? " TABLE" : "",
                   model_log_table_names[table]);
    forget_rows(log, table);
    if (log->options.sends_truncates) {
        model_log_remember(
            log, (struct tr_model_change){.table = (uint8_t)table,
                                          .op = TR_MODEL_TRUNCATE,
                                          .after = {.columns = {.key = TR_MODEL_NO_KEY}}});
    }
    model_log_commit_query(log, sql);
}

/* One pair of a RENAME's list. */
static void leave_rename(struct tr_model_log *log, const char *from, const char *to,
                         const struct tr_model_columns *columns)
{
    char ddl[TR_MODEL_STATEMENT_BYTES];
    struct subject subject = {.database = "sim"};
    (void)snprintf(subject.name, sizeof(subject.name), "%s", to);
    (void)snprintf(ddl, sizeof(ddl), "RENAME TABLE %s TO %s", from, to);
    leave(log, &subject, columns == NULL ? NULL : "ALTER", columns, ddl);
}

/* Each gets the other's columns; applied twice it changes nothing. */
static void swap_tables(struct tr_model_log *log, uint32_t one, uint32_t other)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    char between[16];
    const char *first = model_log_table_names[one];
    const char *second = model_log_table_names[other];
    const struct tr_model_columns columns = log->columns[one];
    const uint64_t table_id = log->table_ids[one];

    (void)snprintf(between, sizeof(between), "swap%06u", log->transaction_count);
    (void)snprintf(sql, sizeof(sql), "RENAME TABLE %s TO %s, %s TO %s, %s TO %s", first, between,
                   second, first, between, second);
    log->columns[one] = log->columns[other];
    log->columns[other] = columns;
    log->table_ids[one] = log->table_ids[other];
    log->table_ids[other] = table_id;
    log->doubtful_tables &= ~(1u << one | 1u << other);
    leave_rename(log, first, between, NULL); /* which is gone behind the statement */
    leave_rename(log, second, first, &log->columns[one]);
    leave_rename(log, between, second, &log->columns[other]);
    model_log_commit_query(log, sql);
}

/* As gh-ost and pt-online-schema-change do it: a copy that is not captured is changed, filled while the
 * table is in use, and takes its place. */
static void migrate(struct tr_model_log *log, uint32_t table)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    char old[16];
    struct tr_model_columns columns = log->columns[table];
    const struct tr_model_columns before = columns;
    const char *name = model_log_table_names[table];
    struct subject copy = {.database = "sim", .columns = &columns, .table = OTHER};
    struct subject dropped = {.database = "sim"};

    (void)snprintf(copy.name, sizeof(copy.name), "_%s_gho", name);
    (void)snprintf(old, sizeof(old), "_%s_del", name);
    (void)snprintf(dropped.name, sizeof(dropped.name), "%s", old);
    (void)snprintf(sql, sizeof(sql), "CREATE TABLE `sim`.`%s` LIKE `sim`.`%s`", copy.name, name);
    leave(log, &copy, "CREATE", copy.columns, sql);
    model_log_commit_query(log, sql);
    if (columns.count == TR_MODEL_COLUMNS_MAX || log->number_last == TR_MODEL_NUMBER_MAX) {
        move_column(log, &copy);
    } else {
        add_column(log, &copy);
    }
    log->shadow_of = table;
    for (uint32_t i = tr_random_below(&log->random, 4); i > 0; i--) {
        model_log_commit_plain(log, false);
    }
    log->shadow_of = TR_MODEL_TABLES_MAX;
    (void)snprintf(sql, sizeof(sql), "RENAME TABLE %s TO %s, %s TO %s", name, old, copy.name, name);
    leave_rename(log, name, old, &before);
    leave_rename(log, copy.name, name, &columns);
    log->columns[table] = columns;
    log->doubtful_tables &= ~(1u << table);
    log->table_ids[table] = log->table_id_next++;
    model_log_commit_query(log, sql);
    drop_table(log, &dropped, "DROP TABLE IF EXISTS", "");
}

/* --- statements that are not about captured tables ----------------------------------------------
 */

static void leave_text(struct tr_model_log *log, const char *database, const char *sql)
{
    const struct subject subject = {.database = database};
    leave(log, &subject, NULL, NULL, sql);
}

static void change_other(struct tr_model_log *log)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    struct subject other = {
        .database = "other", .name = "w", .columns = &log->other, .table = OTHER};
    if (!log->has_other) {
        draw_shape(log, other.columns);
        write_create(&other, "", sql);
        leave(log, &other, "CREATE", other.columns, sql);
        model_log_commit_query(log, sql);
        log->has_other = true;
    } else if (log->other.count == TR_MODEL_COLUMNS_MAX || tr_random_chance(&log->random, 400)) {
        drop_table(log, &other, "DROP TABLE", "");
        log->has_other = false;
    } else {
        add_column(log, &other);
    }
}

/* Nothing comes of it; as it stands it is stored and sent. */
static void commit_text(struct tr_model_log *log)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    if (tr_random_chance(&log->random, 500)) {
        (void)snprintf(sql, sizeof(sql), "CREATE TABLE IF NOT EXISTS %s (a INT) /* %u */",
                       model_log_table_names[0], log->transaction_count);
    } else {
        (void)snprintf(sql, sizeof(sql), "ALTER TABLE other.v FROBNICATE /* %u */",
                       log->transaction_count);
    }
    leave_text(log, "sim", sql);
    model_log_commit_query(log, sql);
}

/* Of a captured table: it stays as it is, but who cannot read the statement does not know that. */
static void commit_unknown(struct tr_model_log *log, uint32_t table)
{
    char sql[TR_MODEL_STATEMENT_BYTES];
    (void)snprintf(sql, sizeof(sql), "ALTER TABLE %s FROBNICATE /* %u */",
                   model_log_table_names[table], log->transaction_count);
    if (!log->options.has_minimal_metadata) {
        log->doubtful_tables |= 1u << table;
    }
    leave_text(log, "sim", sql);
    log->effects[log->effect_count - 1].is_unknown = true;
    model_log_commit_query(log, sql);
}

uint32_t tr_model_log_next_unknown(const struct tr_model_log *log, uint32_t group)
{
    uint32_t i = 0;
    while (i < log->effect_count &&
           (!log->effects[i].is_unknown || log->effects[i].transaction < group)) {
        i++;
    }
    return i < log->effect_count ? log->effects[i].transaction : UINT32_MAX;
}

/* --- drawing ------------------------------------------------------------------------------------
 */

/* Those that the log itself describes: without a history, too. */
static bool draw_alter(struct tr_model_log *log, const struct subject *subject, uint32_t roll)
{
    if (roll < 30 && subject->columns->count < TR_MODEL_COLUMNS_MAX) {
        add_column(log, subject);
        return true;
    }
    if (roll < 45) {
        return drop_column(log, subject);
    }
    if (roll < 58) {
        move_column(log, subject);
        return true;
    }
    return roll < 66 && change_key(log, subject);
}

void model_log_commit_statement(struct tr_model_log *log)
{
    const uint32_t table = tr_random_below(&log->random, log->options.table_count);
    const uint32_t other = tr_random_below(&log->random, log->options.table_count);
    const struct subject subject = subject_of(log, table);
    const uint32_t roll = tr_random_below(&log->random, 100);
    const bool has_numbers = log->number_last + 4 < TR_MODEL_NUMBER_MAX;

    if (!has_numbers) {
        commit_text(log);
    } else if (draw_alter(log, &subject, roll)) {
        return;
    } else if (!log->options.has_history) {
        model_log_commit_query(log, "CREATE TABLE other.w (a int)");
    } else if (roll < 74 && table != other) {
        swap_tables(log, table, other);
    } else if (roll < 81) {
        make_anew(log, table);
    } else if (roll < 87) {
        if ((log->doubtful_tables >> table & 1) ==
            0) { /* else it cannot be sent: the engine stops */
            truncate_table(log, table);
        }
    } else if (roll < 92) {
        migrate(log, table);
    } else if (roll < 95) {
        change_other(log);
    } else if (roll < 98 && log->options.has_unknown) {
        commit_unknown(log, table);
    } else {
        commit_text(log);
    }
}
