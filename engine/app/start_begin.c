// SPDX-License-Identifier: Apache-2.0
/* Where to begin: from the stored offset, or with a snapshot (contract §3.1 - §3.3). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/app/settings.h"
#include "engine/app/start_choice.h"
#include "engine/app/start_history.h"
#include "engine/app/start_parts.h"
#include "engine/clock.h"
#include "engine/log.h"

#define SCHEMA_READS_MAX 10 /* a table is changed between two reads: read again */

static bool has_history(const struct tr_start *start)
{
    return start->history.self != NULL;
}

/* Whether table maps say nothing of columns and no history does: then what is known of the tables is
 * what the server has now. */
static bool tables_are_live(const struct tr_start *start)
{
    return !has_history(start) && strcmp(start->facts.binlog_row_metadata, "FULL") != 0;
}

/* --- with a snapshot --- */

static enum tr_code add_stream(void *self, struct tr_span database, struct tr_span table,
                               struct tr_error *err)
{
    struct tr_start *start = self;

    start->table_count++;
    return tr_start_add_stream(start, database, table, err);
}

static enum tr_code open_snapshot(struct tr_start *start, struct tr_saved_position *position,
                                  bool with_rows, struct tr_error *err)
{
    const struct tr_snapshot_options options =
        tr_settings_snapshot(start->config, &start->facts, start->filter, with_rows);

    while (tr_snapshot_open(&start->snapshot, &options, start->gtid_sources, position, err) !=
           TR_OK) {
        if (!tr_start_may_retry(start, err)) {
            return err->code;
        }
    }
    start->table_count = 0;
    return tr_snapshot_each_table(start->snapshot, add_stream, start, err);
}

/*
 * The cut. Where nothing but the server tells what its tables were, they are read before and after
 * it until both readings agree: the fingerprint saved is the cut's, and a restart compares.
 */
static enum tr_code make_cut(struct tr_start *start, bool with_rows, struct tr_error *err)
{
    struct tr_start_tables before = {0};
    struct tr_start_tables after = {0};

    for (int i = 0; i < SCHEMA_READS_MAX; i++) {
        const bool compares = tables_are_live(start);
        if ((compares && tr_start_read_tables(start, &before, false, err) != TR_OK) ||
            open_snapshot(start, &start->position, with_rows, err) != TR_OK ||
            (compares && tr_start_read_tables(start, &after, false, err) != TR_OK)) {
            return err->code;
        }
        if (before.fingerprint == after.fingerprint && before.count == after.count) {
            start->fingerprint = after.fingerprint;
            return TR_OK;
        }
        tr_snapshot_close(start->snapshot);
        start->snapshot = NULL;
    }
    return TR_FAIL(err, TR_ERR_SCHEMA, TR_RETRY,
                   "tables are being changed all the time: %d readings disagreed; start again when "
                   "the changes are over",
                   SCHEMA_READS_MAX);
}

static enum tr_code begin_snapshot(struct tr_start *start, struct tr_error *err)
{
    uint64_t document_count = 0;
    const struct tr_config *config = start->config;
    const bool with_rows = config->snapshot_mode != TR_CONFIG_SNAPSHOT_NO_DATA;

    if (config->snapshot_delay_ms > 0 &&
        tr_start_wait_until(start,
                            tr_clock_monotonic_ns(tr_clock_system()) +
                                (int64_t)config->snapshot_delay_ms * TR_NS_PER_MS,
                            err) != TR_OK) {
        return err->code;
    }
    start->history_wanted = (struct tr_history_seal){0};
    start->position.point = (struct tr_log_point){0};
    tr_gtid_set_clear(start->position.gtids);
    /* The snapshot's statements make all tables anew. What is stored only has to be such that the
     * next start can read it: better told now than after hours of rows. */
    if (has_history(start) && (tr_start_open_catalog(start, err) != TR_OK ||
                               tr_start_recover_tables(start, &document_count, err) != TR_OK)) {
        return err->code;
    }
    if (tr_start_open_catalog(start, err) != TR_OK || make_cut(start, with_rows, err) != TR_OK) {
        return err->code;
    }
    start->position.point.snapshot = true;
    start->counters_apply = false;
    start->gtids_known = tr_server_facts_has_gtids(&start->facts);
    tr_identity_binlog_base(start->position.point.file, start->identity.binlog_base);
    TR_LOG(TR_LOG_INFO, "start.snapshot", TR_TEXT("rows", with_rows ? "yes" : "no"),
           TR_UINT("tables", start->table_count), TR_TEXT("file", start->position.point.file),
           TR_UINT("pos", start->position.point.pos));
    /* Before anything behind it is read: a crash must not begin later, at a new cut. */
    return tr_start_save_first(start, err);
}

/* --- from the stored offset --- */

/* Whether the stored event and row counters mean something on this server (design §5: never skip on
 * doubt). */
static bool counters_apply(const struct tr_start *start, const struct tr_identity *stored,
                           bool has_stored)
{
    if (has_stored) {
        return tr_identity_is_of(stored, &start->position.point) &&
               tr_identity_same_server(stored, &start->identity);
    }
    /* Written by Debezium: its offset names the server of the last event. */
    return start->position.point.server_id == start->facts.server_id;
}

static enum tr_code check_identity(struct tr_start *start, const struct tr_identity *stored,
                                   struct tr_error *err)
{
    const bool by_gtid = !tr_gtid_set_is_empty(start->position.gtids);
    if (!by_gtid && !tr_identity_same_server(stored, &start->identity)) {
        return TR_FAIL(
            err, TR_ERR_SOURCE_GONE, TR_STOP,
            "source: another server than the position was read from (%s, position %s:%" PRIu64
            " without GTIDs): connect to that server, or delete the stored offset to begin with a "
            "snapshot of this one",
            start->facts.version, start->position.point.file, start->position.point.pos);
    }
    if (tables_are_live(start) && stored->schema_fingerprint != 0 &&
        stored->schema_fingerprint != start->fingerprint) {
        return TR_FAIL(
            err, TR_ERR_SCHEMA, TR_STOP,
            "tables: a captured table was changed since the position was saved (%s:%" PRIu64
            "), the log does not describe its columns and there is no schema history: rows before "
            "the change cannot be read; set debezium.source.schema.history.internal (or "
            "binlog_row_metadata=FULL on the server) and delete the stored offset",
            start->position.point.file, start->position.point.pos);
    }
    return TR_OK;
}

/* What the server calls its logs now: part of its identity. */
static enum tr_code read_log_name(struct tr_start *start, struct tr_error *err)
{
    struct tr_saved_position now = {0};
    if (tr_gtid_set_open(&now.gtids, start->facts.flavor, err) != TR_OK) {
        return err->code;
    }
    const enum tr_code code =
        tr_server_position_read(&now, &start->facts, &start->query.port, start->gtid_sources, err);
    if (code == TR_OK) {
        tr_identity_binlog_base(now.point.file, start->identity.binlog_base);
    }
    tr_gtid_set_close(now.gtids);
    return code;
}

/* `recovery`: the tables as they are now become the history, and the stored position stands. Only
 * right when no table was changed behind it: as Debezium, which says so, too. */
static enum tr_code rebuild_history(struct tr_start *start, struct tr_error *err)
{
    struct tr_saved_position now = {0};

    if (tr_gtid_set_open(&now.gtids, start->facts.flavor, err) != TR_OK) {
        return err->code;
    }
    TR_LOG(TR_LOG_WARN, "start.history_rebuilt",
           TR_TEXT("risk", "a table changed behind the stored position would be misread"));
    const enum tr_code code = open_snapshot(start, &now, false, err);
    tr_gtid_set_close(now.gtids);
    return code;
}

/* What the tables were at the position. */
static enum tr_code know_tables(struct tr_start *start, struct tr_error *err)
{
    struct tr_start_tables tables = {0};
    uint64_t count = 0;

    if (!has_history(start)) {
        if (tr_start_read_tables(start, &tables, true, err) != TR_OK) {
            return err->code;
        }
        start->fingerprint = tables.fingerprint;
        return tr_start_use_model(start, err);
    }
    if (tr_start_recover_tables(start, &count, err) != TR_OK) {
        return err->code;
    }
    if (start->config->snapshot_mode == TR_CONFIG_SNAPSHOT_RECOVERY) {
        return tr_start_open_catalog(start, err) == TR_OK ? rebuild_history(start, err) : err->code;
    }
    if (count == 0) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "schema history (%s): empty, but an offset is stored: restore the history, "
                       "or set debezium.source.snapshot.mode=recovery once if no table was changed "
                       "since, or delete the offset to begin with a snapshot",
                       start->history.name);
    }
    return tr_start_use_model(start, err);
}

static enum tr_code begin_stored(struct tr_start *start, struct tr_span identity_text,
                                 struct tr_error *err)
{
    struct tr_identity stored = {0};
    const bool has_stored = identity_text.bytes > 0;

    if ((has_stored && tr_identity_parse_json(&stored, identity_text, err) != TR_OK) ||
        read_log_name(start, err) != TR_OK || tr_start_open_catalog(start, err) != TR_OK ||
        tr_server_position_check(&start->position, &start->facts, &start->query.port,
                                 start->gtid_sources, err) != TR_OK) {
        return err->code;
    }
    /* `recovery` is for a history that is lost. */
    if (has_stored && tr_identity_is_of(&stored, &start->position.point) &&
        start->config->snapshot_mode != TR_CONFIG_SNAPSHOT_RECOVERY) {
        start->history_wanted = stored.history;
    }
    if (know_tables(start, err) != TR_OK ||
        (has_stored && check_identity(start, &stored, err) != TR_OK)) {
        return err->code;
    }
    start->counters_apply = counters_apply(start, &stored, has_stored);
    start->offset_is_debezium = !has_stored;
    /* An offset without GTIDs (written while the server had none): by file, and the set stays
     * untold. */
    start->gtids_known =
        tr_server_facts_has_gtids(&start->facts) && !tr_gtid_set_is_empty(start->position.gtids);
    TR_LOG(TR_LOG_INFO, "start.position", TR_TEXT("from", "offset store"),
           TR_TEXT("file", start->position.point.file), TR_UINT("pos", start->position.point.pos),
           TR_UINT("event", start->position.point.event_count),
           TR_UINT("row", start->position.point.row_count));
    return TR_OK;
}

enum tr_code tr_start_resume(struct tr_start *start, const struct tr_store_content *content,
                             struct tr_error *err)
{
    free(start->stored_value);
    start->stored_value = malloc(content->offset_value.bytes);
    if (start->stored_value == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "start: no memory for the stored offset: add memory");
    }
    memcpy(start->stored_value, content->offset_value.data, content->offset_value.bytes);
    start->stored_bytes = content->offset_value.bytes;
    if (tr_start_read_offset(start, content->offset_value, err) != TR_OK) {
        return err->code;
    }
    if (start->position.point.snapshot) { /* rows are missing that the log does not bring */
        return start->config->snapshot_mode == TR_CONFIG_SNAPSHOT_RECOVERY
                   ? TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                             "debezium.source.snapshot.mode = recovery: the stored offset is of a "
                             "snapshot that was not finished: set initial, which takes it again")
                   : TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                             "stored offset: a snapshot was not finished; the next start takes it "
                             "again");
    }
    return begin_stored(start, content->identity, err);
}

/* --- which of them --- */

enum tr_code tr_start_read_offset(struct tr_start *start, struct tr_span offset_value,
                                  struct tr_error *err)
{
    tr_start_fill_identity(start);
    tr_gtid_set_close(start->position.gtids);
    start->position = (struct tr_saved_position){0};
    if (tr_gtid_set_open(&start->position.gtids, start->facts.flavor, err) != TR_OK) {
        return err->code;
    }
    return offset_value.bytes == 0
               ? TR_OK
               : tr_position_parse_json(&start->position, start->gtid_sources, offset_value, err);
}

enum tr_code tr_start_begin(struct tr_start *start, const struct tr_store_content *content,
                            struct tr_error *err)
{
    const uint32_t mode = start->config->snapshot_mode;
    const bool is_recovery = mode == TR_CONFIG_SNAPSHOT_RECOVERY;
    const bool has_offset = content->offset_value.bytes > 0;

    if (tr_start_read_offset(start, content->offset_value, err) != TR_OK) {
        return err->code;
    }
    if (!has_offset && is_recovery) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "debezium.source.snapshot.mode = recovery: it goes on from a stored offset, "
                       "and there is none: set initial or no_data");
    }
    if (content->other_key.bytes > 0) {
        char key[256];
        (void)snprintf(key, sizeof(key), "%.*s", (int)content->other_key.bytes,
                       (const char *)content->other_key.data);
        TR_LOG(TR_LOG_WARN, "start.other_offset", TR_TEXT("there_is", key),
               TR_TEXT("remedy", "if it is the one to go on from, correct "
                                 "debezium.source.topic.prefix: here begins a new one"));
    }
    if (tr_start_takes_snapshot(mode, has_offset, &start->position.point)) {
        return begin_snapshot(start, err);
    }
    if (tr_start_resume(start, content, err) == TR_OK) {
        return TR_OK;
    }
    if (mode != TR_CONFIG_SNAPSHOT_WHEN_NEEDED || err->code != TR_ERR_SOURCE_GONE) {
        return err->code;
    }
    tr_log_error(TR_LOG_WARN, "start.position_lost", err);
    return begin_snapshot(start, err);
}
