// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/sim_parts.h"

void sim_fail(struct sim *sim, const char *what, const char *detail)
{
    if (sim->failure[0] == '\0') {
        (void)snprintf(sim->failure, sizeof(sim->failure), "%s: %s (step %" PRIu64 ", kills %u)",
                       what, detail, sim->step_count, sim->kill_count);
    }
}

/* The engine has made a cut. */
bool sim_on_cut(void *self)
{
    struct sim *sim = self;
    tr_oracle_begin_snapshot(&sim->oracle, &sim->snapshot.model.cut);
    sim->first_group = sim->snapshot.model.cut.group_count;
    sim->history_check.safe_effects = sim->snapshot.model.cut.effects_before;
    sim->history_check.safe_bytes = sim->history.text.used;
    return tr_sim_snapshot_begin(&sim->snapshot, sim->history.text.used);
}

static enum tr_code open_life(struct sim *sim, struct tr_error *err)
{
    sim->make.seed = tr_random_next(&sim->random);
    tr_sim_snapshot_begin_life(&sim->snapshot);
    if (tr_sim_engine_open(&sim->engine, &sim->make, err) != TR_OK) {
        return err->code;
    }
    if (!sim->engine.takes_snapshot) { /* else sim_on_cut() */
        tr_oracle_begin_life(&sim->oracle,
                             sim->store.value.used > 0 ? &sim->engine.position : NULL);
    }
    return TR_OK;
}

bool sim_open(struct sim *sim)
{
    struct tr_error err = {0};
    if (open_life(sim, &err) == TR_OK) {
        return true;
    }
    if (sim->snapshot.ends_at_save) {
        return sim_kill_and_restart(sim);
    }
    sim_fail(sim, "start", err.text);
    return false;
}

/* The group at whose statement the engine must stop, since it cannot understand it; UINT32_MAX: none. */
static uint32_t stops_at(const struct sim *sim)
{
    return sim->make.skips_unparseable || !sim->model.has_minimal_metadata
               ? UINT32_MAX
               : tr_model_log_next_unknown(&sim->source.log, sim->first_group);
}

/* What is stored now, held against what was acknowledged. */
void sim_on_save(void *self)
{
    struct sim *sim = self;
    struct tr_saved_position position = {0};
    struct tr_error err = {0};
    if (sim->options.verbose) {
        printf("step %" PRIu64 ": saved %.*s\n", sim->step_count, (int)sim->store.value.used,
               (const char *)sim->store.value.bytes);
    }
    if (tr_sim_engine_parse(&sim->engine, tr_span_of(sim->store.value.bytes, sim->store.value.used),
                            &position, &err) != TR_OK) {
        sim_fail(sim, "saved text", err.text);
    } else {
        tr_oracle_saved(&sim->oracle, &position);
        const struct tr_model_effect *missed = NULL;
        if (sim->model.has_history && sim->oracle.failure[0] == '\0' &&
            !tr_history_check_covers(&sim->history_check, &position, &missed)) {
            sim_fail(sim, "a position passes a statement that is not in the history", missed->ddl);
        }
        if (sim->oracle.failure[0] == '\0' &&
            tr_model_log_groups_before(&sim->source.log, &position) > stops_at(sim)) {
            sim_fail(sim, "a position passes a statement", "it is not to be skipped");
        }
        const char *missing = tr_sim_snapshot_on_save(&sim->snapshot, &sim->oracle, &sim->history);
        if (missing != NULL) {
            sim_fail(sim, "a snapshot was saved as finished, but is not in the history", missing);
        }
    }
    tr_gtid_set_close(position.gtids);
}

/* Starts with a history of which something was lost or edited. */
static bool open_damaged(struct sim *sim, bool is_sealed)
{
    struct tr_error err = {0};
    if (open_life(sim, &err) == TR_OK) {
        if (is_sealed) {
            sim_fail(sim, "start", "a history that was damaged is taken for good");
        }
        return !is_sealed;
    }
    if ((err.code != TR_ERR_STATE && err.code != TR_ERR_SCHEMA) || err.remedy != TR_STOP ||
        strstr(err.text, "history") == NULL) {
        sim_fail(sim, "a history that was damaged is refused by another name", err.text);
        return false;
    }
    sim->refused_count++;
    tr_sim_engine_close(&sim->engine);
    tr_history_check_restore(&sim->history_check);
    return sim_open(sim);
}

/* Of the documents that were stored when the position was saved. */
static struct tr_history_seal stored_seal(const struct sim *sim)
{
    struct tr_identity identity = {0};
    struct tr_error err;
    const struct tr_buffer *text = &sim->store.identity;
    if (text->used > 0 &&
        tr_identity_parse_json(&identity, tr_span_of(text->bytes, text->used), &err) != TR_OK) {
        identity = (struct tr_identity){0};
    }
    return identity.history;
}

bool sim_kill_and_restart(struct sim *sim)
{
    bool is_sealed;
    sim->kill_count++;
    sim->has_appended = false;
    tr_model_kinesis_kill(&sim->kinesis);
    tr_model_store_kill(&sim->store);
    tr_model_history_kill(&sim->history);
    sim->source.connected = false;
    tr_sim_engine_close(&sim->engine);
    sim->now_ns += 50 * TR_NS_PER_MS;
    if (!sim->oracle.in_snapshot && tr_random_chance(&sim->random, sim->damage_permille)) {
        const struct tr_history_seal seal = stored_seal(sim);
        if (tr_history_check_damage(&sim->history_check, &sim->random, &seal, &is_sealed)) {
            return open_damaged(sim, is_sealed);
        }
    }
    return sim_open(sim);
}

/* The engine stopped there. */
static bool is_at_unknown(const struct sim *sim)
{
    const struct tr_error *fault = tr_fault_seen(&sim->engine.fault);
    return fault != NULL && stops_at(sim) != UINT32_MAX &&
           strstr(fault->text, "a statement whose effect cannot be told") != NULL;
}

/* A step of the engine alone. */
static bool step_engine(struct sim *sim)
{
    sim->step_count++;
    if (sim->source.faults_on) {
        sim->kinesis.dead_tables = tr_sim_snapshot_dead_tables(&sim->snapshot);
    }
    const uint32_t work = tr_pipeline_step(&sim->engine.pipeline, sim->now_ns);
    /* Little time passes while there is work, more while everybody waits for something. */
    sim->now_ns += 1000 + (int64_t)tr_random_below(&sim->random, work == 0 ? 2000 : 50) * 1000;
    const struct tr_error *fault = tr_fault_seen(&sim->engine.fault);
    if (fault != NULL && !tr_sim_snapshot_is_expected(&sim->snapshot, fault) &&
        !is_at_unknown(sim)) {
        sim_fail(sim, "fault", fault->text);
    }
    if (sim->oracle.failure[0] != '\0') {
        sim_fail(sim, "oracle", sim->oracle.failure);
    }
    return sim->failure[0] == '\0';
}

/* When everything before the statement is delivered and saved, the operator lets the engine go on. */
static bool skip_unknown(struct sim *sim)
{
    const struct tr_model_log *log = &sim->source.log;
    const int64_t row = log->transactions[stops_at(sim)].row_first;
    const uint64_t limit = sim->step_count + SIM_STEPS_MAX;
    while (sim->oracle.saved_row < row && sim->kinesis.dead_tables == 0) {
        if (sim->step_count >= limit) {
            sim_fail(sim, "stopped at a statement",
                     "what lies before it is not delivered and saved");
        }
        if (!step_engine(sim)) {
            return false;
        }
    }
    sim->make.skips_unparseable = true;
    return sim_kill_and_restart(sim);
}

/* Reads no more, delivers and saves all that was read. */
bool sim_stop(struct sim *sim)
{
    const uint64_t limit = sim->step_count + SIM_STEPS_MAX;
    tr_pipeline_begin_stop(&sim->engine.pipeline);
    while (!tr_pipeline_is_drained(&sim->engine.pipeline) && sim->step_count < limit) {
        if (!step_engine(sim) || (is_at_unknown(sim) && !skip_unknown(sim))) {
            return false;
        }
        tr_pipeline_begin_stop(&sim->engine.pipeline); /* of the next life, too */
    }
    tr_coordinator_begin_stop(&sim->engine.pipeline.coordinator);
    while (!tr_coordinator_is_stopped(&sim->engine.pipeline.coordinator) &&
           sim->step_count < limit) {
        if (!step_engine(sim)) {
            return false;
        }
    }
    if (sim->step_count >= limit) {
        sim_fail(sim, "orderly stop", "does not end");
        return false;
    }
    return true;
}

/* A step, and what the seed has in mind for the snapshot: an end of this life in one of its phases.
 */
bool sim_step(struct sim *sim)
{
    if (!step_engine(sim)) {
        return false;
    }
    if (is_at_unknown(sim)) {
        return skip_unknown(sim);
    }
    switch (
        tr_sim_snapshot_judge(&sim->snapshot, &sim->oracle, tr_fault_seen(&sim->engine.fault))) {
    case TR_SIM_LIFE_STOPS:
        return sim_stop(sim) && sim_kill_and_restart(sim);
    case TR_SIM_LIFE_IS_KILLED:
        return sim_kill_and_restart(sim);
    case TR_SIM_LIFE_GOES_ON:
        break;
    }
    return true;
}
