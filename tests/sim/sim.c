// SPDX-License-Identifier: Apache-2.0
/*
 * The simulation: the whole engine under plan `single`, on a virtual clock, with simulated ports,
 * from one seed.
 *
 *   tailrace-sim --first N --count M     M seeds from N on; a failing one prints the command that
 * replays it tailrace-sim --seed N --verbose      one seed, with what was drawn and what happened
 *
 * A run draws a workload, a number of decoders and shippers, faults for every port and kills; at
 * the end the faults stop, and then everything must arrive (oracle.h), an orderly stop must save,
 * and a restart after it must repeat nothing.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/app/pipeline.h"
#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "stages/schema/catalog.h"
#include "stages/schema/filter.h"
#include "tests/sim/model_kinesis.h"
#include "tests/sim/model_source.h"
#include "tests/sim/model_store.h"
#include "tests/sim/oracle.h"

#define STEPS_MAX 400000 /* a run that takes longer does not make progress */
#define QUIET_STEPS 3000 /* after a restart: long enough for anything to be sent again */

/* One life of the engine. */
struct engine {
    struct tr_gtid_sources *sources;
    struct tr_filter *filter;
    struct tr_streams *streams;
    struct tr_catalog *catalog;
    struct tr_metrics *metrics;
    struct tr_fault fault;
    struct tr_saved_position position;
    struct tr_encode_options encode;
    struct tr_identity identity;
    struct tr_pipeline pipeline;
};

struct sim {
    uint64_t seed;
    bool verbose;
    struct tr_random random;
    int64_t now_ns;
    struct tr_model_options model;
    uint32_t transaction_goal;
    uint32_t kill_permyriad; /* per step */
    uint32_t decoder_count;
    uint32_t shipper_count;
    int64_t flush_interval_ns;
    struct tr_model_source source;
    struct tr_model_kinesis kinesis;
    struct tr_model_store store;
    struct tr_oracle oracle;
    struct engine engine;
    uint32_t kill_count;
    uint64_t step_count;
    char failure[700];
};

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
    TR_ASSERT((index + 1) * slot_count <= TR_MODEL_SLOTS_MAX);
    *transport = *tr_model_kinesis_port(&sim->kinesis, index, slot_count);
    return TR_OK;
}

static void fail(struct sim *sim, const char *what, const char *detail)
{
    if (sim->failure[0] == '\0') {
        (void)snprintf(sim->failure, sizeof(sim->failure), "%s: %s (step %" PRIu64 ", kills %u)",
                       what, detail, sim->step_count, sim->kill_count);
    }
}

/* Reads the stored position, or takes the beginning of the log. */
static bool find_position(struct sim *sim, struct engine *engine, struct tr_error *err)
{
    if (tr_gtid_set_open(&engine->position.gtids, sim->model.flavor, err) != TR_OK) {
        return false;
    }
    if (sim->store.value.used > 0) {
        return tr_position_parse_json(&engine->position, engine->sources,
                                      tr_span_of(sim->store.value.bytes, sim->store.value.used),
                                      err) == TR_OK;
    }
    engine->position.point.pos = 4;
    (void)snprintf(engine->position.point.file, sizeof(engine->position.point.file), "%s",
                   sim->source.file_names[0]);
    return true;
}

static bool open_parts(struct sim *sim, struct engine *engine, struct tr_error *err)
{
    engine->encode = (struct tr_encode_options){.flavor = sim->model.flavor,
                                                .topic_prefix = tr_span_of_text("p"),
                                                .tombstones_on_delete = true,
                                                .enable_time_adjuster = true,
                                                .gtid_mode = sim->model.flavor == TR_FLAVOR_MYSQL,
                                                .row_bytes_max = 16 * 1024 * 1024,
                                                .record_bytes_max = 1024 * 1024};
    const struct tr_filter_options filter = {.table_include = tr_span_of_text("sim\\..*")};
    if (tr_gtid_sources_open(&engine->sources, err) != TR_OK ||
        tr_filter_open(&engine->filter, &filter, err) != TR_OK ||
        tr_streams_open(&engine->streams, sim->shipper_count, err) != TR_OK ||
        tr_metrics_open(&engine->metrics, 64, err) != TR_OK) {
        return false;
    }
    const struct tr_catalog_options catalog = {.flavor = sim->model.flavor,
                                               .filter = engine->filter,
                                               .streams = engine->streams,
                                               .topic = {.prefix = tr_span_of_text("p")},
                                               .encode = &engine->encode,
                                               .plans = {.open = tr_plan_open,
                                                         .close = tr_plan_close,
                                                         .memory_bytes = tr_plan_memory_bytes},
                                               .bytes_max = 32 * 1024 * 1024,
                                               .metadata_is_full = true};
    return tr_catalog_open(&engine->catalog, &catalog, err) == TR_OK &&
           find_position(sim, engine, err);
}

static bool open_engine(struct sim *sim)
{
    static struct tr_clock clock;
    struct engine *engine = &sim->engine;
    struct tr_error err = {0};
    memset(engine, 0, sizeof(*engine));
    clock = (struct tr_clock){.self = sim,
                              .monotonic_ns = sim_monotonic,
                              .wall_unix_ns = sim_wall,
                              .boottime_ns = sim_monotonic};
    if (!open_parts(sim, engine, &err)) {
        fail(sim, "start", err.text);
        return false;
    }
    engine->identity = (struct tr_identity){.flavor = sim->model.flavor, .server_id = 7};
    struct tr_pipeline_options options = {.plan = TR_PLAN_SINGLE,
                                          .decoder_count = sim->decoder_count,
                                          .shipper_count = sim->shipper_count,
                                          .seed = tr_random_next(&sim->random),
                                          .clock = &clock,
                                          .metrics = engine->metrics,
                                          .fault = &engine->fault,
                                          .streams = engine->streams,
                                          .open_transport = open_transport,
                                          .open_transport_self = sim};
    options.ingest.port = &sim->source.port;
    options.ingest.non_blocking = true;
    options.ingest.startup_wait_ms = 3600000;
    options.sequencer.catalog = engine->catalog;
    options.sequencer.sources = engine->sources;
    options.sequencer.flavor = sim->model.flavor;
    options.sequencer.gtid_mode = engine->encode.gtid_mode;
    options.sequencer.source_is_same = true;
    options.sequencer.start = engine->position.point;
    options.sequencer.start_gtids = engine->position.gtids;
    options.sequencer.row_bytes_max = 16 * 1024 * 1024;
    options.sequencer.replay_bytes_max = UINT64_C(1) << 32;
    options.decoder.row_bytes_max = 16 * 1024 * 1024;
    options.decoder.record_bytes_max = 1024 * 1024;
    options.shipper.slot_count = 4;
    options.shipper.null_key = "default";
    options.shipper.request_timeout_ns = 200 * TR_NS_PER_MS;
    options.coordinator.flavor = sim->model.flavor;
    options.coordinator.keep_gtids = true;
    options.coordinator.initial = &engine->position;
    options.coordinator.stored_value = tr_span_of(sim->store.value.bytes, sim->store.value.used);
    options.coordinator.identity = &engine->identity;
    options.coordinator.store = &sim->store.port;
    options.coordinator.flush_interval_ns = sim->flush_interval_ns;
    if (tr_pipeline_init(&engine->pipeline, &options, &err) != TR_OK) {
        fail(sim, "pipeline", err.text);
        return false;
    }
    return true;
}

static void close_engine(struct sim *sim)
{
    struct engine *engine = &sim->engine;
    tr_pipeline_deinit(&engine->pipeline);
    tr_catalog_close(engine->catalog);
    tr_filter_close(engine->filter);
    tr_streams_close(engine->streams);
    tr_metrics_close(engine->metrics);
    tr_gtid_set_close(engine->position.gtids);
    tr_gtid_sources_close(engine->sources);
}

static bool step(struct sim *sim)
{
    sim->step_count++;
    const uint32_t work = tr_pipeline_step(&sim->engine.pipeline, sim->now_ns);
    /* Little time passes while there is work, more while everybody waits for something. */
    sim->now_ns += 1000 + (work == 0 ? (int64_t)tr_random_below(&sim->random, 2000) * 1000
                                     : (int64_t)tr_random_below(&sim->random, 50) * 1000);
    const struct tr_error *fault = tr_fault_seen(&sim->engine.fault);
    if (fault != NULL) {
        fail(sim, "fault", fault->text);
    }
    if (sim->oracle.failure[0] != '\0') {
        fail(sim, "oracle", sim->oracle.failure);
    }
    return sim->failure[0] == '\0';
}

static bool kill_and_restart(struct sim *sim)
{
    sim->kill_count++;
    tr_model_kinesis_kill(&sim->kinesis);
    tr_model_store_kill(&sim->store);
    sim->source.connected = false;
    close_engine(sim);
    sim->now_ns += 50 * TR_NS_PER_MS;
    return open_engine(sim);
}

static void draw(struct sim *sim)
{
    struct tr_random *random = &sim->random;
    sim->model = (struct tr_model_options){
        .seed = sim->seed,
        .flavor = tr_random_chance(random, 500) ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL,
        .table_count = 1 + tr_random_below(random, TR_MODEL_TABLES_MAX),
        .key_count =
            1 + tr_random_below(random, tr_random_chance(random, 300) ? 4 : TR_MODEL_KEYS_MAX),
        .rows_max = 1 + tr_random_below(random, 20),
        .statements_max = 1 + tr_random_below(random, 6),
        .big_transaction_permille = tr_random_below(random, 20),
        .big_row_permille = tr_random_chance(random, 200) ? tr_random_below(random, 5) : 0,
        .rotate_permille = tr_random_below(random, 50),
        .delete_permille = tr_random_below(random, 300),
        .cut_permille = tr_random_chance(random, 500) ? tr_random_below(random, 30) : 0,
        .refuse_permille = tr_random_below(random, 500)};
    sim->transaction_goal = 20 + tr_random_below(random, 150);
    sim->kill_permyriad = tr_random_chance(random, 500) ? tr_random_below(random, 40) : 0;
    sim->decoder_count = 1 + tr_random_below(random, 4);
    sim->shipper_count = 1 + tr_random_below(random, 3);
    sim->flush_interval_ns =
        tr_random_chance(random, 300) ? 0 : (int64_t)tr_random_below(random, 100) * TR_NS_PER_MS;
}

/* The workload, with faults and kills; then the same without, until everything has arrived. */
static bool run_workload(struct sim *sim)
{
    while (sim->source.transaction_count < sim->transaction_goal && sim->step_count < STEPS_MAX) {
        if (tr_random_chance(&sim->random, 100)) {
            tr_model_source_commit(&sim->source, 1 + tr_random_below(&sim->random, 4));
        }
        if (!step(sim) || (tr_random_below(&sim->random, 10000) < sim->kill_permyriad &&
                           !kill_and_restart(sim))) {
            return false;
        }
    }
    sim->source.faults_on = false;
    sim->kinesis.faults_on = false;
    sim->store.faults_on = false;
    while (!tr_oracle_is_complete(&sim->oracle, false)) {
        if (!step(sim)) {
            return false;
        }
        if (sim->step_count >= STEPS_MAX) {
            (void)tr_oracle_is_complete(&sim->oracle, true);
            fail(sim, "does not drain", sim->oracle.failure);
            return false;
        }
    }
    return true;
}

/* An orderly stop saves everything, so the next start sends nothing again. */
static bool stop_and_restart(struct sim *sim)
{
    const uint64_t limit = sim->step_count + STEPS_MAX;
    tr_pipeline_begin_stop(&sim->engine.pipeline);
    while (!tr_pipeline_is_drained(&sim->engine.pipeline) && sim->step_count < limit) {
        if (!step(sim)) {
            return false;
        }
    }
    tr_coordinator_begin_stop(&sim->engine.pipeline.coordinator);
    while (!tr_coordinator_is_stopped(&sim->engine.pipeline.coordinator) &&
           sim->step_count < limit) {
        if (!step(sim)) {
            return false;
        }
    }
    if (sim->step_count >= limit) {
        fail(sim, "orderly stop", "does not end");
        return false;
    }
    close_engine(sim);
    sim->source.connected = false;
    const uint64_t record_count = sim->oracle.record_count;
    if (!open_engine(sim)) {
        return false;
    }
    for (int i = 0; i < QUIET_STEPS; i++) {
        if (!step(sim)) {
            return false;
        }
    }
    if (sim->oracle.record_count != record_count) {
        char text[100];
        (void)snprintf(text, sizeof(text), "%" PRIu64 " records were sent again",
                       sim->oracle.record_count - record_count);
        fail(sim, "restart after an orderly stop", text);
        return false;
    }
    return true;
}

static bool run_seed(uint64_t seed, bool verbose)
{
    static struct sim sim; /* too large for the stack */
    memset(&sim, 0, sizeof(sim));
    sim.seed = seed;
    sim.verbose = verbose;
    sim.random.state = seed * UINT64_C(0x9E3779B97F4A7C15);
    sim.now_ns = TR_NS_PER_S;
    draw(&sim);
    tr_model_source_init(&sim.source, &sim.model);
    tr_oracle_init(&sim.oracle, &sim.source);
    tr_model_kinesis_init(&sim.kinesis, &sim.oracle, seed, tr_random_below(&sim.random, 400));
    tr_model_store_init(&sim.store, seed, tr_random_below(&sim.random, 300));
    tr_model_source_commit(&sim.source, 3);
    const bool passed = open_engine(&sim) && run_workload(&sim) && stop_and_restart(&sim);
    if (verbose || !passed) {
        printf("seed %" PRIu64
               ": %s; %s, %u tables, %u keys, %u transactions, %u changes, D=%u, S=%u, %" PRIu64
               " steps, %u kills, "
               "%u connects, %" PRIu64 " records, %" PRIu64 " repeats, %" PRIu64 " saves\n",
               seed, passed ? "passed" : sim.failure,
               sim.model.flavor == TR_FLAVOR_MYSQL ? "MySQL" : "MariaDB", sim.model.table_count,
               sim.model.key_count, sim.source.transaction_count, sim.source.change_count,
               sim.decoder_count, sim.shipper_count, sim.step_count, sim.kill_count,
               sim.source.connect_count, sim.oracle.record_count, sim.oracle.duplicate_count,
               sim.store.save_count);
    }
    close_engine(&sim);
    tr_model_store_deinit(&sim.store);
    tr_model_kinesis_deinit(&sim.kinesis);
    tr_oracle_deinit(&sim.oracle);
    tr_model_source_deinit(&sim.source);
    return passed;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"first", required_argument, NULL, 'f'},
                                            {"count", required_argument, NULL, 'c'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    uint64_t first = 1;
    uint64_t count = 1;
    bool verbose = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'f' || option == 's') {
            first = strtoull(optarg, NULL, 10);
        } else if (option == 'c') {
            count = strtoull(optarg, NULL, 10);
        } else if (option == 'v') {
            verbose = true;
        } else {
            (void)fprintf(stderr,
                          "usage: tailrace-sim [--first N --count M | --seed N] [--verbose]\n");
            return 2;
        }
    }
    tr_log_setup(verbose ? TR_LOG_INFO : TR_LOG_ERROR, TR_LOG_TEXT, 2);
    uint64_t failed_count = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (!run_seed(first + i, verbose)) {
            failed_count++;
            printf("replay: %s --seed %" PRIu64 " --verbose\n", argv[0], first + i);
        }
    }
    printf("%" PRIu64 " seeds from %" PRIu64 ": %" PRIu64 " failed\n", count, first, failed_count);
    return failed_count == 0 ? 0 : 1;
}
