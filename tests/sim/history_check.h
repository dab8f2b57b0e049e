// SPDX-License-Identifier: Apache-2.0
/*
 * The schema history of a run: that it has what every saved position needs, and faults of its file at a
 * restart: documents cut off its end or its middle, a text that was edited, all of it gone. What lies
 * in front of a saved position is sealed with it: the engine must refuse such a history by name, and begin
 * again with the one from the backup. Behind it documents may be lost, their statements come again; that
 * one is edited there nobody can tell.
 */
#ifndef TR_TESTS_SIM_HISTORY_CHECK_H
#define TR_TESTS_SIM_HISTORY_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "offsets/history_seal.h"
#include "tests/sim/model_history.h"
#include "tests/sim/model_log.h"

struct tr_history_check {
    const struct tr_model_log *log;   /* borrowed */
    struct tr_model_history *history; /* borrowed */
    uint32_t safe_effects;            /* of the log's: their documents were found, */
    size_t safe_bytes;                /* up to here */
    struct tr_buffer backup;          /* of before the damage; empty: there is none */
    uint64_t backup_count;
};

/* Whether the documents of all statements before the position are stored, in their order; else `missed`
 * is the first that is not. */
bool tr_history_check_covers(struct tr_history_check *check,
                             const struct tr_saved_position *position,
                             const struct tr_model_effect **missed);

/* Damages the history; false: it has no document. `is_sealed`: some of what the seal has is not there any more. */
bool tr_history_check_damage(struct tr_history_check *check, struct tr_random *random,
                             const struct tr_history_seal *seal, bool *is_sealed);
/* Puts the backup in its place. */
void tr_history_check_restore(struct tr_history_check *check);

void tr_history_check_deinit(struct tr_history_check *check);

#endif
