// SPDX-License-Identifier: Apache-2.0
#include "stages/source/snapshot.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/assert.h"
#include "engine/log.h"
#include "stages/source/snapshot_cut.h"
#include "stages/source/snapshot_source.h"

struct tr_snapshot {
    struct tr_snapshot_options options;
    struct tr_mysql_query schema_query; /* own their connections */
    struct tr_mysql_query lock_query;
    struct tr_mysql_query view_query;
    struct tr_snapshot_schema schema;
    struct tr_snapshot_cut cut;
    struct tr_snapshot_progress progress;
    struct tr_snapshot_source source;
    int wake_fd; /* owns */
};

static enum tr_code begin(struct tr_snapshot *snapshot, struct tr_error *err);
static void warn_of_engines(const struct tr_snapshot *snapshot);
static void keep_lock(void *self);
static void end(void *self);

enum tr_code tr_snapshot_open(struct tr_snapshot **snapshot,
                              const struct tr_snapshot_options *options,
                              struct tr_gtid_sources *sources, struct tr_saved_position *position,
                              struct tr_error *err)
{
    struct tr_snapshot *opened = calloc(1, sizeof(*opened));

    *snapshot = NULL;
    if (opened == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for the snapshot: add memory");
    }
    opened->options = *options;
    TR_ASSERT(options->clock != NULL);
    opened->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    tr_mysql_query_init(&opened->schema_query, &options->mysql);
    tr_mysql_query_init(&opened->lock_query, &options->mysql);
    tr_mysql_query_init(&opened->view_query, &options->mysql);
    opened->cut = (struct tr_snapshot_cut){
        .options = &opened->options,
        .schema = &opened->schema_query.port,
        .lock = &opened->lock_query.port,
        .view = &opened->view_query.port,
        .sources = sources,
        .position = position,
    };
    enum tr_code code = opened->wake_fd == -1
                            ? TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                                      "no descriptor for the snapshot: raise the limit (ulimit -n)")
                            : tr_snapshot_cut_make(&opened->cut, &opened->schema, err);
    if (code == TR_OK) {
        code = begin(opened, err);
    }
    if (code != TR_OK) {
        tr_snapshot_close(opened);
        return code;
    }
    TR_LOG(TR_LOG_INFO, "snapshot.cut", TR_TEXT("method", opened->cut.method),
           TR_TEXT("file", position->point.file), TR_UINT("pos", position->point.pos),
           TR_UINT("tables", opened->schema.row_table_count),
           TR_UINT("statements", opened->schema.statement_count));
    warn_of_engines(opened);
    *snapshot = opened;
    return TR_OK;
}

void tr_snapshot_close(struct tr_snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    tr_snapshot_source_deinit(&snapshot->source);
    tr_mysql_query_deinit(&snapshot->schema_query);
    tr_mysql_query_deinit(&snapshot->lock_query);
    tr_mysql_query_deinit(&snapshot->view_query);
    tr_snapshot_schema_close(&snapshot->schema);
    if (snapshot->wake_fd != -1) {
        (void)close(snapshot->wake_fd);
    }
    free(snapshot);
}

enum tr_code tr_snapshot_each_table(const struct tr_snapshot *snapshot,
                                    enum tr_code (*on_table)(void *self, struct tr_span database,
                                                             struct tr_span table,
                                                             struct tr_error *err),
                                    void *self, struct tr_error *err)
{
    enum tr_code code = TR_OK;

    for (uint32_t i = 0; code == TR_OK && i < snapshot->schema.table_count; i++) {
        const struct tr_snapshot_table *table = &snapshot->schema.tables[i];
        if (table->is_captured) {
            code = on_table(self, table->database, table->name, err);
        }
    }
    return code;
}

const struct tr_source_port *tr_snapshot_port(struct tr_snapshot *snapshot,
                                              const struct tr_source_port *log)
{
    return tr_snapshot_source_port(&snapshot->source, log);
}

const struct tr_snapshot_progress *tr_snapshot_progress(const struct tr_snapshot *snapshot)
{
    return &snapshot->progress;
}

uint64_t tr_snapshot_memory_bytes(const struct tr_snapshot *snapshot)
{
    return snapshot->schema.names.bytes + snapshot->schema.texts.bytes +
           tr_snapshot_source_memory_bytes(&snapshot->source);
}

/* The cut is made: the view's connection becomes a stream of rows. */
static enum tr_code begin(struct tr_snapshot *snapshot, struct tr_error *err)
{
    struct tr_mysql_raw raw = {.fd = -1};

    tr_mysql_query_deinit(&snapshot->schema_query); /* done */
    if (!snapshot->cut.is_locked) {
        tr_mysql_query_deinit(&snapshot->lock_query);
    }
    if (snapshot->view_query.link == NULL) {
        return TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RETRY,
                       "the connection of the snapshot was lost");
    }
    enum tr_code code = tr_mysql_link_take_raw(snapshot->view_query.link, &raw, err);
    struct tr_snapshot_source_options options = {
        .schema = &snapshot->schema,
        .link = {.fd = raw.fd, .ssl = raw.ssl, .wake_fd = snapshot->wake_fd},
        .progress = &snapshot->progress,
        .clock = snapshot->options.clock,
        .row_bytes_max = snapshot->options.row_bytes_max,
        .ts_sec = (uint32_t)snapshot->cut.position->point.ts_sec,
        .keep = keep_lock,
        .ended = end,
        .self = snapshot,
    };
    if (code == TR_OK) {
        code = tr_raw_link_prepare(&options.link, err);
    }
    return code != TR_OK ? code : tr_snapshot_source_init(&snapshot->source, &options, err);
}

/* Debezium reads them the same way: their rows are those of the moment of reading. */
static void warn_of_engines(const struct tr_snapshot *snapshot)
{
    const struct tr_snapshot_schema *schema = &snapshot->schema;
    uint32_t count = 0;
    const struct tr_snapshot_table *first = NULL;

    for (uint32_t i = 0; i < schema->row_table_count; i++) {
        const struct tr_snapshot_table *table = &schema->tables[schema->row_tables[i]];
        if (!table->is_snapshotted) {
            first = first == NULL ? table : first;
            count++;
        }
    }
    if (first != NULL && snapshot->options.locking != TR_SNAPSHOT_LOCK_EXTENDED) {
        char name[TR_NAME_BYTES_MAX + 1];
        memcpy(name, first->name.data, first->name.bytes);
        name[first->name.bytes] = '\0';
        TR_LOG(TR_LOG_WARN, "snapshot.engine_without_view", TR_TEXT("first_table", name),
               TR_UINT("tables", count),
               TR_TEXT("meaning",
                       "their rows are read as they are at that moment, and changes since the cut "
                       "are delivered again; use debezium.source.snapshot.locking.mode = extended "
                       "for an exact snapshot of them"));
    }
}

static void keep_lock(void *self)
{
    struct tr_snapshot *snapshot = self;

    tr_snapshot_cut_keep(&snapshot->cut);
}

/* All rows are read, or never will be: locks and connections go. */
static void end(void *self)
{
    struct tr_snapshot *snapshot = self;

    snapshot->cut.is_locked = false; /* the connection's end unlocks */
    tr_mysql_query_deinit(&snapshot->lock_query);
    tr_mysql_query_deinit(&snapshot->view_query);
}
