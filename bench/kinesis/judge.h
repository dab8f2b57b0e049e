// SPDX-License-Identifier: Apache-2.0
/*
 * The referee: order per key, duplicates and gaps, by a counter column that the workload increments
 * by one per change of a row (never by source positions, which are what is being tested); and the
 * signature of each request.
 *
 * Per stream and key the counter must first appear in order 1, 2, 3… (or from whatever value comes
 * first). Seen again = duplicate. A first appearance of a lower value than one already seen = order
 * violation. A value that was skipped and never came = lost.
 */
#ifndef TR_BENCH_KINESIS_JUDGE_H
#define TR_BENCH_KINESIS_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/bytes.h"
#include "engine/error.h"

struct tr_judge_key; /* open-hash entry */

struct tr_judge {
    char counter_column[65];   /* empty: order is not judged */
    uint64_t first_counter;    /* what each key must begin with; 0 = anything */
    struct tr_judge_key *keys; /* owns */
    uint64_t slot_count;       /* power of two; 0 before the first key */
    uint64_t key_count;
    uint64_t record_count;    /* judged: had a counter */
    uint64_t uncounted_count; /* without one: tombstones, other records */
    uint64_t duplicate_count;
    uint64_t replay_jump_count; /* a replay that left out a value it had to repeat */
    uint64_t order_violation_count;
    uint64_t skipped_count;    /* values skipped so far and not seen since: lost if it stays */
    char first_violation[256]; /* key and counters of the first violation, for the report */
};

void tr_judge_deinit(struct tr_judge *judge);

/* Judges one accepted record, in the order of acceptance. Stream and key identify the row. */
void tr_judge_record(struct tr_judge *judge, struct tr_span stream, struct tr_span key,
                     struct tr_span data);

/* What a signature check needs of a request; header values as received. */
struct tr_judge_request {
    struct tr_span authorization;
    struct tr_span date; /* X-Amz-Date */
    struct tr_span host;
    struct tr_span content_type;
    struct tr_span target;
    struct tr_span token; /* X-Amz-Security-Token; empty = none */
    struct tr_span body;
};

struct tr_judge_credentials {
    const char *access_key;
    const char *secret_key;
    const char *session_token; /* NULL = none */
    const char *region;
};

/*
 * Recomputes the SigV4 signature from scratch, sharing no code with the client. NULL when it is
 * right and the date is within five minutes of `now_unix_s`, else what is wrong (static text).
 */
const char *tr_judge_signature(const struct tr_judge_request *request,
                               const struct tr_judge_credentials *credentials, int64_t now_unix_s);

#endif
