// SPDX-License-Identifier: Apache-2.0
/*
 * Private to transport_curl*.c: one slot of the transport, its easy handle and what libcurl calls
 * for it. The multi handle, the reactor and the port are in transport_curl.c.
 */
#ifndef TR_STAGES_SHIP_TRANSPORT_CURL_SLOT_H
#define TR_STAGES_SHIP_TRANSPORT_CURL_SLOT_H

#include <curl/curl.h>

#include "stages/ship/sigv4.h"
#include "stages/ship/transport_curl.h"

#define TR_CURL_CONTENT_TYPE "application/x-amz-json-1.1"

enum tr_curl_slot_state { TR_SLOT_FREE = 0, TR_SLOT_BUSY, TR_SLOT_FINISHED };

/* Header lines of a request, in one list whose nodes and texts are the slot's. */
enum tr_curl_header_node {
    TR_NODE_CONTENT_TYPE,
    TR_NODE_EXPECT, /* without a value: libcurl leaves its own header out */
    TR_NODE_ACCEPT,
    TR_NODE_TARGET,
    TR_NODE_DATE,
    TR_NODE_AUTHORIZATION,
    TR_NODE_TOKEN, /* last: linked only with a session token */
    TR_NODE_COUNT
};

struct tr_curl_transport;

struct tr_curl_slot {
    struct tr_curl_transport *transport; /* borrows */
    CURL *easy;                          /* owns */
    enum tr_curl_slot_state state;
    struct tr_span body;    /* borrowed from submit until finished or cancelled */
    size_t body_sent_bytes; /* handed to libcurl; never goes back */
    uint8_t *answer;        /* part of the transport's answers */
    size_t answer_bytes;
    bool head_is_whole; /* the empty line after the answer's headers was seen */
    bool answer_overflowed;
    bool deadline_refused;
    bool resend_refused;
    const char *operation;
    char error_text[CURL_ERROR_SIZE];
    struct curl_slist nodes[TR_NODE_COUNT];
    char target[sizeof("X-Amz-Target: ") + TR_AWS_TARGET_BYTES_MAX];
    struct tr_sigv4_headers headers;
    struct tr_call_done done;
};

struct tr_curl_transport {
    uint64_t magic;
    CURLM *multi;                              /* owns */
    struct tr_sigv4 *signer;                   /* owns */
    struct tr_credentials_source *credentials; /* borrows */
    struct tr_credentials keys;                /* copy of the newest snapshot seen */
    struct tr_reactor *reactor;                /* borrows */
    struct tr_reactor_timer timer;
    const struct tr_clock *clock; /* borrows */
    struct tr_metric_block *metrics;
    struct tr_endpoint endpoint;
    int64_t now_ns; /* as last told by the runner */
    int64_t deadline_boottime_ns;
    int64_t clock_offset_s;
    size_t answer_bytes_max;
    uint8_t *answers; /* owns; one padded buffer per slot */
    size_t answers_bytes;
    uint32_t slot_count;
    uint32_t finished_count;    /* slots in TR_SLOT_FINISHED */
    uint32_t poll_index;        /* where the next poll begins to look */
    struct tr_curl_slot *slots; /* owns */
};

/* Prepares slot `index` of a transport whose other fields are set. Errors: as
 * tr_transport_curl_open. */
TR_NODISCARD enum tr_code tr_curl_slot_open(struct tr_curl_transport *transport, uint32_t index,
                                            const struct tr_transport_curl_options *options,
                                            struct tr_error *err);

/* Fills done.error with what `result`, a failed transfer, means. */
void tr_curl_slot_describe(struct tr_curl_slot *slot, CURLcode result);

#endif
