// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/decode.h"

#include <inttypes.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/pool.h"
#include "stages/decode/decode_fail.h"
#include "stages/decode/period.h"
#include "stages/source/snapshot_event.h"

#define EVENT_HEADER_BYTES 19
#define PARTIAL_UPDATE_ROWS 39
#define FIRST_V2_EVENT 30 /* 30..32 carry extra data behind the flags */
/* Before and after image of the largest row, and the event's own bytes. */
#define PIECE_OVERHEAD_BYTES (64u * 1024)
#define UNPACKED_BYTES_KEPT (256u * 1024) /* of the piece buffer, resident between events */

_Static_assert(sizeof(((struct tr_chunk *)0)->slack) >= TR_IMAGE_OVERREAD_BYTES,
               "text is read in blocks");
_Static_assert(PIECE_OVERHEAD_BYTES > TR_IMAGE_OVERREAD_BYTES, "lengths are read as four bytes");

size_t tr_decode_memory_bytes(uint64_t row_bytes_max)
{
    return (size_t)row_bytes_max * 2 + PIECE_OVERHEAD_BYTES;
}

enum tr_code tr_decode_init(struct tr_decode *decode, uint64_t row_bytes_max, struct tr_error *err)
{
    *decode = (struct tr_decode){0};
    decode->piece_room_bytes = tr_decode_memory_bytes(row_bytes_max);
    decode->piece = tr_memory_map(decode->piece_room_bytes, err);
    if (decode->piece == NULL) {
        return err->code;
    }
    if (tr_deflate_open(&decode->unpack.deflate, err) != TR_OK) {
        return err->code;
    }
    return tr_partial_init(&decode->partial, err);
}

void tr_decode_deinit(struct tr_decode *decode)
{
    if (decode->piece != NULL) {
        tr_memory_unmap(decode->piece, decode->piece_room_bytes);
    }
    tr_deflate_close(decode->unpack.deflate);
    tr_partial_deinit(&decode->partial);
    *decode = (struct tr_decode){0};
}

void tr_decode_begin_unit(struct tr_decode *decode, struct tr_unit *unit)
{
    TR_CHECK_MAGIC(unit, TR_UNIT_MAGIC);
    TR_ASSERT(decode->unit == NULL);
    TR_ASSERT(unit->item_count <= TR_UNIT_ITEMS_MAX);
    decode->unit = unit;
    decode->item_index = 0;
    decode->item_is_open = false;
    unit->record_rows = 0;
    unit->row_last = TR_UNIT_ROW_NONE;
    tr_envelope_begin_unit(&decode->envelope, unit);
}

/* Publishes what was measured for one schema: the sequencer's estimate for closing units. */
static void close_ratio(struct tr_decode *decode)
{
    if (decode->ratio.schema != NULL && decode->ratio.raw_bytes != 0) {
        const uint64_t ratio = (decode->ratio.out_bytes << 8) / decode->ratio.raw_bytes;
        /* Relaxed: a hint, the last writer wins. The cast drops const: the member is the decoders'
         * to write. */
        atomic_store_explicit((_Atomic uint32_t *)(uintptr_t)&decode->ratio.schema->output_ratio_q8,
                              ratio > UINT32_MAX ? UINT32_MAX : (uint32_t)ratio,
                              memory_order_relaxed);
    }
    decode->ratio.schema = NULL;
    decode->ratio.raw_bytes = 0;
    decode->ratio.out_bytes = 0;
}

/* Adds a piece to the event being gathered; true when it is whole. */
static enum tr_code gather_piece(struct tr_decode *decode, bool *is_whole, struct tr_error *err)
{
    const struct tr_unit_item *item = tr_decode_item(decode);
    const struct tr_chunk *chunk = decode->unit->chunk;

    *is_whole = false;
    if (chunk->piece == TR_PIECE_FIRST) {
        TR_COVER("decode.pieces");
        decode->piece_used_bytes = 0;
        decode->piece_event_bytes = chunk->event_bytes;
        if (chunk->event_bytes > decode->piece_room_bytes - TR_IMAGE_OVERREAD_BYTES) {
            return TR_FAIL(err, TR_ERR_UNSUPPORTED, TR_STOP,
                           FORMAT_PLACE
                           " has %" PRIu64
                           " bytes: want at most %zu (twice tailrace.row.max.bytes); raise "
                           "tailrace.row.max.bytes or exclude the table",
                           PLACE(decode), chunk->event_bytes,
                           decode->piece_room_bytes - TR_IMAGE_OVERREAD_BYTES);
        }
    }
    if (decode->piece_event_bytes == 0 ||
        item->bytes > decode->piece_event_bytes - decode->piece_used_bytes) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       FORMAT_PLACE ": a piece of %" PRIu32
                                    " bytes does not belong to the event before it: the binary "
                                    "log is damaged",
                       PLACE(decode), item->bytes);
    }
    memcpy(decode->piece + decode->piece_used_bytes, chunk->bytes + item->at, item->bytes);
    decode->piece_used_bytes += item->bytes;
    *is_whole = chunk->piece == TR_PIECE_LAST;
    return TR_OK;
}

/* Reads an event's fixed part and both column bitmaps (mysql-binlog.md §3.12). */
static enum tr_code read_post_header(struct tr_decode *decode, struct tr_span event,
                                     struct tr_error *err)
{
    const struct tr_unit_item *item = tr_decode_item(decode);
    const uint32_t column_count = decode->row.plan->image_column_count;
    struct tr_cursor cursor = tr_cursor_of(event);

    (void)tr_cursor_take(&cursor, EVENT_HEADER_BYTES + 6 + 2); /* header, table id, flags */
    if (item->event_type >= FIRST_V2_EVENT) {
        const uint16_t extra_bytes = tr_cursor_u16(&cursor); /* counts itself */
        (void)tr_cursor_take(&cursor, extra_bytes < 2 ? SIZE_MAX : extra_bytes - 2u);
    }
    const uint64_t event_columns = tr_cursor_lenenc(&cursor);
    if (!cursor.failed && event_columns != column_count) {
        return TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                       FORMAT_PLACE
                       " has %" PRIu64 " columns, the schema %" PRIu32
                       ": the schema is not the one of these "
                       "rows; restart after the last change of the table, or exclude it",
                       PLACE(decode), event_columns, column_count);
    }
    const uint32_t image_count = item->op == TR_ROW_UPDATE ? 2 : 1;
    const uint8_t *present[2] = {NULL, NULL};
    for (uint32_t image = 0; image < image_count; image++) {
        present[image] = tr_cursor_take(&cursor, (column_count + 7) / 8);
    }
    if (cursor.failed) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       FORMAT_PLACE
                       " ends inside its header (%zu bytes): the binary log is damaged",
                       PLACE(decode), event.bytes);
    }
    decode->row.run.partial = tr_partial_begin(&decode->partial, column_count, present, image_count,
                                               item->event_type == PARTIAL_UPDATE_ROWS)
                                  ? &decode->partial
                                  : NULL;
    decode->row.run.in = cursor.at;
    decode->row.run.in_end = cursor.end;
    if (decode->row.run.partial != NULL && tr_partial_is_empty(&decode->partial, column_count)) {
        decode->row.run.bad_column = decode->row.plan->column_count;
        decode->row.run.bad_reason = "the row images have no columns";
        return tr_decode_fail_row(decode, TR_WRITE_LACKING, err);
    }
    return TR_OK;
}

/* Reads the header of a snapshot's rows. */
static enum tr_code read_text_header(struct tr_decode *decode, struct tr_span event,
                                     struct tr_error *err)
{
    struct tr_span rows = {0};

    if (event.bytes < EVENT_HEADER_BYTES ||
        !tr_text_event_read(
            &decode->text_event,
            tr_span_of(event.data + EVENT_HEADER_BYTES, event.bytes - EVENT_HEADER_BYTES), &rows)) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       FORMAT_PLACE ": the header of its snapshot rows is malformed: report it",
                       PLACE(decode));
    }
    decode->row.run.in = rows.data;
    decode->row.run.in_end = rows.data + rows.bytes;
    return TR_OK;
}

/* Makes the next item the open one; `*is_ready` is false when it has no rows of its own (a piece
 * that is not the last). */
static enum tr_code open_item(struct tr_decode *decode, bool *is_ready, struct tr_error *err)
{
    const struct tr_unit_item *item = tr_decode_item(decode);
    struct tr_span event;

    *is_ready = false;
    TR_ASSERT(decode->unit->chunk != NULL);
    TR_ASSERT(item->at <= TR_CHUNK_BYTES);
    TR_ASSERT(item->bytes <= TR_CHUNK_BYTES - item->at);
    decode->item_is_piece = item->kind == TR_ITEM_PIECE;
    if (decode->item_is_piece) {
        bool is_whole;
        if (gather_piece(decode, &is_whole, err) != TR_OK) {
            return err->code;
        }
        if (!is_whole) {
            return TR_OK;
        }
        event = tr_span_of(decode->piece, decode->piece_used_bytes);
    } else {
        event = tr_span_of(decode->unit->chunk->bytes + item->at, item->bytes);
    }
    decode->row = (struct tr_row){
        .plan = item->schema->plan,
        .envelope = &decode->envelope,
        .item = item,
        .run = {.plan = item->schema->plan, .unpack = &decode->unpack},
        .op = (enum tr_row_op)item->op,
        .unit_seq = decode->unit->seq,
    };
    decode->item_is_text = item->event_type == TR_EVENT_SNAPSHOT_ROWS;
    if ((decode->item_is_text ? read_text_header(decode, event, err)
                              : read_post_header(decode, event, err)) != TR_OK) {
        return err->code;
    }
    /* Values are decompressed behind the pieces that are there. */
    const size_t event_end = decode->piece_event_bytes != 0 ? decode->piece_used_bytes : 0;
    decode->unpack.scratch = decode->piece + event_end;
    decode->unpack.scratch_bytes = decode->piece_room_bytes - event_end;
    if (decode->ratio.schema != item->schema) {
        close_ratio(decode);
        decode->ratio.schema = item->schema;
    }
    decode->event_bytes = event.bytes;
    decode->text_mark = tr_text_event_mark(&decode->text_event, 0);
    tr_envelope_begin_item(&decode->envelope, item, decode->row.plan,
                           decode->item_is_text ? tr_text_event_mark_name(decode->text_mark)
                                                : "false");
    *is_ready = true;
    return TR_OK;
}

static enum tr_code close_item(struct tr_decode *decode, struct tr_error *err)
{
    const struct tr_unit_item *item = tr_decode_item(decode);
    const uint32_t row_count = decode->row.number;

    if (item->row_first > row_count) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       FORMAT_PLACE " has %" PRIu32 " rows, the saved position says %" PRIu32
                                    " of them are done: the "
                                    "position is not of this log; set it anew",
                       PLACE(decode), row_count, item->row_first);
    }
    if (decode->item_is_text && decode->text_event.row_count != row_count) {
        return TR_FAIL(err, TR_ERR_PROTOCOL, TR_STOP,
                       FORMAT_PLACE " has %" PRIu32
                                    " rows of the snapshot, its header says %" PRIu32 ": report it",
                       PLACE(decode), row_count, decode->text_event.row_count);
    }
    if (item->is_record_mark) {
        decode->unit->record_rows = row_count;
    }
    if (row_count > item->row_first && !decode->item_is_text &&
        (decode->row.plan->options.skipped_ops >> item->op & 1) == 0) {
        decode->unit->row_last = row_count - 1;
    }
    if (decode->item_is_piece) {
        decode->piece_event_bytes = 0;
    }
    if (decode->item_is_piece ||
        (decode->unpack.used_bytes > UNPACKED_BYTES_KEPT && decode->piece_event_bytes == 0)) {
        tr_memory_discard(decode->piece, decode->piece_room_bytes);
        decode->unpack.used_bytes = 0;
    }
    decode->ratio.raw_bytes += decode->event_bytes;
    decode->ratio.out_bytes += decode->row.total_bytes;
    return TR_OK;
}

/* Moves past a row that is not wanted. */
static enum tr_write_outcome skip_row(struct tr_row *row)
{
    const enum tr_write_outcome outcome = row->item->op == TR_ROW_READ
                                              ? tr_text_row_skip(&row->run)
                                              : tr_image_skip(&row->run, TR_IMAGE_FIRST);

    return outcome != TR_WRITE_OK || row->item->op != TR_ROW_UPDATE
               ? outcome
               : tr_image_skip(&row->run, TR_IMAGE_SECOND);
}

/* What the writer of a record that did not come to be needs. */
static enum tr_decode_outcome outcome_of(enum tr_write_outcome outcome,
                                         const struct tr_fragment *fragment)
{
    if (outcome != TR_WRITE_NO_ROOM) {
        return TR_DECODE_FAILED;
    }
    if (fragment->high_bytes != 0) {
        return TR_DECODE_NEEDS_FRAGMENT;
    }
    if (!fragment->jumbo) {
        TR_COVER("decode.jumbo");
        return TR_DECODE_NEEDS_JUMBO;
    }
    return TR_DECODE_FAILED;
}

/* Most rows of the snapshot are marked alike. */
static inline void mark_row(struct tr_decode *decode)
{
    const uint8_t mark = tr_text_event_mark(&decode->text_event, decode->row.number);

    if (TR_UNLIKELY(mark != decode->text_mark)) {
        decode->text_mark = mark;
        tr_envelope_begin_item(&decode->envelope, decode->row.item, decode->row.plan,
                               tr_text_event_mark_name(mark));
    }
}

/* What happens to a current row of a versioned table, and whether that is wanted. */
static enum tr_write_outcome judge_row(struct tr_row *row, bool *is_skipped)
{
    bool is_current = false;
    const enum tr_write_outcome outcome = tr_period_judge(row, &is_current);

    *is_skipped = !is_current || (row->plan->options.skipped_ops >> row->op & 1) != 0;
    return outcome;
}

/* Rows of the open item until it ends (DONE) or the fragment or the budget does. */
static enum tr_decode_outcome run_item(struct tr_decode *decode, struct tr_fragment *fragment,
                                       const uint8_t *pause_at, struct tr_error *err)
{
    struct tr_row *row = &decode->row;
    const bool has_period = row->plan->image_column_count != row->plan->column_count;
    bool is_skipped = (row->plan->options.skipped_ops >> row->op & 1) != 0;
    enum tr_write_outcome outcome;

    row->fragment = fragment;
    /* Every row takes at least its null bitmap, or a byte per column. */
    while (row->run.in < row->run.in_end) {
        if (row->run.in >= pause_at) {
            return TR_DECODE_PAUSED;
        }
        outcome = TR_LIKELY(!has_period) ? TR_WRITE_OK : judge_row(row, &is_skipped);
        if (TR_UNLIKELY(outcome != TR_WRITE_OK)) {
            (void)tr_decode_fail_row(decode, outcome, err);
            return TR_DECODE_FAILED;
        }
        if (is_skipped || row->number < row->item->row_first) {
            outcome = skip_row(row);
        } else if (fragment == NULL) {
            return TR_DECODE_NEEDS_FRAGMENT;
        } else {
            if (decode->item_is_text) {
                mark_row(decode);
            }
            outcome = tr_row_put(row);
            decode->rows_total += outcome == TR_WRITE_OK;
        }
        if (TR_LIKELY(outcome == TR_WRITE_OK)) {
            row->number++;
            continue;
        }
        const enum tr_decode_outcome needs = outcome_of(outcome, fragment);
        if (needs == TR_DECODE_FAILED) {
            (void)tr_decode_fail_row(decode, outcome, err);
        }
        return needs;
    }
    return TR_DECODE_DONE;
}

/* The item's only record, which has no row. */
static enum tr_decode_outcome run_rowless(struct tr_decode *decode, struct tr_fragment *fragment,
                                          struct tr_error *err)
{
    const struct tr_unit_item *item = tr_decode_item(decode);
    const bool is_prepared = item->kind == TR_ITEM_PREPARED;

    if (fragment == NULL) {
        return TR_DECODE_NEEDS_FRAGMENT;
    }
    decode->row = (struct tr_row){
        .plan = is_prepared ? NULL : item->schema->plan,
        .envelope = &decode->envelope,
        .item = item,
        .fragment = fragment,
        .unit_seq = decode->unit->seq,
    };
    if (!is_prepared) {
        decode->row.run.plan = decode->row.plan;
        tr_envelope_begin_item(&decode->envelope, item, decode->row.plan, "false");
    }
    const enum tr_write_outcome outcome =
        is_prepared ? tr_row_put_prepared(&decode->row, decode->unit->row_last)
                    : tr_row_put_truncate(&decode->row);
    if (TR_LIKELY(outcome == TR_WRITE_OK)) {
        return TR_DECODE_DONE;
    }
    const enum tr_decode_outcome needs = outcome_of(outcome, fragment);
    if (needs == TR_DECODE_FAILED) {
        (void)(is_prepared ? tr_decode_fail_prepared(decode, err)
                           : tr_decode_fail_row(decode, TR_WRITE_TOO_LARGE, err));
    }
    return needs;
}

enum tr_decode_outcome tr_decode_run(struct tr_decode *decode, struct tr_fragment *fragment,
                                     uint64_t budget_bytes, struct tr_error *err)
{
    TR_ASSERT(decode->unit != NULL);
    while (decode->item_index < decode->unit->item_count) {
        if (tr_decode_item(decode)->kind == TR_ITEM_PREPARED ||
            tr_decode_item(decode)->kind == TR_ITEM_TRUNCATE) {
            const enum tr_decode_outcome outcome = run_rowless(decode, fragment, err);
            if (outcome != TR_DECODE_DONE) {
                return outcome;
            }
            decode->item_index++;
            continue;
        }
        if (!decode->item_is_open) {
            if (open_item(decode, &decode->item_is_open, err) != TR_OK) {
                return TR_DECODE_FAILED;
            }
            if (!decode->item_is_open) {
                decode->item_index++;
                continue;
            }
        }
        const struct tr_image_run *run = &decode->row.run;
        const uint64_t left_bytes = (uint64_t)(run->in_end - run->in);
        const uint8_t *from = run->in;
        const uint8_t *pause_at = budget_bytes < left_bytes ? run->in + budget_bytes : run->in_end;
        const enum tr_decode_outcome outcome = run_item(decode, fragment, pause_at, err);
        if (outcome != TR_DECODE_DONE) {
            return outcome;
        }
        budget_bytes -=
            (uint64_t)(run->in - from) < budget_bytes ? (uint64_t)(run->in - from) : budget_bytes;
        if (close_item(decode, err) != TR_OK) {
            return TR_DECODE_FAILED;
        }
        decode->item_is_open = false;
        decode->item_index++;
    }
    close_ratio(decode);
    decode->unit = NULL;
    return TR_DECODE_DONE;
}
