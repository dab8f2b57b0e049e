// SPDX-License-Identifier: Apache-2.0
#include "tests/support/cut_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"

static enum tr_code error_of(uint32_t number, struct tr_error *err)
{
    switch (number) {
    case 1045:
    case 1142:
    case 1227:
        return TR_FAIL(err, TR_ERR_SOURCE_AUTH, TR_STOP, "error %u", number);
    case CUT_RIG_LOST:
        return TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RETRY, "error %u", number);
    default:
        return TR_FAIL(err, TR_ERR_SOURCE_SETUP, TR_STOP, "error %u", number);
    }
}

static void note(struct cut_rig_port *port, const char *sql)
{
    static const char *const dull[] = {"SET ",
                                       "SHOW VARIABLES",
                                       "SELECT table_schema",
                                       "SELECT schema_name",
                                       "SELECT column_name",
                                       "SELECT engine",
                                       "XA RECOVER",
                                       "SELECT `"};
    char *transcript = port->server->transcript;
    const size_t at = strlen(transcript);

    for (size_t i = 0; i < sizeof(dull) / sizeof(dull[0]); i++) {
        if (strncmp(sql, dull[i], strlen(dull[i])) == 0) {
            return;
        }
    }
    (void)snprintf(transcript + at, sizeof(port->server->transcript) - at, "%c %s\n", port->name,
                   sql);
}

static enum tr_code fake_run(void *self, const char *sql, tr_query_on_row *on_row, void *row_self,
                             struct tr_error *err)
{
    struct cut_rig_port *port = self;
    struct cut_rig_server *server = port->server;

    port->last_error = 0;
    note(port, sql);
    for (size_t i = 0; i < CUT_RIG_ANSWERS_MAX && server->answers[i].sql != NULL; i++) {
        const struct cut_rig_answer *answer = &server->answers[i];
        if (strncmp(sql, answer->sql, strlen(answer->sql)) != 0 ||
            (answer->port != '*' && answer->port != port->name) ||
            (answer->times > 0 && server->used[i] == answer->times)) {
            continue;
        }
        server->used[i]++;
        if (answer->error != 0) {
            port->last_error = answer->error;
            return error_of(answer->error, err);
        }
        if (answer->rows == NULL) {
            return TR_OK;
        }
        answer_rows_give(answer->rows, &port->names, on_row, row_self);
        return TR_OK;
    }
    fail_msg("no answer for: %c %s", port->name, sql);
    return TR_OK;
}

static const struct tr_span *fake_columns(void *self, uint32_t *count)
{
    struct cut_rig_port *port = self;

    *count = port->names.count;
    return port->names.names;
}

static uint32_t fake_last_error(void *self)
{
    return ((struct cut_rig_port *)self)->last_error;
}

static void fake_close(void *self)
{
    note(self, "(closed)");
}

static void port_init(struct cut_rig_port *port, struct cut_rig_server *server, char name)
{
    *port = (struct cut_rig_port){.port = {.self = port,
                                           .run = fake_run,
                                           .columns = fake_columns,
                                           .last_server_error = fake_last_error,
                                           .close = fake_close},
                                  .server = server,
                                  .name = name};
}

void cut_rig_answer(struct cut_rig *cut, struct cut_rig_answer added)
{
    size_t i = 0;

    while (cut->server.answers[i].sql != NULL) {
        i++;
        assert_true(i < CUT_RIG_ANSWERS_MAX - 1);
    }
    cut->server.answers[i] = added;
}

/* What a server says unless the test said something else before. */
static void answer_usual(struct cut_rig *cut)
{
    static const struct cut_rig_answer usual[] = {
        {'*', "SET SESSION show_gipk", NULL, 1193, 0},
        {'*', "SET ", NULL, 0, 0},
        {'*', "DO SLEEP", NULL, 0, 0},
        {'V', "ROLLBACK", NULL, 0, 0},
        {'V', "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", NULL, 0, 0},
        {'L', "FLUSH TABLES", NULL, 0, 0},
        {'L', "LOCK TABLES", NULL, 0, 0},
        {'L', "UNLOCK TABLES", NULL, 0, 0},
        {'S', "SHOW VARIABLES",
         "Variable_name|Value\ncharacter_set_server|utf8mb4\ncollation_server|utf8mb4_bin\n", 0, 0},
        {'S', "SELECT table_schema", "s|t\nd|b\nz|t\nd|a\nmysql|user\nd-x|c\n", 0, 0},
        {'S', "SELECT schema_name",
         "s|c|o\nd|latin1|latin1_bin\nd-x|utf8mb4|utf8mb4_bin\nz|utf8mb4|utf8mb4_bin\n", 0, 0},
        {'S', "SHOW CREATE TABLE `d`.`a`", "Table|Create Table\na|CREATE a AUTO_INCREMENT=7 X\n", 0,
         1},
        {'S', "SHOW CREATE TABLE `d`.`a`", "Table|Create Table\na|CREATE a AUTO_INCREMENT=12 X\n",
         0, 0},
        {'S', "SHOW CREATE TABLE `d`.`b`", "Table|Create Table\nb|CREATE b X\n", 0, 1},
        {'S', "SHOW CREATE TABLE `d`.`b`", "Table|Create Table\nb|CREATE b AUTO_INCREMENT=2 X\n", 0,
         0},
        {'S', "SHOW CREATE TABLE `d-x`.`c`", "Table|Create Table\nc|CREATE c\n", 0, 0},
        {'S', "SHOW CREATE TABLE `z`.`t`", "Table|Create Table\nt|CREATE t\n", 0, 0},
        {'S', "SELECT column_name", "c\nid\nna`me\n", 0, 0},
        {'S', "SELECT engine", "e|r\nInnoDB|7\n", 0, 0},
        {'S', "SELECT `id`, `na``me` FROM ", "id|na`me\n", 0, 0},
        {'S', "SHOW BINARY LOG STATUS",
         "File|Position|Binlog_Do_DB|Binlog_Ignore_DB|Executed_Gtid_Set\nbinlog.000003|500||"
         "|" CUT_RIG_UUID ":1-4\n",
         0, 0},
        {'S', "SELECT @@global.gtid_owned", "x\n\n", 0, 0},
        {'S', "SELECT @@global.gtid_executed", "x\n" CUT_RIG_UUID ":1-5\n", 0, 0},
        {'S', "XA RECOVER", NULL, 0, 0},
        {'S', "SELECT UNIX_TIMESTAMP()", "x\n1700000000\n", 0, 0},
        {'V', "SHOW STATUS LIKE 'binlog_snapshot_%'",
         "Variable_name|Value\nBinlog_snapshot_file|maria.000002\nBinlog_snapshot_position|900\n",
         0, 0},
        {'S', "SELECT BINLOG_GTID_POS('maria.000002', 900)", "x\n0-7-33\n", 0, 0},
    };

    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        cut_rig_answer(cut, usual[i]);
    }
}

struct cut_rig *cut_rig_open(enum tr_flavor flavor, enum tr_snapshot_locking locking,
                             const char *gtid_mode)
{
    static const char captured[] = "d\\.b,d\\..*";
    struct cut_rig *cut = calloc(1, sizeof(*cut));
    const struct tr_filter_options filter = {.table_include = tr_span_of_text(captured)};

    assert_non_null(cut);
    port_init(&cut->server.schema, &cut->server, 'S');
    port_init(&cut->server.lock, &cut->server, 'L');
    port_init(&cut->server.view, &cut->server, 'V');
    cut->facts.flavor = flavor;
    cut->facts.version_number = flavor == TR_FLAVOR_MARIADB ? 101100 : 90700;
    (void)snprintf(cut->facts.gtid_mode, sizeof(cut->facts.gtid_mode), "%s", gtid_mode);
    (void)snprintf(cut->facts.user, sizeof(cut->facts.user), "dbz@%%");
    assert_int_equal(tr_filter_open(&cut->filter, &filter, &cut->err), TR_OK);
    assert_int_equal(tr_gtid_sources_open(&cut->sources, &cut->err), TR_OK);
    assert_int_equal(tr_gtid_set_open(&cut->position.gtids, flavor, &cut->err), TR_OK);
    cut->options = (struct tr_snapshot_options){.facts = &cut->facts,
                                                .filter = cut->filter,
                                                .all_tables = true,
                                                .with_rows = true,
                                                .locking = locking,
                                                .lock_timeout_ms = 2500,
                                                .include_list = tr_span_of_text(captured)};
    cut->cut = (struct tr_snapshot_cut){.options = &cut->options,
                                        .schema = &cut->server.schema.port,
                                        .lock = &cut->server.lock.port,
                                        .view = &cut->server.view.port,
                                        .sources = cut->sources,
                                        .position = &cut->position};
    return cut;
}

enum tr_code cut_rig_make(struct cut_rig *cut)
{
    answer_usual(cut);
    return tr_snapshot_cut_make(&cut->cut, &cut->schema, &cut->err);
}

void cut_rig_close(struct cut_rig *cut)
{
    tr_snapshot_schema_close(&cut->schema);
    tr_gtid_set_close(cut->position.gtids);
    tr_gtid_sources_close(cut->sources);
    tr_filter_close(cut->filter);
    free(cut);
}
