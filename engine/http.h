// SPDX-License-Identifier: Apache-2.0
/*
 * A small HTTP/1.1 server on a reactor: GET and HEAD of
 *
 *   /metrics          Prometheus text exposition 0.0.4, in chunks
 *   /q/health         MicroProfile Health JSON; 503 unless live and ready
 *   /q/health/live    503 once failed
 *   /q/health/ready   503 unless streaming, idle or behind
 *   /q/health/started 503 while starting
 *
 * Bounded: 32 connections (more wait in the listen queue), 8 KiB of request head, 10 s to send it,
 * 30 s without progress of an answer, 60 s idle between requests. It needs no actor: everything
 * happens in the reactor's handlers, on the thread that polls it (the coordinator's runner).
 *
 * Source: RFC 9112 (messages), RFC 9110 (semantics); MicroProfile Health 4.0 (wire format).
 */
#ifndef TR_ENGINE_HTTP_H
#define TR_ENGINE_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/health.h"
#include "engine/metrics.h"
#include "engine/reactor.h"

#define TR_HTTP_CONNECTIONS_MAX 32
/* What the server takes of a reactor: the listener and the connections; one timer. */
#define TR_HTTP_FDS_MAX (TR_HTTP_CONNECTIONS_MAX + 1)
#define TR_HTTP_TIMERS_MAX 1

struct tr_http_options {
    const char *host;               /* address or name to listen at; borrowed for open */
    uint16_t port;                  /* 0 = any free one */
    struct tr_reactor *reactor;     /* borrows until closed */
    struct tr_metrics *metrics;     /* borrows until closed; NULL: /metrics is not found */
    const struct tr_health *health; /* borrows until closed */
};

struct tr_http; /* opaque */

/*
 * Listens, from now on answering within the reactor's polls. `now_ns` is the runner's monotonic
 * time. Errors: TR_ERR_CONFIG (address or port that cannot be listened at, with the remedy; TR_RETRY:
 * the port is in use), TR_ERR_SYSTEM.
 */
TR_NODISCARD enum tr_code tr_http_open(struct tr_http **http, const struct tr_http_options *options,
                                       int64_t now_ns, struct tr_error *err);

/* The port that was bound. */
uint16_t tr_http_port(const struct tr_http *http);

/* Closes every connection; accepts NULL. @thread the reactor's, or after it has ended */
void tr_http_close(struct tr_http *http);

/* Its term of the memory sum. */
size_t tr_http_memory_bytes(void);

#endif
