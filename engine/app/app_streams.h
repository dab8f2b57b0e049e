// SPDX-License-Identifier: Apache-2.0
/*
 * `tailrace streams [--create]`: lists the streams that the configuration needs, or creates them, and
 * estimates what they need and cost.
 *
 * @thread the main thread
 */
#ifndef TR_ENGINE_APP_APP_STREAMS_H
#define TR_ENGINE_APP_APP_STREAMS_H

#include <stdio.h>

#include "engine/app/app_kinesis.h"
#include "engine/app/cost.h"
#include "stages/ship/control.h"

/* The rate of a stream; false: not known. */
typedef bool tr_on_stream_rate(void *self, const char *stream, struct tr_cost_rate *rate);

struct tr_app_streams_options {
    const struct tr_app_kinesis_options *kinesis;
    const char *const *names; /* of the streams; borrowed */
    uint32_t name_count;
    bool create;
    struct tr_stream_wish wish; /* of created streams */
    bool with_tags;             /* ask for each stream's tags: five calls a second are allowed */
    tr_on_stream_rate *rate_of; /* NULL: no estimate */
    void *rate_self;
    FILE *out; /* a line per stream; below it its tags and the estimate; at the end their sum */
};

/* Errors: those of tr_streams_ensure(); a missing stream is one, after all have been listed. */
TR_NODISCARD enum tr_code tr_app_streams(const struct tr_app_streams_options *options,
                                         struct tr_error *err);

#endif
