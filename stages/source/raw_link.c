// SPDX-License-Identifier: Apache-2.0
#include "stages/source/raw_link.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "engine/assert.h"
#include "engine/clock.h"

#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES 3
#define USER_TIMEOUT_MS 30000

/* What one attempt to move bytes came to. */
enum moved { MOVED_BYTES, MOVED_WANT_READ, MOVED_WANT_WRITE, MOVED_END, MOVED_ERROR };

static enum moved receive(struct tr_raw_link *link, void *out, size_t room_bytes, size_t *bytes,
                          struct tr_error *err);
static enum moved receive_tls(SSL *ssl, void *out, size_t room_bytes, size_t *bytes,
                              struct tr_error *err);
static enum moved transmit(struct tr_raw_link *link, const uint8_t *bytes, size_t byte_count,
                           size_t *sent, struct tr_error *err);
static enum moved moved_of_tls(SSL *ssl, int result, struct tr_error *err);
static void wait_for(const struct tr_raw_link *link, short events, int64_t wait_ns);

enum tr_code tr_raw_link_prepare(struct tr_raw_link *link, struct tr_error *err)
{
    const int on = 1;
    const int idle_s = KEEPALIVE_IDLE_S;
    const int interval_s = KEEPALIVE_INTERVAL_S;
    const int probes = KEEPALIVE_PROBES;
    const unsigned int user_timeout_ms = USER_TIMEOUT_MS;
    const int flags = fcntl(link->fd, F_GETFL);

    if (flags == -1 || fcntl(link->fd, F_SETFL, flags | O_NONBLOCK) == -1) {
        return TR_FAIL(err, TR_ERR_SYSTEM, TR_STOP,
                       "the database socket does not take O_NONBLOCK (error %d)", errno);
    }
    /* Best effort: a socket that is not TCP (tests) has none of these, and works. */
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(link->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms,
                     sizeof(user_timeout_ms));
    return TR_OK;
}

enum tr_code tr_raw_link_send(struct tr_raw_link *link, const uint8_t *bytes, size_t byte_count,
                              int timeout_ms, struct tr_error *err)
{
    /* Rule zero: a deadline within one blocking call, on the real adapter's side of the port. */
    const struct tr_clock *clock = tr_clock_system();
    const int64_t deadline_ns = tr_clock_monotonic_ns(clock) + timeout_ms * TR_NS_PER_MS;

    while (byte_count > 0) {
        size_t sent = 0;
        switch (transmit(link, bytes, byte_count, &sent, err)) {
        case MOVED_BYTES:
            bytes += sent;
            byte_count -= sent;
            continue;
        case MOVED_WANT_READ:
        case MOVED_WANT_WRITE:
            break;
        case MOVED_END:
            return TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RECONNECT,
                           "the server closed the connection before the dump");
        case MOVED_ERROR:
            return err->code;
        }
        const int64_t left_ns = deadline_ns - tr_clock_monotonic_ns(clock);
        if (left_ns <= 0) {
            return TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RECONNECT,
                           "the dump command was not taken in %d ms", timeout_ms);
        }
        wait_for(link, POLLIN | POLLOUT, left_ns);
    }
    return TR_OK;
}

enum tr_read tr_raw_link_read(struct tr_raw_link *link, void *out, size_t room_bytes,
                              int64_t wait_ns, size_t *bytes, struct tr_error *err)
{
    /* At most one wait between two attempts. A wait first would cost a system call per read at full
     * speed. */
    for (int attempt = 0; attempt < 2; attempt++) {
        const enum moved moved = receive(link, out, room_bytes, bytes, err);
        switch (moved) {
        case MOVED_BYTES:
            return TR_READ_BYTES;
        case MOVED_END:
            return TR_READ_END;
        case MOVED_ERROR:
            return TR_READ_ERROR;
        case MOVED_WANT_READ:
        case MOVED_WANT_WRITE:
            break;
        }
        if (attempt > 0 || wait_ns == 0) {
            break;
        }
        wait_for(link, moved == MOVED_WANT_WRITE ? POLLOUT : POLLIN, wait_ns);
    }
    return TR_READ_WOULD_BLOCK;
}

static enum moved receive(struct tr_raw_link *link, void *out, size_t room_bytes, size_t *bytes,
                          struct tr_error *err)
{
    if (link->ssl != NULL) {
        return receive_tls(link->ssl, out, room_bytes, bytes, err);
    }
    const ssize_t n = recv(link->fd, out, room_bytes, MSG_DONTWAIT);
    if (n > 0) {
        *bytes = (size_t)n;
        return MOVED_BYTES;
    }
    if (n == 0) {
        return MOVED_END;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        return MOVED_WANT_READ;
    }
    (void)TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RECONNECT,
                  "reading from the database failed (error %d)", errno);
    return MOVED_ERROR;
}

/* SSL_read gives one record (at most 16 KiB) a call: take as many as the room and the socket have.
 */
static enum moved receive_tls(SSL *ssl, void *out, size_t room_bytes, size_t *bytes,
                              struct tr_error *err)
{
    size_t total_bytes = 0;

    do {
        size_t n = 0;
        ERR_clear_error();
        const int result =
            SSL_read_ex(ssl, (uint8_t *)out + total_bytes, room_bytes - total_bytes, &n);
        if (result != 1) {
            if (total_bytes > 0) {
                break; /* said again by the next read */
            }
            return moved_of_tls(ssl, result, err);
        }
        total_bytes += n;
    } while (total_bytes < room_bytes);
    *bytes = total_bytes;
    return MOVED_BYTES;
}

static enum moved transmit(struct tr_raw_link *link, const uint8_t *bytes, size_t byte_count,
                           size_t *sent, struct tr_error *err)
{
    if (link->ssl != NULL) {
        ERR_clear_error();
        const int result = SSL_write_ex(link->ssl, bytes, byte_count, sent);
        return result == 1 ? MOVED_BYTES : moved_of_tls(link->ssl, result, err);
    }
    const ssize_t n = send(link->fd, bytes, byte_count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
        *sent = (size_t)n;
        return MOVED_BYTES;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        return MOVED_WANT_WRITE;
    }
    (void)TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RECONNECT,
                  "writing to the database failed (error %d)", errno);
    return MOVED_ERROR;
}

static enum moved moved_of_tls(SSL *ssl, int result, struct tr_error *err)
{
    const int saved_errno = errno;
    const int reason = SSL_get_error(ssl, result);

    switch (reason) {
    case SSL_ERROR_WANT_READ:
        return MOVED_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return MOVED_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return MOVED_END;
    case SSL_ERROR_SYSCALL:
        (void)TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RECONNECT,
                      "the TLS connection to the database broke (error %d)", saved_errno);
        return MOVED_ERROR;
    default: {
        char text[160];
        ERR_error_string_n(ERR_get_error(), text, sizeof(text));
        (void)TR_FAIL(err, TR_ERR_SOURCE_LINK, TR_RECONNECT,
                      "the TLS connection to the database broke (%s)", text);
        return MOVED_ERROR;
    }
    }
}

static void wait_for(const struct tr_raw_link *link, short events, int64_t wait_ns)
{
    struct pollfd polled[2] = {
        {.fd = link->fd, .events = events},
        {.fd = link->wake_fd, .events = POLLIN},
    };
    const struct timespec wait = {.tv_sec = wait_ns / TR_NS_PER_S,
                                  .tv_nsec = wait_ns % TR_NS_PER_S};

    /* Early ends (signals, the wake) are fine: the caller looks again by itself. */
    if (ppoll(polled, 2, &wait, NULL) > 0 && (polled[1].revents & POLLIN) != 0) {
        eventfd_t ignored;
        (void)eventfd_read(link->wake_fd, &ignored);
    }
}
