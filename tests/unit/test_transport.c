// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "engine/clock.h"
#include "engine/pool.h"
#include "engine/reactor.h"
#include "stages/ship/transport_curl.h"
#include "tests/check.h"
#include "tests/support/script_server.h"

#define SLOTS 4
#define CALL_TIMEOUT_NS (10 * TR_NS_PER_S)
#define LARGE_BYTES ((size_t)15 * 1024 * 1024)
#define AT_UNIX_S INT64_C(1768478400) /* 2026-01-15T12:00:00Z */

static const char body_text[] = "{\"StreamName\":\"orders\"}";

struct setup {
    struct script_server server;
    struct tr_reactor *reactor;
    struct tr_transport transport;
    struct tr_credentials_source *credentials;
    struct tr_clock clock; /* real time for intervals, the test's own for dates and the deadline */
    int64_t wall_unix_ns;
    int64_t boottime_ns;
};

static int64_t monotonic_ns(void *self)
{
    (void)self;
    return tr_clock_monotonic_ns(tr_clock_system());
}

static int64_t wall_unix_ns(void *self)
{
    return ((struct setup *)self)->wall_unix_ns;
}

static int64_t boottime_ns(void *self)
{
    return ((struct setup *)self)->boottime_ns;
}

static const char *no_variable(void *self, const char *name)
{
    (void)self;
    (void)name;
    return NULL;
}

static void open_all(struct setup *setup, const char *token, enum tr_reactor_engine engine)
{
    struct tr_error err;
    struct tr_endpoint endpoint;
    char url[64];
    *setup = (struct setup){.wall_unix_ns = AT_UNIX_S * TR_NS_PER_S, .boottime_ns = 1000};
    setup->clock = (struct tr_clock){.self = setup,
                                     .monotonic_ns = monotonic_ns,
                                     .wall_unix_ns = wall_unix_ns,
                                     .boottime_ns = boottime_ns};
    script_server_open(&setup->server);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", setup->server.port);
    const struct tr_endpoint_options where = {
        .region = "eu-west-1", .endpoint = url, .environment = no_variable};
    assert_int_equal(tr_endpoint_resolve(&endpoint, &where, &err), TR_OK);
    const struct tr_credentials_options keys = {.access_key_id = "AKIDEXAMPLE",
                                                .secret_access_key = "secret",
                                                .session_token = token,
                                                .environment = no_variable};
    assert_int_equal(tr_credentials_open(&setup->credentials, &keys, &err), TR_OK);
    assert_int_equal(tr_reactor_open(&setup->reactor, engine, TR_TRANSPORT_FDS_MAX(SLOTS),
                                     TR_TRANSPORT_TIMERS_MAX, &err),
                     TR_OK);
    const struct tr_transport_curl_options options = {.endpoint = &endpoint,
                                                      .credentials = setup->credentials,
                                                      .reactor = setup->reactor,
                                                      .clock = &setup->clock,
                                                      .slot_count = SLOTS};
    assert_int_equal(tr_transport_curl_open(&setup->transport, &options, &err), TR_OK);
}

static enum tr_reactor_engine engine_of_run;

static int open_setup(void **state)
{
    static struct setup setup;
    open_all(&setup, "", engine_of_run);
    *state = &setup;
    return 0;
}

static int close_setup(void **state)
{
    struct setup *setup = *state;
    setup->transport.close(setup->transport.self);
    tr_reactor_close(setup->reactor);
    tr_credentials_close(setup->credentials);
    script_server_close(&setup->server);
    return 0;
}

static void turn(struct setup *setup)
{
    script_server_step(&setup->server);
    (void)tr_reactor_poll(setup->reactor, tr_clock_monotonic_ns(&setup->clock), TR_NS_PER_MS);
}

static void submit(struct setup *setup, uint32_t slot, struct tr_span body, int64_t timeout_ns)
{
    struct tr_error err;
    const struct tr_call call = {
        .slot = slot, .operation = "PutRecords", .body = body, .timeout_ns = timeout_ns};
    assert_int_equal(setup->transport.submit(setup->transport.self, &call,
                                             tr_clock_monotonic_ns(&setup->clock), &err),
                     TR_OK);
}

/* Turns until a call is done; fails the test after twice the longest timeout. */
static struct tr_call_done wait_done(struct setup *setup)
{
    struct tr_call_done done;
    const int64_t end_ns = tr_clock_monotonic_ns(&setup->clock) + 2 * CALL_TIMEOUT_NS;
    while (!setup->transport.poll(setup->transport.self, tr_clock_monotonic_ns(&setup->clock),
                                  &done)) {
        assert_true(tr_clock_monotonic_ns(&setup->clock) < end_ns);
        turn(setup);
    }
    return done;
}

static struct tr_call_done call(struct setup *setup)
{
    submit(setup, 0, tr_span_of_text(body_text), CALL_TIMEOUT_NS);
    return wait_done(setup);
}

static struct tr_call_done call_once(struct setup *setup, struct script_step step)
{
    script_server_add(&setup->server, step);
    const struct tr_call_done done = call(setup);
    assert_int_equal(setup->server.request_count, 1);
    return done;
}

static void assert_answer(const struct tr_call_done *done, int status, const char *text)
{
    assert_int_equal(done->state, TR_CALL_ANSWERED);
    assert_int_equal(done->status, status);
    assert_int_equal(done->answer.bytes, strlen(text));
    assert_memory_equal(done->answer.data, text, strlen(text));
    for (size_t i = 0; i < TR_TRANSPORT_PADDING_BYTES; i++) {
        assert_int_equal(done->answer.data[done->answer.bytes + i], 0);
    }
}

static void request_has_the_headers_that_were_signed_and_no_others(void **state)
{
    struct setup *setup = *state;
    char value[1024];
    char host[64];
    const struct tr_call_done done =
        call_once(setup, (struct script_step){.text = "{\"FailedRecordCount\":0}"});

    assert_answer(&done, 200, "{\"FailedRecordCount\":0}");
    assert_int_equal(strncmp(setup->server.last_head, "POST / HTTP/1.1\r\n", 17), 0);
    (void)snprintf(host, sizeof(host), "127.0.0.1:%u", setup->server.port);
    assert_true(script_server_header(&setup->server, "Host", value, sizeof(value)));
    assert_string_equal(value, host);
    assert_true(script_server_header(&setup->server, "Content-Type", value, sizeof(value)));
    assert_string_equal(value, "application/x-amz-json-1.1");
    assert_true(script_server_header(&setup->server, "X-Amz-Target", value, sizeof(value)));
    assert_string_equal(value, "Kinesis_20131202.PutRecords");
    assert_true(script_server_header(&setup->server, "X-Amz-Date", value, sizeof(value)));
    assert_string_equal(value, "20260115T120000Z");
    assert_true(script_server_header(&setup->server, "Content-Length", value, sizeof(value)));
    assert_string_equal(value, "23");
    assert_true(script_server_header(&setup->server, "Authorization", value, sizeof(value)));
    assert_non_null(strstr(value, "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "));
    static const char *const unwanted[] = {"Expect", "Accept", "Transfer-Encoding",
                                           "Accept-Encoding", "X-Amz-Security-Token"};
    for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++) {
        assert_false(script_server_header(&setup->server, unwanted[i], value, sizeof(value)));
    }
    assert_int_equal(done.credentials_generation, 1);
}

static void session_token_is_sent_and_signed(void **state)
{
    static struct setup setup;
    void *of_setup = &setup;
    char value[1024];
    (void)state;
    open_all(&setup, "token+/=", TR_REACTOR_EPOLL);
    const struct tr_call_done done = call(&setup);
    assert_answer(&done, 200, "{}");
    assert_true(script_server_header(&setup.server, "X-Amz-Security-Token", value, sizeof(value)));
    assert_string_equal(value, "token+/=");
    assert_true(script_server_header(&setup.server, "Authorization", value, sizeof(value)));
    assert_non_null(strstr(value, "x-amz-date;x-amz-security-token;x-amz-target"));
    assert_int_equal(close_setup(&of_setup), 0);
}

static void wanted_headers_of_an_answer_are_reported(void **state)
{
    struct setup *setup = *state;
    const struct tr_call_done done = call_once(
        setup, (struct script_step){.status = 400,
                                    .headers = "Date: Thu, 15 Jan 2026 12:00:01 GMT\r\n"
                                               "x-amzn-ErrorType: ThrottlingException:http://x\r\n"
                                               "x-amzn-RequestId: req-1\r\n"
                                               "x-amz-retry-after: 1500\r\n",
                                    .text = "{\"__type\":\"ThrottlingException\"}"});
    assert_answer(&done, 400, "{\"__type\":\"ThrottlingException\"}");
    assert_string_equal(done.error_type, "ThrottlingException");
    assert_string_equal(done.request_id, "req-1");
    assert_int_equal(done.date_unix_s, AT_UNIX_S + 1);
    assert_int_equal(done.retry_after_ns, 1500 * TR_NS_PER_MS);
}

static void connection_is_kept_between_calls(void **state)
{
    struct setup *setup = *state;
    for (uint32_t i = 0; i < 5; i++) {
        const struct tr_call_done done = call(setup);
        assert_answer(&done, 200, "{}");
    }
    assert_int_equal(setup->server.request_count, 5);
    assert_int_equal(setup->server.accept_count, 1);
}

static void slots_run_in_parallel(void **state)
{
    struct setup *setup = *state;
    bool seen[SLOTS] = {false};
    for (uint32_t i = 0; i < SLOTS; i++) {
        submit(setup, i, tr_span_of_text(body_text), CALL_TIMEOUT_NS);
    }
    for (uint32_t i = 0; i < SLOTS; i++) {
        const struct tr_call_done done = wait_done(setup);
        assert_int_equal(done.state, TR_CALL_ANSWERED);
        assert_false(seen[done.slot]);
        seen[done.slot] = true;
    }
    assert_int_equal(setup->server.request_count, SLOTS);
}

static void large_body_arrives_whole_and_without_waiting_for_100_continue(void **state)
{
    struct setup *setup = *state;
    struct tr_error err;
    uint8_t *body = tr_memory_map(LARGE_BYTES, &err);
    uint64_t sum = 0;
    assert_non_null(body);
    for (size_t i = 0; i < LARGE_BYTES; i++) {
        body[i] = (uint8_t)(i * 2654435761u >> 13);
        sum += body[i];
    }
    submit(setup, 0, tr_span_of(body, LARGE_BYTES), CALL_TIMEOUT_NS);
    const struct tr_call_done done = wait_done(setup);
    assert_answer(&done, 200, "{}");
    assert_int_equal(setup->server.body_bytes_total, LARGE_BYTES);
    assert_int_equal(setup->server.body_checksum, sum);
    tr_memory_unmap(body, LARGE_BYTES);
}

static void chunked_answer_is_an_answer(void **state)
{
    struct setup *setup = *state;
    const struct tr_call_done done = call_once(
        setup, (struct script_step){.action = SCRIPT_ANSWER_CHUNKED, .text = "{\"chunked\":true}"});
    assert_answer(&done, 200, "{\"chunked\":true}");
}

static void stray_100_continue_is_skipped(void **state)
{
    struct setup *setup = *state;
    const struct tr_call_done done = call_once(
        setup, (struct script_step){.action = SCRIPT_RAW,
                                    .text = "HTTP/1.1 100 Continue\r\nx-amzn-RequestId: no\r\n\r\n"
                                            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"});
    assert_answer(&done, 200, "{}");
    assert_string_equal(done.request_id, "");
}

static void announced_close_opens_a_new_connection_next_time(void **state)
{
    struct setup *setup = *state;
    script_server_add(&setup->server, (struct script_step){.headers = "Connection: close\r\n",
                                                           .action = SCRIPT_ANSWER_AND_CLOSE});
    struct tr_call_done done = call(setup);
    assert_answer(&done, 200, "{}");
    done = call(setup);
    assert_answer(&done, 200, "{}");
    assert_int_equal(setup->server.request_count, 2);
    assert_int_equal(setup->server.accept_count, 2);
}

static void refused_connection_is_unsent(void **state)
{
    struct setup *setup = *state;
    script_server_close(&setup->server);
    const struct tr_call_done done = call(setup);
    assert_int_equal(done.state, TR_CALL_UNSENT);
    assert_int_equal(done.error.code, TR_ERR_SINK_LINK);
    assert_int_equal(done.error.remedy, TR_RETRY);
    assert_non_null(strstr(done.error.text, "PutRecords"));
}

static void request_without_an_answer_is_unknown_and_sent_once(void **state)
{
    struct setup *setup = *state;
    const struct tr_call_done done = call_once(setup, (struct script_step){.action = SCRIPT_CLOSE});
    assert_int_equal(done.state, TR_CALL_UNKNOWN);
    assert_int_equal(setup->server.accept_count, 1);
}

static void reset_instead_of_an_answer_is_unknown_and_sent_once(void **state)
{
    struct setup *setup = *state;
    const struct tr_call_done done = call_once(setup, (struct script_step){.action = SCRIPT_RESET});
    assert_int_equal(done.state, TR_CALL_UNKNOWN);
    assert_int_equal(setup->server.accept_count, 1);
}

/* The case in which libcurl resends a POST by itself when it can rewind the body. */
static void request_on_a_kept_connection_is_never_sent_twice(void **state)
{
    struct setup *setup = *state;
    static const enum script_action ends[] = {SCRIPT_CLOSE, SCRIPT_RESET};
    for (uint32_t i = 0; i < 2; i++) {
        script_server_add(&setup->server, (struct script_step){0});
        script_server_add(&setup->server, (struct script_step){.action = ends[i]});
        struct tr_call_done done = call(setup);
        assert_answer(&done, 200, "{}");
        done = call(setup);
        assert_int_equal(done.state, TR_CALL_UNKNOWN);
        for (uint32_t turns = 0; turns < 20; turns++) {
            turn(setup); /* a resend would arrive now */
        }
        assert_int_equal(setup->server.request_count, 2 * (i + 1));
    }
}

/* The server resets a kept connection while it reads the second request's body. */
static void reset_in_the_middle_of_a_body_is_unknown(void **state)
{
    struct setup *setup = *state;
    struct tr_error err;
    uint8_t *body = tr_memory_map(LARGE_BYTES, &err);
    assert_non_null(body);
    struct tr_call_done done = call(setup);
    assert_answer(&done, 200, "{}");
    setup->server.reset_after_body_bytes = 1024 * 1024;
    submit(setup, 0, tr_span_of(body, LARGE_BYTES), CALL_TIMEOUT_NS);
    done = wait_done(setup);
    assert_int_equal(done.state, TR_CALL_UNKNOWN);
    for (uint32_t turns = 0; turns < 20; turns++) {
        turn(setup);
    }
    assert_int_equal(setup->server.request_count, 1);
    assert_true(setup->server.body_bytes_total < LARGE_BYTES);
    tr_memory_unmap(body, LARGE_BYTES);
}

static void connection_closed_while_idle_is_replaced_without_a_trace(void **state)
{
    struct setup *setup = *state;
    for (uint32_t i = 0; i < 4; i++) {
        const struct tr_call_done done = call(setup);
        assert_answer(&done, 200, "{}");
        script_server_drop(&setup->server);
    }
    assert_int_equal(setup->server.request_count, 4);
    assert_int_equal(setup->server.accept_count, 4);
}

static void half_an_answer_is_unknown(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Records\":[",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"Re",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    };
    struct setup *setup = *state;
    for (uint32_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        script_server_add(&setup->server,
                          (struct script_step){.action = SCRIPT_RAW_AND_CLOSE, .text = texts[i]});
        const struct tr_call_done done = call(setup);
        assert_int_equal(done.state, TR_CALL_UNKNOWN);
        assert_int_equal(setup->server.request_count, i + 1);
    }
}

static void answer_that_is_not_http_is_unknown(void **state)
{
    struct setup *setup = *state;
    const struct tr_call_done done =
        call_once(setup, (struct script_step){.action = SCRIPT_RAW_AND_CLOSE,
                                              .text = "\x15\x03\x01 garbage\r\n\r\n"});
    assert_int_equal(done.state, TR_CALL_UNKNOWN);
}

static void answer_over_the_buffer_is_unknown(void **state)
{
    static char text[TR_TRANSPORT_ANSWER_BYTES_MAX + 2];
    struct setup *setup = *state;
    memset(text, 'x', sizeof(text) - 1);
    struct tr_call_done done = call_once(setup, (struct script_step){.text = text});
    assert_int_equal(done.state, TR_CALL_UNKNOWN);
    assert_non_null(strstr(done.error.text, "answer over"));
    text[TR_TRANSPORT_ANSWER_BYTES_MAX] = '\0';
    script_server_add(&setup->server, (struct script_step){.text = text});
    done = call(setup);
    assert_int_equal(done.state, TR_CALL_ANSWERED);
    assert_int_equal(done.answer.bytes, TR_TRANSPORT_ANSWER_BYTES_MAX);
}

static void stalled_call_times_out_as_unknown_and_resets(void **state)
{
    struct setup *setup = *state;
    script_server_add(&setup->server, (struct script_step){.action = SCRIPT_STALL});
    submit(setup, 0, tr_span_of_text(body_text), 150 * TR_NS_PER_MS);
    const struct tr_call_done done = wait_done(setup);
    assert_int_equal(done.state, TR_CALL_UNKNOWN);
    assert_int_equal(done.error.remedy, TR_RETRY);
    turn(setup);
    assert_int_equal(setup->server.reset_seen_count, 1);
}

static void cancelled_call_is_not_reported_and_resets(void **state)
{
    struct setup *setup = *state;
    struct tr_call_done done;
    script_server_add(&setup->server, (struct script_step){.action = SCRIPT_STALL});
    submit(setup, 2, tr_span_of_text(body_text), CALL_TIMEOUT_NS);
    while (setup->server.request_count == 0) {
        turn(setup);
    }
    setup->transport.cancel(setup->transport.self, 2);
    turn(setup);
    assert_int_equal(setup->server.reset_seen_count, 1);
    assert_false(
        setup->transport.poll(setup->transport.self, tr_clock_monotonic_ns(&setup->clock), &done));
    submit(setup, 2, tr_span_of_text(body_text), CALL_TIMEOUT_NS);
    done = wait_done(setup);
    assert_answer(&done, 200, "{}");
    assert_int_equal(done.slot, 2);
}

static void cancel_drops_a_completion_that_was_not_polled(void **state)
{
    struct setup *setup = *state;
    struct tr_call_done done;
    submit(setup, 1, tr_span_of_text(body_text), CALL_TIMEOUT_NS);
    for (uint32_t turns = 0; turns < 50; turns++) {
        turn(setup);
    }
    setup->transport.cancel(setup->transport.self, 1);
    assert_false(
        setup->transport.poll(setup->transport.self, tr_clock_monotonic_ns(&setup->clock), &done));
}

static void no_body_leaves_after_the_deadline(void **state)
{
    struct setup *setup = *state;
    setup->boottime_ns = 5000;
    tr_transport_curl_set_deadline(&setup->transport, 5000);
    const struct tr_call_done done = call(setup);
    assert_int_equal(done.state, TR_CALL_UNSENT);
    for (uint32_t turns = 0; turns < 20; turns++) {
        turn(setup);
    }
    assert_int_equal(setup->server.body_bytes_total, 0);
    assert_int_equal(script_server_connection_count(&setup->server), 0);
}

static void body_stops_at_the_deadline_and_never_completes(void **state)
{
    struct setup *setup = *state;
    struct tr_error err;
    uint8_t *body = tr_memory_map(LARGE_BYTES, &err);
    assert_non_null(body);
    tr_transport_curl_set_deadline(&setup->transport, 5000);
    setup->server.is_reading = false; /* its window closes with part of the body sent */
    submit(setup, 0, tr_span_of(body, LARGE_BYTES), CALL_TIMEOUT_NS);
    for (uint32_t turns = 0; turns < 20; turns++) {
        turn(setup);
    }
    setup->boottime_ns = 5000;
    setup->server.is_reading = true;
    const struct tr_call_done done = wait_done(setup);
    assert_int_equal(done.state, TR_CALL_UNKNOWN);
    for (uint32_t turns = 0; turns < 20; turns++) {
        turn(setup);
    }
    assert_int_equal(setup->server.request_count, 0);
    assert_true(setup->server.body_bytes_total < LARGE_BYTES);
    tr_memory_unmap(body, LARGE_BYTES);
}

static void early_413_is_an_answer(void **state)
{
    struct setup *setup = *state;
    struct tr_error err;
    uint8_t *body = tr_memory_map(LARGE_BYTES, &err);
    assert_non_null(body);
    script_server_add(&setup->server, (struct script_step){.status = 413, .text = ""});
    submit(setup, 0, tr_span_of(body, LARGE_BYTES), CALL_TIMEOUT_NS);
    const struct tr_call_done done = wait_done(setup);
    assert_answer(&done, 413, "");
    tr_memory_unmap(body, LARGE_BYTES);
}

static void clock_is_learnt_from_a_date_that_is_far_off(void **state)
{
    struct setup *setup = *state;
    char value[64];
    script_server_add(&setup->server,
                      (struct script_step){.headers = "Date: Thu, 15 Jan 2026 12:03:59 GMT\r\n"});
    script_server_add(&setup->server,
                      (struct script_step){.headers = "Date: Thu, 15 Jan 2026 12:10:00 GMT\r\n"});
    struct tr_call_done done = call(setup);
    assert_answer(&done, 200, "{}");
    assert_int_equal(tr_transport_curl_clock_offset_s(&setup->transport), 0);
    done = call(setup);
    assert_answer(&done, 200, "{}");
    assert_int_equal(tr_transport_curl_clock_offset_s(&setup->transport), 600);
    script_server_add(&setup->server,
                      (struct script_step){.headers = "Date: Thu, 15 Jan 2026 12:10:00 GMT\r\n"});
    (void)call(setup);
    assert_true(script_server_header(&setup->server, "X-Amz-Date", value, sizeof(value)));
    assert_string_equal(value, "20260115T121000Z");

    /* The local clock is put right: the old offset is wrong now, and is learnt anew. */
    setup->wall_unix_ns += 600 * TR_NS_PER_S;
    script_server_add(&setup->server,
                      (struct script_step){.headers = "Date: Thu, 15 Jan 2026 12:10:00 GMT\r\n"});
    (void)call(setup);
    assert_int_equal(tr_transport_curl_clock_offset_s(&setup->transport), 0);
}

static void clock_is_learnt_from_a_refused_date_at_any_distance(void **state)
{
    struct setup *setup = *state;
    const struct tr_call_done done = call_once(
        setup,
        (struct script_step){.status = 400,
                             .headers = "Date: Thu, 15 Jan 2026 12:02:00 GMT\r\n",
                             .text = "{\"__type\":\"InvalidSignatureException\",\"message\":"
                                     "\"Signature expired: 20260115T120000Z is now earlier\"}"});
    assert_int_equal(done.status, 400);
    assert_int_equal(tr_transport_curl_clock_offset_s(&setup->transport), 120);
}

#define WITH_SETUP(test) cmocka_unit_test_setup_teardown(test, open_setup, close_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SETUP(request_has_the_headers_that_were_signed_and_no_others),
        cmocka_unit_test(session_token_is_sent_and_signed),
        WITH_SETUP(wanted_headers_of_an_answer_are_reported),
        WITH_SETUP(connection_is_kept_between_calls),
        WITH_SETUP(slots_run_in_parallel),
        WITH_SETUP(large_body_arrives_whole_and_without_waiting_for_100_continue),
        WITH_SETUP(chunked_answer_is_an_answer),
        WITH_SETUP(stray_100_continue_is_skipped),
        WITH_SETUP(announced_close_opens_a_new_connection_next_time),
        WITH_SETUP(refused_connection_is_unsent),
        WITH_SETUP(request_without_an_answer_is_unknown_and_sent_once),
        WITH_SETUP(reset_instead_of_an_answer_is_unknown_and_sent_once),
        WITH_SETUP(request_on_a_kept_connection_is_never_sent_twice),
        WITH_SETUP(reset_in_the_middle_of_a_body_is_unknown),
        WITH_SETUP(connection_closed_while_idle_is_replaced_without_a_trace),
        WITH_SETUP(half_an_answer_is_unknown),
        WITH_SETUP(answer_that_is_not_http_is_unknown),
        WITH_SETUP(answer_over_the_buffer_is_unknown),
        WITH_SETUP(stalled_call_times_out_as_unknown_and_resets),
        WITH_SETUP(cancelled_call_is_not_reported_and_resets),
        WITH_SETUP(cancel_drops_a_completion_that_was_not_polled),
        WITH_SETUP(no_body_leaves_after_the_deadline),
        WITH_SETUP(body_stops_at_the_deadline_and_never_completes),
        WITH_SETUP(early_413_is_an_answer),
        WITH_SETUP(clock_is_learnt_from_a_date_that_is_far_off),
        WITH_SETUP(clock_is_learnt_from_a_refused_date_at_any_distance),
    };
    int failed_count = 0;
    for (int i = 0; i < 2; i++) { /* the same with either engine of the reactor */
        engine_of_run = i == 0 ? TR_REACTOR_AUTO : TR_REACTOR_EPOLL;
        failed_count += cmocka_run_group_tests_name(i == 0 ? "auto" : "epoll", tests, NULL, NULL);
    }
    return failed_count;
}
