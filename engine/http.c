// SPDX-License-Identifier: Apache-2.0
#include "engine/http.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/cover.h"
#include "engine/http_answer.h"

#define SWEEP_NS TR_NS_PER_S
/* In sweeps, so in seconds; a sweep more is possible. */
#define HEAD_SWEEPS                                                                                \
    10                  /* for a whole request head, from its first byte or the connection's start \
                         */
#define WRITE_SWEEPS 30 /* without progress of an answer */
#define IDLE_SWEEPS 60  /* between two requests */
#define LISTEN_QUEUE 64
#define STEPS_MAX 16 /* reads or writes for one readiness: then others have their turn */

struct connection {
    struct tr_http *http; /* borrows */
    int fd;               /* owns; -1 = free place */
    uint32_t sweeps_left;
    bool is_writing;
    size_t in_bytes;
    size_t out_at; /* bytes of the answer's part sent */
    char in[TR_HTTP_HEAD_BYTES_MAX];
    struct tr_http_answer answer;
};

struct tr_http {
    struct tr_reactor *reactor;     /* borrows */
    struct tr_metrics *metrics;     /* borrows */
    const struct tr_health *health; /* borrows */
    struct tr_reactor_timer sweep;
    int listen_fd; /* owns */
    uint16_t port;
    bool is_accepting;
    uint32_t connection_count;
    struct connection connections[TR_HTTP_CONNECTIONS_MAX];
};

static void on_listener(void *self, int fd, uint32_t ready);
static void set_accepting(struct tr_http *http, bool is_accepting);
static void on_connection(void *self, int fd, uint32_t ready);
static void on_sweep(void *self, int64_t now_ns);
static enum tr_code listen_at(struct tr_http *http, const struct tr_http_options *options,
                              struct tr_error *err);

enum tr_code tr_http_open(struct tr_http **http_out, const struct tr_http_options *options,
                          int64_t now_ns, struct tr_error *err)
{
    struct tr_http *http = calloc(1, sizeof(*http));

    *http_out = NULL;
    if (http == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "HTTP server: out of memory; free memory and start again");
    }
    http->reactor = options->reactor;
    http->metrics = options->metrics;
    http->health = options->health;
    http->listen_fd = -1;
    for (uint32_t i = 0; i < TR_HTTP_CONNECTIONS_MAX; i++) {
        http->connections[i].http = http;
        http->connections[i].fd = -1;
    }
    if (listen_at(http, options, err) != TR_OK ||
        tr_reactor_set(http->reactor, http->listen_fd, TR_REACTOR_READ, on_listener, http, err) !=
            TR_OK) {
        tr_http_close(http);
        return err->code;
    }
    http->is_accepting = true;
    http->sweep.on_timer = on_sweep;
    http->sweep.self = http;
    tr_reactor_timer_set(http->reactor, &http->sweep, now_ns + SWEEP_NS);
    *http_out = http;
    return TR_OK;
}

uint16_t tr_http_port(const struct tr_http *http)
{
    return http->port;
}

size_t tr_http_memory_bytes(void)
{
    return sizeof(struct tr_http);
}

static void close_connection(struct connection *connection)
{
    tr_reactor_remove(connection->http->reactor, connection->fd);
    (void)close(connection->fd); /* nothing more to be learnt about it */
    connection->fd = -1;
    connection->http->connection_count--;
    set_accepting(connection->http, true); /* a place and a descriptor are free again */
}

void tr_http_close(struct tr_http *http)
{
    if (http == NULL) {
        return;
    }
    for (uint32_t i = 0; i < TR_HTTP_CONNECTIONS_MAX; i++) {
        if (http->connections[i].fd != -1) {
            close_connection(&http->connections[i]);
        }
    }
    if (http->sweep.self != NULL) {
        tr_reactor_timer_cancel(http->reactor, &http->sweep);
    }
    if (http->listen_fd != -1) {
        tr_reactor_remove(http->reactor, http->listen_fd);
        (void)close(http->listen_fd);
    }
    free(http);
}

/* What the operator can do about a refused bind or listen. */
static enum tr_code fail_listen(const struct tr_http_options *options, int error,
                                struct tr_error *err)
{
    switch (error) {
    case EADDRINUSE:
        return TR_FAIL(err, TR_ERR_CONFIG, TR_RETRY,
                       "quarkus.http.port = %u: already in use at %s; stop what listens there, or "
                       "set another port "
                       "(0 = any free one)",
                       options->port, options->host);
    case EACCES:
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "quarkus.http.port = %u: not permitted; set a port above 1023, or grant "
                       "CAP_NET_BIND_SERVICE",
                       options->port);
    case EADDRNOTAVAIL:
        return TR_FAIL(
            err, TR_ERR_CONFIG, TR_STOP,
            "quarkus.http.host = %s: not an address of this machine; set 127.0.0.1 or 0.0.0.0",
            options->host);
    default:
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "quarkus.http.port = %u at %s: %s; set another host or port", options->port,
                       options->host, strerrordesc_np(error));
    }
}

static enum tr_code bind_to(struct tr_http *http, const struct addrinfo *address,
                            const struct tr_http_options *options, struct tr_error *err)
{
    const int on = 1;
    struct sockaddr_storage bound;
    socklen_t bound_bytes = sizeof(bound);

    http->listen_fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (http->listen_fd == -1 ||
        setsockopt(http->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
        bind(http->listen_fd, address->ai_addr, address->ai_addrlen) == -1 ||
        listen(http->listen_fd, LISTEN_QUEUE) == -1 ||
        getsockname(http->listen_fd, (struct sockaddr *)&bound, &bound_bytes) == -1) {
        return fail_listen(options, errno, err);
    }
    http->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                   : ((struct sockaddr_in *)&bound)->sin_port);
    return TR_OK;
}

static enum tr_code listen_at(struct tr_http *http, const struct tr_http_options *options,
                              struct tr_error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_family = AF_UNSPEC};
    struct addrinfo *addresses = NULL;
    char port[8];

    (void)snprintf(port, sizeof(port), "%u", options->port);
    const int result =
        getaddrinfo(options->host, port, &hints, &addresses); /* may block: at start only */
    if (result != 0) {
        return TR_FAIL(err, TR_ERR_CONFIG, TR_STOP,
                       "quarkus.http.host = %s: %s; set an address such as 127.0.0.1",
                       options->host, gai_strerror(result));
    }
    const enum tr_code code = bind_to(http, addresses, options, err);
    freeaddrinfo(addresses);
    return code;
}

/* Starts or stops taking connections; the kernel's queue holds those that wait. */
static void set_accepting(struct tr_http *http, bool is_accepting)
{
    struct tr_error ignored;

    if (http->is_accepting != is_accepting &&
        tr_reactor_set(http->reactor, http->listen_fd, is_accepting ? TR_REACTOR_READ : 0,
                       on_listener, http, &ignored) == TR_OK) {
        http->is_accepting = is_accepting;
    }
}

static void on_listener(void *self, int fd, uint32_t ready)
{
    struct tr_http *http = self;
    struct tr_error ignored;
    const int on = 1;

    (void)ready;
    for (uint32_t i = 0; i < TR_HTTP_CONNECTIONS_MAX; i++) {
        struct connection *connection = &http->connections[i];
        if (connection->fd != -1) {
            continue;
        }
        const int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted == -1) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                TR_COVER("http.no_descriptors");
                set_accepting(
                    http, false); /* until the next sweep: level-triggered readiness would spin */
            }
            return; /* drained, or a client that went away meanwhile */
        }
        if (tr_reactor_set(http->reactor, accepted, TR_REACTOR_READ, on_connection, connection,
                           &ignored) != TR_OK) {
            (void)close(accepted);
            return;
        }
        /* Small answers at once; a failure costs speed only. */
        (void)setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        connection->fd = accepted;
        connection->in_bytes = 0;
        connection->is_writing = false;
        connection->sweeps_left = HEAD_SWEEPS;
        http->connection_count++;
    }
    TR_COVER("http.connections_full");
    set_accepting(http, false);
}

/* Asks for readability or writability; a connection that cannot be watched is closed. */
static bool watch(struct connection *connection, uint32_t interest)
{
    struct tr_error ignored;

    if (tr_reactor_set(connection->http->reactor, connection->fd, interest, on_connection,
                       connection, &ignored) == TR_OK) {
        return true;
    }
    close_connection(connection);
    return false;
}

static void begin_answer(struct connection *connection)
{
    connection->out_at = 0;
    connection->is_writing = true;
    connection->sweeps_left = WRITE_SWEEPS;
}

/* Turns what was received into an answer if it holds a whole head, or too much for one. */
static void take_request(struct connection *connection)
{
    const struct tr_span in = tr_span_of(connection->in, connection->in_bytes);
    const size_t head_bytes = tr_http_head_bytes(in);

    if (head_bytes > 0) {
        tr_http_answer_request(&connection->answer, tr_span_of(in.data, head_bytes),
                               connection->http->metrics, connection->http->health);
        memmove(connection->in, connection->in + head_bytes, connection->in_bytes - head_bytes);
        connection->in_bytes -= head_bytes;
        begin_answer(connection);
    } else if (connection->in_bytes == sizeof(connection->in)) {
        tr_http_answer_refusal(&connection->answer, 431);
        begin_answer(connection);
    }
}

/* Returns whether there may be more to do now. */
static bool receive(struct connection *connection)
{
    const ssize_t bytes = recv(connection->fd, connection->in + connection->in_bytes,
                               sizeof(connection->in) - connection->in_bytes, 0);

    if (bytes == -1 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (bytes <= 0) { /* the client is done, or gone */
        close_connection(connection);
        return false;
    }
    if (connection->in_bytes == 0) {
        connection->sweeps_left =
            HEAD_SWEEPS; /* the first bytes of a request; later ones give no more time */
    }
    connection->in_bytes += (size_t)bytes;
    take_request(connection);
    return true;
}

/* The answer is out: the next request may be here already, or the connection ends. */
static bool finish_answer(struct connection *connection)
{
    if (connection->answer.is_closing) {
        /* Unread bytes would make close() reset the connection, and the client might lose the
         * answer. */
        (void)shutdown(connection->fd, SHUT_WR);
        for (uint32_t i = 0;
             i < STEPS_MAX && recv(connection->fd, connection->in, sizeof(connection->in), 0) > 0;
             i++) {
        }
        close_connection(connection);
        return false;
    }
    connection->is_writing = false;
    connection->sweeps_left = connection->in_bytes == 0 ? IDLE_SWEEPS : HEAD_SWEEPS;
    take_request(connection);
    return connection->is_writing || watch(connection, TR_REACTOR_READ);
}

/* Returns whether there may be more to do now. */
static bool send_some(struct connection *connection)
{
    struct tr_http_answer *answer = &connection->answer;
    const ssize_t bytes = send(connection->fd, answer->out + connection->out_at,
                               answer->out_bytes - connection->out_at, MSG_NOSIGNAL);

    if (bytes == -1 && (errno == EAGAIN || errno == EINTR)) {
        (void)watch(connection, TR_REACTOR_WRITE);
        return false;
    }
    if (bytes == -1) {
        close_connection(connection);
        return false;
    }
    connection->out_at += (size_t)bytes;
    connection->sweeps_left = WRITE_SWEEPS;
    if (connection->out_at < answer->out_bytes) {
        return true;
    }
    if (answer->is_streaming) {
        tr_http_answer_more(answer, connection->http->metrics);
        connection->out_at = 0;
        return true;
    }
    return finish_answer(connection);
}

static void on_connection(void *self, int fd, uint32_t ready)
{
    struct connection *connection = self;

    (void)ready; /* errors show in recv and send */
    TR_ASSERT(connection->fd == fd);
    for (uint32_t i = 0; i < STEPS_MAX; i++) {
        if (!(connection->is_writing ? send_some(connection) : receive(connection))) {
            return;
        }
    }
    /* Not done: readiness is level-triggered, so it comes again at once. */
    (void)watch(connection, connection->is_writing ? TR_REACTOR_WRITE : TR_REACTOR_READ);
}

static void on_sweep(void *self, int64_t now_ns)
{
    struct tr_http *http = self;

    for (uint32_t i = 0; i < TR_HTTP_CONNECTIONS_MAX; i++) {
        struct connection *connection = &http->connections[i];
        if (connection->fd == -1 || --connection->sweeps_left > 0) {
            continue;
        }
        if (!connection->is_writing && connection->in_bytes > 0) {
            TR_COVER("http.slow_request");
            tr_http_answer_refusal(&connection->answer, 408);
            begin_answer(connection);
            (void)send_some(connection); /* what does not go out now gets its time as any answer */
        } else {
            close_connection(connection);
        }
    }
    set_accepting(http, http->connection_count < TR_HTTP_CONNECTIONS_MAX);
    tr_reactor_timer_set(http->reactor, &http->sweep, now_ns + SWEEP_NS);
}
