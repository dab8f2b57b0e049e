// SPDX-License-Identifier: Apache-2.0
#include "stages/source/server_facts.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stages/source/mysql_link.h"
#include "stages/source/query_rows.h"
#include "stages/source/server_error.h"

/* One answer for all settings; names the server does not have are simply not in it. */
#define SQL_VARIABLES                                                                              \
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'version_comment', 'server_uuid', "  \
    "'server_uid', "                                                                               \
    "'server_id', 'log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata', "         \
    "'binlog_row_value_options', "                                                                 \
    "'binlog_checksum', 'gtid_mode', 'lower_case_table_names', 'binlog_expire_logs_seconds', "     \
    "'expire_logs_days', "                                                                         \
    "'time_zone', 'system_time_zone', 'basedir')"

/* RDS and Aurora purge logs by this, whatever binlog_expire_logs_seconds says; NULL: as soon as possible. Source: Amazon
 * RDS User Guide, "Configuring RDS for MySQL binary logging". */
#define SQL_RDS_RETENTION                                                                          \
    "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
#define RDS_BASEDIR "/rdsdbbin/"

#define SECONDS_PER_DAY 86400
#define SECONDS_PER_HOUR 3600
#define VERSION_STATUS_RENAMED 80200 /* SHOW BINARY LOG STATUS; the old form went in 8.4 */

/* Settings that are kept as text. */
static const struct {
    const char *name;
    size_t at;
    size_t room;
} texts[] = {
#define TEXT(variable, member)                                                                     \
    {                                                                                              \
        variable, offsetof(struct tr_server_facts, member),                                        \
            sizeof(((struct tr_server_facts *)0)->member)                                          \
    }
    TEXT("version", version),
    TEXT("version_comment", version_comment),
    TEXT("server_uid", server_uuid),
    TEXT("server_uuid", server_uuid),
    TEXT("binlog_format", binlog_format),
    TEXT("binlog_row_image", binlog_row_image),
    TEXT("binlog_row_metadata", binlog_row_metadata),
    TEXT("binlog_row_value_options", binlog_row_value_options),
    TEXT("binlog_checksum", binlog_checksum),
    TEXT("gtid_mode", gtid_mode),
    TEXT("time_zone", time_zone),
#undef TEXT
};

static struct tr_span variable(const struct tr_query_rows *rows, const char *name);
static void copy_text(char *out, size_t room_bytes, struct tr_span text);
static void write_user(char *out, size_t room_bytes, struct tr_span current_user);
static uint64_t number_of(struct tr_span text);
static bool is_text(const char *text, const char *wanted);
static bool has_grant(const struct tr_query_rows *rows);
static bool lists_replication(const char *privileges);
static enum tr_code check_gtids(const struct tr_saved_position *saved,
                                const struct tr_server_facts *facts,
                                const struct tr_query_port *port, struct tr_gtid_sources *sources,
                                struct tr_error *err);
static enum tr_code check_file(const struct tr_saved_position *saved,
                               const struct tr_server_facts *facts,
                               const struct tr_query_port *port, struct tr_error *err);
static enum tr_code add_monitor_remedy(const struct tr_server_facts *facts, struct tr_error *err);

/* A user who may not see it leaves what the server's own setting says. */
static void read_rds_retention(struct tr_server_facts *facts, struct tr_query_rows *rows,
                               const struct tr_query_port *port)
{
    struct tr_error err;

    if (facts->is_rds && tr_query_rows_run(rows, port, SQL_RDS_RETENTION, &err) == TR_OK &&
        rows->row_count > 0) {
        const uint64_t hours = number_of(tr_query_rows_cell(rows, 0, 0));
        facts->retention_s = hours == 0 ? TR_RETENTION_RDS_S_LEAST : hours * SECONDS_PER_HOUR;
    }
}

enum tr_code tr_server_facts_read(struct tr_server_facts *facts, const struct tr_query_port *port,
                                  struct tr_error *err)
{
    struct tr_query_rows rows = {0};

    *facts = (struct tr_server_facts){0};
    enum tr_code code = tr_query_rows_run(&rows, port, SQL_VARIABLES, err);
    if (code == TR_OK) {
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            const struct tr_span value = variable(&rows, texts[i].name);
            if (value.bytes > 0) {
                copy_text((char *)facts + texts[i].at, texts[i].room, value);
            }
        }
        if (is_text(facts->time_zone, "SYSTEM")) {
            copy_text(facts->time_zone, sizeof(facts->time_zone),
                      variable(&rows, "system_time_zone"));
        }
        facts->flavor =
            strstr(facts->version, "MariaDB") != NULL ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL;
        facts->version_number = tr_mysql_version_number(facts->version);
        facts->server_id = (uint32_t)number_of(variable(&rows, "server_id"));
        facts->lower_case_table_names =
            (uint32_t)number_of(variable(&rows, "lower_case_table_names"));
        facts->log_bin = tr_span_equals(variable(&rows, "log_bin"), tr_span_of_text("ON"));
        facts->retention_s = number_of(variable(&rows, "binlog_expire_logs_seconds"));
        if (facts->retention_s == 0) {
            facts->retention_s = number_of(variable(&rows, "expire_logs_days")) * SECONDS_PER_DAY;
        }
        const struct tr_span basedir = variable(&rows, "basedir");
        facts->is_rds = basedir.bytes >= sizeof(RDS_BASEDIR) - 1 &&
                        memcmp(basedir.data, RDS_BASEDIR, sizeof(RDS_BASEDIR) - 1) == 0;
        read_rds_retention(facts, &rows, port);
        code = tr_query_rows_run(&rows, port, "SELECT CURRENT_USER()", err);
    }
    if (code == TR_OK && rows.row_count > 0) {
        write_user(facts->user, sizeof(facts->user), tr_query_rows_cell(&rows, 0, 0));
    }
    if (code == TR_OK) {
        code = tr_query_rows_run(&rows, port, "SHOW GRANTS", err);
        facts->can_replicate = code == TR_OK && has_grant(&rows);
    }
    tr_query_rows_deinit(&rows);
    return code;
}

static enum tr_code check_settings(const struct tr_server_facts *facts, enum tr_server_need need,
                                   struct tr_error *err)
{
    if (need == TR_NEED_LOG && !facts->log_bin) {
        return TR_FAIL(err, TR_ERR_SOURCE_SETUP, TR_STOP,
                       "log_bin = OFF: the server writes no binary log; start it with --log-bin "
                       "and --server-id");
    }
    if (need == TR_NEED_LOG_FORMAT && facts->binlog_format[0] != '\0' &&
        !is_text(facts->binlog_format, "ROW")) {
        return TR_FAIL(err, TR_ERR_SOURCE_SETUP, TR_STOP,
                       "binlog_format = %s: want ROW; run SET GLOBAL binlog_format = 'ROW', set it "
                       "in the server's "
                       "configuration too, and let writers reconnect",
                       facts->binlog_format);
    }
    /* NOBLOB and FULL_NODUP leave out only what can be filled from the image before or marked. */
    if (need == TR_NEED_ROW_IMAGE && facts->binlog_row_image[0] != '\0' &&
        !is_text(facts->binlog_row_image, "FULL") && !is_text(facts->binlog_row_image, "NOBLOB") &&
        !is_text(facts->binlog_row_image, "FULL_NODUP")) {
        return TR_FAIL(
            err, TR_ERR_SOURCE_SETUP, TR_STOP,
            "binlog_row_image = %s: its rows cannot be made whole; want FULL (or NOBLOB, "
            "FULL_NODUP); run SET GLOBAL binlog_row_image = 'FULL', set it in the "
            "server's configuration too, and let writers reconnect",
            facts->binlog_row_image);
    }
    if (need == TR_NEED_WHOLE_JSON && facts->binlog_row_value_options[0] != '\0' &&
        is_text(facts->binlog_row_image, "NOBLOB")) {
        return TR_FAIL(err, TR_ERR_SOURCE_SETUP, TR_STOP,
                       "binlog_row_value_options = %s with binlog_row_image = %s: partial JSON "
                       "updates need the whole document before them; run SET GLOBAL "
                       "binlog_row_image = 'FULL', or set binlog_row_value_options = '', and let "
                       "writers reconnect",
                       facts->binlog_row_value_options, facts->binlog_row_image);
    }
    return TR_OK;
}

enum tr_code tr_server_facts_check_need(const struct tr_server_facts *facts,
                                        enum tr_server_need need, uint32_t server_id,
                                        struct tr_error *err)
{
    if (need == TR_NEED_OWN_SERVER_ID && facts->server_id == server_id) {
        return TR_FAIL(err, TR_ERR_SOURCE_CLASH, TR_STOP,
                       "debezium.source.database.server.id = %" PRIu32
                       " is the server's own id: choose one that no server or replica "
                       "of this source has",
                       server_id);
    }
    if (need == TR_NEED_REPLICATION_GRANT && !facts->can_replicate) {
        return TR_FAIL(err, TR_ERR_SOURCE_AUTH, TR_STOP,
                       "user %s lacks REPLICATION SLAVE: run GRANT REPLICATION SLAVE ON *.* TO %s",
                       facts->user, facts->user);
    }
    return check_settings(facts, need, err);
}

enum tr_code tr_server_facts_check(const struct tr_server_facts *facts, uint32_t server_id,
                                   struct tr_error *err)
{
    for (int need = 0; need < TR_NEED_COUNT; need++) {
        if (tr_server_facts_check_need(facts, (enum tr_server_need)need, server_id, err) != TR_OK) {
            return err->code;
        }
    }
    return TR_OK;
}

bool tr_server_facts_is_known_version(const struct tr_server_facts *facts)
{
    const uint32_t release = facts->version_number / 100;

    return facts->flavor == TR_FLAVOR_MARIADB ? release >= 1005 && release <= 1108
                                              : release >= 506 && release <= 907;
}

bool tr_server_facts_has_gtids(const struct tr_server_facts *facts)
{
    return facts->flavor == TR_FLAVOR_MARIADB || is_text(facts->gtid_mode, "ON");
}

enum tr_code tr_server_position_read(struct tr_saved_position *position,
                                     const struct tr_server_facts *facts,
                                     const struct tr_query_port *port,
                                     struct tr_gtid_sources *sources, struct tr_error *err)
{
    const bool is_new_form =
        facts->flavor == TR_FLAVOR_MYSQL && facts->version_number >= VERSION_STATUS_RENAMED;
    struct tr_query_rows rows = {0};

    position->point = (struct tr_log_point){0};
    tr_gtid_set_clear(position->gtids);
    enum tr_code code = tr_query_rows_run(
        &rows, port, is_new_form ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS", err);
    if (code == TR_ERR_SOURCE_AUTH) {
        code = add_monitor_remedy(facts, err);
    } else if (code == TR_OK && rows.row_count == 0) {
        code = TR_FAIL(err, TR_ERR_SOURCE_SETUP, TR_STOP,
                       "the server reports no binary log: start it with --log-bin and --server-id");
    }
    if (code == TR_OK) {
        copy_text(position->point.file, sizeof(position->point.file),
                  tr_query_rows_cell(&rows, 0, tr_query_rows_column(&rows, "File")));
        position->point.pos =
            number_of(tr_query_rows_cell(&rows, 0, tr_query_rows_column(&rows, "Position")));
        if (facts->flavor == TR_FLAVOR_MARIADB) {
            code = tr_server_position_read_gtids(position, port, sources, err);
        } else if (tr_server_facts_has_gtids(facts)) {
            const struct tr_span set =
                tr_query_rows_cell(&rows, 0, tr_query_rows_column(&rows, "Executed_Gtid_Set"));
            code = tr_gtid_set_parse(position->gtids, sources, set, err);
        }
    }
    tr_query_rows_deinit(&rows);
    return code;
}

/* Of just that file and pos: @@gtid_binlog_pos, asked a moment later, may already be further. */
enum tr_code tr_server_position_read_gtids(struct tr_saved_position *position,
                                           const struct tr_query_port *port,
                                           struct tr_gtid_sources *sources, struct tr_error *err)
{
    char sql[TR_BINLOG_NAME_BYTES_MAX + 64];
    struct tr_query_rows rows = {0};

    /* A binary log's name holds no quotes: the server forms it. One that does gives an SQL error,
     * no harm. */
    (void)snprintf(sql, sizeof(sql), "SELECT BINLOG_GTID_POS('%s', %" PRIu64 ")",
                   position->point.file, position->point.pos);
    enum tr_code code = tr_query_rows_run(&rows, port, sql, err);
    if (code == TR_OK && rows.row_count > 0) {
        const struct tr_span set = tr_query_rows_cell(&rows, 0, 0);
        if (set.data == NULL) { /* no set is not the empty one: all domains would begin anew */
            code = TR_FAIL(err, TR_ERR_STATE, TR_RETRY,
                           "the server does not know the GTIDs at %s:%" PRIu64
                           " (BINLOG_GTID_POS is NULL; was the log purged or reset just now?): try "
                           "again",
                           position->point.file, position->point.pos);
        } else if (set.bytes > 0) {
            code = tr_gtid_set_parse(position->gtids, sources, set, err);
        }
    }
    tr_query_rows_deinit(&rows);
    return code;
}

enum tr_code tr_server_position_check(const struct tr_saved_position *saved,
                                      const struct tr_server_facts *facts,
                                      const struct tr_query_port *port,
                                      struct tr_gtid_sources *sources, struct tr_error *err)
{
    if (saved->gtids != NULL && !tr_gtid_set_is_empty(saved->gtids)) {
        return check_gtids(saved, facts, port, sources, err);
    }
    return saved->point.file[0] == '\0' ? TR_OK : check_file(saved, facts, port, err);
}

/* Contained in what the server executed, and nothing that we need is purged. MariaDB says that
 * itself at the dump. */
static enum tr_code check_gtids(const struct tr_saved_position *saved,
                                const struct tr_server_facts *facts,
                                const struct tr_query_port *port, struct tr_gtid_sources *sources,
                                struct tr_error *err)
{
    const bool is_mariadb = facts->flavor == TR_FLAVOR_MARIADB;
    struct tr_gtid_set *executed = NULL;
    struct tr_gtid_set *purged = NULL;
    struct tr_query_rows rows = {0};

    if (!tr_server_facts_has_gtids(facts)) {
        return TR_FAIL(err, TR_ERR_SOURCE_GONE, TR_STOP,
                       "the saved offset has GTIDs, the server has gtid_mode = %s: set gtid_mode = "
                       "ON, or delete the "
                       "saved offset to begin at the present",
                       facts->gtid_mode);
    }
    enum tr_code code = tr_gtid_set_open(&executed, facts->flavor, err);
    code = code == TR_OK ? tr_gtid_set_open(&purged, facts->flavor, err) : code;
    code =
        code != TR_OK
            ? code
            : tr_query_rows_run(&rows, port,
                                is_mariadb ? "SELECT @@global.gtid_binlog_pos, ''"
                                           : "SELECT @@global.gtid_executed, @@global.gtid_purged",
                                err);
    if (code == TR_OK && rows.row_count > 0) {
        code = tr_gtid_set_parse(executed, sources, tr_query_rows_cell(&rows, 0, 0), err);
        code = code == TR_OK
                   ? tr_gtid_set_parse(purged, sources, tr_query_rows_cell(&rows, 0, 1), err)
                   : code;
    }
    if (code == TR_OK && !tr_gtid_set_contains_set(executed, saved->gtids)) {
        code = TR_FAIL(err, TR_ERR_SOURCE_GONE, TR_STOP,
                       "the saved offset has GTIDs that this server never executed: it was "
                       "restored to an earlier "
                       "state or is another server; connect to the right one, or delete the saved "
                       "offset to begin at "
                       "the present");
    } else if (code == TR_OK && !tr_gtid_set_contains_set(saved->gtids, purged)) {
        code = TR_FAIL(
            err, TR_ERR_SOURCE_GONE, TR_STOP,
            "the server has purged transactions that the saved offset does not have (gtid_purged): "
            "events "
            "are lost to us; delete the saved offset to begin at the present, and keep logs longer "
            "(binlog_expire_logs_seconds = %" PRIu64 ")",
            facts->retention_s);
    }
    tr_query_rows_deinit(&rows);
    tr_gtid_set_close(executed);
    tr_gtid_set_close(purged);
    return code;
}

enum tr_code tr_server_log_read(struct tr_server_log *log, const struct tr_log_point *point,
                                const struct tr_server_facts *facts,
                                const struct tr_query_port *port, struct tr_error *err)
{
    struct tr_query_rows rows = {0};
    enum tr_code code = tr_query_rows_run(&rows, port, "SHOW BINARY LOGS", err);

    *log = (struct tr_server_log){0};
    if (code == TR_ERR_SOURCE_AUTH) {
        code = add_monitor_remedy(facts, err);
    }
    const int name_column = tr_query_rows_column(&rows, "Log_name");
    const int size_column = tr_query_rows_column(&rows, "File_size");
    for (uint32_t i = 0; code == TR_OK && i < rows.row_count; i++) {
        const uint64_t bytes = number_of(tr_query_rows_cell(&rows, i, size_column));
        if (log->file_count++ == 0) {
            copy_text(log->first_file, sizeof(log->first_file),
                      tr_query_rows_cell(&rows, i, name_column));
        }
        log->bytes += bytes;
        log->after_bytes += log->has_file ? bytes : 0;
        if (tr_span_equals(tr_query_rows_cell(&rows, i, name_column),
                           tr_span_of_text(point->file))) {
            log->has_file = true;
            log->file_bytes = bytes;
            log->after_bytes = bytes > point->pos ? bytes - point->pos : 0;
        }
    }
    tr_query_rows_deinit(&rows);
    return code;
}

static enum tr_code check_file(const struct tr_saved_position *saved,
                               const struct tr_server_facts *facts,
                               const struct tr_query_port *port, struct tr_error *err)
{
    struct tr_server_log log;
    enum tr_code code = tr_server_log_read(&log, &saved->point, facts, port, err);

    if (code == TR_OK && !log.has_file) {
        code = TR_FAIL(err, TR_ERR_SOURCE_GONE, TR_STOP,
                       "the server no longer has %s, where the saved offset stands: events are "
                       "lost to us; delete the "
                       "saved offset to begin at the present, and keep logs longer "
                       "(binlog_expire_logs_seconds = %" PRIu64 ")",
                       saved->point.file, facts->retention_s);
    } else if (code == TR_OK && saved->point.pos > log.file_bytes) {
        code = TR_FAIL(err, TR_ERR_SOURCE_GONE, TR_STOP,
                       "the saved offset stands at %s:%" PRIu64 ", the server's file has %" PRIu64
                       " bytes: it was restored or rebuilt; connect to the right server, or delete "
                       "the saved offset to "
                       "begin at the present",
                       saved->point.file, saved->point.pos, log.file_bytes);
    }
    return code;
}

static enum tr_code add_monitor_remedy(const struct tr_server_facts *facts, struct tr_error *err)
{
    const char *grant = facts->flavor == TR_FLAVOR_MARIADB && facts->version_number >= 100500
                            ? "BINLOG MONITOR"
                            : "REPLICATION CLIENT";
    return TR_FAIL(
        err, TR_ERR_SOURCE_AUTH, TR_STOP,
        "user %s lacks %s, which reading the log's state needs: run GRANT %s ON *.* TO %s",
        facts->user, grant, grant, facts->user);
}

/* SHOW GRANTS without roles decides; with roles it does not show their privileges: then the dump
 * itself tells. */
static bool has_grant(const struct tr_query_rows *rows)
{
    static const char grant[] = "GRANT ";
    static const char global[] = " ON *.* TO ";
    bool is_open = rows->row_count == 0;

    for (uint32_t i = 0; i < rows->row_count; i++) {
        char line[8192];
        copy_text(line, sizeof(line), tr_query_rows_cell(rows, i, 0));
        char *on = strstr(line, " ON ");
        if (on == NULL) {
            is_open = true; /* GRANT `role` TO `user` */
        } else if (strncmp(on, global, sizeof(global) - 1) == 0 &&
                   strncmp(line, grant, sizeof(grant) - 1) == 0) {
            *on = '\0';
            if (lists_replication(line + sizeof(grant) - 1)) {
                return true;
            }
        }
    }
    return is_open;
}

/* Whether "SELECT, REPLICATION SLAVE, …" names it: as a whole, since there is REPLICATION SLAVE
 * ADMIN too. */
static bool lists_replication(const char *privileges)
{
    static const char *const wanted[] = {"ALL PRIVILEGES", "REPLICATION SLAVE"};

    while (*privileges != '\0') {
        const size_t bytes = strcspn(privileges, ",");
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
            if (bytes == strlen(wanted[i]) && strncmp(privileges, wanted[i], bytes) == 0) {
                return true;
            }
        }
        privileges += bytes;
        privileges += strspn(privileges, ", ");
    }
    return false;
}

static struct tr_span variable(const struct tr_query_rows *rows, const char *name)
{
    for (uint32_t i = 0; i < rows->row_count; i++) {
        const struct tr_span own = tr_query_rows_cell(rows, i, 0);
        if (own.bytes == strlen(name) &&
            strncasecmp((const char *)own.data, name, own.bytes) == 0) {
            return tr_query_rows_cell(rows, i, 1);
        }
    }
    return (struct tr_span){0};
}

static void copy_text(char *out, size_t room_bytes, struct tr_span text)
{
    const size_t bytes = text.bytes < room_bytes - 1 ? text.bytes : room_bytes - 1;

    if (bytes > 0) {
        memcpy(out, text.data, bytes);
    }
    out[bytes] = '\0';
}

/* cdc@% -> 'cdc'@'%': the host stands behind the last @. */
static void write_user(char *out, size_t room_bytes, struct tr_span current_user)
{
    char quoted_name[512];
    char quoted_host[520];
    size_t at = current_user.bytes;

    while (at > 0 && current_user.data[at - 1] != '@') {
        at--;
    }
    const size_t name_bytes = at == 0 ? current_user.bytes : at - 1;
    if (2 * name_bytes + 3 > sizeof(quoted_name) ||
        2 * (current_user.bytes - at) + 3 > sizeof(quoted_host)) {
        copy_text(out, room_bytes, current_user);
        return;
    }
    tr_query_quote(quoted_name, tr_span_of(current_user.data, name_bytes), '\'');
    tr_query_quote(quoted_host, tr_span_of(current_user.data + at, current_user.bytes - at), '\'');
    (void)snprintf(out, room_bytes, "%s@%s", quoted_name, quoted_host);
}

/* Digits up to the first other byte ("30.000000" days). */
static uint64_t number_of(struct tr_span text)
{
    uint64_t number = 0;

    for (size_t i = 0; i < text.bytes && i < 19 && text.data[i] >= '0' && text.data[i] <= '9';
         i++) {
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    return number;
}

static bool is_text(const char *text, const char *wanted)
{
    return strcasecmp(text, wanted) == 0;
}
