// SPDX-License-Identifier: Apache-2.0
/*
 * The body of one PutRecords request, written in one pass into a buffer of its own:
 *
 *   {"StreamName":"s","Records":[{"Data":"<base64>","PartitionKey":"<escaped>"},...]}
 *
 * The buffer is mapped for the largest request there can be and resident only where it was touched; what lies beyond
 * the keep mark is given back after use.
 *
 * Source: PutRecords API reference; limits: kinesis §2.1.
 */
#ifndef TR_STAGES_SHIP_REQUEST_H
#define TR_STAGES_SHIP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

#define TR_REQUEST_RECORDS_MAX 500 /* entries per PutRecords */
#define TR_REQUEST_PAYLOAD_BYTES_MAX                                                               \
    ((size_t)10 * 1024 * 1024) /* data + partition keys, before base64 */
#define TR_REQUEST_PAYLOAD_BYTES_OLD                                                               \
    ((size_t)5 * 1024 * 1024) /* while the stream's records are limited to 1 MiB */
#define TR_REQUEST_BODY_BYTES_MAX                                                                  \
    ((size_t)16 * 1024 * 1024) /* 4/3 of the payload, 500 frames and escapes */
#define TR_REQUEST_BODY_BYTES_KEPT                                                                 \
    ((size_t)2 * 1024 * 1024) /* stays resident between requests: 500 records of 2.5 KB */

struct tr_request {
    uint8_t *body; /* owns: TR_REQUEST_BODY_BYTES_MAX mapped */
    size_t body_bytes;
    size_t touched_bytes; /* highest byte written since the last discard */
    uint32_t entry_count;
    uint64_t payload_bytes;
};

/* Errors: TR_ERR_SYSTEM. */
TR_NODISCARD enum tr_code tr_request_open(struct tr_request *request, struct tr_error *err);
/* Accepts a zeroed request. */
void tr_request_close(struct tr_request *request);

/* Starts a body for that stream. */
void tr_request_begin(struct tr_request *request, struct tr_span stream_name);

/* Appends an entry; false when the buffer has no room for it: then nothing has changed. Hot path. */
bool tr_request_add(struct tr_request *request, struct tr_span partition_key, struct tr_span data);

/* Ends the body, which is then whole. */
void tr_request_finish(struct tr_request *request);

/* The call is done with the body: gives memory beyond the keep mark back. */
void tr_request_release(struct tr_request *request);

#endif
