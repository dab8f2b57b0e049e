// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/support/tape.h"

/* Records as they came, one line each: STREAM|KEY|VALUE. */
struct collected {
    char text[1u << 20];
    size_t bytes;
    uint32_t count;
};

static struct collected collected;

static void collect(struct tr_tape *tape, const struct tr_stream *stream,
                    const struct tr_record *record)
{
    (void)tape;
    const int bytes = snprintf(
        collected.text + collected.bytes, sizeof(collected.text) - collected.bytes,
        "%s|%.*s|%.*s\n", stream->name, (int)record->key_bytes, (const char *)tr_record_key(record),
        (int)record->value_bytes, (const char *)tr_record_value(record));
    assert_true(bytes > 0 && (size_t)bytes < sizeof(collected.text) - collected.bytes);
    collected.bytes += (size_t)bytes;
    collected.count++;
}

static const struct tr_encode_options plain_options = {
    .flavor = TR_FLAVOR_MYSQL,
    .topic_prefix = {(const uint8_t *)"p", 1},
    .tombstones_on_delete = true,
    .enable_time_adjuster = true,
    .gtid_mode = true,
    .row_bytes_max = 1u << 20,
    .record_bytes_max = 1u << 20,
};

static size_t unhex(uint8_t *out, const char *hex)
{
    size_t bytes = 0;
    for (; hex[0] != '\0'; hex += 2) {
        const char pair[3] = {hex[0], hex[1], '\0'};
        out[bytes++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return bytes;
}

static void open_tape(struct tr_tape *tape, const struct tr_encode_options *options)
{
    memset(tape, 0, sizeof(*tape));
    memset(&collected, 0, sizeof(collected));
    tape->on_record = collect;
    tape->build_from_maps = true;
    tr_tape_open(tape, options);
    tape->wall_unix_ns = INT64_C(1700000000123456789);
}

/* Source: mysql-binlog.md, appendix A: MySQL 9.7.4, table v.t with FULL metadata. */
static const char map_vt[] =
    "b0a9026b1301000000600000003c06000000003e010000000001000176000174000603f60ffe11f5080a025000f701"
    "03043e0101800203fcff00"
    "040e026964016e01730165027473016a0a03fcff00060502016101620801000c01fca73a49c7";
static const char write_vt[] = "b0a9026b1e01000000570000009306000000003e01000000001100020006ff00010"
                               "000007ffffff3dd02c3a90265937d251a7c1c000000000100"
                               "1b000b000100020c006103000f000501000401000c0d0001786738b0c1";
static const char update_vt[] = "b0a9026b1f0100000089000000f008000000003e01000000001100020006ffff00"
                                "010000007ffffff3dd02c3a90265937d251a7c1c0000000001"
                                "001b000b000100020c006103000f000501000401000c0d00017804010000007fff"
                                "fff3dd0165937d251a7c1c0000000001001b000b000100020c"
                                "006103000f000501000401000c0d0001787f686ee4";
static const char delete_vt[] = "b0a9026b200100000058000000860d000000003e01000000001100020006ff0401"
                                "0000007ffffff3dd0165937d251a7c200000000001001f000b"
                                "000100020c006103001300070d000401000c11007011010001789fa53cb4";

#define SOURCE_VT                                                                                  \
    "\"source\":{\"version\":\"3.6.0.Final\",\"connector\":\"mysql\",\"name\":\"p\",\"ts_ms\":"    \
    "1704164645678,"                                                                               \
    "\"snapshot\":\"false\",\"db\":\"v\",\"sequence\":null,\"ts_us\":1704164645678901,\"ts_ns\":"  \
    "1704164645678901000,"                                                                         \
    "\"table\":\"t\",\"server_id\":1,\"gtid\":null,\"file\":\"binlog.000001\",\"pos\":1683,"       \
    "\"row\":0,\"thread\":56,"                                                                     \
    "\"query\":null},\"transaction\":null,"
#define TIMES ",\"ts_ms\":1700000000123,\"ts_us\":1700000000123456,\"ts_ns\":1700000000123456789}"

static void play_vt(struct tr_tape *tape, const char *rows)
{
    struct tr_error err = {0};
    uint8_t event[512];

    tape->item.ts_us = INT64_C(1704164645678901);
    tape->item.pos = 1683;
    tape->item.thread_id = 56;
    size_t bytes = unhex(event, map_vt);
    assert_int_equal(tr_tape_map(tape, event + 19, bytes - 19 - 4, &err), TR_OK);
    bytes = unhex(event, rows);
    assert_int_equal(tr_tape_rows(tape, event, bytes - 4, &err), TR_OK);
}

static void decode_writes_a_create_record_with_its_members_in_debeziums_order(void **state)
{
    (void)state;
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    open_tape(tape, &plain_options);
    play_vt(tape, write_vt);
    assert_string_equal(
        collected.text,
        "p.v.t|{\"id\":1}|{\"before\":null,\"after\":{\"id\":1,\"n\":\"+y4=\",\"s\":\"é\",\"e\":"
        "\"b\","
        "\"ts\":\"2024-01-02T03:04:05.678Z\",\"j\":\"{\\\"a\\\":[1,true,\\\"x\\\"]}\"}," SOURCE_VT
        "\"op\":\"c\"" TIMES "\n");
    tr_tape_close(tape);
    free(tape);
}

static void decode_writes_both_images_of_an_update(void **state)
{
    (void)state;
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    open_tape(tape, &plain_options);
    play_vt(tape, update_vt);
    assert_int_equal(collected.count, 1);
    assert_non_null(
        strstr(collected.text,
               "p.v.t|{\"id\":1}|{\"before\":{\"id\":1,\"n\":\"+y4=\",\"s\":\"é\",\"e\":\"b\""));
    assert_non_null(
        strstr(collected.text, "},\"after\":{\"id\":1,\"n\":\"+y4=\",\"s\":null,\"e\":\"a\""));
    assert_non_null(strstr(collected.text, SOURCE_VT "\"op\":\"u\"" TIMES "\n"));
    tr_tape_close(tape);
    free(tape);
}

static void decode_writes_a_tombstone_behind_a_delete(void **state)
{
    (void)state;
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    open_tape(tape, &plain_options);
    play_vt(tape, delete_vt);
    assert_int_equal(collected.count, 2);
    assert_non_null(strstr(collected.text, "p.v.t|{\"id\":1}|{\"before\":{\"id\":1,"));
    assert_non_null(strstr(collected.text, "},\"after\":null," SOURCE_VT "\"op\":\"d\"" TIMES
                                           "\np.v.t|{\"id\":1}|\n"));
    tr_tape_close(tape);
    free(tape);
}

/* --- a hand-made table --------------------------------------------------------------------------
 * t(id INT, v TEXT): events are built by hand, images are FULL.
 */
struct maker {
    uint8_t event[600000];
    size_t bytes;
};

static struct maker maker;

static const char map_hand[] = "4d0000000000"
                               "0100"
                               "01"
                               "64"
                               "00"
                               "01"
                               "74"
                               "00"
                               "02"
                               "03fc"
                               "01"
                               "02"
                               "02";

static struct tr_table *hand_table(uint32_t key_count)
{
    struct tr_error err;
    struct tr_table *table = tr_table_open(tr_span_of_text("d"), tr_span_of_text("t"), 2, &err);
    assert_non_null(table);
    table->columns[0] = (struct tr_column){.name = tr_span_of_text("id"), .type = TR_COLUMN_INT};
    table->columns[1] = (struct tr_column){.name = tr_span_of_text("v"),
                                           .type = TR_COLUMN_TEXT,
                                           .charset = TR_CHARSET_UTF8,
                                           .is_nullable = true};
    table->key_columns = tr_table_array(table, sizeof(uint16_t));
    table->key_count = key_count;
    return table;
}

static void open_hand(struct tr_tape *tape, const struct tr_encode_options *options,
                      uint32_t key_count)
{
    struct tr_error err = {0};
    uint8_t map[64];

    open_tape(tape, options);
    (void)tr_tape_add_table(tape, hand_table(key_count));
    const size_t bytes = unhex(map, map_hand);
    assert_int_equal(tr_tape_map(tape, map, bytes, &err), TR_OK);
}

static void begin_event(uint8_t type)
{
    memset(maker.event, 0, 29);
    maker.event[4] = type;
    maker.event[19] = 0x4d; /* table id */
    maker.event[27] = 2;    /* extra data: only its own length */
    maker.event[29] = 2;    /* columns */
    maker.bytes = 30;
    for (uint32_t i = 0; i < (type == 31 ? 2u : 1u); i++) {
        maker.event[maker.bytes++] = 0xFF;
    }
}

static void add_image(int32_t id, const char *text, size_t text_bytes)
{
    maker.event[maker.bytes++] = text == NULL ? 2 : 0;
    memcpy(maker.event + maker.bytes, &id, 4);
    maker.bytes += 4;
    if (text != NULL) {
        maker.event[maker.bytes++] = (uint8_t)text_bytes;
        maker.event[maker.bytes++] = (uint8_t)(text_bytes >> 8);
        memcpy(maker.event + maker.bytes, text, text_bytes);
        maker.bytes += text_bytes;
    }
}

static void text_of_any_bytes_becomes_what_java_makes_of_it(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        const char *json;
    } cases[] = {
        {"plain", "plain"},
        {"\"\\/\b\t\n\f\r\x01\x1F\x7F", "\\\"\\\\/\\b\\t\\n\\f\\r\\u0001\\u001F\x7F"},
        {"\xC3\xA9\xE6\x97\xA5", "\xC3\xA9\xE6\x97\xA5"},
        {"\xF0\x9F\x98\x80", "\\uD83D\\uDE00"},
        {"\xF4\x8F\xBF\xBF", "\\uDBFF\\uDFFF"},
        {"a\x80"
         "b",
         "a\xEF\xBF\xBD"
         "b"},                                    /* a continuation alone */
        {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"}, /* overlong: one each */
        {"\xE2\x82", "\xEF\xBF\xBD"},             /* cut off: one together */
        {"\xE2\x82x", "\xEF\xBF\xBDx"},
        {"\xED\xA0\x80", "\xEF\xBF\xBD"}, /* a surrogate: one for three */
        {"\xF0\x9F\x98", "\xEF\xBF\xBD"},
        {"\xF5\x80\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"0123456789abcde\"0123456789abcdef\xC3\xA9",
         "0123456789abcde\\\"0123456789abcdef\xC3\xA9"},
    };
    struct tr_error err = {0};
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    char expected[256];

    open_hand(tape, &plain_options, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        collected.bytes = 0;
        begin_event(30);
        add_image((int32_t)i, cases[i].raw, strlen(cases[i].raw));
        assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), TR_OK);
        (void)snprintf(expected, sizeof(expected), "\"after\":{\"id\":%zu,\"v\":\"%s\"}", i,
                       cases[i].json);
        assert_non_null(strstr(collected.text, expected));
    }
    tr_tape_close(tape);
    free(tape);
}

static void update_that_changes_the_key_becomes_delete_tombstone_and_create(void **state)
{
    (void)state;
    struct tr_error err = {0};
    struct tr_tape *tape = calloc(1, sizeof(*tape));

    open_hand(tape, &plain_options, 1);
    begin_event(31);
    add_image(1, "a", 1);
    add_image(1, "b", 1);
    add_image(2, "c", 1);
    add_image(3, NULL, 0);
    assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), TR_OK);
    assert_int_equal(collected.count, 4);
    const char *at = strstr(
        collected.text,
        "p.d.t|{\"id\":1}|{\"before\":{\"id\":1,\"v\":\"a\"},\"after\":{\"id\":1,\"v\":\"b\"},");
    assert_non_null(at);
    assert_non_null(at = strstr(at, "\"row\":0,"));
    assert_non_null(at = strstr(at, "\"op\":\"u\""));
    assert_non_null(
        at = strstr(at, "\np.d.t|{\"id\":2}|{\"before\":{\"id\":2,\"v\":\"c\"},\"after\":null,"));
    assert_non_null(at = strstr(at, "\"row\":1,"));
    assert_non_null(at = strstr(at, "\"op\":\"d\""));
    assert_non_null(at = strstr(at, "\np.d.t|{\"id\":2}|\n"));
    assert_non_null(
        at = strstr(at, "\np.d.t|{\"id\":3}|{\"before\":null,\"after\":{\"id\":3,\"v\":null},"));
    assert_non_null(at = strstr(at, "\"row\":1,"));
    assert_non_null(strstr(at, "\"op\":\"c\""));
    assert_int_equal(tape->unit->record_rows, 2);
    tr_tape_close(tape);
    free(tape);
}

static void tombstones_and_operations_can_be_switched_off(void **state)
{
    (void)state;
    struct tr_error err = {0};
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    struct tr_encode_options options = plain_options;

    options.tombstones_on_delete = false;
    options.skipped_ops = 1u << TR_ROW_UPDATE;
    open_hand(tape, &options, 1);
    begin_event(32);
    add_image(1, "a", 1);
    assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), TR_OK);
    assert_int_equal(collected.count, 1);
    begin_event(31);
    add_image(1, "a", 1);
    add_image(1, "b", 1);
    assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), TR_OK);
    assert_int_equal(collected.count, 1);
    assert_int_equal(tape->unit->record_rows,
                     1); /* counted all the same: the position is of rows, not of records */
    tr_tape_close(tape);
    free(tape);
}

static void rows_delivered_before_a_restart_are_skipped_and_keep_their_numbers(void **state)
{
    (void)state;
    struct tr_error err = {0};
    struct tr_tape *tape = calloc(1, sizeof(*tape));

    open_hand(tape, &plain_options, 1);
    begin_event(30);
    for (int32_t i = 0; i < 5; i++) {
        add_image(i, "x", 1);
    }
    tape->item.row_first = 3;
    assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), TR_OK);
    assert_int_equal(collected.count, 2);
    assert_non_null(strstr(collected.text, "\"row\":3,"));
    assert_non_null(strstr(collected.text, "\"row\":4,"));
    assert_int_equal(tape->unit->record_rows, 5);
    tape->item.row_first = 6;
    assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), TR_ERR_STATE);
    assert_non_null(strstr(err.text, "has 5 rows, the saved position says 6"));
    tr_tape_close(tape);
    free(tape);
}

static void check_record_facts(struct tr_tape *tape, const struct tr_stream *stream,
                               const struct tr_record *record)
{
    static uint64_t first_hash;
    (void)stream;
    assert_int_equal(record->commit_us, tape->item.ts_us);
    if (collected.count == 0) {
        first_hash = record->key_hash;
    }
    assert_int_equal(record->key_hash == first_hash, collected.count != 1); /* rows 1, 2, 1 */
    collected.count++;
}

static void records_carry_the_hash_of_their_key_and_their_time(void **state)
{
    (void)state;
    struct tr_error err = {0};
    struct tr_tape *tape = calloc(1, sizeof(*tape));

    open_hand(tape, &plain_options, 1);
    tape->on_record = check_record_facts;
    tape->item.ts_us = 123456789;
    begin_event(30);
    add_image(1, "a", 1);
    add_image(2, "a", 1);
    add_image(1, "b", 1);
    assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), TR_OK);
    assert_int_equal(collected.count, 3);
    tr_tape_close(tape);
    free(tape);
}

static void keyless(struct tr_tape *tape, const struct tr_stream *stream,
                    const struct tr_record *record)
{
    (void)tape;
    (void)stream;
    assert_int_equal(record->flags, TR_RECORD_KEYLESS);
    assert_int_equal(record->key_bytes, 0);
    assert_int_equal(record->key_hash, 0);
    collected.count++;
}

static void tables_without_a_key_make_records_without_one(void **state)
{
    (void)state;
    struct tr_error err = {0};
    struct tr_tape *tape = calloc(1, sizeof(*tape));

    open_hand(tape, &plain_options, 0);
    tape->on_record = keyless;
    begin_event(32);
    add_image(1, "a", 1);
    assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), TR_OK);
    assert_int_equal(collected.count, 2); /* the delete still has its tombstone */
    tr_tape_close(tape);
    free(tape);
}

static void envelope_times_can_be_the_sources(void **state)
{
    (void)state;
    struct tr_error err = {0};
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    struct tr_encode_options options = plain_options;

    options.envelope_ts_is_source = true;
    open_hand(tape, &options, 1);
    tape->item.ts_us = INT64_C(1600000000654321);
    begin_event(30);
    add_image(1, "a", 1);
    assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), TR_OK);
    assert_non_null(strstr(collected.text,
                           "\"op\":\"c\",\"ts_ms\":1600000000654,\"ts_us\":1600000000654321,"
                           "\"ts_ns\":1600000000654321000}\n"));
    tr_tape_close(tape);
    free(tape);
}

/* --- bad input ----------------------------------------------------------------------------------
 */

static void events_cut_off_anywhere_are_refused_after_the_rows_before(void **state)
{
    (void)state;
    struct tr_error err = {0};
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    const size_t rows_at = 31;
    const size_t row_bytes = 1 + 4 + 2 + 3;

    open_hand(tape, &plain_options, 1);
    begin_event(30);
    for (int32_t i = 0; i < 3; i++) {
        add_image(i, "abc", 3);
    }
    const size_t whole = maker.bytes;
    for (size_t bytes = 25; bytes < whole; bytes++) {
        collected.count = 0;
        const enum tr_code code = tr_tape_rows(tape, maker.event, bytes, &err);
        const size_t rows = bytes < rows_at ? 0 : (bytes - rows_at) / row_bytes;
        assert_int_equal(collected.count, rows);
        if (bytes < rows_at) {
            assert_int_equal(code, TR_ERR_PROTOCOL);
        } else if ((bytes - rows_at) % row_bytes != 0) {
            assert_int_equal(code, TR_ERR_SCHEMA);
            assert_non_null(strstr(err.text, "table d.t, rows event at binlog.000001:0, row "));
        } else {
            assert_int_equal(code, TR_OK);
        }
    }
    tr_tape_close(tape);
    free(tape);
}

static void expect_refusal(struct tr_tape *tape, enum tr_code code, const char *text)
{
    struct tr_error err = {0};
    assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), code);
    assert_int_equal(err.remedy, TR_STOP);
    if (strstr(err.text, text) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", text, err.text);
    }
    assert_non_null(strstr(err.text, "d.t"));
}

static void images_and_events_that_are_not_understood_are_refused_by_name(void **state)
{
    (void)state;
    struct tr_tape *tape = calloc(1, sizeof(*tape));

    open_hand(tape, &plain_options, 1);
    begin_event(30);
    maker.event[29] = 3;
    expect_refusal(tape, TR_ERR_SCHEMA, "has 3 columns, the schema 2");
    begin_event(30);
    maker.event[27] = 1; /* less than its own two bytes */
    expect_refusal(tape, TR_ERR_PROTOCOL, "ends inside its header");
    tr_tape_close(tape);
    free(tape);
}

static void records_over_the_sinks_limit_are_refused_and_name_the_row(void **state)
{
    (void)state;
    static char text[2000];
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    struct tr_encode_options options = plain_options;

    options.record_bytes_max = 1500;
    open_hand(tape, &options, 1);
    memset(text, 'x', sizeof(text));
    begin_event(30);
    add_image(1, text, 100);
    add_image(2, text, sizeof(text));
    expect_refusal(tape, TR_ERR_SINK_RECORD,
                   "row 1: its record is larger than the sink takes (1500 bytes)");
    assert_int_equal(collected.count, 1);
    tr_tape_close(tape);
    free(tape);
}

static void types_that_are_not_known_are_refused_when_the_plan_is_made(void **state)
{
    (void)state;
    static const struct {
        enum tr_column_type type;
        enum tr_charset charset;
        enum tr_code code;
        const char *text;
    } cases[] = {
        {TR_COLUMN_INET6, TR_CHARSET_NONE, TR_ERR_SCHEMA, "column v: the log has type 252"},
        {TR_COLUMN_UNKNOWN, TR_CHARSET_NONE, TR_ERR_UNSUPPORTED,
         "table d.t, column v: its type (252 in the log) is not known: exclude the table "
         "(debezium.source.table.exclude.list)"},
        {TR_COLUMN_TEXT, TR_CHARSET_OTHER, TR_ERR_UNSUPPORTED,
         "column v: character set \"klingon\" is not known"},
        {TR_COLUMN_BIGINT, TR_CHARSET_NONE, TR_ERR_SCHEMA, "column v: the log has type 252"},
    };
    uint8_t map[64];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tr_error err = {0};
        struct tr_tape *tape = calloc(1, sizeof(*tape));
        struct tr_table *table = hand_table(1);
        open_tape(tape, &plain_options);
        table->columns[1].type = cases[i].type;
        table->columns[1].charset = cases[i].charset;
        table->columns[1].charset_name = tr_span_of_text("klingon");
        (void)tr_tape_add_table(tape, table);
        const size_t bytes = unhex(map, map_hand);
        assert_int_equal(tr_tape_map(tape, map, bytes, &err), cases[i].code);
        if (strstr(err.text, cases[i].text) == NULL) {
            fail_msg("\"%s\" is not in \"%s\"", cases[i].text, err.text);
        }
        tr_tape_close(tape);
        free(tape);
    }
}

/* --- large rows ----------------------------------------------------------------------------------
 */

static void events_larger_than_a_chunk_are_gathered_from_their_pieces(void **state)
{
    (void)state;
    static char text[60000];
    struct tr_error err = {0};
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    struct tr_encode_options options = plain_options;

    options.record_bytes_max = 0;
    open_hand(tape, &options, 1);
    tape->on_record = NULL;
    memset(text, '\n', sizeof(text)); /* doubles in the record */
    begin_event(30);
    for (int32_t i = 0; i < 9; i++) {
        add_image(i, text, sizeof(text));
    }
    assert_true(maker.bytes > 2 * TR_CHUNK_BYTES);
    assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), TR_OK);
    assert_int_equal(tape->unit->record_rows, 9);
    assert_int_equal(tape->decode.rows_total, 9);
    tr_tape_close(tape);
    free(tape);
}

static void key_change_too_large_for_one_buffer_is_split_over_two(void **state)
{
    (void)state;
    static char text[60000];
    struct tr_error err = {0};
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    struct tr_encode_options options = plain_options;

    options.record_bytes_max = 0;
    open_hand(tape, &options, 1);
    tape->fragment->room_bytes = 30 * 1024;
    tape->jumbo->room_bytes = 100 * 1024; /* one image fits, two do not */
    memset(text, 'x', sizeof(text));
    begin_event(31);
    add_image(1, text, sizeof(text));
    add_image(2, text, sizeof(text));
    assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), TR_OK);
    assert_int_equal(collected.count, 3);
    begin_event(31); /* without a key change there is no way */
    add_image(1, text, sizeof(text));
    add_image(1, text, sizeof(text));
    assert_int_equal(tr_tape_rows(tape, maker.event, maker.bytes, &err), TR_ERR_SINK_RECORD);
    tr_tape_close(tape);
    free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_writes_a_create_record_with_its_members_in_debeziums_order),
        cmocka_unit_test(decode_writes_both_images_of_an_update),
        cmocka_unit_test(decode_writes_a_tombstone_behind_a_delete),
        cmocka_unit_test(text_of_any_bytes_becomes_what_java_makes_of_it),
        cmocka_unit_test(update_that_changes_the_key_becomes_delete_tombstone_and_create),
        cmocka_unit_test(tombstones_and_operations_can_be_switched_off),
        cmocka_unit_test(rows_delivered_before_a_restart_are_skipped_and_keep_their_numbers),
        cmocka_unit_test(records_carry_the_hash_of_their_key_and_their_time),
        cmocka_unit_test(tables_without_a_key_make_records_without_one),
        cmocka_unit_test(envelope_times_can_be_the_sources),
        cmocka_unit_test(events_cut_off_anywhere_are_refused_after_the_rows_before),
        cmocka_unit_test(images_and_events_that_are_not_understood_are_refused_by_name),
        cmocka_unit_test(records_over_the_sinks_limit_are_refused_and_name_the_row),
        cmocka_unit_test(types_that_are_not_known_are_refused_when_the_plan_is_made),
        cmocka_unit_test(events_larger_than_a_chunk_are_gathered_from_their_pieces),
        cmocka_unit_test(key_change_too_large_for_one_buffer_is_split_over_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
