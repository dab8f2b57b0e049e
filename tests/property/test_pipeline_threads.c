// SPDX-License-Identifier: Apache-2.0
/*
 * The engine with real threads on the simulation's models: what plan `single` cannot show, two
 * threads at one ring.
 *
 * Each port is used by one thread: the source by ingest's, a model Kinesis with an oracle of its
 * own by each shipper's, the stores of position and history by the coordinator's. The log is written before the start and
 * not touched after it. A run is killed up to twice (its threads end wherever they are), then
 * drained and stopped in order. The oracles judge at the end of each life; the thread sanitizer
 * judges all along.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/app/pipeline.h"
#include "engine/log.h"
#include "tests/property/seed.h"
#include "tests/sim/history_check.h"
#include "tests/sim/model_kinesis.h"
#include "tests/sim/model_source.h"
#include "tests/sim/sim_draw.h"
#include "tests/sim/sim_engine.h"

#include <cmocka.h>

#define SHIPPERS_MAX 3
#ifdef __SANITIZE_THREAD__
#define RUNS 100 /* of each plan */
#else
#define RUNS 25
#endif
#define KILLS_MAX 2
#define LOOK_NS TR_NS_PER_MS
#define RUN_NS_MAX (120 * TR_NS_PER_S)

struct stress {
    uint64_t seed;
    struct tr_random random;
    struct tr_model_options model;
    struct tr_sim_engine_options make;
    struct tr_model_source source;
    struct tr_source_port port; /* the model's, which tells when all was read */
    _Atomic bool is_exhausted;  /* set by ingest (release), read here (acquire) */
    struct tr_model_kinesis kinesis[SHIPPERS_MAX];
    struct tr_oracle oracles[SHIPPERS_MAX];
    struct tr_model_store store;
    struct tr_model_history history;
    struct tr_history_check history_check;
    struct tr_sim_engine engine;
    struct tr_reactor *reactor;         /* the test's own: what it waits on */
    struct tr_reactor *service_reactor; /* the coordinator's */
    int64_t deadline_ns;
};

static enum tr_code port_open(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    struct stress *stress = self;
    return stress->source.port.open(&stress->source, resume, err);
}

static enum tr_read port_read(void *self, void *out, size_t room_bytes, int64_t wait_ns,
                              size_t *bytes, struct tr_error *err)
{
    struct stress *stress = self;
    const enum tr_read result =
        stress->source.port.read(&stress->source, out, room_bytes, wait_ns, bytes, err);
    if (result == TR_READ_WOULD_BLOCK && tr_model_source_is_exhausted(&stress->source)) {
        atomic_store_explicit(&stress->is_exhausted, true, memory_order_release);
    }
    return result;
}

static void port_close(void *self)
{
    struct stress *stress = self;
    stress->source.port.close(&stress->source);
}

static void port_wake(void *self)
{
    (void)self; /* nothing ever waits */
}

static enum tr_code open_transport(void *self, uint32_t index, struct tr_reactor *reactor,
                                   uint32_t slot_count, struct tr_transport *transport,
                                   struct tr_error *err)
{
    struct stress *stress = self;
    (void)reactor;
    (void)err;
    *transport = *tr_model_kinesis_port(&stress->kinesis[index], 0, slot_count);
    return TR_OK;
}

static void open_stress(struct stress *stress, uint64_t seed, enum tr_thread_plan plan)
{
    struct tr_error err = {0};
    memset(stress, 0, sizeof(*stress));
    stress->seed = seed;
    stress->random.state = seed;
    tr_sim_draw_model(&stress->random, seed, &stress->model);
    tr_sim_draw_history(&stress->random, &stress->model);
    stress->model.refuse_permille /= 10;
    stress->port = (struct tr_source_port){.self = stress,
                                           .framing = TR_FRAMING_PACKETS,
                                           .open = port_open,
                                           .read = port_read,
                                           .close = port_close,
                                           .wake = port_wake};
    stress->make = (struct tr_sim_engine_options){
        .plan = plan,
        .model = &stress->model,
        .decoder_count = plan == TR_PLAN_COMPACT ? 1 : 1 + tr_random_below(&stress->random, 3),
        .shipper_count = 1 + tr_random_below(&stress->random, SHIPPERS_MAX),
        .seed = seed,
        .flush_interval_ns = (int64_t)tr_random_below(&stress->random, 5) * TR_NS_PER_MS,
        .request_timeout_ns = 5 * TR_NS_PER_MS,
        .map_refresh_ns = 5 * TR_NS_PER_MS,
        .control_interval_ns = TR_NS_PER_MS,
        .has_fixed_streams = true,
        .clock = tr_clock_system(),
        .source = &stress->port,
        .store = &stress->store,
        .history = stress->model.has_history ? &stress->history : NULL,
        .skips_unparseable = true,
        .open_transport = open_transport,
        .open_transport_self = stress};
    tr_model_source_init(&stress->source, &stress->model);
    stress->make.log = &stress->source.log;
    tr_model_log_commit(&stress->source.log, 10 + tr_random_below(&stress->random, 60));
    tr_model_store_init(&stress->store, seed, 0);
    tr_model_history_init(&stress->history, seed, tr_random_below(&stress->random, 15));
    stress->history_check =
        (struct tr_history_check){.log = &stress->source.log, .history = &stress->history};
    for (uint32_t s = 0; s < stress->make.shipper_count; s++) {
        const struct tr_model_kinesis_options sink = {.seed = seed + s,
                                                      .fault_permille =
                                                          tr_random_below(&stress->random, 100),
                                                      .control_fault_permille = 100,
                                                      .change_permille = 100,
                                                      .delay_us_max = 300,
                                                      .never_hangs = true};
        tr_oracle_init(&stress->oracles[s], &stress->source.log);
        stress->oracles[s].tables = 0;
        for (uint32_t t = s; t < TR_MODEL_STREAMS_MAX; t += stress->make.shipper_count) {
            stress->oracles[s].tables |= 1u << t;
        }
        tr_model_kinesis_init(&stress->kinesis[s], &stress->oracles[s], &sink);
    }
    assert_int_equal(tr_reactor_open(&stress->reactor, TR_REACTOR_EPOLL, 4, 4, &err), TR_OK);
    stress->deadline_ns = tr_clock_monotonic_ns(stress->make.clock) + RUN_NS_MAX;
}

static void close_stress(struct stress *stress)
{
    for (uint32_t s = 0; s < stress->make.shipper_count; s++) {
        tr_model_kinesis_deinit(&stress->kinesis[s]);
        tr_oracle_deinit(&stress->oracles[s]);
    }
    tr_history_check_deinit(&stress->history_check);
    tr_model_history_deinit(&stress->history);
    tr_model_store_deinit(&stress->store);
    tr_model_source_deinit(&stress->source);
    tr_reactor_close(stress->reactor);
}

/* A failure names the seed. */
static void check(const struct stress *stress, bool holds, const char *what)
{
    if (!holds) {
        fail_msg("seed %llu: %s: replay: test_pipeline_threads %llu",
                 (unsigned long long)stress->seed, what, (unsigned long long)stress->seed);
    }
}

/* Waits a moment; false when the engine has raised a fault. */
static void look_again(struct stress *stress)
{
    const int64_t now_ns = tr_clock_monotonic_ns(stress->make.clock);
    const struct tr_error *fault = tr_fault_seen(&stress->engine.fault);
    check(stress, fault == NULL, fault == NULL ? "" : fault->text);
    check(stress, now_ns < stress->deadline_ns, "does not end");
    (void)tr_reactor_poll(stress->reactor, now_ns, LOOK_NS);
}

static void start(struct stress *stress)
{
    struct tr_error err = {0};
    assert_int_equal(tr_reactor_open(&stress->service_reactor, TR_REACTOR_AUTO, 8, 8, &err), TR_OK);
    stress->make.service_reactor = stress->service_reactor;
    const enum tr_code code = tr_sim_engine_open(&stress->engine, &stress->make, &err);
    check(stress, code == TR_OK, err.text);
    for (uint32_t s = 0; s < stress->make.shipper_count; s++) {
        tr_oracle_begin_life(&stress->oracles[s],
                             stress->store.value.used > 0 ? &stress->engine.position : NULL);
    }
    atomic_store_explicit(&stress->is_exhausted, false, memory_order_relaxed); /* no thread yet */
    check(stress, tr_pipeline_start(&stress->engine.pipeline, &err) == TR_OK, err.text);
}

/* The threads have ended: what they did, and what they saved. */
static void judge(struct stress *stress)
{
    struct tr_saved_position position = {0};
    struct tr_error err = {0};
    const bool has_saved = stress->store.value.used > 0;
    if (has_saved) {
        const struct tr_span stored =
            tr_span_of(stress->store.value.bytes, stress->store.value.used);
        check(stress, tr_sim_engine_parse(&stress->engine, stored, &position, &err) == TR_OK,
              err.text);
        const struct tr_model_effect *missed = NULL;
        check(stress,
              !stress->model.has_history ||
                  tr_history_check_covers(&stress->history_check, &position, &missed),
              "a position passes a statement that is not in the history");
    }
    for (uint32_t s = 0; s < stress->make.shipper_count; s++) {
        if (has_saved) {
            tr_oracle_saved(&stress->oracles[s], &position);
        }
        check(stress, stress->oracles[s].failure[0] == '\0', stress->oracles[s].failure);
    }
    tr_gtid_set_close(position.gtids);
}

/* Ends the threads wherever they are. */
static void kill_engine(struct stress *stress)
{
    tr_pipeline_stop(&stress->engine.pipeline);
    for (uint32_t s = 0; s < stress->make.shipper_count; s++) {
        tr_model_kinesis_kill(&stress->kinesis[s]);
    }
    tr_model_store_kill(&stress->store);
    tr_model_history_kill(&stress->history);
    judge(stress);
    tr_sim_engine_close(&stress->engine);
    tr_reactor_close(stress->service_reactor);
}

static void stop_in_order(struct stress *stress)
{
    struct tr_pipeline *pipeline = &stress->engine.pipeline;
    while (!atomic_load_explicit(&stress->is_exhausted, memory_order_acquire)) {
        look_again(stress);
    }
    tr_pipeline_begin_stop(pipeline);
    while (!tr_pipeline_is_drained(pipeline)) {
        look_again(stress);
    }
    tr_coordinator_begin_stop(&pipeline->coordinator);
    tr_doorbell_ring(&pipeline->place.service->bell);
    while (!tr_coordinator_is_stopped(&pipeline->coordinator)) {
        look_again(stress);
    }
    tr_pipeline_stop(pipeline);
    judge(stress);
    for (uint32_t s = 0; s < stress->make.shipper_count; s++) {
        (void)tr_oracle_is_complete(&stress->oracles[s], UINT32_MAX, true);
        check(stress, stress->oracles[s].failure[0] == '\0', stress->oracles[s].failure);
        check(stress, stress->oracles[s].saved_row == stress->source.log.row_count,
              "an orderly stop did not save everything");
    }
    tr_sim_engine_close(&stress->engine);
    tr_reactor_close(stress->service_reactor);
}

static void run(uint64_t seed, enum tr_thread_plan plan)
{
    static struct stress stress; /* too large for the stack */
    open_stress(&stress, seed, plan);
    for (uint32_t kills = tr_random_below(&stress.random, KILLS_MAX + 1); kills > 0; kills--) {
        start(&stress);
        for (uint32_t looks = tr_random_below(&stress.random, 20); looks > 0; looks--) {
            look_again(&stress);
        }
        kill_engine(&stress);
    }
    start(&stress);
    stop_in_order(&stress);
    close_stress(&stress);
}

static uint64_t seed_first;
static uint64_t run_count = RUNS;

static void run_plan(enum tr_thread_plan plan)
{
    for (uint64_t i = 0; i < run_count; i++) {
        run(seed_first + i, plan);
    }
}

static void plan_compact_delivers_everything_in_order(void **state)
{
    (void)state;
    run_plan(TR_PLAN_COMPACT);
}

static void plan_spread_delivers_everything_in_order(void **state)
{
    (void)state;
    run_plan(TR_PLAN_SPREAD);
}

/* test_pipeline_threads [SEED [RUNS]] */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plan_compact_delivers_everything_in_order),
                                       cmocka_unit_test(plan_spread_delivers_everything_in_order)};
    tr_log_setup(TR_LOG_ERROR, TR_LOG_TEXT, 2);
    seed_first = tr_seed_from(argc, argv);
    run_count = argc == 2 ? 1 : argc > 2 ? strtoull(argv[2], NULL, 10) : RUNS;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
