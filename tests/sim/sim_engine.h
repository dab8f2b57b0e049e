// SPDX-License-Identifier: Apache-2.0
/*
 * One life of the engine on simulated ports: catalog, streams, position and pipeline, made as
 * `tailrace run` makes them.
 */
#ifndef TR_TESTS_SIM_SIM_ENGINE_H
#define TR_TESTS_SIM_SIM_ENGINE_H

#include "engine/app/pipeline.h"
#include "offsets/history_seal.h"
#include "stages/ddl/model.h"
#include "stages/ddl/publish.h"
#include "stages/schema/catalog.h"
#include "stages/schema/filter.h"
#include "tests/sim/model_history.h"
#include "tests/sim/model_log.h"
#include "tests/sim/model_snapshot.h"
#include "tests/sim/model_store.h"

struct tr_sim_engine_options {
    enum tr_thread_plan plan;
    const struct tr_model_options *model;
    const struct tr_model_log *log; /* where it begins when nothing is stored */
    uint32_t decoder_count;
    uint32_t shipper_count;
    uint64_t seed;
    int64_t flush_interval_ns;
    int64_t request_timeout_ns;
    int64_t map_refresh_ns;
    int64_t control_interval_ns;
    uint32_t batch_size_max; /* these: 0 = as configured by default */
    uint32_t flight_bytes_max;
    uint32_t keys_max;
    uint32_t create_shards;
    uint64_t replay_bytes_max;
    enum tr_order_hot order_hot;
    bool envelope_ts_is_source;
    bool skips_unparseable; /* tailrace.ddl.on.error=skip */
    const struct tr_clock *clock;
    struct tr_source_port *source;
    struct tr_model_snapshot
        *snapshot; /* NULL: it begins with the log, else as snapshot.mode=initial */
    /* Of a snapshot, before its position is saved; false: killed while that is under way; or NULL. */
    bool (*on_cut)(void *self);
    void *on_cut_self;
    struct tr_model_store *store;     /* NULL with a sink */
    struct tr_model_history *history; /* NULL: there is none */
    tr_open_transport *open_transport;
    void *open_transport_self;
    tr_record_sink *sink; /* instead of shippers */
    void *sink_self;
    struct tr_reactor *service_reactor; /* NULL under plan single */
    bool has_fixed_streams;             /* table t has stream t, whichever comes first */
};

/* Large; must not move while it is open. */
struct tr_sim_engine {
    struct tr_sim_engine_options options;
    struct tr_gtid_sources *sources;
    struct tr_filter *filter;
    struct tr_streams *streams;
    struct tr_catalog *catalog;
    struct tr_ddl_model *model;
    struct tr_ddl_publisher publisher;
    struct tr_history_seal history_seal;
    struct tr_metrics *metrics;
    struct tr_fault fault;
    struct tr_saved_position position; /* where it begins */
    bool takes_snapshot;
    struct tr_encode_options encode;
    struct tr_identity identity;
    struct tr_pipeline pipeline;
};

/* Errors: those of the parts. Close it in any case. */
TR_NODISCARD enum tr_code tr_sim_engine_open(struct tr_sim_engine *engine,
                                             const struct tr_sim_engine_options *options,
                                             struct tr_error *err);
void tr_sim_engine_close(struct tr_sim_engine *engine);

/* Parses a stored text with the engine's GTID sources; `position->gtids` is opened, the caller's to
 * close. */
TR_NODISCARD enum tr_code tr_sim_engine_parse(struct tr_sim_engine *engine, struct tr_span stored,
                                              struct tr_saved_position *position,
                                              struct tr_error *err);

/* After an orderly stop: NULL when every object is home again, else what is missing. `room` is the
 * text's. */
const char *tr_sim_engine_find_leak(const struct tr_sim_engine *engine, char *text, size_t room);

/* Whether a shipper can park no more: then a stream that does not answer holds up the others. */
bool tr_sim_engine_parking_is_full(const struct tr_sim_engine *engine);

#endif
