// SPDX-License-Identifier: Apache-2.0
#include "stages/source/snapshot_cut.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/assert.h"
#include "engine/cover.h"
#include "engine/log.h"
#include "stages/source/query_rows.h"
#include "stages/source/snapshot_position.h"
#include "stages/source/snapshot_text.h"

#define SCHEMA_TRIES_MAX 5 /* how often tables may change under our hands */
#define LOCK_TRIES_MAX 3
#define PREPARED_WAITS_MAX 10 /* seconds that prepared XA transactions are waited for */
#define ERROR_LOCK_WAIT_TIMEOUT 1205

#define START_VIEW "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"

/* What became of asking for a lock. */
enum lock { LOCK_HELD, LOCK_REFUSED, LOCK_FAILED };

/* `is_optional`: not every server knows that variable. */
static const struct session_statement {
    const char *sql;
    bool is_optional;
} session_statements[] = {
    {"SET SESSION wait_timeout = 31536000, net_write_timeout = 31536000", false},
    {"SET SESSION max_execution_time = 0", true},                /* MySQL */
    {"SET SESSION max_statement_time = 0", true},                /* MariaDB */
    {"SET SESSION idle_transaction_timeout = 0", true},          /* MariaDB */
    {"SET SESSION idle_readonly_transaction_timeout = 0", true}, /* MariaDB */
    {"SET SESSION information_schema_stats_expiry = 0", true},   /* MySQL 8: estimates of now */
    {"SET SESSION show_gipk_in_create_table_and_information_schema = ON", true}, /* in every row */
};

static enum tr_code prepare(struct tr_snapshot_cut *cut, struct tr_error *err);
static enum tr_code prepare_session(const struct tr_snapshot_cut *cut,
                                    const struct tr_query_port *port, struct tr_error *err);
static enum tr_code cut_and_verify(struct tr_snapshot_cut *cut,
                                   const struct tr_snapshot_schema *schema, bool *is_same,
                                   char changed[256], struct tr_error *err);
static enum tr_code try_once(struct tr_snapshot_cut *cut, const struct tr_snapshot_schema *schema,
                             struct tr_error *err);
static enum tr_code cut_mysql(struct tr_snapshot_cut *cut, const struct tr_snapshot_schema *schema,
                              struct tr_error *err);
static enum tr_code cut_locked(struct tr_snapshot_cut *cut, struct tr_error *err);
static enum tr_code cut_mariadb(struct tr_snapshot_cut *cut,
                                const struct tr_snapshot_schema *schema, struct tr_error *err);
static enum tr_code cut_by_gtid(struct tr_snapshot_cut *cut, struct tr_error *err);
static enum tr_code take_lock(struct tr_snapshot_cut *cut, const struct tr_snapshot_schema *schema,
                              struct tr_error *err);
static enum lock lock_globally(struct tr_snapshot_cut *cut, struct tr_error *err);
static enum tr_code lock_tables(struct tr_snapshot_cut *cut,
                                const struct tr_snapshot_schema *schema, struct tr_error *err);
static enum lock try_lock(struct tr_snapshot_cut *cut, const char *sql, int tries,
                          struct tr_error *err);
static int64_t lock_timeout_s(const struct tr_snapshot_cut *cut);
static enum tr_code refuse_tables(const struct tr_snapshot_cut *cut, struct tr_error *err);
static enum tr_code read_position(struct tr_snapshot_cut *cut, struct tr_error *err);
static enum tr_code count_prepared(struct tr_snapshot_cut *cut, struct tr_error *err);
static enum tr_code wait_for_prepared(struct tr_snapshot_cut *cut, struct tr_error *err);
static void warn_of_prepared(const struct tr_snapshot_cut *cut);
static enum tr_code read_time(struct tr_snapshot_cut *cut, struct tr_error *err);
static enum tr_code run(const struct tr_query_port *port, const char *sql, struct tr_error *err);

enum tr_code tr_snapshot_cut_make(struct tr_snapshot_cut *cut, struct tr_snapshot_schema *schema,
                                  struct tr_error *err)
{
    char changed[256] = "";
    uint32_t wait_count = 0;
    uint32_t attempt = 0;
    enum tr_code code = prepare(cut, err);

    while (code == TR_OK && attempt < SCHEMA_TRIES_MAX) {
        bool is_same = false;
        code = tr_snapshot_schema_read(schema, cut->schema, cut->options, err);
        if (code == TR_OK) {
            code = cut_and_verify(cut, schema, &is_same, changed, err);
        } else if (code == TR_ERR_STATE) {
            code = TR_OK; /* a table vanished while we read */
            (void)snprintf(changed, sizeof(changed), "%.250s", err->text);
        }
        if (code == TR_OK && is_same && cut->prepared_count > 0 &&
            wait_count++ < PREPARED_WAITS_MAX) {
            code = wait_for_prepared(cut, err);
            continue;
        }
        if (code == TR_OK && is_same) {
            warn_of_prepared(cut);
            return read_time(cut, err);
        }
        attempt++;
        if (code == TR_OK) {
            TR_COVER("snapshot.schema_changed");
            TR_LOG(TR_LOG_INFO, "snapshot.schema_changed", TR_TEXT("what", changed),
                   TR_UINT("attempt", attempt));
            code = run(cut->view, "ROLLBACK", err);
        }
    }
    if (code != TR_OK) {
        return code;
    }
    return TR_FAIL(err, TR_ERR_STATE, TR_RETRY,
                   "no snapshot: tables are created, altered or dropped all the time (%s, %d "
                   "attempts); pause those jobs, or leave the tables out by "
                   "debezium.source.schema.history.internal.store.only.captured.tables.ddl = true",
                   changed, SCHEMA_TRIES_MAX);
}

enum tr_code tr_snapshot_cut_unlock(struct tr_snapshot_cut *cut, struct tr_error *err)
{
    const enum tr_code code = cut->is_locked ? run(cut->lock, "UNLOCK TABLES", err) : TR_OK;

    cut->is_locked = false;
    cut->lock->close(cut->lock->self);
    return code;
}

void tr_snapshot_cut_keep(struct tr_snapshot_cut *cut)
{
    struct tr_error err;

    if (cut->is_locked && run(cut->lock, "SELECT 1", &err) != TR_OK) {
        TR_COVER("snapshot.lock_lost");
        cut->is_locked = false;
        tr_log_error(TR_LOG_WARN, "snapshot.lock_lost", &err);
    }
}

/* With `extended` the lock stays, unless the schema was another one. */
static enum tr_code cut_and_verify(struct tr_snapshot_cut *cut,
                                   const struct tr_snapshot_schema *schema, bool *is_same,
                                   char changed[256], struct tr_error *err)
{
    /* Before and behind it: what commits meanwhile leaves the list. */
    cut->prepared_count = 0;
    enum tr_code code = count_prepared(cut, err);
    code = code == TR_OK ? try_once(cut, schema, err) : code;
    code = code == TR_OK ? count_prepared(cut, err) : code;
    if (code == TR_OK && cut->options->locking != TR_SNAPSHOT_LOCK_EXTENDED) {
        code = tr_snapshot_cut_unlock(cut, err); /* a lock that was lost meanwhile shows here */
    }
    if (code == TR_OK) {
        code = tr_snapshot_schema_verify(schema, cut->schema, cut->options, is_same, changed, err);
    }
    if (code != TR_OK || !*is_same) {
        cut->is_locked = false;
        cut->lock->close(cut->lock->self); /* which unlocks */
    }
    return code;
}

static enum tr_code prepare(struct tr_snapshot_cut *cut, struct tr_error *err)
{
    enum tr_code code = prepare_session(cut, cut->schema, err);

    /* The statements' texts as Debezium's history shows them, whatever the server's own mode is;
     * MySQL prints the default of a TIMESTAMP in the session's zone, Debezium's is the server's. */
    if (code == TR_OK) {
        code = run(cut->schema,
                   "SET SESSION sql_mode = '', sql_quote_show_create = ON, "
                   "time_zone = @@global.time_zone",
                   err);
    }
    if (code == TR_OK) {
        code = prepare_session(cut, cut->view, err);
    }
    if (code == TR_OK) {
        code = run(cut->view, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", err);
    }
    if (code == TR_OK && cut->options->facts->flavor == TR_FLAVOR_MARIADB) {
        /* Only so does MariaDB give back the tables' metadata locks (snapshot_source.h). Who lacks
         * BINLOG ADMIN keeps them to the end, as Debezium does. */
        code = run(cut->view, "SET SESSION sql_log_bin = 0", err);
        code = code == TR_ERR_SOURCE_LINK ? code : TR_OK;
    }
    return code;
}

static enum tr_code prepare_session(const struct tr_snapshot_cut *cut,
                                    const struct tr_query_port *port, struct tr_error *err)
{
    char timeout[80];
    enum tr_code code = run(port, "SET NAMES utf8mb4", err);

    (void)snprintf(timeout, sizeof(timeout), "SET SESSION lock_wait_timeout = %" PRId64,
                   lock_timeout_s(cut));
    if (code == TR_OK && port != cut->view) { /* rows may wait for the end of an ALTER TABLE */
        code = run(port, timeout, err);
    }

    for (size_t i = 0;
         code == TR_OK && i < sizeof(session_statements) / sizeof(session_statements[0]); i++) {
        code = run(port, session_statements[i].sql, err);
        if (code != TR_OK && code != TR_ERR_SOURCE_LINK && session_statements[i].is_optional) {
            code = TR_OK;
        }
    }
    return code;
}

static enum tr_code try_once(struct tr_snapshot_cut *cut, const struct tr_snapshot_schema *schema,
                             struct tr_error *err)
{
    const bool snapshot_flag = cut->position->point.snapshot; /* not ours */
    const enum tr_code code = cut->options->facts->flavor == TR_FLAVOR_MARIADB
                                  ? cut_mariadb(cut, schema, err)
                                  : cut_mysql(cut, schema, err);

    cut->position->point.snapshot = snapshot_flag;
    return code;
}

static enum tr_code cut_mysql(struct tr_snapshot_cut *cut, const struct tr_snapshot_schema *schema,
                              struct tr_error *err)
{
    const struct tr_snapshot_options *options = cut->options;
    const bool has_gtids = tr_server_facts_has_gtids(options->facts);

    if (!options->with_rows && options->locking != TR_SNAPSHOT_LOCK_EXTENDED) {
        cut->method = "position alone"; /* that the schema is the same around it is enough */
        return read_position(cut, err);
    }
    if (options->locking == TR_SNAPSHOT_LOCK_NONE) {
        if (!has_gtids) {
            return TR_FAIL(
                err, TR_ERR_CONFIG, TR_STOP,
                "debezium.source.snapshot.locking.mode = none: without GTIDs changes "
                "could be missed; use minimal (a lock of milliseconds), or set gtid_mode "
                "= ON on the server");
        }
        return cut_by_gtid(cut, err);
    }
    if (options->locking == TR_SNAPSHOT_LOCK_EXTENDED) {
        const enum tr_code code = take_lock(cut, schema, err);
        return code != TR_OK ? code : cut_locked(cut, err);
    }
    switch (lock_globally(cut, err)) {
    case LOCK_HELD:
        return cut_locked(cut, err);
    case LOCK_FAILED:
        return err->code;
    case LOCK_REFUSED:
        break;
    }
    if (has_gtids) {
        return cut_by_gtid(cut, err);
    }
    const enum tr_code code = lock_tables(cut, schema, err);
    return code != TR_OK ? code : cut_locked(cut, err);
}

/* Nothing is written while the lock is held: view and position are of one moment. */
static enum tr_code cut_locked(struct tr_snapshot_cut *cut, struct tr_error *err)
{
    const enum tr_code code = run(cut->view, START_VIEW, err);

    return code != TR_OK ? code : read_position(cut, err);
}

/* Procedure E: the server says which position its view has. */
static enum tr_code cut_mariadb(struct tr_snapshot_cut *cut,
                                const struct tr_snapshot_schema *schema, struct tr_error *err)
{
    enum tr_code code = TR_OK;

    cut->method = "the view's own position";
    if (cut->options->locking == TR_SNAPSHOT_LOCK_EXTENDED) {
        code = take_lock(cut, schema, err);
    }
    if (code == TR_OK) {
        code = run(cut->view, START_VIEW, err);
    }
    return code != TR_OK ? code : tr_snapshot_position_of_view(cut, err);
}

/* Procedure C: the executed set, then the view. The set grows after a commit became visible, so the
 * view holds all of the set, and some transactions more, which the log brings again. */
static enum tr_code cut_by_gtid(struct tr_snapshot_cut *cut, struct tr_error *err)
{
    cut->method = "executed GTIDs, no lock";
    enum tr_code code = read_position(cut, err);
    if (code == TR_OK) {
        code = tr_snapshot_position_executed(cut, err);
    }
    return code != TR_OK ? code : run(cut->view, START_VIEW, err);
}

/* `extended`: the global lock, or the tables'. */
static enum tr_code take_lock(struct tr_snapshot_cut *cut, const struct tr_snapshot_schema *schema,
                              struct tr_error *err)
{
    switch (lock_globally(cut, err)) {
    case LOCK_HELD:
        return TR_OK;
    case LOCK_FAILED:
        return err->code;
    case LOCK_REFUSED:
        break;
    }
    return lock_tables(cut, schema, err);
}

static enum lock lock_globally(struct tr_snapshot_cut *cut, struct tr_error *err)
{
    const enum lock lock = try_lock(cut, "FLUSH TABLES WITH READ LOCK", LOCK_TRIES_MAX, err);

    cut->method = "global read lock";
    if (lock == LOCK_REFUSED) {
        TR_COVER("snapshot.global_lock_refused");
        TR_LOG(TR_LOG_INFO, "snapshot.global_lock_refused", TR_TEXT("error", err->text));
    }
    return lock;
}

/* Procedure B: nobody writes to the tables that we read, and who did has committed. */
static enum tr_code lock_tables(struct tr_snapshot_cut *cut,
                                const struct tr_snapshot_schema *schema, struct tr_error *err)
{
    /* The first needs RELOAD. LOCK TABLES … READ waits as long as writers relieve one another;
     * a WRITE lock goes before those who come later, and nobody uses it to write. */
    static const struct {
        const char *before;
        const char *between;
        const char *after;
        int tries;
    } forms[] = {
        {"FLUSH TABLES ", ", ", " WITH READ LOCK", LOCK_TRIES_MAX},
        {"LOCK TABLES ", " READ, ", " READ", 1},
        {"LOCK TABLES ", " WRITE, ", " WRITE", LOCK_TRIES_MAX - 1},
    };
    enum lock lock = LOCK_REFUSED;

    cut->method = "read locks of the tables";
    if (schema->row_table_count == 0) {
        return TR_OK;
    }
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && lock != LOCK_HELD; i++) {
        struct tr_snapshot_writer writer = {0};
        char *sql = NULL;
        for (int pass = 0; pass < 2; pass++) {
            writer = (struct tr_snapshot_writer){.out = sql, .room_bytes = writer.bytes};
            tr_snapshot_write_text(&writer, forms[i].before);
            for (uint32_t k = 0; k < schema->row_table_count; k++) {
                tr_snapshot_write_text(&writer, k == 0 ? "" : forms[i].between);
                tr_snapshot_write_table(&writer, &schema->tables[schema->row_tables[k]]);
            }
            tr_snapshot_write_text(&writer, forms[i].after);
            sql = pass == 0 ? calloc(1, writer.bytes + 1) : sql;
            if (sql == NULL) {
                return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "no memory for a lock: add memory");
            }
        }
        lock = try_lock(cut, sql, forms[i].tries, err);
        free(sql);
        if (lock == LOCK_FAILED && (i != 1 || err->code != TR_ERR_STATE)) {
            return err->code;
        }
        if (lock == LOCK_REFUSED && i > 0) {
            return refuse_tables(cut, err);
        }
    }
    return TR_OK;
}

/* While a lock is waited for, writers wait behind it: hence the limit, and a pause before the next
 * try. */
static enum lock try_lock(struct tr_snapshot_cut *cut, const char *sql, int tries,
                          struct tr_error *err)
{
    enum tr_code code = prepare_session(cut, cut->lock, err);

    for (int attempt = 0; code == TR_OK && attempt < tries; attempt++) {
        code = attempt == 0 ? TR_OK : run(cut->lock, "DO SLEEP(1)", err);
        if (code == TR_OK) {
            code = run(cut->lock, sql, err);
            cut->is_locked = code == TR_OK;
        }
        if (cut->is_locked) {
            return LOCK_HELD;
        }
        if (code == TR_ERR_SOURCE_LINK) {
            return LOCK_FAILED;
        }
        if (cut->lock->last_server_error(cut->lock->self) != ERROR_LOCK_WAIT_TIMEOUT) {
            return LOCK_REFUSED;
        }
        TR_COVER("snapshot.lock_timeout");
        TR_LOG(TR_LOG_WARN, "snapshot.lock_timeout", TR_INT("attempt", attempt + 1),
               TR_INT("timeout_s", lock_timeout_s(cut)));
        code = TR_OK;
    }
    if (code == TR_OK) {
        (void)TR_FAIL(
            err, TR_ERR_STATE, TR_RETRY,
            "no lock for the snapshot's cut in %d x %" PRId64
            " s: a statement runs that long (see SHOW PROCESSLIST); wait for it, or raise "
            "debezium.source.snapshot.lock.timeout.ms",
            tries, lock_timeout_s(cut));
    }
    return LOCK_FAILED;
}

static int64_t lock_timeout_s(const struct tr_snapshot_cut *cut)
{
    const int64_t timeout_s = (cut->options->lock_timeout_ms + 999) / 1000;

    return timeout_s > 0 ? timeout_s : 1;
}

static enum tr_code refuse_tables(const struct tr_snapshot_cut *cut, struct tr_error *err)
{
    char said[512];

    (void)snprintf(said, sizeof(said), "%.500s", err->text);
    return TR_FAIL(err, TR_ERR_SOURCE_AUTH, TR_STOP,
                   "no exact cut of the data is possible: user %s may take neither the global lock "
                   "nor the tables' locks; run GRANT RELOAD ON *.* TO %s, or GRANT SELECT, "
                   "LOCK TABLES ON `database`.* TO it for every captured database%s (%s)",
                   cut->options->facts->user, cut->options->facts->user,
                   cut->options->facts->flavor == TR_FLAVOR_MYSQL
                       ? ", or set gtid_mode = ON on the server"
                       : "",
                   said);
}

static enum tr_code read_position(struct tr_snapshot_cut *cut, struct tr_error *err)
{
    return tr_server_position_read(cut->position, cut->options->facts, cut->schema, cut->sources,
                                   err);
}

/* The rows of an XA transaction are in the log at its PREPARE, and for others to see at its COMMIT: with
 * the cut between the two they are in neither. (Debezium loses them without a word.) */
static enum tr_code count_prepared(struct tr_snapshot_cut *cut, struct tr_error *err)
{
    struct tr_query_rows rows = {0};

    if (!cut->options->with_rows) {
        return TR_OK;
    }
    const enum tr_code code = tr_query_rows_run(&rows, cut->schema, "XA RECOVER", err);
    if (code == TR_OK && rows.row_count > cut->prepared_count) {
        cut->prepared_count = rows.row_count;
    }
    tr_query_rows_deinit(&rows);
    return code == TR_ERR_SOURCE_LINK ? code : TR_OK; /* MySQL wants XA_RECOVER_ADMIN for it */
}

/* Another cut a second later: most are prepared for the moment before their COMMIT. */
static enum tr_code wait_for_prepared(struct tr_snapshot_cut *cut, struct tr_error *err)
{
    TR_COVER("snapshot.xa_waited");
    TR_LOG(TR_LOG_INFO, "snapshot.xa_waited", TR_UINT("transactions", cut->prepared_count));
    cut->is_locked = false;
    cut->lock->close(cut->lock->self); /* which unlocks */
    const enum tr_code code = run(cut->view, "ROLLBACK", err);

    return code != TR_OK ? code : run(cut->schema, "DO SLEEP(1)", err);
}

static void warn_of_prepared(const struct tr_snapshot_cut *cut)
{
    if (cut->prepared_count == 0) {
        return;
    }
    TR_COVER("snapshot.xa_prepared");
    TR_LOG(TR_LOG_WARN, "snapshot.xa_prepared", TR_UINT("transactions", cut->prepared_count),
           TR_TEXT("risk", "rows that they commit from now on are neither in this snapshot nor in "
                           "the log behind it"),
           TR_TEXT("remedy", "where they wrote to captured tables (XA RECOVER shows them) commit "
                             "or roll them back, and take the snapshot again"));
}

static enum tr_code read_time(struct tr_snapshot_cut *cut, struct tr_error *err)
{
    struct tr_query_rows rows = {0};
    char text[24] = "";

    const enum tr_code code = tr_query_rows_run(&rows, cut->schema, "SELECT UNIX_TIMESTAMP()", err);
    if (code == TR_OK && rows.row_count > 0) {
        const struct tr_span cell = tr_query_rows_cell(&rows, 0, 0);
        if (cell.bytes > 0 && cell.bytes < sizeof(text)) {
            memcpy(text, cell.data, cell.bytes);
        }
        cut->position->point.ts_sec = strtoll(text, NULL, 10);
    }
    tr_query_rows_deinit(&rows);
    return code;
}

static enum tr_code run(const struct tr_query_port *port, const char *sql, struct tr_error *err)
{
    return port->run(port->self, sql, NULL, NULL, err);
}
