// SPDX-License-Identifier: Apache-2.0
/* Rows of the snapshot, and the records that have no row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/prepared.h"
#include "stages/source/snapshot_event.h"
#include "tests/check.h"
#include "tests/support/text_rig.h"

static const struct tr_encode_options default_options = {.enable_time_adjuster = true};

/* The only cell of a row of `d.t (c TYPE)`: the text of the field `c`, or of the error. */
static const char *field_of(const char *type, const char *cell, size_t bytes)
{
    static char field[1u << 16];
    char sql[512];

    text_rig_forget();
    (void)snprintf(sql, sizeof(sql), "CREATE OR REPLACE TABLE t (c %s)", type);
    text_rig_use(sql);
    text_rig_begin(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 1);
    text_rig_add_cell(cell, bytes);
    if (text_rig_play() != TR_OK) {
        (void)snprintf(field, sizeof(field), "%s", text_rig.err.text);
        return field;
    }
    const char *start = strstr(text_rig.collected, "\"after\":{\"c\":");
    assert_non_null(start);
    start += strlen("\"after\":{\"c\":");
    const char *end = strstr(start, "},\"source\":");
    assert_non_null(end);
    (void)snprintf(field, sizeof(field), "%.*s", (int)(end - start), start);
    return field;
}

#define FIELD(type, cell) field_of((type), (cell), (cell) == NULL ? 0 : strlen(cell))

#define SOURCE(mark)                                                                               \
    ",\"source\":{\"version\":\"3.6.0.Final\",\"connector\":\"mysql\",\"name\":\"p\",\"ts_ms\":"   \
    "1704164645000,\"snapshot\":\"" mark "\",\"db\":\"d\",\"sequence\":null,\"ts_us\":"            \
    "1704164645000000,\"ts_ns\":1704164645000000000,\"table\":\"t\",\"server_id\":0,\"gtid\":"     \
    "null,\"file\":\"binlog.000001\",\"pos\":1683,\"row\":0,\"thread\":null,\"query\":null},"      \
    "\"transaction\":null,"
#define TIMES ",\"ts_ms\":1700000000123,\"ts_us\":1700000000123456,\"ts_ns\":1700000000123456789}"

static void rows_of_the_snapshot_become_reads_with_their_marks(void **state)
{
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 0);
    text_rig_use("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))");
    text_rig_begin(TR_SNAPSHOT_FIRST, TR_SNAPSHOT_LAST_IN_TABLE, 3);
    text_rig_add_text("1");
    text_rig_add_text("one");
    text_rig_add_text("2");
    text_rig_add_text(NULL);
    text_rig_add_text("3");
    text_rig_add_text("");
    assert_int_equal(text_rig_play(), TR_OK);
    assert_string_equal(
        text_rig.collected,
        "p.d.t|{\"id\":1}|{\"before\":null,\"after\":{\"id\":1,\"v\":\"one\"}" SOURCE(
            "first") "\"op\":\"r\"" TIMES "\n"
                     "p.d.t|{\"id\":2}|{\"before\":null,\"after\":{\"id\":2,\"v\":null}" SOURCE(
                         "true") "\"op\":\"r\"" TIMES "\n"
                                 "p.d.t|{\"id\":3}|{\"before\":null,\"after\":{\"id\":3,\"v\":"
                                 "\"\"}" SOURCE("last_in_data_collection") "\"op\":\"r\"" TIMES
                                                                           "\n");
    assert_int_equal(text_rig.tape->unit->record_rows, 3);
    assert_int_equal(text_rig.last_record.commit_us, INT64_C(1704164645000000));
    assert_int_not_equal(text_rig.last_record.key_hash, 0);
    assert_int_equal(text_rig.last_record.flags, 0);
    text_rig_close();
}

static void a_single_row_has_the_greater_of_its_two_marks(void **state)
{
    static const struct {
        uint8_t first;
        uint8_t last;
        const char *mark;
    } cases[] = {
        {TR_SNAPSHOT_FIRST, TR_SNAPSHOT_LAST, "\"last\""},
        {TR_SNAPSHOT_FIRST, TR_SNAPSHOT_LAST_IN_TABLE, "\"first\""},
        {TR_SNAPSHOT_FIRST_IN_TABLE, TR_SNAPSHOT_LAST_IN_TABLE, "\"last_in_data_collection\""},
        {TR_SNAPSHOT_FIRST_IN_TABLE, TR_SNAPSHOT_TRUE, "\"first_in_data_collection\""},
        {TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, "\"true\""},
    };
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 0);
    text_rig_use("CREATE TABLE t (id INT PRIMARY KEY)");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        text_rig_forget();
        text_rig_begin(cases[i].first, cases[i].last, 1);
        text_rig_add_text("1");
        assert_int_equal(text_rig_play(), TR_OK);
        const char *at = strstr(text_rig.collected, "\"snapshot\":");
        assert_non_null(at);
        assert_memory_equal(at + strlen("\"snapshot\":"), cases[i].mark, strlen(cases[i].mark));
    }
    text_rig_close();
}

static void an_event_without_rows_gives_no_record(void **state)
{
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 0);
    text_rig_use("CREATE TABLE t (id INT PRIMARY KEY)");
    text_rig_begin(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 0);
    assert_int_equal(text_rig_play(), TR_OK);
    assert_int_equal(text_rig.collected_count, 0);
    text_rig_close();
}

static void integers_are_read_whole_or_refused(void **state)
{
    (void)state;
    text_rig_open(TR_FLAVOR_MARIADB, default_options, 0);
    assert_string_equal(FIELD("TINYINT", "-128"), "-128");
    assert_string_equal(FIELD("TINYINT UNSIGNED", "255"), "255");
    assert_string_equal(FIELD("INT(7) ZEROFILL", "0000042"), "42");
    assert_string_equal(FIELD("BIGINT", "-9223372036854775808"), "-9223372036854775808");
    assert_string_equal(FIELD("BIGINT UNSIGNED", "18446744073709551615"), "-1");
    assert_string_equal(FIELD("BIGINT UNSIGNED", "9223372036854775808"), "-9223372036854775808");
    static const char *const refused[][2] = {
        {"TINYINT", "128"},
        {"TINYINT", "-129"},
        {"TINYINT UNSIGNED", "-1"},
        {"SMALLINT", "32768"},
        {"INT", ""},
        {"INT", "-"},
        {"INT", "1 "},
        {"INT", "1.0"},
        {"INT", "2147483648"},
        {"INT UNSIGNED", "4294967296"},
        {"BIGINT", "-9223372036854775809"},
        {"BIGINT UNSIGNED", "18446744073709551616"},
        {"BIGINT", "99999999999999999999"},
        {"BIGINT", "100000000000000000000"},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_string_equal(FIELD(refused[i][0], refused[i][1]),
                            "table d.t, column c: a row of the snapshot does not fit the schema: "
                            "its text is no number of its type; mend the value, or exclude the "
                            "table");
    }
    text_rig_close();
}

static void values_that_are_none_are_refused_by_table_and_column(void **state)
{
    static const struct {
        const char *type;
        const char *cell;
        const char *reason;
    } cases[] = {
        {"DOUBLE", "", "no floating-point number"},
        {"DOUBLE", "1e", "no floating-point number"},
        {"FLOAT", "1,5", "no floating-point number"},
        {"DECIMAL(5,2)", "1.2.3", "no decimal"},
        {"DECIMAL(5,2)", "", "no decimal"},
        {"YEAR", "20x4", "no year"},
        {"YEAR", "-1", "no year"},
        {"DATE", "2024-02", "no date or time"},
        {"DATE", "2024-02-30", "does not exist"},
        {"DATETIME", "2024-02-28 24:00:00", "does not exist"},
        {"DATETIME", "2024-02-28 10:00", "no date or time"},
        {"TIMESTAMP", "2024-13-01 10:00:00", "does not exist"},
        {"TIME", "10:11", "no time"},
        {"TIME", "", "no time"},
        {"BIT(9)", "123456789", "longer than 64 bits"},
        {"POINT", "1234567890", "no point"},
        {"GEOMETRY", "1234", "no geometry"},
    };
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *text = FIELD(cases[i].type, cases[i].cell);
        assert_non_null(strstr(text, "table d.t, column c: "));
        assert_non_null(strstr(text, cases[i].reason));
    }
    text_rig_close();
}

static void texts_keep_every_character_and_mend_bad_bytes(void **state)
{
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 0);
    assert_string_equal(FIELD("VARCHAR(20)", "a\"b\\\n\x1F"), "\"a\\\"b\\\\\\n\\u001F\"");
    assert_string_equal(FIELD("VARCHAR(20)", "\xF0\x9F\x98\x80"), "\"\\uD83D\\uDE00\"");
    assert_string_equal(FIELD("VARCHAR(20)", "a\xFFz"), "\"a\xEF\xBF\xBDz\"");
    /* The server has made utf8mb4 of it, whatever the column's character set. */
    assert_string_equal(FIELD("VARCHAR(20) CHARACTER SET latin1", "\xC2\x81\xE2\x82\xAC"),
                        "\"\xC2\x81\xE2\x82\xAC\"");
    assert_string_equal(FIELD("VARCHAR(20) CHARACTER SET ucs2", "\xC3\xA9"), "\"\xC3\xA9\"");
    assert_string_equal(FIELD("ENUM('a','b,c')", "b,c"), "\"b,c\"");
    assert_string_equal(FIELD("SET('a\\\\b','c')", "a\\b,c"), "\"a\\\\b,c\"");
    assert_string_equal(FIELD("JSON", "{\"a\": [1, 2]}"), "\"{\\\"a\\\": [1, 2]}\"");
    static char large[70000];
    memset(large, 'x', sizeof(large) - 1);
    assert_int_equal(strlen(FIELD("LONGTEXT", large)), 0xFFFF); /* cut by the test's own buffer */
    assert_int_equal(text_rig.collected_count, 1);
    assert_in_range(text_rig.collected_bytes, sizeof(large), sizeof(large) + 1000);
    text_rig_close();
}

static void zero_and_odd_dates_are_as_the_drivers_reader_has_them(void **state)
{
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 0);
    assert_string_equal(FIELD("DATE", "0000-00-00"), "null");
    assert_string_equal(FIELD("DATE NOT NULL", "2024-00-10"), "0");
    assert_string_equal(FIELD("DATE", "0000-01-01"), "10957");                     /* 2000-01-01 */
    assert_string_equal(FIELD("DATETIME", "0000-01-01 10:00:00"), "978343200000"); /* 2001 */
    assert_string_equal(FIELD("DATETIME(6)", "0001-01-01 00:00:00.000001"), "978307200000001");
    assert_string_equal(FIELD("YEAR", "0000"), "2000");
    assert_string_equal(FIELD("TIMESTAMP NULL", "0000-00-00 00:00:00"), "null");
    assert_string_equal(FIELD("TIMESTAMP NOT NULL", "0000-00-00 00:00:00"),
                        "\"1970-01-01T00:00:00Z\"");
    assert_string_equal(FIELD("TIMESTAMP(6) NULL", "2024-02-29 12:34:56.120000"),
                        "\"2024-02-29T12:34:56.12Z\"");
    assert_string_equal(FIELD("TIMESTAMP NULL", "2106-02-07 06:28:15"), "\"2106-02-07T06:28:15Z\"");
    assert_string_equal(FIELD("TIME(6)", "-00:00:00.000001"), "-1");
    assert_string_equal(FIELD("TIME", "-838:59:59"), "-3020399000000");
    text_rig_close();
}

static void rows_and_headers_cut_off_anywhere_are_refused(void **state)
{
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 0);
    text_rig_use("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), b BLOB)");
    for (uint32_t row_count = 1; row_count <= 2; row_count++) {
        text_rig_begin(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, row_count);
        for (uint32_t i = 0; i < row_count; i++) {
            text_rig_add_text("1");
            text_rig_add_text("some text");
            text_rig_add_cell("\0\1\2", 3);
        }
        const size_t whole = text_rig.event_bytes;
        for (text_rig.event_bytes = 0; text_rig.event_bytes < whole; text_rig.event_bytes++) {
            assert_int_not_equal(text_rig_play(), TR_OK);
        }
        assert_int_equal(text_rig_play(), TR_OK);
    }
    /* A length behind the end, and one that is none. */
    text_rig_begin(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 1);
    text_rig_add_bytes("\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9);
    assert_int_not_equal(text_rig_play(), TR_OK);
    text_rig_begin(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 1);
    text_rig_add_bytes("\xFF", 1);
    assert_int_not_equal(text_rig_play(), TR_OK);
    text_rig_begin(TR_SNAPSHOT_LAST + 1, TR_SNAPSHOT_TRUE, 1);
    text_rig_add_text("1");
    text_rig_add_text("x");
    text_rig_add_text("y");
    assert_int_not_equal(text_rig_play(), TR_OK);
    text_rig_close();
}

static void an_event_with_another_number_of_rows_than_it_says_is_refused(void **state)
{
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 0);
    text_rig_use("CREATE TABLE t (id INT PRIMARY KEY)");
    text_rig_begin(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 2);
    text_rig_add_text("1");
    assert_int_equal(text_rig_play(), TR_ERR_PROTOCOL);
    assert_non_null(strstr(text_rig.err.text, "has 1 rows of the snapshot, its header says 2"));
    text_rig_close();
}

static void events_larger_than_a_chunk_and_rows_larger_than_a_fragment_come_whole(void **state)
{
    static char text[600000];
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 0);
    text_rig_use("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)");
    memset(text, 'x', sizeof(text) - 1);
    text_rig_begin(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_LAST, 2);
    text_rig_add_text("1");
    text_rig_add_text(text);
    text_rig_add_text("2");
    text_rig_add_text("short");
    assert_int_equal(text_rig_play(), TR_OK);
    assert_int_equal(text_rig.collected_count, 2);
    assert_non_null(strstr(text_rig.collected, "{\"id\":2,\"v\":\"short\"}" SOURCE("last")));
    text_rig_close();
}

static void rows_fill_one_fragment_after_another(void **state)
{
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 32768);
    text_rig_use("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))");
    text_rig_begin(TR_SNAPSHOT_FIRST, TR_SNAPSHOT_LAST, 500);
    for (uint32_t i = 0; i < 500; i++) {
        char number[12];
        (void)snprintf(number, sizeof(number), "%u", i);
        text_rig_add_text(number);
        text_rig_add_text("value");
    }
    assert_int_equal(text_rig_play(), TR_OK);
    assert_int_equal(text_rig.collected_count, 500);
    assert_non_null(strstr(text_rig.collected, "{\"id\":0,\"v\":\"value\"}" SOURCE("first")));
    assert_non_null(strstr(text_rig.collected, "{\"id\":250,\"v\":\"value\"}" SOURCE("true")));
    assert_non_null(strstr(text_rig.collected, "{\"id\":499,\"v\":\"value\"}" SOURCE("last")));
    text_rig_close();
}

static void keyless_tables_give_reads_without_a_key(void **state)
{
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 0);
    text_rig_use("CREATE TABLE t (id INT)");
    text_rig_begin(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 1);
    text_rig_add_text("1");
    assert_int_equal(text_rig_play(), TR_OK);
    assert_int_equal(text_rig.last_record.key_bytes, 0);
    assert_int_equal(text_rig.last_record.flags, TR_RECORD_KEYLESS);
    text_rig_close();
}

static void truncate_is_a_record_without_key_and_images(void **state)
{
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 0);
    text_rig_use("CREATE TABLE t (id INT PRIMARY KEY)");
    text_rig.tape->item.kind = TR_ITEM_TRUNCATE;
    text_rig.tape->item.op = TR_ROW_TRUNCATE;
    text_rig.tape->item.event_type = 0;
    assert_int_equal(text_rig_play(), TR_OK);
    assert_string_equal(text_rig.collected, "p.d.t||{\"before\":null,\"after\":null" SOURCE(
                                                "false") "\"op\":\"t\"" TIMES "\n");
    assert_int_equal(text_rig.last_record.flags, TR_RECORD_KEYLESS);
    assert_int_equal(text_rig.last_record.key_hash, 0);
    text_rig_close();

    text_rig_open(TR_FLAVOR_MYSQL,
                  (struct tr_encode_options){.key_schemas = true, .value_schemas = true}, 0);
    text_rig_use("CREATE TABLE t (id INT PRIMARY KEY)");
    text_rig.tape->item.kind = TR_ITEM_TRUNCATE;
    text_rig.tape->item.op = TR_ROW_TRUNCATE;
    assert_int_equal(text_rig_play(), TR_OK);
    assert_int_equal(strncmp(text_rig.collected, "p.d.t||{\"schema\":{", 18), 0);
    assert_non_null(
        strstr(text_rig.collected, "\"payload\":{\"before\":null,\"after\":null,\"source\":"));
    assert_string_equal(text_rig.collected + text_rig.collected_bytes - 3, "}}\n");
    text_rig_close();
}

static struct tr_prepared *prepared_of(const char *stream, const char *key, size_t value_bytes)
{
    struct tr_prepared *prepared = calloc(1, sizeof(*prepared) + strlen(key) + value_bytes);

    assert_non_null(prepared);
    prepared->stream =
        tr_streams_intern(text_rig.tape->streams, tr_span_of_text(stream), &text_rig.err);
    assert_non_null(prepared->stream);
    prepared->key_bytes = (uint32_t)strlen(key);
    prepared->value_bytes = (uint32_t)value_bytes;
    memcpy(prepared->bytes, key, strlen(key));
    memset(prepared->bytes + strlen(key), 'v', value_bytes);
    return prepared;
}

static enum tr_code play_prepared(const struct tr_prepared *prepared)
{
    struct tr_unit_item item = {.kind = TR_ITEM_PREPARED, .ts_us = 77, .pos = 4, .thread_id = -1};
    item.prepared = prepared;
    return tr_tape_item(text_rig.tape, item, NULL, 0, &text_rig.err);
}

static void prepared_records_are_copied_as_they_are(void **state)
{
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 0);
    struct tr_prepared *prepared = prepared_of("p", "{\"databaseName\":\"d\"}", 3);
    assert_int_equal(play_prepared(prepared), TR_OK);
    assert_string_equal(text_rig.collected, "p|{\"databaseName\":\"d\"}|vvv\n");
    assert_int_equal(text_rig.last_record.commit_us, 77);
    assert_int_equal(text_rig.last_record.unit_seq, text_rig.tape->unit_seq);
    assert_int_equal(text_rig.last_record.flags, 0);
    const uint64_t hash = text_rig.last_record.key_hash;
    assert_int_equal(play_prepared(prepared), TR_OK);
    assert_int_equal(text_rig.last_record.key_hash, hash);
    free(prepared);
    text_rig_close();
}

static void prepared_records_take_a_jumbo_or_are_refused(void **state)
{
    (void)state;
    text_rig_open(TR_FLAVOR_MYSQL, default_options, 4096);
    struct tr_prepared *prepared = prepared_of("p", "k", 100000);
    assert_int_equal(play_prepared(prepared), TR_OK);
    assert_int_equal(text_rig.collected_count, 1);
    assert_int_equal(text_rig.last_record.value_bytes, 100000);
    free(prepared);
    prepared = prepared_of("p", "k", 40u << 20);
    assert_int_equal(play_prepared(prepared), TR_ERR_SINK_RECORD);
    assert_non_null(
        strstr(text_rig.err.text, "stream p: the record of a schema change at binlog.000001:4"));
    free(prepared);
    text_rig_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_the_snapshot_become_reads_with_their_marks),
        cmocka_unit_test(a_single_row_has_the_greater_of_its_two_marks),
        cmocka_unit_test(an_event_without_rows_gives_no_record),
        cmocka_unit_test(integers_are_read_whole_or_refused),
        cmocka_unit_test(values_that_are_none_are_refused_by_table_and_column),
        cmocka_unit_test(texts_keep_every_character_and_mend_bad_bytes),
        cmocka_unit_test(zero_and_odd_dates_are_as_the_drivers_reader_has_them),
        cmocka_unit_test(rows_and_headers_cut_off_anywhere_are_refused),
        cmocka_unit_test(an_event_with_another_number_of_rows_than_it_says_is_refused),
        cmocka_unit_test(events_larger_than_a_chunk_and_rows_larger_than_a_fragment_come_whole),
        cmocka_unit_test(rows_fill_one_fragment_after_another),
        cmocka_unit_test(keyless_tables_give_reads_without_a_key),
        cmocka_unit_test(truncate_is_a_record_without_key_and_images),
        cmocka_unit_test(prepared_records_are_copied_as_they_are),
        cmocka_unit_test(prepared_records_take_a_jumbo_or_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
