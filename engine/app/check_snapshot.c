// SPDX-License-Identifier: Apache-2.0
/* Whether the next start takes a snapshot, and which cut it may make with this user's privileges. No lock is tried: the
 * grants tell. */
#include <stdlib.h>
#include <string.h>

#include "engine/app/check.h"
#include "engine/app/settings.h"
#include "stages/source/query_rows.h"
#include "stages/source/schema_query.h"

#define GRANT_BYTES_MAX 8192

/* What SHOW GRANTS says of some privileges, at all databases and at one. */
struct grants {
    bool has_roles;       /* they may bring more: this user's own lines do not tell */
    bool may_lock_all;    /* FLUSH TABLES WITH READ LOCK */
    bool may_lock_tables; /* LOCK TABLES, everywhere */
    char *
        lines; /* owns: of each database with LOCK TABLES its pattern, NUL-ended one after another */
    size_t bytes;
};

/* Whether "SELECT, LOCK TABLES, ..." names a privilege, or all of them. */
static bool lists(const char *privileges, const char *wanted)
{
    while (*privileges != '\0') {
        const size_t bytes = strcspn(privileges, ",");
        if ((bytes == strlen(wanted) && strncmp(privileges, wanted, bytes) == 0) ||
            (bytes == strlen("ALL PRIVILEGES") &&
             strncmp(privileges, "ALL PRIVILEGES", bytes) == 0)) {
            return true;
        }
        privileges += bytes;
        privileges += strspn(privileges, ", ");
    }
    return false;
}

/* "GRANT a, b ON `db`.* TO ..." */
static void read_grant(struct grants *grants, char *line)
{
    char *on = strstr(line, " ON ");
    if (on == NULL || strncmp(line, "GRANT ", 6) != 0) {
        grants->has_roles = grants->has_roles || on == NULL; /* GRANT `role` TO `user` */
        return;
    }
    const char *privileges = line + 6;
    char *where = on + 4;
    char *end = strstr(where, ".* TO ");
    *on = '\0';
    if (end == NULL) {
        return; /* of one table, or of a procedure */
    }
    *end = '\0';
    if (strcmp(where, "*") == 0) {
        grants->may_lock_all = grants->may_lock_all || lists(privileges, "RELOAD") ||
                               lists(privileges, "FLUSH_TABLES");
        grants->may_lock_tables = grants->may_lock_tables || lists(privileges, "LOCK TABLES");
    } else if (lists(privileges, "LOCK TABLES")) {
        const size_t bytes = strlen(where) + 1;
        char *grown = realloc(grants->lines, grants->bytes + bytes);
        if (grown != NULL) {
            memcpy(grown + grants->bytes, where, bytes);
            grants->lines = grown;
            grants->bytes += bytes;
        }
    }
}

static enum tr_code read_grants(struct tr_check *check, struct grants *grants, struct tr_error *err)
{
    struct tr_query_rows rows = {0};
    const enum tr_code code =
        tr_query_rows_run(&rows, &check->start.query.port, "SHOW GRANTS", err);

    *grants = (struct grants){0};
    for (uint32_t i = 0; code == TR_OK && i < rows.row_count; i++) {
        char line[GRANT_BYTES_MAX];
        const struct tr_span cell = tr_query_rows_cell(&rows, i, 0);
        (void)snprintf(line, sizeof(line), "%.*s", (int)cell.bytes, (const char *)cell.data);
        read_grant(grants, line);
    }
    tr_query_rows_deinit(&rows);
    return code;
}

/* Whether a database's name, quoted as a grant quotes it, fits one of the patterns. A wildcard that is not escaped is
 * taken to fit: the server knows better than we. */
static bool may_lock_in(const struct grants *grants, const char *quoted)
{
    for (size_t at = 0; at < grants->bytes; at += strlen(grants->lines + at) + 1) {
        const char *pattern = grants->lines + at;
        const char *name = quoted;
        while (*pattern != '\0' && *pattern != '%' && *pattern != '_') {
            pattern += pattern[0] == '\\' && pattern[1] != '\0';
            if (*pattern++ != *name++) {
                break;
            }
        }
        if (*pattern == '%' || *pattern == '_' || (*pattern == '\0' && *name == '\0')) {
            return true;
        }
    }
    return false;
}

/* Finds the first captured database in which no table may be locked. */
struct lock_look {
    struct tr_check *check;
    const struct grants *grants;
    char missing[2 * TR_NAME_BYTES_MAX + 3]; /* quoted; empty: none */
};

static enum tr_code look_at_table(void *self, struct tr_span database, struct tr_span table,
                                  bool *captured, struct tr_error *err)
{
    struct lock_look *look = self;
    char quoted[2 * TR_NAME_BYTES_MAX + 3];
    const enum tr_code code =
        tr_filter_match(look->check->start.filter, database, table, captured, err);
    if (code == TR_OK && *captured && look->missing[0] == '\0') {
        tr_query_quote(quoted, database, '`');
        if (!may_lock_in(look->grants, quoted)) {
            memcpy(look->missing, quoted, sizeof(quoted));
        }
    }
    *captured = false; /* nothing more is wanted of it */
    return code;
}

static enum tr_code drop_table(void *self, struct tr_table *table, struct tr_error *err)
{
    (void)self;
    (void)err;
    tr_table_close(table);
    return TR_OK;
}

/* Without the global lock: the tables' locks, or nothing. */
static void check_table_locks(struct tr_check *check, const struct grants *grants)
{
    struct lock_look look = {.check = check, .grants = grants};
    const struct tr_schema_query query = {.port = &check->start.query.port,
                                          .flavor = check->start.facts.flavor,
                                          .filter = look_at_table,
                                          .filter_self = &look,
                                          .on_table = drop_table};
    struct tr_error err;
    if (!grants->may_lock_tables && tr_schema_query_tables(&query, &err) != TR_OK) {
        tr_check_report_fail(&check->report, "snapshot.cut", &err);
        return;
    }
    if (look.missing[0] == '\0') {
        tr_check_report_ok(&check->report, "snapshot.cut",
                           "by read locks of the captured tables, for a moment: the global lock is "
                           "not granted (RELOAD)");
        return;
    }
    (void)TR_FAIL(&err, TR_ERR_SOURCE_AUTH, TR_STOP,
                  "no exact cut of the data is possible: run GRANT RELOAD ON *.* TO %s, "
                  "or GRANT LOCK TABLES ON %s.* TO it, and so for every captured database%s",
                  check->start.facts.user, look.missing,
                  check->start.facts.flavor == TR_FLAVOR_MYSQL
                      ? ", or set gtid_mode = ON on the server"
                      : "");
    tr_check_report_fail(&check->report, "snapshot.cut", &err);
}

/* The ways of tr_snapshot_open(), in its order. */
static void check_cut(struct tr_check *check, const struct grants *grants)
{
    const uint32_t locking = check->config->snapshot_locking_mode;
    const bool has_gtids = tr_server_facts_has_gtids(&check->start.facts);
    const bool is_extended = locking == TR_CONFIG_LOCKING_EXTENDED;
    struct tr_check_report *report = &check->report;
    struct tr_error err;

    if (!is_extended && check->config->snapshot_mode == TR_CONFIG_SNAPSHOT_NO_DATA) {
        tr_check_report_ok(report, "snapshot.cut", "no rows are read: no lock is wanted");
    } else if (!is_extended && check->start.facts.flavor == TR_FLAVOR_MARIADB) {
        tr_check_report_ok(report, "snapshot.cut",
                           "exact and without a lock: the view knows its own position");
    } else if (locking == TR_CONFIG_LOCKING_NONE && !has_gtids) {
        (void)TR_FAIL(
            &err, TR_ERR_CONFIG, TR_STOP,
            "debezium.source.snapshot.locking.mode = none: without GTIDs changes could be "
            "missed; set it to minimal, or set gtid_mode = ON on the server");
        tr_check_report_fail(report, "snapshot.cut", &err);
    } else if (locking != TR_CONFIG_LOCKING_NONE && (grants->may_lock_all || grants->has_roles)) {
        tr_check_report_ok(report, "snapshot.cut", "by the global read lock%s%s",
                           is_extended ? ", held until all rows are read" : ", for a moment",
                           grants->may_lock_all ? "" : ", if a role brings RELOAD");
    } else if (has_gtids && !is_extended && locking == TR_CONFIG_LOCKING_NONE) {
        tr_check_report_ok(report, "snapshot.cut",
                           "without a lock, by GTIDs: what is committed in the moment of the cut "
                           "comes twice, in the snapshot and from the log");
    } else if (has_gtids && !is_extended) {
        tr_check_report_ok(report, "snapshot.cut",
                           "without a lock, by GTIDs: what is committed in the moment of the cut "
                           "comes twice, in the snapshot and from the log; for an exact one run "
                           "GRANT RELOAD ON *.* TO %s",
                           check->start.facts.user);
    } else {
        check_table_locks(check, grants);
    }
}

void tr_check_snapshot(struct tr_check *check)
{
    struct grants grants;
    struct tr_error err;

    if (!check->has_tables) {
        return; /* said already */
    }
    if (read_grants(check, &grants, &err) != TR_OK) {
        tr_check_report_fail(&check->report, "snapshot.cut", &err);
        return;
    }
    check_cut(check, &grants);
    free(grants.lines);
}
