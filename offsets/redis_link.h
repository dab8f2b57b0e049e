// SPDX-License-Identifier: Apache-2.0
/*
 * A connection to one Redis server: address to socket to TLS to RESP, never blocking, on the owner's reactor.
 *
 *   DOWN -> RESOLVING -> CONNECTING -> (HANDSHAKE) -> READY -> DOWN
 *
 * Knows no commands and no time: deadlines are the owner's, who drops the link when one passes. Each change (a state, a
 * reply) is announced by `on_change`, called from the reactor.
 * The process must ignore SIGPIPE when TLS is used.
 * @thread the reactor's
 */
#ifndef TR_OFFSETS_REDIS_LINK_H
#define TR_OFFSETS_REDIS_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "engine/reactor.h"
#include "offsets/redis_resp.h"

#define TR_REDIS_HOST_BYTES_MAX 255
#define TR_REDIS_PORT_BYTES_MAX 5

enum tr_redis_state {
    TR_REDIS_DOWN = 0,
    TR_REDIS_RESOLVING, /* poll it: nothing announces the answer */
    TR_REDIS_CONNECTING,
    TR_REDIS_HANDSHAKE,
    TR_REDIS_READY
};

struct tr_redis_link_options {
    const char *
        host; /* name or address, at most TR_REDIS_HOST_BYTES_MAX bytes; borrowed during open, as the port */
    const char *port; /* digits */
    bool tls;
    bool tls_no_verify;          /* any certificate will do */
    bool tls_no_hostname_verify; /* the certificate must be valid, its name may be another */
    const char *tls_ca_path;   /* PEM; NULL = the system's; borrowed during open, as the next two */
    const char *tls_cert_path; /* PEM of our own certificate; NULL = none */
    const char *tls_key_path;
    struct tr_reactor *reactor; /* borrows */
    void (*on_change)(void *self);
    void *self;
};

struct tr_redis_link; /* opaque */

/* Takes memory, reads the TLS files. Errors: TR_ERR_CONFIG, TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_redis_link_open(struct tr_redis_link **link,
                                             const struct tr_redis_link_options *options,
                                             struct tr_error *err);
/* Accepts NULL. */
void tr_redis_link_close(struct tr_redis_link *link);

/* Starts to connect; the link must be DOWN. */
void tr_redis_link_connect(struct tr_redis_link *link);
/* Looks whether the resolver has answered; cheap. */
void tr_redis_link_poll(struct tr_redis_link *link);
enum tr_redis_state tr_redis_link_state(const struct tr_redis_link *link);
/* Why it went DOWN by itself; NULL when it did not. TR_ERR_STATE with TR_RETRY, or TR_STOP for a certificate refused. */
const struct tr_error *tr_redis_link_error(const struct tr_redis_link *link);
/* Hangs up and forgets what was sent and received; the link is DOWN. */
void tr_redis_link_drop(struct tr_redis_link *link);

/* Sends a command of `count` words (1..TR_REDIS_WORDS_MAX); the link must be READY. Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_redis_link_command(struct tr_redis_link *link,
                                                const struct tr_span *words, uint32_t count,
                                                struct tr_error *err);
/* The next reply, if it is there. */
bool tr_redis_link_take_reply(struct tr_redis_link *link, struct tr_redis_reply *reply);

#endif
