// SPDX-License-Identifier: Apache-2.0
#include "engine/app/app_streams.h"

#include <string.h>

#include "engine/clock.h"
#include "stages/ship/ensure.h"

#define TAGS_INTERVAL_NS (TR_NS_PER_S / 4) /* the account has 5 calls a second */

struct listing {
    const struct tr_app_streams_options *options;
    struct tr_kinesis_client *client;
    struct tr_control_body body;
    int64_t next_tags_ns;
    uint32_t tag_count; /* of the stream being listed */
    uint32_t estimate_count;
    struct tr_cost sum;
    struct tr_error err; /* of a call in between; code TR_OK: none */
};

static void print_tag(void *self, struct tr_span name, struct tr_span value)
{
    struct listing *listing = self;
    (void)fprintf(listing->options->out, "%s%.*s=%.*s",
                  listing->tag_count++ == 0 ? "    tags: " : ", ", (int)name.bytes,
                  (const char *)name.data, (int)value.bytes, (const char *)value.data);
}

static void print_tags(struct listing *listing, const char *name)
{
    FILE *out = listing->options->out;
    struct tr_kinesis_refusal refusal;
    struct tr_span answer;
    struct tr_error err;

    if (tr_kinesis_wait_until(listing->client, listing->next_tags_ns, &listing->err) != TR_OK) {
        return;
    }
    listing->next_tags_ns = tr_clock_monotonic_ns(listing->client->clock) + TAGS_INTERVAL_NS;
    listing->tag_count = 0;
    tr_control_write_list_tags(&listing->body, name);
    if (tr_kinesis_call(listing->client, "ListTagsForStream", &listing->body, &answer, &refusal,
                        &err) != TR_OK) {
        if (strcmp(refusal.failure.type, "AccessDeniedException") == 0) {
            (void)fprintf(out, "    tags: not to be listed with these keys\n");
        } else {
            listing->err = err;
        }
    } else if (tr_control_parse_tags(listing->client->reader, answer, print_tag, listing,
                                     &listing->err) == TR_OK) {
        (void)fprintf(out, "%s\n", listing->tag_count == 0 ? "    tags: none" : "");
    }
}

static void print_estimate(struct listing *listing, const char *name)
{
    FILE *out = listing->options->out;
    struct tr_cost_rate rate;

    if (!listing->options->rate_of(listing->options->rate_self, name, &rate)) {
        (void)fprintf(out, "    estimate: none, its rate is not known yet\n");
        return;
    }
    const struct tr_cost cost = tr_cost_of(&rate);
    (void)fprintf(out,
                  "    estimate: %.1f records/s of %.0f bytes: %u shards, $%.2f a month "
                  "provisioned, $%.2f on-demand\n",
                  rate.records_per_s, rate.record_bytes, cost.shard_count,
                  cost.provisioned_usd_month, cost.on_demand_usd_month);
    listing->estimate_count++;
    listing->sum.shard_count += cost.shard_count;
    listing->sum.provisioned_usd_month += cost.provisioned_usd_month;
    listing->sum.on_demand_usd_month += cost.on_demand_usd_month;
}

static void print_sum(const struct listing *listing)
{
    (void)fprintf(listing->options->out,
                  "sum of %u estimates: %u shards, $%.2f a month provisioned, $%.2f on-demand\n"
                  "(list prices of %s, %s, %d h a month; shards with %d %% headroom over the mean "
                  "rate; without reading, longer retention, traffic and taxes)\n",
                  listing->estimate_count, listing->sum.shard_count,
                  listing->sum.provisioned_usd_month, listing->sum.on_demand_usd_month,
                  TR_COST_REGION, TR_COST_DATE, TR_COST_HOURS_PER_MONTH, TR_COST_HEADROOM_PERCENT);
}

/* "NAME  there    ACTIVE    provisioned  4 shards, kept 24 h, records up to 1024 KiB, not encrypted" */
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
    struct listing *listing = self;
    FILE *out = listing->options->out;
    if (summary == NULL) {
        (void)fprintf(out, "%-56s  %s\n", name, presences[presence]);
    } else {
        (void)fprintf(out,
                      "%-56s  %-8s %-9s %-12s %u shards, kept %u h, records up to %u KiB, %s\n",
                      name, presences[presence], statuses[summary->status],
                      summary->is_on_demand ? "on-demand" : "provisioned",
                      summary->open_shard_count, summary->retention_hours, summary->max_record_kib,
                      summary->is_encrypted ? "encrypted (KMS)" : "not encrypted");
    }
    if (listing->options->with_tags && presence != TR_STREAM_IS_MISSING &&
        listing->err.code == TR_OK) {
        print_tags(listing, name);
    }
    if (listing->options->rate_of != NULL) {
        print_estimate(listing, name);
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
    struct listing listing = {.options = options, .client = &session.client};
    const struct tr_ensure_options ensure = {
        .names = options->names,
        .name_count = options->name_count,
        .create = options->create,
        .wish = options->wish,
        .region = session.endpoint.region,
        .on_presence = print_stream,
        .self = &listing,
    };
    code = tr_streams_ensure(&session.client, &ensure, err);
    if (code == TR_OK && listing.err.code != TR_OK) {
        *err = listing.err;
        code = err->code;
    }
    if (listing.estimate_count > 0) {
        print_sum(&listing);
    }
    tr_app_kinesis_close(&session);
    return code;
}
