// SPDX-License-Identifier: Apache-2.0
/*
 * `tailrace streams [--create]`: lists the streams that the configuration needs, or creates them.
 *
 * @thread the main thread
 */
#ifndef TR_ENGINE_APP_APP_STREAMS_H
#define TR_ENGINE_APP_APP_STREAMS_H

#include <stdio.h>

#include "engine/app/app_kinesis.h"

struct tr_app_streams_options {
    const struct tr_app_kinesis_options *kinesis;
    const char *const *names; /* of the streams; borrowed */
    uint32_t name_count;
    bool create;
    uint32_t shard_count; /* of created streams; 0: on-demand capacity */
    FILE *out;            /* a line per stream */
};

/* Errors: those of tr_streams_ensure(); a missing stream is one, after all have been listed. */
TR_NODISCARD enum tr_code tr_app_streams(const struct tr_app_streams_options *options,
                                         struct tr_error *err);

#endif
