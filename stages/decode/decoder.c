// SPDX-License-Identifier: Apache-2.0
#include "stages/decode/decoder.h"

#include "engine/assert.h"
#include "engine/cover.h"

#define STEP_RAW_BYTES (64u * 1024)
#define FRAGMENT_TAIL_BYTES 64u            /* slack behind the bytes, fragment.h */
#define JUMBO_HEADROOM_BYTES (256u * 1024) /* schema blocks and what a row's reserve keeps free */
#define UNITS_IN_FLIGHT_MAX 64u

static size_t fragment_object_bytes(size_t room_bytes)
{
    return sizeof(struct tr_fragment) + room_bytes + FRAGMENT_TAIL_BYTES;
}

static uint32_t jumbo_room_bytes(uint64_t record_bytes_max)
{
    const uint64_t room = record_bytes_max + record_bytes_max * 2 / 5 + JUMBO_HEADROOM_BYTES;

    TR_ASSERT(room <= UINT32_MAX - TR_FRAGMENT_BYTES); /* places in a fragment have 32 bits */
    return (uint32_t)(room / 64 * 64);
}

uint64_t tr_decoder_decoded_slots(uint32_t units_in_flight, uint32_t units_max)
{
    /* Every fragment, and a message of its own for every unit without one. */
    return tr_decoder_fragment_slots(units_in_flight) + units_max;
}

uint64_t tr_decoder_fragment_slots(uint32_t units_in_flight)
{
    return TR_DECODER_FRAGMENTS(units_in_flight) + TR_DECODER_JUMBOS;
}

/* A fragment's header from scratch: it may be new, home again, or a discarded mapping. */
static void prepare_fragment(const struct tr_decoder *decoder, struct tr_fragment *fragment,
                             uint32_t room_bytes)
{
    fragment->magic = TR_FRAGMENT_MAGIC;
    fragment->decoder = decoder->options.index;
    fragment->room_bytes = room_bytes;
    fragment->jumbo = room_bytes != TR_FRAGMENT_BYTES;
    tr_row_reset_fragment(fragment, decoder->unit->seq);
}

enum tr_code tr_decoder_init(struct tr_decoder *decoder, const struct tr_decoder_options *options,
                             struct tr_error *err)
{
    const uint32_t fragment_count = TR_DECODER_FRAGMENTS(options->units_in_flight);

    TR_ASSERT(options->units_in_flight >= 1);
    TR_ASSERT(options->units_in_flight <= UNITS_IN_FLIGHT_MAX);
    *decoder = (struct tr_decoder){.options = *options};
    if (tr_decode_init(&decoder->decode, options->row_bytes_max, err) != TR_OK ||
        tr_pool_init(&decoder->fragments, "decoder fragments", fragment_count,
                     fragment_object_bytes(TR_FRAGMENT_BYTES), err) != TR_OK) {
        goto fail;
    }
    decoder->jumbo_bytes = fragment_object_bytes(jumbo_room_bytes(options->record_bytes_max));
    for (uint32_t i = 0; i < TR_DECODER_JUMBOS; i++) {
        decoder->jumbos[i] = tr_memory_map(decoder->jumbo_bytes, err);
        if (decoder->jumbos[i] == NULL) {
            goto fail;
        }
        decoder->jumbo_is_free[i] = true;
    }
    return TR_OK;
fail:
    tr_decoder_deinit(decoder);
    return err->code;
}

void tr_decoder_deinit(struct tr_decoder *decoder)
{
    for (uint32_t i = 0; i < TR_DECODER_JUMBOS; i++) {
        if (decoder->jumbos[i] != NULL) {
            tr_memory_unmap(decoder->jumbos[i], decoder->jumbo_bytes);
        }
    }
    tr_pool_deinit(&decoder->fragments);
    tr_decode_deinit(&decoder->decode);
    *decoder = (struct tr_decoder){0};
}

void tr_decoder_add_memory(const struct tr_decoder_options *options, struct tr_memory_sum *sum)
{
    tr_memory_sum_add(sum, "decoder fragments",
                      (uint64_t)TR_DECODER_FRAGMENTS(options->units_in_flight) *
                          fragment_object_bytes(TR_FRAGMENT_BYTES));
    tr_memory_sum_add(sum, "decoder jumbos (resident only when used)",
                      (uint64_t)TR_DECODER_JUMBOS *
                          fragment_object_bytes(jumbo_room_bytes(options->record_bytes_max)));
    tr_memory_sum_add(sum, "decoder pieces (resident only when used)",
                      tr_decode_memory_bytes(options->row_bytes_max));
}

static void ring_bell(struct tr_doorbell *bell)
{
    if (bell != NULL) {
        tr_doorbell_ring(bell);
    }
}

/* Takes home what the collector returned. */
static uint32_t take_empty(struct tr_decoder *decoder)
{
    void *slots;
    uint32_t count = 0;
    uint64_t batch;

    while ((batch = tr_ring_peek(decoder->options.empty, 16, &slots)) !=
           0) { /* bounded: the pool's objects */
        for (uint64_t i = 0; i < batch; i++) {
            struct tr_fragment *fragment = ((struct tr_fragment **)slots)[i];
            TR_CHECK_MAGIC(fragment, TR_FRAGMENT_MAGIC);
            TR_ASSERT(fragment->decoder == decoder->options.index);
            if (!fragment->jumbo) {
                tr_pool_release(&decoder->fragments, fragment);
                continue;
            }
            const uint32_t jumbo = fragment == decoder->jumbos[0] ? 0 : 1;
            TR_ASSERT(fragment == decoder->jumbos[jumbo]);
            TR_ASSERT(!decoder->jumbo_is_free[jumbo]);
            tr_memory_discard(fragment, decoder->jumbo_bytes);
            decoder->jumbo_is_free[jumbo] = true;
        }
        tr_ring_release(decoder->options.empty, batch);
        count += (uint32_t)batch;
    }
    return count;
}

/* The fragment to fill next; NULL when none is free. */
static struct tr_fragment *find_fragment(struct tr_decoder *decoder)
{
    if (decoder->needs_jumbo) {
        for (uint32_t i = 0; decoder->jumbo == NULL && i < TR_DECODER_JUMBOS; i++) {
            if (decoder->jumbo_is_free[i]) {
                decoder->jumbo_is_free[i] = false;
                decoder->jumbo = decoder->jumbos[i];
                prepare_fragment(decoder, decoder->jumbo,
                                 jumbo_room_bytes(decoder->options.record_bytes_max));
            }
        }
        return decoder->jumbo;
    }
    if (decoder->fragment == NULL) {
        decoder->fragment = tr_pool_try_acquire(&decoder->fragments);
        if (decoder->fragment != NULL) {
            prepare_fragment(decoder, decoder->fragment, TR_FRAGMENT_BYTES);
        }
    }
    return decoder->fragment;
}

/* Sends the fragment being filled if it holds records; with `is_last` a message goes out in any
 * case. */
static void send_fragment(struct tr_decoder *decoder, bool is_last)
{
    struct tr_fragment **current = decoder->jumbo != NULL ? &decoder->jumbo : &decoder->fragment;
    const bool is_filled = *current != NULL && (*current)->high_bytes != 0;

    if (!is_filled && !is_last) {
        return;
    }
    struct tr_decoded *decoded = tr_ring_claim_one(decoder->options.decoded);
    *decoded = (struct tr_decoded){.fragment = is_filled ? *current : NULL,
                                   .unit_seq = decoder->unit->seq,
                                   .unit_last = is_last};
    if (is_filled) {
        *current = NULL;
        decoder->needs_jumbo = false;
    }
    if (is_last) {
        decoder->unit = NULL; /* the collector's from the publish on */
    }
    tr_ring_publish(decoder->options.decoded, 1);
    ring_bell(decoder->options.collector_bell);
}

static void send_chunk_home(struct tr_decoder *decoder)
{
    struct tr_chunk *chunk = decoder->unit->chunk;

    if (chunk == NULL || !decoder->unit->chunk_last) {
        return;
    }
    TR_CHECK_MAGIC(chunk, TR_CHUNK_MAGIC);
    decoder->unit->chunk = NULL;
    const bool to_inflate = chunk->home == TR_HOME_INFLATE;
    struct tr_ring *ring =
        to_inflate ? decoder->options.chunks_to_inflate : decoder->options.chunks_to_ingest;
    TR_ASSERT(ring != NULL);
    *(struct tr_chunk **)tr_ring_claim_one(ring) = chunk;
    tr_ring_publish(ring, 1);
    ring_bell(to_inflate ? decoder->options.inflate_bell : decoder->options.ingest_bell);
}

static bool take_unit(struct tr_decoder *decoder)
{
    void *slot;

    if (tr_ring_peek(decoder->options.units, 1, &slot) == 0) {
        return false;
    }
    decoder->unit = *(struct tr_unit **)slot;
    tr_ring_release(decoder->options.units, 1);
    TR_CHECK_MAGIC(decoder->unit, TR_UNIT_MAGIC);
    TR_ASSERT(decoder->unit->decoder == decoder->options.index);
    tr_decode_begin_unit(&decoder->decode, decoder->unit);
    if (decoder->fragment != NULL) {
        tr_row_reset_fragment(decoder->fragment,
                              decoder->unit->seq); /* left empty by the unit before */
    }
    return true;
}

static void count_rows(struct tr_decoder *decoder)
{
    if (decoder->options.metrics != NULL) {
        tr_metric_add(decoder->options.metrics, TR_METRIC_ROWS,
                      decoder->decode.rows_total - decoder->rows_counted);
        tr_metric_add(decoder->options.metrics, TR_METRIC_VALUES_UNAVAILABLE,
                      decoder->decode.partial.unavailable_total - decoder->unavailable_counted);
    }
    decoder->rows_counted = decoder->decode.rows_total;
    decoder->unavailable_counted = decoder->decode.partial.unavailable_total;
}

/* One run of the unit at hand; false when a fragment is missing. */
static bool run_unit(struct tr_decoder *decoder)
{
    switch (
        tr_decode_run(&decoder->decode, find_fragment(decoder), STEP_RAW_BYTES, &decoder->error)) {
    case TR_DECODE_PAUSED:
        return true;
    case TR_DECODE_NEEDS_FRAGMENT:
        if (find_fragment(decoder) == NULL) {
            TR_COVER("decoder.waits_for_fragment");
            return false;
        }
        send_fragment(decoder, false);
        return true;
    case TR_DECODE_NEEDS_JUMBO:
        decoder->needs_jumbo = true;
        return true;
    case TR_DECODE_DONE:
        count_rows(decoder);
        send_chunk_home(decoder);
        send_fragment(decoder, true);
        return true;
    case TR_DECODE_FAILED:
        break;
    }
    TR_COVER("decoder.failed");
    count_rows(decoder);
    send_fragment(decoder, false);
    decoder->is_failed = true;
    if (decoder->options.fault != NULL) {
        tr_fault_raise(decoder->options.fault, &decoder->error);
    }
    return true;
}

uint32_t tr_decoder_step(void *self, int64_t now_ns)
{
    struct tr_decoder *decoder = self;
    uint32_t work = take_empty(decoder);

    (void)now_ns;
    if (decoder->is_failed || (decoder->unit == NULL && !take_unit(decoder))) {
        return work;
    }
    return work + (run_unit(decoder) ? 1u : 0u);
}

bool tr_decoder_has_work(void *self)
{
    struct tr_decoder *decoder = self;

    if (!tr_ring_is_empty(decoder->options.empty)) {
        return true;
    }
    if (decoder->is_failed) {
        return false;
    }
    if (decoder->unit == NULL) {
        return !tr_ring_is_empty(decoder->options.units);
    }
    /* In the middle of a unit: only a missing fragment stops it. */
    if (decoder->needs_jumbo) {
        return decoder->jumbo != NULL || decoder->jumbo_is_free[0] || decoder->jumbo_is_free[1];
    }
    return decoder->fragment != NULL || decoder->fragments.free_count != 0;
}
