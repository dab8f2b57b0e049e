// SPDX-License-Identifier: Apache-2.0
#include "stages/ship/call.h"

#include "engine/assert.h"

#define CALL_TIMEOUT_NS (10 * TR_NS_PER_S)
#define RETRY_NS (30 * TR_NS_PER_S)
#define WAIT_NS (100 * TR_NS_PER_MS) /* how long a stop may go unnoticed */
#define DELAY_NS_MIN (50 * TR_NS_PER_MS)
#define DELAY_NS_MAX (5 * TR_NS_PER_S)
#define GRACE_NS TR_NS_PER_S /* beyond the transport's own timeout */

static int64_t now_of(const struct tr_kinesis_client *client)
{
    return tr_clock_monotonic_ns(client->clock);
}

static enum tr_code interrupted(struct tr_error *err)
{
    return TR_FAIL(err, TR_ERR_INTERRUPTED, TR_STOP, "call to Kinesis: interrupted");
}

static bool is_stopping(const struct tr_kinesis_client *client)
{
    return client->is_stopping != NULL && client->is_stopping(client->stopping_self);
}

enum tr_code tr_kinesis_wait_until(struct tr_kinesis_client *client, int64_t deadline_ns,
                                   struct tr_error *err)
{
    int64_t now_ns = now_of(client);
    while (now_ns < deadline_ns) {
        if (is_stopping(client)) {
            return interrupted(err);
        }
        const int64_t left_ns = deadline_ns - now_ns;
        (void)tr_reactor_poll(client->reactor, now_ns, left_ns < WAIT_NS ? left_ns : WAIT_NS);
        now_ns = now_of(client);
    }
    return TR_OK;
}

enum tr_code tr_kinesis_call_blocking(struct tr_kinesis_client *client, const char *operation,
                                      struct tr_span body, struct tr_call_done *done,
                                      struct tr_error *err)
{
    struct tr_transport *transport = client->transport;
    const struct tr_call call = {
        .slot = client->slot,
        .operation = operation,
        .body = body,
        .timeout_ns = client->call_timeout_ns == 0 ? CALL_TIMEOUT_NS : client->call_timeout_ns,
    };
    int64_t now_ns = now_of(client);
    const int64_t give_up_ns = now_ns + call.timeout_ns + GRACE_NS;
    const enum tr_code code = transport->submit(transport->self, &call, now_ns, err);
    if (code != TR_OK) {
        return code;
    }
    while (!transport->poll(transport->self, now_ns, done)) {
        if (is_stopping(client)) {
            transport->cancel(transport->self, client->slot);
            return interrupted(err);
        }
        if (now_ns >= give_up_ns) { /* a transport without timeouts of its own */
            transport->cancel(transport->self, client->slot);
            *done = (struct tr_call_done){.slot = client->slot, .state = TR_CALL_UNKNOWN};
            (void)TR_FAIL(&done->error, TR_ERR_SINK_LINK, TR_RETRY, "%s: no answer", operation);
            return TR_OK;
        }
        (void)tr_reactor_poll(client->reactor, now_ns, WAIT_NS);
        now_ns = now_of(client);
    }
    TR_ASSERT(done->slot == client->slot);
    return TR_OK;
}

static void learn_refusal(const struct tr_kinesis_client *client, const struct tr_call_done *done,
                          struct tr_kinesis_refusal *refusal)
{
    *refusal = (struct tr_kinesis_refusal){0};
    if (done->state != TR_CALL_ANSWERED) {
        refusal->rule =
            (struct tr_verdict_rule){.verdict = TR_VERDICT_RETRY, .outcome_unknown = true};
        return;
    }
    refusal->status = done->status;
    tr_control_parse_failure(client->reader, done->answer, done->error_type, &refusal->failure);
    refusal->rule = tr_kinesis_classify(done->status, tr_span_of_text(refusal->failure.type));
}

/* The error for an answer that ends the trying. */
static enum tr_code refuse(const struct tr_kinesis_client *client, const char *operation,
                           const struct tr_call_done *done,
                           const struct tr_kinesis_refusal *refusal, struct tr_error *err)
{
    if (done->state != TR_CALL_ANSWERED) {
        *err = done->error;
        return err->code;
    }
    const char *type = refusal->failure.type[0] != '\0' ? refusal->failure.type : "no error type";
    const char *message = refusal->failure.message;
    const char *request_id = done->request_id[0] != '\0' ? done->request_id : "-";
    const struct tr_span name = tr_span_of_text(type);
    if (refusal->rule.verdict == TR_VERDICT_CREDENTIALS) {
        return TR_FAIL(
            err, TR_ERR_SINK_AUTH, TR_STOP,
            "Kinesis %s: keys of %s refused: HTTP %d %s: %s (request %s): check the keys, "
            "the session token's age and the region",
            operation, tr_credentials_origin(client->credentials), done->status, type, message,
            request_id);
    }
    if (tr_span_equals(name, tr_span_of_text("AccessDeniedException")) ||
        tr_span_equals(name, tr_span_of_text("AccessDenied"))) {
        return TR_FAIL(err, TR_ERR_SINK_AUTH, TR_STOP,
                       "Kinesis %s: denied: %s (request %s): allow kinesis:%s for these keys",
                       operation, message, request_id, operation);
    }
    if (refusal->rule.verdict == TR_VERDICT_THROTTLE || refusal->rule.verdict == TR_VERDICT_RETRY ||
        refusal->rule.verdict == TR_VERDICT_RESTART) {
        return TR_FAIL(err, TR_ERR_SINK_LINK, TR_RETRY, "Kinesis %s: HTTP %d %s: %s (request %s)",
                       operation, done->status, type, message, request_id);
    }
    return TR_FAIL(err, TR_ERR_SINK_STREAM, TR_STOP,
                   "Kinesis %s: refused: HTTP %d %s: %s (request %s): check stream, region and "
                   "endpoint",
                   operation, done->status, type, message, request_id);
}

/* Full jitter: 0 to base * 2^attempt, capped; not below what the service demands. */
static int64_t delay_of(struct tr_kinesis_client *client, uint32_t attempt, int64_t demanded_ns)
{
    int64_t delay_ns = DELAY_NS_MIN;
    for (uint32_t i = 0; i < attempt && delay_ns < DELAY_NS_MAX; i++) {
        delay_ns *= 2;
    }
    delay_ns = delay_ns < DELAY_NS_MAX ? delay_ns : DELAY_NS_MAX;
    /* xorshift64: any spread will do */
    client->random = client->random == 0 ? UINT64_C(0x9E3779B97F4A7C15) : client->random;
    client->random ^= client->random << 13;
    client->random ^= client->random >> 7;
    client->random ^= client->random << 17;
    return demanded_ns + (int64_t)(client->random % (uint64_t)delay_ns);
}

enum tr_code tr_kinesis_call(struct tr_kinesis_client *client, const char *operation,
                             const struct tr_control_body *body, struct tr_span *answer,
                             struct tr_kinesis_refusal *refusal, struct tr_error *err)
{
    struct tr_kinesis_refusal own;
    struct tr_call_done done;
    bool was_refreshed = false;
    refusal = refusal == NULL ? &own : refusal;
    *refusal = (struct tr_kinesis_refusal){0};
    const int64_t end_ns = now_of(client) + (client->retry_ns == 0 ? RETRY_NS : client->retry_ns);
    for (uint32_t attempt = 0;; attempt++) { /* ends with retry_ns at the latest */
        const enum tr_code code =
            tr_kinesis_call_blocking(client, operation, tr_control_body_span(body), &done, err);
        if (code != TR_OK) {
            return code;
        }
        if (done.state == TR_CALL_ANSWERED && done.status == 200) {
            *answer = done.answer;
            return TR_OK;
        }
        learn_refusal(client, &done, refusal);
        const enum tr_verdict verdict = refusal->rule.verdict;
        const bool is_transient = (verdict == TR_VERDICT_THROTTLE || verdict == TR_VERDICT_RETRY) &&
                                  (done.state == TR_CALL_ANSWERED || done.error.remedy != TR_STOP);
        int64_t delay_ns = 0;
        if (verdict == TR_VERDICT_CREDENTIALS && !was_refreshed) {
            /* The transport has corrected its clock by now if that was the reason. */
            was_refreshed = true;
            (void)tr_credentials_refresh(client->credentials, done.credentials_generation,
                                         now_of(client));
        } else if (is_transient) {
            delay_ns = delay_of(client, attempt, done.retry_after_ns);
        } else {
            return refuse(client, operation, &done, refusal, err);
        }
        const int64_t next_ns = now_of(client) + delay_ns;
        if (next_ns >= end_ns) {
            return refuse(client, operation, &done, refusal, err);
        }
        if (tr_kinesis_wait_until(client, next_ns, err) != TR_OK) {
            return err->code;
        }
    }
}
