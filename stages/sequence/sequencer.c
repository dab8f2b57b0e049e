// SPDX-License-Identifier: Apache-2.0
#include "stages/sequence/sequencer.h"

#include <inttypes.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "offsets/historian.h"
#include "stages/sequence/inflate.h"
#include "stages/sequence/sequencer_parts.h"

#define CHUNKS_PER_STEP 2
#define OUTPUT_RATIO_Q8_DEFAULT                                                                    \
    (16 * 256) /* before a decoder has measured: 30 raw bytes make 500 without schemas */

static enum seq_outcome step_chunk(struct tr_sequencer *sequencer);
static enum seq_outcome step_inflate(struct tr_sequencer *sequencer);
static void fail(struct tr_sequencer *sequencer);

enum tr_code tr_sequencer_init(struct tr_sequencer *sequencer,
                               const struct tr_sequencer_options *options,
                               struct tr_memory_sum *sum, struct tr_error *err)
{
    TR_ASSERT(options->decoder_count >= 1);
    TR_ASSERT(options->decoder_count <= TR_DECODERS_MAX);
    TR_ASSERT(options->unit_count >= 2);
    *sequencer = (struct tr_sequencer){.options = *options,
                                       .next_seq = 1,
                                       .resume_due = true,
                                       .in_snapshot = options->begins_with_snapshot};
    if (options->output_ratio_q8 == 0) {
        sequencer->options.output_ratio_q8 = OUTPUT_RATIO_Q8_DEFAULT;
    }
    if (tr_pool_init(&sequencer->pool, "units", options->unit_count, sizeof(struct tr_unit), err) !=
        TR_OK) {
        return err->code;
    }
    if (sum != NULL) {
        tr_memory_sum_add(sum, "units",
                          (uint64_t)options->unit_count * sequencer->pool.object_bytes);
    }
    if (sum != NULL && options->publisher != NULL && options->publisher->stream != NULL) {
        tr_memory_sum_add(sum, "schema-change records (resident only when used)",
                          (uint64_t)options->unit_count * TR_UNIT_OUTPUT_BYTES_MAX);
    }
    memcpy(sequencer->file, options->start.file, sizeof(sequencer->file));
    sequencer->offset = options->start.pos;
    sequencer->source_pos = options->start.pos;
    sequencer->group.thread_id = -1;
    if (options->start.event_count > 0 && options->source_is_same) {
        struct tr_sequencer_skip *skip = &sequencer->skip;
        skip->is_armed = true;
        memcpy(skip->file, options->start.file, sizeof(skip->file));
        skip->start_pos = options->start.pos;
        skip->pos = options->start.pos;
        skip->event_count = options->start.event_count;
        skip->row_count = options->start.row_count;
    }
    if (options->start_gtids != NULL &&
        (tr_gtid_set_open(&sequencer->executed, tr_gtid_set_flavor(options->start_gtids), err) !=
             TR_OK ||
         tr_gtid_set_copy(sequencer->executed, options->start_gtids, err) != TR_OK ||
         tr_gtid_set_open(&sequencer->resume_gtids, tr_gtid_set_flavor(options->start_gtids),
                          err) != TR_OK)) {
        tr_sequencer_deinit(sequencer);
        return err->code;
    }
    return TR_OK;
}

void tr_sequencer_deinit(struct tr_sequencer *sequencer)
{
    seq_prepared_collect(sequencer, UINT64_MAX);
    seq_large_query_drop(sequencer);
    tr_gtid_set_close(sequencer->executed);
    tr_gtid_set_close(sequencer->resume_gtids);
    tr_pool_deinit(&sequencer->pool);
    *sequencer = (struct tr_sequencer){0};
}

/* Tells ingest where to read on; the resume point stays as it is until the next LINK_DOWN. */
static bool publish_resume(struct tr_sequencer *sequencer)
{
    const struct tr_sequencer_skip *skip = &sequencer->skip;
    struct tr_resume *resume = &sequencer->resume;

    resume->point = seq_point(sequencer);
    if (skip->is_armed) {
        resume->point.pos = skip->start_pos;
    }
    resume->flavor = sequencer->options.flavor;
    resume->gtids = sequencer->resume_gtids;
    if (sequencer->executed != NULL &&
        tr_gtid_set_copy(sequencer->resume_gtids, sequencer->executed, &sequencer->error) !=
            TR_OK) {
        return false;
    }
    const struct tr_resume **slot = tr_ring_claim_one(sequencer->options.resumes);
    *slot = resume;
    tr_ring_publish(sequencer->options.resumes, 1);
    if (sequencer->options.ingest_bell != NULL) {
        tr_doorbell_ring(sequencer->options.ingest_bell);
    }
    return true;
}

static uint32_t take_units_home(struct tr_sequencer *sequencer)
{
    void *slots;
    uint32_t work = 0;

    while (tr_ring_peek(sequencer->options.units, 1, &slots) == 1) { /* bounded by the pool */
        struct tr_unit *unit = *(struct tr_unit **)slots;
        TR_CHECK_MAGIC(unit, TR_UNIT_MAGIC);
        TR_ASSERT(sequencer->outstanding[unit->decoder] > 0);
        tr_ring_release(sequencer->options.units, 1);
        sequencer->outstanding[unit->decoder]--;
        unit->magic = 0;
        tr_pool_release(&sequencer->pool, unit);
        work++;
    }
    /* Acquire, pairs with the collector's release: units up to it are not read any more. */
    const uint64_t routed_seq =
        atomic_load_explicit(&sequencer->options.progress->routed_seq, memory_order_acquire);
    if (routed_seq != sequencer->collected_seq) {
        sequencer->collected_seq = routed_seq;
        tr_catalog_collect(sequencer->options.catalog, routed_seq);
        seq_prepared_collect(sequencer, routed_seq);
    }
    return work;
}

/* Too much log lies between the safe position and here: reading stops. */
static bool is_blocked(const struct tr_sequencer *sequencer)
{
    const struct tr_sequencer_options *options = &sequencer->options;

    if (options->replay_bytes_max == 0) {
        return false;
    }
    /* Acquire, pairs with the coordinator's release. */
    const uint64_t safe =
        atomic_load_explicit(&options->progress->safe_log_bytes, memory_order_acquire);
    return sequencer->log_bytes > safe && sequencer->log_bytes - safe > options->replay_bytes_max;
}

static void set_paused(struct tr_sequencer *sequencer, bool paused)
{
    _Atomic bool *flag = sequencer->options.paused;

    /* Relaxed: only we write it. */
    if (flag == NULL || atomic_load_explicit(flag, memory_order_relaxed) == paused) {
        return;
    }
    TR_COVER("sequencer.blocked");
    /* Release, pairs with ingest's acquire. */
    atomic_store_explicit(flag, paused, memory_order_release);
    if (!paused && sequencer->options.ingest_bell != NULL) {
        tr_doorbell_ring(sequencer->options.ingest_bell);
    }
    if (sequencer->options.metrics != NULL) {
        tr_metric_set(sequencer->options.metrics, TR_METRIC_REPLAY_BLOCKED, paused ? 1 : 0);
    }
}

static void ring_bells(struct tr_sequencer *sequencer)
{
    for (uint32_t d = 0; sequencer->rang != 0 && d < sequencer->options.decoder_count; d++) {
        if ((sequencer->rang >> d & 1) != 0 && sequencer->options.decoders[d].bell != NULL) {
            tr_doorbell_ring(sequencer->options.decoders[d].bell);
        }
    }
    if (sequencer->rang != 0 && sequencer->options.collector_bell != NULL) {
        tr_doorbell_ring(sequencer->options.collector_bell);
    }
    sequencer->rang = 0;
}

/* The next chunk from ingest; false when there is none, or when reading stops. */
static bool take_chunk(struct tr_sequencer *sequencer)
{
    void *slots;
    const bool blocked = is_blocked(sequencer);

    set_paused(sequencer, blocked);
    if (blocked || tr_ring_peek(sequencer->options.chunks, 1, &slots) == 0) {
        return false;
    }
    struct tr_chunk *chunk = *(struct tr_chunk **)slots;
    TR_CHECK_MAGIC(chunk, TR_CHUNK_MAGIC);
    tr_ring_release(sequencer->options.chunks, 1);
    sequencer->outer = (struct tr_sequencer_cursor){.chunk = chunk};
    return true;
}

uint32_t tr_sequencer_step(void *self, int64_t now_ns)
{
    struct tr_sequencer *sequencer = self;
    uint32_t work = take_units_home(sequencer);

    (void)now_ns;
    if (sequencer->resume_due) {
        sequencer->resume_due = false;
        if (!publish_resume(sequencer)) {
            fail(sequencer);
        }
        work++;
    }
    for (uint32_t chunks = 0; chunks < CHUNKS_PER_STEP;) {
        enum seq_outcome outcome;
        if (sequencer->state == TR_SEQUENCER_AWAIT_INFLATE) {
            outcome = step_inflate(sequencer);
        } else if (sequencer->state == TR_SEQUENCER_RUNNING &&
                   (sequencer->outer.chunk != NULL || take_chunk(sequencer))) {
            outcome = step_chunk(sequencer);
        } else {
            break;
        }
        if (outcome == SEQ_FAILED) {
            fail(sequencer);
        }
        if (outcome == SEQ_WAIT) {
            break;
        }
        work++;
        chunks += outcome == SEQ_DONE;
    }
    ring_bells(sequencer);
    return work;
}

bool tr_sequencer_has_work(void *self)
{
    struct tr_sequencer *sequencer = self;
    const bool can_open = (sequencer->unit != NULL || sequencer->pool.free_count > 0) &&
                          (sequencer->history_wanted == 0 ||
                           seq_history_has_room(sequencer, sequencer->history_wanted));

    if (sequencer->resume_due || !tr_ring_is_empty(sequencer->options.units)) {
        return true;
    }
    switch (sequencer->state) {
    case TR_SEQUENCER_RUNNING:
        if (sequencer->outer.chunk != NULL) {
            return can_open;
        }
        return !tr_ring_is_empty(sequencer->options.chunks) && !is_blocked(sequencer);
    case TR_SEQUENCER_AWAIT_INFLATE:
        if (sequencer->inner.chunk != NULL || sequencer->inflate_consumed ||
            sequencer->inflate_finished) {
            return can_open;
        }
        return !tr_ring_is_empty(sequencer->options.inflate_done);
    case TR_SEQUENCER_ENDED:
    case TR_SEQUENCER_FAILED:
        break;
    }
    return false;
}

/* Everything before the event at fault is dealt; then nothing is consumed any more. */
static void fail(struct tr_sequencer *sequencer)
{
    if (sequencer->unit != NULL) {
        seq_unit_close(sequencer, true);
    }
    sequencer->state = TR_SEQUENCER_FAILED;
    tr_fault_raise(sequencer->options.fault, &sequencer->error);
}

/* Deals the chunk's last unit, which takes it home. */
static enum seq_outcome finish_chunk(struct tr_sequencer *sequencer,
                                     struct tr_sequencer_cursor *cursor)
{
    if (!seq_unit_open(sequencer, cursor)) {
        return SEQ_WAIT;
    }
    sequencer->unit->is_end = cursor->chunk->kind == TR_CHUNK_END;
    seq_unit_close(sequencer, true);
    cursor->chunk = NULL; /* travels */
    return SEQ_DONE;
}

static enum seq_outcome link_down(struct tr_sequencer *sequencer)
{
    if (sequencer->piece.use ==
        TR_LARGE_INFLATE) { /* half a compressed event: inflate gives it up first */
        TR_COVER("sequencer.inflate_given_up");
        struct tr_inflate_job *job = tr_ring_claim_one(sequencer->options.inflate_jobs);
        *job = (struct tr_inflate_job){.chunk = NULL};
        tr_ring_publish(sequencer->options.inflate_jobs, 1);
        if (sequencer->options.inflate_bell != NULL) {
            tr_doorbell_ring(sequencer->options.inflate_bell);
        }
        sequencer->piece.use = TR_LARGE_NONE;
        sequencer->inner_piece.use = TR_LARGE_NONE;
        sequencer->inflate_bytes = 0;
        sequencer->inflate_is_last = true;
        sequencer->inflate_is_given_up = true;
        sequencer->inflate_consumed = false;
        sequencer->inflate_finished = false;
        sequencer->state = TR_SEQUENCER_AWAIT_INFLATE;
        return SEQ_INFLATE;
    }
    if (!seq_unit_open(sequencer, &sequencer->outer)) {
        return SEQ_WAIT;
    }
    TR_COVER("sequencer.link_down");
    sequencer->piece.use = TR_LARGE_NONE;
    seq_large_query_drop(sequencer);
    seq_skip_arm_for_link(sequencer);
    tr_catalog_forget_ids(sequencer->options.catalog);
    sequencer->checksum = TR_CHECKSUM_NONE; /* until the next link's FORMAT_DESCRIPTION */
    return publish_resume(sequencer) ? SEQ_DONE : SEQ_FAILED;
}

/* The chunk under way: up to its end, to a compressed event, or to where no unit is free. */
static enum seq_outcome step_chunk(struct tr_sequencer *sequencer)
{
    struct tr_sequencer_cursor *cursor = &sequencer->outer;
    enum seq_outcome outcome = SEQ_DONE;

    switch (cursor->chunk->kind) {
    case TR_CHUNK_EVENTS:
        while (outcome == SEQ_DONE && cursor->at < cursor->chunk->used_bytes) {
            outcome = seq_events_next(sequencer, cursor);
        }
        break;
    case TR_CHUNK_PIECE:
        outcome = seq_piece(sequencer, cursor);
        break;
    case TR_CHUNK_LINK_DOWN:
        outcome = link_down(sequencer);
        break;
    case TR_CHUNK_END:
        break;
    }
    if (outcome == SEQ_INFLATE && sequencer->unit != NULL) {
        seq_unit_close(sequencer, false); /* the inner events' units come behind it */
    }
    if (outcome != SEQ_DONE) {
        return outcome;
    }
    const bool is_end = cursor->chunk->kind == TR_CHUNK_END;
    outcome = finish_chunk(sequencer, cursor);
    if (outcome == SEQ_DONE && is_end) {
        sequencer->state = TR_SEQUENCER_ENDED;
    }
    return outcome;
}

/* --- compressed events ---------------------------------------------------------------------------
 */

/* One chunk of inner events, to its end. */
static enum seq_outcome step_inner(struct tr_sequencer *sequencer)
{
    struct tr_sequencer_cursor *cursor = &sequencer->inner;
    enum seq_outcome outcome = SEQ_DONE;

    if (cursor->chunk->kind == TR_CHUNK_PIECE) {
        outcome = seq_piece(sequencer, cursor);
    } else {
        while (outcome == SEQ_DONE && cursor->at < cursor->chunk->used_bytes) {
            outcome = seq_events_next(sequencer, cursor);
        }
    }
    return outcome == SEQ_DONE ? finish_chunk(sequencer, cursor) : outcome;
}

/* All that came out of the job is sequenced, and its bytes are ours again. */
static enum seq_outcome end_job(struct tr_sequencer *sequencer)
{
    struct tr_sequencer_cursor *cursor = &sequencer->outer;

    if (cursor->chunk->kind == TR_CHUNK_PIECE && !seq_unit_open(sequencer, cursor)) {
        return SEQ_WAIT; /* before anything is changed: the piece's chunk goes home with a unit */
    }
    if (sequencer->inflate_is_given_up) {
        sequencer->inflate_is_given_up = false;
        sequencer->state = TR_SEQUENCER_RUNNING; /* the LINK_DOWN again */
        return SEQ_INFLATE;
    }
    if (sequencer->inflate_is_last && !sequencer->inflate_is_event) {
        if (sequencer->group.phase != TR_GROUP_NONE) {
            (void)TR_FAIL(
                &sequencer->error, TR_ERR_PROTOCOL, TR_STOP,
                SEQ_PLACE
                ": TRANSACTION_PAYLOAD event without the end of its transaction: the log is "
                "damaged: check it with mysqlbinlog",
                SEQ_PLACE_ARGS(sequencer));
            return SEQ_FAILED;
        }
        sequencer->log_bytes += sequencer->outer_header.event_bytes;
        sequencer->offset = sequencer->event_end;
    }
    if (cursor->chunk->kind == TR_CHUNK_EVENTS) {
        cursor->at += sequencer->inflate_bytes;
        sequencer->state = TR_SEQUENCER_RUNNING;
        return SEQ_INFLATE; /* its chunk goes on */
    }
    const enum seq_outcome outcome = finish_chunk(sequencer, cursor);
    if (outcome == SEQ_DONE) {
        if (sequencer->inflate_is_last) {
            sequencer->piece.use = TR_LARGE_NONE;
        }
        sequencer->state = TR_SEQUENCER_RUNNING;
    }
    return outcome;
}

static enum seq_outcome step_inflate(struct tr_sequencer *sequencer)
{
    void *slots;

    if (sequencer->inner.chunk != NULL) {
        return step_inner(sequencer);
    }
    if (sequencer->inflate_is_last ? sequencer->inflate_finished : sequencer->inflate_consumed) {
        return end_job(sequencer);
    }
    if (tr_ring_peek(sequencer->options.inflate_done, 1, &slots) == 0) {
        return SEQ_WAIT;
    }
    const struct tr_inflate_done done = *(const struct tr_inflate_done *)slots;
    tr_ring_release(sequencer->options.inflate_done, 1);
    if (done.error != NULL) {
        sequencer->error = *done.error;
        (void)tr_error_prefix(&sequencer->error, SEQ_PLACE, SEQ_PLACE_ARGS(sequencer));
        return SEQ_FAILED;
    }
    sequencer->inflate_consumed = sequencer->inflate_consumed || done.consumed != NULL;
    sequencer->inflate_finished = sequencer->inflate_finished || done.finished;
    if (done.out != NULL) {
        TR_CHECK_MAGIC(done.out, TR_CHUNK_MAGIC);
        sequencer->inner = (struct tr_sequencer_cursor){.chunk = done.out};
    }
    return SEQ_INFLATE;
}
