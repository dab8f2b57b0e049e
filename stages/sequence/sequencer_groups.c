// SPDX-License-Identifier: Apache-2.0
/* Transactions: GTIDs, BEGIN to COMMIT, statements, and what is skipped after a restart. */
#include <inttypes.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "stages/sequence/sequencer_parts.h"

#define US_PER_S INT64_C(1000000)

static enum seq_outcome fail(struct tr_sequencer *sequencer)
{
    (void)tr_error_prefix(&sequencer->error, SEQ_PLACE, SEQ_PLACE_ARGS(sequencer));
    return SEQ_FAILED;
}

static void group_reset(struct tr_sequencer_group *group)
{
    *group = (struct tr_sequencer_group){.thread_id = -1};
}

void seq_group_abandon(struct tr_sequencer *sequencer)
{
    if (sequencer->group.phase != TR_GROUP_NONE) {
        TR_COVER("sequencer.group_abandoned");
    }
    group_reset(&sequencer->group);
    sequencer->skip.events_left = 0;
    sequencer->skip.row_first = 0;
}

/* A new group may begin: false when the one before has not ended. */
static bool can_begin(struct tr_sequencer *sequencer)
{
    if (sequencer->group.phase == TR_GROUP_OPEN) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
                      "a transaction begins inside another one: the log is damaged: check it with "
                      "mysqlbinlog");
        return false;
    }
    return true;
}

/* A log has the GTIDs of one server; `flavor` is that of the event. */
static bool is_of_server(struct tr_sequencer *sequencer, const struct seq_event *event,
                         enum tr_flavor flavor)
{
    if (sequencer->options.flavor != flavor) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
                      "%s event in a log of %s: the log is damaged: check it with mysqlbinlog",
                      tr_event_type_name(event->header.type),
                      flavor == TR_FLAVOR_MYSQL ? "MariaDB" : "MySQL");
        return false;
    }
    return true;
}

static bool is_same_gtid(const struct tr_gtid *a, const struct tr_gtid *b)
{
    return a->source == b->source && a->number == b->number;
}

/* The transaction begins for Debezium: is it the one whose beginning was sequenced before? Never
 * skip on doubt. */
static void begin_transaction(struct tr_sequencer *sequencer)
{
    struct tr_sequencer_group *group = &sequencer->group;
    struct tr_sequencer_skip *skip = &sequencer->skip;

    group->phase = TR_GROUP_OPEN;
    group->begin_pos = sequencer->source_pos;
    group->event_count = 0;
    skip->events_left = 0;
    skip->row_first = 0;
    if (!skip->is_armed) {
        return;
    }
    skip->is_armed = false;
    if ((skip->pos == group->begin_pos || skip->pos == group->start_pos) &&
        strcmp(skip->file, sequencer->file) == 0 &&
        (!skip->checks_gtid || is_same_gtid(&skip->gtid, &group->gtid))) {
        TR_COVER("sequencer.skip");
        skip->events_left = skip->event_count;
        skip->row_first = skip->row_count;
    } else {
        TR_COVER("sequencer.skip_refused");
    }
}

static void begin_group(struct tr_sequencer *sequencer)
{
    group_reset(&sequencer->group);
    sequencer->group.phase = TR_GROUP_BEGUN;
    sequencer->group.start_pos = sequencer->source_pos;
    tr_catalog_begin_group(sequencer->options.catalog);
}

enum seq_outcome seq_gtid(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    struct tr_event_gtid gtid;
    const bool is_tagged = event->header.type == TR_EVENT_GTID_TAGGED;

    if (!is_of_server(sequencer, event, TR_FLAVOR_MYSQL) || !can_begin(sequencer) ||
        (is_tagged ? tr_event_gtid_tagged_parse(&gtid, event->body, &sequencer->error)
                   : tr_event_gtid_parse(&gtid, event->body, &sequencer->error)) != TR_OK) {
        return fail(sequencer);
    }
    const struct tr_gtid_source *source = NULL;
    if (event->header.type != TR_EVENT_ANONYMOUS_GTID) {
        source = sequencer->last_source;
        if (source == NULL || memcmp(source->uuid, gtid.uuid, sizeof(gtid.uuid)) != 0 ||
            !tr_span_equals(tr_span_of_text(source->tag), gtid.tag)) {
            source = tr_gtid_source_mysql(sequencer->options.sources, gtid.uuid, gtid.tag,
                                          &sequencer->error);
        }
        if (source == NULL) {
            return fail(sequencer);
        }
        sequencer->last_source = source;
    }
    begin_group(sequencer);
    sequencer->group.gtid =
        (struct tr_gtid){.source = source, .number = source == NULL ? 0 : gtid.number};
    if (sequencer->options.gtid_mode) {
        sequencer->group.commit_us = gtid.original_commit_us != 0
                                         ? gtid.original_commit_us
                                         : event->header.timestamp_sec * US_PER_S;
    }
    if (gtid.immediate_commit_us > sequencer->newest_us) {
        sequencer->newest_us = gtid.immediate_commit_us;
    }
    return SEQ_DONE;
}

enum seq_outcome seq_mariadb_gtid(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    struct tr_event_mariadb_gtid gtid;

    if (!is_of_server(sequencer, event, TR_FLAVOR_MARIADB) || !can_begin(sequencer) ||
        tr_event_mariadb_gtid_parse(&gtid, event->body, &sequencer->error) != TR_OK) {
        return fail(sequencer);
    }
    const struct tr_gtid_source *source = sequencer->last_source;
    if (source == NULL || source->domain_id != gtid.domain_id) {
        source =
            tr_gtid_source_mariadb(sequencer->options.sources, gtid.domain_id, &sequencer->error);
    }
    if (source == NULL) {
        return fail(sequencer);
    }
    sequencer->last_source = source;
    begin_group(sequencer);
    struct tr_sequencer_group *group = &sequencer->group;
    group->gtid = (struct tr_gtid){
        .source = source, .number = gtid.number, .server_id = event->header.server_id};
    group->is_standalone = (gtid.flags & TR_MARIADB_GTID_STANDALONE) != 0;
    group->is_half_alter = (gtid.flags_extra & (TR_MARIADB_GTID_EXTRA_START_ALTER |
                                                TR_MARIADB_GTID_EXTRA_ROLLBACK_ALTER)) != 0;
    begin_transaction(sequencer);
    return SEQ_DONE;
}

enum seq_outcome seq_group_end(struct tr_sequencer *sequencer)
{
    if (sequencer->group.phase == TR_GROUP_NONE) {
        TR_COVER("sequencer.end_without_begin"); /* reading began inside a group */
        return SEQ_DONE;
    }
    const enum seq_outcome outcome = seq_unit_executed(sequencer, &sequencer->group.gtid);
    if (outcome != SEQ_DONE) {
        return fail(sequencer);
    }
    if (sequencer->group.marks_end) {
        seq_unit_mark_group(sequencer);
    }
    if (sequencer->skip.events_left > 0) {
        TR_COVER(
            "sequencer.skip_cut"); /* fewer events than were counted: a commit ends it anyway */
    }
    group_reset(&sequencer->group);
    sequencer->skip.is_armed = false;
    sequencer->skip.events_left = 0;
    sequencer->skip.row_first = 0;
    return SEQ_DONE;
}

enum seq_outcome seq_statement_end(struct tr_sequencer *sequencer)
{
    const struct tr_sequencer_group *group = &sequencer->group;

    if (group->phase == TR_GROUP_BEGUN || (group->phase == TR_GROUP_OPEN && group->is_standalone)) {
        return seq_group_end(sequencer);
    }
    if (group->phase == TR_GROUP_NONE) {
        sequencer->skip.is_armed = false;
        if (group->marks_end) { /* before GTID events: a statement is a group of its own */
            seq_unit_mark_group(sequencer);
            sequencer->group.marks_end = false;
        }
    }
    return SEQ_DONE;
}

void seq_skip_arm_for_link(struct tr_sequencer *sequencer)
{
    const struct tr_sequencer_group *group = &sequencer->group;
    struct tr_sequencer_skip *skip = &sequencer->skip;

    if (skip->is_armed) {
        return; /* lost again before the transaction came */
    }
    if (group->phase == TR_GROUP_OPEN) {
        skip->is_armed = true;
        skip->checks_gtid = true;
        skip->gtid = group->gtid;
        skip->is_xa = group->is_xa;
        memcpy(skip->file, sequencer->file, sizeof(skip->file));
        skip->start_pos = group->start_pos;
        skip->pos = seq_group_pos(sequencer);
        skip->event_count = group->event_count + skip->events_left;
        skip->row_count = skip->row_first;
    } else if (group->phase == TR_GROUP_BEGUN) {
        sequencer->offset = group->start_pos; /* its GTID event again */
    }
    seq_group_abandon(sequencer);
}

static bool is_text(struct tr_span sql, const char *word)
{
    size_t i = 0;

    while (i < sql.bytes && word[i] != '\0' && (sql.data[i] & 0xDF) == (uint8_t)word[i]) {
        i++;
    }
    return i == sql.bytes && word[i] == '\0';
}

static enum seq_outcome begin(struct tr_sequencer *sequencer, const struct tr_event_query *query,
                              bool is_xa)
{
    if (sequencer->group.phase == TR_GROUP_OPEN) {
        if (is_xa && sequencer->options.flavor == TR_FLAVOR_MARIADB) {
            return SEQ_DONE; /* its GTID event has begun the group */
        }
        (void)can_begin(sequencer);
        return fail(sequencer);
    }
    if (sequencer->group.phase == TR_GROUP_NONE) {
        begin_group(sequencer); /* no GTID event: before MySQL 5.6.5, or reading began behind it */
    }
    sequencer->group.is_xa = is_xa;
    if (!is_xa) { /* Debezium prints no thread for XA and on MariaDB */
        sequencer->group.thread_id =
            sequencer->options.flavor == TR_FLAVOR_MYSQL ? query->thread_id : -1;
    }
    begin_transaction(sequencer);
    return SEQ_DONE;
}

/* How a statement touches tables; false: not at all. */
static bool change_of(const struct tr_ddl_scan *scan, enum tr_table_change *change)
{
    switch (scan->kind) {
    case TR_STATEMENT_CREATE_TABLE:
        *change = scan->is_replacing ? TR_CHANGE_COLUMNS : TR_CHANGE_CREATE;
        return !scan->is_temporary;
    case TR_STATEMENT_ALTER_TABLE:
    case TR_STATEMENT_RENAME_TABLE:
        *change = TR_CHANGE_COLUMNS;
        return true;
    case TR_STATEMENT_DROP_TABLE:
        *change = TR_CHANGE_DROP;
        return !scan->is_temporary;
    case TR_STATEMENT_CREATE_INDEX:
        *change = TR_CHANGE_KEY;
        return scan->is_unique;
    case TR_STATEMENT_DROP_DATABASE:
        *change = TR_CHANGE_DROP_DATABASE;
        return true;
    case TR_STATEMENT_DML:
        *change = TR_CHANGE_ROWS;
        return true;
    case TR_STATEMENT_OTHER:
    case TR_STATEMENT_BEGIN:
    case TR_STATEMENT_COMMIT:
    case TR_STATEMENT_ROLLBACK:
    case TR_STATEMENT_SAVEPOINT:
    case TR_STATEMENT_XA_START:
    case TR_STATEMENT_XA_END:
    case TR_STATEMENT_XA:
    case TR_STATEMENT_TRUNCATE_TABLE:
    case TR_STATEMENT_DROP_INDEX:
    case TR_STATEMENT_CREATE_DATABASE:
    case TR_STATEMENT_ALTER_DATABASE:
        break;
    }
    return false;
}

static enum seq_outcome apply_statement(struct tr_sequencer *sequencer)
{
    const struct tr_ddl_scan *scan = &sequencer->scan;
    const char *name = tr_statement_name(scan->kind);
    enum tr_table_change change;

    if (!change_of(scan, &change)) {
        return SEQ_DONE;
    }
    if (change == TR_CHANGE_DROP_DATABASE) {
        return tr_catalog_apply(sequencer->options.catalog, change, name, scan->database,
                                (struct tr_span){0}, &sequencer->error) == TR_OK
                   ? SEQ_DONE
                   : fail(sequencer);
    }
    const bool is_lenient = tr_catalog_is_lenient(sequencer->options.catalog);
    if (is_lenient && change == TR_CHANGE_ROWS) { /* offline: say that rows are missing, go on */
        TR_LOG(TR_LOG_WARN, "sequencer.rows_as_statement", TR_TEXT("file", sequencer->file),
               TR_UINT("pos", sequencer->event_start));
        return SEQ_DONE;
    }
    if (scan->tables_are_partial && !is_lenient) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_UNSUPPORTED, TR_STOP,
                      "%s whose tables cannot all be told: if no captured table is among them, go "
                      "on behind it",
                      name);
        return fail(sequencer);
    }
    for (uint32_t i = 0; i < scan->table_count; i++) {
        if (tr_catalog_apply(sequencer->options.catalog, change, name, scan->tables[i].database,
                             scan->tables[i].name, &sequencer->error) != TR_OK) {
            return fail(sequencer);
        }
    }
    return SEQ_DONE;
}

/* Through the DDL model where there is one; a statement of which only the beginning is there (`is_cut`)
 * is looked at. */
static enum seq_outcome use_statement(struct tr_sequencer *sequencer, const struct seq_event *event,
                                      const struct tr_event_query *query, bool is_cut)
{
    switch (sequencer->scan.kind) {
    case TR_STATEMENT_DML:
    case TR_STATEMENT_XA:
        return apply_statement(sequencer);
    default:
        return sequencer->options.model == NULL || is_cut ? apply_statement(sequencer)
                                                          : seq_statement(sequencer, event, query);
    }
}

enum seq_outcome seq_query(struct tr_sequencer *sequencer, const struct seq_event *event,
                           bool is_cut)
{
    struct tr_event_query query;
    const bool is_load = event->header.type == TR_EVENT_EXECUTE_LOAD_QUERY;

    if (tr_event_query_parse(&query, event->body, is_load, &sequencer->error) != TR_OK) {
        return fail(sequencer);
    }
    if (TR_LIKELY(is_text(query.sql, "BEGIN"))) {
        return begin(sequencer, &query, false);
    }
    if (is_text(query.sql, "COMMIT")) {
        return seq_group_end(sequencer);
    }
    tr_ddl_scan(&sequencer->scan, query.sql, query.sql_mode, query.database,
                sequencer->options.flavor);
    switch (sequencer->scan.kind) {
    case TR_STATEMENT_BEGIN:
        return begin(sequencer, &query, false);
    case TR_STATEMENT_XA_START:
        return begin(sequencer, &query, true);
    case TR_STATEMENT_ROLLBACK:
        TR_COVER("sequencer.rollback"); /* rows of non-transactional tables stay: as Debezium, all
                                           were delivered */
        return seq_group_end(sequencer);
    case TR_STATEMENT_COMMIT:
        return seq_group_end(sequencer);
    case TR_STATEMENT_SAVEPOINT:
    case TR_STATEMENT_XA_END:
        return SEQ_DONE;
    default:
        break;
    }
    const bool is_half_alter =
        sequencer->group.is_half_alter ||
        (query.mariadb_gtid_flags &
         (TR_MARIADB_GTID_EXTRA_START_ALTER | TR_MARIADB_GTID_EXTRA_ROLLBACK_ALTER)) != 0;
    if (!is_half_alter) {
        const enum seq_outcome outcome = use_statement(sequencer, event, &query, is_cut);
        if (outcome != SEQ_DONE) {
            return outcome;
        }
    }
    return is_cut ? SEQ_DONE : seq_statement_end(sequencer);
}
