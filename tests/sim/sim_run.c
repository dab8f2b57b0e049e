// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_run.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/assert.h"
#include "tests/sim/sim_draw.h"
#include "tests/sim/sim_parts.h"

#define QUIET_STEPS 2000 /* after a restart: long enough for anything to be sent again */
#define HOME_STEPS 5000  /* after a stop: guards end, returns travel */
#define DEAD_NS_MAX (60 * TR_NS_PER_S)
#define LONG_DEAD_GROUPS 5000 /* more units than the coordinator has positions for */

static int64_t sim_monotonic(void *self)
{
    return ((const struct sim *)self)->now_ns;
}

static int64_t sim_wall(void *self)
{
    return INT64_C(1700000000000000000) + ((const struct sim *)self)->now_ns;
}

static enum tr_code open_transport(void *self, uint32_t index, struct tr_reactor *reactor,
                                   uint32_t slot_count, struct tr_transport *transport,
                                   struct tr_error *err)
{
    struct sim *sim = self;
    (void)reactor;
    (void)err;
    *transport = *tr_model_kinesis_port(&sim->kinesis, index, slot_count);
    return TR_OK;
}

/* --- what a seed decides ------------------------------------------------------------------------
 */

static void draw(struct sim *sim)
{
    struct tr_random *random = &sim->random;
    tr_sim_draw_model(random, sim->options.seed, &sim->model);
    tr_sim_draw_history(random, &sim->model);
    sim->transaction_goal = sim->options.is_short ? 8 : 20 + tr_random_below(random, 120);
    sim->kill_permyriad = tr_sim_maybe(random, 500, 60);
    if (sim->model.has_history && tr_random_chance(random, 500)) {
        sim->kill_permyriad += 40; /* between a document, its statement's end and the save */
        sim->damage_permille = tr_sim_maybe(random, 500, 1000);
        sim->append_kill_permille = tr_sim_maybe(random, 500, 300);
    }
    sim->sink = (struct tr_model_kinesis_options){
        .seed = sim->options.seed,
        .fault_permille = tr_random_below(random, 400),
        .control_fault_permille = tr_sim_maybe(random, 500, 700),
        .change_permille = tr_sim_maybe(random, 500, 500),
        .shard_rate = tr_random_chance(random, 300) ? 500 + tr_random_below(random, 3000) : 0,
        .delay_us_max = 20000};
    sim->clock = (struct tr_clock){.self = sim,
                                   .monotonic_ns = sim_monotonic,
                                   .wall_unix_ns = sim_wall,
                                   .boottime_ns = sim_monotonic};
    sim->make = (struct tr_sim_engine_options){
        .plan = TR_PLAN_SINGLE,
        .model = &sim->model,
        .decoder_count = 1 + tr_random_below(random, 4),
        .shipper_count = 1 + tr_random_below(random, 3),
        .flush_interval_ns = (int64_t)tr_sim_maybe(random, 700, 100) * TR_NS_PER_MS,
        .request_timeout_ns = 200 * TR_NS_PER_MS,
        .map_refresh_ns = (20 + (int64_t)tr_random_below(random, 400)) * TR_NS_PER_MS,
        .control_interval_ns = (1 + (int64_t)tr_random_below(random, 20)) * TR_NS_PER_MS,
        .batch_size_max = tr_random_chance(random, 200) ? 1 + tr_random_below(random, 40) : 0,
        .flight_bytes_max = tr_random_chance(random, 200) ? 2 * 1024 * 1024 : 0,
        .keys_max = tr_random_chance(random, 250) ? TR_SHIPPER_KEYS_MIN : 0,
        .history = sim->model.has_history ? &sim->history : NULL,
        .skips_unparseable = tr_random_chance(random, 500),
        .create_shards = tr_random_chance(random, 200) ? 1 + tr_random_below(random, 4) : 0,
        .replay_bytes_max =
            tr_random_chance(random, 200) ? 100000 + tr_random_below(random, 1000000) : 0,
        .order_hot = tr_random_chance(random, 150) ? TR_ORDER_HOT_WAIT : TR_ORDER_HOT_RELAX,
        .clock = &sim->clock,
        .open_transport = open_transport,
        .open_transport_self = sim};
    const bool has_others = sim->model.table_count > 1 && !sim->options.is_short;
    sim->dead_groups = !has_others                    ? 0
                       : tr_random_chance(random, 15) ? LONG_DEAD_GROUPS
                                                      : tr_sim_maybe(random, 150, 60);
    if (sim->dead_groups > 0) {
        sim->make.replay_bytes_max = 0; /* the bound stops reading for everybody, as it should */
    }
    sim->sink.lacks_streams = sim->make.create_shards > 0;
    if (sim->options.is_short && sim->model.has_history) { /* the tables are made by groups, too */
        sim->transaction_goal = 20;
        sim->model.ddl_permille = 350;
    }
    if (sim->options.is_short) { /* nothing that takes many steps */
        sim->model.big_transaction_permille = 0;
        sim->sink.never_hangs = true;
        sim->sink.shard_rate = 0;
        sim->kill_permyriad = 0;
    }
}

/* A document was stored: before its statement's position is saved is a moment of its own. */
static void on_append(void *self)
{
    struct sim *sim = self;
    sim->has_appended =
        sim->history.faults_on && tr_random_chance(&sim->random, sim->append_kill_permille);
}

/* --- phases -------------------------------------------------------------------------------------
 */

/* Commits while the engine runs, with faults and kills. */
static bool run_workload(struct sim *sim)
{
    while (sim->source.log.transaction_count < sim->transaction_goal &&
           sim->step_count < SIM_STEPS_MAX) {
        if (tr_random_chance(&sim->random, 100)) {
            tr_model_log_commit(&sim->source.log, 1 + tr_random_below(&sim->random, 4));
        }
        if (!sim_step(sim) || (tr_random_below(&sim->random, 10000) < sim->kill_permyriad &&
                               !sim_kill_and_restart(sim))) {
            return false;
        }
        if ((sim->step_count == sim->options.kill_at_step || sim->has_appended) &&
            !sim_kill_and_restart(sim)) {
            return false;
        }
    }
    return true;
}

/* Records that were seen for the first time. */
static uint64_t first_count(const struct sim *sim)
{
    return sim->oracle.record_count - sim->oracle.duplicate_count;
}

/* Everything in those tables arrives, or all that memory allows, with never so long between two records. */
static bool drain(struct sim *sim, uint32_t tables, int64_t patience_ns, const char *what)
{
    uint64_t limit = sim->step_count + SIM_STEPS_MAX;
    uint64_t seen_count = first_count(sim);
    int64_t progress_ns = sim->now_ns;
    while (!tr_oracle_is_complete(&sim->oracle, tables, false) || sim->oracle.in_snapshot) {
        if (!sim_step(sim) ||
            (sim->step_count == sim->options.kill_at_step && !sim_kill_and_restart(sim))) {
            return false;
        }
        if (first_count(sim) != seen_count) { /* a dead stream may repeat itself for ever */
            seen_count = first_count(sim);
            limit = sim->step_count + SIM_STEPS_MAX;
            progress_ns = sim->now_ns;
        }
        const bool is_stuck = sim->now_ns - progress_ns >= patience_ns;
        if (is_stuck && tr_sim_engine_parking_is_full(&sim->engine)) {
            return true; /* memory is bounded: more than that is not promised */
        }
        if (sim->step_count >= limit || is_stuck) {
            const bool is_complete = tr_oracle_is_complete(&sim->oracle, tables, true);
            sim_fail(sim, what,
                     is_complete ? "the snapshot's end is not saved" : sim->oracle.failure);
            return false;
        }
    }
    return true;
}

static bool drain_all(struct sim *sim)
{
    return drain(sim, UINT32_MAX, INT64_MAX, "does not drain");
}

/* Its text was lost or edited while the engine was not running. */
static bool damage_history(struct sim *sim)
{
    const bool is_damaged = sim->damage_permille > 0;
    sim->damage_permille = 1000;
    if (is_damaged && (!sim_kill_and_restart(sim) || !drain_all(sim))) {
        return false;
    }
    sim->damage_permille = 0;
    return true;
}

/* One stream answers nothing any more; the others must go on. */
static bool run_dead_stream(struct sim *sim)
{
    struct tr_model_options *options = &sim->source.log.options;
    if (sim->dead_groups == 0) {
        return true;
    }
    const bool is_ddl = options->publishes && tr_random_chance(&sim->random, 200);
    const uint32_t dead =
        1u << (is_ddl ? TR_MODEL_DDL_STREAM : tr_random_below(&sim->random, options->table_count));
    if (sim->dead_groups == LONG_DEAD_GROUPS) {
        options->rows_max = 1;
        options->statements_max = 1;
        options->big_transaction_permille = 0;
        options->big_row_permille = 0;
        options->ddl_permille = 0;
        options->gtid_jump_permille =
            300; /* positions are thinned: no hole may be closed by that */
    }
    sim->kinesis.dead_tables = dead;
    const int64_t end_ns =
        sim->now_ns + (int64_t)tr_random_below(&sim->random, 10000) * TR_NS_PER_MS;
    for (uint32_t i = 0; i < sim->dead_groups; i++) {
        tr_model_log_commit(&sim->source.log, 1);
        if (!sim_step(sim) || !sim_step(sim)) {
            return false;
        }
    }
    if (!drain(sim, ~dead, DEAD_NS_MAX, "a dead stream holds up others")) {
        return false;
    }
    while (sim->now_ns < end_ns) {
        if (!sim_step(sim)) {
            return false;
        }
    }
    sim->kinesis.dead_tables = 0;
    return drain_all(sim);
}

/* An orderly stop saves everything and brings everything home. */
static bool stop(struct sim *sim)
{
    char leak[200];
    if (!sim_stop(sim)) {
        return false;
    }
    for (int i = 0;
         i < HOME_STEPS && tr_sim_engine_find_leak(&sim->engine, leak, sizeof(leak)) != NULL; i++) {
        if (!sim_step(sim)) {
            return false;
        }
    }
    if (tr_sim_engine_find_leak(&sim->engine, leak, sizeof(leak)) != NULL) {
        sim_fail(sim, "after an orderly stop", leak);
        return false;
    }
    return true;
}

/* So the next start sends nothing again. */
static bool restart(struct sim *sim)
{
    char text[100];
    tr_sim_engine_close(&sim->engine);
    sim->source.connected = false;
    const uint64_t request_count = sim->kinesis.request_count;
    if (!sim_open(sim)) {
        return false;
    }
    for (int i = 0; i < (sim->options.is_short ? QUIET_STEPS / 10 : QUIET_STEPS); i++) {
        if (!sim_step(sim)) {
            return false;
        }
    }
    if (sim->engine.takes_snapshot) {
        sim_fail(sim, "restart after an orderly stop", "the snapshot is taken again");
        return false;
    }
    if (sim->kinesis.request_count != request_count) {
        (void)snprintf(text, sizeof(text), "%" PRIu64 " requests were sent",
                       sim->kinesis.request_count - request_count);
        sim_fail(sim, "restart after an orderly stop", text);
        return false;
    }
    return true;
}

static bool run_phases(struct sim *sim)
{
    if (!sim_open(sim) || !run_workload(sim)) {
        return false;
    }
    sim->source.faults_on = false;
    sim->kinesis.faults_on = false;
    sim->store.faults_on = false;
    sim->history.faults_on = false;
    tr_sim_snapshot_end_faults(&sim->snapshot);
    sim->kinesis.dead_tables = 0;
    const bool arrived = drain_all(sim);
    sim->busy_step_count = sim->step_count;
    if (!arrived || !damage_history(sim) || !run_dead_stream(sim) || !stop(sim)) {
        return false;
    }
    if (!tr_oracle_is_rebuilt(&sim->oracle)) {
        sim_fail(sim, "oracle", sim->oracle.failure);
        return false;
    }
    return restart(sim);
}

static void describe(const struct sim *sim, struct tr_sim_result *result)
{
    const struct tr_model_log *log = &sim->source.log;
    (void)snprintf(
        result->text, sizeof(result->text),
        "%s; %s%s, %u tables, %u keys, %u groups, %u changes, %u files, D=%u, S=%u, %" PRIu64
        " steps, %u kills, %u connects, %" PRIu64 " requests, %" PRIu64 " records, %" PRIu64
        " repeats, %" PRIu64 " saves%s%s, %u statements, %" PRIu64
        " documents, %u histories refused",
        result->passed ? "passed" : sim->failure,
        sim->model.flavor == TR_FLAVOR_MYSQL ? "MySQL" : "MariaDB",
        sim->model.by_file ? " by file" : "", sim->model.table_count, sim->model.key_count,
        log->transaction_count, log->change_count, log->file_count, sim->make.decoder_count,
        sim->make.shipper_count, sim->step_count, sim->kill_count, sim->source.connect_count,
        sim->kinesis.request_count, sim->oracle.record_count, sim->oracle.duplicate_count,
        sim->store.save_count,
        !sim->model.has_history           ? ", no history"
        : sim->model.has_minimal_metadata ? ", history of all"
                                          : ", history",
        sim->model.publishes ? " and stream" : "", log->statement_count,
        sim->history.document_count, sim->refused_count);
    tr_sim_snapshot_describe(&sim->snapshot, result->text, sizeof(result->text));
}

void tr_sim_run(const struct tr_sim_options *options, struct tr_sim_result *result)
{
    static struct sim sim; /* too large for the stack */
    memset(&sim, 0, sizeof(sim));
    sim.options = *options;
    sim.random.state = options->seed;
    sim.random.state =
        tr_random_next(&sim.random); /* else the next seed draws the same, one number later */
    sim.now_ns = TR_NS_PER_S;
    draw(&sim);
    tr_model_source_init(&sim.source, &sim.model);
    tr_sim_snapshot_init(&sim.snapshot, options->seed, options->is_short, &sim.source);
    tr_oracle_init(&sim.oracle, &sim.source.log);
    tr_model_kinesis_init(&sim.kinesis, &sim.oracle, &sim.sink);
    tr_model_store_init(&sim.store, options->seed, tr_random_below(&sim.random, 300));
    tr_model_history_init(&sim.history, options->seed, tr_random_below(&sim.random, 300));
    sim.history_check = (struct tr_history_check){.log = &sim.source.log, .history = &sim.history};
    sim.history.on_append = on_append;
    sim.history.on_append_self = &sim;
    sim.store.on_save = sim_on_save;
    sim.store.on_save_self = &sim;
    sim.make.source = &sim.source.port;
    sim.make.store = &sim.store;
    sim.make.log = &sim.source.log;
    sim.make.snapshot = sim.snapshot.is_on ? &sim.snapshot.model : NULL;
    sim.make.on_cut = sim_on_cut;
    sim.make.on_cut_self = &sim;
    tr_model_log_commit(&sim.source.log, 3 + sim.snapshot.groups_before);
    sim.transaction_goal += sim.snapshot.groups_before;
    result->passed = run_phases(&sim);
    result->step_count = sim.busy_step_count;
    describe(&sim, result);
    tr_sim_engine_close(&sim.engine);
    tr_history_check_deinit(&sim.history_check);
    tr_model_history_deinit(&sim.history);
    tr_model_store_deinit(&sim.store);
    tr_model_kinesis_deinit(&sim.kinesis);
    tr_oracle_deinit(&sim.oracle);
    tr_sim_snapshot_deinit(&sim.snapshot);
    tr_model_source_deinit(&sim.source);
}
