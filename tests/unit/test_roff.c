// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/roff.h"

#include <cmocka.h>

static char out[64];

static void roff_characters_are_made_harmless(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"plain words", "plain words"},
        {"", ""},
        {".br", "\\&.br"},
        {"a.b", "a.b"},
        {"'x'", "\\(aqx\\(aq"},
        {"\\n", "\\en"},
        {"--json", "\\-\\-json"},
        {"say \"a\"", "say \\(dqa\\(dq"},
        {"`run` it", "\\fBrun\\fR it"},
        {"FILE\xE2\x80\xA6", "FILE\\[u2026]"},
        {"\xF0\x9F\x8C\x8A", "\\[u1F30A]"},
        {"an open `quote", "an open \\fBquote\\fR"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(tr_roff_escape(cases[i].text, out, sizeof(out)), cases[i].want);
    }
}

static void roff_text_is_cut_between_characters_at_the_end_of_the_room(void **state)
{
    (void)state;
    char small[12];
    /* Each hyphen takes two bytes; room for a closing font change is kept. */
    assert_string_equal(tr_roff_escape("--------", small, sizeof(small)), "\\-\\-\\-\\-");
    assert_string_equal(tr_roff_escape("`abcdefghijkl", small, sizeof(small)), "\\fBabcde\\fR");
}

static void roff_invalid_utf8_is_taken_byte_by_byte(void **state)
{
    (void)state;
    assert_string_equal(tr_roff_escape("a\xFFz", out, sizeof(out)), "a\\[u00FF]z");
    assert_string_equal(tr_roff_escape("a\xE2", out, sizeof(out)), "a\\[u00E2]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roff_characters_are_made_harmless),
        cmocka_unit_test(roff_text_is_cut_between_characters_at_the_end_of_the_room),
        cmocka_unit_test(roff_invalid_utf8_is_taken_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
