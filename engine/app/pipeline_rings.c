// SPDX-License-Identifier: Apache-2.0
#include "engine/app/pipeline_parts.h"

#define POSITIONS_SLOTS 256 /* may be full: the collector waits */

uint32_t tr_pipeline_unit_count(const struct tr_pipeline_options *options)
{
    return tr_sequencer_unit_count(options->decoder_count, options->units_in_flight);
}

static bool make_ring(struct tr_pipeline *pipeline, struct tr_ring *ring, uint64_t slots,
                      size_t slot_bytes, struct tr_error *err)
{
    tr_memory_sum_add(&pipeline->memory, "rings", tr_ring_memory_bytes(slots, slot_bytes));
    return tr_ring_init(ring, slots, slot_bytes, err) == TR_OK;
}

static bool make_shared_rings(struct tr_pipeline *pipeline, struct tr_error *err)
{
    const struct tr_pipeline_options *options = &pipeline->options;
    const uint64_t units = tr_pipeline_unit_count(options);
    const uint64_t inflate_chunks = tr_inflate_chunk_count(options->decoder_count);
    const size_t pointer = sizeof(void *);

    return make_ring(pipeline, &pipeline->ingest_sequencer, options->chunk_count, pointer, err) &&
           make_ring(pipeline, &pipeline->sequencer_ingest, 2, pointer, err) &&
           make_ring(pipeline, &pipeline->sequencer_inflate, TR_INFLATE_JOBS_MAX,
                     sizeof(struct tr_inflate_job), err) &&
           make_ring(pipeline, &pipeline->inflate_sequencer,
                     inflate_chunks + 2 * TR_INFLATE_JOBS_MAX + 2, sizeof(struct tr_inflate_done),
                     err) &&
           make_ring(pipeline, &pipeline->sequencer_manifest, units,
                     sizeof(struct tr_manifest_entry), err) &&
           make_ring(pipeline, &pipeline->collector_units, units, pointer, err) &&
           make_ring(pipeline, &pipeline->collector_positions, POSITIONS_SLOTS,
                     sizeof(struct tr_unit_position), err) &&
           (options->historian.store == NULL ||
            make_ring(pipeline, &pipeline->sequencer_history, TR_HISTORY_RING_SLOTS,
                      sizeof(struct tr_history_entry), err));
}

static bool make_decoder_rings(struct tr_pipeline *pipeline, uint32_t d, struct tr_error *err)
{
    const struct tr_pipeline_options *options = &pipeline->options;
    const uint32_t units = tr_pipeline_unit_count(options);
    const size_t pointer = sizeof(void *);

    pipeline->ingest_returns[d] = &pipeline->decoder_ingest[d];
    pipeline->inflate_returns[d] = &pipeline->decoder_inflate[d];
    return make_ring(pipeline, &pipeline->sequencer_decoder[d], units, pointer, err) &&
           make_ring(pipeline, &pipeline->decoder_collector[d],
                     tr_decoder_decoded_slots(options->units_in_flight, units),
                     sizeof(struct tr_decoded), err) &&
           make_ring(pipeline, &pipeline->collector_decoder[d],
                     tr_decoder_fragment_slots(options->units_in_flight), pointer, err) &&
           make_ring(pipeline, &pipeline->decoder_ingest[d], options->chunk_count, pointer, err) &&
           make_ring(pipeline, &pipeline->decoder_inflate[d],
                     tr_inflate_chunk_count(options->decoder_count), pointer, err);
}

/* Every fragment of every decoder could be out to one shipper, in as many buckets as it has groups.
 */
uint64_t tr_pipeline_bucket_slots(const struct tr_pipeline_options *options)
{
    return (uint64_t)options->decoder_count * tr_decoder_fragment_slots(options->units_in_flight) *
           TR_FRAGMENT_GROUPS_MAX;
}

bool tr_pipeline_make_rings(struct tr_pipeline *pipeline, struct tr_error *err)
{
    const struct tr_pipeline_options *options = &pipeline->options;
    if (!make_shared_rings(pipeline, err)) {
        return false;
    }
    for (uint32_t d = 0; d < options->decoder_count; d++) {
        if (!make_decoder_rings(pipeline, d, err)) {
            return false;
        }
    }
    for (uint32_t s = 0; s < options->shipper_count; s++) {
        if (!make_ring(pipeline, &pipeline->collector_shipper[s], tr_pipeline_bucket_slots(options),
                       sizeof(struct tr_bucket), err) ||
            !make_ring(pipeline, &pipeline->shipper_collector[s], tr_pipeline_bucket_slots(options),
                       sizeof(struct tr_bucket_return), err)) {
            return false;
        }
    }
    return true;
}
