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
#define REQUEST_BYTES_MAX (10 * 1024 * 1024)
#define RECORD_BYTES_MAX (1024 * 1024)
#define MANY_ENTRIES 8

static enum tr_code port_submit(void *self, const struct tr_call *call, int64_t now_ns,
                                struct tr_error *err);
static void port_cancel(void *self, uint32_t slot);
static bool port_poll(void *self, int64_t now_ns, struct tr_call_done *done);

static void port_close(void *self)
{
    (void)self; /* the model outlives the engine */
}

void tr_model_kinesis_init(struct tr_model_kinesis *kinesis, struct tr_oracle *oracle,
                           const struct tr_model_kinesis_options *options)
{
    struct tr_error err;
    *kinesis = (struct tr_model_kinesis){.options = *options,
                                         .oracle = oracle,
                                         .random = {options->seed ^ 0x4B1E},
                                         .faults_on = true};
    const enum tr_code code = tr_digest_open(&kinesis->digest, &err);
    TR_ASSERT(code == TR_OK);
    for (uint32_t i = 0; i < TR_MODEL_STREAMS_MAX; i++) {
        kinesis->active_ns[i] = options->lacks_streams ? INT64_MAX : 0;
        tr_model_shards_init(&kinesis->shards[i], 1 + tr_random_below(&kinesis->random, 6),
                             options->shard_rate);
    }
}

struct tr_transport *tr_model_kinesis_port(struct tr_model_kinesis *kinesis, uint32_t index,
                                           uint32_t slot_count)
{
    struct tr_model_port *port = &kinesis->ports[index];
    TR_ASSERT(index < TR_MODEL_PORTS_MAX && (index + 1) * slot_count <= TR_MODEL_SLOTS_MAX);
    *port = (struct tr_model_port){
        .kinesis = kinesis, .first_slot = index * slot_count, .slot_count = slot_count};
    port->transport = (struct tr_transport){.self = port,
                                            .submit = port_submit,
                                            .cancel = port_cancel,
                                            .poll = port_poll,
                                            .close = port_close};
    return &port->transport;
}

static struct tr_model_call *call_at(struct tr_model_kinesis *kinesis, uint32_t index)
{
    return index < TR_MODEL_SLOTS_MAX ? &kinesis->calls[index]
                                      : &kinesis->late[index - TR_MODEL_SLOTS_MAX];
}

void tr_model_kinesis_deinit(struct tr_model_kinesis *kinesis)
{
    for (uint32_t i = 0; i < TR_MODEL_SLOTS_MAX + TR_MODEL_LATE_MAX; i++) {
        tr_buffer_free(&call_at(kinesis, i)->body);
        tr_buffer_free(&call_at(kinesis, i)->answer);
    }
    tr_digest_close(kinesis->digest);
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

static bool is_put(const struct tr_model_call *call)
{
    return strcmp(call->operation, "PutRecords") == 0;
}

/* --- reading a request --------------------------------------------------------------------------
 */

struct reading {
    struct tr_model_kinesis *kinesis;
    struct tr_model_call *call;
    struct tr_span stream;
    uint8_t *bytes;
    uint32_t count;
    uint64_t payload_bytes;
    struct tr_random random;
    uint32_t failed_count;
};

struct entry {
    uint8_t key_text[1400];
    struct tr_span key;
    struct tr_span data;
};

static void read_entry(struct reading *reading, const struct tr_body_entry *from,
                       struct entry *entry)
{
    TR_ASSERT(from->partition_key.bytes <= sizeof(entry->key_text));
    const int64_t key_bytes = tr_body_unescape(from->partition_key, entry->key_text);
    TR_ASSERT(key_bytes > 0);
    int data_bytes = 0;
    if (from->data.bytes > 0) {
        data_bytes = EVP_DecodeBlock(reading->bytes, from->data.data, (int)from->data.bytes);
        TR_ASSERT(data_bytes > 0);
        data_bytes -= (from->data.data[from->data.bytes - 1] == '=') +
                      (from->data.data[from->data.bytes - 2] == '=');
    }
    entry->key = tr_span_of(entry->key_text, (size_t)key_bytes);
    entry->data = tr_span_of(reading->bytes, (size_t)data_bytes);
}

/* A submitted entry: the limits, its key's queue. */
static bool check_entry(void *self, const struct tr_body_entry *from)
{
    struct reading *reading = self;
    struct tr_model_call *call = reading->call;
    struct tr_oracle *oracle = reading->kinesis->oracle;
    struct entry entry;
    TR_ASSERT(reading->count < TR_MODEL_ENTRIES_MAX); /* the service's limit */
    read_entry(reading, from, &entry);
    TR_ASSERT(!tr_partition_key_is_oversize(entry.key));
    TR_ASSERT(entry.key.bytes + entry.data.bytes <= RECORD_BYTES_MAX);
    reading->payload_bytes += entry.key.bytes + entry.data.bytes;
    struct tr_oracle_key *key = tr_oracle_find(oracle, reading->stream, entry.key);
    const bool is_next = reading->count > 0 && call->keys[reading->count - 1] == key;
    if (key != NULL && key->flight > 0 && !is_next && oracle->failure[0] == '\0') {
        (void)snprintf(oracle->failure, sizeof(oracle->failure),
                       "stream %.*s key %.*s: in two requests at once", (int)reading->stream.bytes,
                       (const char *)reading->stream.data, (int)entry.key.bytes,
                       (const char *)entry.key.data);
    }
    call->items[reading->count] =
        key == NULL ? TR_ORACLE_NO_ITEM
                    : tr_oracle_sent(oracle, key, reading->stream, entry.key, entry.data);
    call->keys[reading->count++] = key;
    return true;
}

static void check_request(struct tr_model_kinesis *kinesis, struct tr_model_call *call)
{
    struct reading reading = {.kinesis = kinesis, .call = call};
    const struct tr_span body = tr_span_of(call->body.bytes, call->body.used);
    (void)tr_body_put_records(body, &reading.stream, NULL, NULL);
    reading.bytes = malloc(call->body.used + 4);
    TR_ASSERT(reading.bytes != NULL);
    const int64_t count = tr_body_put_records(body, &reading.stream, check_entry, &reading);
    TR_ASSERT(count >= 1 && count == reading.count);
    TR_ASSERT(reading.payload_bytes <= REQUEST_BYTES_MAX);
    call->entry_count = reading.count;
    call->table = tr_model_stream_of(reading.stream) % TR_MODEL_STREAMS_MAX;
    free(reading.bytes);
}

/* The request is over, with acknowledgements or without. */
static void settle(struct tr_model_kinesis *kinesis, struct tr_model_call *call, bool is_answered)
{
    for (uint32_t i = 0; i < call->entry_count;) {
        struct tr_oracle_key *key = call->keys[i];
        uint32_t good = 0;
        bool goes_on = is_answered;
        for (; i < call->entry_count && call->keys[i] == key; i++) {
            goes_on = goes_on && !call->is_bad[i];
            good += goes_on;
        }
        if (key != NULL) {
            tr_oracle_settled(kinesis->oracle, key, good);
        }
    }
}

static void count_late(const struct tr_model_call *call, uint32_t n)
{
    for (uint32_t i = 0; i < call->entry_count; i++) {
        if (call->keys[i] != NULL) {
            call->keys[i]->late_count += n;
        }
    }
}

/* --- submitting ---------------------------------------------------------------------------------
 */

static enum tr_model_fate draw_fate(struct tr_model_kinesis *kinesis,
                                    const struct tr_model_call *call, int64_t now_ns)
{
    if (is_put(call) && (kinesis->dead_tables >> call->table & 1) != 0) {
        return TR_FATE_HANG;
    }
    if (is_put(call) && now_ns < kinesis->active_ns[call->table]) {
        return TR_FATE_MISSING;
    }
    if (!kinesis->faults_on ||
        !tr_random_chance(&kinesis->random, is_put(call)
                                                ? kinesis->options.fault_permille
                                                : kinesis->options.control_fault_permille)) {
        return TR_FATE_GOOD;
    }
    if (strcmp(call->operation, "CreateStream") == 0 && tr_random_chance(&kinesis->random, 300)) {
        return TR_FATE_LOST_APPLIED; /* one call a stream: else it would hardly be seen */
    }
    const uint32_t last = kinesis->options.never_hangs ? TR_FATE_COUNT - 2 : TR_FATE_COUNT - 1;
    const enum tr_model_fate fate =
        (enum tr_model_fate)(1 + tr_random_below(&kinesis->random, last));
    if ((fate == TR_FATE_INVALID || fate == TR_FATE_TOO_LARGE) &&
        call->entry_count < MANY_ENTRIES) {
        return TR_FATE_GOOD; /* one record alone would be refused for good */
    }
    if ((fate == TR_FATE_SHORT || fate == TR_FATE_LONG) && !is_put(call)) {
        return TR_FATE_GARBAGE;
    }
    if (fate == TR_FATE_MISSING && !is_put(call) && kinesis->options.lacks_streams) {
        return TR_FATE_REFUSED; /* who may not look must create streams by hand */
    }
    return fate;
}

static void draw_times(struct tr_model_kinesis *kinesis, struct tr_model_call *call, int64_t now_ns)
{
    const int64_t delay_ns =
        (int64_t)tr_random_below(&kinesis->random, kinesis->options.delay_us_max) * 1000;
    const uint32_t timeout_us = (uint32_t)(call->timeout_ns / 1000);
    call->apply_ns = now_ns + delay_ns / 2;
    call->answer_ns = now_ns + delay_ns;
    if (call->fate == TR_FATE_TIMEOUT) {
        call->answer_ns = now_ns + call->timeout_ns;
        call->apply_ns = now_ns + (int64_t)tr_random_below(&kinesis->random, 2 * timeout_us) * 1000;
    } else if (call->fate == TR_FATE_HANG) {
        call->answer_ns = INT64_MAX;
        call->apply_ns = now_ns + (int64_t)tr_random_below(&kinesis->random, 2 * timeout_us) * 1000;
    }
}

static enum tr_code port_submit(void *self, const struct tr_call *call, int64_t now_ns,
                                struct tr_error *err)
{
    const struct tr_model_port *port = self;
    struct tr_model_kinesis *kinesis = port->kinesis;
    struct tr_model_call *entry = &kinesis->calls[port->first_slot + call->slot];
    (void)err;
    TR_ASSERT(call->slot < port->slot_count && !entry->active);
    const struct tr_buffer body = entry->body;
    const struct tr_buffer answer = entry->answer;
    memset(entry, 0, sizeof(*entry));
    entry->active = true;
    entry->slot = call->slot;
    entry->operation = call->operation;
    entry->body = body;
    entry->answer = answer;
    entry->timeout_ns = call->timeout_ns;
    entry->draw = tr_random_next(&kinesis->random);
    entry->body.used = 0;
    entry->answer.used = 0;
    tr_buffer_append(&entry->body, call->body.data, call->body.bytes);
    if (is_put(entry)) {
        check_request(kinesis, entry);
        kinesis->request_count++;
    }
    entry->fate = draw_fate(kinesis, entry, now_ns);
    draw_times(kinesis, entry, now_ns);
    return TR_OK;
}

/* --- applying -----------------------------------------------------------------------------------
 */

static bool is_applied(enum tr_model_fate fate)
{
    switch (fate) {
    case TR_FATE_GOOD:
    case TR_FATE_PARTIAL:
    case TR_FATE_THROTTLED:
    case TR_FATE_ERROR_APPLIED:
    case TR_FATE_BUSY_APPLIED:
    case TR_FATE_LOST_APPLIED:
    case TR_FATE_TIMEOUT:
    case TR_FATE_GARBAGE_APPLIED:
    case TR_FATE_SHORT:
    case TR_FATE_HANG:
        return true;
    case TR_FATE_REFUSED:
    case TR_FATE_ERROR:
    case TR_FATE_BUSY:
    case TR_FATE_LOST:
    case TR_FATE_GARBAGE:
    case TR_FATE_LONG:
    case TR_FATE_MISSING:
    case TR_FATE_EXPIRED:
    case TR_FATE_INVALID:
    case TR_FATE_TOO_LARGE:
    case TR_FATE_UNSENT:
    case TR_FATE_COUNT:
    case TR_FATE_ABSENT:
    case TR_FATE_IN_USE:
        break;
    }
    return false;
}

/* One entry after the other, as the service does it. */
static bool apply_entry(void *self, const struct tr_body_entry *from)
{
    struct reading *reading = self;
    struct tr_model_call *call = reading->call;
    struct tr_model_kinesis *kinesis = reading->kinesis;
    struct entry entry;
    uint32_t shard;
    read_entry(reading, from, &entry);
    const bool has_room =
        tr_model_shards_take(&kinesis->shards[call->table],
                             tr_digest_md5(kinesis->digest, entry.key), kinesis->now_ns, &shard);
    const bool fails = (call->fate == TR_FATE_PARTIAL || call->fate == TR_FATE_THROTTLED) &&
                       tr_random_chance(&reading->random, 300);
    const uint32_t at = reading->count++;
    const char *separator = at == 0 ? "" : ",";
    call->is_bad[at] = fails || !has_room;
    if (fails || !has_room) {
        reading->failed_count++;
        print(&call->answer, "%s{\"ErrorCode\":\"%s\",\"ErrorMessage\":\"drawn\"}", separator,
              has_room && call->fate == TR_FATE_PARTIAL ? "InternalFailure"
                                                        : "ProvisionedThroughputExceededException");
        return true;
    }
    if (call->items[at] != TR_ORACLE_NO_ITEM) {
        tr_oracle_see(kinesis->oracle, call->keys[at], call->items[at], reading->stream, entry.key);
    }
    print(&call->answer, "%s{\"SequenceNumber\":\"%056llu\",\"ShardId\":\"shardId-%012u\"}",
          separator, (unsigned long long)kinesis->oracle->record_count, shard);
    return true;
}

static void apply(struct tr_model_kinesis *kinesis, struct tr_model_call *call)
{
    struct reading reading = {.kinesis = kinesis, .call = call, .random = {call->draw}};
    const struct tr_span body = tr_span_of(call->body.bytes, call->body.used);
    call->applied = true;
    if (!is_applied(call->fate)) {
        return;
    }
    (void)tr_body_put_records(body, &reading.stream, NULL, NULL);
    reading.bytes = malloc(call->body.used + 4);
    TR_ASSERT(reading.bytes != NULL);
    print(&call->answer, "{\"FailedRecordCount\":%10u,\"Records\":[", 0u);
    const int64_t count = tr_body_put_records(body, &reading.stream, apply_entry, &reading);
    TR_ASSERT(count == reading.count);
    print(&call->answer, "]}");
    char digits[16];
    (void)snprintf(digits, sizeof(digits), "%10u", reading.failed_count);
    memcpy(call->answer.bytes + strlen("{\"FailedRecordCount\":"), digits, 10);
    free(reading.bytes);
}

/* Creates the stream, which takes a moment. */
static void create_stream(struct tr_model_kinesis *kinesis, struct tr_model_call *call)
{
    if (kinesis->active_ns[call->table] != INT64_MAX) {
        call->fate = call->fate == TR_FATE_GOOD ? TR_FATE_IN_USE : call->fate;
        return;
    }
    kinesis->active_ns[call->table] =
        kinesis->now_ns + (int64_t)tr_random_below(&kinesis->random, 3000) * TR_NS_PER_MS;
}

static void describe_stream(struct tr_model_kinesis *kinesis, struct tr_model_call *call)
{
    const bool is_active = kinesis->now_ns >= kinesis->active_ns[call->table];
    print(&call->answer,
          "{\"StreamDescriptionSummary\":{\"StreamName\":\"s\",\"StreamARN\":\"arn:aws:kinesis:x:0:"
          "stream/s\","
          "\"StreamStatus\":\"%s\",\"OpenShardCount\":%u,\"MaxRecordSizeInKiB\":1024}}",
          is_active ? "ACTIVE" : "CREATING",
          tr_model_shards_open_count(&kinesis->shards[call->table]));
}

/* Control calls say what is so at the moment of their answer. */
static void answer_control(struct tr_model_kinesis *kinesis, struct tr_model_call *call)
{
    const struct tr_span body = tr_span_of(call->body.bytes, call->body.used);
    struct tr_span value;
    uint32_t from = 0;
    if (tr_body_member(body, "StreamName", &value)) {
        call->table = tr_model_stream_of(value) % TR_MODEL_STREAMS_MAX;
    } else if (tr_body_member(body, "NextToken", &value)) {
        from = (uint32_t)strtoul((const char *)value.data, NULL, 10);
        call->table = (uint32_t)(value.data[value.bytes - 1] - '0') % TR_MODEL_STREAMS_MAX;
    }
    struct tr_model_shards *shards = &kinesis->shards[call->table];
    if (kinesis->faults_on &&
        tr_random_chance(&kinesis->random, kinesis->options.change_permille)) {
        tr_model_shards_change(shards, &kinesis->random);
    }
    call->applied = true;
    if (!is_applied(call->fate)) {
        return;
    }
    if (strcmp(call->operation, "CreateStream") == 0) {
        create_stream(kinesis, call);
    } else if (kinesis->active_ns[call->table] == INT64_MAX) {
        call->fate = call->fate == TR_FATE_GOOD ? TR_FATE_ABSENT : call->fate;
    } else if (strcmp(call->operation, "ListShards") == 0) {
        const uint32_t count_max =
            tr_random_chance(&kinesis->random, 300) ? 2 : TR_MODEL_SHARDS_MAX;
        tr_model_shards_list(shards, from, count_max, call->table, &call->answer);
    } else {
        describe_stream(kinesis, call);
    }
}

static void apply_due(struct tr_model_kinesis *kinesis, int64_t now_ns)
{
    kinesis->now_ns = now_ns;
    for (uint32_t i = 0; i < TR_MODEL_LATE_MAX; i++) {
        struct tr_model_call *call = &kinesis->late[i];
        if (call->active && now_ns >= call->apply_ns) {
            TR_COVER("sim.applied_after_given_up");
            count_late(call, UINT32_MAX); /* minus one */
            apply(kinesis, call);
            call->active = false;
        }
    }
    for (uint32_t i = 0; i < TR_MODEL_SLOTS_MAX; i++) {
        struct tr_model_call *call = &kinesis->calls[i];
        if (call->active && !call->applied && now_ns >= call->apply_ns) {
            if (is_put(call)) {
                apply(kinesis, call);
            } else {
                answer_control(kinesis, call);
            }
        }
    }
}

/* Nobody waits for it any more; what is on its way may still arrive. */
static void give_up(struct tr_model_kinesis *kinesis, struct tr_model_call *call)
{
    call->active = false;
    settle(kinesis, call, false);
    if (call->applied || !is_put(call) || !is_applied(call->fate)) {
        return;
    }
    for (uint32_t i = 0; i < TR_MODEL_LATE_MAX; i++) {
        struct tr_model_call *late = &kinesis->late[i];
        if (!late->active) { /* swap, so that both keep a body buffer */
            const struct tr_buffer body = late->body;
            const struct tr_buffer answer = late->answer;
            *late = *call;
            late->active = true;
            call->body = body;
            call->answer = answer;
            const int64_t last_ns = kinesis->now_ns + late->timeout_ns - 1;
            late->apply_ns = late->apply_ns < last_ns ? late->apply_ns : last_ns;
            count_late(late, 1);
            return;
        }
    }
    TR_ASSERT(false); /* more given up than a run can have */
}

static void port_cancel(void *self, uint32_t slot)
{
    const struct tr_model_port *port = self;
    struct tr_model_call *call = &port->kinesis->calls[port->first_slot + slot];
    if (call->active) {
        give_up(port->kinesis, call);
    }
}

/* --- answering ----------------------------------------------------------------------------------
 */

static void refuse(struct tr_model_call *call, struct tr_call_done *done, int status,
                   const char *type)
{
    done->status = status;
    call->answer.used = 0;
    print(&call->answer, "{\"__type\":\"%s\",\"message\":\"drawn\"}", type);
    if (tr_random_next(&(struct tr_random){call->draw}) % 2 == 0) {
        (void)snprintf(done->error_type, sizeof(done->error_type), "%s", type);
    }
    done->retry_after_ns = call->draw % 5 == 0 ? 3 * TR_NS_PER_MS : 0;
}

/* An answer that would be good, but for the number of its entries. */
static void answer_count(struct tr_model_call *call, uint32_t count)
{
    call->answer.used = 0;
    print(&call->answer, "{\"FailedRecordCount\":0,\"Records\":[");
    for (uint32_t i = 0; i < count; i++) {
        print(&call->answer, "%s{\"SequenceNumber\":\"1\",\"ShardId\":\"shardId-0\"}",
              i == 0 ? "" : ",");
    }
    print(&call->answer, "]}");
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
        refuse(call, done, 400, is_put(call) ? "ThrottlingException" : "LimitExceededException");
        break;
    case TR_FATE_ERROR:
    case TR_FATE_ERROR_APPLIED:
        refuse(call, done, 500, "InternalFailure");
        break;
    case TR_FATE_BUSY:
    case TR_FATE_BUSY_APPLIED:
        refuse(call, done, 503, "ServiceUnavailable");
        break;
    case TR_FATE_LOST:
    case TR_FATE_LOST_APPLIED:
    case TR_FATE_TIMEOUT:
        done->state = TR_CALL_UNKNOWN;
        (void)TR_FAIL(&done->error, TR_ERR_SINK_LINK, TR_RETRY, "model: no answer");
        break;
    case TR_FATE_GARBAGE:
    case TR_FATE_GARBAGE_APPLIED:
        call->answer.used = 0;
        print(&call->answer, "<html>");
        break;
    case TR_FATE_SHORT:
        answer_count(call, call->entry_count - 1);
        break;
    case TR_FATE_LONG:
        answer_count(call, call->entry_count + 1);
        break;
    case TR_FATE_MISSING:
        refuse(call, done, 400,
               is_put(call) ? "ResourceNotFoundException" : "AccessDeniedException");
        break;
    case TR_FATE_EXPIRED:
        refuse(call, done, 400, "ExpiredTokenException");
        done->credentials_generation = call->draw & 1;
        break;
    case TR_FATE_ABSENT:
        refuse(call, done, 400, "ResourceNotFoundException");
        break;
    case TR_FATE_IN_USE:
        refuse(call, done, 400, "ResourceInUseException");
        break;
    case TR_FATE_INVALID:
        refuse(call, done, 400, "ValidationException");
        break;
    case TR_FATE_TOO_LARGE:
        refuse(call, done, 413, "RequestEntityTooLarge");
        break;
    case TR_FATE_UNSENT:
        done->state = TR_CALL_UNSENT;
        (void)TR_FAIL(&done->error, TR_ERR_SINK_LINK, TR_RETRY, "model: connection refused");
        break;
    }
}

static bool is_acknowledging(const struct tr_model_call *call)
{
    return call->fate == TR_FATE_GOOD || call->fate == TR_FATE_PARTIAL ||
           call->fate == TR_FATE_THROTTLED;
}

static bool port_poll(void *self, int64_t now_ns, struct tr_call_done *done)
{
    static const uint8_t padding[PADDING_BYTES];
    const struct tr_model_port *port = self;
    struct tr_model_kinesis *kinesis = port->kinesis;
    apply_due(kinesis, now_ns);
    for (uint32_t i = port->first_slot; i < port->first_slot + port->slot_count; i++) {
        struct tr_model_call *call = &kinesis->calls[i];
        if (!call->active || now_ns < call->answer_ns) {
            continue;
        }
        fill_done(call, done);
        if (call->applied || !is_applied(call->fate)) {
            call->active = false;
            settle(kinesis, call, is_acknowledging(call));
        } else {
            TR_ASSERT(call->fate == TR_FATE_TIMEOUT);
            give_up(kinesis, call);
        }
        const size_t bytes = call->answer.used;
        tr_buffer_append(&call->answer, padding, sizeof(padding));
        done->answer = tr_span_of(call->answer.bytes, bytes);
        return true;
    }
    return false;
}

void tr_model_kinesis_kill(struct tr_model_kinesis *kinesis)
{
    for (uint32_t i = 0; i < TR_MODEL_SLOTS_MAX + TR_MODEL_LATE_MAX; i++) {
        struct tr_model_call *call = call_at(kinesis, i);
        if (call->active && !call->applied && is_put(call) &&
            tr_random_chance(&kinesis->random, 500)) {
            apply(kinesis, call);
        }
        call->active = false;
    }
}
