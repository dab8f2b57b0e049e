// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/http.h"

#include <cmocka.h>

#define ROUNDS_MAX 20000

static struct tr_reactor *reactor;
static struct tr_metrics *metrics;
static struct tr_http *http;
static struct tr_health health;
static struct tr_error err;
static int64_t now_ns;
static char got[4 * 1024 * 1024];
static size_t got_bytes;

static int setup_with(enum tr_reactor_engine engine)
{
    now_ns = 1000 * TR_NS_PER_S;
    tr_health_set(&health, TR_HEALTH_STREAMING, 12);
    if (tr_reactor_open(&reactor, engine, TR_HTTP_FDS_MAX, TR_HTTP_TIMERS_MAX, &err) != TR_OK ||
        tr_metrics_open(&metrics, 600, &err) != TR_OK) {
        return -1;
    }
    const struct tr_http_options options = {
        .host = "127.0.0.1", .port = 0, .reactor = reactor, .metrics = metrics, .health = &health};
    return tr_http_open(&http, &options, now_ns, &err) == TR_OK ? 0 : -1;
}

static int setup(void **state)
{
    (void)state;
    return setup_with(TR_REACTOR_AUTO);
}

static int setup_epoll(void **state)
{
    (void)state;
    return setup_with(TR_REACTOR_EPOLL);
}

static int teardown(void **state)
{
    (void)state;
    tr_http_close(http);
    tr_metrics_close(metrics);
    tr_reactor_close(reactor);
    return 0;
}

static void poll_some(void)
{
    (void)tr_reactor_poll(reactor, now_ns, TR_NS_PER_MS / 10);
}

static int connect_client(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(tr_http_port(http)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd != -1);
    const int result = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    assert_true(result == 0 || errno == EINPROGRESS);
    return fd;
}

static void send_text(int fd, const char *text, size_t bytes)
{
    for (uint32_t round = 0; bytes > 0; round++) {
        assert_true(round < ROUNDS_MAX);
        const ssize_t sent = send(fd, text, bytes, MSG_NOSIGNAL);
        if (sent > 0) {
            text += sent;
            bytes -= (size_t)sent;
        }
        poll_some();
    }
}

/* Receives until `end` was seen, or until the server closes (`end` NULL). */
static void receive_until(int fd, const char *end)
{
    got_bytes = 0;
    for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
        poll_some();
        const ssize_t bytes = recv(fd, got + got_bytes, sizeof(got) - 1 - got_bytes, 0);
        if (bytes == 0 && end == NULL) {
            return;
        }
        assert_true(bytes != 0);
        if (bytes > 0) {
            got_bytes += (size_t)bytes;
            got[got_bytes] = '\0';
            if (end != NULL && strstr(got, end) != NULL) {
                return;
            }
        }
    }
    fail_msg("no end in %zu bytes: %.200s", got_bytes, got);
}

static void ask(int fd, const char *request, const char *end)
{
    send_text(fd, request, strlen(request));
    receive_until(fd, end);
}

static void expect(const char *want)
{
    if (strstr(got, want) == NULL) {
        fail_msg("wanted \"%s\" in: %.500s", want, got);
    }
}

static void http_health_answers_by_state(void **state)
{
    (void)state;
    static const struct {
        enum tr_health_state state;
        bool is_live;
        bool is_ready;
    } cases[TR_HEALTH_STATE_COUNT] = {
        {TR_HEALTH_STARTING, true, false}, {TR_HEALTH_SNAPSHOT, true, false},
        {TR_HEALTH_STREAMING, true, true}, {TR_HEALTH_IDLE, true, true},
        {TR_HEALTH_BEHIND, true, true},    {TR_HEALTH_STALLED, true, false},
        {TR_HEALTH_BLOCKED, true, false},  {TR_HEALTH_STANDBY, true, false},
        {TR_HEALTH_STOPPING, true, false}, {TR_HEALTH_FAILED, false, false},
    };
    const int fd = connect_client();
    for (size_t i = 0; i < TR_HEALTH_STATE_COUNT; i++) {
        char data[64];
        (void)snprintf(data, sizeof(data), "\"data\":{\"state\":\"%s\"}}]}",
                       tr_health_state_name(cases[i].state));
        tr_health_set(&health, cases[i].state, -1);
        ask(fd, "GET /q/health/live HTTP/1.1\r\nHost: x\r\n\r\n", "}]}");
        expect(cases[i].is_live ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 503 Service Unavailable\r\n");
        expect(data);
        ask(fd, "GET /q/health/ready HTTP/1.1\r\nHost: x\r\n\r\n", "}]}");
        expect(cases[i].is_ready ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 503 Service Unavailable\r\n");
        ask(fd, "GET /q/health/started HTTP/1.1\r\nHost: x\r\n\r\n", "}]}");
        expect(cases[i].state == TR_HEALTH_STARTING ? "HTTP/1.1 503 " : "HTTP/1.1 200 OK\r\n");
        ask(fd, "GET /q/health HTTP/1.1\r\nHost: x\r\n\r\n", "}]}");
        expect(cases[i].is_ready ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 503 Service Unavailable\r\n");
    }
    tr_health_set(&health, TR_HEALTH_STREAMING, 12);
    ask(fd, "GET /q/health?pretty HTTP/1.1\r\n\r\n", "}]}");
    expect("{\"status\":\"UP\",\"checks\":[{\"name\":\"debezium\",\"status\":\"UP\",\"data\":{"
           "\"state\":\"streaming\","
           "\"lag_ms\":12}}]}");
    expect("Content-Type: application/json");
    (void)close(fd);
}

/* The body of the chunked answer in `got`, in place. */
static void join_chunks(void)
{
    const char *at = strstr(got, "\r\n\r\n") + 4;
    size_t bytes = 0;
    for (;;) {
        char *end;
        const size_t chunk_bytes = strtoul(at, &end, 16);
        assert_memory_equal(end, "\r\n", 2);
        if (chunk_bytes == 0) {
            break;
        }
        memmove(got + bytes, end + 2, chunk_bytes);
        bytes += chunk_bytes;
        at = end + 2 + chunk_bytes;
        assert_memory_equal(at, "\r\n", 2);
        at += 2;
    }
    got[bytes] = '\0';
}

static void http_metrics_of_many_streams_arrive_whole(void **state)
{
    (void)state;
    static char want[4 * 1024 * 1024];
    for (uint32_t i = 0; i < 500; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "stream-%u", i);
        tr_metric_add(tr_metrics_add_stream_block(metrics, name), TR_METRIC_RECORDS_ACKED, i);
    }
    const int fd = connect_client();
    for (uint32_t i = 0; i < 2; i++) { /* the connection is kept */
        ask(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n0\r\n\r\n");
        expect("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
        expect("Transfer-Encoding: chunked\r\n");
        join_chunks();
        assert_true(strlen(got) > 500000);
        const size_t bytes = tr_metrics_write(metrics, want, sizeof(want) - 1);
        want[bytes] = '\0';
        *strstr(want, "# HELP process_virtual") = '\0';
        *strstr(got, "# HELP process_virtual") = '\0';
        assert_string_equal(got, want);
    }
    (void)close(fd);
    const int old = connect_client(); /* HTTP/1.0 knows no chunks: the end of the connection is that
                                         of the body */
    ask(old, "GET /metrics HTTP/1.0\r\n\r\n", NULL);
    expect("Connection: close\r\n");
    assert_null(strstr(got, "chunked"));
    assert_non_null(strstr(strstr(got, "\r\n\r\n"), "\ntailrace_build_info{"));
    (void)close(old);
}

static void http_head_has_no_body(void **state)
{
    (void)state;
    const int fd = connect_client();
    ask(fd, "HEAD /q/health HTTP/1.1\r\nConnection: close\r\n\r\n", NULL);
    expect("HTTP/1.1 200 OK\r\n");
    assert_string_equal(got + got_bytes - 4, "\r\n\r\n");
    (void)close(fd);
}

static void http_requests_in_pieces_and_in_one_are_answered_in_order(void **state)
{
    (void)state;
    const int fd = connect_client();
    static const char request[] = "\r\nGET /q/health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        send_text(fd, request + i, 1);
    }
    receive_until(fd, "}]}");
    ask(fd,
        "GET /nothing HTTP/1.1\r\n\r\nGET /q/health/live HTTP/1.1\n\nGET /other "
        "HTTP/1.1\r\nConnection: close\r\n\r\n",
        NULL);
    const char *first = strstr(got, "HTTP/1.1 404 Not Found\r\n");
    const char *second = strstr(got, "HTTP/1.1 200 OK\r\n");
    assert_ptr_equal(first, got);
    assert_non_null(second);
    assert_non_null(strstr(second, "HTTP/1.1 404 Not Found\r\n"));
    (void)close(fd);
}

static void refused(const char *request, const char *want)
{
    const int fd = connect_client();
    ask(fd, request, NULL); /* the server closes */
    expect(want);
    expect("Connection: close\r\n");
    (void)close(fd);
}

static void http_bad_requests_are_refused(void **state)
{
    (void)state;
    refused("POST /q/health HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\n");
    expect("Allow: GET, HEAD\r\n");
    refused("GET /q/health\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n");
    refused("garbage\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n");
    refused("GET /q/health HTTP/2.0\r\n\r\n", "HTTP/1.1 505 ");
    refused("GET /q/health HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 400 ");
    refused("GET /q/health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 400 ");
    static char huge[9000];
    memset(huge, 'a', sizeof(huge) - 1);
    refused(huge, "HTTP/1.1 431 Request Header Fields Too Large\r\n");
}

static void http_slow_clients_are_cut_off(void **state)
{
    (void)state;
    const int slow = connect_client();
    const int idle = connect_client();
    send_text(slow, "GET /q/he", 9);
    ask(idle, "GET /q/health/live HTTP/1.1\r\n\r\n", "}]}");
    for (uint32_t i = 0; i < 12; i++) {
        now_ns += TR_NS_PER_S;
        poll_some();
        if (i < 8) {
            send_text(slow, "a", 1); /* a byte a second buys no time */
        }
    }
    receive_until(slow, NULL);
    expect("HTTP/1.1 408 Request Timeout\r\n");
    ask(idle, "GET /q/health/live HTTP/1.1\r\n\r\n", "}]}"); /* kept between requests for longer */
    for (uint32_t i = 0; i < 62; i++) {
        now_ns += TR_NS_PER_S;
        poll_some();
    }
    receive_until(idle, NULL);
    assert_int_equal(got_bytes, 0);
    (void)close(slow);
    (void)close(idle);
}

static void http_more_clients_than_places_wait(void **state)
{
    (void)state;
    int fds[TR_HTTP_CONNECTIONS_MAX + 8];
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        fds[i] = connect_client();
        poll_some();
    }
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]);
         i++) { /* a place becomes free: the next one is served */
        ask(fds[i], "GET /q/health/live HTTP/1.1\r\nConnection: close\r\n\r\n", NULL);
        expect("HTTP/1.1 200 OK\r\n");
        (void)close(fds[i]);
    }
}

static void http_client_that_leaves_frees_its_place(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3 * TR_HTTP_CONNECTIONS_MAX; i++) {
        const int fd = connect_client();
        poll_some();
        const struct linger reset = {.l_onoff = 1, .l_linger = 0};
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        (void)close(fd);
        poll_some();
    }
    const int fd = connect_client();
    ask(fd, "GET /q/health/live HTTP/1.1\r\n\r\n", "}]}");
    (void)close(fd);
}

static void http_port_in_use_is_named_with_a_remedy(void **state)
{
    (void)state;
    struct tr_http *second = NULL;
    char want[128];
    const struct tr_http_options options = {
        .host = "127.0.0.1", .port = tr_http_port(http), .reactor = reactor, .health = &health};
    assert_int_equal(tr_http_open(&second, &options, now_ns, &err), TR_ERR_CONFIG);
    assert_null(second);
    (void)snprintf(want, sizeof(want),
                   "quarkus.http.port = %u: already in use at 127.0.0.1; stop what listens there",
                   tr_http_port(http));
    assert_non_null(strstr(err.text, want));
    const struct tr_http_options elsewhere = {
        .host = "192.0.2.1", .port = 0, .reactor = reactor, .health = &health};
    assert_int_equal(tr_http_open(&second, &elsewhere, now_ns, &err), TR_ERR_CONFIG);
    assert_non_null(
        strstr(err.text, "quarkus.http.host = 192.0.2.1: not an address of this machine"));
    const struct tr_http_options nowhere = {
        .host = "no such host", .reactor = reactor, .health = &health};
    assert_int_equal(tr_http_open(&second, &nowhere, now_ns, &err), TR_ERR_CONFIG);
    assert_non_null(strstr(err.text, "quarkus.http.host = no such host: "));
}

#define BOTH_REACTORS(test)                                                                        \
    cmocka_unit_test_setup_teardown(test, setup, teardown),                                        \
        cmocka_unit_test_setup_teardown(test, setup_epoll, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_REACTORS(http_health_answers_by_state),
        BOTH_REACTORS(http_metrics_of_many_streams_arrive_whole),
        BOTH_REACTORS(http_head_has_no_body),
        BOTH_REACTORS(http_requests_in_pieces_and_in_one_are_answered_in_order),
        BOTH_REACTORS(http_bad_requests_are_refused),
        BOTH_REACTORS(http_slow_clients_are_cut_off),
        BOTH_REACTORS(http_more_clients_than_places_wait),
        BOTH_REACTORS(http_client_that_leaves_frees_its_place),
        BOTH_REACTORS(http_port_in_use_is_named_with_a_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
