// SPDX-License-Identifier: Apache-2.0
/* Key table, lanes, pace and parking: what a shipper is made of. */
#include "stages/ship/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "stages/ship/parking.h"
#include "tests/check.h"
#include "tests/support/random.h"

static void the_key_table_finds_what_is_in_it(void **state)
{
    enum { KEYS = 1000, STEPS = 200000 };
    static uint32_t expected[3 * KEYS]; /* by (stream, hash): key + 1 */
    struct tr_random random = {.state = 7};
    struct tr_keytable table;
    struct tr_error err;
    (void)state;
    assert_int_equal(tr_keytable_open(&table, KEYS, &err), TR_OK);
    memset(expected, 0, sizeof(expected));
    for (uint32_t step = 0; step < STEPS; step++) {
        const uint32_t which = tr_random_below(&random, 3 * KEYS);
        const uint32_t stream = which % 3;
        const uint64_t hash = which / 3; /* close to each other: long runs of taken slots */
        const uint32_t found = tr_keytable_find(&table, stream, hash);
        assert_int_equal(found, expected[which] == 0 ? TR_KEY_NONE : expected[which] - 1);
        if (found != TR_KEY_NONE && tr_random_chance(&random, 500)) {
            tr_keytable_remove(&table, found);
            expected[which] = 0;
        } else if (found == TR_KEY_NONE && tr_keytable_free_count(&table) > 0) {
            const uint32_t key = tr_keytable_find_or_add(&table, stream, hash);
            assert_int_equal(tr_keytable_key(&table, key)->state, TR_KEY_NEW);
            expected[which] = key + 1;
        }
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < 3 * KEYS; i++) {
        count += expected[i] != 0;
    }
    assert_int_equal(count, table.used_count);
    assert_true(table.made_count <= KEYS);
    tr_keytable_close(&table);
}

static void a_lane_is_first_in_first_out_but_for_what_failed(void **state)
{
    struct tr_keytable table;
    struct tr_lanes lanes;
    struct tr_error err;
    uint32_t keys[4];
    (void)state;
    assert_int_equal(tr_keytable_open(&table, 16, &err), TR_OK);
    tr_lanes_init(&lanes);
    for (uint32_t i = 0; i < 4; i++) {
        keys[i] = tr_keytable_find_or_add(&table, 0, i);
        tr_keytable_key(&table, keys[i])->lane = 5;
    }
    tr_lanes_push_tail(&lanes, &table, keys[0]);
    tr_lanes_push_tail(&lanes, &table, keys[1]);
    tr_lanes_push_head(&lanes, &table, keys[2]);
    assert_int_equal(lanes.ready_mask, UINT64_C(1) << 5);
    assert_int_equal(tr_lanes_pop(&lanes, &table, 5), keys[2]);
    assert_int_equal(tr_lanes_pop(&lanes, &table, 5), keys[0]);
    assert_int_equal(tr_lanes_pop(&lanes, &table, 5), keys[1]);
    assert_int_equal(lanes.ready_mask, 0);
    tr_lanes_push_head(&lanes, &table, keys[3]);
    tr_lanes_push_tail(&lanes, &table, keys[0]);
    assert_int_equal(lanes.ready_count, 2);
    assert_int_equal(tr_lanes_pop(&lanes, &table, 5), keys[3]);
    assert_int_equal(tr_lanes_pop(&lanes, &table, 5), keys[0]);
    tr_keytable_close(&table);
}

/* `count` shards of even size. */
static struct tr_shard *even_shards(uint32_t count)
{
    struct tr_shard *shards = calloc(count, sizeof(*shards));
    assert_non_null(shards);
    for (uint32_t i = 0; i < count; i++) {
        shards[i].first_key = (TR_HASH_KEY_MAX / count) * i;
        shards[i].last_key = i + 1 == count ? TR_HASH_KEY_MAX : (TR_HASH_KEY_MAX / count) * (i + 1) - 1;
    }
    return shards;
}

static void each_shard_has_its_lane_up_to_64(void **state)
{
    static const uint32_t counts[] = {1, 2, 3, 63, 64, 65, 200};
    struct tr_keytable table;
    struct tr_error err;
    (void)state;
    assert_int_equal(tr_keytable_open(&table, 16, &err), TR_OK);
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        const uint32_t count = counts[c];
        struct tr_shard *shards = even_shards(count);
        struct tr_lanes lanes;
        tr_lanes_init(&lanes);
        assert_false(tr_lanes_match(&lanes, shards, count));
        assert_int_equal(tr_lanes_divide(&lanes, &table, shards, count), TR_KEY_NONE);
        assert_true(tr_lanes_match(&lanes, shards, count));
        assert_int_equal(lanes.count, count < 64 ? count : 64);
        uint32_t shard_sum = 0;
        for (uint32_t i = 0; i < lanes.count; i++) {
            shard_sum += lanes.lanes[i].pace.shard_count;
        }
        assert_int_equal(shard_sum, count);
        uint8_t last = 0;
        for (uint32_t i = 0; i < count; i++) {
            const uint8_t lane = tr_lanes_by_point(&lanes, shards[i].first_key);
            assert_int_equal(lane, tr_lanes_by_point(&lanes, shards[i].last_key));
            assert_true(count > 64 ? lane >= last : lane == i);
            last = lane;
        }
        free(shards);
    }
    tr_keytable_close(&table);
}

static void a_new_division_gives_back_the_ready_keys_in_order(void **state)
{
    struct tr_keytable table;
    struct tr_lanes lanes;
    struct tr_error err;
    struct tr_shard *shards = even_shards(2);
    (void)state;
    assert_int_equal(tr_keytable_open(&table, 16, &err), TR_OK);
    tr_lanes_init(&lanes);
    uint32_t keys[6];
    for (uint32_t i = 0; i < 6; i++) {
        keys[i] = tr_keytable_find_or_add(&table, 0, i);
        tr_keytable_key(&table, keys[i])->lane = (uint8_t)(i / 2 * 20);
        tr_lanes_push_tail(&lanes, &table, keys[i]);
    }
    uint32_t key = tr_lanes_divide(&lanes, &table, shards, 2);
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(key, keys[i]);
        key = tr_keytable_key(&table, key)->next;
    }
    assert_int_equal(key, TR_KEY_NONE);
    assert_int_equal(lanes.ready_count, 0);
    tr_keytable_close(&table);
    free(shards);
}

/* Records that pass in `seconds` when as many as possible are sent each millisecond. */
static uint32_t pass(struct tr_pace *pace, int64_t *now_ns, uint32_t seconds)
{
    uint32_t count = 0;
    for (uint32_t ms = 0; ms < seconds * 1000; ms++) {
        *now_ns += TR_NS_PER_MS;
        for (uint32_t i = 0; i < 100 && tr_pace_is_open(pace, *now_ns); i++) {
            tr_pace_spend(pace, 1, 100);
            count++;
        }
    }
    return count;
}

static void a_lane_is_free_until_it_is_throttled(void **state)
{
    struct tr_pace pace;
    int64_t now_ns = 1;
    (void)state;
    tr_pace_init(&pace, 1);
    assert_int_equal(pass(&pace, &now_ns, 1), 100000);
    tr_pace_cut(&pace, now_ns, 0.05F);
    const uint32_t first = pass(&pace, &now_ns, 1); /* 95 % of 1,000 */
    assert_in_range(first, 940, 955);
    tr_pace_cut(&pace, now_ns, 0.05F);
    tr_pace_cut(&pace, now_ns + 1, 0.05F); /* at most one cut per 500 ms */
    assert_in_range(pass(&pace, &now_ns, 1), 655, 675);
    for (int i = 0; i < 20; i++) {
        now_ns += TR_NS_PER_S;
        tr_pace_cut(&pace, now_ns, 0.05F);
    }
    const uint32_t least = pass(&pace, &now_ns, 1);
    assert_in_range(least, 50, 120); /* the floor, and what the bucket held */
    for (uint32_t s = 0; s < 80 && pace.is_limited; s++) {
        (void)pass(&pace, &now_ns, 1); /* + 2 % of nominal per second, free again at 1.5 x nominal */
    }
    assert_false(pace.is_limited);
}

static void bytes_are_paced_as_well(void **state)
{
    struct tr_pace pace;
    int64_t now_ns = 1;
    (void)state;
    tr_pace_init(&pace, 2);
    tr_pace_cut(&pace, now_ns, 0.05F);
    now_ns += TR_NS_PER_S / 2;
    assert_true(tr_pace_is_open(&pace, now_ns));
    tr_pace_spend(&pace, 1, 3 * 1024 * 1024); /* a large record goes, into debt */
    assert_false(tr_pace_is_open(&pace, now_ns));
    now_ns += TR_NS_PER_S;
    assert_false(tr_pace_is_open(&pace, now_ns));
    now_ns += TR_NS_PER_S / 2;
    assert_true(tr_pace_is_open(&pace, now_ns));
}

static void the_breaker_opens_after_ten_seconds_of_failures_and_probes(void **state)
{
    struct tr_breaker breaker = {0};
    int64_t now_ns = TR_NS_PER_S;
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_false(tr_breaker_on_failure(&breaker, now_ns));
        now_ns += TR_NS_PER_S;
    }
    assert_true(tr_breaker_on_failure(&breaker, now_ns));
    assert_false(tr_breaker_allows(&breaker, 0, now_ns));
    int64_t delay_s = 1;
    for (int i = 0; i < 8; i++) {
        assert_false(tr_breaker_allows(&breaker, 0, now_ns + delay_s * TR_NS_PER_S - 1));
        now_ns += delay_s * TR_NS_PER_S;
        assert_true(tr_breaker_allows(&breaker, 0, now_ns));
        assert_false(tr_breaker_allows(&breaker, 1, now_ns)); /* one probe at a time */
        assert_false(tr_breaker_on_failure(&breaker, now_ns));
        delay_s = delay_s * 2 < 30 ? delay_s * 2 : 30;
    }
    tr_breaker_on_success(&breaker);
    assert_true(tr_breaker_allows(&breaker, 7, now_ns));
}

static void back_off_is_jittered_between_zero_and_its_cap(void **state)
{
    struct tr_jitter jitter = {.state = 3};
    int64_t most_ns = 0;
    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        const int64_t first_ns = tr_jitter_backoff_ns(&jitter, 100, 5000, 0);
        assert_in_range(first_ns, 0, 100);
        const int64_t late_ns = tr_jitter_backoff_ns(&jitter, 100, 5000, UINT32_MAX);
        assert_in_range(late_ns, 0, 5000);
        most_ns = late_ns > most_ns ? late_ns : most_ns;
    }
    assert_true(most_ns > 4900);
}

/* A record in a fragment of its own, key and value filled by their lengths. */
static struct tr_record *make_record(uint32_t key_bytes, uint32_t value_bytes, uint8_t fill)
{
    struct tr_fragment *fragment = NULL;
    const size_t bytes = sizeof(*fragment) + sizeof(struct tr_record) + key_bytes + value_bytes;
    assert_int_equal(posix_memalign((void **)&fragment, 64, bytes), 0);
    memset(fragment, fill, bytes);
    struct tr_record *record = (struct tr_record *)(void *)fragment->bytes;
    *record = (struct tr_record){.fragment = fragment, .key_bytes = key_bytes, .value_bytes = value_bytes, .slot = fill};
    record->key_at = sizeof(*record);
    record->value_at = record->key_at + key_bytes;
    return record;
}

static void parked_records_keep_their_bytes_and_pages_come_back(void **state)
{
    enum { PAGES = 8, COPIES = 400 };
    struct tr_record *copies[COPIES] = {NULL};
    struct tr_random random = {.state = 11};
    struct tr_parking parking;
    struct tr_error err;
    uint32_t full_count = 0;
    (void)state;
    assert_int_equal(tr_parking_open(&parking, (uint64_t)PAGES * TR_PARKING_PAGE_BYTES + 5, &err), TR_OK);
    assert_int_equal(parking.page_count, PAGES);
    for (uint32_t step = 0; step < 3000; step++) {
        const uint32_t i = tr_random_below(&random, COPIES);
        if (copies[i] != NULL) {
            const uint8_t *value = tr_record_value(copies[i]);
            for (uint32_t k = 0; k < copies[i]->value_bytes; k += 97) {
                assert_int_equal(value[k], (uint8_t)copies[i]->slot);
            }
            tr_parking_release(&parking, copies[i]);
            copies[i] = NULL;
            continue;
        }
        const uint32_t most = tr_random_chance(&random, 20) ? 700 * 1024 : 8 * 1024;
        struct tr_record *record = make_record(tr_random_below(&random, 50), tr_random_below(&random, most), (uint8_t)i);
        copies[i] = tr_parking_copy(&parking, record);
        full_count += copies[i] == NULL;
        free(record->fragment);
        assert_true(parking.used_count <= PAGES);
    }
    assert_true(full_count > 0);
    for (uint32_t i = 0; i < COPIES; i++) {
        if (copies[i] != NULL) {
            tr_parking_release(&parking, copies[i]);
        }
    }
    assert_int_equal(parking.used_count, 0);
    tr_parking_close(&parking);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_table_finds_what_is_in_it),
        cmocka_unit_test(a_lane_is_first_in_first_out_but_for_what_failed),
        cmocka_unit_test(each_shard_has_its_lane_up_to_64),
        cmocka_unit_test(a_new_division_gives_back_the_ready_keys_in_order),
        cmocka_unit_test(a_lane_is_free_until_it_is_throttled),
        cmocka_unit_test(bytes_are_paced_as_well),
        cmocka_unit_test(the_breaker_opens_after_ten_seconds_of_failures_and_probes),
        cmocka_unit_test(back_off_is_jittered_between_zero_and_its_cap),
        cmocka_unit_test(parked_records_keep_their_bytes_and_pages_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
