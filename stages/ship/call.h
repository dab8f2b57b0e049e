// SPDX-License-Identifier: Apache-2.0
/*
 * Calls that wait: for start-up and for commands, which have nothing else to do. The data path uses
 * the transport's submit and poll instead.
 *
 * @thread the one that owns reactor and transport; may block for as long as the client's settings
 * say
 */
#ifndef TR_STAGES_SHIP_CALL_H
#define TR_STAGES_SHIP_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/clock.h"
#include "engine/error.h"
#include "engine/json.h"
#include "engine/reactor.h"
#include "stages/ship/classify.h"
#include "stages/ship/control.h"
#include "stages/ship/credentials.h"
#include "stages/ship/transport.h"

/* Who calls, and with what. The pointers are borrowed. */
struct tr_kinesis_client {
    struct tr_transport *transport;
    uint32_t slot; /* of the transport, ours alone */
    struct tr_reactor *reactor;
    const struct tr_clock *clock;
    struct tr_credentials_source *credentials;
    struct tr_json_reader *reader;
    int64_t call_timeout_ns; /* of one attempt; 0: 10 s */
    int64_t retry_ns;        /* throttles and transient errors are retried so long; 0: 30 s */
    bool (*is_stopping)(void *self); /* asked while waiting; NULL: never */
    void *stopping_self;
    uint64_t random; /* state of the jitter; any value */
};

/* Why a call was refused; set when tr_kinesis_call() fails after an answer, else zeroed. */
struct tr_kinesis_refusal {
    int status; /* HTTP status; 0: no answer */
    struct tr_verdict_rule rule;
    struct tr_kinesis_failure failure;
};

/*
 * One attempt: submits, turns the reactor until it is done, and returns TR_OK with `done` filled,
 * whatever the outcome is. Errors: those of submit; TR_ERR_INTERRUPTED when the client is stopping
 * (the call is cancelled).
 */
TR_NODISCARD enum tr_code tr_kinesis_call_blocking(struct tr_kinesis_client *client,
                                                   const char *operation, struct tr_span body,
                                                   struct tr_call_done *done, struct tr_error *err);

/*
 * Calls until there is a verdict: throttles, transient errors and unknown outcomes are tried again
 * with jittered delays for retry_ns (every call of this file's users may be repeated), refused keys
 * once more after a refresh. TR_OK: `answer` is the body of a 200, borrowed until the next call.
 *
 * Errors, with `refusal` (may be NULL) saying more: TR_ERR_SINK_AUTH (keys or permission refused),
 * TR_ERR_SINK_STREAM (no such stream, or a request refused for what it says), TR_ERR_SINK_LINK
 * (no answer in time), TR_ERR_INTERRUPTED.
 */
TR_NODISCARD enum tr_code tr_kinesis_call(struct tr_kinesis_client *client, const char *operation,
                                          const struct tr_control_body *body,
                                          struct tr_span *answer,
                                          struct tr_kinesis_refusal *refusal, struct tr_error *err);

/* Turns the reactor until that time. Errors: TR_ERR_INTERRUPTED. */
TR_NODISCARD enum tr_code tr_kinesis_wait_until(struct tr_kinesis_client *client,
                                                int64_t deadline_ns, struct tr_error *err);

#endif
