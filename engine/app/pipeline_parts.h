// SPDX-License-Identifier: Apache-2.0
/*
 * Inside of the pipeline: what its files share. pipeline_rings.c makes the rings,
 * pipeline_threads.c the runners of each plan, pipeline.c the actors and their life.
 */
#ifndef TR_ENGINE_APP_PIPELINE_PARTS_H
#define TR_ENGINE_APP_PIPELINE_PARTS_H

#include "engine/app/pipeline.h"

#define TR_PIPELINE_SLOTS_DEFAULT 8 /* requests at once of one shipper */
#define TR_PIPELINE_ONLY_ONE                                                                       \
    UINT32_MAX /* an actor or runner of which there is one: no number in its name */

/* Units: one open, one at the collector, and per decoder those queued and in work. */
uint32_t tr_pipeline_unit_count(const struct tr_pipeline_options *options);

/* Every fragment of every decoder could be out to one shipper, in as many buckets as it has groups.
 */
uint64_t tr_pipeline_bucket_slots(const struct tr_pipeline_options *options);

/* Takes all rings and adds their term to the memory sum; false with err. */
bool tr_pipeline_make_rings(struct tr_pipeline *pipeline, struct tr_error *err);

/* Makes the plan's runners and fills pipeline->place; false with err. */
bool tr_pipeline_place(struct tr_pipeline *pipeline, struct tr_error *err);

/* A runner's bell; NULL under plan single. */
struct tr_doorbell *tr_pipeline_bell(struct tr_runner *runner);

/* Adds an actor, "name" or "name-number", to its runner (NULL: plan single). */
void tr_pipeline_add_actor(struct tr_pipeline *pipeline, struct tr_runner *runner,
                           const struct tr_actor *actor, uint32_t number);

#endif
