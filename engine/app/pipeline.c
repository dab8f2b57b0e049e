// SPDX-License-Identifier: Apache-2.0
#include "engine/app/pipeline.h"

#include <stdio.h>

#include "engine/app/pipeline_parts.h"
#include "engine/assert.h"

#define UNITS_IN_FLIGHT_DEFAULT 4

/* --- the actors, in the order of the path -------------------------------------------------------
 */

static bool make_ingest(struct tr_pipeline *pipeline, struct tr_error *err)
{
    const struct tr_pipeline_options *options = &pipeline->options;
    struct tr_ingest_options ingest = options->ingest;
    const struct tr_ingest_rings rings = {.to_sequencer = &pipeline->ingest_sequencer,
                                          .sequencer_bell = tr_pipeline_bell(pipeline->place.spine),
                                          .resume = &pipeline->sequencer_ingest,
                                          .returns = pipeline->ingest_returns,
                                          .return_count = options->decoder_count};
    ingest.chunk_count = options->chunk_count;
    ingest.seed = options->seed;
    ingest.paused = &pipeline->paused;
    ingest.fault = pipeline->options.fault;
    ingest.metrics = tr_metrics_add_block(options->metrics, "ingest");
    if (tr_ingest_init(&pipeline->ingest, &ingest, &rings, &pipeline->memory, err) != TR_OK) {
        return false;
    }
    tr_pipeline_add_actor(pipeline, pipeline->place.ingest, &pipeline->ingest.actor,
                          TR_PIPELINE_ONLY_ONE);
    return true;
}

static bool make_sequencer(struct tr_pipeline *pipeline, struct tr_error *err)
{
    const struct tr_pipeline_options *options = &pipeline->options;
    struct tr_sequencer_options sequencer = options->sequencer;

    sequencer.clock = options->clock;
    sequencer.progress = &pipeline->progress;
    sequencer.fault = options->fault;
    sequencer.metrics = tr_metrics_add_block(options->metrics, "sequencer");
    sequencer.unit_count = tr_pipeline_unit_count(options);
    sequencer.chunks = &pipeline->ingest_sequencer;
    sequencer.resumes = &pipeline->sequencer_ingest;
    sequencer.ingest_bell = tr_pipeline_bell(pipeline->place.ingest);
    sequencer.paused = &pipeline->paused;
    sequencer.inflate_jobs = &pipeline->sequencer_inflate;
    sequencer.inflate_done = &pipeline->inflate_sequencer;
    sequencer.inflate_bell = tr_pipeline_bell(pipeline->place.spine);
    sequencer.manifest = &pipeline->sequencer_manifest;
    sequencer.units = &pipeline->collector_units;
    sequencer.collector_bell = tr_pipeline_bell(pipeline->place.spine);
    if (options->historian.store != NULL) {
        sequencer.history = &pipeline->sequencer_history;
        sequencer.history_bell = tr_pipeline_bell(pipeline->place.service);
    }
    sequencer.decoder_count = options->decoder_count;
    for (uint32_t d = 0; d < options->decoder_count; d++) {
        sequencer.decoders[d].units = &pipeline->sequencer_decoder[d];
        sequencer.decoders[d].bell = tr_pipeline_bell(pipeline->place.decoder[d]);
    }
    if (tr_sequencer_init(&pipeline->sequencer, &sequencer, &pipeline->memory, err) != TR_OK) {
        return false;
    }
    tr_pipeline_add_actor(pipeline, pipeline->place.spine,
                          &(struct tr_actor){.name = "sequencer",
                                             .self = &pipeline->sequencer,
                                             .step = tr_sequencer_step,
                                             .has_work = tr_sequencer_has_work},
                          TR_PIPELINE_ONLY_ONE);
    return true;
}

static bool make_inflate(struct tr_pipeline *pipeline, struct tr_error *err)
{
    const struct tr_pipeline_options *options = &pipeline->options;
    const struct tr_inflate_options inflate = {
        .jobs = &pipeline->sequencer_inflate,
        .done = &pipeline->inflate_sequencer,
        .sequencer_bell = tr_pipeline_bell(pipeline->place.spine),
        .returns = pipeline->inflate_returns,
        .return_count = options->decoder_count,
        .chunk_count = tr_inflate_chunk_count(options->decoder_count)};
    if (tr_inflate_init(&pipeline->inflate, &inflate, &pipeline->memory, err) != TR_OK) {
        return false;
    }
    tr_pipeline_add_actor(pipeline, pipeline->place.spine,
                          &(struct tr_actor){.name = "inflate",
                                             .self = &pipeline->inflate,
                                             .step = tr_inflate_step,
                                             .has_work = tr_inflate_has_work},
                          TR_PIPELINE_ONLY_ONE);
    return true;
}

static bool make_decoder(struct tr_pipeline *pipeline, uint32_t d, struct tr_error *err)
{
    const struct tr_pipeline_options *options = &pipeline->options;
    struct tr_decoder_options decoder = options->decoder;
    char name[24];

    (void)snprintf(name, sizeof(name), "decoder-%u", d);
    decoder.index = d;
    decoder.units_in_flight = options->units_in_flight;
    decoder.units = &pipeline->sequencer_decoder[d];
    decoder.decoded = &pipeline->decoder_collector[d];
    decoder.empty = &pipeline->collector_decoder[d];
    decoder.chunks_to_ingest = &pipeline->decoder_ingest[d];
    decoder.chunks_to_inflate = &pipeline->decoder_inflate[d];
    decoder.collector_bell = tr_pipeline_bell(pipeline->place.spine);
    decoder.ingest_bell = tr_pipeline_bell(pipeline->place.ingest);
    decoder.inflate_bell = tr_pipeline_bell(pipeline->place.spine);
    decoder.metrics = tr_metrics_add_block(options->metrics, name);
    decoder.fault = pipeline->options.fault;
    if (tr_decoder_init(&pipeline->decoders[d], &decoder, err) != TR_OK) {
        return false;
    }
    tr_decoder_add_memory(&decoder, &pipeline->memory);
    tr_pipeline_add_actor(pipeline, pipeline->place.decoder[d],
                          &(struct tr_actor){.name = "decoder",
                                             .self = &pipeline->decoders[d],
                                             .step = tr_decoder_step,
                                             .has_work = tr_decoder_has_work},
                          d);
    return true;
}

static void make_collector(struct tr_pipeline *pipeline)
{
    const struct tr_pipeline_options *options = &pipeline->options;
    struct tr_collector_options collector = {
        .manifest = &pipeline->sequencer_manifest,
        .units = &pipeline->collector_units,
        .units_bell = tr_pipeline_bell(pipeline->place.spine),
        .positions_bell = tr_pipeline_bell(pipeline->place.service),
        .decoder_count = options->decoder_count,
        .shipper_count = options->shipper_count,
        .streams = options->streams,
        .progress = &pipeline->progress,
        .metrics = tr_metrics_add_block(options->metrics, "collector"),
        .sink = options->sink,
        .sink_self = options->sink_self};
    if (options->coordinator.store != NULL) {
        collector.positions = &pipeline->collector_positions;
    }
    for (uint32_t d = 0; d < options->decoder_count; d++) {
        collector.decoders[d].decoded = &pipeline->decoder_collector[d];
        collector.decoders[d].empty = &pipeline->collector_decoder[d];
        collector.decoders[d].bell = tr_pipeline_bell(pipeline->place.decoder[d]);
    }
    for (uint32_t s = 0; s < options->shipper_count; s++) {
        collector.shippers[s].buckets = &pipeline->collector_shipper[s];
        collector.shippers[s].returns = &pipeline->shipper_collector[s];
        collector.shippers[s].bell = tr_pipeline_bell(pipeline->place.shipper[s]);
    }
    tr_collector_init(&pipeline->collector, &collector);
    tr_pipeline_add_actor(pipeline, pipeline->place.spine,
                          &(struct tr_actor){.name = "collector",
                                             .self = &pipeline->collector,
                                             .step = tr_collector_step,
                                             .has_work = tr_collector_has_work},
                          TR_PIPELINE_ONLY_ONE);
}

static bool make_shipper(struct tr_pipeline *pipeline, uint32_t s, struct tr_error *err)
{
    const struct tr_pipeline_options *options = &pipeline->options;
    struct tr_shipper_options shipper = options->shipper;
    struct tr_runner *runner = pipeline->place.shipper[s];
    char name[24];

    (void)snprintf(name, sizeof(name), "shipper-%u", s);
    shipper.slot_count = shipper.slot_count == 0 ? TR_PIPELINE_SLOTS_DEFAULT : shipper.slot_count;
    if (options->open_transport(options->open_transport_self, s,
                                runner == NULL ? NULL : runner->reactor, shipper.slot_count + 1,
                                &pipeline->transports[s], err) != TR_OK) {
        return false;
    }
    shipper.index = s;
    shipper.shipper_count = options->shipper_count;
    shipper.buckets = &pipeline->collector_shipper[s];
    shipper.returns = &pipeline->shipper_collector[s];
    shipper.returns_bell = tr_pipeline_bell(pipeline->place.spine);
    shipper.acked_bell = tr_pipeline_bell(pipeline->place.service);
    shipper.buckets_max = (uint32_t)tr_pipeline_bucket_slots(options);
    shipper.streams = options->streams;
    shipper.progress = &pipeline->progress;
    shipper.fault = pipeline->options.fault;
    shipper.transport = &pipeline->transports[s];
    shipper.clock = options->clock;
    shipper.metrics = options->metrics;
    shipper.actor_metrics = tr_metrics_add_block(options->metrics, name);
    shipper.seed = options->seed + s + 1;
    if (tr_shipper_open(&pipeline->shippers[s], &shipper, &pipeline->memory, err) != TR_OK) {
        return false;
    }
    tr_pipeline_add_actor(pipeline, runner,
                          &(struct tr_actor){.name = "shipper",
                                             .self = pipeline->shippers[s],
                                             .step = tr_shipper_step,
                                             .has_work = tr_shipper_has_work},
                          s);
    return true;
}

static bool make_coordinator(struct tr_pipeline *pipeline, struct tr_error *err)
{
    const struct tr_pipeline_options *options = &pipeline->options;
    struct tr_coordinator_options coordinator = options->coordinator;

    if (coordinator.store == NULL) {
        return true;
    }
    coordinator.positions = &pipeline->collector_positions;
    coordinator.shipper_count = options->shipper_count;
    for (uint32_t s = 0; s < options->shipper_count; s++) {
        coordinator.acked_seq[s] = &pipeline->progress.shippers[s].acked_seq;
    }
    if (options->historian.store != NULL && options->historian.store->is_kept) {
        coordinator.historian = &pipeline->historian;
    }
    if (options->historian.store != NULL) { /* one more that has to be through with a unit */
        coordinator.acked_seq[coordinator.shipper_count++] = &pipeline->progress.history_seq;
    }
    coordinator.sequenced_seq = &pipeline->progress.sequenced_seq;
    coordinator.safe_seq = &pipeline->progress.safe_seq;
    coordinator.safe_log_bytes = &pipeline->progress.safe_log_bytes;
    coordinator.saved_seq = &pipeline->progress.saved_seq;
    coordinator.fault = pipeline->options.fault;
    coordinator.metrics = tr_metrics_add_block(options->metrics, "coordinator");
    if (tr_coordinator_init(&pipeline->coordinator, &coordinator, err) != TR_OK) {
        return false;
    }
    tr_memory_sum_add(&pipeline->memory, "positions", tr_coordinator_memory_bytes());
    tr_pipeline_add_actor(pipeline, pipeline->place.service, &pipeline->coordinator.actor,
                          TR_PIPELINE_ONLY_ONE);
    return true;
}

static void make_historian(struct tr_pipeline *pipeline)
{
    struct tr_historian_options historian = pipeline->options.historian;

    if (historian.store == NULL) {
        return;
    }
    historian.entries = &pipeline->sequencer_history;
    historian.sequenced_seq = &pipeline->progress.sequenced_seq;
    historian.history_seq = &pipeline->progress.history_seq;
    historian.history_bytes = &pipeline->progress.history_bytes;
    historian.coordinator_bell = tr_pipeline_bell(pipeline->place.service);
    historian.fault = pipeline->options.fault;
    historian.metrics = tr_metrics_add_block(pipeline->options.metrics, "historian");
    tr_historian_init(&pipeline->historian, &historian);
    tr_memory_sum_add(&pipeline->memory, "history documents (resident only when used)",
                      TR_HISTORY_BYTES_MAX);
    tr_pipeline_add_actor(pipeline, pipeline->place.service, &pipeline->historian.actor,
                          TR_PIPELINE_ONLY_ONE);
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static bool make_actors(struct tr_pipeline *pipeline, struct tr_error *err)
{
    if (!make_ingest(pipeline, err) || !make_sequencer(pipeline, err) ||
        !make_inflate(pipeline, err)) {
        return false;
    }
    for (uint32_t d = 0; d < pipeline->options.decoder_count; d++) {
        if (!make_decoder(pipeline, d, err)) {
            return false;
        }
    }
    make_collector(pipeline);
    for (uint32_t s = 0; s < pipeline->options.shipper_count; s++) {
        if (!make_shipper(pipeline, s, err)) {
            return false;
        }
    }
    make_historian(pipeline);
    return make_coordinator(pipeline, err);
}

enum tr_code tr_pipeline_init(struct tr_pipeline *pipeline,
                              const struct tr_pipeline_options *options, struct tr_error *err)
{
    TR_ASSERT(options->decoder_count >= 1 && options->decoder_count <= TR_DECODERS_MAX);
    TR_ASSERT(options->shipper_count <= TR_SHIPPERS_MAX);
    memset(pipeline, 0, sizeof(*pipeline));
    pipeline->options = *options;
    if (pipeline->options.units_in_flight == 0) {
        pipeline->options.units_in_flight = UNITS_IN_FLIGHT_DEFAULT;
    }
    if (pipeline->options.chunk_count == 0) {
        pipeline->options.chunk_count = tr_ingest_chunk_count(options->decoder_count);
    }
    if (!tr_pipeline_make_rings(pipeline, err) || !tr_pipeline_place(pipeline, err) ||
        !make_actors(pipeline, err)) {
        tr_pipeline_deinit(pipeline);
        return err->code;
    }
    return TR_OK;
}

void tr_pipeline_deinit(struct tr_pipeline *pipeline)
{
    TR_ASSERT(!pipeline->started);
    for (uint32_t s = 0; s < TR_SHIPPERS_MAX; s++) {
        tr_shipper_close(pipeline->shippers[s]);
        if (pipeline->transports[s].close != NULL) {
            pipeline->transports[s].close(pipeline->transports[s].self);
        }
        tr_ring_deinit(&pipeline->collector_shipper[s]);
        tr_ring_deinit(&pipeline->shipper_collector[s]);
    }
    tr_coordinator_deinit(&pipeline->coordinator);
    tr_historian_deinit(&pipeline->historian);
    for (uint32_t d = 0; d < TR_DECODERS_MAX; d++) {
        tr_decoder_deinit(&pipeline->decoders[d]);
        tr_ring_deinit(&pipeline->sequencer_decoder[d]);
        tr_ring_deinit(&pipeline->decoder_collector[d]);
        tr_ring_deinit(&pipeline->collector_decoder[d]);
        tr_ring_deinit(&pipeline->decoder_ingest[d]);
        tr_ring_deinit(&pipeline->decoder_inflate[d]);
    }
    tr_inflate_deinit(&pipeline->inflate);
    tr_sequencer_deinit(&pipeline->sequencer);
    tr_ingest_deinit(&pipeline->ingest);
    for (uint32_t i = 0; i < TR_PIPELINE_RUNNERS_MAX; i++) {
        tr_runner_deinit(&pipeline->runners[i]);
        tr_reactor_close(pipeline->reactors[i]);
    }
    tr_ring_deinit(&pipeline->ingest_sequencer);
    tr_ring_deinit(&pipeline->sequencer_ingest);
    tr_ring_deinit(&pipeline->sequencer_inflate);
    tr_ring_deinit(&pipeline->inflate_sequencer);
    tr_ring_deinit(&pipeline->sequencer_manifest);
    tr_ring_deinit(&pipeline->collector_units);
    tr_ring_deinit(&pipeline->collector_positions);
    tr_ring_deinit(&pipeline->sequencer_history);
    /* As if never made: a failed init comes here, and its caller's own clean-up again. */
    memset(pipeline, 0, sizeof(*pipeline));
}

enum tr_code tr_pipeline_start(struct tr_pipeline *pipeline, struct tr_error *err)
{
    pipeline->started = true;
    for (uint32_t i = 0; i < pipeline->runner_count; i++) {
        if (tr_runner_start(&pipeline->runners[i], err) != TR_OK) {
            tr_pipeline_stop(pipeline);
            return err->code;
        }
    }
    return TR_OK;
}

uint32_t tr_pipeline_step(struct tr_pipeline *pipeline, int64_t now_ns)
{
    uint32_t work = 0;
    TR_ASSERT(pipeline->options.plan == TR_PLAN_SINGLE);
    for (uint32_t i = 0; i < pipeline->actor_count; i++) {
        work += pipeline->actors[i].step(pipeline->actors[i].self, now_ns);
    }
    return work;
}

void tr_pipeline_begin_stop(struct tr_pipeline *pipeline)
{
    tr_ingest_stop(&pipeline->ingest);
    if (pipeline->place.ingest != NULL) {
        tr_doorbell_ring(&pipeline->place.ingest->bell);
    }
}

uint64_t tr_pipeline_queued_count(const struct tr_pipeline *pipeline)
{
    uint64_t count = 0;
    for (uint32_t s = 0; s < pipeline->options.shipper_count; s++) {
        count += tr_shipper_queued_count(pipeline->shippers[s]);
    }
    return count;
}

bool tr_pipeline_is_drained(const struct tr_pipeline *pipeline)
{
    const struct tr_progress *progress = &pipeline->progress;
    /* First: once the collector has ended routed_seq stays as it is. */
    bool is_acked = tr_collector_is_ended(&pipeline->collector);
    /* Acquire, pairs with the collector's release. */
    const uint64_t routed_seq = atomic_load_explicit(&progress->routed_seq, memory_order_acquire);

    /*
     * A shipper with nothing queued is not enough: it may not have published that yet, and what the
     * coordinator saves last goes by what is published.
     */
    for (uint32_t s = 0; is_acked && s < pipeline->options.shipper_count; s++) {
        /* Acquire, pairs with the shipper's release. */
        is_acked = atomic_load_explicit(&progress->shippers[s].acked_seq, memory_order_acquire) >=
                   routed_seq;
    }
    if (pipeline->options.historian.store != NULL) {
        /* Acquire, pairs with the historian's release. */
        is_acked = is_acked &&
                   atomic_load_explicit(&progress->history_seq, memory_order_acquire) >= routed_seq;
    }
    return is_acked;
}

void tr_pipeline_stop(struct tr_pipeline *pipeline)
{
    if (!pipeline->started) {
        return;
    }
    for (uint32_t i = 0; i < pipeline->runner_count; i++) {
        tr_runner_stop(&pipeline->runners[i]);
    }
    for (uint32_t i = 0; i < pipeline->runner_count; i++) {
        tr_runner_join(&pipeline->runners[i]);
    }
    pipeline->started = false;
}
