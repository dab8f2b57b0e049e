// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "engine/assert.h"
#include "tests/sim/model_log_parts.h"

#define ROWS_EVENT_BYTES_MAX 8192 /* binlog_row_event_max_size */
#define BIG_ROW_BYTES_MIN 100000
#define BIG_ROW_BYTES_SPAN 400000
#define OTHER TR_MODEL_TABLES_MAX /* the table that is not captured */
#define STATEMENT_TABLES_MAX 3
#define MANY_INSERTS 500

enum { EVENT_ROWS_QUERY = 29, EVENT_ANNOTATE_ROWS = 160 };

const char *const model_log_table_names[TR_MODEL_TABLES_MAX + 1] = {"t0", "t1", "t2", "t3", "u0"};

void tr_model_write_name(uint32_t number, char name[TR_MODEL_NAME_BYTES])
{
    static const char *const first[TR_MODEL_COLUMNS_MIN] = {"id", "n", "s"};
    if (number < TR_MODEL_COLUMNS_MIN) {
        (void)snprintf(name, TR_MODEL_NAME_BYTES, "%s", first[number]);
    } else {
        (void)snprintf(name, TR_MODEL_NAME_BYTES, "%c%03u",
                       model_log_is_keyable(number) ? 'k' : 'a', number % 1000);
    }
}

bool model_log_is_keyable(uint32_t number)
{
    return number == TR_MODEL_ID || (number >= TR_MODEL_COLUMNS_MIN && number % 4 == 3);
}

bool model_log_is_nullable(uint32_t number)
{
    return number == TR_MODEL_S ||
           (number >= TR_MODEL_COLUMNS_MIN && !model_log_is_keyable(number) && number % 2 == 0);
}

static struct tr_writer_column column_of(uint32_t number, bool has_long_id, const char *name)
{
    const bool is_text = number == TR_MODEL_ID && has_long_id;
    return (struct tr_writer_column){.name = name,
                                     .type = is_text                ? TR_WRITER_VARCHAR
                                             : number == TR_MODEL_S ? TR_WRITER_TEXT
                                                                    : TR_WRITER_INT,
                                     .bytes_max = is_text ? 1600 : 0,
                                     .nullable = model_log_is_nullable(number)};
}

/* Its names and columns are valid until the next call. */
static struct tr_writer_table table_of(const struct tr_model_log *log, uint32_t table)
{
    static const struct tr_model_columns other = {.count = TR_MODEL_COLUMNS_MIN,
                                                  .list = {TR_MODEL_ID, TR_MODEL_N, TR_MODEL_S}};
    static char names[TR_MODEL_COLUMNS_MAX][TR_MODEL_NAME_BYTES];
    static struct tr_writer_column columns[TR_MODEL_COLUMNS_MAX];
    static char shadow[16];
    const bool is_shadow = table == OTHER && log->shadow_of != TR_MODEL_TABLES_MAX;
    const struct tr_model_columns *from = table == OTHER ? &other : &log->columns[table];
    struct tr_writer_table made = {.table_id = log->table_ids[table],
                                   .database = table == OTHER && !is_shadow ? "other" : "sim",
                                   .name = is_shadow ? shadow : model_log_table_names[table],
                                   .column_count = from->count,
                                   .columns = columns,
                                   .key_column = TR_WRITER_NO_KEY};

    (void)snprintf(shadow, sizeof(shadow), "_t%u_gho", log->shadow_of);
    for (uint32_t i = 0; i < from->count; i++) {
        tr_model_write_name(from->list[i], names[i]);
        columns[i] = column_of(from->list[i], from->has_long_id, names[i]);
        if (from->list[i] == from->key) {
            made.key_column = i;
        }
    }
    return made;
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

static void append_id(struct tr_buffer *out, uint32_t id, bool is_long)
{
    char text[320];
    if (!is_long) {
        append_number(out, id);
        return;
    }
    tr_buffer_append(out, "\"", 1);
    tr_buffer_append(out, text, text_of_id(id, text));
    tr_buffer_append(out, "\"", 1);
}

/* Of a column that is an INT. */
static uint32_t number_of(struct tr_model_image image, uint32_t column)
{
    return column == TR_MODEL_ID          ? image.id
           : column == TR_MODEL_N         ? image.n
           : model_log_is_keyable(column) ? image.id + column
                                          : image.n + column;
}

static void append_name(struct tr_buffer *out, uint32_t column)
{
    char name[TR_MODEL_NAME_BYTES];
    tr_model_write_name(column, name);
    append_text(out, "\"");
    append_text(out, name);
    append_text(out, "\":");
}

void tr_model_write_key(struct tr_model_image image, struct tr_buffer *out)
{
    const uint32_t column = image.columns.key;
    if (column == TR_MODEL_NO_KEY) {
        return;
    }
    append_text(out, "{");
    append_name(out, column);
    append_id(out, number_of(image, column), column == TR_MODEL_ID && image.columns.has_long_id);
    append_text(out, "}");
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
    for (uint32_t i = 0; i < image.columns.count; i++) {
        const uint32_t column = image.columns.list[i];
        append_text(out, i == 0 ? "{" : ",");
        append_name(out, column);
        if (column == TR_MODEL_S && bytes == UINT32_MAX) {
            append_text(out, "null");
        } else if (column == TR_MODEL_S) {
            append_text(out, "\"");
            append_letters(out, letters, bytes);
            append_text(out, "\"");
        } else {
            append_id(out, number_of(image, column),
                      column == TR_MODEL_ID && image.columns.has_long_id);
        }
    }
    append_text(out, "}");
}

/* The protocol's length-encoded text. */
static void append_cell(struct tr_buffer *out, const void *text, uint32_t bytes)
{
    if (bytes < 0xFB) {
        tr_buffer_append_uint(out, bytes, 1);
    } else {
        tr_buffer_append_uint(out, bytes < 65536 ? 0xFC : 0xFD, 1);
        tr_buffer_append_uint(out, bytes, bytes < 65536 ? 2 : 3);
    }
    tr_buffer_append(out, text, bytes);
}

static void append_number_cell(struct tr_buffer *out, uint64_t number)
{
    char digits[24];
    const int bytes = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    append_cell(out, digits, (uint32_t)bytes);
}

void tr_model_write_cells(const struct tr_model_log *log, uint32_t table,
                          struct tr_model_image image, struct tr_buffer *out)
{
    static struct tr_buffer text; /* kept: one for the process */
    char id[320];
    struct tr_random letters = {0};
    const uint32_t bytes = text_of(log, table, image, &letters);
    for (uint32_t i = 0; i < image.columns.count; i++) {
        const uint32_t column = image.columns.list[i];
        if (column == TR_MODEL_S && bytes == UINT32_MAX) {
            tr_buffer_append_uint(out, 0xFB, 1);
        } else if (column == TR_MODEL_S) {
            text.used = 0;
            append_letters(&text, letters, bytes);
            append_cell(out, text.bytes, bytes);
        } else if (column == TR_MODEL_ID && image.columns.has_long_id) {
            append_cell(out, id, text_of_id(image.id, id));
        } else {
            append_number_cell(out, number_of(image, column));
        }
    }
}

static void put_image(struct tr_model_log *log, uint32_t table, struct tr_model_image image)
{
    static struct tr_buffer text; /* kept: one for the process */
    char id[320];
    struct tr_random letters = {0};
    const struct tr_writer_table definition = table_of(log, table);
    const uint32_t bytes = text_of(log, table, image, &letters);
    struct tr_writer_value values[TR_MODEL_COLUMNS_MAX] = {0};
    text.used = 0;
    if (bytes != UINT32_MAX) {
        append_letters(&text, letters, bytes);
    }
    for (uint32_t i = 0; i < image.columns.count; i++) {
        const uint32_t column = image.columns.list[i];
        if (column == TR_MODEL_S) {
            values[i].is_null = bytes == UINT32_MAX;
            values[i].text = tr_span_of(text.bytes, text.used);
        } else if (column == TR_MODEL_ID && image.columns.has_long_id) {
            values[i].text = tr_span_of(id, text_of_id(image.id, id));
        } else {
            values[i].number = number_of(image, column);
        }
    }
    tr_binlog_writer_image(log->writer, &definition, values);
}

/* --- the truth ----------------------------------------------------------------------------------
 */

void *model_log_grow(void *array, uint32_t count, uint32_t *room, size_t bytes)
{
    if (count < *room) {
        return array;
    }
    *room = *room * 2 + 1024;
    void *grown = realloc(array, *room * bytes);
    TR_ASSERT(grown != NULL);
    return grown;
}

void model_log_remember(struct tr_model_log *log, struct tr_model_change change)
{
    change.row = log->row_count;
    change.transaction = log->transaction_count;
    log->changes =
        model_log_grow(log->changes, log->change_count, &log->changes_room, sizeof(*log->changes));
    log->changes[log->change_count++] = change;
}

void model_log_count_event(struct tr_model_log *log)
{
    log->event_rows = model_log_grow(log->event_rows, log->event_count, &log->events_room,
                                     sizeof(*log->event_rows));
    log->event_rows[log->event_count++] = log->row_count;
    log->transactions[log->transaction_count].event_count++;
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static struct tr_model_image current_image(const struct tr_model_log *log, uint32_t table,
                                           uint32_t id)
{
    return (struct tr_model_image){
        .id = (uint16_t)id, .n = log->n[table][id], .columns = log->columns[table]};
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
    struct tr_model_change change = {
        .table = (uint8_t)table, .op = TR_MODEL_UPDATE, .before = before, .after = after};
    put_image(log, table, before);
    put_image(log, table, after);
    if (id == id_after || log->columns[table].key == TR_MODEL_NO_KEY) {
        model_log_remember(log, change);
    } else { /* Debezium: a delete and a create */
        change.op = TR_MODEL_DELETE;
        model_log_remember(log, change);
        change.op = TR_MODEL_INSERT;
        model_log_remember(log, change);
    }
}

static void write_row(struct tr_model_log *log, uint32_t table, uint32_t id, enum tr_model_op op)
{
    struct tr_model_change change = {.table = (uint8_t)table, .op = (uint8_t)op};
    if (table == OTHER) {
        const struct tr_writer_value values[TR_MODEL_COLUMNS_MIN] = {
            {.number = id}, {.number = 1}, {.text = tr_span_of_text("not for you")}};
        const struct tr_writer_table definition = table_of(log, table);
        tr_binlog_writer_image(log->writer, &definition, values);
        return;
    }
    log->doubtful_tables &= ~(1u << table); /* the log describes it */
    if (op == TR_MODEL_UPDATE) {
        write_update(log, table, id);
    } else if (op == TR_MODEL_DELETE) {
        change.before = current_image(log, table, id);
        log->exists[table][id] = false;
        put_image(log, table, change.before);
        model_log_remember(log, change);
    } else {
        change.after = next_image(log, table, id);
        put_image(log, table, change.after);
        model_log_remember(log, change);
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
        log->writer->out.bytes[log->writer->event_at + MODEL_LOG_HEADER_BYTES + 6] =
            1; /* end of statement */
    }
    tr_binlog_writer_rows_end(log->writer);
    model_log_count_event(log);
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
        model_log_count_event(log); /* MariaDB's is withheld */
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
        model_log_count_event(log);
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

void model_log_write_inserts(struct tr_model_log *log, uint32_t table)
{
    const struct tr_writer_table definition = table_of(log, table);
    const bool has_many = tr_random_chance(&log->random, 500);
    const uint32_t count_max = has_many ? MANY_INSERTS : log->options.rows_max;
    tr_binlog_writer_table_map(log->writer, &definition);
    model_log_count_event(log);
    begin_rows(log, table, TR_MODEL_INSERT);
    for (uint32_t id = 0; id < log->options.key_count && id < count_max; id++) {
        if (log->writer->out.used - log->writer->event_at > ROWS_EVENT_BYTES_MAX) {
            end_rows(log, false);
            begin_rows(log, table, TR_MODEL_INSERT);
        }
        write_row(log, table, id, TR_MODEL_INSERT);
    }
    end_rows(log, true);
}

void model_log_write_statements(struct tr_model_log *log)
{
    const bool big = tr_random_chance(&log->random, log->options.big_transaction_permille);
    const uint32_t count = big ? 40 + tr_random_below(&log->random, 100)
                               : 1 + tr_random_below(&log->random, log->options.statements_max);
    for (uint32_t i = 0; i < count; i++) {
        if (tr_random_chance(&log->random, 20)) {
            tr_binlog_writer_query(log->writer, "sim", "SAVEPOINT `a`");
            model_log_count_event(log);
        }
        write_statement(log, 1 + tr_random_below(&log->random, big ? 200 : log->options.rows_max));
    }
}
