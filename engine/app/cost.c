// SPDX-License-Identifier: Apache-2.0
#include "engine/app/cost.h"

#include "engine/assert.h"

#define SHARD_RECORDS_PER_S 1000.0
#define SHARD_BYTES_PER_S (1024.0 * 1024)
#define PAYLOAD_UNIT_BYTES (25.0 * 1024) /* each record is rounded up to these */
#define ON_DEMAND_UNIT_BYTES 1024.0      /* likewise */
#define GIB (1024.0 * 1024 * 1024)
#define SHARDS_MAX 1e6

static const struct {
    double shard_hour;
    double million_payload_units;
    double on_demand_stream_hour;
    double on_demand_gib_in;
} usd = {.shard_hour = 0.015,
         .million_payload_units = 0.014,
         .on_demand_stream_hour = 0.04,
         .on_demand_gib_in = 0.08};

/* How many whole pieces hold `amount`; at least one. */
static double pieces(double amount, double piece)
{
    const double count = amount / piece;
    const uint64_t whole = (uint64_t)count;

    return whole == 0 ? 1 : (double)whole < count ? (double)(whole + 1) : (double)whole;
}

struct tr_cost tr_cost_of(const struct tr_cost_rate *rate)
{
    TR_ASSERT(rate->records_per_s >= 0);
    TR_ASSERT(rate->record_bytes >= 0);
    const double headroom = 1 + TR_COST_HEADROOM_PERCENT / 100.0;
    const double by_records = pieces(rate->records_per_s * headroom, SHARD_RECORDS_PER_S);
    const double by_bytes =
        pieces(rate->records_per_s * rate->record_bytes * headroom, SHARD_BYTES_PER_S);
    const double shards = by_records > by_bytes ? by_records : by_bytes;
    const double records_month = rate->records_per_s * TR_COST_HOURS_PER_MONTH * 3600;
    const double units = records_month * pieces(rate->record_bytes, PAYLOAD_UNIT_BYTES);
    const double gib = records_month * pieces(rate->record_bytes, ON_DEMAND_UNIT_BYTES) *
                       ON_DEMAND_UNIT_BYTES / GIB;

    return (struct tr_cost){
        .shard_count = (uint32_t)(shards < SHARDS_MAX ? shards : SHARDS_MAX),
        .provisioned_usd_month = shards * TR_COST_HOURS_PER_MONTH * usd.shard_hour +
                                 units / 1e6 * usd.million_payload_units,
        .on_demand_usd_month =
            TR_COST_HOURS_PER_MONTH * usd.on_demand_stream_hour + gib * usd.on_demand_gib_in};
}
