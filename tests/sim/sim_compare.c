// SPDX-License-Identifier: Apache-2.0
/* Promise 7: what comes out does not depend on the number of decoders, and is what was committed, in each
 * stream in the order of the log. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/assert.h"
#include "stages/fragment.h"
#include "tests/sim/model_history.h"
#include "tests/sim/model_source.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim_draw.h"
#include "tests/sim/sim_engine.h"
#include "tests/sim/sim_run.h"
#include "tests/sim/sim_snapshot.h"

#define GROUPS 60
#define STEPS_MAX 200000

struct compare {
    struct tr_model_options model;
    struct tr_model_source source;
    struct tr_sim_snapshot snapshot;
    struct tr_model_history history;
    struct tr_oracle oracle;
    struct tr_oracle_item next[TR_MODEL_STREAMS_MAX]; /* of the log's records, per stream */
    struct tr_sim_engine engine;
    struct tr_clock clock;
    int64_t now_ns;
    uint64_t hashes[TR_MODEL_STREAMS_MAX]; /* of everything that went to the stream */
    uint64_t record_count;
    char failure[500];
};

static int64_t compare_time(void *self)
{
    return ((const struct compare *)self)->now_ns;
}

static uint64_t hash(uint64_t state, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) { /* FNV-1a */
        state = (state ^ bytes[i]) * UINT64_C(0x100000001B3);
    }
    return (state ^ count) * UINT64_C(0x100000001B3);
}

/* The stream's next record, from that item on; behind the last one: `change` is the log's count. */
static void find_next(const struct compare *compare, uint32_t stream, struct tr_oracle_item *item)
{
    const struct tr_model_log *log = &compare->source.log;
    while (item->change < log->change_count && log->changes[item->change].table != stream) {
        item->change++;
    }
}

/* Without a snapshot, whose rows the log does not have. */
static void check_order(struct compare *compare, uint32_t stream, struct tr_span data)
{
    const struct tr_model_log *log = &compare->source.log;
    struct tr_oracle_item *item = &compare->next[stream];
    if (compare->snapshot.is_on || compare->failure[0] != '\0') {
        return;
    }
    find_next(compare, stream, item);
    if (item->change == log->change_count || !tr_oracle_is_record(&compare->oracle, item, data)) {
        (void)snprintf(compare->failure, sizeof(compare->failure),
                       "stream %u: record %" PRIu64 " is not that of change %u: %.*s", stream,
                       compare->record_count, item->change,
                       (int)(data.bytes < 300 ? data.bytes : 300), (const char *)data.data);
        return;
    }
    const bool has_tombstone = log->changes[item->change].op == TR_MODEL_DELETE;
    item->is_tombstone = has_tombstone && !item->is_tombstone;
    item->change += item->is_tombstone ? 0 : 1;
}

static void check_all(struct compare *compare)
{
    for (uint32_t s = 0; s < TR_MODEL_STREAMS_MAX && !compare->snapshot.is_on; s++) {
        find_next(compare, s, &compare->next[s]);
        if (compare->next[s].change < compare->source.log.change_count &&
            compare->failure[0] == '\0') {
            (void)snprintf(compare->failure, sizeof(compare->failure),
                           "stream %u: change %u did not come", s, compare->next[s].change);
        }
    }
}

static bool take_record(void *self, const struct tr_stream *stream, const struct tr_record *record)
{
    struct compare *compare = self;
    const uint32_t index = tr_model_stream_of(tr_span_of_text(stream->name));
    TR_ASSERT(index < TR_MODEL_STREAMS_MAX);
    uint64_t *state = &compare->hashes[index];
    *state = hash(*state, tr_record_key(record), record->key_bytes);
    *state = hash(*state, tr_record_value(record), record->value_bytes);
    check_order(compare, index, tr_span_of(tr_record_value(record), record->value_bytes));
    compare->record_count++;
    return true;
}

static bool run(struct compare *compare, uint64_t seed, uint32_t decoder_count,
                struct tr_sim_result *result)
{
    struct tr_error err = {0};
    struct tr_random random = {seed};
    tr_sim_draw_model(&random, seed, &compare->model);
    tr_sim_draw_history(&random, &compare->model);
    compare->model.cut_permille = 0;
    compare->model.refuse_permille = 0;
    compare->now_ns = TR_NS_PER_S;
    compare->clock = (struct tr_clock){.self = compare,
                                       .monotonic_ns = compare_time,
                                       .wall_unix_ns = compare_time,
                                       .boottime_ns = compare_time};
    tr_model_source_init(&compare->source, &compare->model);
    tr_sim_snapshot_init(&compare->snapshot, seed, false, &compare->source);
    tr_model_history_init(&compare->history, seed, 0);
    tr_oracle_init(&compare->oracle, &compare->source.log);
    tr_sim_snapshot_end_faults(&compare->snapshot);
    tr_model_log_commit(&compare->source.log,
                        compare->snapshot.is_on ? compare->snapshot.groups_before : GROUPS);
    const struct tr_sim_engine_options options = {
        .plan = TR_PLAN_SINGLE,
        .model = &compare->model,
        .log = &compare->source.log,
        .decoder_count = decoder_count,
        .seed = seed,
        .envelope_ts_is_source = true,
        .skips_unparseable = true,
        .history = compare->model.has_history ? &compare->history : NULL,
        .clock = &compare->clock,
        .source = &compare->source.port,
        .snapshot = compare->snapshot.is_on ? &compare->snapshot.model : NULL,
        .sink = take_record,
        .sink_self = compare};
    uint32_t steps = 0;
    if (tr_sim_engine_open(&compare->engine, &options, &err) == TR_OK) {
        struct tr_pipeline *pipeline = &compare->engine.pipeline;
        if (compare->snapshot.is_on) {
            tr_model_log_commit(&compare->source.log, GROUPS); /* while the snapshot is read */
        }
        while (!tr_collector_is_ended(&pipeline->collector) && steps < STEPS_MAX &&
               tr_fault_seen(&compare->engine.fault) == NULL) {
            const uint32_t work = tr_pipeline_step(pipeline, compare->now_ns);
            compare->now_ns += 20000;
            steps++;
            /* And handed on: of a large event that is not, a stop drops what was read. */
            if (work == 0 && tr_model_source_is_exhausted(&compare->source)) {
                tr_pipeline_begin_stop(pipeline);
            }
        }
        const struct tr_error *fault = tr_fault_seen(&compare->engine.fault);
        err = fault != NULL ? *fault : err;
        check_all(compare);
    }
    const bool ends = err.text[0] == '\0' && steps < STEPS_MAX;
    const bool passed = ends && compare->failure[0] == '\0';
    if (!passed) {
        (void)snprintf(result->text, sizeof(result->text), "D=%u: %s", decoder_count,
                       err.text[0] != '\0' ? err.text
                       : !ends             ? "does not end"
                                           : compare->failure);
    }
    tr_sim_engine_close(&compare->engine);
    tr_oracle_deinit(&compare->oracle);
    tr_model_history_deinit(&compare->history);
    tr_sim_snapshot_deinit(&compare->snapshot);
    tr_model_source_deinit(&compare->source);
    return passed;
}

void tr_sim_compare_decoders(uint64_t seed, struct tr_sim_result *result)
{
    static const uint32_t decoder_counts[] = {1, 2, 4};
    static struct compare compares[3]; /* too large for the stack */
    *result = (struct tr_sim_result){.passed = true};
    for (uint32_t i = 0; i < 3 && result->passed; i++) {
        memset(&compares[i], 0, sizeof(compares[i]));
        result->passed = run(&compares[i], seed, decoder_counts[i], result);
        if (result->passed &&
            memcmp(compares[i].hashes, compares[0].hashes, sizeof(compares[0].hashes)) != 0) {
            (void)snprintf(result->text, sizeof(result->text),
                           "the streams' bytes differ between D=1 (%" PRIu64
                           " records) and D=%u (%" PRIu64 ")",
                           compares[0].record_count, decoder_counts[i], compares[i].record_count);
            result->passed = false;
        }
    }
}
