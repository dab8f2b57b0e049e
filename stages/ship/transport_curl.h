// SPDX-License-Identifier: Apache-2.0
/*
 * The real transport: libcurl's multi interface, driven by the runner's reactor.
 *
 *   submit -> sign -> easy handle of the slot -> multi -> reactor (sockets, one timer)
 *                                                  |
 *   poll  <- finished slots <----------------------+
 *
 * HTTP/1.1 with keep-alive, one connection per call in flight. Handles, headers and answer buffers
 * are prepared once per slot. Bodies go through a read callback and there is no seek callback: only
 * so does libcurl not send a POST again by itself when a kept connection turns out to be dead. A
 * call of which body bytes were handed out ends ANSWERED or UNKNOWN, one of which none were,
 * UNSENT. Every connection that is given up is reset, so that bytes still in the kernel do not
 * arrive later.
 *
 * The offset of the service's clock is learnt from the answers' Date header and goes into the
 * signatures; timers never see it.
 *
 * @thread everything: the runner that owns the reactor.
 */
#ifndef TR_STAGES_SHIP_TRANSPORT_CURL_H
#define TR_STAGES_SHIP_TRANSPORT_CURL_H

#include <stddef.h>
#include <stdint.h>

#include "engine/clock.h"
#include "engine/error.h"
#include "engine/metrics.h"
#include "engine/reactor.h"
#include "stages/ship/credentials.h"
#include "stages/ship/endpoint.h"
#include "stages/ship/transport.h"

/* An answer to 500 entries has 55 KB, one page of ListShards (500 shards) up to 210 KB. */
#define TR_TRANSPORT_ANSWER_BYTES_MAX ((size_t)256 * 1024)
#define TR_TRANSPORT_PADDING_BYTES 64 /* SIMDJSON_PADDING, with room */

/* What a reactor must hold per transport of `slots`: a connection, a second attempt by the other IP
 * version, the resolver's wake-up; and one timer. */
#define TR_TRANSPORT_FDS_MAX(slots) (3 * (slots))
#define TR_TRANSPORT_TIMERS_MAX 1

struct tr_transport_curl_options {
    const struct tr_endpoint *endpoint;        /* copied */
    struct tr_credentials_source *credentials; /* borrowed; outlives the transport */
    struct tr_reactor *reactor;                /* borrowed; outlives the transport */
    const struct tr_clock *clock;              /* borrowed */
    uint32_t slot_count;                       /* calls in flight at most, 1..1024 */
    size_t answer_bytes_max;    /* 0: TR_TRANSPORT_ANSWER_BYTES_MAX; more is an UNKNOWN outcome */
    int64_t connect_timeout_ns; /* 0: 3 s; name, TCP and TLS together */
    const char *ca_file;        /* PEM bundle; NULL or empty: the system's */
    struct tr_metric_block *metrics; /* borrowed; NULL: none */
};

/*
 * Opens a transport and takes all of its memory. On failure `transport` is zeroed.
 * Errors: TR_ERR_CONFIG (a CA file that does not exist), TR_ERR_SYSTEM; TR_STOP.
 */
TR_NODISCARD enum tr_code tr_transport_curl_open(struct tr_transport *transport,
                                                 const struct tr_transport_curl_options *options,
                                                 struct tr_error *err);

/*
 * No byte of any body is handed out at or after this time (CLOCK_BOOTTIME): a call that is then
 * being sent fails and its connection is reset. INT64_MAX, the value after open, means never.
 */
void tr_transport_curl_set_deadline(struct tr_transport *transport, int64_t deadline_boottime_ns);

/* Seconds by which the service's clock is ahead of ours, as learnt so far; 0 until it matters. */
int64_t tr_transport_curl_clock_offset_s(const struct tr_transport *transport);

/* Bytes that a transport takes at open: a term of the memory sum. */
uint64_t tr_transport_curl_memory_bytes(uint32_t slot_count, size_t answer_bytes_max);

#endif
