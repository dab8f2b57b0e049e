// SPDX-License-Identifier: Apache-2.0
/*
 * Decode + encode on one core, in memory: rows events of a hand-made table, their checksums
 * included, to records.
 *
 * No server, no rings: chunks are prepared once and decoded again and again by stages/decode's core
 * into two fragments.
 */
#ifndef TR_BENCH_MICRO_DECODE_H
#define TR_BENCH_MICRO_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

enum tr_micro_shape {
    TR_MICRO_SINGLE =
        0,         /* one-row transactions (GTID, BEGIN, TABLE_MAP, WRITE, XID) of five columns */
    TR_MICRO_BULK, /* the same rows, as many as an 8 KiB event takes */
    TR_MICRO_WIDE, /* rows of 60 columns, likewise */
    TR_MICRO_MIX,  /* one-row inserts, updates, deletes of five columns in turn */
    TR_MICRO_SHAPE_COUNT
};

struct tr_micro_decode {
    uint64_t row_count;
    uint64_t raw_bytes; /* of all events, CRC included */
    uint64_t record_count;
    uint64_t record_bytes; /* keys and values */
    int64_t cpu_ns;        /* of this thread */
};

const char *tr_micro_shape_name(enum tr_micro_shape shape);

/* Runs for about `cpu_ns_min` of CPU time. `schemas`: with Debezium's schema blocks. Errors:
 * TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_micro_decode_run(enum tr_micro_shape shape, bool schemas,
                                              int64_t cpu_ns_min, struct tr_micro_decode *result,
                                              struct tr_error *err);

#endif
