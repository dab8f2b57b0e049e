// SPDX-License-Identifier: Apache-2.0
#include "engine/app/cost.h"
#include "tests/check.h"

static struct tr_cost cost_of(double records_per_s, double record_bytes)
{
    const struct tr_cost_rate rate = {.records_per_s = records_per_s, .record_bytes = record_bytes};
    return tr_cost_of(&rate);
}

static void assert_usd(double got, double want)
{
    if (got < want - 0.01 || got > want + 0.01) {
        fail_msg("$%.4f, want $%.2f", got, want);
    }
}

/* 10,000 events of 1 KiB a second: 12.5 MB/s of 13 shards; 26.28 G payload units; 25,062.56 GiB. */
static void worked_example_has_its_sums(void **state)
{
    (void)state;
    const struct tr_cost cost = cost_of(10000, 1024);
    assert_int_equal(cost.shard_count, 13);
    assert_usd(cost.provisioned_usd_month, 13 * 730 * 0.015 + 26280 * 0.014);
    assert_usd(cost.on_demand_usd_month, 730 * 0.04 + 25062.5610 * 0.08);
}

static void silent_stream_costs_its_hours(void **state)
{
    (void)state;
    const struct tr_cost cost = cost_of(0, 0);
    assert_int_equal(cost.shard_count, 1);
    assert_usd(cost.provisioned_usd_month, 10.95);
    assert_usd(cost.on_demand_usd_month, 29.20);
}

static void shards_follow_records_or_bytes_whichever_are_more(void **state)
{
    (void)state;
    assert_int_equal(cost_of(800, 100).shard_count, 1); /* with headroom exactly a shard's 1,000 */
    assert_int_equal(cost_of(801, 100).shard_count, 2);
    assert_int_equal(cost_of(100, 8388.608).shard_count, 1); /* exactly 1 MiB/s with headroom */
    assert_int_equal(cost_of(100, 8390).shard_count, 2);
}

static void records_are_rounded_up_to_the_units_of_the_bill(void **state)
{
    (void)state;
    const double million_s = 1e6 / (730.0 * 3600); /* a million records a month */
    assert_usd(cost_of(million_s, 25 * 1024).provisioned_usd_month, 10.95 + 0.014);
    assert_usd(cost_of(million_s, 25 * 1024 + 1).provisioned_usd_month, 10.95 + 0.028);
    const double gib = 1024.0 / (1024 * 1024 * 1024) * 1e6;
    assert_usd(cost_of(million_s, 1).on_demand_usd_month, 29.2 + gib * 0.08);
    assert_usd(cost_of(million_s, 1025).on_demand_usd_month, 29.2 + 2 * gib * 0.08);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worked_example_has_its_sums),
        cmocka_unit_test(silent_stream_costs_its_hours),
        cmocka_unit_test(shards_follow_records_or_bytes_whichever_are_more),
        cmocka_unit_test(records_are_rounded_up_to_the_units_of_the_bill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
