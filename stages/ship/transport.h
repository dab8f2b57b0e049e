// SPDX-License-Identifier: Apache-2.0
/*
 * The port to Kinesis: submit, cancel, poll. Real: libcurl's multi interface on the runner's reactor. Simulated: a model.
 *
 * A call's memory (target, body) belongs to the caller and stays untouched until its completion was polled, or cancel
 * returned. The transport signs at the moment of sending (own SigV4) and never resends by itself.
 * @thread one shipper (each has a transport of its own)
 */
#ifndef TR_STAGES_SHIP_TRANSPORT_H
#define TR_STAGES_SHIP_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

enum tr_call_state {
    TR_CALL_ANSWERED = 0, /* status and answer are set, whatever the status is */
    TR_CALL_UNKNOWN,      /* sent (in part) and no whole answer: the outcome is unknown */
    TR_CALL_UNSENT,       /* no byte of it left: safe to send again as if new */
};

struct tr_call {
    uint32_t slot;         /* the caller's, 0..slots-1; one call per slot */
    const char *operation; /* "PutRecords", static */
    struct tr_span body;   /* borrowed until done */
    int64_t timeout_ns;    /* for the whole call */
};

struct tr_call_done {
    uint32_t slot;
    enum tr_call_state state;
    int status; /* HTTP status of an answer */
    struct tr_span
        answer; /* borrowed until the slot's next submit; padded by 64 readable bytes; truncated answers are UNKNOWN */
    char error_type[96]; /* x-amzn-ErrorType without suffix, or empty */
    char request_id[64];
    int64_t date_unix_s;             /* the answer's Date header, 0 = none */
    int64_t retry_after_ns;          /* x-amz-retry-after or Retry-After, 0 = none */
    uint64_t credentials_generation; /* of the keys that signed it: for tr_credentials_refresh() */
    struct tr_error error;           /* for UNKNOWN and UNSENT: why */
};

struct tr_transport {
    void *self;
    /* Starts a call. Errors: TR_ERR_SINK_LINK (retry later), TR_ERR_SINK_AUTH (no credentials). */
    enum tr_code (*submit)(void *self, const struct tr_call *call, int64_t now_ns,
                           struct tr_error *err);
    /* Gives a call up; its completion will not be reported. Resets its connection. */
    void (*cancel)(void *self, uint32_t slot);
    /* One completion, or false. */
    bool (*poll)(void *self, int64_t now_ns, struct tr_call_done *done);
    void (*close)(void *self);
};

#endif
