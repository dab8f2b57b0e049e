// SPDX-License-Identifier: Apache-2.0
/*
 * What a stream would need and cost at a rate: an estimate from list prices, for `tailrace streams`.
 *
 * Counted: shard hours and PUT payload units (provisioned), stream hours and bytes in (on-demand). Not counted: reading,
 * enhanced fan-out, retention above 24 hours, traffic between regions, taxes, discounts.
 * @thread any
 */
#ifndef TR_ENGINE_APP_COST_H
#define TR_ENGINE_APP_COST_H

#include <stdint.h>

/* Source: aws.amazon.com/kinesis/data-streams/pricing, on-demand standard and provisioned. */
#define TR_COST_REGION "us-east-1"
#define TR_COST_DATE "2025"
#define TR_COST_HOURS_PER_MONTH 730
#define TR_COST_HEADROOM_PERCENT 25 /* shards are counted for so much more than the mean rate */

struct tr_cost_rate {
    double records_per_s;
    double record_bytes; /* mean of key and data */
};

struct tr_cost {
    uint32_t shard_count; /* provisioned shards that take the rate with headroom; at least 1 */
    double provisioned_usd_month; /* with that many */
    double on_demand_usd_month;
};

/* Rate and size are not negative. */
struct tr_cost tr_cost_of(const struct tr_cost_rate *rate);

#endif
