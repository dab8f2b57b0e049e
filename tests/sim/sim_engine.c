// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_engine.h"

#include <stdio.h>

#include "engine/app/start_choice.h"
#include "engine/clock.h"
#include "engine/config.h"
#include "stages/ddl/recover.h"
#include "stages/ship/shipper_state.h"
#include "tests/sim/sim_engine_parts.h"

#define TABLES_BYTES_MAX (32 * 1024 * 1024)

enum tr_code tr_sim_engine_parse(struct tr_sim_engine *engine, struct tr_span stored,
                                 struct tr_saved_position *position, struct tr_error *err)
{
    const enum tr_code code =
        tr_gtid_set_open(&position->gtids, engine->options.model->flavor, err);
    return code == TR_OK ? tr_position_parse_json(position, engine->sources, stored, err) : code;
}

/* Reads the stored position, or takes the beginning of the log, or a snapshot. */
static enum tr_code find_position(struct tr_sim_engine *engine, struct tr_error *err)
{
    const struct tr_model_store *store = engine->options.store;
    const bool has_offset = store != NULL && store->value.used > 0;
    if (has_offset && tr_sim_engine_parse(engine, tr_span_of(store->value.bytes, store->value.used),
                                          &engine->position, err) != TR_OK) {
        return err->code;
    }
    engine->takes_snapshot =
        engine->options.snapshot != NULL &&
        tr_start_takes_snapshot(TR_CONFIG_SNAPSHOT_INITIAL, has_offset, &engine->position.point);
    if (engine->takes_snapshot) { /* nothing of the stored one counts */
        tr_gtid_set_close(engine->position.gtids);
        engine->position = (struct tr_saved_position){0};
        return tr_gtid_set_open(&engine->position.gtids, engine->options.model->flavor, err);
    }
    if (has_offset) {
        return TR_OK;
    }
    struct tr_buffer start = {0};
    tr_model_log_write_start(engine->options.log, &start);
    const enum tr_code code =
        tr_sim_engine_parse(engine, tr_span_of(start.bytes, start.used), &engine->position, err);
    tr_buffer_free(&start);
    return code;
}

static enum tr_code open_parts(struct tr_sim_engine *engine, struct tr_error *err)
{
    const struct tr_sim_engine_options *options = &engine->options;
    const enum tr_flavor flavor = options->model->flavor;
    engine->encode = (struct tr_encode_options){
        .flavor = flavor,
        .topic_prefix = tr_span_of_text("p"),
        .tombstones_on_delete = true,
        .enable_time_adjuster = true,
        .envelope_ts_is_source = options->envelope_ts_is_source,
        .gtid_mode = flavor == TR_FLAVOR_MYSQL && !options->model->by_file,
        .skipped_ops = options->model->sends_truncates ? 0 : 1u << TR_ROW_TRUNCATE,
        .row_bytes_max = 16 * 1024 * 1024,
        .record_bytes_max = 1024 * 1024};
    const struct tr_filter_options filter = {.table_include = tr_span_of_text("sim\\.t.")};
    const uint32_t shipper_count = options->shipper_count == 0 ? 1 : options->shipper_count;
    if (tr_gtid_sources_open(&engine->sources, err) != TR_OK ||
        tr_filter_open(&engine->filter, &filter, err) != TR_OK ||
        tr_streams_open(&engine->streams, shipper_count, err) != TR_OK ||
        tr_metrics_open(&engine->metrics, 64, err) != TR_OK) {
        return err->code;
    }
    for (uint32_t t = 0; options->has_fixed_streams && t < TR_MODEL_TABLES_MAX; t++) {
        const char name[] = {'p', '.', 's', 'i', 'm', '.', 't', (char)('0' + t), '\0'};
        if (tr_streams_intern(engine->streams, tr_span_of_text(name), err) == NULL) {
            return err->code;
        }
    }
    if (options->model->publishes) {
        engine->publisher.stream = tr_streams_intern(engine->streams, tr_span_of_text("p"), err);
        if (engine->publisher.stream == NULL) {
            return err->code;
        }
    }
    return sim_engine_open_catalog(engine, err) == TR_OK ? find_position(engine, err) : err->code;
}

enum tr_code sim_engine_open_catalog(struct tr_sim_engine *engine, struct tr_error *err)
{
    const struct tr_sim_engine_options *options = &engine->options;
    const struct tr_ddl_options ddl = {.flavor = options->model->flavor,
                                       .bytes_max = TABLES_BYTES_MAX};
    const struct tr_catalog_options catalog = {.flavor = options->model->flavor,
                                               .filter = engine->filter,
                                               .streams = engine->streams,
                                               .topic = {.prefix = tr_span_of_text("p")},
                                               .encode = &engine->encode,
                                               .plans = {.open = tr_plan_open,
                                                         .close = tr_plan_close,
                                                         .memory_bytes = tr_plan_memory_bytes},
                                               .bytes_max = TABLES_BYTES_MAX,
                                               .metadata_is_full =
                                                   !options->model->has_minimal_metadata};
    tr_catalog_close(engine->catalog);
    engine->catalog = NULL;
    tr_ddl_model_close(engine->model);
    engine->model = NULL;
    return tr_catalog_open(&engine->catalog, &catalog, err) == TR_OK
               ? tr_ddl_model_open(&engine->model, &ddl, err)
               : err->code;
}

/* --- the schema history --------------------------------------------------------------------------
 */

struct loading {
    struct tr_sim_engine *engine;
    struct tr_recover recover;
    struct tr_history_seal wanted; /* of the documents that the position needs */
};

static enum tr_code take_document(void *self, struct tr_span document, struct tr_error *err)
{
    struct loading *loading = self;
    struct tr_history_seal *seal = &loading->engine->history_seal;

    tr_history_seal_add(seal, document);
    if (tr_history_seal_is_other(seal, &loading->wanted)) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP, "history: others than the position's");
    }
    return tr_recover_document(&loading->recover, document, err);
}

static enum tr_code load_history(struct loading *loading, struct tr_error *err)
{
    const struct tr_history_store *store = &loading->engine->options.history->port;
    const int64_t now_ns = tr_clock_monotonic_ns(loading->engine->options.clock);
    enum tr_store_state state = TR_STORE_FAILED;

    while (state != TR_STORE_DONE) { /* ends: each try gives some documents */
        store->start_load(store->self, take_document, loading, now_ns);
        state = store->poll(store->self, store->next_deadline_ns(store->self), err);
        if (state == TR_STORE_FAILED && err->remedy != TR_RETRY) {
            return err->code;
        }
    }
    *err = (struct tr_error){0};
    return tr_history_seal_is_short(&loading->engine->history_seal, &loading->wanted)
               ? TR_FAIL(err, TR_ERR_STATE, TR_STOP, "history: fewer than the position needs")
               : TR_OK;
}

struct using
{
    struct tr_sim_engine *engine;
    struct tr_error *err;
};

static bool use_table(void *self, struct tr_table *table)
{
    const struct using *using = self;
    return tr_catalog_set_model(using->engine->catalog, table->database, table->name, table,
                                using->err) == TR_OK;
}

enum tr_code sim_engine_recover_tables(struct tr_sim_engine *engine, struct tr_error *err)
{
    const struct tr_sim_engine_options *options = &engine->options;
    const enum tr_flavor flavor = options->model->flavor;
    struct loading loading = {.engine = engine};
    struct tr_identity stored = {0};

    const struct tr_model_store *store = options->store;
    if (store != NULL && store->identity.used > 0 && !engine->takes_snapshot &&
        tr_identity_parse_json(&stored, tr_span_of(store->identity.bytes, store->identity.used),
                               err) != TR_OK) {
        return err->code;
    }
    loading.wanted = stored.history;
    const struct tr_recover_options recover = {.flavor = flavor,
                                               .topic_prefix = tr_span_of_text("p"),
                                               .sources = engine->sources,
                                               .until = &engine->position,
                                               .skip_unparseable = options->skips_unparseable,
                                               .model = engine->model,
                                               .filter = engine->filter,
                                               .log_describes =
                                                   !options->model->has_minimal_metadata};
    enum tr_code code = tr_recover_open(&loading.recover, &recover, err);
    code = code == TR_OK ? load_history(&loading, err) : code;
    tr_recover_close(&loading.recover);
    if (code == TR_OK) {
        struct using using = {.engine = engine, .err = err};
        tr_ddl_each(engine->model, use_table, &using);
        code = err->code;
    }
    engine->publisher =
        (struct tr_ddl_publisher){.flavor = flavor,
                                  .topic_prefix = tr_span_of_text("p"),
                                  .filter = engine->filter,
                                  .stream = engine->publisher.stream,
                                  .envelope_ts_is_source = options->envelope_ts_is_source,
                                  .wants_documents = true};
    return code;
}

/* --- options -------------------------------------------------------------------------------------
 */

/* The model's keys of an odd generation are not the newest. */
static bool refresh_credentials(void *self, uint64_t generation, int64_t now_ns)
{
    (void)self;
    (void)now_ns;
    return generation % 2 == 1;
}

static void fill_options(struct tr_sim_engine *engine, struct tr_pipeline_options *made)
{
    const struct tr_sim_engine_options *options = &engine->options;
    const bool by_file = options->model->by_file;
    made->ingest.port = engine->takes_snapshot ? &options->snapshot->port : options->source;
    made->sequencer.begins_with_snapshot = engine->takes_snapshot;
    made->ingest.non_blocking = true;
    made->ingest.startup_wait_ms = 3600000;
    made->ingest.backoff_ms_min = 1;
    made->ingest.backoff_ms_max = 50;
    made->sequencer.catalog = engine->catalog;
    made->sequencer.sources = engine->sources;
    made->sequencer.flavor = options->model->flavor;
    made->sequencer.gtid_mode = engine->encode.gtid_mode;
    made->sequencer.source_is_same = true;
    made->sequencer.start = engine->position.point;
    made->sequencer.start_gtids = by_file ? NULL : engine->position.gtids;
    made->sequencer.row_bytes_max = 16 * 1024 * 1024;
    made->sequencer.replay_bytes_max =
        options->replay_bytes_max == 0 ? UINT64_C(1) << 32 : options->replay_bytes_max;
    if (options->history != NULL || engine->takes_snapshot) {
        made->sequencer.model = engine->model;
    }
    if (options->history != NULL) {
        made->sequencer.publisher = &engine->publisher;
        made->sequencer.skips_unparseable = options->skips_unparseable;
        made->sequencer.sends_truncates = options->model->sends_truncates;
        made->historian.store = &options->history->port;
        made->historian.seal = engine->history_seal;
    }
    made->decoder.row_bytes_max = 16 * 1024 * 1024;
    made->decoder.record_bytes_max = 1024 * 1024;
    made->shipper.slot_count = 4;
    made->shipper.null_key = "default";
    made->shipper.order_hot = options->order_hot;
    made->shipper.batch_size_max = options->batch_size_max;
    made->shipper.flight_bytes_max = options->flight_bytes_max;
    made->shipper.keys_max = options->keys_max;
    made->shipper.creates_streams = options->create_shards > 0;
    made->shipper.wish.shard_count = options->create_shards;
    made->shipper.refresh_credentials = refresh_credentials;
    made->shipper.request_timeout_ns = options->request_timeout_ns;
    made->shipper.map_refresh_ns = options->map_refresh_ns;
    made->shipper.control_interval_ns = options->control_interval_ns;
    made->shipper.start_grace_ns = 3600 * TR_NS_PER_S;
    made->shipper.stream_grace_ns = 3600 * TR_NS_PER_S;
    if (options->store != NULL) {
        made->coordinator.flavor = options->model->flavor;
        made->coordinator.keep_gtids = !by_file;
        made->coordinator.initial = &engine->position;
        made->coordinator.stored_value =
            tr_span_of(options->store->value.bytes, options->store->value.used);
        made->coordinator.identity = &engine->identity;
        made->coordinator.store = &options->store->port;
        made->coordinator.flush_interval_ns = options->flush_interval_ns;
    }
}

enum tr_code tr_sim_engine_open(struct tr_sim_engine *engine,
                                const struct tr_sim_engine_options *options, struct tr_error *err)
{
    memset(engine, 0, sizeof(*engine));
    engine->options = *options;
    engine->identity = (struct tr_identity){.flavor = options->model->flavor, .server_id = 7};
    if (open_parts(engine, err) != TR_OK ||
        (options->history != NULL && sim_engine_recover_tables(engine, err) != TR_OK) ||
        (engine->takes_snapshot && sim_engine_begin_snapshot(engine, err) != TR_OK)) {
        return err->code;
    }
    struct tr_pipeline_options made = {.plan = options->plan,
                                       .decoder_count = options->decoder_count,
                                       .shipper_count = options->shipper_count,
                                       .seed = options->seed,
                                       .clock = options->clock,
                                       .metrics = engine->metrics,
                                       .fault = &engine->fault,
                                       .streams = engine->streams,
                                       .open_transport = options->open_transport,
                                       .open_transport_self = options->open_transport_self,
                                       .sink = options->sink,
                                       .sink_self = options->sink_self,
                                       .service_reactor = options->service_reactor};
    fill_options(engine, &made);
    return tr_pipeline_init(&engine->pipeline, &made, err);
}

void tr_sim_engine_close(struct tr_sim_engine *engine)
{
    tr_pipeline_deinit(&engine->pipeline);
    tr_catalog_close(engine->catalog);
    tr_ddl_model_close(engine->model);
    tr_filter_close(engine->filter);
    tr_streams_close(engine->streams);
    tr_metrics_close(engine->metrics);
    tr_gtid_set_close(engine->position.gtids);
    tr_gtid_sources_close(engine->sources);
    memset(engine, 0, sizeof(*engine));
}

static bool is_pool_home(const struct tr_pool *pool, uint32_t kept, char *text, size_t room)
{
    if (pool->free_count + kept == pool->object_count) {
        return true;
    }
    (void)snprintf(text, room, "pool \"%s\": %u of %u objects are home, %u are kept", pool->name,
                   pool->free_count, pool->object_count, kept);
    return false;
}

const char *tr_sim_engine_find_leak(const struct tr_sim_engine *engine, char *text, size_t room)
{
    const struct tr_pipeline *pipeline = &engine->pipeline;
    if (!is_pool_home(&pipeline->ingest.pool, pipeline->ingest.open != NULL, text, room) ||
        !is_pool_home(&pipeline->sequencer.pool, 0, text, room) ||
        !is_pool_home(&pipeline->inflate.pool, pipeline->inflate.open != NULL, text, room)) {
        return text;
    }
    for (uint32_t d = 0; d < engine->options.decoder_count; d++) {
        const struct tr_decoder *decoder = &pipeline->decoders[d];
        if (!is_pool_home(&decoder->fragments, decoder->fragment != NULL, text, room)) {
            return text;
        }
        for (uint32_t i = 0; i < TR_DECODER_JUMBOS; i++) {
            if (!decoder->jumbo_is_free[i] && decoder->jumbo == NULL) {
                (void)snprintf(text, room, "decoder %u: jumbo %u is not home", d, i);
                return text;
            }
        }
    }
    for (uint32_t s = 0; s < engine->options.shipper_count; s++) {
        const struct tr_shipper *shipper = pipeline->shippers[s];
        if (shipper->queued_now != 0 || shipper->held_head != SHIP_NONE ||
            shipper->parked_bucket_count != 0 ||
            shipper->parking.used_count > (shipper->parking.open_page != UINT32_MAX)) {
            (void)snprintf(
                text, room,
                "shipper %u: %llu records queued, %u buckets parked, %u parking pages used", s,
                (unsigned long long)shipper->queued_now, shipper->parked_bucket_count,
                shipper->parking.used_count);
            return text;
        }
    }
    return NULL;
}

bool tr_sim_engine_parking_is_full(const struct tr_sim_engine *engine)
{
    const uint32_t record_pages = 1024 * 1024 / TR_PARKING_PAGE_BYTES + 1; /* of the largest */
    for (uint32_t s = 0; s < engine->options.shipper_count; s++) {
        const struct tr_parking *parking = &engine->pipeline.shippers[s]->parking;
        if (parking->page_count - parking->used_count < record_pages) {
            return true;
        }
    }
    return false;
}
