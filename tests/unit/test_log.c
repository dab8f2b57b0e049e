// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/clock.h"
#include "engine/log.h"

static int64_t fake_ns;
static int pipe_fds[2];
static char got[65536];

static int64_t fake_monotonic_ns(void *self)
{
    (void)self;
    return fake_ns;
}

static int64_t fake_wall_unix_ns(void *self)
{
    (void)self;
    return INT64_C(1700000000123) * TR_NS_PER_MS; /* 2023-11-14T22:13:20.123Z */
}

static const struct tr_clock fake_clock = {.monotonic_ns = fake_monotonic_ns,
                                           .wall_unix_ns = fake_wall_unix_ns,
                                           .boottime_ns = fake_monotonic_ns};

static int setup(void **state)
{
    (void)state;
    fake_ns = 1000 * TR_NS_PER_S;
    tr_log_set_clock(&fake_clock);
    return pipe(pipe_fds) == 0 && prctl(PR_SET_NAME, "tester") == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tr_log_setup(TR_LOG_INFO, TR_LOG_TEXT, STDERR_FILENO);
    tr_log_set_clock(NULL);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
    return 0;
}

/* What was written since the last call. */
static const char *written(void)
{
    const ssize_t count = write(pipe_fds[1], "#", 1); /* so that read never waits */
    assert_int_equal(count, 1);
    const ssize_t bytes = read(pipe_fds[0], got, sizeof(got) - 1);
    assert_true(bytes >= 1);
    got[bytes - 1] = '\0';
    return got;
}

static void log_text_line_has_time_level_thread_event_and_fields(void **state)
{
    (void)state;
    tr_log_setup(TR_LOG_INFO, TR_LOG_TEXT, pipe_fds[1]);
    TR_LOG(TR_LOG_WARN, "shipper.throttled", TR_TEXT("stream", "a.b"), TR_UINT("delay_ms", 20),
           TR_INT("skew_ms", -3), TR_REAL("ratio", 0.5), TR_TEXT("why", "two words\nand \"more\""),
           TR_TEXT("none", NULL));
    assert_string_equal(
        written(), "2023-11-14T22:13:20.123Z WARN tester shipper.throttled stream=a.b delay_ms=20 "
                   "skew_ms=-3 ratio=0.5 why=\"two words\\nand \\\"more\\\"\" none=\"\"\n");
    TR_LOG_PLAIN(TR_LOG_INFO, "engine.stopped");
    assert_string_equal(written(), "2023-11-14T22:13:20.123Z INFO tester engine.stopped\n");
}

static void log_json_line_is_one_object(void **state)
{
    (void)state;
    tr_log_setup(TR_LOG_INFO, TR_LOG_JSON, pipe_fds[1]);
    TR_LOG(TR_LOG_ERROR, "engine.failed", TR_TEXT("text", "a\tb\x01 \xc3\xa4 \xff \xe2\x82"),
           TR_UINT("n", UINT64_MAX), TR_REAL("x", __builtin_nan("")));
    assert_string_equal(
        written(),
        "{\"timestamp\":\"2023-11-14T22:13:20.123Z\",\"level\":\"ERROR\",\"thread\":\"tester\","
        "\"event\":\"engine.failed\",\"text\":\"a\\u0009b\\u0001 \xc3\xa4 \xef\xbf\xbd "
        "\xef\xbf\xbd\xef\xbf\xbd\",\"n\":18446744073709551615,\"x\":\"nan\"}\n");
}

static void log_below_the_level_writes_nothing(void **state)
{
    (void)state;
    tr_log_setup(TR_LOG_WARN, TR_LOG_TEXT, pipe_fds[1]);
    TR_LOG(TR_LOG_INFO, "engine.started", TR_UINT("n", 1));
    assert_string_equal(written(), "");
    assert_false(tr_log_is_on(TR_LOG_DEBUG));
    assert_true(tr_log_is_on(TR_LOG_ERROR));
}

static void emit_one(void)
{
    TR_LOG(TR_LOG_WARN, "source.slow", TR_UINT("n", 1));
}

static uint32_t lines_of(const char *text)
{
    uint32_t count = 0;
    for (; *text != '\0'; text++) {
        count += *text == '\n';
    }
    return count;
}

static void log_site_lets_ten_lines_through_then_one_per_second(void **state)
{
    (void)state;
    tr_log_setup(TR_LOG_INFO, TR_LOG_TEXT, pipe_fds[1]);
    for (int i = 0; i < 25; i++) {
        emit_one();
    }
    assert_int_equal(lines_of(written()), 10);
    fake_ns += TR_NS_PER_S;
    emit_one();
    assert_non_null(strstr(written(), " n=1 suppressed=15\n"));
    emit_one();
    assert_string_equal(written(), "");
    fake_ns +=
        100 * TR_NS_PER_S; /* the burst is back in full, the count of the suppressed said once */
    for (int i = 0; i < 25; i++) {
        emit_one();
    }
    const char *text = written();
    assert_int_equal(lines_of(text), 10);
    assert_non_null(strstr(text, "suppressed=1\n"));
}

static void log_line_that_is_too_long_is_cut_but_whole(void **state)
{
    (void)state;
    static char huge[20000];
    memset(huge, '"', sizeof(huge) - 1);
    tr_log_setup(TR_LOG_INFO, TR_LOG_JSON, pipe_fds[1]);
    TR_LOG(TR_LOG_INFO, "engine.config", TR_TEXT("value", huge), TR_UINT("after", 1));
    const char *text = written();
    assert_int_equal(lines_of(text), 1);
    assert_true(strlen(text) < 8192);
    assert_string_equal(text + strlen(text) - sizeof("\\\"\",\"cut\":1}\n") + 1,
                        "\\\"\",\"cut\":1}\n");
    assert_null(strstr(text, "after"));
}

static void log_error_names_code_remedy_and_text(void **state)
{
    (void)state;
    struct tr_error err;
    (void)TR_FAIL(&err, TR_ERR_SOURCE_AUTH, TR_STOP, "user \"%s\": refused", "u");
    tr_log_setup(TR_LOG_INFO, TR_LOG_TEXT, pipe_fds[1]);
    tr_log_error(TR_LOG_ERROR, "engine.failed", &err);
    assert_string_equal(
        written(),
        "2023-11-14T22:13:20.123Z ERROR tester engine.failed code=source_auth remedy=stop "
        "text=\"user \\\"u\\\": refused\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(log_text_line_has_time_level_thread_event_and_fields, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(log_json_line_is_one_object, setup, teardown),
        cmocka_unit_test_setup_teardown(log_below_the_level_writes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(log_site_lets_ten_lines_through_then_one_per_second, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(log_line_that_is_too_long_is_cut_but_whole, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(log_error_names_code_remedy_and_text, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
