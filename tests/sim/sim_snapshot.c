// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_snapshot.h"

#include <stdio.h>

#include "engine/cover.h"
#include "tests/sim/sim_draw.h"

#define SNAPSHOT_PERMILLE 280 /* of the seeds */
#define LIVES_MAX 6           /* that end by design */
#define END_SAVED (TR_MODEL_SNAPSHOT_LOG + 1)
#define STEPS_AFTER_FAULT_MAX 300
#define DEAD_STEPS_MAX 1500

void tr_sim_snapshot_init(struct tr_sim_snapshot *snapshot, uint64_t seed, bool is_short,
                          struct tr_model_source *source)
{
    struct tr_random *random = &snapshot->random;
    *snapshot = (struct tr_sim_snapshot){.random = {seed ^ 0x5A45B07}};
    random->state = tr_random_next(random);
    snapshot->is_on = tr_random_chance(random, SNAPSHOT_PERMILLE);
    if (!snapshot->is_on) {
        return;
    }
    const bool is_large = source->log.options.big_row_permille > 20;
    snapshot->groups_before = tr_random_below(random, is_short || is_large ? 8 : 60);
    snapshot->lives_left = is_short ? 0 : tr_random_below(random, LIVES_MAX);
    if (!is_short && tr_random_chance(random, 150)) {
        snapshot->dead_tables = 1u << tr_random_below(random, source->log.options.table_count);
        snapshot->dead_steps = tr_random_below(random, DEAD_STEPS_MAX);
    }
    const struct tr_model_snapshot_options options = {
        .seed = tr_random_next(random),
        .break_permille = is_short ? 0 : tr_sim_maybe(random, 700, 600),
        .late_permille = tr_sim_maybe(random, 400, 1000)};
    tr_model_snapshot_init(&snapshot->model, &options, source);
}

void tr_sim_snapshot_deinit(struct tr_sim_snapshot *snapshot)
{
    if (snapshot->is_on) {
        tr_model_snapshot_deinit(&snapshot->model);
    }
}

void tr_sim_snapshot_begin_life(struct tr_sim_snapshot *snapshot)
{
    snapshot->ends = false;
    snapshot->ends_at_save = false;
    snapshot->has_counted = false;
    if (snapshot->is_on) {
        tr_model_snapshot_close(&snapshot->model);
    }
}

bool tr_sim_snapshot_begin(struct tr_sim_snapshot *snapshot, size_t history_bytes)
{
    struct tr_random *random = &snapshot->random;

    snapshot->history_at = history_bytes;
    snapshot->ends = snapshot->lives_left > 0;
    snapshot->ends_at_save = snapshot->ends && tr_random_chance(random, 100);
    if (!snapshot->ends) {
        return true;
    }
    snapshot->lives_left--;
    if (snapshot->ends_at_save) {
        TR_COVER("sim.snapshot_killed_at_first_save");
        return false;
    }
    snapshot->ends_in_order = tr_random_chance(random, 250);
    snapshot->end_phase = tr_random_below(random, END_SAVED + 1);
    snapshot->steps_left = tr_random_below(random, tr_random_chance(random, 500) ? 3 : 60);
    return true;
}

void tr_sim_snapshot_end_faults(struct tr_sim_snapshot *snapshot)
{
    snapshot->model.faults_on = false;
    snapshot->lives_left = 0;
    snapshot->dead_steps = 0;
    snapshot->ends =
        snapshot->ends && snapshot->has_counted; /* a broken one can only be taken again */
}

bool tr_sim_snapshot_is_expected(const struct tr_sim_snapshot *snapshot,
                                 const struct tr_error *fault)
{
    return snapshot->is_on && snapshot->model.is_open && snapshot->model.is_broken &&
           fault->remedy == TR_STOP && strncmp(fault->text, "snapshot", 8) == 0 &&
           strstr(fault->text, "begins anew") != NULL;
}

uint32_t tr_sim_snapshot_dead_tables(struct tr_sim_snapshot *snapshot)
{
    if (snapshot->dead_steps == 0) {
        return 0;
    }
    snapshot->dead_steps--;
    return snapshot->dead_tables;
}

/* Each of them must happen. */
static void cover_end(uint32_t phase, bool is_broken, bool is_in_order)
{
    if (is_broken) {
        TR_COVER("sim.snapshot_broken");
        return;
    }
    if (is_in_order) {
        TR_COVER("sim.snapshot_stopped");
        return;
    }
    switch (phase) {
    case TR_MODEL_SNAPSHOT_BEGUN:
        TR_COVER("sim.snapshot_killed_before_rows");
        break;
    case TR_MODEL_SNAPSHOT_TABLE:
        TR_COVER("sim.snapshot_killed_inside_table");
        break;
    case TR_MODEL_SNAPSHOT_BETWEEN:
        TR_COVER("sim.snapshot_killed_between_tables");
        break;
    case TR_MODEL_SNAPSHOT_READ:
        TR_COVER("sim.snapshot_killed_behind_rows");
        break;
    case TR_MODEL_SNAPSHOT_LOG:
        TR_COVER("sim.snapshot_killed_before_save");
        break;
    default:
        TR_COVER("sim.snapshot_killed_behind_save");
        break;
    }
}

enum tr_sim_life tr_sim_snapshot_judge(struct tr_sim_snapshot *snapshot,
                                       const struct tr_oracle *oracle, const struct tr_error *fault)
{
    if (!snapshot->is_on || !snapshot->model.is_open) {
        return TR_SIM_LIFE_GOES_ON;
    }
    if (fault != NULL && !snapshot->has_counted) { /* the program sends and saves what it has */
        snapshot->has_counted = true;
        snapshot->broken_count++;
        snapshot->ends = true;
        snapshot->ends_in_order = tr_random_chance(&snapshot->random, 300);
        snapshot->end_phase = 0;
        snapshot->steps_left = tr_random_below(&snapshot->random, STEPS_AFTER_FAULT_MAX);
    }
    const uint32_t phase =
        oracle->in_snapshot ? tr_model_snapshot_phase(&snapshot->model) : END_SAVED;
    if (!snapshot->ends || phase < snapshot->end_phase) {
        return TR_SIM_LIFE_GOES_ON;
    }
    if (snapshot->steps_left > 0) {
        snapshot->steps_left--;
        return TR_SIM_LIFE_GOES_ON;
    }
    snapshot->ends = false;
    cover_end(phase, fault != NULL, snapshot->ends_in_order);
    return snapshot->ends_in_order ? TR_SIM_LIFE_STOPS : TR_SIM_LIFE_IS_KILLED;
}

const char *tr_sim_snapshot_on_save(struct tr_sim_snapshot *snapshot,
                                    const struct tr_oracle *oracle,
                                    const struct tr_model_history *history)
{
    const struct tr_buffer *text = &history->text;
    const bool is_finished = snapshot->is_on && snapshot->model.is_open && !oracle->in_snapshot &&
                             snapshot->model.source->log.options.has_history;

    for (uint32_t i = 0; is_finished && i < snapshot->model.cut.effect_count; i++) {
        const char *wanted = snapshot->model.cut.effects[i].ddl;
        if (memmem(text->bytes + snapshot->history_at, text->used - snapshot->history_at, wanted,
                   strlen(wanted)) == NULL) {
            return wanted;
        }
    }
    return NULL;
}

void tr_sim_snapshot_describe(const struct tr_sim_snapshot *snapshot, char *text, size_t room)
{
    const size_t at = strlen(text);

    if (snapshot->is_on) {
        (void)snprintf(text + at, room - at, ", %u snapshots, %u broken, the last of %u records",
                       snapshot->model.cut_count, snapshot->broken_count,
                       snapshot->model.cut.shown_count);
    }
}
