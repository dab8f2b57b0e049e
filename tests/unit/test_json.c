// SPDX-License-Identifier: Apache-2.0
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json.h"

#define BYTES_MAX 4096

static struct tr_json_reader *open_reader(void **state)
{
    return *state;
}

static void begin(struct tr_json_reader *reader, const char *text)
{
    tr_json_begin(reader, tr_span_of_text(text));
}

static void assert_fails(struct tr_json_reader *reader)
{
    struct tr_error err;

    assert_true(tr_json_is_failed(reader));
    assert_int_equal(tr_json_finish(reader, &err), TR_ERR_PROTOCOL);
    assert_non_null(strstr(err.text, "JSON near byte"));
}

static void assert_finishes(struct tr_json_reader *reader)
{
    struct tr_error err = {0};

    if (tr_json_finish(reader, &err) != TR_OK) {
        fail_msg("%s", err.text);
    }
}

static bool is_text(struct tr_span span, const char *text)
{
    return span.data != NULL && tr_span_equals(span, tr_span_of_text(text));
}

static void put_records_answer_is_read(void **state)
{
    struct tr_json_reader *reader = open_reader(state);
    struct tr_span name;
    uint64_t failed_count = 99;
    uint32_t record_count = 0;
    uint32_t null_count = 0;

    begin(reader, "{\"FailedRecordCount\":2,\"EncryptionType\":\"KMS\",\"Records\":["
                  "{\"SequenceNumber\":\"49543463076548007577105092703039560359975228518395012686\","
                  "\"ShardId\":\"shardId-000000000000\"},"
                  "{\"ErrorCode\":\"ProvisionedThroughputExceededException\",\"ErrorMessage\":\"Rate \\\"x\\\"\"},"
                  "{\"ErrorCode\":\"InternalFailure\",\"ErrorMessage\":null,\"SequenceNumber\":null} ] }");
    assert_true(tr_json_enter_object(reader));
    while (tr_json_next_member(reader, &name)) {
        if (is_text(name, "FailedRecordCount")) {
            failed_count = tr_json_get_uint64(reader);
        } else if (is_text(name, "Records")) {
            assert_true(tr_json_enter_array(reader));
            while (tr_json_next_element(reader)) {
                assert_true(tr_json_enter_object(reader));
                while (tr_json_next_member(reader, &name)) {
                    const struct tr_span text = tr_json_get_text_or_null(reader);
                    if (is_text(name, "ErrorMessage") && record_count == 1) {
                        assert_true(is_text(text, "Rate \"x\""));
                    }
                    if (is_text(name, "ShardId")) {
                        assert_true(is_text(text, "shardId-000000000000"));
                    }
                    null_count += text.data == NULL;
                }
                record_count++;
            }
        }
    }
    assert_finishes(reader);
    assert_int_equal(failed_count, 2);
    assert_int_equal(record_count, 3);
    assert_int_equal(null_count, 2);
}

static void every_type_is_told_and_read(void **state)
{
    struct tr_json_reader *reader = open_reader(state);

    begin(reader, " [ {} , [], \"s\", -1, true, false, null, 1.5e3, 18446744073709551615, -9223372036854775808 ] ");
    assert_int_equal(tr_json_type(reader), TR_JSON_TYPE_ARRAY);
    assert_true(tr_json_enter_array(reader));
    assert_true(tr_json_next_element(reader));
    assert_int_equal(tr_json_type(reader), TR_JSON_TYPE_OBJECT);
    assert_true(tr_json_next_element(reader));
    assert_int_equal(tr_json_type(reader), TR_JSON_TYPE_ARRAY);
    assert_true(tr_json_next_element(reader));
    assert_int_equal(tr_json_type(reader), TR_JSON_TYPE_STRING);
    assert_true(is_text(tr_json_get_text(reader), "s"));
    assert_true(tr_json_next_element(reader));
    assert_int_equal(tr_json_type(reader), TR_JSON_TYPE_NUMBER);
    assert_int_equal(tr_json_get_int64(reader), -1);
    assert_true(tr_json_next_element(reader));
    assert_int_equal(tr_json_type(reader), TR_JSON_TYPE_BOOL);
    assert_true(tr_json_get_bool(reader));
    assert_true(tr_json_next_element(reader));
    assert_false(tr_json_get_bool(reader));
    assert_true(tr_json_next_element(reader));
    assert_int_equal(tr_json_type(reader), TR_JSON_TYPE_NULL);
    assert_true(tr_json_next_element(reader));
    assert_true(tr_json_get_double(reader) == 1500.0);
    assert_true(tr_json_next_element(reader));
    assert_true(tr_json_get_uint64(reader) == UINT64_MAX);
    assert_true(tr_json_next_element(reader));
    assert_true(tr_json_get_int64(reader) == INT64_MIN);
    assert_false(tr_json_next_element(reader));
    assert_int_equal(tr_json_type(reader), TR_JSON_TYPE_FAILED); /* nothing there any more */
    assert_finishes(reader);
}

static void raw_text_is_given_untouched(void **state)
{
    struct tr_json_reader *reader = open_reader(state);
    static const char *const want[] = {"{ \"a\" : [ 1 ,2 ] }", "[ ]", "\"x\\u0041\"", "-1.50", "null", "true"};
    struct tr_span name;
    char text[256];

    (void)snprintf(text, sizeof(text), "{\"r\" : [%s , %s\n,%s , %s,%s , %s ], \"after\":7}", want[0], want[1], want[2],
                   want[3], want[4], want[5]);
    begin(reader, text);
    assert_true(tr_json_enter_object(reader));
    assert_true(tr_json_next_member(reader, &name));
    assert_true(tr_json_enter_array(reader));
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        assert_true(tr_json_next_element(reader));
        assert_true(is_text(tr_json_get_raw(reader), want[i]));
    }
    assert_false(tr_json_next_element(reader));
    assert_true(tr_json_next_member(reader, &name));
    assert_true(is_text(name, "after"));
    assert_int_equal(tr_json_get_int64(reader), 7);
    assert_false(tr_json_next_member(reader, &name));
    assert_finishes(reader);
}

static void what_is_not_read_is_skipped(void **state)
{
    struct tr_json_reader *reader = open_reader(state);
    struct tr_span name;

    begin(reader, "{\"a\":{\"b\":[1,{\"c\":[]}],\"d\":\"}\"},\"e\":[[[1]],{}],\"f\":5}");
    assert_true(tr_json_enter_object(reader));
    assert_true(tr_json_next_member(reader, &name));
    assert_true(tr_json_next_member(reader, &name));
    assert_true(is_text(name, "e"));
    assert_true(tr_json_next_member(reader, &name));
    assert_true(is_text(name, "f"));
    assert_int_equal(tr_json_get_int64(reader), 5);
    assert_false(tr_json_next_member(reader, &name));
    assert_finishes(reader);
}

static void strings_without_escapes_are_not_copied(void **state)
{
    struct tr_json_reader *reader = open_reader(state);
    static char text[256 + TR_JSON_PADDING_BYTES] =
        "{\"plain\":\"QUJD\"  ,\"escaped\":\"a\\u00e4\\ud83d\\ude00\\n\\\\\",\"na\\u006de\":\"\",\"end\":\"\\\\\"}";
    struct tr_span name;
    struct tr_span span;

    tr_json_begin_padded(reader, tr_span_of(text, strlen(text)));
    assert_true(tr_json_enter_object(reader));
    assert_true(tr_json_next_member(reader, &name));
    span = tr_json_get_text(reader);
    assert_true(is_text(span, "QUJD"));
    assert_ptr_equal(span.data, strstr(text, "QUJD"));
    assert_true(tr_json_next_member(reader, &name));
    span = tr_json_get_text(reader);
    assert_true(is_text(span, "a\xC3\xA4\xF0\x9F\x98\x80\n\\"));
    assert_true(tr_json_next_member(reader, &name));
    assert_true(is_text(name, "name"));
    span = tr_json_get_text_or_null(reader);
    assert_non_null(span.data);
    assert_int_equal(span.bytes, 0);
    assert_true(tr_json_next_member(reader, &name));
    assert_true(is_text(tr_json_get_text(reader), "\\"));
    assert_false(tr_json_next_member(reader, &name));
    assert_finishes(reader);
}

/* Reads everything there is; returns whether it was fine. */
static bool read_all(struct tr_json_reader *reader)
{
    struct tr_error err;
    struct tr_span name;
    bool is_array[TR_JSON_DEPTH_MAX + 1];
    uint32_t depth = 0;
    bool has_value = true;

    for (uint32_t turns = 0; has_value || depth > 0; turns++) {
        assert_true(turns <= 2 * BYTES_MAX); /* each turn begins or ends a value */
        if (has_value) {
            const enum tr_json_type type = tr_json_type(reader);
            has_value = false;
            switch (type) {
            case TR_JSON_TYPE_FAILED:
                depth = 0;
                continue;
            case TR_JSON_TYPE_OBJECT:
            case TR_JSON_TYPE_ARRAY:
                if (type == TR_JSON_TYPE_ARRAY ? tr_json_enter_array(reader) : tr_json_enter_object(reader)) {
                    is_array[depth] = type == TR_JSON_TYPE_ARRAY;
                    depth++;
                } else {
                    depth = 0;
                }
                continue;
            case TR_JSON_TYPE_STRING:
                (void)tr_json_get_text(reader);
                break;
            case TR_JSON_TYPE_NUMBER:
                (void)tr_json_get_double(reader);
                break;
            case TR_JSON_TYPE_BOOL:
                (void)tr_json_get_bool(reader);
                break;
            case TR_JSON_TYPE_NULL:
                (void)tr_json_get_text_or_null(reader);
                break;
            }
        }
        if (depth == 0) {
            break;
        }
        has_value = is_array[depth - 1] ? tr_json_next_element(reader) : tr_json_next_member(reader, &name);
        if (!has_value) {
            depth--;
        }
    }
    return tr_json_finish(reader, &err) == TR_OK;
}

static void malformed_texts_fail(void **state)
{
    struct tr_json_reader *reader = open_reader(state);
    static const char *const bad[] = {
        "",        " ",          "{",         "}",           "[",          "]",          "{\"a\"}",    "{\"a\":}",
        "{\"a\":1,}", "{1:2}",   "[1,]",      "[1 2]",       "[\"a]",      "{\"a\":\"b}", "[tru]",      "[nul]",
        "[01]",    "[1.]",       "[-]",       "[1e]",        "[1]x",       "[1] [2]",    "{} {}",      "{}]",
        "[{]}",    "[[1]",       "[1]]",      "\"text\"",    "1",          "null",       "[\"\\x\"]",  "[\"\\ud83d\"]",
        "[\"\n\"]", "[\"\xFF\"]", "{\"a\":1 \"b\":2}", "{\"a\" 1}", "[,1]", "{,}",       "<html>",     "[1,,2]",
        "[\"\\u00g0\"]",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin(reader, bad[i]);
        if (read_all(reader)) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_fails(reader);
    }
    begin(reader, "{\"a\":[1,2,{\"b\":\"\"}]}"); /* a failure is forgotten at the next begin */
    assert_true(read_all(reader));
}

static void every_cut_of_a_text_fails(void **state)
{
    struct tr_json_reader *reader = open_reader(state);
    static const char text[] = "{\"FailedRecordCount\":1,\"Records\":[{\"SequenceNumber\":\"1\",\"ShardId\":\"s\"},"
                               "{\"ErrorCode\":\"E\\u0041\",\"ErrorMessage\":null}],\"x\":[true,-1.5e-3,{}]}";

    begin(reader, text);
    assert_true(read_all(reader));
    for (size_t bytes = 0; bytes < sizeof(text) - 1; bytes++) {
        tr_json_begin(reader, tr_span_of(text, bytes));
        assert_false(read_all(reader));
    }
}

/* Skips all that is in the first container; whether that ends within as many turns as there are bytes. */
static bool skipping_ends(struct tr_json_reader *reader, size_t bytes)
{
    struct tr_span name;

    switch (tr_json_type(reader)) {
    case TR_JSON_TYPE_OBJECT:
        (void)tr_json_enter_object(reader);
        for (size_t i = 0; i <= bytes; i++) {
            if (!tr_json_next_member(reader, &name)) {
                return true;
            }
        }
        return false;
    case TR_JSON_TYPE_ARRAY:
        (void)tr_json_enter_array(reader);
        for (size_t i = 0; i <= bytes; i++) {
            if (!tr_json_next_element(reader)) {
                return true;
            }
        }
        return false;
    default:
        return true;
    }
}

/* A service may answer anything; a reader that never came to the end would hang its shipper. */
static void reading_ends_whatever_byte_is_damaged_wherever_it_is_cut(void **state)
{
    static const char *const texts[] = {
        "{\"FailedRecordCount\":1,\"Records\":[{\"SequenceNumber\":\"1\"},{\"ErrorCode\":\"E\"}]}",
        "[{\"a\":{\"b\":[1,{\"c\":[]}]}},[[],{}],\"\\\\\",null]",
        "{\"__type\":\"X\",\"message\":\"m\"}",
    };
    static const char damages[] = "{}[],:\"\\ 1tnx\xFF";
    struct tr_json_reader *reader = open_reader(state);
    char text[128];

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const size_t whole_bytes = strlen(texts[i]);
        for (size_t bytes = 1; bytes <= whole_bytes; bytes++) {
            for (size_t at = 0; at < bytes; at++) {
                for (size_t d = 0; d < sizeof(damages); d++) { /* the end of the string too */
                    memcpy(text, texts[i], bytes);
                    text[at] = damages[d];
                    tr_json_begin(reader, tr_span_of(text, bytes));
                    if (!skipping_ends(reader, bytes)) {
                        fail_msg("no end: %.*s", (int)bytes, text);
                    }
                    tr_json_begin(reader, tr_span_of(text, bytes));
                    (void)read_all(reader);
                }
            }
        }
    }
}

static void values_of_another_type_fail_and_stay_failed(void **state)
{
    struct tr_json_reader *reader = open_reader(state);
    struct tr_span name;

    for (int call = 0; call < 8; call++) {
        begin(reader, call < 6 ? "{\"a\":[1],\"b\":2}" : "{\"a\":1.5,\"b\":2}");
        assert_true(tr_json_enter_object(reader));
        assert_true(tr_json_next_member(reader, &name));
        switch (call) {
        case 0:
            assert_int_equal(tr_json_get_text(reader).bytes, 0);
            break;
        case 1:
            assert_null(tr_json_get_text_or_null(reader).data);
            break;
        case 2:
        case 6:
            assert_int_equal(tr_json_get_int64(reader), 0);
            break;
        case 3:
            assert_true(tr_json_get_double(reader) == 0);
            break;
        case 4:
            assert_false(tr_json_get_bool(reader));
            break;
        case 5:
            assert_false(tr_json_enter_object(reader));
            break;
        default:
            assert_false(tr_json_enter_array(reader));
            break;
        }
        assert_fails(reader);
        assert_false(tr_json_next_member(reader, &name));
        assert_false(tr_json_enter_array(reader));
        assert_int_equal(tr_json_get_int64(reader), 0);
        assert_int_equal(tr_json_type(reader), TR_JSON_TYPE_FAILED);
        assert_fails(reader);
    }
}

static void own_failure_is_kept(void **state)
{
    struct tr_json_reader *reader = open_reader(state);
    struct tr_error err;

    begin(reader, "{\"a\":1}");
    tr_json_fail(reader, "no member \"b\"");
    tr_json_fail(reader, "second");
    assert_int_equal(tr_json_finish(reader, &err), TR_ERR_PROTOCOL);
    assert_non_null(strstr(err.text, "no member \"b\""));
}

static void limits_are_failures(void **state)
{
    struct tr_json_reader *reader = open_reader(state);
    static char text[BYTES_MAX + 8];

    memset(text, ' ', sizeof(text));
    text[0] = '[';
    text[BYTES_MAX - 1] = ']';
    tr_json_begin(reader, tr_span_of(text, BYTES_MAX));
    assert_true(read_all(reader));
    text[BYTES_MAX] = ' ';
    tr_json_begin(reader, tr_span_of(text, BYTES_MAX + 1));
    assert_fails(reader);
    for (uint32_t depth = 1; depth <= TR_JSON_DEPTH_MAX + 2; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        tr_json_begin(reader, tr_span_of(text, 2 * (size_t)depth));
        assert_int_equal(read_all(reader), depth <= TR_JSON_DEPTH_MAX);
    }
}

static void padding_of_any_content_is_not_read_as_text(void **state)
{
    struct tr_json_reader *reader = open_reader(state);
    static const char *const texts[] = {"{\"a\":{\"b\":[1]}}", "[[1],[2]]", "[[1],[2]", "{\"a\":{\"b\":1}", "[\"x"};
    static const bool is_good[] = {true, true, false, false, false};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (int byte = 0; byte < 256; byte++) {
            const size_t bytes = strlen(texts[i]);
            uint8_t *room = malloc(bytes + TR_JSON_PADDING_BYTES);
            assert_non_null(room);
            memcpy(room, texts[i], bytes);
            memset(room + bytes, byte, TR_JSON_PADDING_BYTES);
            tr_json_begin_padded(reader, tr_span_of(room, bytes));
            assert_int_equal(read_all(reader), is_good[i]);
            free(room);
        }
    }
}

static int open_one(void **state)
{
    struct tr_error err;

    return tr_json_open((struct tr_json_reader **)state, BYTES_MAX, &err) == TR_OK ? 0 : -1;
}

static int close_one(void **state)
{
    tr_json_close(*state);
    tr_json_close(NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_records_answer_is_read),
        cmocka_unit_test(every_type_is_told_and_read),
        cmocka_unit_test(raw_text_is_given_untouched),
        cmocka_unit_test(what_is_not_read_is_skipped),
        cmocka_unit_test(strings_without_escapes_are_not_copied),
        cmocka_unit_test(malformed_texts_fail),
        cmocka_unit_test(every_cut_of_a_text_fails),
        cmocka_unit_test(reading_ends_whatever_byte_is_damaged_wherever_it_is_cut),
        cmocka_unit_test(values_of_another_type_fail_and_stay_failed),
        cmocka_unit_test(own_failure_is_kept),
        cmocka_unit_test(limits_are_failures),
        cmocka_unit_test(padding_of_any_content_is_not_read_as_text),
    };

    return cmocka_run_group_tests(tests, open_one, close_one);
}
