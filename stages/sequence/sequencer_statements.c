// SPDX-License-Identifier: Apache-2.0
/*
 * Statements: what they make of the tables, and what they leave behind for the schema history and
 * the stream of schema changes.
 *
 *   QUERY, snapshot statement --> tr_ddl_apply --> catalog (models; rows pinned before keep theirs)
 *                                             \--> tr_ddl_publish --> historian, items of the unit
 *
 * Everything that may have to wait is made sure of before the model changes: a unit with room for
 * the records, and the historian's ring with room for the documents.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "offsets/historian.h"
#include "stages/schema/charset.h"
#include "stages/sequence/sequencer_parts.h"
#include "stages/source/snapshot_event.h"

#define UTF8_FACTOR 3 /* bytes of UTF-8 per byte of any character set, at most */
#define US_PER_MS INT64_C(1000)
#define US_PER_S INT64_C(1000000)
#define TABLE_TEXT_BYTES (2 * TR_NAME_BYTES_MAX + 2)

static enum seq_outcome fail(struct tr_sequencer *sequencer)
{
    (void)tr_error_prefix(&sequencer->error, SEQ_PLACE, SEQ_PLACE_ARGS(sequencer));
    return SEQ_FAILED;
}

static enum seq_outcome fail_memory(struct tr_sequencer *sequencer)
{
    (void)TR_FAIL(&sequencer->error, TR_ERR_SYSTEM, TR_STOP,
                  "no memory for a statement: add memory");
    return fail(sequencer);
}

/* "database.table" for messages. */
static const char *table_text(const struct tr_ddl_change *change, char out[TABLE_TEXT_BYTES])
{
    (void)snprintf(out, TABLE_TEXT_BYTES, "%.*s.%.*s", (int)change->database.bytes,
                   (const char *)change->database.data, (int)change->name.bytes,
                   (const char *)change->name.data);
    return out;
}

/* How many documents and records the statement may leave behind: lists are cut into one each, and
 * ALTER TABLE … CONVERT PARTITION makes a second table. */
static uint32_t effects_max(const struct tr_ddl_scan *scan, struct tr_span sql)
{
    uint32_t count = scan->kind == TR_STATEMENT_ALTER_TABLE ? 2 : 1;

    if (scan->kind == TR_STATEMENT_DROP_TABLE || scan->kind == TR_STATEMENT_RENAME_TABLE) {
        for (size_t i = 0; i < sql.bytes; i++) {
            count += sql.data[i] == ',';
        }
    }
    return count;
}

bool seq_history_has_room(const struct tr_sequencer *sequencer, uint32_t count)
{
    const struct tr_ring *history = sequencer->options.history;

    if (history == NULL) {
        return true;
    }
    /* Acquire, pairs with the historian's release: these are freed. */
    const uint64_t stored_bytes =
        atomic_load_explicit(&sequencer->options.progress->history_bytes, memory_order_acquire);
    return TR_HISTORY_RING_SLOTS - tr_ring_depth(history) >= count &&
           sequencer->history_bytes - stored_bytes <= TR_HISTORY_BYTES_MAX;
}

/* A unit with room for `count` items, and room for as many documents: WAIT, or FAILED when there
 * can never be. */
static enum seq_outcome make_room(struct tr_sequencer *sequencer, const struct seq_event *event,
                                  uint32_t count)
{
    sequencer->history_wanted = 0;
    if (count > TR_UNIT_ITEMS_MAX || count > TR_HISTORY_RING_SLOTS) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_MEMORY_LIMIT, TR_STOP,
                      "a statement that lists %" PRIu32 " tables: want at most %d; go on behind it",
                      count, TR_UNIT_ITEMS_MAX);
        return fail(sequencer);
    }
    if (!seq_history_has_room(sequencer, count)) {
        TR_COVER("sequencer.history_full");
        sequencer->history_wanted = count;
        return SEQ_WAIT;
    }
    /* Records are held until they are routed: units of a bounded size bound them. */
    if (sequencer->unit->item_count + count > TR_UNIT_ITEMS_MAX ||
        (sequencer->unit->item_count > 0 &&
         sequencer->unit_output_bytes >= TR_UNIT_OUTPUT_BYTES_MAX)) {
        seq_unit_close(sequencer, false);
    }
    return seq_unit_open(sequencer, event->cursor) ? SEQ_DONE : SEQ_WAIT;
}

/* Whether the statement's text cannot be followed on a table that is captured; then by
 * configuration an error, or a warning and the table stays as it is. */
static enum seq_outcome check_known(struct tr_sequencer *sequencer,
                                    const struct tr_ddl_result *result)
{
    struct tr_catalog *catalog = sequencer->options.catalog;

    for (uint32_t i = 0; i < result->change_count; i++) {
        const struct tr_ddl_change *change = &result->changes[i];
        bool captured;
        if (!change->is_unknown || change->is_temporary) {
            continue;
        }
        if (tr_catalog_is_captured(catalog, change->database, change->name, &captured,
                                   &sequencer->error) != TR_OK) {
            return fail(sequencer);
        }
        if (!captured) {
            continue;
        }
        const bool heals = tr_catalog_log_describes(catalog, change->database, change->name);
        if (!heals && !sequencer->options.skips_unparseable) {
            (void)TR_FAIL(&sequencer->error, TR_ERR_UNSUPPORTED, TR_STOP,
                          "table %.*s.%.*s: a statement whose effect cannot be told (%s, byte "
                          "%" PRIu64 "): set binlog_row_metadata=FULL on the source, or "
                          "tailrace.ddl.on.error=skip if it changes no column",
                          (int)change->database.bytes, (const char *)change->database.data,
                          (int)change->name.bytes, (const char *)change->name.data,
                          result->unknown_what, result->unknown_offset);
            return fail(sequencer);
        }
        TR_COVER("sequencer.statement_skipped");
        char name[TABLE_TEXT_BYTES];
        TR_LOG(TR_LOG_WARN, "sequencer.statement_not_understood",
               TR_TEXT("table", table_text(change, name)), TR_TEXT("file", sequencer->file),
               TR_UINT("pos", sequencer->event_start), TR_TEXT("what", result->unknown_what),
               TR_UINT("byte", result->unknown_offset),
               TR_TEXT("then", heals ? "the log describes it" : "it stays as it is"));
    }
    return SEQ_DONE;
}

/* Gives the catalog what the statement made of each table. */
static bool take_models(struct tr_sequencer *sequencer, const struct tr_ddl_result *result)
{
    struct tr_catalog *catalog = sequencer->options.catalog;
    struct tr_error *err = &sequencer->error;

    for (uint32_t i = 0; i < result->change_count; i++) {
        const struct tr_ddl_change *change = &result->changes[i];
        if (change->is_temporary || change->has_no_effect) {
            continue;
        }
        if (change->moves_rows) {
            char name[TABLE_TEXT_BYTES];
            TR_LOG(TR_LOG_WARN, "sequencer.rows_moved_without_events",
                   TR_TEXT("table", table_text(change, name)), TR_TEXT("file", sequencer->file),
                   TR_UINT("pos", sequencer->event_start));
        }
        switch (change->type) {
        case TR_DDL_CREATE:
        case TR_DDL_ALTER:
            if (change->previous_name.bytes != 0 &&
                tr_catalog_set_model(catalog, change->previous_database, change->previous_name,
                                     NULL, err) != TR_OK) {
                return false;
            }
            /* Not understood: nothing is known of it, if the log will tell. */
            if (!(change->is_unknown &&
                  !tr_catalog_log_describes(catalog, change->database, change->name)) &&
                tr_catalog_set_model(catalog, change->database, change->name,
                                     change->is_unknown ? NULL : change->table, err) != TR_OK) {
                return false;
            }
            break;
        case TR_DDL_DROP:
            if (tr_catalog_set_model(catalog, change->database, change->name, NULL, err) != TR_OK) {
                return false;
            }
            break;
        case TR_DDL_DROP_DATABASE:
            tr_catalog_forget_database(catalog, change->database);
            break;
        case TR_DDL_TRUNCATE:
        case TR_DDL_CREATE_DATABASE:
        case TR_DDL_ALTER_DATABASE:
        case TR_DDL_USE:
        case TR_DDL_SET:
        case TR_DDL_OTHER:
            break;
        }
    }
    return true;
}

/* Documents to the historian, records into the unit: there is room for all of them. */
static void send_publication(struct tr_sequencer *sequencer, struct tr_ddl_publication *publication)
{
    struct tr_unit *unit = sequencer->unit;

    if (!sequencer->in_snapshot && publication->document_count + publication->record_count > 0) {
        sequencer->group.marks_end = true;
    }
    for (uint32_t i = 0; i < publication->document_count; i++) {
        struct tr_history_entry *entry = tr_ring_claim_one(sequencer->options.history);
        *entry = (struct tr_history_entry){.seq = unit->seq,
                                           .text = publication->documents[i].text,
                                           .bytes = publication->documents[i].bytes};
        sequencer->history_bytes += entry->bytes;
        publication->documents[i].text = NULL; /* travels */
        tr_ring_publish(sequencer->options.history, 1);
    }
    if (publication->document_count > 0 && sequencer->options.history_bell != NULL) {
        tr_doorbell_ring(sequencer->options.history_bell);
    }
    struct tr_prepared *next;
    for (struct tr_prepared *record = publication->records; record != NULL; record = next) {
        next = record->next;
        TR_ASSERT(unit->item_count < TR_UNIT_ITEMS_MAX);
        unit->items[unit->item_count++] =
            (struct tr_unit_item){.prepared = record,
                                  .kind = TR_ITEM_PREPARED,
                                  .ts_us = seq_item_time_us(sequencer, 0),
                                  .thread_id = -1};
        sequencer->unit_output_bytes += record->key_bytes + record->value_bytes;
        record->pinned_seq = unit->seq;
        record->next = sequencer->prepared;
        sequencer->prepared = record;
    }
    publication->records = NULL;
}

/* TRUNCATE of captured tables: a record without images. */
static enum seq_outcome send_truncates(struct tr_sequencer *sequencer,
                                       const struct tr_ddl_result *result)
{
    struct tr_unit *unit = sequencer->unit;

    for (uint32_t i = 0; sequencer->options.sends_truncates && i < result->change_count; i++) {
        const struct tr_ddl_change *change = &result->changes[i];
        struct tr_schema *schema = NULL;
        bool captured = false;
        if (change->type != TR_DDL_TRUNCATE) {
            continue;
        }
        if (tr_catalog_bind_text(sequencer->options.catalog, change->database, change->name,
                                 &schema, &captured, &sequencer->error) != TR_OK) {
            return fail(sequencer);
        }
        if (!captured) {
            continue;
        }
        TR_ASSERT(unit->item_count < TR_UNIT_ITEMS_MAX);
        schema->pinned_seq = unit->seq;
        sequencer->group.marks_end = true;
        unit->items[unit->item_count++] =
            (struct tr_unit_item){.schema = schema,
                                  .gtid = sequencer->group.gtid,
                                  .pos = sequencer->source_pos,
                                  .ts_us = seq_item_time_us(sequencer, 0),
                                  .thread_id = -1,
                                  .server_id = sequencer->server_id,
                                  .kind = TR_ITEM_TRUNCATE,
                                  .op = TR_ROW_TRUNCATE};
    }
    return SEQ_DONE;
}

/* Where the statement stands; `gtids_text` is freed by the caller. False: no memory. */
static bool find_place(struct tr_sequencer *sequencer, const struct seq_event *event,
                       struct tr_ddl_place *place, char gtid_text[TR_GTID_TEXT_BYTES_MAX],
                       char **gtids_text)
{
    const struct tr_sequencer_group *group = &sequencer->group;
    const int64_t time_us = seq_item_time_us(sequencer, event->header.timestamp_sec);

    *place = (struct tr_ddl_place){.file = tr_span_of_text(sequencer->file),
                                   .pos = sequencer->source_pos,
                                   .ts_us = time_us,
                                   .server_id = event->header.server_id,
                                   .thread_id = sequencer->group.thread_id,
                                   .is_snapshot = sequencer->in_snapshot,
                                   .wall_unix_ns = sequencer->unit->wall_unix_ns};
    memcpy(place->point.file, sequencer->file, sizeof(place->point.file));
    place->point.ts_sec = time_us / US_PER_S;
    if (sequencer->in_snapshot) {
        place->point.pos = sequencer->offset;
        /* `recovery` begins where the stored offset stands, maybe inside a transaction. */
        place->point.event_count = sequencer->options.start.event_count;
        place->point.row_count = sequencer->options.start.row_count;
        place->ts_us = place->wall_unix_ns / 1000;
    } else {
        const bool is_open = group->phase == TR_GROUP_OPEN;
        place->ts_us = time_us / US_PER_MS * US_PER_MS; /* Debezium's have no more, unlike rows */
        place->point.pos = is_open ? group->begin_pos : sequencer->event_end;
        place->point.event_count = is_open ? group->event_count : 0;
        place->point.server_id = event->header.server_id;
    }
    if (group->gtid.source != NULL) {
        place->gtid = tr_span_of(gtid_text, tr_gtid_write(gtid_text, &group->gtid));
    }
    if (sequencer->executed == NULL) {
        return true;
    }
    const size_t bytes = tr_gtid_set_text_bytes(sequencer->executed);
    *gtids_text = calloc(1, bytes + 1);
    if (*gtids_text == NULL) {
        return false;
    }
    tr_gtid_set_write_text(sequencer->executed, *gtids_text);
    place->gtids = tr_span_of(*gtids_text, bytes);
    return true;
}

static enum seq_outcome publish(struct tr_sequencer *sequencer, const struct seq_event *event,
                                const struct tr_ddl_event *ddl, const struct tr_ddl_result *result,
                                bool is_last)
{
    struct tr_ddl_place place;
    struct tr_ddl_publication publication = {0};
    char gtid_text[TR_GTID_TEXT_BYTES_MAX];
    char *gtids_text = NULL;

    if (sequencer->options.publisher == NULL) {
        return SEQ_DONE;
    }
    if (!find_place(sequencer, event, &place, gtid_text, &gtids_text)) {
        return fail_memory(sequencer);
    }
    place.is_snapshot_last = is_last;
    const enum tr_code code = tr_ddl_publish(sequencer->options.publisher, ddl, result, &place,
                                             &publication, &sequencer->error);
    if (code == TR_OK) {
        send_publication(sequencer, &publication);
    }
    tr_ddl_publication_clear(&publication);
    free(gtids_text);
    return code == TR_OK ? SEQ_DONE : fail(sequencer);
}

/* Applies a statement in UTF-8. */
static enum seq_outcome apply(struct tr_sequencer *sequencer, const struct seq_event *event,
                              const struct tr_ddl_event *ddl, bool is_last)
{
    struct tr_ddl_result result;

    enum seq_outcome outcome = make_room(sequencer, event, effects_max(&sequencer->scan, ddl->sql));
    if (outcome != SEQ_DONE) {
        return outcome;
    }
    if (tr_ddl_apply(sequencer->options.model, ddl, &result, &sequencer->error) != TR_OK) {
        return fail(sequencer);
    }
    outcome = check_known(sequencer, &result);
    if (outcome == SEQ_DONE) {
        outcome = publish(sequencer, event, ddl, &result, is_last);
    }
    if (outcome == SEQ_DONE && !take_models(sequencer, &result)) {
        return fail(sequencer);
    }
    return outcome == SEQ_DONE && !sequencer->in_snapshot ? send_truncates(sequencer, &result)
                                                          : outcome;
}

/* A session's explicit_defaults_for_timestamp: MySQL tells it in the event, MariaDB 10.10 and later
 * too; older ones do not, and print what they made of it. */
static bool timestamps_are_implicit(const struct tr_sequencer *sequencer,
                                    const struct tr_event_query *query)
{
    if (query->tells_timestamps) {
        return !query->timestamps_are_explicit;
    }
    return sequencer->tells_timestamps && (query->flags2 & TR_QUERY_FLAG2_EXPLICIT_TIMESTAMPS) == 0;
}

/* Debezium's position behind a statement has the GTIDs before it, so the statement comes again. */
static bool is_recovered(const struct tr_sequencer *sequencer)
{
    const struct tr_log_point *start = &sequencer->options.start;

    return sequencer->options.start_is_debezium && sequencer->options.source_is_same &&
           strcmp(start->file, sequencer->file) == 0 && sequencer->event_end <= start->pos;
}

enum seq_outcome seq_statement(struct tr_sequencer *sequencer, const struct seq_event *event,
                               const struct tr_event_query *query)
{
    const struct tr_charset_entry *client =
        tr_charset_of_collation(sequencer->options.flavor, query->client_collation);
    struct tr_ddl_event ddl = {.sql = query->sql,
                               .database = query->database,
                               .sql_mode = query->sql_mode,
                               .server_collation = query->server_collation,
                               .database_collation = query->database_collation,
                               .utf8mb4_collation = query->utf8mb4_collation,
                               .charset_collations = query->charset_collations,
                               .timestamps_are_implicit =
                                   timestamps_are_implicit(sequencer, query)};
    uint8_t *text = NULL;

    if (sequencer->skip.events_left > 0 || is_recovered(sequencer)) {
        TR_COVER("sequencer.statement_known");
        return SEQ_DONE; /* it was stored and sent before the restart */
    }
    if (query->client_collation != 0 && client->charset != TR_CHARSET_UTF8 &&
        client->charset != TR_CHARSET_ASCII && client->charset != TR_CHARSET_BINARY) {
        text = calloc(1, query->sql.bytes * UTF8_FACTOR + 1);
        if (text == NULL) {
            return fail_memory(sequencer);
        }
        ddl.sql = tr_span_of(text, tr_charset_write_utf8(client->charset, query->sql, text));
    }
    const enum seq_outcome outcome = apply(sequencer, event, &ddl, false);
    free(text);
    return outcome;
}

enum seq_outcome seq_snapshot_statement(struct tr_sequencer *sequencer,
                                        const struct seq_event *event)
{
    const struct tr_span body = event->body;
    const size_t fixed_bytes = 3; /* flags, length of the name */

    if (body.bytes < fixed_bytes || body.bytes - fixed_bytes < tr_load_u16(body.data + 1)) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
                      "snapshot statement of %zu bytes ends early", body.bytes);
        return fail(sequencer);
    }
    const size_t name_bytes = tr_load_u16(body.data + 1);
    const size_t sql_at = fixed_bytes + name_bytes;
    const struct tr_ddl_event ddl = {.database = tr_span_of(body.data + fixed_bytes, name_bytes),
                                     .sql = tr_span_of(body.data + sql_at, body.bytes - sql_at)};
    tr_ddl_scan(&sequencer->scan, ddl.sql, 0, ddl.database, sequencer->options.flavor);
    return apply(sequencer, event, &ddl, (body.data[0] & TR_SNAPSHOT_STATEMENT_LAST) != 0);
}

void seq_prepared_collect(struct tr_sequencer *sequencer, uint64_t routed_seq)
{
    struct tr_prepared **link = &sequencer->prepared;

    while (*link != NULL) {
        struct tr_prepared *record = *link;
        if (record->pinned_seq <= routed_seq) {
            *link = record->next;
            free(record);
        } else {
            link = &record->next;
        }
    }
}
