// SPDX-License-Identifier: Apache-2.0
/* When a start takes a snapshot: contract §3.2, every mode with every kind of stored offset. */
#include "engine/app/start_choice.h"
#include "engine/config.h"
#include "tests/check.h"

static const struct tr_log_point finished = {.pos = 4};
static const struct tr_log_point unfinished = {.pos = 4, .snapshot = true};

static void without_an_offset_every_mode_takes_one(void **state)
{
    (void)state;
    for (uint32_t mode = 0; mode <= TR_CONFIG_SNAPSHOT_RECOVERY; mode++) {
        assert_true(tr_start_takes_snapshot(mode, false, &finished));
    }
}

static void with_an_offset_only_always_takes_one(void **state)
{
    (void)state;
    for (uint32_t mode = 0; mode <= TR_CONFIG_SNAPSHOT_RECOVERY; mode++) {
        assert_int_equal(tr_start_takes_snapshot(mode, true, &finished),
                         mode == TR_CONFIG_SNAPSHOT_ALWAYS);
    }
}

static void an_unfinished_one_is_taken_again_but_not_by_recovery(void **state)
{
    (void)state;
    for (uint32_t mode = 0; mode <= TR_CONFIG_SNAPSHOT_RECOVERY; mode++) {
        assert_int_equal(tr_start_takes_snapshot(mode, true, &unfinished),
                         mode != TR_CONFIG_SNAPSHOT_RECOVERY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_offset_every_mode_takes_one),
        cmocka_unit_test(with_an_offset_only_always_takes_one),
        cmocka_unit_test(an_unfinished_one_is_taken_again_but_not_by_recovery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
