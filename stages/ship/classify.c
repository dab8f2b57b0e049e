// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/classify.h"

#include "engine/assert.h"

#define STREAM_WIDE 1u
#define GRACE 2u
#define UNKNOWN_OUTCOME 4u

struct named_rule {
    const char *name;
    enum tr_verdict verdict;
    unsigned flags;
};

/* Errors of a whole request. */
static const struct named_rule request_rules[] = {
    {"ProvisionedThroughputExceededException", TR_VERDICT_THROTTLE, 0},
    {"ThrottlingException", TR_VERDICT_THROTTLE, STREAM_WIDE},
    {"Throttling", TR_VERDICT_THROTTLE, STREAM_WIDE},
    {"RequestLimitExceeded", TR_VERDICT_THROTTLE, STREAM_WIDE},
    {"TooManyRequests", TR_VERDICT_THROTTLE, STREAM_WIDE},
    {"TooManyRequestsException", TR_VERDICT_THROTTLE, STREAM_WIDE},
    {"SlowDown", TR_VERDICT_THROTTLE, STREAM_WIDE},
    {"LimitExceededException", TR_VERDICT_THROTTLE, STREAM_WIDE},
    {"KMSThrottlingException", TR_VERDICT_THROTTLE, STREAM_WIDE},
    {"InternalFailure", TR_VERDICT_RETRY, UNKNOWN_OUTCOME},
    {"InternalFailureException", TR_VERDICT_RETRY, UNKNOWN_OUTCOME},
    {"InternalServerError", TR_VERDICT_RETRY, UNKNOWN_OUTCOME},
    {"ServiceUnavailable", TR_VERDICT_RETRY, UNKNOWN_OUTCOME},
    {"ServiceUnavailableException", TR_VERDICT_RETRY, UNKNOWN_OUTCOME},
    {"KMSAccessDeniedException", TR_VERDICT_FATAL, GRACE},
    {"KMSDisabledException", TR_VERDICT_FATAL, GRACE},
    {"KMSInvalidStateException", TR_VERDICT_FATAL, GRACE},
    {"KMSNotFoundException", TR_VERDICT_FATAL, GRACE},
    {"KMSOptInRequired", TR_VERDICT_FATAL, GRACE},
    {"ResourceNotFoundException", TR_VERDICT_FATAL, GRACE},
    {"AccessDeniedException", TR_VERDICT_FATAL, GRACE},
    {"AccessDenied", TR_VERDICT_FATAL, GRACE},
    {"OptInRequired", TR_VERDICT_FATAL, GRACE},
    {"ResourceInUseException", TR_VERDICT_STATE, 0},
    {"InvalidArgumentException", TR_VERDICT_BAD, 0},
    {"ValidationException", TR_VERDICT_BAD, 0},
    {"ValidationError", TR_VERDICT_BAD, 0},
    {"SerializationException", TR_VERDICT_BAD, 0},
    {"ExpiredTokenException", TR_VERDICT_CREDENTIALS, 0},
    {"ExpiredToken", TR_VERDICT_CREDENTIALS, 0},
    {"RequestExpired", TR_VERDICT_CREDENTIALS, 0},
    {"UnrecognizedClientException", TR_VERDICT_CREDENTIALS, 0},
    {"InvalidClientTokenId", TR_VERDICT_CREDENTIALS, 0},
    {"MissingAuthenticationToken", TR_VERDICT_CREDENTIALS, 0},
    {"MissingAuthenticationTokenException", TR_VERDICT_CREDENTIALS, 0},
    {"IncompleteSignature", TR_VERDICT_CREDENTIALS, 0},
    {"IncompleteSignatureException", TR_VERDICT_CREDENTIALS, 0},
    {"InvalidSignatureException", TR_VERDICT_CREDENTIALS, 0},
    {"SignatureDoesNotMatch", TR_VERDICT_CREDENTIALS, 0},
    {"UnknownOperationException", TR_VERDICT_FATAL, 0},
    {"ExpiredIteratorException", TR_VERDICT_RESTART, 0},
    {"ExpiredNextTokenException", TR_VERDICT_RESTART, 0},
};

/* Error codes of one entry. */
static const struct named_rule record_rules[] = {
    {"ProvisionedThroughputExceededException", TR_VERDICT_THROTTLE, 0},
    {"KMSThrottlingException", TR_VERDICT_THROTTLE, STREAM_WIDE},
    {"ThrottlingException", TR_VERDICT_THROTTLE, STREAM_WIDE},
    {"InternalFailure", TR_VERDICT_RETRY, 0},
    {"InternalFailureException", TR_VERDICT_RETRY, 0},
    {"ServiceUnavailable", TR_VERDICT_RETRY, 0},
    {"InvalidArgumentException", TR_VERDICT_BAD,
     0}, /* kinesis-mock, for a record that is too large */
    {"ValidationException", TR_VERDICT_BAD, 0},
};

static struct tr_verdict_rule rule_of(const struct named_rule *rule)
{
    return (struct tr_verdict_rule){
        .verdict = rule->verdict,
        .is_stream_wide = (rule->flags & STREAM_WIDE) != 0,
        .has_grace = (rule->flags & GRACE) != 0,
        .outcome_unknown = (rule->flags & UNKNOWN_OUTCOME) != 0,
        .is_known = true,
    };
}

static const struct named_rule *find(const struct named_rule *rules, size_t count,
                                     struct tr_span name)
{
    for (size_t i = 0; i < count; i++) {
        if (tr_span_equals(tr_span_of_text(rules[i].name), name)) {
            return &rules[i];
        }
    }
    return NULL;
}

/* Answers without an error type, or with one that is not in the table. */
static struct tr_verdict_rule rule_of_status(int status, bool has_type)
{
    if (status >= 500 || status == 408) {
        return (struct tr_verdict_rule){
            .verdict = TR_VERDICT_RETRY, .outcome_unknown = true, .is_known = !has_type};
    }
    if (status == 429) {
        return (struct tr_verdict_rule){
            .verdict = TR_VERDICT_THROTTLE, .is_stream_wide = true, .is_known = !has_type};
    }
    if (status == 413) {
        return (struct tr_verdict_rule){.verdict = TR_VERDICT_BAD, .is_known = true};
    }
    if (status >= 300 && !has_type) {
        /* A redirect or a page of a proxy: whatever answers there is not Kinesis. */
        return (struct tr_verdict_rule){.verdict = TR_VERDICT_FATAL, .is_known = true};
    }
    if (status >= 400) {
        return (struct tr_verdict_rule){.verdict = TR_VERDICT_FATAL, .has_grace = true};
    }
    /* 1xx and 2xx other than 200 are no answer that Kinesis gives. */
    return (struct tr_verdict_rule){.verdict = TR_VERDICT_RETRY, .outcome_unknown = true};
}

struct tr_verdict_rule tr_kinesis_classify(int status, struct tr_span type)
{
    if (status == 200) {
        return (struct tr_verdict_rule){.verdict = TR_VERDICT_OK, .is_known = true};
    }
    const struct tr_span name = tr_kinesis_error_name(type);
    const struct named_rule *rule =
        find(request_rules, sizeof(request_rules) / sizeof(request_rules[0]), name);
    if (rule == NULL) {
        return rule_of_status(status, name.bytes > 0);
    }
    struct tr_verdict_rule found = rule_of(rule);
    found.outcome_unknown = found.outcome_unknown || status >= 500;
    return found;
}

struct tr_verdict_rule tr_kinesis_classify_record(struct tr_span code)
{
    const struct named_rule *rule =
        find(record_rules, sizeof(record_rules) / sizeof(record_rules[0]), code);
    return rule != NULL ? rule_of(rule) : (struct tr_verdict_rule){.verdict = TR_VERDICT_RETRY};
}

struct tr_span tr_kinesis_error_name(struct tr_span type)
{
    /* "Code:uri" first: the uri may hold a '#'. */
    const uint8_t *colon = type.bytes == 0 ? NULL : memchr(type.data, ':', type.bytes);
    if (colon != NULL) {
        type.bytes = (size_t)(colon - type.data);
    }
    const uint8_t *hash = type.bytes == 0 ? NULL : memrchr(type.data, '#', type.bytes);
    if (hash != NULL) {
        type.bytes -= (size_t)(hash - type.data) + 1;
        type.data = hash + 1;
    }
    return type;
}

bool tr_kinesis_message_blames_clock(struct tr_span message)
{
    static const char *const phrases[] = {"Signature expired", "not yet current", "RequestExpired"};
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (message.bytes > 0 &&
            memmem(message.data, message.bytes, phrases[i], strlen(phrases[i])) != NULL) {
            return true;
        }
    }
    return false;
}

const char *tr_verdict_name(enum tr_verdict verdict)
{
    static const char *const names[TR_VERDICT_COUNT] = {
        [TR_VERDICT_OK] = "ok",       [TR_VERDICT_THROTTLE] = "throttle",
        [TR_VERDICT_RETRY] = "retry", [TR_VERDICT_CREDENTIALS] = "credentials",
        [TR_VERDICT_STATE] = "state", [TR_VERDICT_FATAL] = "fatal",
        [TR_VERDICT_BAD] = "bad",     [TR_VERDICT_RESTART] = "restart",
    };
    TR_ASSERT(verdict < TR_VERDICT_COUNT);
    return names[verdict];
}
