// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "stages/ship/control.h"
#include "tests/check.h"

static struct tr_json_reader *reader;
static struct tr_error err;

static int open_reader(void **state)
{
    (void)state;
    return tr_json_open(&reader, 1024 * 1024, &err) == TR_OK ? 0 : -1;
}

static int close_reader(void **state)
{
    (void)state;
    tr_json_close(reader);
    return 0;
}

static void assert_body(const struct tr_control_body *body, const char *text)
{
    assert_int_equal(body->bytes, strlen(text));
    assert_memory_equal(body->text, text, strlen(text));
}

static void bodies_are_what_the_reference_asks_for(void **state)
{
    struct tr_control_body body;
    (void)state;
    tr_control_write_describe_stream_summary(&body, "a.b_c-D");
    assert_body(&body, "{\"StreamName\":\"a.b_c-D\"}");
    tr_control_write_list_shards(&body, "s", NULL);
    assert_body(&body, "{\"StreamName\":\"s\",\"MaxResults\":500}");
    tr_control_write_list_shards(&body, "s", "to\"ken");
    assert_body(&body, "{\"NextToken\":\"to\\\"ken\",\"MaxResults\":500}");
    tr_control_write_create_stream(&body, "s", &(struct tr_stream_wish){.shard_count = 4});
    assert_body(&body, "{\"StreamName\":\"s\",\"ShardCount\":4}");
    tr_control_write_create_stream(&body, "s", &(struct tr_stream_wish){.tags = ""});
    assert_body(&body,
                "{\"StreamName\":\"s\",\"StreamModeDetails\":{\"StreamMode\":\"ON_DEMAND\"}}");
    tr_control_write_create_stream(
        &body, "s", &(struct tr_stream_wish){.shard_count = 1, .tags = "a=b,owner=x=y,empty="});
    assert_body(&body, "{\"StreamName\":\"s\",\"ShardCount\":1,\"Tags\":{\"a\":\"b\",\"owner\":"
                       "\"x=y\",\"empty\":\"\"}}");
    tr_control_write_increase_retention(&body, "s", 48);
    assert_body(&body, "{\"StreamName\":\"s\",\"RetentionPeriodHours\":48}");
    tr_control_write_list_tags(&body, "s");
    assert_body(&body, "{\"StreamName\":\"s\",\"Limit\":50}");
    tr_control_write_list_streams(&body, NULL);
    assert_body(&body, "{}");
    tr_control_write_list_streams(&body, "s");
    assert_body(&body, "{\"ExclusiveStartStreamName\":\"s\"}");
    tr_control_write_get_records(&body, "AAA", 1000);
    assert_body(&body, "{\"ShardIterator\":\"AAA\",\"Limit\":1000}");
}

static void iterator_bodies_carry_what_their_type_needs(void **state)
{
    struct tr_control_body body;
    struct tr_iterator_request request = {.stream = "s",
                                          .shard_id = "shardId-0",
                                          .sequence = "49",
                                          .timestamp_unix_ms = 1768478400007};
    (void)state;
    tr_control_write_get_shard_iterator(&body, &request);
    assert_body(&body, "{\"StreamName\":\"s\",\"ShardId\":\"shardId-0\",\"ShardIteratorType\":"
                       "\"TRIM_HORIZON\"}");
    request.type = TR_ITERATOR_AFTER_SEQUENCE;
    tr_control_write_get_shard_iterator(&body, &request);
    assert_body(&body, "{\"StreamName\":\"s\",\"ShardId\":\"shardId-0\",\"ShardIteratorType\":"
                       "\"AFTER_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":\"49\"}");
    request.type = TR_ITERATOR_AT_TIMESTAMP;
    tr_control_write_get_shard_iterator(&body, &request);
    assert_body(&body, "{\"StreamName\":\"s\",\"ShardId\":\"shardId-0\",\"ShardIteratorType\":"
                       "\"AT_TIMESTAMP\",\"Timestamp\":1768478400.007}");
}

static void longest_token_fits_a_body(void **state)
{
    static char token[TR_KINESIS_TOKEN_BYTES_MAX + 1];
    struct tr_control_body body;
    (void)state;
    memset(token, '"', TR_KINESIS_TOKEN_BYTES_MAX); /* each needs an escape */
    tr_control_write_list_shards(&body, "s", token);
    assert_true(body.bytes > 2 * TR_KINESIS_TOKEN_BYTES_MAX);
}

static void stream_names_are_checked_as_kinesis_does(void **state)
{
    char name[TR_KINESIS_STREAM_NAME_BYTES_MAX + 2];
    (void)state;
    memset(name, 'x', sizeof(name));
    name[TR_KINESIS_STREAM_NAME_BYTES_MAX] = '\0';
    assert_true(tr_kinesis_stream_name_is_valid(name));
    name[TR_KINESIS_STREAM_NAME_BYTES_MAX] = 'x';
    name[TR_KINESIS_STREAM_NAME_BYTES_MAX + 1] = '\0';
    assert_false(tr_kinesis_stream_name_is_valid(name));
    assert_true(tr_kinesis_stream_name_is_valid("proxy_audit_dev.proxy_application.foo-1"));
    assert_false(tr_kinesis_stream_name_is_valid(""));
    assert_false(tr_kinesis_stream_name_is_valid("a b"));
    assert_false(tr_kinesis_stream_name_is_valid("a/b"));
    assert_false(tr_kinesis_stream_name_is_valid("\xC3\xA9"));
}

static enum tr_code parse_summary(const char *text, struct tr_stream_summary *summary)
{
    return tr_control_parse_stream_summary(reader, tr_span_of_text(text), summary, &err);
}

static char tags_seen[128];

static void note_tag(void *self, struct tr_span name, struct tr_span value)
{
    (void)self;
    const size_t used = strlen(tags_seen);
    (void)snprintf(tags_seen + used, sizeof(tags_seen) - used, "%.*s=%.*s;", (int)name.bytes,
                   (const char *)name.data, (int)value.bytes,
                   value.bytes == 0 ? "" : (const char *)value.data);
}

static void tags_are_read_and_broken_answers_are_errors(void **state)
{
    static const char *const wrong[] = {"{}", "{\"Tags\":1}", "{\"Tags\":[{\"Key\":1}]}",
                                        "{\"Tags\":[{\"Key\":\"a\"}"};
    (void)state;
    tags_seen[0] = '\0';
    assert_int_equal(
        tr_control_parse_tags(
            reader,
            tr_span_of_text("{\"HasMoreTags\":false,\"Tags\":[{\"Key\":\"a\",\"Value\":"
                            "\"b\"},{\"Value\":null,\"Key\":\"c\"}]}"),
            note_tag, NULL, &err),
        TR_OK);
    assert_string_equal(tags_seen, "a=b;c=;");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(
            tr_control_parse_tags(reader, tr_span_of_text(wrong[i]), note_tag, NULL, &err),
            TR_ERR_PROTOCOL);
    }
}

static void retention_and_encryption_are_read(void **state)
{
    struct tr_stream_summary summary;
    (void)state;
    assert_int_equal(parse_summary("{\"StreamDescriptionSummary\":{\"StreamStatus\":\"ACTIVE\","
                                   "\"RetentionPeriodHours\":168,\"EncryptionType\":\"KMS\"}}",
                                   &summary),
                     TR_OK);
    assert_int_equal(summary.retention_hours, 168);
    assert_true(summary.is_encrypted);
    assert_int_equal(parse_summary("{\"StreamDescriptionSummary\":{\"StreamStatus\":\"ACTIVE\","
                                   "\"RetentionPeriodHours\":null,\"EncryptionType\":\"NONE\"}}",
                                   &summary),
                     TR_OK);
    assert_int_equal(summary.retention_hours, 24);
    assert_false(summary.is_encrypted);
}

static void summary_is_read_and_missing_members_have_defaults(void **state)
{
    struct tr_stream_summary summary;
    (void)state;
    assert_int_equal(
        parse_summary("{\"StreamDescriptionSummary\":{\"StreamName\":\"s\",\"StreamARN\":\"arn\","
                      "\"EnhancedMonitoring\":[{\"ShardLevelMetrics\":[]}],\"OpenShardCount\":64,"
                      "\"StreamModeDetails\":{\"StreamMode\":\"ON_DEMAND\"},\"KeyId\":null,"
                      "\"StreamStatus\":\"UPDATING\",\"MaxRecordSizeInKiB\":10240}}",
                      &summary),
        TR_OK);
    assert_int_equal(summary.status, TR_STREAM_UPDATING);
    assert_true(summary.is_on_demand);
    assert_int_equal(summary.open_shard_count, 64);
    assert_int_equal(summary.max_record_kib, 10240);
    assert_int_equal(parse_summary("{\"StreamDescriptionSummary\":{\"StreamStatus\":\"ACTIVE\","
                                   "\"MaxRecordSizeInKiB\":null,\"StreamModeDetails\":null}}",
                                   &summary),
                     TR_OK);
    assert_int_equal(summary.status, TR_STREAM_ACTIVE);
    assert_false(summary.is_on_demand);
    assert_int_equal(summary.max_record_kib, 1024);
}

static void summary_that_is_none_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "null",
        "[]",
        "{}",
        "<html>",
        "{\"StreamDescriptionSummary\":null}",
        "{\"StreamDescriptionSummary\":{}}",
        "{\"StreamDescriptionSummary\":{\"StreamStatus\":7}}",
        "{\"StreamDescriptionSummary\":{\"StreamStatus\":\"ACTIVE\"}",
        "{\"StreamDescriptionSummary\":{\"StreamStatus\":\"ACTIVE\",\"OpenShardCount\":-1}}",
        "{\"StreamDescriptionSummary\":{\"OpenShardCount\":5000000000,\"StreamStatus\":\"A\"}}",
    };
    struct tr_stream_summary summary;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(parse_summary(texts[i], &summary), TR_ERR_PROTOCOL);
        assert_int_equal(err.remedy, TR_RETRY);
    }
}

#define KEY_HALF "170141183460469231731687303715884105728" /* 2^127 */
#define KEY_BEFORE_HALF "170141183460469231731687303715884105727"
#define KEY_MAX "340282366920938463463374607431768211455"
#define RANGE(first, last)                                                                         \
    "\"HashKeyRange\":{\"StartingHashKey\":\"" first "\",\"EndingHashKey\":\"" last "\"}"

static void shard_pages_are_appended(void **state)
{
    static struct tr_shard shards[4];
    static struct tr_shard_list list = {.shards = shards, .shards_max = 4};
    static const char first[] =
        "{\"Shards\":["
        "{\"ShardId\":\"shardId-2\",\"ParentShardId\":\"shardId-0\",\"AdjacentParentShardId\":"
        "null," RANGE(KEY_HALF,
                      KEY_MAX) ",\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\","
                               "\"EndingSequenceNumber\":null}},"
                               "{\"ShardId\":\"shardId-0\"," RANGE(
                                   "0",
                                   KEY_MAX) ",\"SequenceNumberRange\":{\"StartingSequenceNumber\":"
                                            "\"1\",\"EndingSequenceNumber\":\"9\"}}"
                                            "],\"NextToken\":\"more\"}";
    static const char second[] =
        "{\"NextToken\":null,\"Shards\":[{\"ShardId\":\"shardId-1\","
        "\"ParentShardId\":\"shardId-0\"," RANGE(
            "0", KEY_BEFORE_HALF) ",\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\"}}]}";
    (void)state;
    assert_int_equal(tr_control_parse_shards(reader, tr_span_of_text(first), &list, &err), TR_OK);
    assert_string_equal(list.next_token, "more");
    assert_int_equal(list.shard_count, 2);
    assert_int_equal(tr_control_parse_shards(reader, tr_span_of_text(second), &list, &err), TR_OK);
    assert_string_equal(list.next_token, "");
    assert_int_equal(list.shard_count, 3);
    assert_true(shards[1].is_closed);
    assert_false(shards[0].is_closed);
    assert_string_equal(shards[0].parent_id, "shardId-0");
    assert_string_equal(shards[0].adjacent_parent_id, "");

    assert_true(tr_shard_list_keep_open(&list));
    assert_int_equal(list.shard_count, 2);
    assert_string_equal(shards[0].id, "shardId-1");
    assert_string_equal(shards[1].id, "shardId-2");
    assert_true(shards[0].last_key + 1 == shards[1].first_key);
}

static void shards_beyond_the_table_and_broken_ones_are_refused(void **state)
{
    static struct tr_shard shards[1];
    struct tr_shard_list list = {.shards = shards, .shards_max = 1};
    static const char *const broken[] = {
        "{\"Shards\":[{\"ShardId\":\"a\"}]}",
        "{\"Shards\":[{" RANGE("0", "1") "}]}",
        "{\"Shards\":[{\"ShardId\":\"a\"," RANGE("2", "1") "}]}",
        "{\"Shards\":[{\"ShardId\":\"a\"," RANGE("0", "x") "}]}",
        "{\"Shards\":[{\"ShardId\":\"a\"," RANGE("0",
                                                 "340282366920938463463374607431768211456") "}]}",
        "{\"Shards\":[7]}",
        "{\"NextToken\":\"x\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        list.shard_count = 0;
        assert_int_equal(tr_control_parse_shards(reader, tr_span_of_text(broken[i]), &list, &err),
                         TR_ERR_PROTOCOL);
    }
    static const char two[] = "{\"Shards\":[{\"ShardId\":\"a\"," RANGE(
        "0", "1") "},{\"ShardId\":\"b\"," RANGE("2", "3") "}]}";
    list.shard_count = 0;
    assert_int_equal(tr_control_parse_shards(reader, tr_span_of_text(two), &list, &err),
                     TR_ERR_MEMORY_LIMIT);
}

static bool covers(const tr_hash_key ranges[][2], uint32_t count)
{
    static struct tr_shard shards[8];
    struct tr_shard_list list = {.shards = shards, .shards_max = 8, .shard_count = count};
    for (uint32_t i = 0; i < count; i++) {
        shards[i] = (struct tr_shard){.first_key = ranges[i][0], .last_key = ranges[i][1]};
    }
    return tr_shard_list_keep_open(&list);
}

static void coverage_has_no_gap_and_no_overlap(void **state)
{
    (void)state;
    assert_true(covers((const tr_hash_key[][2]){{0, TR_HASH_KEY_MAX}}, 1));
    assert_true(covers((const tr_hash_key[][2]){{5, TR_HASH_KEY_MAX}, {0, 4}}, 2));
    assert_false(covers((const tr_hash_key[][2]){{0, 4}, {6, TR_HASH_KEY_MAX}}, 2));
    assert_false(covers((const tr_hash_key[][2]){{0, 5}, {5, TR_HASH_KEY_MAX}}, 2));
    assert_false(covers((const tr_hash_key[][2]){{1, TR_HASH_KEY_MAX}}, 1));
    assert_false(covers((const tr_hash_key[][2]){{0, TR_HASH_KEY_MAX - 1}}, 1));
    assert_false(covers((const tr_hash_key[][2]){{0, TR_HASH_KEY_MAX}, {0, TR_HASH_KEY_MAX}}, 2));
    assert_false(covers((const tr_hash_key[][2]){{0, 0}}, 0));
}

static void hash_keys_are_decimal_below_two_to_the_128(void **state)
{
    tr_hash_key key = 0;
    (void)state;
    assert_true(tr_hash_key_parse(tr_span_of_text(KEY_MAX), &key));
    assert_true(key == TR_HASH_KEY_MAX);
    assert_true(tr_hash_key_parse(tr_span_of_text(KEY_HALF), &key));
    assert_true(key == (tr_hash_key)1 << 127);
    assert_true(tr_hash_key_parse(tr_span_of_text("0"), &key));
    assert_true(key == 0);
    static const char *const wrong[] = {"",
                                        "-1",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "0x1",
                                        "1e3",
                                        "340282366920938463463374607431768211456",
                                        "999999999999999999999999999999999999999",
                                        "1000000000000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(tr_hash_key_parse(tr_span_of_text(wrong[i]), &key));
    }
}

static char seen[512];

static bool note_record(void *self, const struct tr_kinesis_record *record)
{
    (void)self;
    (void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "[%.*s %.*s %.*s %.3f]",
                   (int)record->sequence.bytes, (const char *)record->sequence.data,
                   (int)record->partition_key.bytes, (const char *)record->partition_key.data,
                   (int)record->data_base64.bytes, (const char *)record->data_base64.data,
                   record->arrival_unix_s);
    return true;
}

static bool refuse_record(void *self, const struct tr_kinesis_record *record)
{
    (void)self;
    (void)record;
    return false;
}

static void records_come_in_order_with_the_next_iterator(void **state)
{
    struct tr_records_page page;
    static const char text[] =
        "{\"Records\":["
        "{\"SequenceNumber\":\"1\",\"ApproximateArrivalTimestamp\":1768478400.5,\"Data\":\"aGk=\","
        "\"PartitionKey\":\"{\\\"id\\\":1}\",\"EncryptionType\":\"NONE\"},"
        "{\"SequenceNumber\":\"2\",\"Data\":\"\",\"PartitionKey\":\"k\"}],"
        "\"NextShardIterator\":\"next\",\"MillisBehindLatest\":1500,\"ChildShards\":null}";
    (void)state;
    seen[0] = '\0';
    assert_int_equal(
        tr_control_parse_records(reader, tr_span_of_text(text), &page, note_record, NULL, &err),
        TR_OK);
    assert_string_equal(seen, "[1 {\"id\":1} aGk= 1768478400.500][2 k  0.000]");
    assert_int_equal(page.record_count, 2);
    assert_true(page.has_next);
    assert_string_equal(page.next_iterator, "next");
    assert_int_equal(page.behind_ms, 1500);
    assert_int_equal(
        tr_control_parse_records(reader, tr_span_of_text(text), &page, refuse_record, NULL, &err),
        TR_ERR_PROTOCOL);
}

static void closed_shard_ends_without_a_next_iterator(void **state)
{
    static const char *const texts[] = {
        "{\"Records\":[],\"NextShardIterator\":null,\"MillisBehindLatest\":0}",
        "{\"Records\":[]}",
    };
    struct tr_records_page page;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tr_control_parse_records(reader, tr_span_of_text(texts[i]), &page,
                                                  note_record, NULL, &err),
                         TR_OK);
        assert_false(page.has_next);
    }
    assert_int_equal(tr_control_parse_records(reader,
                                              tr_span_of_text("{\"NextShardIterator\":\"x\"}"),
                                              &page, note_record, NULL, &err),
                     TR_ERR_PROTOCOL);
}

static void note_name(void *self, struct tr_span name, const enum tr_stream_status *status)
{
    (void)self;
    (void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s %d,", (int)name.bytes,
                   (const char *)name.data, status == NULL ? -1 : (int)*status);
}

static void stream_names_and_iterators_are_read(void **state)
{
    char iterator[TR_KINESIS_ITERATOR_BYTES_MAX + 1];
    bool has_more = false;
    (void)state;
    seen[0] = '\0';
    assert_int_equal(tr_control_parse_streams(
                         reader,
                         tr_span_of_text("{\"HasMoreStreams\":true,\"StreamNames\":[\"a\",\"b\"]}"),
                         note_name, NULL, &has_more, &err),
                     TR_OK);
    assert_string_equal(seen, "a -1,b -1,");
    assert_true(has_more);
    seen[0] = '\0';
    assert_int_equal(
        tr_control_parse_streams(
            reader,
            tr_span_of_text("{\"HasMoreStreams\":false,\"NextToken\":null,\"StreamNames\":[\"a\"],"
                            "\"StreamSummaries\":[{\"StreamARN\":\"x\",\"StreamStatus\":"
                            "\"ACTIVE\",\"StreamName\":\"a\"},{\"StreamName\":\"c\"}]}"),
            note_name, NULL, &has_more, &err),
        TR_OK);
    assert_string_equal(seen, "a -1,a 3,c 0,");
    assert_false(has_more);
    assert_int_equal(tr_control_parse_streams(
                         reader, tr_span_of_text("{\"StreamNames\":[],\"StreamSummaries\":[{}]}"),
                         note_name, NULL, &has_more, &err),
                     TR_ERR_PROTOCOL);
    assert_int_equal(tr_control_parse_shard_iterator(
                         reader, tr_span_of_text("{\"ShardIterator\":\"AAAA\"}"), iterator, &err),
                     TR_OK);
    assert_string_equal(iterator, "AAAA");
    assert_int_equal(tr_control_parse_shard_iterator(reader, tr_span_of_text("{}"), iterator, &err),
                     TR_ERR_PROTOCOL);
}

static void failures_are_read_wherever_the_service_put_them(void **state)
{
    static const struct {
        const char *body;
        const char *header;
        const char *type;
        const char *message;
    } expected[] = {
        {"{\"__type\":\"ResourceNotFoundException\",\"message\":\"no\"}", "",
         "ResourceNotFoundException", "no"},
        {"{\"__type\":\"com.amazon#Foo:x\",\"Message\":\"line\\nbreak\"}", NULL, "Foo",
         "line?break"},
        {"{\"__type\":\"Body\",\"message\":\"m\"}", "Header", "Header", "m"},
        {"<html>not json</html>", "Header:http://x", "Header", ""},
        {"", "", "", ""},
        {"{\"__type\":7,\"message\":null}", "", "", ""},
        {"{\"__type\":\"Cut\",\"message\":\"m", "", "", ""},
        {"[]", "", "", ""},
    };
    struct tr_kinesis_failure failure;
    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        tr_control_parse_failure(reader, tr_span_of_text(expected[i].body), expected[i].header,
                                 &failure);
        assert_string_equal(failure.type, expected[i].type);
        assert_string_equal(failure.message, expected[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_what_the_reference_asks_for),
        cmocka_unit_test(iterator_bodies_carry_what_their_type_needs),
        cmocka_unit_test(longest_token_fits_a_body),
        cmocka_unit_test(stream_names_are_checked_as_kinesis_does),
        cmocka_unit_test(summary_is_read_and_missing_members_have_defaults),
        cmocka_unit_test(tags_are_read_and_broken_answers_are_errors),
        cmocka_unit_test(retention_and_encryption_are_read),
        cmocka_unit_test(summary_that_is_none_is_refused),
        cmocka_unit_test(shard_pages_are_appended),
        cmocka_unit_test(shards_beyond_the_table_and_broken_ones_are_refused),
        cmocka_unit_test(coverage_has_no_gap_and_no_overlap),
        cmocka_unit_test(hash_keys_are_decimal_below_two_to_the_128),
        cmocka_unit_test(records_come_in_order_with_the_next_iterator),
        cmocka_unit_test(closed_shard_ends_without_a_next_iterator),
        cmocka_unit_test(stream_names_and_iterators_are_read),
        cmocka_unit_test(failures_are_read_wherever_the_service_put_them),
    };
    return cmocka_run_group_tests(tests, open_reader, close_reader);
}
