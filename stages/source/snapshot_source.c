// SPDX-License-Identifier: Apache-2.0
#include "stages/source/snapshot_source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"

#define ANSWERS_MAX                                                                                \
    256 /* taken in one read: it returns even if tables are small and the server is fast */
#define ROW_BYTES_CAP                                                                              \
    ((uint64_t)TR_EVENT_BYTES_MAX / 2) /* what a row's event and its arrangement leave room for */

#define SQL_SAVEPOINT "SAVEPOINT tailrace"
#define SQL_RELEASE "ROLLBACK TO SAVEPOINT tailrace"
#define SQL_TIME "SELECT UNIX_TIMESTAMP()"

/* What one step came to. */
enum step { STEP_AGAIN, STEP_WAIT, STEP_FAILED, STEP_ENDED };

static enum tr_code open_port(void *self, const struct tr_resume *resume, struct tr_error *err);
static enum tr_read read_port(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                              size_t *bytes, struct tr_error *err);
static void close_port(void *self);
static void wake_port(void *self);
static enum step step(struct tr_snapshot_source *source, int64_t wait_ns, struct tr_error *err);
static enum step step_answer(struct tr_snapshot_source *source, int64_t wait_ns,
                             struct tr_error *err);
static enum step send(struct tr_snapshot_source *source, struct tr_span sql,
                      enum tr_snapshot_state next, struct tr_error *err);
static void send_statement(struct tr_snapshot_source *source, bool is_last);
static enum step on_end(struct tr_snapshot_source *source, struct tr_error *err);
static enum step on_column(struct tr_snapshot_source *source, struct tr_error *err);
static enum step check_columns(struct tr_snapshot_source *source, struct tr_error *err);
static enum step on_row(struct tr_snapshot_source *source, struct tr_error *err);
static enum tr_snapshot_mark first_mark(const struct tr_snapshot_source *source);
static enum step step_rest(struct tr_snapshot_source *source);
static enum step failed(struct tr_snapshot_source *source, struct tr_error *err);
static void give_up(struct tr_snapshot_source *source);
static void count(_Atomic uint64_t *counter, uint64_t n);

enum tr_code tr_snapshot_source_init(struct tr_snapshot_source *source,
                                     const struct tr_snapshot_source_options *options,
                                     struct tr_error *err)
{
    const struct tr_snapshot_schema *schema = options->schema;
    const uint64_t row_bytes_max =
        options->row_bytes_max < ROW_BYTES_CAP ? options->row_bytes_max : ROW_BYTES_CAP;
    const size_t statement_bytes = tr_snapshot_schema_bytes_max(schema);
    uint64_t estimated = 0;
    bool arranges = false;

    for (uint32_t i = 0; i < schema->row_table_count; i++) {
        estimated += schema->tables[schema->row_tables[i]].rows_estimated;
        arranges = arranges || schema->tables[schema->row_tables[i]].is_overridden;
    }
    *source = (struct tr_snapshot_source){
        .port = {.self = source,
                 .framing = TR_FRAMING_PACKETS,
                 .open = open_port,
                 .read = read_port,
                 .close = close_port,
                 .wake = wake_port},
        .options = *options,
        .statement = calloc(1, statement_bytes),
        .statement_room = statement_bytes,
        .sources = calloc(TR_COLUMNS_MAX, sizeof(*source->sources)),
    };
    source->options.row_bytes_max = row_bytes_max;
    enum tr_code code = tr_text_result_init(&source->result, &options->link, err);
    if (code == TR_OK) {
        code = tr_snapshot_pack_init(
            &source->pack, row_bytes_max > statement_bytes ? row_bytes_max : statement_bytes,
            arranges, err);
    }
    if (code == TR_OK && (source->statement == NULL || source->sources == NULL)) {
        code = TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for the snapshot: add memory");
    }
    if (code != TR_OK) {
        tr_snapshot_source_deinit(source);
        return code;
    }
    source->has_result = true;
    source->pack.ts_sec = options->ts_sec;
    count(&options->progress->table_count, schema->row_table_count);
    count(&options->progress->rows_estimated, estimated);
    return TR_OK;
}

uint64_t tr_snapshot_source_memory_bytes(const struct tr_snapshot_source *source)
{
    return TR_TEXT_RESULT_IN_BYTES + source->pack.room_bytes + source->statement_room;
}

void tr_snapshot_source_deinit(struct tr_snapshot_source *source)
{
    tr_text_result_deinit(&source->result);
    tr_snapshot_pack_deinit(&source->pack);
    free(source->statement);
    free(source->sources);
    *source = (struct tr_snapshot_source){0};
}

const struct tr_source_port *tr_snapshot_source_port(struct tr_snapshot_source *source,
                                                     const struct tr_source_port *log)
{
    TR_ASSERT(log->framing == TR_FRAMING_PACKETS);
    source->log = log;
    return &source->port;
}

static enum tr_code open_port(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    struct tr_snapshot_source *source = self;

    if (source->state == TR_SNAPSHOT_LOG) {
        return source->log->open(source->log->self, resume, err);
    }
    if (source->state != TR_SNAPSHOT_STATEMENTS) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "the snapshot was given up: start again, and it begins anew");
    }
    const int64_t now_ns = tr_clock_monotonic_ns(source->options.clock);
    source->logged_ns = now_ns;
    source->kept_ns = now_ns;
    count(&source->options.progress->started_ns, (uint64_t)now_ns);
    return TR_OK;
}

static enum tr_read read_port(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                              size_t *bytes, struct tr_error *err)
{
    struct tr_snapshot_source *source = self;

    if (source->state == TR_SNAPSHOT_LOG) {
        return source->log->read(source->log->self, out, room_bytes, wait_ns, bytes, err);
    }
    const int64_t deadline_ns = tr_clock_monotonic_ns(source->options.clock) + wait_ns;
    for (uint32_t answers = 0; answers < ANSWERS_MAX; answers++) {
        *bytes = tr_snapshot_pack_read(&source->pack, out, room_bytes);
        if (*bytes > 0) {
            return TR_READ_BYTES;
        }
        const int64_t now_ns = tr_clock_monotonic_ns(source->options.clock);
        tr_snapshot_source_tell(source, now_ns);
        switch (step(source, deadline_ns > now_ns ? deadline_ns - now_ns : 0, err)) {
        case STEP_AGAIN:
            break;
        case STEP_WAIT:
            return TR_READ_BUSY;
        case STEP_FAILED:
            give_up(source);
            return TR_READ_ERROR;
        case STEP_ENDED:
            count(&source->options.progress->ended_ns, (uint64_t)now_ns);
            return TR_READ_PART_END;
        }
    }
    return TR_READ_BUSY;
}

/* After PART_END all that the snapshot held is given back, and the log is next. */
static void close_port(void *self)
{
    struct tr_snapshot_source *source = self;

    if (source->state == TR_SNAPSHOT_LOG) {
        source->log->close(source->log->self);
        return;
    }
    const bool is_whole = source->state == TR_SNAPSHOT_ENDED;
    give_up(source);
    if (is_whole) {
        source->state = TR_SNAPSHOT_LOG;
    }
}

static void wake_port(void *self)
{
    struct tr_snapshot_source *source = self;

    (void)eventfd_write(source->options.link.wake_fd, 1);
    source->log->wake(source->log->self); /* the thread that reads knows which of the two it is */
}

/* One state further; nothing is being served. */
static enum step step(struct tr_snapshot_source *source, int64_t wait_ns, struct tr_error *err)
{
    const struct tr_snapshot_schema *schema = source->options.schema;

    switch (source->state) {
    case TR_SNAPSHOT_STATEMENTS:
        if (source->statement_at < schema->last_statement) {
            send_statement(source, false);
            return STEP_AGAIN;
        }
        if (schema->row_table_count > 0) {
            return send(source, tr_span_of_text(SQL_SAVEPOINT), TR_SNAPSHOT_SAVEPOINT, err);
        }
        source->state = TR_SNAPSHOT_REST;
        return STEP_AGAIN;
    case TR_SNAPSHOT_NEXT_TABLE:
        if (source->table_at == schema->row_table_count) {
            source->state = TR_SNAPSHOT_REST;
            return STEP_AGAIN;
        }
        source->table_rows = 0;
        source->time_bytes = 0;
        source->table_started_ns = tr_clock_monotonic_ns(source->options.clock);
        return send(source, tr_span_of_text(SQL_TIME), TR_SNAPSHOT_TIME, err);
    case TR_SNAPSHOT_SAVEPOINT:
    case TR_SNAPSHOT_TIME:
    case TR_SNAPSHOT_ROWS:
    case TR_SNAPSHOT_RELEASE:
        return step_answer(source, wait_ns, err);
    case TR_SNAPSHOT_REST:
        return step_rest(source);
    case TR_SNAPSHOT_ENDED:
        return STEP_ENDED;
    case TR_SNAPSHOT_LOG:
    case TR_SNAPSHOT_GIVEN_UP:
        break;
    }
    TR_ASSERT(false);
}

static enum step step_answer(struct tr_snapshot_source *source, int64_t wait_ns,
                             struct tr_error *err)
{
    if (source->has_piece) {
        return on_row(source, err);
    }
    switch (tr_text_result_next(&source->result, wait_ns, &source->piece, err)) {
    case TR_RESULT_WAIT:
        return STEP_WAIT;
    case TR_RESULT_COLUMN:
        return source->state == TR_SNAPSHOT_ROWS ? on_column(source, err) : STEP_AGAIN;
    case TR_RESULT_ROW:
        source->has_piece = true;
        return on_row(source, err);
    case TR_RESULT_END:
        return on_end(source, err);
    case TR_RESULT_FAILED:
        break;
    }
    return failed(source, err);
}

static enum step send(struct tr_snapshot_source *source, struct tr_span sql,
                      enum tr_snapshot_state next, struct tr_error *err)
{
    source->state = next;
    source->cell_count = 0;
    return tr_text_result_send(&source->result, sql, err) == TR_OK ? STEP_AGAIN
                                                                   : failed(source, err);
}

static void send_statement(struct tr_snapshot_source *source, bool is_last)
{
    struct tr_span database;
    const size_t bytes =
        tr_snapshot_schema_statement(source->options.schema, source->statement_at,
                                     source->statement, source->statement_room, &database);

    TR_ASSERT(bytes <= source->statement_room);
    tr_snapshot_pack_statement(&source->pack, database, tr_span_of(source->statement, bytes),
                               is_last);
    source->statement_at++;
}

/* An answer is complete. */
static enum step on_end(struct tr_snapshot_source *source, struct tr_error *err)
{
    const int64_t now_ns = tr_clock_monotonic_ns(source->options.clock);

    switch (source->state) {
    case TR_SNAPSHOT_TIME:
        return send(source, tr_snapshot_source_table(source)->select_sql, TR_SNAPSHOT_ROWS, err);
    case TR_SNAPSHOT_ROWS:
        if (check_columns(source, err) == STEP_FAILED) { /* of a table without rows, too */
            return STEP_FAILED;
        }
        tr_snapshot_source_tell_table(source, now_ns);
        return send(source, tr_span_of_text(SQL_RELEASE), TR_SNAPSHOT_RELEASE, err);
    case TR_SNAPSHOT_RELEASE:
        source->table_at++;
        count(&source->options.progress->tables_done, source->table_at);
        source->state = TR_SNAPSHOT_NEXT_TABLE;
        return STEP_AGAIN;
    default:
        source->state = TR_SNAPSHOT_NEXT_TABLE;
        return STEP_AGAIN;
    }
}

/* The name of the next column of the SELECT's answer: which column of the table is it? */
static enum step on_column(struct tr_snapshot_source *source, struct tr_error *err)
{
    const struct tr_snapshot_table *table = tr_snapshot_source_table(source);
    const struct tr_span name = source->piece.bytes;

    if (source->cell_count == 0) {
        memset(source->sources, 0xFF, TR_COLUMNS_MAX * sizeof(*source->sources));
        source->is_arranged = false;
    }
    uint32_t column = 0;
    while (column < table->column_count &&
           (table->columns[column].bytes != name.bytes ||
            strncasecmp((const char *)table->columns[column].data, (const char *)name.data,
                        name.bytes) != 0)) {
        column++;
    }
    if (column == table->column_count || source->sources[column] != UINT16_MAX) {
        (void)TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                      "debezium.source.snapshot.select.statement.overrides: column %.*s of the "
                      "SELECT is none of the table's, or comes twice",
                      (int)name.bytes, (const char *)name.data);
        return failed(source, err);
    }
    source->sources[column] = (uint16_t)source->cell_count;
    source->is_arranged = source->is_arranged || column != source->cell_count;
    source->cell_count++;
    return STEP_AGAIN;
}

static enum step check_columns(struct tr_snapshot_source *source, struct tr_error *err)
{
    const struct tr_snapshot_table *table = tr_snapshot_source_table(source);

    if (source->cell_count == table->column_count) {
        return STEP_AGAIN;
    }
    if (!table->is_overridden) {
        (void)TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP, "%u columns came, %u were asked for",
                      source->cell_count, table->column_count);
        return failed(source, err);
    }
    uint32_t column = 0;
    while (source->sources[column] != UINT16_MAX) { /* ends: fewer came, none of them twice */
        column++;
    }
    TR_COVER("snapshot.override_lacks_column");
    (void)TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                  "debezium.source.snapshot.select.statement.overrides: the SELECT has no column "
                  "%.*s, whose value would be made up: name all columns of the table",
                  (int)table->columns[column].bytes, (const char *)table->columns[column].data);
    return failed(source, err);
}

/* A piece of a row is there: makes room for it, then packs it. */
static enum step on_row(struct tr_snapshot_source *source, struct tr_error *err)
{
    const struct tr_snapshot_schema *schema = source->options.schema;
    const struct tr_snapshot_table *table = tr_snapshot_source_table(source);
    struct tr_snapshot_pack *pack = &source->pack;
    const struct tr_text_piece *piece = &source->piece;

    if (source->state != TR_SNAPSHOT_ROWS) { /* the clock: [length][digits] */
        const size_t room_bytes = sizeof(source->time_text) - source->time_bytes;
        TR_ASSERT(source->state == TR_SNAPSHOT_TIME);
        if (piece->bytes.bytes < room_bytes) {
            memcpy(source->time_text + source->time_bytes, piece->bytes.data, piece->bytes.bytes);
            source->time_bytes += piece->bytes.bytes;
            source->time_text[source->time_bytes] = '\0';
        }
        source->has_piece = false;
        return STEP_AGAIN;
    }
    if (piece->is_first) {
        if (source->statement_at < schema->statement_count) {
            send_statement(source, false); /* there is a row: none of them is the last */
            return STEP_AGAIN;
        }
        const bool is_other = pack->used_bytes > 0 && source->event_table != source->table_at;
        if (pack->used_bytes > 0 &&
            (is_other || !tr_snapshot_pack_takes(pack, piece->packet_bytes))) {
            tr_snapshot_pack_close(pack, is_other ? TR_SNAPSHOT_LAST_IN_TABLE : TR_SNAPSHOT_TRUE);
            return STEP_AGAIN;
        }
        if (pack->used_bytes == 0) {
            if (source->table_rows == 0) {
                if (check_columns(source, err) == STEP_FAILED) {
                    return STEP_FAILED;
                }
                pack->ts_sec = (uint32_t)strtoul(
                    source->time_bytes > 1 ? source->time_text + 1 : "0", NULL, 10);
            }
            tr_snapshot_pack_begin_rows(pack, table->database, table->name, first_mark(source));
            source->event_table = source->table_at;
        }
    }
    source->has_piece = false;
    const size_t row_bytes = pack->used_bytes - pack->row_at + piece->bytes.bytes;
    if (row_bytes > source->options.row_bytes_max || !tr_snapshot_pack_append(pack, piece->bytes)) {
        TR_COVER("snapshot.row_too_large");
        (void)TR_FAIL(err, TR_ERR_MEMORY_LIMIT, TR_STOP,
                      "a row of more than %" PRIu64
                      " bytes: raise tailrace.row.max.bytes, or leave the table out by "
                      "debezium.source.snapshot.include.collection.list",
                      source->options.row_bytes_max);
        return failed(source, err);
    }
    if (!piece->is_last) {
        return STEP_AGAIN;
    }
    if (source->is_arranged &&
        !tr_snapshot_pack_arrange(pack, source->sources, table->column_count, source->cell_count)) {
        (void)TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP, "a row is damaged");
        return failed(source, err);
    }
    tr_snapshot_pack_row_ended(pack);
    source->table_rows++;
    source->rows_done++;
    count(&source->options.progress->rows_done, source->rows_done);
    return STEP_AGAIN;
}

/* Of an event that begins now. Debezium's `first` is the first row of the first table: where that
 * one is empty there is none. */
static enum tr_snapshot_mark first_mark(const struct tr_snapshot_source *source)
{
    if (source->table_rows > 0) {
        return TR_SNAPSHOT_TRUE;
    }
    return source->table_at == 0 ? TR_SNAPSHOT_FIRST : TR_SNAPSHOT_FIRST_IN_TABLE;
}

/* All tables are read. Without any row the last statement is the snapshot's last record. */
static enum step step_rest(struct tr_snapshot_source *source)
{
    const struct tr_snapshot_schema *schema = source->options.schema;

    if (source->pack.used_bytes > 0) {
        tr_snapshot_pack_close(&source->pack, TR_SNAPSHOT_LAST);
    } else if (source->statement_at < schema->statement_count) {
        send_statement(source, source->statement_at == schema->last_statement);
    } else {
        tr_snapshot_pack_end(&source->pack);
        source->state = TR_SNAPSHOT_ENDED;
    }
    return STEP_AGAIN;
}

/* Whatever it was: the view is of no use without its connection, and a second one is another view. */
static enum step failed(struct tr_snapshot_source *source, struct tr_error *err)
{
    const uint32_t number = source->result.last_error;

    if (source->table_at < source->options.schema->row_table_count &&
        source->state != TR_SNAPSHOT_SAVEPOINT) {
        const struct tr_snapshot_table *table = tr_snapshot_source_table(source);
        /* Table dropped, table definition changed, unknown column, unknown table */
        const bool is_changed =
            number == 1146 || number == 1412 || number == 1054 || number == 1051;
        (void)tr_error_prefix(
            err, "snapshot of %.*s.%.*s, %" PRIu64 " rows read%s", (int)table->database.bytes,
            (const char *)table->database.data, (int)table->name.bytes,
            (const char *)table->name.data, source->table_rows,
            is_changed ? ", was changed, renamed or dropped meanwhile: start again "
                         "when the table is at rest, and the snapshot begins anew"
                       : "; start again, and the snapshot begins anew");
    } else {
        (void)tr_error_prefix(err, "snapshot; start again, and it begins anew");
    }
    TR_COVER("snapshot.failed");
    err->remedy = TR_STOP;
    return STEP_FAILED;
}

static void give_up(struct tr_snapshot_source *source)
{
    if (!source->has_result) {
        return;
    }
    source->has_result = false;
    source->state = TR_SNAPSHOT_GIVEN_UP;
    tr_text_result_deinit(&source->result);
    tr_snapshot_pack_deinit(&source->pack);
    tr_snapshot_schema_drop_texts(source->options.schema);
    source->options.ended(source->options.self);
}

/* Relaxed: each number for itself (snapshot.h). */
static void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, n, memory_order_relaxed);
}
