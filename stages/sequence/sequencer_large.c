// SPDX-License-Identifier: Apache-2.0
/*
 * Statements larger than a chunk: gathered when they change tables, else their beginning tells
 * enough.
 */
#include <stdlib.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "stages/sequence/sequencer_parts.h"
#include "stages/source/snapshot_event.h"

#define LARGE_QUERY_BYTES_MAX (16u * 1024 * 1024) /* of a statement: 4,096 columns take 1 MB */

static enum seq_outcome fail_memory(struct tr_sequencer *sequencer)
{
    (void)TR_FAIL(&sequencer->error, TR_ERR_SYSTEM, TR_STOP,
                  "no memory for a statement of %zu bytes: add memory",
                  sequencer->large_query_bytes);
    return SEQ_FAILED;
}

void seq_large_query_drop(struct tr_sequencer *sequencer)
{
    free(sequencer->large_query);
    sequencer->large_query = NULL;
}

/* Whether the whole statement is wanted: it changes tables. False with the error too. */
static bool wants_whole(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    struct tr_event_query query;
    const bool is_load = event->header.type == TR_EVENT_EXECUTE_LOAD_QUERY;

    if (event->header.event_bytes > LARGE_QUERY_BYTES_MAX || sequencer->options.model == NULL) {
        return false;
    }
    if (seq_is_snapshot(sequencer, event->header.type)) {
        return true;
    }
    if (tr_event_query_parse(&query, event->body, is_load, &sequencer->error) != TR_OK) {
        return false;
    }
    tr_ddl_scan(&sequencer->scan, query.sql, query.sql_mode, query.database,
                sequencer->options.flavor);
    return tr_statement_changes_schema(sequencer->scan.kind);
}

enum seq_outcome seq_large_query_begin(struct tr_sequencer *sequencer,
                                       const struct seq_event *event)
{
    if (!wants_whole(sequencer, event)) {
        return seq_query(sequencer, event, true);
    }
    TR_COVER("sequencer.large_statement");
    seq_large_query_drop(sequencer);
    sequencer->large_query = calloc(1, event->header.event_bytes);
    sequencer->large_query_bytes = event->header.event_bytes;
    return sequencer->large_query == NULL ? fail_memory(sequencer) : SEQ_DONE;
}

enum seq_outcome seq_large_query_piece(struct tr_sequencer *sequencer,
                                       const struct seq_event *event, uint64_t at)
{
    const bool is_last = event->cursor->chunk->piece == TR_PIECE_LAST;

    if (sequencer->large_query == NULL) {
        return is_last ? seq_statement_end(sequencer) : SEQ_DONE;
    }
    TR_ASSERT(at + event->event.bytes <= sequencer->large_query_bytes);
    memcpy(sequencer->large_query + at, event->event.data, event->event.bytes);
    if (!is_last) {
        return SEQ_DONE;
    }
    struct seq_event whole = *event;
    whole.event = tr_span_of(sequencer->large_query, at + event->event.bytes);
    whole.body = tr_span_of(sequencer->large_query + TR_EVENT_HEADER_BYTES,
                            whole.event.bytes - TR_EVENT_HEADER_BYTES);
    const enum seq_outcome outcome = seq_is_snapshot(sequencer, event->header.type)
                                         ? seq_snapshot_statement(sequencer, &whole)
                                         : seq_query(sequencer, &whole, false);
    if (outcome != SEQ_WAIT) {
        seq_large_query_drop(sequencer);
    }
    return outcome;
}
