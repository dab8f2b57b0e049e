// SPDX-License-Identifier: Apache-2.0
#include "engine/app/start.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include "engine/app/settings.h"
#include "engine/app/start_history.h"
#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/json.h"
#include "engine/log.h"
#include "stages/schema/topic.h"
#include "stages/ship/call.h"
#include "stages/ship/ensure.h"
#include "stages/ship/transport_curl.h"
#include "stages/source/schema_query.h"

#define RETRY_NS (250 * TR_NS_PER_MS)
#define READER_BYTES ((size_t)1024 * 1024) /* of an answer to a control call */
#define SCHEMA_READS_MAX 10                /* a table is changed between two reads: read again */

static int64_t now_ns(void)
{
    return tr_clock_monotonic_ns(tr_clock_system());
}

/* Turns main's reactor, at least once, until `deadline_ns`; TR_ERR_INTERRUPTED when a stop is asked
 * for. */
enum tr_code tr_start_wait_until(struct tr_start *start, int64_t deadline_ns, struct tr_error *err)
{
    int64_t now = now_ns();
    do {
        (void)tr_reactor_poll(start->reactor, now, deadline_ns > now ? deadline_ns - now : 0);
        if (start->signals->stop_asked) {
            return TR_FAIL(err, TR_ERR_INTERRUPTED, TR_STOP,
                           "start: stopped by a signal before streaming began");
        }
        now = now_ns();
    } while (now < deadline_ns);
    return TR_OK;
}

/* Whether a failed step should be tried again: it says so, and tailrace.startup.wait.ms has not
 * passed. */
bool tr_start_may_retry(struct tr_start *start, struct tr_error *err)
{
    struct tr_error interrupted;
    if (err->remedy == TR_STOP || now_ns() >= start->deadline_ns) {
        return false;
    }
    tr_log_error(TR_LOG_WARN, "start.waiting", err);
    if (tr_start_wait_until(start, now_ns() + RETRY_NS, &interrupted) != TR_OK) {
        *err = interrupted;
        return false;
    }
    return true;
}

/* --- tables
 * --------------------------------------------------------------------------------------- */

struct table_load {
    struct tr_start *start;
    struct tr_catalog *catalog; /* NULL: only the fingerprint is wanted */
    uint64_t fingerprint;
    uint32_t count;
};

static enum tr_code is_captured(void *self, struct tr_span database, struct tr_span table,
                                bool *captured, struct tr_error *err)
{
    const struct table_load *load = self;
    return tr_filter_match(load->start->filter, database, table, captured, err);
}

static enum tr_code take_table(void *self, struct tr_table *table, struct tr_error *err)
{
    struct table_load *load = self;
    load->fingerprint = load->fingerprint * UINT64_C(0x100000001B3) ^ tr_table_fingerprint(table);
    load->count++;
    char topic[TR_STREAM_NAME_BYTES_MAX + 1];
    const struct tr_topic_options options = tr_settings_topic(load->start->config);
    const size_t bytes = tr_topic_write_name(&options, table->database, table->name, topic);
    if (tr_streams_intern(load->start->streams, tr_span_of(topic, bytes), err) == NULL) {
        tr_table_close(table);
        return err->code;
    }
    if (load->catalog == NULL) {
        tr_table_close(table);
        return TR_OK;
    }
    return tr_catalog_add_model(load->catalog, table, err);
}

static enum tr_code load_tables(struct tr_start *start, struct table_load *load,
                                struct tr_catalog *catalog, struct tr_error *err)
{
    *load = (struct table_load){.start = start, .catalog = catalog};
    const struct tr_schema_query query = {.port = &start->query.port,
                                          .flavor = start->facts.flavor,
                                          .filter = is_captured,
                                          .filter_self = load,
                                          .on_table = take_table,
                                          .on_table_self = load};
    return tr_schema_query_tables(&query, err);
}

static enum tr_code open_catalog(struct tr_start *start, struct tr_error *err)
{
    start->encode = tr_settings_encode(start->config, &start->facts);
    const struct tr_catalog_options options = {
        .flavor = start->facts.flavor,
        .filter = start->filter,
        .streams = start->streams,
        .topic = tr_settings_topic(start->config),
        .encode = &start->encode,
        .plans = {.open = tr_plan_open,
                  .close = tr_plan_close,
                  .memory_bytes = tr_plan_memory_bytes},
        .bytes_max = start->config->catalog_max_bytes,
        .metadata_is_full = strcmp(start->facts.binlog_row_metadata, "FULL") == 0,
        .fold_names = start->facts.lower_case_table_names != 0};
    return tr_catalog_open(&start->catalog, &options, err);
}

/* --- position
 * ------------------------------------------------------------------------------------- */

/*
 * A first start: the end of the log now, and the tables as they are at that point: they are read
 * before and after it, until both readings agree (a statement in between would be neither in the
 * models nor after the position).
 */
static enum tr_code begin_now(struct tr_start *start, struct tr_error *err)
{
    struct table_load before;
    struct table_load after;
    for (int i = 0; i < SCHEMA_READS_MAX; i++) {
        if (load_tables(start, &before, NULL, err) != TR_OK ||
            tr_server_position_read(&start->position, &start->facts, &start->query.port,
                                    start->gtid_sources, err) != TR_OK) {
            return err->code;
        }
        tr_catalog_close(start->catalog);
        start->catalog = NULL;
        if (open_catalog(start, err) != TR_OK ||
            load_tables(start, &after, start->catalog, err) != TR_OK) {
            return err->code;
        }
        if (before.fingerprint == after.fingerprint && before.count == after.count) {
            start->fingerprint = after.fingerprint;
            start->table_count = after.count;
            TR_LOG(TR_LOG_INFO, "start.position", TR_TEXT("from", "end of the log"),
                   TR_TEXT("file", start->position.point.file),
                   TR_UINT("pos", start->position.point.pos));
            start->gtids_known = tr_server_facts_has_gtids(&start->facts);
            tr_identity_binlog_base(start->position.point.file, start->identity.binlog_base);
            /* Before anything behind it is read: a crash must not begin later, at a new end. */
            return tr_start_save_first(start, err);
        }
    }
    return TR_FAIL(err, TR_ERR_SCHEMA, TR_RETRY,
                   "tables are being changed all the time: %d readings disagreed; start again when "
                   "the changes are over",
                   SCHEMA_READS_MAX);
}

/* Whether the stored event and row counters mean something on this server (design §5: never skip on
 * doubt). */
static bool counters_apply(const struct tr_start *start, const struct tr_identity *stored,
                           bool has_stored)
{
    if (has_stored) {
        return tr_identity_is_of(stored, &start->position.point) &&
               tr_identity_same_server(stored, &start->identity);
    }
    /* Written by Debezium: its offset names the server of the last event. */
    return start->position.point.server_id == start->facts.server_id;
}

static enum tr_code check_identity(struct tr_start *start, const struct tr_identity *stored,
                                   struct tr_error *err)
{
    const bool by_gtid = !tr_gtid_set_is_empty(start->position.gtids);
    if (!by_gtid && !tr_identity_same_server(stored, &start->identity)) {
        return TR_FAIL(
            err, TR_ERR_SOURCE_GONE, TR_STOP,
            "source: another server than the position was read from (%s, position %s:%" PRIu64
            " without GTIDs): connect to that server, or delete the stored offset to begin at the "
            "end of this one's log",
            start->facts.version, start->position.point.file, start->position.point.pos);
    }
    const bool full = strcmp(start->facts.binlog_row_metadata, "FULL") == 0;
    if (!full && stored->schema_fingerprint != 0 &&
        stored->schema_fingerprint != start->fingerprint) {
        return TR_FAIL(
            err, TR_ERR_SCHEMA, TR_STOP,
            "tables: a captured table was changed since the position was saved (%s:%" PRIu64
            "), and the log does not describe its columns: rows before the change cannot be read; "
            "set "
            "binlog_row_metadata=FULL on the server and delete the stored offset",
            start->position.point.file, start->position.point.pos);
    }
    return TR_OK;
}

/* What the server calls its logs now: part of its identity. */
static enum tr_code read_log_name(struct tr_start *start, struct tr_error *err)
{
    struct tr_saved_position now = {0};
    if (tr_gtid_set_open(&now.gtids, start->facts.flavor, err) != TR_OK) {
        return err->code;
    }
    const enum tr_code code =
        tr_server_position_read(&now, &start->facts, &start->query.port, start->gtid_sources, err);
    if (code == TR_OK) {
        tr_identity_binlog_base(now.point.file, start->identity.binlog_base);
    }
    tr_gtid_set_close(now.gtids);
    return code;
}

/* A restart: where the stored offset says. */
static enum tr_code begin_stored(struct tr_start *start, struct tr_span identity_text,
                                 struct tr_error *err)
{
    struct tr_identity stored = {0};
    struct table_load load;
    const bool has_stored = identity_text.bytes > 0;

    if (start->position.point.snapshot) {
        return TR_FAIL(err, TR_ERR_STATE, TR_STOP,
                       "stored offset: a snapshot was not finished; let Debezium finish it, or "
                       "delete the offset to begin at the "
                       "end of the log");
    }
    if ((has_stored && tr_identity_parse_json(&stored, identity_text, err) != TR_OK) ||
        read_log_name(start, err) != TR_OK || open_catalog(start, err) != TR_OK ||
        load_tables(start, &load, start->catalog, err) != TR_OK) {
        return err->code;
    }
    start->fingerprint = load.fingerprint;
    start->table_count = load.count;
    if ((has_stored && check_identity(start, &stored, err) != TR_OK) ||
        tr_server_position_check(&start->position, &start->facts, &start->query.port,
                                 start->gtid_sources, err) != TR_OK) {
        return err->code;
    }
    start->counters_apply = counters_apply(start, &stored, has_stored);
    /* An offset without GTIDs (written while the server had none): by file, and the set stays
     * untold. */
    start->gtids_known =
        tr_server_facts_has_gtids(&start->facts) && !tr_gtid_set_is_empty(start->position.gtids);
    TR_LOG(TR_LOG_INFO, "start.position", TR_TEXT("from", "offset store"),
           TR_TEXT("file", start->position.point.file), TR_UINT("pos", start->position.point.pos),
           TR_UINT("event", start->position.point.event_count),
           TR_UINT("row", start->position.point.row_count));
    return TR_OK;
}

static void fill_identity(struct tr_start *start)
{
    struct tr_identity *identity = &start->identity;
    *identity =
        (struct tr_identity){.flavor = start->facts.flavor, .server_id = start->facts.server_id};
    if (start->facts.flavor == TR_FLAVOR_MYSQL) {
        const size_t bytes = strlen(start->facts.server_uuid);
        memcpy(identity->server_uuid, start->facts.server_uuid,
               bytes <= TR_SERVER_UUID_BYTES ? bytes : TR_SERVER_UUID_BYTES);
    }
}

/* The server's facts, asked for until it answers or the time is up; what keeps it from being
 * captured is an error. */
static enum tr_code ask_server(struct tr_start *start, struct tr_error *err)
{
    const struct tr_mysql_options mysql = tr_settings_mysql(start->config);
    tr_mysql_query_init(&start->query, &mysql);
    while (tr_server_facts_read(&start->facts, &start->query.port, err) != TR_OK) {
        if (!tr_start_may_retry(start, err)) {
            return err->code;
        }
    }
    if (tr_server_facts_check(&start->facts, (uint32_t)start->config->database_server_id, err) !=
        TR_OK) {
        return err->code;
    }
    if (!tr_server_facts_is_known_version(&start->facts)) {
        TR_LOG(TR_LOG_WARN, "start.unknown_version", TR_TEXT("version", start->facts.version),
               TR_TEXT("known", "MySQL 5.6 to 9.7, MariaDB 10.5 to 11.8"));
    }
    if (strcasecmp(start->facts.binlog_row_image, "NOBLOB") == 0) {
        TR_LOG(TR_LOG_WARN, "start.row_image",
               TR_TEXT("binlog_row_image", start->facts.binlog_row_image),
               TR_TEXT("means", "unchanged TEXT and BLOB values are not in the log: they are sent "
                                "as unavailable.value.placeholder; set FULL to have them"));
    }
    return TR_OK;
}

enum tr_code tr_start_list_streams(struct tr_start *start, struct tr_error *err)
{
    struct table_load load;
    const struct tr_filter_options filter = tr_settings_filter(start->config);
    if (tr_filter_open(&start->filter, &filter, err) != TR_OK ||
        tr_streams_open(&start->streams, 1, err) != TR_OK || ask_server(start, err) != TR_OK) {
        return err->code;
    }
    return load_tables(start, &load, NULL, err);
}

enum tr_code tr_start_prepare(struct tr_start *start, uint32_t shipper_count, struct tr_error *err)
{
    const struct tr_filter_options filter = tr_settings_filter(start->config);
    const struct tr_endpoint_options endpoint = tr_settings_endpoint(start->config);
    const struct tr_credentials_options credentials = tr_settings_credentials(start->config);
    struct tr_store_content content = {0};

    if (tr_filter_open(&start->filter, &filter, err) != TR_OK ||
        tr_endpoint_resolve(&start->endpoint, &endpoint, err) != TR_OK ||
        tr_credentials_open(&start->credentials, &credentials, err) != TR_OK ||
        tr_gtid_sources_open(&start->gtid_sources, err) != TR_OK ||
        tr_streams_open(&start->streams, shipper_count, err) != TR_OK ||
        tr_start_load_store(start, &content, err) != TR_OK) {
        return err->code;
    }
    if (ask_server(start, err) != TR_OK) {
        return err->code;
    }
    if (content.offset_value.bytes > 0) {
        return tr_start_resume(start, &content, err);
    }
    fill_identity(start);
    return tr_gtid_set_open(&start->position.gtids, start->facts.flavor, err) == TR_OK
               ? begin_now(start, err)
               : err->code;
}

enum tr_code tr_start_resume(struct tr_start *start, const struct tr_store_content *content,
                             struct tr_error *err)
{
    fill_identity(start);
    if (tr_gtid_set_open(&start->position.gtids, start->facts.flavor, err) != TR_OK) {
        return err->code;
    }
    start->stored_value = malloc(content->offset_value.bytes);
    if (start->stored_value == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "start: no memory for the stored offset: add memory");
    }
    memcpy(start->stored_value, content->offset_value.data, content->offset_value.bytes);
    start->stored_bytes = content->offset_value.bytes;
    if (tr_position_parse_json(&start->position, start->gtid_sources, content->offset_value, err) !=
        TR_OK) {
        return err->code;
    }
    return begin_stored(start, content->identity, err);
}

enum tr_code tr_start_ensure_streams(struct tr_start *start, struct tr_error *err)
{
    const uint32_t count = tr_streams_count(start->streams);
    struct tr_transport transport = {0};
    const struct tr_transport_curl_options curl = {
        .endpoint = &start->endpoint,
        .credentials = start->credentials,
        .reactor = start->reactor,
        .clock = tr_clock_system(),
        .slot_count = 1,
        .connect_timeout_ns = (int64_t)start->config->sink_connect_timeout_ms * TR_NS_PER_MS,
        .ca_file = start->config->sink_tls_ca};
    struct tr_kinesis_client client = {
        .transport = &transport,
        .reactor = start->reactor,
        .clock = tr_clock_system(),
        .credentials = start->credentials,
        .call_timeout_ns = (int64_t)start->config->sink_request_timeout_ms * TR_NS_PER_MS,
        .retry_ns = (int64_t)start->config->startup_wait_ms * TR_NS_PER_MS + RETRY_NS,
        .is_stopping = tr_signals_is_stopping,
        .stopping_self = start->signals,
        .random = (uint64_t)now_ns()};
    const char **names = calloc(count + 1, sizeof(*names));
    enum tr_code code = TR_ERR_SYSTEM;
    if (names == NULL || tr_json_open(&client.reader, READER_BYTES, err) != TR_OK) {
        code = TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "start: no memory for %u streams: add memory",
                       count);
    } else if (tr_transport_curl_open(&transport, &curl, err) != TR_OK) {
        code = err->code;
    } else {
        for (uint32_t i = 0; i < count; i++) {
            names[i] = tr_streams_get(start->streams, i)->name;
        }
        code = tr_streams_ensure(
            &client,
            &(struct tr_ensure_options){.names = names,
                                        .name_count = count,
                                        .create = start->config->streams_create,
                                        .wish = tr_settings_wish(start->config),
                                        .region = start->endpoint.region},
            err);
    }
    if (transport.close != NULL) {
        transport.close(transport.self);
    }
    tr_json_close(client.reader);
    free(names);
    return code;
}

void tr_start_deinit(struct tr_start *start)
{
    tr_catalog_close(start->catalog);
    tr_filter_close(start->filter);
    tr_streams_close(start->streams);
    tr_gtid_set_close(start->position.gtids);
    tr_gtid_sources_close(start->gtid_sources);
    tr_credentials_close(start->credentials);
    tr_mysql_query_deinit(&start->query);
    tr_start_close_history(start);
    if (start->store.close != NULL) {
        start->store.close(start->store.self);
    }
    free(start->stored_value);
}
