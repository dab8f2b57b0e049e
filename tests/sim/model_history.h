// SPDX-License-Identifier: Apache-2.0
/*
 * The simulated schema history: the history port over one text of lines, with failures from a seed: an
 * append that is refused, of which only the first documents are stored, whose reply is lost; a slow
 * one; a load that is broken off. What it holds survives kills of the engine.
 */
#ifndef TR_TESTS_SIM_MODEL_HISTORY_H
#define TR_TESTS_SIM_MODEL_HISTORY_H

#include "offsets/history_store.h"
#include "tests/support/binlog_writer.h"
#include "tests/support/random.h"

enum tr_model_history_command {
    TR_MODEL_HISTORY_IDLE = 0,
    TR_MODEL_HISTORY_LOAD,
    TR_MODEL_HISTORY_APPEND,
};

struct tr_model_history {
    struct tr_history_store port;
    struct tr_random random;
    uint32_t fault_permille;
    bool faults_on;
    struct tr_buffer text;   /* each document and a line end */
    uint64_t document_count; /* in it, those of a broken append included */
    uint64_t append_count;   /* batches reported DONE */
    enum tr_model_history_command command;
    int64_t done_ns;
    bool is_loaded; /* by this instance of the engine: before that it may not append */
    tr_history_on_document *on_document;
    void *document_self;
    size_t given_bytes;            /* of the text, by a load that was broken off */
    size_t whole_bytes;            /* of the text, before the batch that is being appended */
    uint64_t whole_count;          /* its documents */
    struct tr_span *batch;         /* borrows the texts until the command is done; owns the array */
    uint32_t batch_count;          /* 0 = no batch under way or broken */
    void (*on_append)(void *self); /* a batch is reported stored; NULL = nobody looks */
    void *on_append_self;
};

void tr_model_history_init(struct tr_model_history *history, uint64_t seed,
                           uint32_t fault_permille);
void tr_model_history_deinit(struct tr_model_history *history);

/* The process was killed: of an append under way any number of the first documents is stored. */
void tr_model_history_kill(struct tr_model_history *history);

#endif
