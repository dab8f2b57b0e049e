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
static void write_user(char *out, size_t room_bytes, struct tr_span current_user);
static bool is_text(const char *text, const char *wanted);
static bool has_grant(const struct tr_query_rows *rows);
static bool lists_replication(const char *privileges);

/* A user who may not see it leaves what the server's own setting says. */
static void read_rds_retention(struct tr_server_facts *facts, struct tr_query_rows *rows,
                               const struct tr_query_port *port)
{
    struct tr_error err;

    if (facts->is_rds && tr_query_rows_run(rows, port, SQL_RDS_RETENTION, &err) == TR_OK &&
        rows->row_count > 0) {
        const uint64_t hours = tr_query_number(tr_query_rows_cell(rows, 0, 0));
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
                tr_query_copy_text((char *)facts + texts[i].at, texts[i].room, value);
            }
        }
        if (is_text(facts->time_zone, "SYSTEM")) {
            tr_query_copy_text(facts->time_zone, sizeof(facts->time_zone),
                               variable(&rows, "system_time_zone"));
        }
        facts->flavor =
            strstr(facts->version, "MariaDB") != NULL ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL;
        facts->version_number = tr_mysql_version_number(facts->version);
        facts->server_id = (uint32_t)tr_query_number(variable(&rows, "server_id"));
        facts->lower_case_table_names =
            (uint32_t)tr_query_number(variable(&rows, "lower_case_table_names"));
        facts->log_bin = tr_span_equals(variable(&rows, "log_bin"), tr_span_of_text("ON"));
        facts->retention_s = tr_query_number(variable(&rows, "binlog_expire_logs_seconds"));
        if (facts->retention_s == 0) {
            facts->retention_s =
                tr_query_number(variable(&rows, "expire_logs_days")) * SECONDS_PER_DAY;
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

/* SHOW GRANTS without roles decides; with roles it does not show their privileges: then the dump
 * itself tells. */
static bool has_grant(const struct tr_query_rows *rows)
{
    static const char grant[] = "GRANT ";
    static const char global[] = " ON *.* TO ";
    bool is_open = rows->row_count == 0;

    for (uint32_t i = 0; i < rows->row_count; i++) {
        char line[8192];
        tr_query_copy_text(line, sizeof(line), tr_query_rows_cell(rows, i, 0));
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
        tr_query_copy_text(out, room_bytes, current_user);
        return;
    }
    tr_query_quote(quoted_name, tr_span_of(current_user.data, name_bytes), '\'');
    tr_query_quote(quoted_host, tr_span_of(current_user.data + at, current_user.bytes - at), '\'');
    (void)snprintf(out, room_bytes, "%s@%s", quoted_name, quoted_host);
}

static bool is_text(const char *text, const char *wanted)
{
    return strcasecmp(text, wanted) == 0;
}
