// SPDX-License-Identifier: Apache-2.0
/*
 * Between the pipeline and the judgement (watch.h): reads what the actors publish, asks for the source's log now and then,
 * and sets health.
 * @thread main
 */
#ifndef TR_ENGINE_APP_SUPERVISE_H
#define TR_ENGINE_APP_SUPERVISE_H

#include "engine/app/pipeline.h"
#include "engine/app/source_watch.h"
#include "engine/app/start.h"
#include "engine/app/watch.h"

#define TR_SUPERVISE_BLOCKS 8 /* metric blocks that it registers, at most */

struct tr_supervise {
    const struct tr_config *config; /* borrows */
    const struct tr_start *start;   /* borrows */
    struct tr_pipeline *pipeline;   /* borrows */
    struct tr_health *health;       /* borrows */
    struct tr_watch watch;
    struct tr_source_watch source;
    int64_t next_log_ns;
};

/* Before anything else is known: its metrics say so. */
void tr_supervise_init(struct tr_supervise *supervise, const struct tr_config *config,
                       struct tr_metrics *metrics, struct tr_health *health);

/* Once the pipeline runs. Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_supervise_start(struct tr_supervise *supervise,
                                             const struct tr_start *start,
                                             struct tr_pipeline *pipeline, struct tr_error *err);

/* Looks once; to be called every few milliseconds. */
void tr_supervise_step(struct tr_supervise *supervise, int64_t now_ns);

/* Ends its thread; accepts one that was not started. */
void tr_supervise_stop(struct tr_supervise *supervise);

#endif
