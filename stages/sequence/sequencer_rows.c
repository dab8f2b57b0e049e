// SPDX-License-Identifier: Apache-2.0
/* Table maps, rows events, and events larger than a chunk. */
#include <inttypes.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/crc32.h"
#include "stages/sequence/sequencer_parts.h"
#include "stages/source/snapshot_event.h"

static enum seq_outcome fail(struct tr_sequencer *sequencer)
{
    (void)tr_error_prefix(&sequencer->error, SEQ_PLACE, SEQ_PLACE_ARGS(sequencer));
    return SEQ_FAILED;
}

enum seq_outcome seq_table_map(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    bool captured;

    return tr_catalog_bind(sequencer->options.catalog, event->body, &captured, &sequencer->error) ==
                   TR_OK
               ? SEQ_DONE
               : fail(sequencer);
}

bool seq_is_compressed_rows(uint8_t type)
{
    return type >= TR_EVENT_WRITE_ROWS_COMPRESSED_V1 && type <= TR_EVENT_DELETE_ROWS_COMPRESSED;
}

bool seq_is_rows(uint8_t type)
{
    return (type >= TR_EVENT_WRITE_ROWS_V1 && type <= TR_EVENT_DELETE_ROWS_V1) ||
           (type >= TR_EVENT_WRITE_ROWS && type <= TR_EVENT_DELETE_ROWS) ||
           type == TR_EVENT_PARTIAL_UPDATE_ROWS || seq_is_compressed_rows(type);
}

/* What a rows event is for us; `schema` is NULL when its rows are not wanted. False with the error:
 * no table map. */
static bool find_schema(struct tr_sequencer *sequencer, const struct seq_event *event,
                        struct tr_schema **schema)
{
    struct tr_event_rows rows;

    *schema = NULL;
    if (tr_event_rows_parse(&rows, event->body, &sequencer->error) != TR_OK) {
        return false;
    }
    switch (tr_catalog_find(sequencer->options.catalog, rows.table_id, schema)) {
    case TR_FIND_CAPTURED:
    case TR_FIND_IGNORED:
        return true;
    case TR_FIND_NOT_BOUND:
        break;
    }
    if (rows.table_id == TR_ROWS_DUMMY_TABLE_ID && (rows.flags & TR_ROWS_FLAG_STMT_END) != 0) {
        return true;
    }
    (void)TR_FAIL(
        &sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
        "%s event for table id %" PRIu64
        ", which no table map of this transaction names: start at the beginning of a transaction",
        tr_event_type_name(event->header.type), rows.table_id);
    return false;
}

enum seq_outcome seq_rows(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    struct tr_sequencer_skip *skip = &sequencer->skip;
    struct tr_schema *schema;

    if (!find_schema(sequencer, event, &schema)) {
        return fail(sequencer);
    }
    if (skip->events_left > 0) {
        return SEQ_DONE; /* delivered before the restart */
    }
    if (schema == NULL) {
        skip->row_first = 0; /* "the next rows event", wanted or not */
        return SEQ_DONE;
    }
    if (seq_is_compressed_rows(event->header.type)) {
        return seq_inflate(sequencer, event, event->event.bytes, true, true);
    }
    const enum seq_outcome outcome =
        seq_unit_add(sequencer, event, schema, TR_ITEM_ROWS, skip->row_first);
    if (outcome == SEQ_DONE) {
        skip->row_first = 0;
    }
    return outcome;
}

/* --- events larger than a chunk ------------------------------------------------------------------
 */

/* What the event's rows are for us. */
static enum seq_outcome find_piece_schema(struct tr_sequencer *sequencer,
                                          const struct seq_event *event, struct tr_schema **schema)
{
    if (seq_is_snapshot(sequencer, event->header.type)) {
        return seq_snapshot_schema(sequencer, event, schema);
    }
    return find_schema(sequencer, event, schema) ? SEQ_DONE : fail(sequencer);
}

/* The first piece of a rows event: is it wanted, and not larger than a row may be? */
static enum seq_outcome begin_rows_piece(struct tr_sequencer *sequencer,
                                         const struct seq_event *event,
                                         struct tr_sequencer_piece *piece)
{
    struct tr_sequencer_skip *skip = &sequencer->skip;
    struct tr_schema *schema;

    if (find_piece_schema(sequencer, event, &schema) != SEQ_DONE) {
        return SEQ_FAILED;
    }
    if (skip->events_left > 0 || schema == NULL) {
        if (skip->events_left == 0) {
            skip->row_first = 0;
        }
        piece->use = TR_LARGE_SKIP;
        return SEQ_DONE;
    }
    if (seq_is_compressed_rows(event->header.type)) {
        piece->use = TR_LARGE_INFLATE;
        return SEQ_DONE;
    }
    /* An UPDATE holds two images; the decoder measures each row. */
    if (event->header.event_bytes > 2 * sequencer->options.row_bytes_max) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_SINK_RECORD, TR_STOP,
                      "table %.*s.%.*s: a rows event of %" PRIu32
                      " bytes is more than tailrace.row.max.bytes = %" PRIu64
                      " allows: raise it, or exclude the table",
                      (int)schema->table->database.bytes,
                      (const char *)schema->table->database.data, (int)schema->table->name.bytes,
                      (const char *)schema->table->name.data, event->header.event_bytes,
                      sequencer->options.row_bytes_max);
        return fail(sequencer);
    }
    piece->use = TR_LARGE_ROWS;
    piece->schema = schema;
    piece->row_first = skip->row_first; /* the position's, too, until the last piece is sequenced */
    return SEQ_DONE;
}

/* The first piece: decides what becomes of the whole event. */
static enum seq_outcome begin_piece(struct tr_sequencer *sequencer, const struct seq_event *event,
                                    struct tr_sequencer_piece *piece)
{
    const uint8_t type = event->header.type;

    TR_COVER("sequencer.pieces");
    if (seq_is_rows(type) || (type == TR_EVENT_SNAPSHOT_ROWS && seq_is_snapshot(sequencer, type))) {
        return begin_rows_piece(sequencer, event, piece);
    }
    if (type == TR_EVENT_SNAPSHOT_STATEMENT && seq_is_snapshot(sequencer, type)) {
        piece->use = TR_LARGE_QUERY;
        return seq_large_query_begin(sequencer, event);
    }
    piece->use = TR_LARGE_SKIP;
    switch (type) {
    case TR_EVENT_TRANSACTION_PAYLOAD:
    case TR_EVENT_QUERY_COMPRESSED:
        piece->use = TR_LARGE_INFLATE;
        return SEQ_DONE;
    case TR_EVENT_QUERY:
    case TR_EVENT_EXECUTE_LOAD_QUERY:
        piece->use = TR_LARGE_QUERY;
        return seq_large_query_begin(sequencer, event);
    case TR_EVENT_TABLE_MAP:
        return tr_catalog_bind_cut(sequencer->options.catalog, event->body, &sequencer->error) ==
                       TR_OK
                   ? SEQ_DONE
                   : fail(sequencer);
    case TR_EVENT_ROWS_QUERY:
    case TR_EVENT_ANNOTATE_ROWS:
    case TR_EVENT_PREVIOUS_GTIDS:
    case TR_EVENT_GTID_LIST:
    case TR_EVENT_USER_VAR:
    case TR_EVENT_APPEND_BLOCK:
    case TR_EVENT_BEGIN_LOAD_QUERY:
    case TR_EVENT_TRANSACTION_CONTEXT:
    case TR_EVENT_VIEW_CHANGE:
        return SEQ_DONE;
    default:
        break;
    }
    if ((event->header.flags & TR_EVENT_FLAG_IGNORABLE) != 0) {
        return SEQ_DONE;
    }
    (void)TR_FAIL(&sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
                  "%s event (type %u) of %" PRIu32
                  " bytes: the log is damaged, or from a newer server: check it "
                  "with mysqlbinlog",
                  tr_event_type_name(type), type, event->header.event_bytes);
    return fail(sequencer);
}

/* Header, place and length of a first piece. */
static enum seq_outcome open_piece(struct tr_sequencer *sequencer, struct seq_event *event,
                                   struct tr_sequencer_piece *piece)
{
    const struct tr_chunk *chunk = event->cursor->chunk;

    *piece = (struct tr_sequencer_piece){.use = TR_LARGE_SKIP};
    piece->header = tr_event_header_read(chunk->bytes);
    event->header = piece->header;
    if (piece->header.event_bytes != chunk->event_bytes ||
        piece->header.event_bytes > TR_EVENT_BYTES_MAX) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
                      "event of type %u: its header says %" PRIu32
                      " bytes, the packets hold %" PRIu64
                      ": the log is damaged: check it with mysqlbinlog",
                      piece->header.type, piece->header.event_bytes, chunk->event_bytes);
        return fail(sequencer);
    }
    return event->is_inner || seq_locate(sequencer, &piece->header) ? SEQ_DONE : fail(sequencer);
}

/* Adds the piece to the event's checksum; on the last one compares. */
static bool check_piece(struct tr_sequencer *sequencer, struct tr_sequencer_piece *piece,
                        const struct tr_chunk *chunk, struct tr_span content, bool has_trailer)
{
    if (!has_trailer || piece->crc_done) {
        return true;
    }
    piece->crc = tr_crc32(piece->crc, content);
    piece->crc_done = true;
    if (chunk->piece != TR_PIECE_LAST ||
        piece->crc == tr_load_u32(chunk->bytes + chunk->used_bytes - TR_EVENT_TRAILER_BYTES)) {
        return true;
    }
    (void)TR_FAIL(&sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
                  "%s event of %" PRIu32
                  " bytes: its checksum is wrong: the log is damaged: check it with mysqlbinlog",
                  tr_event_type_name(piece->header.type), piece->header.event_bytes);
    return false;
}

/* What the piece is for, once it is known to be sound. */
static enum seq_outcome use_piece(struct tr_sequencer *sequencer, const struct seq_event *event,
                                  struct tr_sequencer_piece *piece, uint64_t content_bytes)
{
    const struct tr_chunk *chunk = event->cursor->chunk;

    switch (piece->use) {
    case TR_LARGE_ROWS:
        return seq_unit_add(sequencer, event, piece->schema, TR_ITEM_PIECE, piece->row_first);
    case TR_LARGE_INFLATE:
        return seq_inflate(sequencer, event, content_bytes, chunk->piece == TR_PIECE_FIRST,
                           chunk->piece == TR_PIECE_LAST);
    case TR_LARGE_QUERY:
        return seq_large_query_piece(sequencer, event, piece->done_bytes);
    case TR_LARGE_SKIP:
    case TR_LARGE_NONE:
        break;
    }
    return SEQ_DONE;
}

enum seq_outcome seq_piece(struct tr_sequencer *sequencer, struct tr_sequencer_cursor *cursor)
{
    struct tr_chunk *chunk = cursor->chunk;
    struct seq_event event = {.cursor = cursor, .is_inner = chunk->inner};
    struct tr_sequencer_piece *piece = chunk->inner ? &sequencer->inner_piece : &sequencer->piece;

    event.is_payload = chunk->inner && !sequencer->inflate_is_event;
    if (!cursor->has_decoder && chunk->piece != TR_PIECE_FIRST) {
        cursor->decoder = piece->decoder; /* who has the first piece needs the others */
        cursor->has_decoder = true;
    }
    if (!seq_unit_open(sequencer, cursor)) {
        return SEQ_WAIT;
    }
    const bool is_begun = piece->use != TR_LARGE_NONE;
    enum seq_outcome outcome = SEQ_DONE;
    if (chunk->piece == TR_PIECE_FIRST && cursor->at == 0) {
        TR_ASSERT(!is_begun);
        outcome = open_piece(sequencer, &event, piece);
    }
    if (outcome != SEQ_DONE) {
        return outcome;
    }
    TR_ASSERT(piece->use !=
              TR_LARGE_NONE); /* ingest and inflate send all pieces of an event, in order */
    piece->decoder = cursor->decoder;
    event.header = piece->header;
    const bool has_trailer = !chunk->inner && sequencer->checksum == TR_CHECKSUM_CRC32;
    const uint64_t content_total =
        piece->header.event_bytes - (has_trailer ? TR_EVENT_TRAILER_BYTES : 0);
    const uint64_t left_bytes = content_total - piece->done_bytes;
    event.event = tr_span_of(chunk->bytes, chunk->used_bytes < left_bytes ? chunk->used_bytes
                                                                          : (size_t)left_bytes);
    if (chunk->piece == TR_PIECE_FIRST) {
        event.body = tr_span_of(chunk->bytes + TR_EVENT_HEADER_BYTES,
                                event.event.bytes - TR_EVENT_HEADER_BYTES);
    }
    if (!check_piece(sequencer, piece, chunk, event.event, has_trailer)) {
        return fail(sequencer);
    }
    if (chunk->piece == TR_PIECE_FIRST && cursor->at == 0) {
        outcome = begin_piece(sequencer, &event, piece);
        cursor->at = chunk->used_bytes; /* not again, should the step have to wait below */
    }
    if (outcome == SEQ_DONE) {
        outcome = use_piece(sequencer, &event, piece, content_total);
    }
    if (outcome == SEQ_DONE || outcome == SEQ_INFLATE) {
        piece->done_bytes += event.event.bytes;
        piece->crc_done = false;
    }
    if (outcome == SEQ_DONE && chunk->piece == TR_PIECE_LAST) {
        if (piece->use == TR_LARGE_ROWS) {
            sequencer->skip.row_first = 0;
        }
        seq_event_done(sequencer, &event);
        piece->use = TR_LARGE_NONE;
    }
    return outcome;
}
