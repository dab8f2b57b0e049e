// SPDX-License-Identifier: Apache-2.0
/* One run's state, and what sim_run.c (what a seed decides, the phases of a run) takes from sim_lives.c
 * (the lives of the engine, one after the other). */
#ifndef TR_TESTS_SIM_SIM_PARTS_H
#define TR_TESTS_SIM_SIM_PARTS_H

#include "tests/sim/history_check.h"
#include "tests/sim/model_history.h"
#include "tests/sim/model_kinesis.h"
#include "tests/sim/model_source.h"
#include "tests/sim/model_store.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim_engine.h"
#include "tests/sim/sim_run.h"
#include "tests/sim/sim_snapshot.h"

#define SIM_STEPS_MAX 400000 /* a phase in which so many bring nothing new has come to a stop */

struct sim {
    struct tr_sim_options options;
    struct tr_random random;
    int64_t now_ns;
    struct tr_clock clock;
    struct tr_model_options model;
    struct tr_model_kinesis_options sink;
    struct tr_sim_engine_options make;
    uint32_t transaction_goal;
    uint32_t kill_permyriad; /* per step */
    uint32_t dead_groups;    /* committed while one stream is dead; 0 = none dies */
    struct tr_model_source source;
    struct tr_model_kinesis kinesis;
    struct tr_model_store store;
    struct tr_model_history history;
    struct tr_history_check history_check;
    uint32_t first_group;          /* of the log, that the engine reads */
    uint32_t append_kill_permille; /* per batch of documents */
    bool has_appended;             /* one, and is to be killed for it */
    uint32_t damage_permille;      /* of the history, per kill */
    struct tr_sim_snapshot snapshot;
    struct tr_oracle oracle;
    struct tr_sim_engine engine;
    uint32_t kill_count;
    uint32_t refused_count; /* histories */
    uint64_t step_count;
    uint64_t busy_step_count; /* up to the moment when everything had arrived */
    char failure[1100];
};

/* Takes note of the run's first failure. */
void sim_fail(struct sim *sim, const char *what, const char *detail);

/* The engine's callbacks: it has made a cut; its position was saved. */
bool sim_on_cut(void *self);
void sim_on_save(void *self);

/* Begin a life, end one anywhere, take a step, stop in order: false with the failure set. */
bool sim_open(struct sim *sim);
bool sim_kill_and_restart(struct sim *sim);
bool sim_step(struct sim *sim);
bool sim_stop(struct sim *sim);

#endif
