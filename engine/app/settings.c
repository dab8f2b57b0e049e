// SPDX-License-Identifier: Apache-2.0
#include "engine/app/settings.h"

#include <unistd.h>

#include "engine/assert.h"

#define RECORD_BYTES_MAX                                                                           \
    ((uint64_t)10 * 1024 *                                                                         \
     1024) /* what a stream can be set to take; the shipper knows each one's own */
#define CORES_FOR_SPREAD 4

struct tr_mysql_options tr_settings_mysql(const struct tr_config *config)
{
    static const enum tr_tls_mode modes[] = {[TR_CONFIG_SSL_DISABLED] = TR_TLS_DISABLED,
                                             [TR_CONFIG_SSL_PREFERRED] = TR_TLS_PREFERRED,
                                             [TR_CONFIG_SSL_REQUIRED] = TR_TLS_REQUIRED,
                                             [TR_CONFIG_SSL_VERIFY_CA] = TR_TLS_VERIFY_CA,
                                             [TR_CONFIG_SSL_VERIFY_IDENTITY] =
                                                 TR_TLS_VERIFY_IDENTITY};
    TR_ASSERT(config->database_ssl_mode < sizeof(modes) / sizeof(modes[0]));
    return (struct tr_mysql_options){.host = config->database_hostname,
                                     .user = config->database_user,
                                     .password = config->database_password,
                                     .ca_path = config->source_tls_ca,
                                     .cert_path = config->source_tls_cert,
                                     .key_path = config->source_tls_key,
                                     .port = (uint16_t)config->database_port,
                                     .tls = modes[config->database_ssl_mode],
                                     .connect_timeout_ms = (uint32_t)config->connect_timeout_ms,
                                     .query_timeout_ms =
                                         (uint32_t)config->database_query_timeout_ms};
}

struct tr_stream_wish tr_settings_wish(const struct tr_config *config)
{
    const bool is_on_demand = config->streams_mode == TR_CONFIG_STREAMS_ON_DEMAND;
    return (struct tr_stream_wish){.shard_count =
                                       is_on_demand ? 0 : (uint32_t)config->streams_shards,
                                   .retention_hours = (uint32_t)config->streams_retention_hours,
                                   .tags = config->streams_tags};
}

struct tr_wire_options tr_settings_wire(const struct tr_config *config)
{
    return (struct tr_wire_options){.mysql = tr_settings_mysql(config),
                                    .server_id = (uint32_t)config->database_server_id,
                                    .heartbeat_ns =
                                        (int64_t)config->source_heartbeat_ms * TR_NS_PER_MS};
}

struct tr_filter_options tr_settings_filter(const struct tr_config *config)
{
    return (struct tr_filter_options){
        .database_include = tr_span_of_text(config->database_include_list),
        .database_exclude = tr_span_of_text(config->database_exclude_list),
        .table_include = tr_span_of_text(config->table_include_list),
        .table_exclude = tr_span_of_text(config->table_exclude_list),
        .capture_builtin = !config->table_ignore_builtin};
}

struct tr_topic_options tr_settings_topic(const struct tr_config *config)
{
    return (struct tr_topic_options){.prefix = tr_span_of_text(config->topic_prefix),
                                     .delimiter = tr_span_of_text(config->topic_delimiter)};
}

struct tr_encode_options tr_settings_encode(const struct tr_config *config,
                                            const struct tr_server_facts *facts)
{
    uint32_t skipped = 0;
    skipped |=
        (config->skipped_operations_set & TR_CONFIG_SKIP_CREATE) != 0 ? 1u << TR_ROW_INSERT : 0;
    skipped |=
        (config->skipped_operations_set & TR_CONFIG_SKIP_UPDATE) != 0 ? 1u << TR_ROW_UPDATE : 0;
    skipped |=
        (config->skipped_operations_set & TR_CONFIG_SKIP_DELETE) != 0 ? 1u << TR_ROW_DELETE : 0;
    skipped |=
        (config->skipped_operations_set & TR_CONFIG_SKIP_TRUNCATE) != 0 ? 1u << TR_ROW_TRUNCATE : 0;
    return (struct tr_encode_options){
        .flavor =
            config->connector == TR_CONFIG_CONNECTOR_MARIADB ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL,
        .topic_prefix = tr_span_of_text(config->topic_prefix),
        .key_schemas = config->format_key_schemas_enable,
        .value_schemas = config->format_value_schemas_enable,
        /* Debezium's MariaDB connector looks at the wrong one of the two. */
        .comments = config->connector == TR_CONFIG_CONNECTOR_MARIADB
                        ? config->include_schema_changes
                        : config->include_schema_comments,
        .tombstones_on_delete = config->tombstones_on_delete,
        .enable_time_adjuster = config->enable_time_adjuster,
        .unavailable_value = tr_span_of_text(config->unavailable_value_placeholder),
        .skipped_ops = skipped,
        .envelope_ts_is_source = config->envelope_ts == TR_CONFIG_ENVELOPE_TS_SOURCE,
        .gtid_mode = facts->flavor == TR_FLAVOR_MYSQL && tr_server_facts_has_gtids(facts),
        .row_bytes_max = config->row_max_bytes,
        .record_bytes_max = RECORD_BYTES_MAX};
}

struct tr_credentials_options tr_settings_credentials(const struct tr_config *config)
{
    return (struct tr_credentials_options){.access_key_id = config->aws_access_key_id,
                                           .secret_access_key = config->aws_secret_access_key,
                                           .session_token = config->aws_session_token,
                                           .profile = config->kinesis_credentials_profile,
                                           .environment = tr_environment_of_process};
}

struct tr_endpoint_options tr_settings_endpoint(const struct tr_config *config)
{
    return (struct tr_endpoint_options){.region = config->kinesis_region,
                                        .endpoint = config->kinesis_endpoint,
                                        .profile = config->kinesis_credentials_profile[0] == '\0'
                                                       ? NULL
                                                       : config->kinesis_credentials_profile,
                                        .environment = tr_environment_of_process};
}

static void set_plan(struct tr_pipeline_options *options, const struct tr_config *config)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const bool spread = config->plan == TR_CONFIG_PLAN_SPREAD ||
                        (config->plan == TR_CONFIG_PLAN_AUTO && cores >= CORES_FOR_SPREAD);
    uint32_t decoders = (uint32_t)config->decoders;
    uint32_t shippers = (uint32_t)config->shippers;

    options->plan = spread ? TR_PLAN_SPREAD : TR_PLAN_COMPACT;
    if (decoders == 0) {
        decoders = spread ? (uint32_t)cores / 2 : 1;
    }
    if (shippers == 0) {
        shippers = spread ? (uint32_t)cores / 2 : 1;
    }
    options->decoder_count = decoders < TR_DECODERS_MAX ? decoders : TR_DECODERS_MAX;
    options->shipper_count = shippers < TR_SHIPPERS_MAX ? shippers : TR_SHIPPERS_MAX;
}

/* A server may be silent for longer than a few heartbeats: MariaDB reads a whole file to find a
 * GTID, and any server may be paused. */
static int64_t silence_ns(const struct tr_config *config)
{
    const uint64_t least_ms = TR_HEARTBEATS_MISSED_MAX * config->source_heartbeat_ms;
    const uint64_t wanted_ms = config->connect_keep_alive_interval_ms;
    return (int64_t)(wanted_ms > least_ms ? wanted_ms : least_ms) * TR_NS_PER_MS;
}

/* Whether the next part of a `db.table` is `name`; a part may be quoted. */
static bool next_part_is(const char **at, struct tr_span name)
{
    const char *text = *at;
    const char quote = *text == '`' || *text == '"' || *text == '\'' ? *text++ : '\0';
    size_t bytes = 0;
    bool is_same = true;

    while (*text != '\0' && (quote != '\0' || *text != '.')) {
        if (quote != '\0' && *text == quote && *++text != quote) {
            break; /* behind the closing one */
        }
        is_same = is_same && bytes < name.bytes && name.data[bytes] == (uint8_t)*text;
        bytes++;
        text++;
    }
    *at = text + (*text == '.');
    return is_same && bytes == name.bytes;
}

static struct tr_span select_override(void *self, struct tr_span database, struct tr_span table)
{
    const struct tr_config *config = self;

    for (uint32_t i = 0; i < config->select_override_count; i++) {
        const char *at = config->select_overrides[i].table;
        if (next_part_is(&at, database) && next_part_is(&at, table) && *at == '\0') {
            return tr_span_of_text(config->select_overrides[i].select);
        }
    }
    return (struct tr_span){0};
}

struct tr_snapshot_options tr_settings_snapshot(const struct tr_config *config,
                                                const struct tr_server_facts *facts,
                                                const struct tr_filter *filter, bool with_rows)
{
    static const enum tr_snapshot_locking locking[] = {
        [TR_CONFIG_LOCKING_MINIMAL] = TR_SNAPSHOT_LOCK_MINIMAL,
        [TR_CONFIG_LOCKING_EXTENDED] = TR_SNAPSHOT_LOCK_EXTENDED,
        [TR_CONFIG_LOCKING_NONE] = TR_SNAPSHOT_LOCK_NONE};
    static const int row_count_order[] = {[TR_CONFIG_ROW_COUNT_DISABLED] = 0,
                                          [TR_CONFIG_ROW_COUNT_ASCENDING] = 1,
                                          [TR_CONFIG_ROW_COUNT_DESCENDING] = -1};
    return (struct tr_snapshot_options){
        .mysql = tr_settings_mysql(config),
        .facts = facts,
        .filter = filter,
        .all_tables = !config->history_only_captured_tables,
        .captured_databases_only = config->history_only_captured_databases,
        .with_rows = with_rows,
        .locking = locking[config->snapshot_locking_mode],
        .lock_timeout_ms = (int64_t)config->snapshot_lock_timeout_ms,
        .row_bytes_max = config->row_max_bytes,
        .clock = tr_clock_system(),
        .include_list = tr_span_of_text(config->table_include_list),
        .rows_list = tr_span_of_text(config->snapshot_include_list),
        .row_count_order = row_count_order[config->snapshot_row_count_order],
        .select_override = select_override,
        .select_override_self = (void *)(uintptr_t)config}; /* read only */
}

void tr_settings_pipeline(struct tr_pipeline_options *options, const struct tr_config *config)
{
    static const enum tr_order_scope scope[] = {
        [TR_CONFIG_ORDER_KEY] = TR_ORDER_KEY, [TR_CONFIG_ORDER_STREAM] = TR_ORDER_STREAM};
    static const enum tr_order_hot hot[] = {[TR_CONFIG_HOT_KEYS_RELAX] = TR_ORDER_HOT_RELAX};
    static const enum tr_key_oversize oversize[] = {
        [TR_CONFIG_KEY_OVERSIZE_HASH] = TR_KEY_OVERSIZE_HASH,
        [TR_CONFIG_KEY_OVERSIZE_FAIL] = TR_KEY_OVERSIZE_FAIL,
        [TR_CONFIG_KEY_OVERSIZE_SEND] = TR_KEY_OVERSIZE_SEND};
    set_plan(options, config);
    options->reactor_engine = (enum tr_reactor_engine)config->reactor;
    options->chunk_count = (uint32_t)config->chunks;
    options->units_in_flight = 0;

    options->ingest.silence_ns = silence_ns(config);
    options->ingest.backoff_ms_min = (int64_t)config->source_retry_delay_initial_ms;
    options->ingest.backoff_ms_max = (int64_t)config->source_retry_delay_max_ms;
    options->ingest.startup_wait_ms = (int64_t)config->startup_wait_ms;

    options->decoder.row_bytes_max = config->row_max_bytes;
    options->decoder.record_bytes_max = RECORD_BYTES_MAX;

    options->shipper.batch_size_max = (uint32_t)config->kinesis_batch_size;
    options->shipper.creates_streams = config->streams_create;
    options->shipper.wish = tr_settings_wish(config);
    options->shipper.null_key = config->kinesis_null_key;
    options->shipper.order_scope = scope[config->order_scope];
    options->shipper.order_hot = hot[config->order_hot_keys];
    options->shipper.key_oversize = oversize[config->key_oversize];
    options->shipper.request_timeout_ns = (int64_t)config->sink_request_timeout_ms * TR_NS_PER_MS;
    options->shipper.stream_grace_ns = (int64_t)config->stream_grace_ms * TR_NS_PER_MS;

    options->coordinator.flush_interval_ns =
        (int64_t)config->offset_flush_interval_ms * TR_NS_PER_MS;
    if (config->offset_commit_policy == TR_CONFIG_COMMIT_ALWAYS) {
        options->coordinator.flush_interval_ns = 0;
    }
}
