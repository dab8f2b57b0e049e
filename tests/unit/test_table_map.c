// SPDX-License-Identifier: Apache-2.0
#include "stages/schema/charset.h"
#include "stages/schema/table_map.h"
#include "stages/sequence/events.h"
#include "tests/check.h"
#include "tests/support/event_vectors.h"

static uint8_t event[VECTOR_BYTES_MAX];
static struct tr_error err;
static struct tr_table_map map;
static struct tr_wire_column wire[16];

static struct tr_span load(const char *hex)
{
    const size_t bytes = vector_bytes(hex, event);
    return tr_span_of(event + TR_EVENT_HEADER_BYTES,
                      bytes - TR_EVENT_HEADER_BYTES - TR_EVENT_TRAILER_BYTES);
}

static void parse(const char *hex, enum tr_flavor flavor)
{
    assert_int_equal(tr_table_map_parse(&map, flavor, load(hex), &err), TR_OK);
    assert_int_equal(tr_table_map_wire(&map, wire, &err), TR_OK);
}

static void assert_span(struct tr_span span, const char *text)
{
    assert_int_equal(span.bytes, strlen(text));
    assert_memory_equal(span.data, text, span.bytes);
}

static void table_map_of_mysql_gives_wire_columns(void **state)
{
    (void)state;
    parse(VECTOR_TABLE_MAP, TR_FLAVOR_MYSQL);
    assert_int_equal(map.table_id, 0x013e);
    assert_span(map.database, "v");
    assert_span(map.table, "t");
    assert_int_equal(map.column_count, 6);
    assert_true(tr_table_map_is_full(&map));
    assert_int_equal(wire[0].type, TR_WIRE_LONG);
    assert_int_equal(wire[1].type, TR_WIRE_NEWDECIMAL);
    assert_int_equal(wire[1].meta, 10 | 2 << 8);
    assert_int_equal(wire[2].type, TR_WIRE_VARCHAR);
    assert_int_equal(wire[2].meta, 80);
    assert_int_equal(wire[2].pack_bytes, 1);
    assert_int_equal(wire[3].type, TR_WIRE_ENUM);
    assert_int_equal(wire[3].pack_bytes, 1);
    assert_int_equal(wire[4].type, TR_WIRE_TIMESTAMP2);
    assert_int_equal(wire[4].meta, 3);
    assert_int_equal(wire[5].type, TR_WIRE_JSON);
    assert_int_equal(wire[5].pack_bytes, 4);
    assert_false(wire[0].nullable);
    assert_true(wire[1].nullable);
}

static void table_map_with_full_metadata_builds_the_model(void **state)
{
    (void)state;
    parse(VECTOR_TABLE_MAP, TR_FLAVOR_MYSQL);
    struct tr_table *table = tr_table_map_build(&map, wire, false, &err);
    assert_non_null(table);
    assert_true(table->has_names);
    assert_true(table->from_log);
    const struct tr_column *columns = table->columns;
    assert_span(columns[0].name, "id");
    assert_int_equal(columns[0].type, TR_COLUMN_INT);
    assert_true(columns[0].is_unsigned);
    assert_int_equal(columns[0].key_ordinal, 1);
    assert_int_equal(table->key_count, 1);
    assert_int_equal(columns[1].type, TR_COLUMN_DECIMAL);
    assert_int_equal(columns[1].precision, 10);
    assert_int_equal(columns[1].scale, 2);
    assert_false(columns[1].is_unsigned);
    assert_int_equal(columns[2].type, TR_COLUMN_VARCHAR);
    assert_int_equal(columns[2].length, 20);
    assert_int_equal(columns[2].charset, TR_CHARSET_UTF8);
    assert_span(columns[2].charset_name, "utf8mb4");
    assert_int_equal(columns[3].type, TR_COLUMN_ENUM);
    assert_int_equal(columns[3].option_count, 2);
    assert_span(columns[3].options[1], "b");
    assert_int_equal(columns[4].type, TR_COLUMN_TIMESTAMP);
    assert_int_equal(columns[4].scale, 3);
    assert_span(columns[5].name, "j");
    assert_int_equal(columns[5].type, TR_COLUMN_JSON);
    assert_int_equal(tr_table_map_compare(&map, wire, table, &err), TR_OK);
    tr_table_close(table);
}

static void table_map_of_mariadb_tells_binary_from_text(void **state)
{
    (void)state;
    parse(VECTOR_M_TABLE_MAP, TR_FLAVOR_MARIADB);
    struct tr_table *table = tr_table_map_build(&map, wire, false, &err);
    assert_non_null(table);
    assert_int_equal(wire[1].type, TR_WIRE_VARCHAR_COMPRESSED);
    assert_int_equal(table->columns[1].type, TR_COLUMN_VARCHAR);
    assert_int_equal(table->columns[1].length, 40);
    assert_int_equal(table->columns[1].charset, TR_CHARSET_LATIN1);
    assert_int_equal(table->columns[2].type, TR_COLUMN_BINARY);
    assert_int_equal(wire[2].meta, 16);
    assert_int_equal(table->columns[3].type, TR_COLUMN_BINARY);
    assert_int_equal(table->columns[3].length, 4);
    /* The model knows better what 16 binary bytes are. */
    table->columns[2].type = TR_COLUMN_INET6;
    assert_int_equal(tr_table_map_compare(&map, wire, table, &err), TR_OK);
    tr_table_close(table);
}

static void differs(struct tr_table *table, const char *wanted)
{
    err.text[0] = '\0';
    assert_int_equal(tr_table_map_compare(&map, wire, table, &err), TR_ERR_SCHEMA);
    if (strstr(err.text, wanted) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, wanted);
    }
}

static void table_map_compare_says_precisely_what_differs(void **state)
{
    (void)state;
    parse(VECTOR_TABLE_MAP, TR_FLAVOR_MYSQL);
    struct tr_table *table = tr_table_map_build(&map, wire, false, &err);
    assert_non_null(table);
    struct tr_column *columns = table->columns;

    columns[0].is_unsigned = false;
    differs(table, "column 1 \"id\": the log has INT UNSIGNED, the schema has INT");
    columns[0].is_unsigned = true;
    columns[1].scale = 3;
    differs(table, "column 2 \"n\": the log has DECIMAL(10,2), the schema has DECIMAL(10,3)");
    columns[1].scale = 2;
    columns[2].type = TR_COLUMN_TEXT;
    differs(table, "column 3 \"s\": the log has VARCHAR, the schema has TEXT");
    columns[2].type = TR_COLUMN_VARCHAR;
    columns[2].name = tr_span_of_text("other");
    differs(table, "the log has the name \"s\"");
    columns[2].name = tr_span_of_text("s");
    columns[2].charset = TR_CHARSET_LATIN1;
    columns[2].charset_name = tr_span_of_text("latin1");
    differs(table, "character set utf8mb4, the schema has character set latin1");
    columns[2].charset = TR_CHARSET_UTF8;
    columns[3].option_count = 1;
    differs(table, "ENUM");
    columns[3].option_count = 2;
    columns[4].scale = 0;
    differs(table, "column 5 \"ts\": the log has TIMESTAMP(3), the schema has TIMESTAMP(0)");
    columns[4].scale = 3;
    table->key_columns[0] = 1;
    differs(table, "primary key");
    table->key_columns[0] = 0;
    table->column_count = 5;
    differs(table, "the log has 6 columns, the schema has 5");
    table->column_count = 6;
    assert_int_equal(tr_table_map_compare(&map, wire, table, &err), TR_OK);
    tr_table_close(table);
}

/* Source: mariadb1011-versioning.000001: sv.v (id INT PRIMARY KEY, x VARCHAR(10)) WITH SYSTEM
 * VERSIONING. */
static const char map_versioned[] =
    "00f1536513070000005400000038030000000012000000000001000273760001760004030f111104"
    "0a000606020101000201080417026964017809726f775f737461727407726f775f656e6408020003"
    "8306f24e";

static void table_map_of_a_versioned_table_has_its_hidden_period(void **state)
{
    (void)state;
    for (int has_names = 1; has_names >= 0; has_names--) {
        parse(map_versioned, TR_FLAVOR_MARIADB);
        struct tr_table *table = tr_table_map_build(&map, wire, false, &err);
        assert_non_null(table);
        for (int i = 1; i < TR_MAP_METADATA_COUNT && !has_names; i++) {
            map.optional[i] = (struct tr_span){0};
        }
        /* A declared period: its columns are columns. */
        table->is_versioned = true;
        assert_int_equal(tr_table_map_hidden_count(&map, wire, table), 0);
        assert_int_equal(tr_table_map_compare(&map, wire, table, &err), TR_OK);
        /* A hidden one. */
        table->column_count = 2;
        table->key_count = 1;
        assert_int_equal(tr_table_map_hidden_count(&map, wire, table), TR_PERIOD_COLUMNS);
        assert_int_equal(tr_table_map_compare(&map, wire, table, &err), TR_OK);
        table->is_versioned = false;
        differs(table, "the log has 4 columns, the schema has 2");
        table->is_versioned = true;
        wire[2].meta = 3;
        differs(table, "the log has 4 columns, the schema has 2");
        wire[2].meta = 6;
        wire[3].nullable = true;
        differs(table, "the log has 4 columns, the schema has 2");
        tr_table_close(table);
    }
}

static void table_map_without_names_is_refused_unless_lenient(void **state)
{
    (void)state;
    parse(VECTOR_TABLE_MAP, TR_FLAVOR_MYSQL);
    for (int i = 1; i < TR_MAP_METADATA_COUNT; i++) {
        map.optional[i] = (struct tr_span){0}; /* MariaDB's default */
    }
    assert_null(tr_table_map_build(&map, wire, false, &err));
    assert_int_equal(err.code, TR_ERR_SCHEMA);
    struct tr_table *table = tr_table_map_build(&map, wire, true, &err);
    assert_non_null(table);
    assert_false(table->has_names);
    assert_span(table->columns[0].name, "@1");
    assert_span(table->columns[5].name, "@6");
    assert_false(table->columns[0].is_unsigned);
    assert_int_equal(table->columns[2].charset, TR_CHARSET_UTF8);
    /* A model with names fits a map without: nothing contradicts it. */
    table->columns[0].name = tr_span_of_text("id");
    table->columns[0].is_unsigned = true;
    assert_int_equal(tr_table_map_compare(&map, wire, table, &err), TR_OK);
    tr_table_close(table);
}

static void table_map_cut_anywhere_is_an_error_or_a_shorter_map(void **state)
{
    (void)state;
    const struct tr_span body = load(VECTOR_TABLE_MAP);
    const size_t without_metadata = 8 + 3 + 3 + 1 + 6 + 9 + 1;
    for (size_t bytes = 0; bytes < body.bytes; bytes++) {
        /* A copy of exactly that size: the address sanitizer sees a read behind it. */
        uint8_t *copy = test_malloc(bytes == 0 ? 1 : bytes);
        memcpy(copy, body.data, bytes);
        const enum tr_code code =
            tr_table_map_parse(&map, TR_FLAVOR_MYSQL, tr_span_of(copy, bytes), &err);
        if (bytes < without_metadata) {
            assert_int_equal(code, TR_ERR_PROTOCOL);
        } else if (code == TR_OK) {
            assert_int_equal(tr_table_map_wire(&map, wire, &err), TR_OK);
            struct tr_table *table = tr_table_map_build(&map, wire, true, &err);
            tr_table_close(table);
        }
        test_free(copy);
    }
}

static void charset_numbers_and_names_agree(void **state)
{
    (void)state;
    assert_string_equal(tr_charset_of_collation(TR_FLAVOR_MYSQL, 255)->name, "utf8mb4");
    assert_string_equal(tr_charset_of_collation(TR_FLAVOR_MYSQL, 8)->name, "latin1");
    assert_string_equal(tr_charset_of_collation(TR_FLAVOR_MYSQL, 63)->name, "binary");
    assert_string_equal(tr_charset_of_collation(TR_FLAVOR_MARIADB, 2304)->name, "utf8mb4");
    assert_string_equal(tr_charset_of_collation(TR_FLAVOR_MARIADB, 2048)->name, "utf8mb3");
    assert_string_equal(tr_charset_of_collation(TR_FLAVOR_MARIADB, 1024 + 8)->name, "latin1");
    assert_int_equal(tr_charset_of_collation(TR_FLAVOR_MYSQL, 9)->charset, TR_CHARSET_LATIN2);
    assert_string_equal(tr_charset_of_collation(TR_FLAVOR_MARIADB, 9999)->name, "unknown");
    assert_int_equal(tr_charset_of_name(tr_span_of_text("UTF8MB3"))->charset, TR_CHARSET_UTF8);
    assert_int_equal(tr_charset_of_name(tr_span_of_text("utf8"))->character_bytes_max, 3);
    assert_int_equal(tr_charset_of_name(tr_span_of_text("klingon"))->charset, TR_CHARSET_OTHER);
}

static void charset_labels_become_utf8_as_the_server_reads_them(void **state)
{
    (void)state;
    uint8_t out[32];
    size_t bytes = tr_charset_write_utf8(TR_CHARSET_LATIN1, tr_span_of("a\xe9\x80\x81", 4), out);
    assert_span(tr_span_of(out, bytes), "a\xc3\xa9\xe2\x82\xac\xc2\x81");
    bytes = tr_charset_write_utf8(TR_CHARSET_UTF8, tr_span_of_text("\xc3\xa9"), out);
    assert_span(tr_span_of(out, bytes), "\xc3\xa9");
    bytes = tr_charset_write_utf8(TR_CHARSET_ASCII, tr_span_of("x\xe9", 2), out);
    assert_span(tr_span_of(out, bytes), "x\xef\xbf\xbd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_map_of_mysql_gives_wire_columns),
        cmocka_unit_test(table_map_with_full_metadata_builds_the_model),
        cmocka_unit_test(table_map_of_mariadb_tells_binary_from_text),
        cmocka_unit_test(table_map_compare_says_precisely_what_differs),
        cmocka_unit_test(table_map_of_a_versioned_table_has_its_hidden_period),
        cmocka_unit_test(table_map_without_names_is_refused_unless_lenient),
        cmocka_unit_test(table_map_cut_anywhere_is_an_error_or_a_shorter_map),
        cmocka_unit_test(charset_numbers_and_names_agree),
        cmocka_unit_test(charset_labels_become_utf8_as_the_server_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
