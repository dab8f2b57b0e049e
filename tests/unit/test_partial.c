// SPDX-License-Identifier: Apache-2.0
/* Row images that lack columns, and partial JSON updates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/decode/json_binary.h"
#include "stages/decode/json_patch.h"
#include "tests/check.h"
#include "tests/support/tape.h"

#define WRITE 30
#define UPDATE 31
#define DELETE 32

static char records[1u << 16];

static void collect(struct tr_tape *tape, const struct tr_stream *stream,
                    const struct tr_record *record)
{
    const size_t used = strlen(records);
    const char *value = (const char *)tr_record_value(record);
    const char *end = record->value_bytes == 0 ? value : strstr(value, ",\"source\"");

    (void)tape;
    (void)stream;
    const int bytes =
        snprintf(records + used, sizeof(records) - used, "%.*s %.*s\n", (int)record->key_bytes,
                 (const char *)tr_record_key(record), (int)(end - value), value);
    assert_true(bytes > 0 && (size_t)bytes < sizeof(records) - used);
}

/* d.t (id INT, n INT, v TEXT, b BLOB, g INT, s VARCHAR(9)): g and s are generated. */
static const char map[] = "\x4d\0\0\0\0\0\1\0\1d\0\1t\0\6\x03\x03\xfc\xfc\x03\x0f\4\2\2\x24\0\x3e";
enum { ID = 1, N = 2, V = 4, B = 8, G = 16, S = 32, ALL = 63 };

static struct tr_table *make_table(void)
{
    static const struct {
        const char *name;
        enum tr_column_type type;
    } columns[] = {{"id", TR_COLUMN_INT}, {"n", TR_COLUMN_INT}, {"v", TR_COLUMN_TEXT},
                   {"b", TR_COLUMN_BLOB}, {"g", TR_COLUMN_INT}, {"s", TR_COLUMN_VARCHAR}};
    struct tr_error err;
    struct tr_table *table = tr_table_open(tr_span_of_text("d"), tr_span_of_text("t"), 6, &err);

    assert_non_null(table);
    for (uint32_t i = 0; i < 6; i++) {
        table->columns[i] = (struct tr_column){
            .name = tr_span_of_text(columns[i].name),
            .type = columns[i].type,
            .charset = columns[i].type == TR_COLUMN_TEXT || columns[i].type == TR_COLUMN_VARCHAR
                           ? TR_CHARSET_UTF8
                           : TR_CHARSET_NONE,
            .length = 9,
            .is_generated = i >= 4,
            .is_nullable = i != 0};
    }
    table->key_columns = tr_table_array(table, sizeof(uint16_t));
    table->key_count = 1;
    return table;
}

static uint8_t event[4096];
static size_t event_bytes;

static struct tr_tape *open_tape(struct tr_table *table, struct tr_span placeholder, bool lenient)
{
    const struct tr_encode_options options = {.flavor = TR_FLAVOR_MYSQL,
                                              .topic_prefix = tr_span_of_text("p"),
                                              .tombstones_on_delete = true,
                                              .enable_time_adjuster = true,
                                              .unavailable_value = placeholder,
                                              .row_bytes_max = 1u << 20,
                                              .lenient = lenient};
    struct tr_tape *tape = calloc(1, sizeof(*tape));
    struct tr_error err = {0};

    assert_non_null(tape);
    records[0] = '\0';
    tape->on_record = collect;
    tr_tape_open(tape, &options);
    (void)tr_tape_add_table(tape, table);
    const enum tr_code code = tr_tape_map(tape, (const uint8_t *)map, sizeof(map) - 1, &err);
    if (code != TR_OK) {
        fail_msg("%s", err.text);
    }
    return tape;
}

static void close_tape(struct tr_tape *tape)
{
    tr_tape_close(tape);
    free(tape);
}

static void begin(uint8_t type, uint8_t first, uint8_t second)
{
    memset(event, 0, sizeof(event));
    event[4] = type;
    event[19] = 0x4d;
    event[27] = 2;
    event[29] = 6;
    event[30] = first;
    event[31] = second;
    event_bytes = type == UPDATE ? 32 : 31;
}

/* An image of the columns in `present`: id, n = number, texts = text; those in `nulls` are NULL. */
static void add_image(uint8_t present, uint8_t nulls, int32_t id, int32_t number, const char *text)
{
    uint8_t *bitmap = &event[event_bytes++];
    uint32_t bit = 0;

    *bitmap = 0;
    for (uint32_t i = 0; i < 6; i++) {
        if ((present >> i & 1) == 0) {
            continue;
        }
        const bool is_null = (nulls >> i & 1) != 0;
        *bitmap = (uint8_t)(*bitmap | (is_null ? 1u << bit : 0));
        bit++;
        if (is_null) {
            continue;
        }
        if (i == 0 || i == 1 || i == 4) {
            memcpy(event + event_bytes, i == 0 ? &id : &number, 4);
            event_bytes += 4;
            continue;
        }
        event[event_bytes] = (uint8_t)strlen(text);
        event_bytes += i == 5 ? 1 : 2; /* TEXT and BLOB have two length bytes */
        memcpy(event + event_bytes, text, strlen(text));
        event_bytes += strlen(text);
    }
}

static void expect(struct tr_tape *tape, const char *text)
{
    struct tr_error err = {0};

    if (tr_tape_rows(tape, event, event_bytes, &err) != TR_OK) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(records, text);
    records[0] = '\0';
}

static void expect_refusal(struct tr_tape *tape, enum tr_code code, const char *text)
{
    struct tr_error err = {0};

    assert_int_equal(tr_tape_rows(tape, event, event_bytes, &err), code);
    assert_null(strchr(err.text, '\n'));
    if (strstr(err.text, text) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", text, err.text);
    }
}

#define UNAVAILABLE "\"__debezium_unavailable_value\""
#define UNAVAILABLE_BYTES "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\""

static void what_an_after_image_lacks_comes_from_the_before_image(void **state)
{
    (void)state;
    struct tr_tape *tape = open_tape(make_table(), (struct tr_span){0}, false);

    begin(UPDATE, ALL, N | B); /* FULL_NODUP: what the statement assigned */
    add_image(ALL, V, 1, 7, "old");
    add_image(N | B, B, 0, 8, "new");
    add_image(ALL, 0, 2, 9, "old");
    add_image(N | B, 0, 0, 10, "new");
    expect(tape,
           "{\"id\":1} {\"before\":{\"id\":1,\"n\":7,\"v\":null,\"b\":\"b2xk\",\"g\":7,\"s\":"
           "\"old\"},\"after\":{\"id\":1,\"n\":8,\"v\":null,\"b\":null,\"g\":7,\"s\":\"old\"}\n"
           "{\"id\":2} {\"before\":{\"id\":2,\"n\":9,\"v\":\"old\",\"b\":\"b2xk\",\"g\":9,\"s\":"
           "\"old\"},\"after\":{\"id\":2,\"n\":10,\"v\":\"old\",\"b\":\"bmV3\",\"g\":9,\"s\":"
           "\"old\"}\n");
    close_tape(tape);
}

static void text_and_blobs_that_no_image_has_become_the_placeholder(void **state)
{
    (void)state;
    struct tr_tape *tape = open_tape(make_table(), (struct tr_span){0}, false);
    const uint8_t no_blob = ID | N | G | S;

    begin(UPDATE, no_blob, no_blob | B);
    add_image(no_blob, 0, 1, 7, "x");
    add_image(no_blob | B, 0, 1, 8, "y");
    expect(tape, "{\"id\":1} {\"before\":{\"id\":1,\"n\":7,\"v\":" UNAVAILABLE
                 ",\"b\":" UNAVAILABLE_BYTES ",\"g\":7,\"s\":\"x\"},\"after\":{\"id\":1,\"n\":8,"
                 "\"v\":" UNAVAILABLE ",\"b\":\"eQ==\",\"g\":8,\"s\":\"y\"}\n");
    assert_int_equal(tape->decode.partial.unavailable_total, 3);
    begin(DELETE, no_blob, 0);
    add_image(no_blob, 0, 1, 8, "y");
    expect(tape, "{\"id\":1} {\"before\":{\"id\":1,\"n\":8,\"v\":" UNAVAILABLE
                 ",\"b\":" UNAVAILABLE_BYTES ",\"g\":8,\"s\":\"y\"},\"after\":null\n{\"id\":1} \n");
    close_tape(tape);
}

static void the_placeholder_is_the_configured_one_also_in_hex(void **state)
{
    (void)state;
    static const struct {
        const char *option;
        const char *text;
        const char *bytes;
    } cases[] = {{"gone \"away\"", "\"gone \\\"away\\\"\"", "\"Z29uZSAiYXdheSI=\""},
                 {"hex:41ff", "\"A\xEF\xBF\xBD\"", "\"Qf8=\""}};
    char want[512];

    for (size_t i = 0; i < 2; i++) {
        struct tr_tape *tape = open_tape(make_table(), tr_span_of_text(cases[i].option), false);
        begin(WRITE, ID | N | G | S, 0);
        add_image(ID | N | G | S, 0, 1, 7, "x");
        (void)snprintf(want, sizeof(want),
                       "{\"id\":1} {\"before\":null,\"after\":{\"id\":1,\"n\":7,\"v\":%s,\"b\":%s,"
                       "\"g\":7,\"s\":\"x\"}\n",
                       cases[i].text, cases[i].bytes);
        expect(tape, want);
        close_tape(tape);
    }
}

static void generated_columns_that_are_left_out_are_null_or_the_placeholder(void **state)
{
    (void)state;
    struct tr_tape *tape = open_tape(make_table(), (struct tr_span){0}, false);
    const uint8_t plain = ID | N | V | B;

    begin(UPDATE, plain, plain);
    add_image(plain, 0, 1, 7, "x");
    add_image(plain, 0, 2, 7, "x"); /* changes the key */
    expect(tape,
           "{\"id\":1} "
           "{\"before\":{\"id\":1,\"n\":7,\"v\":\"x\",\"b\":\"eA==\",\"g\":null,\"s\":" UNAVAILABLE
           "},\"after\":null\n{\"id\":1} \n"
           "{\"id\":2} {\"before\":null,\"after\":{\"id\":2,\"n\":7,\"v\":\"x\",\"b\":\"eA==\","
           "\"g\":null,\"s\":" UNAVAILABLE "}\n");
    close_tape(tape);
    struct tr_table *table = make_table();
    table->columns[4].is_nullable = false;
    tape = open_tape(table, (struct tr_span){0}, false);
    expect_refusal(tape, TR_ERR_UNSUPPORTED,
                   "column g: the row image lacks it: its session had another binlog_row_image "
                   "than FULL, or the server logs no generated columns: make it nullable;");
    close_tape(tape);
}

static void other_columns_that_are_left_out_stop_by_name(void **state)
{
    (void)state;
    struct tr_tape *tape = open_tape(make_table(), (struct tr_span){0}, false);

    begin(DELETE, ID, 0); /* MINIMAL */
    add_image(ID, 0, 1, 0, "");
    expect_refusal(tape, TR_ERR_UNSUPPORTED, "table d.t, rows event at binlog.000001:");
    expect_refusal(tape, TR_ERR_UNSUPPORTED,
                   "set binlog_row_image=FULL on the server and in every session");
    close_tape(tape);
    tape = open_tape(make_table(), (struct tr_span){0}, false);
    expect_refusal(tape, TR_ERR_UNSUPPORTED, "column n: the row image lacks it");
    close_tape(tape);
    tape = open_tape(make_table(), (struct tr_span){0},
                     true); /* tailrace decode shows it all the same */
    expect(tape, "{\"id\":1} {\"before\":{\"id\":1,\"n\":" UNAVAILABLE ",\"v\":" UNAVAILABLE
                 ",\"b\":" UNAVAILABLE ",\"g\":" UNAVAILABLE ",\"s\":" UNAVAILABLE
                 "},\"after\":null\n{\"id\":1} \n");
    begin(DELETE, N, 0); /* without the key there is no record */
    add_image(N, 0, 1, 0, "");
    expect_refusal(tape, TR_ERR_UNSUPPORTED, "column id: the row image lacks it");
    close_tape(tape);
}

static void rows_without_any_column_are_not_passed_over(void **state)
{
    (void)state;
    for (int is_lenient = 0; is_lenient < 2; is_lenient++) {
        struct tr_tape *tape = open_tape(make_table(), (struct tr_span){0}, is_lenient != 0);
        begin(WRITE, 0, 0); /* INSERT INTO t VALUES () with MINIMAL: a row of no bytes */
        expect_refusal(tape, TR_ERR_UNSUPPORTED, "the row images have no columns");
        close_tape(tape);
        tape = open_tape(make_table(), (struct tr_span){0}, is_lenient != 0);
        begin(UPDATE, 0, N);
        add_image(N, 0, 0, 7, "");
        expect_refusal(tape, TR_ERR_UNSUPPORTED, "the row images have no columns");
        close_tape(tape);
    }
}

/* The image's end is the next row's begin: neither may be taken for the other. */
static void an_after_image_without_any_column_equals_the_before_image(void **state)
{
    (void)state;
    struct tr_tape *tape = open_tape(make_table(), (struct tr_span){0}, false);

    begin(UPDATE, ALL, 0);
    add_image(ALL, 0, 1, 7, "x");
    add_image(ALL, 0, 2, 8, "y");
    expect(
        tape,
        "{\"id\":1} {\"before\":{\"id\":1,\"n\":7,\"v\":\"x\",\"b\":\"eA==\",\"g\":7,\"s\":\"x\"},"
        "\"after\":{\"id\":1,\"n\":7,\"v\":\"x\",\"b\":\"eA==\",\"g\":7,\"s\":\"x\"}\n"
        "{\"id\":2} {\"before\":{\"id\":2,\"n\":8,\"v\":\"y\",\"b\":\"eQ==\",\"g\":8,\"s\":\"y\"},"
        "\"after\":{\"id\":2,\"n\":8,\"v\":\"y\",\"b\":\"eQ==\",\"g\":8,\"s\":\"y\"}\n");
    close_tape(tape);
}

static void a_row_cut_anywhere_is_refused(void **state)
{
    (void)state;
    begin(UPDATE, ID | N | V, N | B);
    add_image(ID | N | V, 0, 1, 7, "text");
    add_image(N | B, 0, 0, 8, "blob");
    const size_t whole = event_bytes;

    for (size_t bytes = 33; bytes < whole; bytes++) {
        struct tr_tape *tape = open_tape(make_table(), (struct tr_span){0}, true);
        event_bytes = bytes;
        expect_refusal(tape, TR_ERR_SCHEMA, "the row ends inside");
        close_tape(tape);
    }
}

/* --- partial JSON ------------------------------------------------------------------------------
 */

/* A difference: operation, path, and a value of one byte as int16, or none. */
static size_t put_diff(uint8_t *out, uint8_t operation, const char *path, int number)
{
    size_t bytes = 0;

    out[bytes++] = operation;
    out[bytes++] = (uint8_t)strlen(path);
    memcpy(out + bytes, path, strlen(path));
    bytes += strlen(path);
    if (operation != 2) {
        out[bytes++] = 3;
        out[bytes++] = 5;
        out[bytes++] = (uint8_t)number;
        out[bytes++] = (uint8_t)(number >> 8);
    }
    return bytes;
}

/* {"a":[1,true,"x"]} as MySQL 9.7.4 wrote it. */
static const uint8_t document[] = {0, 1,    0, 0x1b, 0, 0x0b, 0, 1, 0, 2,    0x0c, 0, 'a', 3,
                                   0, 0x0f, 0, 5,    1, 0,    4, 1, 0, 0x0c, 0x0d, 0, 1,   'x'};

static const char *patch(struct tr_span from, struct tr_span diffs, char *text, size_t room)
{
    static uint8_t scratch[8192];
    uint8_t out[4096];
    uint8_t *at = out;
    struct tr_span result;

    const char *reason = tr_json_patch(from, diffs, scratch, room, &result);
    if (reason != NULL) {
        return reason;
    }
    assert_int_equal(tr_json_binary_put(&at, out + 2048, result), TR_WRITE_OK);
    size_t bytes = 0;
    for (const uint8_t *in = out; in < at; in++) { /* without the escapes of the outer string */
        in += *in == '\\';
        text[bytes++] = (char)*in;
    }
    text[bytes] = '\0';
    return NULL;
}

static void differences_are_applied_in_order_to_objects_and_arrays(void **state)
{
    (void)state;
    static const struct {
        struct {
            uint8_t operation;
            const char *path;
            int number;
        } diffs[4];
        const char *text;
    } cases[] = {
        {{{0}}, "{\"a\":[1,true,\"x\"]}"},
        {{{0, "$.a[0]", 700}}, "{\"a\":[700,true,\"x\"]}"},
        {{{0, "$.a", -1}}, "{\"a\":-1}"},
        {{{0, "$", 5}}, "5"},
        {{{1, "$.b", 2}}, "{\"a\":[1,true,\"x\"],\"b\":2}"},
        {{{1, "$.B", 2}, {1, "$.aa", 3}, {1, "$.\"\"", 4}},
         "{\"\":4,\"B\":2,\"a\":[1,true,\"x\"],\"aa\":3}"},
        {{{1, "$.a[1]", 9}}, "{\"a\":[1,9,true,\"x\"]}"},
        {{{1, "$.a[3]", 9}, {1, "$.a[77]", 10}}, "{\"a\":[1,true,\"x\",9,10]}"},
        {{{2, "$.a[0]", 0}, {2, "$.a[1]", 0}, {2, "$.a[0]", 0}}, "{\"a\":[]}"},
        {{{2, "$.a", 0}}, "{}"},
        {{{2, "$.a", 0}, {1, "$.\"k \\\"q\\\" \\u000a\"", 1}}, "{\"k \\\"q\\\" \\n\":1}"},
    };
    char text[4096];
    uint8_t diffs[512];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bytes = 0;
        for (size_t d = 0; d < 4 && cases[i].diffs[d].path != NULL; d++) {
            bytes += put_diff(diffs + bytes, cases[i].diffs[d].operation, cases[i].diffs[d].path,
                              cases[i].diffs[d].number);
        }
        const char *reason =
            patch(tr_span_of(document, sizeof(document)), tr_span_of(diffs, bytes), text, 8192);
        if (reason != NULL) {
            fail_msg("%zu: %s", i, reason);
        }
        assert_string_equal(text, cases[i].text);
    }
}

static void differences_that_do_not_fit_the_document_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t operation;
        const char *path;
        const char *reason;
    } cases[] = {
        {0, "$.b", "does not have"},
        {0, "$.a[3]", "does not have"},
        {2, "$.a[3]", "does not have"},
        {1, "$.a", "does not have"},
        {0, "$[0]", "does not have"},
        {0, "$.a.b", "does not have"},
        {0, "$.a[0].x", "does not have"},
        {0, "a", "damaged"},
        {0, "$.", "damaged"},
        {0, "$.a[", "damaged"},
        {0, "$.a[x]", "damaged"},
        {0, "$.\"a", "damaged"},
        {2, "$", "damaged"},
        {0, "$.a[99999999999]", "damaged"},
        {3, "$.a", "damaged"},
    };
    char text[4096];
    uint8_t diffs[512];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const size_t bytes = put_diff(diffs, cases[i].operation, cases[i].path, 1);
        const char *reason =
            patch(tr_span_of(document, sizeof(document)), tr_span_of(diffs, bytes), text, 8192);
        if (reason == NULL || strstr(reason, cases[i].reason) == NULL) {
            fail_msg("%s: %s", cases[i].path, reason == NULL ? text : reason);
        }
    }
    const size_t bytes = put_diff(diffs, 0, "$.a[0]", 1);
    for (size_t room = 0; room < 2 * 40; room += 2) {
        const char *reason =
            patch(tr_span_of(document, sizeof(document)), tr_span_of(diffs, bytes), text, room);
        assert_non_null(reason);
        assert_non_null(strstr(reason, "tailrace.row.max.bytes"));
    }
    for (size_t cut = 1; cut < bytes; cut++) {
        assert_non_null(
            patch(tr_span_of(document, sizeof(document)), tr_span_of(diffs, cut), text, 8192));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_after_image_lacks_comes_from_the_before_image),
        cmocka_unit_test(text_and_blobs_that_no_image_has_become_the_placeholder),
        cmocka_unit_test(the_placeholder_is_the_configured_one_also_in_hex),
        cmocka_unit_test(generated_columns_that_are_left_out_are_null_or_the_placeholder),
        cmocka_unit_test(other_columns_that_are_left_out_stop_by_name),
        cmocka_unit_test(rows_without_any_column_are_not_passed_over),
        cmocka_unit_test(an_after_image_without_any_column_equals_the_before_image),
        cmocka_unit_test(a_row_cut_anywhere_is_refused),
        cmocka_unit_test(differences_are_applied_in_order_to_objects_and_arrays),
        cmocka_unit_test(differences_that_do_not_fit_the_document_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
