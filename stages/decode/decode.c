// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/decode.h"

#include <inttypes.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/pool.h"
#include "stages/stream.h"

#define EVENT_HEADER_BYTES 19
#define PARTIAL_UPDATE_ROWS 39
#define FIRST_V2_EVENT 30 /* 30..32 carry extra data behind the flags */
/* Before and after image of the largest row, and the event's own bytes. */
#define PIECE_OVERHEAD_BYTES (64u * 1024)
#define UNPACKED_BYTES_KEPT (256u * 1024) /* of the piece buffer, resident between events */

_Static_assert(sizeof(((struct tr_chunk *)0)->slack) >= TR_IMAGE_OVERREAD_BYTES,
               "text is read in blocks");
_Static_assert(PIECE_OVERHEAD_BYTES > TR_IMAGE_OVERREAD_BYTES, "lengths are read as four bytes");

/* Name and place of the open item, for messages; FORMAT_PLACE takes PLACE(decode). */
#define FORMAT_PLACE "table %.*s.%.*s, rows event at %s:%" PRIu64
#define PLACE(decode)                                                                              \
    (int)item_of(decode)->schema->table->database.bytes,                                           \
        (const char *)item_of(decode)->schema->table->database.data,                               \
        (int)item_of(decode)->schema->table->name.bytes,                                           \
        (const char *)item_of(decode)->schema->table->name.data, (decode)->unit->file,             \
        item_of(decode)->pos

static const struct tr_unit_item *item_of(const struct tr_decode *decode)
{
    return &decode->unit->items[decode->item_index];
}

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
    const struct tr_unit_item *item = item_of(decode);
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

static struct tr_span bad_column_name(const struct tr_decode *decode)
{
    const struct tr_table *table = item_of(decode)->schema->table;
    const uint32_t column = decode->row.run.bad_column;

    return column < table->column_count ? table->columns[column].name : tr_span_of_text("(none)");
}

/* The setting of the row's session: the server's is looked at on connecting. */
static enum tr_code fail_lacking(const struct tr_decode *decode, struct tr_error *err)
{
    const struct tr_table *table = item_of(decode)->schema->table;
    const uint32_t number = decode->row.run.bad_column;
    const struct tr_span column = bad_column_name(decode);
    const bool is_generated = number < table->column_count && table->columns[number].is_generated;

    TR_COVER("decode.lacking");
    return TR_FAIL(
        err, TR_ERR_UNSUPPORTED, TR_STOP,
        FORMAT_PLACE ", row %" PRIu32
                     ", column %.*s: %s: its session had another binlog_row_image than FULL%s; set "
                     "binlog_row_image=FULL on the server and in every session, then restart after "
                     "this event, or exclude the table",
        PLACE(decode), decode->row.number, (int)column.bytes, (const char *)column.data,
        decode->row.run.bad_reason,
        is_generated ? ", or the server logs no generated columns: make it nullable" : "");
}

/* Reads an event's fixed part and both column bitmaps (mysql-binlog.md §3.12). */
static enum tr_code read_post_header(struct tr_decode *decode, struct tr_span event,
                                     struct tr_error *err)
{
    const struct tr_unit_item *item = item_of(decode);
    const uint32_t column_count = decode->row.plan->column_count;
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
        decode->row.run.bad_column = column_count;
        decode->row.run.bad_reason = "the row images have no columns";
        return fail_lacking(decode, err);
    }
    return TR_OK;
}

/* Makes the next item the open one; `*is_ready` is false when it has no rows of its own (a piece
 * that is not the last). */
static enum tr_code open_item(struct tr_decode *decode, bool *is_ready, struct tr_error *err)
{
    const struct tr_unit_item *item = item_of(decode);
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
        .unit_seq = decode->unit->seq,
    };
    if (read_post_header(decode, event, err) != TR_OK) {
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
    tr_envelope_begin_item(&decode->envelope, item, decode->row.plan);
    *is_ready = true;
    return TR_OK;
}

static enum tr_code close_item(struct tr_decode *decode, struct tr_error *err)
{
    const struct tr_unit_item *item = item_of(decode);
    const uint32_t row_count = decode->row.number;

    if (item->row_first > row_count) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       FORMAT_PLACE " has %" PRIu32 " rows, the saved position says %" PRIu32
                                    " of them are done: the "
                                    "position is not of this log; set it anew",
                       PLACE(decode), row_count, item->row_first);
    }
    if (item->is_record_mark) {
        decode->unit->record_rows = row_count;
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

static void fail_bad(const struct tr_decode *decode, struct tr_error *err)
{
    const struct tr_span column = bad_column_name(decode);

    (void)TR_FAIL(err, TR_ERR_SCHEMA, TR_STOP,
                  FORMAT_PLACE
                  ", row %" PRIu32
                  ", column %.*s: %s: the row does not fit the schema; restart after it, or "
                  "exclude the table",
                  PLACE(decode), decode->row.number, (int)column.bytes, (const char *)column.data,
                  decode->row.run.bad_reason);
}

static void fail_too_large(const struct tr_decode *decode, struct tr_error *err)
{
    const uint64_t limit = decode->row.plan->options.record_bytes_max;

    (void)TR_FAIL(
        err, TR_ERR_SINK_RECORD, TR_STOP,
        FORMAT_PLACE ", row %" PRIu32 ": its record is larger than the sink takes (%" PRIu64
                     " bytes): raise the stream's record limit, or exclude the table",
        PLACE(decode), decode->row.number, limit != 0 ? limit : decode->row.fragment->room_bytes);
}

static void fail_row(const struct tr_decode *decode, enum tr_write_outcome outcome,
                     struct tr_error *err)
{
    if (outcome == TR_WRITE_BAD) {
        fail_bad(decode, err);
    } else if (outcome == TR_WRITE_LACKING) {
        (void)fail_lacking(decode, err);
    } else {
        fail_too_large(decode, err);
    }
}

/* Moves past a row that is not wanted. */
static enum tr_write_outcome skip_row(struct tr_row *row)
{
    const enum tr_write_outcome outcome = tr_image_skip(&row->run, TR_IMAGE_FIRST);

    return outcome != TR_WRITE_OK || row->item->op != TR_ROW_UPDATE
               ? outcome
               : tr_image_skip(&row->run, TR_IMAGE_SECOND);
}

/* Rows of the open item until it ends (DONE) or the fragment or the budget does. */
static enum tr_decode_outcome run_item(struct tr_decode *decode, struct tr_fragment *fragment,
                                       const uint8_t *pause_at, struct tr_error *err)
{
    struct tr_row *row = &decode->row;
    const bool is_skipped = (row->plan->options.skipped_ops >> row->item->op & 1) != 0;
    enum tr_write_outcome outcome;

    row->fragment = fragment;
    while (row->run.in < row->run.in_end) { /* every row takes at least its null bitmap */
        if (row->run.in >= pause_at) {
            return TR_DECODE_PAUSED;
        }
        if (is_skipped || row->number < row->item->row_first) {
            outcome = skip_row(row);
        } else if (fragment == NULL) {
            return TR_DECODE_NEEDS_FRAGMENT;
        } else {
            outcome = tr_row_put(row);
            decode->rows_total += outcome == TR_WRITE_OK;
        }
        if (TR_LIKELY(outcome == TR_WRITE_OK)) {
            row->number++;
            continue;
        }
        if (outcome == TR_WRITE_NO_ROOM && fragment->high_bytes != 0) {
            return TR_DECODE_NEEDS_FRAGMENT;
        }
        if (outcome == TR_WRITE_NO_ROOM && !fragment->jumbo) {
            TR_COVER("decode.jumbo");
            return TR_DECODE_NEEDS_JUMBO;
        }
        fail_row(decode, outcome, err);
        return TR_DECODE_FAILED;
    }
    return TR_DECODE_DONE;
}

enum tr_decode_outcome tr_decode_run(struct tr_decode *decode, struct tr_fragment *fragment,
                                     uint64_t budget_bytes, struct tr_error *err)
{
    TR_ASSERT(decode->unit != NULL);
    while (decode->item_index < decode->unit->item_count) {
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
