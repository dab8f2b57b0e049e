// SPDX-License-Identifier: Apache-2.0
#include "stages/collect/collector.h"

#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"
#include "tests/check.h"
#include "tests/property/seed.h"

#define DECODERS_MAX 4
#define SHIPPERS_MAX 3
#define UNITS_MAX 64
#define FRAGMENTS_MAX 512
#define STREAMS 7

struct bench {
    uint64_t random;
    uint32_t decoder_count;
    uint32_t shipper_count;
    struct tr_collector_options options;
    struct tr_collector collector;
    struct tr_ring rings[3 + 2 * DECODERS_MAX + 2 * SHIPPERS_MAX];
    struct tr_streams *streams;
    struct tr_progress progress;
    struct tr_metric_block metrics;
    struct tr_unit *units;                          /* UNITS_MAX */
    struct tr_fragment *fragments[FRAGMENTS_MAX];   /* made by the "decoders" */
    bool is_home[FRAGMENTS_MAX];
    uint32_t fragment_count;
    struct tr_decoded script[DECODERS_MAX][FRAGMENTS_MAX + UNITS_MAX]; /* what decoder d will send */
    uint32_t script_count[DECODERS_MAX];
    uint32_t script_at[DECODERS_MAX];
    struct tr_bucket seen[SHIPPERS_MAX][FRAGMENTS_MAX * TR_FRAGMENT_GROUPS_MAX];
    uint32_t seen_count[SHIPPERS_MAX];
    bool is_returned[SHIPPERS_MAX][FRAGMENTS_MAX * TR_FRAGMENT_GROUPS_MAX];
    struct tr_bucket expected[SHIPPERS_MAX][FRAGMENTS_MAX * TR_FRAGMENT_GROUPS_MAX];
    uint32_t expected_count[SHIPPERS_MAX];
    uint32_t expected_until[SHIPPERS_MAX][UNITS_MAX + 1]; /* buckets of units 1..k */
    uint64_t position_seq;
    uint32_t units_home;
};

/* 0..below-1 */
static uint64_t seed_below(uint64_t *random, uint64_t below)
{
    return tr_seed_next(random) % below;
}

static struct tr_ring *ring_of(struct bench *bench, uint32_t index, uint64_t slots, size_t slot_bytes)
{
    struct tr_error err;
    assert_int_equal(tr_ring_init(&bench->rings[index], slots, slot_bytes, &err), TR_OK);
    return &bench->rings[index];
}

static void open_rings(struct bench *bench, uint64_t position_slots)
{
    struct tr_collector_options *o = &bench->options;
    uint32_t n = 0;
    o->manifest = ring_of(bench, n++, UNITS_MAX, sizeof(struct tr_manifest_entry));
    o->units = ring_of(bench, n++, UNITS_MAX, sizeof(struct tr_unit *));
    o->positions = ring_of(bench, n++, position_slots, sizeof(struct tr_unit_position));
    o->decoder_count = bench->decoder_count;
    o->shipper_count = bench->shipper_count;
    for (uint32_t d = 0; d < bench->decoder_count; d++) {
        o->decoders[d].decoded = ring_of(bench, n++, FRAGMENTS_MAX + UNITS_MAX, sizeof(struct tr_decoded));
        o->decoders[d].empty = ring_of(bench, n++, FRAGMENTS_MAX, sizeof(struct tr_fragment *));
    }
    for (uint32_t s = 0; s < bench->shipper_count; s++) {
        const uint64_t slots = FRAGMENTS_MAX * TR_FRAGMENT_GROUPS_MAX;
        o->shippers[s].buckets = ring_of(bench, n++, slots, sizeof(struct tr_bucket));
        o->shippers[s].returns = ring_of(bench, n++, slots, sizeof(struct tr_bucket_return));
    }
}

static struct bench *open_bench(uint32_t decoders, uint32_t shippers, uint64_t position_slots, uint64_t seed)
{
    struct tr_error err;
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    bench->random = seed;
    bench->decoder_count = decoders;
    bench->shipper_count = shippers;
    bench->units = calloc(UNITS_MAX, sizeof(*bench->units));
    assert_non_null(bench->units);
    assert_int_equal(tr_streams_open(&bench->streams, shippers == 0 ? 1 : shippers, &err), TR_OK);
    for (uint32_t i = 0; i < STREAMS; i++) {
        const char name[] = {'s', (char)('0' + i), '\0'};
        assert_non_null(tr_streams_intern(bench->streams, tr_span_of_text(name), &err));
    }
    open_rings(bench, position_slots);
    bench->options.streams = bench->streams;
    bench->options.progress = &bench->progress;
    bench->options.metrics = &bench->metrics;
    return bench;
}

static void close_bench(struct bench *bench)
{
    for (size_t i = 0; i < sizeof(bench->rings) / sizeof(bench->rings[0]); i++) {
        tr_ring_deinit(&bench->rings[i]);
    }
    for (uint32_t i = 0; i < bench->fragment_count; i++) {
        free(bench->fragments[i]);
    }
    tr_streams_close(bench->streams);
    free(bench->units);
    free(bench);
}

static struct tr_fragment *make_fragment(struct bench *bench, uint32_t decoder, uint64_t unit_seq, uint32_t groups)
{
    struct tr_fragment *fragment = NULL;
    assert_int_equal(posix_memalign((void **)&fragment, 64, sizeof(*fragment) + 64), 0);
    memset(fragment, 0, sizeof(*fragment));
    fragment->magic = TR_FRAGMENT_MAGIC;
    fragment->decoder = decoder;
    fragment->unit_seq = unit_seq;
    fragment->group_count = groups;
    const uint32_t first_stream = (uint32_t)seed_below(&bench->random, STREAMS);
    for (uint32_t g = 0; g < groups; g++) {
        fragment->groups[g].stream_id = (first_stream + g) % STREAMS;
    }
    bench->fragments[bench->fragment_count++] = fragment;
    return fragment;
}

/* Units 1..count with random fragments; scripts for the decoders, the order that the shippers must see. */
static void make_units(struct bench *bench, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct tr_unit *unit = &bench->units[i];
        const uint32_t d = (uint32_t)seed_below(&bench->random, bench->decoder_count);
        unit->magic = TR_UNIT_MAGIC;
        unit->seq = i + 1;
        unit->decoder = d;
        unit->is_end = i + 1 == count;
        unit->position.seq = i + 1;
        unit->position.has_record = i % 3 != 0;
        unit->position.record.row_count = 999;
        unit->record_rows = i * 7;
        const uint32_t fragments = (uint32_t)seed_below(&bench->random, 6);
        for (uint32_t f = 0; f < fragments; f++) {
            struct tr_fragment *fragment =
                make_fragment(bench, d, unit->seq, (uint32_t)seed_below(&bench->random, STREAMS));
            bench->script[d][bench->script_count[d]++] = (struct tr_decoded){
                .fragment = fragment, .unit_seq = unit->seq, .unit_last = f + 1 == fragments && i % 2 == 0};
            for (uint32_t g = 0; g < fragment->group_count && bench->shipper_count > 0; g++) {
                const uint32_t id = fragment->groups[g].stream_id;
                const uint32_t s = id % bench->shipper_count;
                bench->expected[s][bench->expected_count[s]++] = (struct tr_bucket){
                    .fragment = fragment, .group = g, .stream_id = id, .unit_seq = unit->seq};
            }
        }
        if (fragments == 0 || i % 2 != 0) { /* the end may also come in a message of its own */
            bench->script[d][bench->script_count[d]++] =
                (struct tr_decoded){.fragment = NULL, .unit_seq = unit->seq, .unit_last = true};
        }
        for (uint32_t s = 0; s < bench->shipper_count; s++) {
            bench->expected_until[s][i + 1] = bench->expected_count[s];
        }
        struct tr_manifest_entry *entry = tr_ring_claim_one(bench->options.manifest);
        *entry = (struct tr_manifest_entry){.unit = unit, .decoder = d};
        tr_ring_publish(bench->options.manifest, 1);
    }
}

static void step_decoder(struct bench *bench, uint32_t d)
{
    uint64_t count = seed_below(&bench->random, 4);
    for (; count > 0 && bench->script_at[d] < bench->script_count[d]; count--) {
        struct tr_decoded *slot = tr_ring_claim_one(bench->options.decoders[d].decoded);
        *slot = bench->script[d][bench->script_at[d]++];
        tr_ring_publish(bench->options.decoders[d].decoded, 1);
    }
    void *slot;
    while (tr_ring_peek(bench->options.decoders[d].empty, 1, &slot) == 1) {
        struct tr_fragment *fragment = *(struct tr_fragment **)slot;
        tr_ring_release(bench->options.decoders[d].empty, 1);
        assert_int_equal(fragment->decoder, d);
        assert_int_equal(fragment->bucket_count, 0);
        uint32_t i = 0;
        while (bench->fragments[i] != fragment) {
            i++;
        }
        assert_false(bench->is_home[i]);
        bench->is_home[i] = true;
    }
}

static void step_shipper(struct bench *bench, uint32_t s)
{
    void *slot;
    const uint64_t routed = atomic_load_explicit(&bench->progress.routed_seq, memory_order_acquire);
    while (tr_ring_peek(bench->options.shippers[s].buckets, 1, &slot) == 1) {
        const uint32_t n = bench->seen_count[s];
        bench->seen[s][n] = *(struct tr_bucket *)slot;
        tr_ring_release(bench->options.shippers[s].buckets, 1);
        assert_true(n < bench->expected_count[s]);
        assert_ptr_equal(bench->seen[s][n].fragment, bench->expected[s][n].fragment);
        assert_int_equal(bench->seen[s][n].group, bench->expected[s][n].group);
        assert_int_equal(bench->seen[s][n].stream_id, bench->expected[s][n].stream_id);
        assert_int_equal(bench->seen[s][n].unit_seq, bench->expected[s][n].unit_seq);
        bench->seen_count[s]++;
    }
    /* I4: what was routed has been published before. */
    assert_true(bench->seen_count[s] >= bench->expected_until[s][routed]);
    for (uint32_t i = 0; i < bench->seen_count[s]; i++) { /* returns in any order */
        if (!bench->is_returned[s][i] && seed_below(&bench->random, 3) == 0) {
            bench->is_returned[s][i] = true;
            struct tr_bucket_return *back = tr_ring_claim_one(bench->options.shippers[s].returns);
            *back = (struct tr_bucket_return){.fragment = bench->seen[s][i].fragment};
            tr_ring_publish(bench->options.shippers[s].returns, 1);
        }
    }
}

static void step_coordinator(struct bench *bench)
{
    void *slot;
    if (tr_ring_peek(bench->options.positions, 1, &slot) == 1) {
        const struct tr_unit_position *position = slot;
        assert_int_equal(position->seq, bench->position_seq + 1);
        bench->position_seq = position->seq;
        const struct tr_unit *unit = &bench->units[position->seq - 1];
        assert_int_equal(position->record.row_count, position->has_record ? unit->record_rows : 999);
        tr_ring_release(bench->options.positions, 1);
    }
    while (tr_ring_peek(bench->options.units, 1, &slot) == 1) {
        assert_ptr_equal(*(struct tr_unit **)slot, &bench->units[bench->units_home]);
        bench->units_home++;
        tr_ring_release(bench->options.units, 1);
    }
}

static void run_seed(uint64_t seed)
{
    uint64_t random = seed;
    struct bench *bench = open_bench(1 + (uint32_t)seed_below(&random, DECODERS_MAX),
                                     1 + (uint32_t)seed_below(&random, SHIPPERS_MAX),
                                     1 + seed_below(&random, 8), random);
    make_units(bench, 1 + (uint32_t)seed_below(&random, UNITS_MAX));
    tr_collector_init(&bench->collector, &bench->options);
    for (uint32_t round = 0; round < 4000; round++) {
        const uint64_t who = seed_below(&bench->random, 4);
        if (who == 0) {
            (void)tr_collector_step(&bench->collector, 0);
        } else if (who == 1) {
            step_decoder(bench, (uint32_t)seed_below(&bench->random, bench->decoder_count));
        } else if (who == 2) {
            step_shipper(bench, (uint32_t)seed_below(&bench->random, bench->shipper_count));
        } else {
            step_coordinator(bench);
        }
    }
    assert_true(tr_collector_is_ended(&bench->collector));
    assert_true(tr_collector_is_idle(&bench->collector));
    assert_false(tr_collector_has_work(&bench->collector));
    for (uint32_t i = 0; i < bench->fragment_count; i++) {
        assert_true(bench->is_home[i]);
    }
    for (uint32_t s = 0; s < bench->shipper_count; s++) {
        assert_int_equal(bench->seen_count[s], bench->expected_count[s]);
    }
    assert_int_equal(bench->units_home, bench->position_seq);
    close_bench(bench);
}

static void units_are_routed_in_order_for_any_interleaving(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        run_seed(seed);
    }
}

static void the_position_waits_when_its_ring_is_full(void **state)
{
    (void)state;
    struct bench *bench = open_bench(1, 1, 1, 7);
    make_units(bench, 3);
    tr_collector_init(&bench->collector, &bench->options);
    for (uint32_t i = 0; i < 200; i++) {
        step_decoder(bench, 0);
        (void)tr_collector_step(&bench->collector, 0);
    }
    assert_int_equal(atomic_load(&bench->progress.routed_seq), 1);
    step_coordinator(bench);
    (void)tr_collector_step(&bench->collector, 0);
    assert_int_equal(atomic_load(&bench->progress.routed_seq), 2);
    close_bench(bench);
}

struct told {
    uint32_t count;
    uint32_t stop_at;
    uint32_t values[64];
};

static bool tell(void *self, const struct tr_stream *stream, const struct tr_record *record)
{
    struct told *told = self;
    if (told->count == told->stop_at) {
        return false;
    }
    told->values[told->count++] = stream->id * 100 + record->slot;
    return true;
}

/* A fragment of two records in stream `stream`, named by their slots. */
static void add_records(struct tr_fragment *fragment, uint32_t group, uint32_t stream, struct tr_record *two)
{
    two[0].next = &two[1];
    two[0].slot = 1;
    two[1].slot = 2;
    fragment->groups[group] = (struct tr_fragment_group){
        .stream_id = stream, .record_count = 2, .first = &two[0], .last = &two[1]};
}

static void sink_case(uint32_t stop_at, struct told *told)
{
    struct tr_record records[4] = {{0}};
    struct bench *bench = open_bench(1, 0, 8, 7);
    *told = (struct told){.stop_at = stop_at};
    bench->options.sink = tell;
    bench->options.sink_self = told;
    struct tr_fragment *fragment = make_fragment(bench, 0, 1, 2);
    add_records(fragment, 0, 3, &records[0]);
    add_records(fragment, 1, 5, &records[2]);
    bench->units[0] = (struct tr_unit){.magic = TR_UNIT_MAGIC, .seq = 1, .is_end = true};
    bench->script[0][0] = (struct tr_decoded){.fragment = fragment, .unit_seq = 1, .unit_last = true};
    bench->script_count[0] = 1;
    struct tr_manifest_entry *entry = tr_ring_claim_one(bench->options.manifest);
    *entry = (struct tr_manifest_entry){.unit = &bench->units[0]};
    tr_ring_publish(bench->options.manifest, 1);
    tr_collector_init(&bench->collector, &bench->options);
    for (uint32_t i = 0; i < 20; i++) {
        step_decoder(bench, 0);
        (void)tr_collector_step(&bench->collector, 0);
    }
    step_decoder(bench, 0);
    const bool refused = stop_at < 4;
    assert_int_equal(tr_collector_is_refused(&bench->collector), refused);
    assert_int_equal(tr_collector_is_ended(&bench->collector), !refused);
    assert_int_equal(bench->is_home[0], !refused);
    close_bench(bench);
}

static void a_sink_gets_each_record_in_order(void **state)
{
    (void)state;
    struct told told;
    sink_case(UINT32_MAX, &told);
    assert_int_equal(told.count, 4);
    assert_int_equal(told.values[0], 301);
    assert_int_equal(told.values[1], 302);
    assert_int_equal(told.values[2], 501);
    assert_int_equal(told.values[3], 502);
}

static void a_sink_that_refuses_stops_the_collector(void **state)
{
    (void)state;
    struct told told;
    sink_case(3, &told);
    assert_int_equal(told.count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_routed_in_order_for_any_interleaving),
        cmocka_unit_test(the_position_waits_when_its_ring_is_full),
        cmocka_unit_test(a_sink_gets_each_record_in_order),
        cmocka_unit_test(a_sink_that_refuses_stops_the_collector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
