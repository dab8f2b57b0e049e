// SPDX-License-Identifier: Apache-2.0
/* The snapshot's own events (snapshot_event.h), which come before those of the log. */
#include <inttypes.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "stages/sequence/sequencer_parts.h"
#include "stages/source/snapshot_event.h"

#define US_PER_S INT64_C(1000000)
#define LENGTH_BYTES 2

static enum seq_outcome fail(struct tr_sequencer *sequencer)
{
    (void)tr_error_prefix(&sequencer->error, "snapshot at " SEQ_PLACE, SEQ_PLACE_ARGS(sequencer));
    return SEQ_FAILED;
}

/* A name behind its length; false: it ends early. */
static bool take_name(struct tr_span *rest, struct tr_span *name)
{
    if (rest->bytes < LENGTH_BYTES || rest->bytes - LENGTH_BYTES < tr_load_u16(rest->data)) {
        return false;
    }
    *name = tr_span_of(rest->data + LENGTH_BYTES, tr_load_u16(rest->data));
    *rest = tr_span_of(name->data + name->bytes, rest->bytes - LENGTH_BYTES - name->bytes);
    return true;
}

enum seq_outcome seq_snapshot_schema(struct tr_sequencer *sequencer, const struct seq_event *event,
                                     struct tr_schema **schema)
{
    struct tr_span rest = event->body;
    struct tr_span database;
    struct tr_span table;
    bool captured = false;

    *schema = NULL;
    if (!take_name(&rest, &database) || !take_name(&rest, &table)) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_PROTOCOL, TR_STOP, "rows of %zu bytes end early",
                      event->body.bytes);
        return fail(sequencer);
    }
    if (tr_catalog_bind_text(sequencer->options.catalog, database, table, schema, &captured,
                             &sequencer->error) != TR_OK) {
        return fail(sequencer);
    }
    TR_ASSERT(captured == (*schema != NULL));
    sequencer->header_us = event->header.timestamp_sec * US_PER_S;
    return SEQ_DONE;
}

static enum seq_outcome add_rows(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    struct tr_schema *schema;
    const enum seq_outcome outcome = seq_snapshot_schema(sequencer, event, &schema);

    if (outcome != SEQ_DONE || schema == NULL) {
        return outcome;
    }
    return seq_unit_add(sequencer, event, schema, TR_ITEM_ROWS, 0);
}

/* The cut stands without the mark from here on: in a unit of its own, so that everything before it
 * is acknowledged when it is saved. */
static enum seq_outcome end(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    if (sequencer->unit->item_count > 0) {
        seq_unit_close(sequencer, false);
        if (!seq_unit_open(sequencer, event->cursor)) {
            return SEQ_WAIT;
        }
    }
    TR_COVER("sequencer.snapshot_end");
    tr_catalog_drop_text(sequencer->options.catalog);
    sequencer->in_snapshot = false;
    sequencer->header_us = 0;
    /* What Debezium stores with the snapshot's last record. */
    sequencer->unit->position.has_record = true;
    sequencer->unit->position.record = sequencer->options.start;
    sequencer->unit->position.record.snapshot = false;
    return SEQ_DONE;
}

bool seq_is_snapshot(const struct tr_sequencer *sequencer, uint8_t type)
{
    return sequencer->in_snapshot && type >= TR_EVENT_SNAPSHOT_STATEMENT &&
           type <= TR_EVENT_SNAPSHOT_END;
}

enum seq_outcome seq_snapshot_event(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    switch (event->header.type) {
    case TR_EVENT_SNAPSHOT_STATEMENT:
        return seq_snapshot_statement(sequencer, event);
    case TR_EVENT_SNAPSHOT_ROWS:
        return add_rows(sequencer, event);
    default:
        return end(sequencer, event);
    }
}
