// SPDX-License-Identifier: Apache-2.0
#include "stages/source/ingest.h"

#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "stages/source/ingest_read.h"

#define WAIT_NS_DEFAULT (500 * TR_NS_PER_MS)
#define BACKOFF_MS_MIN_DEFAULT 250
#define BACKOFF_MS_MAX_DEFAULT 30000
#define STEADY_NS TR_NS_PER_S /* a link that stood so long is reconnected at once when it ends */

static void wake_port(void *self);
static void set_connected(struct tr_ingest *ingest, bool is_connected);
static uint32_t collect_returns(struct tr_ingest *ingest);
static uint32_t take_resume(struct tr_ingest *ingest, int64_t now_ns);
static uint32_t connect_link(struct tr_ingest *ingest, int64_t now_ns);
static void connect_failed(struct tr_ingest *ingest, int64_t now_ns);
static int64_t next_backoff_ms(struct tr_ingest *ingest);
static uint32_t publish_message(struct tr_ingest *ingest, enum tr_chunk_kind kind, int64_t now_ns);

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
        tr_ingest_source_ended(ingest);
        work++;
    }
    switch (ingest->state) {
    case TR_INGEST_AWAIT_RESUME:
        return work + take_resume(ingest, now_ns);
    case TR_INGEST_CONNECT:
        return work + connect_link(ingest, now_ns);
    case TR_INGEST_EVENTS:
        return work + tr_ingest_read_events(ingest, now_ns);
    case TR_INGEST_PIECES:
        return work + tr_ingest_read_pieces(ingest, now_ns);
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
        tr_ingest_source_ended(ingest);
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
    tr_ingest_count(ingest, TR_METRIC_INGEST_CONNECTS, 1);
    set_connected(ingest, true);
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
        tr_ingest_source_ended(ingest);
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

/* No more reading: the connection is closed, the last messages follow. */
void tr_ingest_source_ended(struct tr_ingest *ingest)
{
    if (ingest->link_open) {
        ingest->options.port->close(ingest->options.port->self);
        ingest->link_open = false;
    }
    ingest->state = TR_INGEST_ENDING;
}

/* No loss: what follows is read over a link of its own, at once, from where the sequencer says. */
void tr_ingest_part_ended(struct tr_ingest *ingest, int64_t now_ns)
{
    TR_COVER("ingest.part_ended");
    TR_ASSERT(ingest->state == TR_INGEST_EVENTS);
    TR_ASSERT(ingest->open == NULL || ingest->open->used_bytes == ingest->whole_bytes);
    ingest->options.port->close(ingest->options.port->self);
    ingest->link_open = false;
    ingest->error.code = TR_OK;
    ingest->retry_count = 0;
    ingest->retry_at_ns = now_ns;
    ingest->state = TR_INGEST_LINK_DOWN;
}

/* The link ended with `error`: reconnect at the sequenced position, or stop the engine. */
void tr_ingest_link_failed(struct tr_ingest *ingest, int64_t now_ns)
{
    ingest->whole_bytes = ingest->state == TR_INGEST_PIECES ? 0 : ingest->whole_bytes;
    tr_ingest_count(ingest, TR_METRIC_INGEST_LINK_LOSSES, 1);
    set_connected(ingest, false);
    if (ingest->error.remedy == TR_STOP) {
        ingest->has_fault = true;
        tr_ingest_source_ended(ingest);
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
        tr_ingest_publish_chunk(ingest, ingest->open, now_ns);
        ingest->open = NULL;
        ingest->whole_bytes = 0;
    }
    struct tr_chunk *chunk =
        ingest->open != NULL ? ingest->open : tr_ingest_acquire_chunk(ingest, kind);
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
    tr_ingest_publish_chunk(ingest, chunk, now_ns);
    return 1;
}

struct tr_chunk *tr_ingest_acquire_chunk(struct tr_ingest *ingest, enum tr_chunk_kind kind)
{
    struct tr_chunk *chunk = tr_pool_try_acquire(&ingest->pool);

    if (chunk == NULL) {
        tr_ingest_count(ingest, TR_METRIC_INGEST_POOL_WAITS, ingest->pool_is_dry ? 0 : 1);
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
void tr_ingest_publish_chunk(struct tr_ingest *ingest, struct tr_chunk *chunk, int64_t now_ns)
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

static void set_connected(struct tr_ingest *ingest, bool is_connected)
{
    if (ingest->options.metrics != NULL) {
        tr_metric_set(ingest->options.metrics, TR_METRIC_SOURCE_CONNECTED, is_connected ? 1 : 0);
    }
}

void tr_ingest_count(struct tr_ingest *ingest, enum tr_metric metric, uint64_t n)
{
    if (ingest->options.metrics != NULL) {
        tr_metric_add(ingest->options.metrics, metric, n);
    }
}
