// SPDX-License-Identifier: Apache-2.0
/*
 * The streams that the configuration needs: which exist, and creating those that do not.
 *
 * Calls are spread below the account's limits (DescribeStreamSummary 20 a second, CreateStream and
 * ListStreams 5 a second, five streams being created at once). Many streams are looked for in the
 * account's list first, unless `on_presence` wants to be told of each. A producer that may not describe must still run:
 * such a stream counts as unknown, not as missing. Who creates streams must know: denied for longer
 * than 5 s it is an error.
 *
 * @thread start-up or a command; blocks
 */
#ifndef TR_STAGES_SHIP_ENSURE_H
#define TR_STAGES_SHIP_ENSURE_H

#include "stages/ship/call.h"

enum tr_stream_presence {
    TR_STREAM_IS_THERE = 0,
    TR_STREAM_IS_CREATED, /* just now, by us */
    TR_STREAM_IS_MISSING,
    TR_STREAM_IS_UNKNOWN, /* the keys may not describe it */
};

/* Called once for each stream when its state is final; `summary` is NULL where there is none. */
typedef void tr_on_stream_presence(void *self, const char *name, enum tr_stream_presence presence,
                                   const struct tr_stream_summary *summary);

/* What is wrong with one stream (TR_ERR_SINK_STREAM), when the others are to be looked at as well. */
typedef void tr_on_stream_problem(void *self, const struct tr_error *problem);

struct tr_ensure_options {
    const char *const *names; /* borrowed */
    uint32_t name_count;
    bool create;                /* missing streams are created and waited for */
    struct tr_stream_wish wish; /* of created streams */
    int64_t active_timeout_ns;  /* a stream being created must be ACTIVE by then; 0: 3 min */
    const char *region;         /* for messages */
    tr_on_stream_presence *on_presence; /* NULL: not wanted */
    tr_on_stream_problem *on_problem;   /* NULL: the first problem is the error */
    void *self;
};

/*
 * Looks at every stream, creates the missing ones if asked, and returns once all are there.
 * Errors, TR_STOP unless said otherwise: TR_ERR_SINK_STREAM (missing and not to be created, all of
 * them were looked at and reported; without on_problem also an impossible name, one that is being
 * deleted, or not ACTIVE in time), TR_ERR_SINK_AUTH, TR_ERR_SINK_LINK (TR_RETRY), TR_ERR_INTERRUPTED.
 */
TR_NODISCARD enum tr_code tr_streams_ensure(struct tr_kinesis_client *client,
                                            const struct tr_ensure_options *options,
                                            struct tr_error *err);

#endif
