// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/json_write.h"
#include "stages/decode/text.h"
#include "stages/schema/charset.h"
#include "stages/schema/charset_text.h"
#include "tests/check.h"

#define TEXT_BYTES_MAX 4096

static void assert_span(struct tr_span span, const char *text)
{
    assert_int_equal(span.bytes, strlen(text));
    assert_memory_equal(span.data, text, span.bytes);
}

static size_t unhex(const char *text, uint8_t *out)
{
    size_t bytes = 0;
    for (; text[0] != '\0' && text[0] != '-' && text[0] != '\n'; text += 2) {
        char byte[3] = {text[0], text[1], '\0'};
        out[bytes++] = (uint8_t)strtoul(byte, NULL, 16);
    }
    return bytes;
}

static size_t read_text(enum tr_charset charset, bool is_server, struct tr_span in, uint8_t *out)
{
    struct tr_charset_cursor cursor;
    uint8_t *at = out;

    tr_charset_open(&cursor, charset, is_server, in);
    while (cursor.at < cursor.end) {
        at = tr_charset_put_code(at, tr_charset_next(&cursor));
    }
    return (size_t)(at - out);
}

static void every_text_is_what_the_jdk_makes_of_it(void **state)
{
    (void)state;
    static char line[TEXT_BYTES_MAX];
    uint8_t in[TEXT_BYTES_MAX];
    uint8_t want[TEXT_BYTES_MAX];
    uint8_t got[TEXT_BYTES_MAX];
    FILE *file = fopen(TR_TEST_DATA "/charsets/debezium_texts.txt", "r");
    uint32_t lines = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '#') {
            continue;
        }
        char *bytes_text = strchr(line, ' ');
        *bytes_text++ = '\0';
        char *utf8_text = strchr(bytes_text, ' ');
        *utf8_text++ = '\0';
        const enum tr_charset charset = tr_charset_of_name(tr_span_of_text(line))->charset;
        assert_true(tr_charset_is_readable(charset));
        const size_t in_bytes = unhex(bytes_text, in);
        const size_t want_bytes = unhex(utf8_text, want);
        const size_t got_bytes = read_text(charset, false, tr_span_of(in, in_bytes), got);
        if (got_bytes != want_bytes || memcmp(got, want, want_bytes) != 0) {
            fail_msg("%s %s: want %s", line, bytes_text, utf8_text);
        }
        /* The writer of rows makes the same of it, escaped. */
        uint8_t json[TEXT_BYTES_MAX * TR_JSON_ESCAPE_FACTOR];
        uint8_t out[TEXT_BYTES_MAX * TR_JSON_ESCAPE_FACTOR];
        const size_t json_bytes = tr_json_escape(json, tr_span_of(want, want_bytes));
        const uint8_t *end =
            tr_text_put_charset(out, out + sizeof(out), tr_span_of(in, in_bytes), charset, false);
        assert_non_null(end);
        assert_int_equal(end - out, json_bytes);
        assert_memory_equal(out, json, json_bytes);
        lines++;
    }
    (void)fclose(file);
    assert_true(lines > 4000);
}

static void a_text_across_slices_is_whole_and_never_past_its_limit(void **state)
{
    (void)state;
    static uint8_t in[5 * TR_TEXT_SLICE_BYTES];
    static uint8_t out[sizeof(in) * TR_JSON_ESCAPE_FACTOR + 1];
    const struct {
        enum tr_charset charset;
        const char *character;
        const char *json;
    } cases[] = {
        {TR_CHARSET_GB18030, "\x90\x30\x81\x30", "\\uD800\\uDC00"},
        {TR_CHARSET_GBK, "\xd6\xd0", "\xe4\xb8\xad"},
        {TR_CHARSET_KOI8R, "\xcf", "\xd0\xbe"},
        {TR_CHARSET_KOI8R, "\n", "\\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const size_t character_bytes = strlen(cases[i].character);
        const size_t json_bytes = strlen(cases[i].json);
        size_t bytes = 1;
        in[0] = 'x'; /* so that characters lie across the slices */
        while (bytes + character_bytes <= sizeof(in)) {
            memcpy(in + bytes, cases[i].character, character_bytes);
            bytes += character_bytes;
        }
        const size_t want = 1 + (bytes - 1) / character_bytes * json_bytes;
        const uint8_t *end = tr_text_put_charset(out, out + sizeof(out), tr_span_of(in, bytes),
                                                 cases[i].charset, false);
        assert_non_null(end);
        assert_int_equal(end - out, want);
        assert_memory_equal(end - json_bytes, cases[i].json, json_bytes);
        for (size_t room = 0; room < want; room += 37) {
            memset(out, 0x55, sizeof(out));
            end = tr_text_put_charset(out, out + room, tr_span_of(in, bytes), cases[i].charset,
                                      false);
            assert_null(end);
            assert_int_equal(out[room], 0x55);
        }
    }
}

static void labels_are_read_as_the_server_reads_them(void **state)
{
    (void)state;
    static const struct {
        const char *charset;
        const char *bytes;
        const char *server;
        const char *debezium;
    } cases[] = {
        {"koi8u", "\xa7", "\xd1\x97", "\xe2\x95\x96"},
        {"swe7", "Sm|rg}s", "Sm\xc3\xb6rg\xc3\xa5s", "Sm|rg}s"},
        {"keybcs2", "\x87", "\xc4\x8d", "\xc3\xa7"},
        {"geostd8", "\xc2", "\xe1\x83\x92", "\xc3\x82"},
        {"latin1", "\x81", "\xc2\x81", "\xef\xbf\xbd"},
        {"cp866", "\x8f", "\xd0\x9f", "\xd0\x9f"},
        {"sjis", "\x81\x5f", "\\", "\xef\xbc\xbc"},
        {"euckr", "\xb0\xa1", "\xea\xb0\x80", "\xea\xb0\x80"},
    };
    uint8_t out[64];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const enum tr_charset charset =
            tr_charset_of_name(tr_span_of_text(cases[i].charset))->charset;
        const struct tr_span in = tr_span_of_text(cases[i].bytes);
        size_t bytes = read_text(charset, true, in, out);
        assert_span(tr_span_of(out, bytes), cases[i].server);
        bytes = read_text(charset, false, in, out);
        assert_span(tr_span_of(out, bytes), cases[i].debezium);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_is_what_the_jdk_makes_of_it),
        cmocka_unit_test(a_text_across_slices_is_whole_and_never_past_its_limit),
        cmocka_unit_test(labels_are_read_as_the_server_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
