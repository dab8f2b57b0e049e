// SPDX-License-Identifier: Apache-2.0
/*
 * A run that begins with an initial snapshot: in a share of the seeds. Rows are there before it and
 * are written while it is read; it is killed, stopped, broken off in each of its phases. Drawn apart
 * from everything else, so that all other seeds are what they would be without it.
 */
#ifndef TR_TESTS_SIM_SIM_SNAPSHOT_H
#define TR_TESTS_SIM_SIM_SNAPSHOT_H

#include "tests/sim/model_history.h"
#include "tests/sim/model_snapshot.h"
#include "tests/sim/oracle.h"

enum tr_sim_life { TR_SIM_LIFE_GOES_ON = 0, TR_SIM_LIFE_STOPS, TR_SIM_LIFE_IS_KILLED };

struct tr_sim_snapshot {
    bool is_on;
    struct tr_random random;
    struct tr_model_snapshot model;
    uint32_t groups_before; /* committed before the engine is started for the first time */
    uint32_t lives_left;    /* that may still end by design */
    size_t history_at;      /* bytes of history before the cut */
    uint32_t broken_count;
    uint32_t dead_tables; /* a bit each: their streams do not answer, */
    uint32_t dead_steps;  /* for so many steps */
    /* Of this life. */
    bool ends;
    bool ends_in_order;
    bool ends_at_save;   /* killed while the cut is being saved */
    uint32_t end_phase;  /* enum tr_model_snapshot_phase; one more: the end was saved */
    uint32_t steps_left; /* from that phase on, or from the fault */
    bool has_counted;    /* the broken one */
};

/* Draws; with a snapshot the model is there, too. */
void tr_sim_snapshot_init(struct tr_sim_snapshot *snapshot, uint64_t seed, bool is_short,
                          struct tr_model_source *source);
void tr_sim_snapshot_deinit(struct tr_sim_snapshot *snapshot);

/* A new life of the engine; a cut was made in it, false: killed before it is saved; no faults any
 * more. */
void tr_sim_snapshot_begin_life(struct tr_sim_snapshot *snapshot);
bool tr_sim_snapshot_begin(struct tr_sim_snapshot *snapshot, size_t history_bytes);
void tr_sim_snapshot_end_faults(struct tr_sim_snapshot *snapshot);

/* Whether the engine may say so: the snapshot was broken off. */
bool tr_sim_snapshot_is_expected(const struct tr_sim_snapshot *snapshot,
                                 const struct tr_error *fault);

/* The tables whose streams do not answer in the next step. */
uint32_t tr_sim_snapshot_dead_tables(struct tr_sim_snapshot *snapshot);

/* What becomes of this life. */
enum tr_sim_life tr_sim_snapshot_judge(struct tr_sim_snapshot *snapshot,
                                       const struct tr_oracle *oracle,
                                       const struct tr_error *fault);

/* A position was saved: a statement of the snapshot whose document lacks behind its end; or NULL. */
const char *tr_sim_snapshot_on_save(struct tr_sim_snapshot *snapshot,
                                    const struct tr_oracle *oracle,
                                    const struct tr_model_history *history);

/* Appends what happened. */
void tr_sim_snapshot_describe(const struct tr_sim_snapshot *snapshot, char *text, size_t room);

#endif
