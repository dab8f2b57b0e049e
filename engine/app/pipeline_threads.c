// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "engine/app/pipeline_parts.h"
#include "engine/assert.h"
#include "stages/ship/transport_curl.h"

#define REACTOR_TIMERS 64
#define REACTOR_FDS_SPARE 16 /* the bell, and what a library opens beside its connections */

/* "decoder-3"; without a number where there is only one. */
static void write_name(char *out, const char *name, uint32_t number)
{
    if (number == TR_PIPELINE_ONLY_ONE) {
        (void)snprintf(out, TR_PIPELINE_NAME_BYTES, "%s", name);
    } else {
        (void)snprintf(out, TR_PIPELINE_NAME_BYTES, "%s-%u", name, number);
    }
}

/* Adds a runner; NULL with err when it cannot be made. */
static struct tr_runner *add_runner(struct tr_pipeline *pipeline, const char *name, uint32_t number,
                                    uint32_t shippers_on_it, struct tr_error *err)
{
    const uint32_t index = pipeline->runner_count;
    struct tr_reactor *reactor = NULL;

    TR_ASSERT(index < TR_PIPELINE_RUNNERS_MAX);
    write_name(pipeline->runner_names[index], name, number);
    if (shippers_on_it > 0) {
        const uint32_t fds = shippers_on_it * TR_TRANSPORT_FDS_MAX(TR_PIPELINE_SLOTS_DEFAULT + 1) +
                             REACTOR_FDS_SPARE;
        if (tr_reactor_open(&pipeline->reactors[index], pipeline->options.reactor_engine, fds,
                            REACTOR_TIMERS, err) != TR_OK) {
            return NULL;
        }
        reactor = pipeline->reactors[index];
    }
    if (tr_runner_init(&pipeline->runners[index], pipeline->runner_names[index], reactor, err) !=
        TR_OK) {
        return NULL;
    }
    pipeline->runner_count++;
    return &pipeline->runners[index];
}

static bool place_compact(struct tr_pipeline *pipeline, struct tr_error *err)
{
    struct tr_runner *rest = add_runner(pipeline, "pipeline", TR_PIPELINE_ONLY_ONE,
                                        pipeline->options.shipper_count, err);
    pipeline->place.spine = rest;
    for (uint32_t d = 0; d < pipeline->options.decoder_count; d++) {
        pipeline->place.decoder[d] = rest;
    }
    for (uint32_t s = 0; s < pipeline->options.shipper_count; s++) {
        pipeline->place.shipper[s] = rest;
    }
    return rest != NULL;
}

static bool place_spread(struct tr_pipeline *pipeline, struct tr_error *err)
{
    pipeline->place.spine = add_runner(pipeline, "spine", TR_PIPELINE_ONLY_ONE, 0, err);
    bool made = pipeline->place.spine != NULL;
    for (uint32_t d = 0; made && d < pipeline->options.decoder_count; d++) {
        pipeline->place.decoder[d] = add_runner(pipeline, "decoder", d, 0, err);
        made = pipeline->place.decoder[d] != NULL;
    }
    for (uint32_t s = 0; made && s < pipeline->options.shipper_count; s++) {
        pipeline->place.shipper[s] = add_runner(pipeline, "shipper", s, 1, err);
        made = pipeline->place.shipper[s] != NULL;
    }
    return made;
}

/* The service runner has the caller's reactor: the store waits on it. */
static bool place_service(struct tr_pipeline *pipeline, struct tr_error *err)
{
    const uint32_t index = pipeline->runner_count;
    if (tr_runner_init(&pipeline->runners[index], "service", pipeline->options.service_reactor,
                       err) != TR_OK) {
        return false;
    }
    pipeline->runner_count++;
    pipeline->place.service = &pipeline->runners[index];
    return true;
}

bool tr_pipeline_place(struct tr_pipeline *pipeline, struct tr_error *err)
{
    switch (pipeline->options.plan) {
    case TR_PLAN_SINGLE:
        return true;
    case TR_PLAN_COMPACT:
    case TR_PLAN_SPREAD:
        break;
    }
    pipeline->place.ingest = add_runner(pipeline, "ingest", TR_PIPELINE_ONLY_ONE, 0, err);
    return pipeline->place.ingest != NULL && place_service(pipeline, err) &&
           (pipeline->options.plan == TR_PLAN_COMPACT ? place_compact(pipeline, err)
                                                      : place_spread(pipeline, err));
}

struct tr_doorbell *tr_pipeline_bell(struct tr_runner *runner)
{
    return runner == NULL ? NULL : &runner->bell;
}

void tr_pipeline_add_actor(struct tr_pipeline *pipeline, struct tr_runner *runner,
                           const struct tr_actor *actor, uint32_t number)
{
    const uint32_t index = pipeline->actor_count++;
    TR_ASSERT(index < TR_PIPELINE_ACTORS_MAX);
    pipeline->actors[index] = *actor;
    write_name(pipeline->actor_names[index], actor->name, number);
    pipeline->actors[index].name = pipeline->actor_names[index];
    if (runner != NULL) {
        tr_runner_add(runner, &pipeline->actors[index]);
    }
}
