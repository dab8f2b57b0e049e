// SPDX-License-Identifier: Apache-2.0
#include "stages/sequence/inflate_output.h"

#include <inttypes.h>

#include "engine/assert.h"
#include "engine/bytes.h"
#include "engine/cover.h"

#define EVENT_HEADER_BYTES 19
#define EVENT_BYTES_MAX (UINT32_C(1) << 30)
#define EVENT_LENGTH_AT 9

void tr_inflate_tell(struct tr_inflate *inflate, const struct tr_inflate_done *done)
{
    struct tr_inflate_done *slot = tr_ring_claim_one(inflate->options.done);
    *slot = *done;
    tr_ring_publish(inflate->options.done, 1);
    if (inflate->options.sequencer_bell != NULL) {
        tr_doorbell_ring(inflate->options.sequencer_bell);
    }
}

void tr_inflate_fail(struct tr_inflate *inflate)
{
    inflate->mode = TR_INFLATE_FAILED;
    tr_inflate_tell(inflate, &(struct tr_inflate_done){.error = &inflate->error});
}

/* Makes sure a chunk is open; false when the pool is dry. */
bool tr_inflate_open_chunk(struct tr_inflate *inflate)
{
    if (inflate->open != NULL) {
        return true;
    }
    struct tr_chunk *chunk = tr_pool_try_acquire(&inflate->pool);
    if (chunk == NULL) {
        TR_COVER("inflate.pool_dry");
        return false;
    }
    chunk->kind = TR_CHUNK_EVENTS;
    chunk->piece = TR_PIECE_FIRST;
    chunk->home = TR_HOME_INFLATE;
    chunk->frame_bytes = 0;
    chunk->inner = true;
    chunk->inner_last = false;
    chunk->used_bytes = 0;
    chunk->link_epoch = 0;
    chunk->event_bytes = 0;
    chunk->received_ns = 0;
    inflate->open = chunk;
    inflate->event_at = 0;
    return true;
}

static void send_open(struct tr_inflate *inflate, bool is_last)
{
    struct tr_chunk *chunk = inflate->open;
    chunk->inner_last = is_last;
    inflate->open = NULL; /* travels */
    tr_inflate_tell(inflate, &(struct tr_inflate_done){.out = chunk});
}

/* The open chunk is full: hands on its whole events and moves the rest, or begins pieces. False
 * when the pool is dry. */
static bool make_room(struct tr_inflate *inflate)
{
    struct tr_chunk *full = inflate->open;
    if (inflate->piece_left > 0) {
        full->kind = TR_CHUNK_PIECE;
        full->piece = inflate->first_piece_sent ? TR_PIECE_MIDDLE : TR_PIECE_FIRST;
        inflate->first_piece_sent = true;
        send_open(inflate, false);
        return true;
    }
    if (inflate->event_at == 0) { /* one event, larger than the chunk */
        const uint32_t event_bytes = tr_load_u32(full->bytes + EVENT_LENGTH_AT);
        full->event_bytes = event_bytes;
        inflate->piece_left = event_bytes - full->used_bytes;
        inflate->first_piece_sent = false;
        TR_COVER("inflate.large_event");
        return make_room(inflate);
    }
    inflate->open = NULL;
    const uint32_t tail_at = inflate->event_at;
    if (!tr_inflate_open_chunk(inflate)) {
        inflate->open = full;
        inflate->event_at = tail_at;
        return false;
    }
    struct tr_chunk *next = inflate->open;
    next->used_bytes = full->used_bytes - tail_at;
    memcpy(next->bytes, full->bytes + tail_at, next->used_bytes);
    full->used_bytes = tail_at;
    inflate->open = full;
    send_open(inflate, false);
    inflate->open = next;
    inflate->event_at = 0;
    return true;
}

/* Room in the open chunk for the next bytes; 0 when the pool is dry. */
size_t tr_inflate_room(struct tr_inflate *inflate)
{
    if (inflate->open != NULL && inflate->open->used_bytes == TR_CHUNK_BYTES &&
        !make_room(inflate)) {
        return 0;
    }
    if (!tr_inflate_open_chunk(inflate)) {
        return 0;
    }
    const size_t room = TR_CHUNK_BYTES - inflate->open->used_bytes;
    return inflate->piece_left > 0 && inflate->piece_left < room ? (size_t)inflate->piece_left
                                                                 : room;
}

/* Takes `bytes` written into the open chunk into account; false when they are not events. */
bool tr_inflate_note(struct tr_inflate *inflate, size_t bytes)
{
    struct tr_chunk *open = inflate->open;
    open->used_bytes += (uint32_t)bytes;
    if (inflate->piece_left > 0) {
        open->kind = TR_CHUNK_PIECE;
        inflate->piece_left -= bytes;
        if (inflate->piece_left == 0) {
            open->piece = TR_PIECE_LAST;
            send_open(inflate, false);
        }
        return true;
    }
    while (open->used_bytes - inflate->event_at >= EVENT_HEADER_BYTES) {
        const uint32_t event_bytes = tr_load_u32(open->bytes + inflate->event_at + EVENT_LENGTH_AT);
        if (event_bytes < EVENT_HEADER_BYTES || event_bytes > EVENT_BYTES_MAX) {
            (void)TR_FAIL(&inflate->error, TR_ERR_PROTOCOL, TR_STOP,
                          "compressed payload: an inner event of %" PRIu32
                          " bytes: want %d..%" PRIu32
                          "; the log is damaged: check it with mysqlbinlog",
                          event_bytes, EVENT_HEADER_BYTES, EVENT_BYTES_MAX);
            return false;
        }
        if (open->used_bytes - inflate->event_at < event_bytes) {
            break;
        }
        inflate->event_at += event_bytes;
    }
    return true;
}

/* The event is complete: everything inside must be, too. False when the pool is dry (asked again
 * later). */
bool tr_inflate_finish(struct tr_inflate *inflate)
{
    if (!tr_inflate_open_chunk(inflate)) { /* the last message carries a chunk: it may be empty */
        return false;
    }
    if (inflate->piece_left > 0 || inflate->event_at != inflate->open->used_bytes) {
        (void)TR_FAIL(&inflate->error, TR_ERR_PROTOCOL, TR_STOP,
                      "compressed payload: ends in the middle of an inner event; the log is "
                      "damaged: check it with mysqlbinlog");
        tr_inflate_fail(inflate);
        return true;
    }
    inflate->mode = TR_INFLATE_IDLE;
    send_open(inflate, true);
    tr_inflate_tell(inflate, &(struct tr_inflate_done){.finished = true});
    return true;
}
