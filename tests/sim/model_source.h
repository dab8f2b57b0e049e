// SPDX-License-Identifier: Apache-2.0
/*
 * The simulated server: writes its own log from a seed and sends it like a dump thread, with
 * faults.
 *
 * Tables sim.t0, sim.t1, … (id INT key, n INT, s VARCHAR or TEXT). Every change of a row raises its
 * `n` by one, so `n` tells what a consumer must see in which order. The model remembers every
 * change: that is the truth the run is held against.
 */
#ifndef TR_TESTS_SIM_MODEL_SOURCE_H
#define TR_TESTS_SIM_MODEL_SOURCE_H

#include "stages/source/source_port.h"
#include "tests/support/binlog_writer.h"
#include "tests/support/random.h"

#define TR_MODEL_TABLES_MAX 4
#define TR_MODEL_KEYS_MAX 512
#define TR_MODEL_FILES_MAX 64

struct tr_model_options {
    uint64_t seed;
    enum tr_flavor flavor;
    uint32_t table_count;
    uint32_t key_count;      /* per table */
    uint32_t rows_max;       /* per statement */
    uint32_t statements_max; /* per transaction */
    uint32_t big_transaction_permille;
    uint32_t big_row_permille; /* rows of 100..600 KB: events larger than a chunk */
    uint32_t rotate_permille;  /* per transaction */
    uint32_t delete_permille;  /* per row */
    /* Faults of the link, per read or connect. */
    uint32_t cut_permille;
    uint32_t refuse_permille;
};

/* One change of one row, in commit order. */
struct tr_model_change {
    uint8_t table;
    uint8_t op; /* enum tr_row_op */
    uint16_t key;
    uint32_t n; /* of the after image; of the before image for a delete */
    uint32_t transaction;
};

struct tr_model_transaction {
    uint32_t file;
    uint32_t at; /* offset of its GTID event */
};

struct tr_model_source {
    struct tr_model_options options;
    struct tr_source_port port;
    struct tr_random random;
    struct tr_random link_random; /* faults: apart, so that the log does not depend on them */
    struct tr_binlog_writer files[TR_MODEL_FILES_MAX];
    char file_names[TR_MODEL_FILES_MAX][32];
    uint32_t file_count;
    uint32_t n[TR_MODEL_TABLES_MAX][TR_MODEL_KEYS_MAX];
    bool exists[TR_MODEL_TABLES_MAX][TR_MODEL_KEYS_MAX];
    uint32_t first_gtid_number;
    struct tr_model_transaction *transactions; /* owns */
    uint32_t transaction_count;
    uint32_t transactions_room;
    struct tr_model_change *changes; /* owns */
    uint32_t change_count;
    uint32_t changes_room;
    int64_t now_unix_us;
    /* The link. */
    bool connected;
    bool faults_on;
    uint32_t connect_count;
    uint32_t sent_file;
    size_t sent_at;
    uint8_t packet_number;
    struct tr_buffer pending; /* packets ready to be read */
    size_t pending_at;
};

void tr_model_source_init(struct tr_model_source *source, const struct tr_model_options *options);
void tr_model_source_deinit(struct tr_model_source *source);

/* Commits `count` more transactions. */
void tr_model_source_commit(struct tr_model_source *source, uint32_t count);

/* The wire definition of table `index`, as the log has it. */
struct tr_writer_table tr_model_table(uint32_t index);

#endif
