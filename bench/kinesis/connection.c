// SPDX-License-Identifier: Apache-2.0
/* Connections of the stand-in: HTTP/1.1 with keep-alive over TCP or TLS, and the faults that act on
 * a connection. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/kinesis/standin.h"
#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/pool.h"

#define IN_ROOM_BYTES                                                                              \
    ((size_t)20 * 1024 * 1024) /* a 10 MiB request in base64, keys and JSON around it */
#define OUT_ROOM_BYTES ((size_t)20 * 1024 * 1024) /* 10 MiB of GetRecords in base64 */
#define HEAD_BYTES_MAX 1024
#define READ_BYTES_MAX ((size_t)1024 * 1024)

struct connection {
    struct tr_standin *standin;
    int fd;
    SSL *ssl;    /* NULL: plain */
    uint8_t *in; /* owns, mapped */
    size_t in_bytes;
    char *out; /* owns, mapped: HEAD_BYTES_MAX for the head, then the body */
    size_t out_at;
    size_t out_end;
    size_t scanned_bytes; /* no end of headers before it */
    bool close_after;
    bool fault_drawn;
    enum tr_fault_kind fault;
    uint32_t fault_value;
    struct tr_reactor_timer stall;
};

static void on_ready(void *self, int fd, uint32_t ready);

static void drop(struct connection *connection, bool reset)
{
    struct tr_standin *standin = connection->standin;
    tr_reactor_timer_cancel(standin->reactor, &connection->stall);
    tr_reactor_remove(standin->reactor, connection->fd);
    if (reset) {
        const struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    SSL_free(connection->ssl);
    (void)close(connection->fd);
    tr_memory_unmap(connection->in, IN_ROOM_BYTES);
    tr_memory_unmap(connection->out, OUT_ROOM_BYTES);
    free(connection);
}

/* Bytes moved, 0 = not now, -1 = ended. */
static ssize_t receive(struct connection *connection, void *at, size_t room)
{
    if (connection->ssl != NULL) {
        const int bytes = SSL_read(connection->ssl, at, (int)room);
        const int reason = bytes > 0 ? 0 : SSL_get_error(connection->ssl, bytes);
        return bytes > 0                                                         ? bytes
               : reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0
                                                                                 : -1;
    }
    const ssize_t bytes = recv(connection->fd, at, room, 0);
    return bytes > 0 ? bytes : bytes < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static ssize_t transmit(struct connection *connection, const void *at, size_t count)
{
    if (connection->ssl != NULL) {
        const int bytes =
            SSL_write(connection->ssl, at, (int)(count < READ_BYTES_MAX ? count : READ_BYTES_MAX));
        const int reason = bytes > 0 ? 0 : SSL_get_error(connection->ssl, bytes);
        return bytes > 0                                                         ? bytes
               : reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0
                                                                                 : -1;
    }
    const ssize_t bytes = send(connection->fd, at, count, MSG_NOSIGNAL);
    return bytes > 0 ? bytes : bytes < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static void watch(struct connection *connection, uint32_t interest)
{
    struct tr_error err;
    if (tr_reactor_set(connection->standin->reactor, connection->fd, interest, on_ready, connection,
                       &err) != TR_OK) {
        tr_log_error(TR_LOG_ERROR, "standin.reactor", &err);
    }
}

/* Sends what is left; false when the connection is gone. */
static bool flush_out(struct connection *connection)
{
    while (connection->out_at < connection->out_end) {
        const ssize_t bytes = transmit(connection, connection->out + connection->out_at,
                                       connection->out_end - connection->out_at);
        if (bytes < 0) {
            drop(connection, false);
            return false;
        }
        if (bytes == 0) {
            watch(connection, TR_REACTOR_WRITE);
            return true;
        }
        connection->out_at += (size_t)bytes;
    }
    if (connection->close_after) {
        drop(connection, false);
        return false;
    }
    watch(connection, TR_REACTOR_READ);
    return true;
}

static void start_answer(struct connection *connection, const struct tr_standin_answer *answer)
{
    char head[HEAD_BYTES_MAX];
    char date[64];
    struct tm parts;
    const time_t now_s =
        (time_t)(tr_clock_wall_unix_ns(tr_clock_system()) / TR_NS_PER_S + answer->date_shift_s);
    (void)gmtime_r(&now_s, &parts);
    (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    const int head_bytes = snprintf(
        head, sizeof(head),
        "HTTP/1.1 %d %s\r\nx-amzn-RequestId: standin-%" PRIu64
        "\r\nDate: %s\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %zu\r\n\r\n",
        answer->status, answer->status == 200 ? "OK" : "Error", connection->standin->request_count,
        date, answer->bytes);
    TR_ASSERT(head_bytes > 0 && head_bytes < HEAD_BYTES_MAX);
    connection->out_at = (size_t)(HEAD_BYTES_MAX - head_bytes);
    memcpy(connection->out + connection->out_at, head, (size_t)head_bytes);
    connection->out_end = HEAD_BYTES_MAX + answer->bytes;
}

static void on_stall_over(void *self, int64_t now_ns)
{
    (void)now_ns;
    (void)flush_out(self);
}

/* Answers the request at the front of `in`; false when the connection is gone. */
static bool serve(struct connection *connection, const struct tr_standin_request *request,
                  size_t request_bytes)
{
    struct tr_standin *standin = connection->standin;
    struct tr_standin_answer answer = {.out = connection->out + HEAD_BYTES_MAX,
                                       .room_bytes = OUT_ROOM_BYTES - HEAD_BYTES_MAX};
    const enum tr_fault_kind fault = connection->fault;
    const uint32_t value = connection->fault_value;

    if (fault == TR_CHAOS_LOST) {
        drop(connection, false);
        return false;
    }
    tr_standin_serve(standin, request, fault, value, &answer);
    memmove(connection->in, connection->in + request_bytes, connection->in_bytes - request_bytes);
    connection->in_bytes -= request_bytes;
    connection->scanned_bytes = 0;
    connection->fault_drawn = false;
    connection->fault = TR_CHAOS_NONE;
    if (fault == TR_CHAOS_LOST_APPLIED) {
        drop(connection, false);
        return false;
    }
    start_answer(connection, &answer);
    if (fault == TR_CHAOS_HALF) {
        connection->out_end = connection->out_at + (connection->out_end - connection->out_at) / 2;
        connection->close_after = true;
    } else if (fault == TR_CHAOS_STALL || fault == TR_CHAOS_HANG) {
        watch(connection, 0);
        if (fault == TR_CHAOS_STALL) {
            tr_reactor_timer_set(standin->reactor, &connection->stall,
                                 standin->now_ns + value * TR_NS_PER_MS);
        }
        return false; /* nothing more of this connection for now */
    }
    return flush_out(connection);
}

static bool header_is(struct tr_span line, const char *name, struct tr_span *value)
{
    const size_t bytes = strlen(name);
    if (line.bytes <= bytes || line.data[bytes] != ':' ||
        strncasecmp((const char *)line.data, name, bytes) != 0) {
        return false;
    }
    size_t at = bytes + 1;
    while (at < line.bytes && line.data[at] == ' ') {
        at++;
    }
    *value = tr_span_of(line.data + at, line.bytes - at);
    return true;
}

/* Reads the head (without its empty line); body_bytes from Content-Length. False = not HTTP as we
 * take it. */
static bool parse_head(struct tr_span head, struct tr_standin_request *request, size_t *body_bytes)
{
    struct tr_judge_request *parts = &request->parts;
    struct tr_span length = {0};
    *request = (struct tr_standin_request){0};
    bool first = true;
    while (head.bytes > 0) {
        const uint8_t *end = memmem(head.data, head.bytes, "\r\n", 2);
        const struct tr_span line =
            tr_span_of(head.data, end == NULL ? head.bytes : (size_t)(end - head.data));
        const size_t step = end == NULL ? line.bytes : line.bytes + 2;
        head = tr_span_of(head.data + step, head.bytes - step);
        if (first) {
            const uint8_t *blank = memchr(line.data, ' ', line.bytes);
            const uint8_t *second =
                blank == NULL
                    ? NULL
                    : memchr(blank + 1, ' ', (size_t)(line.data + line.bytes - blank - 1));
            if (second == NULL) {
                return false;
            }
            request->is_get = line.data[0] == 'G';
            request->path = tr_span_of(blank + 1, (size_t)(second - blank - 1));
            first = false;
            continue;
        }
        (void)(header_is(line, "Content-Length", &length) ||
               header_is(line, "Authorization", &parts->authorization) ||
               header_is(line, "X-Amz-Date", &parts->date) ||
               header_is(line, "Host", &parts->host) ||
               header_is(line, "Content-Type", &parts->content_type) ||
               header_is(line, "X-Amz-Target", &parts->target) ||
               header_is(line, "X-Amz-Security-Token", &parts->token));
    }
    *body_bytes = 0;
    for (size_t i = 0; i < length.bytes && length.bytes < 10; i++) {
        *body_bytes = *body_bytes * 10 + (size_t)(length.data[i] - '0');
    }
    return !first && length.bytes < 10;
}

static void draw_fault(struct connection *connection, const struct tr_standin_request *request)
{
    if (!connection->fault_drawn &&
        tr_span_equals(request->parts.target, tr_span_of_text("Kinesis_20131202.PutRecords"))) {
        connection->fault = tr_chaos_next(&connection->standin->chaos, &connection->fault_value);
    }
    connection->fault_drawn = true;
}

/* Serves every whole request in `in`; false when the connection is gone or waits. */
static bool serve_whole(struct connection *connection)
{
    while (connection->in_bytes > 0) {
        const size_t from = connection->scanned_bytes > 3 ? connection->scanned_bytes - 3 : 0;
        const uint8_t *end =
            memmem(connection->in + from, connection->in_bytes - from, "\r\n\r\n", 4);
        struct tr_standin_request request;
        size_t body_bytes;
        if (end == NULL) {
            connection->scanned_bytes = connection->in_bytes;
            return true;
        }
        const size_t head_bytes = (size_t)(end - connection->in);
        if (!parse_head(tr_span_of(connection->in, head_bytes), &request, &body_bytes) ||
            body_bytes > IN_ROOM_BYTES - head_bytes - 4) {
            drop(connection, true);
            return false;
        }
        connection->scanned_bytes = head_bytes;
        draw_fault(connection, &request);
        const size_t request_bytes = head_bytes + 4 + body_bytes;
        if (connection->fault == TR_CHAOS_RESET &&
            connection->in_bytes >= head_bytes + 4 + body_bytes / 2) {
            drop(connection, true);
            return false;
        }
        if (connection->in_bytes < request_bytes) {
            return true;
        }
        request.parts.body = tr_span_of(connection->in + head_bytes + 4, body_bytes);
        if (!serve(connection, &request, request_bytes) ||
            connection->out_at < connection->out_end) {
            return false;
        }
    }
    return true;
}

static void on_ready(void *self, int fd, uint32_t ready)
{
    struct connection *connection = self;
    (void)fd;
    if ((ready & TR_REACTOR_WRITE) != 0 && connection->out_at < connection->out_end) {
        if (!flush_out(connection) || connection->out_at < connection->out_end ||
            !serve_whole(connection)) {
            return;
        }
    }
    const size_t room = IN_ROOM_BYTES - connection->in_bytes;
    const ssize_t bytes = receive(connection, connection->in + connection->in_bytes,
                                  room < READ_BYTES_MAX ? room : READ_BYTES_MAX);
    if (bytes < 0) {
        drop(connection, false);
        return;
    }
    connection->in_bytes += (size_t)bytes;
    if (!serve_whole(connection) || connection->ssl == NULL) {
        return;
    }
    /* TLS: what OpenSSL holds decrypted wakes no descriptor. */
    while (SSL_pending(connection->ssl) > 0 && connection->in_bytes < IN_ROOM_BYTES) {
        const ssize_t more = receive(connection, connection->in + connection->in_bytes,
                                     IN_ROOM_BYTES - connection->in_bytes);
        if (more <= 0) {
            return;
        }
        connection->in_bytes += (size_t)more;
        if (!serve_whole(connection)) {
            return;
        }
    }
}

struct listener {
    struct tr_standin *standin;
    bool tls;
};

static void on_accept(void *self, int fd, uint32_t ready)
{
    const struct listener *listener = self;
    const int on = 1;
    struct tr_error err;
    (void)ready;
    const int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (peer < 0) {
        return;
    }
    (void)setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct connection *connection = calloc(1, sizeof(*connection));
    TR_ASSERT(connection != NULL);
    *connection = (struct connection){.standin = listener->standin, .fd = peer};
    connection->stall = (struct tr_reactor_timer){.on_timer = on_stall_over, .self = connection};
    connection->in = tr_memory_map(IN_ROOM_BYTES, &err);
    connection->out = tr_memory_map(OUT_ROOM_BYTES, &err);
    TR_ASSERT(connection->in != NULL && connection->out != NULL);
    if (listener->tls) {
        connection->ssl = SSL_new(listener->standin->tls);
        TR_ASSERT(connection->ssl != NULL);
        (void)SSL_set_fd(connection->ssl, peer);
        SSL_set_accept_state(connection->ssl);
    }
    listener->standin->connection_count++;
    watch(connection, TR_REACTOR_READ);
}

enum tr_code tr_standin_listen(struct tr_standin *standin, uint16_t *port, bool tls,
                               struct tr_error *err)
{
    static struct listener listeners[2]; /* plain and TLS */
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(*port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t address_bytes = sizeof(address);
    const int on = 1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, 128) != 0 || getsockname(fd, (struct sockaddr *)&address, &address_bytes) != 0) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "port %u: cannot listen (errno %d): choose another one", *port, errno);
    }
    *port = ntohs(address.sin_port);
    listeners[tls] = (struct listener){.standin = standin, .tls = tls};
    return tr_reactor_set(standin->reactor, fd, TR_REACTOR_READ, on_accept, &listeners[tls], err);
}
