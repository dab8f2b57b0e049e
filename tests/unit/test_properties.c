// SPDX-License-Identifier: Apache-2.0
#include "engine/properties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tr_properties parsed;

static void parse(const char *text)
{
    struct tr_error err;
    assert_int_equal(tr_properties_parse(&parsed, tr_span_of_text(text), &err), TR_OK);
}

static const char *value_of(const char *key)
{
    const struct tr_property *property = tr_properties_find(&parsed, key);
    return property == NULL ? NULL : property->value;
}

static int teardown(void **state)
{
    (void)state;
    tr_properties_deinit(&parsed);
    return 0;
}

static void properties_split_at_equals_colon_or_blank(void **state)
{
    (void)state;
    parse("a=1\nb: 2\nc 3\n  d \t=\t 4 \ne==5\nf\ng=\n=nokey\nh = : x");
    assert_string_equal(value_of("a"), "1");
    assert_string_equal(value_of("b"), "2");
    assert_string_equal(value_of("c"), "3");
    assert_string_equal(value_of("d"), "4 "); /* a trailing blank belongs to the value */
    assert_string_equal(value_of("e"), "=5");
    assert_string_equal(value_of("f"), "");
    assert_string_equal(value_of("g"), "");
    assert_string_equal(value_of(""), "nokey");
    assert_string_equal(value_of("h"), ": x");
    assert_int_equal(parsed.count, 9);
}

static void properties_skip_comments_and_empty_lines(void **state)
{
    (void)state;
    parse("# a=1 \\\n! b=2\r\n\r\n \t\f\r#c\rd=4");
    assert_int_equal(parsed.count, 1);
    assert_string_equal(value_of("d"), "4");
    assert_int_equal(parsed.items[0].line, 6);
}

static void properties_join_continuation_lines(void **state)
{
    (void)state;
    parse(
        "a=1,\\\n   2,\\\r\n\t3\nb=x\\\\\nc=y\\\n# no comment\nd\\\ne=f\ng\\\n  =h\ni=\\\n\nj=1\\");
    assert_string_equal(value_of("a"), "1,2,3");
    assert_string_equal(value_of("b"), "x\\");
    assert_string_equal(value_of("c"), "y# no comment");
    assert_string_equal(value_of("de"), "f");
    assert_string_equal(value_of("g"), "h");
    assert_string_equal(value_of("i"), "");
    assert_string_equal(value_of("j"), "1");
    assert_int_equal(tr_properties_find(&parsed, "b")->line, 4);
}

static void properties_decode_escapes(void **state)
{
    (void)state;
    parse("a\\=b\\:c\\ d=\\t\\n\\r\\f\\\\\\q\\u00e4\\u20AC\\uD83D\\uDE00\xc3\xb6");
    assert_string_equal(value_of("a=b:c d"),
                        "\t\n\r\f\\q\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xb6");
}

static void properties_last_of_a_repeated_key_wins(void **state)
{
    (void)state;
    parse("\xef\xbb\xbf"
          "a=1\na=2");
    assert_int_equal(parsed.count, 2);
    assert_string_equal(value_of("a"), "2");
    assert_null(value_of("b"));
}

static void refuses(const char *text, size_t bytes, const char *want)
{
    struct tr_error err;
    assert_int_equal(tr_properties_parse(&parsed, tr_span_of(text, bytes), &err), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, want));
}

static void properties_refuse_bad_text_by_line(void **state)
{
    (void)state;
    refuses("a=1\nb=\\u12x4", 13, "line 2: malformed \\uXXXX");
    refuses("a=\\u12", 6, "line 1: malformed");
    refuses("a=\\u0000", 8, "line 1: malformed");
    refuses("a=\\uD83D", 8, "half of a surrogate pair");
    refuses("a=\\uD83D\\u0041", 14, "half of a surrogate pair");
    refuses("a=\\uDE00", 8, "half of a surrogate pair");
    refuses("\n\na=\xe4", 5, "line 3: byte 0xe4 is not UTF-8");
    refuses("a\0b", 3, "line 1: byte 0x00");
    refuses("a=\\\xff", 4, "byte 0xff");
}

static void properties_of_an_empty_text_are_none(void **state)
{
    (void)state;
    parse("");
    assert_int_equal(parsed.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(properties_split_at_equals_colon_or_blank, teardown),
        cmocka_unit_test_teardown(properties_skip_comments_and_empty_lines, teardown),
        cmocka_unit_test_teardown(properties_join_continuation_lines, teardown),
        cmocka_unit_test_teardown(properties_decode_escapes, teardown),
        cmocka_unit_test_teardown(properties_last_of_a_repeated_key_wins, teardown),
        cmocka_unit_test_teardown(properties_refuse_bad_text_by_line, teardown),
        cmocka_unit_test_teardown(properties_of_an_empty_text_are_none, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
