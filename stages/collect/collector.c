// SPDX-License-Identifier: Apache-2.0
#include "stages/collect/collector.h"

#include <string.h>

#include "engine/assert.h"
#include "engine/cover.h"

/* Per step: enough to keep the fixed cost of a step small, few enough to come round to the returns. */
#define STEP_FRAGMENTS 64
#define STEP_RETURNS 256

static uint32_t take_returns(struct tr_collector *collector);
static uint32_t take_decoded(struct tr_collector *collector, uint32_t budget);
static void begin_file(struct tr_collector *collector);
static void write_late_rows(const struct tr_collector *collector, struct tr_fragment *fragment);
static void route_fragment(struct tr_collector *collector, struct tr_fragment *fragment);
static bool give_to_sink(struct tr_collector *collector, const struct tr_fragment *fragment);
static bool complete_unit(struct tr_collector *collector);
static void send_home(struct tr_collector *collector, struct tr_fragment *fragment);
static void ring_bells(struct tr_collector *collector);

void tr_collector_init(struct tr_collector *collector, const struct tr_collector_options *options)
{
    TR_ASSERT(options->decoder_count > 0);
    TR_ASSERT(options->decoder_count <= TR_DECODERS_MAX);
    TR_ASSERT(options->shipper_count <= TR_SHIPPERS_MAX);
    TR_ASSERT((options->sink != NULL) == (options->shipper_count == 0));
    *collector = (struct tr_collector){.options = *options};
}

uint32_t tr_collector_step(void *self, int64_t now_ns)
{
    struct tr_collector *collector = self;
    uint32_t work_count = take_returns(collector);

    (void)now_ns;
    while (work_count < STEP_FRAGMENTS && !collector->sink_refused) {
        if (collector->unit == NULL) {
            void *slot;
            if (tr_ring_peek(collector->options.manifest, 1, &slot) == 0) {
                break;
            }
            const struct tr_manifest_entry *entry = slot;
            TR_CHECK_MAGIC(entry->unit, TR_UNIT_MAGIC);
            TR_ASSERT(entry->decoder < collector->options.decoder_count);
            TR_ASSERT(entry->unit->seq == collector->unit_seq + 1);
            collector->unit = entry->unit;
            collector->decoder = entry->decoder;
            collector->unit_decoded = false;
            tr_ring_release(collector->options.manifest, 1);
            begin_file(collector);
        }
        if (!collector->unit_decoded) {
            const uint32_t taken = take_decoded(collector, STEP_FRAGMENTS - work_count);
            work_count += taken;
            if (taken == 0) {
                break;
            }
        }
        if (collector->unit_decoded) {
            if (!complete_unit(collector)) {
                break;
            }
            work_count++;
        }
    }
    ring_bells(collector);
    return work_count;
}

bool tr_collector_has_work(void *self)
{
    struct tr_collector *collector = self;

    for (uint32_t i = 0; i < collector->options.shipper_count; i++) {
        if (!tr_ring_is_empty(collector->options.shippers[i].returns)) {
            return true;
        }
    }
    if (collector->sink_refused) {
        return false;
    }
    if (collector->unit == NULL) {
        return !tr_ring_is_empty(collector->options.manifest);
    }
    return collector->unit_decoded ||
           !tr_ring_is_empty(collector->options.decoders[collector->decoder].decoded);
}

bool tr_collector_is_ended(const struct tr_collector *collector)
{
    /* Acquire, pairs with complete_unit(): what the unit left behind is visible. */
    return atomic_load_explicit(&collector->ended, memory_order_acquire);
}

bool tr_collector_is_idle(const struct tr_collector *collector)
{
    /* Relaxed: a hint, asked for again. */
    return atomic_load_explicit(&collector->out_count, memory_order_relaxed) == 0;
}

bool tr_collector_is_refused(const struct tr_collector *collector)
{
    return collector->sink_refused;
}

static void add_out(struct tr_collector *collector, uint64_t n)
{
    /* Relaxed: a single writer, and readers only take a hint from it. */
    const uint64_t count = atomic_load_explicit(&collector->out_count, memory_order_relaxed);
    atomic_store_explicit(&collector->out_count, count + n, memory_order_relaxed);
}

static uint32_t take_returns(struct tr_collector *collector)
{
    uint32_t work_count = 0;

    for (uint32_t i = 0; i < collector->options.shipper_count; i++) {
        struct tr_ring *returns = collector->options.shippers[i].returns;
        void *slots;
        const uint64_t count = tr_ring_peek(returns, STEP_RETURNS, &slots);
        const struct tr_bucket_return *back = slots;
        for (uint64_t k = 0; k < count; k++) {
            struct tr_fragment *fragment = back[k].fragment;
            TR_CHECK_MAGIC(fragment, TR_FRAGMENT_MAGIC);
            TR_ASSERT(fragment->bucket_count > 0);
            fragment->bucket_count--;
            if (fragment->bucket_count == 0) {
                add_out(collector, UINT64_MAX); /* minus one */
                send_home(collector, fragment);
                work_count++;
            }
        }
        if (count > 0) {
            tr_ring_release(returns, count);
        }
    }
    return work_count;
}

/* Takes what decoder d(k) has ready of unit k, at most `budget` messages. Returns the messages taken. */
static uint32_t take_decoded(struct tr_collector *collector, uint32_t budget)
{
    struct tr_ring *decoded = collector->options.decoders[collector->decoder].decoded;
    uint32_t taken = 0;

    while (taken < budget && !collector->unit_decoded) {
        void *slot;
        if (tr_ring_peek(decoded, 1, &slot) == 0) {
            break;
        }
        const struct tr_decoded message = *(const struct tr_decoded *)slot;
        TR_ASSERT(message.unit_seq == collector->unit->seq);
        if (message.fragment != NULL) {
            TR_CHECK_MAGIC(message.fragment, TR_FRAGMENT_MAGIC);
            TR_ASSERT(message.fragment->unit_seq == collector->unit->seq);
            TR_ASSERT(message.fragment->decoder == collector->decoder);
            if (message.fragment->has_late_rows) {
                write_late_rows(collector, message.fragment);
            }
            if (collector->options.sink != NULL) {
                if (!give_to_sink(collector, message.fragment)) {
                    collector->sink_refused = true;
                    break;
                }
                send_home(collector, message.fragment);
            } else {
                route_fragment(collector, message.fragment);
            }
        }
        collector->unit_decoded = message.unit_last;
        tr_ring_release(decoded, 1);
        taken++;
    }
    return taken;
}

/* Debezium counts from 0 again where a file of the log begins. */
static void begin_file(struct tr_collector *collector)
{
    const struct tr_unit *unit = collector->unit;

    if (strcmp(collector->file, unit->file) != 0) {
        memcpy(collector->file, unit->file, sizeof(collector->file));
        collector->row_last = 0;
    }
}

/* Those that the decoder left are before the first row of the unit. */
static void write_late_rows(const struct tr_collector *collector, struct tr_fragment *fragment)
{
    for (uint32_t i = 0; i < fragment->group_count; i++) {
        struct tr_fragment_group *group = &fragment->groups[i];
        struct tr_record *record = group->first;
        for (uint32_t k = 0; k < group->record_count; k++, record = record->next) {
            if ((record->flags & TR_RECORD_LATE_ROW) != 0) {
                tr_fragment_write_row(group, record, collector->row_last);
            }
        }
    }
    fragment->has_late_rows = false;
}

/* Makes a bucket of each group; the fragment comes home when all of them are back. */
static void route_fragment(struct tr_collector *collector, struct tr_fragment *fragment)
{
    TR_ASSERT(fragment->group_count <= TR_FRAGMENT_GROUPS_MAX);
    if (fragment->group_count == 0) {
        TR_COVER("collector.fragment_without_groups");
        send_home(collector, fragment);
        return;
    }
    /* Before the first publish: a shipper may return its bucket at once. */
    fragment->bucket_count = fragment->group_count;
    add_out(collector, 1);
    tr_metric_add(collector->options.metrics, TR_METRIC_COLLECTOR_FRAGMENTS, 1);
    tr_metric_add(collector->options.metrics, TR_METRIC_COLLECTOR_BUCKETS, fragment->group_count);
    const uint32_t group_count = fragment->group_count;
    for (uint32_t group = 0; group < group_count; group++) {
        const uint32_t stream_id = fragment->groups[group].stream_id;
        const uint32_t shipper = tr_streams_get(collector->options.streams, stream_id)->shipper;
        TR_ASSERT(shipper < collector->options.shipper_count);
        struct tr_ring *buckets = collector->options.shippers[shipper].buckets;
        struct tr_bucket *bucket = tr_ring_claim_one(buckets);
        *bucket = (struct tr_bucket){.fragment = fragment,
                                     .group = group,
                                     .stream_id = stream_id,
                                     .unit_seq = collector->unit->seq};
        tr_ring_publish(buckets, 1);
        collector->bells_due |= UINT32_C(1) << shipper;
    }
}

static bool give_to_sink(struct tr_collector *collector, const struct tr_fragment *fragment)
{
    for (uint32_t group = 0; group < fragment->group_count; group++) {
        const struct tr_fragment_group *records = &fragment->groups[group];
        const struct tr_stream *stream =
            tr_streams_get(collector->options.streams, records->stream_id);
        const struct tr_record *record = records->first;
        for (uint32_t i = 0; i < records->record_count; i++) {
            if (!collector->options.sink(collector->options.sink_self, stream, record)) {
                return false;
            }
            record = record->next;
        }
    }
    return true;
}

/* Position, routed_seq, unit home. false: no room for the position yet. */
static bool complete_unit(struct tr_collector *collector)
{
    struct tr_unit *unit = collector->unit;
    const struct tr_collector_options *options = &collector->options;

    if (options->positions != NULL) {
        void *slot;
        if (tr_ring_claim(options->positions, 1, &slot) == 0) {
            TR_COVER("collector.positions_full");
            return false;
        }
        struct tr_unit_position *position = slot;
        *position = unit->position;
        if (position->has_record) {
            position->record.row_count = unit->record_rows;
        }
        tr_ring_publish(options->positions, 1);
        if (options->positions_bell != NULL) {
            tr_doorbell_ring(options->positions_bell);
        }
    }
    collector->unit_seq = unit->seq;
    if (unit->row_last != TR_UNIT_ROW_NONE) {
        collector->row_last = unit->row_last;
    }
    tr_metric_add(options->metrics, TR_METRIC_COLLECTOR_UNITS, 1);
    /* Release, pairs with the acquire in tr_shipper_step(): all buckets of this unit were published before (I4). */
    atomic_store_explicit(&options->progress->routed_seq, unit->seq, memory_order_release);
    if (unit->is_end) {
        /* Release, pairs with tr_collector_is_ended(). */
        atomic_store_explicit(&collector->ended, true, memory_order_release);
    }
    /* Every shipper learns of the new routed_seq, also one without a bucket: it has nothing else to wake it. */
    collector->bells_due = UINT32_MAX;

    struct tr_unit **home = tr_ring_claim_one(options->units);
    *home = unit;
    collector->unit = NULL;
    tr_ring_publish(options->units, 1);
    if (options->units_bell != NULL) {
        tr_doorbell_ring(options->units_bell);
    }
    return true;
}

static void send_home(struct tr_collector *collector, struct tr_fragment *fragment)
{
    const uint32_t decoder = fragment->decoder;
    TR_ASSERT(decoder < collector->options.decoder_count);
    struct tr_fragment **slot = tr_ring_claim_one(collector->options.decoders[decoder].empty);

    *slot = fragment;
    tr_ring_publish(collector->options.decoders[decoder].empty, 1);
    if (collector->options.decoders[decoder].bell != NULL) {
        tr_doorbell_ring(collector->options.decoders[decoder].bell);
    }
}

static void ring_bells(struct tr_collector *collector)
{
    for (uint32_t i = 0; i < collector->options.shipper_count && collector->bells_due != 0; i++) {
        if ((collector->bells_due >> i & 1) != 0 && collector->options.shippers[i].bell != NULL) {
            tr_doorbell_ring(collector->options.shippers[i].bell);
        }
    }
    collector->bells_due = 0;
}
