// SPDX-License-Identifier: Apache-2.0
/*
 * Inside of the HTTP server: requests to answers, without a socket. Total: any bytes give an answer
 * or "not yet".
 */
#ifndef TR_ENGINE_HTTP_ANSWER_H
#define TR_ENGINE_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/bytes.h"
#include "engine/health.h"
#include "engine/metrics.h"

#define TR_HTTP_HEAD_BYTES_MAX 8192
#define TR_HTTP_OUT_BYTES                                                                          \
    16384 /* an answer, or a part of the metrics with room for its chunk's frame */

/* One answer under way. */
struct tr_http_answer {
    char out[TR_HTTP_OUT_BYTES];
    size_t out_bytes;
    bool is_closing;   /* the connection ends with this answer */
    bool is_streaming; /* metrics: more parts follow */
    bool is_chunked;   /* HTTP/1.1: each part is a chunk */
    struct tr_metrics_cursor cursor;
};

/*
 * Looks for a whole request head at the start of `in`; 0 = not yet, else its length with the empty
 * line. Empty lines before the request line are part of it.
 */
size_t tr_http_head_bytes(struct tr_span in);

/* Fills `answer` for the request whose head is `head`. */
void tr_http_answer_request(struct tr_http_answer *answer, struct tr_span head,
                            struct tr_metrics *metrics, const struct tr_health *health);

/* Fills `answer` with an error that ends the connection: 408 or 431. */
void tr_http_answer_refusal(struct tr_http_answer *answer, int status);

/* Replaces what was sent by the next part of a streaming answer. */
void tr_http_answer_more(struct tr_http_answer *answer, struct tr_metrics *metrics);

#endif
