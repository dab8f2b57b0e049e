// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes over a socket that another library opened: plain, or inside its TLS connection.
 *
 * Unbuffered: a read goes straight into the caller's memory, by recv() or by SSL_read() on the
 * connection's own SSL object. Waiting is poll() on the socket and on a wake descriptor. The socket
 * is made non-blocking.
 */
#ifndef TR_STAGES_SOURCE_RAW_LINK_H
#define TR_STAGES_SOURCE_RAW_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "stages/source/source_port.h"

struct tr_raw_link {
    int fd;      /* borrowed */
    void *ssl;   /* borrowed: SSL *; NULL = plain */
    int wake_fd; /* borrowed: an eventfd that ends a wait */
};

/*
 * Sets the socket's options: non-blocking, no delay, keep-alive (dead after some 25 s),
 * TCP_USER_TIMEOUT. The receive buffer is left to the kernel: a fixed SO_RCVBUF would switch its
 * tuning off. Errors: TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_raw_link_prepare(struct tr_raw_link *link, struct tr_error *err);

/* Sends all bytes; waits up to `timeout_ms`. Errors: TR_ERR_SOURCE_LINK, TR_RECONNECT. */
TR_NODISCARD enum tr_code tr_raw_link_send(struct tr_raw_link *link, const uint8_t *bytes,
                                           size_t byte_count, int timeout_ms, struct tr_error *err);

/* As struct tr_source_port.read. */
enum tr_read tr_raw_link_read(struct tr_raw_link *link, void *out, size_t room_bytes,
                              int64_t wait_ns, size_t *bytes, struct tr_error *err);

#endif
