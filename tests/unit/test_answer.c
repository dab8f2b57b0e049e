// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/answer.h"

#include <stdio.h>
#include <string.h>

#include "engine/json.h"
#include "tests/check.h"

#define OK "{\"SequenceNumber\":\"49\",\"ShardId\":\"shardId-000000000000\"}"
#define NULLS "{\"ErrorCode\":null,\"ErrorMessage\":null,\"SequenceNumber\":\"49\",\"ShardId\":\"s\"}"
#define FAILED(code) "{\"ErrorCode\":\"" code "\",\"ErrorMessage\":\"Rate \\\"x\\\"\"}"

static struct tr_answer answer;
static struct tr_json_reader *reader;

static bool parse(const char *words, uint32_t entry_count)
{
    char body[4096] = "";
    (void)snprintf(body, sizeof(body), "%s", words);
    return tr_answer_parse(&answer, reader, tr_span_of_text(body), entry_count);
}

static void successes_and_failures_are_told_apart(void **state)
{
    (void)state;
    assert_true(parse("{\"FailedRecordCount\":3,\"Records\":[" OK "," FAILED("InternalFailure") "," NULLS
                      "," FAILED("ProvisionedThroughputExceededException") "," FAILED("InternalFailure") "]}",
                      5));
    assert_int_equal(answer.failed_count, 3);
    const uint8_t expected[] = {0, 1, 0, 2, 1};
    assert_memory_equal(answer.rule, expected, sizeof(expected));
    assert_int_equal(answer.rules[0].rule.verdict, TR_VERDICT_RETRY);
    assert_int_equal(answer.rules[1].rule.verdict, TR_VERDICT_THROTTLE);
    assert_string_equal(answer.rules[1].code, "ProvisionedThroughputExceededException");
}

static void members_may_come_in_any_order_and_more_of_them(void **state)
{
    (void)state;
    assert_true(parse(" { \"Records\" : [ {\"ShardId\":\"s\",\"x\":[1,{}],\"SequenceNumber\":\"1\"} ] ,"
                      "\"EncryptionType\":\"KMS\", \"FailedRecordCount\" : 0 } ",
                      1));
    assert_true(parse("{\"Records\":[" OK "]}", 1));                              /* no count: the entries count */
    assert_true(parse("{\"Records\":[" OK "],\"FailedRecordCount\":null}", 1)); /* null is absent */
}

static void an_unknown_code_is_a_failure_to_be_retried(void **state)
{
    (void)state;
    assert_true(parse("{\"FailedRecordCount\":1,\"Records\":[" FAILED("Surprise") "]}", 1));
    assert_int_equal(answer.rules[0].rule.verdict, TR_VERDICT_RETRY);
    assert_false(answer.rules[0].rule.is_known);
}

static void more_codes_than_rules_are_still_failures(void **state)
{
    (void)state;
    assert_true(parse("{\"FailedRecordCount\":10,\"Records\":[" FAILED("A") "," FAILED("B") "," FAILED("C") "," FAILED(
                          "D") "," FAILED("E") "," FAILED("F") "," FAILED("G") "," FAILED("H") "," FAILED("I") "," FAILED("J") "]}",
                      10));
    assert_int_equal(answer.rule_count, TR_ANSWER_RULES_MAX);
    assert_int_equal(answer.rule[9], TR_ANSWER_RULES_MAX);
}

static void what_cannot_be_believed_is_refused(void **state)
{
    static const char *const bodies[] = {
        "",
        "{}",
        "[]",
        "null",
        "<html>",
        "{\"FailedRecordCount\":0}",
        "{\"FailedRecordCount\":0,\"Records\":null}",
        "{\"FailedRecordCount\":0,\"Records\":[]}",
        "{\"FailedRecordCount\":0,\"Records\":[" OK "," OK "," OK "]}",
        "{\"FailedRecordCount\":1,\"Records\":[" OK "," OK "]}",
        "{\"FailedRecordCount\":0,\"Records\":[" OK "," FAILED("InternalFailure") "]}",
        "{\"FailedRecordCount\":-1,\"Records\":[" OK "," OK "]}",
        "{\"FailedRecordCount\":0,\"Records\":[" OK "," OK "]",
        "{\"FailedRecordCount\":0,\"Records\":[" OK "," OK,
        "{\"FailedRecordCount\":0,\"Records\":[" OK ",{}]}",
        "{\"FailedRecordCount\":0,\"Records\":[" OK ",{\"SequenceNumber\":\"1\"}]}",
        "{\"FailedRecordCount\":0,\"Records\":[" OK ",{\"SequenceNumber\":\"\",\"ShardId\":\"\"}]}",
        "{\"FailedRecordCount\":0,\"Records\":[" OK ",7]}",
        "{\"FailedRecordCount\":0,\"Records\":[" OK "," OK "]} trailing",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        if (parse(bodies[i], 2)) {
            fail_msg("believed: %s", bodies[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(successes_and_failures_are_told_apart),
        cmocka_unit_test(members_may_come_in_any_order_and_more_of_them),
        cmocka_unit_test(an_unknown_code_is_a_failure_to_be_retried),
        cmocka_unit_test(more_codes_than_rules_are_still_failures),
        cmocka_unit_test(what_cannot_be_believed_is_refused),
    };
    struct tr_error err;
    if (tr_json_open(&reader, TR_ANSWER_BYTES_MAX, &err) != TR_OK) {
        return 1;
    }
    const int result = cmocka_run_group_tests(tests, NULL, NULL);
    tr_json_close(reader);
    return result;
}
