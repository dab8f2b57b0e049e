// SPDX-License-Identifier: Apache-2.0
/* Whole histories, and tables that come back from their JSON alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ddl/publish_json.h"
#include "tests/support/random.h"
#include "tests/support/recover_rig.h"

#include <cmocka.h>

/* Recovers a file of documents. */
static void load(struct tr_recover *recover, const char *name)
{
    char path[512];
    char *line = NULL;
    size_t room = 0;
    uint32_t count = 0;

    (void)snprintf(path, sizeof(path), TR_TEST_DATA "/history/%s", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (getline(&line, &room, file) > 0) {
        recover_rig_take(recover, line);
        count++;
    }
    assert_int_equal(recover->document_count, count);
    free(line);
    (void)fclose(file);
}

/* --- whole histories --- */

static void histories_of_old_and_new_debeziums_load(void **state)
{
    static const char *const names[] = {"debezium-2.3.0.jsonl", "debezium-2.3.0-ddl.jsonl",
                                        "debezium-3.6.0.jsonl"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct tr_ddl_model *model = recover_rig_model(TR_FLAVOR_MYSQL);
        struct tr_recover recover;
        recover_rig_open(&recover, model, TR_FLAVOR_MYSQL, NULL);
        load(&recover, names[i]);
        assert_int_equal(recover.applied_count, recover.document_count);
        assert_int_equal(recover.unknown_count, 0);
        if (i != 1) {
            const struct tr_table *table = recover_rig_find(model, "shop", "customers");
            assert_non_null(table);
            assert_int_equal(table->key_count, 1);
            assert_int_equal(table->columns[1].type, TR_COLUMN_VARCHAR);
            assert_int_equal(table->columns[1].length, 50);
            assert_int_equal(table->columns[1].charset, TR_CHARSET_UTF8);
        } else { /* dropped by statements alone: 2.3 has no tableChanges for them */
            assert_non_null(recover_rig_find(model, "shop", "lat"));
            assert_null(recover_rig_find(model, "shop", "s2"));
        }
        tr_recover_close(&recover);
        tr_ddl_model_close(model);
    }
}

/* A document's tableChanges alone must be enough: printed again, they are the same text. */
static uint32_t check_tables_of(const char *line, enum tr_flavor flavor)
{
    const char *changes = strstr(line, "\"tableChanges\":[{");
    const char *table_text = changes == NULL ? NULL : strstr(changes, ",\"table\":{");
    if (table_text == NULL) {
        return 0;
    }
    table_text += strlen(",\"table\":");
    char *alone = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&alone, &bytes);
    (void)fprintf(
        out, "{\"source\":{\"server\":\"p\"}," RECOVER_RIG_POSITION ",\"databaseName\":\"x\",%s",
        changes);
    (void)fclose(out);
    struct tr_ddl_model *model = recover_rig_model(flavor);
    struct tr_recover recover;
    recover_rig_open(&recover, model, flavor, NULL);
    recover_rig_take(&recover, alone);
    assert_int_equal(recover.built_count, 1);
    free(alone);
    const char *id = strstr(changes, "\"id\":\"\\\"") + strlen("\"id\":\"\\\"");
    const char *dot = strstr(id, "\\\".\\\"");
    const struct tr_span database = tr_span_of(id, (size_t)(dot - id));
    const char *name = dot + strlen("\\\".\\\"");
    const struct tr_table *table =
        tr_ddl_find(model, database, tr_span_of(name, (size_t)(strstr(name, "\\\"\"") - name)));
    assert_non_null(table);
    const struct ddl_print print = {.flavor = flavor, .form = DDL_FORM_DOCUMENT, .comments = true};
    struct ddl_text printed = {0};
    ddl_text_add_table(&printed, table, &print);
    const uint32_t wrong = strncmp((const char *)printed.bytes, table_text, printed.used) != 0;
    if (wrong != 0) {
        (void)fprintf(stderr, "want: %s\ngot:  %.*s\n", table_text, (int)printed.used,
                      (const char *)printed.bytes);
    }
    ddl_text_free(&printed);
    tr_recover_close(&recover);
    tr_ddl_model_close(model);
    return wrong;
}

static void tables_are_built_back_from_their_json_alone(void **state)
{
    char line[256];
    char name[128];
    char server[16];
    char path[512];
    char *document = NULL;
    size_t room = 0;
    uint32_t wrong_count = 0;
    FILE *cases = fopen(TR_TEST_DATA "/history/cases.txt", "r");

    (void)state;
    assert_non_null(cases);
    while (fgets(line, sizeof(line), cases) != NULL) {
        if (line[0] == '#') {
            continue;
        }
        assert_int_equal(sscanf(line, "%127s %15s", name, server), 2);
        (void)snprintf(path, sizeof(path), TR_TEST_DATA "/history/%s.jsonl", name);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        while (getline(&document, &room, file) > 0) {
            wrong_count += check_tables_of(
                document, strcmp(server, "mariadb") == 0 ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL);
        }
        (void)fclose(file);
    }
    free(document);
    (void)fclose(cases);
    assert_int_equal(wrong_count, 0);
}

/* --- what we wrote comes back --- */

/* %u: a number from 1 to 60. */
static const char *const types[] = {
    "TINYINT",
    "TINYINT(1)",
    "BOOL",
    "SMALLINT UNSIGNED",
    "MEDIUMINT",
    "INT(%u)",
    "INTEGER ZEROFILL",
    "BIGINT UNSIGNED",
    "INT4",
    "FLOAT",
    "FLOAT(24)",
    "FLOAT(7,4)",
    "DOUBLE",
    "DOUBLE(10,3)",
    "REAL",
    "DOUBLE PRECISION",
    "DECIMAL",
    "DECIMAL(%u)",
    "NUMERIC(20,5) UNSIGNED",
    "FIXED(6)",
    "BIT",
    "BIT(%u)",
    "YEAR",
    "YEAR(4)",
    "DATE",
    "TIME",
    "TIME(3)",
    "DATETIME",
    "DATETIME(6)",
    "TIMESTAMP NULL",
    "TIMESTAMP(6) NULL",
    "CHAR",
    "CHAR(%u)",
    "CHAR(5) BINARY",
    "VARCHAR(%u)",
    "VARCHAR(20) CHARACTER SET latin1",
    "VARCHAR(30) CHARACTER SET binary",
    "CHARACTER VARYING(%u)",
    "NATIONAL CHAR(4)",
    "NVARCHAR(9)",
    "TINYTEXT",
    "TEXT",
    "TEXT(%u)",
    "TEXT(70000)",
    "MEDIUMTEXT",
    "LONGTEXT CHARACTER SET ucs2",
    "LONG VARCHAR",
    "LONG VARBINARY",
    "BINARY",
    "BINARY(%u)",
    "VARBINARY(%u)",
    "TINYBLOB",
    "BLOB",
    "BLOB(%u)",
    "MEDIUMBLOB",
    "LONGBLOB",
    "ENUM('a','b''c','d\\\\e','\\'','','\xC3\xA9 ')",
    "ENUM('x') CHARACTER SET latin1",
    "SET('a','b','c')",
    "SET('only') CHARACTER SET utf8mb4",
    "JSON",
    "GEOMETRY",
    "POINT",
    "LINESTRING",
    "POLYGON",
    "MULTIPOINT",
    "MULTILINESTRING",
    "MULTIPOLYGON",
    "GEOMETRYCOLLECTION",
};

static const char *const mysql_types[] = {"VECTOR", "VECTOR(%u)", "GEOMCOLLECTION",
                                          "GEOMETRY SRID 4326"};
static const char *const mariadb_types[] = {"UUID", "INET4", "INET6", "VECTOR(%u)"};

static const char *draw_type(struct tr_random *random, enum tr_flavor flavor)
{
    const size_t common = sizeof(types) / sizeof(types[0]);
    const size_t at = tr_random_below(random, (uint32_t)common + 4);
    if (at < common) {
        return types[at];
    }
    return flavor == TR_FLAVOR_MYSQL ? mysql_types[at - common] : mariadb_types[at - common];
}

static void draw_table(struct tr_random *random, enum tr_flavor flavor, char *sql, size_t room)
{
    static const char *const charsets[] = {"utf8mb4", "latin1", "utf8", "cp1251", "binary", "ucs2"};
    static const char *const nulls[] = {"", " NULL", " NOT NULL"};
    const uint32_t count = 1 + (uint32_t)tr_random_below(random, 12);
    size_t at = (size_t)snprintf(sql, room, "CREATE TABLE `t``%u` (",
                                 (unsigned)tr_random_below(random, 100));

    for (uint32_t i = 0; i < count; i++) {
        const char *format = draw_type(random, flavor);
        const char *tail = nulls[strstr(format, "NULL") != NULL ? 0 : tr_random_below(random, 3)];
        at += (size_t)snprintf(sql + at, room - at, "%s`c %u` ", i == 0 ? "" : ", ", i);
        const char *percent = strstr(format, "%u");
        at += (size_t)snprintf(sql + at, room - at, "%.*s",
                               (int)(percent == NULL ? strlen(format) : (size_t)(percent - format)),
                               format);
        if (percent != NULL) {
            at += (size_t)snprintf(sql + at, room - at, "%u%s",
                                   1 + (unsigned)tr_random_below(random, 60), percent + 2);
        }
        at += (size_t)snprintf(sql + at, room - at, "%s", tail);
    }
    if (tr_random_below(random, 2) == 0) {
        at += (size_t)snprintf(sql + at, room - at, ", PRIMARY KEY (`c %u`%s)",
                               (unsigned)(count - 1), count > 2 ? ",`c 0`" : "");
    } else if (tr_random_below(random, 2) == 0) {
        at += (size_t)snprintf(sql + at, room - at, ", UNIQUE KEY (`c %u`)", (unsigned)(count - 1));
    }
    (void)snprintf(sql + at, room - at, ") CHARACTER SET %s", charsets[tr_random_below(random, 6)]);
}

/* Whether the table comes back, with its statement or (emptied) without. */
static void check_comes_back(const char *document, enum tr_flavor flavor,
                             const struct tr_table *table, bool was_built, const char *sql)
{
    struct tr_ddl_model *model = recover_rig_model(flavor);
    struct tr_recover recover;

    recover_rig_open(&recover, model, flavor, NULL);
    recover_rig_take(&recover, document);
    const struct tr_table *found = tr_ddl_find(model, table->database, table->name);
    if (found == NULL || tr_table_fingerprint(found) != tr_table_fingerprint(table) ||
        recover.built_count != (was_built ? 1 : 0)) {
        (void)fprintf(stderr, "%s\nof %s\nbuilt %u\n", document, sql,
                      (unsigned)recover.built_count);
        fail();
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        assert_int_equal(found->columns[i].is_nullable, table->columns[i].is_nullable);
        assert_int_equal(found->columns[i].geometry, table->columns[i].geometry);
        assert_true(tr_span_equals(found->columns[i].type_text, table->columns[i].type_text));
    }
    tr_recover_close(&recover);
    tr_ddl_model_close(model);
}

static void every_table_comes_back_as_it_was(void **state)
{
    static char sql[4096];
    struct tr_random random = {.state = 4711};
    uint32_t count = 0;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        const enum tr_flavor flavor = (i & 1) == 0 ? TR_FLAVOR_MYSQL : TR_FLAVOR_MARIADB;
        struct tr_ddl_model *model = recover_rig_model(flavor);
        const struct tr_table *table;
        draw_table(&random, flavor, sql, sizeof(sql));
        char *document = recover_rig_publish(model, flavor, sql, &table);
        if (document != NULL) {
            check_comes_back(document, flavor, table, false, sql);
            char *ddl = strstr(document, "\"ddl\":\"");
            assert_non_null(ddl);
            memcpy(ddl, "\"xxx\"", 5); /* another member: there is no statement */
            check_comes_back(document, flavor, table, true, sql);
            free(document);
            count++;
        }
        tr_ddl_model_close(model);
    }
    assert_true(count > 1900);
}

static void defaults_come_back_from_json_alone(void **state)
{
    static const struct {
        const char *sql;
        enum tr_literal form;
        const char *text;
    } defaults[] = {
        {"c INT DEFAULT -5", TR_LITERAL_NUMBER, "-5"},
        {"c DECIMAL(5,2) NOT NULL DEFAULT 1.50", TR_LITERAL_NUMBER, "1.50"},
        {"c DOUBLE DEFAULT 1e-5", TR_LITERAL_NUMBER, "1e-5"},
        {"c VARCHAR(9) DEFAULT '5'", TR_LITERAL_TEXT, "5"},
        {"c VARCHAR(9) NOT NULL DEFAULT 'it''s'", TR_LITERAL_TEXT, "it''s"},
        {"c VARCHAR(9) DEFAULT ''", TR_LITERAL_TEXT, ""},
        {"c BOOL DEFAULT TRUE", TR_LITERAL_BOOLEAN, "1"},
        {"c TINYINT(1) DEFAULT FALSE", TR_LITERAL_BOOLEAN, "0"},
        {"c BIT(3) DEFAULT b'101'", TR_LITERAL_BITS, "b'101'"},
        {"c DATETIME(6) DEFAULT '2024-01-01 00:00:00'", TR_LITERAL_TEXT, "2024-01-01 00:00:00"},
        {"c DATETIME DEFAULT CURRENT_TIMESTAMP", TR_LITERAL_CLOCK, "CURRENT_TIMESTAMP"},
        {"c TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
         TR_LITERAL_CLOCK, "CURRENT_TIMESTAMP"},
        {"c ENUM('a','b') DEFAULT 'a'", TR_LITERAL_TEXT, "a"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        char sql[256];
        const struct tr_table *table;
        struct tr_ddl_model *model = recover_rig_model(TR_FLAVOR_MYSQL);
        (void)snprintf(sql, sizeof(sql), "CREATE TABLE t (%s)", defaults[i].sql);
        char *document = recover_rig_publish(model, TR_FLAVOR_MYSQL, sql, &table);
        memcpy(strstr(document, "\"ddl\":\""), "\"xxx\"", 5);
        struct tr_ddl_model *fresh = recover_rig_model(TR_FLAVOR_MYSQL);
        struct tr_recover recover;
        recover_rig_open(&recover, fresh, TR_FLAVOR_MYSQL, NULL);
        recover_rig_take(&recover, document);
        const struct tr_table *found = recover_rig_find(fresh, "d\"b", "t");
        assert_non_null(found);
        assert_true(found->columns[0].has_default);
        assert_int_equal(found->columns[0].default_form, defaults[i].form);
        assert_true(
            tr_span_equals(found->columns[0].default_text, tr_span_of_text(defaults[i].text)));
        assert_int_equal(found->columns[0].updates_now, table->columns[0].updates_now);
        tr_recover_close(&recover);
        tr_ddl_model_close(fresh);
        tr_ddl_model_close(model);
        free(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_of_old_and_new_debeziums_load),
        cmocka_unit_test(tables_are_built_back_from_their_json_alone),
        cmocka_unit_test(every_table_comes_back_as_it_was),
        cmocka_unit_test(defaults_come_back_from_json_alone),
    };
    return cmocka_run_group_tests(tests, recover_rig_open_sources, recover_rig_close_sources);
}
