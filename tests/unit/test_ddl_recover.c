// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json.h"
#include "stages/ddl/publish.h"
#include "stages/ddl/publish_json.h"
#include "stages/ddl/recover.h"
#include "tests/support/random.h"

#include <cmocka.h>

#define POSITION "\"position\":{\"file\":\"binlog.000003\",\"pos\":100}"

static struct tr_gtid_sources *sources;

static struct tr_ddl_model *open_model(enum tr_flavor flavor)
{
    const struct tr_ddl_options options = {.flavor = flavor,
                                           .hides_int_width = flavor == TR_FLAVOR_MYSQL};
    struct tr_ddl_model *model;
    struct tr_error err;

    assert_int_equal(tr_ddl_model_open(&model, &options, &err), TR_OK);
    return model;
}

static void open_recover(struct tr_recover *recover, struct tr_ddl_model *model,
                         enum tr_flavor flavor, const struct tr_saved_position *until)
{
    const struct tr_recover_options options = {.flavor = flavor,
                                               .topic_prefix = tr_span_of_text("p"),
                                               .sources = sources,
                                               .until = until,
                                               .model = model};
    struct tr_error err;

    assert_int_equal(tr_recover_open(recover, &options, &err), TR_OK);
}

static void take(struct tr_recover *recover, const char *document)
{
    struct tr_error err;
    if (tr_recover_document(recover, tr_span_of_text(document), &err) != TR_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        fail();
    }
}

static const struct tr_table *find(const struct tr_ddl_model *model, const char *database,
                                   const char *name)
{
    return tr_ddl_find(model, tr_span_of_text(database), tr_span_of_text(name));
}

/* Recovers a file of documents; `without_statements`: their ddl is taken for empty. */
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
        take(recover, line);
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
        struct tr_ddl_model *model = open_model(TR_FLAVOR_MYSQL);
        struct tr_recover recover;
        open_recover(&recover, model, TR_FLAVOR_MYSQL, NULL);
        load(&recover, names[i]);
        assert_int_equal(recover.applied_count, recover.document_count);
        assert_int_equal(recover.unknown_count, 0);
        if (i != 1) {
            const struct tr_table *table = find(model, "shop", "customers");
            assert_non_null(table);
            assert_int_equal(table->key_count, 1);
            assert_int_equal(table->columns[1].type, TR_COLUMN_VARCHAR);
            assert_int_equal(table->columns[1].length, 50);
            assert_int_equal(table->columns[1].charset, TR_CHARSET_UTF8);
        } else { /* dropped by statements alone: 2.3 has no tableChanges for them */
            assert_non_null(find(model, "shop", "lat"));
            assert_null(find(model, "shop", "s2"));
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
    (void)fprintf(out, "{\"source\":{\"server\":\"p\"}," POSITION ",\"databaseName\":\"x\",%s",
                  changes);
    (void)fclose(out);
    struct tr_ddl_model *model = open_model(flavor);
    struct tr_recover recover;
    open_recover(&recover, model, flavor, NULL);
    take(&recover, alone);
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

static char *publish(struct tr_ddl_model *model, enum tr_flavor flavor, const char *sql,
                     const struct tr_table **table)
{
    const struct tr_ddl_publisher publisher = {
        .flavor = flavor, .topic_prefix = tr_span_of_text("p"), .wants_documents = true};
    const struct tr_ddl_place place = {.point = {.file = "b.000001", .pos = 4}, .thread_id = -1};
    const struct tr_ddl_event event = {.sql = tr_span_of_text(sql),
                                       .database = tr_span_of_text("d\"b")};
    struct tr_ddl_publication publication;
    struct tr_ddl_result result;
    struct tr_error err;

    assert_int_equal(tr_ddl_apply(model, &event, &result, &err), TR_OK);
    *table = result.changes[0].table;
    if (*table == NULL) {
        return NULL;
    }
    assert_int_equal(tr_ddl_publish(&publisher, &event, &result, &place, &publication, &err),
                     TR_OK);
    assert_int_equal(publication.document_count, 1);
    char *text = strndup(publication.documents[0].text, publication.documents[0].bytes);
    tr_ddl_publication_clear(&publication);
    return text;
}

/* Whether the table comes back, with its statement or (emptied) without. */
static void check_comes_back(const char *document, enum tr_flavor flavor,
                             const struct tr_table *table, bool was_built, const char *sql)
{
    struct tr_ddl_model *model = open_model(flavor);
    struct tr_recover recover;

    open_recover(&recover, model, flavor, NULL);
    take(&recover, document);
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
        struct tr_ddl_model *model = open_model(flavor);
        const struct tr_table *table;
        draw_table(&random, flavor, sql, sizeof(sql));
        char *document = publish(model, flavor, sql, &table);
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
        struct tr_ddl_model *model = open_model(TR_FLAVOR_MYSQL);
        (void)snprintf(sql, sizeof(sql), "CREATE TABLE t (%s)", defaults[i].sql);
        char *document = publish(model, TR_FLAVOR_MYSQL, sql, &table);
        memcpy(strstr(document, "\"ddl\":\""), "\"xxx\"", 5);
        struct tr_ddl_model *fresh = open_model(TR_FLAVOR_MYSQL);
        struct tr_recover recover;
        open_recover(&recover, fresh, TR_FLAVOR_MYSQL, NULL);
        take(&recover, document);
        const struct tr_table *found = find(fresh, "d\"b", "t");
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

/* --- what documents do --- */

#define DOCUMENT(database, ddl, changes)                                                           \
    "{\"source\":{\"server\":\"p\"}," POSITION ",\"databaseName\":\"" database "\",\"ddl\":\"" ddl \
    "\",\"tableChanges\":[" changes "]}"
#define INT_TABLE(name)                                                                            \
    "{\"defaultCharsetName\":\"utf8mb4\",\"primaryKeyColumnNames\":[\"" name                       \
    "\"],\"columns\":[{\"name\":\"" name                                                           \
    "\",\"jdbcType\":4,\"typeName\":\"INT\",\"optional\":false}]}"

static void documents_make_alter_rename_and_drop_tables(void **state)
{
    struct tr_ddl_model *model = open_model(TR_FLAVOR_MYSQL);
    struct tr_recover recover;

    (void)state;
    open_recover(&recover, model, TR_FLAVOR_MYSQL, NULL);
    take(&recover, "\n");
    take(&recover,
         DOCUMENT(
             "s", "CREATE TABLE a (id INT PRIMARY KEY)",
             "{\"type\":\"CREATE\",\"id\":\"\\\"s\\\".\\\"a\\\"\",\"table\":" INT_TABLE("id") "}"));
    assert_int_equal(recover.built_count, 0);
    take(&recover, DOCUMENT("s", "not SQL at all",
                            "{\"type\":\"ALTER\",\"id\":\"\\\"s\\\".\\\"b\\\"\",\"previousId\":"
                            "\"\\\"s\\\".\\\"a\\\"\",\"table\":" INT_TABLE("k") "}"));
    assert_int_equal(recover.built_count, 1);
    assert_null(find(model, "s", "a"));
    assert_non_null(find(model, "s", "b"));
    take(&recover,
         DOCUMENT(
             "s", "ALTER TABLE b RENAME TO c",
             "{\"type\":\"ALTER\",\"id\":\"\\\"s\\\".\\\"c\\\"\",\"table\":" INT_TABLE("k") "}"));
    assert_null(find(model, "s", "b")); /* Debezium does not say so: the statement does */
    assert_non_null(find(model, "s", "c"));
    take(&recover,
         DOCUMENT("s", "CREATE TABLE \\\"x\\\".\\\"y\\\" (k INT)",
                  "{\"type\":\"CREATE\",\"id\":\"\\\"x\\\".\\\"y\\\"\",\"table\":" INT_TABLE(
                      "k") "}")); /* ANSI_QUOTES: not known from the document */
    assert_non_null(find(model, "x", "y"));
    take(&recover, DOCUMENT("s", "", "{\"type\":\"DROP\",\"id\":\"\\\"s\\\".\\\"c\\\"\"}"));
    assert_null(find(model, "s", "c"));
    take(&recover, DOCUMENT("x", "DROP DATABASE x", ""));
    assert_null(find(model, "x", "y"));
    assert_int_equal(recover.document_count, 6);
    assert_string_equal(recover.newest.file, "binlog.000003");
    assert_int_equal(recover.newest.pos, 100);
    tr_recover_close(&recover);
    tr_ddl_model_close(model);
}

static void document_wins_where_the_statement_gives_another_table(void **state)
{
    struct tr_ddl_model *model = open_model(TR_FLAVOR_MYSQL);
    struct tr_recover recover;

    (void)state;
    open_recover(&recover, model, TR_FLAVOR_MYSQL, NULL);
    take(
        &recover,
        DOCUMENT(
            "s", "CREATE TABLE t (v VARCHAR(5), n INT)",
            "{\"type\":\"CREATE\",\"id\":\"\\\"s\\\".\\\"t\\\"\",\"table\":{\"defaultCharsetName\":"
            "\"cp1251\",\"primaryKeyColumnNames\":[],\"columns\":[{\"name\":\"v\",\"typeName\":"
            "\"VARCHAR\",\"charsetName\":\"cp1251\",\"length\":5,\"optional\":true},{\"name\":"
            "\"n\","
            "\"typeName\":\"INT\",\"charsetName\":null,\"optional\":true}]}}"));
    assert_int_equal(recover.built_count, 1);
    const struct tr_table *table = find(model, "s", "t");
    assert_int_equal(table->columns[0].charset, TR_CHARSET_CP1251);
    tr_recover_close(&recover);
    tr_ddl_model_close(model);
}

static void statement_wins_where_json_lost_what_it_says(void **state)
{
    struct tr_ddl_model *model = open_model(TR_FLAVOR_MYSQL);
    struct tr_ddl_model *fresh = open_model(TR_FLAVOR_MYSQL);
    const struct tr_table *table;
    struct tr_recover recover;

    (void)state;
    char *create = publish(model, TR_FLAVOR_MYSQL,
                           "CREATE TABLE t (a TEXT, g INT AS (1) STORED, KEY k (g)) CHARACTER SET "
                           "latin1 COLLATE latin1_german1_ci",
                           &table);
    char *convert =
        publish(model, TR_FLAVOR_MYSQL, "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", &table);
    open_recover(&recover, fresh, TR_FLAVOR_MYSQL, NULL);
    take(&recover, create);
    take(&recover, convert);
    const struct tr_table *found = find(fresh, "d\"b", "t");
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
        open_recover(&recover, NULL, TR_FLAVOR_MYSQL, NULL);
        take(&recover, DOCUMENT("s", "USE s", ""));
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
    open_recover(&recover, model, TR_FLAVOR_MYSQL, NULL);
    take(&recover, DOCUMENT("s", "CREATE TABLE t (id INT)", ""));
    take(&recover, other);
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
        open_recover(&recover, NULL, TR_FLAVOR_MYSQL, NULL);
        recover.options.skip_unparseable = skips == 1;
        take(&recover, DOCUMENT("s", "CREATE TABLE t (id INT)", ""));
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
    struct tr_ddl_model *model = open_model(TR_FLAVOR_MYSQL);
    open_recover(&recover, model, TR_FLAVOR_MYSQL, NULL);
    take(&recover, DOCUMENT("s", "CREATE TABLE t (id INT, a INT)", ""));
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        take(&recover, documents[i]);
    }
    assert_int_equal(recover.unknown_count, 0);
    assert_int_equal(find(model, "s", "t")->column_count, 2);
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
        open_recover(&recover, NULL, TR_FLAVOR_MYSQL, NULL);
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
    (void)fprintf(out, "{\"source\":{\"server\":\"p\"}," POSITION ",\"ddl\":\"/*");
    for (int i = 0; i < 3000000; i++) {
        (void)fputc('x', out);
    }
    (void)fprintf(out, "*/ CREATE TABLE s.t (id INT)\"}");
    (void)fclose(out);
    struct tr_ddl_model *model = open_model(TR_FLAVOR_MYSQL);
    open_recover(&recover, model, TR_FLAVOR_MYSQL, NULL);
    take(&recover, text);
    assert_non_null(find(model, "s", "t"));
    take(&recover, DOCUMENT("s", "DROP TABLE t", ""));
    assert_null(find(model, "s", "t"));
    tr_recover_close(&recover);
    tr_ddl_model_close(model);
    free(text);
}

static int open_sources(void **state)
{
    struct tr_error err;
    (void)state;
    return tr_gtid_sources_open(&sources, &err) == TR_OK ? 0 : -1;
}

static int close_sources(void **state)
{
    (void)state;
    tr_gtid_sources_close(sources);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_of_old_and_new_debeziums_load),
        cmocka_unit_test(tables_are_built_back_from_their_json_alone),
        cmocka_unit_test(every_table_comes_back_as_it_was),
        cmocka_unit_test(defaults_come_back_from_json_alone),
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
    return cmocka_run_group_tests(tests, open_sources, close_sources);
}
