// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "engine/clock.h"
#include "stages/ship/transport_answer.h"
#include "tests/check.h"

static int64_t date(const char *text)
{
    return tr_answer_date_unix_s(tr_span_of_text(text));
}

static void take(struct tr_call_done *done, const char *line)
{
    tr_answer_take_header(tr_span_of_text(line), done);
}

static void http_dates_become_unix_seconds(void **state)
{
    (void)state;
    assert_int_equal(date("Thu, 15 Jan 2026 12:00:00 GMT"), 1768478400);
    assert_int_equal(date("Thu, 29 Feb 2024 23:59:59 GMT"), 1709251199);
    assert_int_equal(date("Fri, 01 Mar 2024 00:00:00 GMT"), 1709251200);
    assert_int_equal(date("Thu, 01 Jan 1970 00:00:01 GMT"), 1);
}

static void other_texts_are_no_date(void **state)
{
    static const char *const texts[] = {
        "",
        "GMT",
        "Thu, 15 Jan 2026 12:00:00 UTC",
        "Thu, 15 Jam 2026 12:00:00 GMT",
        "Thu, 15 Jan 2026 24:00:00 GMT",
        "Thu, 15 Jan 2026 12:60:00 GMT",
        "Thu, 00 Jan 2026 12:00:00 GMT",
        "Thu, xx Jan 2026 12:00:00 GMT",
        "Thu, 15 Jan 1969 12:00:00 GMT",
        "Thursday, 15-Jan-26 12:00:00 GMT",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(date(texts[i]), 0);
    }
}

static void values_are_trimmed_cut_and_printable(void **state)
{
    struct tr_call_done done = {0};
    char line[300] = "X-AMZN-REQUESTID: ";
    (void)state;
    memset(line + strlen(line), 'a', 200);
    take(&done, line);
    assert_int_equal(strlen(done.request_id), sizeof(done.request_id) - 1);
    take(&done, "x-amzn-ErrorType:\tcom.x#Foo:http://y \r\n");
    assert_string_equal(done.error_type, "Foo");
    take(&done, "x-amzn-ErrorType: Bad\x01Thing\r\n");
    assert_string_equal(done.error_type, "Bad");
}

static void delays_are_read_in_their_units_and_bounded(void **state)
{
    struct tr_call_done done = {0};
    (void)state;
    take(&done, "Retry-After: 3\r\n");
    assert_int_equal(done.retry_after_ns, 3 * TR_NS_PER_S);
    take(&done, "x-amz-retry-after: 250\r\n");
    assert_int_equal(done.retry_after_ns, 250 * TR_NS_PER_MS);
    take(&done, "retry-after: 7\r\n"); /* the service's own header outranks it */
    assert_int_equal(done.retry_after_ns, 250 * TR_NS_PER_MS);
    take(&done, "x-amz-retry-after: 999999999\r\n");
    assert_int_equal(done.retry_after_ns, 60 * TR_NS_PER_S);
    take(&done, "x-amz-retry-after: -5\r\n");
    take(&done, "x-amz-retry-after: 99999999999999999999\r\n");
    assert_int_equal(done.retry_after_ns, 60 * TR_NS_PER_S);
}

static void status_line_begins_anew(void **state)
{
    struct tr_call_done done = {0};
    (void)state;
    take(&done, "x-amzn-RequestId: a\r\n");
    take(&done, "Date: Thu, 15 Jan 2026 12:00:00 GMT\r\n");
    take(&done, "HTTP/1.1 200 OK\r\n");
    take(&done, "no colon here\r\n");
    take(&done, "");
    assert_string_equal(done.request_id, "");
    assert_int_equal(done.date_unix_s, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_dates_become_unix_seconds),
        cmocka_unit_test(other_texts_are_no_date),
        cmocka_unit_test(values_are_trimmed_cut_and_printable),
        cmocka_unit_test(delays_are_read_in_their_units_and_bounded),
        cmocka_unit_test(status_line_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
