// SPDX-License-Identifier: Apache-2.0
/* `tailrace run`: start, supervise, stop. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/app/commands.h"
#include "engine/app/settings.h"
#include "engine/app/start.h"
#include "engine/app/supervise.h"
#include "engine/assert.h"
#include "engine/health.h"
#include "engine/http.h"
#include "engine/log.h"
#include "stages/ship/transport_curl.h"
#include "stages/source/idle_source.h"

#define METRIC_BLOCKS_MAX 4096
#define SUPERVISE_NS (20 * TR_NS_PER_MS)
#define PORT_WAIT_NS                                                                               \
    (2 * TR_NS_PER_S) /* the kernel may hold a killed predecessor's port for a moment (io_uring) */
#define AFTER_FAULT_NS                                                                             \
    (TR_NS_PER_S /                                                                                 \
     2) /* without progress for so long after a fault: what could drain has drained  \
                       */
#define SERVICE_FDS 64
#define SERVICE_TIMERS 16

/* Everything one run owns. */
struct run {
    struct tr_config *config;
    struct tr_signals signals;
    struct tr_reactor *main_reactor;
    struct tr_reactor *service_reactor;
    struct tr_reactor *http_reactor;
    struct tr_runner http_runner;
    struct tr_http *http;
    struct tr_health health;
    struct tr_metrics *metrics;
    struct tr_fault fault;
    struct tr_start start;
    struct tr_wire_source wire;
    struct tr_idle_source idle; /* initial_only: instead of the log */
    char server[16];            /* MariaDB's server id as text, for the source */
    struct tr_pipeline pipeline;
    struct tr_supervise supervise;
};

static int64_t now_ns(void)
{
    return tr_clock_monotonic_ns(tr_clock_system());
}

/* --- start
 * ---------------------------------------------------------------------------------------- */

/* HTTP first, on a thread of its own: it says "starting" while everything else is still being
 * asked. */
static enum tr_code start_http(struct run *run, struct tr_error *err)
{
    const struct tr_http_options options = {.host = run->config->http_host,
                                            .port = (uint16_t)run->config->http_port,
                                            .metrics = run->metrics,
                                            .health = &run->health};
    struct tr_http_options with_reactor = options;
    if (tr_reactor_open(&run->http_reactor, (enum tr_reactor_engine)run->config->reactor,
                        TR_HTTP_FDS_MAX, TR_HTTP_TIMERS_MAX, err) != TR_OK) {
        return err->code;
    }
    with_reactor.reactor = run->http_reactor;
    const int64_t deadline_ns = now_ns() + PORT_WAIT_NS;
    while (tr_http_open(&run->http, &with_reactor, now_ns(), err) != TR_OK) {
        if (err->remedy != TR_RETRY || run->signals.stop_asked || now_ns() >= deadline_ns) {
            err->remedy = TR_STOP;
            return err->code;
        }
        (void)tr_reactor_poll(run->main_reactor, now_ns(), SUPERVISE_NS);
    }
    if (tr_runner_init(&run->http_runner, "http", run->http_reactor, err) != TR_OK) {
        return err->code;
    }
    TR_LOG(TR_LOG_INFO, "http.listening", TR_TEXT("host", run->config->http_host),
           TR_UINT("port", tr_http_port(run->http)));
    return tr_runner_start(&run->http_runner, err);
}

static enum tr_code open_transport(void *self, uint32_t index, struct tr_reactor *reactor,
                                   uint32_t slot_count, struct tr_transport *transport,
                                   struct tr_error *err)
{
    struct run *run = self;
    char name[24];
    (void)snprintf(name, sizeof(name), "transport-%u", index);
    const struct tr_transport_curl_options options = {
        .endpoint = &run->start.endpoint,
        .credentials = run->start.credentials,
        .reactor = reactor,
        .clock = tr_clock_system(),
        .slot_count = slot_count,
        .connect_timeout_ns = (int64_t)run->config->sink_connect_timeout_ms * TR_NS_PER_MS,
        .ca_file = run->config->sink_tls_ca,
        .metrics = tr_metrics_add_block(run->metrics, name)};
    return tr_transport_curl_open(transport, &options, err);
}

static bool refresh_credentials(void *self, uint64_t generation, int64_t at_ns)
{
    return tr_credentials_refresh(self, generation, at_ns);
}

/* Of each shipper: those of the tables there are, and as many again that may be made while it runs.
 */
static uint32_t streams_max(const struct run *run, uint32_t shipper_count)
{
    const uint32_t now_count = tr_streams_count(run->start.streams);
    const uint32_t wanted = 2 * (now_count / shipper_count + 1);
    const uint32_t most = TR_STREAMS_MAX / shipper_count + 1;

    return wanted < TR_SHIPPER_STREAMS_DEFAULT ? 0 : wanted < most ? wanted : most;
}

/* The source: the snapshot where there is one, then the log, or nothing behind it. */
static enum tr_code open_source(struct run *run, struct tr_pipeline_options *options,
                                struct tr_error *err)
{
    struct tr_wire_options wire = tr_settings_wire(run->config);
    const struct tr_source_port *log = &run->wire.port;

    (void)snprintf(run->server, sizeof(run->server), "%" PRIu32, run->start.facts.server_id);
    wire.expected_server =
        run->start.facts.flavor == TR_FLAVOR_MYSQL ? run->start.facts.server_uuid : run->server;
    if (tr_wire_source_init(&run->wire, &wire, err) != TR_OK ||
        tr_idle_source_init(&run->idle, err) != TR_OK) {
        return err->code;
    }
    if (run->config->snapshot_mode == TR_CONFIG_SNAPSHOT_INITIAL_ONLY) {
        TR_LOG(TR_LOG_INFO, "run.initial_only",
               TR_TEXT("means", "nothing is read behind the snapshot; runs until it is stopped"));
        log = &run->idle.port;
        options->ingest.silence_ns = 0;
    }
    options->ingest.port =
        run->start.snapshot == NULL ? log : tr_snapshot_port(run->start.snapshot, log);
    options->sequencer.begins_with_snapshot = run->start.snapshot != NULL;
    return TR_OK;
}

/* What becomes of the log's statements. */
static void set_statements(struct run *run, struct tr_pipeline_options *options)
{
    const struct tr_config *config = run->config;

    options->sequencer.model = run->start.model;
    if (run->start.publisher.stream != NULL || run->start.publisher.wants_documents) {
        options->sequencer.publisher = &run->start.publisher;
    }
    options->sequencer.skips_unparseable = config->ddl_on_error == TR_CONFIG_DDL_SKIP;
    options->sequencer.sends_truncates =
        (run->start.encode.skipped_ops & 1u << TR_ROW_TRUNCATE) == 0;
    options->sequencer.start_is_debezium = run->start.offset_is_debezium;
    if (run->start.history.self != NULL) {
        options->historian.store = &run->start.history;
        options->historian.seal = run->start.history_seal;
    }
}

static enum tr_code start_pipeline(struct run *run, struct tr_pipeline_options *options,
                                   struct tr_error *err)
{
    const struct tr_clock *clock = tr_clock_system();

    if (open_source(run, options, err) != TR_OK) {
        return err->code;
    }
    set_statements(run, options);
    options->seed = (uint64_t)tr_clock_wall_unix_ns(clock) ^ (uint64_t)getpid();
    options->clock = clock;
    options->metrics = run->metrics;
    options->fault = &run->fault;
    options->streams = run->start.streams;
    options->service_reactor = run->service_reactor;
    options->open_transport = open_transport;
    options->open_transport_self = run;
    options->sequencer.catalog = run->start.catalog;
    options->sequencer.sources = run->start.gtid_sources;
    options->sequencer.flavor = run->start.facts.flavor;
    options->sequencer.gtid_mode = run->start.encode.gtid_mode;
    options->sequencer.source_is_same = run->start.counters_apply;
    options->sequencer.start = run->start.position.point;
    options->sequencer.start_gtids = run->start.gtids_known ? run->start.position.gtids : NULL;
    options->sequencer.row_bytes_max = run->config->row_max_bytes;
    options->sequencer.replay_bytes_max = run->config->replay_max_bytes;
    options->shipper.streams_max = streams_max(run, options->shipper_count);
    options->shipper.refresh_credentials = refresh_credentials;
    options->shipper.refresh_self = run->start.credentials;
    run->start.identity.schema_fingerprint = run->start.fingerprint;
    options->coordinator.flavor = run->start.facts.flavor;
    options->coordinator.keep_gtids = run->start.gtids_known;
    options->coordinator.initial = &run->start.position;
    options->coordinator.stored_value =
        tr_span_of(run->start.stored_value, run->start.stored_bytes);
    options->coordinator.identity = &run->start.identity;
    options->coordinator.store = &run->start.store;
    options->coordinator.wall_offset_ns =
        tr_clock_wall_unix_ns(clock) - tr_clock_monotonic_ns(clock);
    if (tr_pipeline_init(&run->pipeline, options, err) != TR_OK) {
        return err->code;
    }
    tr_memory_sum_add(&run->pipeline.memory, "catalog", run->config->catalog_max_bytes);
    if (run->start.snapshot != NULL) {
        tr_memory_sum_add(&run->pipeline.memory, "snapshot",
                          tr_snapshot_memory_bytes(run->start.snapshot));
    }
    tr_memory_sum_add(&run->pipeline.memory, "stream names", tr_streams_memory_bytes());
    tr_memory_sum_add(&run->pipeline.memory, "metrics", tr_metrics_memory_bytes(METRIC_BLOCKS_MAX));
    tr_memory_sum_add(&run->pipeline.memory, "http", tr_http_memory_bytes());
    tr_memory_sum_add(&run->pipeline.memory, "transports",
                      options->shipper_count *
                          tr_transport_curl_memory_bytes(TR_SHIPPER_SLOTS_MAX, 0));
    tr_metrics_set_memory_sum(run->metrics, &run->pipeline.memory);
    for (uint32_t i = 0; i < run->pipeline.runner_count; i++) {
        tr_metrics_add_runner(run->metrics, &run->pipeline.runners[i]);
    }
    return tr_pipeline_start(&run->pipeline, err);
}

/* Every term: these lines are not throttled, and come once. */
static void log_memory_term(const char *name, uint64_t bytes)
{
    const struct tr_log_field fields[] = {TR_TEXT("term", name), TR_UINT("bytes", bytes)};
    tr_log_write(NULL, TR_LOG_INFO, "start.memory", fields, sizeof(fields) / sizeof(fields[0]));
}

static void log_memory(const struct tr_memory_sum *sum)
{
    for (uint32_t i = 0; i < sum->term_count; i++) {
        log_memory_term(sum->terms[i].name, sum->terms[i].bytes);
    }
    log_memory_term("sum", tr_memory_sum_total(sum));
}

static enum tr_code start_all(struct run *run, struct tr_error *err)
{
    struct tr_pipeline_options options = {0};
    const enum tr_reactor_engine engine = (enum tr_reactor_engine)run->config->reactor;

    tr_settings_pipeline(&options, run->config);
    if (tr_metrics_open(&run->metrics, METRIC_BLOCKS_MAX, err) != TR_OK ||
        tr_reactor_open(&run->main_reactor, engine, SERVICE_FDS, SERVICE_TIMERS, err) != TR_OK ||
        tr_reactor_open(&run->service_reactor, engine, SERVICE_FDS, SERVICE_TIMERS, err) != TR_OK ||
        tr_signals_open(&run->signals, run->main_reactor, run->config->shutdown_timeout_ms, err) !=
            TR_OK) {
        return err->code;
    }
    tr_supervise_init(&run->supervise, run->config, run->metrics, &run->health);
    if (start_http(run, err) != TR_OK) {
        return err->code;
    }
    run->start.config = run->config;
    run->start.signals = &run->signals;
    run->start.reactor = run->main_reactor;
    run->start.service_reactor = run->service_reactor;
    run->start.deadline_ns = now_ns() + (int64_t)run->config->startup_wait_ms * TR_NS_PER_MS;
    if (tr_start_open_store(&run->start, &run->fault, err) != TR_OK ||
        tr_start_prepare(&run->start, options.shipper_count, err) != TR_OK ||
        tr_start_ensure_streams(&run->start, err) != TR_OK ||
        start_pipeline(run, &options, err) != TR_OK ||
        tr_supervise_start(&run->supervise, &run->start, &run->pipeline, err) != TR_OK) {
        return err->code;
    }
    log_memory(&run->pipeline.memory);
    if (run->start.table_count == 0) {
        TR_LOG(TR_LOG_WARN, "run.nothing_captured",
               TR_TEXT("remedy", "no table that the user can see matches the include and exclude "
                                 "lists: `tailrace check` says more"));
    }
    TR_LOG(TR_LOG_INFO, "run.streaming", TR_TEXT("server", run->start.facts.version),
           TR_UINT("tables", run->start.table_count), TR_UINT("decoders", options.decoder_count),
           TR_UINT("shippers", options.shipper_count),
           TR_UINT("http_port", tr_http_port(run->http)));
    return TR_OK;
}

/* --- run
 * ------------------------------------------------------------------------------------------ */

/* Relaxed everywhere: shown to people; a moment's disagreement does no harm. */
static uint64_t look(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* Until a stop is asked for, or a fault is raised. */
static void supervise(struct run *run)
{
    while (!run->signals.stop_asked && tr_fault_seen(&run->fault) == NULL) {
        const int64_t now = now_ns();
        tr_supervise_step(&run->supervise, now);
        (void)tr_reactor_poll(run->main_reactor, now, SUPERVISE_NS);
    }
}

/* --- stop
 * ----------------------------------------------------------------------------------------- */

/* Waits until everything read is delivered, or nothing more can be, or the deadline. Whether it was
 * all. */
static bool drain(struct run *run, int64_t deadline_ns)
{
    uint64_t seen_count = UINT64_MAX;
    uint64_t seen_routed = 0;
    int64_t moved_ns = now_ns();
    for (int64_t now = moved_ns; now < deadline_ns; now = now_ns()) {
        const bool faulty = tr_fault_seen(&run->fault) != NULL;
        if (tr_pipeline_is_drained(&run->pipeline)) {
            return true;
        }
        const uint64_t count = tr_pipeline_queued_count(&run->pipeline);
        const uint64_t routed = look(&run->pipeline.progress.routed_seq);
        if (count != seen_count || routed != seen_routed) {
            seen_count = count;
            seen_routed = routed;
            moved_ns = now;
        }
        if (faulty && now - moved_ns > AFTER_FAULT_NS) {
            return false;
        }
        (void)tr_reactor_poll(run->main_reactor, now, SUPERVISE_NS / 4);
    }
    return false;
}

static bool save_last(struct run *run, int64_t deadline_ns)
{
    tr_coordinator_begin_stop(&run->pipeline.coordinator);
    tr_doorbell_ring(&run->pipeline.place.service->bell);
    for (int64_t now = now_ns(); now < deadline_ns; now = now_ns()) {
        if (tr_coordinator_is_stopped(&run->pipeline.coordinator)) {
            return true;
        }
        (void)tr_reactor_poll(run->main_reactor, now, SUPERVISE_NS / 4);
    }
    return tr_coordinator_is_stopped(&run->pipeline.coordinator);
}

static enum tr_code stop_all(struct run *run, struct tr_error *err)
{
    const int64_t deadline_ns = now_ns() + (int64_t)run->config->shutdown_timeout_ms * TR_NS_PER_MS;
    const int64_t reserve_ns =
        (int64_t)run->config->shutdown_timeout_ms * TR_NS_PER_MS / 4; /* for the last save */

    tr_health_set_cause(&run->health, TR_HEALTH_STOPPING, -1, NULL);
    tr_pipeline_begin_stop(&run->pipeline);
    const bool drained = drain(run, deadline_ns - reserve_ns);
    const bool saved = save_last(run, deadline_ns);
    const struct tr_error *fault = tr_fault_seen(&run->fault);
    TR_LOG(TR_LOG_INFO, "run.stopped", TR_TEXT("drained", drained ? "yes" : "no"),
           TR_TEXT("saved", saved ? "yes" : "no"));
    if (fault != NULL) {
        tr_health_set(&run->health, TR_HEALTH_FAILED, -1);
        *err = *fault;
        if (err->code == TR_ERR_SOURCE_CLASH) {
            (void)tr_error_prefix(err, "debezium.source.database.server.id = %" PRIu64,
                                  run->config->database_server_id);
        }
        return err->code;
    }
    if (!drained || !saved) {
        return TR_FAIL(
            err, TR_ERR_INTERRUPTED, TR_STOP,
            "shutdown: not everything was %s within tailrace.shutdown.timeout.ms = %" PRIu64
            ": it will be sent again after the next start; raise the timeout",
            drained ? "saved" : "delivered", run->config->shutdown_timeout_ms);
    }
    return TR_OK;
}

static void close_all(struct run *run)
{
    tr_supervise_stop(&run->supervise);
    tr_pipeline_stop(&run->pipeline);
    tr_runner_stop(&run->http_runner);
    tr_runner_join(&run->http_runner);
    tr_pipeline_deinit(&run->pipeline);
    tr_wire_source_deinit(&run->wire);
    tr_idle_source_deinit(&run->idle);
    tr_start_deinit(&run->start);
    tr_http_close(run->http);
    tr_runner_deinit(&run->http_runner);
    tr_signals_close(&run->signals);
    tr_reactor_close(run->http_reactor);
    tr_reactor_close(run->service_reactor);
    tr_reactor_close(run->main_reactor);
    tr_metrics_close(run->metrics);
    tr_config_close(run->config);
    tr_mysql_library_close();
}

enum tr_code tr_command_run(struct tr_command_call *call, struct tr_error *err)
{
    static struct run run; /* one per process, and too large for the stack */

    if (tr_command_load_config(call, TR_CONFIG_FOR_RUN, &run.config, err) != TR_OK) {
        return err->code;
    }
    tr_log_setup((enum tr_log_level)run.config->log_level,
                 run.config->log_json ? TR_LOG_JSON : TR_LOG_TEXT, STDERR_FILENO);
    call->is_error_logged = true;
    tr_config_log(run.config);
    enum tr_code code = tr_mysql_library_open(err);
    if (code == TR_OK) {
        code = start_all(&run, err);
    }
    if (code == TR_OK) {
        supervise(&run);
        code = stop_all(&run, err);
    }
    close_all(&run);
    return code;
}
