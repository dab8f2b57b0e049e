// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/app/app_tail.h"
#include "tests/check.h"
#include "tests/support/model_client.h"

static char *printed;
static size_t printed_bytes;

static enum tr_code tail(struct tr_app_tail_options options)
{
    free(printed);
    options.stream = "s";
    options.out = open_memstream(&printed, &printed_bytes);
    assert_non_null(options.out);
    const enum tr_code code = tr_app_tail_run(&client, &options, &err);
    assert_int_equal(fclose(options.out), 0);
    return code;
}

static bool asked(uint32_t index, const char *text)
{
    return index < model.call_count && strstr(model.calls[index], text) != NULL;
}

static uint32_t count_of(const char *text)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model.call_count; i++) {
        count += asked(i, text) ? 1 : 0;
    }
    return count;
}

#define ALL_KEYS                                                                                   \
    "\"HashKeyRange\":{\"StartingHashKey\":\"0\",\"EndingHashKey\":"                               \
    "\"340282366920938463463374607431768211455\"}"
#define ONE_SHARD "{\"Shards\":[{\"ShardId\":\"shard-0\"," ALL_KEYS "}]}"
#define RECORD(sequence, data)                                                                     \
    "{\"SequenceNumber\":\"" sequence "\",\"PartitionKey\":\"k\",\"Data\":\"" data "\"}"
#define PAGE(records, next, behind)                                                                \
    "{\"Records\":[" records "],\"NextShardIterator\":" next ",\"MillisBehindLatest\":" behind "}"

/* One shard of three pages; the second iterator has expired when it is used. */
static struct model_answer expiring(struct model *of, const char *operation, const char *body)
{
    (void)of;
    if (strcmp(operation, "ListShards") == 0) {
        return OK(ONE_SHARD);
    }
    if (strcmp(operation, "GetShardIterator") == 0) {
        return strstr(body, "AFTER_SEQUENCE_NUMBER") != NULL ? OK("{\"ShardIterator\":\"i3\"}")
                                                             : OK("{\"ShardIterator\":\"i1\"}");
    }
    if (strstr(body, "i1") != NULL) {
        return OK(PAGE(RECORD("1", "YQ=="), "\"i2\"", "500"));
    }
    if (strstr(body, "i2") != NULL) {
        return REFUSED("ExpiredIteratorException");
    }
    return OK(PAGE(RECORD("2", "") "," RECORD("3", "Yg=="), "\"i4\"", "0"));
}

static void expired_iterator_goes_on_after_the_last_record(void **state)
{
    (void)state;
    model.answer = expiring;
    assert_int_equal(tail((struct tr_app_tail_options){.ends_at_tip = true}), TR_OK);
    assert_string_equal(printed, "a\nnull\nb\n");
    assert_int_equal(count_of("AFTER_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":\"1\""), 1);
}

static void limit_ends_inside_a_page(void **state)
{
    (void)state;
    model.answer = expiring;
    assert_int_equal(tail((struct tr_app_tail_options){.limit = 2}), TR_OK);
    assert_string_equal(printed, "a\nnull\n");
}

static void shard_is_not_asked_more_than_five_times_a_second(void **state)
{
    int64_t last_ns = 0;
    (void)state;
    model.answer = expiring;
    assert_int_equal(tail((struct tr_app_tail_options){.ends_at_tip = true}), TR_OK);
    for (uint32_t i = 0; i < model.call_count; i++) {
        if (asked(i, "GetRecords")) {
            assert_true(last_ns == 0 || model.call_ns[i] - last_ns >= TR_NS_PER_S / 5);
            last_ns = model.call_ns[i];
        }
    }
    assert_true(last_ns > 0);
}

/* The second record of the page is broken: nothing of the page may be printed. */
static struct model_answer broken_page(struct model *of, const char *operation, const char *body)
{
    (void)of;
    (void)body;
    if (strcmp(operation, "ListShards") == 0) {
        return OK(ONE_SHARD);
    }
    if (strcmp(operation, "GetShardIterator") == 0) {
        return OK("{\"ShardIterator\":\"i1\"}");
    }
    return OK(PAGE(RECORD("1", "YQ==") ",{\"SequenceNumber\":7}", "\"i2\"", "0"));
}

static void broken_page_prints_nothing(void **state)
{
    (void)state;
    model.answer = broken_page;
    assert_int_equal(tail((struct tr_app_tail_options){.ends_at_tip = true}), TR_ERR_PROTOCOL);
    assert_string_equal(printed, "");
    assert_non_null(strstr(err.text, "stream \"s\""));
}

static struct model_answer not_base64(struct model *of, const char *operation, const char *body)
{
    if (strcmp(operation, "GetRecords") == 0) {
        return OK(PAGE(RECORD("1", "Y*=="), "\"i2\"", "0"));
    }
    return broken_page(of, operation, body);
}

static void data_that_is_no_base64_is_an_error_by_name(void **state)
{
    (void)state;
    model.answer = not_base64;
    assert_int_equal(tail((struct tr_app_tail_options){.ends_at_tip = true}), TR_ERR_PROTOCOL);
    assert_non_null(strstr(err.text, "not base64"));
}

#define SHARD(id, parents, closed)                                                                 \
    "{\"ShardId\":\"" id "\"" parents "," ALL_KEYS ",\"SequenceNumberRange\":{" closed "}}"
#define CLOSED "\"EndingSequenceNumber\":\"9\""

/* 0 and 1 were merged into 2. The list is in an unhelpful order. */
static struct model_answer merged(struct model *of, const char *operation, const char *body)
{
    static char iterator[64];
    (void)of;
    if (strcmp(operation, "ListShards") == 0) {
        return OK("{\"Shards\":[" SHARD(
            "s2", ",\"ParentShardId\":\"s0\",\"AdjacentParentShardId\":\"s1\"",
            "") "," SHARD("s1", ",\"ParentShardId\":\"expired\"", CLOSED) "," SHARD("s0", "",
                                                                                    CLOSED) "]}");
    }
    if (strcmp(operation, "GetShardIterator") == 0) {
        const char *id = strstr(body, "\"ShardId\":\"") + strlen("\"ShardId\":\"");
        (void)snprintf(iterator, sizeof(iterator), "{\"ShardIterator\":\"of-%.2s\"}", id);
        return OK(iterator);
    }
    if (strstr(body, "of-s0") != NULL) {
        return OK(PAGE(RECORD("1", "YQ=="), "null", "0"));
    }
    if (strstr(body, "of-s1") != NULL) {
        return OK(PAGE(RECORD("1", "Yg=="), "null", "0"));
    }
    return OK(PAGE(RECORD("1", "Yw=="), "\"next\"", "0"));
}

static void parents_are_read_before_their_children(void **state)
{
    (void)state;
    model.answer = merged;
    assert_int_equal(tail((struct tr_app_tail_options){.ends_at_tip = true}), TR_OK);
    assert_string_equal(printed, "b\na\nc\n");
}

static void latest_leaves_closed_shards_out(void **state)
{
    (void)state;
    model.answer = merged;
    assert_int_equal(
        tail((struct tr_app_tail_options){.start = TR_ITERATOR_LATEST, .ends_at_tip = true}),
        TR_OK);
    assert_string_equal(printed, "c\n");
    assert_int_equal(count_of("GetShardIterator"), 1);
    assert_int_equal(count_of("\"LATEST\""), 1);
}

static void following_ends_well_when_it_is_stopped(void **state)
{
    (void)state;
    model.answer = merged;
    model.stop_after_looks = 200;
    assert_int_equal(tail((struct tr_app_tail_options){.limit = 1000}), TR_OK);
    assert_int_equal(strncmp(printed, "b\na\nc\nc\n", 8), 0);
}

/* "{\"a\":\"é\"}", then bytes that are no UTF-8, then an aggregate's magic with nothing behind it. */
static struct model_answer kinds_of_data(struct model *of, const char *operation, const char *body)
{
    if (strcmp(operation, "GetRecords") == 0) {
        return OK(PAGE(
            RECORD("1", "eyJhIjoiw6kifQ==") "," RECORD("2", "/2E=") "," RECORD("3", "84mawgA="),
            "\"i2\"", "0"));
    }
    return broken_page(of, operation, body);
}

static void lines_with_keys_are_json_whatever_the_data_is(void **state)
{
    (void)state;
    model.answer = kinds_of_data;
    assert_int_equal(tail((struct tr_app_tail_options){.ends_at_tip = true, .with_keys = true}),
                     TR_OK);
#define START(n)                                                                                   \
    "{\"partitionKey\":\"k\",\"shardId\":\"shard-0\",\"sequenceNumber\":\"" n "\",\"data\":"
    assert_string_equal(printed,
                        START("1") "{\"a\":\"é\"}}\n" START(
                            "2") "\"\xEF\xBF\xBD"
                                 "a\"}\n" START("3") "\"\xEF\xBF\xBD\xEF\xBF\xBD\\u0000\"}\n");
}

static void times_are_read_as_dates_or_seconds(void **state)
{
    static const char *const wrong[] = {"",
                                        "noon",
                                        "2026-01-15",
                                        "2026-01-15T12:00:00",
                                        "-1",
                                        "1.5",
                                        "2026-01-15T12:00:00.Z",
                                        "2026-01-15T12:00:00Zx",
                                        "99999999999999999999"};
    int64_t unix_ms = -1;
    (void)state;
    assert_true(tr_app_tail_parse_time("2026-01-15T12:00:00Z", &unix_ms));
    assert_int_equal(unix_ms, 1768478400000);
    assert_true(tr_app_tail_parse_time("2026-01-15T12:00:00.0625Z", &unix_ms));
    assert_int_equal(unix_ms, 1768478400062);
    assert_true(tr_app_tail_parse_time("1768478400", &unix_ms));
    assert_int_equal(unix_ms, 1768478400000);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(tr_app_tail_parse_time(wrong[i], &unix_ms));
    }
}

static int free_printed(void **state)
{
    (void)state;
    free(printed);
    return 0;
}

#define WITH_CLIENT(test) cmocka_unit_test_setup_teardown(test, open_client, close_client)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CLIENT(expired_iterator_goes_on_after_the_last_record),
        WITH_CLIENT(limit_ends_inside_a_page),
        WITH_CLIENT(shard_is_not_asked_more_than_five_times_a_second),
        WITH_CLIENT(broken_page_prints_nothing),
        WITH_CLIENT(data_that_is_no_base64_is_an_error_by_name),
        WITH_CLIENT(parents_are_read_before_their_children),
        WITH_CLIENT(latest_leaves_closed_shards_out),
        WITH_CLIENT(following_ends_well_when_it_is_stopped),
        WITH_CLIENT(lines_with_keys_are_json_whatever_the_data_is),
        cmocka_unit_test(times_are_read_as_dates_or_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, free_printed);
}
