// SPDX-License-Identifier: Apache-2.0
/* The source as a start sees it: the same facts and needs, all of them instead of the first. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/app/check.h"
#include "engine/app/settings.h"
#include "engine/clock.h"
#include "stages/source/query_rows.h"

#define VERSION_SHOW_REPLICAS_MYSQL 80022
#define VERSION_SHOW_REPLICAS_MARIADB 100501

static bool connect_source(struct tr_check *check)
{
    struct tr_start *start = &check->start;
    const struct tr_mysql_options mysql = tr_settings_mysql(check->config);
    struct tr_error err;
    tr_mysql_query_init(&start->query, &mysql);
    if (tr_server_facts_read(&start->facts, &start->query.port, &err) != TR_OK) {
        tr_check_report_fail(&check->report, "source.connection", &err);
        return false;
    }
    check->has_facts = true;
    tr_check_report_ok(&check->report, "source.connection", "%s at %s:%" PRIu64 ", logged in as %s",
                       start->facts.version, check->config->database_hostname,
                       check->config->database_port, start->facts.user);
    return true;
}

static void check_tls(struct tr_check *check)
{
    const char *host = check->config->database_hostname;
    const char *cipher = tr_mysql_link_tls(check->start.query.link);
    const bool is_near = strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
                         strcmp(host, "::1") == 0;
    if (strcmp(cipher, "none") != 0) {
        tr_check_report_ok(&check->report, "source.tls", "%s", cipher);
    } else if (is_near) {
        tr_check_report_ok(&check->report, "source.tls", "none, on this machine");
    } else {
        tr_check_report_warn(
            &check->report, "source.tls",
            "none: passwords and rows cross the network in clear; enable TLS on the server and set "
            "debezium.source.database.ssl.mode=%s",
            check->config->connector == TR_CONFIG_CONNECTOR_MARIADB ? "verify-full"
                                                                    : "verify_identity");
    }
}

static void check_version(struct tr_check *check)
{
    const struct tr_server_facts *facts = &check->start.facts;
    const bool is_mariadb = facts->flavor == TR_FLAVOR_MARIADB;
    if (!tr_server_facts_is_known_version(facts)) {
        tr_check_report_warn(&check->report, "source.version",
                             "%s: tested are MySQL 5.6 to 9.7 and MariaDB 10.5 to 11.8",
                             facts->version);
    } else if (is_mariadb != (check->config->connector == TR_CONFIG_CONNECTOR_MARIADB)) {
        tr_check_report_warn(&check->report, "source.version",
                             "%s: records will say another connector; set "
                             "debezium.source.connector.class=%s",
                             facts->version,
                             is_mariadb ? "io.debezium.connector.mariadb.MariaDbConnector"
                                        : "io.debezium.connector.mysql.MySqlConnector");
    } else {
        tr_check_report_ok(&check->report, "source.version", "%s is known", facts->version);
    }
}

/* Our clock before and after the answer: a slow network is no skew. */
static void check_clock(struct tr_check *check)
{
    struct tr_query_rows rows = {0};
    struct tr_error err;
    const int64_t before_ns = tr_clock_wall_unix_ns(tr_clock_system());
    const enum tr_code code =
        tr_query_rows_run(&rows, &check->start.query.port, "SELECT UNIX_TIMESTAMP(NOW(6))", &err);
    const int64_t after_ns = tr_clock_wall_unix_ns(tr_clock_system());
    char text[32] = "";
    if (code == TR_OK && rows.row_count > 0) {
        const struct tr_span cell = tr_query_rows_cell(&rows, 0, 0);
        (void)snprintf(text, sizeof(text), "%.*s", (int)cell.bytes, (const char *)cell.data);
    }
    tr_query_rows_deinit(&rows);
    if (code != TR_OK) {
        tr_check_report_fail(&check->report, "source.clock", &err);
        return;
    }
    const double server_s = strtod(text, NULL);
    const double before_s = (double)before_ns / (double)TR_NS_PER_S;
    const double after_s = (double)after_ns / (double)TR_NS_PER_S;
    const double skew_s = server_s < before_s  ? server_s - before_s
                          : server_s > after_s ? server_s - after_s
                                               : 0;
    if (skew_s > TR_CHECK_CLOCK_SKEW_S || skew_s < -TR_CHECK_CLOCK_SKEW_S) {
        tr_check_report_warn(&check->report, "source.clock",
                             "the server's clock is %.1f s %s ours: ts_ms minus source.ts_ms is "
                             "off by as much; run NTP (chronyd) on both machines",
                             skew_s > 0 ? skew_s : -skew_s, skew_s > 0 ? "ahead of" : "behind");
    } else {
        tr_check_report_ok(&check->report, "source.clock", "within %d s of ours",
                           TR_CHECK_CLOCK_SKEW_S);
    }
}

static const char *or_absent(const char *value)
{
    return value[0] == '\0' ? "(this server has no such setting)" : value;
}

/* What is said when a need is met. */
static void report_need(struct tr_check *check, enum tr_server_need need, const char *name)
{
    const struct tr_server_facts *facts = &check->start.facts;
    struct tr_check_report *report = &check->report;
    switch (need) {
    case TR_NEED_LOG:
        tr_check_report_ok(report, name, "log_bin = ON");
        break;
    case TR_NEED_LOG_FORMAT:
        tr_check_report_ok(report, name, "binlog_format = %s", or_absent(facts->binlog_format));
        break;
    case TR_NEED_ROW_IMAGE:
        if (strcasecmp(facts->binlog_row_image, "NOBLOB") == 0) {
            tr_check_report_warn(report, name,
                                 "binlog_row_image = NOBLOB: unchanged TEXT and BLOB values are "
                                 "not in the log: they are sent as unavailable.value.placeholder; "
                                 "to have them run SET GLOBAL binlog_row_image = 'FULL'");
            break;
        }
        tr_check_report_ok(report, name, "binlog_row_image = %s",
                           or_absent(facts->binlog_row_image));
        break;
    case TR_NEED_WHOLE_JSON:
        if (facts->flavor == TR_FLAVOR_MARIADB) {
            tr_check_report_ok(report, name, "MariaDB always logs whole JSON documents");
            break;
        }
        tr_check_report_ok(report, name, "binlog_row_value_options = '%s'",
                           facts->binlog_row_value_options);
        break;
    case TR_NEED_OWN_SERVER_ID:
        break; /* said with the replicas */
    case TR_NEED_REPLICATION_GRANT:
        tr_check_report_ok(report, name, "REPLICATION SLAVE is granted, or a role may bring it");
        break;
    case TR_NEED_COUNT:
        break;
    }
}

/* Whether our id is neither the server's nor, as far as it tells us, another replica's. */
static void check_replicas(struct tr_check *check, const char *name)
{
    const struct tr_server_facts *facts = &check->start.facts;
    const bool is_mariadb = facts->flavor == TR_FLAVOR_MARIADB;
    const char *sql = "SHOW SLAVE HOSTS";
    struct tr_query_rows rows = {0};
    struct tr_error err;
    char own[24];
    bool is_taken = false;
    if (is_mariadb && facts->version_number >= VERSION_SHOW_REPLICAS_MARIADB) {
        sql = "SHOW REPLICA HOSTS";
    } else if (!is_mariadb && facts->version_number >= VERSION_SHOW_REPLICAS_MYSQL) {
        sql = "SHOW REPLICAS";
    }
    (void)snprintf(own, sizeof(own), "%" PRIu64, check->config->database_server_id);
    const enum tr_code code = tr_query_rows_run(&rows, &check->start.query.port, sql, &err);
    const int column = tr_query_rows_column(&rows, "Server_id");
    for (uint32_t i = 0; code == TR_OK && i < rows.row_count; i++) {
        is_taken =
            is_taken || tr_span_equals(tr_query_rows_cell(&rows, i, column), tr_span_of_text(own));
    }
    if (is_taken) {
        (void)TR_FAIL(
            &err, TR_ERR_SOURCE_CLASH, TR_STOP,
            "database.server.id = %s is that of a registered replica (%s): choose one that "
            "no server or replica of this source has",
            own, sql);
        tr_check_report_fail(&check->report, name, &err);
    } else if (code != TR_OK) {
        tr_check_report_ok(&check->report, name,
                           "database.server.id = %s is not the server's own; its replicas are not "
                           "shown to this user%s",
                           own, is_mariadb ? " (REPLICATION MASTER ADMIN would)" : "");
    } else {
        tr_check_report_ok(&check->report, name,
                           "database.server.id = %s is neither the server's nor one of its %" PRIu32
                           " registered replicas'",
                           own, rows.row_count);
    }
    tr_query_rows_deinit(&rows);
}

static void check_needs(struct tr_check *check)
{
    static const char *const names[TR_NEED_COUNT] = {
        [TR_NEED_LOG] = "source.log_bin",
        [TR_NEED_LOG_FORMAT] = "source.binlog_format",
        [TR_NEED_ROW_IMAGE] = "source.row_image",
        [TR_NEED_WHOLE_JSON] = "source.row_json",
        [TR_NEED_OWN_SERVER_ID] = "source.server_id",
        [TR_NEED_REPLICATION_GRANT] = "source.replication_grant",
    };
    const struct tr_server_facts *facts = &check->start.facts;
    const uint32_t server_id = (uint32_t)check->config->database_server_id;
    for (int i = 0; i < TR_NEED_COUNT; i++) {
        struct tr_error err;
        const enum tr_server_need need = (enum tr_server_need)i;
        if (tr_server_facts_check_need(facts, need, server_id, &err) != TR_OK) {
            tr_check_report_fail(&check->report, names[i], &err);
        } else if (need == TR_NEED_OWN_SERVER_ID) {
            check_replicas(check, names[i]);
        } else {
            report_need(check, need, names[i]);
        }
    }
}

static void check_log_grant(struct tr_check *check)
{
    const struct tr_log_point nowhere = {0};
    struct tr_server_log log;
    struct tr_error err;
    char bytes[32];
    if (!check->start.facts.log_bin) {
        return; /* said already */
    }
    if (tr_server_log_read(&log, &nowhere, &check->start.facts, &check->start.query.port, &err) !=
        TR_OK) {
        tr_check_report_fail(&check->report, "source.log_grant", &err);
        return;
    }
    check->may_read_log = true;
    tr_check_report_ok(&check->report, "source.log_grant",
                       "the log's state may be read: %" PRIu32 " file%s, %s", log.file_count,
                       log.file_count == 1 ? "" : "s", tr_check_write_bytes(log.bytes, bytes));
}

static void check_metadata(struct tr_check *check)
{
    const struct tr_server_facts *facts = &check->start.facts;
    if (strcasecmp(facts->binlog_row_metadata, "FULL") == 0) {
        tr_check_report_ok(&check->report, "source.row_metadata",
                           "binlog_row_metadata = FULL: the log describes its tables by itself");
    } else if (check->config->history_storage != TR_CONFIG_HISTORY_NONE) {
        tr_check_report_ok(&check->report, "source.row_metadata",
                           "the log does not name columns: the schema history does");
    } else if (facts->binlog_row_metadata[0] == '\0') {
        tr_check_report_warn(
            &check->report, "source.row_metadata",
            "this server's log never describes its tables: their columns come from "
            "elsewhere, and a change of a captured table may stop the engine; set "
            "debezium.source.schema.history.internal");
    } else {
        tr_check_report_warn(
            &check->report, "source.row_metadata",
            "binlog_row_metadata = %s: the log does not name columns, so they come "
            "from elsewhere, and a change of a captured table may stop the engine; "
            "set debezium.source.schema.history.internal, or run SET GLOBAL binlog_row_metadata = "
            "'FULL', and set it in the server's "
            "configuration too",
            facts->binlog_row_metadata);
    }
}

static void check_gtids(struct tr_check *check)
{
    const struct tr_server_facts *facts = &check->start.facts;
    if (facts->flavor == TR_FLAVOR_MARIADB) {
        tr_check_report_ok(&check->report, "source.gtid_mode", "MariaDB always has GTIDs");
    } else if (tr_server_facts_has_gtids(facts)) {
        tr_check_report_ok(&check->report, "source.gtid_mode", "gtid_mode = %s", facts->gtid_mode);
    } else {
        tr_check_report_warn(
            &check->report, "source.gtid_mode",
            "gtid_mode = %s: positions are file and offset, which mean nothing on "
            "another server, so capture cannot follow a failover; set gtid_mode = ON "
            "and enforce_gtid_consistency = ON",
            or_absent(facts->gtid_mode));
    }
}

void tr_check_source(struct tr_check *check)
{
    if (!connect_source(check)) {
        return;
    }
    check_tls(check);
    check_version(check);
    check_clock(check);
    check_needs(check);
    check_log_grant(check);
    check_metadata(check);
    check_gtids(check);
}
