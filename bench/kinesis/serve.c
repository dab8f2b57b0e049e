// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/kinesis/body.h"
#include "bench/kinesis/standin.h"
#include "engine/assert.h"
#include "engine/clock.h"

#define SINK_ENTRY                                                                                 \
    "{\"SequenceNumber\":\"00000000000000000000000000000000000000000000000000000001\","            \
    "\"ShardId\":\"shardId-000000000000\"}"
#define SINK_ENTRY_BYTES (sizeof(SINK_ENTRY) - 1)
#define SINK_ENTRIES_MAX 500

void tr_standin_write_bytes(struct tr_standin_answer *answer, const void *bytes, size_t count)
{
    TR_ASSERT(count < answer->room_bytes - answer->bytes);
    memcpy(answer->out + answer->bytes, bytes, count);
    answer->bytes += count;
}

void tr_standin_write(struct tr_standin_answer *answer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int bytes =
        vsnprintf(answer->out + answer->bytes, answer->room_bytes - answer->bytes, format, args);
    va_end(args);
    TR_ASSERT(bytes >= 0 && (size_t)bytes < answer->room_bytes - answer->bytes);
    answer->bytes += (size_t)bytes;
}

void tr_standin_refuse(struct tr_standin_answer *answer, int status, const char *type,
                       const char *message)
{
    answer->status = status;
    answer->bytes = 0;
    tr_standin_write(answer, "{\"__type\":\"%s\",\"message\":\"%s\"}", type, message);
}

/* Reads only as much as is needed to count; says yes. */
static void sink_put(struct tr_standin *standin, struct tr_span body,
                     struct tr_standin_answer *answer)
{
    static char entries[SINK_ENTRIES_MAX * (SINK_ENTRY_BYTES + 1)]; /* filled once */
    struct tr_span name;
    const int64_t count = tr_body_put_records(body, &name, NULL, NULL);

    if (count < 1 || count > SINK_ENTRIES_MAX) {
        standin->limit_failure_count++;
        tr_standin_refuse(answer, 400, "SerializationException", "the sink wants 1..500 records");
        return;
    }
    if (entries[0] == '\0') {
        for (size_t i = 0; i < SINK_ENTRIES_MAX; i++) {
            memcpy(entries + i * (SINK_ENTRY_BYTES + 1), SINK_ENTRY ",", SINK_ENTRY_BYTES + 1);
        }
    }
    tr_standin_write(answer, "{\"FailedRecordCount\":0,\"Records\":[");
    tr_standin_write_bytes(answer, entries, (size_t)count * (SINK_ENTRY_BYTES + 1) - 1);
    tr_standin_write(answer, "]}");
    standin->record_count += (uint64_t)count;
    standin->record_bytes += body.bytes;
}

/* Answers that a fault decides by itself, without looking at the entries. False = go on. */
static bool refuse_by_fault(enum tr_fault_kind fault, uint32_t value,
                            struct tr_standin_answer *answer)
{
    switch (fault) {
    case TR_CHAOS_THROTTLE_ALL:
        tr_standin_refuse(answer, 400, "ThrottlingException", "Rate exceeded");
        return true;
    case TR_CHAOS_ERROR_500:
        tr_standin_refuse(answer, 500, "InternalFailure", "Internal Service Failure");
        return true;
    case TR_CHAOS_ERROR_503:
        tr_standin_refuse(answer, 503, "ServiceUnavailable", "The service is unavailable");
        return true;
    case TR_CHAOS_EXPIRED:
        tr_standin_refuse(answer, 400, "ExpiredTokenException",
                          "The security token included in the request is expired");
        return true;
    case TR_CHAOS_DENIED:
        tr_standin_refuse(answer, 400, "AccessDeniedException",
                          "User is not authorized to perform: kinesis:PutRecords");
        return true;
    case TR_CHAOS_NOT_FOUND:
        tr_standin_refuse(answer, 400, "ResourceNotFoundException",
                          "Stream not found under account 000000000000.");
        return true;
    case TR_CHAOS_CLOCK:
        tr_standin_refuse(answer, 403, "InvalidSignatureException", "Signature expired");
        answer->date_shift_s = value;
        return true;
    case TR_CHAOS_NONE:
    case TR_CHAOS_PARTIAL:
    case TR_CHAOS_THROTTLE:
    case TR_CHAOS_ERROR_500_APPLIED:
    case TR_CHAOS_LOST:
    case TR_CHAOS_LOST_APPLIED:
    case TR_CHAOS_HALF:
    case TR_CHAOS_GARBAGE:
    case TR_CHAOS_SHORT:
    case TR_CHAOS_RESET:
    case TR_CHAOS_STALL:
    case TR_CHAOS_HANG:
    case TR_CHAOS_SPLIT:
    case TR_CHAOS_KIND_COUNT:
        break;
    }
    return false;
}

static void serve_post(struct tr_standin *standin, const struct tr_standin_request *request,
                       enum tr_fault_kind fault, uint32_t fault_value,
                       struct tr_standin_answer *answer)
{
    static const char prefix[] = "Kinesis_20131202.";
    const struct tr_judge_request *parts = &request->parts;
    struct tr_span operation = parts->target;

    if (operation.bytes <= sizeof(prefix) - 1 ||
        memcmp(operation.data, prefix, sizeof(prefix) - 1) != 0 ||
        !tr_span_equals(parts->content_type, tr_span_of_text("application/x-amz-json-1.1"))) {
        tr_standin_refuse(answer, 404, "UnknownOperationException",
                          "want a Kinesis_20131202 target and JSON 1.1");
        return;
    }
    operation =
        tr_span_of(operation.data + sizeof(prefix) - 1, operation.bytes - sizeof(prefix) + 1);
    if (standin->check_signatures) {
        const char *wrong = tr_judge_signature(
            parts, &standin->credentials, tr_clock_wall_unix_ns(tr_clock_system()) / TR_NS_PER_S);
        if (wrong != NULL) {
            standin->signature_failure_count++;
            (void)snprintf(standin->last_refusal, sizeof(standin->last_refusal), "%s", wrong);
            tr_standin_refuse(answer, 403, "InvalidSignatureException", wrong);
            return;
        }
    }
    if (tr_span_equals(operation, tr_span_of_text("PutRecords"))) {
        standin->put_count++;
        if (refuse_by_fault(fault, fault_value, answer)) {
            return;
        }
        if (standin->judging) {
            tr_standin_put(standin, parts->body, fault, fault_value, answer);
        } else {
            sink_put(standin, parts->body, answer);
        }
        if (fault == TR_CHAOS_ERROR_500_APPLIED && answer->status == 200) {
            tr_standin_refuse(answer, 500, "InternalFailure", "Internal Service Failure");
        } else if (fault == TR_CHAOS_GARBAGE && answer->status == 200) {
            answer->bytes = 0;
            tr_standin_write(answer, "<html>not what was asked for</html>");
        }
    } else if (!tr_standin_operate(standin, operation, parts->body, answer)) {
        tr_standin_refuse(answer, 400, "UnknownOperationException", "");
    }
}

void tr_standin_serve(struct tr_standin *standin, const struct tr_standin_request *request,
                      enum tr_fault_kind fault, uint32_t fault_value,
                      struct tr_standin_answer *answer)
{
    struct tr_error err;

    answer->status = 200;
    answer->bytes = 0;
    standin->request_count++;
    if (request->is_get) {
        if (tr_span_equals(request->path, tr_span_of_text("/standin/report"))) {
            tr_standin_report(standin, answer);
        } else {
            tr_standin_refuse(answer, 404, "NotFound", "GET /standin/report is the only page");
        }
        return;
    }
    if (tr_span_equals(request->path, tr_span_of_text("/standin/faults"))) {
        standin->chaos.rule_count = 0;
        if (tr_chaos_parse(&standin->chaos, request->parts.body, &err) != TR_OK) {
            tr_standin_refuse(answer, 400, "BadScript", "see chaos.h for the form of a script");
        }
        return;
    }
    serve_post(standin, request, fault, fault_value, answer);
}

static uint64_t latency_us(const struct tr_standin *standin, uint64_t total, uint64_t per_mille)
{
    uint64_t seen = 0;
    for (uint64_t i = 0; i <= TR_LATENCY_BUCKETS; i++) {
        seen += standin->latency_counts[i];
        if (seen * 1000 >= total * per_mille) {
            return (i + 1) * TR_LATENCY_BUCKET_US;
        }
    }
    return 0;
}

void tr_standin_report(struct tr_standin *standin, struct tr_standin_answer *answer)
{
    const struct tr_judge *judge = &standin->judge;
    uint64_t samples = 0;
    for (uint64_t i = 0; i <= TR_LATENCY_BUCKETS; i++) {
        samples += standin->latency_counts[i];
    }
    tr_standin_write(
        answer,
        "{\"requests\":%" PRIu64 ",\"put_requests\":%" PRIu64 ",\"records\":%" PRIu64
        ",\"bytes\":%" PRIu64 ",\"refused_entries\":%" PRIu64 ",\"signature_failures\":%" PRIu64
        ",\"limit_failures\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"last_refusal\":\"%s\"",
        standin->request_count, standin->put_count, standin->record_count, standin->record_bytes,
        standin->refused_count, standin->signature_failure_count, standin->limit_failure_count,
        standin->connection_count, standin->last_refusal);
    tr_standin_write(answer,
                     ",\"judged\":%" PRIu64 ",\"keys\":%" PRIu64 ",\"duplicates\":%" PRIu64
                     ",\"replay_jumps\":%" PRIu64 ",\"order_violations\":%" PRIu64
                     ",\"lost\":%" PRIu64 ",\"uncounted\":%" PRIu64,
                     judge->record_count, judge->key_count, judge->duplicate_count,
                     judge->replay_jump_count, judge->order_violation_count, judge->skipped_count,
                     judge->uncounted_count);
    tr_standin_write(answer,
                     ",\"latency_samples\":%" PRIu64 ",\"latency_p50_us\":%" PRIu64
                     ",\"latency_p99_us\":%" PRIu64,
                     samples, samples == 0 ? 0 : latency_us(standin, samples, 500),
                     samples == 0 ? 0 : latency_us(standin, samples, 990));
    tr_standin_write(answer, ",\"faults\":{");
    for (int kind = TR_CHAOS_NONE + 1; kind < TR_CHAOS_KIND_COUNT; kind++) {
        tr_standin_write(answer, "%s\"%s\":%" PRIu64, kind == TR_CHAOS_NONE + 1 ? "" : ",",
                         tr_chaos_name((enum tr_fault_kind)kind), standin->chaos.fired[kind]);
    }
    tr_standin_write(answer, "},\"streams\":{");
    for (uint32_t i = 0; i < standin->store.stream_count; i++) {
        const struct tr_kinesis_stream *stream = &standin->store.streams[i];
        uint64_t count = 0;
        for (uint32_t j = 0; j < stream->shard_count; j++) {
            count += stream->shards[j].record_count;
        }
        tr_standin_write(answer, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",", stream->name, count);
    }
    tr_standin_write(answer, "}}\n");
}

void tr_standin_deinit(struct tr_standin *standin)
{
    tr_judge_deinit(&standin->judge);
    tr_kinesis_store_deinit(&standin->store);
    tr_reactor_close(standin->reactor);
    SSL_CTX_free(standin->tls);
    free(standin->latency_counts);
}
