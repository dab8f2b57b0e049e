// SPDX-License-Identifier: Apache-2.0
/*
 * From raw events to encoded records on one core: the real sequencer (frames, checksums, follows
 * the log) and the real decoder, stepped by hand, with a log in memory that is read round and
 * round. What comes out is counted and goes home.
 */
#include <stdlib.h>

#include "bench/micro/log.h"
#include "bench/micro/micro.h"
#include "engine/assert.h"
#include "engine/clock.h"
#include "stages/decode/decoder.h"
#include "stages/sequence/sequencer.h"

#define LOG_BYTES ((uint64_t)24 << 20) /* more than the caches near a core hold */
#define UNITS_IN_FLIGHT 4
#define ROW_BYTES_MAX ((uint64_t)16 << 20)
#define RECORD_BYTES_MAX ((uint64_t)10 << 20)
#define CHUNKS_PER_BATCH 16
#define CHUNKS_QUEUED_MAX 2

struct decode_case {
    struct tr_micro_log log;
    uint32_t next_chunk;
    uint32_t chunks_out; /* given and not yet home */
    struct tr_fault fault;
    struct tr_encode_options encode;
    struct tr_filter *filter;
    struct tr_gtid_sources *sources;
    struct tr_streams *streams;
    struct tr_metrics *metrics;
    struct tr_catalog *catalog;
    struct tr_progress progress;
    struct tr_ring chunks, resumes, manifest, units, decoder_units, decoded, empty, chunks_home;
    struct tr_sequencer sequencer;
    struct tr_decoder decoder;
    uint64_t record_count;
};

/* What the cases differ in. */
static const struct {
    struct tr_micro_log_options log;
    bool schemas;
} inputs[] = {{{TR_MICRO_NARROW, 1, false, LOG_BYTES}, false},
              {{TR_MICRO_NARROW, 1000, false, LOG_BYTES}, false},
              {{TR_MICRO_WIDE, 1000, false, LOG_BYTES}, false},
              {{TR_MICRO_NARROW, 1, true, LOG_BYTES}, false},
              {{TR_MICRO_NARROW, 1000, true, LOG_BYTES}, false},
              {{TR_MICRO_NARROW, 1, false, LOG_BYTES}, true},
              {{TR_MICRO_NARROW, 1000, false, LOG_BYTES}, true}};

static void must(enum tr_code code, const struct tr_error *err)
{
    if (code != TR_OK) {
        tr_micro_die("%s", err->text);
    }
}

static void open_rings(struct decode_case *state)
{
    struct tr_error err;
    const uint32_t units = tr_sequencer_unit_count(1, UNITS_IN_FLIGHT);
    const size_t pointer = sizeof(void *);

    must(tr_ring_init(&state->chunks, CHUNKS_QUEUED_MAX, pointer, &err), &err);
    must(tr_ring_init(&state->resumes, 2, pointer, &err), &err);
    must(tr_ring_init(&state->manifest, units, sizeof(struct tr_manifest_entry), &err), &err);
    must(tr_ring_init(&state->units, units, pointer, &err), &err);
    must(tr_ring_init(&state->decoder_units, units, pointer, &err), &err);
    must(tr_ring_init(&state->decoded, tr_decoder_decoded_slots(UNITS_IN_FLIGHT, units),
                      sizeof(struct tr_decoded), &err),
         &err);
    must(tr_ring_init(&state->empty, tr_decoder_fragment_slots(UNITS_IN_FLIGHT), pointer, &err),
         &err);
    must(tr_ring_init(&state->chunks_home, state->log.chunk_count, pointer, &err), &err);
}

static void open_catalog(struct decode_case *state)
{
    struct tr_error err;

    must(tr_filter_open(&state->filter, &(struct tr_filter_options){0}, &err), &err);
    must(tr_gtid_sources_open(&state->sources, &err), &err);
    must(tr_streams_open(&state->streams, 1, &err), &err);
    must(tr_metrics_open(&state->metrics, 8, &err), &err);
    const struct tr_catalog_options catalog = {.flavor = TR_FLAVOR_MARIADB,
                                               .filter = state->filter,
                                               .streams = state->streams,
                                               .topic = {.prefix = tr_span_of_text("bench")},
                                               .encode = &state->encode,
                                               .plans = {.open = tr_plan_open,
                                                         .close = tr_plan_close,
                                                         .memory_bytes = tr_plan_memory_bytes},
                                               .bytes_max = (uint64_t)256 << 20,
                                               .metadata_is_full = true};
    must(tr_catalog_open(&state->catalog, &catalog, &err), &err);
}

static void open_actors(struct decode_case *state)
{
    struct tr_error err;
    struct tr_sequencer_options sequencer = {
        .flavor = TR_FLAVOR_MARIADB,
        .row_bytes_max = ROW_BYTES_MAX,
        .start = {.file = "binlog.000001", .pos = 4},
        .catalog = state->catalog,
        .sources = state->sources,
        .clock = tr_clock_system(),
        .progress = &state->progress,
        .fault = &state->fault,
        .metrics = tr_metrics_add_block(state->metrics, "sequencer"),
        .unit_count = tr_sequencer_unit_count(1, UNITS_IN_FLIGHT),
        .chunks = &state->chunks,
        .resumes = &state->resumes,
        .manifest = &state->manifest,
        .units = &state->units,
        .decoder_count = 1};
    const struct tr_decoder_options decoder = {.units_in_flight = UNITS_IN_FLIGHT,
                                               .row_bytes_max = ROW_BYTES_MAX,
                                               .record_bytes_max = RECORD_BYTES_MAX,
                                               .units = &state->decoder_units,
                                               .decoded = &state->decoded,
                                               .empty = &state->empty,
                                               .chunks_to_ingest = &state->chunks_home,
                                               .metrics =
                                                   tr_metrics_add_block(state->metrics, "decoder"),
                                               .fault = &state->fault};

    sequencer.decoders[0].units = &state->decoder_units;
    must(tr_sequencer_init(&state->sequencer, &sequencer, NULL, &err), &err);
    must(tr_decoder_init(&state->decoder, &decoder, &err), &err);
}

static void *decode_open(const struct tr_micro_case *self)
{
    struct decode_case *state =
        aligned_alloc(TR_NO_SHARE_BYTES, (sizeof(*state) + TR_NO_SHARE_BYTES - 1) /
                                             TR_NO_SHARE_BYTES * TR_NO_SHARE_BYTES);
    if (state == NULL) {
        tr_micro_die("%s: no memory", self->name);
    }
    memset(state, 0, sizeof(*state));
    tr_micro_log_open(&state->log, &inputs[self->argument].log);
    state->encode = (struct tr_encode_options){.flavor = TR_FLAVOR_MARIADB,
                                               .topic_prefix = tr_span_of_text("bench"),
                                               .key_schemas = inputs[self->argument].schemas,
                                               .value_schemas = inputs[self->argument].schemas,
                                               .tombstones_on_delete = true,
                                               .enable_time_adjuster = true,
                                               .row_bytes_max = ROW_BYTES_MAX,
                                               .record_bytes_max = RECORD_BYTES_MAX};
    open_rings(state);
    open_catalog(state);
    open_actors(state);
    return state;
}

static void decode_close(void *self)
{
    struct decode_case *state = self;
    tr_decoder_deinit(&state->decoder);
    tr_sequencer_deinit(&state->sequencer);
    tr_catalog_close(state->catalog);
    tr_filter_close(state->filter);
    tr_streams_close(state->streams);
    tr_metrics_close(state->metrics);
    tr_gtid_sources_close(state->sources);
    tr_ring_deinit(&state->chunks);
    tr_ring_deinit(&state->resumes);
    tr_ring_deinit(&state->manifest);
    tr_ring_deinit(&state->units);
    tr_ring_deinit(&state->decoder_units);
    tr_ring_deinit(&state->decoded);
    tr_ring_deinit(&state->empty);
    tr_ring_deinit(&state->chunks_home);
    tr_micro_log_close(&state->log);
    free(state);
}

static void give_pointer(struct tr_ring *ring, void *pointer)
{
    void **slot = tr_ring_claim_one(ring);
    *slot = pointer;
    tr_ring_publish(ring, 1);
}

/* The collector's part: counts what the decoder sent, and sends fragments and units home. */
static void bring_home(struct decode_case *state)
{
    void *slots;
    while (tr_ring_peek(&state->decoded, 1, &slots) == 1) {
        const struct tr_decoded decoded = *(const struct tr_decoded *)slots;
        tr_ring_release(&state->decoded, 1);
        if (decoded.fragment != NULL) {
            for (uint32_t i = 0; i < decoded.fragment->group_count; i++) {
                state->record_count += decoded.fragment->groups[i].record_count;
            }
            give_pointer(&state->empty, decoded.fragment);
        }
        if (decoded.unit_last) {
            const uint64_t known = tr_ring_peek(&state->manifest, 1, &slots);
            TR_ASSERT(known == 1);
            give_pointer(&state->units, ((const struct tr_manifest_entry *)slots)->unit);
            tr_ring_release(&state->manifest, 1);
            /* Release: as the collector does. */
            atomic_store_explicit(&state->progress.routed_seq, decoded.unit_seq,
                                  memory_order_release);
        }
    }
    while (tr_ring_peek(&state->chunks_home, 1, &slots) == 1) {
        tr_ring_release(&state->chunks_home, 1);
        state->chunks_out--;
    }
    while (tr_ring_peek(&state->resumes, 1, &slots) == 1) {
        tr_ring_release(&state->resumes, 1);
    }
}

static struct tr_micro_work decode_run(void *self)
{
    struct decode_case *state = self;
    struct tr_micro_work work = {0};
    uint32_t given = 0;
    const uint64_t rows_before = state->decoder.decode.rows_total;

    while (given < CHUNKS_PER_BATCH || state->chunks_out > 0) {
        if (given < CHUNKS_PER_BATCH && state->chunks_out < CHUNKS_QUEUED_MAX) {
            struct tr_chunk *chunk = state->log.chunks[state->next_chunk];
            state->next_chunk = (state->next_chunk + 1) % state->log.chunk_count;
            work.bytes += chunk->used_bytes;
            give_pointer(&state->chunks, chunk);
            state->chunks_out++;
            given++;
        }
        (void)tr_sequencer_step(&state->sequencer, 0);
        (void)tr_decoder_step(&state->decoder, 0);
        bring_home(state);
        if (tr_fault_seen(&state->fault) != NULL) {
            tr_micro_die("%s", tr_fault_seen(&state->fault)->text);
        }
    }
    work.items = state->decoder.decode.rows_total - rows_before;
    tr_micro_keep(state->record_count);
    return work;
}

#define DECODE(text, what, index, least, wanted)                                                   \
    {                                                                                              \
        .name = text, .item = what, .floor = (least), .goal = (wanted), .argument = (index),       \
        .open = decode_open, .run = decode_run, .close = decode_close                              \
    }

const struct tr_micro_case tr_micro_decode_cases[] = {
    DECODE("decode+encode+CRC, single-row transactions", "rows", 0, 1.2e6, 2e6),
    DECODE("decode+encode+CRC, 1000-row transactions", "rows", 1, 3e6, 5e6),
    DECODE("decode+encode+CRC, 60 columns", "rows", 2, 250e3, 350e3),
    DECODE("decode+encode+CRC, single-row i/u/d mix", "rows", 3, 0, 0),
    DECODE("decode+encode+CRC, 1000-row i/u/d mix", "rows", 4, 0, 0),
    DECODE("decode+encode+CRC, single-row, schemas", "rows", 5, 0, 0),
    DECODE("decode+encode+CRC, 1000-row, schemas", "rows", 6, 0, 0),
    {.name = NULL}};
