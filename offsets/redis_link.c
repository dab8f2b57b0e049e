// SPDX-License-Identifier: Apache-2.0
#include "offsets/redis_link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/assert.h"
#include "offsets/redis_tls.h"
#include "offsets/resolver.h"

#define READ_BYTES (16 * 1024)

struct tr_redis_link {
    struct tr_reactor *reactor;
    void (*on_change)(void *self);
    void *self;
    char host[TR_REDIS_HOST_BYTES_MAX + 1];
    char port[TR_REDIS_PORT_BYTES_MAX + 1];
    struct tr_tls_context *tls_context; /* owns; NULL = plain */
    enum tr_redis_state state;
    bool has_error;
    struct tr_error error;
    struct tr_resolver *resolver; /* owns; NULL = not asking */
    struct addrinfo *addresses;   /* owns */
    struct addrinfo *next_address;
    int fd;                     /* owns; -1 = none */
    struct tr_tls *tls;         /* owns */
    struct tr_redis_resp *resp; /* owns; NULL before the first connection */
    char *out;                  /* owns; to be sent from out_done on */
    size_t out_bytes;
    size_t out_done;
    size_t out_room;
};

static void on_ready(void *self, int fd, uint32_t ready);
static void connect_next(struct tr_redis_link *link);
static void send_out(struct tr_redis_link *link);

/* --- opening and closing --- */

enum tr_code tr_redis_link_open(struct tr_redis_link **link,
                                const struct tr_redis_link_options *options, struct tr_error *err)
{
    struct tr_redis_link *made = calloc(1, sizeof(*made));
    const struct tr_tls_options tls_options = {
        .no_verify = options->tls_no_verify,
        .no_hostname_verify = options->tls_no_hostname_verify,
        .ca_path = options->tls_ca_path,
        .cert_path = options->tls_cert_path,
        .key_path = options->tls_key_path,
    };

    *link = NULL;
    if (made == NULL) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "memory for a Redis connection: refused");
    }
    made->fd = -1;
    made->reactor = options->reactor;
    made->on_change = options->on_change;
    made->self = options->self;
    (void)snprintf(made->host, sizeof(made->host), "%s", options->host);
    (void)snprintf(made->port, sizeof(made->port), "%s", options->port);
    if (options->tls && tr_tls_context_open(&made->tls_context, &tls_options, err) != TR_OK) {
        tr_redis_link_close(made);
        return err->code;
    }
    *link = made;
    return TR_OK;
}

/* Everything of the connection goes; the state is DOWN. */
static void hang_up(struct tr_redis_link *link)
{
    tr_resolver_close(link->resolver);
    link->resolver = NULL;
    tr_tls_close(link->tls);
    link->tls = NULL;
    if (link->fd != -1) {
        tr_reactor_remove(link->reactor, link->fd);
        (void)close(link->fd);
        link->fd = -1;
    }
    link->out_bytes = 0;
    link->out_done = 0;
    link->state = TR_REDIS_DOWN;
}

void tr_redis_link_drop(struct tr_redis_link *link)
{
    hang_up(link);
    if (link->addresses != NULL) {
        freeaddrinfo(link->addresses);
        link->addresses = NULL;
    }
    tr_redis_resp_close(link->resp);
    link->resp = NULL;
    link->has_error = false;
}

void tr_redis_link_close(struct tr_redis_link *link)
{
    if (link == NULL) {
        return;
    }
    tr_redis_link_drop(link);
    tr_tls_context_close(link->tls_context);
    free(link->out);
    free(link);
}

/* The link goes down by itself: replies that came before may still be taken. */
static void fail(struct tr_redis_link *link, const struct tr_error *err)
{
    link->error = *err;
    link->has_error = true;
    hang_up(link);
    link->on_change(link->self);
}

static void fail_system(struct tr_redis_link *link, const char *what, int error)
{
    struct tr_error err;

    (void)TR_FAIL(&err, TR_ERR_STATE, TR_RETRY, "%s: %s", what, strerrordesc_np(error));
    fail(link, &err);
}

enum tr_redis_state tr_redis_link_state(const struct tr_redis_link *link)
{
    return link->state;
}

const struct tr_error *tr_redis_link_error(const struct tr_redis_link *link)
{
    return link->has_error ? &link->error : NULL;
}

/* --- connecting --- */

void tr_redis_link_connect(struct tr_redis_link *link)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct tr_error err;

    TR_ASSERT(link->state == TR_REDIS_DOWN);
    tr_redis_link_drop(link);
    link->resp = tr_redis_resp_open();
    if (link->resp == NULL) {
        fail_system(link, "a reader of Redis replies", ENOMEM);
        return;
    }
    if (getaddrinfo(link->host, link->port, &hints, &link->addresses) == 0) {
        link->next_address = link->addresses; /* an address, not a name: nothing to ask */
        connect_next(link);
        return;
    }
    if (tr_resolver_open(&link->resolver, link->host, link->port, &err) != TR_OK) {
        fail(link, &err);
        return;
    }
    link->state = TR_REDIS_RESOLVING;
}

void tr_redis_link_poll(struct tr_redis_link *link)
{
    int result = 0;

    if (link->state != TR_REDIS_RESOLVING ||
        !tr_resolver_poll(link->resolver, &result, &link->addresses)) {
        return;
    }
    if (result != 0) {
        struct tr_error err;

        (void)TR_FAIL(&err, TR_ERR_STATE, TR_RETRY, "the name \"%s\": %s", link->host,
                      gai_strerror(result));
        fail(link, &err);
        return;
    }
    tr_resolver_close(link->resolver);
    link->resolver = NULL;
    link->next_address = link->addresses;
    connect_next(link);
}

/* Sets what the reactor watches; write interest only while something waits to be sent. */
static void watch(struct tr_redis_link *link, bool wants_write)
{
    struct tr_error err;

    if (tr_reactor_set(link->reactor, link->fd,
                       TR_REACTOR_READ | (wants_write ? TR_REACTOR_WRITE : 0), on_ready, link,
                       &err) != TR_OK) {
        fail(link, &err);
    }
}

/* Tries the next address; fails the link when there is none left. */
static void connect_next(struct tr_redis_link *link)
{
    int error = EADDRNOTAVAIL;

    while (link->next_address != NULL) {
        const struct addrinfo *address = link->next_address;
        const int one = 1;

        link->next_address = address->ai_next;
        link->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (link->fd == -1) {
            error = errno;
            continue;
        }
        (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        (void)setsockopt(link->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
        if (connect(link->fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS) {
            link->state = TR_REDIS_CONNECTING;
            watch(link, true);
            return;
        }
        error = errno;
        (void)close(link->fd);
        link->fd = -1;
    }
    fail_system(link, "connecting", error);
}

static void shake_hands(struct tr_redis_link *link)
{
    struct tr_error err;
    const enum tr_tls_result result = tr_tls_handshake(link->tls, &err);

    switch (result) {
    case TR_TLS_DONE:
        link->state = TR_REDIS_READY;
        watch(link, false);
        link->on_change(link->self);
        return;
    case TR_TLS_WANT_READ:
    case TR_TLS_WANT_WRITE:
        watch(link, result == TR_TLS_WANT_WRITE);
        return;
    case TR_TLS_END:
        fail_system(link, "TLS handshake", ECONNRESET);
        return;
    case TR_TLS_ERROR:
        fail(link, &err);
        return;
    }
}

static void on_connected(struct tr_redis_link *link)
{
    int error = 0;
    socklen_t error_bytes = sizeof(error);
    struct tr_error err;

    (void)getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes);
    if (error != 0) {
        tr_reactor_remove(link->reactor, link->fd);
        (void)close(link->fd);
        link->fd = -1;
        if (link->next_address == NULL) {
            fail_system(link, "connecting", error);
        } else {
            connect_next(link);
        }
        return;
    }
    if (link->tls_context == NULL) {
        link->state = TR_REDIS_READY;
        watch(link, false);
        link->on_change(link->self);
        return;
    }
    if (tr_tls_open(&link->tls, link->tls_context, link->fd, link->host, &err) != TR_OK) {
        fail(link, &err);
        return;
    }
    link->state = TR_REDIS_HANDSHAKE;
    shake_hands(link);
}

/* --- sending and receiving --- */

/* As tr_tls_read, from whichever the connection is. */
static enum tr_tls_result receive(struct tr_redis_link *link, char *buffer, size_t *bytes,
                                  struct tr_error *err)
{
    if (link->tls != NULL) {
        return tr_tls_read(link->tls, buffer, READ_BYTES, bytes, err);
    }
    const ssize_t got = recv(link->fd, buffer, READ_BYTES, 0);

    if (got > 0) {
        *bytes = (size_t)got;
        return TR_TLS_DONE;
    }
    if (got == 0) {
        return TR_TLS_END;
    }
    if (errno == EAGAIN || errno == EINTR) {
        return TR_TLS_WANT_READ;
    }
    (void)TR_FAIL(err, TR_ERR_STATE, TR_RETRY, "receiving: %s", strerrordesc_np(errno));
    return TR_TLS_ERROR;
}

static enum tr_tls_result send_some(struct tr_redis_link *link, size_t *bytes, struct tr_error *err)
{
    const char *const from = link->out + link->out_done;
    const size_t count = link->out_bytes - link->out_done;

    if (link->tls != NULL) {
        return tr_tls_write(link->tls, from, count, bytes, err);
    }
    const ssize_t sent = send(link->fd, from, count, MSG_NOSIGNAL);

    if (sent >= 0) {
        *bytes = (size_t)sent;
        return TR_TLS_DONE;
    }
    if (errno == EAGAIN || errno == EINTR) {
        return TR_TLS_WANT_WRITE;
    }
    (void)TR_FAIL(err, TR_ERR_STATE, TR_RETRY, "sending: %s", strerrordesc_np(errno));
    return TR_TLS_ERROR;
}

static void send_out(struct tr_redis_link *link)
{
    struct tr_error err;

    while (link->out_done < link->out_bytes) {
        size_t bytes = 0;
        const enum tr_tls_result result = send_some(link, &bytes, &err);

        if (result == TR_TLS_ERROR) {
            fail(link, &err);
            return;
        }
        if (result == TR_TLS_END) {
            fail_system(link, "sending", ECONNRESET);
            return;
        }
        if (result != TR_TLS_DONE) {
            watch(link, result == TR_TLS_WANT_WRITE);
            return;
        }
        link->out_done += bytes;
    }
    link->out_bytes = 0;
    link->out_done = 0;
    watch(link, false);
}

/* Reads until the socket is dry (TLS keeps bytes that the reactor does not see). */
static void receive_in(struct tr_redis_link *link)
{
    char buffer[READ_BYTES];
    struct tr_error err;

    for (;;) { /* ends: the socket runs dry, and we are the only one who asks for answers */
        size_t bytes = 0;
        const enum tr_tls_result result = receive(link, buffer, &bytes, &err);

        if (result == TR_TLS_WANT_READ || result == TR_TLS_WANT_WRITE) {
            break;
        }
        if (result == TR_TLS_END) {
            fail_system(link, "the server hung up", ECONNRESET);
            return;
        }
        if (result == TR_TLS_ERROR) {
            fail(link, &err);
            return;
        }
        if (tr_redis_resp_feed(link->resp, tr_span_of(buffer, bytes), &err) != TR_OK) {
            fail(link, &err);
            return;
        }
    }
    link->on_change(link->self);
}

static void on_ready(void *self, int fd, uint32_t ready)
{
    struct tr_redis_link *link = self;

    (void)fd;
    switch (link->state) {
    case TR_REDIS_CONNECTING:
        on_connected(link);
        return;
    case TR_REDIS_HANDSHAKE:
        shake_hands(link);
        return;
    case TR_REDIS_READY:
        if ((ready & TR_REACTOR_WRITE) != 0 && link->out_bytes > 0) {
            send_out(link);
        }
        if (link->state == TR_REDIS_READY && (ready & ~TR_REACTOR_WRITE) != 0) {
            receive_in(link);
        }
        return;
    case TR_REDIS_DOWN:
    case TR_REDIS_RESOLVING:
        return;
    }
}

enum tr_code tr_redis_link_command(struct tr_redis_link *link, const struct tr_span *words,
                                   uint32_t count, struct tr_error *err)
{
    char *command;
    const size_t bytes = tr_redis_command_format(words, count, &command);

    TR_ASSERT(link->state == TR_REDIS_READY);
    if (bytes == 0) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "memory for a Redis command: refused");
    }
    if (link->out_bytes + bytes > link->out_room) {
        char *grown = realloc(link->out, link->out_bytes + bytes);

        if (grown == NULL) {
            tr_redis_command_free(command);
            return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP, "memory for a Redis command: refused");
        }
        link->out = grown;
        link->out_room = link->out_bytes + bytes;
    }
    memcpy(link->out + link->out_bytes, command, bytes);
    link->out_bytes += bytes;
    tr_redis_command_free(command);
    watch(link, true); /* the reactor sends it: no failure in the middle of the owner's work */
    return TR_OK;
}

bool tr_redis_link_take_reply(struct tr_redis_link *link, struct tr_redis_reply *reply)
{
    struct tr_error err;
    bool is_there = false;

    if (link->resp == NULL) {
        return false;
    }
    if (tr_redis_resp_take(link->resp, reply, &is_there, &err) != TR_OK && !link->has_error) {
        link->error = err;
        link->has_error = true;
        hang_up(link);
    }
    return is_there;
}
