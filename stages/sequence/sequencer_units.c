// SPDX-License-Identifier: Apache-2.0
/* Units: opened, filled, closed with the position behind them, dealt. */
#include <inttypes.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "stages/sequence/sequencer_parts.h"
#include "stages/source/snapshot_event.h"

#define NO_MARK UINT32_MAX
#define US_PER_S INT64_C(1000000)

static uint32_t least_loaded(const struct tr_sequencer *sequencer)
{
    uint32_t best = 0;

    for (uint32_t d = 1; d < sequencer->options.decoder_count; d++) {
        if (sequencer->outstanding[d] < sequencer->outstanding[best]) {
            best = d;
        }
    }
    return best;
}

bool seq_unit_open(struct tr_sequencer *sequencer, struct tr_sequencer_cursor *cursor)
{
    struct tr_unit *unit = sequencer->unit;

    if (unit != NULL) {
        TR_ASSERT_HOT(unit->chunk == cursor->chunk);
        if (unit->item_count < TR_UNIT_ITEMS_MAX &&
            unit->position.range_count < TR_UNIT_RANGES_MAX) {
            return true;
        }
        seq_unit_close(sequencer, false);
    }
    unit = tr_pool_try_acquire(&sequencer->pool);
    if (unit == NULL) {
        TR_COVER("sequencer.no_unit");
        return false;
    }
    if (!cursor->has_decoder) {
        cursor->decoder = least_loaded(sequencer);
        cursor->has_decoder = true;
    }
    unit->magic = TR_UNIT_MAGIC;
    unit->seq = sequencer->next_seq++;
    unit->decoder = cursor->decoder;
    unit->chunk = cursor->chunk;
    unit->chunk_last = false;
    unit->is_end = false;
    /* The envelope's ts_*: house style 2.16 passes monotonic time down; wall time is output, once
     * per unit. */
    unit->wall_unix_ns = tr_clock_wall_unix_ns(sequencer->options.clock);
    memcpy(unit->file, sequencer->file, sizeof(unit->file));
    unit->position.has_record = false;
    unit->position.range_count = 0;
    unit->position.record_range_count = 0;
    unit->record_rows = 0;
    unit->item_count = 0;
    sequencer->unit = unit;
    sequencer->unit_mark = NO_MARK;
    sequencer->unit_output_bytes = 0;
    return true;
}

struct tr_log_point seq_point(const struct tr_sequencer *sequencer)
{
    const struct tr_sequencer_group *group = &sequencer->group;
    const struct tr_sequencer_skip *skip = &sequencer->skip;
    const int64_t time_us = group->commit_us != 0 ? group->commit_us : sequencer->header_us;
    struct tr_log_point point = {.ts_sec = time_us / US_PER_S, .server_id = sequencer->server_id};

    if (sequencer->in_snapshot) { /* until its end the cut stands, with its mark */
        return sequencer->options.start;
    }
    if (skip->is_armed) { /* what was sequenced of the open transaction stays sequenced */
        memcpy(point.file, skip->file, sizeof(point.file));
        point.pos = skip->is_xa ? skip->start_pos : skip->pos;
        point.event_count = skip->is_xa ? 0 : skip->event_count;
        point.row_count = skip->is_xa ? 0 : skip->row_count;
        return point;
    }
    memcpy(point.file, sequencer->file, sizeof(point.file));
    switch (group->phase) {
    case TR_GROUP_NONE:
        point.pos = sequencer->offset;
        break;
    case TR_GROUP_BEGUN:
        point.pos = group->start_pos;
        break;
    case TR_GROUP_OPEN:
        if (group->is_xa) { /* Debezium has no counts for it: the whole group again */
            point.pos = group->start_pos;
        } else {
            point.pos = seq_group_pos(sequencer);
            point.event_count = group->event_count + skip->events_left;
            point.row_count = skip->row_first;
        }
        break;
    }
    return point;
}

void seq_unit_close(struct tr_sequencer *sequencer, bool chunk_last)
{
    struct tr_unit *unit = sequencer->unit;
    struct tr_progress *progress = sequencer->options.progress;
    const uint32_t d = unit->decoder;

    unit->chunk_last = chunk_last;
    unit->position.seq = unit->seq;
    unit->position.log_bytes = sequencer->log_bytes;
    unit->position.end = seq_point(sequencer);
    if (unit->position.has_record) {
        memcpy(unit->position.record.file, unit->file, sizeof(unit->file));
    }
    /* Before the unit can be routed: the coordinator compares safe and sequenced. */
    atomic_store_explicit(&progress->sequenced_log_bytes, sequencer->log_bytes,
                          memory_order_release);
    atomic_store_explicit(&progress->sequenced_unix_us, sequencer->newest_us, memory_order_release);
    atomic_store_explicit(&progress->source_heard_unix_us, sequencer->heard_us,
                          memory_order_release);
    /* Release, pairs with the acquire of whoever waits for the pipeline to drain. */
    atomic_store_explicit(&progress->sequenced_seq, unit->seq, memory_order_release);

    struct tr_unit **to_decoder = tr_ring_claim_one(sequencer->options.decoders[d].units);
    struct tr_manifest_entry *entry = tr_ring_claim_one(sequencer->options.manifest);
    *to_decoder = unit;
    *entry = (struct tr_manifest_entry){.unit = unit, .decoder = d};
    sequencer->unit = NULL; /* travels */
    sequencer->outstanding[d]++;
    tr_ring_publish(sequencer->options.decoders[d].units, 1);
    tr_ring_publish(sequencer->options.manifest, 1);
    sequencer->rang |= UINT32_C(1) << d;
    if (sequencer->options.metrics != NULL) {
        tr_metric_set(sequencer->options.metrics, TR_METRIC_EVENTS, sequencer->event_count);
        tr_metric_add(sequencer->options.metrics, TR_METRIC_UNITS, 1);
    }
}

/*
 * The record's transaction moved on: ranges that lie before it may be merged now. Without this a
 * unit of single-row transactions would be full after TR_UNIT_RANGES_MAX of them.
 */
static void merge_ranges(struct tr_unit_position *position)
{
    uint32_t kept = position->record_range_count;

    for (uint32_t i = kept; i < position->range_count; i++) {
        const struct tr_gtid_range range = position->ranges[i];
        uint32_t into = 0;
        while (into < kept && !(position->ranges[into].source == range.source &&
                                (range.source->flavor == TR_FLAVOR_MARIADB ||
                                 position->ranges[into].last + 1 == range.first))) {
            into++;
        }
        if (into == kept) {
            position->ranges[kept++] = range;
        } else {
            position->ranges[into].last = range.last;
            position->ranges[into].server_id = range.server_id;
        }
    }
    position->range_count = kept;
}

uint64_t seq_group_pos(const struct tr_sequencer *sequencer)
{
    const struct tr_sequencer_group *group = &sequencer->group;

    if (sequencer->executed != NULL && tr_gtid_set_is_empty(sequencer->executed)) {
        TR_COVER("sequencer.first_group");
        return group->start_pos;
    }
    return group->begin_pos;
}

enum seq_outcome seq_unit_executed(struct tr_sequencer *sequencer, const struct tr_gtid *gtid)
{
    struct tr_unit_position *position = &sequencer->unit->position;

    if (gtid->source == NULL || sequencer->executed == NULL) {
        return SEQ_DONE;
    }
    const struct tr_gtid_range range = {.source = gtid->source,
                                        .first = gtid->number,
                                        .last = gtid->number,
                                        .server_id = gtid->server_id};
    if (tr_gtid_set_add(sequencer->executed, &range, &sequencer->error) != TR_OK) {
        return SEQ_FAILED;
    }
    const bool added =
        tr_gtid_ranges_append(position->ranges, &position->range_count, TR_UNIT_RANGES_MAX,
                              position->record_range_count, gtid);
    TR_ASSERT(added); /* seq_unit_open left room, and an event ends one transaction at most */
    return SEQ_DONE;
}

static enum tr_row_op op_of(uint8_t type)
{
    switch (type) {
    case TR_EVENT_WRITE_ROWS_V1:
    case TR_EVENT_WRITE_ROWS:
        return TR_ROW_INSERT;
    case TR_EVENT_DELETE_ROWS_V1:
    case TR_EVENT_DELETE_ROWS:
        return TR_ROW_DELETE;
    case TR_EVENT_SNAPSHOT_ROWS:
        return TR_ROW_READ;
    default:
        return TR_ROW_UPDATE;
    }
}

/* What `source.ts_*` prints (contract §1.5): the transaction's commit time, or the time of the
 * event before this one. */
int64_t seq_item_time_us(const struct tr_sequencer *sequencer, int64_t header_sec)
{
    if (sequencer->group.commit_us != 0) {
        return sequencer->group.commit_us;
    }
    return sequencer->header_us != 0 ? sequencer->header_us : header_sec * US_PER_S;
}

static void mark_record(struct tr_sequencer *sequencer, struct tr_unit_item *item, uint32_t index)
{
    struct tr_unit_position *position = &sequencer->unit->position;
    struct tr_sequencer_group *group = &sequencer->group;

    if (group->phase != TR_GROUP_OPEN || group->is_xa) {
        /* Debezium would store a place behind these rows and lose the rest of the group on a
         * restart. The group's end is marked instead. */
        group->marks_end = group->is_xa;
        return;
    }
    if (sequencer->unit_mark != NO_MARK) {
        sequencer->unit->items[sequencer->unit_mark].is_record_mark = false;
    }
    sequencer->unit_mark = index;
    item->is_record_mark = true;
    if (position->record_range_count != position->range_count) {
        merge_ranges(position);
        position->record_range_count = position->range_count;
    }
    position->has_record = true;
    position->record.pos = seq_group_pos(sequencer);
    position->record.event_count = group->event_count;
    position->record.row_count = 0; /* the collector's */
    position->record.ts_sec = item->ts_us / US_PER_S;
    position->record.server_id = item->server_id;
}

void seq_unit_mark_group(struct tr_sequencer *sequencer)
{
    struct tr_unit_position *position = &sequencer->unit->position;

    if (sequencer->unit_mark != NO_MARK) {
        sequencer->unit->items[sequencer->unit_mark].is_record_mark = false;
        sequencer->unit_mark = NO_MARK;
    }
    merge_ranges(position);
    position->record_range_count = position->range_count;
    position->has_record = true;
    position->record = (struct tr_log_point){.pos = sequencer->event_end,
                                             .ts_sec = sequencer->header_us / US_PER_S,
                                             .server_id = sequencer->server_id};
}

enum seq_outcome seq_unit_add(struct tr_sequencer *sequencer, const struct seq_event *event,
                              struct tr_schema *schema, enum tr_item_kind kind, uint64_t row_first)
{
    /* Relaxed: a hint, written by decoders. */
    const uint32_t measured = atomic_load_explicit(&schema->output_ratio_q8, memory_order_relaxed);
    const uint64_t ratio_q8 = measured != 0 ? measured : sequencer->options.output_ratio_q8;
    const uint64_t output_bytes = event->event.bytes * ratio_q8 >> 8;

    if (sequencer->unit->item_count > 0 &&
        sequencer->unit_output_bytes + output_bytes > TR_UNIT_OUTPUT_BYTES_MAX) {
        seq_unit_close(sequencer, false);
        if (!seq_unit_open(sequencer, event->cursor)) {
            return SEQ_WAIT;
        }
    }
    struct tr_unit *unit = sequencer->unit;
    const uint32_t index = unit->item_count++;
    struct tr_unit_item *item = &unit->items[index];
    *item = (struct tr_unit_item){
        .schema = schema,
        .gtid = sequencer->group.gtid,
        .pos = sequencer->source_pos,
        .ts_us = seq_item_time_us(sequencer, event->header.timestamp_sec),
        .thread_id = sequencer->group.thread_id,
        .server_id = event->header.server_id,
        .at = (uint32_t)(event->event.data - event->cursor->chunk->bytes),
        .bytes = (uint32_t)event->event.bytes,
        .row_first = (uint32_t)(row_first > UINT32_MAX ? UINT32_MAX : row_first),
        .kind = (uint8_t)kind,
        .op = (uint8_t)op_of(event->header.type),
        .event_type = event->header.type,
    };
    schema->pinned_seq = unit->seq;
    sequencer->unit_output_bytes += output_bytes;
    if (kind == TR_ITEM_ROWS || event->cursor->chunk->piece == TR_PIECE_LAST) {
        mark_record(sequencer, item, index);
    }
    return SEQ_DONE;
}
