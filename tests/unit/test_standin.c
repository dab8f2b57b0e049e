// SPDX-License-Identifier: Apache-2.0
/* The stand-in's checks: each can fail. Its faults on the wire are driven by tests/integration/test_standin.py. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/kinesis/body.h"
#include "bench/kinesis/standin.h"

static struct tr_span span(const char *text)
{
    return tr_span_of_text(text);
}

static bool count_entry(void *self, const struct tr_body_entry *entry)
{
    *(int *)self += entry->has_data && entry->has_key;
    return true;
}

static void body_reads_every_entry_in_any_member_order(void **state)
{
    (void)state;
    struct tr_span name;
    int count = 0;
    const struct tr_span body =
        span("{ \"Records\" : [{\"PartitionKey\":\"{\\\"id\\\":1}\",\"Data\":\"aGk=\"},{\"Data\":\"\",\"X\":[1,{\"y\":\"]\"}],"
             "\"PartitionKey\":\"k\"}], \"StreamName\":\"orders\" }");
    assert_int_equal(tr_body_put_records(body, &name, count_entry, &count), 2);
    assert_int_equal(count, 2);
    assert_true(tr_span_equals(name, span("orders")));
}

static void body_refuses_what_is_cut_anywhere(void **state)
{
    (void)state;
    struct tr_span name;
    const char *whole = "{\"StreamName\":\"s\",\"Records\":[{\"Data\":\"aGk=\",\"PartitionKey\":\"a\\\"b\"}]}";
    assert_int_equal(tr_body_put_records(span(whole), &name, NULL, NULL), 1);
    for (size_t bytes = 0; bytes < strlen(whole); bytes++) {
        assert_int_equal(tr_body_put_records(tr_span_of(whole, bytes), &name, NULL, NULL), -1);
    }
}

static void unescape_handles_surrogates_and_refuses_lone_ones(void **state)
{
    (void)state;
    uint8_t out[32];
    assert_int_equal(tr_body_unescape(span("a\\n\\uD83D\\uDE00\\\\"), out), 7);
    assert_memory_equal(out, "a\n\xF0\x9F\x98\x80\\", 7);
    assert_int_equal(tr_body_unescape(span("\\uD83D"), out), -1);
    assert_int_equal(tr_body_unescape(span("\\x"), out), -1);
}

static void hash_is_the_md5_of_the_key(void **state)
{
    (void)state;
    /* kinesis: MD5("k1") = 242208671286853988395785178707875403226 */
    const tr_hash_key expected = ((tr_hash_key)UINT64_C(0xB637B17AF08ACED8) << 64) | UINT64_C(0x850C18CCCDE915DA);
    assert_true(tr_kinesis_hash(span("k1")) == expected);
}

static void split_shards_cover_everything(void **state)
{
    (void)state;
    struct tr_kinesis_store store = {.keep_bytes_max = 1 << 20};
    struct tr_error err;
    struct tr_kinesis_stream *stream = tr_kinesis_store_add(&store, span("s"), 3, &err);
    assert_non_null(stream);
    assert_true(tr_kinesis_store_split(stream, 1));
    assert_false(tr_kinesis_store_split(stream, 1));
    assert_int_equal(stream->shard_count, 5);
    assert_true(tr_kinesis_shard_of(stream, 0) == &stream->shards[0]);
    assert_true(tr_kinesis_shard_of(stream, ~(tr_hash_key)0) == &stream->shards[2]);
    assert_int_equal(tr_kinesis_shard_of(stream, stream->shards[1].first_hash)->number, 3);
    assert_int_equal(tr_kinesis_shard_of(stream, stream->shards[1].last_hash)->number, 4);
    tr_kinesis_store_deinit(&store);
}

static void judge_values(struct tr_judge *judge, const char *key, const int *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char data[64];
        (void)snprintf(data, sizeof(data), "{\"before\":null,\"after\":{\"id\":1,\"n\":%d}}", values[i]);
        tr_judge_record(judge, span("s"), span(key), span(data));
    }
}

static void judge_accepts_order_and_replays(void **state)
{
    (void)state;
    struct tr_judge judge = {.counter_column = "n", .first_counter = 1};
    judge_values(&judge, "a", (const int[]){1, 2, 3, 2, 3, 4}, 6);
    judge_values(&judge, "b", (const int[]){1, 2}, 2);
    assert_int_equal(judge.key_count, 2);
    assert_int_equal(judge.duplicate_count, 2);
    assert_int_equal(judge.order_violation_count + judge.replay_jump_count + judge.skipped_count, 0);
    tr_judge_deinit(&judge);
}

static void judge_sees_swaps_gaps_and_broken_replays(void **state)
{
    (void)state;
    struct tr_judge judge = {.counter_column = "n", .first_counter = 1};
    judge_values(&judge, "swapped", (const int[]){1, 3, 2, 4}, 4);
    assert_int_equal(judge.order_violation_count, 1);
    assert_int_equal(judge.skipped_count, 0);
    judge_values(&judge, "lost", (const int[]){1, 2, 5}, 3);
    assert_int_equal(judge.skipped_count, 2);
    judge_values(&judge, "first lost", (const int[]){2}, 1);
    assert_int_equal(judge.skipped_count, 3);
    judge_values(&judge, "left out", (const int[]){1, 2, 3, 4, 2, 4, 5}, 7);
    assert_int_equal(judge.replay_jump_count, 1);
    assert_string_equal(judge.first_violation, "key swapped: 2 came after 3");
    tr_judge_deinit(&judge);
}

static struct tr_judge_request signed_request(void)
{
    return (struct tr_judge_request){
        .authorization = span("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260115/eu-west-1/kinesis/aws4_request, "
                              "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                              "Signature=f3520534db58cf81bf59a76b8b72adb260e756ec0cf9f3f55d73b19459a6f74e"),
        .date = span("20260115T120000Z"),
        .host = span("kinesis.eu-west-1.amazonaws.com"),
        .content_type = span("application/x-amz-json-1.1"),
        .target = span("Kinesis_20131202.PutRecords"),
        .body = span("{\"StreamName\":\"orders\",\"Records\":[{\"Data\":\"aGVsbG8=\",\"PartitionKey\":\"k1\"}]}"),
    };
}

static void signature_is_checked_part_by_part(void **state)
{
    (void)state;
    const int64_t now_unix_s = 1768478400; /* 2026-01-15T12:00:00Z */
    struct tr_judge_credentials credentials = {
        .access_key = "AKIDEXAMPLE", .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", .region = "eu-west-1"};
    struct tr_judge_request request = signed_request();
    assert_null(tr_judge_signature(&request, &credentials, now_unix_s));
    assert_non_null(tr_judge_signature(&request, &credentials, now_unix_s + 301));
    request.body = span("{}");
    assert_non_null(tr_judge_signature(&request, &credentials, now_unix_s));
    request = signed_request();
    request.host = span("elsewhere");
    assert_non_null(tr_judge_signature(&request, &credentials, now_unix_s));
    request = signed_request();
    request.token = span("token");
    assert_non_null(tr_judge_signature(&request, &credentials, now_unix_s));
    request = signed_request();
    credentials.region = "eu-west-2";
    assert_non_null(tr_judge_signature(&request, &credentials, now_unix_s));
    credentials.region = "eu-west-1";
    credentials.secret_key = "other";
    assert_non_null(tr_judge_signature(&request, &credentials, now_unix_s));
}

static void script_says_what_is_wrong_and_where(void **state)
{
    (void)state;
    struct tr_error err;
    struct tr_chaos *chaos = calloc(1, sizeof(*chaos));
    assert_non_null(chaos);
    uint32_t value;
    assert_int_equal(tr_chaos_parse(chaos, span("# comment\n2 lost\n3-4 stall 50\n"), &err), TR_OK);
    assert_int_equal(tr_chaos_next(chaos, &value), TR_CHAOS_NONE);
    assert_int_equal(tr_chaos_next(chaos, &value), TR_CHAOS_LOST);
    assert_int_equal(tr_chaos_next(chaos, &value), TR_CHAOS_STALL);
    assert_int_equal(value, 50);
    assert_int_equal(tr_chaos_next(chaos, &value), TR_CHAOS_STALL);
    assert_int_equal(tr_chaos_next(chaos, &value), TR_CHAOS_NONE);
    assert_int_equal(chaos->fired[TR_CHAOS_STALL], 2);
    assert_int_equal(tr_chaos_parse(chaos, span("\n7 explode"), &err), TR_ERR_USAGE);
    assert_non_null(strstr(err.text, "line 2"));
    free(chaos);
}

static void seed_draws_every_drawn_fault(void **state)
{
    (void)state;
    struct tr_chaos *chaos = calloc(1, sizeof(*chaos));
    assert_non_null(chaos);
    chaos->random_state = 7;
    chaos->rate_permille = 500;
    uint32_t value;
    for (int i = 0; i < 4000; i++) {
        (void)tr_chaos_next(chaos, &value);
    }
    assert_in_range(chaos->fired[TR_CHAOS_NONE], 1800, 2200);
    assert_true(chaos->fired[TR_CHAOS_PARTIAL] > 0 && chaos->fired[TR_CHAOS_LOST_APPLIED] > 0 &&
                chaos->fired[TR_CHAOS_HALF] > 0 && chaos->fired[TR_CHAOS_RESET] > 0);
    assert_int_equal(chaos->fired[TR_CHAOS_HANG], 0);
    free(chaos);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(body_reads_every_entry_in_any_member_order),
        cmocka_unit_test(body_refuses_what_is_cut_anywhere),
        cmocka_unit_test(unescape_handles_surrogates_and_refuses_lone_ones),
        cmocka_unit_test(hash_is_the_md5_of_the_key),
        cmocka_unit_test(split_shards_cover_everything),
        cmocka_unit_test(judge_accepts_order_and_replays),
        cmocka_unit_test(judge_sees_swaps_gaps_and_broken_replays),
        cmocka_unit_test(signature_is_checked_part_by_part),
        cmocka_unit_test(script_says_what_is_wrong_and_where),
        cmocka_unit_test(seed_draws_every_drawn_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
