// SPDX-License-Identifier: Apache-2.0
/*
 * The simulated offset store: the store port over two texts, with failures from a seed: a save that
 * is refused, one whose reply is lost (it may have happened), a slow one. What it holds survives
 * kills of the engine.
 */
#ifndef TR_TESTS_SIM_MODEL_STORE_H
#define TR_TESTS_SIM_MODEL_STORE_H

#include "offsets/store.h"
#include "tests/support/binlog_writer.h"
#include "tests/support/random.h"

struct tr_model_store {
    struct tr_store port;
    struct tr_random random;
    uint32_t fault_permille;
    bool faults_on;
    struct tr_buffer value;
    struct tr_buffer identity;
    bool pending;
    bool is_save;
    struct tr_span new_value; /* borrowed from the coordinator until the command is done */
    struct tr_span new_identity;
    int64_t done_ns;
    uint64_t save_count;
    void (*on_save)(void *self); /* `value` is what is stored now; NULL = nobody looks */
    void *on_save_self;
};

void tr_model_store_init(struct tr_model_store *store, uint64_t seed, uint32_t fault_permille);
void tr_model_store_deinit(struct tr_model_store *store);

/* The process was killed: a save under way happens now or never. */
void tr_model_store_kill(struct tr_model_store *store);

#endif
