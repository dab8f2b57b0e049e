// SPDX-License-Identifier: Apache-2.0
/*
 * The consistent cut: a view of the data, the position of the log and the schema, all of one moment.
 *
 * Three connections: `schema` reads, `lock` holds locks (and connects only when one is needed),
 * `view` keeps the read view. Works on query ports, so that a simulated server can answer. Which
 * procedure when: snapshot.h.
 * @thread main, before the threads start; release: the snapshot port's
 */
#ifndef TR_STAGES_SOURCE_SNAPSHOT_CUT_H
#define TR_STAGES_SOURCE_SNAPSHOT_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "offsets/position.h"
#include "stages/source/query.h"
#include "stages/source/snapshot.h"
#include "stages/source/snapshot_schema.h"

struct tr_snapshot_cut {
    const struct tr_snapshot_options *options; /* borrowed, as everything here */
    const struct tr_query_port *schema;
    const struct tr_query_port *lock;
    const struct tr_query_port *view;
    struct tr_gtid_sources *sources;
    struct tr_saved_position *position; /* its set is open */
    bool is_locked;                     /* `lock` holds a lock */
    uint32_t prepared_count;            /* XA transactions prepared around the cut */
    const char *method;                 /* static: what was done, for the log */
};

/* Makes the cut; the view's transaction stays open, with `extended` the lock too. Errors: tr_snapshot_open's. */
TR_NODISCARD enum tr_code tr_snapshot_cut_make(struct tr_snapshot_cut *cut,
                                               struct tr_snapshot_schema *schema,
                                               struct tr_error *err);

/*
 * Gives the lock back, if one is held, and closes its connection. Errors: TR_ERR_SOURCE_LINK: the connection
 * was lost, and the lock with it, nobody knows when.
 */
TR_NODISCARD enum tr_code tr_snapshot_cut_unlock(struct tr_snapshot_cut *cut, struct tr_error *err);

/* A word on the lock's connection now and then, so that nothing between us and the server forgets it. A lock
 * that is lost is only logged: the view stands. */
void tr_snapshot_cut_keep(struct tr_snapshot_cut *cut);

#endif
