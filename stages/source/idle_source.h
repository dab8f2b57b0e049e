// SPDX-License-Identifier: Apache-2.0
/*
 * A source port that has nothing to say and never ends: `snapshot.mode=initial_only` behind its
 * snapshot.
 */
#ifndef TR_STAGES_SOURCE_IDLE_SOURCE_H
#define TR_STAGES_SOURCE_IDLE_SOURCE_H

#include "stages/source/source_port.h"

struct tr_idle_source {
    struct tr_source_port port; /* self is this object: it must not move */
    int wake_fd;                /* owns */
};

/* Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_idle_source_init(struct tr_idle_source *source, struct tr_error *err);

/* Accepts one whose port has no self (zeroed). */
void tr_idle_source_deinit(struct tr_idle_source *source);

#endif
