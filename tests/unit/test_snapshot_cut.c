// SPDX-License-Identifier: Apache-2.0
/* Which statements a cut sends, on which connection and in which order, and what it makes of every answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/support/cut_rig.h"

#define READ                                                                                       \
    "S SHOW CREATE TABLE `d-x`.`c`\nS SHOW CREATE TABLE `d`.`a`\nS SHOW CREATE TABLE `d`.`b`\n"    \
    "S SHOW CREATE TABLE `z`.`t`\n"
#define TIME "S SELECT UNIX_TIMESTAMP()\n"
#define STATUS "S SHOW BINARY LOG STATUS\n"
#define VIEW "V START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY\n"
#define LOCK "L FLUSH TABLES WITH READ LOCK\n"
#define LOCK_TABLES "L LOCK TABLES `d`.`b` READ, `d`.`a` READ\n"
#define FLUSH_TABLES "L FLUSH TABLES `d`.`b`, `d`.`a` WITH READ LOCK\n"
#define LOCK_FOR_WRITE "L LOCK TABLES `d`.`b` WRITE, `d`.`a` WRITE\n"
#define UNLOCK "L UNLOCK TABLES\nL (closed)\n"
#define NO_LOCK "L (closed)\n"

static void check(struct cut_rig *cut, const char *transcript)
{
    assert_string_equal(cut->server.transcript, transcript);
}

static void check_gtids(const struct cut_rig *cut, const char *wanted)
{
    char text[256] = "";

    assert_true(tr_gtid_set_text_bytes(cut->position.gtids) < sizeof(text));
    tr_gtid_set_write_text(cut->position.gtids, text);
    assert_string_equal(text, wanted);
}

static void check_error(const struct cut_rig *cut, enum tr_code code, enum tr_remedy remedy,
                        const char *word)
{
    assert_int_equal(cut->err.code, code);
    assert_int_equal(cut->err.remedy, remedy);
    if (strstr(cut->err.text, word) == NULL) {
        fail_msg("\"%s\" is not in: %s", word, cut->err.text);
    }
}

static void mysql_takes_view_and_position_under_the_global_lock(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");

    (void)state;
    cut->position.point.snapshot = true;
    assert_int_equal(cut_rig_make(cut), TR_OK);
    check(cut, READ LOCK VIEW STATUS UNLOCK READ TIME);
    assert_string_equal(cut->position.point.file, "binlog.000003");
    assert_int_equal(cut->position.point.pos, 500);
    assert_int_equal(cut->position.point.ts_sec, 1700000000);
    assert_true(cut->position.point.snapshot);
    check_gtids(cut, CUT_RIG_UUID ":1-4");
    assert_false(cut->cut.is_locked);
    cut_rig_close(cut);
}

static void statements_come_in_debeziums_words_and_order(void **state)
{
    static const char *const wanted[] = {
        "SET character_set_server=utf8mb4, collation_server=utf8mb4_bin",
        "DROP TABLE IF EXISTS `d-x`.`c`",
        "DROP TABLE IF EXISTS `d`.`a`",
        "DROP TABLE IF EXISTS `d`.`b`",
        "DROP TABLE IF EXISTS `z`.`t`",
        "DROP DATABASE IF EXISTS `d-x`",
        "CREATE DATABASE `d-x` CHARSET utf8mb4 COLLATE utf8mb4_bin",
        "USE `d-x`",
        "CREATE c",
        "DROP DATABASE IF EXISTS `d`",
        "CREATE DATABASE `d` CHARSET latin1 COLLATE latin1_bin",
        "USE `d`",
        "CREATE a AUTO_INCREMENT=7 X",
        "CREATE b X",
        "DROP DATABASE IF EXISTS `z`",
        "CREATE DATABASE `z` CHARSET utf8mb4 COLLATE utf8mb4_bin",
        "USE `z`",
        "CREATE t",
    };
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");

    (void)state;
    assert_int_equal(cut_rig_make(cut), TR_OK);
    assert_int_equal(cut->schema.statement_count, sizeof(wanted) / sizeof(wanted[0]));
    for (uint32_t i = 0; i < cut->schema.statement_count; i++) {
        char sql[256];
        struct tr_span database;
        const size_t bytes =
            tr_snapshot_schema_statement(&cut->schema, i, sql, sizeof(sql), &database);
        assert_true(bytes < sizeof(sql));
        sql[bytes] = '\0';
        assert_string_equal(sql, wanted[i]);
    }
    assert_int_equal(cut->schema.last_statement, 13); /* the last of a captured table */
    /* Rows: by the first expression that matches, then by name. */
    assert_int_equal(cut->schema.row_table_count, 2);
    const struct tr_snapshot_table *first = &cut->schema.tables[cut->schema.row_tables[0]];
    assert_true(
        tr_span_equals(first->select_sql, tr_span_of_text("SELECT `id`, `na``me` FROM `d`.`b`")));
    assert_int_equal(first->rows_estimated, 7);
    assert_true(first->is_snapshotted);
    cut_rig_close(cut);
}

static void only_captured_tables_when_the_history_wants_no_others(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");

    (void)state;
    cut->options.all_tables = false;
    cut->options.rows_list = tr_span_of_text("d\\.a");
    assert_int_equal(cut_rig_make(cut), TR_OK);
    assert_int_equal(cut->schema.table_count, 2);
    assert_int_equal(cut->schema.statement_count, 1 + 2 + 3 + 2);
    assert_int_equal(cut->schema.row_table_count, 1);
    cut_rig_close(cut);
}

static void a_refused_lock_leads_to_the_executed_gtids_before_the_view(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");

    (void)state;
    cut_rig_answer(cut, (struct cut_rig_answer){'L', "FLUSH TABLES", NULL, 1227, 0});
    assert_int_equal(cut_rig_make(cut), TR_OK);
    check(cut, READ LOCK STATUS
          "S SELECT @@global.gtid_owned\nS SELECT @@global.gtid_executed\n" VIEW NO_LOCK READ TIME);
    assert_int_equal(cut->position.point.pos, 500);
    check_gtids(cut, CUT_RIG_UUID ":1-5");
    cut_rig_close(cut);
}

static void the_executed_set_waits_for_what_was_being_committed(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_NONE, "ON");

    (void)state;
    cut_rig_answer(cut, (struct cut_rig_answer){'S', "SELECT @@global.gtid_owned",
                                                "x\n" CUT_RIG_UUID ":6#31:7#1234\n", 0, 0});
    cut_rig_answer(cut, (struct cut_rig_answer){'S', "SELECT @@global.gtid_executed",
                                                "x\n" CUT_RIG_UUID ":1-5\n", 0, 1});
    cut_rig_answer(cut, (struct cut_rig_answer){'S', "SELECT @@global.gtid_executed",
                                                "x\n" CUT_RIG_UUID ":1-5:7\n", 0, 1});
    cut_rig_answer(cut, (struct cut_rig_answer){'S', "SELECT @@global.gtid_executed",
                                                "x\n" CUT_RIG_UUID ":1-8\n", 0, 0});
    assert_int_equal(cut_rig_make(cut), TR_OK);
    check(
        cut, READ STATUS
        "S SELECT @@global.gtid_owned\nS SELECT @@global.gtid_executed\nS DO SLEEP(0.01)\n"
        "S SELECT @@global.gtid_executed\nS DO SLEEP(0.01)\nS SELECT @@global.gtid_executed\n" VIEW
            NO_LOCK READ TIME);
    assert_int_equal(cut->position.point.pos, 500);
    check_gtids(cut, CUT_RIG_UUID ":1-8");
    cut_rig_close(cut);
}

static void a_gtid_owned_for_ever_moves_the_position_to_its_files_start(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_NONE, "ON");

    (void)state;
    cut_rig_answer(cut, (struct cut_rig_answer){'S', "SELECT @@global.gtid_owned",
                                                "x\n" CUT_RIG_UUID ":99#31\n", 0, 0});
    assert_int_equal(cut_rig_make(cut), TR_OK);
    assert_string_equal(cut->position.point.file, "binlog.000003");
    assert_int_equal(cut->position.point.pos, 4);
    check_gtids(cut, CUT_RIG_UUID ":1-5");
    cut_rig_close(cut);
}

static void a_refused_lock_without_gtids_leads_to_the_tables_locks(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "OFF");

    (void)state;
    cut_rig_answer(cut, (struct cut_rig_answer){'L', "FLUSH TABLES", NULL, 1045, 0});
    assert_int_equal(cut_rig_make(cut), TR_OK);
    check(cut, READ LOCK FLUSH_TABLES LOCK_TABLES VIEW STATUS UNLOCK READ TIME);
    check_gtids(cut, "");
    cut_rig_close(cut);

    /* With RELOAD, where only the global lock is refused (RDS). */
    cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "OFF");
    cut_rig_answer(cut, (struct cut_rig_answer){'L', "FLUSH TABLES WITH", NULL, 1045, 0});
    assert_int_equal(cut_rig_make(cut), TR_OK);
    check(cut, READ LOCK FLUSH_TABLES VIEW STATUS UNLOCK READ TIME);
    cut_rig_close(cut);

    /* A read lock that writers never let through. */
    cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "OFF");
    cut_rig_answer(cut, (struct cut_rig_answer){'L', "FLUSH TABLES", NULL, 1045, 0});
    cut_rig_answer(cut, (struct cut_rig_answer){'L', "LOCK TABLES `d`.`b` READ", NULL, 1205, 0});
    assert_int_equal(cut_rig_make(cut), TR_OK);
    check(cut, READ LOCK FLUSH_TABLES LOCK_TABLES LOCK_FOR_WRITE VIEW STATUS UNLOCK READ TIME);
    cut_rig_close(cut);
}

static void a_locked_table_is_named_when_it_stays_so(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");

    (void)state;
    cut_rig_answer(cut, (struct cut_rig_answer){'S', "SHOW CREATE TABLE `d`.`b`", NULL, 1205, 0});
    assert_int_equal(cut_rig_make(cut), TR_ERR_STATE);
    check_error(cut, TR_ERR_STATE, TR_RETRY, "table d.b is locked");
    cut_rig_close(cut);
}

static void no_lock_at_all_is_refused_with_the_grants(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "OFF");

    (void)state;
    cut_rig_answer(cut, (struct cut_rig_answer){'L', "FLUSH TABLES", NULL, 1045, 0});
    cut_rig_answer(cut, (struct cut_rig_answer){'L', "LOCK TABLES", NULL, 1142, 0});
    assert_int_equal(cut_rig_make(cut), TR_ERR_SOURCE_AUTH);
    check_error(cut, TR_ERR_SOURCE_AUTH, TR_STOP, "GRANT RELOAD ON *.* TO");
    check_error(cut, TR_ERR_SOURCE_AUTH, TR_STOP, "LOCK TABLES ON `database`.*");
    check_error(cut, TR_ERR_SOURCE_AUTH, TR_STOP, "dbz@%");
    cut_rig_close(cut);
}

static void a_lock_that_times_out_is_asked_for_again(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");

    (void)state;
    cut_rig_answer(cut, (struct cut_rig_answer){'L', "FLUSH TABLES", NULL, 1205, 1});
    assert_int_equal(cut_rig_make(cut), TR_OK);
    check(cut, READ LOCK "L DO SLEEP(1)\n" LOCK VIEW STATUS UNLOCK READ TIME);
    cut_rig_close(cut);

    cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");
    cut_rig_answer(cut, (struct cut_rig_answer){'L', "FLUSH TABLES", NULL, 1205, 0});
    assert_int_equal(cut_rig_make(cut), TR_ERR_STATE);
    check(cut, READ LOCK "L DO SLEEP(1)\n" LOCK "L DO SLEEP(1)\n" LOCK NO_LOCK);
    check_error(cut, TR_ERR_STATE, TR_RETRY, "3 x 3 s"); /* 2.5 s in whole seconds */
    cut_rig_close(cut);
}

static void mariadb_tells_its_views_position_without_a_lock(void **state)
{
    static const enum tr_snapshot_locking modes[] = {TR_SNAPSHOT_LOCK_MINIMAL,
                                                     TR_SNAPSHOT_LOCK_NONE};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MARIADB, modes[i], "");
        assert_int_equal(cut_rig_make(cut), TR_OK);
        check(cut, READ VIEW "V SHOW STATUS LIKE 'binlog_snapshot_%'\n"
                             "S SELECT BINLOG_GTID_POS('maria.000002', 900)\n" NO_LOCK READ TIME);
        assert_string_equal(cut->position.point.file, "maria.000002");
        assert_int_equal(cut->position.point.pos, 900);
        check_gtids(cut, "0-7-33");
        cut_rig_close(cut);
    }
}

static void mariadb_without_a_log_is_refused(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MARIADB, TR_SNAPSHOT_LOCK_MINIMAL, "");

    (void)state;
    cut_rig_answer(
        cut, (struct cut_rig_answer){
                 'V', "SHOW STATUS",
                 "Variable_name|Value\nBinlog_snapshot_file|\nBinlog_snapshot_position|0\n", 0, 0});
    assert_int_equal(cut_rig_make(cut), TR_ERR_SOURCE_SETUP);
    check_error(cut, TR_ERR_SOURCE_SETUP, TR_STOP, "--log-bin");
    cut_rig_close(cut);
}

static void mysql_without_gtids_wants_a_lock(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_NONE, "OFF_PERMISSIVE");

    (void)state;
    assert_int_equal(cut_rig_make(cut), TR_ERR_CONFIG);
    check_error(cut, TR_ERR_CONFIG, TR_STOP, "snapshot.locking.mode = none");
    cut_rig_close(cut);
}

static void extended_keeps_its_lock(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_EXTENDED, "ON");

    (void)state;
    assert_int_equal(cut_rig_make(cut), TR_OK);
    check(cut, READ LOCK VIEW STATUS READ TIME);
    assert_true(cut->cut.is_locked);
    cut_rig_close(cut);

    /* GTIDs are no reason to go without: nobody is to write meanwhile. */
    cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_EXTENDED, "ON");
    cut_rig_answer(cut, (struct cut_rig_answer){'L', "FLUSH TABLES", NULL, 1227, 0});
    assert_int_equal(cut_rig_make(cut), TR_OK);
    check(cut, READ LOCK FLUSH_TABLES LOCK_TABLES VIEW STATUS READ TIME);
    cut_rig_close(cut);

    cut = cut_rig_open(TR_FLAVOR_MARIADB, TR_SNAPSHOT_LOCK_EXTENDED, "");
    assert_int_equal(cut_rig_make(cut), TR_OK);
    assert_true(cut->cut.is_locked);
    cut_rig_close(cut);
}

static void a_schema_alone_takes_no_lock_and_no_view(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "OFF");

    (void)state;
    cut->options.with_rows = false;
    assert_int_equal(cut_rig_make(cut), TR_OK);
    check(cut, READ STATUS NO_LOCK READ TIME);
    assert_int_equal(cut->schema.row_table_count, 0);
    cut_rig_close(cut);
}

static void a_table_that_changed_around_the_cut_means_another_cut(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");

    (void)state;
    cut_rig_answer(cut, (struct cut_rig_answer){'S', "SHOW CREATE TABLE `d`.`b`",
                                                "Table|Create Table\nb|CREATE older\n", 0, 1});
    assert_int_equal(cut_rig_make(cut), TR_OK);
    check(cut, READ LOCK VIEW STATUS UNLOCK "S SHOW CREATE TABLE `d-x`.`c`\nS SHOW CREATE TABLE "
                                            "`d`.`a`\nS SHOW CREATE TABLE `d`.`b`\n" NO_LOCK
                                            "V ROLLBACK\n" READ LOCK VIEW STATUS UNLOCK READ TIME);
    cut_rig_close(cut);
}

static void a_table_that_vanishes_or_appears_means_another_cut(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MARIADB, TR_SNAPSHOT_LOCK_MINIMAL, "");

    (void)state;
    cut_rig_answer(cut, (struct cut_rig_answer){'S', "SHOW CREATE TABLE `d`.`b`", NULL, 1146, 1});
    assert_int_equal(cut_rig_make(cut), TR_OK);
    assert_int_equal(cut->schema.table_count, 4);
    cut_rig_close(cut);

    cut = cut_rig_open(TR_FLAVOR_MARIADB, TR_SNAPSHOT_LOCK_MINIMAL, "");
    cut_rig_answer(cut, (struct cut_rig_answer){'S', "SELECT table_schema", "s|t\nd|b\n", 0, 1});
    assert_int_equal(cut_rig_make(cut), TR_OK);
    assert_int_equal(cut->schema.table_count, 4);
    cut_rig_close(cut);

    /* Renamed before its columns are asked for: once gone, once there again. */
    for (int is_back = 0; is_back < 2; is_back++) {
        cut = cut_rig_open(TR_FLAVOR_MARIADB, TR_SNAPSHOT_LOCK_MINIMAL, "");
        cut_rig_answer(cut, (struct cut_rig_answer){'S', "SELECT column_name", "c\n", 0, 1});
        cut_rig_answer(cut, (struct cut_rig_answer){'S', "SELECT 1 FROM `d`.`b` LIMIT 0",
                                                    is_back ? "1\n" : NULL, is_back ? 0 : 1146, 1});
        assert_int_equal(cut_rig_make(cut), TR_OK);
        assert_int_equal(cut->schema.table_count, 4);
        cut_rig_close(cut);
    }
}

static void tables_that_change_all_the_time_end_the_attempts(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");

    (void)state;
    for (int i = 0; i < 5; i++) {
        cut_rig_answer(cut, (struct cut_rig_answer){'S', "SHOW CREATE TABLE `d`.`b`",
                                                    "T|Create Table\nb|CREATE 1\n", 0, 1});
        cut_rig_answer(cut, (struct cut_rig_answer){'S', "SHOW CREATE TABLE `d`.`b`",
                                                    "T|Create Table\nb|CREATE 2\n", 0, 1});
    }
    assert_int_equal(cut_rig_make(cut), TR_ERR_STATE);
    check_error(cut, TR_ERR_STATE, TR_RETRY, "table d.b");
    cut_rig_close(cut);
}

static void a_lock_lost_before_it_is_given_back_makes_the_cut_worthless(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");

    (void)state;
    cut_rig_answer(cut, (struct cut_rig_answer){'L', "UNLOCK TABLES", NULL, CUT_RIG_LOST, 0});
    assert_int_equal(cut_rig_make(cut), TR_ERR_SOURCE_LINK);
    assert_int_equal(cut->err.remedy, TR_RETRY);
    cut_rig_close(cut);
}

static void a_table_that_may_not_be_read_is_named_with_its_grant(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");

    (void)state;
    cut_rig_answer(cut, (struct cut_rig_answer){'S', "SHOW CREATE TABLE `z`.`t`", NULL, 1142, 0});
    assert_int_equal(cut_rig_make(cut), TR_ERR_SOURCE_AUTH);
    check_error(cut, TR_ERR_SOURCE_AUTH, TR_STOP, "GRANT SELECT ON `z`.`t`");
    check_error(cut, TR_ERR_SOURCE_AUTH, TR_STOP, "store.only.captured.tables.ddl");
    cut_rig_close(cut);

    cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");
    cut_rig_answer(cut, (struct cut_rig_answer){'S', "SELECT `id`", NULL, 1142, 0});
    assert_int_equal(cut_rig_make(cut), TR_ERR_SOURCE_AUTH);
    check_error(cut, TR_ERR_SOURCE_AUTH, TR_STOP, "GRANT SELECT ON `d`.`b`");
    cut_rig_close(cut);

    cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");
    cut_rig_answer(cut, (struct cut_rig_answer){'S', "SELECT column_name", "c\n", 0, 0});
    cut_rig_answer(cut,
                   (struct cut_rig_answer){'S', "SELECT 1 FROM `d`.`b` LIMIT 0", NULL, 1142, 0});
    assert_int_equal(cut_rig_make(cut), TR_ERR_SOURCE_AUTH);
    check_error(cut, TR_ERR_SOURCE_AUTH, TR_STOP, "GRANT SELECT ON `d`.`b`");
    cut_rig_close(cut);
}

static struct tr_span override_b(void *self, struct tr_span database, struct tr_span table)
{
    (void)self;
    return tr_span_equals(database, tr_span_of_text("d")) &&
                   tr_span_equals(table, tr_span_of_text("b"))
               ? tr_span_of_text("SELECT 1")
               : (struct tr_span){0};
}

static void a_users_select_is_taken_as_it_is(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");

    (void)state;
    cut->options.select_override = override_b;
    assert_int_equal(cut_rig_make(cut), TR_OK);
    const struct tr_snapshot_table *first = &cut->schema.tables[cut->schema.row_tables[0]];
    assert_true(first->is_overridden);
    assert_true(tr_span_equals(first->select_sql, tr_span_of_text("SELECT 1")));
    assert_false(cut->schema.tables[cut->schema.row_tables[1]].is_overridden);
    cut_rig_close(cut);
}

static void a_connection_lost_anywhere_is_an_error_to_try_again(void **state)
{
    static const struct cut_rig_answer losses[] = {
        {'S', "SELECT table_schema", NULL, CUT_RIG_LOST, 0},
        {'L', "FLUSH TABLES", NULL, CUT_RIG_LOST, 0},
        {'V', "START TRANSACTION", NULL, CUT_RIG_LOST, 0},
        {'S', "SHOW BINARY LOG", NULL, CUT_RIG_LOST, 0},
        {'S', "SELECT UNIX_", NULL, CUT_RIG_LOST, 0},
        {'S', "XA RECOVER", NULL, CUT_RIG_LOST, 0},
        {'V', "SET NAMES", NULL, CUT_RIG_LOST, 0},
        {'L', "SET NAMES", NULL, CUT_RIG_LOST, 0},
        {'S', "SET SESSION max_", NULL, CUT_RIG_LOST, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");
        cut_rig_answer(cut, losses[i]);
        assert_int_equal(cut_rig_make(cut), TR_ERR_SOURCE_LINK);
        assert_int_equal(cut->err.remedy, TR_RETRY);
        cut_rig_close(cut);
    }
}

static void prepared_transactions_are_told_where_the_server_shows_them(void **state)
{
    static const struct cut_rig_answer answers[] = {
        {'S', "XA RECOVER", "formatID|gtrid_length|bqual_length|data\n1|2|0|gb\n1|2|0|gc\n", 0, 0},
        {'S', "XA RECOVER", NULL, 1401, 0}, /* without XA_RECOVER_ADMIN */
    };

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");
        cut_rig_answer(cut, answers[i]);
        assert_int_equal(cut_rig_make(cut), TR_OK);
        assert_int_equal(cut->cut.prepared_count, i == 0 ? 2 : 0);
        cut_rig_close(cut);
    }
}

static void a_prepared_transaction_is_waited_for_with_another_cut(void **state)
{
    struct cut_rig *cut = cut_rig_open(TR_FLAVOR_MYSQL, TR_SNAPSHOT_LOCK_MINIMAL, "ON");

    (void)state;
    cut_rig_answer(
        cut, (struct cut_rig_answer){'S', "XA RECOVER",
                                     "formatID|gtrid_length|bqual_length|data\n1|2|0|gb\n", 0, 3});
    assert_int_equal(cut_rig_make(cut), TR_OK);
    assert_int_equal(cut->cut.prepared_count, 0);
    check(cut, READ LOCK VIEW STATUS UNLOCK READ NO_LOCK
          "V ROLLBACK\nS DO SLEEP(1)\n" READ LOCK VIEW STATUS UNLOCK READ NO_LOCK
          "V ROLLBACK\nS DO SLEEP(1)\n" READ LOCK VIEW STATUS UNLOCK READ TIME);
    cut_rig_close(cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mysql_takes_view_and_position_under_the_global_lock),
        cmocka_unit_test(statements_come_in_debeziums_words_and_order),
        cmocka_unit_test(only_captured_tables_when_the_history_wants_no_others),
        cmocka_unit_test(a_refused_lock_leads_to_the_executed_gtids_before_the_view),
        cmocka_unit_test(the_executed_set_waits_for_what_was_being_committed),
        cmocka_unit_test(a_gtid_owned_for_ever_moves_the_position_to_its_files_start),
        cmocka_unit_test(a_refused_lock_without_gtids_leads_to_the_tables_locks),
        cmocka_unit_test(a_locked_table_is_named_when_it_stays_so),
        cmocka_unit_test(no_lock_at_all_is_refused_with_the_grants),
        cmocka_unit_test(a_lock_that_times_out_is_asked_for_again),
        cmocka_unit_test(mariadb_tells_its_views_position_without_a_lock),
        cmocka_unit_test(mariadb_without_a_log_is_refused),
        cmocka_unit_test(mysql_without_gtids_wants_a_lock),
        cmocka_unit_test(extended_keeps_its_lock),
        cmocka_unit_test(a_schema_alone_takes_no_lock_and_no_view),
        cmocka_unit_test(a_table_that_changed_around_the_cut_means_another_cut),
        cmocka_unit_test(a_table_that_vanishes_or_appears_means_another_cut),
        cmocka_unit_test(tables_that_change_all_the_time_end_the_attempts),
        cmocka_unit_test(a_lock_lost_before_it_is_given_back_makes_the_cut_worthless),
        cmocka_unit_test(a_table_that_may_not_be_read_is_named_with_its_grant),
        cmocka_unit_test(a_users_select_is_taken_as_it_is),
        cmocka_unit_test(a_connection_lost_anywhere_is_an_error_to_try_again),
        cmocka_unit_test(prepared_transactions_are_told_where_the_server_shows_them),
        cmocka_unit_test(a_prepared_transaction_is_waited_for_with_another_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
