// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/model_kinesis.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/kinesis/body.h"
#include "engine/assert.h"
#include "engine/clock.h"
#include "engine/cover.h"

#define PADDING_BYTES 64
#define SHARDS 4

static enum tr_code port_submit(void *self, const struct tr_call *call, int64_t now_ns,
                                struct tr_error *err);
static void port_cancel(void *self, uint32_t slot);
static bool port_poll(void *self, int64_t now_ns, struct tr_call_done *done);

static void port_close(void *self)
{
    (void)self; /* the model outlives the engine */
}

void tr_model_kinesis_init(struct tr_model_kinesis *kinesis, struct tr_oracle *oracle,
                           uint64_t seed, uint32_t fault_permille)
{
    *kinesis = (struct tr_model_kinesis){.oracle = oracle,
                                         .random = {seed ^ 0x4B1E},
                                         .fault_permille = fault_permille,
                                         .faults_on = true};
}

struct tr_transport *tr_model_kinesis_port(struct tr_model_kinesis *kinesis, uint32_t index,
                                           uint32_t slot_count)
{
    struct tr_model_port *port = &kinesis->ports[index];
    *port = (struct tr_model_port){
        .kinesis = kinesis, .first_slot = index * slot_count, .slot_count = slot_count};
    port->transport = (struct tr_transport){.self = port,
                                            .submit = port_submit,
                                            .cancel = port_cancel,
                                            .poll = port_poll,
                                            .close = port_close};
    return &port->transport;
}

void tr_model_kinesis_deinit(struct tr_model_kinesis *kinesis)
{
    for (uint32_t i = 0; i < TR_MODEL_SLOTS_MAX; i++) {
        tr_buffer_free(&kinesis->calls[i].body);
        tr_buffer_free(&kinesis->calls[i].answer);
    }
    for (uint32_t i = 0; i < TR_MODEL_LATE_MAX; i++) {
        tr_buffer_free(&kinesis->late[i].body);
        tr_buffer_free(&kinesis->late[i].answer);
    }
}

static void print(struct tr_buffer *out, const char *format, ...) TR_PRINTF(2, 3);

static void print(struct tr_buffer *out, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    const int bytes = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    TR_ASSERT(bytes >= 0 && (size_t)bytes < sizeof(text));
    tr_buffer_append(out, text, (size_t)bytes);
}

static enum tr_model_fate draw_fate(struct tr_model_kinesis *kinesis)
{
    if (!kinesis->faults_on || !tr_random_chance(&kinesis->random, kinesis->fault_permille)) {
        return TR_FATE_GOOD;
    }
    return (enum tr_model_fate)(1 + tr_random_below(&kinesis->random, TR_FATE_COUNT - 1));
}

static enum tr_code port_submit(void *self, const struct tr_call *call, int64_t now_ns,
                                struct tr_error *err)
{
    const struct tr_model_port *port = self;
    struct tr_model_kinesis *kinesis = port->kinesis;
    struct tr_model_call *entry = &kinesis->calls[port->first_slot + call->slot];
    (void)err;
    TR_ASSERT(call->slot < port->slot_count && !entry->active);
    const bool is_put = strcmp(call->operation, "PutRecords") == 0;
    const struct tr_buffer body = entry->body;
    const struct tr_buffer answer = entry->answer;
    *entry = (struct tr_model_call){.active = true,
                                    .fate = is_put ? draw_fate(kinesis) : TR_FATE_GOOD,
                                    .slot = call->slot,
                                    .operation = call->operation,
                                    .body = body,
                                    .answer = answer,
                                    .timeout_ns = call->timeout_ns,
                                    .draw = tr_random_next(&kinesis->random)};
    entry->body.used = 0;
    entry->answer.used = 0;
    tr_buffer_append(&entry->body, call->body.data, call->body.bytes);
    const int64_t delay_ns = (int64_t)tr_random_below(&kinesis->random, 20000) * 1000;
    entry->apply_ns = now_ns + delay_ns / 2;
    entry->answer_ns = now_ns + delay_ns;
    if (entry->fate == TR_FATE_HANG) {
        entry->answer_ns = INT64_MAX;
        entry->apply_ns =
            now_ns + (int64_t)tr_random_below(&kinesis->random,
                                              (uint32_t)(2 * call->timeout_ns / TR_NS_PER_MS)) *
                         TR_NS_PER_MS;
    }
    kinesis->fates[entry->fate]++;
    return TR_OK;
}

/* Applying a call: one entry after the other. */
struct application {
    struct tr_model_kinesis *kinesis;
    struct tr_model_call *call;
    struct tr_span stream;
    struct tr_random random;
    uint32_t count;
    uint32_t failed_count;
    struct tr_span keys[500];
    uint8_t *bytes;
};

static bool apply_entry(void *self, const struct tr_body_entry *entry)
{
    struct application *run = self;
    const struct tr_model_call *call = run->call;
    const bool fails = (call->fate == TR_FATE_PARTIAL || call->fate == TR_FATE_THROTTLED) &&
                       tr_random_chance(&run->random, 300);
    const char *separator = run->count == 0 ? "" : ",";
    run->keys[run->count] = entry->partition_key;
    run->count++;
    if (fails) {
        run->failed_count++;
        print(&run->call->answer, "%s{\"ErrorCode\":\"%s\",\"ErrorMessage\":\"drawn\"}", separator,
              call->fate == TR_FATE_PARTIAL ? "InternalFailure"
                                            : "ProvisionedThroughputExceededException");
        return true;
    }
    uint8_t key[1024];
    TR_ASSERT(entry->partition_key.bytes <= sizeof(key));
    const int64_t key_bytes = tr_body_unescape(entry->partition_key, key);
    TR_ASSERT(key_bytes > 0);
    int data_bytes = 0;
    if (entry->data.bytes > 0) {
        data_bytes = EVP_DecodeBlock(run->bytes, entry->data.data, (int)entry->data.bytes);
        TR_ASSERT(data_bytes > 0);
        data_bytes -= (entry->data.data[entry->data.bytes - 1] == '=') +
                      (entry->data.data[entry->data.bytes - 2] == '=');
    }
    tr_oracle_see(run->kinesis->oracle, run->stream, tr_span_of(key, (size_t)key_bytes),
                  tr_span_of(run->bytes, (size_t)data_bytes));
    print(&run->call->answer, "%s{\"SequenceNumber\":\"%056llu\",\"ShardId\":\"shardId-%012u\"}",
          separator, (unsigned long long)run->kinesis->oracle->record_count, 0u);
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    const struct tr_span *left = a;
    const struct tr_span *right = b;
    const size_t bytes = left->bytes < right->bytes ? left->bytes : right->bytes;
    const int order = memcmp(left->data, right->data, bytes);
    return order != 0 ? order : (left->bytes > right->bytes) - (left->bytes < right->bytes);
}

static bool count_keys(void *self, const struct tr_body_entry *entry)
{
    struct application *run = self;
    TR_ASSERT(run->count < 500); /* the service's limit */
    run->keys[run->count++] = entry->partition_key;
    return true;
}

/* Keys with several entries in one request are hot: the oracle must know before they become
 * visible. */
static void note_hot_keys(struct application *run, struct tr_span body)
{
    uint8_t key[1024];
    const int64_t count = tr_body_put_records(body, &run->stream, count_keys, run);
    TR_ASSERT(count >= 1 && count <= 500);
    qsort(run->keys, run->count, sizeof(run->keys[0]), compare_keys);
    for (uint32_t i = 1; i < run->count; i++) {
        if (compare_keys(&run->keys[i - 1], &run->keys[i]) == 0) {
            const int64_t bytes = tr_body_unescape(run->keys[i], key);
            tr_oracle_note_hot(run->kinesis->oracle, run->stream, tr_span_of(key, (size_t)bytes));
        }
    }
    run->count = 0;
}

static void apply(struct tr_model_kinesis *kinesis, struct tr_model_call *call)
{
    struct application run = {.kinesis = kinesis, .call = call, .random = {call->draw}};
    const struct tr_span body = tr_span_of(call->body.bytes, call->body.used);
    call->applied = true;
    if (call->fate == TR_FATE_REFUSED || call->fate == TR_FATE_ERROR ||
        call->fate == TR_FATE_LOST || call->fate == TR_FATE_UNSENT) {
        return;
    }
    run.bytes = malloc(call->body.used + 4);
    TR_ASSERT(run.bytes != NULL);
    note_hot_keys(&run, body);
    const size_t head = call->answer.used;
    print(&call->answer, "{\"FailedRecordCount\":%10u,\"Records\":[", 0u);
    const int64_t count = tr_body_put_records(body, &run.stream, apply_entry, &run);
    TR_ASSERT(count == run.count);
    print(&call->answer, "]}");
    char digits[16];
    (void)snprintf(digits, sizeof(digits), "%10u", run.failed_count);
    memcpy(call->answer.bytes + head + strlen("{\"FailedRecordCount\":"), digits, 10);
    free(run.bytes);
}

static void answer_control(struct tr_model_call *call)
{
    const bool is_list = strcmp(call->operation, "ListShards") == 0;
    call->applied = true;
    if (!is_list) {
        print(&call->answer,
              "{\"StreamDescriptionSummary\":{\"StreamName\":\"s\",\"StreamARN\":\"arn:aws:kinesis:"
              "x:0:stream/s\","
              "\"StreamStatus\":\"ACTIVE\",\"OpenShardCount\":%d,\"MaxRecordSizeInKiB\":1024}}",
              SHARDS);
        return;
    }
    static const char *const bounds[SHARDS + 1] = {
        "0", "85070591730234615865843651857942052864", "170141183460469231731687303715884105728",
        "255211775190703847597530955573826158592", "340282366920938463463374607431768211456"};
    static const char *const lasts[SHARDS] = {
        "85070591730234615865843651857942052863", "170141183460469231731687303715884105727",
        "255211775190703847597530955573826158591", "340282366920938463463374607431768211455"};
    print(&call->answer, "{\"Shards\":[");
    for (int i = 0; i < SHARDS; i++) {
        print(&call->answer,
              "%s{\"ShardId\":\"shardId-%012d\",\"HashKeyRange\":{\"StartingHashKey\":\"%s\","
              "\"EndingHashKey\":\"%s\"},"
              "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\"}}",
              i == 0 ? "" : ",", i, bounds[i], lasts[i]);
    }
    print(&call->answer, "]}");
}

static void apply_due(struct tr_model_kinesis *kinesis, int64_t now_ns)
{
    kinesis->now_ns = now_ns;
    for (uint32_t i = 0; i < TR_MODEL_LATE_MAX; i++) {
        struct tr_model_call *call = &kinesis->late[i];
        if (call->active && now_ns >= call->apply_ns) {
            TR_COVER("sim.applied_after_given_up");
            apply(kinesis, call);
            call->active = false;
        }
    }
    for (uint32_t i = 0; i < TR_MODEL_SLOTS_MAX; i++) {
        struct tr_model_call *call = &kinesis->calls[i];
        if (call->active && !call->applied && now_ns >= call->apply_ns) {
            if (strcmp(call->operation, "PutRecords") == 0) {
                apply(kinesis, call);
            } else {
                answer_control(call);
            }
        }
    }
}

static void port_cancel(void *self, uint32_t slot)
{
    const struct tr_model_port *port = self;
    struct tr_model_kinesis *kinesis = port->kinesis;
    struct tr_model_call *call = &kinesis->calls[port->first_slot + slot];
    if (!call->active) {
        return;
    }
    call->active = false;
    if (call->applied || strcmp(call->operation, "PutRecords") != 0) {
        return;
    }
    for (uint32_t i = 0; i < TR_MODEL_LATE_MAX; i++) {
        struct tr_model_call *late = &kinesis->late[i];
        if (!late->active) { /* swap, so that both keep a body buffer */
            const struct tr_model_call spare = *late;
            *late = *call;
            late->active = true;
            call->body = spare.body;
            call->answer = spare.answer;
            const int64_t last_ns = kinesis->now_ns + late->timeout_ns - 1;
            late->apply_ns = late->apply_ns < last_ns ? late->apply_ns : last_ns;
            return;
        }
    }
    TR_ASSERT(false); /* more given up than a run can have */
}

static void fill_done(struct tr_model_call *call, struct tr_call_done *done)
{
    *done = (struct tr_call_done){.slot = call->slot, .state = TR_CALL_ANSWERED, .status = 200};
    switch (call->fate) {
    case TR_FATE_GOOD:
    case TR_FATE_PARTIAL:
    case TR_FATE_THROTTLED:
    case TR_FATE_HANG:
    case TR_FATE_COUNT:
        break;
    case TR_FATE_REFUSED:
        done->status = 400;
        (void)snprintf(done->error_type, sizeof(done->error_type), "ThrottlingException");
        print(&call->answer, "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}");
        break;
    case TR_FATE_ERROR:
    case TR_FATE_ERROR_APPLIED:
        done->status = 500;
        call->answer.used = 0;
        print(&call->answer, "{\"__type\":\"InternalFailure\"}");
        break;
    case TR_FATE_LOST:
    case TR_FATE_LOST_APPLIED:
        done->state = TR_CALL_UNKNOWN;
        (void)TR_FAIL(&done->error, TR_ERR_SINK_LINK, TR_RETRY, "model: connection reset");
        break;
    case TR_FATE_GARBAGE:
        call->answer.used = 0;
        print(&call->answer, "<html>");
        break;
    case TR_FATE_SHORT:
        call->answer.used = 0;
        print(&call->answer, "{\"FailedRecordCount\":0,\"Records\":[]}");
        break;
    case TR_FATE_UNSENT:
        done->state = TR_CALL_UNSENT;
        (void)TR_FAIL(&done->error, TR_ERR_SINK_LINK, TR_RETRY, "model: connection refused");
        break;
    }
    const size_t bytes = call->answer.used;
    const uint8_t padding[PADDING_BYTES] = {0};
    tr_buffer_append(&call->answer, padding, sizeof(padding));
    done->answer = tr_span_of(call->answer.bytes, bytes);
}

static bool port_poll(void *self, int64_t now_ns, struct tr_call_done *done)
{
    const struct tr_model_port *port = self;
    struct tr_model_kinesis *kinesis = port->kinesis;
    apply_due(kinesis, now_ns);
    for (uint32_t i = port->first_slot; i < port->first_slot + port->slot_count; i++) {
        struct tr_model_call *call = &kinesis->calls[i];
        if (call->active && now_ns >= call->answer_ns) {
            TR_ASSERT(call->applied);
            call->active = false;
            fill_done(call, done);
            return true;
        }
    }
    return false;
}

void tr_model_kinesis_kill(struct tr_model_kinesis *kinesis)
{
    for (uint32_t i = 0; i < TR_MODEL_SLOTS_MAX + TR_MODEL_LATE_MAX; i++) {
        struct tr_model_call *call =
            i < TR_MODEL_SLOTS_MAX ? &kinesis->calls[i] : &kinesis->late[i - TR_MODEL_SLOTS_MAX];
        if (call->active && !call->applied && strcmp(call->operation, "PutRecords") == 0 &&
            tr_random_chance(&kinesis->random, 500)) {
            apply(kinesis, call);
        }
        call->active = false;
    }
}
