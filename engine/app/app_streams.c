// SPDX-License-Identifier: Apache-2.0
#include "engine/app/app_streams.h"

#include "stages/ship/ensure.h"

/* "NAME  there    ACTIVE    provisioned  4 shards  1024 KiB records" */
static void print_stream(void *self, const char *name, enum tr_stream_presence presence,
                         const struct tr_stream_summary *summary)
{
    static const char *const presences[] = {
        [TR_STREAM_IS_THERE] = "there",
        [TR_STREAM_IS_CREATED] = "created",
        [TR_STREAM_IS_MISSING] = "missing",
        [TR_STREAM_IS_UNKNOWN] = "not to be described with these keys",
    };
    static const char *const statuses[] = {
        [TR_STREAM_OTHER] = "-",           [TR_STREAM_CREATING] = "CREATING",
        [TR_STREAM_DELETING] = "DELETING", [TR_STREAM_ACTIVE] = "ACTIVE",
        [TR_STREAM_UPDATING] = "UPDATING",
    };
    FILE *out = self;
    if (summary == NULL) {
        (void)fprintf(out, "%-56s  %s\n", name, presences[presence]);
    } else {
        (void)fprintf(out, "%-56s  %-8s %-9s %-12s %u shards, records up to %u KiB\n", name,
                      presences[presence], statuses[summary->status],
                      summary->is_on_demand ? "on-demand" : "provisioned",
                      summary->open_shard_count, summary->max_record_kib);
    }
    (void)fflush(out);
}

enum tr_code tr_app_streams(const struct tr_app_streams_options *options, struct tr_error *err)
{
    struct tr_app_kinesis session;
    enum tr_code code = tr_app_kinesis_open(&session, options->kinesis, err);
    if (code != TR_OK) {
        return code;
    }
    const struct tr_ensure_options ensure = {
        .names = options->names,
        .name_count = options->name_count,
        .create = options->create,
        .shard_count = options->shard_count,
        .region = session.endpoint.region,
        .on_presence = print_stream,
        .self = options->out,
    };
    code = tr_streams_ensure(&session.client, &ensure, err);
    tr_app_kinesis_close(&session);
    return code;
}
