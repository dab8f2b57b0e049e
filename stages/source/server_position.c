// SPDX-License-Identifier: Apache-2.0
/* Where the server's log stands, and whether it still has what a saved position needs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/cover.h"
#include "stages/source/query_rows.h"
#include "stages/source/server_facts.h"

#define POS_FIRST 4                  /* after a log file's magic */
#define VERSION_STATUS_RENAMED 80200 /* SHOW BINARY LOG STATUS; the old form went in 8.4 */

static enum tr_code check_gtids(const struct tr_saved_position *saved,
                                const struct tr_server_facts *facts,
                                const struct tr_query_port *port, struct tr_gtid_sources *sources,
                                struct tr_error *err);
static enum tr_code read_sets(struct tr_gtid_set *executed, struct tr_gtid_set *purged,
                              const struct tr_server_facts *facts, const struct tr_query_port *port,
                              struct tr_gtid_sources *sources, struct tr_error *err);
static enum tr_code read_first(struct tr_gtid_set *purged, const struct tr_query_port *port,
                               struct tr_gtid_sources *sources, struct tr_error *err);
static enum tr_code check_file(const struct tr_saved_position *saved,
                               const struct tr_server_facts *facts,
                               const struct tr_query_port *port, struct tr_error *err);
static enum tr_code add_monitor_remedy(const struct tr_server_facts *facts, struct tr_error *err);

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
        tr_query_copy_text(position->point.file, sizeof(position->point.file),
                           tr_query_rows_cell(&rows, 0, tr_query_rows_column(&rows, "File")));
        position->point.pos =
            tr_query_number(tr_query_rows_cell(&rows, 0, tr_query_rows_column(&rows, "Position")));
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

/* Contained in what the server executed, and nothing that we need is purged. */
static enum tr_code check_gtids(const struct tr_saved_position *saved,
                                const struct tr_server_facts *facts,
                                const struct tr_query_port *port, struct tr_gtid_sources *sources,
                                struct tr_error *err)
{
    struct tr_gtid_set *executed = NULL;
    struct tr_gtid_set *purged = NULL;

    if (!tr_server_facts_has_gtids(facts)) {
        return TR_FAIL(err, TR_ERR_SOURCE_GONE, TR_STOP,
                       "the saved offset has GTIDs, the server has gtid_mode = %s: set gtid_mode = "
                       "ON, or delete the "
                       "saved offset to begin at the present",
                       facts->gtid_mode);
    }
    enum tr_code code = tr_gtid_set_open(&executed, facts->flavor, err);
    code = code == TR_OK ? tr_gtid_set_open(&purged, facts->flavor, err) : code;
    code = code == TR_OK ? read_sets(executed, purged, facts, port, sources, err) : code;
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
            "the server has purged transactions that the saved offset does not have (gtid_purged; "
            "the "
            "first log on MariaDB): events "
            "are lost to us; delete the saved offset to begin at the present, and keep logs longer "
            "(binlog_expire_logs_seconds = %" PRIu64 ")",
            facts->retention_s);
    }
    tr_gtid_set_close(executed);
    tr_gtid_set_close(purged);
    return code;
}

static enum tr_code read_sets(struct tr_gtid_set *executed, struct tr_gtid_set *purged,
                              const struct tr_server_facts *facts, const struct tr_query_port *port,
                              struct tr_gtid_sources *sources, struct tr_error *err)
{
    const bool is_mariadb = facts->flavor == TR_FLAVOR_MARIADB;
    struct tr_query_rows rows = {0};

    enum tr_code code =
        tr_query_rows_run(&rows, port,
                          is_mariadb ? "SELECT @@global.gtid_binlog_pos"
                                     : "SELECT @@global.gtid_executed, @@global.gtid_purged",
                          err);
    if (code == TR_OK && rows.row_count > 0) {
        code = tr_gtid_set_parse(executed, sources, tr_query_rows_cell(&rows, 0, 0), err);
    }
    if (code == TR_OK && rows.row_count > 0 && !is_mariadb) {
        code = tr_gtid_set_parse(purged, sources, tr_query_rows_cell(&rows, 0, 1), err);
    }
    tr_query_rows_deinit(&rows);
    return code == TR_OK && is_mariadb ? read_first(purged, port, sources, err) : code;
}

/* MariaDB keeps no set of what it purged: it is what its first log begins behind. Where the user may not
 * see the list of logs, or the server cannot tell, it is left to the dump, which is refused then. */
static enum tr_code read_first(struct tr_gtid_set *purged, const struct tr_query_port *port,
                               struct tr_gtid_sources *sources, struct tr_error *err)
{
    struct tr_query_rows rows = {0};
    char sql[TR_BINLOG_NAME_BYTES_MAX + 64];
    char file[TR_BINLOG_NAME_BYTES_MAX + 1] = "";

    enum tr_code code = tr_query_rows_run(&rows, port, "SHOW BINARY LOGS", err);
    if (code == TR_ERR_SOURCE_AUTH) {
        TR_COVER("server_position.logs_not_visible");
        tr_query_rows_deinit(&rows);
        return TR_OK;
    }
    if (code == TR_OK && rows.row_count > 0) {
        tr_query_copy_text(file, sizeof(file),
                           tr_query_rows_cell(&rows, 0, tr_query_rows_column(&rows, "Log_name")));
    }
    if (file[0] != '\0') { /* no quotes in it: the server forms the name */
        (void)snprintf(sql, sizeof(sql), "SELECT BINLOG_GTID_POS('%s', %d)", file, POS_FIRST);
        code = tr_query_rows_run(&rows, port, sql, err);
        if (code == TR_OK && rows.row_count > 0) {
            code = tr_gtid_set_parse(purged, sources, tr_query_rows_cell(&rows, 0, 0), err);
        }
    }
    tr_query_rows_deinit(&rows);
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
        const uint64_t bytes = tr_query_number(tr_query_rows_cell(&rows, i, size_column));
        log->file_count++;
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
