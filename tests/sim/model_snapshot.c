// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/model_snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/assert.h"
#include "tests/sim/model_log_parts.h"
#include "tests/sim/model_snapshot_server.h"

#define ROW_BYTES_MAX (1024 * 1024)
#define SLICE_BYTES_MAX 65536 /* fits any socket's buffer */

static void nothing(void *self)
{
    (void)self;
}

/* --- the cut ------------------------------------------------------------------------------------
 */

static struct tr_model_shown *add_shown(struct tr_model_cut *cut, struct tr_model_change change)
{
    cut->shown =
        model_log_grow(cut->shown, cut->shown_count, &cut->shown_room, sizeof(*cut->shown));
    struct tr_model_shown *shown = &cut->shown[cut->shown_count++];
    *shown = (struct tr_model_shown){.change = change, .mark = TR_SNAPSHOT_TRUE};
    return shown;
}

static uint8_t greater(uint8_t a, uint8_t b)
{
    return a > b ? a : b;
}

/* Contract §1.4: the first row of the first table, of each other; the last of each, of all. */
static void mark_rows(struct tr_model_cut *cut, uint32_t table_count)
{
    for (uint32_t t = 0; t < table_count; t++) {
        const uint32_t first = cut->row_first[t];
        const uint32_t end = cut->row_first[t + 1];
        if (first == end) {
            continue;
        }
        cut->shown[first].mark = t == 0 ? TR_SNAPSHOT_FIRST : TR_SNAPSHOT_FIRST_IN_TABLE;
        cut->shown[end - 1].mark =
            greater(cut->shown[end - 1].mark,
                    end == cut->shown_count ? TR_SNAPSHOT_LAST : TR_SNAPSHOT_LAST_IN_TABLE);
    }
}

/* The rows of now. */
static void look(struct tr_model_cut *cut, const struct tr_model_log *log)
{
    for (uint32_t t = 0; t < log->options.table_count; t++) {
        cut->row_first[t] = cut->shown_count;
        for (uint32_t id = 0; id < log->options.key_count; id++) {
            if (log->exists[t][id]) {
                (void)add_shown(cut,
                                (struct tr_model_change){.table = (uint8_t)t,
                                                         .op = TR_MODEL_READ,
                                                         .after = {.id = (uint16_t)id,
                                                                   .n = log->n[t][id],
                                                                   .columns = log->columns[t]}});
            }
        }
    }
    for (uint32_t t = log->options.table_count; t <= TR_MODEL_TABLES_MAX; t++) {
        cut->row_first[t] = cut->shown_count;
    }
    mark_rows(cut, log->options.table_count);
}

/* Position first, then the view; tables that were changed between the two make it begin again. */
static void make_cut(struct tr_model_snapshot *snapshot)
{
    struct tr_model_log *log = &snapshot->source->log;
    struct tr_model_cut *cut = &snapshot->cut;
    const bool is_late = !log->options.by_file && log->options.flavor == TR_FLAVOR_MYSQL &&
                         snapshot->faults_on &&
                         tr_random_chance(&snapshot->random, snapshot->options.late_permille);
    uint64_t table_id_next;

    do { /* ends: most groups are no statements */
        table_id_next = log->table_id_next;
        cut->effects_before = log->effect_count;
        cut->group_count = log->transaction_count;
        cut->change_count = log->change_count;
        cut->log_row_count = log->row_count;
        cut->file = log->file_count - 1;
        cut->pos = log->files[cut->file].out.used;
        cut->ts_sec = log->now_unix_us / 1000000;
        if (is_late) {
            tr_model_log_commit(log,
                                1 + tr_random_below(&snapshot->random, TR_MODEL_GROUPS_LATE_MAX));
        }
    } while (table_id_next != log->table_id_next || cut->effects_before != log->effect_count);
    memcpy(snapshot->table_ids, log->table_ids, sizeof(snapshot->table_ids));
    snapshot->cut_count++;
}

static enum tr_code fill_position(const struct tr_model_snapshot *snapshot,
                                  struct tr_gtid_sources *sources,
                                  struct tr_saved_position *position, struct tr_error *err)
{
    const struct tr_model_log *log = &snapshot->source->log;
    const struct tr_model_cut *cut = &snapshot->cut;
    struct tr_buffer text = {0};

    position->point = (struct tr_log_point){.pos = cut->pos, .ts_sec = cut->ts_sec};
    (void)snprintf(position->point.file, sizeof(position->point.file), "%s",
                   log->file_names[cut->file]);
    tr_gtid_set_clear(position->gtids);
    tr_model_write_executed(log, cut->group_count, &text);
    const enum tr_code code =
        text.used == 0
            ? TR_OK
            : tr_gtid_set_parse(position->gtids, sources, tr_span_of(text.bytes, text.used), err);
    tr_buffer_free(&text);
    return code;
}

/* --- the attempt --------------------------------------------------------------------------------
 */

/* Table t0, t1, …, or other.w; its statement. */
static void fill_table(struct tr_model_snapshot *snapshot, uint32_t at, uint32_t table)
{
    const struct tr_model_log *log = &snapshot->source->log;
    const bool is_other = table == TR_MODEL_TABLES_MAX;

    tr_model_write_show_create(log, table, snapshot->creates[at]);
    snapshot->tables[at] = (struct tr_snapshot_table){
        .database = tr_span_of_text(is_other ? "other" : "sim"),
        .name = tr_span_of_text(is_other ? "w" : model_log_table_names[table]),
        .create_sql = tr_span_of_text(snapshot->creates[at]),
        .database_index = !is_other && snapshot->cut.has_other ? 1 : 0,
        .is_captured = !is_other,
        .is_snapshotted = true,
        .rows_estimated = 10};
}

/* A table whose rows are read. */
static void fill_select(struct tr_model_snapshot *snapshot, uint32_t at, uint32_t t)
{
    const struct tr_model_columns *columns = &snapshot->source->log.columns[t];

    for (uint32_t i = 0; i < columns->count; i++) {
        tr_model_write_name(columns->list[i], snapshot->column_names[t][i]);
        snapshot->columns[t][i] = tr_span_of_text(snapshot->column_names[t][i]);
    }
    (void)snprintf(snapshot->select_texts[t], sizeof(snapshot->select_texts[t]), "SELECT t%u", t);
    snapshot->column_counts[t] = columns->count;
    snapshot->tables[at].select_sql = tr_span_of_text(snapshot->select_texts[t]);
    snapshot->tables[at].columns = snapshot->columns[t];
    snapshot->tables[at].column_count = columns->count;
    snapshot->row_tables[t] = at;
}

/* As stages/source/snapshot_schema.c plans it. */
static uint32_t plan_statements(struct tr_snapshot_statement *statements,
                                const struct tr_snapshot_schema *schema)
{
    uint32_t count = 0;

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
            if (schema->tables[i].database_index == d) {
                statements[count++] = (struct tr_snapshot_statement){
                    .kind = TR_SNAPSHOT_SQL_CREATE_TABLE, .index = i};
            }
        }
    }
    TR_ASSERT(count <= TR_MODEL_CUT_STATEMENTS_MAX);
    return count;
}

static void fill_schema(struct tr_model_snapshot *snapshot)
{
    const struct tr_model_log *log = &snapshot->source->log;
    const uint32_t other_count = snapshot->cut.has_other ? 1 : 0; /* sorted before the others */

    if (snapshot->cut.has_other) {
        fill_table(snapshot, 0, TR_MODEL_TABLES_MAX);
    }
    for (uint32_t t = 0; t < log->options.table_count; t++) {
        fill_table(snapshot, other_count + t, t);
        fill_select(snapshot, other_count + t, t);
    }
    snapshot->databases[0] = (struct tr_snapshot_database){
        .name = tr_span_of_text("other"),
        .create_sql = tr_span_of_text("CREATE DATABASE `other` CHARSET utf8mb4")};
    snapshot->databases[other_count] = (struct tr_snapshot_database){
        .name = tr_span_of_text("sim"),
        .create_sql = tr_span_of_text("CREATE DATABASE `sim` CHARSET utf8mb4")};
    snapshot->schema = (struct tr_snapshot_schema){
        .set_sql = tr_span_of_text(
            "SET character_set_server=utf8mb4, collation_server=utf8mb4_general_ci"),
        .tables = snapshot->tables,
        .table_count = log->options.table_count + other_count,
        .databases = snapshot->databases,
        .database_count = 1 + other_count,
        .statements = snapshot->statements,
        .row_tables = snapshot->row_tables,
        .row_table_count = log->options.table_count};
    snapshot->schema.statement_count = plan_statements(snapshot->statements, &snapshot->schema);
    snapshot->schema.last_statement = snapshot->schema.statement_count - 1;
}

/* What a statement of the snapshot leaves behind. */
static void fill_effect(const struct tr_model_snapshot *snapshot, uint32_t index,
                        struct tr_model_effect *effect)
{
    const struct tr_snapshot_statement *statement = &snapshot->statements[index];
    const struct tr_model_log *log = &snapshot->source->log;
    const bool is_drop = statement->kind == TR_SNAPSHOT_SQL_DROP_TABLE;
    const bool is_create = statement->kind == TR_SNAPSHOT_SQL_CREATE_TABLE;
    struct tr_span database;

    const size_t bytes = tr_snapshot_schema_statement(&snapshot->schema, index, effect->ddl,
                                                      sizeof(effect->ddl), &database);
    TR_ASSERT(bytes < sizeof(effect->ddl));
    effect->ddl[bytes] = '\0';
    effect->database = database.bytes == 0 ? "" : (const char *)database.data;
    effect->type = is_drop ? "DROP" : is_create ? "CREATE" : NULL;
    effect->has_columns = is_create;
    if (is_drop || is_create) {
        const bool is_other = !snapshot->tables[statement->index].is_captured;
        const uint32_t table = statement->index - (snapshot->cut.has_other ? 1 : 0);
        effect->columns = is_other ? log->other : log->columns[table];
        (void)snprintf(effect->table, sizeof(effect->table), "%s",
                       is_other ? "w" : model_log_table_names[table]);
    }
}

/* The tables of now, as statements. */
static void look_at_tables(struct tr_model_snapshot *snapshot)
{
    struct tr_model_cut *cut = &snapshot->cut;
    const struct tr_model_log *log = &snapshot->source->log;

    cut->has_other = log->has_other;
    cut->shown_count = 0;
    fill_schema(snapshot);
    cut->effect_count = snapshot->schema.statement_count;
    for (uint32_t i = 0; i < cut->effect_count; i++) {
        cut->effects[i] = (struct tr_model_effect){0};
        fill_effect(snapshot, i, &cut->effects[i]);
        if (log->options.publishes) {
            (void)add_shown(cut, (struct tr_model_change){.table = TR_MODEL_DDL_STREAM,
                                                          .op = TR_MODEL_READ_STATEMENT,
                                                          .effect = i});
        }
    }
    const uint32_t statement_count = cut->shown_count;
    look(cut, log);
    if (statement_count > 0 && cut->shown_count == statement_count) {
        cut->shown[statement_count - 1].mark = TR_SNAPSHOT_LAST; /* no row follows */
    }
}

/* Small ones end inside rows; with large rows they would take for ever. */
static uint32_t draw_slice(struct tr_model_snapshot *snapshot)
{
    struct tr_random *random = &snapshot->random;
    const bool is_small = tr_random_chance(random, 500);

    if (snapshot->source->log.options.big_row_permille > 0) {
        return SLICE_BYTES_MAX - tr_random_below(random, SLICE_BYTES_MAX / 2);
    }
    return 64 + tr_random_below(random, is_small ? 1000 : SLICE_BYTES_MAX - 64);
}

enum tr_code tr_model_snapshot_open(struct tr_model_snapshot *snapshot,
                                    const struct tr_clock *clock, struct tr_gtid_sources *sources,
                                    struct tr_saved_position *position, struct tr_error *err)
{
    struct tr_random *random = &snapshot->random;

    tr_model_snapshot_close(snapshot);
    make_cut(snapshot);
    if (fill_position(snapshot, sources, position, err) != TR_OK) {
        return err->code;
    }
    look_at_tables(snapshot);
    const bool breaks =
        snapshot->faults_on && tr_random_chance(random, snapshot->options.break_permille);
    const uint32_t steps = 1 + 3 * snapshot->schema.row_table_count + snapshot->cut.shown_count;
    snapshot->break_at = breaks ? tr_random_below(random, steps) : UINT32_MAX;
    snapshot->breaks_by_error = tr_random_chance(random, 300);
    snapshot->has_no_eof = tr_random_chance(random, 500);
    snapshot->slice_bytes = draw_slice(snapshot);
    model_snapshot_server_begin(snapshot);
    const struct tr_snapshot_source_options options = {
        .schema = &snapshot->schema,
        .link = {.fd = snapshot->fds[0], .wake_fd = snapshot->wake_fd},
        .progress = &snapshot->progress,
        .clock = clock,
        .row_bytes_max = ROW_BYTES_MAX,
        .ts_sec = (uint32_t)snapshot->cut.ts_sec,
        .keep = nothing,
        .ended = nothing,
        .self = snapshot};
    snapshot->is_open = true;
    if (tr_snapshot_source_init(&snapshot->reader, &options, err) != TR_OK) {
        return err->code;
    }
    snapshot->reader_port = tr_snapshot_source_port(&snapshot->reader, &snapshot->source->port);
    return TR_OK;
}

void tr_model_snapshot_close(struct tr_model_snapshot *snapshot)
{
    if (!snapshot->is_open) {
        return;
    }
    tr_snapshot_source_deinit(&snapshot->reader);
    model_snapshot_server_end(snapshot);
    snapshot->progress = (struct tr_snapshot_progress){0};
    snapshot->is_open = false;
}

enum tr_model_snapshot_phase tr_model_snapshot_phase(const struct tr_model_snapshot *snapshot)
{
    const bool has_rows = snapshot->reader.rows_done > 0;
    switch (snapshot->reader.state) {
    case TR_SNAPSHOT_ROWS:
        return snapshot->reader.table_rows > 0 ? TR_MODEL_SNAPSHOT_TABLE
               : has_rows                      ? TR_MODEL_SNAPSHOT_BETWEEN
                                               : TR_MODEL_SNAPSHOT_BEGUN;
    case TR_SNAPSHOT_REST:
    case TR_SNAPSHOT_ENDED:
        return TR_MODEL_SNAPSHOT_READ;
    case TR_SNAPSHOT_LOG:
        return TR_MODEL_SNAPSHOT_LOG;
    default:
        return has_rows ? TR_MODEL_SNAPSHOT_BETWEEN : TR_MODEL_SNAPSHOT_BEGUN;
    }
}

/* --- the port: the engine's reader, the server beside it ----------------------------------------
 */

static enum tr_code port_open(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    struct tr_model_snapshot *snapshot = self;
    return snapshot->reader_port->open(snapshot->reader_port->self, resume, err);
}

static enum tr_read port_read(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                              size_t *bytes, struct tr_error *err)
{
    struct tr_model_snapshot *snapshot = self;

    TR_ASSERT(wait_ns == 0); /* nothing waits for real */
    if (snapshot->reader.state != TR_SNAPSHOT_LOG) {
        model_snapshot_server_step(snapshot);
    }
    return snapshot->reader_port->read(snapshot->reader_port->self, out, room_bytes, wait_ns, bytes,
                                       err);
}

static void port_close(void *self)
{
    struct tr_model_snapshot *snapshot = self;
    snapshot->reader_port->close(snapshot->reader_port->self);
}

void tr_model_snapshot_init(struct tr_model_snapshot *snapshot,
                            const struct tr_model_snapshot_options *options,
                            struct tr_model_source *source)
{
    *snapshot = (struct tr_model_snapshot){.options = *options,
                                           .source = source,
                                           .random = {options->seed ^ 0x54A9},
                                           .faults_on = true,
                                           .fds = {-1, -1},
                                           .wake_fd = -1};
    snapshot->port = (struct tr_source_port){.self = snapshot,
                                             .framing = TR_FRAMING_PACKETS,
                                             .open = port_open,
                                             .read = port_read,
                                             .close = port_close,
                                             .wake = nothing};
}

void tr_model_snapshot_deinit(struct tr_model_snapshot *snapshot)
{
    tr_model_snapshot_close(snapshot);
    free(snapshot->cut.shown);
    tr_buffer_free(&snapshot->out);
    tr_buffer_free(&snapshot->row);
    *snapshot = (struct tr_model_snapshot){0};
}
