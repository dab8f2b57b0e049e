// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "stages/ship/sigv4.h"
#include "tests/check.h"

#define AT_UNIX_S INT64_C(1768478400) /* 2026-01-15T12:00:00Z */

static const char body_text[] =
    "{\"StreamName\":\"orders\",\"Records\":[{\"Data\":\"aGVsbG8=\",\"PartitionKey\":\"k1\"}]}";
static const struct tr_sigv4_options kinesis_options = {
    .service = "kinesis",
    .region = "eu-west-1",
    .host = "kinesis.eu-west-1.amazonaws.com",
    .content_type = "application/x-amz-json-1.1",
};

static struct tr_credentials example_keys(const char *token)
{
    struct tr_credentials keys = {.generation = 1};
    (void)snprintf(keys.key_id, sizeof(keys.key_id), "AKIDEXAMPLE");
    (void)snprintf(keys.secret, sizeof(keys.secret), "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    (void)snprintf(keys.token, sizeof(keys.token), "%s", token);
    return keys;
}

static void sign(struct tr_sigv4 *signer, const struct tr_credentials *keys, int64_t unix_s,
                 struct tr_sigv4_headers *headers)
{
    struct tr_error err;
    const struct tr_sigv4_request request = {.target = "Kinesis_20131202.PutRecords",
                                             .body = tr_span_of_text(body_text),
                                             .unix_s = unix_s};
    assert_int_equal(tr_sigv4_sign(signer, keys, &request, headers, &err), TR_OK);
}

static struct tr_sigv4 *open_signer(const struct tr_sigv4_options *options)
{
    struct tr_sigv4 *signer = NULL;
    struct tr_error err;
    assert_int_equal(tr_sigv4_open(&signer, options, &err), TR_OK);
    return signer;
}

static void assert_canonical_hash(const struct tr_sigv4 *signer, const char *hex)
{
    char text[2 * TR_SHA256_BYTES + 1];
    for (size_t i = 0; i < TR_SHA256_BYTES; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", tr_sigv4_canonical_hash(signer)[i]);
    }
    assert_string_equal(text, hex);
}

static void request_without_token_has_the_published_signature(void **state)
{
    (void)state;
    struct tr_sigv4_headers headers;
    struct tr_sigv4 *signer = open_signer(&kinesis_options);
    const struct tr_credentials keys = example_keys("");

    sign(signer, &keys, AT_UNIX_S, &headers);
    assert_canonical_hash(signer,
                          "7381a5883fcdbb0e42775662bc5ba7ad3214239f23f9a4195e9ad5f79222d11a");
    assert_string_equal(headers.date, "X-Amz-Date: 20260115T120000Z");
    assert_string_equal(headers.token, "");
    assert_string_equal(
        headers.authorization,
        "Authorization: AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20260115/eu-west-1/kinesis/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
        "Signature=f3520534db58cf81bf59a76b8b72adb260e756ec0cf9f3f55d73b19459a6f74e");
    tr_sigv4_close(signer);
}

static void request_with_token_has_the_published_signature(void **state)
{
    (void)state;
    struct tr_sigv4_headers headers;
    struct tr_sigv4 *signer = open_signer(&kinesis_options);
    const struct tr_credentials keys = example_keys("FwoGZXIvTOKEN==");

    sign(signer, &keys, AT_UNIX_S, &headers);
    assert_canonical_hash(signer,
                          "c28feb2e883bc9118830e0f1417fb29c171665b381880e23c22ab5e13e6422e1");
    assert_string_equal(headers.token, "X-Amz-Security-Token: FwoGZXIvTOKEN==");
    assert_non_null(
        strstr(headers.authorization,
               "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
               "Signature=6c4cbf311d61eee1b521bfa81d5ce46e95f9eeb69d048896fa5d893e1ceb6f1e"));
    tr_sigv4_close(signer);
}

/* Signs something else in between: another day, other keys, then the vector again. */
static void signing_key_follows_the_signed_day_and_the_keys(void **state)
{
    (void)state;
    struct tr_sigv4_headers first;
    struct tr_sigv4_headers other;
    struct tr_sigv4 *signer = open_signer(&kinesis_options);
    const struct tr_credentials keys = example_keys("");
    struct tr_credentials newer = example_keys("");

    sign(signer, &keys, AT_UNIX_S, &first);
    sign(signer, &keys, AT_UNIX_S + 86400, &other);
    assert_non_null(strstr(other.authorization, "/20260116/"));
    assert_string_not_equal(first.authorization, other.authorization);
    sign(signer, &keys, AT_UNIX_S, &other);
    assert_string_equal(first.authorization, other.authorization);

    newer.generation = 2;
    (void)snprintf(newer.secret, sizeof(newer.secret), "another secret");
    sign(signer, &newer, AT_UNIX_S, &other);
    assert_string_not_equal(first.authorization, other.authorization);
    sign(signer, &keys, AT_UNIX_S, &other);
    assert_string_equal(first.authorization, other.authorization);
    tr_sigv4_close(signer);
}

static void date_changes_the_signature_and_midnight_the_scope(void **state)
{
    (void)state;
    struct tr_sigv4_headers before;
    struct tr_sigv4_headers after;
    struct tr_sigv4 *signer = open_signer(&kinesis_options);
    const struct tr_credentials keys = example_keys("");
    const int64_t midnight_unix_s = AT_UNIX_S + 12 * 3600;

    sign(signer, &keys, midnight_unix_s - 1, &before);
    sign(signer, &keys, midnight_unix_s, &after);
    assert_string_equal(before.date, "X-Amz-Date: 20260115T235959Z");
    assert_string_equal(after.date, "X-Amz-Date: 20260116T000000Z");
    assert_non_null(strstr(before.authorization, "/20260115/"));
    assert_non_null(strstr(after.authorization, "/20260116/"));
    tr_sigv4_close(signer);
}

/* The AWS test suite's "post-vanilla" shape for a service without a target. */
static void service_without_target_leaves_the_header_out(void **state)
{
    (void)state;
    struct tr_sigv4_headers headers;
    struct tr_error err;
    struct tr_sigv4_options options = kinesis_options;
    options.service = "sts";
    options.host = "sts.eu-west-1.amazonaws.com";
    options.content_type = "application/x-www-form-urlencoded; charset=utf-8";
    struct tr_sigv4 *signer = open_signer(&options);
    const struct tr_credentials keys = example_keys("");
    const struct tr_sigv4_request request = {
        .body = tr_span_of_text("Action=GetCallerIdentity&Version=2011-06-15"),
        .unix_s = AT_UNIX_S};

    assert_int_equal(tr_sigv4_sign(signer, &keys, &request, &headers, &err), TR_OK);
    assert_non_null(
        strstr(headers.authorization,
               "/eu-west-1/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date, "));
    tr_sigv4_close(signer);
}

static void longest_token_is_signed_and_sent_whole(void **state)
{
    (void)state;
    struct tr_sigv4_headers headers;
    struct tr_sigv4 *signer = open_signer(&kinesis_options);
    struct tr_credentials keys = example_keys("");
    memset(keys.token, 'x', TR_AWS_TOKEN_BYTES_MAX);
    memset(keys.key_id, 'K', TR_AWS_KEY_ID_BYTES_MAX);

    sign(signer, &keys, AT_UNIX_S, &headers);
    assert_int_equal(strlen(headers.token),
                     strlen("X-Amz-Security-Token: ") + TR_AWS_TOKEN_BYTES_MAX);
    const char *signature = strstr(headers.authorization, "Signature=");
    assert_non_null(signature);
    assert_int_equal(strlen(signature), strlen("Signature=") + 64);
    tr_sigv4_close(signer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_without_token_has_the_published_signature),
        cmocka_unit_test(request_with_token_has_the_published_signature),
        cmocka_unit_test(signing_key_follows_the_signed_day_and_the_keys),
        cmocka_unit_test(date_changes_the_signature_and_midnight_the_scope),
        cmocka_unit_test(service_without_target_leaves_the_header_out),
        cmocka_unit_test(longest_token_is_signed_and_sent_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
