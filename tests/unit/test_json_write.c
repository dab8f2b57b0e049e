// SPDX-License-Identifier: Apache-2.0
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json_write.h"

#define REPLACEMENT "\xEF\xBF\xBD"

/* Escapes into blocks of exactly the promised size, so that the sanitizer sees a byte too many. */
static void check(const void *text, size_t bytes, const void *want, size_t want_bytes)
{
    uint8_t *in = malloc(bytes + 1);
    uint8_t *out = malloc(bytes * TR_JSON_ESCAPE_FACTOR + 1);

    assert_non_null(in);
    assert_non_null(out);
    uint8_t *exact_in = in + 1; /* unaligned, ends with the block */
    if (bytes > 0) {
        memcpy(exact_in, text, bytes);
    }
    const size_t written_bytes = tr_json_escape(out + 1, tr_span_of(exact_in, bytes));
    assert_int_equal(written_bytes, want_bytes);
    assert_memory_equal(out + 1, want, want_bytes);
    assert_int_equal(tr_json_escaped_bytes(tr_span_of(exact_in, bytes)), want_bytes);
    free(in);
    free(out);
}

/* The text alone, and at every place among letters that need nothing. */
static void check_anywhere(const char *text, size_t bytes, const char *want, size_t want_bytes)
{
    char in[128];
    char out[256];

    for (size_t before = 0; before < 40; before++) {
        for (size_t after = 0; after < 20; after += 1 + after / 3) {
            memset(in, 'x', sizeof(in));
            memset(out, 'x', sizeof(out));
            memcpy(in + before, text, bytes);
            memcpy(out + before, want, want_bytes);
            check(in, before + bytes + after, out, before + want_bytes + after);
        }
    }
}

#define CHECK_ANYWHERE(text, want) check_anywhere((text), sizeof(text) - 1, (want), sizeof(want) - 1)

static void only_what_debezium_escapes_is_escaped(void **state)
{
    (void)state;
    CHECK_ANYWHERE("", "");
    CHECK_ANYWHERE("\"", "\\\"");
    CHECK_ANYWHERE("\\", "\\\\");
    CHECK_ANYWHERE("\b\t\n\f\r", "\\b\\t\\n\\f\\r");
    CHECK_ANYWHERE(
        "\x01\x0B\x1F",
        "\\u0001\\u000B\\u001F");
    check_anywhere("\0", 1, "\\u0000", 6);
    CHECK_ANYWHERE("/<>&'\x7F", "/<>&'\x7F");
}

static void every_ascii_byte_is_written_by_the_rule(void **state)
{
    (void)state;
    for (int byte = 0; byte < 0x80; byte++) {
        const char text = (char)byte;
        char want[8];
        size_t want_bytes = 1;
        want[0] = text;
        if (byte < 0x20 && strchr("\b\t\n\f\r", byte) == NULL) {
            want_bytes = (size_t)snprintf(want, sizeof(want), "\\u%04X", (unsigned)byte);
        } else if (byte == 0) {
            want_bytes = (size_t)snprintf(want, sizeof(want), "\\u0000");
        } else if (strchr("\b\t\n\f\r\"\\", byte) != NULL) {
            static const char letters[] = "\bb\tt\nn\ff\rr\"\"\\\\";
            want[0] = '\\';
            want[1] = strchr(letters, byte)[1];
            want_bytes = 2;
        }
        check_anywhere(&text, 1, want, want_bytes);
    }
}

static void letters_of_other_scripts_are_written_raw(void **state)
{
    (void)state;
    CHECK_ANYWHERE("\xC3\xA4\xC2\x80\xDF\xBF", "\xC3\xA4\xC2\x80\xDF\xBF");
    CHECK_ANYWHERE("\xE0\xA0\x80\xE2\x80\xA8\xEF\xBB\xBF\xEF\xBF\xBF\xED\x9F\xBF\xEE\x80\x80",
                   "\xE0\xA0\x80\xE2\x80\xA8\xEF\xBB\xBF\xEF\xBF\xBF\xED\x9F\xBF\xEE\x80\x80");
}

static void code_points_above_ffff_become_two_escapes(void **state)
{
    (void)state;
    CHECK_ANYWHERE("\xF0\x9F\x98\x80", "\\uD83D\\uDE00");
    CHECK_ANYWHERE("\xF0\x90\x80\x80", "\\uD800\\uDC00");
    CHECK_ANYWHERE("\xF4\x8F\xBF\xBF", "\\uDBFF\\uDFFF");
}

/* What OpenJDK 17's new String(bytes, UTF_8) gives. */
static void malformed_bytes_are_replaced_as_java_does(void **state)
{
    (void)state;
    CHECK_ANYWHERE("\x80", REPLACEMENT);
    CHECK_ANYWHERE("\xBF\xBF", REPLACEMENT REPLACEMENT);
    CHECK_ANYWHERE("\xC0\x80", REPLACEMENT REPLACEMENT);
    CHECK_ANYWHERE("\xC1\xBF", REPLACEMENT REPLACEMENT);
    CHECK_ANYWHERE("\xC3", REPLACEMENT);
    CHECK_ANYWHERE("\xC3\"", REPLACEMENT "\\\"");
    CHECK_ANYWHERE("\xE0\x80\x80", REPLACEMENT REPLACEMENT REPLACEMENT);
    CHECK_ANYWHERE("\xE2\x82", REPLACEMENT);
    CHECK_ANYWHERE("\xE2\x82\"", REPLACEMENT "\\\"");
    CHECK_ANYWHERE("\xE2", REPLACEMENT);
    CHECK_ANYWHERE("\xED\xA0\x80", REPLACEMENT); /* a surrogate: one for all three */
    CHECK_ANYWHERE("\xED\xBF\xBF", REPLACEMENT);
    CHECK_ANYWHERE("\xF0\x80\x80\x80", REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT);
    CHECK_ANYWHERE("\xF0\x9F\x98", REPLACEMENT);
    CHECK_ANYWHERE("\xF0\x9F", REPLACEMENT);
    CHECK_ANYWHERE("\xF0\x9F\n", REPLACEMENT "\\n");
    CHECK_ANYWHERE("\xF4\x90\x80\x80", REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT);
    CHECK_ANYWHERE("\xF5\x80\x80\x80", REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT);
    CHECK_ANYWHERE("\xFE\xFF", REPLACEMENT REPLACEMENT);
}

static void worst_cases_stay_within_the_room(void **state)
{
    (void)state;
    char text[300];
    char want[1800];

    for (size_t bytes = 0; bytes <= sizeof(text); bytes++) {
        memset(text, 1, sizeof(text));
        for (size_t i = 0; i < bytes; i++) {
            memcpy(want + 6 * i, "\\u0001", 6);
        }
        check(text, bytes, want, 6 * bytes);
        memset(text, 0xFF, sizeof(text));
        for (size_t i = 0; i < bytes; i++) {
            memcpy(want + 3 * i, REPLACEMENT, 3);
        }
        check(text, bytes, want, 3 * bytes);
    }
}

static void random_bytes_are_written_alike_at_every_alignment(void **state)
{
    (void)state;
    static const char menu[] = "abcdefghijklmnop\"\\\n\x01\x80\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\xED\xA0\xFF";
    uint64_t seed = 42;
    uint8_t text[200];
    uint8_t whole[sizeof(text) * TR_JSON_ESCAPE_FACTOR];
    uint8_t single[sizeof(text) * TR_JSON_ESCAPE_FACTOR];

    for (int round = 0; round < 20000; round++) {
        size_t bytes = 0;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const size_t wanted_bytes = (size_t)(seed >> 33) % sizeof(text);
        while (bytes < wanted_bytes) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            text[bytes++] = (uint8_t)menu[(seed >> 33) % (sizeof(menu) - 1)];
        }
        const size_t whole_bytes = tr_json_escape(whole, tr_span_of(text, bytes));
        const size_t single_bytes = tr_json_escape_rest(single, tr_span_of(text, bytes), 0);
        assert_int_equal(whole_bytes, single_bytes);
        assert_memory_equal(whole, single, whole_bytes);
        assert_int_equal(tr_json_escaped_bytes(tr_span_of(text, bytes)), whole_bytes);
    }
}

static void bounded_buffer_takes_all_or_says_full(void **state)
{
    (void)state;
    static const char want[] = "{\"k\\n\":-9223372036854775808,\"n\":18446744073709551615,\"z\":0,\"t\":\"\\uD83D\\uDE00\"}";
    const size_t want_bytes = sizeof(want) - 1;

    for (size_t room_bytes = 0; room_bytes <= want_bytes + 100; room_bytes++) {
        uint8_t *room = malloc(room_bytes + 1);
        assert_non_null(room);
        struct tr_json_writer writer = tr_json_writer_of(room + 1, room_bytes);
        tr_json_write_literal(&writer, "{");
        tr_json_write_text(&writer, tr_span_of_text("k\n"));
        tr_json_write_literal(&writer, ":");
        tr_json_write_int64(&writer, INT64_MIN);
        tr_json_write_literal(&writer, ",\"n\":");
        tr_json_write_uint64(&writer, UINT64_MAX);
        tr_json_write_literal(&writer, ",\"z\":");
        tr_json_write_int64(&writer, 0);
        tr_json_write_literal(&writer, ",\"t\":");
        tr_json_write_text(&writer, tr_span_of_text("\xF0\x9F\x98\x80"));
        tr_json_write_raw(&writer, tr_span_of("}", 1));
        assert_int_equal(writer.is_full, room_bytes < want_bytes);
        assert_true(writer.bytes <= room_bytes);
        if (!writer.is_full) {
            assert_true(tr_span_equals(tr_json_writer_span(&writer), tr_span_of_text(want)));
        }
        free(room);
    }
}

static void empty_string_is_two_quotes(void **state)
{
    (void)state;
    uint8_t room[2];
    struct tr_json_writer writer = tr_json_writer_of(room, sizeof(room));

    tr_json_write_text(&writer, tr_span_of(NULL, 0));
    assert_true(tr_span_equals(tr_json_writer_span(&writer), tr_span_of_text("\"\"")));
    tr_json_write_raw(&writer, tr_span_of(NULL, 0));
    assert_false(writer.is_full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_debezium_escapes_is_escaped),
        cmocka_unit_test(every_ascii_byte_is_written_by_the_rule),
        cmocka_unit_test(letters_of_other_scripts_are_written_raw),
        cmocka_unit_test(code_points_above_ffff_become_two_escapes),
        cmocka_unit_test(malformed_bytes_are_replaced_as_java_does),
        cmocka_unit_test(worst_cases_stay_within_the_room),
        cmocka_unit_test(random_bytes_are_written_alike_at_every_alignment),
        cmocka_unit_test(bounded_buffer_takes_all_or_says_full),
        cmocka_unit_test(empty_string_is_two_quotes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
