// SPDX-License-Identifier: Apache-2.0
/*
 * A decoder: units in, fragments of encoded records out, both in order.
 *
 *   units ----> decode, row by row ----> decoded          (fragments of the own pool; the last
 * message says unit_last)
 *                                         |
 *   empty <--- collector <--- shippers <--+
 *   chunks of finished units ----> ingest, inflate
 *
 * It stops in the middle of a unit when no fragment is free and goes on where it stood. A row
 * larger than a fragment takes one of two jumbos. After an error it has sent everything before the
 * bad row, has raised the fault, and does no more.
 *
 * @thread init, deinit: before and after the runner; step, has_work: the runner
 */
#ifndef TR_STAGES_DECODE_DECODER_H
#define TR_STAGES_DECODE_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/doorbell.h"
#include "engine/fault.h"
#include "engine/metrics.h"
#include "engine/pool.h"
#include "engine/ring.h"
#include "stages/decode/decode.h"

#define TR_DECODER_JUMBOS 2 /* one at the shipper, one being filled */

/*
 * Fragments of one decoder: one being filled, and for every unit in flight behind it what a unit
 * makes at most (a unit is closed at an estimate: one fragment more for what the estimate missed).
 */
#define TR_DECODER_FRAGMENTS(units_in_flight)                                                      \
    (1u + (units_in_flight) * (TR_UNIT_OUTPUT_BYTES_MAX / TR_FRAGMENT_BYTES + 1u))

/* All borrowed until deinit; bells may be NULL (plan `single`). */
struct tr_decoder_options {
    uint32_t index;            /* d */
    uint32_t units_in_flight;  /* decides the pool, see above; 1..64 */
    uint64_t row_bytes_max;    /* tailrace.row.max.bytes */
    uint64_t record_bytes_max; /* sink's record limit: a jumbo is 1.4 times as large */
    struct tr_ring *units;     /* struct tr_unit *, from the sequencer */
    struct tr_ring *decoded;   /* struct tr_decoded, to the collector: tr_decoder_decoded_slots() */
    struct tr_ring
        *empty; /* struct tr_fragment *, from the collector: tr_decoder_fragment_slots() */
    struct tr_ring *chunks_to_ingest;  /* struct tr_chunk * */
    struct tr_ring *chunks_to_inflate; /* struct tr_chunk *; NULL where nothing is inflated */
    struct tr_doorbell *collector_bell;
    struct tr_doorbell *ingest_bell;
    struct tr_doorbell *inflate_bell;
    struct tr_metric_block *metrics; /* the decoder's own block */
    struct tr_fault *fault;
};

struct tr_decoder {
    struct tr_decoder_options options;
    struct tr_decode decode;
    struct tr_pool fragments;
    struct tr_fragment *jumbos[TR_DECODER_JUMBOS]; /* owns, mapped */
    size_t jumbo_bytes;                            /* of each mapping */
    bool jumbo_is_free[TR_DECODER_JUMBOS];
    struct tr_unit *unit;         /* travels: the unit being decoded */
    struct tr_fragment *fragment; /* being filled; NULL: none at hand */
    struct tr_fragment *jumbo;    /* likewise, when the next row needs one */
    bool needs_jumbo;
    bool is_failed;
    uint64_t rows_counted;        /* rows of decode.rows_total that the metric has */
    uint64_t unavailable_counted; /* likewise of decode.partial.unavailable_total */
    struct tr_error error;
};

/* Slots that the rings need so that they are never full. `units_max`: unit descriptors of the
 * sequencer. */
uint64_t tr_decoder_decoded_slots(uint32_t units_in_flight, uint32_t units_max);
uint64_t tr_decoder_fragment_slots(uint32_t units_in_flight);

/* Errors: TR_ERR_SYSTEM when memory is refused. */
TR_NODISCARD enum tr_code tr_decoder_init(struct tr_decoder *decoder,
                                          const struct tr_decoder_options *options,
                                          struct tr_error *err);

/* Accepts a zeroed one. */
void tr_decoder_deinit(struct tr_decoder *decoder);

/* Adds the decoder's terms: fragments, jumbos, piece buffer. */
void tr_decoder_add_memory(const struct tr_decoder_options *options, struct tr_memory_sum *sum);

/* At most one fragment or 64 KiB of raw rows; returns items of work done. */
uint32_t tr_decoder_step(void *self, int64_t now_ns);

/* Whether there is something to do: a unit, or a fragment that was waited for. */
bool tr_decoder_has_work(void *self);

#endif
