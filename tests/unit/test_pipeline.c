// SPDX-License-Identifier: Apache-2.0
/* The pipeline's own life: what init made before it failed is given back once, at every place. */
#include "engine/app/pipeline.h"

#include <string.h>

#include "tests/check.h"

struct ports {
    uint32_t opened_count;
    uint32_t closed_count;
    uint32_t fail_at; /* this transport is refused */
};

static enum tr_code open_source(void *self, const struct tr_resume *resume, struct tr_error *err)
{
    (void)self;
    (void)resume;
    return TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RETRY, "no source here");
}

static void ignore(void *self)
{
    (void)self;
}

static void close_transport(void *self)
{
    struct ports *ports = self;
    ports->closed_count++;
}

static enum tr_code open_transport(void *self, uint32_t index, struct tr_reactor *reactor,
                                   uint32_t slot_count, struct tr_transport *transport,
                                   struct tr_error *err)
{
    struct ports *ports = self;
    (void)reactor;
    (void)slot_count;
    if (index == ports->fail_at) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "transport %u: refused", index);
    }
    ports->opened_count++;
    *transport = (struct tr_transport){.self = ports, .close = close_transport};
    return TR_OK;
}

/* Options of a pipeline that can be made, but not run. */
struct rig {
    struct ports ports;
    struct tr_source_port source;
    struct tr_metrics *metrics;
    struct tr_streams *streams;
    struct tr_fault fault;
    struct tr_pipeline pipeline;
};

static void rig_open(struct rig *rig, uint32_t fail_at)
{
    struct tr_error err;
    memset(rig, 0, sizeof(*rig));
    rig->ports.fail_at = fail_at;
    rig->source = (struct tr_source_port){
        .self = rig, .open = open_source, .close = ignore, .wake = ignore};
    assert_int_equal(tr_metrics_open(&rig->metrics, 256, &err), TR_OK);
    assert_int_equal(tr_streams_open(&rig->streams, 1, &err), TR_OK);
}

static void rig_close(struct rig *rig)
{
    tr_streams_close(rig->streams);
    tr_metrics_close(rig->metrics);
}

static struct tr_pipeline_options options_of(struct rig *rig, enum tr_thread_plan plan,
                                             uint32_t decoder_count, uint32_t shipper_count)
{
    return (struct tr_pipeline_options){
        .plan = plan,
        .reactor_engine = TR_REACTOR_EPOLL,
        .decoder_count = decoder_count,
        .shipper_count = shipper_count,
        .units_in_flight = 1,
        .clock = tr_clock_system(),
        .metrics = rig->metrics,
        .fault = &rig->fault,
        .ingest = {.port = &rig->source},
        .decoder = {.row_bytes_max = 64 * 1024, .record_bytes_max = 64 * 1024},
        .shipper = {.keys_max = TR_SHIPPER_KEYS_MIN, .parking_bytes = 1},
        .open_transport = open_transport,
        .open_transport_self = &rig->ports,
        .streams = rig->streams};
}

static void a_pipeline_that_could_not_be_made_is_given_back_once(void **state)
{
    static struct rig rig;
    struct tr_error err;
    (void)state;
    for (uint32_t fail_at = 0; fail_at < 3; fail_at++) {
        rig_open(&rig, fail_at);
        const struct tr_pipeline_options options = options_of(&rig, TR_PLAN_SINGLE, 2, 3);
        assert_int_equal(tr_pipeline_init(&rig.pipeline, &options, &err), TR_ERR_SYSTEM);
        tr_pipeline_deinit(&rig.pipeline); /* as the application does, whatever failed */
        assert_int_equal(rig.ports.opened_count, fail_at);
        assert_int_equal(rig.ports.closed_count, fail_at);
        rig_close(&rig);
    }
}

/* The most threads, and the most actors on one. */
static void every_plan_holds_the_most_decoders_and_shippers(void **state)
{
    static const enum tr_thread_plan plans[] = {TR_PLAN_SINGLE, TR_PLAN_COMPACT, TR_PLAN_SPREAD};
    static struct rig rig;
    struct tr_error err;
    (void)state;
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        rig_open(&rig, UINT32_MAX);
        const struct tr_pipeline_options options =
            options_of(&rig, plans[i], TR_DECODERS_MAX, TR_SHIPPERS_MAX);
        assert_int_equal(tr_pipeline_init(&rig.pipeline, &options, &err), TR_OK);
        for (uint32_t r = 0; r < rig.pipeline.runner_count; r++) {
            tr_metrics_add_runner(rig.metrics, &rig.pipeline.runners[r]);
        }
        tr_pipeline_deinit(&rig.pipeline);
        assert_int_equal(rig.ports.closed_count, TR_SHIPPERS_MAX);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipeline_that_could_not_be_made_is_given_back_once),
        cmocka_unit_test(every_plan_holds_the_most_decoders_and_shippers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
