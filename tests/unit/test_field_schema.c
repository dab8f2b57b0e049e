// SPDX-License-Identifier: Apache-2.0
/*
 * The schema of a column's field from the statement that declares it: defaults as tests/data/defaults has them of
 * Debezium 3.6.0.Final, and what else its grammars read in ways of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ddl/debezium_view.h"
#include "stages/ddl/model.h"
#include "stages/decode/plan_layout.h"

#include <cmocka.h>

#define LINE_BYTES_MAX 512

struct fixture {
    struct tr_ddl_model *model;
    const struct tr_column *column;
    struct tr_plan_text text;
    struct tr_encode_options options;
};

/* Table t with one column, `a`. */
static void declare(struct fixture *fixture, enum tr_flavor flavor, const char *definition)
{
    const struct tr_ddl_options options = {.flavor = flavor,
                                           .hides_int_width = flavor == TR_FLAVOR_MYSQL};
    char sql[LINE_BYTES_MAX + 32];
    struct tr_ddl_result result;
    struct tr_error err;

    *fixture = (struct fixture){.options = {.flavor = flavor, .enable_time_adjuster = true}};
    (void)snprintf(sql, sizeof(sql), "CREATE TABLE t (a %s)", definition);
    const struct tr_ddl_event event = {.sql = tr_span_of_text(sql),
                                       .database = tr_span_of_text("d"),
                                       .server_collation = 45 /* utf8mb4_general_ci */};
    assert_int_equal(tr_ddl_model_open(&fixture->model, &options, &err), TR_OK);
    assert_int_equal(tr_ddl_apply(fixture->model, &event, &result, &err), TR_OK);
    const struct tr_table *table =
        tr_ddl_find(fixture->model, tr_span_of_text("d"), tr_span_of_text("t"));
    assert_non_null(table);
    fixture->column = &table->columns[0];
}

static void forget(struct fixture *fixture)
{
    tr_plan_text_deinit(&fixture->text);
    tr_ddl_model_close(fixture->model);
}

static void add_terminator(struct tr_plan_text *text)
{
    const uint8_t zero = 0;
    tr_plan_text_add_span(text, tr_span_of(&zero, 1));
}

/* 1 where a line of the file differs. */
static uint32_t check_default(enum tr_flavor flavor, const char *definition, const char *history,
                              const char *schema)
{
    struct fixture fixture;
    struct tr_debezium_column view;
    char shown[LINE_BYTES_MAX] = "-";

    declare(&fixture, flavor, definition);
    tr_debezium_view(&view, fixture.column, flavor);
    if (view.has_default_expression) {
        (void)snprintf(shown, sizeof(shown), "%.*s", (int)view.default_expression.bytes,
                       (const char *)view.default_expression.data);
    }
    if (!tr_plan_add_default(&fixture.text, fixture.column, &fixture.options)) {
        fixture.text.used = 0;
        tr_plan_text_add(&fixture.text, "-");
    }
    add_terminator(&fixture.text);
    const char *default_json = (const char *)fixture.text.bytes;
    const bool is_good = strcmp(shown, history) == 0 && strcmp(default_json, schema) == 0;
    if (!is_good) {
        (void)fprintf(stderr, "%d %s\n  want: %s %s\n  got:  %s %s\n", (int)flavor, definition,
                      history, schema, shown, default_json);
    }
    forget(&fixture);
    return is_good ? 0 : 1;
}

static void check_file(enum tr_flavor flavor, const char *path)
{
    char line[LINE_BYTES_MAX];
    uint32_t wrong = 0;
    uint32_t count = 0;
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *history = strchr(line, '\t');
        if (line[0] == '#' || history == NULL) {
            continue;
        }
        *history++ = '\0';
        char *schema = strchr(history, '\t');
        assert_non_null(schema);
        *schema++ = '\0';
        wrong += check_default(flavor, line, history, schema);
        count++;
    }
    (void)fclose(file);
    assert_true(count > 200);
    assert_int_equal(wrong, 0);
}

static void mysql_defaults_are_debeziums(void **state)
{
    (void)state;
    check_file(TR_FLAVOR_MYSQL, TR_TEST_DATA "/defaults/mysql.txt");
}

static void mariadb_defaults_are_debeziums(void **state)
{
    (void)state;
    check_file(TR_FLAVOR_MARIADB, TR_TEST_DATA "/defaults/mariadb.txt");
}

static void check_field(enum tr_flavor flavor, bool comments, const char *definition,
                        const char *expected)
{
    struct fixture fixture;

    declare(&fixture, flavor, definition);
    fixture.options.comments = comments;
    tr_plan_add_field(&fixture.text, fixture.column, &fixture.options);
    add_terminator(&fixture.text);
    assert_string_equal((const char *)fixture.text.bytes, expected);
    forget(&fixture);
}

static void comment_is_the_fields_doc_as_it_was_written(void **state)
{
    (void)state;
    check_field(TR_FLAVOR_MARIADB, true, "INT COMMENT 'it''s'",
                "{\"type\":\"int32\",\"optional\":true,\"doc\":\"it''s\",\"field\":\"a\"}");
    check_field(
        TR_FLAVOR_MARIADB, true, "INT DEFAULT 5 COMMENT ''",
        "{\"type\":\"int32\",\"optional\":true,\"doc\":\"\",\"default\":5,\"field\":\"a\"}");
    check_field(TR_FLAVOR_MARIADB, false, "INT COMMENT 'x'",
                "{\"type\":\"int32\",\"optional\":true,\"field\":\"a\"}");
}

static void real_is_a_float(void **state)
{
    (void)state;
    check_field(TR_FLAVOR_MYSQL, false, "REAL UNSIGNED",
                "{\"type\":\"float\",\"optional\":true,\"field\":\"a\"}");
    check_field(TR_FLAVOR_MYSQL, false, "DOUBLE PRECISION",
                "{\"type\":\"double\",\"optional\":true,\"field\":\"a\"}");
}

static void text_of_character_set_binary_is_a_string(void **state)
{
    (void)state;
    check_field(TR_FLAVOR_MYSQL, false, "VARCHAR(5) CHARACTER SET binary DEFAULT 'x'",
                "{\"type\":\"string\",\"optional\":true,\"default\":\"x\",\"field\":\"a\"}");
    check_field(TR_FLAVOR_MYSQL, false, "VARBINARY(5)",
                "{\"type\":\"bytes\",\"optional\":true,\"field\":\"a\"}");
}

static void members_keep_their_escapes_but_for_quotes(void **state)
{
    (void)state;
    check_field(
        TR_FLAVOR_MYSQL, false, "ENUM('it''s','q\\'q','b\\\\s','t\\t','a,b','')",
        "{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Enum\",\"version\":1,"
        "\"parameters\":{\"allowed\":\"it's,q'q,b\\\\\\\\s,t\\\\t,a\\\\,b,\"},\"field\":\"a\"}");
    check_field(TR_FLAVOR_MARIADB, false, "SET(\"d'q\",\"a\"\"b\")",
                "{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.EnumSet\","
                "\"version\":1,"
                "\"parameters\":{\"allowed\":\"d'q,a\\\"\\\"b\"},\"field\":\"a\"}");
}

static void check_view(enum tr_flavor flavor, const char *definition, const char *type_name,
                       uint32_t length, bool is_generated)
{
    struct fixture fixture;
    struct tr_debezium_column view;

    declare(&fixture, flavor, definition);
    tr_debezium_view(&view, fixture.column, flavor);
    assert_string_equal(view.type_name, type_name);
    assert_int_equal(view.length, length);
    assert_int_equal(view.is_generated, is_generated);
    forget(&fixture);
}

static void types_are_told_as_debeziums_grammars_read_them(void **state)
{
    (void)state;
    check_view(TR_FLAVOR_MYSQL, "SMALLINT(5) SIGNED", "SMALLINT SIGNED", 5, false);
    check_view(TR_FLAVOR_MARIADB, "INT SIGNED ZEROFILL", "INT UNSIGNED ZEROFILL", 0, false);
    check_view(TR_FLAVOR_MYSQL, "INT(0)", "INT", 10, false);
    check_view(TR_FLAVOR_MARIADB, "INT(0)", "INT", 0, false);
    check_view(TR_FLAVOR_MYSQL, "VECTOR", "VECTOR", 0, false);
    check_view(TR_FLAVOR_MARIADB, "VECTOR", "VECTOR", 2048, false);
    check_view(TR_FLAVOR_MYSQL, "TIME(0)", "TIME", 0, false);
    check_view(TR_FLAVOR_MYSQL, "DATETIME DEFAULT NOW() ON UPDATE NOW()", "DATETIME", 0, true);
    check_view(TR_FLAVOR_MARIADB, "DATETIME DEFAULT NOW() ON UPDATE NOW()", "DATETIME", 0, false);
    check_view(TR_FLAVOR_MARIADB, "DATETIME ON UPDATE NOW()", "DATETIME", 0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mysql_defaults_are_debeziums),
        cmocka_unit_test(mariadb_defaults_are_debeziums),
        cmocka_unit_test(comment_is_the_fields_doc_as_it_was_written),
        cmocka_unit_test(real_is_a_float),
        cmocka_unit_test(text_of_character_set_binary_is_a_string),
        cmocka_unit_test(members_keep_their_escapes_but_for_quotes),
        cmocka_unit_test(types_are_told_as_debeziums_grammars_read_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
