// SPDX-License-Identifier: Apache-2.0
#include "engine/app/start.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include "engine/app/settings.h"
#include "engine/app/start_history.h"
#include "engine/app/start_parts.h"
#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/json.h"
#include "engine/log.h"
#include "stages/ship/call.h"
#include "stages/ship/ensure.h"
#include "stages/ship/transport_curl.h"

#define RETRY_NS (250 * TR_NS_PER_MS)
#define WAITING_LOG_NS (10 * TR_NS_PER_S) /* a line per try would fill the log of who waits long */
#define READER_BYTES ((size_t)1024 * 1024) /* of an answer to a control call */

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
    if (start->waiting_told_ns == 0 || start->waiting_for != err->code ||
        now_ns() - start->waiting_told_ns >= WAITING_LOG_NS) {
        start->waiting_told_ns = now_ns();
        start->waiting_for = err->code;
        tr_log_error(TR_LOG_WARN, "start.waiting", err);
    }
    if (tr_start_wait_until(start, now_ns() + RETRY_NS, &interrupted) != TR_OK) {
        *err = interrupted;
        return false;
    }
    return true;
}

void tr_start_fill_identity(struct tr_start *start)
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
    struct tr_start_tables tables;
    const struct tr_filter_options filter = tr_settings_filter(start->config);
    if (tr_filter_open(&start->filter, &filter, err) != TR_OK ||
        tr_streams_open(&start->streams, 1, err) != TR_OK || ask_server(start, err) != TR_OK) {
        return err->code;
    }
    start->encode = tr_settings_encode(start->config, &start->facts);
    return tr_start_open_publisher(start, err) == TR_OK
               ? tr_start_read_tables(start, &tables, false, err)
               : err->code;
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
    start->encode = tr_settings_encode(start->config, &start->facts);
    return tr_start_open_history(start, err) == TR_OK &&
                   tr_start_open_publisher(start, err) == TR_OK
               ? tr_start_begin(start, &content, err)
               : err->code;
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
    tr_snapshot_close(start->snapshot);
    tr_catalog_close(start->catalog);
    tr_ddl_model_close(start->model);
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
