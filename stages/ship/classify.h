// SPDX-License-Identifier: Apache-2.0
/*
 * What an answer of Kinesis means: (HTTP status, error type) -> verdict, as one table.
 *
 * Source: Amazon Kinesis Data Streams API Reference, "Common Errors" and the errors of each
 * operation; behaviour of kinesis-mock and kinesalite where they differ.
 */
#ifndef TR_STAGES_SHIP_CLASSIFY_H
#define TR_STAGES_SHIP_CLASSIFY_H

#include <stdbool.h>

#include "engine/bytes.h"

enum tr_verdict {
    TR_VERDICT_OK = 0,
    TR_VERDICT_THROTTLE,    /* retry, slow down */
    TR_VERDICT_RETRY,       /* transient: retry */
    TR_VERDICT_CREDENTIALS, /* refresh the credentials or correct the clock, then retry */
    TR_VERDICT_STATE,       /* the stream is being changed: retry with patience */
    TR_VERDICT_FATAL,       /* configuration: stop the stream, position kept */
    TR_VERDICT_BAD,         /* this request or record is bad: isolate it */
    TR_VERDICT_RESTART,     /* readers: take a new iterator or listing */
    TR_VERDICT_COUNT
};

struct tr_verdict_rule {
    enum tr_verdict verdict;
    bool is_stream_wide; /* a throttle that concerns the whole stream, not only the shards named */
    bool has_grace; /* FATAL only after the stream's grace period: retried on a 30 s cadence until
                       then */
    bool outcome_unknown; /* records of the request may have been stored */
    bool is_known;        /* false: not in the table, derived from the status; worth an alarm */
};

/*
 * The rule for a whole answer. `type` is the error's name as sent: a namespace before '#' and a
 * suffix after ':' are ignored; empty = none was sent.
 */
struct tr_verdict_rule tr_kinesis_classify(int status, struct tr_span type);

/* The rule for the ErrorCode of one entry of a PutRecords answer; an unknown one is RETRY and not
 * known. */
struct tr_verdict_rule tr_kinesis_classify_record(struct tr_span code);

/* The bare name inside an error type: without "namespace#" and ":suffix". */
struct tr_span tr_kinesis_error_name(struct tr_span type);

/* Whether an error's text says that the signature's date was refused, so that the clock is to be
 * corrected. */
bool tr_kinesis_message_blames_clock(struct tr_span message);

/* Fixed lower-case word, for logs and metrics. */
const char *tr_verdict_name(enum tr_verdict verdict);

#endif
