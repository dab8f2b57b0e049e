// SPDX-License-Identifier: Apache-2.0
/* Binary logs in memory for the decoding cases, cut into chunks as ingest would hand them on. */
#ifndef TR_BENCH_MICRO_LOG_H
#define TR_BENCH_MICRO_LOG_H

#include <stdint.h>

#include "stages/chunk.h"

enum tr_micro_table { TR_MICRO_NARROW, TR_MICRO_WIDE };

struct tr_micro_log_options {
    enum tr_micro_table
        table; /* narrow: 5 columns, about 120 B a row; wide: 60 columns, about 600 B */
    uint32_t rows_per_transaction;
    bool mixed; /* insert, update, delete in turn */
    uint64_t bytes_min;
};

struct tr_micro_log {
    struct tr_chunk **chunks; /* owns: events from the file's start, frame_bytes 0 */
    uint32_t chunk_count;
    uint64_t row_count; /* changes: an update is one */
    uint64_t transaction_count;
    uint64_t bytes;
};

/* Ends the program when memory is out. */
void tr_micro_log_open(struct tr_micro_log *log, const struct tr_micro_log_options *options);
void tr_micro_log_close(struct tr_micro_log *log);

#endif
