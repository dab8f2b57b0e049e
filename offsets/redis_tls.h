// SPDX-License-Identifier: Apache-2.0
/* TLS over a non-blocking socket: the only file of offsets/ that knows OpenSSL. @thread the socket's owner */
#ifndef TR_OFFSETS_REDIS_TLS_H
#define TR_OFFSETS_REDIS_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"

struct tr_tls_options {
    bool no_verify;
    bool no_hostname_verify;
    const char *ca_path;
    const char *cert_path;
    const char *key_path;
};

enum tr_tls_result {
    TR_TLS_DONE = 0,
    TR_TLS_WANT_READ,
    TR_TLS_WANT_WRITE,
    TR_TLS_END,
    TR_TLS_ERROR
};

struct tr_tls_context; /* what all connections share; opaque */
struct tr_tls;         /* one connection; opaque */

/* Errors: TR_ERR_CONFIG naming the file, TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_tls_context_open(struct tr_tls_context **context,
                                              const struct tr_tls_options *options,
                                              struct tr_error *err);
void tr_tls_context_close(struct tr_tls_context *context);

/* A client connection over `fd` (borrowed), whose certificate must name `host`. Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_tls_open(struct tr_tls **tls, struct tr_tls_context *context, int fd,
                                      const char *host, struct tr_error *err);
void tr_tls_close(struct tr_tls *tls);

/* On ERROR `err` tells why: TR_STOP for a certificate that is refused, else TR_RETRY. */
enum tr_tls_result tr_tls_handshake(struct tr_tls *tls, struct tr_error *err);
enum tr_tls_result tr_tls_read(struct tr_tls *tls, void *out, size_t room_bytes, size_t *bytes,
                               struct tr_error *err);
enum tr_tls_result tr_tls_write(struct tr_tls *tls, const void *from, size_t count, size_t *bytes,
                                struct tr_error *err);

#endif
