// SPDX-License-Identifier: Apache-2.0
/* What a document of a history does to the model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/recover_rig.h"

#include <cmocka.h>

#define DOCUMENT(database, ddl, changes)                                                           \
    "{\"source\":{\"server\":\"p\"}," RECOVER_RIG_POSITION ",\"databaseName\":\"" database         \
    "\",\"ddl\":\"" ddl "\",\"tableChanges\":[" changes "]}"
#define INT_TABLE(name)                                                                            \
    "{\"defaultCharsetName\":\"utf8mb4\",\"primaryKeyColumnNames\":[\"" name                       \
    "\"],\"columns\":[{\"name\":\"" name                                                           \
    "\",\"jdbcType\":4,\"typeName\":\"INT\",\"optional\":false}]}"

static void documents_make_alter_rename_and_drop_tables(void **state)
{
    struct tr_ddl_model *model = recover_rig_model(TR_FLAVOR_MYSQL);
    struct tr_recover recover;

    (void)state;
    recover_rig_open(&recover, model, TR_FLAVOR_MYSQL, NULL);
    recover_rig_take(&recover, "\n");
    recover_rig_take(
        &recover,
        DOCUMENT(
            "s", "CREATE TABLE a (id INT PRIMARY KEY)",
            "{\"type\":\"CREATE\",\"id\":\"\\\"s\\\".\\\"a\\\"\",\"table\":" INT_TABLE("id") "}"));
    assert_int_equal(recover.built_count, 0);
    recover_rig_take(&recover,
                     DOCUMENT("s", "not SQL at all",
                              "{\"type\":\"ALTER\",\"id\":\"\\\"s\\\".\\\"b\\\"\",\"previousId\":"
                              "\"\\\"s\\\".\\\"a\\\"\",\"table\":" INT_TABLE("k") "}"));
    assert_int_equal(recover.built_count, 1);
    assert_null(recover_rig_find(model, "s", "a"));
    assert_non_null(recover_rig_find(model, "s", "b"));
    recover_rig_take(
        &recover,
        DOCUMENT(
            "s", "ALTER TABLE b RENAME TO c",
            "{\"type\":\"ALTER\",\"id\":\"\\\"s\\\".\\\"c\\\"\",\"table\":" INT_TABLE("k") "}"));
    assert_null(
        recover_rig_find(model, "s", "b")); /* Debezium does not say so: the statement does */
    assert_non_null(recover_rig_find(model, "s", "c"));
    recover_rig_take(
        &recover,
        DOCUMENT("s", "CREATE TABLE \\\"x\\\".\\\"y\\\" (k INT)",
                 "{\"type\":\"CREATE\",\"id\":\"\\\"x\\\".\\\"y\\\"\",\"table\":" INT_TABLE(
                     "k") "}")); /* ANSI_QUOTES: not known from the document */
    assert_non_null(recover_rig_find(model, "x", "y"));
    recover_rig_take(&recover,
                     DOCUMENT("s", "", "{\"type\":\"DROP\",\"id\":\"\\\"s\\\".\\\"c\\\"\"}"));
    assert_null(recover_rig_find(model, "s", "c"));
    recover_rig_take(&recover, DOCUMENT("x", "DROP DATABASE x", ""));
    assert_null(recover_rig_find(model, "x", "y"));
    assert_int_equal(recover.document_count, 6);
    assert_string_equal(recover.newest.file, "binlog.000003");
    assert_int_equal(recover.newest.pos, 100);
    tr_recover_close(&recover);
    tr_ddl_model_close(model);
}

static void document_wins_where_the_statement_gives_another_table(void **state)
{
    struct tr_ddl_model *model = recover_rig_model(TR_FLAVOR_MYSQL);
    struct tr_recover recover;

    (void)state;
    recover_rig_open(&recover, model, TR_FLAVOR_MYSQL, NULL);
    recover_rig_take(
        &recover,
        DOCUMENT(
            "s", "CREATE TABLE t (v VARCHAR(5), n INT)",
            "{\"type\":\"CREATE\",\"id\":\"\\\"s\\\".\\\"t\\\"\",\"table\":{\"defaultCharsetName\":"
            "\"cp1251\",\"primaryKeyColumnNames\":[],\"columns\":[{\"name\":\"v\",\"typeName\":"
            "\"VARCHAR\",\"charsetName\":\"cp1251\",\"length\":5,\"optional\":true},{\"name\":"
            "\"n\","
            "\"typeName\":\"INT\",\"charsetName\":null,\"optional\":true}]}}"));
    assert_int_equal(recover.built_count, 1);
    const struct tr_table *table = recover_rig_find(model, "s", "t");
    assert_int_equal(table->columns[0].charset, TR_CHARSET_CP1251);
    tr_recover_close(&recover);
    tr_ddl_model_close(model);
}

static void statement_wins_where_json_lost_what_it_says(void **state)
{
    struct tr_ddl_model *model = recover_rig_model(TR_FLAVOR_MYSQL);
    struct tr_ddl_model *fresh = recover_rig_model(TR_FLAVOR_MYSQL);
    const struct tr_table *table;
    struct tr_recover recover;

    (void)state;
    char *create =
        recover_rig_publish(model, TR_FLAVOR_MYSQL,
                            "CREATE TABLE t (a TEXT, g INT AS (1) STORED, KEY k (g)) CHARACTER SET "
                            "latin1 COLLATE latin1_german1_ci",
                            &table);
    char *convert = recover_rig_publish(model, TR_FLAVOR_MYSQL,
                                        "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", &table);
    recover_rig_open(&recover, fresh, TR_FLAVOR_MYSQL, NULL);
    recover_rig_take(&recover, create);
    recover_rig_take(&recover, convert);
    const struct tr_table *found = recover_rig_find(fresh, "d\"b", "t");
    assert_int_equal(recover.built_count, 0);
    assert_int_equal(tr_table_fingerprint(found), tr_table_fingerprint(table));
    assert_int_equal(found->columns[0].length, 16777215); /* became MEDIUMTEXT */
    assert_true(found->columns[1].is_generated && found->columns[1].is_stored);
    assert_int_equal(found->index_count, 1);
    tr_recover_close(&recover);
    tr_ddl_model_close(fresh);
    tr_ddl_model_close(model);
    free(create);
    free(convert);
}

static void damaged_documents_stop_with_their_number_and_the_remedy(void **state)
{
    static const struct {
        const char *document;
        const char *says;
    } damaged[] = {
        {"{\"source\":{\"server\":\"p\"}", "JSON"},
        {"[]", "document 2"},
        {"{}", "source.server"},
        {"{\"source\":{\"server\":\"p\"}}", "no position"},
        {"{\"source\":{\"server\":\"p\"},\"position\":{\"pos\":1}}", "no \"file\""},
        {"{\"source\":{\"server\":\"p\"},\"position\":{\"file\":\"b.1\",\"pos\":1,\"gtids\":\"x\"}"
         "}",
         "document 2"},
        {DOCUMENT("s", "", "{\"type\":\"MOVE\",\"id\":\"\\\"s\\\".\\\"t\\\"\"}"), "type is not"},
        {DOCUMENT("s", "", "{\"type\":\"DROP\"}"), "no id"},
        {DOCUMENT("s", "", "{\"type\":\"DROP\",\"id\":\"\\\"s\\\"\"}"), "an id is not"},
        {DOCUMENT("s", "", "{\"type\":\"CREATE\",\"id\":\"\\\"s\\\".\\\"t\\\"\"}"), "has no table"},
        {DOCUMENT("s", "",
                  "{\"type\":\"CREATE\",\"id\":\"\\\"s\\\".\\\"t\\\"\",\"table\":{\"columns\":[{"
                  "\"name\":"
                  "\"a\"}]}}"),
         "no typeName"},
        {DOCUMENT("s", "",
                  "{\"type\":\"CREATE\",\"id\":\"\\\"s\\\".\\\"t\\\"\",\"table\":{\"columns\":[{"
                  "\"name\":"
                  "\"a\",\"typeName\":\"INT) ENGINE=(\",\"optional\":true}]}}"),
         "a type that is no word"},
        {DOCUMENT(
             "s", "",
             "{\"type\":\"CREATE\",\"id\":\"\\\"s\\\".\\\"t\\\"\",\"table\":{"
             "\"primaryKeyColumnNames\":[\"b\"],\"columns\":[{\"name\":\"a\",\"typeName\":\"INT\","
             "\"optional\":true}]}}"),
         "columns that none can have"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        struct tr_recover recover;
        struct tr_error err;
        recover_rig_open(&recover, NULL, TR_FLAVOR_MYSQL, NULL);
        recover_rig_take(&recover, DOCUMENT("s", "USE s", ""));
        assert_int_equal(tr_recover_document(&recover, tr_span_of_text(damaged[i].document), &err),
                         TR_ERR_STATE);
        if (strstr(err.text, damaged[i].says) == NULL || strstr(err.text, "document 2: ") == NULL ||
            strstr(err.text, "restore the history") == NULL) {
            (void)fprintf(stderr, "%zu: %s\n", i, err.text);
            fail();
        }
        tr_recover_close(&recover);
    }
}

static void documents_of_other_engines_are_passed(void **state)
{
    static const char other[] = "{\"source\":{\"server\":\"q\"},\"position\":{},\"databaseName\":"
                                "\"s\",\"ddl\":\"DROP TABLE t\"}";
    struct tr_ddl_model *model = NULL;
    struct tr_recover recover;
    struct tr_error err;

    (void)state;
    assert_int_equal(
        tr_ddl_model_open(&model, &(struct tr_ddl_options){.flavor = TR_FLAVOR_MYSQL}, &err),
        TR_OK);
    recover_rig_open(&recover, model, TR_FLAVOR_MYSQL, NULL);
    recover_rig_take(&recover, DOCUMENT("s", "CREATE TABLE t (id INT)", ""));
    recover_rig_take(&recover, other);
    assert_int_equal(recover.document_count, 2);
    assert_int_equal(recover.others_count, 1);
    assert_non_null(tr_ddl_find(model, tr_span_of_text("s"), tr_span_of_text("t")));
    tr_recover_close(&recover);
    tr_ddl_model_close(model);
}

static void statement_that_cannot_be_read_stops_unless_it_may_be_skipped(void **state)
{
    static const char document[] = DOCUMENT("s", "ALTER TABLE t ADD COLUMN b INT AFTER nosuch", "");
    struct tr_recover recover;
    struct tr_error err;

    (void)state;
    for (int skips = 0; skips < 2; skips++) {
        recover_rig_open(&recover, NULL, TR_FLAVOR_MYSQL, NULL);
        recover.options.skip_unparseable = skips == 1;
        recover_rig_take(&recover, DOCUMENT("s", "CREATE TABLE t (id INT)", ""));
        assert_int_equal(tr_recover_document(&recover, tr_span_of_text(document), &err),
                         skips == 1 ? TR_OK : TR_ERR_SCHEMA);
        assert_int_equal(recover.unknown_count, 1);
        if (skips == 0) {
            assert_non_null(strstr(err.text, "skip.unparseable.ddl=true"));
        }
        tr_recover_close(&recover);
    }
}

/* Written under ANSI_QUOTES, and without tableChanges since nothing of the columns changed. */
static void statements_with_quoted_names_are_read(void **state)
{
    static const char *const documents[] = {
        DOCUMENT("s", "CREATE TABLE IF NOT EXISTS \\\"t\\\" (\\\"id\\\" INT)", ""),
        DOCUMENT("s", "CREATE INDEX \\\"i\\\" ON \\\"t\\\" (\\\"id\\\")", ""),
        DOCUMENT("s", "DROP INDEX \\\"i\\\" ON \\\"t\\\"", "")};
    struct tr_recover recover;

    (void)state;
    struct tr_ddl_model *model = recover_rig_model(TR_FLAVOR_MYSQL);
    recover_rig_open(&recover, model, TR_FLAVOR_MYSQL, NULL);
    recover_rig_take(&recover, DOCUMENT("s", "CREATE TABLE t (id INT, a INT)", ""));
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        recover_rig_take(&recover, documents[i]);
    }
    assert_int_equal(recover.unknown_count, 0);
    assert_int_equal(recover_rig_find(model, "s", "t")->column_count, 2);
    tr_recover_close(&recover);
    tr_ddl_model_close(model);
}

/* As in the stream: it went on there, and must start again. */
static void statement_on_a_table_that_is_not_captured_is_no_matter(void **state)
{
    static const char document[] = DOCUMENT("s", "CREATE TABLE t LIKE nosuch", "");
    static const char *const includes[] = {"s.t", "s.other", "s.t"};
    struct tr_recover recover;
    struct tr_filter *filter;
    struct tr_error err;

    (void)state;
    for (int i = 0; i < 3; i++) {
        const struct tr_filter_options options = {.table_include = tr_span_of_text(includes[i])};
        assert_int_equal(tr_filter_open(&filter, &options, &err), TR_OK);
        recover_rig_open(&recover, NULL, TR_FLAVOR_MYSQL, NULL);
        recover.options.filter = filter;
        recover.options.log_describes = i == 2;
        assert_int_equal(tr_recover_document(&recover, tr_span_of_text(document), &err),
                         i == 0 ? TR_ERR_SCHEMA : TR_OK);
        assert_int_equal(recover.unknown_count, 1);
        tr_recover_close(&recover);
        tr_filter_close(filter);
    }
}

static void large_documents_are_read(void **state)
{
    struct tr_recover recover;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    (void)state;
    (void)fprintf(out, "{\"source\":{\"server\":\"p\"}," RECOVER_RIG_POSITION ",\"ddl\":\"/*");
    for (int i = 0; i < 3000000; i++) {
        (void)fputc('x', out);
    }
    (void)fprintf(out, "*/ CREATE TABLE s.t (id INT)\"}");
    (void)fclose(out);
    struct tr_ddl_model *model = recover_rig_model(TR_FLAVOR_MYSQL);
    recover_rig_open(&recover, model, TR_FLAVOR_MYSQL, NULL);
    recover_rig_take(&recover, text);
    assert_non_null(recover_rig_find(model, "s", "t"));
    recover_rig_take(&recover, DOCUMENT("s", "DROP TABLE t", ""));
    assert_null(recover_rig_find(model, "s", "t"));
    tr_recover_close(&recover);
    tr_ddl_model_close(model);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_make_alter_rename_and_drop_tables),
        cmocka_unit_test(document_wins_where_the_statement_gives_another_table),
        cmocka_unit_test(statement_wins_where_json_lost_what_it_says),
        cmocka_unit_test(damaged_documents_stop_with_their_number_and_the_remedy),
        cmocka_unit_test(documents_of_other_engines_are_passed),
        cmocka_unit_test(statement_that_cannot_be_read_stops_unless_it_may_be_skipped),
        cmocka_unit_test(statements_with_quoted_names_are_read),
        cmocka_unit_test(statement_on_a_table_that_is_not_captured_is_no_matter),
        cmocka_unit_test(large_documents_are_read),
    };
    return cmocka_run_group_tests(tests, recover_rig_open_sources, recover_rig_close_sources);
}
