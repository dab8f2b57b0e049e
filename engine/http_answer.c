// SPDX-License-Identifier: Apache-2.0
#include "engine/http_answer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/assert.h"

#define CHUNK_HEAD_BYTES (sizeof("00000000\r\n") - 1)
#define CHUNK_TAIL_BYTES                                                                           \
    (sizeof("\r\n0\r\n\r\n") - 1) /* of the last chunk; the others need less  \
                                                        */

static_assert(TR_HTTP_OUT_BYTES >=
                  2 * TR_METRICS_PART_BYTES_MIN + CHUNK_HEAD_BYTES + CHUNK_TAIL_BYTES,
              "the answer's head and a part of the metrics fit together");

struct request {
    struct tr_span method;
    struct tr_span path; /* without the query */
    bool is_1_0;
    bool is_closing;
    bool has_body;
};

static const char *const state_names[TR_HEALTH_STATE_COUNT] = {
    [TR_HEALTH_STARTING] = "starting",   [TR_HEALTH_SNAPSHOT] = "snapshot",
    [TR_HEALTH_STREAMING] = "streaming", [TR_HEALTH_IDLE] = "idle",
    [TR_HEALTH_BEHIND] = "behind",       [TR_HEALTH_STALLED] = "stalled",
    [TR_HEALTH_BLOCKED] = "blocked",     [TR_HEALTH_STANDBY] = "standby",
    [TR_HEALTH_STOPPING] = "stopping",   [TR_HEALTH_FAILED] = "failed",
};

const char *tr_health_state_name(enum tr_health_state state)
{
    TR_ASSERT(state < TR_HEALTH_STATE_COUNT);
    return state_names[state];
}

size_t tr_http_head_bytes(struct tr_span in)
{
    bool has_text = false;

    for (size_t i = 0; i < in.bytes; i++) {
        if (in.data[i] != '\n') {
            has_text = has_text || in.data[i] != '\r';
            continue;
        }
        const bool is_empty_line = i == 0 || in.data[i - 1] == '\n' ||
                                   (in.data[i - 1] == '\r' && (i == 1 || in.data[i - 2] == '\n'));
        if (is_empty_line && has_text) {
            return i + 1;
        }
    }
    return 0;
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 431:
        return "Request Header Fields Too Large";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Service Unavailable"; /* 503 */
    }
}

/* An answer whose body is complete; a HEAD gets the same head without it. */
static void put_whole(struct tr_http_answer *answer, int status, const char *type, const char *body,
                      bool is_head)
{
    const int bytes = snprintf(
        answer->out, sizeof(answer->out),
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
        "Cache-Control: no-store\r\n%s%s\r\n%s",
        status, reason_of(status), type, strlen(body), status == 405 ? "Allow: GET, HEAD\r\n" : "",
        answer->is_closing ? "Connection: close\r\n" : "", is_head ? "" : body);

    TR_ASSERT(bytes > 0);
    TR_ASSERT((size_t)bytes < sizeof(answer->out));
    answer->out_bytes = (size_t)bytes;
}

static void put_error(struct tr_http_answer *answer, int status, bool is_head)
{
    char body[128];

    (void)snprintf(
        body, sizeof(body), "%d %s%s\n", status, reason_of(status),
        status == 404 ? ": there are /metrics and /q/health, with /live, /ready, /started" : "");
    put_whole(answer, status, "text/plain; charset=utf-8", body, is_head);
}

void tr_http_answer_refusal(struct tr_http_answer *answer, int status)
{
    answer->is_closing = true;
    answer->is_streaming = false;
    put_error(answer, status, false);
}

/* The next line of `rest` without its end; moves `rest` behind it. */
static struct tr_span take_line(struct tr_span *rest)
{
    const uint8_t *end = memchr(rest->data, '\n', rest->bytes);
    const size_t line_bytes = end == NULL ? rest->bytes : (size_t)(end - rest->data);
    const size_t taken_bytes = end == NULL ? rest->bytes : line_bytes + 1;
    struct tr_span line = tr_span_of(rest->data, line_bytes);

    if (line.bytes > 0 && line.data[line.bytes - 1] == '\r') {
        line.bytes--;
    }
    *rest = tr_span_of(rest->data + taken_bytes, rest->bytes - taken_bytes);
    return line;
}

/* What lies before `separator`, which is taken too; everything when there is none. */
static struct tr_span take_until(struct tr_span *rest, char separator)
{
    const uint8_t *end = rest->bytes == 0 ? NULL : memchr(rest->data, separator, rest->bytes);
    const size_t bytes = end == NULL ? rest->bytes : (size_t)(end - rest->data);
    const struct tr_span taken = tr_span_of(rest->data, bytes);
    const size_t skip = end == NULL ? bytes : bytes + 1;

    *rest = tr_span_of(rest->data + skip, rest->bytes - skip);
    return taken;
}

static bool is_text(struct tr_span span, const char *text)
{
    return span.bytes == strlen(text) &&
           strncasecmp((const char *)span.data, text, span.bytes) == 0;
}

static struct tr_span trim(struct tr_span span)
{
    while (span.bytes > 0 && (span.data[0] == ' ' || span.data[0] == '\t')) {
        span.data++;
        span.bytes--;
    }
    while (span.bytes > 0 &&
           (span.data[span.bytes - 1] == ' ' || span.data[span.bytes - 1] == '\t')) {
        span.bytes--;
    }
    return span;
}

static void read_field(struct request *request, struct tr_span line)
{
    const struct tr_span name = take_until(&line, ':');
    struct tr_span value = trim(line);

    if (is_text(name, "Connection")) {
        while (value.bytes > 0) {
            const struct tr_span option = trim(take_until(&value, ','));
            request->is_closing = request->is_closing || is_text(option, "close");
            if (is_text(option, "keep-alive")) {
                request->is_closing = false;
            }
        }
    } else if (is_text(name, "Transfer-Encoding")) {
        request->has_body = true;
    } else if (is_text(name, "Content-Length")) {
        request->has_body = request->has_body || !is_text(value, "0");
    }
}

/* 0, or the status of the refusal. */
static int read_request(struct request *request, struct tr_span head)
{
    struct tr_span line = take_line(&head);

    *request = (struct request){0};
    while (line.bytes == 0 &&
           head.bytes > 0) { /* RFC 9112 2.2: empty lines before the request line */
        line = take_line(&head);
    }
    request->method = take_until(&line, ' ');
    struct tr_span target = take_until(&line, ' ');
    request->path = take_until(&target, '?');
    const struct tr_span version = line;
    if (request->method.bytes == 0 || request->path.bytes == 0 || version.bytes != 8 ||
        memcmp(version.data, "HTTP/", 5) != 0) {
        return 400;
    }
    if (!is_text(version, "HTTP/1.1") && !is_text(version, "HTTP/1.0")) {
        return 505;
    }
    request->is_1_0 = is_text(version, "HTTP/1.0");
    request->is_closing = request->is_1_0;
    while (head.bytes > 0) {
        line = take_line(&head);
        if (line.bytes > 0) {
            read_field(request, line);
        }
    }
    return request->has_body
               ? 400
               : 0; /* no method of ours has a body: what follows could not be told apart */
}

static void put_health(struct tr_http_answer *answer, const struct tr_health *health, bool is_up,
                       bool is_head)
{
    const enum tr_health_state state = tr_health_state_of(health);
    const int64_t lag_ms =
        atomic_load_explicit(&health->lag_ms, memory_order_relaxed); /* for people */
    const char *status = is_up ? "UP" : "DOWN";
    /* Relaxed: for people. */
    const char *cause = atomic_load_explicit(&health->cause, memory_order_relaxed);
    char lag[48] = "";
    char because[160] = "";
    char body[512];

    if (lag_ms >= 0) {
        (void)snprintf(lag, sizeof(lag), ",\"lag_ms\":%" PRId64, lag_ms);
    }
    if (cause != NULL) {
        (void)snprintf(because, sizeof(because), ",\"cause\":\"%.120s\"", cause);
    }
    (void)snprintf(body, sizeof(body),
                   "{\"status\":\"%s\",\"checks\":[{\"name\":\"debezium\",\"status\":\"%s\","
                   "\"data\":{\"state\":\"%s\"%s%s}}]}",
                   status, status, tr_health_state_name(state), lag, because);
    put_whole(answer, is_up ? 200 : 503, "application/json; charset=UTF-8", body, is_head);
}

/* A part of the exposition behind what is in `out` already, as a chunk if the answer is chunked. */
static void put_part(struct tr_http_answer *answer, struct tr_metrics *metrics)
{
    const size_t frame_bytes = answer->is_chunked ? CHUNK_HEAD_BYTES + CHUNK_TAIL_BYTES : 0;
    const size_t head_bytes = answer->is_chunked ? CHUNK_HEAD_BYTES : 0;
    char *part = answer->out + answer->out_bytes + head_bytes;
    const size_t bytes = tr_metrics_write_part(
        metrics, &answer->cursor, part, sizeof(answer->out) - answer->out_bytes - frame_bytes);
    char head[CHUNK_HEAD_BYTES + 1];

    answer->is_streaming = answer->cursor.is_done == 0;
    if (!answer->is_chunked) {
        answer->out_bytes += bytes;
        return;
    }
    if (bytes > 0) {
        (void)snprintf(head, sizeof(head), "%08x\r\n", (unsigned)bytes);
        memcpy(answer->out + answer->out_bytes, head, CHUNK_HEAD_BYTES);
        memcpy(part + bytes, "\r\n", 2);
        answer->out_bytes += CHUNK_HEAD_BYTES + bytes + 2;
    }
    if (!answer->is_streaming) {
        memcpy(answer->out + answer->out_bytes, "0\r\n\r\n", 5);
        answer->out_bytes += 5;
    }
}

static void put_metrics(struct tr_http_answer *answer, struct tr_metrics *metrics,
                        const struct request *request, bool is_head)
{
    answer->is_chunked = !request->is_1_0;
    answer->is_closing =
        answer->is_closing || request->is_1_0; /* the end of the connection ends the body */
    const int bytes =
        snprintf(answer->out, sizeof(answer->out),
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                 "Cache-Control: no-store\r\n%s%s\r\n",
                 answer->is_chunked ? "Transfer-Encoding: chunked\r\n" : "",
                 answer->is_closing ? "Connection: close\r\n" : "");
    TR_ASSERT(bytes > 0);
    answer->out_bytes = (size_t)bytes;
    if (!is_head) {
        answer->cursor = (struct tr_metrics_cursor){0};
        put_part(answer, metrics);
    }
}

void tr_http_answer_more(struct tr_http_answer *answer, struct tr_metrics *metrics)
{
    TR_ASSERT(answer->is_streaming);
    answer->out_bytes = 0;
    put_part(answer, metrics);
}

void tr_http_answer_request(struct tr_http_answer *answer, struct tr_span head,
                            struct tr_metrics *metrics, const struct tr_health *health)
{
    struct request request;
    const int refusal = read_request(&request, head);

    answer->out_bytes = 0;
    answer->is_streaming = false;
    answer->is_chunked = false;
    answer->is_closing = refusal != 0 || request.is_closing;
    if (refusal != 0) {
        put_error(answer, refusal, false);
        return;
    }
    const bool is_head = tr_span_equals(request.method, tr_span_of_text("HEAD"));
    const enum tr_health_state state = tr_health_state_of(health);
    if (!is_head && !tr_span_equals(request.method, tr_span_of_text("GET"))) {
        answer->is_closing = true;
        put_error(answer, 405, false);
    } else if (metrics != NULL && tr_span_equals(request.path, tr_span_of_text("/metrics"))) {
        put_metrics(answer, metrics, &request, is_head);
    } else if (tr_span_equals(request.path, tr_span_of_text("/q/health"))) {
        put_health(answer, health, tr_health_is_live(state) && tr_health_is_ready(state), is_head);
    } else if (tr_span_equals(request.path, tr_span_of_text("/q/health/live"))) {
        put_health(answer, health, tr_health_is_live(state), is_head);
    } else if (tr_span_equals(request.path, tr_span_of_text("/q/health/ready"))) {
        put_health(answer, health, tr_health_is_ready(state), is_head);
    } else if (tr_span_equals(request.path, tr_span_of_text("/q/health/started"))) {
        put_health(answer, health, state != TR_HEALTH_STARTING, is_head);
    } else {
        put_error(answer, 404, is_head);
    }
}
