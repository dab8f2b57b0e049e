// SPDX-License-Identifier: Apache-2.0
/* Events: framed, checked, placed, dispatched. */
#include <inttypes.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/crc32.h"
#include "stages/sequence/inflate.h"
#include "stages/sequence/sequencer_parts.h"

#define US_PER_S INT64_C(1000000)
#define PACKET_HEADER_BYTES                                                                        \
    4 /* length:3, sequence:1; then the status byte and, with semi-sync, two more */
#define FLAGS_AT 17

static enum seq_outcome handle(struct tr_sequencer *sequencer, const struct seq_event *event);

static enum seq_outcome fail(struct tr_sequencer *sequencer)
{
    (void)tr_error_prefix(&sequencer->error, SEQ_PLACE, SEQ_PLACE_ARGS(sequencer));
    return SEQ_FAILED;
}

bool seq_locate(struct tr_sequencer *sequencer, const struct tr_event_header *header)
{
    const uint64_t next = sequencer->offset + header->event_bytes;

    sequencer->event_start = sequencer->offset;
    sequencer->event_end = next;
    if ((header->flags & TR_EVENT_FLAG_ARTIFICIAL) != 0 || sequencer->in_snapshot ||
        header->type == TR_EVENT_HEARTBEAT || header->type == TR_EVENT_HEARTBEAT_V2 ||
        (header->type == TR_EVENT_START_ENCRYPTION && header->end_pos == 0)) {
        sequencer->event_end = sequencer->offset; /* not in the file */
        return true;
    }
    if (header->type == TR_EVENT_FORMAT_DESCRIPTION) { /* repeated in front of any position */
        sequencer->event_end =
            header->end_pos > sequencer->offset ? header->end_pos : sequencer->offset;
        return true;
    }
    if (header->end_pos != 0) {
        /* Modulo 2^32. Forward: events were withheld (ANNOTATE_ROWS) or had no position
         * (MariaDB 11.4). */
        const uint32_t gap_bytes = header->end_pos - (uint32_t)next;
        if (gap_bytes > UINT32_MAX / 2) {
            (void)TR_FAIL(
                &sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
                "%s event ends at %" PRIu32 ", want at least %" PRIu64
                " (modulo 2^32): the position is no event boundary, or the log is damaged",
                tr_event_type_name(header->type), header->end_pos, next);
            return false;
        }
        sequencer->event_end = next + gap_bytes;
        sequencer->event_start = sequencer->event_end - header->event_bytes;
        sequencer->source_pos = sequencer->event_start;
    }
    return true;
}

/* Whether the event comes again after a restart: what the server makes up for a connection does
 * not, and to count it would skip one too many then. */
static bool is_counted(const struct tr_sequencer *sequencer, const struct tr_event_header *header)
{
    switch (header->type) {
    case TR_EVENT_HEARTBEAT:
    case TR_EVENT_HEARTBEAT_V2:
        return false;
    case TR_EVENT_ANNOTATE_ROWS:
        return sequencer->options.counts_annotate;
    default:
        return (header->flags & TR_EVENT_FLAG_ARTIFICIAL) == 0;
    }
}

void seq_event_done(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    struct tr_sequencer_group *group = &sequencer->group;

    sequencer->event_count++;
    if (group->phase == TR_GROUP_OPEN && is_counted(sequencer, &event->header)) {
        group->event_count++;
        if (sequencer->skip.events_left > 0) {
            sequencer->skip.events_left--;
        }
    }
    if (event->header.timestamp_sec != 0) {
        sequencer->header_us = event->header.timestamp_sec * US_PER_S;
        if (sequencer->header_us > sequencer->newest_us) {
            sequencer->newest_us = sequencer->header_us;
        }
        if (sequencer->newest_us > sequencer->heard_us) {
            sequencer->heard_us = sequencer->newest_us;
        }
        sequencer->server_id = event->header.server_id;
    }
    if (event->is_payload) {
        if (group->phase == TR_GROUP_NONE) {
            sequencer->offset =
                sequencer->event_end; /* the transaction is complete: behind its payload */
        }
        return;
    }
    if (sequencer->event_end > sequencer->event_start) {
        sequencer->log_bytes +=
            event->is_inner ? sequencer->outer_header.event_bytes : event->header.event_bytes;
    }
    sequencer->offset = sequencer->event_end;
}

/* Whether the CRC-32 at the event's end is right. FORMAT_DESCRIPTION's in-use flag is not part of
 * it. */
static bool crc_fits(struct tr_span event)
{
    const size_t content_bytes = event.bytes - TR_EVENT_TRAILER_BYTES;
    const uint32_t wanted = tr_load_u32(event.data + content_bytes);

    if (tr_crc32(0, tr_span_of(event.data, content_bytes)) == wanted) {
        return true;
    }
    if (event.data[4] != TR_EVENT_FORMAT_DESCRIPTION) {
        return false;
    }
    const uint8_t flags[2] = {(uint8_t)(event.data[FLAGS_AT] & ~TR_EVENT_FLAG_IN_USE),
                              event.data[FLAGS_AT + 1]};
    uint32_t crc = tr_crc32(0, tr_span_of(event.data, FLAGS_AT));
    crc = tr_crc32(crc, tr_span_of(flags, sizeof(flags)));
    return tr_crc32(crc, tr_span_of(event.data + FLAGS_AT + 2, content_bytes - FLAGS_AT - 2)) ==
           wanted;
}

/* Bytes of the trailer, checked; false: the checksum is wrong. Source: mysql-binlog.md §3.2. */
static bool check_trailer(struct tr_sequencer *sequencer, const struct tr_event_header *header,
                          struct tr_span event, size_t *trailer_bytes)
{
    *trailer_bytes = sequencer->checksum == TR_CHECKSUM_CRC32 ? TR_EVENT_TRAILER_BYTES : 0;
    const bool has_room = event.bytes >= TR_EVENT_HEADER_BYTES + TR_EVENT_TRAILER_BYTES;
    if (header->type == TR_EVENT_ROTATE && (header->flags & TR_EVENT_FLAG_ARTIFICIAL) != 0) {
        /* It follows the state before the next FORMAT_DESCRIPTION; the first of a connection: what
         * we asked for. */
        *trailer_bytes = has_room && crc_fits(event) ? TR_EVENT_TRAILER_BYTES : 0;
        return true;
    }
    if (header->type == TR_EVENT_FORMAT_DESCRIPTION) {
        struct tr_event_format format;
        if (tr_event_format_parse(&format, event, &sequencer->error) != TR_OK) {
            return false;
        }
        *trailer_bytes = format.has_checksum_field ? TR_EVENT_TRAILER_BYTES : 0;
        if (format.checksum == TR_CHECKSUM_NONE) {
            return true;
        }
    }
    if (*trailer_bytes == 0 || (has_room && crc_fits(event))) {
        return true;
    }
    (void)TR_FAIL(&sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
                  "%s event (type %u) of %zu bytes: its checksum is wrong: the position is no "
                  "event boundary, or the "
                  "log is damaged: check it with mysqlbinlog",
                  tr_event_type_name(header->type), header->type, event.bytes);
    return false;
}

/* The next event's bytes in the chunk, frame and lengths checked. */
static bool frame(struct tr_sequencer *sequencer, const struct tr_sequencer_cursor *cursor,
                  struct tr_event_header *header, struct tr_span *event)
{
    const struct tr_chunk *chunk = cursor->chunk;
    const uint32_t left_bytes = chunk->used_bytes - cursor->at;

    if (left_bytes < chunk->frame_bytes + (uint32_t)TR_EVENT_HEADER_BYTES) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
                      "%" PRIu32 " bytes where an event should be: the log is cut or damaged",
                      left_bytes);
        return false;
    }
    const uint8_t *at = chunk->bytes + cursor->at;
    *header = tr_event_header_read(at + chunk->frame_bytes);
    const uint32_t room_bytes = left_bytes - chunk->frame_bytes;
    const uint32_t framed_bytes =
        chunk->frame_bytes > PACKET_HEADER_BYTES
            ? tr_load_u24(at) - (chunk->frame_bytes - (uint32_t)PACKET_HEADER_BYTES)
            : header->event_bytes;
    if (header->event_bytes < TR_EVENT_HEADER_BYTES || header->event_bytes > room_bytes ||
        header->event_bytes != framed_bytes) {
        (void)TR_FAIL(
            &sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
            "event of type %u: its header says %" PRIu32 " bytes, there are %" PRIu32
            ": the position is no event boundary, or the log is damaged: check it with mysqlbinlog",
            header->type, header->event_bytes,
            chunk->frame_bytes > PACKET_HEADER_BYTES ? framed_bytes : room_bytes);
        return false;
    }
    *event = tr_span_of(at + chunk->frame_bytes, header->event_bytes);
    return true;
}

enum seq_outcome seq_events_next(struct tr_sequencer *sequencer, struct tr_sequencer_cursor *cursor)
{
    struct seq_event event = {.cursor = cursor, .is_inner = cursor->chunk->inner};
    size_t trailer_bytes = 0;

    if (!seq_unit_open(sequencer, cursor)) {
        return SEQ_WAIT;
    }
    event.is_payload = event.is_inner && !sequencer->inflate_is_event;
    if (!event.is_inner) {
        sequencer->event_start = sequencer->offset; /* for messages until it is located */
    }
    if (!frame(sequencer, cursor, &event.header, &event.event)) {
        return fail(sequencer);
    }
    const uint32_t frame_bytes = cursor->chunk->frame_bytes + event.header.event_bytes;
    if (!event.is_inner && (!check_trailer(sequencer, &event.header, event.event, &trailer_bytes) ||
                            !seq_locate(sequencer, &event.header))) {
        return fail(sequencer);
    }
    event.event.bytes -= trailer_bytes;
    if (event.event.bytes < TR_EVENT_HEADER_BYTES) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
                      "event of type %u ends early: the log is damaged", event.header.type);
        return fail(sequencer);
    }
    event.body = tr_span_of(event.event.data + TR_EVENT_HEADER_BYTES,
                            event.event.bytes - TR_EVENT_HEADER_BYTES);
    const enum seq_outcome outcome = handle(sequencer, &event);
    if (outcome == SEQ_DONE) {
        seq_event_done(sequencer, &event);
        cursor->at += frame_bytes;
    } else if (outcome == SEQ_INFLATE) {
        sequencer->inflate_bytes = frame_bytes;
    }
    return outcome;
}

/* --- control events ------------------------------------------------------------------------------
 */

static void set_file(struct tr_sequencer *sequencer, struct tr_span name)
{
    memcpy(sequencer->file, name.data, name.bytes);
    sequencer->file[name.bytes] = '\0';
}

static enum seq_outcome rotate(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    struct tr_event_rotate next;

    if (tr_event_rotate_parse(&next, event->body, &sequencer->error) != TR_OK) {
        return fail(sequencer);
    }
    seq_group_abandon(sequencer); /* a log that ends inside a group: the server died there */
    tr_catalog_forget_ids(sequencer->options.catalog);
    const bool is_other = !tr_span_equals(next.file, tr_span_of_text(sequencer->file));
    if (is_other) {
        set_file(sequencer, next.file);
    }
    sequencer->event_end = next.pos;
    sequencer->source_pos = next.pos;
    sequencer->offset = next.pos;
    sequencer->event_start =
        next.pos; /* the ROTATE itself is counted below when it is in the log */
    if ((event->header.flags & TR_EVENT_FLAG_ARTIFICIAL) == 0) {
        sequencer->log_bytes += event->header.event_bytes;
    }
    if (is_other) {
        seq_unit_close(sequencer, false); /* a unit's items are all of one file */
    }
    return SEQ_DONE;
}

static enum seq_outcome format_description(struct tr_sequencer *sequencer,
                                           const struct seq_event *event)
{
    struct tr_event_format format;
    const struct tr_span whole = tr_span_of(event->event.data, event->header.event_bytes);

    if (tr_event_format_parse(&format, whole, &sequencer->error) != TR_OK) {
        return fail(sequencer);
    }
    if (format.flavor != sequencer->options.flavor || format.has_short_table_ids) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_UNSUPPORTED, TR_STOP,
                      "the log was written by server version \"%s\", want %s: set the connector "
                      "class that fits the "
                      "server",
                      format.server_version,
                      sequencer->options.flavor == TR_FLAVOR_MARIADB ? "MariaDB"
                                                                     : "MySQL 5.6 or later");
        return fail(sequencer);
    }
    sequencer->checksum = format.checksum;
    sequencer->tells_timestamps =
        format.flavor == TR_FLAVOR_MARIADB && format.version_number >= 101000;
    seq_group_abandon(sequencer);
    tr_catalog_forget_ids(sequencer->options.catalog);
    return SEQ_DONE;
}

static enum seq_outcome heartbeat(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    struct tr_event_heartbeat beat;

    if (tr_event_heartbeat_parse(&beat, &event->header, event->body, &sequencer->error) != TR_OK) {
        return fail(sequencer);
    }
    /* Nothing newer exists on the server: it was heard of now. */
    const int64_t now_us = sequencer->unit->wall_unix_ns / 1000;
    if (now_us > sequencer->heard_us) {
        sequencer->heard_us = now_us;
    }
    if (sequencer->group.phase != TR_GROUP_NONE) {
        return SEQ_DONE;
    }
    if (!tr_span_equals(beat.file, tr_span_of_text(sequencer->file))) {
        TR_COVER("sequencer.heartbeat_file");
        set_file(sequencer, beat.file);
        sequencer->offset = beat.pos;
        sequencer->event_end = beat.pos;
        sequencer->event_start = beat.pos;
        seq_unit_close(sequencer, false);
    } else if (beat.pos > sequencer->offset) { /* groups that we have already were skipped */
        sequencer->event_start = beat.pos;
        sequencer->event_end = beat.pos;
    }
    return SEQ_DONE;
}

static enum seq_outcome gtid_list(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    if ((event->header.flags & TR_EVENT_FLAG_ARTIFICIAL) != 0 &&
        sequencer->group.phase == TR_GROUP_NONE &&
        event->header.end_pos > (uint32_t)sequencer->offset) {
        /* Filler behind groups that we have already: it stands for a position. */
        const uint64_t pos =
            sequencer->offset + (event->header.end_pos - (uint32_t)sequencer->offset);
        sequencer->event_start = pos;
        sequencer->event_end = pos;
    }
    return SEQ_DONE;
}

static enum seq_outcome incident(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    struct tr_event_incident what;

    if (tr_event_incident_parse(&what, event->body, &sequencer->error) == TR_OK) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_SOURCE_GONE, TR_STOP,
                      "the source reports lost events (incident %u: %.*s): changes are missing "
                      "from its log: take a new "
                      "snapshot",
                      what.number, (int)what.message.bytes, (const char *)what.message.data);
    }
    return fail(sequencer);
}

static enum seq_outcome unsupported(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    (void)TR_FAIL(&sequencer->error, TR_ERR_UNSUPPORTED, TR_STOP,
                  "event type %u (%s) is not known to this version: check the log with the "
                  "server's own mysqlbinlog; a "
                  "newer Tailrace may know it",
                  event->header.type, tr_event_type_name(event->header.type));
    return fail(sequencer);
}

static enum seq_outcome start_encryption(struct tr_sequencer *sequencer,
                                         const struct seq_event *event)
{
    if (event->cursor->chunk->frame_bytes > 0) {
        return SEQ_DONE; /* the server decrypts what it sends */
    }
    (void)TR_FAIL(
        &sequencer->error, TR_ERR_UNSUPPORTED, TR_STOP,
        "the file is encrypted: read it from the server, or decrypt it with mariadb-binlog --raw");
    return fail(sequencer);
}

enum seq_outcome seq_inflate(struct tr_sequencer *sequencer, const struct seq_event *event,
                             uint64_t total_bytes, bool is_first, bool is_last)
{
    if (sequencer->options.inflate_jobs == NULL) {
        (void)TR_FAIL(&sequencer->error, TR_ERR_UNSUPPORTED, TR_STOP,
                      "%s event, and nothing to inflate it with",
                      tr_event_type_name(event->header.type));
        return fail(sequencer);
    }
    if (is_first && sequencer->group.phase == TR_GROUP_NONE &&
        event->header.type == TR_EVENT_TRANSACTION_PAYLOAD) {
        /* Reading began at the payload: a restart inside it begins there, too. */
        sequencer->group.phase = TR_GROUP_BEGUN;
        sequencer->group.start_pos = sequencer->event_start;
    }
    struct tr_inflate_job *job = tr_ring_claim_one(sequencer->options.inflate_jobs);
    *job = (struct tr_inflate_job){
        .chunk = event->cursor->chunk,
        .at = (uint32_t)(event->event.data - event->cursor->chunk->bytes),
        .bytes = (uint32_t)event->event.bytes,
        .total_bytes = total_bytes,
        .first = is_first,
        .last = is_last,
    };
    sequencer->outer_header = event->header;
    sequencer->inflate_is_event = event->header.type != TR_EVENT_TRANSACTION_PAYLOAD;
    sequencer->inflate_is_last = is_last;
    sequencer->inflate_consumed = false;
    sequencer->inflate_finished = false;
    sequencer->state = TR_SEQUENCER_AWAIT_INFLATE;
    tr_ring_publish(sequencer->options.inflate_jobs, 1);
    if (sequencer->options.inflate_bell != NULL) {
        tr_doorbell_ring(sequencer->options.inflate_bell);
    }
    return SEQ_INFLATE;
}

/* Events that may stand inside a transaction; all that may be inside a compressed one. */
static enum seq_outcome handle_inner(struct tr_sequencer *sequencer, const struct seq_event *event,
                                     bool *is_known)
{
    const uint8_t type = event->header.type;

    *is_known = true;
    if (TR_LIKELY(seq_is_rows(type))) {
        return seq_rows(sequencer, event);
    }
    switch (type) {
    case TR_EVENT_TABLE_MAP:
        return seq_table_map(sequencer, event);
    case TR_EVENT_QUERY:
    case TR_EVENT_EXECUTE_LOAD_QUERY:
        return seq_query(sequencer, event, false);
    case TR_EVENT_XID:
    case TR_EVENT_XA_PREPARE:
        return seq_group_end(sequencer);
    case TR_EVENT_ROWS_QUERY:
    case TR_EVENT_ANNOTATE_ROWS:
    case TR_EVENT_INTVAR:
    case TR_EVENT_RAND:
    case TR_EVENT_USER_VAR:
    case TR_EVENT_APPEND_BLOCK:
    case TR_EVENT_DELETE_FILE:
    case TR_EVENT_BEGIN_LOAD_QUERY:
    case TR_EVENT_IGNORABLE:
    case TR_EVENT_TRANSACTION_CONTEXT:
    case TR_EVENT_VIEW_CHANGE:
        return SEQ_DONE;
    default:
        *is_known = false;
        return SEQ_DONE;
    }
}

static enum seq_outcome handle(struct tr_sequencer *sequencer, const struct seq_event *event)
{
    bool is_known;
    if (TR_UNLIKELY(seq_is_snapshot(sequencer, event->header.type))) {
        return seq_snapshot_event(sequencer, event);
    }
    if (event->is_inner && seq_is_compressed_rows(event->header.type)) {
        return unsupported(sequencer, event);
    }
    const enum seq_outcome outcome = handle_inner(sequencer, event, &is_known);

    if (is_known) {
        return outcome;
    }
    if (event->is_inner) {
        return unsupported(sequencer, event);
    }
    switch (event->header.type) {
    case TR_EVENT_GTID:
    case TR_EVENT_ANONYMOUS_GTID:
    case TR_EVENT_GTID_TAGGED:
        return seq_gtid(sequencer, event);
    case TR_EVENT_MARIADB_GTID:
        return seq_mariadb_gtid(sequencer, event);
    case TR_EVENT_TRANSACTION_PAYLOAD:
    case TR_EVENT_QUERY_COMPRESSED:
        return seq_inflate(sequencer, event, event->event.bytes, true, true);
    case TR_EVENT_ROTATE:
        return rotate(sequencer, event);
    case TR_EVENT_FORMAT_DESCRIPTION:
        return format_description(sequencer, event);
    case TR_EVENT_HEARTBEAT:
    case TR_EVENT_HEARTBEAT_V2:
        return heartbeat(sequencer, event);
    case TR_EVENT_GTID_LIST:
        return gtid_list(sequencer, event);
    case TR_EVENT_PREVIOUS_GTIDS:
    case TR_EVENT_STOP:
    case TR_EVENT_BINLOG_CHECKPOINT:
        return SEQ_DONE;
    case TR_EVENT_START_ENCRYPTION:
        return start_encryption(sequencer, event);
    case TR_EVENT_INCIDENT:
        return incident(sequencer, event);
    default:
        return (event->header.flags & TR_EVENT_FLAG_IGNORABLE) != 0 ? SEQ_DONE
                                                                    : unsupported(sequencer, event);
    }
}
