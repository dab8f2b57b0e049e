// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "stages/ship/ensure.h"
#include "tests/check.h"
#include "tests/support/model_client.h"

static struct model_answer throttle_twice(struct model *of, const char *operation, const char *body)
{
    (void)operation;
    (void)body;
    return of->call_count <= 2 ? REFUSED("ThrottlingException") : OK("{\"a\":1}");
}

static struct model_answer fail_in_all_ways(struct model *of, const char *operation,
                                            const char *body)
{
    (void)operation;
    (void)body;
    switch (of->call_count) {
    case 1:
        return (struct model_answer){.status = 503, .text = "<html>"};
    case 2:
        return (struct model_answer){.state = TR_CALL_UNKNOWN, .text = "reset"};
    case 3:
        return (struct model_answer){.state = TR_CALL_UNSENT, .text = "refused"};
    default:
        return OK("{}");
    }
}

static struct model_answer expired_token(struct model *of, const char *operation, const char *body)
{
    (void)of;
    (void)operation;
    (void)body;
    return REFUSED("ExpiredTokenException");
}

static struct model_answer access_denied(struct model *of, const char *operation, const char *body)
{
    (void)of;
    (void)operation;
    (void)body;
    return REFUSED("AccessDeniedException");
}

static struct model_answer bad_certificate(struct model *of, const char *operation,
                                           const char *body)
{
    (void)of;
    (void)operation;
    (void)body;
    return (struct model_answer){.state = TR_CALL_UNSENT, .status = 1, .text = "certificate"};
}

static struct model_answer always_503(struct model *of, const char *operation, const char *body)
{
    (void)of;
    (void)operation;
    (void)body;
    return (struct model_answer){.status = 503, .text = ""};
}

static struct model_answer no_answer(struct model *of, const char *operation, const char *body)
{
    (void)of;
    (void)operation;
    (void)body;
    return (struct model_answer){.status = -1, .text = ""};
}

static enum tr_code call(struct tr_span *answer, struct tr_kinesis_refusal *refusal)
{
    struct tr_control_body body;
    tr_control_write_list_streams(&body, NULL);
    return tr_kinesis_call(&client, "ListStreams", &body, answer, refusal, &err);
}

static void transient_errors_are_tried_again(void **state)
{
    struct tr_span answer;
    (void)state;
    model.answer = throttle_twice;
    assert_int_equal(call(&answer, NULL), TR_OK);
    assert_memory_equal(answer.data, "{\"a\":1}", answer.bytes);
    assert_int_equal(model.call_count, 3);
    model.call_count = 0;
    model.answer = fail_in_all_ways;
    assert_int_equal(call(&answer, NULL), TR_OK);
    assert_int_equal(model.call_count, 4);
}

static void trying_ends_with_its_time_and_backs_off(void **state)
{
    struct tr_span answer;
    struct tr_kinesis_refusal refusal;
    (void)state;
    model.answer = always_503;
    assert_int_equal(call(&answer, &refusal), TR_ERR_SINK_LINK);
    assert_int_equal(err.remedy, TR_RETRY);
    assert_int_equal(refusal.status, 503);
    assert_true(model.call_count > 5);
    assert_true(model.call_count < 60); /* 30 s without a pause would be thousands */
}

static void refused_keys_are_an_error_by_name_after_one_more_try(void **state)
{
    struct tr_span answer;
    struct tr_kinesis_refusal refusal;
    (void)state;
    model.answer = expired_token;
    assert_int_equal(call(&answer, &refusal), TR_ERR_SINK_AUTH);
    assert_int_equal(model.call_count, 2);
    assert_non_null(strstr(err.text, "ExpiredTokenException"));
    assert_non_null(strstr(err.text, "keys of settings refused"));
    assert_int_equal(refusal.rule.verdict, TR_VERDICT_CREDENTIALS);
    model.call_count = 0;
    model.answer = access_denied;
    assert_int_equal(call(&answer, &refusal), TR_ERR_SINK_AUTH);
    assert_int_equal(model.call_count, 1);
    assert_non_null(strstr(err.text, "allow kinesis:ListStreams"));
}

static void failure_that_needs_an_operator_is_not_retried(void **state)
{
    struct tr_span answer;
    (void)state;
    model.answer = bad_certificate;
    assert_int_equal(call(&answer, NULL), TR_ERR_SINK_LINK);
    assert_int_equal(err.remedy, TR_STOP);
    assert_string_equal(err.text, "certificate");
    assert_int_equal(model.call_count, 1);
}

static void call_without_any_answer_is_given_up_and_cancelled(void **state)
{
    struct tr_call_done done;
    (void)state;
    model.answer = no_answer;
    assert_int_equal(tr_kinesis_call_blocking(&client, "X", tr_span_of_text("{}"), &done, &err),
                     TR_OK);
    assert_int_equal(done.state, TR_CALL_UNKNOWN);
    assert_int_equal(model.cancel_count, 1);
}

static void stopping_cancels_what_is_waited_for(void **state)
{
    struct tr_span answer;
    (void)state;
    model.answer = no_answer;
    model.stop_after_looks = 3;
    assert_int_equal(call(&answer, NULL), TR_ERR_INTERRUPTED);
    assert_int_equal(model.cancel_count, 1);
    assert_int_equal(tr_kinesis_wait_until(&client, INT64_MAX, &err), TR_ERR_INTERRUPTED);
}

/* --- streams ---------------------------------------------------------------------------------- */

static char seen[512];

static void note(void *self, const char *name, enum tr_stream_presence presence,
                 const struct tr_stream_summary *summary)
{
    static const char *const words[] = {"there", "created", "missing", "unknown"};
    (void)self;
    (void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s %s %u;", name,
                   words[presence], summary == NULL ? 0 : summary->open_shard_count);
}

#define SUMMARY(status)                                                                            \
    "{\"StreamDescriptionSummary\":{\"StreamStatus\":\"" status "\",\"OpenShardCount\":2}}"

/* "old" exists; others appear when created, and are CREATING for two looks. */
static struct model_answer some_exist(struct model *of, const char *operation, const char *body)
{
    static uint32_t look_count;
    if (strcmp(operation, "CreateStream") == 0) {
        of->create_count++;
        look_count = 0;
        return OK("");
    }
    if (strstr(body, "old") != NULL) {
        return OK(SUMMARY("ACTIVE"));
    }
    if (of->create_count == 0) {
        return REFUSED("ResourceNotFoundException");
    }
    if (strstr(body, "late") != NULL && of->create_count < 2) {
        return REFUSED("ResourceNotFoundException");
    }
    return ++look_count <= 2 ? OK(SUMMARY("CREATING")) : OK(SUMMARY("ACTIVE"));
}

static enum tr_code ensure(const char *const *names, uint32_t count, bool create)
{
    const struct tr_ensure_options options = {.names = names,
                                              .name_count = count,
                                              .create = create,
                                              .wish = {.shard_count = 2},
                                              .region = "eu-west-1",
                                              .on_presence = note};
    seen[0] = '\0';
    return tr_streams_ensure(&client, &options, &err);
}

static void missing_streams_are_all_reported_with_the_remedy(void **state)
{
    static const char *const names[] = {"new", "old", "late"};
    (void)state;
    model.answer = some_exist;
    assert_int_equal(ensure(names, 3, false), TR_ERR_SINK_STREAM);
    assert_string_equal(seen, "new missing 0;old there 2;late missing 0;");
    assert_non_null(strstr(err.text, "streams \"new\", \"late\" do not exist in region"));
    assert_non_null(strstr(err.text, "tailrace streams --create"));
    assert_non_null(strstr(err.text, "tailrace.streams.create=true"));
    assert_int_equal(err.remedy, TR_STOP);
}

static void missing_streams_are_created_and_waited_for(void **state)
{
    static const char *const names[] = {"old", "new", "late"};
    (void)state;
    model.answer = some_exist;
    assert_int_equal(ensure(names, 3, true), TR_OK);
    assert_int_equal(model.create_count, 2);
    assert_non_null(strstr(seen, "new created 2;"));
    assert_non_null(strstr(seen, "late created 2;"));
    assert_string_equal(model.calls[2], "CreateStream {\"StreamName\":\"new\",\"ShardCount\":2}");
}

/* Kept 24 hours at first; the wish is asked for once the stream is ACTIVE. */
static void created_streams_get_mode_tags_and_retention(void **state)
{
    static const char *const names[] = {"old", "new"};
    const struct tr_ensure_options options = {
        .names = names,
        .name_count = 2,
        .create = true,
        .wish = {.retention_hours = 168, .tags = "team=data,for=a=b"}};
    (void)state;
    model.answer = some_exist;
    assert_int_equal(tr_streams_ensure(&client, &options, &err), TR_OK);
    uint32_t retention_count = 0;
    for (uint32_t i = 0; i < model.call_count; i++) {
        if (strncmp(model.calls[i], "CreateStream", 12) == 0) {
            assert_string_equal(model.calls[i],
                                "CreateStream {\"StreamName\":\"new\",\"StreamModeDetails\":{"
                                "\"StreamMode\":\"ON_DEMAND\"},\"Tags\":{\"team\":\"data\","
                                "\"for\":\"a=b\"}}");
        }
        if (strncmp(model.calls[i], "Increase", 8) == 0) {
            retention_count++;
            assert_string_equal(model.calls[i],
                                "IncreaseStreamRetentionPeriod {\"StreamName\":\"new\","
                                "\"RetentionPeriodHours\":168}");
        }
    }
    assert_int_equal(model.create_count, 1);
    assert_int_equal(retention_count, 1); /* not of the one that was there */
}

static void describe_calls_are_paced(void **state)
{
    static const char *const names[] = {"old1", "old2", "old3", "old4", "old5", "old6"};
    (void)state;
    model.answer = some_exist;
    assert_int_equal(ensure(names, 6, false), TR_OK);
    assert_int_equal(model.call_count, 6);
    for (uint32_t i = 1; i < 6; i++) {
        assert_true(model.call_ns[i] - model.call_ns[i - 1] >= TR_NS_PER_S / 15);
    }
}

static void producer_that_may_not_describe_runs(void **state)
{
    static const char *const names[] = {"a", "b"};
    (void)state;
    model.answer = access_denied;
    assert_int_equal(ensure(names, 2, false), TR_OK);
    assert_string_equal(seen, "a unknown 0;b unknown 0;");
}

/* Policies take seconds to arrive everywhere. */
static struct model_answer denied_at_first(struct model *of, const char *operation,
                                           const char *body)
{
    return of->call_count <= 2 ? REFUSED("AccessDeniedException") : some_exist(of, operation, body);
}

static void creator_that_may_not_describe_stops_by_name_after_a_grace(void **state)
{
    static const char *const names[] = {"new", "old"};
    (void)state;
    model.answer = denied_at_first;
    assert_int_equal(ensure(names, 2, true), TR_OK);
    assert_string_equal(seen, "old there 2;new created 2;");
    model.call_count = 0;
    model.answer = access_denied;
    assert_int_equal(ensure(names, 2, true), TR_ERR_SINK_AUTH);
    assert_int_equal(err.remedy, TR_STOP);
    assert_non_null(strstr(err.text, "stream \"new\""));
    assert_non_null(strstr(err.text, "allow kinesis:DescribeStreamSummary"));
    assert_true(model.call_count < 20);
    assert_true(model.call_ns[model.call_count - 1] - model.call_ns[0] >= 4 * TR_NS_PER_S);
}

/* "s00".."s39": all but s05 (CREATING at first), s06 (named without a state), s07 (UPDATING) and s39
 * (not there) are ACTIVE; in pages of 20. */
static struct model_answer many_exist(struct model *of, const char *operation, const char *body)
{
    static char text[4000];
    (void)of;
    if (strcmp(operation, "CreateStream") == 0) {
        of->create_count++;
        return OK("");
    }
    if (strcmp(operation, "DescribeStreamSummary") == 0) {
        return strstr(body, "s39") != NULL && of->create_count == 0
                   ? REFUSED("ResourceNotFoundException")
                   : OK(SUMMARY("ACTIVE"));
    }
    const int first = strstr(body, "ExclusiveStartStreamName\":\"s19") != NULL ? 20 : 0;
    int bytes = snprintf(text, sizeof(text), "{\"HasMoreStreams\":%s,\"StreamNames\":[",
                         first == 0 ? "true" : "false");
    for (int i = first; i < first + 20 && i < 39; i++) {
        bytes += snprintf(text + bytes, sizeof(text) - (size_t)bytes, "%s\"s%02d\"",
                          i == first ? "" : ",", i);
    }
    bytes += snprintf(text + bytes, sizeof(text) - (size_t)bytes,
                      "],\"StreamSummaries\":[{\"StreamName\":\"x\"}");
    for (int i = first; i < first + 20 && i < 39; i++) {
        bytes += i == 6 ? 0
                        : snprintf(text + bytes, sizeof(text) - (size_t)bytes,
                                   ",{\"StreamName\":\"s%02d\",\"StreamStatus\":\"%s\"}", i,
                                   i == 5   ? "CREATING"
                                   : i == 7 ? "UPDATING"
                                            : "ACTIVE");
    }
    (void)snprintf(text + bytes, sizeof(text) - (size_t)bytes, "]}");
    return OK(text);
}

static enum tr_code ensure_many(uint32_t count)
{
    static char texts[40][4];
    const char *names[40];
    for (uint32_t i = 0; i < 40; i++) { /* not in order */
        (void)snprintf(texts[i], sizeof(texts[i]), "s%02u", i * 7 % 40);
        names[i] = texts[i];
    }
    const struct tr_ensure_options options = {
        .names = names, .name_count = count, .create = true, .wish = {.shard_count = 2}};
    return tr_streams_ensure(&client, &options, &err);
}

static uint32_t count_calls(const char *start)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model.call_count; i++) {
        count += strncmp(model.calls[i], start, strlen(start)) == 0;
    }
    return count;
}

static void many_streams_are_looked_for_in_the_list(void **state)
{
    (void)state;
    model.answer = many_exist;
    assert_int_equal(ensure_many(40), TR_OK);
    assert_int_equal(count_calls("ListStreams"), 2);
    assert_true(model.call_ns[1] - model.call_ns[0] >= TR_NS_PER_S / 5);
    assert_int_equal(count_calls("DescribeStreamSummary {\"StreamName\":\"s05\""), 1);
    assert_int_equal(count_calls("DescribeStreamSummary {\"StreamName\":\"s06\""), 1);
    assert_int_equal(count_calls("DescribeStreamSummary {\"StreamName\":\"s39\""), 2);
    assert_int_equal(count_calls("DescribeStreamSummary"), 4);
    assert_int_equal(count_calls("CreateStream {\"StreamName\":\"s39\""), 1);
    assert_int_equal(count_calls("CreateStream"), 1);
    model.call_count = 0;
    assert_int_equal(ensure_many(15), TR_OK); /* a few are described */
    assert_int_equal(count_calls("DescribeStreamSummary"), 15);
    assert_int_equal(model.call_count, 15);
}

/* An account whose list never comes to ours. */
static struct model_answer others_exist(struct model *of, const char *operation, const char *body)
{
    static char text[100];
    if (strcmp(operation, "ListStreams") != 0) {
        return many_exist(of, operation, body);
    }
    (void)snprintf(text, sizeof(text), "{\"HasMoreStreams\":true,\"StreamNames\":[\"o%u\"]}",
                   of->call_count);
    return OK(text);
}

static struct model_answer may_not_list(struct model *of, const char *operation, const char *body)
{
    return strcmp(operation, "ListStreams") == 0 ? REFUSED("AccessDeniedException")
                                                 : many_exist(of, operation, body);
}

static struct model_answer same_page_for_ever(struct model *of, const char *operation,
                                              const char *body)
{
    return strcmp(operation, "ListStreams") == 0
               ? OK("{\"HasMoreStreams\":true,\"StreamNames\":[\"a\"]}")
               : many_exist(of, operation, body);
}

static void streams_that_the_list_does_not_tell_are_described(void **state)
{
    struct model_answer (*const answers[])(struct model *, const char *, const char *) = {
        others_exist, may_not_list, same_page_for_ever};
    static const uint32_t page_counts[] = {10, 1, 2};
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        model.call_count = 0;
        model.create_count = 1;
        model.answer = answers[i];
        assert_int_equal(ensure_many(40), TR_OK);
        assert_int_equal(count_calls("ListStreams"), page_counts[i]);
        assert_int_equal(count_calls("DescribeStreamSummary"), 40);
    }
}

static void refused_keys_and_impossible_names_stop(void **state)
{
    static const char *const names[] = {"a"};
    static const char *const impossible[] = {"a b"};
    (void)state;
    model.answer = expired_token;
    assert_int_equal(ensure(names, 1, false), TR_ERR_SINK_AUTH);
    assert_int_equal(ensure(impossible, 1, false), TR_ERR_SINK_STREAM);
    assert_non_null(strstr(err.text, "\"a b\""));
}

static struct model_answer never_active(struct model *of, const char *operation, const char *body)
{
    (void)of;
    (void)operation;
    (void)body;
    return OK(SUMMARY("CREATING"));
}

static void stream_that_never_becomes_active_is_an_error(void **state)
{
    static const char *const names[] = {"slow"};
    const struct tr_ensure_options options = {
        .names = names, .name_count = 1, .active_timeout_ns = 5 * TR_NS_PER_S};
    (void)state;
    model.answer = never_active;
    assert_int_equal(tr_streams_ensure(&client, &options, &err), TR_ERR_SINK_STREAM);
    assert_non_null(strstr(err.text, "not ACTIVE after 5 s"));
    assert_true(model.call_count < 20);
}

#define WITH_CLIENT(test) cmocka_unit_test_setup_teardown(test, open_client, close_client)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CLIENT(transient_errors_are_tried_again),
        WITH_CLIENT(trying_ends_with_its_time_and_backs_off),
        WITH_CLIENT(refused_keys_are_an_error_by_name_after_one_more_try),
        WITH_CLIENT(failure_that_needs_an_operator_is_not_retried),
        WITH_CLIENT(call_without_any_answer_is_given_up_and_cancelled),
        WITH_CLIENT(stopping_cancels_what_is_waited_for),
        WITH_CLIENT(missing_streams_are_all_reported_with_the_remedy),
        WITH_CLIENT(missing_streams_are_created_and_waited_for),
        WITH_CLIENT(created_streams_get_mode_tags_and_retention),
        WITH_CLIENT(describe_calls_are_paced),
        WITH_CLIENT(producer_that_may_not_describe_runs),
        WITH_CLIENT(creator_that_may_not_describe_stops_by_name_after_a_grace),
        WITH_CLIENT(many_streams_are_looked_for_in_the_list),
        WITH_CLIENT(streams_that_the_list_does_not_tell_are_described),
        WITH_CLIENT(refused_keys_and_impossible_names_stop),
        WITH_CLIENT(stream_that_never_becomes_active_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
