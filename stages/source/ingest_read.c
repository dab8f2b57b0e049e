// SPDX-License-Identifier: Apache-2.0
#include "stages/source/ingest_read.h"

#include <inttypes.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/cover.h"
#include "stages/source/server_error.h"

#define GATHER_NS (TR_NS_PER_MS / 4)

static int64_t wait_for_more(const struct tr_ingest *ingest, int64_t now_ns);
static void scan_events(struct tr_ingest *ingest);
static bool hand_on(struct tr_ingest *ingest, int64_t now_ns);
static void begin_pieces(struct tr_ingest *ingest, const struct tr_frame_found *found);
static uint32_t read_piece_header(struct tr_ingest *ingest, int64_t now_ns);
static uint32_t piece_limit(const struct tr_ingest *ingest);
static void publish_piece(struct tr_ingest *ingest, int64_t now_ns);
static bool read_port(struct tr_ingest *ingest, uint8_t *out, uint32_t room_bytes, int64_t wait_ns,
                      int64_t now_ns, uint32_t *bytes);
static bool is_paused(const struct tr_ingest *ingest);

uint32_t tr_ingest_read_events(struct tr_ingest *ingest, int64_t now_ns)
{
    if (ingest->connected_ns == 0) {
        ingest->connected_ns = now_ns;
        ingest->heard_ns = now_ns;
    }
    if (ingest->hand_on_due || (ingest->whole_bytes > 0 && is_paused(ingest))) {
        const bool handed_on = hand_on(ingest, now_ns);
        ingest->heard_ns = now_ns;
        return handed_on ? 1 : 0;
    }
    if (is_paused(ingest)) {
        ingest->heard_ns = now_ns;
        return 0;
    }
    if (ingest->open == NULL) {
        ingest->open = tr_ingest_acquire_chunk(ingest, TR_CHUNK_EVENTS);
        if (ingest->open == NULL) {
            ingest->heard_ns = now_ns;
            return 0;
        }
    }
    struct tr_chunk *chunk = ingest->open;
    const uint32_t room_bytes = TR_CHUNK_BYTES - chunk->used_bytes;
    const int64_t wait_ns = wait_for_more(ingest, now_ns);
    uint32_t bytes;
    if (!read_port(ingest, chunk->bytes + chunk->used_bytes, room_bytes, wait_ns, now_ns, &bytes)) {
        return 1; /* the link ended */
    }
    if (bytes > 0) {
        chunk->used_bytes += bytes;
        scan_events(ingest);
        if (ingest->error.code != TR_OK) {
            tr_ingest_link_failed(ingest, now_ns);
        }
        return 1;
    }
    if (ingest->whole_bytes > 0) { /* the source ran dry */
        return hand_on(ingest, now_ns) ? 1 : 0;
    }
    return wait_ns > 0 ? 1 : 0; /* that wait was our idling */
}

/*
 * How long a read may wait. With nothing in hand: the option. With whole events in hand they are
 * handed on as soon as the source runs dry, but at most once in GATHER_NS: a server sends its log
 * in small writes, and a unit of 50 rows costs as much as one of 900. After a pause the first event
 * goes on at once.
 */
static int64_t wait_for_more(const struct tr_ingest *ingest, int64_t now_ns)
{
    if (ingest->whole_bytes == 0 || ingest->options.non_blocking) {
        return ingest->options.wait_ns;
    }
    const int64_t left_ns = ingest->handed_on_ns + GATHER_NS - now_ns;
    return left_ns > 0 ? left_ns : 0;
}

/* Finds the end of the last whole event of the open chunk. Sets `error` when the stream ends or is
 * not one. */
static void scan_events(struct tr_ingest *ingest)
{
    struct tr_chunk *chunk = ingest->open;

    /* Bounded: every round takes at least one event's bytes off the rest. */
    for (;;) {
        const struct tr_span rest =
            tr_span_of(chunk->bytes + ingest->whole_bytes, chunk->used_bytes - ingest->whole_bytes);
        struct tr_frame_found found;
        switch (tr_packet_next(&ingest->framer, rest, &found, &ingest->error)) {
        case TR_FRAME_PARTIAL:
            ingest->hand_on_due = chunk->used_bytes == TR_CHUNK_BYTES;
            TR_ASSERT(!ingest->hand_on_due || ingest->whole_bytes > 0);
            return;
        case TR_FRAME_EVENT:
            ingest->whole_bytes += found.total_bytes;
            break;
        case TR_FRAME_LARGE:
            if (ingest->whole_bytes > 0) {
                ingest->hand_on_due = true; /* seen again at the start of the next chunk */
            } else {
                begin_pieces(ingest, &found);
            }
            return;
        case TR_FRAME_EOF:
            (void)TR_FAIL(&ingest->error, TR_ERR_SOURCE_LINK, TR_RECONNECT,
                          "the server ended the dump (EOF packet)");
            return;
        case TR_FRAME_ERROR:
            TR_COVER("ingest.server_error");
            (void)tr_server_error_of_dump(found.server_error, found.text, &ingest->error);
            return;
        case TR_FRAME_BAD:
            TR_COVER("ingest.bad_frame");
            (void)tr_error_prefix(&ingest->error, "%" PRIu64 " bytes into the stream",
                                  ingest->read_bytes - rest.bytes);
            return;
        }
    }
}

/* Publishes the whole events of the open chunk; the tail moves into a new one. False: no chunk for
 * the tail yet. */
static bool hand_on(struct tr_ingest *ingest, int64_t now_ns)
{
    struct tr_chunk *full = ingest->open;
    struct tr_chunk *next = NULL;
    const uint32_t tail_bytes = full->used_bytes - ingest->whole_bytes;

    TR_ASSERT(ingest->whole_bytes > 0);
    if (tail_bytes > 0) {
        next = tr_ingest_acquire_chunk(ingest, TR_CHUNK_EVENTS);
        if (next == NULL) {
            TR_COVER("ingest.tail_waits_for_chunk");
            return false;
        }
        memcpy(next->bytes, full->bytes + ingest->whole_bytes, tail_bytes);
        next->used_bytes = tail_bytes;
    }
    full->used_bytes = ingest->whole_bytes;
    ingest->handed_on_ns = now_ns;
    tr_ingest_publish_chunk(ingest, full, now_ns);
    const bool rescan =
        ingest->hand_on_due && next != NULL; /* a large event may be what stopped the scan */
    ingest->open = next;
    ingest->whole_bytes = 0;
    ingest->hand_on_due = false;
    if (rescan) {
        scan_events(ingest);
        TR_ASSERT(ingest->error.code == TR_OK); /* the tail was looked at before */
    }
    return true;
}

/* The open chunk begins with an event that does not fit: it becomes the first piece. */
static void begin_pieces(struct tr_ingest *ingest, const struct tr_frame_found *found)
{
    struct tr_chunk *chunk = ingest->open;
    const uint32_t frame_bytes = ingest->framer.frame_bytes;
    const uint32_t have_bytes = chunk->used_bytes - frame_bytes;

    TR_COVER("ingest.large_event");
    tr_packet_pieces_begin(&ingest->pieces, &ingest->framer, found, have_bytes);
    memmove(chunk->bytes, chunk->bytes + frame_bytes, have_bytes);
    const uint64_t keep_bytes_max = found->event_bytes - TR_PIECE_LAST_BYTES_MIN;
    const uint32_t keep_bytes = have_bytes < keep_bytes_max ? have_bytes : (uint32_t)keep_bytes_max;
    if (keep_bytes < have_bytes) {
        TR_COVER("ingest.piece_stash");
        ingest->pieces.stash_bytes = have_bytes - keep_bytes;
        memcpy(ingest->pieces.stash, chunk->bytes + keep_bytes, ingest->pieces.stash_bytes);
    }
    chunk->kind = TR_CHUNK_PIECE;
    chunk->piece = TR_PIECE_FIRST;
    chunk->frame_bytes = 0;
    chunk->event_bytes = found->event_bytes;
    chunk->used_bytes = keep_bytes;
    ingest->state = TR_INGEST_PIECES;
}

uint32_t tr_ingest_read_pieces(struct tr_ingest *ingest, int64_t now_ns)
{
    struct tr_packet_pieces *pieces = &ingest->pieces;

    if (ingest->open != NULL && ingest->open->used_bytes == piece_limit(ingest)) {
        publish_piece(ingest, now_ns);
        return 1;
    }
    if (ingest->open == NULL && tr_packet_pieces_is_done(pieces) && pieces->stash_bytes == 0) {
        ingest->state = TR_INGEST_EVENTS;
        return 1;
    }
    if (is_paused(ingest)) {
        ingest->heard_ns = now_ns;
        return 0;
    }
    if (pieces->packet_bytes == 0 && pieces->continues) {
        return read_piece_header(ingest, now_ns);
    }
    if (ingest->open == NULL) {
        ingest->open = tr_ingest_acquire_chunk(ingest, TR_CHUNK_PIECE);
        if (ingest->open == NULL) {
            ingest->heard_ns = now_ns;
            return 0;
        }
        ingest->open->piece = TR_PIECE_MIDDLE;
        ingest->open->frame_bytes = 0;
        ingest->open->event_bytes = pieces->event_bytes;
        memcpy(ingest->open->bytes, pieces->stash, pieces->stash_bytes);
        ingest->open->used_bytes = pieces->stash_bytes;
        pieces->stash_bytes = 0;
        return 1;
    }
    struct tr_chunk *chunk = ingest->open;
    const uint32_t limit_bytes = piece_limit(ingest) - chunk->used_bytes;
    const uint32_t room_bytes =
        limit_bytes < pieces->packet_bytes ? limit_bytes : pieces->packet_bytes;
    uint32_t bytes;
    if (!read_port(ingest, chunk->bytes + chunk->used_bytes, room_bytes, ingest->options.wait_ns,
                   now_ns, &bytes)) {
        return 1;
    }
    chunk->used_bytes += bytes;
    pieces->done_bytes += bytes;
    pieces->packet_bytes -= bytes;
    return bytes > 0 || ingest->options.wait_ns > 0 ? 1 : 0;
}

/* Between the packets of a split event. */
static uint32_t read_piece_header(struct tr_ingest *ingest, int64_t now_ns)
{
    struct tr_packet_pieces *pieces = &ingest->pieces;
    uint32_t bytes;

    if (!read_port(ingest, pieces->header + pieces->header_bytes,
                   TR_PACKET_HEADER_BYTES - pieces->header_bytes, ingest->options.wait_ns, now_ns,
                   &bytes)) {
        return 1;
    }
    pieces->header_bytes += bytes;
    if (pieces->header_bytes == TR_PACKET_HEADER_BYTES) {
        TR_COVER("ingest.split_packet");
        if (tr_packet_pieces_next(pieces, &ingest->framer, &ingest->error) != TR_OK) {
            tr_ingest_link_failed(ingest, now_ns);
        }
    }
    return bytes > 0 || ingest->options.wait_ns > 0 ? 1 : 0;
}

/* How many bytes the open piece takes: all that fit, but never so many that fewer than the minimum
 * remain for the last. */
static uint32_t piece_limit(const struct tr_ingest *ingest)
{
    const struct tr_packet_pieces *pieces = &ingest->pieces;
    const uint64_t before_bytes =
        pieces->done_bytes - pieces->stash_bytes - ingest->open->used_bytes;
    const uint64_t left_bytes = pieces->event_bytes - before_bytes;

    if (ingest->open->piece != TR_PIECE_FIRST && left_bytes <= TR_CHUNK_BYTES) {
        return (uint32_t)left_bytes;
    }
    const uint64_t limit_bytes = left_bytes - TR_PIECE_LAST_BYTES_MIN;
    return limit_bytes < TR_CHUNK_BYTES ? (uint32_t)limit_bytes : TR_CHUNK_BYTES;
}

static void publish_piece(struct tr_ingest *ingest, int64_t now_ns)
{
    struct tr_chunk *chunk = ingest->open;
    const bool is_last =
        ingest->pieces.done_bytes == ingest->pieces.event_bytes && ingest->pieces.stash_bytes == 0;

    if (is_last) {
        TR_ASSERT(chunk->piece != TR_PIECE_FIRST);
        chunk->piece = TR_PIECE_LAST;
    }
    ingest->open = NULL;
    tr_ingest_publish_chunk(ingest, chunk, now_ns);
}

/* One read of the port. False: the link ended and the state has changed. `bytes` 0: nothing there.
 */
static bool read_port(struct tr_ingest *ingest, uint8_t *out, uint32_t room_bytes, int64_t wait_ns,
                      int64_t now_ns, uint32_t *bytes)
{
    const struct tr_source_port *port = ingest->options.port;
    size_t read_bytes = 0;

    *bytes = 0;
    TR_ASSERT(room_bytes > 0);
    switch (port->read(port->self, out, room_bytes, wait_ns, &read_bytes, &ingest->error)) {
    case TR_READ_BYTES:
        TR_ASSERT(read_bytes > 0);
        TR_ASSERT(read_bytes <= room_bytes);
        *bytes = (uint32_t)read_bytes;
        ingest->read_bytes += read_bytes;
        ingest->heard_ns = now_ns;
        tr_ingest_count(ingest, TR_METRIC_INGEST_BYTES, read_bytes);
        return true;
    case TR_READ_WOULD_BLOCK:
        if (ingest->options.silence_ns == 0 ||
            now_ns - ingest->heard_ns < ingest->options.silence_ns) {
            return true;
        }
        TR_COVER("ingest.silence");
        (void)TR_FAIL(&ingest->error, TR_ERR_SOURCE_LINK, TR_RECONNECT,
                      "the server sent nothing for %" PRId64 " ms, not even a heartbeat",
                      (now_ns - ingest->heard_ns) / TR_NS_PER_MS);
        break;
    case TR_READ_END: {
        const bool inside =
            ingest->state == TR_INGEST_PIECES ||
            (ingest->open != NULL && ingest->open->used_bytes > ingest->whole_bytes);
        if (port->framing == TR_FRAMING_EVENTS && !inside) {
            tr_ingest_source_ended(ingest);
            return false;
        }
        if (port->framing == TR_FRAMING_EVENTS) {
            (void)TR_FAIL(&ingest->error, TR_ERR_PROTOCOL, TR_STOP,
                          "the file ends inside an event, %" PRIu64
                          " bytes after its magic: it is cut or still being "
                          "written",
                          ingest->read_bytes);
        } else {
            (void)TR_FAIL(&ingest->error, TR_ERR_SOURCE_LINK, TR_RECONNECT,
                          "the server closed the connection");
        }
        break;
    }
    case TR_READ_BUSY:
        ingest->heard_ns = now_ns;
        return true;
    case TR_READ_PART_END:
        tr_ingest_part_ended(ingest, now_ns);
        return false;
    case TR_READ_ERROR:
        TR_ASSERT(ingest->error.code != TR_OK);
        break;
    }
    tr_ingest_link_failed(ingest, now_ns);
    return false;
}

static bool is_paused(const struct tr_ingest *ingest)
{
    /* Acquire, pairs with the sequencer's release: harmless if seen late, one more chunk is read.
     */
    return ingest->options.paused != NULL &&
           atomic_load_explicit(ingest->options.paused, memory_order_acquire);
}
