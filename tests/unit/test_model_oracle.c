// SPDX-License-Identifier: Apache-2.0
/* The simulation's oracle: which item of its key a record is. Tombstones all look alike. */
#include <stdlib.h>

#include "tests/check.h"
#include "tests/sim/oracle.h"

#define DELETES 4

static struct tr_model_log *model;
static struct tr_oracle *oracle;
static struct tr_span stream;
static struct tr_span key_text;

/* A row that is deleted, written, deleted, …: each delete is an item, and its tombstone one more. */
static int open_world(void **state)
{
    static const struct tr_model_options options = {
        .seed = 1, .flavor = TR_FLAVOR_MYSQL, .source_count = 1, .table_count = 1, .key_count = 1};
    (void)state;
    model = calloc(1, sizeof(*model));
    oracle = calloc(1, sizeof(*oracle));
    assert_non_null(model);
    assert_non_null(oracle);
    tr_model_log_init(model, &options);
    model->changes = calloc(DELETES, sizeof(*model->changes));
    assert_non_null(model->changes);
    model->changes_room = DELETES;
    for (uint32_t i = 0; i < DELETES; i++) {
        model->changes[i] = (struct tr_model_change){
            .op = TR_MODEL_DELETE, .row = i, .before = {.n = i + 1, .columns = model->columns[0]}};
    }
    model->change_count = DELETES;
    tr_oracle_init(oracle, model);
    stream = tr_span_of_text("p.sim.t0");
    key_text = tr_span_of_text("{\"id\":0}");
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    tr_oracle_deinit(oracle);
    tr_model_log_deinit(model);
    free(oracle);
    free(model);
    return 0;
}

/* Sends the item of that number, the key's next one. */
static uint32_t send(struct tr_oracle_key *key, uint32_t item)
{
    struct tr_buffer data = {0};
    if (item % 2 == 0) {
        const struct tr_model_change *change = &model->changes[item / 2];
        tr_buffer_append(&data, "{\"before\":", 10);
        tr_model_write_image(model, 0, change->before, &data);
        tr_buffer_append(&data, ",\"after\":null,\"source\":{\"gtid\":\"", 32);
        tr_model_write_gtid(model, change->transaction, &data);
        tr_buffer_append(&data, "\",\"file\":\"binlog.000001\"},\"op\":\"d\"}", 36);
    }
    const uint32_t sent =
        tr_oracle_sent(oracle, key, stream, key_text, tr_span_of(data.bytes, data.used));
    tr_buffer_free(&data);
    assert_string_equal(oracle->failure, "");
    return sent;
}

/* A request with the items `first` to `last`, of which all but `failed` is taken. */
static void request(struct tr_oracle_key *key, uint32_t first, uint32_t last, uint32_t failed)
{
    for (uint32_t i = first; i <= last; i++) {
        assert_int_equal(send(key, i), i);
    }
    for (uint32_t i = first; i <= last; i++) {
        if (i != failed) {
            tr_oracle_see(oracle, key, i, stream, key_text);
        }
    }
    tr_oracle_settled(oracle, key, failed - first);
}

static void a_tombstone_that_comes_late_is_not_taken_for_the_last_one(void **state)
{
    (void)state;
    struct tr_oracle_key *key = tr_oracle_find(oracle, stream, key_text);
    assert_non_null(key);
    key->is_hot = true;
    request(key, 0, 5, 3); /* 3 fails; 5, a tombstone too, is the last one visible */
    assert_false(tr_oracle_is_complete(oracle, UINT32_MAX, false));
    request(key, 3, 7, 8);
    assert_true(tr_oracle_is_complete(oracle, UINT32_MAX, false));
    assert_string_equal(oracle->failure, "");
}

static void a_tombstone_that_is_left_out_is_missed(void **state)
{
    (void)state;
    struct tr_oracle_key *key = tr_oracle_find(oracle, stream, key_text);
    assert_non_null(key);
    key->is_hot = true;
    for (uint32_t i = 0; i <= 7; i++) {
        assert_int_equal(send(key, i), i);
    }
    for (uint32_t i = 0; i <= 7; i++) {
        if (i != 3) {
            tr_oracle_see(oracle, key, i, stream, key_text);
        }
    }
    tr_oracle_settled(oracle, key, 8); /* the engine takes all for acknowledged */
    assert_false(tr_oracle_is_complete(oracle, UINT32_MAX, true));
    assert_string_not_equal(oracle->failure, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tombstone_that_comes_late_is_not_taken_for_the_last_one,
                                        open_world, close_world),
        cmocka_unit_test_setup_teardown(a_tombstone_that_is_left_out_is_missed, open_world,
                                        close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
