// SPDX-License-Identifier: Apache-2.0
#include "stages/source/ingest.h"

#include <inttypes.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "stages/source/server_error.h"

#define WAIT_NS_DEFAULT (500 * TR_NS_PER_MS)
#define BACKOFF_MS_MIN_DEFAULT 250
#define BACKOFF_MS_MAX_DEFAULT 30000
#define STEADY_NS TR_NS_PER_S /* a link that stood so long is reconnected at once when it ends */

static void wake_port(void *self);
static uint32_t collect_returns(struct tr_ingest *ingest);
static uint32_t take_resume(struct tr_ingest *ingest, int64_t now_ns);
static uint32_t connect_link(struct tr_ingest *ingest, int64_t now_ns);
static void connect_failed(struct tr_ingest *ingest, int64_t now_ns);
static int64_t next_backoff_ms(struct tr_ingest *ingest);
static uint32_t read_events(struct tr_ingest *ingest, int64_t now_ns);
static void scan_events(struct tr_ingest *ingest);
static bool hand_on(struct tr_ingest *ingest, int64_t now_ns);
static void begin_pieces(struct tr_ingest *ingest, const struct tr_frame_found *found);
static uint32_t read_pieces(struct tr_ingest *ingest, int64_t now_ns);
static uint32_t read_piece_header(struct tr_ingest *ingest, int64_t now_ns);
static uint32_t piece_limit(const struct tr_ingest *ingest);
static void publish_piece(struct tr_ingest *ingest, int64_t now_ns);
static bool read_port(struct tr_ingest *ingest, uint8_t *out, uint32_t room_bytes, int64_t wait_ns,
                      int64_t now_ns, uint32_t *bytes);
static void source_ended(struct tr_ingest *ingest);
static void link_failed(struct tr_ingest *ingest, int64_t now_ns);
static uint32_t publish_message(struct tr_ingest *ingest, enum tr_chunk_kind kind, int64_t now_ns);
static struct tr_chunk *acquire_chunk(struct tr_ingest *ingest, enum tr_chunk_kind kind);
static void publish_chunk(struct tr_ingest *ingest, struct tr_chunk *chunk, int64_t now_ns);
static bool is_paused(const struct tr_ingest *ingest);
static void count(struct tr_ingest *ingest, enum tr_metric metric, uint64_t n);

enum tr_code tr_ingest_init(struct tr_ingest *ingest, const struct tr_ingest_options *options,
                            const struct tr_ingest_rings *rings, struct tr_memory_sum *sum,
                            struct tr_error *err)
{
    *ingest = (struct tr_ingest){.options = *options, .rings = *rings};
    struct tr_ingest_options *own = &ingest->options;
    TR_ASSERT(own->port != NULL);
    TR_ASSERT(own->fault != NULL);
    TR_ASSERT(own->chunk_count >= 2);
    TR_ASSERT(rings->return_count <= TR_INGEST_RETURN_RINGS_MAX);
    own->wait_ns = own->non_blocking ? 0 : own->wait_ns == 0 ? WAIT_NS_DEFAULT : own->wait_ns;
    own->backoff_ms_min = own->backoff_ms_min == 0 ? BACKOFF_MS_MIN_DEFAULT : own->backoff_ms_min;
    own->backoff_ms_max = own->backoff_ms_max == 0 ? BACKOFF_MS_MAX_DEFAULT : own->backoff_ms_max;
    ingest->jitter_state = own->seed;
    ingest->actor = (struct tr_actor){
        .name = "ingest",
        .self = ingest,
        .step = tr_ingest_step,
        .has_work = tr_ingest_has_work,
        .wake = wake_port,
        .may_block = !own->non_blocking,
    };
    const enum tr_code code = tr_pool_init(&ingest->pool, "chunks of ingest", own->chunk_count,
                                           sizeof(struct tr_chunk), err);
    if (code != TR_OK) {
        return code;
    }
    if (sum != NULL) {
        tr_memory_sum_add(sum, "chunks of ingest",
                          (uint64_t)own->chunk_count * sizeof(struct tr_chunk));
    }
    return TR_OK;
}

void tr_ingest_deinit(struct tr_ingest *ingest)
{
    if (ingest->link_open) {
        ingest->options.port->close(ingest->options.port->self);
    }
    tr_pool_deinit(&ingest->pool);
    *ingest = (struct tr_ingest){0};
}

uint32_t tr_ingest_step(void *self, int64_t now_ns)
{
    struct tr_ingest *ingest = self;
    uint32_t work = collect_returns(ingest);

    /* Acquire, pairs with tr_ingest_stop(): what the caller did before it asked is visible. */
    if (atomic_load_explicit(&ingest->stopping, memory_order_acquire) &&
        ingest->state < TR_INGEST_ENDING) {
        ingest->whole_bytes = ingest->state == TR_INGEST_PIECES ? 0 : ingest->whole_bytes;
        source_ended(ingest);
        work++;
    }
    switch (ingest->state) {
    case TR_INGEST_AWAIT_RESUME:
        return work + take_resume(ingest, now_ns);
    case TR_INGEST_CONNECT:
        return work + connect_link(ingest, now_ns);
    case TR_INGEST_EVENTS:
        return work + read_events(ingest, now_ns);
    case TR_INGEST_PIECES:
        return work + read_pieces(ingest, now_ns);
    case TR_INGEST_LINK_DOWN:
        return work + publish_message(ingest, TR_CHUNK_LINK_DOWN, now_ns);
    case TR_INGEST_ENDING:
        return work + publish_message(ingest, TR_CHUNK_END, now_ns);
    case TR_INGEST_ENDED:
        return work;
    }
    TR_ASSERT(false);
}

bool tr_ingest_has_work(void *self)
{
    struct tr_ingest *ingest = self;

    /* Acquire, pairs with tr_ingest_stop(). */
    if (atomic_load_explicit(&ingest->stopping, memory_order_acquire) &&
        ingest->state != TR_INGEST_ENDED) {
        return true;
    }
    for (uint32_t i = 0; i < ingest->rings.return_count; i++) {
        if (!tr_ring_is_empty(ingest->rings.returns[i])) {
            return true;
        }
    }
    return ingest->state == TR_INGEST_AWAIT_RESUME && !tr_ring_is_empty(ingest->rings.resume);
}

void tr_ingest_stop(struct tr_ingest *ingest)
{
    /* Release, pairs with the acquire in step(). */
    atomic_store_explicit(&ingest->stopping, true, memory_order_release);
    wake_port(ingest);
}

static void wake_port(void *self)
{
    const struct tr_ingest *ingest = self;

    ingest->options.port->wake(ingest->options.port->self);
}

static uint32_t collect_returns(struct tr_ingest *ingest)
{
    uint32_t work = 0;

    for (uint32_t i = 0; i < ingest->rings.return_count; i++) {
        void *slots;
        uint64_t slot_count;
        /* Bounded: at most all chunks of the pool are in the rings. */
        while ((slot_count = tr_ring_peek(ingest->rings.returns[i], ingest->options.chunk_count,
                                          &slots)) > 0) {
            for (uint64_t k = 0; k < slot_count; k++) {
                struct tr_chunk *chunk = ((struct tr_chunk **)slots)[k];
                TR_CHECK_MAGIC(chunk, TR_CHUNK_MAGIC);
                TR_ASSERT(chunk->home == TR_HOME_INGEST);
                tr_pool_release(&ingest->pool, chunk);
            }
            tr_ring_release(ingest->rings.returns[i], slot_count);
            work += (uint32_t)slot_count;
        }
    }
    if (work > 0 && ingest->options.metrics != NULL) {
        tr_metric_set(ingest->options.metrics, TR_METRIC_INGEST_CHUNKS_FREE,
                      ingest->pool.free_count);
    }
    return work;
}

static uint32_t take_resume(struct tr_ingest *ingest, int64_t now_ns)
{
    void *slot;
    if (tr_ring_peek(ingest->rings.resume, 1, &slot) == 0) {
        return 0;
    }
    ingest->resume = *(const struct tr_resume **)slot;
    tr_ring_release(ingest->rings.resume, 1);
    TR_ASSERT(ingest->resume != NULL);
    if (!ingest->was_connected && ingest->startup_deadline_ns == 0) {
        ingest->startup_deadline_ns = now_ns + ingest->options.startup_wait_ms * TR_NS_PER_MS;
        ingest->retry_at_ns = now_ns;
    }
    ingest->state = TR_INGEST_CONNECT;
    return 1;
}

static uint32_t connect_link(struct tr_ingest *ingest, int64_t now_ns)
{
    const struct tr_source_port *port = ingest->options.port;

    if (!ingest->was_connected && ingest->retry_count > 0 &&
        now_ns >= ingest->startup_deadline_ns) {
        ingest->has_fault = true; /* `error` is the last attempt's */
        source_ended(ingest);
        return 1;
    }
    if (now_ns < ingest->retry_at_ns) {
        return 0;
    }
    if (port->open(port->self, ingest->resume, &ingest->error) != TR_OK) {
        connect_failed(ingest, now_ns);
        return 1;
    }
    ingest->error.code = TR_OK;
    ingest->link_open = true;
    ingest->was_connected = true;
    ingest->link_epoch++;
    ingest->connected_ns = 0; /* now_ns is from before the connect: the next step knows better */
    ingest->heard_ns = 0;
    ingest->read_bytes = 0;
    ingest->framer = tr_packet_framer_of(port->framing, ingest->options.semi_sync, TR_CHUNK_BYTES);
    ingest->whole_bytes = 0;
    ingest->hand_on_due = false;
    ingest->state = TR_INGEST_EVENTS;
    count(ingest, TR_METRIC_INGEST_CONNECTS, 1);
    TR_LOG(
        TR_LOG_INFO, "source.connected", TR_UINT("link_epoch", ingest->link_epoch),
        TR_TEXT("file", ingest->resume->point.file), TR_UINT("pos", ingest->resume->point.pos),
        TR_TEXT("by", ingest->resume->gtids != NULL && !tr_gtid_set_is_empty(ingest->resume->gtids)
                          ? "gtid"
                          : "file"));
    return 1;
}

static void connect_failed(struct tr_ingest *ingest, int64_t now_ns)
{
    if (ingest->error.remedy == TR_STOP) {
        ingest->has_fault = true;
        source_ended(ingest);
        return;
    }
    const int64_t delay_ms = next_backoff_ms(ingest);
    ingest->retry_at_ns = now_ns + delay_ms * TR_NS_PER_MS;
    if (!ingest->was_connected && ingest->retry_at_ns > ingest->startup_deadline_ns) {
        ingest->retry_at_ns = ingest->startup_deadline_ns;
    }
    TR_LOG(TR_LOG_WARN, "link.retry", TR_UINT("attempt", ingest->retry_count),
           TR_INT("delay_ms", delay_ms), TR_TEXT("error", ingest->error.text));
}

/* Doubling, capped, with equal jitter: between half of the delay and all of it. Counts the attempt.
 */
static int64_t next_backoff_ms(struct tr_ingest *ingest)
{
    const uint32_t doublings = ingest->retry_count < 20 ? ingest->retry_count : 20;
    int64_t delay_ms = ingest->options.backoff_ms_min << doublings;
    delay_ms =
        delay_ms < ingest->options.backoff_ms_max ? delay_ms : ingest->options.backoff_ms_max;
    ingest->retry_count++;

    /* splitmix64 (Steele, Lea, Flood 2014) */
    uint64_t z = ingest->jitter_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return delay_ms - (int64_t)(z % (uint64_t)(delay_ms / 2 + 1));
}

static uint32_t read_events(struct tr_ingest *ingest, int64_t now_ns)
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
        ingest->open = acquire_chunk(ingest, TR_CHUNK_EVENTS);
        if (ingest->open == NULL) {
            ingest->heard_ns = now_ns;
            return 0;
        }
    }
    struct tr_chunk *chunk = ingest->open;
    const uint32_t room_bytes = TR_CHUNK_BYTES - chunk->used_bytes;
    const int64_t wait_ns = ingest->whole_bytes > 0 ? 0 : ingest->options.wait_ns;
    uint32_t bytes;
    if (!read_port(ingest, chunk->bytes + chunk->used_bytes, room_bytes, wait_ns, now_ns, &bytes)) {
        return 1; /* the link ended */
    }
    if (bytes > 0) {
        chunk->used_bytes += bytes;
        scan_events(ingest);
        if (ingest->error.code != TR_OK) {
            link_failed(ingest, now_ns);
        }
        return 1;
    }
    if (ingest->whole_bytes > 0) { /* the source ran dry */
        return hand_on(ingest, now_ns) ? 1 : 0;
    }
    return wait_ns > 0 ? 1 : 0; /* that wait was our idling */
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
        next = acquire_chunk(ingest, TR_CHUNK_EVENTS);
        if (next == NULL) {
            TR_COVER("ingest.tail_waits_for_chunk");
            return false;
        }
        memcpy(next->bytes, full->bytes + ingest->whole_bytes, tail_bytes);
        next->used_bytes = tail_bytes;
    }
    full->used_bytes = ingest->whole_bytes;
    publish_chunk(ingest, full, now_ns);
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

static uint32_t read_pieces(struct tr_ingest *ingest, int64_t now_ns)
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
        ingest->open = acquire_chunk(ingest, TR_CHUNK_PIECE);
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
            link_failed(ingest, now_ns);
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
    publish_chunk(ingest, chunk, now_ns);
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
        count(ingest, TR_METRIC_INGEST_BYTES, read_bytes);
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
            source_ended(ingest);
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
    case TR_READ_ERROR:
        TR_ASSERT(ingest->error.code != TR_OK);
        break;
    }
    link_failed(ingest, now_ns);
    return false;
}

/* No more reading: the connection is closed, the last messages follow. */
static void source_ended(struct tr_ingest *ingest)
{
    if (ingest->link_open) {
        ingest->options.port->close(ingest->options.port->self);
        ingest->link_open = false;
    }
    ingest->state = TR_INGEST_ENDING;
}

/* The link ended with `error`: reconnect at the sequenced position, or stop the engine. */
static void link_failed(struct tr_ingest *ingest, int64_t now_ns)
{
    ingest->whole_bytes = ingest->state == TR_INGEST_PIECES ? 0 : ingest->whole_bytes;
    count(ingest, TR_METRIC_INGEST_LINK_LOSSES, 1);
    if (ingest->error.remedy == TR_STOP) {
        ingest->has_fault = true;
        source_ended(ingest);
        return;
    }
    TR_COVER("ingest.link_down");
    tr_log_error(TR_LOG_WARN, "source.link_down", &ingest->error);
    ingest->options.port->close(ingest->options.port->self);
    ingest->link_open = false;
    ingest->state = TR_INGEST_LINK_DOWN;
    ingest->retry_at_ns = now_ns;
    if (now_ns - ingest->connected_ns >= STEADY_NS) {
        ingest->retry_count = 0;
    } else {
        ingest->retry_at_ns += next_backoff_ms(ingest) * TR_NS_PER_MS;
    }
}

/* Publishes what whole events there are, then the message. The open chunk carries it when it holds
 * nothing whole. */
static uint32_t publish_message(struct tr_ingest *ingest, enum tr_chunk_kind kind, int64_t now_ns)
{
    if (ingest->whole_bytes > 0) {
        ingest->open->used_bytes = ingest->whole_bytes; /* the incomplete tail is dropped */
        publish_chunk(ingest, ingest->open, now_ns);
        ingest->open = NULL;
        ingest->whole_bytes = 0;
    }
    struct tr_chunk *chunk = ingest->open != NULL ? ingest->open : acquire_chunk(ingest, kind);
    if (chunk == NULL) {
        return 0;
    }
    ingest->open = NULL;
    ingest->hand_on_due = false;
    chunk->kind = kind;
    chunk->used_bytes = 0;
    if (kind == TR_CHUNK_LINK_DOWN || ingest->has_fault) {
        chunk->error = ingest->error;
    }
    if (kind == TR_CHUNK_END) {
        ingest->state = TR_INGEST_ENDED;
        if (ingest->has_fault) {
            tr_fault_raise(ingest->options.fault,
                           &ingest->error); /* before END: whoever sees the end sees why */
        }
    } else {
        ingest->state = TR_INGEST_AWAIT_RESUME;
        ingest->resume = NULL;
        ingest->error.code = TR_OK;
    }
    publish_chunk(ingest, chunk, now_ns);
    return 1;
}

static struct tr_chunk *acquire_chunk(struct tr_ingest *ingest, enum tr_chunk_kind kind)
{
    struct tr_chunk *chunk = tr_pool_try_acquire(&ingest->pool);

    if (chunk == NULL) {
        count(ingest, TR_METRIC_INGEST_POOL_WAITS, ingest->pool_is_dry ? 0 : 1);
        ingest->pool_is_dry = true;
        return NULL;
    }
    ingest->pool_is_dry = false;
    chunk->magic = TR_CHUNK_MAGIC;
    chunk->kind = kind;
    chunk->piece = TR_PIECE_FIRST;
    chunk->home = TR_HOME_INGEST;
    chunk->frame_bytes = ingest->framer.frame_bytes;
    chunk->inner = false;
    chunk->inner_last = false;
    chunk->used_bytes = 0;
    chunk->event_bytes = 0;
    chunk->error.code = TR_OK;
    return chunk;
}

/* The chunk travels: the caller forgets it. */
static void publish_chunk(struct tr_ingest *ingest, struct tr_chunk *chunk, int64_t now_ns)
{
    chunk->link_epoch = ingest->link_epoch;
    chunk->received_ns = now_ns;
    *(struct tr_chunk **)tr_ring_claim_one(ingest->rings.to_sequencer) = chunk;
    tr_ring_publish(ingest->rings.to_sequencer, 1);
    if (ingest->rings.sequencer_bell != NULL) {
        tr_doorbell_ring(ingest->rings.sequencer_bell);
    }
    if (ingest->options.metrics != NULL) {
        tr_metric_set(ingest->options.metrics, TR_METRIC_INGEST_CHUNKS_FREE,
                      ingest->pool.free_count);
    }
}

static bool is_paused(const struct tr_ingest *ingest)
{
    /* Acquire, pairs with the sequencer's release: harmless if seen late, one more chunk is read.
     */
    return ingest->options.paused != NULL &&
           atomic_load_explicit(ingest->options.paused, memory_order_acquire);
}

static void count(struct tr_ingest *ingest, enum tr_metric metric, uint64_t n)
{
    if (ingest->options.metrics != NULL) {
        tr_metric_add(ingest->options.metrics, metric, n);
    }
}
