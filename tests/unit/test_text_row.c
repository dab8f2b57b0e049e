// SPDX-License-Identifier: Apache-2.0
/* Rows of the snapshot, and the records that have no row. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/ddl/model.h"
#include "stages/prepared.h"
#include "stages/source/snapshot_event.h"
#include "tests/check.h"
#include "tests/support/tape.h"

#define EVENT_BYTES_MAX (8u << 20)

/* Records as they came, one line each: STREAM|KEY|VALUE. */
static char collected[1u << 21];
static size_t collected_bytes;
static uint32_t collected_count;
static struct tr_record last_record;
static struct tr_tape *tape;
static struct tr_ddl_model *model;
static struct tr_error err;
static uint8_t event[EVENT_BYTES_MAX];
static size_t event_bytes;

static void collect(struct tr_tape *from, const struct tr_stream *stream,
                    const struct tr_record *record)
{
    (void)from;
    const int bytes =
        snprintf(collected + collected_bytes, sizeof(collected) - collected_bytes, "%s|%.*s|%.*s\n",
                 stream->name, (int)record->key_bytes, (const char *)tr_record_key(record),
                 (int)record->value_bytes, (const char *)tr_record_value(record));
    assert_true(bytes > 0 && (size_t)bytes < sizeof(collected) - collected_bytes);
    collected_bytes += (size_t)bytes;
    collected_count++;
    last_record = *record;
}

static void forget_records(void)
{
    collected[0] = '\0';
    collected_bytes = 0;
    collected_count = 0;
}

static void open_rig(enum tr_flavor flavor, struct tr_encode_options options, uint32_t room_bytes)
{
    const struct tr_ddl_options ddl = {.flavor = flavor,
                                       .hides_int_width = flavor == TR_FLAVOR_MYSQL};

    options.flavor = flavor;
    options.topic_prefix = tr_span_of_text("p");
    options.tombstones_on_delete = true;
    options.enable_time_adjuster = true;
    options.row_bytes_max = 1u << 20;
    options.record_bytes_max = options.record_bytes_max == 0 ? 8u << 20 : options.record_bytes_max;
    tape = calloc(1, sizeof(*tape));
    assert_non_null(tape);
    tape->fragment_room_bytes = room_bytes;
    tape->on_record = collect;
    tr_tape_open(tape, &options);
    tape->wall_unix_ns = INT64_C(1700000000123456789);
    tape->item = (struct tr_unit_item){.pos = 1683,
                                       .ts_us = INT64_C(1704164645000000),
                                       .thread_id = -1,
                                       .op = TR_ROW_READ,
                                       .event_type = TR_EVENT_SNAPSHOT_ROWS};
    assert_int_equal(tr_ddl_model_open(&model, &ddl, &err), TR_OK);
    forget_records();
}

static void close_rig(void)
{
    tr_tape_close(tape);
    free(tape);
    tr_ddl_model_close(model);
}

static struct tr_table *table_of(const char *database, struct tr_span sql)
{
    struct tr_ddl_result result;
    const struct tr_ddl_event statement = {.sql = sql, .database = tr_span_of_text(database)};

    assert_int_equal(tr_ddl_apply(model, &statement, &result, &err), TR_OK);
    assert_int_equal(result.effect, TR_DDL_APPLIED);
    assert_non_null(result.changes[0].table);
    return tr_table_hold(result.changes[0].table);
}

/* A schema of one statement: the tape's next items are of it. */
static struct tr_schema *use_table(const char *sql)
{
    struct tr_schema *schema = tr_tape_add_text(tape, table_of("d", tr_span_of_text(sql)), &err);
    assert_non_null(schema);
    tape->item.schema = schema;
    return schema;
}

static void add_bytes(const void *bytes, size_t count)
{
    assert_true(count <= EVENT_BYTES_MAX - event_bytes);
    memcpy(event + event_bytes, bytes, count);
    event_bytes += count;
}

static void begin_event(uint8_t first_mark, uint8_t last_mark, uint32_t row_count)
{
    uint8_t header[19] = {[4] = TR_EVENT_SNAPSHOT_ROWS};

    event_bytes = 0;
    add_bytes(header, sizeof(header));
    add_bytes("\1\0d\1\0t", 6);
    add_bytes(&first_mark, 1);
    add_bytes(&last_mark, 1);
    add_bytes(&row_count, 4);
}

/* NULL: the cell is NULL. */
static void add_cell(const void *cell, size_t bytes)
{
    if (cell == NULL) {
        add_bytes("\xFB", 1);
        return;
    }
    if (bytes < 0xFB) {
        add_bytes(&(uint8_t){(uint8_t)bytes}, 1);
    } else if (bytes <= UINT16_MAX) {
        add_bytes("\xFC", 1);
        add_bytes(&bytes, 2);
    } else {
        add_bytes("\xFD", 1);
        add_bytes(&bytes, 3);
    }
    add_bytes(cell, bytes);
}

static void add_text(const char *cell)
{
    add_cell(cell, cell == NULL ? 0 : strlen(cell));
}

static enum tr_code play(void)
{
    return tr_tape_item(tape, tape->item, event, event_bytes, &err);
}

/* The only cell of a row of `d.t (c TYPE)`: the text of the field `c`, or of the error. */
static const char *field_of(const char *type, const char *cell, size_t bytes)
{
    static char field[1u << 16];
    char sql[512];

    forget_records();
    (void)snprintf(sql, sizeof(sql), "CREATE OR REPLACE TABLE t (c %s)", type);
    use_table(sql);
    begin_event(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 1);
    add_cell(cell, bytes);
    if (play() != TR_OK) {
        (void)snprintf(field, sizeof(field), "%s", err.text);
        return field;
    }
    const char *start = strstr(collected, "\"after\":{\"c\":");
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
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 0);
    use_table("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))");
    begin_event(TR_SNAPSHOT_FIRST, TR_SNAPSHOT_LAST_IN_TABLE, 3);
    add_text("1");
    add_text("one");
    add_text("2");
    add_text(NULL);
    add_text("3");
    add_text("");
    assert_int_equal(play(), TR_OK);
    assert_string_equal(
        collected,
        "p.d.t|{\"id\":1}|{\"before\":null,\"after\":{\"id\":1,\"v\":\"one\"}" SOURCE(
            "first") "\"op\":\"r\"" TIMES "\n"
                     "p.d.t|{\"id\":2}|{\"before\":null,\"after\":{\"id\":2,\"v\":null}" SOURCE(
                         "true") "\"op\":\"r\"" TIMES "\n"
                                 "p.d.t|{\"id\":3}|{\"before\":null,\"after\":{\"id\":3,\"v\":"
                                 "\"\"}" SOURCE("last_in_data_collection") "\"op\":\"r\"" TIMES
                                                                           "\n");
    assert_int_equal(tape->unit->record_rows, 3);
    assert_int_equal(last_record.commit_us, INT64_C(1704164645000000));
    assert_int_not_equal(last_record.key_hash, 0);
    assert_int_equal(last_record.flags, 0);
    close_rig();
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
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 0);
    use_table("CREATE TABLE t (id INT PRIMARY KEY)");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        forget_records();
        begin_event(cases[i].first, cases[i].last, 1);
        add_text("1");
        assert_int_equal(play(), TR_OK);
        const char *at = strstr(collected, "\"snapshot\":");
        assert_non_null(at);
        assert_memory_equal(at + strlen("\"snapshot\":"), cases[i].mark, strlen(cases[i].mark));
    }
    close_rig();
}

static void an_event_without_rows_gives_no_record(void **state)
{
    (void)state;
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 0);
    use_table("CREATE TABLE t (id INT PRIMARY KEY)");
    begin_event(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 0);
    assert_int_equal(play(), TR_OK);
    assert_int_equal(collected_count, 0);
    close_rig();
}

static void integers_are_read_whole_or_refused(void **state)
{
    (void)state;
    open_rig(TR_FLAVOR_MARIADB, (struct tr_encode_options){0}, 0);
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
    close_rig();
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
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *text = FIELD(cases[i].type, cases[i].cell);
        assert_non_null(strstr(text, "table d.t, column c: "));
        assert_non_null(strstr(text, cases[i].reason));
    }
    close_rig();
}

static void texts_keep_every_character_and_mend_bad_bytes(void **state)
{
    (void)state;
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 0);
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
    assert_int_equal(collected_count, 1);
    assert_in_range(collected_bytes, sizeof(large), sizeof(large) + 1000);
    close_rig();
}

static void zero_and_odd_dates_are_as_the_drivers_reader_has_them(void **state)
{
    (void)state;
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 0);
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
    close_rig();
}

static void rows_and_headers_cut_off_anywhere_are_refused(void **state)
{
    (void)state;
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 0);
    use_table("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), b BLOB)");
    for (uint32_t row_count = 1; row_count <= 2; row_count++) {
        begin_event(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, row_count);
        for (uint32_t i = 0; i < row_count; i++) {
            add_text("1");
            add_text("some text");
            add_cell("\0\1\2", 3);
        }
        const size_t whole = event_bytes;
        for (event_bytes = 0; event_bytes < whole; event_bytes++) {
            assert_int_not_equal(play(), TR_OK);
        }
        assert_int_equal(play(), TR_OK);
    }
    /* A length behind the end, and one that is none. */
    begin_event(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 1);
    add_bytes("\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9);
    assert_int_not_equal(play(), TR_OK);
    begin_event(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 1);
    add_bytes("\xFF", 1);
    assert_int_not_equal(play(), TR_OK);
    begin_event(TR_SNAPSHOT_LAST + 1, TR_SNAPSHOT_TRUE, 1);
    add_text("1");
    add_text("x");
    add_text("y");
    assert_int_not_equal(play(), TR_OK);
    close_rig();
}

static void an_event_with_another_number_of_rows_than_it_says_is_refused(void **state)
{
    (void)state;
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 0);
    use_table("CREATE TABLE t (id INT PRIMARY KEY)");
    begin_event(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 2);
    add_text("1");
    assert_int_equal(play(), TR_ERR_PROTOCOL);
    assert_non_null(strstr(err.text, "has 1 rows of the snapshot, its header says 2"));
    close_rig();
}

static void events_larger_than_a_chunk_and_rows_larger_than_a_fragment_come_whole(void **state)
{
    static char text[600000];
    (void)state;
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 0);
    use_table("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)");
    memset(text, 'x', sizeof(text) - 1);
    begin_event(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_LAST, 2);
    add_text("1");
    add_text(text);
    add_text("2");
    add_text("short");
    assert_int_equal(play(), TR_OK);
    assert_int_equal(collected_count, 2);
    assert_non_null(strstr(collected, "{\"id\":2,\"v\":\"short\"}" SOURCE("last")));
    close_rig();
}

static void rows_fill_one_fragment_after_another(void **state)
{
    (void)state;
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 32768);
    use_table("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))");
    begin_event(TR_SNAPSHOT_FIRST, TR_SNAPSHOT_LAST, 500);
    for (uint32_t i = 0; i < 500; i++) {
        char number[12];
        (void)snprintf(number, sizeof(number), "%u", i);
        add_text(number);
        add_text("value");
    }
    assert_int_equal(play(), TR_OK);
    assert_int_equal(collected_count, 500);
    assert_non_null(strstr(collected, "{\"id\":0,\"v\":\"value\"}" SOURCE("first")));
    assert_non_null(strstr(collected, "{\"id\":250,\"v\":\"value\"}" SOURCE("true")));
    assert_non_null(strstr(collected, "{\"id\":499,\"v\":\"value\"}" SOURCE("last")));
    close_rig();
}

static void keyless_tables_give_reads_without_a_key(void **state)
{
    (void)state;
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 0);
    use_table("CREATE TABLE t (id INT)");
    begin_event(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 1);
    add_text("1");
    assert_int_equal(play(), TR_OK);
    assert_int_equal(last_record.key_bytes, 0);
    assert_int_equal(last_record.flags, TR_RECORD_KEYLESS);
    close_rig();
}

static void truncate_is_a_record_without_key_and_images(void **state)
{
    (void)state;
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 0);
    use_table("CREATE TABLE t (id INT PRIMARY KEY)");
    tape->item.kind = TR_ITEM_TRUNCATE;
    tape->item.op = TR_ROW_TRUNCATE;
    tape->item.event_type = 0;
    assert_int_equal(play(), TR_OK);
    assert_string_equal(collected, "p.d.t||{\"before\":null,\"after\":null" SOURCE(
                                       "false") "\"op\":\"t\"" TIMES "\n");
    assert_int_equal(last_record.flags, TR_RECORD_KEYLESS);
    assert_int_equal(last_record.key_hash, 0);
    close_rig();

    open_rig(TR_FLAVOR_MYSQL,
             (struct tr_encode_options){.key_schemas = true, .value_schemas = true}, 0);
    use_table("CREATE TABLE t (id INT PRIMARY KEY)");
    tape->item.kind = TR_ITEM_TRUNCATE;
    tape->item.op = TR_ROW_TRUNCATE;
    assert_int_equal(play(), TR_OK);
    assert_int_equal(strncmp(collected, "p.d.t||{\"schema\":{", 18), 0);
    assert_non_null(strstr(collected, "\"payload\":{\"before\":null,\"after\":null,\"source\":"));
    assert_string_equal(collected + collected_bytes - 3, "}}\n");
    close_rig();
}

static struct tr_prepared *prepared_of(const char *stream, const char *key, size_t value_bytes)
{
    struct tr_prepared *prepared = calloc(1, sizeof(*prepared) + strlen(key) + value_bytes);

    assert_non_null(prepared);
    prepared->stream = tr_streams_intern(tape->streams, tr_span_of_text(stream), &err);
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
    return tr_tape_item(tape, item, NULL, 0, &err);
}

static void prepared_records_are_copied_as_they_are(void **state)
{
    (void)state;
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 0);
    struct tr_prepared *prepared = prepared_of("p", "{\"databaseName\":\"d\"}", 3);
    assert_int_equal(play_prepared(prepared), TR_OK);
    assert_string_equal(collected, "p|{\"databaseName\":\"d\"}|vvv\n");
    assert_int_equal(last_record.commit_us, 77);
    assert_int_equal(last_record.unit_seq, tape->unit_seq);
    assert_int_equal(last_record.flags, 0);
    const uint64_t hash = last_record.key_hash;
    assert_int_equal(play_prepared(prepared), TR_OK);
    assert_int_equal(last_record.key_hash, hash);
    free(prepared);
    close_rig();
}

static void prepared_records_take_a_jumbo_or_are_refused(void **state)
{
    (void)state;
    open_rig(TR_FLAVOR_MYSQL, (struct tr_encode_options){0}, 4096);
    struct tr_prepared *prepared = prepared_of("p", "k", 100000);
    assert_int_equal(play_prepared(prepared), TR_OK);
    assert_int_equal(collected_count, 1);
    assert_int_equal(last_record.value_bytes, 100000);
    free(prepared);
    prepared = prepared_of("p", "k", 40u << 20);
    assert_int_equal(play_prepared(prepared), TR_ERR_SINK_RECORD);
    assert_non_null(strstr(err.text, "stream p: the record of a schema change at binlog.000001:4"));
    free(prepared);
    close_rig();
}

static size_t unhex(uint8_t *out, const char *hex, size_t digits)
{
    for (size_t i = 0; i < digits; i += 2) {
        const char pair[3] = {hex[i], hex[i + 1], '\0'};
        out[i / 2] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return digits / 2;
}

/* \n and \\ in place. */
static size_t unescape(char *text)
{
    size_t bytes = 0;
    for (const char *at = text; *at != '\0'; at++) {
        at += *at == '\\' ? 1 : 0;
        text[bytes++] = (char)(at[-1] == '\\' && *at == 'n' ? '\n' : *at);
    }
    return bytes;
}

static void add_cells(const char *cells)
{
    static uint8_t bytes[1u << 20];

    for (const char *at = cells; *at != '\0';) {
        const size_t digits = strcspn(at, " ");
        if (*at == '-') {
            add_cell(NULL, 0);
        } else {
            add_cell(bytes, *at == '.' ? 0 : unhex(bytes, at, digits));
        }
        at += digits + (at[digits] == ' ' ? 1 : 0);
    }
}

/* "row  CELLS  KEY  AFTER": plays it and compares. */
static uint32_t check_row(const char *path, char *line)
{
    static char want[1u << 20];
    char *key = strchr(line, '\t');
    assert_non_null(key);
    *key++ = '\0';
    char *after = strchr(key, '\t');
    assert_non_null(after);
    *after++ = '\0';
    forget_records();
    begin_event(TR_SNAPSHOT_TRUE, TR_SNAPSHOT_TRUE, 1);
    add_cells(line);
    if (play() != TR_OK) {
        (void)fprintf(stderr, "%s: %s\n", path, err.text);
        return 1;
    }
    (void)snprintf(want, sizeof(want), "|%s|{\"before\":null,\"after\":%s,\"source\":{\"version\"",
                   key, after);
    const char *got = strchr(collected, '|');
    assert_non_null(got);
    const bool is_equal = strncmp(got, want, strlen(want)) == 0;
    if (!is_equal) {
        (void)fprintf(stderr, "%s\nwant: %s\ngot:  %.*s\n", path, want, (int)strlen(want) + 200,
                      got);
    }
    return is_equal ? 0 : 1;
}

static uint32_t run_file(const char *path, uint32_t *row_count)
{
    static char line[1u << 21];
    FILE *file = fopen(path, "r");
    uint32_t failed = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "# ", 2) == 0) {
            open_rig(strncmp(line + 2, "mariadb", 7) == 0 ? TR_FLAVOR_MARIADB : TR_FLAVOR_MYSQL,
                     (struct tr_encode_options){0}, 0);
        } else if (strncmp(line, "table\t", 6) == 0) {
            char *sql = strchr(line + 6, '\t');
            assert_non_null(sql);
            *sql++ = '\0';
            const size_t sql_bytes = unescape(sql);
            tape->item.schema =
                tr_tape_add_text(tape, table_of(line + 6, tr_span_of(sql, sql_bytes)), &err);
            assert_non_null(tape->item.schema);
        } else if (strncmp(line, "row\t", 4) == 0) {
            failed += check_row(path, line + 4);
            (*row_count)++;
        }
    }
    (void)fclose(file);
    close_rig();
    return failed;
}

/* Cells as the servers sent them, records as Debezium made them of the same rows. */
static void rows_of_the_servers_give_debeziums_records(void **state)
{
    DIR *folder = opendir(TR_TEST_DATA "/text_rows");
    uint32_t failed = 0;
    uint32_t row_count = 0;
    (void)state;
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[512];
        if (entry->d_name[0] != '.') {
            (void)snprintf(path, sizeof(path), "%s/%s", TR_TEST_DATA "/text_rows", entry->d_name);
            failed += run_file(path, &row_count);
        }
    }
    (void)closedir(folder);
    assert_int_equal(failed, 0);
    assert_in_range(row_count, 100, 100000);
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
        cmocka_unit_test(rows_of_the_servers_give_debeziums_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
