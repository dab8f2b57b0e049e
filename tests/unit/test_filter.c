// SPDX-License-Identifier: Apache-2.0
#include "stages/schema/filter.h"
#include "stages/schema/topic.h"
#include "tests/check.h"

static struct tr_filter *open_filter(struct tr_filter_options options)
{
    struct tr_error err = {0};
    struct tr_filter *filter;
    if (tr_filter_open(&filter, &options, &err) != TR_OK) {
        fail_msg("%s", err.text);
    }
    return filter;
}

static bool captures(const struct tr_filter *filter, const char *database, const char *table)
{
    struct tr_error err = {0};
    bool is_captured;
    assert_int_equal(tr_filter_match(filter, tr_span_of_text(database), tr_span_of_text(table),
                                     &is_captured, &err),
                     TR_OK);
    return is_captured;
}

static void filter_without_lists_captures_all_but_builtin_schemas(void **state)
{
    (void)state;
    struct tr_filter *filter = open_filter((struct tr_filter_options){0});
    assert_true(captures(filter, "shop", "orders"));
    assert_false(captures(filter, "mysql", "user"));
    assert_false(captures(filter, "MySQL", "user"));
    assert_false(captures(filter, "performance_schema", "x"));
    assert_false(captures(filter, "sys", "x"));
    assert_false(captures(filter, "information_schema", "x"));
    assert_true(captures(filter, "mysql2", "user"));
    tr_filter_close(filter);
    filter = open_filter((struct tr_filter_options){.capture_builtin = true});
    assert_true(captures(filter, "mysql", "user"));
    tr_filter_close(filter);
}

static void filter_expressions_match_the_whole_name_without_case(void **state)
{
    (void)state;
    struct tr_filter *filter = open_filter((struct tr_filter_options){
        .table_include = tr_span_of_text("shop\\.ord.*, Shop\\.ITEM, x\\.a{1\\,2}")});
    assert_true(captures(filter, "shop", "orders"));
    assert_true(captures(filter, "SHOP", "Order_lines"));
    assert_true(captures(filter, "shop", "item"));
    assert_false(captures(filter, "shop", "items"));
    assert_false(captures(filter, "myshop", "item"));
    assert_true(captures(filter, "x", "aa"));
    assert_false(captures(filter, "x", "aaa"));
    tr_filter_close(filter);
}

static void filter_excludes_databases_and_tables(void **state)
{
    (void)state;
    struct tr_filter *filter =
        open_filter((struct tr_filter_options){.database_exclude = tr_span_of_text("test,tmp_.*"),
                                               .table_exclude = tr_span_of_text("shop.audit")});
    assert_false(captures(filter, "test", "a"));
    assert_false(captures(filter, "tmp_1", "a"));
    assert_false(captures(filter, "shop", "audit"));
    assert_true(captures(filter, "shop", "audit2"));
    tr_filter_close(filter);
    filter =
        open_filter((struct tr_filter_options){.database_include = tr_span_of_text("shop"),
                                               .table_exclude = tr_span_of_text(".*\\.audit")});
    assert_false(captures(filter, "other", "orders"));
    assert_true(captures(filter, "shop", "orders"));
    assert_false(captures(filter, "shop", "audit"));
    tr_filter_close(filter);
}

static void filter_matches_names_in_utf8_and_survives_names_that_are_not(void **state)
{
    (void)state;
    struct tr_filter *filter =
        open_filter((struct tr_filter_options){.table_include = tr_span_of_text("shop\\..")});
    assert_true(captures(filter, "shop", "\xc3\xa9"));
    assert_false(captures(filter, "shop", "\xc3\xa9x"));
    assert_false(captures(filter, "shop", "\xff\xfe"));
    tr_filter_close(filter);
}

static void filter_bad_expression_is_refused_with_property_and_offset(void **state)
{
    (void)state;
    struct tr_error err = {0};
    struct tr_filter *filter;
    struct tr_filter_options options = {.table_include = tr_span_of_text("a\\.b,shop\\.(x")};
    assert_int_equal(tr_filter_open(&filter, &options, &err), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "table.include.list"));
    assert_non_null(strstr(err.text, "offset 8"));
    assert_null(filter);
    options = (struct tr_filter_options){.database_include = tr_span_of_text("a"),
                                         .database_exclude = tr_span_of_text("b")};
    assert_int_equal(tr_filter_open(&filter, &options, &err), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "database.exclude.list"));
}

static void filter_expression_that_backtracks_without_end_is_an_error(void **state)
{
    (void)state;
    struct tr_error err = {0};
    struct tr_filter *filter = open_filter(
        (struct tr_filter_options){.table_include = tr_span_of_text("d\\.((a|a)+)+")});
    bool is_captured = true;
    assert_int_equal(
        tr_filter_match(filter, tr_span_of_text("d"),
                        tr_span_of_text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"),
                        &is_captured, &err),
        TR_ERR_CONFIG);
    assert_false(is_captured);
    tr_filter_close(filter);
}

static void check_topic(const char *database, const char *table, const char *wanted)
{
    const struct tr_topic_options options = {.prefix = tr_span_of_text("p")};
    char name[TR_STREAM_NAME_BYTES_MAX + 1];
    const size_t bytes =
        tr_topic_write_name(&options, tr_span_of_text(database), tr_span_of_text(table), name);
    assert_string_equal(name, wanted);
    assert_int_equal(bytes, strlen(wanted));
}

static void topic_names_are_sanitised_and_cut(void **state)
{
    (void)state;
    check_topic("shop", "orders", "p.shop.orders");
    check_topic("my shop", "a$b", "p.my_shop.a_b");
    check_topic("d", "\xc3\xa9t\xc3\xa9", "p.d._t_");
    check_topic("d", "\xf0\x9f\x98\x80", "p.d.__");
    check_topic("d", " ", "p.d");
    char table[300];
    memset(table, 'x', sizeof(table));
    table[299] = '\0';
    const struct tr_topic_options options = {.prefix = tr_span_of_text("p"),
                                             .delimiter = tr_span_of_text("_")};
    char name[TR_STREAM_NAME_BYTES_MAX + 1];
    assert_int_equal(
        tr_topic_write_name(&options, tr_span_of_text("d"), tr_span_of_text(table), name),
        TR_STREAM_NAME_BYTES_MAX);
    assert_int_equal(strlen(name), TR_STREAM_NAME_BYTES_MAX);
    assert_memory_equal(name, "p_d_x", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filter_without_lists_captures_all_but_builtin_schemas),
        cmocka_unit_test(filter_expressions_match_the_whole_name_without_case),
        cmocka_unit_test(filter_excludes_databases_and_tables),
        cmocka_unit_test(filter_matches_names_in_utf8_and_survives_names_that_are_not),
        cmocka_unit_test(filter_bad_expression_is_refused_with_property_and_offset),
        cmocka_unit_test(filter_expression_that_backtracks_without_end_is_an_error),
        cmocka_unit_test(topic_names_are_sanitised_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
