// SPDX-License-Identifier: Apache-2.0
/*
 * AWS Signature Version 4 for `POST /`: what every Kinesis (and STS) call is.
 *
 * A signer belongs to one (service, region, host, content type); the algorithms are fetched and the
 * contexts made once, the signing key is derived once per (keys, UTC day), and the canonical
 * headers are a template in which only the date, the token, the target and the body's hash change.
 * A signature is made at the moment of sending and costs the SHA-256 of the body plus about two
 * microseconds.
 *
 * Source: AWS General Reference, "Signature Version 4 signing process" (canonical request, string
 * to sign, key).
 * @thread one owner per signer
 */
#ifndef TR_STAGES_SHIP_SIGV4_H
#define TR_STAGES_SHIP_SIGV4_H

#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"
#include "stages/ship/credentials.h"

#define TR_SHA256_BYTES 32
#define TR_AWS_TARGET_BYTES_MAX 128 /* "Kinesis_20131202.DescribeStreamSummary" is 38 */

struct tr_sigv4; /* opaque */

/* Copied at open. */
struct tr_sigv4_options {
    const char *service;      /* "kinesis", "sts" */
    const char *region;       /* "eu-west-1" */
    const char *host;         /* as on the wire: with ":port" when it is shown there */
    const char *content_type; /* "application/x-amz-json-1.1" */
};

/* What one request needs to be signed. */
struct tr_sigv4_request {
    const char *target;  /* X-Amz-Target; NULL for services without one (sts) */
    struct tr_span body; /* borrowed during the call */
    int64_t unix_s;      /* time of sending, skew already added */
};

/* Whole header lines, without CR LF, to be sent beside Host, Content-Type and X-Amz-Target. */
struct tr_sigv4_headers {
    char date[sizeof("X-Amz-Date: 20260115T120000Z")];
    char authorization[768];
    char token[sizeof("X-Amz-Security-Token: ") +
               TR_AWS_TOKEN_BYTES_MAX]; /* empty without a session token */
};

/* Errors: TR_ERR_CONFIG (a value too long), TR_ERR_SYSTEM (OpenSSL refuses an algorithm, no
 * memory). */
TR_NODISCARD enum tr_code tr_sigv4_open(struct tr_sigv4 **signer,
                                        const struct tr_sigv4_options *options,
                                        struct tr_error *err);

/* Wipes the signing key and frees; accepts NULL. */
void tr_sigv4_close(struct tr_sigv4 *signer);

/*
 * Signs one request. `credentials` and `request` are borrowed during the call. Allocates nothing.
 * Errors: TR_ERR_SYSTEM (OpenSSL fails), TR_STOP.
 */
TR_NODISCARD enum tr_code tr_sigv4_sign(struct tr_sigv4 *signer,
                                        const struct tr_credentials *credentials,
                                        const struct tr_sigv4_request *request,
                                        struct tr_sigv4_headers *headers, struct tr_error *err);

/* The hash of the last canonical request that was signed: for the published vectors only. */
const uint8_t *tr_sigv4_canonical_hash(const struct tr_sigv4 *signer);

#endif
