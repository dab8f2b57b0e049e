// SPDX-License-Identifier: Apache-2.0

#include "stages/ship/classify.h"
#include "tests/check.h"

static struct tr_verdict_rule rule(int status, const char *type)
{
    return tr_kinesis_classify(status, tr_span_of_text(type));
}

static void each_kind_of_error_has_its_verdict(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *type;
        enum tr_verdict verdict;
    } expected[] = {
        {200, "", TR_VERDICT_OK},
        {400, "ProvisionedThroughputExceededException", TR_VERDICT_THROTTLE},
        {400, "LimitExceededException", TR_VERDICT_THROTTLE},
        {400, "KMSThrottlingException", TR_VERDICT_THROTTLE},
        {429, "", TR_VERDICT_THROTTLE},
        {500, "InternalFailure", TR_VERDICT_RETRY},
        {503, "ServiceUnavailable", TR_VERDICT_RETRY},
        {502, "", TR_VERDICT_RETRY},
        {504, "", TR_VERDICT_RETRY},
        {408, "", TR_VERDICT_RETRY},
        {400, "ExpiredTokenException", TR_VERDICT_CREDENTIALS},
        {403, "InvalidSignatureException", TR_VERDICT_CREDENTIALS},
        {403, "MissingAuthenticationToken", TR_VERDICT_CREDENTIALS},
        {400, "UnrecognizedClientException", TR_VERDICT_CREDENTIALS},
        {400, "ResourceInUseException", TR_VERDICT_STATE},
        {400, "ResourceNotFoundException", TR_VERDICT_FATAL},
        {400, "AccessDeniedException", TR_VERDICT_FATAL},
        {400, "KMSDisabledException", TR_VERDICT_FATAL},
        {404, "UnknownOperationException", TR_VERDICT_FATAL},
        {302, "", TR_VERDICT_FATAL},
        {407, "", TR_VERDICT_FATAL},
        {400, "InvalidArgumentException", TR_VERDICT_BAD},
        {400, "ValidationException", TR_VERDICT_BAD},
        {400, "SerializationException", TR_VERDICT_BAD},
        {413, "", TR_VERDICT_BAD},
        {400, "ExpiredIteratorException", TR_VERDICT_RESTART},
        {400, "ExpiredNextTokenException", TR_VERDICT_RESTART},
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        const struct tr_verdict_rule found = rule(expected[i].status, expected[i].type);
        assert_int_equal(found.verdict, expected[i].verdict);
        assert_true(found.is_known);
    }
}

static void namespace_and_suffix_of_a_type_are_ignored(void **state)
{
    (void)state;
    assert_int_equal(rule(400, "com.amazonaws.kinesis.v20131202#ThrottlingException").verdict,
                     TR_VERDICT_THROTTLE);
    assert_int_equal(rule(400, "ThrottlingException:http://internal.amazon.com/coral#x/").verdict,
                     TR_VERDICT_THROTTLE);
    assert_int_equal(rule(400, "a#b#ResourceInUseException").verdict, TR_VERDICT_STATE);
}

static void grace_and_scope_come_from_the_table(void **state)
{
    (void)state;
    assert_true(rule(400, "ResourceNotFoundException").has_grace);
    assert_true(rule(400, "AccessDeniedException").has_grace);
    assert_false(rule(404, "UnknownOperationException").has_grace);
    assert_false(rule(400, "ProvisionedThroughputExceededException").is_stream_wide);
    assert_true(rule(400, "ThrottlingException").is_stream_wide);
    assert_true(rule(500, "InternalFailure").outcome_unknown);
    assert_false(rule(400, "ThrottlingException").outcome_unknown);
    assert_true(rule(500, "ThrottlingException").outcome_unknown);
}

static void unknown_types_are_derived_from_the_status_and_marked(void **state)
{
    (void)state;
    assert_int_equal(rule(400, "BrandNewException").verdict, TR_VERDICT_FATAL);
    assert_true(rule(400, "BrandNewException").has_grace);
    assert_false(rule(400, "BrandNewException").is_known);
    assert_int_equal(rule(500, "BrandNewException").verdict, TR_VERDICT_RETRY);
    assert_int_equal(rule(201, "").verdict, TR_VERDICT_RETRY);
    assert_true(rule(201, "").outcome_unknown);
}

static void record_codes_have_their_own_table(void **state)
{
    (void)state;
    const struct tr_verdict_rule throttle =
        tr_kinesis_classify_record(tr_span_of_text("ProvisionedThroughputExceededException"));
    assert_int_equal(throttle.verdict, TR_VERDICT_THROTTLE);
    assert_false(throttle.is_stream_wide);
    assert_int_equal(tr_kinesis_classify_record(tr_span_of_text("InternalFailure")).verdict,
                     TR_VERDICT_RETRY);
    assert_false(tr_kinesis_classify_record(tr_span_of_text("InternalFailure")).outcome_unknown);
    assert_int_equal(
        tr_kinesis_classify_record(tr_span_of_text("InvalidArgumentException")).verdict,
        TR_VERDICT_BAD);
    const struct tr_verdict_rule unknown = tr_kinesis_classify_record(tr_span_of_text("Surprise"));
    assert_int_equal(unknown.verdict, TR_VERDICT_RETRY);
    assert_false(unknown.is_known);
}

static void clock_errors_are_recognised_by_their_text(void **state)
{
    (void)state;
    assert_true(tr_kinesis_message_blames_clock(
        tr_span_of_text("Signature expired: 20260115T120000Z is now earlier than 20260115T121500Z "
                        "(20260115T122000Z - 5 min.)")));
    assert_true(tr_kinesis_message_blames_clock(tr_span_of_text(
        "Signature not yet current: 20260115T120000Z is still later than 20260115T115000Z")));
    assert_false(
        tr_kinesis_message_blames_clock(tr_span_of_text("The security token is invalid.")));
    assert_false(tr_kinesis_message_blames_clock((struct tr_span){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_error_has_its_verdict),
        cmocka_unit_test(namespace_and_suffix_of_a_type_are_ignored),
        cmocka_unit_test(grace_and_scope_come_from_the_table),
        cmocka_unit_test(unknown_types_are_derived_from_the_status_and_marked),
        cmocka_unit_test(record_codes_have_their_own_table),
        cmocka_unit_test(clock_errors_are_recognised_by_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
