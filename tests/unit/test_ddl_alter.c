// SPDX-License-Identifier: Apache-2.0
/* Tables after statements that the servers read in ways of their own. What is expected is what
 * MySQL 9.7 and MariaDB 10.11 made of the same statements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ddl/model.h"

#include <cmocka.h>

#define SPAN(span) (int)(span).bytes, (const char *)(span).data

static void print_column(FILE *out, const struct tr_column *column)
{
    (void)fprintf(out, "%.*s %.*s", SPAN(column->name), SPAN(column->type_text));
    if (column->collation_name.bytes > 0) {
        (void)fprintf(out, " %.*s", SPAN(column->collation_name));
    }
    (void)fprintf(out, "%s%s%s", column->is_nullable ? "" : " NOT NULL",
                  column->is_auto_increment ? " AUTO_INCREMENT" : "",
                  column->is_invisible ? " INVISIBLE" : "");
    if (column->is_generated) {
        (void)fprintf(out, "%s", column->is_stored ? " STORED" : " VIRTUAL");
    }
    if (column->has_default) {
        (void)fprintf(out, " DEFAULT %.*s", SPAN(column->default_text));
    }
    (void)fprintf(out, "%s", column->updates_now ? " ON UPDATE" : "");
}

/* "a int NOT NULL, b text | PRIMARY(a) k:(b)": a unique index has no colon. To be freed. */
static char *describe(const struct tr_table *table)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    for (uint32_t i = 0; i < table->column_count; i++) {
        (void)fprintf(out, "%s", i == 0 ? "" : ", ");
        print_column(out, &table->columns[i]);
    }
    for (uint32_t i = 0; i < table->index_count; i++) {
        const struct tr_index *index = &table->indexes[i];
        (void)fprintf(out, "%s%.*s%s(", i == 0 ? " | " : " ", SPAN(index->name),
                      index->is_unique ? "" : ":");
        for (uint32_t k = 0; k < index->column_count; k++) {
            const uint16_t at = index->columns[k];
            if (at == TR_INDEX_EXPRESSION) {
                (void)fprintf(out, "%s?", k == 0 ? "" : ",");
            } else {
                (void)fprintf(out, "%s%.*s", k == 0 ? "" : ",", SPAN(table->columns[at].name));
            }
        }
        (void)fprintf(out, ")");
    }
    (void)fclose(out);
    return text;
}

/* Runs statements, separated by " ;; ", in database d; table d.t must then be `expected`. */
static void check(enum tr_flavor flavor, const char *statements, const char *expected)
{
    struct tr_ddl_model *model;
    struct tr_error err;
    const struct tr_ddl_options options = {.flavor = flavor,
                                           .hides_int_width = flavor == TR_FLAVOR_MYSQL};

    assert_int_equal(tr_ddl_model_open(&model, &options, &err), TR_OK);
    for (const char *at = statements; at != NULL;) {
        const char *end = strstr(at, " ;; ");
        const size_t bytes = end == NULL ? strlen(at) : (size_t)(end - at);
        const struct tr_ddl_event event = {.sql = tr_span_of(at, bytes),
                                           .database = tr_span_of_text("d"),
                                           .server_collation = 8 /* latin1_swedish_ci */};
        struct tr_ddl_result result;
        assert_int_equal(tr_ddl_apply(model, &event, &result, &err), TR_OK);
        if (result.effect == TR_DDL_UNKNOWN_EFFECT) {
            fail_msg("%.*s: %s at %.*s", (int)bytes, at, result.unknown_what,
                     SPAN(result.unknown_at));
        }
        at = end == NULL ? NULL : end + 4;
    }
    const struct tr_table *table = tr_ddl_find(model, tr_span_of_text("d"), tr_span_of_text("t"));
    assert_non_null(table);
    char *actual = describe(table);
    if (strcmp(actual, expected) != 0) {
        (void)fprintf(stderr, "%s\nwant: %s\ngot:  %s\n", statements, expected, actual);
        fail();
    }
    free(actual);
    tr_ddl_model_close(model);
}

static void on_both(const char *statements, const char *mysql, const char *mariadb)
{
    check(TR_FLAVOR_MYSQL, statements, mysql);
    check(TR_FLAVOR_MARIADB, statements, mariadb);
}

static void last_of_null_not_null_and_auto_increment_counts(void **state)
{
    (void)state;
    on_both("CREATE TABLE t (a INT NULL NOT NULL, b INT NOT NULL NULL, c INT NULL AUTO_INCREMENT "
            "UNIQUE)",
            "a int NOT NULL, b int, c int NOT NULL AUTO_INCREMENT | c(c)",
            "a int(11) NOT NULL, b int(11), c int(11) NOT NULL AUTO_INCREMENT | c(c)");
    on_both("CREATE TABLE t (a INT AUTO_INCREMENT NULL UNIQUE)", "a int AUTO_INCREMENT | a(a)",
            "a int(11) AUTO_INCREMENT | a(a)");
    on_both("CREATE TABLE t (a INT PRIMARY KEY NULL)", "a int NOT NULL | PRIMARY(a)",
            "a int(11) NOT NULL | PRIMARY(a)");
}

static void keys_keep_a_column_that_is_dropped_and_added_again(void **state)
{
    (void)state;
    on_both("CREATE TABLE t (a INT, b INT UNIQUE, c INT, KEY k (b, a)) ;; "
            "ALTER TABLE t DROP b, ADD b INT",
            "a int, c int, b int | b(b) k:(b,a)", "a int(11), c int(11), b int(11) | b(b) k:(b,a)");
    on_both("CREATE TABLE t (a INT, b INT UNIQUE, c INT, KEY k (b, a)) ;; "
            "ALTER TABLE t DROP b, RENAME COLUMN c TO b",
            "a int, b int | k:(a)", "a int(11), b int(11) | k:(a)");
    on_both("CREATE TABLE t (a INT, b INT UNIQUE, c INT) ;; "
            "ALTER TABLE t RENAME COLUMN b TO c, RENAME COLUMN c TO b",
            "a int, c int, b int | b(c)", "a int(11), c int(11), b int(11) | b(c)");
}

static void mariadb_redefines_what_the_statement_adds(void **state)
{
    (void)state;
    check(
        TR_FLAVOR_MARIADB,
        "CREATE TABLE t (c INT, d INT, e INT) ;; ALTER TABLE t DROP c, ADD c BIGINT, MODIFY c DATE",
        "d int(11), e int(11), c date");
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (c INT, d INT) ;; ALTER TABLE t ADD f INT, MODIFY f DATE FIRST",
          "f date, c int(11), d int(11)");
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (c INT) ;; ALTER TABLE t ADD (u BIGINT, e BIT(1)), MODIFY c BIGINT, "
          "CHANGE c e DATE NOT NULL AFTER c",
          "c bigint(20), e date NOT NULL, u bigint(20)");
}

static void mariadb_makes_keys_of_columns_that_exist(void **state)
{
    (void)state;
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (a INT, b INT) ;; ALTER TABLE t ADD COLUMN IF NOT EXISTS b DATE UNIQUE",
          "a int(11), b int(11) | b(b)");
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (a INT PRIMARY KEY, b INT) ;; "
          "ALTER TABLE t CHANGE COLUMN IF EXISTS b c INT PRIMARY KEY",
          "a int(11) NOT NULL, c int(11) NOT NULL | PRIMARY(a)");
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (a INT PRIMARY KEY, b INT) ;; ALTER TABLE t DROP PRIMARY KEY, "
          "CHANGE COLUMN IF EXISTS b c INT PRIMARY KEY NULL",
          "a int(11) NOT NULL, c int(11)");
}

static void convert_to_reaches_new_columns(void **state)
{
    (void)state;
    on_both("CREATE TABLE t (a INT) ;; ALTER TABLE t ADD n NVARCHAR(5), CONVERT TO CHARSET binary",
            "a int, n varbinary(5)", "a int(11), n varbinary(5)");
    on_both("CREATE TABLE t (a INT) ;; ALTER TABLE t ADD b VARCHAR(9) BINARY, "
            "ADD c VARCHAR(9) CHARSET latin1 BINARY, CONVERT TO CHARSET koi8r",
            "a int, b varchar(9) koi8r_bin, c varchar(9) koi8r_general_ci",
            "a int(11), b varchar(9) koi8r_bin, c varchar(9) koi8r_general_ci");
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (a CHAR(3)) ;; ALTER TABLE t CONVERT TO CHARSET utf8mb4 COLLATE "
          "utf8mb4_unicode_ci, CONVERT TO CHARSET utf8mb4",
          "a char(3) utf8mb4_unicode_ci");
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (a CHAR(3)) ;; ALTER TABLE t MODIFY a CHAR(4) COLLATE uca1400_ai_ci, "
          "CONVERT TO CHARSET utf16 COLLATE utf16_bin",
          "a char(4) utf16_uca1400_ai_ci");
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (a CHAR(3)) ;; ALTER TABLE t MODIFY a CHAR(4), CONVERT TO CHARSET ucs2, "
          "CHARSET binary",
          "a binary(4)");
}

static void contextual_collation_of_a_table_follows_its_charset(void **state)
{
    (void)state;
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (a INT) CHARSET utf16 ;; ALTER TABLE t COLLATE uca1400_ai_ci, ADD b "
          "CHAR(2)",
          "a int(11), b char(2) utf16_uca1400_ai_ci");
}

static void mysql_sizes_texts_by_the_old_column_beside_convert_to(void **state)
{
    (void)state;
    check(TR_FLAVOR_MYSQL,
          "CREATE TABLE t (a INT, b VARCHAR(100), c MEDIUMTEXT, d VARCHAR(300), e INT, f INT) ;; "
          "ALTER TABLE t MODIFY a TEXT, MODIFY b TEXT, MODIFY c TEXT, MODIFY d BLOB, MODIFY e "
          "TEXT(70000), MODIFY f LONGTEXT, ADD g TEXT, CONVERT TO CHARSET utf8mb4",
          "a tinytext utf8mb4_0900_ai_ci, b text utf8mb4_0900_ai_ci, c longtext "
          "utf8mb4_0900_ai_ci, d blob, e mediumtext utf8mb4_0900_ai_ci, f longtext "
          "utf8mb4_0900_ai_ci, g text utf8mb4_0900_ai_ci");
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (a INT) ;; ALTER TABLE t MODIFY a TEXT, CONVERT TO CHARSET utf8mb4",
          "a text utf8mb4_general_ci");
}

static void set_default_ends_on_update_on_mariadb(void **state)
{
    (void)state;
    on_both("CREATE TABLE t (a DATETIME DEFAULT NOW() ON UPDATE NOW(), b DATETIME ON UPDATE NOW()) "
            ";; ALTER TABLE t ALTER a DROP DEFAULT, ALTER b SET DEFAULT '2020-01-01'",
            "a datetime ON UPDATE, b datetime DEFAULT 2020-01-01 ON UPDATE",
            "a datetime, b datetime DEFAULT 2020-01-01 ON UPDATE");
    check(
        TR_FLAVOR_MARIADB,
        "CREATE TABLE t (a INT, b DATETIME) ;; "
        "ALTER TABLE t MODIFY b DATETIME DEFAULT NOW() ON UPDATE NOW() FIRST, ALTER b DROP DEFAULT",
        "b datetime DEFAULT NOW() ON UPDATE, a int(11)");
}

static void set_default_of_auto_increment_is_kept_as_an_expression_on_mariadb(void **state)
{
    (void)state;
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (a INT AUTO_INCREMENT PRIMARY KEY) ;; ALTER TABLE t ALTER a SET DEFAULT "
          "abs(-1)",
          "a int(11) NOT NULL AUTO_INCREMENT DEFAULT abs(-1) | PRIMARY(a)");
    on_both(
        "CREATE TABLE t (a INT AUTO_INCREMENT PRIMARY KEY) ;; ALTER TABLE t ALTER a SET DEFAULT 5",
        "a int NOT NULL AUTO_INCREMENT | PRIMARY(a)",
        "a int(11) NOT NULL AUTO_INCREMENT | PRIMARY(a)");
}

static void mysql_keeps_its_generated_key_first(void **state)
{
    (void)state;
    check(
        TR_FLAVOR_MYSQL,
        "CREATE TABLE t (my_row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT /*!80023 INVISIBLE */, "
        "a INT, PRIMARY KEY (my_row_id)) ;; ALTER TABLE t ADD b INT FIRST, MODIFY a INT FIRST",
        "my_row_id bigint unsigned NOT NULL AUTO_INCREMENT INVISIBLE, a int, b int | "
        "PRIMARY(my_row_id)");
    check(TR_FLAVOR_MYSQL,
          "CREATE TABLE t (my_row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY) ;; "
          "ALTER TABLE t ADD b INT FIRST",
          "b int, my_row_id bigint unsigned NOT NULL AUTO_INCREMENT | PRIMARY(my_row_id)");
}

static void index_of_a_foreign_key_goes_when_another_serves(void **state)
{
    (void)state;
    on_both("CREATE TABLE t (a INT, b INT, FOREIGN KEY (a) REFERENCES p (id)) ;; "
            "ALTER TABLE t ADD UNIQUE (a, b)",
            "a int, b int | a(a,b)", "a int(11), b int(11) | a(a,b)");
    on_both("CREATE TABLE t (a INT, b INT, CONSTRAINT f FOREIGN KEY (a) REFERENCES p (id), KEY k "
            "(a)) ;; ALTER TABLE t ADD UNIQUE (a)",
            "a int, b int | k:(a) a(a)", "a int(11), b int(11) | k:(a) a(a)");
    on_both("CREATE TABLE t (a INT REFERENCES p (id), b INT)", "a int, b int | a:(a)",
            "a int(11), b int(11) | a:(a)");
    on_both("CREATE TABLE t (a INT, b INT, FOREIGN KEY (a) REFERENCES p (id)) ;; "
            "ALTER TABLE t RENAME KEY a TO k ;; CREATE INDEX i ON t (a, b)",
            "a int, b int | k:(a) i:(a,b)",
            "a int(11), b int(11) | k:(a) i:(a,b)"); /* one that got a name stays */
}

static void options_of_a_table_change_no_column(void **state)
{
    (void)state;
    on_both(
        "CREATE TABLE t (a INT) ;; ALTER TABLE t TABLESPACE `ts 1` STORAGE DISK, STORAGE MEMORY, "
        "DATA DIRECTORY = '/x', UNION = (b, c), WITHOUT VALIDATION, ENABLE KEYS ;; "
        "ALTER TABLE t DISCARD TABLESPACE ;; ALTER TABLE t IMPORT TABLESPACE",
        "a int", "a int(11)");
}

static void mariadb_periods(void **state)
{
    (void)state;
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (a DATE, b DATE, k INT, PERIOD FOR p (a, b), UNIQUE (k, p WITHOUT "
          "OVERLAPS)) ;; ALTER TABLE t WITH SYSTEM VERSIONING COMMENT='x', ADD c INT",
          "a date NOT NULL, b date NOT NULL, k int(11), c int(11) | k(k)");
    check(TR_FLAVOR_MARIADB,
          "CREATE TABLE t (a DATE, b DATE) ;; ALTER TABLE t ADD PERIOD IF NOT EXISTS FOR p (a, b), "
          "ADD period INT ;; ALTER TABLE t DROP PERIOD IF EXISTS FOR q, DROP period, ADD y YEAR(2)",
          "a date NOT NULL, b date NOT NULL, y year(2)");
}

static void oracle_mode_of_mariadb(void **state)
{
    (void)state;
    const uint64_t oracle = 0x200;
    struct tr_ddl_model *model;
    struct tr_error err;
    struct tr_ddl_result result;
    const struct tr_ddl_options options = {.flavor = TR_FLAVOR_MARIADB};
    const struct tr_ddl_event event = {
        .sql = tr_span_of_text("CREATE TABLE t (a BLOB, b BLOB(1000), c DATE, d VARCHAR2(5), e "
                               "NUMBER, f NUMBER(5), g CLOB, h RAW(4))"),
        .database = tr_span_of_text("d"),
        .server_collation = 8,
        .sql_mode = oracle};

    assert_int_equal(tr_ddl_model_open(&model, &options, &err), TR_OK);
    assert_int_equal(tr_ddl_apply(model, &event, &result, &err), TR_OK);
    char *actual = describe(result.changes[0].table);
    assert_string_equal(actual, "a longblob, b blob, c datetime, d varchar(5) latin1_swedish_ci, e "
                                "double, f decimal(5,0), g longtext latin1_swedish_ci, h "
                                "varbinary(4)");
    free(actual);
    tr_ddl_model_close(model);
}

/* lower_case_table_names=1: the log has the names so. */
static void names_are_kept_in_lower_case_where_the_server_does(void **state)
{
    static const char *const statements[] = {
        "CREATE DATABASE Shop", "CREATE TABLE Shop.`ÄÖ Übung ŁŹ ΣΩ Ж×` (Id INT)",
        "RENAME TABLE SHOP.`äÖ übung łŹ σΩ ж×` TO Shop.Renamed",
        "ALTER TABLE sHOP.RENAMED ADD MixedCol INT, RENAME Other.ÑAME"};
    const struct tr_ddl_options options = {
        .flavor = TR_FLAVOR_MYSQL, .fold_names = true, .stores_lower = true};
    struct tr_ddl_model *model;
    struct tr_error err;

    (void)state;
    assert_int_equal(tr_ddl_model_open(&model, &options, &err), TR_OK);
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        const struct tr_ddl_event event = {.sql = tr_span_of_text(statements[i])};
        struct tr_ddl_result result = {0};
        assert_int_equal(tr_ddl_apply(model, &event, &result, &err), TR_OK);
        if (i == 1) {
            const struct tr_table *table =
                tr_ddl_find(model, tr_span_of_text("shop"), tr_span_of_text("äö übung łź σω ж×"));
            assert_non_null(table);
            assert_true(tr_span_equals(table->name, tr_span_of_text("äö übung łź σω ж×")));
            assert_true(tr_span_equals(table->columns[0].name, tr_span_of_text("Id")));
        }
    }
    const struct tr_table *table =
        tr_ddl_find(model, tr_span_of_text("other"), tr_span_of_text("ñame"));
    assert_non_null(table);
    assert_true(tr_span_equals(table->name, tr_span_of_text("ñame")));
    tr_ddl_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_kept_in_lower_case_where_the_server_does),
        cmocka_unit_test(last_of_null_not_null_and_auto_increment_counts),
        cmocka_unit_test(keys_keep_a_column_that_is_dropped_and_added_again),
        cmocka_unit_test(mariadb_redefines_what_the_statement_adds),
        cmocka_unit_test(mariadb_makes_keys_of_columns_that_exist),
        cmocka_unit_test(convert_to_reaches_new_columns),
        cmocka_unit_test(contextual_collation_of_a_table_follows_its_charset),
        cmocka_unit_test(mysql_sizes_texts_by_the_old_column_beside_convert_to),
        cmocka_unit_test(mysql_keeps_its_generated_key_first),
        cmocka_unit_test(index_of_a_foreign_key_goes_when_another_serves),
        cmocka_unit_test(options_of_a_table_change_no_column),
        cmocka_unit_test(mariadb_periods),
        cmocka_unit_test(oracle_mode_of_mariadb),
        cmocka_unit_test(set_default_ends_on_update_on_mariadb),
        cmocka_unit_test(set_default_of_auto_increment_is_kept_as_an_expression_on_mariadb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
