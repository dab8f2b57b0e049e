// SPDX-License-Identifier: Apache-2.0
/* What `tailrace check` prints, and tables that no server of today has. */
#include <stdlib.h>
#include <string.h>

#include "engine/app/check.h"
#include "tests/check.h"

#define PRINTED_BYTES 16384

static struct tr_check check;
static struct tr_config config;
static char printed[PRINTED_BYTES];
static struct tr_error err;

static void open_report(bool as_json)
{
    check = (struct tr_check){.config = &config};
    check.report.as_json = as_json;
    check.report.out = tmpfile();
    assert_non_null(check.report.out);
    tr_check_report_begin(&check.report);
}

/* Ends the report; what was printed is in `printed`. */
static enum tr_code close_report(void)
{
    err = (struct tr_error){.text = "left over"};
    const enum tr_code code = tr_check_report_end(&check.report, &err);
    rewind(check.report.out);
    printed[fread(printed, 1, sizeof(printed) - 1, check.report.out)] = '\0';
    (void)fclose(check.report.out);
    return code;
}

static void assert_printed(const char *want)
{
    if (strstr(printed, want) == NULL) {
        fail_msg("wanted \"%s\" in:\n%s", want, printed);
    }
}

static void findings_are_lines_and_the_first_failure_is_the_exit_code(void **state)
{
    (void)state;
    open_report(false);
    tr_check_report_ok(&check.report, "a.one", "is %d", 1);
    tr_check_report_warn(&check.report, "a.two", "look");
    (void)TR_FAIL(&err, TR_ERR_SOURCE_SETUP, TR_STOP, "first");
    tr_check_report_fail(&check.report, "b.three", &err);
    (void)TR_FAIL(&err, TR_ERR_STATE, TR_STOP, "second");
    tr_check_report_fail(&check.report, "c.four", &err);
    assert_int_equal(close_report(), TR_ERR_SOURCE_SETUP);
    assert_int_equal(tr_error_exit_code(err.code), 11);
    assert_string_equal(err.text, "");
    assert_string_equal(printed, "ok    a.one                    is 1\n"
                                 "warn  a.two                    look\n"
                                 "FAIL  b.three                  first\n"
                                 "FAIL  c.four                   second\n"
                                 "1 ok, 1 to look at, 2 failed\n");
}

static void warnings_alone_are_no_failure(void **state)
{
    (void)state;
    open_report(false);
    tr_check_report_warn(&check.report, "a", "look");
    assert_int_equal(close_report(), TR_OK);
}

static void json_is_one_document_with_escapes(void **state)
{
    (void)state;
    open_report(true);
    tr_check_report_ok(&check.report, "a", "say \"x\"\n");
    (void)TR_FAIL(&err, TR_ERR_SINK_AUTH, TR_STOP, "no");
    tr_check_report_fail(&check.report, "b", &err);
    assert_int_equal(close_report(), TR_ERR_SINK_AUTH);
    assert_string_equal(
        printed, "{\"checks\":[\n"
                 "{\"name\":\"a\",\"level\":\"ok\",\"text\":\"say \\\"x\\\"\\n\",\"code\":\"\"},\n"
                 "{\"name\":\"b\",\"level\":\"fail\",\"text\":\"no\",\"code\":\"sink_auth\"}\n"
                 "],\"ok\":1,\"warn\":0,\"fail\":1,\"exit_code\":30}\n");
    open_report(true);
    assert_int_equal(close_report(), TR_OK);
    assert_string_equal(printed,
                        "{\"checks\":[\n],\"ok\":0,\"warn\":0,\"fail\":0,\"exit_code\":0}\n");
}

static void amounts_are_printed_for_people(void **state)
{
    (void)state;
    char text[32];
    assert_string_equal(tr_check_write_bytes(0, text), "0 bytes");
    assert_string_equal(tr_check_write_bytes(1023, text), "1023 bytes");
    assert_string_equal(tr_check_write_bytes(1536, text), "1.5 KiB");
    assert_string_equal(tr_check_write_bytes(UINT64_MAX, text), "16777216.0 TiB");
    assert_string_equal(tr_check_write_seconds(119, text), "119 s");
    assert_string_equal(tr_check_write_seconds(120, text), "2 min");
    assert_string_equal(tr_check_write_seconds(7200, text), "2 h");
    assert_string_equal(tr_check_write_seconds(604800, text), "7 days");
}

/* --- a server with `table_count` tables whose second column is of a type that nobody knows --- */

static int table_count;
static uint32_t select_error;
static uint32_t column_count;

static int give(tr_query_on_row *on_row, void *row_self, const char *const *texts, uint32_t count)
{
    struct tr_span cells[9];
    column_count = count;
    for (uint32_t i = 0; i < count; i++) {
        cells[i] = texts[i] == NULL ? (struct tr_span){0} : tr_span_of_text(texts[i]);
    }
    return on_row(row_self, cells, count);
}

static enum tr_code fake_run(void *self, const char *sql, tr_query_on_row *on_row, void *row_self,
                             struct tr_error *error)
{
    (void)self;
    if (strncmp(sql, "SELECT table_schema", 19) == 0) {
        for (int i = 0; i < table_count; i++) {
            char name[16];
            (void)snprintf(name, sizeof(name), "t%02d", i);
            (void)give(on_row, row_self, (const char *const[]){"d", name}, 2);
        }
    } else if (strncmp(sql, "SELECT c.column_name", 20) == 0) {
        (void)give(on_row, row_self,
                   (const char *const[]){"id", "int(11)", NULL, "", "NO", NULL, "", "utf8mb4_bin",
                                         "BASE TABLE"},
                   9);
        (void)give(on_row, row_self,
                   (const char *const[]){"odd", "frob(3)", NULL, "", "YES", NULL, "", "utf8mb4_bin",
                                         "BASE TABLE"},
                   9);
    } else if (strncmp(sql, "SELECT * FROM `d`.`t", 20) == 0 && select_error != 0) {
        return TR_FAIL(error, TR_ERR_SOURCE_AUTH, TR_STOP, "error %u", select_error);
    }
    return TR_OK;
}

static const struct tr_span *fake_columns(void *self, uint32_t *count)
{
    (void)self;
    static struct tr_span names[9];
    *count = column_count;
    return names;
}

static uint32_t fake_last_error(void *self)
{
    (void)self;
    return 0;
}

static void check_fake_tables(void)
{
    const struct tr_filter_options filter = {0};
    struct tr_start *start = &check.start;
    config = (struct tr_config){.topic_prefix = "p",
                                .topic_delimiter = ".",
                                .table_include_list = "d\\.t.*,d.orders,t",
                                .snapshot_include_list = "",
                                .unavailable_value_placeholder = "unavailable"};
    open_report(false);
    start->config = &config;
    start->query.port = (struct tr_query_port){
        .run = fake_run, .columns = fake_columns, .last_server_error = fake_last_error};
    start->facts = (struct tr_server_facts){.flavor = TR_FLAVOR_MARIADB, .user = "'u'@'h'"};
    assert_int_equal(tr_filter_open(&start->filter, &filter, &err), TR_OK);
    assert_int_equal(tr_streams_open(&start->streams, 1, &err), TR_OK);
    tr_check_tables(&check);
    assert_true(check.has_tables);
    assert_int_equal(tr_streams_count(start->streams), table_count);
    tr_filter_close(start->filter);
    tr_streams_close(start->streams);
}

static void types_that_cannot_be_delivered_are_named(void **state)
{
    (void)state;
    table_count = 2;
    select_error = 0;
    check_fake_tables();
    assert_int_equal(close_report(), TR_ERR_UNSUPPORTED);
    assert_printed("FAIL  tables.types             table d.t00, column odd: ");
    assert_printed("frob(3)");
    assert_printed("table d.t01, column odd");
    assert_printed("ok    tables.select            all may be read\n");
    assert_printed("warn  tables.captured          2 tables, 2 of them without");
    assert_printed(
        "warn  tables.lists             debezium.source.table.include.list: \"d.orders\" "
        "matches no table");
    assert_printed("debezium.source.table.include.list: \"t\" matches no table");
    assert_null(strstr(printed, "\"d\\.t.*\""));
}

static void many_findings_of_one_kind_are_summed(void **state)
{
    (void)state;
    table_count = TR_CHECK_NAMES_MAX + 5;
    select_error = 1142;
    check_fake_tables();
    assert_int_equal(close_report(), TR_ERR_UNSUPPORTED);
    assert_int_equal(check.report.counts[TR_CHECK_FAIL], 2 * TR_CHECK_NAMES_MAX);
    assert_printed("run GRANT SELECT ON `d`.`t00` TO 'u'@'h'\n");
    assert_printed("warn  tables.select            and 5 tables more\n");
    assert_printed("warn  tables.types             and 5 tables more\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(findings_are_lines_and_the_first_failure_is_the_exit_code),
        cmocka_unit_test(warnings_alone_are_no_failure),
        cmocka_unit_test(json_is_one_document_with_escapes),
        cmocka_unit_test(amounts_are_printed_for_people),
        cmocka_unit_test(types_that_cannot_be_delivered_are_named),
        cmocka_unit_test(many_findings_of_one_kind_are_summed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
